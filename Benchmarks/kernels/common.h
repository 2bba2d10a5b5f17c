// What the programs of this folder share: time, memory, made-up numbers.
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define UNUSED __attribute__((unused))

static double seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
UNUSED static double now(void) { return seconds(CLOCK_MONOTONIC); }

/// Zeros; kernels may read some bytes past the end.
UNUSED static void *memory(size_t bytes) {
  const size_t padded = (bytes + 4096) / 64 * 64;
  return memset(aligned_alloc(64, padded), 0, padded);
}

/// The same numbers in each run.
static uint64_t random_state = 88172645463325252u;
static uint64_t random_bits(void) {
  return random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
}
/// In [0, 1).
UNUSED static double uniform(void) { return (double)(random_bits() >> 11) * 0x1p-53; }
/// In [-0.5, 0.5).
UNUSED static float *floats(size_t count) {
  float *p = memory(count * 4);
  for (size_t i = 0; i < count; i++) p[i] = (float)(uniform() - 0.5);
  return p;
}

UNUSED static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}
