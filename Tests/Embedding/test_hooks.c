/* Section 7: options, limits, and hooks. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "models.h"
#include <stdlib.h>
#include <string.h>

/* Runs the model "mlp" with a batch of two; the status of the first call that fails. */
static swl_status open_and_run(const swl_options *options) {
  float data[8] = {1, 2, 3, 4, 5, 6, 7, 8}, want[6] = {1, 2, 0, 5, 6, 0};
  swl_model *model = NULL;
  swl_session *session = NULL;
  swl_tensor *x = floats2(data, 2, 4);
  const swl_value *inputs[1];
  swl_value *outputs[1] = {NULL};
  swl_status status = swl_model_open_memory(model_mlp, sizeof model_mlp, SWL_BORROW, options, &model, NULL);
  inputs[0] = x;
  if (status == SWL_OK) status = swl_session_create(model, options, &session, NULL);
  if (status == SWL_OK) status = swl_session_run(session, inputs, 1, outputs, 1, NULL, NULL);
  if (status == SWL_OK) CHECK(same_floats(outputs[0], want, 6));
  else CHECK(outputs[0] == NULL);
  swl_value_free(outputs[0]);
  swl_value_free(x);
  swl_session_free(session);
  swl_model_free(model);
  return status;
}

static void setters(void) {
  swl_options *options = swl_options_create();
  CHECK(options != NULL);
  EXPECT(SWL_OK, swl_options_set_threads(options, 0));
  EXPECT(SWL_OK, swl_options_set_threads(options, 1024));
  EXPECT(SWL_INVALID_ARGUMENT, swl_options_set_threads(options, 1025));
  EXPECT(SWL_OK, swl_options_set_threads(options, 2));
  EXPECT(SWL_OK, swl_options_set_deterministic(options, 1));
  EXPECT(SWL_OK, swl_options_set_profiling(options, 1));
  EXPECT(SWL_INVALID_ARGUMENT, swl_options_set_limit(options, 4, 1));
  EXPECT(SWL_INVALID_ARGUMENT, swl_options_set_limit(options, -1, 1));
  EXPECT(SWL_OK, swl_options_set_limit(options, SWL_LIMIT_MEMORY, UINT64_MAX));
  EXPECT(SWL_OK, swl_options_set_limit(options, SWL_LIMIT_LOAD_TIME, UINT64_MAX));
  EXPECT(SWL_OK, swl_options_set_limit(options, SWL_LIMIT_RUN_TIME, UINT64_MAX));
  EXPECT(SWL_OK, open_and_run(options));
  swl_options_free(options);
  swl_options_free(NULL);
}

static void options_are_copied(void) {
  swl_options *options = swl_options_create();
  swl_session *session;
  EXPECT(SWL_OK, swl_options_set_threads(options, 2));
  session = SESSION(mlp, options);
  swl_options_free(options);
  CHECK(session != NULL);
  swl_session_free(session);
}

static void any_number_of_threads(void) {
  uint32_t threads;
  for (threads = 0; threads <= 9; threads += 3) {
    swl_options *options = swl_options_create();
    EXPECT(SWL_OK, swl_options_set_threads(options, threads));
    EXPECT(SWL_OK, open_and_run(options));
    swl_options_free(options);
  }
}

static void limits(void) {
  swl_options *options = swl_options_create();
  EXPECT(SWL_OK, swl_options_set_limit(options, SWL_LIMIT_NODES, 1));
  EXPECT(SWL_MEMORY_LIMIT, open_and_run(options));
  EXPECT(SWL_OK, swl_options_set_limit(options, SWL_LIMIT_NODES, 2));
  EXPECT(SWL_OK, open_and_run(options));
  EXPECT(SWL_OK, swl_options_set_limit(options, SWL_LIMIT_NODES, 0));
  EXPECT(SWL_OK, swl_options_set_limit(options, SWL_LIMIT_MEMORY, 1));
  EXPECT(SWL_MEMORY_LIMIT, open_and_run(options));
  EXPECT(SWL_OK, swl_options_set_limit(options, SWL_LIMIT_MEMORY, 1 << 20));
  EXPECT(SWL_OK, open_and_run(options));
  EXPECT(SWL_OK, swl_options_set_limit(options, SWL_LIMIT_LOAD_TIME, 1));
  EXPECT(SWL_DEADLINE, open_and_run(options));
  swl_options_free(options);
}

