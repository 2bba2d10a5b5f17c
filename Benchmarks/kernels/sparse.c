// Sparse weights against our own best dense kernel, in one run on one core.
//
//   clang -O3 -ISources/CKernels/include Benchmarks/kernels/sparse.c Sources/CKernels/cpu.c \
//     Sources/CKernels/{gemm,conv,sparse,tickets}/*.c -fno-math-errno -fno-trapping-math -lm -o sparse
//   ./sparse [name]       all rows, or those whose name contains the word; SWIFTLET_CPU selects a level
//
// A shape has a row for unstructured weights and one for blocks of 4 and of 8 output channels; columns: how much faster
// than dense at 50%, 70%, 80%, 90% and 95% zeros. Dense and sparse take turns; a figure is a ratio of least times, with
// MEDIAN=1 of medians. KC and MB are the blocks' columns and rows. These ratios are the source of SparseChoice's table.
//
// The rows of tickets (docs/ticket-format.md) have shares kept instead: how much faster than dense a ticket runs that is made
// sparse weights a block of rows at a time, panels of dense ones, or Winograd's; beside it how fast the sparse kernels run
// weights that are packed.
#define _GNU_SOURCE
#include "common.h"
#include "conv.h"
#include "sparse.h"
#include "tickets.h"
#include <math.h>
#include <stdio.h>

static size_t env(const char *name, size_t otherwise) {
  const char *s = getenv(name);
  return s ? (size_t)atol(s) : otherwise;
}

static double median(double *x, int n) {
  qsort(x, (size_t)n, sizeof *x, by_size);
  return x[env("MEDIAN", 0) ? n / 2 : 0];
}

/// C[m,n] = W[m,k] X: W's rows output channels, X an image's pixels, or (transposed) the rows of a matrix [n][k].
typedef struct {
  const char *name;
  size_t m, k, n;
  bool transposed;       // X [n][k], C [n][m]
  swk_patches patches;   // rank 0: none
} shape;

static swk_sparse packed(const float *w, const shape *s, size_t group) {
  swk_sparse p = {.rows = s->m, .k = s->k, .group = group, .block_rows = env("MB", 256), .type = SWK_F32};
  p.block_k = env("KC", s->n == 1 ? 16384 : group == 1 ? 128 : 384);
  if (p.block_k > s->k) p.block_k = s->k;
  swk_sparse_source source = {w, SWK_F32, (ptrdiff_t)s->k, 1, NULL};
  size_t row_blocks = (s->m + p.block_rows - 1) / p.block_rows;
  uint16_t order[65536];
  for (size_t i = 0; i < p.block_rows; i++) order[i] = (uint16_t)i;
  swk_sparse_block at = {0};
  for (size_t b = 0; b < row_blocks; b++) swk_sparse_pack(&source, &p, b, order, &at);
  p.blocks = memory((row_blocks * swk_sparse_k_blocks(&p) + 1) * sizeof *p.blocks);
  p.members = memory(at.first_group * group * 2);
  p.counts = memory(at.first_group * 2);
  p.places = memory(at.first_place * 2);
  p.values = memory(at.first_place * group * 4);
  at = (swk_sparse_block){0};
  for (size_t b = 0; b < row_blocks; b++) swk_sparse_pack(&source, &p, b, order, &at);
  return p;
}

typedef struct {
  const swk_gemm_table *table;
  swk_gemm product;
  const swk_winograd_table *winograd;
  swk_winograd win;
  float *win_weights;
  void *scratch;
} dense;

static void run_dense(dense *d) {
  if (!d->winograd) return d->table->region(&d->product, 0, d->product.m, 0, d->product.n, d->scratch);
  for (size_t i = 0, n = d->winograd->block_count(&d->win); i < n; i++)
    d->winograd->block(&d->win, d->product.b.data, d->win_weights, d->product.c, &d->product.epilogue, i, d->scratch);
}

