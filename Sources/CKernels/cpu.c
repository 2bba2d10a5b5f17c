#include "cpu.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static swk_cpu cpu;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void read_cpu(void) {
  swk_level has = SWK_PLAIN;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") &&
      __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2"))
    has = SWK_AVX2;
  if (has == SWK_AVX2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd"))
    has = SWK_AVX512;
#endif
  const char *wish = getenv("SWIFTLET_CPU");
  swk_level cap = has;
  if (wish && strcmp(wish, "plain") == 0) cap = SWK_PLAIN;
  if (wish && strcmp(wish, "avx2") == 0) cap = SWK_AVX2;
  cpu.level = cap < has ? cap : has;
#if defined(__x86_64__)
  cpu.avx512_vnni = cpu.level == SWK_AVX512 && __builtin_cpu_supports("avx512vnni");
  cpu.avx512_vbmi = cpu.level == SWK_AVX512 && __builtin_cpu_supports("avx512vbmi");
  cpu.avx_vnni = cpu.level >= SWK_AVX2 && __builtin_cpu_supports("avxvnni");
  cpu.gfni = cpu.level >= SWK_AVX2 && __builtin_cpu_supports("gfni");
#endif
}

const swk_cpu *swk_cpu_get(void) {
  pthread_once(&once, read_cpu);
  return &cpu;
}

const char *swk_level_name(swk_level level) {
  return level == SWK_AVX512 ? "avx512" : level == SWK_AVX2 ? "avx2" : "plain";
}
