/* Sections 3 and 6: opening and inspecting models, from everywhere, and what is no model. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "models.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* y = x + w with w from the model: what a run of the models "external" and "overridable" gives. */
static void run_one(swl_model *model, float *x, const float *want, size_t count) {
  swl_session *session = NULL;
  swl_tensor *in = floats(x, (int64_t)count);
  const swl_value *inputs[1];
  swl_value *outputs[1] = {NULL};
  inputs[0] = in;
  EXPECT(SWL_OK, swl_session_create(model, NULL, &session, &error));
  EXPECT(SWL_OK, swl_session_run(session, inputs, 1, outputs, 1, NULL, &error));
  CHECK(same_floats(outputs[0], want, count));
  swl_value_free(outputs[0]);
  swl_value_free(in);
  swl_session_free(session);
}

static void from_path(void) {
  swl_model *model = NULL;
  EXPECT(SWL_OK, swl_model_open(write_file("add.onnx", model_add, sizeof model_add), NULL, &model, &error));
  CHECK(swl_model_input_count(model) == 2);
  swl_model_free(model);
}

static void from_memory_copied(void) {
  swl_model *model = NULL;
  float x[2] = {1, 2}, want[2] = {11, 22};
  void *bytes = malloc(sizeof model_overridable);
  memcpy(bytes, model_overridable, sizeof model_overridable);
  EXPECT(SWL_OK, swl_model_open_memory(bytes, sizeof model_overridable, SWL_COPY, NULL, &model, &error));
  memset(bytes, 0xFF, sizeof model_overridable);
  free(bytes);
  run_one(model, x, want, 2);
  swl_model_free(model);
}

static void flags_are_checked(void) {
  swl_model *model = NULL;
  EXPECT(SWL_INVALID_ARGUMENT, swl_model_open_memory(model_add, sizeof model_add, 2, NULL, &model, &error));
  CHECK(model == NULL);
}

typedef struct {
  const unsigned char *bytes;
  uint64_t size;
  int reads, closes, fail_at;
} source;

static int source_read(void *userdata, uint64_t offset, void *buffer, size_t length) {
  source *s = (source *)userdata;
  if (s->closes || offset > s->size || length > s->size - offset) return -2;
  if (s->reads++ == s->fail_at) return -1;
  memcpy(buffer, s->bytes + offset, length);
  return 0;
}
static void source_close(void *userdata) { ((source *)userdata)->closes++; }

static swl_reader reader_of(source *s, const void *bytes, size_t size) {
  swl_reader reader;
  s->bytes = (const unsigned char *)bytes, s->size = size, s->reads = 0, s->closes = 0, s->fail_at = -1;
  memset(&reader, 0, sizeof reader);
  reader.struct_size = sizeof reader;
  reader.size = size;
  reader.userdata = s;
  reader.read_at = source_read;
  reader.close = source_close;
  return reader;
}

static void from_reader(void) {
  source s;
  swl_reader reader = reader_of(&s, model_overridable, sizeof model_overridable);
  swl_model *model = NULL;
  float x[2] = {1, 2}, want[2] = {11, 22};
  EXPECT(SWL_OK, swl_model_open_reader(&reader, NULL, &model, &error));
  CHECK(s.reads > 0);
  run_one(model, x, want, 2);
  swl_model_free(model);
  CHECK(s.closes == 1);
}

static void reader_that_fails(void) {
  source s;
  swl_reader reader = reader_of(&s, model_add, sizeof model_add);
  swl_model *model = NULL;
  s.fail_at = 0;
  EXPECT(SWL_IO, swl_model_open_reader(&reader, NULL, &model, &error));
  CHECK(model == NULL && s.closes == 1);
}

static void reader_that_is_wrong(void) {
  source s;
  swl_model *model = NULL;
  swl_reader reader = reader_of(&s, model_add, sizeof model_add);
  reader.struct_size = sizeof reader - 1;
  EXPECT(SWL_INVALID_ARGUMENT, swl_model_open_reader(&reader, NULL, &model, &error));
  reader = reader_of(&s, model_add, sizeof model_add);
  reader.read_at = NULL;
  EXPECT(SWL_INVALID_ARGUMENT, swl_model_open_reader(&reader, NULL, &model, &error));
  /* Without close nothing is called at the end; a size beyond all memory is refused, not tried. */
  reader = reader_of(&s, model_add, sizeof model_add);
  reader.close = NULL;
  reader.size = UINT64_MAX;
  CHECK(swl_model_open_reader(&reader, NULL, &model, NULL) != SWL_OK);
  CHECK(model == NULL && s.closes == 0);
}

