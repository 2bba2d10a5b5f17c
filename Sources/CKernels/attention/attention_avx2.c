#if defined(__x86_64__)
#define SWK_LEVEL_AVX2
#include "../level.h"
#include "attention.h"
SWK_LEVEL_BEGIN
#include "attention.inc"
SWK_LEVEL_END
#endif
