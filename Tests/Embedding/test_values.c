/* Section 9: sequences, optionals, maps, and strings through a run. */
#include "check.h"
#include "models.h"
#include <string.h>

static float one[2] = {1, 2}, two[3] = {3, 4, 5};

static void sequences_out(void) {
  swl_session *session = SESSION(make_sequence, NULL);
  swl_tensor *a = floats(one, 2), *b = floats(two, 3);
  const swl_value *inputs[2];
  swl_value *outputs[1] = {NULL};
  inputs[0] = a, inputs[1] = b;
  EXPECT(SWL_OK, swl_session_run(session, inputs, 2, outputs, 1, NULL, &error));
  swl_value_free(a);
  swl_value_free(b);
  swl_session_free(session);
  CHECK(swl_value_kind(outputs[0]) == SWL_KIND_SEQUENCE && swl_sequence_count(outputs[0]) == 2);
  CHECK(same_floats(swl_sequence_element(outputs[0], 0), one, 2));
  CHECK(same_floats(swl_sequence_element(outputs[0], 1), two, 3));
  CHECK(swl_sequence_element(outputs[0], 2) == NULL);
  /* A sequence is no tensor. */
  CHECK(swl_tensor_type(outputs[0]) == SWL_UNDEFINED && swl_tensor_data(outputs[0]) == NULL);
  CHECK(swl_tensor_count(outputs[0]) == 0 && swl_optional_content(outputs[0]) == NULL);
  swl_value_free(outputs[0]);
}

static void sequences_in(void) {
  swl_session *session = SESSION(take_element, NULL);
  int64_t index = 1;
  swl_tensor *a = floats(one, 2), *b = floats(two, 3), *i = NULL;
  swl_value *sequence = NULL;
  const swl_value *elements[2], *inputs[2];
  swl_value *outputs[1] = {NULL};
  elements[0] = a, elements[1] = b;
  EXPECT(SWL_OK, swl_tensor_borrow(SWL_INT64, NULL, 0, NULL, &index, 8, NULL, NULL, &i, &error));
  EXPECT(SWL_OK, swl_sequence_create(SWL_UNDEFINED, elements, 2, &sequence, &error));
  /* The sequence shares its elements. */
  swl_value_free(a);
  swl_value_free(b);
  inputs[0] = sequence, inputs[1] = i;
  EXPECT(SWL_OK, swl_session_run(session, inputs, 2, outputs, 1, NULL, &error));
  CHECK(same_floats(outputs[0], two, 3));
  swl_value_free(outputs[0]);
  outputs[0] = NULL;
  index = 2;
  EXPECT(SWL_RUNTIME, swl_session_run(session, inputs, 2, outputs, 1, NULL, &error));
  CHECK(same(last_node, "at"));
  /* A tensor where a sequence is due. */
  inputs[0] = i;
  EXPECT(SWL_TYPE_MISMATCH, swl_session_run(session, inputs, 2, outputs, 1, NULL, &error));
  swl_value_free(sequence);
  swl_value_free(i);
  swl_session_free(session);
}

