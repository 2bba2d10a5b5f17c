/* The frame of the embedding tests. A test is a function; CHECK and EXPECT record failures and go on. */
#ifndef CHECK_H
#define CHECK_H
#include <stddef.h>
#include <swiftlet.h>

typedef struct {
  const char *name;
  void (*run)(void);
} test;

/* The tests of each file, ended by a NULL name. */
extern const test basic_tests[], model_tests[], tensor_tests[], session_tests[], value_tests[], thread_tests[],
    hook_tests[], misuse_tests[], stream_tests[];

/* Passed as &error to calls inside EXPECT; freed and NULL after each. */
extern swl_error *error;
/* The text of the last error that EXPECT saw, and its node and operator; "" when there was none. */
extern char last_message[4096], last_node[256], last_operator[256];

void check(int ok, const char *what, const char *file, int line);
void expect(swl_status want, swl_status got, const char *call, const char *file, int line);
#define CHECK(condition) check(!!(condition), #condition, __FILE__, __LINE__)
#define EXPECT(status, call) expect(status, call, #call, __FILE__, __LINE__)
/* Ends the test with a remark: something that it needs isn't there. */
#define SKIP(why) \
  do { \
    skip(why); \
    return; \
  } while (0)
void skip(const char *why);

/* A session of a model of models.h; NULL after a recorded failure. */
swl_session *session_of(const void *data, size_t size, const swl_options *options);
#define SESSION(name, options) session_of(model_##name, sizeof model_##name, options)
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Tensors over the caller's memory. */
swl_tensor *floats(float *data, int64_t count);
swl_tensor *floats2(float *data, int64_t rows, int64_t columns);
swl_tensor *ints(int64_t *data, int64_t count);
/* Whether both texts are there and equal. */
int same(const char *a, const char *b);
int same_floats(const swl_tensor *tensor, const float *values, size_t count);

/* A new file with the bytes in the tests' own folder, and its path, which is valid for four more calls. */
const char *write_file(const char *name, const void *data, size_t size);
/* The folder of the tests' files. */
const char *test_folder(void);
#endif
