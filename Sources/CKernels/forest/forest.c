#include "../include/forest.h"
#include <stdbool.h>

// A walk down a tree waits for memory at every step, so eight walks go side by side, without branches on their outcome.
enum { LANES = 8 };

#define WALK(NAME, TEST)                                                                                              \
  static void NAME(const swk_tree_node *nodes, int32_t first_leaf, const double *const row[LANES], int32_t at[LANES]) { \
    bool walking = true;                                                                                              \
    while (walking) {                                                                                                 \
      walking = false;                                                                                                \
      for (int k = 0; k < LANES; k++) {                                                                               \
        const swk_tree_node *n = nodes + at[k];                                                                       \
        const double v = row[k][n->feature];                                                                          \
        const int holds = (v TEST n->value) | (n->missing_tracks_true & (v != v));                                    \
        at[k] = holds ? n->when_true : n->when_false;                                                                 \
        walking |= at[k] < first_leaf;                                                                                \
      }                                                                                                               \
    }                                                                                                                 \
  }
WALK(walk_leq, <=)
WALK(walk_lt, <)
WALK(walk_geq, >=)
WALK(walk_gt, >)

void swk_forest_leaves(const swk_tree_node *nodes, int32_t first_leaf, swk_tree_test test, const int32_t *roots,
                       size_t trees, const double *x, size_t rows, size_t columns, int32_t *leaves) {
  const size_t walks = rows * trees;
  for (size_t first = 0; first < walks; first += LANES) {
    const double *row[LANES];
    int32_t at[LANES];
    for (size_t k = 0; k < LANES; k++) {
      const size_t walk = first + k < walks ? first + k : walks - 1;
      row[k] = x + walk / trees * columns;
      at[k] = roots[walk % trees];
    }
    switch (test) {
      case SWK_TREE_LEQ: walk_leq(nodes, first_leaf, row, at); break;
      case SWK_TREE_LT: walk_lt(nodes, first_leaf, row, at); break;
      case SWK_TREE_GEQ: walk_geq(nodes, first_leaf, row, at); break;
      case SWK_TREE_GT: walk_gt(nodes, first_leaf, row, at); break;
    }
    for (size_t k = 0; k < LANES && first + k < walks; k++) leaves[first + k] = at[k];
  }
}
