/* NULL wherever a pointer is due, and handles of the wrong kind. */
#include "check.h"
#include "models.h"
#include <string.h>

#define REFUSED(call) EXPECT(SWL_INVALID_ARGUMENT, call)

static void null_everywhere(void) {
  swl_model *model = NULL;
  swl_session *session = NULL;
  swl_value *value = NULL;
  swl_reader reader;
  swl_memory memory;
  const char *text = NULL;
  size_t rank = 0, zero = 0;
  const swl_value *inputs[1] = {NULL};
  const char *names[1] = {"x"};
  memset(&reader, 0, sizeof reader);
  REFUSED(swl_model_open(NULL, NULL, &model, &error));
  REFUSED(swl_model_open("x", NULL, NULL, &error));
  REFUSED(swl_model_open_memory(NULL, 5, SWL_BORROW, NULL, &model, &error));
  REFUSED(swl_model_open_memory(model_add, sizeof model_add, SWL_BORROW, NULL, NULL, &error));
  REFUSED(swl_model_open_reader(NULL, NULL, &model, &error));
  REFUSED(swl_model_open_reader(&reader, NULL, NULL, &error));
  REFUSED(swl_session_create(NULL, NULL, &session, &error));
  EXPECT(SWL_OK, swl_model_open_memory(model_add, sizeof model_add, SWL_BORROW, NULL, &model, &error));
  REFUSED(swl_session_create(model, NULL, NULL, &error));
  swl_model_free(model);
  swl_model_free(NULL);
  swl_session_free(NULL);
  REFUSED(swl_session_run(NULL, inputs, 1, &value, 1, NULL, &error));
  REFUSED(swl_session_run_named(NULL, names, inputs, 1, names, &value, 1, NULL, &error));
  REFUSED(swl_session_run_indexed(NULL, &zero, inputs, 1, &zero, &value, 1, NULL, &error));
  session = SESSION(mlp, NULL);
  REFUSED(swl_session_run_named(session, NULL, inputs, 1, names, &value, 1, NULL, &error));
  REFUSED(swl_session_run_named(session, names, NULL, 1, names, &value, 1, NULL, &error));
  REFUSED(swl_session_run_named(session, names, inputs, 1, NULL, &value, 1, NULL, &error));
  REFUSED(swl_session_run_named(session, names, inputs, 1, names, NULL, 1, NULL, &error));
  REFUSED(swl_session_run_indexed(session, NULL, inputs, 1, &zero, &value, 1, NULL, &error));
  REFUSED(swl_session_run_indexed(session, &zero, inputs, 1, NULL, &value, 1, NULL, &error));
  REFUSED(swl_session_output_shape(NULL, inputs, 1, 0, NULL, 0, &rank, &error));
  REFUSED(swl_session_output_shape(session, NULL, 1, 0, NULL, 0, &rank, &error));
  REFUSED(swl_session_profile(NULL, &text, NULL, &error));
  REFUSED(swl_session_memory(NULL, &memory, &error));
  REFUSED(swl_session_memory(session, NULL, &error));
  swl_session_free(session);
  REFUSED(swl_tensor_create(SWL_FLOAT, NULL, 0, NULL, &error));
  REFUSED(swl_tensor_borrow(SWL_FLOAT, NULL, 0, NULL, &rank, 8, NULL, NULL, NULL, &error));
  REFUSED(swl_tensor_create_strings(NULL, 0, names, NULL, NULL, &error));
  REFUSED(swl_tensor_create_strings(NULL, 1, names, NULL, &value, &error));
  REFUSED(swl_sequence_create(SWL_FLOAT, NULL, 0, NULL, &error));
  REFUSED(swl_optional_create(NULL, NULL, &error));
  REFUSED(swl_map_create(NULL, NULL, &value, &error));
  REFUSED(swl_map_create(NULL, NULL, NULL, &error));
  CHECK(swl_sequence_count(NULL) == 0 && swl_sequence_element(NULL, 0) == NULL && swl_optional_content(NULL) == NULL);
  CHECK(swl_map_keys(NULL) == NULL && swl_map_values(NULL) == NULL);
}

