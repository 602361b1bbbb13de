"""Convolution as a matrix product whose left matrix is never made.

Element (r, k) of the left matrix is ``source[rows[r] + steps[k]]``: with rows = pixels and steps = taps of the filter
this is the convolution, with rows = taps and steps = pixels the gradient of its weights.
"""

from cython.parallel cimport prange

ctypedef fused real:
    float
    double

cdef enum:
    TILE = 6     # rows of a tile; times 16 columns, as many accumulators as fit in 16 registers
    PIXELS = 512  # pixels summed before the sum is added to the gradient


cdef inline void tile(const real* source, const Py_ssize_t* rows, const Py_ssize_t* steps, Py_ssize_t n_steps,
                      const real* right, Py_ssize_t right_stride, real* out, Py_ssize_t out_stride,
                      int width) noexcept nogil:
    """Add the product of TILE rows with ``width`` columns to ``out``."""
    cdef real sums[TILE * 16]
    cdef const real* row[TILE]
    cdef const real* factor
    cdef Py_ssize_t k
    cdef int r, c
    cdef real value
    for r in range(TILE):
        row[r] = source + rows[r]
        for c in range(width):
            sums[r * width + c] = 0
    for k in range(n_steps):
        factor = right + k * right_stride
        for r in range(TILE):
            value = row[r][steps[k]]
            for c in range(width):
                sums[r * width + c] += value * factor[c]
    for r in range(TILE):
        for c in range(width):
            out[r * out_stride + c] += sums[r * width + c]


cdef inline void partial_tile(const real* source, const Py_ssize_t* rows, int n_rows, const Py_ssize_t* steps,
                              Py_ssize_t n_steps, const real* right, Py_ssize_t right_stride, real* out,
                              Py_ssize_t out_stride, int width) noexcept nogil:
    """Do what `tile` does where fewer rows or columns are left."""
    cdef real block[TILE * 16]
    cdef Py_ssize_t whole[TILE]
    cdef int r, c
    for r in range(TILE):
        whole[r] = rows[min(r, n_rows - 1)]
        for c in range(16):
            block[r * 16 + c] = 0
    if width > 8:
        tile[real](source, whole, steps, n_steps, right, right_stride, block, 16, 16)
    else:
        tile[real](source, whole, steps, n_steps, right, right_stride, block, 16, 8)
    for r in range(n_rows):
        for c in range(width):
            out[r * out_stride + c] += block[r * 16 + c]


cdef void strip(const real* source, const Py_ssize_t* rows, Py_ssize_t n_rows, const Py_ssize_t* steps,
                Py_ssize_t n_steps, const real* right, Py_ssize_t right_stride, real* out, Py_ssize_t n_columns) noexcept nogil:
    """Add the product of up to TILE rows with all columns to ``out``."""
    cdef Py_ssize_t c = 0, left
    while c < n_columns:
        left = n_columns - c
        if n_rows == TILE and left >= 16:
            tile[real](source, rows, steps, n_steps, right + c, right_stride, out + c, n_columns, 16)
        elif n_rows == TILE and left == 8:
            tile[real](source, rows, steps, n_steps, right + c, right_stride, out + c, n_columns, 8)
        else:
            partial_tile[real](source, rows, <int> n_rows, steps, n_steps, right + c, right_stride, out + c,
                               n_columns, <int> min(left, 16))
        c += 16


def convolve(const real[:, ::1] source, const Py_ssize_t[::1] pixels, const Py_ssize_t[::1] taps,
             const real[:, ::1] weight, real[:, :, ::1] out, int threads):
    """Add the convolution of each sample to ``out`` (samples, pixels, channels).

    ``weight`` is (taps, channels), its channels filled up with zeros to a multiple of 8.
    """
    cdef Py_ssize_t n_tiles = (pixels.shape[0] + TILE - 1) // TILE, total = source.shape[0] * n_tiles
    cdef Py_ssize_t i, sample, first
    for i in prange(total, nogil=True, num_threads=threads, schedule="static"):
        sample = i // n_tiles
        first = (i % n_tiles) * TILE
        strip[real](&source[sample, 0], &pixels[first], min(TILE, pixels.shape[0] - first), &taps[0], taps.shape[0],
                    &weight[0, 0], weight.shape[1], &out[sample, first, 0], out.shape[2])


cdef void gradient_strips(const real* source, const Py_ssize_t* pixels, Py_ssize_t n_pixels, const Py_ssize_t* taps,
                          Py_ssize_t n_taps, Py_ssize_t first, Py_ssize_t last, const real* grad_output,
                          real* grad_weight, Py_ssize_t n_columns) noexcept nogil:
    """Add one sample's gradient of the strips ``first`` to ``last``, block of pixels by block of pixels."""
    cdef Py_ssize_t start = 0, i, tap
    while start < n_pixels:
        for i in range(first, last):
            tap = i * TILE
            strip[real](source, taps + tap, min(TILE, n_taps - tap), pixels + start, min(PIXELS, n_pixels - start),
                        grad_output + start * n_columns, n_columns, grad_weight + tap * n_columns, n_columns)
        start += PIXELS


def weight_gradient(const real[:, ::1] source, const Py_ssize_t[::1] pixels, const Py_ssize_t[::1] taps,
                    const real[:, :, ::1] grad_output, real[:, ::1] grad_weight, int threads):
    """Add the gradient to ``grad_weight`` (taps, channels).

    The channels of ``grad_output`` (samples, pixels, channels) are filled up to a multiple of 8. Each sum is made by
    one thread in one order.
    """
    cdef Py_ssize_t n_strips = (taps.shape[0] + TILE - 1) // TILE, sample
    cdef int thread
    for thread in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        for sample in range(source.shape[0]):
            gradient_strips[real](&source[sample, 0], &pixels[0], pixels.shape[0], &taps[0], taps.shape[0],
                                  n_strips * thread // threads, n_strips * (thread + 1) // threads,
                                  &grad_output[sample, 0, 0], &grad_weight[0, 0], grad_weight.shape[1])
