/* Sections 5 and 8: runs in all forms, what goes wrong in them, shapes, profile, memory. */
#include "check.h"
#include "models.h"
#include <stdio.h>
#include <string.h>

static const float mlp_y[6] = {1, 2, 0, 5, 6, 0}, mlp_hidden[6] = {1, 2, -3, 5, 6, -7};
static float mlp_x[8] = {1, 2, 3, 4, 5, 6, 7, 8};

static void by_position(void) {
  swl_session *session = SESSION(mlp, NULL);
  swl_tensor *x = floats2(mlp_x, 2, 4);
  const swl_value *inputs[1];
  swl_value *outputs[2] = {NULL, NULL};
  inputs[0] = x;
  EXPECT(SWL_OK, swl_session_run(session, inputs, 1, outputs, 2, NULL, &error));
  CHECK(same_floats(outputs[0], mlp_y, 6) && same_floats(outputs[1], mlp_hidden, 6));
  CHECK(swl_tensor_rank(outputs[0]) == 2 && swl_tensor_shape(outputs[0])[0] == 2 &&
        swl_tensor_shape(outputs[0])[1] == 3);
  /* What was handed out outlives everything. */
  swl_session_free(session);
  swl_value_free(x);
  CHECK(same_floats(outputs[0], mlp_y, 6));
  swl_value_free(outputs[0]);
  swl_value_free(outputs[1]);
}

