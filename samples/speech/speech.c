/* Finds where somebody speaks in a recording, with silero's voice activity detector: a network with a memory, which is
 * given the sound piece by piece. */
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/sample.h"

static const char help[] =
    "usage: speech [--probabilities FILE] [--threads N] MODEL RECORDING\n"
    "\n"
    "Prints when somebody speaks in RECORDING (WAV, FLAC, OGG, ...; 16 or 8 kHz; channels are mixed): one segment a\n"
    "line, from and to in seconds.\n"
    "\n"
    "  --probabilities FILE  also writes the probability of speech in each piece of 32 ms, one a line\n"
    "  --threads N           threads that a run may use; 0, the default: one for each processor\n"
    "  --help                prints this\n"
    "\n"
    "Exit status: 0 the recording was searched, 1 something failed, 2 wrong usage.\n";

enum { MOST_PIECE = 512, MOST_CONTEXT = 64 };

/* A recording, mixed to one channel. */
typedef struct {
  float *samples;
  size_t count;
  int rate;
} recording;

static int load(recording *result, const char *path) {
  SF_INFO info = {0};
  SNDFILE *file = sf_open(path, SFM_READ, &info);
  *result = (recording){.rate = info.samplerate};
  if (!file) return sample_message("%s: %s", path, sf_strerror(NULL)), 0;
  int ok = info.samplerate == 16000 || info.samplerate == 8000;
  if (!ok) sample_message("%s: is of %d Hz; 16000 or 8000 are needed", path, info.samplerate);
  float *frames = ok ? malloc(MOST_PIECE * (size_t)info.channels * sizeof *frames) : NULL;
  sf_count_t got;
  while (frames && (got = sf_readf_float(file, frames, MOST_PIECE)) > 0) {
    float *samples = realloc(result->samples, (result->count + (size_t)got) * sizeof *samples);
    if (!samples) break;
    result->samples = samples;
    for (sf_count_t i = 0; i < got; i++) {
      float sum = 0;
      for (int c = 0; c < info.channels; c++) sum += frames[i * info.channels + c];
      samples[result->count++] = sum / (float)info.channels;
    }
  }
  free(frames);
  sf_close(file);
  return ok;
}

/* The detector between two pieces. */
typedef struct {
  swl_session *session;
  size_t piece, context;                   /* samples that are new in each run; that are repeated from the one before */
  float window[MOST_CONTEXT + MOST_PIECE]; /* context, then piece */
  swl_value *input, *state, *sample_rate;
} detector;

static int detector_start(detector *d, swl_session *session, int rate) {
  swl_error *error = NULL;
  size_t piece = rate == 16000 ? MOST_PIECE : MOST_PIECE / 2, context = piece / 8;
  *d = (detector){.session = session, .piece = piece, .context = context};
  size_t length = context + piece;
  if (swl_tensor_borrow(SWL_FLOAT, (const int64_t[]){1, (int64_t)length}, 2, NULL, d->window, length * sizeof(float),
                        NULL, NULL, &d->input, &error) == SWL_OK &&
      swl_tensor_create(SWL_FLOAT, (const int64_t[]){2, 1, 128}, 3, &d->state, &error) == SWL_OK &&
      swl_tensor_create(SWL_INT64, NULL, 0, &d->sample_rate, &error) == SWL_OK) {
    *(int64_t *)swl_tensor_mutable_data(d->sample_rate) = rate;
    return 1;
  }
  return sample_failed("no memory for the model's inputs", error);
}

static void detector_end(detector *d) {
  swl_value_free(d->input);
  swl_value_free(d->state);
  swl_value_free(d->sample_rate);
}

/* The probability of speech in the next `count` samples, at most a piece. The state that comes out of each run goes
 * into the next one as it is. */
static int detector_next(detector *d, const float *samples, size_t count, float *probability) {
  static const char *const input_names[] = {"input", "state", "sr"}, *const output_names[] = {"output", "stateN"};
  const swl_value *inputs[] = {d->input, d->state, d->sample_rate};
  swl_value *outputs[] = {NULL, NULL};
  swl_error *error = NULL;
  memmove(d->window, d->window + d->piece, d->context * sizeof(float));
  memcpy(d->window + d->context, samples, count * sizeof(float));
  memset(d->window + d->context + count, 0, (d->piece - count) * sizeof(float));
  if (swl_session_run_named(d->session, input_names, inputs, 3, output_names, outputs, 2, NULL, &error) != SWL_OK)
    return sample_failed("the model didn't run", error);
  int ok = sample_floats(outputs[0], probability, 1);
  swl_value_free(outputs[0]);
  swl_value_free(d->state);
  d->state = outputs[1];
  return ok;
}

