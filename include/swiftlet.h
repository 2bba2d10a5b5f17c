/* Swiftlet: run ONNX models from C, C++ and everything that can call C.
 *
 * Copyright the Swiftlet authors. Licensed under the Apache License, version 2.0.
 *
 * Contents, from simple to advanced
 *   1. Version                     5. Sessions: running a model
 *   2. Status and errors           6. Inspecting a model
 *   3. Opening a model             7. Options: threads, limits, hooks
 *   4. Tensors                     8. Runs with options, cancelling, profiling, memory
 *                                  9. Sequences, optionals and maps
 *                                 10. Streams: models that answer while they arrive
 *                                 11. float16 and bfloat16 (header only)
 *
 * The shortest program: swl_model_open, swl_session_create, swl_tensor_borrow, swl_session_run, swl_tensor_data.
 *
 * Rules that hold for every function
 *   Errors     A call that can fail returns a swl_status. If `error` isn't NULL, `*error` becomes an error with the
 *              details, which the caller frees with swl_error_free, or NULL when the call succeeds. What `*error` was
 *              before is overwritten, not freed. Nothing aborts, throws or longjmps.
 *   Outputs    A handle that is returned through `swl_x **out` becomes NULL when the call fails. NULL for such a
 *              parameter is SWL_INVALID_ARGUMENT.
 *   NULL       Passing NULL where a handle or an array is due is SWL_INVALID_ARGUMENT; functions that return no status
 *              then return what their comment says. An array with a count of 0 may be NULL. Free functions accept NULL.
 *   Ownership  "borrows": the caller's object is used, and must outlive what is said. "copies": the caller's object is
 *              not needed after the call. "takes": the object belongs to the library, whether the call succeeds or not.
 *              "shares": both hold the object; it goes when both let go. A returned pointer is borrowed by the caller
 *              for as long as the comment says.
 *   Threads    A pointer to const (`const swl_model *`) may be used by many threads at once. Any other handle may be
 *              used by one thread at a time, not always the same. Sessions notice: the second caller gets SWL_BUSY.
 *              A handle must not be freed while another thread uses it.
 *   Strings    `const char *` is UTF-8 and ends with NUL, unless a length stands beside it.
 *   Structs    The first member, struct_size, is set to sizeof by the caller: a program that was compiled against an
 *              older header keeps working. Members that it doesn't know are 0. A size that is smaller than the first
 *              version's is SWL_INVALID_ARGUMENT.
 *   Callbacks  Must not throw, longjmp, or call the library with a handle that is in use by the call that they serve.
 *              `userdata` is passed through untouched.
 *   fork       A child may make and use handles of its own, and may run the sessions of its parent if none of them was
 *              running at the time of the fork.
 */
#ifndef SWIFTLET_H
#define SWIFTLET_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SWL_API __attribute__((visibility("default")))
#else
#define SWL_API
#endif

/* ------------------------------------------------------------------------------------------------------------------
 * 1. Version
 * --------------------------------------------------------------------------------------------------------------- */

#define SWL_VERSION_MAJOR 1
#define SWL_VERSION_MINOR 0
#define SWL_VERSION_PATCH 0
#define SWL_VERSION_STRING "1.0.0"
/* Grows when a function or a struct member is added. Nothing is ever removed or changed within a major version. */
#define SWL_ABI_VERSION 1u

/* The version of the library that is loaded, such as "1.0.0". Never NULL, never freed. Since 1.0. */
SWL_API const char *swl_version(void);
/* SWL_ABI_VERSION of the library that is loaded: compatible if it is at least the header's. Since 1.0. */
SWL_API uint32_t swl_abi_version(void);

/* ------------------------------------------------------------------------------------------------------------------
 * 2. Status and errors
 * --------------------------------------------------------------------------------------------------------------- */

/* What became of a call. The numbers are stable; later versions may add some: treat unknown ones as failures. */
typedef int32_t swl_status;
enum {
  SWL_OK = 0,
  SWL_INVALID_ARGUMENT = 1, /* NULL, an index out of range, a wrong struct_size, an unknown name or number */
  SWL_NOT_A_MODEL = 2,      /* the bytes aren't an ONNX model, or are cut short or damaged */
  SWL_INVALID_MODEL = 3,    /* a graph that breaks the rules: cycles, missing values, wrong attributes, wrong types */
  SWL_UNSUPPORTED = 4,      /* a model that may be right, but this version can't run; the message lists all of it */
  SWL_SHAPE_MISMATCH = 5,   /* a tensor whose shape isn't what the model or the caller's buffer needs */
  SWL_TYPE_MISMATCH = 6,    /* a value whose kind or element type isn't what is needed */
  SWL_OUT_OF_MEMORY = 7,    /* the allocator gave nothing */
  SWL_MEMORY_LIMIT = 8,     /* SWL_LIMIT_MEMORY or another limit of section 7 would be passed */
  SWL_IO = 9,               /* a file or callback that couldn't be read; external data that may not be opened */
  SWL_CANCELLED = 10,       /* swl_cancel was called */
  SWL_DEADLINE = 11,        /* the deadline or a time limit passed */
  SWL_BUSY = 12,            /* the session is in use by another thread, or by the caller of this callback */
  SWL_RUNTIME = 13,         /* an operator met a value that it can't work with: an index out of range, x / 0, ... */
  SWL_INTERNAL = 14         /* a bug in the library */
};

