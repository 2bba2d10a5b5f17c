// Weighted sums of elements of the type T.
#define SWK_INLINE static inline __attribute__((always_inline))

SWK_INLINE void SWK_NAME(resample_taps)(const T *restrict x, T *restrict y, size_t n, size_t taps,
                                        const int32_t *restrict index, const T *restrict weight) {
  for (size_t j = 0; j < n; j++) {
    T sum = 0;
    for (size_t k = 0; k < taps; k++) sum += weight[k * n + j] * x[index[k * n + j]];
    y[j] = sum;
  }
}

static void SWK_NAME(resample_row)(const void *x, void *y, size_t rows, ptrdiff_t length, size_t n, size_t taps,
                                   const int32_t *index, const void *weight) {
  const T *px = x, *pw = weight;
  T *py = y;
  for (size_t r = 0; r < rows; r++, px += length, py += n) {
    switch (taps) {
      case 2: SWK_NAME(resample_taps)(px, py, n, 2, index, pw); break;
      case 4: SWK_NAME(resample_taps)(px, py, n, 4, index, pw); break;
      case 8: SWK_NAME(resample_taps)(px, py, n, 8, index, pw); break;
      default: SWK_NAME(resample_taps)(px, py, n, taps, index, pw);
    }
  }
}

static void SWK_NAME(resample_column)(const void *x, void *y, size_t n, size_t taps, size_t stride,
                                      const int32_t *index, const void *weight) {
  const T *px = x, *pw = weight;
  T *restrict py = y;
  for (size_t k = 0; k < taps; k += 2) {
    const T *restrict a = px + (ptrdiff_t)index[k * stride] * (ptrdiff_t)n;
    const T wa = pw[k * stride];
    const bool pair = k + 1 < taps;
    const T *restrict b = pair ? px + (ptrdiff_t)index[(k + 1) * stride] * (ptrdiff_t)n : a;
    const T wb = pair ? pw[(k + 1) * stride] : 0;
    if (k == 0)
      for (size_t i = 0; i < n; i++) py[i] = wa * a[i] + wb * b[i];
    else
      for (size_t i = 0; i < n; i++) py[i] += wa * a[i] + wb * b[i];
  }
}

const swk_resample SWK_NAME(RESAMPLE_TABLE)[1] = {{SWK_NAME(resample_row), SWK_NAME(resample_column)}};
