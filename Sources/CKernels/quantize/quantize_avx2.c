#define SWK_LEVEL_AVX2
#include "../level.h"
#include "table.h"
#if defined(__x86_64__)
SWK_LEVEL_BEGIN
#include "round.inc"
#include "arithmetic.inc"
#include "quantize.inc"
SWK_LEVEL_END
#endif