/* The constant's name without its prefix, such as "SHAPE_MISMATCH"; "UNKNOWN" for other numbers. Never NULL, never
 * freed. Since 1.0. */
SWL_API const char *swl_status_name(swl_status status);

/* The details of a failure: immutable, owned by the caller, usable from any thread. */
typedef struct swl_error swl_error;

/* The status that came with the error; SWL_OK for NULL. Since 1.0. */
SWL_API swl_status swl_error_code(const swl_error *error);
/* A sentence or more for people, with all that is known of the place. Valid until the error is freed; "" for NULL.
 * Since 1.0. */
SWL_API const char *swl_error_message(const swl_error *error);
/* The name of the node that failed, its operator, the tensor (value, initializer, input or output) concerned. NULL
 * when the failure has none, or for NULL. Valid until the error is freed. Since 1.0. */
SWL_API const char *swl_error_node(const swl_error *error);
SWL_API const char *swl_error_operator(const swl_error *error);
SWL_API const char *swl_error_tensor(const swl_error *error);
/* Where in the model's bytes reading failed; -1 when the failure has no place there, or for NULL. Since 1.0. */
SWL_API int64_t swl_error_byte_offset(const swl_error *error);
/* Frees an error. Accepts NULL. Since 1.0. */
SWL_API void swl_error_free(swl_error *error);

/* ------------------------------------------------------------------------------------------------------------------
 * 3. Opening a model
 * --------------------------------------------------------------------------------------------------------------- */

/* A model that was read and checked: immutable; many sessions and threads may share it. */
typedef struct swl_model swl_model;
/* How to open a model or make a session; NULL means the defaults. See section 7. */
typedef struct swl_options swl_options;

/* Opens the ONNX file at `path`. The file is mapped, not read: it should not be changed in place while the model or a
 * session made from it lives. External data is looked for beneath the file's folder. All operators that this version
 * can't run are listed in one error (SWL_UNSUPPORTED). Copies `path` and `options`. Since 1.0. */
SWL_API swl_status swl_model_open(const char *path, const swl_options *options, swl_model **model, swl_error **error);

/* Flags of swl_model_open_memory. */
enum {
  SWL_BORROW = 0, /* borrows the bytes until the model and every session made from it are freed */
  SWL_COPY = 1    /* copies the bytes */
};

/* Opens a model that lies in memory. External data is refused unless the options give a folder or a resolver.
 * Copies `options`. Since 1.0. */
SWL_API swl_status swl_model_open_memory(const void *data, size_t size, uint32_t flags, const swl_options *options,
                                         swl_model **model, swl_error **error);

/* Where bytes come from: an archive, an encrypted store, a network. */
typedef struct swl_reader {
  size_t struct_size; /* sizeof(swl_reader) */
  uint64_t size;      /* bytes in all */
  void *userdata;
  /* Fills `buffer` with the `length` bytes from `offset` on and returns 0, or returns anything else: the call that
   * needed them then fails with SWL_IO. Never asked for bytes beyond `size`. One call at a time, from the thread that
   * opens the model or makes a session of it. */
  int (*read_at)(void *userdata, uint64_t offset, void *buffer, size_t length);
  /* May be NULL. Called once, when the library will not read any more, also when opening fails. */
  void (*close)(void *userdata);
} swl_reader;

/* Opens a model through callbacks. Copies `reader` and `options`; borrows `reader->userdata` until `close` is called,
 * at the latest when the model and every session made from it are freed. External data as in swl_model_open_memory.
 * Since 1.0. */
SWL_API swl_status swl_model_open_reader(const swl_reader *reader, const swl_options *options, swl_model **model,
                                         swl_error **error);

/* Lets go of a model; sessions made from it keep what they need. Accepts NULL. Since 1.0. */
SWL_API void swl_model_free(swl_model *model);

/* ------------------------------------------------------------------------------------------------------------------
 * 4. Tensors
 * --------------------------------------------------------------------------------------------------------------- */

/* Anything that goes into or comes out of a run. */
typedef struct swl_value swl_value;
/* A value that is a tensor: the same type, so that a tensor goes wherever a value goes. Given another kind of value,
 * the functions of this section act as if given NULL. */
typedef swl_value swl_tensor;

/* Element types, with the numbers of ONNX's TensorProto.DataType. */
typedef int32_t swl_element_type;
enum {
  SWL_UNDEFINED = 0,
  SWL_FLOAT = 1,
  SWL_UINT8 = 2,
  SWL_INT8 = 3,
  SWL_UINT16 = 4,
  SWL_INT16 = 5,
  SWL_INT32 = 6,
  SWL_INT64 = 7,
  SWL_STRING = 8,
  SWL_BOOL = 9, /* one byte each, 0 or 1 */
  SWL_FLOAT16 = 10,
  SWL_DOUBLE = 11,
  SWL_UINT32 = 12,
  SWL_UINT64 = 13,
  SWL_COMPLEX64 = 14,  /* two floats: real, imaginary */
  SWL_COMPLEX128 = 15, /* two doubles: real, imaginary */
  SWL_BFLOAT16 = 16,
  SWL_FLOAT8E4M3FN = 17,
  SWL_FLOAT8E4M3FNUZ = 18,
  SWL_FLOAT8E5M2 = 19,
  SWL_FLOAT8E5M2FNUZ = 20,
  SWL_UINT4 = 21, /* 4-bit types: two to a byte, the first in the low bits; the last byte may be half used */
  SWL_INT4 = 22,
  SWL_FLOAT4E2M1 = 23,
  SWL_FLOAT8E8M0 = 24,
  SWL_UINT2 = 25, /* 2-bit types: four to a byte, the first in the lowest bits */
  SWL_INT2 = 26,
  SWL_FLOAT6E2M3 = 27, /* 6-bit types: four to three bytes, the first in the lowest bits */
  SWL_FLOAT6E3M2 = 28
};

