// Link-only target: the version script and the static Swift runtime of libswiftlet.so.
#include "swiftlet_export.h"

#include <stdint.h>

// Takes the place (--wrap) of the Swift runtime's table of the names of all Unicode characters, half a megabyte that
// nothing here asks for: a character has no name.
intptr_t __wrap__swift_stdlib_getScalarName(uint32_t scalar, uint8_t *buffer, intptr_t capacity) {
  (void)scalar, (void)buffer, (void)capacity;
  return 0;
}
