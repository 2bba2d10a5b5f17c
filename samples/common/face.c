#include "face.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 320, HEIGHT = 240, BOXES = FACE_MOST };
static const float most_overlap = 0.3f;

/* What goes into the model and comes out: scores of background and face, and corners as fractions. */
typedef struct {
  float planes[3 * HEIGHT * WIDTH], scores[2 * BOXES], corners[4 * BOXES];
} values;

static int surer(const void *a, const void *b) {
  float x = ((const face *)a)->score, y = ((const face *)b)->score;
  return (x < y) - (x > y);
}

/* Intersection over union. */
static float overlap(const face *a, const face *b) {
  float left = a->left > b->left ? a->left : b->left, right = a->right < b->right ? a->right : b->right;
  float top = a->top > b->top ? a->top : b->top, bottom = a->bottom < b->bottom ? a->bottom : b->bottom;
  if (right <= left || bottom <= top) return 0;
  float both = (right - left) * (bottom - top);
  return both / ((a->right - a->left) * (a->bottom - a->top) + (b->right - b->left) * (b->bottom - b->top) - both);
}

static int detect(const sample_model *model, const image *picture, values *v) {
  static const int rgb[] = {0, 1, 2};
  static const float mean[] = {127, 127, 127};
  image small;
  swl_value *outputs[2];
  if (!image_resize(&small, picture, WIDTH, HEIGHT)) return 0;
  image_to_planes(&small, rgb, mean, 1.0f / 128, v->planes);
  image_free(&small);
  const int64_t shape[] = {1, 3, HEIGHT, WIDTH};
  if (!sample_run(model, v->planes, 3 * HEIGHT * WIDTH, shape, 4, outputs, 2)) return 0;
  int ok = sample_floats(outputs[0], v->scores, 2 * BOXES) && sample_floats(outputs[1], v->corners, 4 * BOXES);
  for (int i = 0; i < 2; i++) swl_value_free(outputs[i]);
  return ok;
}

static int decode(const values *v, float least, float width, float height, face *faces) {
  int candidates = 0, count = 0;
  for (int i = 0; i < BOXES; i++) {
    const float score = v->scores[2 * i + 1], *c = v->corners + 4 * i;
    if (score > least) faces[candidates++] = (face){score, c[0] * width, c[1] * height, c[2] * width, c[3] * height};
  }
  qsort(faces, (size_t)candidates, sizeof *faces, surer);
  for (int i = 0; i < candidates; i++) {
    int kept = 1;
    for (int j = 0; j < count && kept; j++) kept = overlap(&faces[i], &faces[j]) <= most_overlap;
    if (kept) faces[count++] = faces[i];
  }
  return count;
}

int face_find(const sample_model *model, const image *picture, float least, face *faces) {
  values *v = malloc(sizeof *v);
  if (!v) sample_message("%s", strerror(ENOMEM));
  int ok = v && detect(model, picture, v);
  int count = ok ? decode(v, least, (float)picture->width, (float)picture->height, faces) : -1;
  free(v);
  return count;
}