/* ONNX's name in lower case, such as "float16"; "undefined" for other numbers. Never NULL, never freed. Since 1.0. */
SWL_API const char *swl_element_type_name(swl_element_type type);
/* Bits of one element, such as 32 for SWL_FLOAT; 0 for strings and for other numbers. Since 1.0. */
SWL_API size_t swl_element_type_bits(swl_element_type type);

/* Makes a tensor over the caller's memory: nothing is copied, neither here nor in a run that can read it as it lies.
 * `shape` has `rank` extents >= 0 (rank 0 is a scalar; `shape` may then be NULL). `strides` counts elements, not
 * bytes, >= 0, one for each axis; NULL means dense, the last axis fastest. With strides the tensor can be an input
 * only, and the element type must be of whole bytes. `size` is the number of bytes at `data`; fewer than the shape and
 * strides reach is SWL_INVALID_ARGUMENT. `data` must be aligned to the element. Strings can't be borrowed. Copies
 * `shape` and `strides`. Borrows `data` until `release(userdata)` is called, once, when the library will not touch it
 * any more: with the last swl_value_free, or before this call returns when it fails. If `release` is NULL, until the
 * tensor and every value that shares it are freed. Memory that was const may be passed as (void *) for a tensor that
 * is an input only. Since 1.0. */
SWL_API swl_status swl_tensor_borrow(swl_element_type type, const int64_t *shape, size_t rank, const int64_t *strides,
                                     void *data, size_t size, void (*release)(void *userdata), void *userdata,
                                     swl_tensor **tensor, swl_error **error);

/* Makes a dense tensor of the library's own memory, aligned to 64 bytes, all zero (strings: all empty). Since 1.0. */
SWL_API swl_status swl_tensor_create(swl_element_type type, const int64_t *shape, size_t rank, swl_tensor **tensor,
                                     swl_error **error);

/* Makes a tensor of strings. `strings` has as many pointers as the shape has elements; `lengths` their bytes, NULL if
 * every string ends with NUL. Copies all. Since 1.0. */
SWL_API swl_status swl_tensor_create_strings(const int64_t *shape, size_t rank, const char *const *strings,
                                             const size_t *lengths, swl_tensor **tensor, swl_error **error);

/* Lets go of a value of any kind. Accepts NULL. Since 1.0. */
SWL_API void swl_value_free(swl_value *value);

/* The element type; SWL_UNDEFINED for NULL. Since 1.0. */
SWL_API swl_element_type swl_tensor_type(const swl_tensor *tensor);
/* The number of axes; 0 for a scalar and for NULL. Since 1.0. */
SWL_API size_t swl_tensor_rank(const swl_tensor *tensor);
/* The extents, swl_tensor_rank of them. Valid until the tensor is freed; NULL for NULL. Since 1.0. */
SWL_API const int64_t *swl_tensor_shape(const swl_tensor *tensor);
/* The distance between neighbours along each axis, in elements. Valid until the tensor is freed; NULL for NULL and for
 * types of less than a byte. Since 1.0. */
SWL_API const int64_t *swl_tensor_strides(const swl_tensor *tensor);
/* The product of the extents; 0 for NULL. Since 1.0. */
SWL_API size_t swl_tensor_count(const swl_tensor *tensor);
/* The bytes that the elements take when dense; 0 for strings and for NULL. Since 1.0. */
SWL_API size_t swl_tensor_size(const swl_tensor *tensor);
/* The elements: dense unless the tensor was made with strides. Valid until the tensor is freed. NULL for strings and
 * for NULL; not NULL for a tensor without elements. Since 1.0. */
SWL_API const void *swl_tensor_data(const swl_tensor *tensor);
/* The same, to write to. Not while a run uses the tensor. Since 1.0. */
SWL_API void *swl_tensor_mutable_data(swl_tensor *tensor);
/* Element `index` of a tensor of strings, in row-major order, and its bytes through `length`, which may be NULL. It
 * ends with NUL, and may contain others. Valid until the tensor is freed; NULL for other types, an index out of range
 * and NULL. Since 1.0. */
SWL_API const char *swl_tensor_string(const swl_tensor *tensor, size_t index, size_t *length);

/* ------------------------------------------------------------------------------------------------------------------
 * 5. Sessions: running a model
 * --------------------------------------------------------------------------------------------------------------- */

