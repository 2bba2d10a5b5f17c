#pragma once
#include <cstdint>
#include <string>

namespace swlx {
/// libonnx's checker; throws Error (UNSUPPORTED when the model is newer than libonnx, REJECTED with its reasons).
void check(const void *model, size_t length, const std::string &directory);

/// libonnx's version converter; throws Error.
std::string convertVersion(const void *model, size_t length, int64_t target);
}  // namespace swlx
