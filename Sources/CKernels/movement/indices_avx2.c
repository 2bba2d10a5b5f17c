#define SWK_LEVEL_AVX2
#include "../level.h"
#include "movement.h"
#if defined(__x86_64__)
SWK_LEVEL_BEGIN
#include "indices.inc"
SWK_LEVEL_END
#endif
