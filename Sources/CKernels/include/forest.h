#ifndef SWK_FOREST_H
#define SWK_FOREST_H
#include <stddef.h>
#include <stdint.h>

/// A test of one feature. Leaves are nodes too, whose children are themselves.
typedef struct {
  double value;
  int32_t feature;
  int32_t when_true, when_false;
  int32_t missing_tracks_true;  ///< 1: NaN goes where `true` goes
} swk_tree_node;

/// What all nodes of a forest ask: feature . value?
typedef enum { SWK_TREE_LEQ, SWK_TREE_LT, SWK_TREE_GEQ, SWK_TREE_GT } swk_tree_test;

/// leaves[r * trees + t] = the leaf that row r of `x` [rows, columns] reaches in tree t. Nodes from `first_leaf` on are
/// leaves; nothing is checked.
void swk_forest_leaves(const swk_tree_node *nodes, int32_t first_leaf, swk_tree_test test, const int32_t *roots,
                       size_t trees, const double *x, size_t rows, size_t columns, int32_t *leaves);
#endif
