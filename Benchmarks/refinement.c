// What refinement costs while a model arrives: the latency of its runs beside those of the complete model, and memory.
//
//   cc -O2 -Iinclude Benchmarks/refinement.c -Lbuild -lswiftlet -lpthread -o refinement
//   ./refinement latency MODEL CONTAINER RATE [THREADS]   the two take turns; CONTAINER arrives at RATE bytes a second
//   ./refinement stream CONTAINER RATE [FOLDER]           memory of a stream with a session that runs all the time
//   ./refinement complete MODEL                           memory of the complete model with a session
//
// Inputs are made up: extents that aren't fixed are 16, numbers 1. Latency is told as the ratio of medians, of means and of
// the 95th of 100, and as the median of the ratios of neighbours; memory as VmHWM.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "swiftlet.h"

enum { MOST_INPUTS = 16, MOST_RUNS = 1 << 16, PIECE = 1 << 16 };

static swl_error *error;
static void need(swl_status status) {
  if (status == SWL_OK) return;
  fprintf(stderr, "%s: %s\n", swl_status_name(status), swl_error_message(error));
  exit(1);
}

typedef struct {
  swl_session *session;
  swl_tensor *inputs[MOST_INPUTS];
  size_t count;
} runner;

static void prepare(runner *r, swl_model *model, unsigned threads) {
  swl_options *options = swl_options_create();
  need(swl_options_set_threads(options, threads));
  need(swl_session_create(model, options, &r->session, &error));
  swl_options_free(options);
  r->count = swl_model_input_count(model);
  for (size_t i = 0; i < r->count && i < MOST_INPUTS; i++) {
    const swl_type *type = swl_model_input_type(model, i);
    int64_t shape[16] = {0};
    const size_t rank = swl_type_rank(type) > 0 ? (size_t)swl_type_rank(type) : 0;
    for (size_t d = 0; d < rank && d < 16; d++) shape[d] = swl_type_extent(type, d) < 0 ? 16 : swl_type_extent(type, d);
    need(swl_tensor_create(swl_type_element_type(type), shape, rank, &r->inputs[i], &error));
    void *data = (void *)(uintptr_t)swl_tensor_data(r->inputs[i]);
    for (size_t k = 0; k < swl_tensor_count(r->inputs[i]); k++) {
      if (swl_type_element_type(type) == SWL_INT64) ((int64_t *)data)[k] = 1;
      if (swl_type_element_type(type) == SWL_FLOAT) ((float *)data)[k] = 1;
    }
  }
}

/// Seconds of a run.
static double run(runner *r) {
  swl_value *outputs[1] = {NULL};
  const uint64_t from = swl_clock();
  need(swl_session_run(r->session, (const swl_value *const *)r->inputs, r->count, outputs, 1, NULL, &error));
  const double seconds = (double)(swl_clock() - from) * 1e-9;
  swl_value_free(outputs[0]);
  return seconds;
}

typedef struct {
  swl_stream *stream;
  const char *path;
  double rate;
} line;

static void *feed(void *argument) {
  line *l = argument;
  size_t count, all = 0;
  const uint64_t begin = swl_clock();
  const int file = open(l->path, O_RDONLY);
  while (swl_stream_read(l->stream, file, PIECE, &count, NULL) == SWL_OK) {
    all += count;
    const double ahead = (double)all / l->rate - (double)(swl_clock() - begin) * 1e-9;
    if (ahead > 0) usleep((useconds_t)(ahead * 1e6));
  }
  close(file);
  return NULL;
}

static swl_stream_info info_of(swl_stream *stream) {
  swl_stream_info info = {.struct_size = sizeof info};
  need(swl_stream_get_info(stream, &info, &error));
  return info;
}

static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}
static double mean(const double *x, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += x[i];
  return sum / (double)n;
}

static long peak(void) {
  long kilobytes = 0;
  char text[256];
  FILE *file = fopen("/proc/self/status", "r");
  while (fgets(text, sizeof text, file)) sscanf(text, "VmHWM: %ld", &kilobytes);
  fclose(file);
  return kilobytes;
}

static double during[MOST_RUNS], complete[MOST_RUNS], ratios[MOST_RUNS];

int main(int count, char **arguments) {
  const int isLatency = count >= 5 && !strcmp(arguments[1], "latency"), isStream = count >= 4 && !strcmp(arguments[1], "stream");
  const unsigned threads = isLatency && count > 5 ? (unsigned)atoi(arguments[5]) : 0;
  swl_model *model = NULL, *arriving = NULL;
  runner whole = {0}, growing = {0};
  if (count < 3 || (!isLatency && !isStream && strcmp(arguments[1], "complete"))) return fputs("see the file's head\n", stderr), 2;
  if (!isStream) {
    need(swl_model_open(arguments[2], NULL, &model, &error));
    prepare(&whole, model, threads);
    for (int i = 0; i < 5; i++) run(&whole);
  }
  if (isLatency || isStream) {
    swl_options *options = swl_options_create();
    line l = {.path = arguments[isLatency ? 3 : 2], .rate = atof(arguments[isLatency ? 4 : 3])};
    pthread_t feeder;
    size_t n = 0;
    if (isStream && count > 4) need(swl_options_set_stream_folder(options, arguments[4]));
    need(swl_stream_create(options, &l.stream, &error));
    pthread_create(&feeder, NULL, feed, &l);
    need(swl_stream_wait(l.stream, SWL_STREAM_USABLE, 0, 0, &error));
    need(swl_stream_model(l.stream, &arriving, &error));
    prepare(&growing, arriving, threads);
    run(&growing);
    while (n < MOST_RUNS && info_of(l.stream).state != SWL_STREAM_COMPLETE) {
      need(swl_stream_append(l.stream, SWL_STREAM_NEXT, "", 0, &error));
      during[n] = run(&growing);
      if (isLatency) complete[n] = run(&whole), ratios[n] = during[n] / complete[n];
      n++;
    }
    run(&growing);
    pthread_join(feeder, NULL);
    printf("%zu runs, %llu generations\n", n, (unsigned long long)info_of(l.stream).generation);
    if (isLatency) {
      const double means = mean(during, n) / mean(complete, n);
      qsort(during, n, sizeof *during, by_size), qsort(complete, n, sizeof *complete, by_size), qsort(ratios, n, sizeof *ratios, by_size);
      printf("complete %.2f ms, while it arrives %.3f of it (means %.3f, 95th of 100 %.3f, neighbours %.3f)\n", complete[n / 2] * 1e3,
             during[n / 2] / complete[n / 2], means, during[n * 95 / 100] / complete[n * 95 / 100], ratios[n / 2]);
    }
  }
  printf("most memory %.1f MB\n", (double)peak() / 1e3);
  return 0;
}