static void a_huge_tensor(void) {
  swl_options *options = swl_options_create();
  swl_session *session;
  int64_t sizes[3], i;
  EXPECT(SWL_OK, swl_options_set_limit(options, SWL_LIMIT_MEMORY, 1 << 20));
  session = SESSION(huge, options);
  sizes[0] = (int64_t)1 << 40, sizes[1] = INT64_MAX, sizes[2] = -5;
  for (i = 0; i < 3; i++) {
    swl_tensor *shape = ints(sizes + i, 1);
    const swl_value *inputs[1];
    swl_value *outputs[1] = {NULL};
    swl_status status;
    inputs[0] = shape;
    status = swl_session_run(session, inputs, 1, outputs, 1, NULL, NULL);
    CHECK(i == 0 ? status == SWL_MEMORY_LIMIT : status == SWL_RUNTIME || status == SWL_MEMORY_LIMIT ||
                                                   status == SWL_SHAPE_MISMATCH);
    CHECK(outputs[0] == NULL);
    swl_value_free(shape);
  }
  swl_session_free(session);
  swl_options_free(options);
}

typedef struct {
  long long bytes, calls, fail_at;
} heap;

static void *heap_allocate(void *userdata, size_t size, size_t alignment) {
  heap *h = (heap *)userdata;
  void *memory = NULL;
  CHECK(alignment >= 1 && alignment <= 4096 && (alignment & (alignment - 1)) == 0);
  if (h->calls++ == h->fail_at) return NULL;
  if (posix_memalign(&memory, alignment < sizeof(void *) ? sizeof(void *) : alignment, size ? size : 1) != 0)
    return NULL;
  h->bytes += (long long)size;
  return memory;
}
static void heap_release(void *userdata, void *memory, size_t size) {
  ((heap *)userdata)->bytes -= (long long)size;
  free(memory);
}

static void allocator(void) {
  swl_options *options = swl_options_create();
  heap h;
  h.bytes = 0, h.calls = 0, h.fail_at = -1;
  EXPECT(SWL_INVALID_ARGUMENT, swl_options_set_allocator(options, heap_allocate, NULL, &h));
  EXPECT(SWL_INVALID_ARGUMENT, swl_options_set_allocator(options, NULL, heap_release, &h));
  EXPECT(SWL_OK, swl_options_set_allocator(options, heap_allocate, heap_release, &h));
  EXPECT(SWL_OK, open_and_run(options));
  CHECK(h.calls > 0 && h.bytes == 0);
  h.calls = 0;
  EXPECT(SWL_OK, swl_options_set_allocator(options, NULL, NULL, NULL));
  EXPECT(SWL_OK, open_and_run(options));
  CHECK(h.calls == 0);
  swl_options_free(options);
}

static void allocator_that_fails_once(void) {
  swl_options *options = swl_options_create();
  heap h;
  long long at;
  EXPECT(SWL_OK, swl_options_set_threads(options, 1));
  EXPECT(SWL_OK, swl_options_set_allocator(options, heap_allocate, heap_release, &h));
  for (at = 0; at < 1000; at++) {
    swl_status status;
    h.bytes = 0, h.calls = 0, h.fail_at = at;
    status = open_and_run(options);
    CHECK(h.bytes == 0);
    /* What is tried again in another way may also succeed. */
    CHECK(status == SWL_OUT_OF_MEMORY || status == SWL_OK);
    if (h.calls <= at) break;
  }
  CHECK(at < 1000 && at > 0);
  swl_options_free(options);
}

typedef struct {
  int calls;
  size_t tasks;
} pool;

static void backwards(void *userdata, size_t count, swl_task task, void *context) {
  pool *p = (pool *)userdata;
  p->calls++;
  p->tasks += count;
  while (count-- > 0) task(context, count, count % 3);
}

