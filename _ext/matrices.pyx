"""Products of matrices, as fully connected and recurrent layers need them."""

from cython.parallel cimport prange
from libc.string cimport memcpy

from tile cimport DEPTH, L1_ELEMENTS, UNITS, Product, ceil_div, grid, multiply, pack, round_up, set_blocks
from vector cimport LANES, ROWS, broadcast, free_block, load, load_some, new_block, real, store, total, turn, vec, zeros

cdef enum:
    SHALLOW = 16     # depth of a block where a large right matrix is read in place
    PIECE = 128      # rows of a right matrix that are packed at a time
    LARGE = 1 << 17  # elements of a right matrix that is read in place
    PAGE = 1 << 12   # bytes: rows this far apart evict each other from the L1 cache


cdef void pack_left(const real* matrix, Py_ssize_t stride, Py_ssize_t n_rows, Py_ssize_t depth, Py_ssize_t panel,
                    real* packed) noexcept nogil:
    """Write ROWS rows of a matrix whose columns are contiguous, column by column."""
    cdef Py_ssize_t k = 0, i, rows = min(ROWS, n_rows - panel * ROWS)
    matrix += panel * ROWS
    packed += panel * depth * ROWS
    # Full vectors overwrite the beginning of the next column, which is written later.
    while rows == ROWS and k < depth - 1:
        for i in range((ROWS + LANES - 1) // LANES):
            store(packed + k * ROWS + i * LANES, load(matrix + k * stride + i * LANES))
        k += 1
    while k < depth:
        memcpy(packed + k * ROWS, matrix + k * stride, rows * sizeof(real))
        k += 1


def product(const real[:, :] left, const real[:, :] right, const real[::1] bias, real[:, :] out, bint add, int threads):
    """Write, or add, the product of two matrices; the rows of ``out`` are contiguous.

    What is written begins with a bias per column unless that is empty.
    """
    cdef Py_ssize_t n_rows = left.shape[0], depth = left.shape[1], n_columns = right.shape[1], size = sizeof(real), i
    cdef Py_ssize_t left_row = left.strides[0] // size, left_step = left.strides[1] // size
    # Rows far apart would evict each other from the L1 cache.
    cdef bint direct = (n_columns % LANES == 0 and right.strides[1] == size
                        and (right.strides[0] % PAGE or n_rows <= 4 * ROWS))
    cdef bint apart = left_row == 1 and left_step * depth >= L1_ELEMENTS
    cdef Py_ssize_t blocks = 0 if direct else ceil_div(n_columns, 2 * LANES), pieces = ceil_div(depth, PIECE)
    cdef Py_ssize_t panels = ceil_div(n_rows, ROWS), bands = max(ceil_div(panels, 20), 4) if panels >= 8 else 1
    # What a thread packs itself is in its cache: then a unit of work is all columns of some rows.
    cdef bint own = apart and bands > 1
    cdef Py_ssize_t columns = round_up(ceil_div(n_columns, 1 if own else ceil_div(UNITS, bands)), 2 * LANES)
    cdef Py_ssize_t strips = ceil_div(n_columns, columns), band, strip
    cdef real* packed = <real*> new_block(blocks * depth * 2 * LANES * size)
    cdef real* packed_left = <real*> new_block((panels if apart else 0) * depth * ROWS * size)
    cdef Py_ssize_t* tables = <Py_ssize_t*> new_block((2 * n_rows + depth) * sizeof(Py_ssize_t))
    cdef Product base
    try:
        if packed == NULL or packed_left == NULL or tables == NULL:
            raise MemoryError
        with nogil:
            for i in range(n_rows):
                tables[i] = (i // ROWS * depth * ROWS + i % ROWS) if apart else i * left_row
            grid(1, n_rows, 0, out.strides[0] // size, tables + n_rows)
            grid(1, depth, 0, ROWS if apart else left_step, tables + 2 * n_rows)
            base.left, base.row_offsets = packed_left if apart else &left[0, 0], tables
            base.k_offsets, base.n_k = tables + 2 * n_rows, depth
            base.n_rows, base.n_columns = n_rows, n_columns
            base.pair_stride = 0 if n_rows % 2 else left_row
            base.right = &right[0, 0] if direct else packed
            base.block = 2 * LANES if direct else depth * 2 * LANES
            base.stride = right.strides[0] // size if direct else 2 * LANES
            base.out, base.out_offsets, base.add, base.rectify = &out[0, 0], tables + n_rows, add, False
            base.bias = &bias[0] if bias.shape[0] else NULL
            set_blocks(&base, SHALLOW if direct and depth > PIECE and depth * n_columns > LARGE else DEPTH)
            for i in prange(0 if own or not apart else panels, num_threads=threads, schedule="static"):
                pack_left(&left[0, 0], left_step, n_rows, depth, i, packed_left)
            for i in prange(blocks * pieces, num_threads=threads, schedule="static"):
                pack(&right[0, 0] + i % pieces * PIECE * (right.strides[0] // size), right.strides[0] // size,
                     right.strides[1] // size, min(PIECE, depth - i % pieces * PIECE), n_columns, i // pieces,
                     NULL, packed + (i // pieces * depth + i % pieces * PIECE) * 2 * LANES)
            for i in prange(bands * strips, num_threads=threads, schedule="static"):
                # Neighbouring units share columns, which their thread has packed, or else rows.
                band, strip = (i % bands, i // bands) if blocks else (i // strips, i % strips)
                multiply_part(base, band * panels // bands, (band + 1) * panels // bands, strip * columns, columns,
                              &left[0, 0], left_step, own, packed_left)
    finally:
        free_block(packed)
        free_block(packed_left)
        free_block(tables)


cdef void multiply_part(Product p, Py_ssize_t first, Py_ssize_t last, Py_ssize_t column, Py_ssize_t columns,
                        const real* left, Py_ssize_t left_step, bint apart, real* packed) noexcept nogil:
    """Make some columns of the panels of rows from ``first`` to ``last``, which are packed before if they are ``apart``."""
    cdef Py_ssize_t i
    if apart:
        for i in range(first, last):
            pack_left(left, left_step, p.n_rows, p.n_k, i, packed)
    p.n_rows = min(p.n_rows, last * ROWS) - first * ROWS
    p.row_offsets, p.out_offsets = p.row_offsets + first * ROWS, p.out_offsets + first * ROWS
    p.right, p.out, p.n_columns = p.right + column // (2 * LANES) * p.block, p.out + column, min(columns, p.n_columns - column)
    if p.bias != NULL:
        p.bias += column
    multiply(&p)


def turn_and_add(const real[:, ::1] matrix, const real[::1] bias, real[:, ::1] out):
    """Write the transpose of a matrix plus a bias per column, unless that is empty."""
    cdef Py_ssize_t n_rows = matrix.shape[0], n_columns = matrix.shape[1], whole = n_rows - n_rows % LANES, left = 0, n, row, i
    with nogil:
        # Few rows of the output at a time, as rows far apart would evict each other from the L1 cache.
        while left < n_columns:
            n = min(n_columns - left, LANES)
            row = 0
            while row < whole:
                turn(&matrix[row, left], n_columns, n, &out[left, row], n_rows)
                if bias.shape[0]:
                    for i in range(left, left + n):
                        store(&out[i, row], load(&out[i, row]) + load(&bias[row]))
                row += LANES
            for row in range(whole, n_rows):
                for i in range(left, left + n):
                    out[i, row] = matrix[row, i] + (bias[row] if bias.shape[0] else 0)
            left += LANES


cdef inline void inner_tile(const real* x, Py_ssize_t x_stride, const real* w, Py_ssize_t w_stride, Py_ssize_t depth,
                            real* out, Py_ssize_t out_stride, int n_x, int n_w, int n_k) noexcept nogil:
    """Add the inner products of ``n_x`` rows with ``n_w`` rows to ``out`` (n_x, n_w), each as ``n_k`` sums of vectors."""
    cdef vec sums[16]
    cdef vec factors[8]
    cdef int i, n = n_x * n_w
    cdef Py_ssize_t k = 0
    for i in range(n * n_k):
        sums[i] = zeros()
    while k + n_k * LANES <= depth:
        for i in range(n_w * n_k):
            factors[i] = load(w + i % n_w * w_stride + k + i // n_w * LANES)
        for i in range(n * n_k):
            sums[i] = sums[i] + load(x + i % n // n_w * x_stride + k + i // n * LANES) * factors[i // n * n_w + i % n_w]
        k += n_k * LANES
    while k < depth:
        for i in range(n):
            sums[i] = sums[i] + (load_some(x + i // n_w * x_stride + k, <int> min(depth - k, LANES))
                                 * load_some(w + i % n_w * w_stride + k, <int> min(depth - k, LANES)))
        k += LANES
    for i in range(n, n * n_k):
        sums[i % n] = sums[i % n] + sums[i]
    for i in range(n):
        out[i // n_w * out_stride + i % n_w] += total(sums[i])


def inner_products(const real[:, ::1] x, const real[:, ::1] weight, real[:, ::1] out, int threads):
    """Add ``x @ weight.T`` to ``out``, reading few rows of x for each of the weight, which is read once."""
    cdef Py_ssize_t band = round_up(ceil_div(weight.shape[0], UNITS), 8), i
    for i in prange(ceil_div(weight.shape[0], band), nogil=True, num_threads=threads, schedule="dynamic"):
        inner_band(x, weight, out, i * band, min((i + 1) * band, weight.shape[0]))


cdef void inner_band(const real[:, ::1] x, const real[:, ::1] weight, real[:, ::1] out, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef Py_ssize_t k = 0, depth, row, sample, n = x.shape[0], stride = x.shape[1], to = out.shape[1]
    while k < stride:
        # Long rows of the weight are read fastest, but those of several samples must stay in the L1 cache.
        depth = stride if n == 1 else min(L1_ELEMENTS // 8, stride - k)
        row = first
        while row < last:
            sample = 0
            while sample < n:
                if n - sample >= 4 and last - row >= 4:
                    inner_tile(&x[sample, k], stride, &weight[row, k], stride, depth, &out[sample, row], to, 4, 4, 1)
                elif last - row >= 4:
                    inner_tile(&x[sample, k], stride, &weight[row, k], stride, depth, &out[sample, row], to, 1, 4, 2)
                else:
                    inner_tile(&x[sample, k], stride, &weight[row, k], stride, depth, &out[sample, row], to, 1, 1, 2)
                sample += 4 if n - sample >= 4 and last - row >= 4 else 1
            row += 4 if last - row >= 4 else 1
        k += depth


cdef real busy(Py_ssize_t rounds, real seed) noexcept nogil:
    """Multiply and add values that depend on nothing else."""
    cdef vec sums[2 * ROWS]
    cdef vec factor = broadcast(1 - seed), term = broadcast(seed)
    cdef int i
    cdef Py_ssize_t k
    for i in range(2 * ROWS):
        sums[i] = broadcast(i * seed)
    for k in range(rounds):
        for i in range(2 * ROWS):
            sums[i] = sums[i] * factor + term
    for i in range(2 * ROWS):
        term = term + sums[i]
    return total(term)


def keep_busy(Py_ssize_t rounds, int threads):
    """Return how many floating-point operations were done that came as fast as the processor can; for benchmarks."""
    cdef Py_ssize_t i
    cdef double result = 0
    for i in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        result += busy(rounds, <real> 1e-3)
    return 4 * ROWS * LANES * rounds * threads if result else 0
