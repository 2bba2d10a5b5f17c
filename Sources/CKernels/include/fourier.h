#ifndef SWK_FOURIER_H
#define SWK_FOURIER_H
#include <stdbool.h>
#include <stddef.h>
#include "types.h"

/// One pass of a transform of groups * radix * run complex numbers. A complex number is two elements.
typedef struct {
  size_t radix;   ///< 2, 4, 8 or odd
  size_t groups;  ///< the product of the radices before
  size_t run;     ///< the product of the radices after
  /// [radix - 1, run - 1]: e^(-2 pi i j k / (radix * run)) for j = 1..., k = 1...
  const void *twiddles;
  /// [radix]: e^(-2 pi i j / radix)
  const void *roots;
} swk_fourier_pass;

/// Transforms of one length and type (F32 or F64).
typedef struct {
  swk_element_type type;
  size_t length;
  const swk_fourier_pass *passes;
  size_t count;
  /// Bluestein's algorithm: the passes are those of `padded` >= 2 length - 1 numbers. NULL: they are those of `length`.
  const void *chirp;   ///< [length]: e^(-pi i k^2 / length)
  const void *filter;  ///< [padded]: the transform of the conjugate chirp and its mirror image, divided by padded
  size_t padded;
} swk_fourier;

/// Transforms x in place, unscaled. scratch: complex numbers, `length` of them (2 padded for Bluestein's algorithm) and
/// the greatest radix.
void swk_fourier_run(const swk_fourier *f, bool inverse, void *x, void *scratch);
#endif
