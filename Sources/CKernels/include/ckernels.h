// One line per kernel family.
#ifndef SWK_CKERNELS_H
#define SWK_CKERNELS_H
#include "binary.h"
#include "cast.h"
#include "cpu.h"
#include "conv.h"
#include "forest.h"
#include "fourier.h"
#include "gemm.h"
#include "igemm.h"
#include "lz4.h"
#include "planes.h"
#include "nbits.h"
#include "pool.h"
#include "movement.h"
#include "reduce.h"
#include "resample.h"
#include "quantize.h"
#include "rows.h"
#include "sparse.h"
#include "types.h"
#include "unary.h"
#endif
