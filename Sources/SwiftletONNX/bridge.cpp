#include "dump.hpp"
#include "error.hpp"
#include "official.hpp"
#include "schema.hpp"
#include "syntax.hpp"
#include <cstdlib>
#include <cstring>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>
#include <mutex>
#include <new>
#include <onnx/common/version.h>

namespace pb = google::protobuf;

namespace swlx {
namespace {
class FirstError : public pb::io::ErrorCollector {
 public:
  std::string text;
  void AddError(int line, pb::io::ColumnNumber column, const std::string &message) override {
    if (text.empty())
      text = "line " + std::to_string(line + 1) + ", column " + std::to_string(column + 1) + ": " + message;
  }
};

std::unique_ptr<pb::Message> read(const char *input, size_t length, swlx_format format) {
  if (format == SWLX_ONNX) return parseModel(input, length);
  if (format == SWLX_ONNX_TEXT) return readSyntax(input, length);
  if (length > INT32_MAX) throw Error(SWLX_UNSUPPORTED, "libprotobuf reads no text beyond 2 GiB");
  auto model = newModel();
  if (format == SWLX_JSON) {
    const auto status = pb::util::JsonStringToMessage(pb::StringPiece(input, length), model.get());
    if (!status.ok()) throw Error(SWLX_MALFORMED, status.ToString());
    return model;
  }
  FirstError error;
  pb::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  parser.SetRecursionLimit(100);
  pb::io::ArrayInputStream stream(input, static_cast<int>(length));
  if (!parser.Parse(&stream, model.get())) throw Error(SWLX_MALFORMED, error.text);
  return model;
}

std::string write(pb::Message &model, swlx_format format, std::string &leftOut) {
  if (format == SWLX_ONNX) return serialise(model);
  if (const size_t unknown = unknownFields(model)) leftOut = std::to_string(unknown) + " fields of no known schema";
  if (format == SWLX_ONNX_TEXT) return writeSyntax(model, leftOut);
  std::string text;
  if (format == SWLX_JSON) {
    pb::util::JsonPrintOptions options;
    options.add_whitespace = true;
    options.preserve_proto_field_names = true;
    const auto status = pb::util::MessageToJsonString(model, &text, options);
    if (!status.ok()) throw Error(SWLX_FAILED, status.ToString());
    return text;
  }
  pb::TextFormat::Printer printer;
  printer.SetHideUnknownFields(true);
  if (!printer.PrintToString(model, &text)) throw Error(SWLX_FAILED, "libprotobuf can't write this model as text");
  return text;
}

/// A copy for the caller, with a NUL behind it.
char *owned(const std::string &text) {
  char *copy = static_cast<char *>(std::malloc(text.size() + 1));
  if (!copy) throw std::bad_alloc();
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = 0;
  return copy;
}

void tell(char **message, const char *text) noexcept {
  if (message) *message = strdup(text);
}

/// One call at a time: the version converter forks, and no other thread may then hold a lock of libprotobuf or libonnx,
/// which the child would wait for.
std::mutex oneAtATime;

/// Runs `body` and turns what it throws into a status and a text.
template <typename Body>
swlx_status guarded(char **message, Body body) noexcept {
  if (message) *message = nullptr;
  try {
    const std::lock_guard<std::mutex> lock(oneAtATime);
    pb::LogSilencer silent;  // what is wrong is in the message
    body();
    return SWLX_OK;
  } catch (const Error &error) {
    tell(message, error.what());
    return error.status;
  } catch (const std::bad_alloc &) {
    tell(message, "out of memory");
    return SWLX_OUT_OF_MEMORY;
  } catch (const std::exception &error) {
    tell(message, error.what());
    return SWLX_FAILED;
  } catch (...) {
    tell(message, "unknown failure");
    return SWLX_FAILED;
  }
}

void require(bool condition, const char *what) {
  if (!condition) throw Error(SWLX_INVALID_ARGUMENT, what);
}

/// `produce` makes the output; checks the arguments that all functions share.
template <typename Produce>
swlx_status producing(const void *input, size_t length, char **output, size_t *outputLength, char **message,
                      Produce produce) noexcept {
  if (output) *output = nullptr;
  if (outputLength) *outputLength = 0;
  return guarded(message, [&] {
    require(input || length == 0, "no input");
    require(output && outputLength, "nowhere to put the output");
    const std::string text = produce();
    *output = owned(text);
    *outputLength = text.size();
  });
}

bool isFormat(int format) { return format >= SWLX_ONNX && format <= SWLX_ONNX_TEXT; }
}  // namespace
}  // namespace swlx

using namespace swlx;

extern "C" {
const char *swlx_version(void) {
  static const std::string version = std::string("libonnx ") + onnx::LAST_RELEASE_VERSION + ", libprotobuf " +
                                     pb::internal::VersionString(GOOGLE_PROTOBUF_VERSION);
  return version.c_str();
}

void swlx_free(void *memory) { std::free(memory); }

swlx_status swlx_convert(const void *input, size_t length, swlx_format from, swlx_format to, char **output,
                         size_t *outputLength, char **message) {
  std::string leftOut;
  const auto status = producing(input, length, output, outputLength, message, [&] {
    require(isFormat(from) && isFormat(to), "no such format");
    return write(*read(static_cast<const char *>(input), length, from), to, leftOut);
  });
  if (status == SWLX_OK && !leftOut.empty()) tell(message, leftOut.c_str());
  return status;
}

swlx_status swlx_check(const void *model, size_t length, const char *directory, size_t directoryLength,
                       char **message) {
  return guarded(message, [&] {
    require(model || length == 0, "no model");
    require(directory || directoryLength == 0, "no directory");
    check(model, length, directory ? std::string(directory, directoryLength) : std::string());
  });
}

swlx_status swlx_convert_version(const void *model, size_t length, int64_t target, char **output,
                                 size_t *outputLength, char **message) {
  return producing(model, length, output, outputLength, message,
                   [&] { return convertVersion(model, length, target); });
}

swlx_status swlx_dump(const void *model, size_t length, char **output, size_t *outputLength, char **message) {
  return producing(model, length, output, outputLength, message, [&] { return dump(*parseModel(model, length)); });
}
}
