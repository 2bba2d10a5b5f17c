/* Draws handwritten digits with a network whose weights were never trained, and has a classifier read them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../common/image.h"
#include "../common/sample.h"

enum { SIDE = 8, PIXELS = SIDE * SIDE, DIGITS = 10, NOISE = 16, ZOOM = 4, FRAME = 4, MOST_COLUMNS = 1000 };

static const char help[] =
    "usage: ticket-generator [--columns N] [--seed N] [--judge CLASSIFIER] [--threads N] MODEL SHEET.png\n"
    "\n"
    "Draws digits with MODEL, a row of SHEET.png for each digit. Made for samples/ticket-generator/model.onnx.\n"
    "\n"
    "  --columns N         how many of each digit; 20 by default\n"
    "  --seed N            of the noise that makes each look different; 1 by default\n"
    "  --judge CLASSIFIER  have this model read them, such as samples/digits/model.onnx, and tell how many it knows\n"
    "  --threads N         threads that a run may use; 0, the default: one for each processor\n"
    "  --help              prints this\n"
    "\n"
    "Exit status: 0 all went well, 1 something failed, 2 wrong usage.\n"
    "Example: ticket-generator --judge samples/digits/model.onnx samples/ticket-generator/model.onnx sheet.png\n";

/* Numbers from 0 to 1, neither included: "splitmix64" of Sebastiano Vigna (public domain). */
static double uniform(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return ((double)((z ^ (z >> 31)) >> 12) + 0.5) * 0x1p-52;
}

/* Numbers of the standard normal distribution (Box and Muller). */
static void fill_with_noise(float *values, size_t count, uint64_t seed) {
  for (size_t i = 0; i < count; i++) {
    double radius = sqrt(-2 * log(uniform(&seed)));
    values[i] = (float)(radius * cos(2 * 3.14159265358979323846 * uniform(&seed)));
  }
}

/* Draws `columns` of each digit, those of one digit after each other: ink of PIXELS floats each, 0 (paper) to 1. */
static int draw(const sample_model *model, size_t columns, uint64_t seed, float *ink) {
  const size_t count = DIGITS * columns;
  int64_t *digits = malloc(count * sizeof *digits);
  float *noise = malloc(count * NOISE * sizeof *noise);
  swl_value *inputs[2] = {NULL, NULL}, *output = NULL;
  swl_error *error = NULL;
  int ok = digits && noise;
  if (ok) {
    for (size_t i = 0; i < count; i++) digits[i] = (int64_t)(i / columns);
    fill_with_noise(noise, count * NOISE, seed);
    const int64_t shape[] = {(int64_t)count, NOISE};
    ok = swl_tensor_borrow(SWL_INT64, shape, 1, NULL, digits, count * sizeof *digits, NULL, NULL, &inputs[0], &error) ==
             SWL_OK &&
         swl_tensor_borrow(SWL_FLOAT, shape, 2, NULL, noise, count * NOISE * sizeof *noise, NULL, NULL, &inputs[1],
                           &error) == SWL_OK &&
         swl_session_run(model->session, (const swl_value *const *)inputs, 2, &output, 1, NULL, &error) == SWL_OK;
  }
  if (!ok) sample_failed("nothing was drawn", error);
  ok = ok && sample_floats(output, ink, count * PIXELS);
  swl_value_free(output);
  swl_value_free(inputs[0]);
  swl_value_free(inputs[1]);
  free(noise);
  free(digits);
  return ok;
}

/* A row of `columns` pictures for each digit, dark ink on light paper. */
static int save(const float *ink, int columns, const char *path) {
  const int cell = SIDE * ZOOM + FRAME;
  image sheet;
  if (!image_create(&sheet, columns * cell + FRAME, DIGITS * cell + FRAME, 1, 200)) return 0;
  for (int y = 0; y < sheet.height; y++)
    for (int x = 0; x < sheet.width; x++) {
      const int row = y / cell, column = x / cell, v = y % cell - FRAME, u = x % cell - FRAME;
      if (u < 0 || v < 0) continue;
      const float pixel = ink[(row * columns + column) * PIXELS + v / ZOOM * SIDE + u / ZOOM];
      sheet.pixels[y * sheet.width + x] = (unsigned char)(255.5f - 255 * fminf(fmaxf(pixel, 0), 1));
    }
  int ok = image_save(&sheet, path);
  image_free(&sheet);
  return ok;
}

/* Has the classifier at `path` read what was drawn, and prints how often it reads what was meant. */
static int judge(const char *path, const float *ink, size_t columns) {
  const size_t count = DIGITS * columns;
  sample_model model;
  if (!sample_open(&model, path)) return 0;
  float *probabilities = malloc(count * DIGITS * sizeof *probabilities);
  swl_value *output = NULL;
  const int64_t shape[] = {(int64_t)count, 1, SIDE, SIDE};
  int ok = probabilities && sample_run(&model, ink, count * PIXELS, shape, 4, &output, 1) &&
           sample_floats(output, probabilities, count * DIGITS);
  size_t all = 0;
  for (size_t digit = 0; ok && digit < DIGITS; digit++) {
    size_t right = 0;
    for (size_t i = digit * columns; i < (digit + 1) * columns; i++) {
      size_t best = 0;
      for (size_t other = 1; other < DIGITS; other++)
        if (probabilities[i * DIGITS + other] > probabilities[i * DIGITS + best]) best = other;
      right += best == digit;
    }
    printf("  %zu: read as %zu in %zu of %zu\n", digit, digit, right, columns);
    all += right;
  }
  if (ok) printf("%zu of %zu digits recognised (%.1f %%)\n", all, count, 100.0 * (double)all / (double)count);
  swl_value_free(output);
  free(probabilities);
  sample_close(&model);
  return ok;
}

int main(int argc, char **argv) {
  const char *columns_text = "20", *seed = "1", *classifier = NULL;
  const sample_option options[] = {{"columns", &columns_text}, {"seed", &seed}, {"judge", &classifier}, {NULL, NULL}};
  sample_arguments(argc, argv, help, options, 2, 2);
  const int columns = (int)sample_number(columns_text, "--columns", 1, MOST_COLUMNS);
  const uint64_t noise_seed = (uint64_t)sample_number(seed, "--seed", 0, 0x1p53);
  sample_model model;
  if (!sample_open(&model, argv[1])) return SAMPLE_FAILED;
  float *ink = malloc((size_t)columns * DIGITS * PIXELS * sizeof *ink);
  if (!ink) sample_message("no memory");
  const double start = sample_ms();
  int ok = ink && draw(&model, (size_t)columns, noise_seed, ink);
  if (ok)
    printf("%d digits drawn in %.2f ms; the model was opened in %.2f ms\n", columns * DIGITS, sample_ms() - start,
           model.ms);
  sample_close(&model);
  ok = ok && save(ink, columns, argv[2]) && (!classifier || judge(classifier, ink, (size_t)columns));
  free(ink);
  return ok ? SAMPLE_OK : SAMPLE_FAILED;
}
