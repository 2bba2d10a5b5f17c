// Products of weights and inputs that are rounded to pairs of 16-bit integers, beside the same in float: what early
// generations of progressive models run on (Sources/Kernels/FixedPointWeights.swift). One core, processor time.
//
//   clang -O2 -fno-unroll-loops -ISources/CKernels/include Benchmarks/kernels/pairs.c Sources/CKernels/cpu.c \
//     Sources/CKernels/{gemm,igemm,tickets}/*.c -fno-math-errno -fno-trapping-math -lm -o pairs
//   ./pairs
//
// For each level: microseconds of both, the rounding of inputs included and by itself, their ratio, and the largest
// difference beside the largest result. Weights are packed beforehand; matrix products end with a bias and Gelu,
// convolutions of 1 x 1 with a bias and Relu.
#define _GNU_SOURCE
#include "common.h"
#include "igemm.h"
#include <stdio.h>

/// Rounds a row of k numbers; the scale.
static float round_row(const swk_pairs_table *t, const float *x, size_t k, float most, int32_t *out) {
  const size_t units = (k + 1) / 2;
  const float largest = t->largest(x, 1, k), zero = 0;
  t->join(x, x + units, 1, k / 2, most / largest, out);
  if (k % 2) t->join(x + k / 2, &zero, 1, 1, most / largest, out + k / 2);
  return largest / most;
}

static void pack(const swk_gemm_table *t, swk_operand *x, size_t width, size_t positions, size_t k, size_t kc) {
  void *p = memory(swk_gemm_packed_count(positions, k, width) * 4);
  swk_gemm_prepack(t, x, width, positions, k, kc, p);
  x->packed = p;
}

/// inputs [m, k] times weights [k, n], or, as a convolution, weights [n, k] times an image [k, m].
static void compare(swk_level level, bool convolves, size_t m, size_t k, size_t n) {
  const swk_gemm_table *f = swk_gemm_f32(level), *q = swk_gemm_s32(level, true);
  const swk_pairs_table *t = swk_pairs(level);
  if (!q) q = swk_gemm_s32(level, false);
  if (!f) return;
  const size_t units = (k + 1) / 2;
  float *x = floats(m * k), *w = floats(n * k), *bias = floats(n), *c = memory(m * n * 4), *d = memory(m * n * 4);
  float *inputScales = memory(m * 4), *scales = memory(n * 4);
  int32_t *rounded = memory(m * units * 4), *weights = memory(n * units * 4);
  const float most = 2047;
  for (size_t j = 0; j < n; j++) scales[j] = round_row(t, w + j * k, k, 2047, weights + j * units);
  swk_gemm g = {.m = m, .n = n, .k = k, .c = c, .ldc = n, .mc = f->mc, .nc = f->nc, .kc = swk_gemm_block_k(k, f->kc),
                .epilogue = {.alpha = 1, .column_bias = bias, .activation = SWK_GELU},
                .a = {.data = x, .type = SWK_F32, .stride = (ptrdiff_t)k, .k_stride = 1},
                .b = {.data = w, .type = SWK_F32, .stride = (ptrdiff_t)k, .k_stride = 1}};
  swk_gemm h = {.m = m, .n = n, .k = units, .c = d, .ldc = n, .mc = q->mc, .nc = q->nc,
                .kc = swk_gemm_block_k(units, q->kc), .epilogue = g.epilogue,
                .a = {.data = rounded, .type = SWK_S32, .stride = (ptrdiff_t)units, .k_stride = 1},
                .b = {.data = weights, .type = SWK_S32, .stride = (ptrdiff_t)units, .k_stride = 1}};
  h.epilogue.row_scales = inputScales, h.epilogue.column_scales = scales;
  if (convolves) {
    const swk_operand image = {.data = x, .type = SWK_F32, .stride = 1, .k_stride = (ptrdiff_t)m};
    const swk_operand pairs = {.data = rounded, .type = SWK_S32, .stride = 1, .k_stride = (ptrdiff_t)m};
    g.a = g.b, h.a = h.b, g.b = image, h.b = pairs;
    g.m = h.m = n, g.n = h.n = g.ldc = h.ldc = m, g.nc = f->nr * 16, h.nc = q->nr * 16;
    g.epilogue = (swk_epilogue){.alpha = 1, .row_bias = bias, .activation = SWK_RELU};
    h.epilogue = g.epilogue;
    h.epilogue.row_scales = scales;
    pack(f, &g.a, f->mr, n, k, g.kc), pack(q, &h.a, q->mr, n, units, h.kc);
  } else {
    pack(f, &g.b, f->nr, n, k, g.kc), pack(q, &h.b, q->nr, n, units, h.kc);
  }
  void *scratch = memory(swk_gemm_scratch_bytes(f, &g, g.m, g.n) + swk_gemm_scratch_bytes(q, &h, h.m, h.n));
  double floats = 1, pairs = 1, rounding = 1;
  for (int r = 0; r < 200; r++) {
    double from = seconds(CLOCK_THREAD_CPUTIME_ID), taken;
    f->region(&g, 0, g.m, 0, g.n, scratch);
    if ((taken = seconds(CLOCK_THREAD_CPUTIME_ID) - from) < floats) floats = taken;
    from = seconds(CLOCK_THREAD_CPUTIME_ID);
    if (convolves) {
      const float largest = t->largest(x, 1, k * m);
      for (size_t i = 0; i < k / 2; i++) t->join(x + i * m, x + (i + units) * m, 1, m, most / largest, rounded + i * m);
      h.epilogue.alpha = largest / most;
    } else {
      for (size_t i = 0; i < m; i++) inputScales[i] = round_row(t, x + i * k, k, most, rounded + i * units);
    }
    if ((taken = seconds(CLOCK_THREAD_CPUTIME_ID) - from) < rounding) rounding = taken;
    q->region(&h, 0, h.m, 0, h.n, scratch);
    if ((taken = seconds(CLOCK_THREAD_CPUTIME_ID) - from) < pairs) pairs = taken;
  }
  double difference = 0, largest = 0;
  for (size_t i = 0; i < m * n; i++) {
    const double e = c[i] > d[i] ? c[i] - d[i] : d[i] - c[i];
    if (e > difference) difference = e;
    if (c[i] > largest) largest = c[i];
  }
  printf("%-6s %-11s %5zu x %4zu, %4zu: float %8.1f us, pairs %8.1f us (rounding %6.1f), %.3f; %.4f of %.1f\n",
         level == SWK_PLAIN ? "plain" : level == SWK_AVX2 ? "avx2" : "avx512", convolves ? "convolution" : "product", m, k,
         n, floats * 1e6, pairs * 1e6, rounding * 1e6, pairs / floats, difference, largest);
}

int main(void) {
  static const size_t products[][3] = {{16, 384, 384}, {256, 384, 384}, {256, 384, 1536}, {256, 1536, 384}, {1, 384, 384},
                                       {1, 1024, 4096}, {8, 1024, 4096}, {1024, 64, 256}};
  static const size_t convolutions[][3] = {{19200, 16, 32}, {1200, 32, 64}, {1200, 64, 64}, {784, 128, 32}, {80, 256, 256},
                                           {169, 512, 1000}};
  for (int level = SWK_PLAIN; level <= SWK_AVX512; level++) {
    for (size_t i = 0; i < sizeof products / sizeof *products; i++)
      compare(level, false, products[i][0], products[i][1], products[i][2]);
    for (size_t i = 0; i < sizeof convolutions / sizeof *convolutions; i++)
      compare(level, true, convolutions[i][0], convolutions[i][1], convolutions[i][2]);
  }
  return 0;
}
