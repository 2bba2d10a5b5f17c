// One function for an operator of one tensor, which may be the output itself.
#ifndef SWK_UNARY_LOOP_H
#define SWK_UNARY_LOOP_H

// In EXPR, x is the operand, p the parameters, a and b alpha and beta as T. LOOP is SWK_VECTORISE or nothing.
#define SWK_VECTORISE _Pragma("clang loop vectorize(assume_safety)")
#define SWK_UNARY(NAME, T, TO, LOOP, EXPR)                                                                            \
  static void SWK_NAME(NAME)(const void *in, void *out, size_t n, const swk_unary_params *p) {                        \
    const T *xs = in;                                                                                                 \
    TO *po = out;                                                                                                     \
    const T a = (T)p->alpha, b = (T)p->beta;                                                                          \
    (void)a, (void)b;                                                                                                 \
    LOOP for (size_t i = 0; i < n; i++) {                                                                             \
      const T x = xs[i];                                                                                              \
      po[i] = (TO)(EXPR);                                                                                             \
    }                                                                                                                 \
  }
#endif
