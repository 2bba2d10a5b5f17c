#include "fields.hpp"
#include "error.hpp"
#include <google/protobuf/descriptor.h>

namespace pb = google::protobuf;

namespace swlx {
namespace {
// Strings of these messages are std::string, so the reference never points here; reflection asks for it all the same.
thread_local std::string scratch;

[[noreturn]] void wrongKind(const pb::FieldDescriptor *field) {
  throw Error(SWLX_FAILED, "the schema gives " + field->full_name() + " another kind");
}
}  // namespace

const pb::FieldDescriptor *Fields::field(const char *name) const {
  const auto *field = message_->GetDescriptor()->FindFieldByName(name);
  if (!field) throw Error(SWLX_FAILED, "the schema lacks " + message_->GetDescriptor()->full_name() + "." + name);
  return field;
}

bool Fields::has(const char *name) const { return reflection()->HasField(*message_, field(name)); }
int Fields::size(const char *name) const { return reflection()->FieldSize(*message_, field(name)); }

int64_t Fields::integer(const char *name) const {
  const auto *f = field(name);
  switch (f->cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32: return reflection()->GetInt32(*message_, f);
    case pb::FieldDescriptor::CPPTYPE_INT64: return reflection()->GetInt64(*message_, f);
    case pb::FieldDescriptor::CPPTYPE_ENUM: return reflection()->GetEnumValue(*message_, f);
    default: wrongKind(f);
  }
}
int64_t Fields::integer(const char *name, int index) const {
  const auto *f = field(name);
  switch (f->cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32: return reflection()->GetRepeatedInt32(*message_, f, index);
    case pb::FieldDescriptor::CPPTYPE_INT64: return reflection()->GetRepeatedInt64(*message_, f, index);
    default: wrongKind(f);
  }
}
uint64_t Fields::natural(const char *name, int index) const {
  return reflection()->GetRepeatedUInt64(*message_, field(name), index);
}
float Fields::real(const char *name) const { return reflection()->GetFloat(*message_, field(name)); }
float Fields::real(const char *name, int index) const {
  return reflection()->GetRepeatedFloat(*message_, field(name), index);
}
double Fields::wide(const char *name, int index) const {
  return reflection()->GetRepeatedDouble(*message_, field(name), index);
}
const std::string &Fields::text(const char *name) const {
  return reflection()->GetStringReference(*message_, field(name), &scratch);
}
const std::string &Fields::text(const char *name, int index) const {
  return reflection()->GetRepeatedStringReference(*message_, field(name), index, &scratch);
}
Fields Fields::sub(const char *name) const { return Fields(*reflection()->MutableMessage(message_, field(name))); }
Fields Fields::sub(const char *name, int index) const {
  return Fields(*reflection()->MutableRepeatedMessage(message_, field(name), index));
}

void Fields::set(const char *name, int64_t value) {
  const auto *f = field(name);
  switch (f->cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return reflection()->SetInt32(message_, f, static_cast<int32_t>(value));
    case pb::FieldDescriptor::CPPTYPE_INT64: return reflection()->SetInt64(message_, f, value);
    case pb::FieldDescriptor::CPPTYPE_ENUM:
      return reflection()->SetEnumValue(message_, f, static_cast<int>(value));
    default: wrongKind(f);
  }
}
void Fields::set(const char *name, float value) { reflection()->SetFloat(message_, field(name), value); }
void Fields::set(const char *name, std::string value) {
  reflection()->SetString(message_, field(name), std::move(value));
}
void Fields::add(const char *name, int64_t value) {
  const auto *f = field(name);
  if (f->cpp_type() == pb::FieldDescriptor::CPPTYPE_INT32)
    reflection()->AddInt32(message_, f, static_cast<int32_t>(value));
  else
    reflection()->AddInt64(message_, f, value);
}
void Fields::add(const char *name, uint64_t value) { reflection()->AddUInt64(message_, field(name), value); }
void Fields::add(const char *name, float value) { reflection()->AddFloat(message_, field(name), value); }
void Fields::add(const char *name, double value) { reflection()->AddDouble(message_, field(name), value); }
void Fields::add(const char *name, std::string value) {
  reflection()->AddString(message_, field(name), std::move(value));
}
Fields Fields::add(const char *name) { return Fields(*reflection()->AddMessage(message_, field(name))); }
}  // namespace swlx
