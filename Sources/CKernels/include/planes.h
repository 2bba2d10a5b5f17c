#ifndef SWK_PLANES_H
#define SWK_PLANES_H
#include <stddef.h>
#include <stdint.h>
#include "cpu.h"

/// Embedded bit planes of floats, as docs/progressive-format.md specifies them. The planes of a weight w with exponent e
/// lie below its channel's top exponent E: it becomes significant at plane d = E - e, where its sign is sent, and takes
/// one bit of its mantissa from each later plane.

/// One step of a segment: planes [first, last).
typedef struct {
  uint32_t mantissa;      ///< bits of the type's mantissa, 1 to 52
  uint32_t exponent;      ///< bits of its exponent; mantissa + exponent + 1 is the type's width
  uint32_t significance;  ///< planes at which weights may become significant, 1 to SWK_PLANES_MOST
  uint32_t first, last;   ///< first < last <= significance + mantissa
} swk_planes_step;

/// Where the weights of a segment stand in their tensor, and the top exponent of each channel.
typedef struct {
  const uint16_t *top;  ///< the top exponent of each channel
  size_t channels;      ///< at least 1
  size_t inner;         ///< weights from one channel to the next, at least 1
  size_t start;         ///< index of the segment's first weight in the tensor
} swk_planes_channels;

enum {
  SWK_PLANES_MOST = 64,    ///< most significance planes
  SWK_PLANES_SCALE = 4096, ///< what the frequencies of a step's symbols add up to
  SWK_PLANES_LANES = 8,    ///< interleaved range coders of a step with many symbols
  SWK_PLANES_MANY = 2048,  ///< symbols from which on there are that many
  SWK_PLANES_PADDING = 16, ///< bytes of scratch that may be touched beyond what is needed
};

/// What can be wrong with a chunk.
typedef enum {
  SWK_PLANES_OK = 0,
  SWK_PLANES_SHORT = 1,        ///< it ends too early
  SWK_PLANES_FREQUENCIES = 2,  ///< the frequencies don't add up
  SWK_PLANES_SYMBOLS = 3,      ///< the coded symbols end in the wrong state
} swk_planes_status;

/// Refines n weights of 2, 4 or 8 bytes in place (at any address) with the chunk of one step. Before the first step they
/// are 0; steps follow each other without a gap. Afterwards each weight is the middle of the cell that it is known to
/// lie in, and 0 while it isn't significant. `symbols` is scratch of n + SWK_PLANES_PADDING bytes.
typedef swk_planes_status (*swk_planes_refine_fn)(const swk_planes_step *step, const swk_planes_channels *channels,
                                                  void *weights, size_t n, const uint8_t *chunk, size_t length,
                                                  uint8_t *symbols);
/// For weights of 2, 4 and 8 bytes; else NULL.
swk_planes_refine_fn swk_planes_refine_get(swk_level level, size_t width);

/// The plane at which each of n exact weights becomes significant, and `significance` for those that never do: zeros,
/// subnormal numbers, infinities, NaN, and what is too small.
void swk_planes_locate(const swk_planes_step *step, const swk_planes_channels *channels, const void *weights, size_t n,
                       uint8_t *planes);
/// Writes the chunk of one step of n exact weights, located at `planes`, to `chunk`, which has room for
/// swk_planes_bound(width, n) bytes, and returns its length. `symbols` is scratch of n bytes.
size_t swk_planes_encode(const swk_planes_step *step, const void *weights, const uint8_t *planes, size_t n,
                         uint8_t *chunk, uint8_t *symbols);
/// The most bytes that a chunk of n weights of `width` bytes can have.
size_t swk_planes_bound(size_t width, size_t n);

/// The other encoding: bytes, each by its frequency among the n of a segment, in a chunk of at most swk_bytes_bound(n).
enum { SWK_BYTES_ALPHABET = 256 };
size_t swk_bytes_bound(size_t n);
/// Writes the chunk of n bytes, and returns its length.
size_t swk_bytes_encode(const uint8_t *bytes, size_t n, uint8_t *chunk);
swk_planes_status swk_bytes_decode(const uint8_t *chunk, size_t length, uint8_t *bytes, size_t n);

/// CRC-32C (Castagnoli) of n bytes that follow bytes with the sum `crc`; 0 to begin with.
uint32_t swk_crc32c(uint32_t crc, const void *bytes, size_t n);
#endif
