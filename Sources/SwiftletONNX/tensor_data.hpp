#pragma once
#include "fields.hpp"
#include <string>

namespace swlx {
/// Element types as TensorProto.DataType numbers them.
enum ElementType : int64_t {
  FLOAT = 1, UINT8, INT8, UINT16, INT16, INT32, INT64, STRING, BOOL, FLOAT16, DOUBLE, UINT32, UINT64, COMPLEX64,
  COMPLEX128, BFLOAT16, FLOAT8E4M3FN, FLOAT8E4M3FNUZ, FLOAT8E5M2, FLOAT8E5M2FNUZ, UINT4, INT4, FLOAT4E2M1,
  FLOAT8E8M0, UINT2, INT2, FLOAT6E2M3, FLOAT6E3M2,
};

/// The name in ONNX's textual syntax, or NULL.
const char *elementTypeName(int64_t type);
/// The type of that name, or 0.
int64_t elementTypeNamed(const std::string &name);

/// How many bytes one stored number has: 4 for FLOAT and for each half of a COMPLEX64, 1 for types below a byte (whose
/// bytes hold several elements). 0 for STRING and for what isn't known.
size_t storedWidth(int64_t type);

/// The elements as little-endian bytes (raw_data's form), whichever field holds them. Empty for STRING and for types
/// that aren't known.
std::string elementBytes(const Fields &tensor);
}  // namespace swlx
