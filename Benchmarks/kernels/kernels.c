// Speed of the heavy kernels on one core, in GF/s (or Gop/s) and as a share of the measured FMA peak.
//
//   clang -O3 -ISources/CKernels/include Benchmarks/kernels/kernels.c \
//     Sources/CKernels/cpu.c Sources/CKernels/{gemm,igemm,conv,tickets}/*.c -fno-math-errno -fno-trapping-math -lm -o kernels
//   ./kernels [name]      all rows, or those whose name contains the word
//
// Each figure is the best of many short runs; SWIFTLET_CPU selects a level. The last column is the share of the peak of
// the moment: peaks are measured before each row, because clocks and neighbours change.
#define _GNU_SOURCE
#include "common.h"
#include "conv.h"
#include "igemm.h"
#include <stdio.h>

// Independent multiply-adds, as the level has them.
#define PEAK(name, attributes, bytes, instruction, constraint)                                                       \
  attributes static double name(void) {                                                                              \
    typedef float v __attribute__((vector_size(bytes)));                                                             \
    v c[12] = {{0}}, a = {0}, b = {0};                                                                               \
    double t = now();                                                                                                \
    for (int i = 0; i < 20000; i++)                                                                                  \
      __asm__ volatile(instruction(0) instruction(1) instruction(2) instruction(3) instruction(4) instruction(5)    \
                       instruction(6) instruction(7) instruction(8) instruction(9) instruction(10) instruction(11)  \
                       : "+" constraint(c[0]), "+" constraint(c[1]), "+" constraint(c[2]), "+" constraint(c[3]),     \
                         "+" constraint(c[4]), "+" constraint(c[5]), "+" constraint(c[6]), "+" constraint(c[7]),     \
                         "+" constraint(c[8]), "+" constraint(c[9]), "+" constraint(c[10]), "+" constraint(c[11])    \
                       : constraint(a), constraint(b));                                                              \
    return 20000. * 12 * 2 * bytes / 4 / (now() - t) / 1e9;                                                          \
  }
#define FMA(i) "vfmadd231ps %12, %13, %" #i "\n"
PEAK(peak_avx2, __attribute__((target("avx2,fma"))), 32, FMA, "x")
PEAK(peak_avx512, __attribute__((target("avx512f"))), 64, FMA, "v")

static double peak(void) {
  double best = 0;
  for (int i = 0; i < 40; i++) {
    double p = swk_cpu_get()->level == SWK_AVX512 ? peak_avx512() : peak_avx2();
    if (p > best) best = p;
  }
  return best;
}

#define MEASURE(seconds, body)                                                                                       \
  do {                                                                                                               \
    seconds = 1e9;                                                                                                   \
    double begin = now();                                                                                            \
    for (int i = 0; i < 5 || now() - begin < 0.4; i++) {                                                             \
      double from = now();                                                                                           \
      body;                                                                                                          \
      double taken = now() - from;                                                                                   \
      if (taken < seconds) seconds = taken;                                                                          \
    }                                                                                                                \
  } while (0)

static const char *filter;

static bool wanted(const char *name) { return !filter || strstr(name, filter); }

static void report(const char *name, const char *variant, double operations, double seconds, double top) {
  double rate = operations / seconds / 1e9;
  printf("%-34s %-22s %8.1f  %5.1f%%\n", name, variant, rate, rate / top * 100);
  fflush(stdout);
}

static void *packed(const swk_gemm_table *t, const swk_operand *x, size_t width, size_t positions, size_t k,
                    size_t kc) {
  void *p = memory(swk_gemm_packed_count(positions, k, width) * 4);
  swk_gemm_prepack(t, x, width, positions, k, kc, p);
  return p;
}

static void run(const swk_gemm_table *t, const swk_gemm *g, const char *name, const char *variant, double operations,
                double top) {
  void *scratch = memory(swk_gemm_scratch_bytes(t, g, g->m, g->n));
  double seconds;
  MEASURE(seconds, t->region(g, 0, g->m, 0, g->n, scratch));
  report(name, variant, operations, seconds, top);
  free(scratch);
}

