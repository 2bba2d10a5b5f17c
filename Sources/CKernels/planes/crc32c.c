#include <pthread.h>
#include <string.h>
#include "planes.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

static uint32_t table[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
    table[i] = c;
  }
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const uint8_t *p, size_t n) {
  uint64_t c = crc;
  for (; n >= 8; n -= 8, p += 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    c = _mm_crc32_u64(c, word);
  }
  for (; n > 0; n--) c = _mm_crc32_u8((uint32_t)c, *p++);
  return (uint32_t)c;
}
#endif

uint32_t swk_crc32c(uint32_t crc, const void *bytes, size_t n) {
  const uint8_t *p = bytes;
  crc = ~crc;
#if defined(__x86_64__)
  if (swk_cpu_get()->level >= SWK_AVX2) return ~by_instruction(crc, p, n);
#endif
  pthread_once(&once, fill);
  for (; n > 0; n--) crc = crc >> 8 ^ table[(crc ^ *p++) & 255];
  return ~crc;
}
