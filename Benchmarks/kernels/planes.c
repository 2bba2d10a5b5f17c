// Bit planes: how fast weights are decoded, on one core.
//
//   clang -O3 -ISources/CKernels/include Benchmarks/kernels/planes.c Sources/CKernels/cpu.c Sources/CKernels/planes/*.c \
//     -fno-math-errno -fno-trapping-math -lm -lpthread -o planes
//   ./planes [file]       weights of a normal distribution, or the float32 numbers of a file; SWIFTLET_CPU selects a level
//
// Figures are MB/s of decoded weights. A row for each step: of the weights by the time of that step alone. "coded" is all
// steps that have symbols together, "all" the whole tensor; both as medians over segments of 2^17 weights, cut into steps
// as the packer cuts them.
#include "common.h"
#include "planes.h"
#include <math.h>
#include <stdio.h>

enum { SEGMENT = 1 << 17, SEGMENTS = 24, STEPS = 10 };

static float normal(void) { return (float)(sqrt(-2 * log(uniform() + 1e-300)) * cos(6.283185307179586 * uniform()) * 0.04); }

static double median(double *x, int n) { return qsort(x, (size_t)n, sizeof *x, by_size), x[n / 2]; }

/// The top exponent, and the planes of significance that leave next to nothing.
static uint16_t top_of(const float *w, uint32_t *significance) {
  size_t counts[256] = {0}, all = 0, left;
  for (size_t i = 0; i < SEGMENT; i++) {
    uint32_t u;
    memcpy(&u, w + i, 4);
    if (u >> 23 & 255) counts[u >> 23 & 255]++, all++;
  }
  int top = 254;
  while (top > 1 && !counts[top]) top--;
  left = all - counts[top];
  for (*significance = 1; *significance < 40 && left > all >> 11; ++*significance) left -= counts[top - (int)*significance];
  return (uint16_t)top;
}

int main(int count, char **arguments) {
  static float w[SEGMENT], back[SEGMENT];
  static uint8_t planes[SEGMENT], symbols[SEGMENT + SWK_PLANES_PADDING];
  FILE *file = count > 1 ? fopen(arguments[1], "rb") : NULL;
  const swk_planes_refine_fn refine = swk_planes_refine_get(swk_cpu_get()->level, 4);
  double times[STEPS][SEGMENTS], coded[SEGMENTS], whole[SEGMENTS];
  uint32_t first[STEPS] = {0}, last[STEPS] = {0}, significance = 0;
  uint8_t *chunks[STEPS];
  size_t lengths[STEPS], bytes = 0;
  for (int s = 0; s < STEPS; s++) chunks[s] = malloc(swk_planes_bound(4, SEGMENT));
  for (int segment = 0; segment < SEGMENTS; segment++) {
    if (!file || fread(w, 4, SEGMENT, file) != SEGMENT)
      for (size_t i = 0; i < SEGMENT; i++) w[i] = normal();
    const uint16_t top = top_of(w, &significance);
    const swk_planes_channels channels = {&top, 1, SEGMENT, 0};
    swk_planes_step step = {23, 8, significance, 0, 0};
    const uint32_t sizes[] = {2, 1, 1, 1, 1, 1, 1, 2, 3, 255};
    swk_planes_locate(&step, &channels, w, SEGMENT, planes);
    for (int s = 0; s < STEPS; s++) {
      const uint32_t left = significance + 23 - step.last;
      step.first = step.last;
      step.last += sizes[s] < left ? sizes[s] : left;
      first[s] = step.first, last[s] = step.last;
      bytes += lengths[s] = swk_planes_encode(&step, w, planes, SEGMENT, chunks[s], symbols);
    }
    double best[STEPS];
    for (int round = 0; round < 9; round++) {
      memset(back, 0, sizeof back);
      for (int s = 0; s < STEPS; s++) {
        step.first = first[s], step.last = last[s];
        const double from = now();
        if (refine(&step, &channels, back, SEGMENT, chunks[s], lengths[s], symbols) != SWK_PLANES_OK) return puts("WRONG"), 1;
        const double t = now() - from;
        if (round == 0 || t < best[s]) best[s] = t;
      }
      if (memcmp(w, back, sizeof w) != 0) return puts("WRONG"), 1;
    }
    coded[segment] = whole[segment] = 0;
    for (int s = 0; s < STEPS; s++) {
      times[s][segment] = best[s];
      whole[segment] += best[s];
      if (first[s] < significance) coded[segment] += best[s];
    }
  }
  const double size = sizeof w / 1e6;
  printf("level %s, %.3f of the bytes\n", swk_level_name(swk_cpu_get()->level), (double)bytes / ((double)sizeof w * SEGMENTS));
  for (int s = 0; s < STEPS; s++)
    printf("planes %2u to %2u %s %8.0f MB/s\n", first[s], last[s] - 1, first[s] < significance ? "coded" : "raw  ",
           size / median(times[s], SEGMENTS));
  printf("coded                %8.0f MB/s\nall                  %8.0f MB/s\n", size / median(coded, SEGMENTS), size / median(whole, SEGMENTS));
  return 0;
}
