// Bandwidth of the memory-bound kernels beside memcpy, at each level that the processor has: GB/s of bytes read and
// written, the best of several runs. Build and run: Benchmarks/kernels/bandwidth.sh
#define _GNU_SOURCE
#include "common.h"
#include "ckernels.h"
#include <stdio.h>

static swk_level level;
static float *x, *y, *z;
static uint16_t *half;
static uint8_t *bytes;
static size_t n;
static const size_t columns = 1024;
static const swk_unary_params parameters = {.alpha = 0.01, .beta = 1};

static void copy(void) { memcpy(z, x, n * 4); }
static void binary(swk_binary_op op) {
  const swk_binary_shape shape = {1, n, 0, 0, 1, 1};
  swk_binary_get(level, op, SWK_T_F32)(x, y, z, &shape);
}
static void add(void) { binary(SWK_OP_ADD); }
static void add_bias(void) {
  const swk_binary_shape shape = {n / columns, columns, (ptrdiff_t)columns, 0, 1, 1};
  swk_binary_get(level, SWK_OP_ADD, SWK_T_F32)(x, y, z, &shape);
}
static void less(void) {
  const swk_binary_shape shape = {1, n, 0, 0, 1, 1};
  swk_binary_get(level, SWK_OP_LESS, SWK_T_F32)(x, y, bytes, &shape);
}
static void unary(swk_unary_op op) { swk_unary_get(level, op, SWK_T_F32)(x, z, n, &parameters); }
static void relu(void) { unary(SWK_OP_RELU); }
static void exponential(void) { unary(SWK_OP_EXP); }
static void logarithm(void) { unary(SWK_OP_LOG); }
static void tanh_(void) { unary(SWK_OP_TANH); }
static void sigmoid(void) { unary(SWK_OP_SIGMOID); }
static void gelu(void) { unary(SWK_OP_GELU); }
static void sine(void) { unary(SWK_OP_SIN); }
static void softmax(void) {
  swk_rows_get(level, SWK_T_F32)->softmax_runs(x, n / columns, columns, SWK_SOFTMAX, NULL, z);
}
static void layer_norm(void) {
  swk_rows_get(level, SWK_T_F32)->normalize(x, n / columns, columns, y, y, 1e-5, false, z, NULL, NULL);
}
static void sum(void) {
  float acc = 0;
  swk_reduction_get(level, SWK_REDUCE_SUM, SWK_T_F32)->runs(x, 1, 0, n, NULL, &acc);
}
static void sum_columns(void) {
  memset(z, 0, columns * 4);
  swk_reduction_get(level, SWK_REDUCE_SUM, SWK_T_F32)->columns(x, n / columns, (ptrdiff_t)columns, columns, NULL, z);
}
static void max(void) {
  float acc = 0;
  swk_reduction_get(level, SWK_REDUCE_MAX, SWK_T_F32)->runs(x, 1, 0, n, NULL, &acc);
}
static void transpose(void) {
  swk_movement_get(level, 4)->transpose(z, (ptrdiff_t)(n / columns), x, (ptrdiff_t)columns, n / columns, columns);
}
static void transpose_16(void) {
  swk_movement_get(level, 2)->transpose(z, (ptrdiff_t)(n / columns), half, (ptrdiff_t)columns, n / columns, columns);
}
static void to_half(void) { swk_convert_get(level, SWK_T_F32, SWK_T_F16)(x, half, n); }
static void from_half(void) { swk_convert_get(level, SWK_T_F16, SWK_T_F32)(half, z, n); }
static void to_brain(void) { swk_convert_get(level, SWK_T_F32, SWK_T_BF16)(x, half, n); }
static void to_byte(void) { swk_convert_get(level, SWK_T_F32, SWK_T_U8)(x, bytes, n); }
static void from_byte(void) { swk_convert_get(level, SWK_T_U8, SWK_T_F32)(bytes, z, n); }
static void gelu_half(void) { swk_unary_half(level, SWK_OP_GELU, SWK_T_F16, half, z, n, &parameters); }

static const struct {
  const char *name;
  void (*run)(void);
  double bytes;  // an element, read and written
} kernels[] = {
    {"memcpy", copy, 8}, {"add", add, 12}, {"add a row", add_bias, 8}, {"less", less, 9}, {"relu", relu, 8},
    {"exp", exponential, 8}, {"log", logarithm, 8}, {"tanh", tanh_, 8}, {"sigmoid", sigmoid, 8}, {"gelu", gelu, 8},
    {"sin", sine, 8}, {"softmax", softmax, 8}, {"layer norm", layer_norm, 8}, {"sum", sum, 4},
    {"sum of columns", sum_columns, 4}, {"max", max, 4}, {"transpose", transpose, 8},
    {"transpose 16 bits", transpose_16, 4}, {"f32 to f16", to_half, 6}, {"f16 to f32", from_half, 6},
    {"f32 to bf16", to_brain, 6}, {"f32 to u8", to_byte, 5}, {"u8 to f32", from_byte, 5}, {"gelu of f16", gelu_half, 4},
};

int main(void) {
  const size_t sizes[] = {1 << 16, 1 << 24};  // within the second-level cache, and far beyond every cache
  const size_t most = sizes[1] * 4;
  x = aligned_alloc(64, most), y = aligned_alloc(64, most), z = aligned_alloc(64, most);
  half = aligned_alloc(64, most / 2), bytes = aligned_alloc(64, most / 4);
  if (!x || !y || !z || !half || !bytes) return 1;
  for (size_t i = 0; i < sizes[1]; i++) x[i] = (float)(i * 2654435761u % 8192) / 1024 - 4, y[i] = x[i] + 0.5f;
  memset(bytes, 7, most / 4);
  swk_convert_get(SWK_PLAIN, SWK_T_F32, SWK_T_F16)(x, half, sizes[1]);
  for (int s = 0; s < 2; s++) {
    n = sizes[s];
    printf("%zu KB a tensor, GB/s\n%-18s", n * 4 / 1024, "");
    for (int l = 0; l <= (int)swk_cpu_get()->level; l++) printf("%9s", swk_level_name((swk_level)l));
    printf("\n");
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++) {
      printf("%-18s", kernels[k].name);
      for (int l = 0; l <= (int)swk_cpu_get()->level; l++) {
        level = (swk_level)l;
        double best = 1e9;
        const double until = now() + 0.15;
        do {
          const double start = now();
          kernels[k].run();
          const double took = now() - start;
          best = took < best ? took : best;
        } while (now() < until);
        printf("%9.1f", (double)n * kernels[k].bytes / best * 1e-9);
      }
      printf("\n");
    }
  }
  return 0;
}
