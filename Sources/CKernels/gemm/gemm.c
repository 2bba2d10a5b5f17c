#include "gemm.h"
#include "cpu.h"

extern const swk_gemm_table swk_gemm_f32_plain, swk_gemm_f32_avx2, swk_gemm_f32_avx512;
extern const swk_gemm_table swk_gemm_f64_plain, swk_gemm_f64_avx2, swk_gemm_f64_avx512;

const swk_gemm_table *swk_gemm_f32(swk_level level) {
  if (level > swk_cpu_get()->level) return NULL;
#if defined(__x86_64__)
  if (level == SWK_AVX512) return &swk_gemm_f32_avx512;
  if (level == SWK_AVX2) return &swk_gemm_f32_avx2;
#endif
  return &swk_gemm_f32_plain;
}

const swk_gemm_table *swk_gemm_f64(swk_level level) {
  if (level > swk_cpu_get()->level) return NULL;
#if defined(__x86_64__)
  if (level == SWK_AVX512) return &swk_gemm_f64_avx512;
  if (level == SWK_AVX2) return &swk_gemm_f64_avx2;
#endif
  return &swk_gemm_f64_plain;
}

static size_t rounded(size_t x, size_t unit) { return (x + unit - 1) / unit * unit; }
static size_t least(size_t a, size_t b) { return a < b ? a : b; }

size_t swk_gemm_packed_count(size_t positions, size_t k, size_t width) { return rounded(positions, width) * k; }

size_t swk_gemm_block_k(size_t k, size_t largest) {
  size_t blocks = (k + largest - 1) / largest;
  return blocks <= 1 ? (k == 0 ? 1 : k) : rounded((k + blocks - 1) / blocks, 4);
}

size_t swk_gemm_scratch_bytes(const swk_gemm_table *table, const swk_gemm *g, size_t m, size_t n) {
  size_t size = table->type == SWK_F64 ? 8 : 4;
  size_t rows = rounded(least(m, g->mc), table->mr), columns = rounded(least(n, g->nc), table->nr);
  size_t kc = least(g->k, g->kc);
  size_t bytes = g->a.packed ? 0 : rounded(rows * kc * size, 64);
  if (!g->b.packed) bytes += rounded(columns * kc * size, 64);
  if (g->c_transposed && g->k > g->kc) bytes += rounded(rows * columns * size, 64);
  if (g->m == 1) bytes += rounded(g->k * size, 64) + rounded(columns * size, 64);
  return bytes;
}

void swk_gemm_prepack(const swk_gemm_table *table, const swk_operand *x, size_t width, size_t positions, size_t k,
                      size_t kc, void *out) {
  size_t size = table->type == SWK_F64 ? 8 : 4, padded = rounded(positions, width);
  for (size_t k0 = 0; k0 < k; k0 += kc)
    table->pack(x, width, 0, positions, k0, least(kc, k - k0), (char *)out + k0 * padded * size);
}