/* A model made ready to run, with memory for its activations. One run at a time; make one session for each thread. */
typedef struct swl_session swl_session;
/* A run's options; NULL means the defaults. See section 8. */
typedef struct swl_run_options swl_run_options;

/* Makes a session. Memory is planned at the first run, and again when shapes change; plans of recent shapes are kept.
 * Shares the model: it may be freed before its sessions. Copies `options`. Since 1.0. */
SWL_API swl_status swl_session_create(const swl_model *model, const swl_options *options, swl_session **session,
                                      swl_error **error);

/* Runs the model: inputs and outputs by position.
 * inputs[i] is the model's input i; NULL leaves out one whose type is optional. Borrows the inputs during the call.
 * outputs[i] is the model's output i, for the first `output_count` outputs; only what they need is computed. IT MUST
 * BE SET BEFORE THE CALL: if outputs[i] is NULL, it becomes a new value that the caller frees; if it is a tensor,
 * which must be dense and have the very type and shape, the result is written into it (and may not overlap an input).
 * When the call fails, the NULLs are still NULL and the caller's tensors have unspecified contents. Fails with
 * SWL_SHAPE_MISMATCH, SWL_TYPE_MISMATCH, SWL_RUNTIME, SWL_OUT_OF_MEMORY, SWL_MEMORY_LIMIT, SWL_CANCELLED,
 * SWL_DEADLINE, SWL_BUSY; the session can be run again after each of them. Since 1.0. */
SWL_API swl_status swl_session_run(swl_session *session, const swl_value *const *inputs, size_t input_count,
                                   swl_value **outputs, size_t output_count, const swl_run_options *options,
                                   swl_error **error);

/* Runs the model: inputs and outputs by name, in any order, with any subset of the outputs. inputs[i] is the input
 * that is called input_names[i]; also an initializer that the model lists among its inputs. The rest as in
 * swl_session_run. A name that occurs twice or isn't the model's is SWL_INVALID_ARGUMENT. Since 1.0. */
SWL_API swl_status swl_session_run_named(swl_session *session, const char *const *input_names,
                                         const swl_value *const *inputs, size_t input_count,
                                         const char *const *output_names, swl_value **outputs, size_t output_count,
                                         const swl_run_options *options, swl_error **error);

/* Runs the model: inputs and outputs by number, in any order, with any subset of the outputs. The rest as in
 * swl_session_run_named. Since 1.0. */
SWL_API swl_status swl_session_run_indexed(swl_session *session, const size_t *input_indexes,
                                           const swl_value *const *inputs, size_t input_count,
                                           const size_t *output_indexes, swl_value **outputs, size_t output_count,
                                           const swl_run_options *options, swl_error **error);

/* Frees a session. Values that it handed out live on. Accepts NULL. Since 1.0. */
SWL_API void swl_session_free(swl_session *session);

/* ------------------------------------------------------------------------------------------------------------------
 * 6. Inspecting a model
 *
 * Strings and types that are returned here are valid until the model is freed.
 * --------------------------------------------------------------------------------------------------------------- */

/* The inputs that a run has to be given, without initializers. 0 for NULL. Since 1.0. */
SWL_API size_t swl_model_input_count(const swl_model *model);
/* The initializers that the model lists among its inputs: constants unless a run is given others. As inputs they have
 * the numbers from swl_model_input_count on. 0 for NULL. Since 1.0. */
SWL_API size_t swl_model_overridable_count(const swl_model *model);
/* 0 for NULL. Since 1.0. */
SWL_API size_t swl_model_output_count(const swl_model *model);
/* The name of input or output `index`. NULL for an index out of range and for NULL. Since 1.0. */
SWL_API const char *swl_model_input_name(const swl_model *model, size_t index);
SWL_API const char *swl_model_output_name(const swl_model *model, size_t index);

/* What a value is. */
typedef int32_t swl_kind;
enum {
  SWL_KIND_NONE = 0,
  SWL_KIND_TENSOR = 1,
  SWL_KIND_SEQUENCE = 2, /* of tensors or maps */
  SWL_KIND_OPTIONAL = 3, /* a tensor, a sequence, or nothing */
  SWL_KIND_MAP = 4       /* from integers or strings to values */
};

/* The type of an input or output, as far as the model says or inference could find out. */
typedef struct swl_type swl_type;

/* The type of input or output `index`. NULL for an index out of range and for NULL. Since 1.0. */
SWL_API const swl_type *swl_model_input_type(const swl_model *model, size_t index);
SWL_API const swl_type *swl_model_output_type(const swl_model *model, size_t index);

/* The kind; SWL_KIND_NONE when not known and for NULL. Since 1.0. */
SWL_API swl_kind swl_type_kind(const swl_type *type);
/* Tensor: the element type. Map: the type of its keys. SWL_UNDEFINED when not known, for other kinds and for NULL.
 * Since 1.0. */
SWL_API swl_element_type swl_type_element_type(const swl_type *type);
/* Sequence, optional and map: the type of what is inside. NULL when not known, for a tensor and for NULL. Since 1.0.
 * */
