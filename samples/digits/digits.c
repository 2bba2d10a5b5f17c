/* Reads handwritten digits: prints each picture as text with the answer beside it. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "../common/image.h"
#include "../common/sample.h"

enum { SIDE = 8, PIXELS = SIDE * SIDE, DIGITS = 10 };

static const char help[] =
    "usage: digits [--threads N] MODEL PICTURE...\n"
    "\n"
    "Tells which digit each PICTURE (PNG, JPEG or PGM) shows: dark ink on light paper, or light on dark. Pictures of\n"
    "8x8 pixels are taken as they are; others are cut to the ink and made 8x8.\n"
    "\n"
    "  --threads N  threads that a run may use; 0, the default: one for each processor\n"
    "  --help       prints this\n"
    "\n"
    "Exit status: 0 all were read, 1 something failed, 2 wrong usage.\n"
    "Example: digits samples/digits/model.onnx samples/digits/images/*.png\n";

/* Turns grey values into ink, 0 (paper) to 255: the border tells which is paper. */
static void grey_to_ink(image *picture) {
  long sum = 0, count = 0;
  for (int y = 0; y < picture->height; y++)
    for (int x = 0; x < picture->width; x++)
      if (x == 0 || y == 0 || x == picture->width - 1 || y == picture->height - 1) {
        sum += picture->pixels[y * picture->width + x];
        count++;
      }
  if (sum <= 127 * count) return;
  for (int i = 0; i < picture->width * picture->height; i++)
    picture->pixels[i] = (unsigned char)(255 - picture->pixels[i]);
}

static int darkest(const image *ink) {
  int result = 0;
  for (int i = 0; i < ink->width * ink->height; i++) result = ink->pixels[i] > result ? ink->pixels[i] : result;
  return result;
}

/* The smallest square around the ink, which is what has a quarter of the darkest ink or more; the ink in its middle. */
static int cut(image *square, const image *ink) {
  int left = ink->width, right = -1, top = ink->height, bottom = -1, least = (darkest(ink) + 3) / 4;
  for (int y = 0; y < ink->height; y++)
    for (int x = 0; x < ink->width; x++)
      if (ink->pixels[y * ink->width + x] >= least) {
        left = x < left ? x : left;
        right = x > right ? x : right;
        top = y < top ? y : top;
        bottom = y > bottom ? y : bottom;
      }
  int width = right - left + 1, height = bottom - top + 1, side = width > height ? width : height;
  if (!image_create(square, side, side, 1, 0)) return 0;
  for (int y = 0; y < height; y++)
    memcpy(square->pixels + (y + (side - height) / 2) * side + (side - width) / 2,
           ink->pixels + (top + y) * ink->width + left, (size_t)width);
  return 1;
}

/* Makes a picture of any size 8x8, with the darkest ink at 255. */
static int fit(image *ink) {
  image square, small;
  if (!cut(&square, ink)) return 0;
  int ok = image_resize(&small, &square, SIDE, SIDE);
  image_free(&square);
  if (!ok) return 0;
  image_free(ink);
  *ink = small;
  int most = darkest(ink);
  for (int i = 0; most > 0 && i < PIXELS; i++) ink->pixels[i] = (unsigned char)(ink->pixels[i] * 255 / most);
  return 1;
}

/* The picture at `path` as the model wants it: 8x8, ink from 0 to 1. */
static int load(const char *path, float *ink) {
  image picture;
  if (!image_load(&picture, path, 1)) return 0;
  grey_to_ink(&picture);
  int ok = (picture.width == SIDE && picture.height == SIDE) || fit(&picture);
  if (ok) image_to_planes(&picture, (const int[]){0}, (const float[]){0}, 1.0f / 255, ink);
  image_free(&picture);
  return ok;
}

/* Probabilities of the ten digits. */
static int classify(const sample_model *model, const float *ink, float *probabilities) {
  swl_value *output;
  if (!sample_run(model, ink, PIXELS, (const int64_t[]){1, 1, SIDE, SIDE}, 4, &output, 1)) return 0;
  int ok = sample_floats(output, probabilities, DIGITS);
  swl_value_free(output);
  return ok;
}

static void print(const char *name, const float *ink, int digit, float probability, double ms) {
  static const char shades[] = " .:-=+*#%@";
  for (int y = 0; y < SIDE; y++) {
    fputs("    ", stdout);
    for (int x = 0; x < SIDE; x++) {
      char shade = shades[(int)(ink[y * SIDE + x] * 9.99f)];
      putchar(shade);
      putchar(shade);
    }
    if (y == 2) printf("    %s", name);
    if (y == 3) printf("    reads %d, probability %.4f", digit, probability);
    if (y == 4) printf("    %.3f ms", ms);
    putchar('\n');
  }
  putchar('\n');
}

int main(int argc, char **argv) {
  int paths = sample_arguments(argc, argv, help, NULL, 2, INT_MAX), read = 0;
  double total = 0;
  sample_model model;
  if (!sample_open(&model, argv[1])) return SAMPLE_FAILED;
  for (int i = 2; i <= paths; i++) {
    float ink[PIXELS], probabilities[DIGITS];
    if (!load(argv[i], ink)) continue;
    double start = sample_ms();
    if (!classify(&model, ink, probabilities)) break;
    double ms = sample_ms() - start;
    int best = 0;
    for (int digit = 1; digit < DIGITS; digit++)
      if (probabilities[digit] > probabilities[best]) best = digit;
    print(sample_file_name(argv[i]), ink, best, probabilities[best], ms);
    total += ms;
    read++;
  }
  printf("%d of %d digits read in %.2f ms; the model was opened in %.2f ms\n", read, paths - 1, total, model.ms);
  sample_close(&model);
  return read == paths - 1 ? SAMPLE_OK : SAMPLE_FAILED;
}