static double time_of(dense *d, int times) {
  double t[64];
  for (int i = 0; i < times; i++) {
    double from = now();
    run_dense(d);
    t[i] = now() - from;
  }
  return median(t, times);
}

static dense best_dense(const shape *s, const float *w, const float *x, float *c) {
  const swk_gemm_table *t = swk_gemm_f32(swk_cpu_get()->level);
  size_t taps = 1;
  for (size_t d = 0; d < s->patches.rank; d++) taps *= (size_t)s->patches.kernel[d];
  swk_operand weights = {.data = w, .type = SWK_F32, .stride = (ptrdiff_t)s->k, .k_stride = 1};
  if (taps > 1) weights.k_stride = (ptrdiff_t)taps, weights.k_inner = s->k / taps, weights.k_outer_stride = 1;
  swk_operand data = {.data = x, .type = SWK_F32, .stride = s->transposed ? (ptrdiff_t)s->k : 1,
                      .k_stride = s->transposed ? 1 : (ptrdiff_t)s->n, .patches = s->patches.rank ? &s->patches : NULL};
  dense d[3] = {0};
  size_t kc = swk_gemm_block_k(s->k, t->kc);
  swk_gemm g = {.k = s->k, .c = c, .epilogue = {.alpha = 1}, .mc = t->mc, .nc = s->transposed ? t->nc : t->nr * 16, .kc = kc};
  for (int turned = 0; turned < 2; turned++) {
    d[turned].table = t;
    swk_gemm *p = &d[turned].product;
    *p = g;
    size_t width = turned ? t->nr : t->mr;
    void *panels = memory(swk_gemm_packed_count(s->m, s->k, width) * 4);
    swk_gemm_prepack(t, &weights, width, s->m, s->k, kc, panels);
    p->m = turned ? s->n : s->m, p->n = turned ? s->m : s->n;
    p->a = turned ? data : weights, p->b = turned ? weights : data;
    if (turned) p->b.packed = panels; else p->a.packed = panels;
    p->c_transposed = turned ^ s->transposed;
    p->ldc = s->transposed ? s->m : s->n;
    d[turned].scratch = memory(swk_gemm_scratch_bytes(t, p, p->m, p->n));
  }
  int count = 2;
  const swk_patches *q = &s->patches;
  if (q->rank == 2 && taps == 9 && q->stride[0] == 1) {
    const swk_winograd_table *win = swk_winograd_f32(swk_cpu_get()->level);
    d[2] = (dense){.table = t, .winograd = win, .product = d[0].product, .win = {q->in[0], q->in[1], q->out[0], q->out[1], q->pad[0], q->pad[1], q->channels, s->m}};
    d[2].win_weights = memory(win->weights_count(q->channels, s->m) * 4);
    win->transform(w, q->channels, s->m, d[2].win_weights);
    d[2].scratch = memory(win->scratch_bytes(&d[2].win));
    count = 3;
  }
  double best = 1e9;
  int which = 0;
  for (int i = 0; i < count; i++) {
    double t = time_of(&d[i], 9);
    if (t < best) best = t, which = i;
  }
  return d[which];
}

static void check(const shape *s, const swk_sparse *w, const float *dense, const float *x, const float *c) {
  if (s->patches.rank) return;
  for (int t = 0; t < 50; t++) {
    size_t i = (size_t)(uniform() * s->m), j = (size_t)(uniform() * s->n);
    double sum = 0;
    for (size_t k = 0; k < s->k; k++) sum += (double)dense[i * s->k + k] * x[s->transposed ? j * s->k + k : k * s->n + j];
    double got = c[s->transposed ? j * s->m + i : i * s->n + j];
    if (!(got - sum < 1e-3 && sum - got < 1e-3)) printf("WRONG %zu %zu: %g, not %g\n", i, j, got, sum), exit(1);
  }
  (void)w;
}

