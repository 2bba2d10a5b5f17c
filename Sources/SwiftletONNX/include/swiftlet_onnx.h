/// libswiftlet-onnx: the bridge to libonnx and libprotobuf. The tool loads it on demand; libswiftlet never does.
///
/// Every pointer comes with its length. Texts and buffers that a function hands out are the caller's: give them to
/// swlx_free. No function throws, and none keeps anything. All may be called from any thread; they take turns.
#ifndef SWIFTLET_ONNX_H
#define SWIFTLET_ONNX_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SWLX_API __attribute__((visibility("default")))
#else
#define SWLX_API
#endif

/// Stable numbers.
typedef enum {
  SWLX_OK = 0,
  SWLX_INVALID_ARGUMENT = 1,  ///< a null pointer, or a number that is no format
  SWLX_MALFORMED = 2,         ///< the input is not what its format asks for
  SWLX_UNSUPPORTED = 3,       ///< well formed, but libonnx or the target format can't express or judge it
  SWLX_REJECTED = 4,          ///< the official checker refuses the model
  SWLX_OUT_OF_MEMORY = 5,
  SWLX_FAILED = 6             ///< libonnx or libprotobuf failed in a way that it doesn't explain
} swlx_status;

typedef enum {
  SWLX_ONNX = 0,           ///< a serialised ModelProto
  SWLX_PROTOBUF_TEXT = 1,  ///< protobuf's text format of a ModelProto
  SWLX_JSON = 2,           ///< protobuf's JSON mapping of a ModelProto, with the field names of the schema
  SWLX_ONNX_TEXT = 3       ///< ONNX's textual syntax: `agraph (float[N] x) => (float[N] y) { y = Relu (x) }`
} swlx_format;

/// Which libonnx and libprotobuf this is, for messages. Static.
SWLX_API const char *swlx_version(void);

/// Frees what a function of this library handed out. Accepts NULL.
SWLX_API void swlx_free(void *memory);

/// Reads a model in one format and writes it in another. On success *output (with one more byte, a NUL, behind it) and
/// *output_length are set, and *message says what the target format has no place for (NULL when nothing was left
/// out). On failure *output is NULL and *message says why, with line and column where the input is a text.
SWLX_API swlx_status swlx_convert(const void *input, size_t length, swlx_format from, swlx_format to, char **output,
                                  size_t *output_length, char **message);

/// The official checker's verdict on a serialised model. `directory` (may be NULL) is where its external data is.
/// SWLX_UNSUPPORTED when this libonnx is older than the model.
SWLX_API swlx_status swlx_check(const void *model, size_t length, const char *directory, size_t directory_length,
                                char **message);

/// The model brought to version `target` of the domain ai.onnx by libonnx's version converter.
SWLX_API swlx_status swlx_convert_version(const void *model, size_t length, int64_t target, char **output,
                                          size_t *output_length, char **message);

/// What libprotobuf reads in a serialised model, one line a value, as docs/reader-oracle.md specifies.
SWLX_API swlx_status swlx_dump(const void *model, size_t length, char **output, size_t *output_length, char **message);

#ifdef __cplusplus
}
#endif
#endif