static void thread_pool(void) {
  swl_options *options = swl_options_create();
  pool p;
  enum { batch = 2000 };
  float *data = (float *)calloc(batch * 4, sizeof *data);
  swl_session *session;
  swl_tensor *x;
  const swl_value *inputs[1];
  swl_value *outputs[1] = {NULL};
  size_t i;
  p.calls = 0, p.tasks = 0;
  EXPECT(SWL_INVALID_ARGUMENT, swl_options_set_thread_pool(options, 0, backwards, &p));
  EXPECT(SWL_INVALID_ARGUMENT, swl_options_set_thread_pool(options, 1025, backwards, &p));
  EXPECT(SWL_OK, swl_options_set_thread_pool(options, 0, NULL, NULL));
  EXPECT(SWL_OK, swl_options_set_thread_pool(options, 3, backwards, &p));
  session = SESSION(mlp, options);
  for (i = 0; i < batch * 4; i++) data[i] = (float)i;
  x = floats2(data, batch, 4);
  inputs[0] = x;
  EXPECT(SWL_OK, swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
  if (outputs[0] != NULL) {
    const float *y = (const float *)swl_tensor_data(outputs[0]);
    for (i = 0; i < batch * 3; i++) CHECK(y[i] == (i % 3 == 2 ? 0 : (float)(i / 3 * 4 + i % 3)));
  }
  swl_value_free(outputs[0]);
  swl_value_free(x);
  swl_session_free(session);
  swl_options_free(options);
  free(data);
}

typedef struct {
  int messages, worst;
} journal;

static void note(void *userdata, int32_t level, const char *message) {
  journal *j = (journal *)userdata;
  CHECK(message != NULL && message[0] != 0 && level >= SWL_LOG_ERROR && level <= j->worst);
  j->messages++;
}

static void log_messages(void) {
  swl_options *options = swl_options_create();
  journal j;
  j.messages = 0, j.worst = SWL_LOG_DEBUG;
  EXPECT(SWL_INVALID_ARGUMENT, swl_options_set_log(options, 4, note, &j));
  EXPECT(SWL_INVALID_ARGUMENT, swl_options_set_log(options, -1, note, &j));
  EXPECT(SWL_OK, swl_options_set_log(options, SWL_LOG_DEBUG, note, &j));
  EXPECT(SWL_OK, open_and_run(options));
  CHECK(j.messages > 0);
  j.messages = 0, j.worst = SWL_LOG_ERROR;
  EXPECT(SWL_OK, swl_options_set_log(options, SWL_LOG_ERROR, note, &j));
  EXPECT(SWL_OK, open_and_run(options));
  CHECK(j.messages == 0);
  EXPECT(SWL_OK, swl_options_set_log(options, SWL_LOG_DEBUG, NULL, NULL));
  EXPECT(SWL_OK, open_and_run(options));
  CHECK(j.messages == 0);
  swl_options_free(options);
}

/* A hook that uses the session that it serves. */
static swl_session *served;
static swl_status seen;
static void *nosy(void *userdata, size_t size, size_t alignment) {
  swl_memory memory;
  memory.struct_size = sizeof memory;
  if (served != NULL) seen = swl_session_memory(served, &memory, NULL);
  return heap_allocate(userdata, size, alignment);
}

static void hooks_that_call_back(void) {
  swl_options *options = swl_options_create();
  heap h;
  float data[8] = {0};
  swl_tensor *x = floats2(data, 2, 4);
  const swl_value *inputs[1];
  swl_value *outputs[1] = {NULL};
  h.bytes = 0, h.calls = 0, h.fail_at = -1;
  served = NULL, seen = SWL_OK;
  EXPECT(SWL_OK, swl_options_set_allocator(options, nosy, heap_release, &h));
  served = SESSION(mlp, options);
  inputs[0] = x;
  EXPECT(SWL_OK, swl_session_run(served, inputs, 1, outputs, 1, NULL, &error));
  CHECK(seen == SWL_BUSY);
  swl_value_free(outputs[0]);
  swl_value_free(x);
  swl_session_free(served);
  swl_options_free(options);
  CHECK(h.bytes == 0);
}

static void deterministic(void) {
  uint32_t threads;
  float data[400 * 4], first[400 * 3];
  size_t i;
  for (i = 0; i < COUNT(data); i++) data[i] = 1.0f / (float)(i + 1);
  for (threads = 1; threads <= 4; threads++) {
    swl_options *options = swl_options_create();
    swl_session *session;
    swl_tensor *x = floats2(data, 400, 4);
    const swl_value *inputs[1];
    swl_value *outputs[1] = {NULL};
    EXPECT(SWL_OK, swl_options_set_threads(options, threads));
    EXPECT(SWL_OK, swl_options_set_deterministic(options, 1));
    session = SESSION(mlp, options);
    inputs[0] = x;
    EXPECT(SWL_OK, swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
    if (threads == 1 && outputs[0] != NULL) memcpy(first, swl_tensor_data(outputs[0]), sizeof first);
    CHECK(same_floats(outputs[0], first, COUNT(first)));
    swl_value_free(outputs[0]);
    swl_value_free(x);
    swl_session_free(session);
    swl_options_free(options);
  }
}

const test hook_tests[] = {{"setters", setters},
                           {"options are copied", options_are_copied},
                           {"any number of threads", any_number_of_threads},
                           {"limits", limits},
                           {"a huge tensor", a_huge_tensor},
                           {"allocator", allocator},
                           {"allocator that fails once, at every place", allocator_that_fails_once},
                           {"thread pool", thread_pool},
                           {"log", log_messages},
                           {"hooks that call back", hooks_that_call_back},
                           {"deterministic", deterministic},
                           {NULL, NULL}};
