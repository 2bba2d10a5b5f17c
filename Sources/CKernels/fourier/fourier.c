#include "../include/fourier.h"
#include <string.h>

// Every product and every sum is rounded by itself, whatever the processor: results don't depend on it.
#pragma STDC FP_CONTRACT OFF

#define T float
#define NAME(x) x##_f32
#include "fourier.inc"
#undef T
#undef NAME

#define T double
#define NAME(x) x##_f64
#include "fourier.inc"

void swk_fourier_run(const swk_fourier *f, bool inverse, void *x, void *scratch) {
  if (f->type == SWK_T_F32) {
    fourier_run_f32(f, inverse, x, scratch);
  } else {
    fourier_run_f64(f, inverse, x, scratch);
  }
}
