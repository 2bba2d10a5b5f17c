#define SWK_LEVEL_AVX2
#include "../level.h"
#include "unary.h"
#if defined(__x86_64__)
SWK_LEVEL_BEGIN
#include "unary.inc"
SWK_LEVEL_END
#endif
