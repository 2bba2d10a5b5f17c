/* Sections 1, 2 and 11 of the header, and element types. */
#include "check.h"
#include <math.h>
#include <string.h>

static void version(void) {
  CHECK(same(swl_version(), SWL_VERSION_STRING));
  CHECK(swl_abi_version() == SWL_ABI_VERSION);
}

static void status_names(void) {
  swl_status status;
  CHECK(same(swl_status_name(SWL_OK), "OK"));
  CHECK(same(swl_status_name(SWL_SHAPE_MISMATCH), "SHAPE_MISMATCH"));
  CHECK(same(swl_status_name(SWL_INTERNAL), "INTERNAL"));
  CHECK(same(swl_status_name(-1), "UNKNOWN"));
  CHECK(same(swl_status_name(INT32_MAX), "UNKNOWN"));
  for (status = SWL_OK; status <= SWL_INTERNAL; status++) CHECK(!same(swl_status_name(status), "UNKNOWN"));
}

static void no_error(void) {
  CHECK(swl_error_code(NULL) == SWL_OK);
  CHECK(same(swl_error_message(NULL), ""));
  CHECK(swl_error_node(NULL) == NULL);
  CHECK(swl_error_operator(NULL) == NULL);
  CHECK(swl_error_tensor(NULL) == NULL);
  CHECK(swl_error_byte_offset(NULL) == -1);
  swl_error_free(NULL);
}

static void errors_are_overwritten(void) {
  swl_model *model = (swl_model *)&model;
  swl_error *e = (swl_error *)&e;
  CHECK(swl_model_open("/nonexistent/model.onnx", NULL, &model, &e) == SWL_IO);
  CHECK(model == NULL);
  CHECK(swl_error_code(e) == SWL_IO);
  CHECK(strstr(swl_error_message(e), "/nonexistent/model.onnx") != NULL);
  swl_error_free(e);
  CHECK(swl_model_open("/nonexistent/model.onnx", NULL, &model, NULL) == SWL_IO);
  e = (swl_error *)&e;
  CHECK(swl_tensor_create(SWL_FLOAT, NULL, 0, (swl_tensor **)&model, &e) == SWL_OK);
  CHECK(e == NULL);
  swl_value_free((swl_tensor *)model);
}

static void element_types(void) {
  static const size_t bits[] = {0,  32, 8, 8, 16, 16, 32, 64, 0, 8, 16, 64, 32, 64,
                                64, 128, 16, 8, 8, 8, 8, 4, 4, 4, 8, 2, 2, 6, 6};
  static const char *const names[] = {
      "undefined", "float",  "uint8",  "int8",      "uint16",     "int16",    "int32",        "int64",      "string",
      "bool",      "float16", "double", "uint32",   "uint64",     "complex64", "complex128",   "bfloat16",
      "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "uint4", "int4", "float4e2m1", "float8e8m0",
      "uint2", "int2", "float6e2m3", "float6e3m2"};
  int32_t type;
  for (type = 0; type <= SWL_FLOAT6E3M2; type++) {
    CHECK(swl_element_type_bits(type) == bits[type]);
    CHECK(same(swl_element_type_name(type), names[type]));
  }
  CHECK(swl_element_type_bits(29) == 0 && swl_element_type_bits(-1) == 0);
  CHECK(same(swl_element_type_name(29), "undefined"));
  CHECK(same(swl_element_type_name(INT32_MIN), "undefined"));
}

static void halves_by_hand(void) {
  CHECK(swl_float16_from_float(1.0f) == 0x3C00 && swl_float_from_float16(0x3C00) == 1.0f);
  CHECK(swl_float16_from_float(65504.0f) == 0x7BFF && swl_float_from_float16(0x7BFF) == 65504.0f);
  CHECK(swl_float16_from_float(65519.99f) == 0x7BFF && swl_float16_from_float(65520.0f) == 0x7C00);
  CHECK(swl_float16_from_float(-INFINITY) == 0xFC00);
  CHECK(isnan(swl_float_from_float16(swl_float16_from_float(NAN))));
  CHECK(swl_float16_from_float(1.0f + 1.0f / 2048) == 0x3C00 && swl_float16_from_float(1.0f + 3.0f / 2048) == 0x3C02);
  CHECK(swl_float_from_float16(1) == 1.0f / 16777216 && swl_float16_from_float(1.0f / 16777216) == 1);
  CHECK(swl_float16_from_float(-0.0f) == 0x8000 && signbit(swl_float_from_float16(0x8000)));
  CHECK(swl_bfloat16_from_float(1.0f) == 0x3F80 && swl_float_from_bfloat16(0x3F80) == 1.0f);
  CHECK(swl_bfloat16_from_float(1.0f + 1.0f / 256) == 0x3F80 && swl_bfloat16_from_float(1.0f + 3.0f / 256) == 0x3F82);
  CHECK(isnan(swl_float_from_bfloat16(swl_bfloat16_from_float(NAN))));
}

static void half_round_trip(void) {
  uint32_t half;
  for (half = 0; half < 65536; half++) {
    float value = swl_float_from_float16((uint16_t)half);
    if (!isnan(value)) CHECK(swl_float16_from_float(value) == half);
  }
}

static void clock_runs(void) {
  uint64_t a = swl_clock(), b = swl_clock();
  CHECK(a != 0 && b >= a);
}

const test basic_tests[] = {{"version", version},
                            {"status names", status_names},
                            {"no error", no_error},
                            {"errors are overwritten", errors_are_overwritten},
                            {"element types", element_types},
                            {"halves by hand", halves_by_hand},
                            {"half round trip", half_round_trip},
                            {"clock", clock_runs},
                            {NULL, NULL}};
