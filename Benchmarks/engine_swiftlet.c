#include <swiftlet.h>

#include "engine.h"

/* The functions that are used, by the names that the header gives them. */
#define FUNCTIONS(F)                                                                                                  \
  F(swl_options_create) F(swl_options_set_threads) F(swl_options_free) F(swl_model_open) F(swl_session_create)        \
  F(swl_model_output_count) F(swl_tensor_borrow) F(swl_session_run_named) F(swl_model_output_name) F(swl_value_free)  \
  F(swl_error_message)
#define DECLARE(name) __typeof__(name) *name;
#define LOAD(symbol) api.symbol = (__typeof__(symbol) *)bench_symbol(library, #symbol);

static struct { FUNCTIONS(DECLARE) } api;
static swl_model *model;
static swl_session *session;
static const char **input_names, **output_names;
static swl_value **inputs, **outputs;
static size_t input_count, output_count;

static void check(const char *what, swl_status status, swl_error *error) {
  if (status != SWL_OK) bench_fail(what, api.swl_error_message(error));
}

static void start(const char *path) {
  void *library = bench_library(path);
  FUNCTIONS(LOAD)
}

static void open(const char *path, int threads) {
  swl_error *error = NULL;
  swl_options *options = api.swl_options_create();
  api.swl_options_set_threads(options, (uint32_t)threads);
  check("open", api.swl_model_open(path, options, &model, &error), error);
  check("session", api.swl_session_create(model, options, &session, &error), error);
  api.swl_options_free(options);
}

static void feed(const bench_input *given, size_t count) {
  swl_error *error = NULL;
  input_count = count;
  input_names = bench_allocate(count, sizeof *input_names);
  inputs = bench_allocate(count, sizeof *inputs);
  for (size_t i = 0; i < count; i++) {
    const bench_input *g = &given[i];
    input_names[i] = g->name;
    check("input",
          api.swl_tensor_borrow(g->type, g->shape, g->rank, NULL, g->data, g->size, NULL, NULL, &inputs[i], &error),
          error);
  }
  output_count = api.swl_model_output_count(model);
  output_names = bench_allocate(output_count, sizeof *output_names);
  outputs = bench_allocate(output_count, sizeof *outputs);
  for (size_t i = 0; i < output_count; i++) output_names[i] = api.swl_model_output_name(model, i);
}

static void run(void) {
  swl_error *error = NULL;
  check("run",
        api.swl_session_run_named(session, input_names, (const swl_value *const *)inputs, input_count, output_names,
                                  outputs, output_count, NULL, &error),
        error);
  for (size_t i = 0; i < output_count; i++) {
    api.swl_value_free(outputs[i]);
    outputs[i] = NULL;
  }
}

const bench_engine swiftlet_engine = {"swiftlet", start, open, feed, run};
