/* A runtime as the benchmark sees it. Each engine is one file; all of them load their library with dlopen, so that one
 * program measures them alike. */
#ifndef ENGINE_H
#define ENGINE_H

#include <stddef.h>
#include <stdint.h>

enum { MOST_RANK = 8 };

typedef struct {
  const char *name;
  int type; /* of TensorProto.DataType */
  size_t rank;
  int64_t shape[MOST_RANK];
  void *data;
  size_t size; /* bytes */
} bench_input;

typedef struct {
  const char *name;
  /* Loads the library and does what is done once in a process. */
  void (*start)(const char *library);
  /* From a path to a session that is ready to run. */
  void (*open)(const char *model, int threads);
  /* Wraps the inputs, whose memory is the caller's. */
  void (*feed)(const bench_input *inputs, size_t count);
  /* Runs once, for all outputs, and frees them. */
  void (*run)(void);
} bench_engine;

extern const bench_engine swiftlet_engine, ort_engine;

/* Prints a message and ends the program with 1. */
_Noreturn void bench_fail(const char *what, const char *why);
/* Memory for `count` elements of `size` bytes, zeroed; ends the program when there is none. */
void *bench_allocate(size_t count, size_t size);
/* The address of a function of a library that dlopen gave. */
void *bench_symbol(void *library, const char *name);
/* dlopen, or ends the program. */
void *bench_library(const char *path);

#endif
