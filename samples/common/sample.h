/* What the samples share: arguments, opening a model, telling errors and times. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <stddef.h>
#include <stdint.h>
#include <swiftlet.h>

/* Exit codes of every sample. */
enum { SAMPLE_OK = 0, SAMPLE_FAILED = 1, SAMPLE_USAGE = 2 };

/* `--name VALUE`: `*value` keeps its default unless the option is given. A table ends with a NULL name. */
typedef struct {
  const char *name;
  const char **value;
} sample_option;

/* Reads the arguments, options and paths in any order; every sample understands `--help` and `--threads N`. Moves the
 * paths to the front of argv, after the program's name, and returns their number, which must be from `least` to `most`.
 * Ends the program after `--help` (0), and when the arguments are wrong (2): then with the first line of `help`. */
int sample_arguments(int argc, char **argv, const char *help, const sample_option *options, int least, int most);

/* `text` as a number within the bounds; ends the program (2) if it isn't one. */
double sample_number(const char *text, const char *name, double least, double most);

/* Milliseconds on a clock that only goes forward. */
double sample_ms(void);

/* A message on standard error, with the program's name before it. */
void sample_message(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Tells what failed and why, and frees the error, which may be NULL. Always returns 0. */
int sample_failed(const char *what, swl_error *error);

/* A model and one session of it. */
typedef struct {
  swl_model *model;
  swl_session *session;
  double ms; /* what opening took */
} sample_model;

/* Opens the model at `path` and makes a session with the threads of `--threads`. Returns 0, and tells why, if it can't.
 */
int sample_open(sample_model *model, const char *path);
/* Takes the model of a stream, which has to be usable, and makes such a session of it. Returns 0, and tells why, if it
 * can't. */
int sample_follow(sample_model *model, swl_stream *stream);
void sample_close(sample_model *model);

/* Runs the model on one dense tensor of `count` floats, converted to float16 if that is what its first input takes.
 * outputs[i] become the first `output_count` outputs, freed by the caller. Returns 0, and tells why, if it can't. */
int sample_run(const sample_model *model, const float *input, size_t count, const int64_t *shape, size_t rank,
               swl_value **outputs, size_t output_count);

/* Copies the `count` elements of a float or float16 tensor to `values`. Returns 0, and tells why, if it is another
 * tensor: then the model isn't of the kind that the sample is made for. */
int sample_floats(const swl_tensor *tensor, float *values, size_t count);

/* What follows the last '/' of a path. */
const char *sample_file_name(const char *path);
/* The path of a file called `name` in the folder of `path`; and that of a file in `folder` which is called like `path`
 * with `ending` in place of its extension. Freed by the caller; NULL, and told, when memory is exhausted. */
char *sample_path_beside(const char *path, const char *name);
char *sample_path_in(const char *folder, const char *path, const char *ending);

#endif
