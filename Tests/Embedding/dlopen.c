/* Loads the library on demand, runs a model with threads, unloads it, several times; then from threads that end.
 * Usage: dlopen <libswiftlet.so> */
#define _POSIX_C_SOURCE 200809L
#include "models.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <swiftlet.h>

#define LOAD(name) \
  do { \
    void *address = dlsym(library, #name); \
    if (address == NULL) return #name; \
    memcpy(&name, &address, sizeof address); \
  } while (0)

/* NULL when all went well; what went wrong otherwise. */
static const char *once(const char *path) {
  swl_status (*swl_model_open_memory)(const void *, size_t, uint32_t, const swl_options *, swl_model **, swl_error **);
  swl_status (*swl_session_create)(const swl_model *, const swl_options *, swl_session **, swl_error **);
  swl_status (*swl_session_run)(swl_session *, const swl_value *const *, size_t, swl_value **, size_t,
                                const swl_run_options *, swl_error **);
  swl_status (*swl_tensor_create)(swl_element_type, const int64_t *, size_t, swl_tensor **, swl_error **);
  swl_options *(*swl_options_create)(void);
  swl_status (*swl_options_set_threads)(swl_options *, uint32_t);
  void (*swl_options_free)(swl_options *);
  void (*swl_model_free)(swl_model *);
  void (*swl_session_free)(swl_session *);
  void (*swl_value_free)(swl_value *);
  swl_model *model = NULL;
  swl_session *session = NULL;
  swl_value *x = NULL, *outputs[1] = {NULL};
  const swl_value *inputs[1];
  swl_options *options;
  int64_t shape[2] = {500, 4};
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return dlerror();
  LOAD(swl_model_open_memory);
  LOAD(swl_session_create);
  LOAD(swl_session_run);
  LOAD(swl_tensor_create);
  LOAD(swl_options_create);
  LOAD(swl_options_set_threads);
  LOAD(swl_options_free);
  LOAD(swl_model_free);
  LOAD(swl_session_free);
  LOAD(swl_value_free);
  options = swl_options_create();
  if (swl_options_set_threads(options, 3) != SWL_OK) return "swl_options_set_threads";
  if (swl_model_open_memory(model_mlp, sizeof model_mlp, SWL_BORROW, options, &model, NULL) != SWL_OK) return "open";
  if (swl_session_create(model, options, &session, NULL) != SWL_OK) return "swl_session_create";
  if (swl_tensor_create(SWL_FLOAT, shape, 2, &x, NULL) != SWL_OK) return "swl_tensor_create";
  inputs[0] = x;
  if (swl_session_run(session, inputs, 1, outputs, 1, NULL, NULL) != SWL_OK) return "swl_session_run";
  swl_value_free(outputs[0]);
  swl_value_free(x);
  swl_session_free(session);
  swl_model_free(model);
  swl_options_free(options);
  return dlclose(library) == 0 ? NULL : "dlclose";
}

static void *in_thread(void *path) {
  return (void *)once((const char *)path);
}

int main(int argc, char **argv) {
  int i;
  if (argc != 2) return 2;
  for (i = 0; i < 20; i++) {
    void *wrong = NULL;
    pthread_t thread;
    if (i % 2 == 0) {
      wrong = in_thread(argv[1]);
    } else {
      if (pthread_create(&thread, NULL, in_thread, argv[1]) != 0) return 2;
      pthread_join(thread, &wrong);
    }
    if (wrong != NULL) {
      printf("  round %d: %s\n", i, (const char *)wrong);
      return 1;
    }
  }
  return 0;
}
