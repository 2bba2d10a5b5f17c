#ifndef SWK_NARROW_H
#define SWK_NARROW_H
#include "cast.h"
bool swk_narrow_encode(swk_element_type to, const void *src, void *dst, size_t n, const swk_cast_options *options);
bool swk_narrow_decode(swk_element_type from, const void *src, void *dst, size_t n);
void swk_unpack(const uint8_t *src, uint8_t *dst, size_t n, int bits, bool sign);
void swk_pack(const uint8_t *src, uint8_t *dst, size_t n, int bits);
#endif
