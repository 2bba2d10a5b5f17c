// libFuzzer's entry; the target itself is Swift (Fuzz/model).
#include <stddef.h>
#include <stdint.h>

int swiftlet_fuzz_model(const uint8_t *data, ptrdiff_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return swiftlet_fuzz_model(data, (ptrdiff_t)size); }
