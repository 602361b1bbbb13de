"""A product with a left matrix that is never made: element (r, k) of it is ``left[rows[r] + steps[k]]``.

With rows = pixels and steps = taps of a filter this is a convolution, with rows = taps and steps = pixels the gradient of
its weights. Each number of the output is summed in one order.
"""

from libc.math cimport INFINITY
from libc.string cimport memcpy, memset

from vector cimport FEW, LANES, ROWS, everywhere, larger, load, load_some, real, store, store_some, vec, zeros

cdef enum:
    DEPTH = 256      # products summed in registers at a time
    NEAR = 1 << 13   # numbers of the right matrix that stay near while the rows go by
    UNITS = 16       # units of work that there are at least if there can be


cdef inline Py_ssize_t parts(Py_ssize_t size, Py_ssize_t part) noexcept nogil:
    return (size + part - 1) // part


cdef inline Py_ssize_t whole_parts(Py_ssize_t size, Py_ssize_t part) noexcept nogil:
    return parts(size, part) * part


cdef inline void grid(Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t row_step, Py_ssize_t column_step,
                      Py_ssize_t* places) noexcept nogil:
    """Write where rows of numbers stand."""
    cdef Py_ssize_t i, j
    for i in range(rows):
        for j in range(columns):
            places[i * columns + j] = i * row_step + j * column_step


cdef struct Product

# Called through pointers: within the loops around it the compiler would run out of registers.
ctypedef void (*Tile)(const Product* p, Py_ssize_t r0, Py_ssize_t c0, Py_ssize_t first, Py_ssize_t last, const real* right,
                      bint add, vec floor) noexcept nogil


cdef struct Product:
    # `pair`, unless 0: what every second row is behind the one before it.
    const real* left
    const Py_ssize_t* rows
    Py_ssize_t n_rows
    Py_ssize_t pair
    const Py_ssize_t* steps
    Py_ssize_t n_steps
    # A right matrix, in blocks of 2 * LANES columns `block` numbers apart, `stride` numbers between its rows.
    const real* right
    Py_ssize_t block
    Py_ssize_t stride
    Py_ssize_t n_columns
    # Row r of the output stands at out[places[r]].
    real* out
    const Py_ssize_t* places
    const real* bias
    bint add
    bint rectify
    # Steps summed in registers at a time, and columns for which they stay near while the rows go by.
    Py_ssize_t depth
    Py_ssize_t wide
    Tile[8] tiles


