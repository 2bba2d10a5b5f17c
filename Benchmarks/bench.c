/* Measures one runtime on one model, in a process of its own:
 *
 *   bench ENGINE LIBRARY MODEL THREADS SECONDS [NAME TYPE SHAPE FILE]...
 *
 * ENGINE is swiftlet or onnxruntime, LIBRARY its shared library. An input is its name, the number of its element
 * type, its shape such as 1x3x224x224 ("scalar" for rank 0), and a file with its bytes. Runs once, then again for
 * SECONDS (3 times or more; not at all when it is 0). Prints JSON: milliseconds of loading (path to a session that is
 * ready), of the first run, the median and the least of the others, and their median in processor time of all threads;
 * and the process's memory in KB, the library and the inputs included: the most that it had (VmHWM) and what it has
 * after the last run (VmRSS). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine.h"

enum { LEAST_RUNS = 3, MOST_RUNS = 100000 };

void bench_fail(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

void *bench_allocate(size_t count, size_t size) {
  void *memory = calloc(count ? count : 1, size);
  if (!memory) bench_fail("memory", "exhausted");
  return memory;
}

void *bench_library(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) bench_fail(path, dlerror());
  return library;
}

void *bench_symbol(void *library, const char *name) {
  void *symbol = dlsym(library, name);
  if (!symbol) bench_fail(name, "isn't in the library");
  return symbol;
}

static double clock_ms(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double now_ms(void) { return clock_ms(CLOCK_MONOTONIC); }

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* A field of this process's status, such as "VmHWM". */
static long status_kb(const char *field) {
  char line[256];
  size_t length = strlen(field);
  long kb = 0;
  FILE *file = fopen("/proc/self/status", "r");
  if (!file) bench_fail("/proc/self/status", "can't be read");
  while (fgets(line, sizeof line, file))
    if (strncmp(line, field, length) == 0 && sscanf(line + length, ": %ld", &kb) == 1) break;
  fclose(file);
  return kb;
}

static bench_input read_input(char **argv) {
  bench_input input = {.name = argv[0], .type = atoi(argv[1])};
  char *text = argv[2];
  while (strcmp(text, "scalar") != 0 && *text && input.rank < MOST_RANK) {
    input.shape[input.rank++] = strtoll(text, &text, 10);
    if (*text == 'x') text++;
  }
  FILE *file = fopen(argv[3], "rb");
  if (!file || fseek(file, 0, SEEK_END) != 0) bench_fail(argv[3], "can't be read");
  input.size = (size_t)ftell(file);
  rewind(file);
  /* Aligned as both runtimes like it. */
  input.data = aligned_alloc(64, input.size / 64 * 64 + 64);
  if (!input.data || fread(input.data, 1, input.size, file) != input.size) bench_fail(argv[3], "can't be read");
  fclose(file);
  return input;
}

int main(int argc, char **argv) {
  if (argc < 6 || (argc - 6) % 4 != 0)
    bench_fail("usage", "bench ENGINE LIBRARY MODEL THREADS SECONDS [NAME TYPE SHAPE FILE]...");
  const bench_engine *engine = strcmp(argv[1], swiftlet_engine.name) == 0 ? &swiftlet_engine : &ort_engine;
  double milliseconds = atof(argv[5]) * 1e3;
  size_t count = (size_t)(argc - 6) / 4;
  bench_input *inputs = bench_allocate(count, sizeof *inputs);
  double *times = bench_allocate(MOST_RUNS, sizeof *times), *busy = bench_allocate(MOST_RUNS, sizeof *busy);
  for (size_t i = 0; i < count; i++) inputs[i] = read_input(argv + 6 + 4 * i);
  engine->start(argv[2]);

  double start = now_ms();
  engine->open(argv[3], atoi(argv[4]));
  double load = now_ms() - start;
  engine->feed(inputs, count);
  start = now_ms();
  engine->run();
  double first = now_ms() - start;
  int runs = 0;
  double begin = now_ms(), end = begin;
  while (milliseconds > 0 && runs < MOST_RUNS && (runs < LEAST_RUNS || end - begin < milliseconds)) {
    double busy_start = clock_ms(CLOCK_PROCESS_CPUTIME_ID);
    start = now_ms();
    engine->run();
    end = now_ms();
    busy[runs] = clock_ms(CLOCK_PROCESS_CPUTIME_ID) - busy_start;
    times[runs++] = end - start;
  }
  qsort(times, (size_t)runs, sizeof *times, ascending);
  qsort(busy, (size_t)runs, sizeof *busy, ascending);
  printf("{\"load\": %.4f, \"first\": %.4f, \"median\": %.4f, \"least\": %.4f, \"busy\": %.4f, \"runs\": %d, "
         "\"peak\": %ld, \"resident\": %ld}\n", load, first, runs ? times[runs / 2] : first, runs ? times[0] : first,
         busy[runs / 2], runs, status_kb("VmHWM"), status_kb("VmRSS"));
  fflush(stdout);
  _Exit(0); /* Unloading isn't measured. */
}
