/* Section 4: tensors. */
#include "check.h"
#include "models.h"
#include <string.h>

static void of_the_library(void) {
  swl_tensor *t = NULL;
  int64_t shape[3] = {2, 0, 5}, dense[3] = {2, 3, 4};
  size_t i;
  int32_t type;
  for (type = SWL_FLOAT; type <= SWL_INT2; type++) {
    size_t bytes = (24 * swl_element_type_bits(type) + 7) / 8;
    EXPECT(SWL_OK, swl_tensor_create(type, dense, 3, &t, &error));
    CHECK(swl_value_kind(t) == SWL_KIND_TENSOR && swl_tensor_type(t) == type && swl_tensor_rank(t) == 3);
    CHECK(swl_tensor_count(t) == 24 && swl_tensor_size(t) == bytes);
    CHECK(memcmp(swl_tensor_shape(t), dense, sizeof dense) == 0);
    if (type == SWL_STRING) {
      CHECK(swl_tensor_data(t) == NULL && swl_tensor_mutable_data(t) == NULL);
      CHECK(same(swl_tensor_string(t, 23, &i), "") && i == 0);
    } else {
      CHECK(swl_tensor_data(t) == swl_tensor_mutable_data(t) && (uintptr_t)swl_tensor_data(t) % 64 == 0);
      for (i = 0; i < bytes; i++) CHECK(((const char *)swl_tensor_data(t))[i] == 0);
      memset(swl_tensor_mutable_data(t), 1, bytes);
    }
    if (swl_element_type_bits(type) >= 8) {
      const int64_t *strides = swl_tensor_strides(t);
      CHECK(strides[0] == 12 && strides[1] == 4 && strides[2] == 1);
    } else if (type != SWL_STRING) {
      CHECK(swl_tensor_strides(t) == NULL);
    }
    swl_value_free(t);
  }
  EXPECT(SWL_OK, swl_tensor_create(SWL_FLOAT, shape, 3, &t, &error));
  CHECK(swl_tensor_count(t) == 0 && swl_tensor_size(t) == 0 && swl_tensor_data(t) != NULL);
  swl_value_free(t);
  EXPECT(SWL_OK, swl_tensor_create(SWL_DOUBLE, NULL, 0, &t, &error));
  CHECK(swl_tensor_rank(t) == 0 && swl_tensor_count(t) == 1 && swl_tensor_size(t) == 8);
  swl_value_free(t);
}

