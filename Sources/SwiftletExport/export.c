// Link-only target: the version script and the static Swift runtime of libswiftlet.so.
#include "swiftlet_export.h"

#include <stddef.h>
#include <stdint.h>

// These take the place (--wrap) of tables of the Swift runtime, more than half a megabyte that nothing here asks for: the
// names of all Unicode characters, the versions of Unicode that they came with, their scripts.
intptr_t __wrap__swift_stdlib_getScalarName(uint32_t scalar, uint8_t *buffer, intptr_t capacity) {
  (void)scalar, (void)buffer, (void)capacity;
  return 0;  // none
}
uint16_t __wrap__swift_stdlib_getAge(uint32_t scalar) {
  (void)scalar;
  return UINT16_MAX;  // none
}
uint8_t __wrap__swift_stdlib_getScript(uint32_t scalar) {
  (void)scalar;
  return UINT8_MAX;
}
const uint8_t *__wrap__swift_stdlib_getScriptExtensions(uint32_t scalar, uint8_t *count) {
  (void)scalar;
  *count = 0;
  return NULL;
}