static void expect_refused(const char *name, const void *data, size_t size, const char *hint) {
  swl_model *model = NULL;
  EXPECT(SWL_NOT_A_MODEL, swl_model_open(write_file(name, data, size), NULL, &model, &error));
  if (strstr(last_message, hint) == NULL) printf("  message: %s\n", last_message);
  CHECK(strstr(last_message, hint) != NULL);
  EXPECT(SWL_NOT_A_MODEL, swl_model_open_memory(data, size, SWL_BORROW, NULL, &model, &error));
  CHECK(model == NULL);
}

static void what_is_no_model(void) {
  static const char lfs[] = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n";
  static const char html[] = "<!DOCTYPE html><html><body>404</body></html>";
  static const unsigned char gzip[] = {0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3, 4};
  expect_refused("empty.onnx", "", 0, "empty");
  expect_refused("lfs.onnx", lfs, sizeof lfs - 1, "LFS");
  expect_refused("html.onnx", html, sizeof html - 1, "HTML");
  expect_refused("gzip.onnx", gzip, sizeof gzip, "gzip");
}

static void a_directory(void) {
  swl_model *model = NULL;
  EXPECT(SWL_IO, swl_model_open(test_folder(), NULL, &model, &error));
  CHECK(strstr(last_message, "directory") != NULL);
}

static void cut_anywhere(void) {
  size_t size;
  for (size = 0; size < sizeof model_branch; size++) {
    swl_model *model = NULL;
    void *bytes = malloc(size ? size : 1); /* of this very size, so that sanitizers see reads beyond it */
    swl_status status;
    memcpy(bytes, model_branch, size);
    status = swl_model_open_memory(bytes, size, SWL_BORROW, NULL, &model, &error);
    /* What is cut between two fields can be read and be the wrong model, but must say so. */
    CHECK(status == SWL_OK || error != NULL);
    CHECK((status == SWL_OK) == (model != NULL));
    swl_error_free(error);
    error = NULL;
    swl_model_free(model);
    free(bytes);
  }
}

static void any_byte_changed(void) {
  unsigned char bytes[sizeof model_mlp];
  size_t at;
  int flip;
  for (at = 0; at < sizeof bytes; at++) {
    for (flip = 1; flip < 256; flip = flip * 2 + 1) {
      swl_model *model = NULL;
      swl_session *session = NULL;
      memcpy(bytes, model_mlp, sizeof bytes);
      bytes[at] = (unsigned char)(bytes[at] ^ flip);
      if (swl_model_open_memory(bytes, sizeof bytes, SWL_BORROW, NULL, &model, NULL) == SWL_OK) {
        (void)swl_session_create(model, NULL, &session, NULL);
        swl_session_free(session);
        swl_model_free(model);
      }
    }
  }
}

static void places_in_errors(void) {
  swl_model *model = NULL;
  swl_error *e = NULL;
  CHECK(swl_model_open_memory(model_mlp, sizeof model_mlp - 3, SWL_BORROW, NULL, &model, &e) == SWL_NOT_A_MODEL);
  CHECK(swl_error_byte_offset(e) >= 0 && swl_error_byte_offset(e) <= (int64_t)sizeof model_mlp);
  swl_error_free(e);
}

static void unsupported_operators_are_listed(void) {
  swl_model *model = NULL;
  EXPECT(SWL_UNSUPPORTED,
         swl_model_open_memory(model_unsupported, sizeof model_unsupported, SWL_BORROW, NULL, &model, &error));
  CHECK(strstr(last_message, "NoSuchThing") != NULL && strstr(last_message, "first") != NULL);
  CHECK(strstr(last_message, "Other") != NULL && strstr(last_message, "second") != NULL);
  CHECK(strstr(last_message, "example.org") != NULL);
}

static void invalid_models(void) {
  swl_model *model = NULL;
  EXPECT(SWL_INVALID_MODEL,
         swl_model_open_memory(model_invalid, sizeof model_invalid, SWL_BORROW, NULL, &model, &error));
  CHECK(strstr(last_message, "nowhere") != NULL);
}

static void inputs_and_outputs(void) {
  swl_model *model = NULL;
  const swl_type *x, *y;
  EXPECT(SWL_OK, swl_model_open_memory(model_mlp, sizeof model_mlp, SWL_BORROW, NULL, &model, &error));
  CHECK(swl_model_input_count(model) == 1 && swl_model_output_count(model) == 2);
  CHECK(swl_model_overridable_count(model) == 0);
  CHECK(same(swl_model_input_name(model, 0), "x"));
  CHECK(same(swl_model_output_name(model, 0), "y") && same(swl_model_output_name(model, 1), "hidden"));
  CHECK(swl_model_input_name(model, 1) == NULL && swl_model_output_name(model, 2) == NULL);
  CHECK(swl_model_input_name(model, SIZE_MAX) == NULL && swl_model_input_type(model, SIZE_MAX) == NULL);
  x = swl_model_input_type(model, 0);
  CHECK(swl_type_kind(x) == SWL_KIND_TENSOR && swl_type_element_type(x) == SWL_FLOAT && swl_type_rank(x) == 2);
  CHECK(swl_type_extent(x, 0) == -1 && same(swl_type_extent_name(x, 0), "batch"));
  CHECK(swl_type_extent(x, 1) == 4 && swl_type_extent_name(x, 1) == NULL);
  CHECK(swl_type_extent(x, 2) == -1 && swl_type_extent_name(x, 2) == NULL && swl_type_inside(x) == NULL);
  CHECK(same(swl_type_text(x), "float[batch,4]"));
  y = swl_model_output_type(model, 1);
  CHECK(same(swl_type_text(y), "float[batch,3]"));
  CHECK(swl_model_output_type(model, 2) == NULL && swl_model_input_type(model, 1) == NULL);
  swl_model_free(model);
}

