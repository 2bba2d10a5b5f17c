// One reduction of one type: T elements and accumulators, W the type of totals, x an element, s its shift.
#ifndef SWK_REDUCE_LOOP_H
#define SWK_REDUCE_LOOP_H
#define SWK_INLINE static inline __attribute__((always_inline))

// LANES sums (products, extremes) side by side, in blocks whose results are joined: one order at all levels, since the
// bits of a sum depend on it. All lanes are joined in one step, which keeps them in registers. TWICE: an element may be
// joined a second time, so that the last lanes may overlap those before.
#define SWK_REDUCE_RUN(NAME, T, W, START, MAP, JOIN, LANE_BYTES, TWICE)                                               \
  SWK_INLINE T SWK_NAME(NAME##_map)(T x, T s) { (void)s; return (T)(MAP); }                                           \
  SWK_INLINE T SWK_NAME(NAME##_join)(T a, T b) { return (T)(JOIN); }                                                  \
  SWK_INLINE W SWK_NAME(NAME##_total)(W a, W b) { return (W)(JOIN); }                                                 \
  static __attribute__((noinline)) T SWK_NAME(NAME##_run)(const T *restrict x, size_t n, T s, T before) {             \
    enum { LANES = LANE_BYTES / sizeof(T), BLOCK = LANES * 64, VECTORS = LANE_BYTES / SWK_VECTOR_BYTES };             \
    W total = before;                                                                                                 \
    size_t i = 0;                                                                                                     \
    for (;;) {                                                                                                        \
      if (n - i < LANES) {                                                                                            \
        if (!TWICE || n < LANES || n - i < LANES / 4) break;                                                          \
        i = n - LANES;                                                                                                \
      }                                                                                                               \
      _Alignas(64) T lane[LANES];                                                                                     \
      for (int k = 0; k < LANES; k++) lane[k] = START;                                                                \
      const size_t end = n - i < BLOCK ? i + (n - i) / LANES * LANES : i + BLOCK;                                     \
      for (; i < end; i += LANES)                                                                                     \
        _Pragma("clang loop vectorize(enable) interleave_count(VECTORS) unroll(disable)")                             \
        for (int k = 0; k < LANES; k++)                                                                               \
          lane[k] = SWK_NAME(NAME##_join)(lane[k], SWK_NAME(NAME##_map)(x[i + (size_t)k], s));                        \
      for (int w = LANES / 2; w > 0; w /= 2)                                                                          \
        _Pragma("clang loop unroll(disable)")                                                                         \
        for (int k = 0; k < w; k++) lane[k] = SWK_NAME(NAME##_join)(lane[k], lane[k + w]);                            \
      total = SWK_NAME(NAME##_total)(total, lane[0]);                                                                 \
    }                                                                                                                 \
    for (; i < n; i++) total = SWK_NAME(NAME##_total)(total, SWK_NAME(NAME##_map)(x[i], s));                          \
    return (T)total;                                                                                                  \
  }

#define SWK_REDUCE(NAME, T, W, START, MAP, JOIN)                                                                      \
  SWK_REDUCE_RUN(NAME, T, W, START, MAP, JOIN, 128, 0)                                                                \
  SWK_REDUCTIONS(NAME, T, START)
// Order doesn't matter to extremes: a comparison takes longer than a sum, so more of them at a time.
#define SWK_EXTREME_BYTES (SWK_VECTOR_BYTES < 64 ? 128 : 256)
#define SWK_EXTREME(NAME, T, START, JOIN)                                                                             \
  SWK_REDUCE_RUN(NAME, T, T, START, x, JOIN, SWK_EXTREME_BYTES, 1)                                                   \
  SWK_REDUCTIONS(NAME, T, START)

#define SWK_REDUCTIONS(NAME, T, START)                                                                                \
  static void SWK_NAME(NAME##_runs)(const void *x, size_t rows, ptrdiff_t row, size_t n, const void *shift,            \
                                    void *acc) {                                                                      \
    const T *px = x, *ps = shift;                                                                                     \
    T *pa = acc;                                                                                                      \
    for (size_t r = 0; r < rows; r++, px += row) pa[r] = SWK_NAME(NAME##_run)(px, n, ps ? ps[r] : 0, pa[r]);          \
  }                                                                                                                   \
  static void SWK_NAME(NAME##_columns)(const void *x, size_t rows, ptrdiff_t row, size_t n, const void *shift,         \
                                       void *acc) {                                                                   \
    enum { WIDTH = 8192 / sizeof(T), DEPTH = 64 };                                                                    \
    const T *ps = shift;                                                                                              \
    T *pa = acc, part[WIDTH], s[WIDTH];                                                                               \
    for (size_t c = 0; c < n; c += WIDTH) {                                                                           \
      const size_t m = n - c < WIDTH ? n - c : WIDTH;                                                                 \
      for (size_t k = 0; k < m; k++) s[k] = ps ? ps[c + k] : 0;                                                        \
      for (size_t r0 = 0; r0 < rows; r0 += DEPTH) {                                                                   \
        const size_t r1 = rows - r0 < DEPTH ? rows : r0 + DEPTH;                                                      \
        for (size_t k = 0; k < m; k++) part[k] = START;                                                               \
        for (size_t r = r0; r < r1; r++) {                                                                            \
          const T *restrict px = (const T *)x + (ptrdiff_t)r * row + c;                                               \
          for (size_t k = 0; k < m; k++)                                                                              \
            part[k] = SWK_NAME(NAME##_join)(part[k], SWK_NAME(NAME##_map)(px[k], s[k]));                               \
        }                                                                                                             \
        for (size_t k = 0; k < m; k++) pa[c + k] = SWK_NAME(NAME##_join)(pa[c + k], part[k]);                          \
      }                                                                                                               \
    }                                                                                                                 \
  }                                                                                                                   \
  static void SWK_NAME(NAME##_start)(void *acc, size_t n) {                                                           \
    T *pa = acc;                                                                                                      \
    for (size_t i = 0; i < n; i++) pa[i] = START;                                                                     \
  }
#define SWK_REDUCTION(NAME) {SWK_NAME(NAME##_runs), SWK_NAME(NAME##_columns), SWK_NAME(NAME##_start)}

// Positions of the extreme, given the reduction NAME that finds its value. BEATS compares an element x with the best b.
#define SWK_ARG(NAME, T, BEATS)                                                                                       \
  static void SWK_NAME(NAME##_arg_runs)(const void *x, size_t rows, ptrdiff_t row, size_t n, bool last,                \
                                        int64_t *out) {                                                               \
    enum { BLOCK = 256 / sizeof(T) };                                                                                 \
    const T *p = x;                                                                                                   \
    for (size_t r = 0; r < rows; r++, p += row) {                                                                     \
      const T best = SWK_NAME(NAME##_run)(p, n, 0, p[0]);                                                             \
      const bool nan = best != best;                                                                                  \
      size_t at = 0;                                                                                                  \
      for (size_t i = 0; i < n; i += BLOCK) {                                                                         \
        const size_t m = n - i < BLOCK ? n - i : BLOCK, from = last ? n - i - m : i;                                   \
        int found = 0;                                                                                                \
        for (size_t k = 0; k < m; k++) found |= (p[from + k] == best) | (nan & (p[from + k] != p[from + k]));          \
        if (!found) continue;                                                                                         \
        for (size_t k = 0; k < m; k++) {                                                                              \
          at = last ? from + m - 1 - k : from + k;                                                                    \
          if (p[at] == best || (nan && p[at] != p[at])) break;                                                        \
        }                                                                                                             \
        break;                                                                                                        \
      }                                                                                                               \
      out[r] = (int64_t)at;                                                                                           \
    }                                                                                                                 \
  }                                                                                                                   \
  static void SWK_NAME(NAME##_arg_columns)(const void *x, size_t rows, ptrdiff_t row, size_t n, bool last,             \
                                           int64_t *out) {                                                            \
    enum { WIDTH = 256 };                                                                                             \
    T best[WIDTH];                                                                                                    \
    int64_t at[WIDTH];                                                                                                \
    for (size_t c = 0; c < n; c += WIDTH) {                                                                           \
      const size_t m = n - c < WIDTH ? n - c : WIDTH;                                                                 \
      memcpy(best, (const T *)x + c, m * sizeof(T));                                                                  \
      memset(at, 0, sizeof(at));                                                                                      \
      for (size_t r = 1; r < rows; r++) {                                                                             \
        const T *restrict p = (const T *)x + (ptrdiff_t)r * row + c;                                                  \
        for (size_t k = 0; k < m; k++) {                                                                              \
          const T x = p[k], b = best[k];                                                                              \
          const bool wins = (BEATS) | ((x != x) & (b == b)) | (last & ((x == b) | ((x != x) & (b != b))));             \
          best[k] = wins ? x : b;                                                                                     \
          at[k] = wins ? (int64_t)r : at[k];                                                                          \
        }                                                                                                             \
      }                                                                                                               \
      memcpy(out + c, at, m * sizeof(int64_t));                                                                       \
    }                                                                                                                 \
  }
#define SWK_ARG_REDUCTION(NAME) {SWK_NAME(NAME##_arg_runs), SWK_NAME(NAME##_arg_columns)}
#endif
