#include "engine.h"
#include "ort_api.h"

static const void *api;
static OrtEnv *environment;
static OrtSession *session;
static const char **input_names;
static char **output_names;
static OrtValue **inputs, **outputs;
static size_t input_count, output_count;

static void check(const char *what, const OrtStatus *status) {
  if (status) bench_fail(what, ORT(api, GetErrorMessage)(status));
}

static void start(const char *path) {
  const OrtApiBase *(*base)(void) = (const OrtApiBase *(*)(void))bench_symbol(bench_library(path), "OrtGetApiBase");
  api = base()->GetApi(1);
  if (!api) bench_fail(path, "has no interface of version 1");
  check("environment", ORT(api, CreateEnv)(ORT_LOGGING_ERROR, "bench", &environment));
}

static void open(const char *path, int threads) {
  OrtSessionOptions *options;
  check("options", ORT(api, CreateSessionOptions)(&options));
  check("threads", ORT(api, SetIntraOpNumThreads)(options, threads));
  check("threads", ORT(api, SetInterOpNumThreads)(options, 1));
  check("open", ORT(api, CreateSession)(environment, path, options, &session));
}

static void feed(const bench_input *given, size_t count) {
  OrtMemoryInfo *memory;
  OrtAllocator *allocator;
  check("memory", ORT(api, CreateCpuMemoryInfo)(ORT_DEVICE_ALLOCATOR, ORT_MEM_TYPE_DEFAULT, &memory));
  check("allocator", ORT(api, GetAllocatorWithDefaultOptions)(&allocator));
  input_count = count;
  input_names = bench_allocate(count, sizeof *input_names);
  inputs = bench_allocate(count, sizeof *inputs);
  for (size_t i = 0; i < count; i++) {
    const bench_input *g = &given[i];
    input_names[i] = g->name;
    check("input", ORT(api, CreateTensorWithDataAsOrtValue)(memory, g->data, g->size, g->shape, g->rank, g->type,
                                                            &inputs[i]));
  }
  check("outputs", ORT(api, SessionGetOutputCount)(session, &output_count));
  output_names = bench_allocate(output_count, sizeof *output_names);
  outputs = bench_allocate(output_count, sizeof *outputs);
  for (size_t i = 0; i < output_count; i++)
    check("outputs", ORT(api, SessionGetOutputName)(session, i, allocator, &output_names[i]));
}

static void run(void) {
  check("run", ORT(api, Run)(session, NULL, input_names, (const OrtValue *const *)inputs, input_count,
                             (const char *const *)output_names, output_count, outputs));
  for (size_t i = 0; i < output_count; i++) {
    ORT(api, ReleaseValue)(outputs[i]);
    outputs[i] = NULL;
  }
}

const bench_engine ort_engine = {"onnxruntime", start, open, feed, run};
