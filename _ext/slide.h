/* The gradients of rows of three taps: as many sums as registers hold. */
#ifndef ACTIONBENCH_SLIDE_H
#define ACTIONBENCH_SLIDE_H

#include "vector.h"

/* Strides of the pixels of a band and of its gradients, in elements, and its size. */
struct band {
    ptrdiff_t pixel, row, grad_pixel, grad_row, height, width;
};

/* Sum the gradients of SLIDES rows of taps, of which the first `valid` exist, over a band. A function of its own: within the
   loops around it the compiler would run out of registers. */
static __attribute__((noinline)) void slide_sums(const struct band *b, const real *left, const ptrdiff_t *rows, int valid,
                                                 const real *grads, int columns, real *partial, int add) {
    vec sums[SLIDES][3];
    const part own_part = part_of(columns);
    EACH (int r = 0; r < SLIDES; r++)
        EACH (int i = 0; i < 3; i++)
            sums[r][i] = add && r < valid ? load(partial + (3 * r + i) * LANES) : zeros();
    for (ptrdiff_t h = 0; h < b->height; h++) {
        const real *row[SLIDES], *grad = grads + h * b->grad_row;
        const ptrdiff_t pixel = b->pixel, step = b->grad_pixel, end = b->width * pixel;
        vec before = zeros(), last = zeros();
        EACH (int r = 0; r < SLIDES; r++) row[r] = left + rows[r < valid ? r : valid - 1] + h * b->row;
        for (ptrdiff_t at = 0; at < end; at += pixel) {
            const vec own = load_part(grad, own_part);
            grad += step;
            EACH (int r = 0; r < SLIDES; r++) {
                const vec x = broadcast(row[r][at]);
                sums[r][0] += x * own;
                sums[r][1] += x * before;
                sums[r][2] += x * last;
            }
            last = before;
            before = own;
        }
        EACH (int r = 0; r < SLIDES; r++) {
            sums[r][1] += row[r][end] * before;
            sums[r][2] += row[r][end] * last + row[r][end + pixel] * before;
        }
    }
    EACH (int r = 0; r < SLIDES; r++)
        if (r < valid)
            EACH (int i = 0; i < 3; i++) store(partial + (3 * r + i) * LANES, sums[r][i]);
}

#endif