static double ratio(const shape *s, dense *d, const float *w, const float *x, float *c, size_t group, double zeros, double *share) {
  swk_sparse weights = packed(w, s, group);
  const swk_sparse_table *t = swk_sparse_f32(swk_cpu_get()->level);
  swk_sparse_product p = {.weights = &weights, .x = d->product.a, .n = s->n, .c = c, .ldc = s->transposed ? s->m : s->n, .c_transposed = s->transposed, .epilogue = {.alpha = 1}};
  if (d->product.a.packed) p.x = d->product.b;
  p.x.packed = NULL;
  size_t rows = s->patches.rank ? (size_t)s->patches.out[0] : s->n;
  size_t row_blocks = (s->m + weights.block_rows - 1) / weights.block_rows;
  void *scratch = memory(t->scratch_bytes(&p, rows));
  double a[64], b[64];
  int n = 0;
  for (double begin = now(); n < 9 || (n < 64 && now() - begin < 0.3); n++) {
    double t0 = now();
    run_dense(d);
    double t1 = now();
    t->region(&p, 0, row_blocks, 0, rows, scratch);
    double t2 = now();
    a[n] = t1 - t0, b[n] = t2 - t1;
  }
  check(s, &weights, w, x, c);
  double dense_time = median(a, n), sparse_time = median(b, n);
  swk_sparse_block end = weights.blocks[row_blocks * swk_sparse_k_blocks(&weights)];
  *share = (double)(end.first_place * (2 + 4 * group) + end.first_group * (2 + 2 * group)) / (4. * (double)(s->m * s->k));
  free(weights.blocks), free(weights.members), free(weights.counts), free(weights.places), free(weights.values);
  free(scratch);
  return dense_time / sparse_time;
}

typedef struct {
  double times[4][64];
  int turns;
} race;

/// A ticket's forms beside the dense kernel and packed sparse weights, which have the weights [m][k] of the ticket.
static void race_ticket(const shape *s, dense *d, const swk_ticket *t, const float *w, float *c, race *r) {
  swk_level level = swk_cpu_get()->level;
  const swk_sparse_table *sparse = swk_sparse_f32(level);
  swk_sparse weights = packed(w, s, 1), made = {.rows = s->m, .k = s->k, .group = 1, .block_rows = env("TB", 128), .block_k = env("TK", 128), .ticket = t, .taps = 1};
  if (s->patches.rank && s->patches.channels % 32 == 0) made.taps = s->k / s->patches.channels, made.block_k = 32 * made.taps;
  size_t blocks = (s->m + made.block_rows - 1) / made.block_rows;
  for (size_t b = 0; b < blocks; b++) {
    size_t places = 0;
    for (size_t i = b * made.block_rows; i < s->m && i < (b + 1) * made.block_rows; i++)
      for (size_t k = 0; k < s->k; k++) places += w[i * s->k + k] != 0;
    if (places > made.most_places) made.most_places = places;
  }
  swk_sparse_product p = {.weights = &weights, .x = d->product.a, .n = s->n, .c = c, .ldc = s->transposed ? s->m : s->n, .c_transposed = s->transposed, .epilogue = {.alpha = 1}};
  if (d->product.a.packed) p.x = d->product.b;
  p.x.packed = NULL;
  swk_sparse_product own = p;
  own.weights = &made;
  size_t rows = s->patches.rank ? (size_t)s->patches.out[0] : s->n;
  size_t row_blocks = (s->m + weights.block_rows - 1) / weights.block_rows;
  void *scratch = memory(sparse->scratch_bytes(&p, rows) + sparse->scratch_bytes(&own, rows));
  dense panels = *d;
  if (!d->winograd) {
    swk_operand *o = panels.product.a.packed ? &panels.product.a : &panels.product.b;
    *o = (swk_operand){.type = SWK_F32, .ticket = t};
    panels.scratch = memory(swk_gemm_scratch_bytes(d->table, &panels.product, panels.product.m, panels.product.n));
  } else {
    panels.win.ticket = t;
    panels.scratch = memory(d->winograd->scratch_bytes(&panels.win));
  }
  size_t count = s->m * s->n;
  float *due = memory(count * 4);
  run_dense(d);
  memcpy(due, c, count * 4);
  r->turns = 0;
  for (double begin = now(); r->turns < 9 || (r->turns < 64 && now() - begin < 0.5); r->turns++)
    for (int form = 0; form < 4; form++) {
      double from = now();
      if (form == 0) run_dense(d);
      if (form == 1) sparse->region(&p, 0, row_blocks, 0, rows, scratch);
      if (form == 2) sparse->region(&own, 0, blocks, 0, rows, scratch);
      if (form == 3) {
        run_dense(&panels);
      }
      r->times[form][r->turns] = now() - from;
      if (r->turns) continue;
      for (size_t i = 0; i < count; i++)
        if (!(fabsf(c[i] - due[i]) < 1e-3)) printf("WRONG form %d at %zu: %g, not %g\n", form, i, c[i], due[i]), exit(1);
    }
  free(due), free(scratch), free(weights.blocks), free(weights.members), free(weights.counts), free(weights.places), free(weights.values);
  free(panels.scratch);
}

