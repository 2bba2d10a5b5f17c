#include "official.hpp"
#include "error.hpp"
#include "isolated.hpp"
#include <onnx/checker.h>
#include <onnx/common/version.h>
#include <onnx/onnx_pb.h>
#undef DEBUG  // of debug builds; this header has a member of that name
#include <onnx/version_converter/convert.h>

namespace onnx {
namespace checker {
// Exported by libonnx, but in none of its headers: the form that takes the model's directory.
void check_model(const ModelProto &model, CheckerContext &context);
}  // namespace checker
}  // namespace onnx

namespace swlx {
namespace {
onnx::ModelProto parsed(const void *bytes, size_t length) {
  if (length > INT32_MAX) throw Error(SWLX_UNSUPPORTED, "libprotobuf reads no model beyond 2 GiB");
  onnx::ModelProto model;
  if (!model.ParseFromArray(bytes, static_cast<int>(length)))
    throw Error(SWLX_MALFORMED, "libprotobuf can't read this as a ModelProto");
  return model;
}

std::string library() { return std::string("libonnx ") + onnx::LAST_RELEASE_VERSION; }

/// Throws when the model is of a later standard than this libonnx.
void requireKnown(const onnx::ModelProto &model, const std::string &what) {
  if (model.ir_version() > onnx::Version::IR_VERSION)
    throw Error(SWLX_UNSUPPORTED, what + " of " + library() + " supports IR version <= " +
                                      std::to_string(int64_t{onnx::Version::IR_VERSION}) + "; this model has " +
                                      std::to_string(model.ir_version()));
  const auto &known = onnx::OpSchemaRegistry::DomainToVersionRange::Instance().Map();
  for (const auto &opset : model.opset_import()) {
    const auto range = known.find(opset.domain() == "ai.onnx" ? "" : opset.domain());
    if (range != known.end() && opset.version() > range->second.second)
      throw Error(SWLX_UNSUPPORTED, what + " of " + library() + " supports opset <= " +
                                        std::to_string(range->second.second) + " of domain \"" + opset.domain() +
                                        "\"; this model has " + std::to_string(opset.version()));
  }
}
}  // namespace

void check(const void *bytes, size_t length, const std::string &directory) {
  const auto model = parsed(bytes, length);
  requireKnown(model, "the checker");
  onnx::checker::CheckerContext context;
  context.set_model_dir(directory);
  try {
    onnx::checker::check_model(model, context);
  } catch (const std::exception &refusal) {
    throw Error(SWLX_REJECTED, refusal.what());
  }
}

std::string convertVersion(const void *bytes, size_t length, int64_t target) {
  const auto model = parsed(bytes, length);
  requireKnown(model, "the version converter");
  const auto range = onnx::OpSchemaRegistry::DomainToVersionRange::Instance().Map().at("");
  if (target < range.first || target > range.second)
    throw Error(SWLX_UNSUPPORTED, "the version converter of " + library() + " knows opsets " +
                                      std::to_string(range.first) + " to " + std::to_string(range.second));
  if (model.functions_size() > 0)
    throw Error(SWLX_UNSUPPORTED, "the version converter of " + library() + " drops functions");
  return isolated("the version converter of " + library(), [&] {
    std::string converted;
    try {
      onnx::version_conversion::ConvertVersion(model, static_cast<int>(target)).SerializeToString(&converted);
    } catch (const std::exception &refusal) {
      throw Error(SWLX_UNSUPPORTED, refusal.what());
    }
    return converted;
  });
}
}  // namespace swlx
