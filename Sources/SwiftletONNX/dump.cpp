#include "dump.hpp"
#include "schema.hpp"
#include "tensor_data.hpp"
#include <algorithm>
#include <cinttypes>
#include <cstring>
#include <google/protobuf/descriptor.h>

namespace pb = google::protobuf;

namespace swlx {
namespace {
/// 64-bit FNV-1a.
struct Hash {
  uint64_t value = 0xcbf29ce484222325;
  void add(const char *bytes, size_t length) {
    for (size_t i = 0; i < length; ++i) value = (value ^ static_cast<unsigned char>(bytes[i])) * 0x100000001b3;
  }
};

std::string quoted(const std::string &text) {
  std::string out = "\"";
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') (out += '\\') += static_cast<char>(c);
    else if (c >= 0x20 && c < 0x7f) out += static_cast<char>(c);
    else {
      char hex[5];
      snprintf(hex, sizeof hex, "\\x%02x", c);
      out += hex;
    }
  }
  return out + '"';
}

std::string hex(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  char text[12];
  snprintf(text, sizeof text, "0x%08" PRIx32, bits);
  return text;
}

/// Fields that the runtime doesn't keep, and those that hold elements (dumped as one line).
const char *const leftOut[] = {
    "ValueInfoProto.metadata_props", "NodeProto.device_configurations", "ModelProto.configuration",
    "ModelProto.training_info", "GraphProto.quantization_annotation", "FunctionProto.metadata_props",
    "TensorProto.segment", "TensorProto.raw_data", "TensorProto.float_data", "TensorProto.int32_data",
    "TensorProto.string_data", "TensorProto.int64_data", "TensorProto.double_data", "TensorProto.uint64_data",
};

bool isLeftOut(const pb::FieldDescriptor *field) {
  const std::string name = field->containing_type()->name() + "." + field->name();
  return std::find(std::begin(leftOut), std::end(leftOut), name) != std::end(leftOut);
}

std::string element(const Fields &m, const char *field) { return std::to_string(m.integer(field)); }

std::string shaped(const Fields &m) {
  if (m.integer("elem_type") == 0) return "";
  std::string out = element(m, "elem_type");
  if (!m.has("shape")) return out;
  const Fields shape = m.sub("shape");
  out += "[";
  for (int i = 0; i < shape.size("dim"); ++i) {
    const Fields dim = shape.sub("dim", i);
    out += i ? ", " : "";
    if (dim.has("dim_value") && dim.integer("dim_value") >= 0) out += element(dim, "dim_value");
    else if (dim.has("dim_param") && !dim.text("dim_param").empty()) out += quoted(dim.text("dim_param"));
    else out += "?";
  }
  return out + "]";
}

/// A TypeProto on one line; empty when it doesn't say all that a type needs, or is opaque.
std::string type(const Fields &m) {
  const auto wrapped = [](const char *name, const std::string &inner) {
    return inner.empty() ? inner : name + ("(" + inner) + ")";
  };
  if (m.has("tensor_type")) return wrapped("tensor", shaped(m.sub("tensor_type")));
  if (m.has("sparse_tensor_type")) return wrapped("sparse_tensor", shaped(m.sub("sparse_tensor_type")));
  if (m.has("sequence_type")) return wrapped("sequence", type(m.sub("sequence_type").sub("elem_type")));
  if (m.has("optional_type")) return wrapped("optional", type(m.sub("optional_type").sub("elem_type")));
  if (!m.has("map_type")) return "";
  const Fields map = m.sub("map_type");
  const std::string value = type(map.sub("value_type"));
  const bool whole = map.integer("key_type") != 0 && !value.empty();
  return whole ? "map(" + element(map, "key_type") + ", " + value + ")" : "";
}

class Dump {
 public:
  std::string out;

  /// Whether anything was printed.
  bool message(pb::Message &message, const std::string &path) {
    const size_t before = out.size();
    const bool isTensor = message.GetDescriptor()->name() == "TensorProto";
    for (const auto *field : inOrder(message)) {
      if (isLeftOut(field)) continue;
      const std::string here = path.empty() ? field->name() : path + "." + field->name();
      if (field->is_repeated()) repeated(message, field, here);
      else singular(message, field, here);
    }
    if (isTensor) elements(Fields(message), path + ".data");
    return out.size() > before;
  }

