// Nothing to include: see include/swiftlet.h.
