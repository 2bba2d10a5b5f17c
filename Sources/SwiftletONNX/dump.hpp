#pragma once
#include <google/protobuf/message.h>
#include <string>

namespace swlx {
/// The text that docs/reader-oracle.md specifies.
std::string dump(google::protobuf::Message &model);
}  // namespace swlx
