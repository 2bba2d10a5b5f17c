#pragma once
#include <google/protobuf/message.h>
#include <string>

namespace swlx {
/// A message whose fields are named as in the schema. Reading and writing a field that the schema hasn't got (or that
/// has another kind) throws Error.
class Fields {
 public:
  explicit Fields(google::protobuf::Message &message) : message_(&message) {}

  google::protobuf::Message &message() const { return *message_; }

  bool has(const char *name) const;  ///< a singular field that is present
  int size(const char *name) const;  ///< how many elements a repeated field has

  /// Integers and enums of any width.
  int64_t integer(const char *name) const;
  int64_t integer(const char *name, int index) const;
  uint64_t natural(const char *name, int index) const;
  float real(const char *name) const;
  float real(const char *name, int index) const;
  double wide(const char *name, int index) const;
  const std::string &text(const char *name) const;
  const std::string &text(const char *name, int index) const;
  Fields sub(const char *name) const;  ///< made when it isn't there
  Fields sub(const char *name, int index) const;

  void set(const char *name, int64_t value);
  void set(const char *name, float value);
  void set(const char *name, std::string value);
  void add(const char *name, int64_t value);
  void add(const char *name, uint64_t value);
  void add(const char *name, float value);
  void add(const char *name, double value);
  void add(const char *name, std::string value);
  Fields add(const char *name);

 private:
  const google::protobuf::FieldDescriptor *field(const char *name) const;
  const google::protobuf::Reflection *reflection() const { return message_->GetReflection(); }
  google::protobuf::Message *message_;
};
}  // namespace swlx