static void ticket_row(const shape *s, float *w, const float *x, float *c) {
  swk_level level = swk_cpu_get()->level;
  size_t taps = 1, words;
  for (size_t d = 0; d < s->patches.rank; d++) taps *= (size_t)s->patches.kernel[d];
  swk_ticket t = {.rows = s->m, .columns = s->k, .words = (s->k + 31) / 32, .coats = 1, .magnitudes = {0.125f}};
  words = swk_ticket_words(&t);
  t.masks = memory(words * 4);
  swk_ticket_seed(&t, 7);
  size_t bytes = (s->m * s->k + 7) / 8, channels = s->k / taps;
  uint8_t *mask = memory(bytes);
  const double kept[] = {0.05, 0.1, 0.3, 0.5, 1};
  for (int z = 0; z < 5; z++) {
    memset(mask, 0, bytes);
    for (size_t e = 0; e < s->m * s->k; e++) mask[e / 8] |= (uint8_t)((uniform() < kept[z]) << e % 8);
    swk_ticket_pack(&t, &(swk_ticket_bits){.planes = mask, .bytes = bytes, .count = 1, .taps = taps}, 1, 0, s->m, t.masks);
    float *column = memory(s->k * 4);
    for (size_t i = 0; i < s->m; i++) {
      swk_ticket_f32(level)->panel(&t, 1, i, 1, 0, s->k, column);
      for (size_t k = 0; k < s->k; k++) w[i * s->k + k % channels * taps + k / channels] = column[k];
    }
    free(column);
    dense d = best_dense(s, w, x, c);
    static race r;
    race_ticket(s, &d, &t, w, c, &r);
    double time[4];
    for (int i = 0; i < 4; i++) time[i] = median(r.times[i], r.turns);
    printf("  ticket, %3.0f%% kept: as sparse weights %5.2fx, %s %5.2fx; sparse weights %5.2fx; best of best %4.2f\n", kept[z] * 100,
           time[0] / time[2], d.winograd ? "winograd" : "panels", time[0] / time[3], time[0] / time[1],
           (time[0] < time[1] ? time[0] : time[1]) / (time[2] < time[3] ? time[2] : time[3]));
    fflush(stdout);
  }
  free(mask), free(t.masks);
}

