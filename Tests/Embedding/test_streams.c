/* Section 10 of the header: y = x + w, whose w arrives. The container is the test vector of the format. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <pthread.h>
#include <time.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { COUNT_OF_W = 400, ROOM = 1 << 16 };
static unsigned char container[ROOM];
static size_t container_size;

static int has_container(void) {
  FILE *file = fopen("../Progressive/vector.swl", "rb");
  if (file == NULL) return 0;
  container_size = fread(container, 1, ROOM, file);
  fclose(file);
  return container_size > 0;
}
#define NEED_CONTAINER \
  if (!has_container()) SKIP("run from its own folder")

static uint64_t soon(void) { return swl_clock() + 20000000000u; }

static swl_stream_info info_of(swl_stream *stream) {
  swl_stream_info info;
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  EXPECT(SWL_OK, swl_stream_get_info(stream, &info, &error));
  return info;
}

/* w[399] as the session's newest generation has it. */
static float last_weight(swl_session *session) {
  static float zeros[COUNT_OF_W];
  swl_tensor *x = floats(zeros, COUNT_OF_W), *y = NULL;
  const swl_value *inputs[1];
  float result = 0;
  inputs[0] = x;
  EXPECT(SWL_OK, swl_session_run(session, inputs, 1, &y, 1, NULL, &error));
  if (swl_tensor_count(y) == COUNT_OF_W) result = ((const float *)swl_tensor_data(y))[COUNT_OF_W - 1];
  swl_value_free(x), swl_value_free(y);
  return result;
}

