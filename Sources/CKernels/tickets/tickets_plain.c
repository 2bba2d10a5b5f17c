#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "gemm.h"
#include "tickets.h"
#define T float
#define T_IS_f32 1
SWK_LEVEL_BEGIN
#include "tickets.inc"
SWK_LEVEL_END
