#include "attention.h"
#include "../tables.h"

SWK_DECLARE_LEVELS(const swk_attention, swk_attention, [1])

const swk_attention *swk_attention_get(swk_level level) { return SWK_SELECT3(level, swk_attention); }
