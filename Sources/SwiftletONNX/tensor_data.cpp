#include "tensor_data.hpp"
#include <cstring>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/reflection.h>

namespace pb = google::protobuf;

namespace swlx {
namespace {
struct Row {
  const char *name;
  size_t width;
};
// In the order of TensorProto.DataType, from 1.
const Row rows[] = {
    {"float", 4}, {"uint8", 1}, {"int8", 1}, {"uint16", 2}, {"int16", 2}, {"int32", 4}, {"int64", 8}, {"string", 0},
    {"bool", 1}, {"float16", 2}, {"double", 8}, {"uint32", 4}, {"uint64", 8}, {"complex64", 4}, {"complex128", 8},
    {"bfloat16", 2}, {"float8e4m3fn", 1}, {"float8e4m3fnuz", 1}, {"float8e5m2", 1}, {"float8e5m2fnuz", 1},
    {"uint4", 1}, {"int4", 1}, {"float4e2m1", 1}, {"float8e8m0", 1}, {"uint2", 1}, {"int2", 1}, {"float6e2m3", 1},
    {"float6e3m2", 1},
};
const int64_t count = sizeof rows / sizeof rows[0];

/// The low `width` bytes of each number of a repeated field.
template <typename T>
std::string lowBytes(const Fields &tensor, const char *name, size_t width) {
  const auto &message = tensor.message();
  const auto *field = message.GetDescriptor()->FindFieldByName(name);
  const auto numbers = message.GetReflection()->GetRepeatedFieldRef<T>(message, field);
  std::string bytes;
  bytes.reserve(static_cast<size_t>(numbers.size()) * width);
  for (T number : numbers) {
    char whole[sizeof(T)];
    std::memcpy(whole, &number, sizeof(T));
    bytes.append(whole, width);
  }
  return bytes;
}
}  // namespace

const char *elementTypeName(int64_t type) { return type >= 1 && type <= count ? rows[type - 1].name : nullptr; }

int64_t elementTypeNamed(const std::string &name) {
  for (int64_t type = 1; type <= count; ++type)
    if (name == rows[type - 1].name) return type;
  return 0;
}

size_t storedWidth(int64_t type) { return type >= 1 && type <= count ? rows[type - 1].width : 0; }

std::string elementBytes(const Fields &tensor) {
  if (!tensor.text("raw_data").empty()) return tensor.text("raw_data");
  const int64_t type = tensor.integer("data_type");
  switch (type) {
    case FLOAT:
    case COMPLEX64: return lowBytes<float>(tensor, "float_data", 4);
    case DOUBLE:
    case COMPLEX128: return lowBytes<double>(tensor, "double_data", 8);
    case INT64: return lowBytes<int64_t>(tensor, "int64_data", 8);
    case UINT32:
    case UINT64: return lowBytes<uint64_t>(tensor, "uint64_data", storedWidth(type));
    default: return lowBytes<int32_t>(tensor, "int32_data", storedWidth(type));
  }
}
}  // namespace swlx