static void other_types(void) {
  swl_model *model = NULL;
  const swl_type *type;
  EXPECT(SWL_OK,
         swl_model_open_memory(model_take_element, sizeof model_take_element, SWL_BORROW, NULL, &model, &error));
  type = swl_model_input_type(model, 0);
  CHECK(swl_type_kind(type) == SWL_KIND_SEQUENCE && swl_type_element_type(type) == SWL_UNDEFINED);
  CHECK(swl_type_rank(type) == -1 && swl_type_extent(type, 0) == -1);
  CHECK(swl_type_kind(swl_type_inside(type)) == SWL_KIND_TENSOR && swl_type_rank(swl_type_inside(type)) == 1);
  CHECK(same(swl_type_text(type), "seq(float[n])"));
  swl_model_free(model);
  EXPECT(SWL_OK, swl_model_open_memory(model_has_element, sizeof model_has_element, SWL_BORROW, NULL, &model, &error));
  type = swl_model_input_type(model, 0);
  CHECK(swl_type_kind(type) == SWL_KIND_OPTIONAL && swl_type_extent(swl_type_inside(type), 0) == 2);
  swl_model_free(model);
}

static void statements(void) {
  swl_model *model = NULL;
  EXPECT(SWL_OK, swl_model_open_memory(model_mlp, sizeof model_mlp, SWL_BORROW, NULL, &model, &error));
  CHECK(same(swl_model_property(model, SWL_PRODUCER_NAME), "models.py"));
  CHECK(same(swl_model_property(model, SWL_PRODUCER_VERSION), "7"));
  CHECK(same(swl_model_property(model, SWL_DOMAIN), "test.swiftlet"));
  CHECK(same(swl_model_property(model, SWL_DOC), "doc of mlp"));
  CHECK(same(swl_model_property(model, SWL_GRAPH_NAME), "mlp"));
  CHECK(swl_model_property(model, 5) == NULL && swl_model_property(model, -1) == NULL);
  CHECK(swl_model_ir_version(model) == 9 && swl_model_version(model) == 42);
  CHECK(swl_model_opset_count(model) == 1 && swl_model_opset_version(model, 0) == 18);
  CHECK(same(swl_model_opset_domain(model, 0), ""));
  CHECK(swl_model_opset_domain(model, 1) == NULL && swl_model_opset_version(model, 1) == 0);
  CHECK(swl_model_metadata_count(model) == 3);
  CHECK(same(swl_model_metadata_find(model, "author"), "nobody"));
  CHECK(same(swl_model_metadata_find(model, "author2"), "gr\xC3\xBC\xC3\x9F" "e"));
  CHECK(same(swl_model_metadata_find(model, "empty"), ""));
  CHECK(swl_model_metadata_find(model, "none") == NULL && swl_model_metadata_find(model, NULL) == NULL);
  CHECK(same(swl_model_metadata_find(model, swl_model_metadata_key(model, 1)),
               swl_model_metadata_value(model, 1)));
  CHECK(swl_model_metadata_key(model, 3) == NULL && swl_model_metadata_value(model, 3) == NULL);
  swl_model_free(model);
  EXPECT(SWL_OK, swl_model_open_memory(model_add, sizeof model_add, SWL_BORROW, NULL, &model, &error));
  CHECK(same(swl_model_property(model, SWL_DOMAIN), ""));
  CHECK(swl_model_metadata_count(model) == 0 && swl_model_metadata_key(model, 0) == NULL);
  swl_model_free(model);
}

static void overridable(void) {
  swl_model *model = NULL;
  EXPECT(SWL_OK, swl_model_open_memory(model_overridable, sizeof model_overridable, SWL_BORROW, NULL, &model, &error));
  CHECK(swl_model_input_count(model) == 1 && same(swl_model_input_name(model, 0), "x"));
  CHECK(swl_model_overridable_count(model) == 1 && same(swl_model_input_name(model, 1), "b"));
  CHECK(swl_type_extent(swl_model_input_type(model, 1), 0) == 2);
  CHECK(swl_model_input_name(model, 2) == NULL);
  swl_model_free(model);
}

