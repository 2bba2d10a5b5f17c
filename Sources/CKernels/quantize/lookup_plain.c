#define SWK_LEVEL_PLAIN
#include "../level.h"
#include "quantize.h"
#include "lookup.inc"
