#define _GNU_SOURCE
#include "sample.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *thread_count = "0";

static _Noreturn void usage_error(const char *help, const char *what, const char *argument) {
  sample_message("%s%s", what, argument);
  fprintf(stderr, "%.*s\n", (int)strcspn(help, "\n"), help);
  exit(SAMPLE_USAGE);
}

static const char **option_value(const sample_option *options, const char *name) {
  if (strcmp(name, "threads") == 0) return &thread_count;
  for (; options && options->name; options++)
    if (strcmp(name, options->name) == 0) return options->value;
  return NULL;
}

int sample_arguments(int argc, char **argv, const char *help, const sample_option *options, int least, int most) {
  int paths = 0, only_paths = 0;
  for (int i = 1; i < argc; i++) {
    char *argument = argv[i];
    if (only_paths || strncmp(argument, "--", 2) != 0) {
      argv[++paths] = argument;
      continue;
    }
    if (strcmp(argument, "--") == 0) {
      only_paths = 1;
      continue;
    }
    if (strcmp(argument, "--help") == 0) {
      fputs(help, stdout);
      exit(SAMPLE_OK);
    }
    char *equals = strchr(argument, '=');
    if (equals) *equals = '\0';
    const char **value = option_value(options, argument + 2);
    if (!value) usage_error(help, "unknown option ", argument);
    if (equals) *value = equals + 1;
    else if (++i < argc) *value = argv[i];
    else usage_error(help, "a value is missing after ", argument);
  }
  if (paths < least) usage_error(help, "too few arguments", "");
  if (paths > most) usage_error(help, "too many arguments: ", argv[most + 1]);
  sample_number(thread_count, "--threads", 0, 1024);
  return paths;
}

double sample_number(const char *text, const char *name, double least, double most) {
  char *end;
  double number = strtod(text, &end);
  if (end == text || *end != '\0' || !(number >= least && number <= most)) {
    sample_message("%s takes a number from %g to %g, not \"%s\"", name, least, most, text);
    exit(SAMPLE_USAGE);
  }
  return number;
}

double sample_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

void sample_message(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fflush(stdout);
  fprintf(stderr, "%s: ", program_invocation_short_name);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
}

int sample_failed(const char *what, swl_error *error) {
  sample_message("%s: %s", what, error ? swl_error_message(error) : strerror(ENOMEM));
  swl_error_free(error);
  return 0;
}

/* From a file or from a stream. */
static int open_model(sample_model *model, const char *path, swl_stream *stream, const char *what) {
  double start = sample_ms();
  swl_error *error = NULL;
  swl_options *options = swl_options_create();
  *model = (sample_model){0};
  swl_options_set_threads(options, (uint32_t)atoi(thread_count));
  swl_status status = stream ? swl_stream_model(stream, &model->model, &error)
                             : swl_model_open(path, options, &model->model, &error);
  if (status == SWL_OK) swl_session_create(model->model, options, &model->session, &error);
  swl_options_free(options);
  model->ms = sample_ms() - start;
  if (model->session) return 1;
  sample_close(model);
  return sample_failed(what, error);
}

int sample_open(sample_model *model, const char *path) {
  return open_model(model, path, NULL, path);
}

int sample_follow(sample_model *model, swl_stream *stream) {
  return open_model(model, NULL, stream, "the stream's model");
}

void sample_close(sample_model *model) {
  swl_session_free(model->session);
  swl_model_free(model->model);
  *model = (sample_model){0};
}

int sample_run(const sample_model *model, const float *input, size_t count, const int64_t *shape, size_t rank,
               swl_value **outputs, size_t output_count) {
  swl_tensor *tensor = NULL;
  swl_error *error = NULL;
  for (size_t i = 0; i < output_count; i++) outputs[i] = NULL;
  if (swl_type_element_type(swl_model_input_type(model->model, 0)) == SWL_FLOAT16) {
    if (swl_tensor_create(SWL_FLOAT16, shape, rank, &tensor, &error) == SWL_OK) {
      uint16_t *halves = swl_tensor_mutable_data(tensor);
      for (size_t i = 0; i < count; i++) halves[i] = swl_float16_from_float(input[i]);
    }
  } else {
    swl_tensor_borrow(SWL_FLOAT, shape, rank, NULL, (void *)input, count * sizeof *input, NULL, NULL, &tensor, &error);
  }
  const swl_value *inputs[] = {tensor};
  int ok = tensor && swl_session_run(model->session, inputs, 1, outputs, output_count, NULL, &error) == SWL_OK;
  swl_value_free(tensor);
  return ok ? 1 : sample_failed("the model didn't run", error);
}

int sample_floats(const swl_tensor *tensor, float *values, size_t count) {
  swl_element_type type = swl_tensor_type(tensor);
  if ((type != SWL_FLOAT && type != SWL_FLOAT16) || swl_tensor_count(tensor) != count) {
    sample_message("the model gives %zu elements of %s where %zu floats are needed: it isn't made for this",
                   swl_tensor_count(tensor), swl_element_type_name(type), count);
    return 0;
  }
  if (type == SWL_FLOAT) {
    memcpy(values, swl_tensor_data(tensor), count * sizeof *values);
  } else {
    const uint16_t *halves = swl_tensor_data(tensor);
    for (size_t i = 0; i < count; i++) values[i] = swl_float_from_float16(halves[i]);
  }
  return 1;
}

const char *sample_file_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

char *sample_path_beside(const char *path, const char *name) {
  char *result;
  if (asprintf(&result, "%.*s%s", (int)(sample_file_name(path) - path), path, name) >= 0) return result;
  sample_message("%s", strerror(ENOMEM));
  return NULL;
}

char *sample_path_in(const char *folder, const char *path, const char *ending) {
  const char *name = sample_file_name(path), *dot = strrchr(name, '.');
  size_t length = dot && dot != name ? (size_t)(dot - name) : strlen(name);
  char *result;
  if (asprintf(&result, "%s/%.*s%s", folder, (int)length, name, ending) >= 0) return result;
  sample_message("%s", strerror(ENOMEM));
  return NULL;
}
