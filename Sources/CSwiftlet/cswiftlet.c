#include "cswiftlet.h"
