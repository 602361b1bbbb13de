"""A product whose left matrix is implicit: its element (r, k) is ``left[row_offsets[r] + k_offsets[k]]``.

With a row for each pixel and a k for each tap of a filter this is a convolution, with a row for each tap and a k for each
pixel the gradient of its weights. Each element of the output is summed in one order.
"""

from libc.math cimport INFINITY
from libc.string cimport memcpy, memset

from vector cimport LANES, broadcast, load, real, store, turn, vec

cdef enum:
    DEPTH = 256      # k summed in registers at a time
    L1_ELEMENTS = 1 << 13   # elements of the right matrix that stay in the L1 cache for all rows
    UNITS = 16       # units of work to make at least, if there can be so many


cdef inline Py_ssize_t ceil_div(Py_ssize_t size, Py_ssize_t part) noexcept nogil:
    return (size + part - 1) // part


cdef inline Py_ssize_t round_up(Py_ssize_t size, Py_ssize_t part) noexcept nogil:
    return ceil_div(size, part) * part


cdef inline void grid(Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t row_step, Py_ssize_t column_step,
                      Py_ssize_t* offsets) noexcept nogil:
    """Write the offsets of the elements of a matrix."""
    cdef Py_ssize_t i, j
    for i in range(rows):
        for j in range(columns):
            offsets[i * columns + j] = i * row_step + j * column_step


cdef extern from "tile.h" nogil:
    ctypedef struct Product "struct product":
        const real* left
        const Py_ssize_t* row_offsets
        Py_ssize_t n_rows
        Py_ssize_t pair_stride
        const Py_ssize_t* k_offsets
        Py_ssize_t n_k
        const real* right
        Py_ssize_t block
        Py_ssize_t stride
        Py_ssize_t n_columns
        real* out
        const Py_ssize_t* out_offsets
        const real* bias
        bint add
        bint rectify
        Py_ssize_t depth
        Py_ssize_t wide

    int tile_rows(Py_ssize_t left)
    void any_tile(const Product* p, Py_ssize_t r0, Py_ssize_t c0, Py_ssize_t first, Py_ssize_t last, bint add, vec floor)


cdef inline void multiply(const Product* p) noexcept nogil:
    """Compute the product, block by block of its columns and of its depth."""
    cdef Py_ssize_t left = 0, first, last
    cdef vec floor
    while left < p.n_columns:
        first = 0
        while first < p.n_k:
            last = min(first + p.depth, p.n_k)
            floor = broadcast(0 if p.rectify and last == p.n_k else -INFINITY)
            multiply_block(p, left, min(left + p.wide, p.n_columns), first, last, p.add or first > 0, floor)
            first = last
        left += p.wide


cdef inline void multiply_block(const Product* p, Py_ssize_t left, Py_ssize_t right, Py_ssize_t first, Py_ssize_t last,
                                bint add, vec floor) noexcept nogil:
    cdef Py_ssize_t r = 0, c
    while r < p.n_rows:
        c = left
        while c < right:
            any_tile(p, r, c, first, last, add, floor)
            c += 2 * LANES
        r += tile_rows(p.n_rows - r)


cdef inline void set_blocks(Product* p, Py_ssize_t depth) noexcept nogil:
    p.depth = ceil_div(max(p.n_k, 1), ceil_div(max(p.n_k, 1), depth))
    p.wide = max(L1_ELEMENTS // p.depth // (2 * LANES), 1) * 2 * LANES


cdef inline void pack(const real* matrix, Py_ssize_t row_stride, Py_ssize_t column_stride, Py_ssize_t n_rows, Py_ssize_t n_columns,
               Py_ssize_t block, const real* scale, real* packed) noexcept nogil:
    """Write rows of one block of columns, scaled if that is asked for, filled up with zeros, as `tile` reads them."""
    cdef Py_ssize_t r, c, first = block * 2 * LANES, columns = min(n_columns - first, 2 * LANES)
    if columns < 2 * LANES:
        memset(packed, 0, n_rows * 2 * LANES * sizeof(real))
    matrix += first * column_stride
    if column_stride == 1:
        for r in range(n_rows):
            if columns == 2 * LANES:
                store(packed + r * 2 * LANES, load(matrix + r * row_stride))
                store(packed + r * 2 * LANES + LANES, load(matrix + r * row_stride + LANES))
            else:
                memcpy(packed + r * 2 * LANES, matrix + r * row_stride, columns * sizeof(real))
    elif row_stride == 1 and columns == 2 * LANES:
        turn(matrix, column_stride, n_rows, packed, 2 * LANES)
        turn(matrix + LANES * column_stride, column_stride, n_rows, packed + LANES, 2 * LANES)
    else:
        for r in range(n_rows):
            for c in range(columns):
                packed[r * 2 * LANES + c] = matrix[r * row_stride + c * column_stride]
    if scale != NULL:
        for r in range(n_rows):
            for c in range(columns):
                packed[r * 2 * LANES + c] *= scale[first + c]