static void any_batch(void) {
  swl_session *session = SESSION(mlp, NULL);
  int64_t batch;
  float data[40], want[30];
  size_t i;
  for (i = 0; i < 40; i++) data[i] = (float)i;
  for (i = 0; i < 30; i++) want[i] = i % 3 == 2 ? 0 : (float)(i / 3 * 4 + i % 3);
  for (batch = 10; batch >= 0; batch--) {
    swl_tensor *x = floats2(data, batch, 4);
    const swl_value *inputs[1];
    swl_value *outputs[1] = {NULL};
    inputs[0] = x;
    EXPECT(SWL_OK, swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
    CHECK(same_floats(outputs[0], want, (size_t)batch * 3) && swl_tensor_shape(outputs[0])[0] == batch);
    swl_value_free(outputs[0]);
    swl_value_free(x);
  }
  swl_session_free(session);
}

static void by_name_and_number(void) {
  swl_session *session = SESSION(mlp, NULL);
  swl_tensor *x = floats2(mlp_x, 2, 4);
  const swl_value *inputs[1];
  swl_value *outputs[2] = {NULL, NULL};
  const char *names[2] = {"hidden", "y"}, *in[1] = {"x"};
  size_t numbers[2] = {1, 0}, zero = 0;
  inputs[0] = x;
  EXPECT(SWL_OK, swl_session_run_named(session, in, inputs, 1, names, outputs, 2, NULL, &error));
  CHECK(same_floats(outputs[0], mlp_hidden, 6) && same_floats(outputs[1], mlp_y, 6));
  swl_value_free(outputs[0]);
  swl_value_free(outputs[1]);
  outputs[0] = outputs[1] = NULL;
  EXPECT(SWL_OK, swl_session_run_named(session, in, inputs, 1, names, outputs, 1, NULL, &error));
  CHECK(same_floats(outputs[0], mlp_hidden, 6));
  swl_value_free(outputs[0]);
  outputs[0] = NULL;
  EXPECT(SWL_OK, swl_session_run_indexed(session, &zero, inputs, 1, numbers, outputs, 2, NULL, &error));
  CHECK(same_floats(outputs[0], mlp_hidden, 6) && same_floats(outputs[1], mlp_y, 6));
  swl_value_free(outputs[0]);
  swl_value_free(outputs[1]);
  swl_value_free(x);
  swl_session_free(session);
}

static void wrong_names_and_numbers(void) {
  swl_session *session = SESSION(add, NULL);
  float data[6] = {0};
  swl_tensor *x = floats2(data, 2, 3);
  const swl_value *inputs[3];
  swl_value *outputs[2] = {NULL, NULL};
  const char *good[2] = {"x", "y"}, *twice[2] = {"x", "x"}, *unknown[2] = {"x", "q"}, *holes[2] = {"x", NULL};
  const char *z[2] = {"z", "z"}, *no[1] = {"x"};
  size_t both[2] = {0, 1}, beyond[2] = {0, 2}, same[2] = {1, 1}, zero = 0, far = SIZE_MAX;
  inputs[0] = inputs[1] = inputs[2] = x;
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run_named(session, twice, inputs, 2, z, outputs, 1, NULL, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run_named(session, unknown, inputs, 2, z, outputs, 1, NULL, &error));
  CHECK(strstr(last_message, "q") != NULL);
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run_named(session, holes, inputs, 2, z, outputs, 1, NULL, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run_named(session, good, inputs, 2, z, outputs, 2, NULL, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run_named(session, good, inputs, 2, no, outputs, 1, NULL, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run_named(session, good, inputs, 1, z, outputs, 1, NULL, &error));
  CHECK(strstr(last_message, "y") != NULL);
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run_indexed(session, beyond, inputs, 2, &zero, outputs, 1, NULL, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run_indexed(session, same, inputs, 2, &zero, outputs, 1, NULL, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run_indexed(session, both, inputs, 2, &far, outputs, 1, NULL, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run(session, inputs, 3, outputs, 1, NULL, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run(session, inputs, 2, outputs, 2, NULL, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run(session, inputs, SIZE_MAX, outputs, 1, NULL, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run(session, NULL, 2, outputs, 1, NULL, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run(session, inputs, 2, NULL, 1, NULL, &error));
  inputs[1] = NULL;
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run(session, inputs, 2, outputs, 1, NULL, &error));
  CHECK(outputs[0] == NULL && outputs[1] == NULL);
  /* Nothing asked, nothing done. */
  inputs[1] = x;
  EXPECT(SWL_OK, swl_session_run(session, inputs, 2, NULL, 0, NULL, &error));
  swl_value_free(x);
  swl_session_free(session);
}

static void wrong_inputs(void) {
  swl_session *session = SESSION(add, NULL);
  float data[6] = {0};
  swl_tensor *x = floats2(data, 2, 3), *turned = floats2(data, 3, 2), *flat = floats(data, 6), *other = NULL;
  int64_t shape[2] = {2, 3};
  const swl_value *inputs[2];
  swl_value *outputs[1] = {NULL};
  inputs[0] = x, inputs[1] = turned;
  EXPECT(SWL_SHAPE_MISMATCH, swl_session_run(session, inputs, 2, outputs, 1, NULL, &error));
  CHECK(strstr(last_message, "y") != NULL);
  inputs[1] = flat;
  EXPECT(SWL_SHAPE_MISMATCH, swl_session_run(session, inputs, 2, outputs, 1, NULL, &error));
  EXPECT(SWL_OK, swl_tensor_create(SWL_DOUBLE, shape, 2, &other, &error));
  inputs[1] = other;
  EXPECT(SWL_TYPE_MISMATCH, swl_session_run(session, inputs, 2, outputs, 1, NULL, &error));
  swl_value_free(other);
  EXPECT(SWL_OK, swl_sequence_create(SWL_FLOAT, NULL, 0, &other, &error));
  inputs[1] = other;
  EXPECT(SWL_TYPE_MISMATCH, swl_session_run(session, inputs, 2, outputs, 1, NULL, &error));
  CHECK(outputs[0] == NULL);
  swl_value_free(other);
  swl_value_free(x);
  swl_value_free(turned);
  swl_value_free(flat);
  swl_session_free(session);
}

static void into_own_buffers(void) {
  swl_session *session = SESSION(mlp, NULL);
  float y[6], hidden[6], small[3];
  swl_tensor *x = floats2(mlp_x, 2, 4), *to_y = floats2(y, 2, 3), *to_hidden = floats2(hidden, 2, 3);
  swl_tensor *wrong = floats2(small, 1, 3), *turned = floats2(y, 3, 2), *typed = NULL, *own = NULL;
  int64_t shape[2] = {2, 3};
  const swl_value *inputs[1];
  swl_value *outputs[2];
  int round;
  inputs[0] = x;
  for (round = 0; round < 3; round++) {
    memset(y, 0xFF, sizeof y);
    memset(hidden, 0xFF, sizeof hidden);
    outputs[0] = to_y, outputs[1] = to_hidden;
    EXPECT(SWL_OK, swl_session_run(session, inputs, 1, outputs, 2, NULL, &error));
    CHECK(memcmp(y, mlp_y, sizeof y) == 0 && memcmp(hidden, mlp_hidden, sizeof hidden) == 0);
    CHECK(outputs[0] == to_y && outputs[1] == to_hidden);
  }
  /* One of each: handed out, and into a tensor of the library. */
  EXPECT(SWL_OK, swl_tensor_create(SWL_FLOAT, shape, 2, &own, &error));
  outputs[0] = NULL, outputs[1] = own;
  EXPECT(SWL_OK, swl_session_run(session, inputs, 1, outputs, 2, NULL, &error));
  CHECK(same_floats(outputs[0], mlp_y, 6) && same_floats(own, mlp_hidden, 6));
  swl_value_free(outputs[0]);
  outputs[0] = wrong;
  EXPECT(SWL_SHAPE_MISMATCH, swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
  outputs[0] = turned;
  EXPECT(SWL_SHAPE_MISMATCH, swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
  EXPECT(SWL_OK, swl_tensor_create(SWL_INT32, shape, 2, &typed, &error));
  outputs[0] = typed;
  EXPECT(SWL_TYPE_MISMATCH, swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
  outputs[0] = to_y, outputs[1] = to_y;
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run(session, inputs, 1, outputs, 2, NULL, &error));
  outputs[0] = NULL, outputs[1] = wrong;
  EXPECT(SWL_SHAPE_MISMATCH, swl_session_run(session, inputs, 1, outputs, 2, NULL, &error));
  CHECK(outputs[0] == NULL);
  swl_value_free(own);
  swl_value_free(typed);
  swl_value_free(turned);
  swl_value_free(wrong);
  swl_value_free(to_hidden);
  swl_value_free(to_y);
  swl_value_free(x);
  swl_session_free(session);
}

static void over_its_input(void) {
  swl_session *session = SESSION(add, NULL);
  float data[6] = {1, 2, 3, 4, 5, 6};
  swl_tensor *x = floats2(data, 2, 3);
  const swl_value *inputs[2];
  swl_value *outputs[1];
  inputs[0] = inputs[1] = x, outputs[0] = x;
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run(session, inputs, 2, outputs, 1, NULL, &error));
  swl_value_free(x);
  swl_session_free(session);
}

static void branches(void) {
  swl_session *session = SESSION(branch, NULL);
  float data[3] = {2, 4, 8}, doubled[3] = {4, 8, 16}, halved[3] = {1, 2, 4};
  int go;
  for (go = 0; go < 2; go++) {
    swl_tensor *x = floats(data, 3), *condition = NULL;
    const swl_value *inputs[2];
    swl_value *outputs[1] = {NULL};
    EXPECT(SWL_OK, swl_tensor_create(SWL_BOOL, NULL, 0, &condition, &error));
    *(char *)swl_tensor_mutable_data(condition) = (char)go;
    inputs[0] = condition, inputs[1] = x;
    EXPECT(SWL_OK, swl_session_run(session, inputs, 2, outputs, 1, NULL, &error));
    CHECK(same_floats(outputs[0], go ? doubled : halved, 3));
    swl_value_free(outputs[0]);
    swl_value_free(condition);
    swl_value_free(x);
  }
  swl_session_free(session);
}

static void overriding_an_initializer(void) {
  swl_session *session = SESSION(overridable, NULL);
  float xs[2] = {1, 2}, bs[2] = {5, 5}, fed[2] = {6, 7}, constant[2] = {11, 22};
  swl_tensor *x = floats(xs, 2), *b = floats(bs, 2);
  const swl_value *inputs[2];
  swl_value *outputs[1] = {NULL};
  const char *names[2] = {"b", "x"}, *y[1] = {"y"};
  inputs[0] = x, inputs[1] = b;
  EXPECT(SWL_OK, swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
  CHECK(same_floats(outputs[0], constant, 2));
  swl_value_free(outputs[0]);
  outputs[0] = NULL;
  EXPECT(SWL_OK, swl_session_run(session, inputs, 2, outputs, 1, NULL, &error));
  CHECK(same_floats(outputs[0], fed, 2));
  swl_value_free(outputs[0]);
  outputs[0] = NULL;
  inputs[0] = b, inputs[1] = x;
  EXPECT(SWL_OK, swl_session_run_named(session, names, inputs, 2, y, outputs, 1, NULL, &error));
  CHECK(same_floats(outputs[0], fed, 2));
  swl_value_free(outputs[0]);
  outputs[0] = NULL;
  inputs[0] = x;
  EXPECT(SWL_OK, swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
  CHECK(same_floats(outputs[0], constant, 2));
  swl_value_free(outputs[0]);
  swl_value_free(b);
  swl_value_free(x);
  swl_session_free(session);
}

static void runtime_errors_name_the_node(void) {
  swl_session *session = SESSION(gather, NULL);
  int64_t bad[2] = {0, 3}, good[2] = {2, -1};
  float want[2] = {7, 7};
  swl_tensor *i = ints(bad, 2), *j = ints(good, 2);
  const swl_value *inputs[1];
  swl_value *outputs[1] = {NULL};
  inputs[0] = i;
  EXPECT(SWL_RUNTIME, swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
  CHECK(same(last_node, "lookup") && same(last_operator, "Gather"));
  CHECK(strstr(last_message, "3") != NULL);
  inputs[0] = j;
  EXPECT(SWL_OK, swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
  CHECK(same_floats(outputs[0], want, 2));
  swl_value_free(outputs[0]);
  swl_value_free(j);
  swl_value_free(i);
  swl_session_free(session);
}

static void half_floats(void) {
  swl_session *session = SESSION(halves, NULL);
  int64_t shape = 3;
  swl_tensor *x = NULL;
  const swl_value *inputs[1];
  swl_value *outputs[1] = {NULL};
  uint16_t *data;
  EXPECT(SWL_OK, swl_tensor_create(SWL_FLOAT16, &shape, 1, &x, &error));
  data = (uint16_t *)swl_tensor_mutable_data(x);
  data[0] = swl_float16_from_float(0.5f), data[1] = swl_float16_from_float(-3), data[2] = swl_float16_from_float(40000);
  inputs[0] = x;
  EXPECT(SWL_OK, swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
  data = (uint16_t *)swl_tensor_mutable_data(outputs[0]);
  CHECK(data[0] == 0x3C00 && swl_float_from_float16(data[1]) == -6 && data[2] == 0x7C00);
  swl_value_free(outputs[0]);
  swl_value_free(x);
  swl_session_free(session);
}

static void four_bit_integers(void) {
  swl_session *session = SESSION(nibbles, NULL);
  unsigned char packed[2] = {0x81, 0x0F}; /* 1, -8, -1 */
  int64_t shape = 3;
  swl_tensor *x = NULL;
  const swl_value *inputs[1];
  swl_value *outputs[1] = {NULL};
  const int8_t *y;
  EXPECT(SWL_INVALID_ARGUMENT, swl_tensor_borrow(SWL_INT4, &shape, 1, NULL, packed, 1, NULL, NULL, &x, &error));
  EXPECT(SWL_OK, swl_tensor_borrow(SWL_INT4, &shape, 1, NULL, packed, 2, NULL, NULL, &x, &error));
  inputs[0] = x;
  EXPECT(SWL_OK, swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
  y = (const int8_t *)swl_tensor_data(outputs[0]);
  CHECK(swl_tensor_type(outputs[0]) == SWL_INT8 && y[0] == 1 && y[1] == -8 && y[2] == -1);
  swl_value_free(outputs[0]);
  swl_value_free(x);
  swl_session_free(session);
}

static void output_shapes(void) {
  swl_session *session = SESSION(mlp, NULL);
  swl_tensor *x = floats2(mlp_x, 2, 4);
  const swl_value *inputs[1];
  int64_t shape[3] = {-7, -7, -7};
  size_t rank = 99;
  inputs[0] = x;
  EXPECT(SWL_OK, swl_session_output_shape(session, inputs, 1, 1, shape, 3, &rank, &error));
  CHECK(rank == 2 && shape[0] == 2 && shape[1] == 3 && shape[2] == -7);
  shape[1] = -7;
  EXPECT(SWL_OK, swl_session_output_shape(session, inputs, 1, 0, shape, 1, &rank, &error));
  CHECK(rank == 2 && shape[0] == 2 && shape[1] == -7);
  EXPECT(SWL_OK, swl_session_output_shape(session, inputs, 1, 0, NULL, 0, &rank, &error));
  CHECK(rank == 2);
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_output_shape(session, inputs, 1, 0, NULL, 1, &rank, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_output_shape(session, inputs, 1, 2, shape, 3, &rank, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_output_shape(session, inputs, 1, 0, shape, 3, NULL, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_output_shape(session, inputs, 2, 0, shape, 3, &rank, &error));
  swl_value_free(x);
  swl_session_free(session);
  session = SESSION(nonzero, NULL);
  x = floats(mlp_x, 8);
  inputs[0] = x;
  EXPECT(SWL_OK, swl_session_output_shape(session, inputs, 1, 0, shape, 3, &rank, &error));
  CHECK(rank == 2 && shape[0] == 1 && shape[1] == -1);
  swl_value_free(x);
  swl_session_free(session);
}

static void profile(void) {
  swl_options *options = swl_options_create();
  swl_session *session;
  swl_tensor *x = floats2(mlp_x, 2, 4);
  const swl_value *inputs[1];
  swl_value *outputs[1] = {NULL};
  const char *text = NULL;
  size_t length = 0;
  EXPECT(SWL_OK, swl_options_set_profiling(options, 1));
  session = SESSION(mlp, options);
  inputs[0] = x;
  EXPECT(SWL_OK, swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
  EXPECT(SWL_OK, swl_session_profile(session, &text, &length, &error));
  CHECK(text != NULL && strlen(text) == length && text[0] == '{' && strstr(text, "\"operator\"") != NULL);
  CHECK(strstr(text, "\"dur\"") != NULL && strstr(text, "MatMul") != NULL);
  EXPECT(SWL_OK, swl_session_profile(session, &text, NULL, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_profile(session, NULL, NULL, &error));
  swl_value_free(outputs[0]);
  swl_session_free(session);
  session = SESSION(mlp, NULL);
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_profile(session, &text, &length, &error));
  CHECK(text == NULL && length == 0);
  swl_session_free(session);
  swl_value_free(x);
  swl_options_free(options);
}

static void memory(void) {
  swl_session *session = SESSION(mlp, NULL);
  swl_tensor *x = floats2(mlp_x, 2, 4);
  const swl_value *inputs[1];
  swl_value *outputs[1] = {NULL};
  struct {
    swl_memory known;
    uint64_t of_the_future;
  } m;
  inputs[0] = x;
  EXPECT(SWL_OK, swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
  memset(&m, 0xAA, sizeof m);
  m.known.struct_size = sizeof m.known;
  EXPECT(SWL_OK, swl_session_memory(session, &m.known, &error));
  CHECK(m.known.struct_size == sizeof m.known && m.known.peak < 1 << 24 && m.known.weights < 1 << 20);
  CHECK(m.of_the_future == 0xAAAAAAAAAAAAAAAAu);
  /* A program that was compiled against a newer header. */
  m.known.struct_size = sizeof m;
  EXPECT(SWL_OK, swl_session_memory(session, &m.known, &error));
  CHECK(m.of_the_future == 0);
  m.known.struct_size = 0;
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_memory(session, &m.known, &error));
  m.known.struct_size = sizeof m.known - 1;
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_memory(session, &m.known, &error));
  swl_value_free(outputs[0]);
  swl_value_free(x);
  swl_session_free(session);
}

static void run_options_are_checked(void) {
  swl_session *session = SESSION(mlp, NULL);
  swl_tensor *x = floats2(mlp_x, 2, 4);
  const swl_value *inputs[1];
  swl_value *outputs[1] = {NULL};
  struct {
    swl_run_options known;
    uint64_t of_the_future;
  } o = {SWL_RUN_OPTIONS_INIT, 0};
  inputs[0] = x;
  o.known.struct_size = 0;
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run(session, inputs, 1, outputs, 1, &o.known, &error));
  o.known.struct_size = sizeof o.known - 1;
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run(session, inputs, 1, outputs, 1, &o.known, &error));
  /* A newer program may use a newer struct, as long as it asks for nothing that is new. */
  o.known.struct_size = sizeof o;
  EXPECT(SWL_OK, swl_session_run(session, inputs, 1, outputs, 1, &o.known, &error));
  swl_value_free(outputs[0]);
  outputs[0] = NULL;
  o.of_the_future = 1;
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run(session, inputs, 1, outputs, 1, &o.known, &error));
  o.known.struct_size = SIZE_MAX;
  EXPECT(SWL_INVALID_ARGUMENT, swl_session_run(session, inputs, 1, outputs, 1, &o.known, &error));
  swl_value_free(x);
  swl_session_free(session);
}

const test session_tests[] = {{"run by position", by_position},
                              {"run with any batch", any_batch},
                              {"run by name and by number, with some outputs", by_name_and_number},
                              {"wrong names and numbers", wrong_names_and_numbers},
                              {"wrong inputs", wrong_inputs},
                              {"outputs into the caller's buffers", into_own_buffers},
                              {"outputs over inputs", over_its_input},
                              {"branches", branches},
                              {"overriding an initializer", overriding_an_initializer},
                              {"run-time errors name the node", runtime_errors_name_the_node},
                              {"float16", half_floats},
                              {"int4", four_bit_integers},
                              {"output shapes before a run", output_shapes},
                              {"profile", profile},
                              {"memory", memory},
                              {"run options are checked", run_options_are_checked},
                              {NULL, NULL}};
