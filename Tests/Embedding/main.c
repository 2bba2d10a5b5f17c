/* Runs all tests or those whose names contain an argument; prints one line for each: pass, FAIL or skip. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

swl_error *error = NULL;
char last_message[4096], last_node[256], last_operator[256];

static int failures;
static const char *skipped;
static char folder[] = "/tmp/swiftlet-test-XXXXXX";

void check(int ok, const char *what, const char *file, int line) {
  if (ok) return;
  failures++;
  printf("  %s:%d: %s\n", file, line, what);
}

static void keep(char *buffer, size_t size, const char *text) { snprintf(buffer, size, "%s", text ? text : ""); }

void expect(swl_status want, swl_status got, const char *call, const char *file, int line) {
  if (got != want) {
    failures++;
    printf("  %s:%d: %s is due, not %s: %s: %s\n", file, line, swl_status_name(want), swl_status_name(got), call,
           swl_error_message(error));
  } else if (error != NULL && swl_error_code(error) != got) {
    failures++;
    printf("  %s:%d: the error says %s: %s\n", file, line, swl_status_name(swl_error_code(error)), call);
  }
  keep(last_message, sizeof last_message, swl_error_message(error));
  keep(last_node, sizeof last_node, swl_error_node(error));
  keep(last_operator, sizeof last_operator, swl_error_operator(error));
  swl_error_free(error);
  error = NULL;
}

void skip(const char *why) { skipped = why; }

swl_session *session_of(const void *data, size_t size, const swl_options *options) {
  swl_model *model = NULL;
  swl_session *session = NULL;
  EXPECT(SWL_OK, swl_model_open_memory(data, size, SWL_BORROW, options, &model, &error));
  EXPECT(SWL_OK, swl_session_create(model, options, &session, &error));
  swl_model_free(model);
  return session;
}

static swl_tensor *borrowed(swl_element_type type, void *data, const int64_t *shape, size_t rank, size_t size) {
  swl_tensor *tensor = NULL;
  EXPECT(SWL_OK, swl_tensor_borrow(type, shape, rank, NULL, data, size, NULL, NULL, &tensor, &error));
  return tensor;
}

swl_tensor *floats(float *data, int64_t count) {
  return borrowed(SWL_FLOAT, data, &count, 1, (size_t)count * sizeof *data);
}

swl_tensor *floats2(float *data, int64_t rows, int64_t columns) {
  int64_t shape[2];
  shape[0] = rows;
  shape[1] = columns;
  return borrowed(SWL_FLOAT, data, shape, 2, (size_t)(rows * columns) * sizeof *data);
}

swl_tensor *ints(int64_t *data, int64_t count) {
  return borrowed(SWL_INT64, data, &count, 1, (size_t)count * sizeof *data);
}

int same(const char *a, const char *b) { return a != NULL && b != NULL && strcmp(a, b) == 0; }

int same_floats(const swl_tensor *tensor, const float *values, size_t count) {
  return swl_tensor_type(tensor) == SWL_FLOAT && swl_tensor_count(tensor) == count &&
         memcmp(swl_tensor_data(tensor), values, count * sizeof *values) == 0;
}

const char *test_folder(void) { return folder; }

const char *write_file(const char *name, const void *data, size_t size) {
  static char paths[4][512];
  static unsigned next;
  char *path = paths[next++ % 4];
  FILE *file;
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  file = fopen(path, "wb");
  CHECK(file != NULL);
  if (file == NULL) return path;
  CHECK(fwrite(data, 1, size, file) == size);
  CHECK(fclose(file) == 0);
  return path;
}

int main(int argc, char **argv) {
  const test *files[9];
  int failed = 0;
  size_t i;
  char command[64];
  files[0] = basic_tests, files[1] = model_tests, files[2] = tensor_tests, files[3] = session_tests;
  files[4] = value_tests, files[5] = thread_tests, files[6] = hook_tests, files[7] = misuse_tests;
  files[8] = stream_tests;
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (mkdtemp(folder) == NULL) return 2;
  for (i = 0; i < COUNT(files); i++) {
    const test *t;
    for (t = files[i]; t->name != NULL; t++) {
      if (argc > 1 && strstr(t->name, argv[1]) == NULL) continue;
      failures = 0;
      skipped = NULL;
      t->run();
      if (failures) failed++;
      if (failures) printf("FAIL %s\n", t->name);
      else if (skipped) printf("skip %s: %s\n", t->name, skipped);
      else printf("pass %s\n", t->name);
    }
  }
  snprintf(command, sizeof command, "rm -rf '%s'", folder);
  return system(command) != 0 || failed != 0;
}