cdef inline void tile(const Product* p, Py_ssize_t r0, Py_ssize_t c0, Py_ssize_t first, Py_ssize_t last, const real* right,
                      bint add, vec floor, int n_rows, int n_vectors, bint paired) noexcept nogil:
    """Make ``n_rows`` rows and ``n_vectors`` vectors of the output from the steps ``first`` to ``last``.

    There is a step. Of FEW rows some may not exist; ROWS are all there.
    """
    cdef vec sums[2 * ROWS]
    cdef vec factors[2]
    cdef real nowhere[2 * LANES]
    cdef const real* row[ROWS]
    cdef real* to
    # What is read of the product stands in variables of its own: the compiler must think that a store changes it.
    cdef int r, v, i, columns = <int> min(p.n_columns - c0, 2 * LANES), valid = <int> min(p.n_rows - r0, n_rows)
    cdef Py_ssize_t k, step, after, stride = p.stride, pair = p.pair
    cdef const Py_ssize_t* steps = p.steps
    cdef const Py_ssize_t* rows = p.rows + r0
    cdef const Py_ssize_t* places = p.places + r0
    cdef const real* left = p.left
    cdef real* out = p.out + c0
    for r in range(n_rows):
        row[r] = left + rows[r if n_rows == ROWS else min(r, valid - 1 - paired)]
    if add:
        for i in range(n_rows * n_vectors):
            r = i // n_vectors
            to = out + places[r if n_rows == ROWS else min(r, valid - 1)]
            sums[i] = load_some(to + i % n_vectors * LANES, columns - i % n_vectors * LANES)
    else:
        for v in range(n_vectors):
            factors[v] = load_some(p.bias + c0 + v * LANES, columns - v * LANES) if p.bias != NULL else zeros()
        for i in range(n_rows * n_vectors):
            sums[i] = factors[i % n_vectors]
    k = first
    while True:
        step = steps[k]
        after = step + pair
        for v in range(n_vectors):
            factors[v] = load(right + v * LANES)
        for i in range(n_rows * n_vectors):
            r = i // n_vectors
            if paired:
                sums[i] = sums[i] + row[r & -2][after if r & 1 else step] * factors[i % n_vectors]
            else:
                sums[i] = sums[i] + row[r][step] * factors[i % n_vectors]
        right += stride
        k += 1
        if k >= last:
            break
    if n_rows == ROWS and columns == n_vectors * LANES:
        for i in range(n_rows * n_vectors):
            store(out + places[i // n_vectors] + i % n_vectors * LANES, larger(floor, sums[i]))
    else:
        for i in range(n_rows * n_vectors):
            r = i // n_vectors
            to = out + places[r] if n_rows == ROWS or r < valid else nowhere
            store_some(to + i % n_vectors * LANES, larger(floor, sums[i]), columns - i % n_vectors * LANES)


cdef inline void few_by_one(const Product* p, Py_ssize_t r0, Py_ssize_t c0, Py_ssize_t first, Py_ssize_t last,
                            const real* right, bint add, vec floor) noexcept nogil:
    tile(p, r0, c0, first, last, right, add, floor, FEW, 1, False)


cdef inline void few_by_one_paired(const Product* p, Py_ssize_t r0, Py_ssize_t c0, Py_ssize_t first, Py_ssize_t last,
                                   const real* right, bint add, vec floor) noexcept nogil:
    tile(p, r0, c0, first, last, right, add, floor, FEW, 1, True)


cdef inline void few_by_two(const Product* p, Py_ssize_t r0, Py_ssize_t c0, Py_ssize_t first, Py_ssize_t last,
                            const real* right, bint add, vec floor) noexcept nogil:
    tile(p, r0, c0, first, last, right, add, floor, FEW, 2, False)


cdef inline void few_by_two_paired(const Product* p, Py_ssize_t r0, Py_ssize_t c0, Py_ssize_t first, Py_ssize_t last,
                                   const real* right, bint add, vec floor) noexcept nogil:
    tile(p, r0, c0, first, last, right, add, floor, FEW, 2, True)


cdef inline void rows_by_one(const Product* p, Py_ssize_t r0, Py_ssize_t c0, Py_ssize_t first, Py_ssize_t last,
                             const real* right, bint add, vec floor) noexcept nogil:
    tile(p, r0, c0, first, last, right, add, floor, ROWS, 1, False)


cdef inline void rows_by_one_paired(const Product* p, Py_ssize_t r0, Py_ssize_t c0, Py_ssize_t first, Py_ssize_t last,
                                    const real* right, bint add, vec floor) noexcept nogil:
    tile(p, r0, c0, first, last, right, add, floor, ROWS, 1, True)


cdef inline void rows_by_two(const Product* p, Py_ssize_t r0, Py_ssize_t c0, Py_ssize_t first, Py_ssize_t last,
                             const real* right, bint add, vec floor) noexcept nogil:
    tile(p, r0, c0, first, last, right, add, floor, ROWS, 2, False)


cdef inline void rows_by_two_paired(const Product* p, Py_ssize_t r0, Py_ssize_t c0, Py_ssize_t first, Py_ssize_t last,
                                    const real* right, bint add, vec floor) noexcept nogil:
    tile(p, r0, c0, first, last, right, add, floor, ROWS, 2, True)


cdef inline void strip(const Product* p, Py_ssize_t r, Py_ssize_t c, Py_ssize_t first, Py_ssize_t last, bint add,
                       vec floor, bint whole) noexcept nogil:
    cdef const real* right = p.right + c // (2 * LANES) * p.block + first * p.stride
    p.tiles[4 * whole + 2 * (p.n_columns - c > LANES) + (p.pair != 0)](p, r, c, first, last, right, add, floor)


cdef inline void multiply(const Product* p) noexcept nogil:
    """Make the whole product, block by block of its columns and of its depth."""
    cdef Py_ssize_t left = 0, first, last
    cdef vec floor
    while left < p.n_columns:
        first = 0
        while first < p.n_steps:
            last = min(first + p.depth, p.n_steps)
            floor = everywhere(0 if p.rectify and last == p.n_steps else -INFINITY)
            multiply_block(p, left, min(left + p.wide, p.n_columns), first, last, p.add or first > 0, floor)
            first = last
        left += p.wide


cdef inline void multiply_block(const Product* p, Py_ssize_t left, Py_ssize_t right, Py_ssize_t first, Py_ssize_t last,
                                bint add, vec floor) noexcept nogil:
    cdef Py_ssize_t r = 0, c
    while r < p.n_rows:
        c = left
        while c < right:
            strip(p, r, c, first, last, add, floor, p.n_rows - r >= ROWS)
            c += 2 * LANES
        r += ROWS if p.n_rows - r >= ROWS else FEW


cdef inline void set_blocks(Product* p, Py_ssize_t depth) noexcept nogil:
    p.depth = parts(max(p.n_steps, 1), parts(max(p.n_steps, 1), depth))
    p.wide = max(NEAR // p.depth // (2 * LANES), 1) * 2 * LANES
    p.tiles[0], p.tiles[1], p.tiles[2], p.tiles[3] = few_by_one, few_by_one_paired, few_by_two, few_by_two_paired
    p.tiles[4], p.tiles[5], p.tiles[6], p.tiles[7] = rows_by_one, rows_by_one_paired, rows_by_two, rows_by_two_paired


cdef inline void pack(const real* matrix, Py_ssize_t row_stride, Py_ssize_t column_stride, Py_ssize_t n_rows, Py_ssize_t n_columns,
               Py_ssize_t block, const real* scale, real* packed) noexcept nogil:
    """Write rows of one block of columns, scaled if that is asked for, filled up with zeros, as `tile` reads them."""
    cdef Py_ssize_t r, c, first = block * 2 * LANES, columns = min(n_columns - first, 2 * LANES)
    if columns < 2 * LANES:
        memset(packed, 0, n_rows * 2 * LANES * sizeof(real))
    matrix += first * column_stride
    if column_stride == 1:
        for r in range(n_rows):
            memcpy(packed + r * 2 * LANES, matrix + r * row_stride, columns * sizeof(real))
    else:
        for r in range(n_rows):
            for c in range(columns):
                packed[r * 2 * LANES + c] = matrix[r * row_stride + c * column_stride]
    if scale != NULL:
        for r in range(n_rows):
            for c in range(columns):
                packed[r * 2 * LANES + c] *= scale[first + c]