SWL_API const swl_type *swl_type_inside(const swl_type *type);
/* Tensor: the number of axes; -1 when not known, for other kinds and for NULL. Since 1.0. */
SWL_API int64_t swl_type_rank(const swl_type *type);
/* Tensor: the extent of an axis; -1 when it isn't fixed, for an axis out of range, other kinds and NULL. Since 1.0. */
SWL_API int64_t swl_type_extent(const swl_type *type, size_t axis);
/* Tensor: the name of an extent that isn't fixed, such as "batch": equal names are equal extents. NULL when it has
 * none and in the other cases above. Since 1.0. */
SWL_API const char *swl_type_extent_name(const swl_type *type, size_t axis);
/* The whole type as text, such as "float[batch,3,224,224]" or "seq(int64[...])"; "" for NULL. Since 1.0. */
SWL_API const char *swl_type_text(const swl_type *type);

/* Facts that a model states about itself. */
typedef int32_t swl_property;
enum {
  SWL_PRODUCER_NAME = 0,
  SWL_PRODUCER_VERSION = 1,
  SWL_DOMAIN = 2,
  SWL_DOC = 3,
  SWL_GRAPH_NAME = 4
};

/* A property; "" when the model doesn't state it. NULL for an unknown number and for NULL. Since 1.0. */
SWL_API const char *swl_model_property(const swl_model *model, swl_property property);
/* The version of ONNX's file format; the model's own version number. 0 for NULL. Since 1.0. */
SWL_API int64_t swl_model_ir_version(const swl_model *model);
SWL_API int64_t swl_model_version(const swl_model *model);
/* The operator sets that the model imports: their number, domain ("" is ai.onnx) and version. 0, NULL and 0 for an
 * index out of range and for NULL. Since 1.0. */
SWL_API size_t swl_model_opset_count(const swl_model *model);
SWL_API const char *swl_model_opset_domain(const swl_model *model, size_t index);
SWL_API int64_t swl_model_opset_version(const swl_model *model, size_t index);
/* The model's free metadata: number, keys, values. 0 and NULL for an index out of range and for NULL. Since 1.0. */
SWL_API size_t swl_model_metadata_count(const swl_model *model);
SWL_API const char *swl_model_metadata_key(const swl_model *model, size_t index);
SWL_API const char *swl_model_metadata_value(const swl_model *model, size_t index);
/* The value of the first entry with that key; NULL if there is none. Since 1.0. */
SWL_API const char *swl_model_metadata_find(const swl_model *model, const char *key);

/* ------------------------------------------------------------------------------------------------------------------
 * 7. Options: threads, limits, hooks
 *
 * One object serves swl_model_open* and swl_session_create; each takes what concerns it. Options are copied: they may
 * be changed or freed right after the call, while `userdata` of hooks is borrowed until everything made with them is
 * freed. Setters return SWL_INVALID_ARGUMENT for NULL and for values out of range, and then change nothing.
 * --------------------------------------------------------------------------------------------------------------- */

/* Makes options with the defaults. NULL when memory is exhausted. Since 1.0. */
SWL_API swl_options *swl_options_create(void);
/* Accepts NULL. Since 1.0. */
SWL_API void swl_options_free(swl_options *options);

/* The threads of a session, the calling one included, 1 to 1024. 0, the default: one for each processor that the
 * process may use. Since 1.0. */
SWL_API swl_status swl_options_set_threads(swl_options *options, uint32_t threads);

/* The same inputs give the same bits at every run with the same options on the same processor, and random operators
 * without a seed draw the same numbers. On by default; off, they draw new ones at each run. Since 1.0. */
SWL_API swl_status swl_options_set_deterministic(swl_options *options, int on);

/* A session keeps the time of every node of its last run; see swl_session_profile. Off by default. Since 1.0. */
SWL_API swl_status swl_options_set_profiling(swl_options *options, int on);

/* What a hostile model may not do. */
typedef int32_t swl_limit;
enum {
  SWL_LIMIT_MEMORY = 0,    /* bytes that a session may hold, outputs that it handed out included; and that opening may
                            * take beside the file itself */
  SWL_LIMIT_NODES = 1,     /* nodes of the whole model, after its functions are expanded. Default 1,000,000 */
  SWL_LIMIT_LOAD_TIME = 2, /* nanoseconds that opening may take */
  SWL_LIMIT_RUN_TIME = 3   /* nanoseconds that each run may take */
};

/* Sets a limit; 0 restores the default, which is "none" where no number stands above. Nesting of subgraphs, functions
 * and messages is limited always. Since 1.0. */
SWL_API swl_status swl_options_set_limit(swl_options *options, swl_limit limit, uint64_t value);

/* Memory for what a session's runs need: activations, scratch, outputs that are handed out. `allocate` returns `size`
 * bytes aligned to `alignment` (a power of two, at most 4096), or NULL; `release` gets the same size again. Both may
 * be called from any thread that uses the handles. Bookkeeping and packed weights still come from malloc. NULL for
 * both restores the default; NULL for one is SWL_INVALID_ARGUMENT. Since 1.0. */
typedef void *(*swl_allocate)(void *userdata, size_t size, size_t alignment);
typedef void (*swl_release)(void *userdata, void *memory, size_t size);
SWL_API swl_status swl_options_set_allocator(swl_options *options, swl_allocate allocate, swl_release release,
                                             void *userdata);

