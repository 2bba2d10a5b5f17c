#ifndef SWK_CPU_H
#define SWK_CPU_H
#include <stdbool.h>

/// The instruction levels for which every kernel exists. Each level contains the ones before it.
typedef enum { SWK_PLAIN = 0, SWK_AVX2 = 1, SWK_AVX512 = 2 } swk_level;

/// What this processor has beyond its level; kernels that need more than the level ask here.
typedef struct {
  swk_level level;
  bool avx512_vnni;  ///< vpdpbusd on zmm
  bool avx512_vbmi;  ///< vpermb
  bool avx_vnni;     ///< vpdpbusd on ymm (VEX)
  bool gfni;
} swk_cpu;

/// The processor's features, read once, capped by the environment variable SWIFTLET_CPU (plain, avx2, avx512).
/// A level that the processor doesn't have is ignored. The one place that reads the CPU.
const swk_cpu *swk_cpu_get(void);

/// "plain", "avx2" or "avx512".
const char *swk_level_name(swk_level level);
#endif
