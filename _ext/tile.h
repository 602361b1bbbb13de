/* Tiles of a product: as many sums as registers hold, each of its own function, so that nothing else needs registers. */
#ifndef ACTIONBENCH_TILE_H
#define ACTIONBENCH_TILE_H

#include "vector.h"

/* A product whose left matrix is implicit: its element (r, k) is left[row_offsets[r] + k_offsets[k]]. */
struct product {
    /* `pair_stride`, unless 0: offset of every second row from the one before it. */
    const real *left;
    const ptrdiff_t *row_offsets;
    ptrdiff_t n_rows, pair_stride;
    const ptrdiff_t *k_offsets;
    ptrdiff_t n_k;
    /* The right matrix, in blocks of 2 * LANES columns; `block` and `stride` are elements between blocks and between rows. */
    const real *right;
    ptrdiff_t block, stride, n_columns;
    /* Row r of the output is at out[out_offsets[r]]. */
    real *out;
    const ptrdiff_t *out_offsets;
    const real *bias;
    int add, rectify;
    /* k summed in registers at a time, and columns for which the right matrix then stays in the L1 cache for all rows. */
    ptrdiff_t depth, wide;
};

#define TILE_ARGUMENTS \
    const struct product *p, ptrdiff_t r0, ptrdiff_t c0, ptrdiff_t first, ptrdiff_t last, int add, vec floor

/* Compute rows and vectors of the output from k = `first` to `last`, excluded, one at least. Of ROWS rows all exist; of
   fewer some may not. */
static inline __attribute__((always_inline)) void tile(TILE_ARGUMENTS, const int n_rows, const int n_vectors, const int paired) {
    static const real nothing[2 * LANES];
    const ptrdiff_t *k_offsets = p->k_offsets, *out_offsets = p->out_offsets + r0, stride = p->stride, pair_stride = p->pair_stride;
    const real *right = p->right + c0 / (2 * LANES) * p->block + first * stride, *row[ROWS];
    /* A sum begins with the output, a bias or 0, which is always loaded from memory. */
    const real *begin = add ? p->out + c0 : p->bias ? p->bias + c0 : nothing;
    real *out = p->out + c0, rest[2 * LANES];
    const int valid = p->n_rows - r0 < n_rows ? (int)(p->n_rows - r0) : n_rows;
    const int columns = p->n_columns - c0 < n_vectors * LANES ? (int)(p->n_columns - c0) : n_vectors * LANES;
    part parts[2];
    vec sums[ROWS][2], factors[2];
    EACH (int v = 0; v < n_vectors; v++) parts[v] = part_of(columns - v * LANES);
    EACH (int r = 0; r < n_rows; r++) {
        const int own = n_rows == ROWS || r < valid ? r : valid - 1;
        /* The second row of a pair has no pointer of its own. */
        row[r] = p->left + p->row_offsets[r0 + (n_rows == ROWS || !paired || own % 2 == 0 ? own : own - 1)];
        EACH (int v = 0; v < n_vectors; v++) sums[r][v] = load_part(begin + out_offsets[own] * add + v * LANES, parts[v]);
    }
    for (ptrdiff_t k = first; k < last; k++) {
        const ptrdiff_t step = k_offsets[k], after = step + pair_stride;
        EACH (int v = 0; v < n_vectors; v++) factors[v] = load(right + v * LANES);
        right += stride;
        EACH (int r = 0; r < n_rows; r++) {
            const real left = paired ? row[r & -2][r & 1 ? after : step] : row[r][step];
            EACH (int v = 0; v < n_vectors; v++) sums[r][v] += left * factors[v];
        }
    }
    EACH (int r = 0; r < n_rows; r++)
        EACH (int v = 0; v < n_vectors; v++)
            store_part((n_rows == ROWS || r < valid ? out + out_offsets[r] : rest) + v * LANES, larger(floor, sums[r][v]), parts[v]);
}

#define TILE(name, n_rows, n_vectors, paired) \
    static __attribute__((noinline)) void name(TILE_ARGUMENTS) { \
        tile(p, r0, c0, first, last, add, floor, n_rows, n_vectors, paired); \
    }
TILE(rows_by_two, ROWS, 2, 0)
TILE(rows_by_one, ROWS, 1, 0)
TILE(few_by_two, FEW, 2, 0)
TILE(few_by_one, FEW, 1, 0)
TILE(pairs_by_two, ROWS, 2, 1)
TILE(pairs_by_one, ROWS, 1, 1)
TILE(few_pairs_by_two, FEW, 2, 1)
TILE(few_pairs_by_one, FEW, 1, 1)
TILE(some_by_two, 2 * FEW, 2, 0)
TILE(some_by_one, 2 * FEW, 1, 0)
TILE(some_pairs_by_two, 2 * FEW, 2, 1)
TILE(some_pairs_by_one, 2 * FEW, 1, 1)

/* How many rows a tile takes of those that are left: with FEW the processor waits for sums, so that two equal tiles can be
   faster than a large one and FEW. */
static inline int tile_rows(ptrdiff_t left) {
    return left == ROWS || left > 4 * FEW ? ROWS : left > FEW ? 2 * FEW : FEW;
}

static inline void any_tile(TILE_ARGUMENTS) {
    static void (*const tiles[12])(TILE_ARGUMENTS) = {few_by_one,       few_by_two,       few_pairs_by_one,  few_pairs_by_two,
                                                      some_by_one,      some_by_two,      some_pairs_by_one, some_pairs_by_two,
                                                      rows_by_one,      rows_by_two,      pairs_by_one,      pairs_by_two};
    const int size = tile_rows(p->n_rows - r0) / FEW - 1;
    tiles[4 * size + 2 * (p->pair_stride != 0) + (p->n_columns - c0 > LANES)](p, r0, c0, first, last, add, floor);
}

#endif