 private:
  static std::vector<const pb::FieldDescriptor *> inOrder(const pb::Message &message) {
    const auto *type = message.GetDescriptor();
    std::vector<const pb::FieldDescriptor *> fields;
    for (int i = 0; i < type->field_count(); ++i) fields.push_back(type->field(i));
    std::sort(fields.begin(), fields.end(), [](auto *a, auto *b) { return a->number() < b->number(); });
    return fields;
  }

  void line(const std::string &path, const std::string &value) { out += path + " = " + value + "\n"; }

  void nested(pb::Message &nested, const std::string &path) {
    if (nested.GetDescriptor()->name() == "TypeProto") {
      const std::string text = type(Fields(nested));
      if (!text.empty()) line(path, text);
    } else if (!message(nested, path)) {
      line(path, "{}");
    }
  }

  void singular(pb::Message &message, const pb::FieldDescriptor *field, const std::string &path) {
    const auto *reflection = message.GetReflection();
    if (!reflection->HasField(message, field)) return;
    if (field->cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE)
      return nested(*reflection->MutableMessage(&message, field), path);
    const Fields fields(message);
    switch (field->cpp_type()) {
      case pb::FieldDescriptor::CPPTYPE_STRING: {
        const auto &text = fields.text(field->name().c_str());
        const bool defaultDomain = field->full_name() == "onnx.OperatorSetIdProto.domain" && text == "ai.onnx";
        if (!text.empty() && !defaultDomain) line(path, quoted(text));
        return;
      }
      case pb::FieldDescriptor::CPPTYPE_FLOAT: {
        const std::string bits = hex(fields.real(field->name().c_str()));
        if (bits != "0x00000000") line(path, bits);
        return;
      }
      default: {
        const int64_t value = fields.integer(field->name().c_str());
        if (value != 0) line(path, std::to_string(value));
      }
    }
  }

  void repeated(pb::Message &message, const pb::FieldDescriptor *field, const std::string &path) {
    const auto *reflection = message.GetReflection();
    const int count = reflection->FieldSize(message, field);
    if (count == 0) return;
    if (field->cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE) {
      for (int i = 0; i < count; ++i)
        nested(*reflection->MutableRepeatedMessage(&message, field, i), path + "[" + std::to_string(i) + "]");
      return;
    }
    const Fields fields(message);
    const char *name = field->name().c_str();
    std::string list;
    for (int i = 0; i < count; ++i) {
      list += i ? ", " : "";
      switch (field->cpp_type()) {
        case pb::FieldDescriptor::CPPTYPE_STRING: list += quoted(fields.text(name, i)); break;
        case pb::FieldDescriptor::CPPTYPE_FLOAT: list += hex(fields.real(name, i)); break;
        default: list += std::to_string(fields.integer(name, i));
      }
    }
    line(path, "[" + list + "]");
  }

  void elements(const Fields &tensor, const std::string &path) {
    Hash hash;
    size_t bytes = 0;
    if (tensor.integer("data_type") == STRING) {
      for (int i = 0; i < tensor.size("string_data"); ++i) {
        const auto &text = tensor.text("string_data", i);
        const uint64_t length = text.size();
        hash.add(reinterpret_cast<const char *>(&length), sizeof length);
        hash.add(text.data(), text.size());
        bytes += sizeof length + text.size();
      }
    } else {
      const std::string data = elementBytes(tensor);
      hash.add(data.data(), data.size());
      bytes = data.size();
    }
    if (bytes == 0) return;
    char text[64];
    snprintf(text, sizeof text, "%zu bytes, fnv1a %016" PRIx64, bytes, hash.value);
    line(path, text);
  }
};
}  // namespace

std::string dump(pb::Message &model) {
  Dump dump;
  dump.message(model, "");
  return "# unknown fields: " + std::to_string(unknownFields(model)) + "\n" + dump.out;
}
}  // namespace swlx