/* The caller's own threads in place of the library's. parallel_for calls task(context, index, worker) once for every
 * index below `count`, in any order, and returns when all are done. `worker` is below `width` (1 to 1024), and no two
 * tasks that run at the same time have the same. NULL restores the default. Since 1.0. */
typedef void (*swl_task)(void *context, size_t index, size_t worker);
typedef void (*swl_parallel_for)(void *userdata, size_t count, swl_task task, void *context);
SWL_API swl_status swl_options_set_thread_pool(swl_options *options, uint32_t width, swl_parallel_for parallel_for,
                                               void *userdata);

/* Messages about what is done and why. Silent by default. `message` is valid during the call, which is made on the
 * thread that called the library. NULL restores the default. Since 1.0. */
enum { SWL_LOG_ERROR = 0, SWL_LOG_WARNING = 1, SWL_LOG_INFO = 2, SWL_LOG_DEBUG = 3 };
typedef void (*swl_log)(void *userdata, int32_t level, const char *message);
SWL_API swl_status swl_options_set_log(swl_options *options, int32_t most_verbose_level, swl_log log, void *userdata);

/* Weights that lie in files of their own ("external data").
 * The default: files beneath the model's folder, without "..", absolute paths, symbolic or hard links; for a model
 * that was not opened by path: refused. */

/* Looks beneath this folder instead, under the same rules; "" refuses all external data; NULL restores the default.
 * Copies `folder`. Since 1.0. */
SWL_API swl_status swl_options_set_external_folder(swl_options *options, const char *folder);

/* Asks the caller for each file: `resolve` fills in `reader` (its struct_size is set) for the `location` that the
 * model names, once for each location, and returns 0; or returns anything else: SWL_IO. `location` is untrusted. NULL
 * restores the default. Since 1.0. */
typedef int (*swl_resolve)(void *userdata, const char *location, swl_reader *reader);
SWL_API swl_status swl_options_set_external_resolver(swl_options *options, swl_resolve resolve, void *userdata);

/* Where a stream (section 10) keeps weights: in files without a name in this folder, which should be on a disk. Their
 * memory can be taken back by the system, as that of a model that was opened by path: a stream needs about as much
 * memory as such a model then. NULL, the default: in memory. Copies `folder`. Since 1.0. */
SWL_API swl_status swl_options_set_stream_folder(swl_options *options, const char *folder);

/* ------------------------------------------------------------------------------------------------------------------
 * 8. Runs with options, cancelling, profiling, memory
 * --------------------------------------------------------------------------------------------------------------- */

/* Lets one thread stop what another does. */
typedef struct swl_canceller swl_canceller;

/* Makes a canceller; NULL when memory is exhausted. Since 1.0. */
SWL_API swl_canceller *swl_canceller_create(void);
/* Accepts NULL. Calls that are under way keep what they need of it. Since 1.0. */
SWL_API void swl_canceller_free(swl_canceller *canceller);
/* Cancels: every call that was given the canceller and is under way fails with SWL_CANCELLED as soon as the operator
 * at work has ended, and every such call that starts later fails at once, until swl_canceller_reset. From any thread,
 * at any time between create and free, as often as you like, also from a signal handler. A call that has done its work
 * succeeds. Accepts NULL. Since 1.0. */
SWL_API void swl_cancel(swl_canceller *canceller);
/* Makes the canceller usable again. A call that is under way and has not noticed yet goes on. As swl_cancel otherwise.
 * Since 1.0. */
SWL_API void swl_canceller_reset(swl_canceller *canceller);

/* What can stop swl_model_open* and swl_session_create. NULL: nothing. Shares the canceller. Since 1.0. */
SWL_API swl_status swl_options_set_canceller(swl_options *options, swl_canceller *canceller);

/* Nanoseconds on the clock of deadlines (CLOCK_MONOTONIC). Since 1.0. */
SWL_API uint64_t swl_clock(void);

/* One run's options: `swl_run_options options = SWL_RUN_OPTIONS_INIT;`. Since 1.0. */
struct swl_run_options {
  size_t struct_size;       /* sizeof(swl_run_options) */
  uint64_t deadline;        /* SWL_DEADLINE once swl_clock() reaches this; 0: none */
  swl_canceller *canceller; /* what can stop the run; NULL: nothing. Borrowed during the call */
};
#ifdef __cplusplus
#define SWL_RUN_OPTIONS_INIT {sizeof(swl_run_options), 0, nullptr}
#else
#define SWL_RUN_OPTIONS_INIT {sizeof(swl_run_options), 0, NULL}
#endif

/* The shape that output `output` of a run with these inputs (by position, NULL as in swl_session_run) would have.
 * `*rank` becomes the number of axes, and the first `capacity` extents are written to `shape`, -1 for an extent that
 * depends on the inputs' contents. `capacity` 0 with `shape` NULL asks for the rank. SWL_UNSUPPORTED when even the
 * rank depends on contents, or the output is no tensor. Since 1.0. */
SWL_API swl_status swl_session_output_shape(swl_session *session, const swl_value *const *inputs, size_t input_count,
                                            size_t output, int64_t *shape, size_t capacity, size_t *rank,
                                            swl_error **error);

