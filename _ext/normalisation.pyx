"""Sums and affine maps per channel, rectifiers: one pass over memory each.

The arrays are flat. They are gone through in rows of one `period`, a multiple of the channels and of a vector's length,
so that each vector always meets the same channels, however few there are.
"""

from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY, sqrt
from libc.string cimport memcpy, memset

from vector cimport (LANES, above, blend, broadcast, free_block, larger, load, load_some, new_block, real, store, store_some,
                     vec, zeros)

cdef enum:
    TOGETHER = 4      # vectors summed side by side
    CHUNK = 1 << 14   # values summed in the arrays' own precision
    PART = 1 << 10    # values of a unit of work, at least


cdef Py_ssize_t make_period(Py_ssize_t channels) noexcept nogil:
    cdef Py_ssize_t period = channels
    while period % LANES:
        period += channels
    return period * ((TOGETHER * LANES + period - 1) // period)


cdef inline vec term(const real* a, const real* mask, const real* centre, Py_ssize_t at, Py_ssize_t place, int n) noexcept nogil:
    cdef vec value = load_some(a + at, n)
    if centre != NULL:
        value = value - load_some(centre + place, n)
    if mask != NULL:
        value = blend(above(load_some(mask + at, n), zeros()), value, zeros())
    return value


cdef inline vec other(const real* b, const real* around, Py_ssize_t at, Py_ssize_t place, int n) noexcept nogil:
    cdef vec value = load_some(b + at, n)
    if around != NULL:
        value = value - load_some(around + place, n)
    return value


cdef inline void add_up(const real* a, const real* b, const real* mask, const real* centre, const real* around,
                        Py_ssize_t first, Py_ssize_t last, Py_ssize_t period, Py_ssize_t place, real* sums, real* products,
                        int n_vectors) noexcept nogil:
    """Sum some vectors of each row from ``first`` to ``last``: the terms, and these times ``b - around``, or themselves."""
    cdef vec total[TOGETHER]
    cdef vec product[TOGETHER]
    cdef vec value
    cdef int i, n
    cdef Py_ssize_t at = first + place
    for i in range(n_vectors):
        total[i] = product[i] = zeros()
    while at + n_vectors * LANES <= last:
        for i in range(n_vectors):
            value = term(a, mask, centre, at + i * LANES, place + i * LANES, LANES)
            total[i] = total[i] + value
            product[i] = product[i] + value * (value if b == NULL else other(b, around, at + i * LANES, place + i * LANES, LANES))
        at += period
    for i in range(n_vectors):
        n = <int> min(last - at - i * LANES, LANES)
        if n > 0:
            value = term(a, mask, centre, at + i * LANES, place + i * LANES, n)
            total[i] = total[i] + value
            product[i] = product[i] + value * (value if b == NULL else other(b, around, at + i * LANES, place + i * LANES, n))
        store(sums + i * LANES, total[i])
        store(products + i * LANES, product[i])


cdef void sum_chunk(const real* a, const real* b, const real* mask, const real* centre, const real* around, Py_ssize_t first,
                    Py_ssize_t last, Py_ssize_t channels, Py_ssize_t period, double* sums, double* products) noexcept nogil:
    """Add the sums of a chunk to those of the channels."""
    cdef real part[TOGETHER * LANES]
    cdef real along[TOGETHER * LANES]
    cdef Py_ssize_t place = 0, c
    cdef int n, i
    while place < min(period, last - first):
        n = TOGETHER
        if place + TOGETHER * LANES <= period:
            add_up(a, b, mask, centre, around, first, last, period, place, part, along, TOGETHER)
        else:
            add_up(a, b, mask, centre, around, first, last, period, place, part, along, 1)
            n = 1
        c = place % channels
        for i in range(n * LANES):
            sums[c] += part[i]
            products[c] += along[i]
            c = c + 1 if c + 1 < channels else 0
        place += n * LANES


def sums(const real[::1] a, const real[::1] b, const real[::1] mask, const double[::1] around, double[::1] total,
         double[::1] along, int threads):
    """Write the sums per channel of ``a`` and of ``a * (b - around)``; where ``mask`` is not empty, of what has it positive.

    ``around`` has one value per channel, or is empty. It is subtracted before anything is summed: sums of values far from
    zero would lose their differences to rounding.
    """
    cdef Py_ssize_t channels = total.shape[0], period = make_period(channels), size = max(CHUNK // period, 1) * period
    cdef Py_ssize_t chunks = (a.shape[0] + size - 1) // size, i, c
    cdef const real* second = &b[0] if b.shape[0] else NULL
    cdef const real* where = &mask[0] if mask.shape[0] else NULL
    cdef double* parts = <double*> new_block(chunks * 2 * channels * sizeof(double))
    cdef real* row = <real*> new_block(period * sizeof(real))
    if parts == NULL or row == NULL:
        free_block(parts)
        free_block(row)
        raise MemoryError
    if around.shape[0]:
        for i in range(period):
            row[i] = <real> around[i % channels]
    memset(parts, 0, chunks * 2 * channels * sizeof(double))
    total[:] = 0
    along[:] = 0
    for i in prange(chunks, nogil=True, num_threads=threads, schedule="static"):
        sum_chunk(&a[0], second, where, NULL, row if around.shape[0] else NULL, i * size, min((i + 1) * size, a.shape[0]),
                  channels, period, parts + 2 * i * channels, parts + (2 * i + 1) * channels)
    for i in range(chunks):
        for c in range(channels):
            total[c] += parts[2 * i * channels + c]
            along[c] += parts[(2 * i + 1) * channels + c]
    if around.shape[0]:
        for c in range(channels):
            along[c] -= (around[c] - row[c]) * total[c]
    free_block(parts)
    free_block(row)


def moments(const real[::1] a, double[::1] mean, double[::1] squares, int threads):
    """Write the mean of each channel and the sum of the squared distances from it.

    Each chunk is summed around its first values; the chunks are joined as in Chan, Golub and LeVeque 1983.
    """
    cdef Py_ssize_t channels = mean.shape[0], period = make_period(channels), size = max(CHUNK // period, 1) * period
    cdef Py_ssize_t chunks = (a.shape[0] + size - 1) // size, i, c, before = 0, n
    cdef double* parts = <double*> new_block(chunks * 2 * channels * sizeof(double))
    cdef real* centres = <real*> new_block(threads * period * sizeof(real))
    cdef double apart, value
    if parts == NULL or centres == NULL:
        free_block(parts)
        free_block(centres)
        raise MemoryError
    memset(parts, 0, chunks * 2 * channels * sizeof(double))
    mean[:] = 0
    squares[:] = 0
    for i in prange(chunks, nogil=True, num_threads=threads, schedule="static"):
        sum_around_first(&a[0], centres + threadid() * period, i * size, min((i + 1) * size, a.shape[0]), channels, period,
                         parts + 2 * i * channels, parts + (2 * i + 1) * channels)
    for i in range(chunks):
        n = (min((i + 1) * size, a.shape[0]) - i * size) // channels
        for c in range(channels):
            value = parts[2 * i * channels + c] / n
            apart = a[i * size + c] + value - mean[c]
            squares[c] += (parts[(2 * i + 1) * channels + c] - value * value * n) + apart * apart * before * n / (before + n)
            mean[c] += apart * n / (before + n)
        before += n
    free_block(parts)
    free_block(centres)


cdef void sum_around_first(const real* a, real* centre, Py_ssize_t first, Py_ssize_t last, Py_ssize_t channels,
                           Py_ssize_t period, double* sums, double* squares) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(period):
        centre[i] = a[first + i % channels]
    sum_chunk(a, NULL, NULL, centre, NULL, first, last, channels, period, sums, squares)


def normalise(double[::1] mean, double[::1] squares, Py_ssize_t n, real[::1] running_mean, real[::1] running_var,
              double momentum, const real[::1] weight, const real[::1] bias, const real[::1] before, double eps,
              real[::1] scale, real[::1] shift):
    """Write the scale and shift of each channel that give it mean 0 and variance 1, then ``weight`` and ``bias``.

    ``mean`` and ``squares`` are those of ``n`` values, towards which the running ones move, see `moments`; with n = 0 they
    become the running ones. Then ``squares`` becomes the inverse of the standard deviation. ``weight`` and ``bias`` may be
    empty, and so may ``before``, which is added to the values first.
    """
    cdef Py_ssize_t c
    cdef double offset
    for c in range(mean.shape[0]):
        if n > 0:
            running_mean[c] += <real> (momentum * (mean[c] - running_mean[c]))
            running_var[c] += <real> (momentum * (squares[c] / (n - 1) - running_var[c]))
            squares[c] = squares[c] / n
        else:
            mean[c] = running_mean[c]
            squares[c] = running_var[c]
        squares[c] = 1 / sqrt(squares[c] + eps)
        offset = (before[c] if before.shape[0] else 0) - mean[c]
        scale[c] = <real> ((weight[c] if weight.shape[0] else 1) * squares[c])
        shift[c] = <real> ((bias[c] if bias.shape[0] else 0) + offset * scale[c])


def normalise_gradient(const double[::1] mean, const double[::1] inverse, Py_ssize_t n, const real[::1] weight,
                       const double[::1] total, const double[::1] along, double times, real[::1] grad_weight,
                       real[::1] grad_bias, real[::1] factor, real[::1] slope, real[::1] shift):
    """Write the coefficients of the gradient of the input: ``grad_output * factor + x * slope + shift``.

    ``total`` and ``along`` are the sums of the output's gradient, and of that times ``x - mean``; with n = 0 mean and inverse
    standard deviation were not those of ``x``. ``times`` the gradients of weight and bias are added to ``grad_weight`` and
    ``grad_bias`` unless these are empty; ``weight`` may be empty, too.
    """
    cdef Py_ssize_t c
    cdef double centred, share
    for c in range(mean.shape[0]):
        centred = along[c] * inverse[c]
        if grad_weight.shape[0]:
            grad_weight[c] += <real> (times * centred)
            grad_bias[c] += <real> (times * total[c])
        share = (weight[c] if weight.shape[0] else 1) * inverse[c]
        factor[c] = <real> share
        slope[c] = <real> (-share * inverse[c] * centred / n if n > 0 else 0)
        shift[c] = <real> (share * (inverse[c] * centred * mean[c] - total[c]) / n if n > 0 else 0)


cdef void map_part(const real* a, const real* mask, const real* b, const real* scale_a, const real* scale_b,
                   const real* shift, vec floor, real* out, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t i = 0
    cdef int n
    cdef vec value
    while i < size:
        n = <int> min(size - i, LANES)
        value = load_some(a + i, n)
        if mask != NULL:
            value = blend(above(load_some(mask + i, n), zeros()), value, zeros())
        if scale_a != NULL:
            value = value * load_some(scale_a + i, n) + load_some(shift + i, n)
        if b != NULL:
            value = value + load_some(b + i, n) * load_some(scale_b + i, n)
        store_some(out + i, larger(floor, value), n)
        i += LANES


cdef const real* repeat(const real[::1] channels, Py_ssize_t period, real* row) noexcept nogil:
    """Repeat one value per channel to fill a period; return the row, NULL for no channels."""
    cdef Py_ssize_t i
    if not channels.shape[0]:
        return NULL
    for i in range(0, period // channels.shape[0]):
        memcpy(row + i * channels.shape[0], &channels[0], channels.shape[0] * sizeof(real))
    return row


def affine(const real[::1] a, const real[::1] mask, const real[::1] b, const real[::1] scale_a, const real[::1] scale_b,
           const real[::1] shift, bint rectify, real[::1] out, int threads):
    """Write ``a * scale_a + b * scale_b + shift``, with ``rectify`` what of it is positive.

    Scales and shift are given for each channel. ``b`` may be empty; so may be the scales and the shift of ``a`` alone.
    If ``mask`` is not, ``a`` counts where that is positive.
    """
    cdef Py_ssize_t i, channels = max(scale_a.shape[0], 1), size = a.shape[0]
    cdef Py_ssize_t period = (PART + channels - 1) // channels * channels
    cdef vec floor = broadcast(0 if rectify else -INFINITY)
    cdef const real* where = &mask[0] if mask.shape[0] else NULL
    cdef const real* other = &b[0] if b.shape[0] else NULL
    cdef real* rows = <real*> new_block(3 * period * sizeof(real))
    cdef const real* scale
    cdef const real* other_scale
    cdef const real* term
    if rows == NULL:
        raise MemoryError
    scale = repeat(scale_a, period, rows)
    other_scale = repeat(scale_b, period, rows + period)
    term = repeat(shift, period, rows + 2 * period)
    for i in prange((size + period - 1) // period, nogil=True, num_threads=threads, schedule="static"):
        map_part(&a[i * period], where + i * period if where != NULL else NULL,
                 other + i * period if other != NULL else NULL, scale, other_scale, term, floor, &out[i * period],
                 min(period, size - i * period))
    free_block(rows)