/* From and to, in samples. */
typedef struct {
  size_t from, to;
} segment;

/* Finds the segments in which somebody speaks: each begins where the probability reaches 0.5, ends where it falls below
 * 0.35 for 100 ms or longer, and lasts more than 250 ms: silero's own numbers. Returns how many: at most one a piece.
 */
static size_t find_segments(const float *probabilities, size_t pieces, const recording *sound, size_t piece,
                            segment *segments) {
  const size_t none = SIZE_MAX, least_speech = (size_t)sound->rate / 4, least_silence = (size_t)sound->rate / 10;
  size_t from = none, quiet = none, count = 0;
  for (size_t i = 0; i <= pieces; i++) {
    size_t now = i * piece, to = none;
    if (i == pieces) {
      to = sound->count;
    } else if (probabilities[i] >= 0.5f) {
      if (from == none) from = now;
      quiet = none;
    } else if (probabilities[i] < 0.35f) {
      if (quiet == none) quiet = now;
      if (now - quiet >= least_silence) to = quiet;
    }
    if (from == none || to == none) continue;
    if (to - from > least_speech) segments[count++] = (segment){from, to};
    from = quiet = none;
  }
  return count;
}

/* Makes the segments 30 ms longer at both ends, less where two would meet or the recording ends. */
static void widen(segment *segments, size_t count, const recording *sound) {
  size_t margin = (size_t)sound->rate * 3 / 100, last = 0;
  for (size_t i = 0; i < count; i++) {
    int is_last = i + 1 == count;
    size_t before = segments[i].from - last, after = (is_last ? sound->count : segments[i + 1].from) - segments[i].to;
    if (i > 0) before /= 2;
    if (!is_last) after /= 2;
    last = segments[i].to;
    segments[i].from -= before < margin ? before : margin;
    segments[i].to += after < margin ? after : margin;
  }
}

static int write_probabilities(const char *path, const float *probabilities, size_t count) {
  FILE *file = fopen(path, "w");
  if (file)
    for (size_t i = 0; i < count; i++) fprintf(file, "%.6f\n", probabilities[i]);
  if (file && fclose(file) == 0) return 1;
  sample_message("%s: can't be written", path);
  return 0;
}

/* The probability of speech in each piece of the recording. */
static int listen(detector *d, const recording *sound, float *probabilities) {
  for (size_t from = 0; from < sound->count; from += d->piece) {
    size_t left = sound->count - from;
    if (!detector_next(d, sound->samples + from, left < d->piece ? left : d->piece, probabilities++)) return 0;
  }
  return 1;
}

/* Searches a recording and prints what was found. */
static int search(const sample_model *model, const char *path, const recording *sound, const char *probabilities_path) {
  detector d;
  int ok = detector_start(&d, model->session, sound->rate);
  size_t pieces = (sound->count + d.piece - 1) / d.piece;
  float *probabilities = malloc((pieces + 1) * sizeof *probabilities);
  segment *segments = malloc((pieces + 1) * sizeof *segments);
  double start = sample_ms();
  ok = ok && probabilities && segments && listen(&d, sound, probabilities);
  double ms = sample_ms() - start, rate = sound->rate, seconds = (double)sound->count / rate;
  if (ok) {
    size_t count = find_segments(probabilities, pieces, sound, d.piece, segments);
    widen(segments, count, sound);
    printf("%s: %.2f s in %.1f ms, %.0f times faster than it plays\n", path, seconds, ms, seconds * 1e3 / ms);
    for (size_t i = 0; i < count; i++)
      printf("  %8.3f - %8.3f s\n", (double)segments[i].from / rate, (double)segments[i].to / rate);
    printf("%zu %s of speech\n", count, count == 1 ? "segment" : "segments");
    if (probabilities_path) ok = write_probabilities(probabilities_path, probabilities, pieces);
  }
  free(segments);
  free(probabilities);
  detector_end(&d);
  return ok;
}

int main(int argc, char **argv) {
  const char *probabilities_path = NULL;
  const sample_option options[] = {{"probabilities", &probabilities_path}, {NULL, NULL}};
  sample_arguments(argc, argv, help, options, 2, 2);
  recording sound;
  sample_model model = {0};
  int ok = load(&sound, argv[2]) && sample_open(&model, argv[1]);
  if (ok) {
    printf("%s opened in %.1f ms\n", argv[1], model.ms);
    ok = search(&model, argv[2], &sound, probabilities_path);
  }
  sample_close(&model);
  free(sound.samples);
  return ok ? SAMPLE_OK : SAMPLE_FAILED;
}
