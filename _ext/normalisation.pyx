"""Sums and affine maps per channel, and the gradient of a rectifier: one pass over memory each.

The arrays are flat. What belongs to the channels is repeated to one ``period`` of hundreds of numbers, so that the
inner loops are long however few the channels are.
"""

from cython.parallel cimport prange

ctypedef fused real:
    float
    double

cdef enum:
    PERIODS = 16  # periods summed in the input's own precision


cdef void add_products(const real* a, const real* b, Py_ssize_t n, real* sums) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        sums[i] += a[i] * b[i]


cdef void add_squares(const real* a, const real* centre, Py_ssize_t n, real* sums) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        sums[i] += (a[i] - centre[i]) * (a[i] - centre[i])


cdef void add_values(const real* a, Py_ssize_t n, real* sums) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        sums[i] += a[i]


def sum_channels(const real[::1] a, real[:, ::1] partial, int threads):
    """Add chunk i of ``a`` to row i of ``partial`` (chunks, period)."""
    cdef Py_ssize_t chunk, start, stop, period = partial.shape[1], size = a.shape[0]
    for chunk in prange(partial.shape[0], nogil=True, num_threads=threads, schedule="static"):
        start = chunk * PERIODS * period
        stop = min(start + PERIODS * period, size)
        while start < stop:
            add_values[real](&a[start], min(period, stop - start), &partial[chunk, 0])
            start = start + period


def sum_squares(const real[::1] a, const real[::1] centre, real[:, ::1] partial, int threads):
    """Add chunk i of ``(a - centre) ** 2`` to row i of ``partial`` (chunks, period)."""
    cdef Py_ssize_t chunk, start, stop, period = partial.shape[1], size = a.shape[0]
    for chunk in prange(partial.shape[0], nogil=True, num_threads=threads, schedule="static"):
        start = chunk * PERIODS * period
        stop = min(start + PERIODS * period, size)
        while start < stop:
            add_squares[real](&a[start], &centre[0], min(period, stop - start), &partial[chunk, 0])
            start = start + period


def sum_products(const real[::1] a, const real[::1] b, real[:, ::1] partial, int threads):
    """Add chunk i of ``a * b`` to row i of ``partial`` (chunks, period)."""
    cdef Py_ssize_t chunk, start, stop, period = partial.shape[1], size = a.shape[0]
    for chunk in prange(partial.shape[0], nogil=True, num_threads=threads, schedule="static"):
        start = chunk * PERIODS * period
        stop = min(start + PERIODS * period, size)
        while start < stop:
            add_products[real](&a[start], &b[start], min(period, stop - start), &partial[chunk, 0])
            start = start + period


cdef void scale_and_shift(const real* a, const real* scale, const real* shift, real* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = a[i] * scale[i] + shift[i]


cdef void combine_chunk(const real* a, const real* b, const real* scale_a, const real* scale_b, const real* shift,
                        real* out, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        out[i] = a[i] * scale_a[i] + b[i] * scale_b[i] + shift[i]


def affine(const real[::1] a, const real[::1] scale, const real[::1] shift, real[::1] out, int threads):
    """Write ``a * scale + shift``."""
    cdef Py_ssize_t i, period = scale.shape[0], size = a.shape[0]
    for i in prange(0, size, period, nogil=True, num_threads=threads, schedule="static"):
        scale_and_shift[real](&a[i], &scale[0], &shift[0], &out[i], min(period, size - i))


def combine(const real[::1] a, const real[::1] b, const real[::1] scale_a, const real[::1] scale_b,
            const real[::1] shift, real[::1] out, int threads):
    """Write ``a * scale_a + b * scale_b + shift``."""
    cdef Py_ssize_t i, period = shift.shape[0], size = a.shape[0]
    for i in prange(0, size, period, nogil=True, num_threads=threads, schedule="static"):
        combine_chunk[real](&a[i], &b[i], &scale_a[0], &scale_b[0], &shift[0], &out[i], min(period, size - i))


def rectifier_gradient(const real[::1] output, const real[::1] grad_output, real[::1] out, int threads):
    """Write ``grad_output`` where ``output`` is positive, else 0."""
    cdef Py_ssize_t i
    for i in prange(output.shape[0], nogil=True, num_threads=threads, schedule="static"):
        out[i] = grad_output[i] if output[i] > 0 else 0