static void gemm(size_t m, size_t k, size_t n) {
  char name[64];
  snprintf(name, sizeof name, "gemm %zux%zux%zu", m, k, n);
  if (!wanted(name)) return;
  const swk_gemm_table *t = swk_gemm_f32(swk_cpu_get()->level);
  double top = peak();
  float *a = floats(m * k), *b = floats(k * n), *c = floats(m * n);
  swk_gemm g = {.m = m, .n = n, .k = k, .c = c, .ldc = n, .epilogue = {.alpha = 1}, .mc = t->mc, .nc = t->nc,
                .kc = swk_gemm_block_k(k, t->kc),
                .a = {.data = a, .type = SWK_F32, .stride = (ptrdiff_t)k, .k_stride = 1},
                .b = {.data = b, .type = SWK_F32, .stride = 1, .k_stride = (ptrdiff_t)n}};
  run(t, &g, name, "nothing packed", 2. * m * n * k, top);
  swk_gemm h = g;
  void *pa = packed(t, &g.a, t->mr, m, k, g.kc), *pb = packed(t, &g.b, t->nr, n, k, g.kc);
  h.a.packed = pa;
  run(t, &h, name, "A packed", 2. * m * n * k, top);
  h = g;
  h.b.packed = pb;
  run(t, &h, name, "B packed", 2. * m * n * k, top);
  h = g;
  h.b.stride = (ptrdiff_t)k;
  h.b.k_stride = 1;
  run(t, &h, name, "B transposed", 2. * m * n * k, top);
  free(a), free(b), free(c), free(pa), free(pb);
}

static void gemm_bytes(size_t m, size_t k, size_t n) {
  char name[64];
  snprintf(name, sizeof name, "int8 gemm %zux%zux%zu", m, k, n);
  if (!wanted(name)) return;
  const swk_gemm_table *t = swk_gemm_s32(swk_cpu_get()->level, true);
  if (!t) t = swk_gemm_s32(swk_cpu_get()->level, false);
  double top = peak();
  uint8_t *a = memory(m * k), *b = memory(k * n);
  int32_t *c = memory(m * n * 4);
  size_t pairs = (k + 1) / 2;
  swk_gemm g = {.m = m, .n = n, .k = pairs, .c = c, .ldc = n, .mc = t->mc, .nc = t->nc,
                .kc = swk_gemm_block_k(pairs, t->kc),
                .a = {.data = a, .type = SWK_U8, .depth = k, .stride = (ptrdiff_t)k, .k_stride = 1},
                .b = {.data = b, .type = SWK_S8, .depth = k, .stride = 1, .k_stride = (ptrdiff_t)n}};
  run(t, &g, name, "nothing packed", 2. * m * n * k, top);
  void *pb = packed(t, &g.b, t->nr, n, pairs, g.kc);
  g.b.packed = pb;
  run(t, &g, name, "B packed", 2. * m * n * k, top);
  free(a), free(b), free(c), free(pb);
}

