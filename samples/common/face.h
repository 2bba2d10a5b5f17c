/* Faces in pictures, by the "ultra light" detector RFB-320. */
#ifndef FACE_H
#define FACE_H

#include "image.h"
#include "sample.h"

enum { FACE_MOST = 4420 };

/* Pixels of the picture. */
typedef struct {
  float score, left, top, right, bottom;
} face;

/* Finds the faces of a picture of 3 channels whose score exceeds `least` and that don't overlap surer ones. Writes them
 * to `faces`, which has room for FACE_MOST, the surest first. Returns their number; -1, and tells why, if it can't. */
int face_find(const sample_model *model, const image *picture, float least, face *faces);

#endif
