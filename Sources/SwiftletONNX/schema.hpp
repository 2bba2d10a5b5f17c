#pragma once
#include <google/protobuf/message.h>
#include <memory>
#include <string>

namespace swlx {
/// An empty ModelProto of the newest schema: libonnx's own, with the fields added that came after its version. A model
/// that is newer than libonnx is thus read whole.
std::unique_ptr<google::protobuf::Message> newModel();

/// Reads a serialised ModelProto; throws Error.
std::unique_ptr<google::protobuf::Message> parseModel(const void *bytes, size_t length);

/// Serialises; throws Error beyond 2 GiB.
std::string serialise(const google::protobuf::Message &model);

/// How many fields, at any depth, are not in the schema.
size_t unknownFields(const google::protobuf::Message &message);
}  // namespace swlx