static void sequences_made_wrongly(void) {
  swl_tensor *a = floats(one, 2), *b = NULL;
  swl_value *sequence = NULL;
  const swl_value *elements[2];
  EXPECT(SWL_OK, swl_tensor_create(SWL_INT64, NULL, 0, &b, &error));
  elements[0] = a, elements[1] = b;
  EXPECT(SWL_TYPE_MISMATCH, swl_sequence_create(SWL_UNDEFINED, elements, 2, &sequence, &error));
  EXPECT(SWL_TYPE_MISMATCH, swl_sequence_create(SWL_INT64, elements, 1, &sequence, &error));
  elements[1] = NULL;
  EXPECT(SWL_INVALID_ARGUMENT, swl_sequence_create(SWL_FLOAT, elements, 2, &sequence, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_sequence_create(SWL_FLOAT, NULL, 2, &sequence, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_sequence_create(SWL_UNDEFINED, NULL, 0, &sequence, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_sequence_create(99, NULL, 0, &sequence, &error));
  CHECK(sequence == NULL);
  EXPECT(SWL_OK, swl_sequence_create(SWL_FLOAT, NULL, 0, &sequence, &error));
  CHECK(swl_sequence_count(sequence) == 0 && swl_sequence_element(sequence, 0) == NULL);
  /* A sequence of sequences is nothing that ONNX has. */
  elements[0] = sequence;
  swl_value_free(b);
  b = NULL;
  EXPECT(SWL_TYPE_MISMATCH, swl_sequence_create(SWL_UNDEFINED, elements, 1, &b, &error));
  CHECK(b == NULL);
  swl_value_free(sequence);
  swl_value_free(a);
}

static void optionals(void) {
  swl_session *session = SESSION(has_element, NULL);
  swl_tensor *a = floats(one, 2);
  swl_value *full = NULL, *empty = NULL;
  const swl_value *inputs[1];
  swl_value *outputs[1] = {NULL};
  size_t i;
  EXPECT(SWL_OK, swl_optional_create(a, &full, &error));
  EXPECT(SWL_OK, swl_optional_create(NULL, &empty, &error));
  swl_value_free(a);
  CHECK(swl_value_kind(full) == SWL_KIND_OPTIONAL && same_floats(swl_optional_content(full), one, 2));
  CHECK(swl_value_kind(empty) == SWL_KIND_OPTIONAL && swl_optional_content(empty) == NULL);
  for (i = 0; i < 3; i++) {
    inputs[0] = i == 0 ? full : i == 1 ? empty : NULL;
    outputs[0] = NULL;
    EXPECT(SWL_OK, swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
    CHECK(swl_tensor_type(outputs[0]) == SWL_BOOL && *(const char *)swl_tensor_data(outputs[0]) == (i == 0));
    swl_value_free(outputs[0]);
  }
  swl_value_free(full);
  swl_value_free(empty);
  swl_session_free(session);
}

static void maps_in(void) {
  static const char *const names[2] = {"c", "a"};
  int64_t two_keys = 2;
  swl_tensor *keys = NULL, *values = floats(one, 2);
  swl_value *map = NULL;
  const swl_value *inputs[1];
  swl_value *outputs[1] = {NULL};
  float want[3] = {2, 0, 1};
  swl_model *model = NULL;
  swl_session *session = NULL;
  EXPECT(SWL_OK, swl_tensor_create_strings(&two_keys, 1, names, NULL, &keys, &error));
  EXPECT(SWL_OK, swl_map_create(keys, values, &map, &error));
  swl_value_free(keys);
  swl_value_free(values);
  CHECK(swl_value_kind(map) == SWL_KIND_MAP && swl_tensor_count(swl_map_keys(map)) == 2);
  CHECK(same(swl_tensor_string(swl_map_keys(map), 1, NULL), "a") && same_floats(swl_map_values(map), one, 2));
  if (swl_model_open_memory(model_take_map, sizeof model_take_map, SWL_BORROW, NULL, &model, NULL) == SWL_UNSUPPORTED) {
    swl_value_free(map);
    SKIP("DictVectorizer is not there");
  }
  EXPECT(SWL_OK, swl_session_create(model, NULL, &session, &error));
  inputs[0] = map;
  EXPECT(SWL_OK, swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
  CHECK(same_floats(outputs[0], want, 3));
  swl_value_free(outputs[0]);
  swl_value_free(map);
  swl_session_free(session);
  swl_model_free(model);
}

static void maps_out(void) {
  swl_model *model = NULL;
  swl_session *session = NULL;
  float scores[4] = {0.25f, 0.75f, 1, 0};
  swl_tensor *x = floats2(scores, 2, 2);
  const swl_value *inputs[1], *map;
  swl_value *outputs[1] = {NULL};
  if (swl_model_open_memory(model_make_map, sizeof model_make_map, SWL_BORROW, NULL, &model, NULL) == SWL_UNSUPPORTED) {
    swl_value_free(x);
    SKIP("ZipMap is not there");
  }
  EXPECT(SWL_OK, swl_session_create(model, NULL, &session, &error));
  inputs[0] = x;
  EXPECT(SWL_OK, swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
  CHECK(swl_sequence_count(outputs[0]) == 2);
  map = swl_sequence_element(outputs[0], 0);
  CHECK(swl_value_kind(map) == SWL_KIND_MAP && same_floats(swl_map_values(map), scores, 2));
  CHECK(same(swl_tensor_string(swl_map_keys(map), 0, NULL), "cat"));
  CHECK(same(swl_tensor_string(swl_map_keys(map), 1, NULL), "dog"));
  swl_value_free(outputs[0]);
  swl_value_free(x);
  swl_session_free(session);
  swl_model_free(model);
}

static void maps_made_wrongly(void) {
  int64_t numbers[3] = {1, 1, 2};
  swl_tensor *twice = ints(numbers, 2), *keys = ints(numbers + 1, 2), *three = ints(numbers, 3);
  swl_tensor *values = floats(one, 2), *flat = floats2(one, 2, 1);
  swl_value *map = NULL, *sequence = NULL;
  EXPECT(SWL_INVALID_ARGUMENT, swl_map_create(twice, values, &map, &error));
  EXPECT(SWL_SHAPE_MISMATCH, swl_map_create(three, values, &map, &error));
  EXPECT(SWL_SHAPE_MISMATCH, swl_map_create(keys, flat, &map, &error));
  EXPECT(SWL_TYPE_MISMATCH, swl_map_create(values, keys, &map, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_map_create(NULL, values, &map, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_map_create(keys, NULL, &map, &error));
  EXPECT(SWL_OK, swl_sequence_create(SWL_FLOAT, NULL, 0, &sequence, &error));
  EXPECT(SWL_INVALID_ARGUMENT, swl_map_create(keys, sequence, &map, &error));
  CHECK(map == NULL);
  CHECK(swl_map_keys(values) == NULL && swl_map_values(sequence) == NULL && swl_map_keys(NULL) == NULL);
  swl_value_free(sequence);
  swl_value_free(flat);
  swl_value_free(values);
  swl_value_free(three);
  swl_value_free(keys);
  swl_value_free(twice);
}

static void strings_through_a_run(void) {
  static const char *const words[2] = {"na\xC3\xAFve", ""};
  swl_session *session = SESSION(strings, NULL);
  int64_t shape = 2;
  swl_tensor *x = NULL, *into = NULL;
  const swl_value *inputs[1];
  swl_value *outputs[1] = {NULL};
  EXPECT(SWL_OK, swl_tensor_create_strings(&shape, 1, words, NULL, &x, &error));
  inputs[0] = x;
  EXPECT(SWL_OK, swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
  CHECK(same(swl_tensor_string(outputs[0], 0, NULL), words[0]));
  swl_value_free(outputs[0]);
  EXPECT(SWL_OK, swl_tensor_create(SWL_STRING, &shape, 1, &into, &error));
  outputs[0] = into;
  EXPECT(SWL_OK, swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
  CHECK(same(swl_tensor_string(into, 0, NULL), words[0]));
  swl_value_free(into);
  swl_value_free(x);
  swl_session_free(session);
}

const test value_tests[] = {{"sequences out of a run", sequences_out},
                            {"sequences into a run", sequences_in},
                            {"sequences made wrongly", sequences_made_wrongly},
                            {"optionals", optionals},
                            {"maps into a run", maps_in},
                            {"maps out of a run", maps_out},
                            {"maps made wrongly", maps_made_wrongly},
                            {"strings through a run", strings_through_a_run},
                            {NULL, NULL}};
