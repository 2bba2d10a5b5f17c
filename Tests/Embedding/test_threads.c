/* Threads: cancelling, deadlines, sharing, what is forbidden, fork. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "models.h"
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const uint64_t second = 1000000000u;

static void sleep_ms(long ms) {
  struct timespec t;
  t.tv_sec = ms / 1000, t.tv_nsec = ms % 1000 * 1000000;
  nanosleep(&t, NULL);
}

typedef struct {
  swl_session *session;
  swl_run_options options;
  swl_status status;
  int started; /* atomic */
} job;

static job job_of(swl_session *session, swl_canceller *canceller, uint64_t deadline) {
  job j;
  swl_run_options options = SWL_RUN_OPTIONS_INIT;
  options.canceller = canceller, options.deadline = deadline;
  j.session = session, j.options = options, j.status = SWL_OK, j.started = 0;
  return j;
}

/* Runs the model that doesn't end. */
static void *run_endless(void *argument) {
  job *j = (job *)argument;
  float data[1] = {0};
  int64_t shape = 1;
  swl_tensor *x = NULL;
  const swl_value *inputs[1];
  swl_value *outputs[1] = {NULL};
  swl_error *e = NULL;
  (void)swl_tensor_borrow(SWL_FLOAT, &shape, 1, NULL, data, sizeof data, NULL, NULL, &x, NULL);
  inputs[0] = x;
  __atomic_store_n(&j->started, 1, __ATOMIC_RELEASE);
  j->status = swl_session_run(j->session, inputs, 1, outputs, 1, &j->options, &e);
  if (outputs[0] != NULL || swl_error_code(e) != j->status) j->status = SWL_INTERNAL;
  swl_error_free(e);
  swl_value_free(x);
  return NULL;
}

static pthread_t start(job *j) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, run_endless, j) == 0);
  while (!__atomic_load_n(&j->started, __ATOMIC_ACQUIRE)) sleep_ms(1);
  sleep_ms(20);
  return thread;
}

static void cancel_from_another_thread(void) {
  swl_session *session = SESSION(endless, NULL);
  swl_canceller *canceller = swl_canceller_create();
  int round;
  for (round = 0; round < 3; round++) {
    job j = job_of(session, canceller, swl_clock() + 60 * second);
    pthread_t thread = start(&j);
    uint64_t at = swl_clock();
    swl_cancel(canceller);
    pthread_join(thread, NULL);
    CHECK(j.status == SWL_CANCELLED);
    CHECK(swl_clock() - at < second);
    swl_canceller_reset(canceller);
  }
  swl_canceller_free(canceller);
  swl_session_free(session);
}

static void cancelled_before_it_starts(void) {
  swl_session *session = SESSION(endless, NULL);
  swl_canceller *canceller = swl_canceller_create();
  job j = job_of(session, canceller, 0);
  swl_cancel(canceller);
  swl_cancel(canceller);
  run_endless(&j);
  CHECK(j.status == SWL_CANCELLED);
  run_endless(&j);
  CHECK(j.status == SWL_CANCELLED);
  swl_canceller_reset(canceller);
  j.options.deadline = swl_clock() + second / 50;
  run_endless(&j);
  CHECK(j.status == SWL_DEADLINE);
  swl_cancel(NULL);
  swl_canceller_reset(NULL);
  swl_canceller_free(canceller);
  swl_canceller_free(NULL);
  swl_session_free(session);
}

static void cancelling_a_load(void) {
  swl_options *options = swl_options_create();
  swl_canceller *canceller = swl_canceller_create();
  swl_model *model = NULL;
  swl_session *session = NULL;
  EXPECT(SWL_OK, swl_options_set_canceller(options, canceller));
  EXPECT(SWL_OK, swl_model_open_memory(model_mlp, sizeof model_mlp, SWL_BORROW, options, &model, &error));
  swl_cancel(canceller);
  EXPECT(SWL_CANCELLED, swl_session_create(model, options, &session, &error));
  swl_model_free(model);
  EXPECT(SWL_CANCELLED, swl_model_open_memory(model_mlp, sizeof model_mlp, SWL_BORROW, options, &model, &error));
  /* The options share it. */
  swl_canceller_free(canceller);
  EXPECT(SWL_CANCELLED, swl_model_open_memory(model_mlp, sizeof model_mlp, SWL_BORROW, options, &model, &error));
  EXPECT(SWL_OK, swl_options_set_canceller(options, NULL));
  EXPECT(SWL_OK, swl_model_open_memory(model_mlp, sizeof model_mlp, SWL_BORROW, options, &model, &error));
  swl_model_free(model);
  swl_options_free(options);
}

static void deadlines(void) {
  swl_session *session = SESSION(endless, NULL);
  uint64_t at = swl_clock();
  job j = job_of(session, NULL, at + second / 20);
  run_endless(&j);
  CHECK(j.status == SWL_DEADLINE);
  CHECK(swl_clock() - at >= second / 20 && swl_clock() - at < 2 * second);
  j = job_of(session, NULL, 1); /* long gone */
  run_endless(&j);
  CHECK(j.status == SWL_DEADLINE);
  swl_session_free(session);
}

static void time_limits(void) {
  swl_options *options = swl_options_create();
  swl_session *session;
  job j;
  EXPECT(SWL_OK, swl_options_set_limit(options, SWL_LIMIT_RUN_TIME, second / 20));
  session = SESSION(endless, options);
  j = job_of(session, NULL, 0);
  run_endless(&j);
  CHECK(j.status == SWL_DEADLINE);
  /* The earlier of both counts. */
  j = job_of(session, NULL, swl_clock() + 1000 * second);
  run_endless(&j);
  CHECK(j.status == SWL_DEADLINE);
  swl_session_free(session);
  swl_options_free(options);
}

