#ifndef SWK_LZ4_H
#define SWK_LZ4_H
#include <stddef.h>
#include <stdint.h>

/// LZ4's block format (https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md).

/// Decompresses a block that gives exactly n bytes. Returns 0, or -1 for a damaged one; `out` may be partly written then.
int swk_lz4_decompress(const uint8_t *block, size_t length, uint8_t *out, size_t n);
/// Compresses n bytes, fewer than 2^31, into at most `room` bytes and returns their number; 0 if they aren't enough.
/// `table` is scratch of SWK_LZ4_TABLE entries.
size_t swk_lz4_compress(const uint8_t *bytes, size_t n, uint8_t *block, size_t room, uint32_t *table);
enum { SWK_LZ4_TABLE = (1 << 16) + (1 << 16) };
#endif
