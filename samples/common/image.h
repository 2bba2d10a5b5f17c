/* Pictures: PNG, JPEG and PGM/PPM in, PNG out, through the stb libraries. Functions that return int return 0, and tell
 * why, when they can't. */
#ifndef IMAGE_H
#define IMAGE_H

/* Rows from top to bottom, `channels` bytes for each pixel: 1 (grey) or 3 (red, green, blue). */
typedef struct {
  int width, height, channels;
  unsigned char *pixels;
} image;

/* Reads a picture as grey or colour; what is transparent becomes white. */
int image_load(image *result, const char *path, int channels);
int image_save(const image *picture, const char *path);
void image_free(image *picture);

/* A picture of one colour. */
int image_create(image *result, int width, int height, int channels, unsigned char value);
/* Bilinear, averaging over what falls into one pixel when it gets smaller (as Pillow's BILINEAR does). */
int image_resize(image *result, const image *picture, int width, int height);
/* The part of the given size at (x, y), which has to lie within the picture. */
int image_crop(image *result, const image *picture, int x, int y, int width, int height);

/* The way networks want pictures: one plane after the other, planes[c][y][x] = (pixel[order[c]] - mean[c]) * scale. */
void image_to_planes(const image *picture, const int *order, const float *mean, float scale, float *planes);
/* The way back from planes of 0 to 255, pixel[order[c]] = planes[c][y][x]; rounds and clips. */
void image_from_planes(image *picture, const int *order, const float *planes);

#endif
