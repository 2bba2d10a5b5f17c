// libFuzzer's entry; the target itself is Swift (Fuzz/container).
#include <stddef.h>
#include <stdint.h>

int swiftlet_fuzz_container(const uint8_t *data, ptrdiff_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return swiftlet_fuzz_container(data, (ptrdiff_t)size); }
