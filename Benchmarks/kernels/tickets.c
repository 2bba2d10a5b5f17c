// Tickets against our own dense product of one row, whose weights come from memory, in one run on one core.
//
//   clang -O3 -ISources/CKernels/include Benchmarks/kernels/tickets.c Sources/CKernels/cpu.c \
//     Sources/CKernels/{gemm,tickets}/*.c -fno-math-errno -fno-trapping-math -lm -o tickets
//   ./tickets [k] [n]     SWIFTLET_CPU selects a level, SHORT=1 vectors rounded to 6 bits
//
// Weights [n][k]. Dense: float, packed, n * k * 4 bytes. Ticket: a random mask with signs of a seed. Both take turns;
// a figure is a ratio of least times. The sums of all rows are checked against the expanded weights first.
#define _GNU_SOURCE
#include "common.h"
#include "gemm.h"
#include "tickets.h"
#include <math.h>
#include <stdio.h>

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/// Nanoseconds in which 512 weights become floats, in cache.
static double expanding(const swk_ticket_table *kernels, const swk_ticket *t, size_t width, float *out) {
  double best = 1e9;
  for (int turn = 0; turn < 50; turn++) {
    double start = now();
    for (size_t j = 0; j + width <= 8 * width; j += width) kernels->panel(t, width, j, width, 0, 384, out);
    double each = (now() - start) * 1e9 / (8.0 * 384 * (double)width) * 512;
    if (each < best) best = each;
  }
  return best;
}

int main(int argc, char **argv) {
  size_t k = argc > 1 ? (size_t)atol(argv[1]) : 4096, n = argc > 2 ? (size_t)atol(argv[2]) : 16384;
  swk_level level = swk_cpu_get()->level;
  const swk_gemm_table *dense = swk_gemm_f32(level);
  const swk_ticket_table *kernels = getenv("SHORT") ? swk_ticket_s6(level) : swk_ticket_f32(level);
  if (!kernels) return 1;
  swk_ticket t = {.rows = n, .columns = k, .words = (k + 31) / 32, .coats = 1, .magnitudes = {0.5f}};
  t.masks = memory(swk_ticket_words(&t) * 4);
  swk_ticket_seed(&t, 7);
  size_t bytes = (n * k + 7) / 8;
  uint8_t *mask = memory(bytes + 8);
  for (size_t i = 0; i < bytes; i++) mask[i] = (uint8_t)random_bits();
  swk_ticket_pack(&t, &(swk_ticket_bits){.planes = mask, .bytes = bytes, .count = 1, .taps = 1}, 1, 0, n, t.masks);

  size_t kc = swk_gemm_block_k(k, dense->kc), padded = (n + dense->nr - 1) / dense->nr * dense->nr;
  float *packed = memory(padded * k * 4), *x = memory(k * 4), *y = memory((n + 64) * 4), *z = memory((n + 64) * 4);
  for (size_t i = 0; i < k; i++) x[i] = (float)(uniform() - 0.5);
  for (size_t k0 = 0; k0 < k; k0 += kc)
    for (size_t j = 0; j < n; j += dense->nr) {
      size_t depth = least(kc, k - k0);
      kernels->panel(&t, dense->nr, j, least(dense->nr, n - j), k0, depth, packed + k0 * padded + j * depth);
    }
  swk_gemm g = {.m = 1, .n = n, .k = k, .kc = kc, .mc = dense->mc, .nc = dense->nc, .ldc = n, .epilogue.alpha = 1};
  g.a = (swk_operand){.data = x, .type = SWK_F32, .stride = (ptrdiff_t)k, .k_stride = 1};
  g.b = (swk_operand){.packed = packed};
  g.c = z;
  void *scratch = memory(swk_gemm_scratch_bytes(dense, &g, 1, n));
  float *tables = memory(kernels->lookup * (t.words + 7) / 8 * 8 * 4);
  enum { TURNS = 25 };
  double times[3][TURNS];
  for (int i = 0; i < TURNS; i++) {
    double a = now();
    dense->region(&g, 0, 1, 0, n, scratch);
    double b = now();
    kernels->tables(x, 1, k, tables);
    double c = now();
    kernels->sums(&t, tables, 0, n, y);
    double d = now();
    times[0][i] = b - a, times[1][i] = c - b, times[2][i] = d - c;
  }
  double worst = 0, largest = 0;
  for (size_t i = 0; i < n; i++) worst = fmax(worst, fabs(y[i] - z[i])), largest = fmax(largest, fabs(z[i]));
  for (int i = 0; i < 3; i++) qsort(times[i], TURNS, sizeof(double), by_size);
  double work = (double)n * (double)k;
  printf("%s %zux%zu, difference %.1e of %.1f: dense %.1f GB/s, tables %.1f us, ticket %.1f weights/ns, %.2f times dense\n",
         swk_level_name(level), n, k, worst, largest, work * 4e-9 / times[0][0], times[1][0] * 1e6,
         work * 1e-9 / times[2][0], times[0][0] / (times[1][0] + times[2][0]));
  if (n >= 384 && k >= 384)
    printf("  512 weights expanded in %.0f ns (right operand), %.0f ns (left)\n",
           expanding(kernels, &t, dense->nr, packed), expanding(kernels, &t, dense->mr, packed));
  return worst > (getenv("SHORT") ? 5e-2 : 1e-3) * largest;
}
