/* Finds faces with an "ultra light" detector (RFB-320) and draws boxes around them. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/face.h"

static const char help[] =
    "usage: faces [--output FOLDER] [--score S] [--threads N] MODEL PICTURE...\n"
    "\n"
    "Finds the faces in each PICTURE (PNG, JPEG or PPM). Prints one a line, the surest first: score, left, top, right\n"
    "and bottom in pixels; and writes the picture with boxes around them to NAME-faces.png.\n"
    "\n"
    "  --output FOLDER  where the pictures with boxes go; without it, the current folder\n"
    "  --score S        the score, from 0 to 1, that a face has to exceed; default 0.7\n"
    "  --threads N      threads that a run may use; 0, the default: one for each processor\n"
    "  --help           prints this\n"
    "\n"
    "Exit status: 0 all pictures were searched, 1 something failed, 2 wrong usage.\n";

static int within(float value, int end) { return value <= 0 ? 0 : value >= (float)end ? end : (int)(value + 0.5f); }

static void fill(image *picture, float left, float top, float right, float bottom) {
  static const unsigned char green[] = {0, 255, 64};
  for (int y = within(top, picture->height); y < within(bottom, picture->height); y++)
    for (int x = within(left, picture->width); x < within(right, picture->width); x++)
      memcpy(picture->pixels + 3 * ((size_t)y * (size_t)picture->width + (size_t)x), green, 3);
}

/* A frame around the face, thicker in large pictures. */
static void draw(image *picture, const face *f) {
  int longer = picture->width > picture->height ? picture->width : picture->height;
  float line = longer < 800 ? 2 : (float)(longer / 400);
  fill(picture, f->left - line, f->top - line, f->right + line, f->top);
  fill(picture, f->left - line, f->bottom, f->right + line, f->bottom + line);
  fill(picture, f->left - line, f->top, f->left, f->bottom);
  fill(picture, f->right, f->top, f->right + line, f->bottom);
}

/* Searches one picture, prints its faces and writes it with boxes to `output`. */
static int search(const sample_model *model, const char *path, float least, const char *output) {
  static face faces[FACE_MOST];
  image picture;
  if (!image_load(&picture, path, 3)) return 0;
  double start = sample_ms();
  int count = face_find(model, &picture, least, faces), ok = count >= 0;
  if (ok) {
    printf("%s: %d %s (%.1f ms)\n", path, count, count == 1 ? "face" : "faces", sample_ms() - start);
    for (int i = 0; i < count; i++) {
      const face *f = &faces[i];
      printf("  %.3f  %4.0f %4.0f %4.0f %4.0f\n", f->score, f->left, f->top, f->right, f->bottom);
      draw(&picture, f);
    }
    ok = image_save(&picture, output);
    if (ok) printf("boxes drawn in %s\n", output);
  }
  image_free(&picture);
  return ok;
}

int main(int argc, char **argv) {
  const char *folder = ".", *score = "0.7";
  const sample_option options[] = {{"output", &folder}, {"score", &score}, {NULL, NULL}};
  int paths = sample_arguments(argc, argv, help, options, 2, INT_MAX), failures = 0;
  float least = (float)sample_number(score, "--score", 0, 1);
  sample_model model;
  if (!sample_open(&model, argv[1])) return SAMPLE_FAILED;
  printf("%s opened in %.1f ms\n", argv[1], model.ms);
  for (int i = 2; i <= paths; i++) {
    char *output = sample_path_in(folder, argv[i], "-faces.png");
    failures += !output || !search(&model, argv[i], least, output);
    free(output);
  }
  sample_close(&model);
  return failures ? SAMPLE_FAILED : SAMPLE_OK;
}