static void a_session_follows_its_stream(void) {
  swl_stream *stream = NULL;
  swl_model *model = NULL;
  swl_session *session = NULL;
  swl_stream_info info;
  const char *name = NULL;
  uint32_t planes = 0, all = 0;
  size_t at = 0;
  float weight;
  NEED_CONTAINER;
  EXPECT(SWL_OK, swl_stream_create(NULL, &stream, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_stream_model(stream, &model, &error));
  CHECK(info_of(stream).state == SWL_STREAM_NEED_MORE && info_of(stream).total == 0);
  CHECK(swl_stream_tensor_count(stream) == 0);
  EXPECT(SWL_OK, swl_stream_append(stream, SWL_STREAM_NEXT, container, container_size / 2, &error));
  at = container_size / 2;
  EXPECT(SWL_OK, swl_stream_wait(stream, SWL_STREAM_USABLE, 0, soon(), &error));
  EXPECT(SWL_OK, swl_stream_model(stream, &model, &error));
  EXPECT(SWL_OK, swl_session_create(model, NULL, &session, &error));
  swl_model_free(model);
  CHECK(swl_session_generation(session) == 0);
  last_weight(session);
  CHECK(swl_session_generation(session) >= 1);
  EXPECT(SWL_DEADLINE, swl_stream_wait(stream, SWL_STREAM_COMPLETE, 0, swl_clock() + 1000000, &error));
  EXPECT(SWL_OK, swl_stream_append(stream, at, container + at, container_size - at, &error));
  EXPECT(SWL_OK, swl_stream_wait(stream, SWL_STREAM_COMPLETE, 1, soon(), &error));
  weight = last_weight(session);
  info = info_of(stream);
  CHECK(info.state == SWL_STREAM_COMPLETE && info.received == container_size && info.total == container_size);
  CHECK(swl_session_generation(session) == info.generation);
  CHECK(swl_stream_tensor_count(stream) == 4);
  EXPECT(SWL_OK, swl_stream_tensor(stream, 0, &name, &planes, &all, &error));
  CHECK(same(name, "float") && planes == all && all > 23);
  EXPECT(SWL_INVALID_ARGUMENT, swl_stream_tensor(stream, 4, &name, NULL, NULL, &error));
  swl_stream_free(stream);
  CHECK(last_weight(session) == weight);
  swl_session_free(session);
}

static void weights_can_stand_in_a_folder(void) {
  swl_options *options = swl_options_create();
  swl_stream *stream = NULL;
  swl_model *model = NULL;
  swl_session *session = NULL;
  NEED_CONTAINER;
  EXPECT(SWL_OK, swl_options_set_stream_folder(options, "/nowhere/at/all"));
  EXPECT(SWL_OK, swl_stream_create(options, &stream, &error));
  EXPECT(SWL_OK, swl_stream_append(stream, 0, container, container_size, &error));
  EXPECT(SWL_IO, swl_stream_wait(stream, SWL_STREAM_COMPLETE, 1, soon(), &error));
  swl_stream_free(stream);
  EXPECT(SWL_OK, swl_options_set_stream_folder(options, test_folder()));
  EXPECT(SWL_OK, swl_stream_create(options, &stream, &error));
  EXPECT(SWL_OK, swl_stream_append(stream, 0, container, container_size, &error));
  EXPECT(SWL_OK, swl_stream_wait(stream, SWL_STREAM_COMPLETE, 1, soon(), &error));
  EXPECT(SWL_OK, swl_stream_model(stream, &model, &error));
  EXPECT(SWL_OK, swl_session_create(model, NULL, &session, &error));
  CHECK(last_weight(session) != 0);
  swl_session_free(session), swl_model_free(model), swl_stream_free(stream), swl_options_free(options);
}

static void a_whole_container_is_opened_like_a_model(void) {
  swl_model *model = NULL;
  swl_session *session = NULL;
  NEED_CONTAINER;
  EXPECT(SWL_OK, swl_model_open_memory(container, container_size, SWL_BORROW, NULL, &model, &error));
  EXPECT(SWL_OK, swl_session_create(model, NULL, &session, &error));
  CHECK(last_weight(session) != 0);
  CHECK(swl_session_generation(session) == 0);
  swl_session_free(session), swl_model_free(model);
  EXPECT(SWL_NOT_A_MODEL, swl_model_open_memory(container, container_size - 1, SWL_BORROW, NULL, &model, &error));
  EXPECT(SWL_OK, swl_model_open("../Progressive/vector.swl", NULL, &model, &error));
  swl_model_free(model);
}

static void a_model_that_is_no_container_is_whole_at_its_end(void) {
  static unsigned char bytes[ROOM];
  swl_stream *stream = NULL;
  swl_model *model = NULL;
  size_t size = 0, count = 0;
  FILE *file = fopen("../Progressive/vector.onnx", "rb");
  if (file == NULL) SKIP("run from its own folder");
  size = fread(bytes, 1, ROOM, file);
  EXPECT(SWL_OK, swl_stream_create(NULL, &stream, &error));
  EXPECT(SWL_NOT_A_MODEL, swl_stream_end(stream, &error));
  EXPECT(SWL_OK, swl_stream_append(stream, SWL_STREAM_NEXT, bytes, size / 2, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_stream_append(stream, size - 1, bytes + size - 1, 1, &error));
  EXPECT(SWL_OK, swl_stream_append(stream, size / 2, bytes + size / 2, size - size / 2, &error));
  CHECK(info_of(stream).state == SWL_STREAM_NEED_MORE && info_of(stream).total == 0);
  EXPECT(SWL_OK, swl_stream_end(stream, &error));
  EXPECT(SWL_OK, swl_stream_wait(stream, SWL_STREAM_COMPLETE, 1, soon(), &error));
  CHECK(info_of(stream).total == size && info_of(stream).generation == 1);
  swl_stream_free(stream);
  /* A descriptor's end is the model's. */
  rewind(file);
  EXPECT(SWL_OK, swl_stream_create(NULL, &stream, &error));
  while (swl_stream_read(stream, fileno(file), 700, &count, &error) == SWL_OK) {}
  EXPECT(SWL_OK, swl_stream_wait(stream, SWL_STREAM_COMPLETE, 1, soon(), &error));
  EXPECT(SWL_OK, swl_stream_model(stream, &model, &error));
  fclose(file), swl_model_free(model), swl_stream_free(stream);
}

static void damage_is_told_and_can_be_repaired(void) {
  swl_stream *stream = NULL;
  NEED_CONTAINER;
  EXPECT(SWL_OK, swl_stream_create(NULL, &stream, &error));
  container[container_size - 9] ^= 1;
  EXPECT(SWL_NOT_A_MODEL, swl_stream_append(stream, 0, container, container_size, &error));
  container[container_size - 9] ^= 1;
  CHECK(info_of(stream).received < container_size);
  EXPECT(SWL_OK, swl_stream_append(stream, 0, container, container_size, &error));
  EXPECT(SWL_OK, swl_stream_wait(stream, SWL_STREAM_COMPLETE, 1, soon(), &error));
  swl_stream_free(stream);
}

static void calls_that_are_wrong(void) {
  swl_stream *stream = NULL;
  swl_stream_info info;
  static const char page[64] = "<!DOCTYPE html>";
  memset(&info, 0, sizeof info);
  EXPECT(SWL_INVALID_ARGUMENT, swl_stream_create(NULL, NULL, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_stream_append(NULL, 0, page, 1, &error));
  EXPECT(SWL_OK, swl_stream_create(NULL, &stream, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_stream_append(stream, 0, NULL, 1, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_stream_append(stream, UINT64_MAX - 1, page, 1, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_stream_get_info(stream, &info, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_stream_wait(stream, 7, 0, 0, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_stream_wait(stream, SWL_STREAM_USABLE, 2, 0, &error));
  EXPECT(SWL_NOT_A_MODEL, swl_stream_append(stream, 0, page, sizeof page, &error));
  CHECK(swl_session_generation(NULL) == 0 && swl_stream_tensor_count(NULL) == 0);
  swl_stream_free(stream);
  swl_stream_free(NULL);
}

static int generations;
static void count_generations(void *userdata, const swl_stream_info *info) {
  CHECK(userdata == &generations && info->generation >= 1);
  generations++;
}

static void *write_slowly(void *pipe_end) {
  size_t at;
  for (at = 0; at < container_size; at += 200) {
    const struct timespec pause = {0, 1000000};
    const size_t n = container_size - at < 200 ? container_size - at : 200;
    if (write(*(int *)pipe_end, container + at, n) != (ssize_t)n) break;
    nanosleep(&pause, NULL);
  }
  close(*(int *)pipe_end);
  return NULL;
}

static void a_pipe_is_read(void) {
  swl_stream *stream = NULL;
  pthread_t writer;
  int ends[2];
  size_t count, all = 0;
  NEED_CONTAINER;
  generations = 0;
  CHECK(pipe(ends) == 0);
  CHECK(pthread_create(&writer, NULL, write_slowly, &ends[1]) == 0);
  EXPECT(SWL_OK, swl_stream_create(NULL, &stream, &error));
  EXPECT(SWL_OK, swl_stream_on_generation(stream, count_generations, &generations, &error));
  while (all < container_size) {
    if (swl_stream_read(stream, ends[0], 4096, &count, NULL) != SWL_OK) break;
    all += count;
  }
  EXPECT(SWL_IO, swl_stream_read(stream, ends[0], 4096, &count, &error));
  EXPECT(SWL_OK, swl_stream_wait(stream, SWL_STREAM_COMPLETE, 1, soon(), &error));
  pthread_join(writer, NULL);
  close(ends[0]);
  swl_stream_free(stream);
  CHECK(generations >= 1);
}

const test stream_tests[] = {
    {"a session follows its stream", a_session_follows_its_stream},
    {"weights can stand in a folder", weights_can_stand_in_a_folder},
    {"a whole container is opened like a model", a_whole_container_is_opened_like_a_model},
    {"a model that is no container is whole at its end", a_model_that_is_no_container_is_whole_at_its_end},
    {"damage is told and can be repaired", damage_is_told_and_can_be_repaired},
    {"streams: calls that are wrong", calls_that_are_wrong},
    {"a pipe is read", a_pipe_is_read},
    {NULL, NULL},
};