static void a_session_in_use_is_busy(void) {
  swl_session *session = SESSION(endless, NULL);
  swl_canceller *canceller = swl_canceller_create();
  job j = job_of(session, canceller, swl_clock() + 60 * second), second_job = job_of(session, NULL, 0);
  swl_memory memory;
  const char *text = NULL;
  const swl_value *inputs[1] = {NULL};
  size_t rank = 0;
  pthread_t thread = start(&j);
  run_endless(&second_job);
  CHECK(second_job.status == SWL_BUSY);
  memory.struct_size = sizeof memory;
  EXPECT(SWL_BUSY, swl_session_memory(session, &memory, &error));
  EXPECT(SWL_BUSY, swl_session_profile(session, &text, NULL, &error));
  EXPECT(SWL_BUSY, swl_session_output_shape(session, inputs, 1, 0, NULL, 0, &rank, &error));
  swl_cancel(canceller);
  pthread_join(thread, NULL);
  CHECK(j.status == SWL_CANCELLED);
  EXPECT(SWL_OK, swl_session_memory(session, &memory, &error));
  swl_canceller_free(canceller);
  swl_session_free(session);
}

typedef struct {
  const swl_model *model;
  swl_session *session;
  int runs, right, busy;
} worker;

static void *run_many(void *argument) {
  worker *w = (worker *)argument;
  int i;
  for (i = 0; i < w->runs; i++) {
    float data[8] = {1, 2, 3, 4, 5, 6, 7, 8}, want[6] = {1, 2, 0, 5, 6, 0};
    int64_t shape[2] = {2, 4};
    swl_session *session = w->session;
    swl_tensor *x = NULL;
    const swl_value *inputs[1];
    swl_value *outputs[1] = {NULL};
    swl_status status = SWL_OK;
    if (w->session == NULL) status = swl_session_create(w->model, NULL, &session, NULL);
    if (status == SWL_OK)
      status = swl_tensor_borrow(SWL_FLOAT, shape, 2, NULL, data, sizeof data, NULL, NULL, &x, NULL);
    inputs[0] = x;
    if (status == SWL_OK) status = swl_session_run(session, inputs, 1, outputs, 1, NULL, NULL);
    if (status == SWL_OK && same_floats(outputs[0], want, 6)) w->right++;
    if (status == SWL_BUSY) w->busy++;
    swl_value_free(outputs[0]);
    swl_value_free(x);
    if (w->session == NULL) swl_session_free(session);
  }
  return NULL;
}

static void work(worker *workers, size_t count) {
  pthread_t threads[8];
  size_t i;
  for (i = 0; i < count; i++) CHECK(pthread_create(&threads[i], NULL, run_many, &workers[i]) == 0);
  for (i = 0; i < count; i++) pthread_join(threads[i], NULL);
}

static void sessions_in_many_threads(void) {
  swl_model *model = NULL;
  worker workers[4];
  size_t i;
  EXPECT(SWL_OK, swl_model_open_memory(model_mlp, sizeof model_mlp, SWL_BORROW, NULL, &model, &error));
  memset(workers, 0, sizeof workers);
  for (i = 0; i < 4; i++) {
    /* Two make one session and keep it, two make a new one for each run: all of one model. */
    if (i < 2) EXPECT(SWL_OK, swl_session_create(model, NULL, &workers[i].session, &error));
    workers[i].model = model, workers[i].runs = i < 2 ? 500 : 50;
  }
  work(workers, 4);
  for (i = 0; i < 4; i++) {
    CHECK(workers[i].right == workers[i].runs);
    swl_session_free(workers[i].session);
  }
  swl_model_free(model);
}

static void one_session_in_many_threads(void) {
  swl_session *session = SESSION(mlp, NULL);
  worker workers[4];
  size_t i;
  memset(workers, 0, sizeof workers);
  for (i = 0; i < 4; i++) workers[i].session = session, workers[i].runs = 500;
  work(workers, 4);
  for (i = 0; i < 4; i++) CHECK(workers[i].right + workers[i].busy == workers[i].runs);
  swl_session_free(session);
}

static void after_fork(void) {
  swl_session *session = SESSION(mlp, NULL);
  worker w;
  pid_t child;
  int status = 0;
  memset(&w, 0, sizeof w);
  w.session = session, w.runs = 3;
  run_many(&w);
  CHECK(w.right == 3);
  child = fork();
  if (child == 0) {
    swl_model *model = NULL;
    worker inherited, own;
    alarm(20); /* rather killed than hanging */
    memset(&inherited, 0, sizeof inherited);
    memset(&own, 0, sizeof own);
    inherited.session = session, inherited.runs = 3;
    run_many(&inherited);
    if (swl_model_open_memory(model_mlp, sizeof model_mlp, SWL_BORROW, NULL, &model, NULL) != SWL_OK) _exit(2);
    own.model = model, own.runs = 3;
    run_many(&own);
    swl_model_free(model);
    swl_session_free(session);
    _exit(inherited.right == 3 && own.right == 3 ? 0 : 1);
  }
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  w.right = 0;
  run_many(&w);
  CHECK(w.right == 3);
  swl_session_free(session);
}

const test thread_tests[] = {{"cancel from another thread", cancel_from_another_thread},
                             {"cancelled before it starts", cancelled_before_it_starts},
                             {"cancelling a load", cancelling_a_load},
                             {"deadlines", deadlines},
                             {"time limits", time_limits},
                             {"a session in use is busy", a_session_in_use_is_busy},
                             {"sessions in many threads", sessions_in_many_threads},
                             {"one session in many threads", one_session_in_many_threads},
                             {"after fork", after_fork},
                             {NULL, NULL}};
