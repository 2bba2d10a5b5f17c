#include "image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sample.h"

/* stb_image declares functions for formats that are left out. */
#pragma GCC diagnostic ignored "-Wunused-function"
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNM
#define STBI_MAX_DIMENSIONS 16384
#include <stb_image.h>
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb_image_write.h>

static int failed(const char *what, const char *why) {
  sample_message("%s: %s", what, why);
  return 0;
}

/* Blends with white and drops the alpha channel, the last one, in place. */
static void flatten(unsigned char *pixels, size_t count, int channels) {
  for (size_t i = 0; i < count; i++) {
    const unsigned char *from = pixels + i * ((size_t)channels + 1);
    unsigned char *to = pixels + i * (size_t)channels;
    unsigned alpha = from[channels];
    for (int c = 0; c < channels; c++) to[c] = (unsigned char)((from[c] * alpha + 255 * (255 - alpha) + 127) / 255);
  }
}

int image_load(image *result, const char *path, int channels) {
  *result = (image){.channels = channels};
  result->pixels = stbi_load(path, &result->width, &result->height, NULL, channels + 1);
  if (!result->pixels) return failed(path, stbi_failure_reason());
  flatten(result->pixels, (size_t)result->width * (size_t)result->height, channels);
  return 1;
}

int image_save(const image *picture, const char *path) {
  int stride = picture->width * picture->channels;
  if (!stbi_write_png(path, picture->width, picture->height, picture->channels, picture->pixels, stride))
    return failed(path, "can't be written");
  return 1;
}

void image_free(image *picture) {
  free(picture->pixels);
  *picture = (image){0};
}

static int allocate(image *result, int width, int height, int channels) {
  *result = (image){width, height, channels, malloc((size_t)width * (size_t)height * (size_t)channels)};
  return result->pixels ? 1 : failed("picture", "no memory");
}

int image_create(image *result, int width, int height, int channels, unsigned char value) {
  if (!allocate(result, width, height, channels)) return 0;
  memset(result->pixels, value, (size_t)width * (size_t)height * (size_t)channels);
  return 1;
}

/* Makes `to` elements out of `from`; an element is `width` floats, and elements lie a stride apart. A triangle that
 * reaches one old or one new element to either side, whichever is longer, is centred on each new one: its height is the
 * weight of what lies under it. */
static void resample(const float *in, int from, size_t in_stride, float *out, int to, size_t out_stride, size_t width) {
  float ratio = (float)from / (float)to, reach = ratio > 1 ? ratio : 1;
  for (int i = 0; i < to; i++) {
    float centre = ((float)i + 0.5f) * ratio, sum = 0;
    int first = (int)(centre - reach + 0.5f), last = (int)(centre + reach + 0.5f);
    if (first < 0) first = 0;
    if (last > from) last = from;
    float *element = out + (size_t)i * out_stride;
    memset(element, 0, width * sizeof *element);
    for (int j = first; j < last; j++) {
      float weight = 1 - fabsf((float)j + 0.5f - centre) / reach;
      if (weight <= 0) continue;
      sum += weight;
      for (size_t k = 0; k < width; k++) element[k] += weight * in[(size_t)j * in_stride + k];
    }
    for (size_t k = 0; k < width; k++) element[k] /= sum;
  }
}

int image_resize(image *result, const image *picture, int width, int height) {
  size_t channels = (size_t)picture->channels, rows = (size_t)picture->height;
  size_t in_row = (size_t)picture->width * channels, out_row = (size_t)width * channels;
  float *in = malloc(rows * in_row * sizeof *in), *narrow = malloc(rows * out_row * sizeof *narrow);
  float *out = malloc((size_t)height * out_row * sizeof *out);
  int ok = allocate(result, width, height, picture->channels) && in && narrow && out;
  if (ok) {
    for (size_t i = 0; i < rows * in_row; i++) in[i] = picture->pixels[i];
    for (size_t y = 0; y < rows; y++)
      resample(in + y * in_row, picture->width, channels, narrow + y * out_row, width, channels, channels);
    resample(narrow, picture->height, out_row, out, height, out_row, out_row);
    for (size_t i = 0; i < (size_t)height * out_row; i++) result->pixels[i] = (unsigned char)(out[i] + 0.5f);
  } else {
    image_free(result);
  }
  free(in);
  free(narrow);
  free(out);
  return ok ? 1 : failed("picture", "no memory");
}

int image_crop(image *result, const image *picture, int x, int y, int width, int height) {
  size_t channels = (size_t)picture->channels, row = (size_t)width * channels;
  if (!allocate(result, width, height, picture->channels)) return 0;
  for (int i = 0; i < height; i++) {
    size_t from = (size_t)(y + i) * (size_t)picture->width + (size_t)x;
    memcpy(result->pixels + (size_t)i * row, picture->pixels + from * channels, row);
  }
  return 1;
}

void image_to_planes(const image *picture, const int *order, const float *mean, float scale, float *planes) {
  size_t count = (size_t)picture->width * (size_t)picture->height, channels = (size_t)picture->channels;
  for (size_t c = 0; c < channels; c++)
    for (size_t i = 0; i < count; i++)
      planes[c * count + i] = ((float)picture->pixels[i * channels + (size_t)order[c]] - mean[c]) * scale;
}

void image_from_planes(image *picture, const int *order, const float *planes) {
  size_t count = (size_t)picture->width * (size_t)picture->height, channels = (size_t)picture->channels;
  for (size_t c = 0; c < channels; c++)
    for (size_t i = 0; i < count; i++) {
      float value = planes[c * count + i];
      unsigned char *pixel = &picture->pixels[i * channels + (size_t)order[c]];
      *pixel = value >= 255 ? 255 : value > 0 ? (unsigned char)(value + 0.5f) : 0;
    }
}
