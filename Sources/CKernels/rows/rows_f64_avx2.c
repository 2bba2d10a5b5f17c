#define SWK_LEVEL_AVX2
#include "../level.h"
#include "rows.h"
#if defined(__x86_64__)
SWK_LEVEL_BEGIN
#include "rows_f64.inc"
SWK_LEVEL_END
#endif