static void null_models(void) {
  CHECK(swl_model_input_count(NULL) == 0 && swl_model_output_count(NULL) == 0 &&
        swl_model_overridable_count(NULL) == 0);
  CHECK(swl_model_input_name(NULL, 0) == NULL && swl_model_output_name(NULL, 0) == NULL);
  CHECK(swl_model_input_type(NULL, 0) == NULL && swl_model_output_type(NULL, 0) == NULL);
  CHECK(swl_model_property(NULL, SWL_DOC) == NULL && swl_model_ir_version(NULL) == 0 && swl_model_version(NULL) == 0);
  CHECK(swl_model_opset_count(NULL) == 0 && swl_model_opset_domain(NULL, 0) == NULL);
  CHECK(swl_model_opset_version(NULL, 0) == 0 && swl_model_metadata_count(NULL) == 0);
  CHECK(swl_model_metadata_key(NULL, 0) == NULL && swl_model_metadata_value(NULL, 0) == NULL);
  CHECK(swl_model_metadata_find(NULL, "x") == NULL);
  CHECK(swl_type_kind(NULL) == SWL_KIND_NONE && swl_type_element_type(NULL) == SWL_UNDEFINED);
  CHECK(swl_type_inside(NULL) == NULL && swl_type_rank(NULL) == -1 && swl_type_extent(NULL, 0) == -1);
  CHECK(swl_type_extent_name(NULL, 0) == NULL && same(swl_type_text(NULL), ""));
}

static void null_options(void) {
  REFUSED(swl_options_set_threads(NULL, 1));
  REFUSED(swl_options_set_deterministic(NULL, 1));
  REFUSED(swl_options_set_profiling(NULL, 1));
  REFUSED(swl_options_set_limit(NULL, SWL_LIMIT_MEMORY, 1));
  REFUSED(swl_options_set_allocator(NULL, NULL, NULL, NULL));
  REFUSED(swl_options_set_thread_pool(NULL, 1, NULL, NULL));
  REFUSED(swl_options_set_log(NULL, 0, NULL, NULL));
  REFUSED(swl_options_set_external_folder(NULL, NULL));
  REFUSED(swl_options_set_stream_folder(NULL, NULL));
  REFUSED(swl_options_set_external_resolver(NULL, NULL, NULL));
  REFUSED(swl_options_set_canceller(NULL, NULL));
}

/* A cast that went wrong in the caller, such as void * in a binding, is found by the word that every handle begins
 * with. */
static void handles_of_the_wrong_kind(void) {
  swl_options *options = swl_options_create();
  swl_canceller *canceller = swl_canceller_create();
  swl_session *session = SESSION(mlp, NULL);
  swl_model *model = NULL, *other = NULL;
  swl_value *value = NULL, *outputs[1] = {NULL};
  swl_session *made = NULL;
  const swl_value *inputs[1];
  void *any;
  EXPECT(SWL_OK, swl_model_open_memory(model_mlp, sizeof model_mlp, SWL_BORROW, NULL, &model, &error));
  any = options;
  REFUSED(swl_session_create((swl_model *)any, NULL, &made, &error));
  CHECK(swl_model_input_count((swl_model *)any) == 0 && swl_model_input_name((swl_model *)any, 0) == NULL);
  CHECK(swl_tensor_data((swl_tensor *)any) == NULL && swl_value_kind((swl_value *)any) == SWL_KIND_NONE);
  any = session;
  REFUSED(swl_options_set_threads((swl_options *)any, 1));
  REFUSED(swl_model_open_memory(model_mlp, sizeof model_mlp, SWL_BORROW, (swl_options *)any, &other, &error));
  REFUSED(swl_optional_create((swl_value *)any, &value, &error));
  swl_cancel((swl_canceller *)any);
  any = canceller;
  inputs[0] = (swl_value *)any;
  REFUSED(swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
  REFUSED(swl_session_run((swl_session *)any, inputs, 1, outputs, 1, NULL, &error));
  CHECK(swl_error_code((swl_error *)any) == SWL_OK);
  CHECK(value == NULL && made == NULL && other == NULL);
  swl_model_free(model);
  swl_session_free(session);
  swl_canceller_free(canceller);
  swl_options_free(options);
}

const test misuse_tests[] = {{"NULL everywhere", null_everywhere},
                             {"inspecting NULL", null_models},
                             {"setting options of NULL", null_options},
                             {"handles of the wrong kind", handles_of_the_wrong_kind},
                             {NULL, NULL}};