static const float weights[2] = {100, 200};

static void external_beside(void) {
  swl_model *model = NULL;
  float x[2] = {1, 2}, want[2] = {101, 202};
  const char *path;
  write_file("weights.bin", weights, sizeof weights);
  path = write_file("external.onnx", model_external, sizeof model_external);
  EXPECT(SWL_OK, swl_model_open(path, NULL, &model, &error));
  run_one(model, x, want, 2);
  swl_model_free(model);
  write_file("weights.bin", weights, 4);
  CHECK(swl_model_open(path, NULL, &model, &error) != SWL_OK);
  CHECK(strstr(swl_error_message(error), "weights.bin") != NULL);
  swl_error_free(error);
  error = NULL;
  remove(write_file("weights.bin", weights, sizeof weights));
  EXPECT(SWL_IO, swl_model_open(path, NULL, &model, &error));
}

static void external_link(void) {
  swl_model *model = NULL;
  char link[512];
  const char *target = write_file("elsewhere.bin", weights, sizeof weights);
  snprintf(link, sizeof link, "%s/weights.bin", test_folder());
  remove(link);
  CHECK(symlink(target, link) == 0);
  EXPECT(SWL_IO,
         swl_model_open(write_file("external.onnx", model_external, sizeof model_external), NULL, &model, &error));
  remove(link);
}

static void external_folder(void) {
  swl_model *model = NULL;
  swl_options *options = swl_options_create();
  float x[2] = {1, 2}, want[2] = {101, 202};
  const char *path = write_file("weights.bin", weights, sizeof weights);
  EXPECT(SWL_IO, swl_model_open_memory(model_external, sizeof model_external, SWL_BORROW, options, &model, &error));
  EXPECT(SWL_OK, swl_options_set_external_folder(options, test_folder()));
  EXPECT(SWL_OK, swl_model_open_memory(model_external, sizeof model_external, SWL_BORROW, options, &model, &error));
  run_one(model, x, want, 2);
  swl_model_free(model);
  EXPECT(SWL_OK, swl_options_set_external_folder(options, ""));
  path = write_file("external.onnx", model_external, sizeof model_external);
  EXPECT(SWL_IO, swl_model_open(path, options, &model, &error));
  EXPECT(SWL_OK, swl_options_set_external_folder(options, NULL));
  EXPECT(SWL_OK, swl_model_open(path, options, &model, &error));
  swl_model_free(model);
  swl_options_free(options);
}

typedef struct {
  source file;
  int asked, refuse;
} store;

static int resolve(void *userdata, const char *location, swl_reader *reader) {
  store *s = (store *)userdata;
  CHECK(same(location, "weights.bin"));
  CHECK(reader->struct_size == sizeof *reader);
  s->asked++;
  if (s->refuse) return 1;
  *reader = reader_of(&s->file, weights, sizeof weights);
  return 0;
}

static void external_resolver(void) {
  swl_model *model = NULL;
  swl_options *options = swl_options_create();
  float x[2] = {1, 2}, want[2] = {101, 202};
  store s;
  s.asked = 0, s.refuse = 0;
  EXPECT(SWL_OK, swl_options_set_external_resolver(options, resolve, &s));
  EXPECT(SWL_OK, swl_model_open_memory(model_external, sizeof model_external, SWL_BORROW, options, &model, &error));
  run_one(model, x, want, 2);
  swl_model_free(model);
  CHECK(s.asked == 1 && s.file.closes == 1);
  s.refuse = 1;
  EXPECT(SWL_IO, swl_model_open_memory(model_external, sizeof model_external, SWL_BORROW, options, &model, &error));
  CHECK(strstr(last_message, "weights.bin") != NULL);
  swl_options_free(options);
}

const test model_tests[] = {{"model from a path", from_path},
                            {"model from memory, copied", from_memory_copied},
                            {"model flags are checked", flags_are_checked},
                            {"model from a reader", from_reader},
                            {"reader that fails", reader_that_fails},
                            {"reader that is wrong", reader_that_is_wrong},
                            {"what is no model", what_is_no_model},
                            {"a directory is no model", a_directory},
                            {"model cut anywhere", cut_anywhere},
                            {"model with any byte changed", any_byte_changed},
                            {"errors name the byte", places_in_errors},
                            {"unsupported operators are listed", unsupported_operators_are_listed},
                            {"invalid models", invalid_models},
                            {"inputs and outputs", inputs_and_outputs},
                            {"types that are no tensors", other_types},
                            {"what a model states", statements},
                            {"overridable initializers", overridable},
                            {"external data beside the model", external_beside},
                            {"external data through a link", external_link},
                            {"external data in a folder", external_folder},
                            {"external data from a resolver", external_resolver},
                            {NULL, NULL}};
