#define SWK_LEVEL_AVX2
#include "../level.h"
#include "binary.h"
#if defined(__x86_64__)
SWK_LEVEL_BEGIN
#include "binary.inc"
SWK_LEVEL_END
#endif
