// One function for an operator: rows of vector-vector, vector-scalar or scalar-vector. Operands may be the output
// itself, so the loops assert what the compiler can't see: no result is read again as an operand.
#ifndef SWK_BINARY_LOOP_H
#define SWK_BINARY_LOOP_H
#define SWK_INLINE static inline __attribute__((always_inline))

// `flag` may be set by EXPR, in which x and y are the operands.
#define SWK_BINARY(NAME, TI, TO, EXPR)                                                                               \
  SWK_INLINE uint32_t SWK_NAME(NAME##_row)(const TI *a, bool as, const TI *b, bool bs, TO *out, size_t n) {            \
    const TI a0 = *a, b0 = *b;                                                                                        \
    uint32_t flag = 0;                                                                                                \
    _Pragma("clang loop vectorize(assume_safety)") for (size_t i = 0; i < n; i++) {                                    \
      const TI x = as ? a[i] : a0, y = bs ? b[i] : b0;                                                                \
      out[i] = (TO)(EXPR);                                                                                            \
    }                                                                                                                 \
    return flag;                                                                                                      \
  }                                                                                                                   \
  static uint32_t SWK_NAME(NAME)(const void *a, const void *b, void *out, const swk_binary_shape *s) {                 \
    const TI *pa = a, *pb = b;                                                                                        \
    TO *po = out;                                                                                                     \
    uint32_t flag = 0;                                                                                                \
    if (s->n == 0) return 0;                                                                                          \
    for (size_t r = 0; r < s->rows; r++, pa += s->a_row, pb += s->b_row, po += s->n) {                                 \
      if (s->a_step && s->b_step) flag |= SWK_NAME(NAME##_row)(pa, true, pb, true, po, s->n);                          \
      else if (s->a_step) flag |= SWK_NAME(NAME##_row)(pa, true, pb, false, po, s->n);                                 \
      else flag |= SWK_NAME(NAME##_row)(pa, false, pb, true, po, s->n);                                                \
    }                                                                                                                 \
    return flag;                                                                                                      \
  }
#endif
