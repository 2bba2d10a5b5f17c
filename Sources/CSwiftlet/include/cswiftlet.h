// The public header as a module for Swift (a C target, so that Swift rebuilds when the header changes).
#include "../../../include/swiftlet.h"
