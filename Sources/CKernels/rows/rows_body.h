// Softmax and normalisations of the type T, with EXP(x), LOG(x), SQRT(x) and names NAME(x).
#include "../reduce/reduce_loop.h"
#define SWK_VECTORISE _Pragma("clang loop vectorize(assume_safety)")

SWK_REDUCE_RUN(rows_sum, T, double, 0, x, a + b, 128, 0)
SWK_REDUCE_RUN(rows_sum_square, T, double, 0, (x - s) * (x - s), a + b, 128, 0)
SWK_REDUCE_RUN(rows_sum_exp, T, double, 0, EXP(x - s), a + b, 128, 0)
SWK_REDUCE_RUN(rows_max, T, T, -INFINITY, x, ((a > b) | (a != a)) ? a : b, SWK_EXTREME_BYTES, 1)

static void SWK_NAME(rows_softmax_runs)(const void *x, size_t rows, size_t n, swk_softmax_form form, const double *sink,
                                        void *out) {
  const T *px = x;
  T *po = out;
  for (size_t r = 0; r < rows; r++, px += n, po += n) {
    T most = SWK_NAME(rows_max_run)(px, n, 0, -INFINITY);
    if (sink) most = SWK_NAME(rows_max_join)(most, (T)*sink);
    const T extra = sink ? EXP((T)*sink - most) : 0;
    if (form == SWK_SOFTMAX_MASKED && most == -INFINITY) {
      for (size_t i = 0; i < n; i++) po[i] = 0;
    } else if (form == SWK_SOFTMAX_LOG) {
      const T shift = most + LOG(SWK_NAME(rows_sum_exp_run)(px, n, most, extra));
      SWK_VECTORISE for (size_t i = 0; i < n; i++) po[i] = px[i] - shift;
    } else {
      SWK_VECTORISE for (size_t i = 0; i < n; i++) po[i] = EXP(px[i] - most);
      if (form == SWK_SOFTMAX_POWERS) continue;
      const T share = 1 / SWK_NAME(rows_sum_run)(po, n, 0, extra);
      SWK_VECTORISE for (size_t i = 0; i < n; i++) po[i] *= share;
    }
  }
}

static void SWK_NAME(rows_softmax_columns)(const void *x, size_t n, size_t inner, size_t step, swk_softmax_form form,
                                           void *out) {
  enum { WIDTH = 256 };
  const bool logarithm = form == SWK_SOFTMAX_LOG;
  T most[WIDTH], sum[WIDTH];
  for (size_t c = 0; c < inner; c += WIDTH) {
    const size_t m = inner - c < WIDTH ? inner - c : WIDTH;
    const T *px = (const T *)x + c;
    T *po = (T *)out + c;
    for (size_t k = 0; k < m; k++) most[k] = -INFINITY, sum[k] = 0;
    for (size_t i = 0; i < n; i++)
      for (size_t k = 0; k < m; k++) most[k] = SWK_NAME(rows_max_join)(px[i * step + k], most[k]);
    for (size_t i = 0; i < n; i++) {
      SWK_VECTORISE for (size_t k = 0; k < m; k++) {
        const T d = px[i * step + k] - most[k], e = EXP(d);
        sum[k] += e;
        po[i * step + k] = logarithm ? d : e;
      }
    }
    if (form == SWK_SOFTMAX_POWERS) continue;
    for (size_t k = 0; k < m; k++) sum[k] = logarithm ? LOG(sum[k]) : 1 / sum[k];
    for (size_t i = 0; i < n; i++) {
      T *row = po + i * step;
      if (logarithm) {
        for (size_t k = 0; k < m; k++) row[k] -= sum[k];
      } else {
        for (size_t k = 0; k < m; k++) row[k] *= sum[k];
      }
    }
  }
}

static void SWK_NAME(rows_moments)(const void *x, size_t rows, size_t n, void *mean, void *variance) {
  const T *px = x;
  T *pm = mean, *pv = variance;
  for (size_t r = 0; r < rows; r++, px += n) {
    pm[r] = SWK_NAME(rows_sum_run)(px, n, 0, 0) / (T)n;
    pv[r] = SWK_NAME(rows_sum_square_run)(px, n, pm[r], 0) / (T)n;
  }
}

