/* Paints a photo in the style that a network has learnt, such as the mosaic-like "candy". */
#include <stdio.h>
#include <stdlib.h>

#include "../common/image.h"
#include "../common/sample.h"

enum { SIDE = 720 };

static const char help[] =
    "usage: style [--threads N] MODEL PHOTO [PAINTING.png]\n"
    "\n"
    "Paints PHOTO (PNG, JPEG or PPM) and writes the painting; without a name for it, to NAME-painted.png in the\n"
    "current folder. The model works on squares of 720x720 pixels: the photo is made one, and the painting gets its\n"
    "proportions back, with 720 pixels on the longer side.\n"
    "\n"
    "  --threads N  threads that a run may use; 0, the default: one for each processor\n"
    "  --help       prints this\n"
    "\n"
    "Exit status: 0 painted, 1 something failed, 2 wrong usage.\n";

/* Paints the square in place. The model takes and gives blue, green, red. */
static int paint(const sample_model *model, image *square) {
  static const int bgr[] = {2, 1, 0};
  static const float mean[] = {0, 0, 0};
  static float planes[3 * SIDE * SIDE];
  swl_value *output;
  image_to_planes(square, bgr, mean, 1, planes);
  if (!sample_run(model, planes, 3 * SIDE * SIDE, (const int64_t[]){1, 3, SIDE, SIDE}, 4, &output, 1)) return 0;
  int ok = sample_floats(output, planes, 3 * SIDE * SIDE);
  swl_value_free(output);
  if (ok) image_from_planes(square, bgr, planes);
  return ok;
}

/* 720 for the longer of the two sides, and for the other what keeps the proportions. */
static int scaled(int side, int longer) {
  int result = (int)((double)SIDE * side / longer + 0.5);
  return result < 1 ? 1 : result;
}

static int convert(const sample_model *model, const char *photo_path, const char *painting_path) {
  image photo, square = {0}, painting = {0};
  if (!image_load(&photo, photo_path, 3)) return 0;
  int longer = photo.width > photo.height ? photo.width : photo.height, ok = 0;
  if (image_resize(&square, &photo, SIDE, SIDE)) {
    double start = sample_ms();
    ok = paint(model, &square);
    double ms = sample_ms() - start;
    ok = ok && image_resize(&painting, &square, scaled(photo.width, longer), scaled(photo.height, longer)) &&
         image_save(&painting, painting_path);
    if (ok) printf("%s painted in %.0f ms: %s\n", photo_path, ms, painting_path);
  }
  image_free(&painting);
  image_free(&square);
  image_free(&photo);
  return ok;
}

int main(int argc, char **argv) {
  int paths = sample_arguments(argc, argv, help, NULL, 2, 3);
  char *output = paths == 3 ? NULL : sample_path_in(".", argv[2], "-painted.png");
  sample_model model;
  if ((paths == 2 && !output) || !sample_open(&model, argv[1])) return SAMPLE_FAILED;
  printf("%s opened in %.1f ms\n", argv[1], model.ms);
  int ok = convert(&model, argv[2], paths == 3 ? argv[3] : output);
  sample_close(&model);
  free(output);
  return ok ? SAMPLE_OK : SAMPLE_FAILED;
}