static void row(shape s, const char *filter) {
  if (filter && !strstr(s.name, filter)) return;
  size_t elements = s.n * s.k;
  if (s.patches.rank) elements = s.patches.channels * (size_t)s.patches.in[0] * (size_t)s.patches.in[1];
  float *w = floats(s.m * s.k), *x = floats(elements), *c = floats(s.m * s.n);
  dense d = best_dense(&s, w, x, c);
  double dense_time = time_of(&d, 9);
  printf("%-34s dense %7.1f GF/s %s\n", s.name, 2. * (double)(s.m * s.n * s.k) / dense_time / 1e9, d.winograd ? "winograd" : "");
  const double zeros[] = {0.5, 0.7, 0.8, 0.9, 0.95};
  for (size_t group = env("ONLY_TICKETS", 0) ? 16 : 1; group <= 8; group = group == 1 ? 4 : group * 2) {
    printf("  group %zu ", group);
    double share = 0;
    for (int z = 0; z < 5; z++) {
      for (size_t i = 0; i < s.m; i += group)
        for (size_t k = 0; k < s.k; k++) {
          bool zero = uniform() < zeros[z];
          for (size_t r = i; r < i + group && r < s.m; r++) w[r * s.k + k] = zero ? 0 : (float)uniform() - 0.5f;
        }
      double f = ratio(&s, &d, w, x, c, group, zeros[z], &share);
      printf(" %4.1f%%: %5.2fx (%.2f)", zeros[z] * 100, f, share);
      fflush(stdout);
    }
    printf("\n");
  }
  if (s.n > 1) ticket_row(&s, w, x, c);
  free(w), free(x), free(c);
}

static shape conv(const char *name, int32_t size, int32_t kernel, int32_t stride, size_t in, size_t out) {
  shape s = {.name = name, .m = out, .k = in * (size_t)(kernel * kernel), .n = (size_t)(size * size)};
  if (kernel == 1 && stride == 1) return s;
  s.patches = (swk_patches){.rank = 2, .channels = in, .in = {size * stride, size * stride}, .out = {size, size}, .kernel = {kernel, kernel}, .stride = {stride, stride}, .dilation = {1, 1}, .pad = {kernel / 2, kernel / 2}};
  return s;
}

int main(int count, char **arguments) {
  const char *f = count > 1 ? arguments[1] : NULL;
  printf("level %s; faster than dense at a share of zeros (bytes of the weights, of dense ones)\n", swk_level_name(swk_cpu_get()->level));
  row((shape){.name = "gemm 512x4608x49", .m = 512, .k = 4608, .n = 49}, f);
  row((shape){.name = "gemm 768x3072x197", .m = 768, .k = 3072, .n = 197}, f);
  row((shape){.name = "matmul 128x768 768x3072", .m = 3072, .k = 768, .n = 128, .transposed = true}, f);
  row((shape){.name = "matmul 128x3072 3072x768", .m = 768, .k = 3072, .n = 128, .transposed = true}, f);
  for (size_t n = 16; n <= 512; n *= 2) {
    char name[40];
    snprintf(name, sizeof name, "matmul rows %zu 4096x4096", n);
    row((shape){.name = name, .m = 4096, .k = 4096, .n = n, .transposed = true}, f);
  }
  row((shape){.name = "matmul 128x768 768x768", .m = 768, .k = 768, .n = 128, .transposed = true}, f);
  row(conv("conv 1x1 56^2 64->256", 56, 1, 1, 64, 256), f);
  row(conv("conv 1x1 56^2 256->64", 56, 1, 1, 256, 64), f);
  row(conv("conv 1x1 14^2 1024->256", 14, 1, 1, 1024, 256), f);
  row(conv("conv 1x1 s2 28^2 256->512", 28, 1, 2, 256, 512), f);
  row(conv("conv 3x3 56^2 64->64", 56, 3, 1, 64, 64), f);
  row(conv("conv 3x3 28^2 128->128", 28, 3, 1, 128, 128), f);
  row(conv("conv 3x3 14^2 256->256", 14, 3, 1, 256, 256), f);
  row(conv("conv 3x3 7^2 512->512", 7, 3, 1, 512, 512), f);
  row(conv("conv 3x3 s2 28^2 128->128", 28, 3, 2, 128, 128), f);
  row(conv("conv 7x7 s2 112^2 3->64", 112, 7, 2, 3, 64), f);
  row((shape){.name = "gemv 4096x4096", .m = 4096, .k = 4096, .n = 1, .transposed = true}, f);
  row((shape){.name = "gemv 16384x4096", .m = 16384, .k = 4096, .n = 1, .transposed = true}, f);
}
