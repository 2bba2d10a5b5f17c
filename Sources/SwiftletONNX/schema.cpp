#include "schema.hpp"
#include "error.hpp"
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/unknown_field_set.h>
#include <onnx/onnx_pb.h>

namespace pb = google::protobuf;

namespace swlx {
namespace {
using Field = pb::FieldDescriptorProto;

/// One field that came after libonnx 1.12 (IR version 9 to 14). `type` is "string", "int32", "int64" or a message.
struct Addition {
  const char *message;
  const char *name;
  int number;
  bool repeated;
  const char *type;
  const char *oneof;
};

const Addition additions[] = {
    {"ValueInfoProto", "metadata_props", 4, true, "StringStringEntryProto", nullptr},
    {"NodeProto", "overload", 8, false, "string", nullptr},
    {"NodeProto", "metadata_props", 9, true, "StringStringEntryProto", nullptr},
    {"NodeProto", "device_configurations", 10, true, "NodeDeviceConfigurationProto", nullptr},
    {"IntIntListEntryProto", "key", 1, false, "int64", nullptr},
    {"IntIntListEntryProto", "value", 2, true, "int64", nullptr},
    {"NodeDeviceConfigurationProto", "configuration_id", 1, false, "string", nullptr},
    {"NodeDeviceConfigurationProto", "sharding_spec", 2, true, "ShardingSpecProto", nullptr},
    {"NodeDeviceConfigurationProto", "pipeline_stage", 3, false, "int32", nullptr},
    {"ShardingSpecProto", "tensor_name", 1, false, "string", nullptr},
    {"ShardingSpecProto", "device", 2, true, "int64", nullptr},
    {"ShardingSpecProto", "index_to_device_group_map", 3, true, "IntIntListEntryProto", nullptr},
    {"ShardingSpecProto", "sharded_dim", 4, true, "ShardedDimProto", nullptr},
    {"ShardedDimProto", "axis", 1, false, "int64", nullptr},
    {"ShardedDimProto", "simple_sharding", 2, true, "SimpleShardedDimProto", nullptr},
    {"SimpleShardedDimProto", "dim_value", 1, false, "int64", "dim"},
    {"SimpleShardedDimProto", "dim_param", 2, false, "string", "dim"},
    {"SimpleShardedDimProto", "num_shards", 3, false, "int64", nullptr},
    {"ModelProto", "configuration", 26, true, "DeviceConfigurationProto", nullptr},
    {"DeviceConfigurationProto", "name", 1, false, "string", nullptr},
    {"DeviceConfigurationProto", "num_devices", 2, false, "int32", nullptr},
    {"DeviceConfigurationProto", "device", 3, true, "string", nullptr},
    {"GraphProto", "metadata_props", 16, true, "StringStringEntryProto", nullptr},
    {"TensorProto", "metadata_props", 16, true, "StringStringEntryProto", nullptr},
    {"FunctionProto", "attribute_proto", 11, true, "AttributeProto", nullptr},
    {"FunctionProto", "value_info", 12, true, "ValueInfoProto", nullptr},
    {"FunctionProto", "overload", 13, false, "string", nullptr},
    {"FunctionProto", "metadata_props", 14, true, "StringStringEntryProto", nullptr},
};

pb::DescriptorProto &messageNamed(pb::FileDescriptorProto &file, const std::string &name) {
  for (auto &message : *file.mutable_message_type())
    if (message.name() == name) return message;
  auto *message = file.add_message_type();
  message->set_name(name);
  return *message;
}

int oneofNamed(pb::DescriptorProto &message, const std::string &name) {
  for (int i = 0; i < message.oneof_decl_size(); ++i)
    if (message.oneof_decl(i).name() == name) return i;
  message.add_oneof_decl()->set_name(name);
  return message.oneof_decl_size() - 1;
}

void add(pb::FileDescriptorProto &file, const Addition &addition) {
  auto &message = messageNamed(file, addition.message);
  for (const auto &field : message.field())
    if (field.number() == addition.number) return;  // a newer libonnx has it
  Field *field = message.add_field();
  field->set_name(addition.name);
  field->set_number(addition.number);
  field->set_label(addition.repeated ? Field::LABEL_REPEATED : Field::LABEL_OPTIONAL);
  const std::string type = addition.type;
  if (type == "string") field->set_type(Field::TYPE_STRING);
  else if (type == "int32") field->set_type(Field::TYPE_INT32);
  else if (type == "int64") field->set_type(Field::TYPE_INT64);
  else {
    field->set_type(Field::TYPE_MESSAGE);
    field->set_type_name(".onnx." + type);
  }
  if (addition.oneof) field->set_oneof_index(oneofNamed(message, addition.oneof));
}

struct Schema {
  pb::DescriptorPool pool;
  pb::DynamicMessageFactory factory{&pool};
  const pb::Message *model = nullptr;

  Schema() {
    pb::FileDescriptorProto file;
    onnx::ModelProto::descriptor()->file()->CopyTo(&file);
    for (const auto &addition : additions) add(file, addition);
    if (!pool.BuildFile(file)) throw Error(SWLX_FAILED, "this libonnx has a schema that can't be extended");
    model = factory.GetPrototype(pool.FindMessageTypeByName("onnx.ModelProto"));
  }
};
}  // namespace

std::unique_ptr<pb::Message> newModel() {
  static const Schema schema;
  return std::unique_ptr<pb::Message>(schema.model->New());
}

std::unique_ptr<pb::Message> parseModel(const void *bytes, size_t length) {
  if (length > INT32_MAX) throw Error(SWLX_UNSUPPORTED, "libprotobuf reads no model beyond 2 GiB");
  auto model = newModel();
  if (!model->ParseFromArray(bytes, static_cast<int>(length)))
    throw Error(SWLX_MALFORMED, "libprotobuf can't read this as a ModelProto");
  return model;
}

std::string serialise(const pb::Message &model) {
  if (model.ByteSizeLong() > INT32_MAX) throw Error(SWLX_UNSUPPORTED, "libprotobuf writes no model beyond 2 GiB");
  std::string bytes;
  if (!model.SerializeToString(&bytes)) throw Error(SWLX_FAILED, "libprotobuf can't write this model");
  return bytes;
}

size_t unknownFields(const pb::Message &message) {
  const auto *reflection = message.GetReflection();
  size_t count = static_cast<size_t>(reflection->GetUnknownFields(message).field_count());
  std::vector<const pb::FieldDescriptor *> fields;
  reflection->ListFields(message, &fields);
  for (const auto *field : fields) {
    if (field->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      count += unknownFields(reflection->GetMessage(message, field));
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i)
      count += unknownFields(reflection->GetRepeatedMessage(message, field, i));
  }
  return count;
}
}  // namespace swlx
