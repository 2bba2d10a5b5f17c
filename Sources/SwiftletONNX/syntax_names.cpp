#include "syntax.hpp"
#include "tensor_data.hpp"

namespace swlx {
namespace {
const char *const attributeTypes[] = {
    "undefined", "float", "int", "string", "tensor", "graph", "floats", "ints", "strings", "tensors", "graphs",
    "sparse_tensor", "sparse_tensors", "type_proto", "type_protos",
};
const int64_t count = sizeof attributeTypes / sizeof attributeTypes[0];
}  // namespace

const char *attributeTypeName(int64_t type) { return type >= 1 && type < count ? attributeTypes[type] : nullptr; }

int64_t attributeTypeNamed(const std::string &name) {
  for (int64_t type = 1; type < count; ++type)
    if (name == attributeTypes[type]) return type;
  return 0;
}

bool beginsType(const std::string &identifier) {
  for (const char *keyword : {"seq", "map", "optional", "sparse_tensor", "opaque"})
    if (identifier == keyword) return true;
  return elementTypeNamed(identifier) != 0;
}
}  // namespace swlx