static void impossible_shapes(void) {
  swl_tensor *t = NULL;
  float data[4];
  int64_t negative[2] = {2, -1}, wraps[3], huge[1], zero_wraps[3];
  wraps[0] = wraps[1] = wraps[2] = (int64_t)1 << 40;
  huge[0] = (int64_t)1 << 61;
  zero_wraps[0] = 0, zero_wraps[1] = zero_wraps[2] = (int64_t)1 << 40;
  EXPECT(SWL_INVALID_ARGUMENT, swl_tensor_create(SWL_FLOAT, negative, 2, &t, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_tensor_create(SWL_FLOAT, wraps, 3, &t, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_tensor_create(SWL_FLOAT, zero_wraps, 3, &t, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_tensor_create(SWL_FLOAT, huge, 1, &t, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_tensor_create(SWL_FLOAT, NULL, 1, &t, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_tensor_create(SWL_FLOAT, wraps, SIZE_MAX, &t, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_tensor_create(SWL_UNDEFINED, NULL, 0, &t, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_tensor_create((swl_element_type)(SWL_FLOAT6E3M2 + 1), NULL, 0, &t, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_tensor_borrow(-1, NULL, 0, NULL, data, 4, NULL, NULL, &t, &error));
  huge[0] = (int64_t)1 << 50;
  EXPECT(SWL_OUT_OF_MEMORY, swl_tensor_create(SWL_FLOAT, huge, 1, &t, &error));
  CHECK(t == NULL);
}

static int released;
static void release(void *userdata) {
  CHECK(userdata == &released);
  released++;
}

static void borrowed_and_released(void) {
  float data[6] = {1, 2, 3, 4, 5, 6};
  int64_t shape[2] = {2, 3};
  swl_tensor *t = NULL;
  released = 0;
  EXPECT(SWL_OK, swl_tensor_borrow(SWL_FLOAT, shape, 2, NULL, data, sizeof data, release, &released, &t, &error));
  CHECK(swl_tensor_data(t) == data && swl_tensor_size(t) == sizeof data && released == 0);
  swl_value_free(t);
  CHECK(released == 1);
  /* Also when it fails. */
  EXPECT(SWL_INVALID_ARGUMENT,
         swl_tensor_borrow(SWL_FLOAT, shape, 2, NULL, data, sizeof data - 1, release, &released, &t, &error));
  CHECK(released == 2 && t == NULL);
}

static void borrowed_wrongly(void) {
  union {
    float floats[8];
    char bytes[32];
  } data;
  int64_t shape[2] = {2, 3}, strides[2] = {3, 1}, backwards[2] = {-3, 1}, wide[2] = {6, 1}, wraps[2];
  swl_tensor *t = NULL;
  const size_t six = 6 * sizeof(float);
  memset(&data, 0, sizeof data);
  wraps[0] = INT64_MAX, wraps[1] = INT64_MAX;
  EXPECT(SWL_INVALID_ARGUMENT, swl_tensor_borrow(SWL_FLOAT, shape, 2, NULL, NULL, six, NULL, NULL, &t, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_tensor_borrow(SWL_FLOAT, NULL, 2, NULL, data.floats, six, NULL, NULL, &t, &error));
  EXPECT(SWL_INVALID_ARGUMENT,
         swl_tensor_borrow(SWL_FLOAT, shape, 2, NULL, data.bytes + 1, six, NULL, NULL, &t, &error));
  EXPECT(SWL_INVALID_ARGUMENT,
         swl_tensor_borrow(SWL_FLOAT, shape, 2, backwards, data.floats, six, NULL, NULL, &t, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_tensor_borrow(SWL_FLOAT, shape, 2, wide, data.floats, 32, NULL, NULL, &t, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_tensor_borrow(SWL_FLOAT, shape, 2, wraps, data.floats, 32, NULL, NULL, &t, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_tensor_borrow(SWL_INT4, shape, 2, strides, data.floats, 32, NULL, NULL, &t, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_tensor_borrow(SWL_STRING, shape, 2, NULL, data.floats, 32, NULL, NULL, &t, &error));
  CHECK(t == NULL);
  /* Nothing to point at is needed for no elements. */
  shape[0] = 0;
  EXPECT(SWL_OK, swl_tensor_borrow(SWL_FLOAT, shape, 2, NULL, NULL, 0, NULL, NULL, &t, &error));
  CHECK(swl_tensor_count(t) == 0 && swl_tensor_data(t) != NULL);
  swl_value_free(t);
}

/* x + y with x read through strides. */
static void strided_inputs(void) {
  float columns[6] = {1, 4, 2, 5, 3, 6}, padded[8] = {1, 2, 3, -1, 4, 5, 6, -1}, row[3] = {1, 2, 3};
  float zero[6] = {0}, want[6] = {1, 2, 3, 4, 5, 6}, repeated[6] = {1, 2, 3, 1, 2, 3};
  int64_t shape[2] = {2, 3}, by_column[2] = {1, 2}, by_padded[2] = {4, 1}, by_row[2] = {0, 1};
  void *data[3];
  const int64_t *strides[3];
  size_t sizes[3] = {sizeof columns, sizeof padded - sizeof(float), sizeof row}, i;
  const float *wants[3];
  swl_session *session = SESSION(add, NULL);
  swl_tensor *y = floats2(zero, 2, 3);
  data[0] = columns, data[1] = padded, data[2] = row;
  strides[0] = by_column, strides[1] = by_padded, strides[2] = by_row;
  wants[0] = wants[1] = want, wants[2] = repeated;
  for (i = 0; i < 3; i++) {
    swl_tensor *x = NULL;
    const swl_value *inputs[2];
    swl_value *outputs[1] = {NULL};
    EXPECT(SWL_OK, swl_tensor_borrow(SWL_FLOAT, shape, 2, strides[i], data[i], sizes[i], NULL, NULL, &x, &error));
    CHECK(memcmp(swl_tensor_strides(x), strides[i], sizeof shape) == 0 && swl_tensor_data(x) == data[i]);
    CHECK(swl_tensor_size(x) == 6 * sizeof(float));
    inputs[0] = x, inputs[1] = y;
    EXPECT(SWL_OK, swl_session_run(session, inputs, 2, outputs, 1, NULL, &error));
    CHECK(same_floats(outputs[0], wants[i], 6));
    swl_value_free(outputs[0]);
    /* Such a tensor can't be written to by a run. */
    inputs[0] = y;
    outputs[0] = x;
    EXPECT(SWL_INVALID_ARGUMENT, swl_session_run(session, inputs, 2, outputs, 1, NULL, &error));
    swl_value_free(x);
  }
  swl_value_free(y);
  swl_session_free(session);
}

static void strings(void) {
  static const char *const text[3] = {"one", "", "dr\xC3\xA9i"};
  static const char *const raw[2] = {"a\0b", "cut here"};
  static const size_t lengths[2] = {3, 3};
  int64_t shape = 3, two = 2;
  size_t length = 99;
  swl_tensor *t = NULL;
  EXPECT(SWL_OK, swl_tensor_create_strings(&shape, 1, text, NULL, &t, &error));
  CHECK(swl_tensor_type(t) == SWL_STRING && swl_tensor_count(t) == 3 && swl_tensor_size(t) == 0);
  CHECK(same(swl_tensor_string(t, 0, &length), "one") && length == 3);
  CHECK(same(swl_tensor_string(t, 1, &length), "") && length == 0);
  CHECK(same(swl_tensor_string(t, 2, NULL), text[2]));
  CHECK(swl_tensor_string(t, 3, &length) == NULL && swl_tensor_data(t) == NULL);
  swl_value_free(t);
  EXPECT(SWL_OK, swl_tensor_create_strings(&two, 1, raw, lengths, &t, &error));
  CHECK(memcmp(swl_tensor_string(t, 0, &length), "a\0b", 4) == 0 && length == 3);
  CHECK(same(swl_tensor_string(t, 1, &length), "cut") && length == 3);
  swl_value_free(t);
  EXPECT(SWL_INVALID_ARGUMENT, swl_tensor_create_strings(&shape, 1, NULL, NULL, &t, &error));
  {
    const char *holes[2] = {"x", NULL};
    EXPECT(SWL_INVALID_ARGUMENT, swl_tensor_create_strings(&two, 1, holes, NULL, &t, &error));
    CHECK(t == NULL);
  }
}

static void bytes_that_are_no_utf8(void) {
  static const char *const bad[1] = {"\xFF\xFE"};
  int64_t shape = 1;
  swl_tensor *t = NULL;
  EXPECT(SWL_INVALID_ARGUMENT, swl_tensor_create_strings(&shape, 1, bad, NULL, &t, &error));
  CHECK(t == NULL);
}

static void of_null(void) {
  CHECK(swl_tensor_type(NULL) == SWL_UNDEFINED && swl_tensor_rank(NULL) == 0 && swl_tensor_shape(NULL) == NULL);
  CHECK(swl_tensor_strides(NULL) == NULL && swl_tensor_count(NULL) == 0 && swl_tensor_size(NULL) == 0);
  CHECK(swl_tensor_data(NULL) == NULL && swl_tensor_mutable_data(NULL) == NULL);
  CHECK(swl_tensor_string(NULL, 0, NULL) == NULL && swl_value_kind(NULL) == SWL_KIND_NONE);
  swl_value_free(NULL);
}

const test tensor_tests[] = {{"tensors of the library", of_the_library},
                             {"impossible shapes", impossible_shapes},
                             {"tensors borrowed and released", borrowed_and_released},
                             {"tensors borrowed wrongly", borrowed_wrongly},
                             {"strided inputs", strided_inputs},
                             {"string tensors", strings},
                             {"strings that are not UTF-8", bytes_that_are_no_utf8},
                             {"tensor functions of NULL", of_null},
                             {NULL, NULL}};
