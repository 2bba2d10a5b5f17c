#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "sparse.h"
#define T float
#define T_IS_f32 1
SWK_LEVEL_BEGIN
#include "sparse.inc"
SWK_LEVEL_END