static void SWK_NAME(rows_normalize)(const void *x, size_t rows, size_t n, const void *scale, const void *bias,
                                     double epsilon, bool rms, void *out, void *mean, void *deviation) {
  const T *px = x, *ps = scale, *pb = bias;
  T *po = out;
  for (size_t r = 0; r < rows; r++, px += n, po += n) {
    const T m = rms ? 0 : SWK_NAME(rows_sum_run)(px, n, 0, 0) / (T)n;
    const T d = (T)(1 / sqrt((double)SWK_NAME(rows_sum_square_run)(px, n, m, 0) / (double)n + epsilon));
    if (mean) ((T *)mean)[r] = m;
    if (deviation) ((T *)deviation)[r] = d;
    if (ps && pb) {
      SWK_VECTORISE for (size_t i = 0; i < n; i++) po[i] = (px[i] - m) * d * ps[i] + pb[i];
    } else if (ps) {
      SWK_VECTORISE for (size_t i = 0; i < n; i++) po[i] = (px[i] - m) * d * ps[i];
    } else {
      SWK_VECTORISE for (size_t i = 0; i < n; i++) po[i] = (px[i] - m) * d;
      if (pb) SWK_VECTORISE for (size_t i = 0; i < n; i++) po[i] += pb[i];
    }
  }
}

static void SWK_NAME(rows_affine_planes)(const void *x, size_t first, size_t planes, size_t n, size_t period,
                                         const void *scale, const void *shift, void *out) {
  const T *px = (const T *)x + first * n;
  T *po = (T *)out + first * n;
  for (size_t p = first; p < first + planes; p++, px += n, po += n) {
    const T a = ((const T *)scale)[p % period], b = ((const T *)shift)[p % period];
    SWK_VECTORISE for (size_t i = 0; i < n; i++) po[i] = px[i] * a + b;
  }
}

static void SWK_NAME(rows_affine_rows)(const void *x, size_t rows, size_t n, const void *scale, const void *shift,
                                       void *out) {
  const T *px = x, *ps = scale, *pb = shift;
  T *po = out;
  for (size_t r = 0; r < rows; r++, px += n, po += n)
    SWK_VECTORISE for (size_t i = 0; i < n; i++) po[i] = px[i] * ps[i] + pb[i];
}

static void SWK_NAME(rows_lrn)(const void *x, size_t channels, size_t inner, size_t size, double alpha, double beta,
                               double bias, void *out) {
  enum { WIDTH = 256 };
  const T factor = (T)(alpha / (double)size), offset = (T)bias, power = (T)-beta;
  const size_t before = (size - 1) / 2, after = size - 1 - before;
  T sum[WIDTH];
  for (size_t c = 0; c < channels; c++) {
    const size_t low = c < before ? 0 : c - before, high = channels - c > after ? c + after : channels - 1;
    for (size_t i = 0; i < inner; i += WIDTH) {
      const size_t m = inner - i < WIDTH ? inner - i : WIDTH;
      for (size_t k = 0; k < m; k++) sum[k] = 0;
      for (size_t d = low; d <= high; d++) {
        const T *p = (const T *)x + d * inner + i;
        for (size_t k = 0; k < m; k++) sum[k] += p[k] * p[k];
      }
      const T *restrict px = (const T *)x + c * inner + i;
      T *restrict po = (T *)out + c * inner + i;
      if (beta == 0.75) {
        for (size_t k = 0; k < m; k++) {
          const T root = SQRT(offset + factor * sum[k]);
          po[k] = px[k] / (root * SQRT(root));
        }
      } else {
        for (size_t k = 0; k < m; k++) po[k] = px[k] * EXP(power * LOG(offset + factor * sum[k]));
      }
    }
  }
}

#define SWK_ROWS                                                                                                      \
  {SWK_NAME(rows_softmax_runs), SWK_NAME(rows_softmax_columns), SWK_NAME(rows_moments), SWK_NAME(rows_normalize),      \
   SWK_NAME(rows_affine_planes), SWK_NAME(rows_affine_rows), SWK_NAME(rows_lrn)}
