/* Reads a digit while the network that reads it is still arriving, and says when the answer was right for good. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../common/image.h"
#include "../common/sample.h"

enum { SIDE = 8, PIXELS = SIDE * SIDE, DIGITS = 10, MOST_GENERATIONS = 1000, PIECE = 1024 };

static const char help[] =
    "usage: progressive [--rate BYTES] [--threads N] CONTAINER PICTURE\n"
    "\n"
    "Reads the digits network from CONTAINER (a file, a pipe, or - for standard input) as if it came over a slow line,\n"
    "and meanwhile reads PICTURE (8x8 pixels) with what has arrived, again and again. Made for the digits model:\n"
    "swiftlet pack samples/digits/model.onnx -o digits.swl\n"
    "\n"
    "  --rate BYTES  bytes a second, 100000 by default\n"
    "  --threads N   threads that a run may use; 0, the default: one for each processor\n"
    "  --help        prints this\n"
    "\n"
    "Exit status: 0 the network arrived whole, 1 something failed, 2 wrong usage.\n"
    "Example: progressive --rate 50000 digits.swl samples/digits/images/3-scan0735.png\n";

typedef struct {
  swl_stream *stream;
  int descriptor;
  double rate;
  atomic_int failed;
} line;

static void pause_for(double seconds) {
  const struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&time, NULL);
}

/* The thread that reads: a piece, a pause, the next piece. */
static void *receive(void *argument) {
  line *from = argument;
  swl_stream_info info = {.struct_size = sizeof info};
  while (swl_stream_get_info(from->stream, &info, NULL) == SWL_OK && (info.total == 0 || info.received < info.total)) {
    swl_error *error = NULL;
    size_t count;
    if (swl_stream_read(from->stream, from->descriptor, PIECE, &count, &error) != SWL_OK) {
      sample_failed("the container can't be read", error);
      atomic_store(&from->failed, 1);
      break;
    }
    pause_for((double)count / from->rate);
  }
  return NULL;
}

static int load(const char *path, float *ink) {
  image picture;
  if (!image_load(&picture, path, 1)) return 0;
  const int fits = picture.width == SIDE && picture.height == SIDE, light = fits && picture.pixels[0] > 127;
  if (!fits) sample_message("'%s' isn't 8x8 pixels", path);
  if (fits) image_to_planes(&picture, (const int[]){0}, (const float[]){0}, 1.0f / 255, ink);
  for (int i = 0; light && i < PIXELS; i++) ink[i] = 1 - ink[i];
  image_free(&picture);
  return fits;
}

typedef struct {
  int digit;
  float probability;
  double ms, part;
} answer;

/* Runs whenever there is a new generation, until the last. Returns the number of answers, 0 for a failure. */
static int watch(line *from, const float *ink, answer *answers) {
  sample_model model = {0};
  swl_stream_info info = {.struct_size = sizeof info};
  const double start = sample_ms();
  uint64_t seen = 0;
  int count = 0, ok = 1;
  while (ok && count < MOST_GENERATIONS && info.state != SWL_STREAM_COMPLETE) {
    pause_for(0.001);
    ok = swl_stream_get_info(from->stream, &info, NULL) == SWL_OK && !atomic_load(&from->failed);
    if (!ok || info.generation == seen) continue;
    ok = model.model != NULL || sample_follow(&model, from->stream);
    if (!ok) break;
    float probabilities[DIGITS];
    swl_value *output;
    ok = sample_run(&model, ink, PIXELS, (const int64_t[]){1, 1, SIDE, SIDE}, 4, &output, 1);
    if (!ok) break;
    ok = sample_floats(output, probabilities, DIGITS);
    swl_value_free(output);
    /* A newer one may have come since: then it is asked again, with what is known of that. */
    if (swl_session_generation(model.session) != info.generation) continue;
    seen = info.generation;
    answer a = {0, probabilities[0], sample_ms() - start, (double)info.generation_received / (double)info.total};
    for (int digit = 1; ok && digit < DIGITS; digit++)
      if (probabilities[digit] > a.probability) a.digit = digit, a.probability = probabilities[digit];
    printf("%7.0f ms  %5.1f%% of the bytes  generation %2d  reads %d, probability %.4f\n", a.ms, a.part * 100,
           (int)seen, a.digit, a.probability);
    answers[count++] = a;
  }
  sample_close(&model);
  return ok ? count : 0;
}

int main(int argc, char **argv) {
  const char *rate = "100000";
  const sample_option options[] = {{"rate", &rate}, {NULL, NULL}};
  sample_arguments(argc, argv, help, options, 2, 2);
  line from = {.rate = sample_number(rate, "--rate", 1, 1e12)};
  float ink[PIXELS];
  if (!load(argv[2], ink)) return SAMPLE_FAILED;
  from.descriptor = strcmp(argv[1], "-") == 0 ? STDIN_FILENO : open(argv[1], O_RDONLY);
  if (from.descriptor < 0) {
    sample_message("'%s': %s", argv[1], strerror(errno));
    return SAMPLE_FAILED;
  }
  swl_error *error = NULL;
  pthread_t reader;
  static answer answers[MOST_GENERATIONS];
  int count = 0;
  if (swl_stream_create(NULL, &from.stream, &error) != SWL_OK) return !sample_failed("no stream", error);
  if (pthread_create(&reader, NULL, receive, &from) == 0) {
    count = watch(&from, ink, answers);
    pthread_join(reader, NULL);
  }
  swl_stream_free(from.stream);
  if (count == 0) return SAMPLE_FAILED;

  const answer *last = &answers[count - 1], *right = last, *certain = last;
  while (right > answers && right[-1].digit == last->digit) right--;
  while (certain > right && certain[-1].probability > last->probability - 0.01f) certain--;
  printf("right from %.0f ms on (%.1f%%), as certain as in the end from %.0f ms on (%.1f%%), exact after %.0f ms\n",
         right->ms, right->part * 100, certain->ms, certain->part * 100, last->ms);
  return SAMPLE_OK;
}