/* The profile of the last run as JSON in Chrome's trace event format, which chrome://tracing and Perfetto show: an
 * event for each node with its name, operator, microseconds, types of inputs and outputs. `*text` ends with NUL and is
 * valid until the next call with this session; `length`, its bytes, may be NULL. SWL_INVALID_ARGUMENT when the session
 * was made without profiling. Since 1.0. */
SWL_API swl_status swl_session_profile(swl_session *session, const char **text, size_t *length, swl_error **error);

/* What a session holds, in bytes. Since 1.0. */
typedef struct swl_memory {
  size_t struct_size; /* sizeof(swl_memory) */
  uint64_t weights;   /* weights of the model, as they lie in its file */
  uint64_t arena;     /* the memory that activations share, as planned for the last shapes */
  uint64_t peak;      /* the most that the session held at one time, outputs that it handed out included */
} swl_memory;

/* Fills in `memory`, whose struct_size the caller has set. Since 1.0. */
SWL_API swl_status swl_session_memory(swl_session *session, swl_memory *memory, swl_error **error);

/* ------------------------------------------------------------------------------------------------------------------
 * 9. Sequences, optionals and maps
 *
 * Values that are returned here belong to the value that they came from: they are valid until it is freed, and aren't
 * freed by the caller.
 * --------------------------------------------------------------------------------------------------------------- */

/* The kind of a value; SWL_KIND_NONE for NULL. Since 1.0. */
SWL_API swl_kind swl_value_kind(const swl_value *value);

/* Makes a sequence. Shares the elements, which have to be tensors of one element type, or maps of one type; `type` is
 * the element type of an empty sequence, and otherwise has to be the elements' or SWL_UNDEFINED. Since 1.0. */
SWL_API swl_status swl_sequence_create(swl_element_type type, const swl_value *const *elements, size_t count,
                                       swl_value **sequence, swl_error **error);
/* The number of elements; 0 for another kind and for NULL. Since 1.0. */
SWL_API size_t swl_sequence_count(const swl_value *sequence);
/* An element; NULL for an index out of range, another kind and NULL. Since 1.0. */
SWL_API const swl_value *swl_sequence_element(const swl_value *sequence, size_t index);

/* Makes an optional. Shares the content, a tensor or a sequence; NULL makes an empty one. Since 1.0. */
SWL_API swl_status swl_optional_create(const swl_value *content, swl_value **optional, swl_error **error);
/* The content; NULL when it is empty, for another kind and for NULL. Since 1.0. */
SWL_API const swl_value *swl_optional_content(const swl_value *optional);

/* Makes a map from a tensor of keys (strings or integers) and one of values, both of rank 1 and of one length. Shares
 * both. A key that occurs twice is SWL_INVALID_ARGUMENT. Since 1.0. */
SWL_API swl_status swl_map_create(const swl_tensor *keys, const swl_tensor *values, swl_value **map, swl_error **error);
/* The keys and the values, in the same order, as tensors of rank 1. NULL for another kind and for NULL. Since 1.0. */
SWL_API const swl_tensor *swl_map_keys(const swl_value *map);
SWL_API const swl_tensor *swl_map_values(const swl_value *map);

/* ------------------------------------------------------------------------------------------------------------------
 * 10. Streams: models that answer while they arrive
 *
 * `swiftlet pack` makes progressive models (docs/progressive-format.md): any beginning is a model, the whole is the
 * original, bit for bit. A stream takes the bytes as they come and has a thread of its own that refines the weights
 * and makes a generation of the model from time to time. A session of the stream's model takes the newest generation
 * at each run and keeps it to the end of that run; nothing has to be called for that. Runs are never held up.
 * --------------------------------------------------------------------------------------------------------------- */

/* A model that is arriving. Unlike other handles it may be used by several threads at once. */
typedef struct swl_stream swl_stream;

typedef int32_t swl_stream_state;
enum {
  SWL_STREAM_NEED_MORE = 0,
  SWL_STREAM_USABLE = 1,  /* there is a model; reached once, and it stays until complete */
  SWL_STREAM_COMPLETE = 2 /* the newest generation is the original */
};

/* Makes a stream. Its models are opened with `options` (limits of memory and nodes); SWL_LIMIT_MEMORY also limits the
 * container and the files in it. Copies `options`. Since 1.0. */
SWL_API swl_status swl_stream_create(const swl_options *options, swl_stream **stream, swl_error **error);
/* Ends the stream, waiting for its thread; models and sessions made from it stay, with the newest generation. Accepts
 * NULL. Since 1.0. */
SWL_API void swl_stream_free(swl_stream *stream);

/* For `offset`: the bytes follow those of the last call. */
#define SWL_STREAM_NEXT UINT64_MAX
/* Takes bytes that stand at `offset` of the container. The first 32 bytes have to come first; then all may come in any
 * order, and more than once: what is there already isn't looked at. Copies `data`; doesn't wait for the refinement:
 * what it hasn't used yet is in memory.
 * SWL_NOT_A_MODEL: bytes are damaged. They are forgotten and can be sent again, and the stream goes on, unless it is
 * header or graph that is wrong: then every later call says so. Since 1.0. */
SWL_API swl_status swl_stream_append(swl_stream *stream, uint64_t offset, const void *data, size_t size,
                                     swl_error **error);
