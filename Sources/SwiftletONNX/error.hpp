#pragma once
#include "swiftlet_onnx.h"
#include <stdexcept>
#include <string>

namespace swlx {
/// What a function of this library returns as a status and a text.
struct Error : std::runtime_error {
  swlx_status status;
  Error(swlx_status status, const std::string &text) : std::runtime_error(text), status(status) {}
};
}  // namespace swlx