static void convolution(int32_t size, int32_t kernel, int32_t stride, size_t in, size_t out) {
  char name[64];
  snprintf(name, sizeof name, "conv %dx%d s%d %d^2 %zu->%zu", kernel, kernel, stride, size, in, out);
  if (!wanted(name)) return;
  const swk_gemm_table *t = swk_gemm_f32(swk_cpu_get()->level);
  double top = peak();
  int32_t input = size * stride;
  size_t pixels = (size_t)(size * size), taps = (size_t)(kernel * kernel), k = in * taps;
  float *x = floats(in * (size_t)(input * input)), *w = floats(out * k), *y = floats(out * pixels);
  swk_patches s = {.rank = 2, .channels = in, .in = {input, input}, .out = {size, size}, .kernel = {kernel, kernel},
                   .stride = {stride, stride}, .dilation = {1, 1}, .pad = {kernel / 2, kernel / 2}};
  swk_operand weights = {.data = w, .type = SWK_F32, .stride = (ptrdiff_t)k, .k_stride = (ptrdiff_t)taps,
                         .k_inner = in, .k_outer_stride = 1};
  bool pointwise = kernel == 1 && stride == 1;
  swk_operand image = {.data = x, .type = SWK_F32, .stride = 1, .k_stride = (ptrdiff_t)pixels,
                       .patches = pointwise ? NULL : &s};
  swk_gemm g = {.m = out, .n = pixels, .k = k, .a = weights, .b = image, .c = y, .ldc = pixels,
                .epilogue = {.alpha = 1}, .mc = t->mc, .nc = t->nr * 16, .kc = swk_gemm_block_k(k, t->kc)};
  double operations = 2. * (double)out * (double)pixels * (double)k;
  void *pa = packed(t, &weights, t->mr, out, k, g.kc), *pb = packed(t, &weights, t->nr, out, k, g.kc);
  g.a.packed = pa;
  run(t, &g, name, "pixels are columns", operations, top);
  g.m = pixels, g.n = out, g.a = image, g.b = weights, g.b.packed = pb, g.c_transposed = true;
  run(t, &g, name, "channels are columns", operations, top);
  free(x), free(w), free(y), free(pa), free(pb);
}

static void depthwise(int32_t size, int32_t kernel, int32_t stride, size_t channels) {
  char name[64];
  snprintf(name, sizeof name, "depthwise %dx%d s%d %d^2 %zu", kernel, kernel, stride, size, channels);
  if (!wanted(name)) return;
  const swk_depthwise_table *t = swk_depthwise_f32(swk_cpu_get()->level);
  double top = peak(), seconds;
  int32_t input = size * stride;
  size_t pixels = (size_t)(size * size), taps = (size_t)(kernel * kernel);
  swk_depthwise s = {input, input, size, size, kernel, kernel, stride, stride, 1, 1, kernel / 2, kernel / 2};
  float *x = floats(channels * (size_t)(input * input)), *w = floats(channels * taps), *y = floats(channels * pixels);
  void *scratch = memory(t->scratch_bytes(&s));
  swk_epilogue e = {.alpha = 1};
  MEASURE(seconds, t->planes(&s, x, w, channels, 1, y, &e, 0, scratch));
  report(name, "", 2. * (double)(channels * pixels * taps), seconds, top);
  free(x), free(w), free(y), free(scratch);
}

int main(int count, char **arguments) {
  filter = count > 1 ? arguments[1] : NULL;
  printf("level %s, FMA peak %.1f GF/s\n", swk_level_name(swk_cpu_get()->level), peak());
  gemm(1024, 1024, 1024), gemm(512, 512, 512), gemm(64, 576, 3136), gemm(256, 2304, 196), gemm(512, 4608, 49);
  gemm(197, 768, 3072), gemm(128, 384, 1536), gemm(64, 64, 64), gemm(8, 1024, 1024), gemm(1, 4096, 4096);
  gemm_bytes(1024, 1024, 1024), gemm_bytes(512, 4608, 49), gemm_bytes(197, 768, 3072);
  convolution(56, 3, 1, 64, 64), convolution(28, 3, 1, 128, 128), convolution(14, 3, 1, 256, 256);
  convolution(7, 3, 1, 512, 512), convolution(56, 1, 1, 64, 256), convolution(14, 1, 1, 1024, 256);
  convolution(7, 1, 1, 512, 2048), convolution(112, 7, 2, 3, 64), convolution(28, 3, 2, 128, 128);
  depthwise(112, 3, 1, 32), depthwise(56, 3, 2, 64), depthwise(28, 3, 1, 256), depthwise(14, 3, 1, 512);
  depthwise(7, 3, 1, 960), depthwise(14, 5, 1, 384), depthwise(14, 7, 1, 384), depthwise(14, 13, 1, 256);
}
