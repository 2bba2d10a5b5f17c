/* Names what a photo shows: a classifier of the thousand ImageNet classes, such as SqueezeNet. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/image.h"
#include "../common/sample.h"

enum { SHORTER_SIDE = 256, SIDE = 224, CLASSES = 1000, TOP = 5 };

static const char help[] =
    "usage: classify [--labels FILE] [--threads N] MODEL PICTURE...\n"
    "\n"
    "Prints the five classes that MODEL finds most probable for each PICTURE (PNG, JPEG or PPM), with probabilities.\n"
    "The picture's shorter side is made 256 pixels, and the 224x224 in the middle go in as blue, green, red minus\n"
    "their means, as float or float16 as the model wants.\n"
    "\n"
    "  --labels FILE  names of the classes, one a line; without it, labels.txt beside the model\n"
    "  --threads N    threads that a run may use; 0, the default: one for each processor\n"
    "  --help         prints this\n"
    "\n"
    "Exit status: 0 all were classified, 1 something failed, 2 wrong usage.\n";

/* Reads one label a line. Returns 0, and tells why, if there are too few. */
static int load_labels(const char *path, char **labels) {
  FILE *file = fopen(path, "r");
  int count = 0;
  if (!file) return sample_message("%s: %s", path, strerror(errno)), 0;
  for (size_t capacity = 0; count < CLASSES && getline(&labels[count], &capacity, file) >= 0; capacity = 0, count++)
    labels[count][strcspn(labels[count], "\r\n")] = '\0';
  fclose(file);
  if (count < CLASSES) sample_message("%s: %d labels, where %d are needed", path, count, CLASSES);
  return count == CLASSES;
}

/* The picture at `path` as the model wants it. */
static int load(const char *path, float *planes) {
  static const int bgr[] = {2, 1, 0};
  static const float mean[] = {103.94f, 116.78f, 123.68f};
  image picture, small = {0}, middle;
  if (!image_load(&picture, path, 3)) return 0;
  double scale = (double)SHORTER_SIDE / (picture.width < picture.height ? picture.width : picture.height);
  int width = (int)(picture.width * scale + 0.5), height = (int)(picture.height * scale + 0.5);
  int ok = image_resize(&small, &picture, width, height) &&
           image_crop(&middle, &small, (width - SIDE) / 2, (height - SIDE) / 2, SIDE, SIDE);
  if (ok) {
    image_to_planes(&middle, bgr, mean, 1, planes);
    image_free(&middle);
  }
  image_free(&small);
  image_free(&picture);
  return ok;
}

static int classify(const sample_model *model, const float *planes, float *probabilities) {
  swl_value *output;
  if (!sample_run(model, planes, 3 * SIDE * SIDE, (const int64_t[]){1, 3, SIDE, SIDE}, 4, &output, 1)) return 0;
  int ok = sample_floats(output, probabilities, CLASSES);
  swl_value_free(output);
  return ok;
}

/* Prints the most probable classes; uses up `probabilities`. */
static void print_top(float *probabilities, char **labels) {
  for (int line = 0; line < TOP; line++) {
    int best = 0;
    for (int i = 1; i < CLASSES; i++)
      if (probabilities[i] > probabilities[best]) best = i;
    printf("  %.4f  %s\n", probabilities[best], labels[best]);
    probabilities[best] = -1;
  }
}

/* Classifies one picture; prints what came out and how long it took. */
static int show(const sample_model *model, char **labels, const char *path) {
  static float planes[3 * SIDE * SIDE], probabilities[CLASSES];
  double start = sample_ms();
  if (!load(path, planes)) return 0;
  double loaded = sample_ms();
  if (!classify(model, planes, probabilities)) return 0;
  printf("%s  (%.1f ms; reading it took %.1f ms)\n", path, sample_ms() - loaded, loaded - start);
  print_top(probabilities, labels);
  return 1;
}

int main(int argc, char **argv) {
  static char *labels[CLASSES];
  char *beside = NULL;
  const char *labels_path = NULL;
  const sample_option options[] = {{"labels", &labels_path}, {NULL, NULL}};
  int paths = sample_arguments(argc, argv, help, options, 2, INT_MAX), failures = 0;
  if (!labels_path) labels_path = beside = sample_path_beside(argv[1], "labels.txt");
  sample_model model;
  if (!labels_path || !load_labels(labels_path, labels) || !sample_open(&model, argv[1])) return SAMPLE_FAILED;
  printf("%s opened in %.1f ms\n", argv[1], model.ms);
  for (int i = 2; i <= paths; i++) failures += !show(&model, labels, argv[i]);
  sample_close(&model);
  for (int i = 0; i < CLASSES; i++) free(labels[i]);
  free(beside);
  return failures ? SAMPLE_FAILED : SAMPLE_OK;
}
