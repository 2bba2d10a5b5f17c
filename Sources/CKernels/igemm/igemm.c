#include "igemm.h"

extern const swk_gemm_table swk_gemm_s32_plain, swk_gemm_s32_avx2, swk_gemm_s32_avx512;
extern const swk_gemm_table swk_gemm_s32_vnni_avx2, swk_gemm_s32_vnni_avx512;
extern const swk_pairs_table swk_pairs_plain, swk_pairs_avx2, swk_pairs_avx512;
extern const swk_matmul_table swk_matmul_plain, swk_matmul_avx2, swk_matmul_avx512;

const swk_gemm_table *swk_gemm_s32(swk_level level, bool vnni) {
  const swk_cpu *cpu = swk_cpu_get();
  if (level > cpu->level) return NULL;
#if defined(__x86_64__)
  if (level == SWK_AVX512) {
    if (!vnni) return &swk_gemm_s32_avx512;
    return cpu->avx512_vnni ? &swk_gemm_s32_vnni_avx512 : NULL;
  }
  if (level == SWK_AVX2) {
    if (!vnni) return &swk_gemm_s32_avx2;
    return cpu->avx_vnni ? &swk_gemm_s32_vnni_avx2 : NULL;
  }
#endif
  return vnni ? NULL : &swk_gemm_s32_plain;
}

const swk_matmul_table *swk_matmul_integers(swk_level level) {
  if (level > swk_cpu_get()->level) return NULL;
#if defined(__x86_64__)
  if (level == SWK_AVX512) return &swk_matmul_avx512;
  if (level == SWK_AVX2) return &swk_matmul_avx2;
#endif
  return &swk_matmul_plain;
}

const swk_pairs_table *swk_pairs(swk_level level) {
  if (level > swk_cpu_get()->level) return NULL;
#if defined(__x86_64__)
  if (level == SWK_AVX512) return &swk_pairs_avx512;
  if (level == SWK_AVX2) return &swk_pairs_avx2;
#endif
  return &swk_pairs_plain;
}
