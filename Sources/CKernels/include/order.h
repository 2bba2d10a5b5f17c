#ifndef SWK_ORDER_H
#define SWK_ORDER_H
#include <stddef.h>
#include <stdint.h>
#include "cpu.h"
#include "types.h"

/// out[i] = the integer that stands for x[i * step] in the order of the type, with its bits flipped by `flip` (0, or -1
/// for the reverse order), for i < n. NaN comes last and equals NaN, the two zeros are equal.
typedef void (*swk_order_keys_fn)(const void *x, ptrdiff_t step, size_t n, int64_t flip, int64_t *out);
/// For F32, F64, BOOL and integers of 8 to 64 bits; NULL for other types.
swk_order_keys_fn swk_order_keys_get(swk_level level, swk_element_type type);

/// The position of the first of n keys that is greater than `least`; n if none is.
typedef size_t (*swk_above_fn)(const int64_t *keys, size_t n, int64_t least);
swk_above_fn swk_above_get(swk_level level);
#endif
