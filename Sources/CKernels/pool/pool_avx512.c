#if defined(__x86_64__)
#define SWK_LEVEL_AVX512
#include "../level.h"
#include "pool.h"
SWK_LEVEL_BEGIN
#define T float
#define TYPED(x) x##_f32
#define LOWEST (-INFINITY)
#define IS_REAL 1
#include "pool.inc"
#define T double
#define TYPED(x) x##_f64
#define LOWEST (-INFINITY)
#define IS_REAL 1
#include "pool.inc"
#define T int8_t
#define TYPED(x) x##_s8
#define LOWEST INT8_MIN
#define IS_REAL 0
#include "pool.inc"
#define T uint8_t
#define TYPED(x) x##_u8
#define LOWEST 0
#define IS_REAL 0
#include "pool.inc"
SWK_LEVEL_END
#endif
