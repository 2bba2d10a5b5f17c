#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "reduce.h"
SWK_LEVEL_BEGIN
#include "cumulate.inc"
SWK_LEVEL_END