/* Reads once from a descriptor (a file, pipe or socket), at most `most` bytes, and takes them as following those of
 * the last call. `*count` becomes their number; 0 when a descriptor that doesn't block has none for now. Then waits
 * while more than a 24th of the container hasn't been used yet. SWL_IO at its end, and when it can't be read. Since
 * 1.0. */
SWL_API swl_status swl_stream_read(swl_stream *stream, int descriptor, size_t most, size_t *count, swl_error **error);

/* Says that no more bytes come. `swiftlet pack` leaves a model of some hundred bytes as it is, an ONNX file without
 * external data: a stream takes that too, in order, and has it whole, as its only generation, after this call, or when
 * swl_stream_read finds the descriptor's end (then without an error). For a container it only checks.
 * SWL_NOT_A_MODEL: bytes are missing. Since 1.0. */
SWL_API swl_status swl_stream_end(swl_stream *stream, swl_error **error);

/* What a stream has. Since 1.0. */
typedef struct swl_stream_info {
  size_t struct_size;           /* sizeof(swl_stream_info) */
  swl_stream_state state;
  uint64_t generation;          /* number of the newest generation; 0 before the first */
  uint64_t received;            /* bytes that are there */
  uint64_t total;               /* bytes of the whole; 0 until they are known */
  uint64_t generation_received; /* bytes that were there when the newest generation was made */
} swl_stream_info;
/* Fills in `info`, whose struct_size the caller has set. A newer generation may come before the next run: which one a run
 * used is told by swl_session_generation. Since 1.0. */
SWL_API swl_status swl_stream_get_info(swl_stream *stream, swl_stream_info *info, swl_error **error);

/* The stream's model: SWL_INVALID_ARGUMENT before it is usable. Sessions made from it follow the stream. Freed by the
 * caller. Since 1.0. */
SWL_API swl_status swl_stream_model(swl_stream *stream, swl_model **model, swl_error **error);

/* Waits until the stream is in `state` or beyond and its newest generation was made of at least `fraction` (0 to 1) of
 * the bytes. SWL_DEADLINE once swl_clock() reaches `deadline`; 0: none. Since 1.0. */
SWL_API swl_status swl_stream_wait(swl_stream *stream, swl_stream_state state, double fraction, uint64_t deadline,
                                   swl_error **error);

/* Calls `callback` after each new generation, on the stream's thread, which waits for it: be quick, signal an eventfd.
 * It may use the stream, but not free it. `info` is valid during the call. NULL: nobody is called. Since 1.0. */
typedef void (*swl_generation_callback)(void *userdata, const swl_stream_info *info);
SWL_API swl_status swl_stream_on_generation(swl_stream *stream, swl_generation_callback callback, void *userdata,
                                            swl_error **error);

/* The tensors that arrive in planes, by number: 0 before the first generation. Since 1.0. */
SWL_API size_t swl_stream_tensor_count(swl_stream *stream);
/* A tensor's name, the bit planes that its weights have in the newest generation, and how many there are; each may be
 * NULL. The name is valid until the stream is freed. Since 1.0. */
SWL_API swl_status swl_stream_tensor(swl_stream *stream, size_t index, const char **name, uint32_t *planes,
                                     uint32_t *plane_count, swl_error **error);

/* The generation that the session's last run used; 0 before the first run, and for a model that didn't come through a
 * stream. Since 1.0. */
SWL_API uint64_t swl_session_generation(const swl_session *session);

#ifdef __cplusplus
} /* extern "C" */
#endif

/* ------------------------------------------------------------------------------------------------------------------
 * 11. float16 and bfloat16 (header only)
 *
 * For programs that read and write such tensors element by element. Rounds to nearest, ties to even.
 * --------------------------------------------------------------------------------------------------------------- */

static inline float swl_float_from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline uint32_t swl_bits_from_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float swl_float_from_float16(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = (half >> 10) & 31u, mantissa = half & 1023u;
  if (exponent == 31) return swl_float_from_bits(sign | 0x7F800000u | mantissa << 13);
  if (exponent != 0) return swl_float_from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
  /* Zero and subnormals: mantissa * 2^-24 is exact. */
  return swl_float_from_bits(sign | swl_bits_from_float((float)mantissa * (1.0f / 16777216.0f)));
}

static inline uint16_t swl_float16_from_float(float value) {
  uint32_t bits = swl_bits_from_float(value), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
  uint32_t half;
  if (magnitude > 0x7F800000u) half = 0x7E00u | (magnitude >> 13 & 1023u);
  else if (magnitude >= 0x477FF000u) half = 0x7C00u;
  else if (magnitude >= 0x38800000u) half = (magnitude - 0x38000000u + 0xFFFu + (magnitude >> 13 & 1u)) >> 13;
  else /* Adding 0.5 leaves the rounded subnormal in the low bits. */
    half = swl_bits_from_float(swl_float_from_bits(magnitude) + 0.5f) - 0x3F000000u;
  return (uint16_t)(sign | half);
}

static inline float swl_float_from_bfloat16(uint16_t value) { return swl_float_from_bits((uint32_t)value << 16); }

static inline uint16_t swl_bfloat16_from_float(float value) {
  uint32_t bits = swl_bits_from_float(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)(bits >> 16 | 0x40u);
  return (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

#endif /* SWIFTLET_H */
