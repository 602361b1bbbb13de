"""Pooling of volumes (samples, T, H, W, channels)."""

from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY
from libc.string cimport memcpy, memset

from vector cimport (LANES, either, either_real, everywhere, everywhere_whole, free_block, ivec, larger, load,
                     load_some, load_whole, new_block, real, store, store_some, store_whole, vec, whole, zeros)

cdef struct Span:
    Py_ssize_t first
    Py_ssize_t last


cdef struct Windows:
    # Sizes of a volume and of what is made of it, which pixels belong to each window along each axis, and the steps
    # between these.
    Py_ssize_t[3] size
    Py_ssize_t[3] places
    const Span* spans[3]
    Py_ssize_t[3] step
    Py_ssize_t channels


cdef Windows make_windows(tuple size, tuple places, const Py_ssize_t[:, ::1] spans, tuple step, Py_ssize_t channels):
    cdef Windows w
    cdef Py_ssize_t axis, start = 0
    for axis in range(3):
        w.size[axis], w.places[axis], w.step[axis] = size[axis], places[axis], step[axis]
        w.spans[axis] = <const Span*> &spans[start, 0]
        start += w.places[axis]
    w.channels = channels
    return w


cdef struct Best:
    # What a row of windows has found in each column: the value, where it stands, what it was before it was scaled.
    real* value
    real* raw
    whole* place


cdef void best_of_rows(const Windows* w, const real* volume, const real* scale, const real* shift, Span t, Span h,
                       const Best* best) noexcept nogil:
    """Find the best of each column over the rows of a window."""
    cdef Py_ssize_t j = 0, i, k, width = w.size[2] * w.channels, row
    cdef int n
    cdef vec value, raw, new, other
    cdef ivec place, better
    while j < width:
        n = <int> min(width - j, LANES)
        value = everywhere(-INFINITY)
        raw, place = value, everywhere_whole(-1)
        i = t.first
        while i < t.last:
            k = h.first
            while k < h.last:
                row = (i * w.size[1] + k) * w.size[2]
                new = load_some(volume + row * w.channels + j, n)
                other = new
                if scale != NULL:
                    other = new * load_some(scale + j, n) + load_some(shift + j, n)
                better = (other > value) | (place < 0)
                value = either_real(better, other, value)
                raw = either_real(better, new, raw)
                place = either(better, everywhere_whole(<whole> row), place)
                k += w.step[1]
            i += w.step[0]
        store(best.value + j, value)
        store(best.raw + j, raw)
        store_whole(best.place + j, place)
        j += LANES


cdef void best_of_columns(const Windows* w, const Best* best, Span s, real floor, real* out, real* raw,
                          int* where) noexcept nogil:
    """Write the best of the columns of one window."""
    cdef Py_ssize_t c = 0, column
    cdef int n, i
    cdef vec value, found, new
    cdef ivec place, new_place, better
    cdef whole places[LANES]
    while c < w.channels:
        n = <int> min(w.channels - c, LANES)
        value = found = zeros()
        place = everywhere_whole(-1)
        column = s.first
        while column < s.last:
            new = load(best.value + column * w.channels + c)
            new_place = load_whole(best.place + column * w.channels + c) + <whole> column
            better = (new > value) | ((new == value) & (new_place < place)) | (place < 0)
            value = either_real(better, new, value)
            found = either_real(better, load(best.raw + column * w.channels + c), found)
            place = either(better, new_place, place)
            column += w.step[2]
        store_some(out + c, larger(everywhere(floor), value), n)
        if raw != NULL:
            store_some(raw + c, found, n)
        store_whole(places, place)
        for i in range(n):
            where[c + i] = <int> places[i]
        c += LANES


cdef const real* repeat(const real* channels, Py_ssize_t n, Py_ssize_t times, real* row) noexcept nogil:
    """Write one number per channel as often as a row has pixels; return the row."""
    cdef Py_ssize_t i
    for i in range(times):
        memcpy(row + i * n, channels, n * sizeof(real))
    return row


def max_pool(const real[:, :, :, :, ::1] volume, const real[::1] scale, const real[::1] shift,
             const Py_ssize_t[:, ::1] spans, tuple step, bint rectify, real[:, :, :, :, ::1] out,
             int[:, :, :, :, ::1] where, real[:, :, :, :, ::1] raw, int threads):
    """Write the largest value of each window, and its place in the volume counted in pixels.

    ``spans`` are first and last (excluded) pixel of each window, along T, then along H, then along W.

    The values are scaled and shifted per channel before, if ``scale`` and ``shift`` are not empty. Then ``raw`` gets what
    they were before. With ``rectify`` what is below 0 becomes 0.
    """
    cdef Windows w = make_windows((<object> volume).shape[1:4], (<object> out).shape[1:4], spans, step, volume.shape[4])
    cdef Py_ssize_t i, width = (w.size[2] * w.channels + 2 * LANES), rows = w.places[0] * w.places[1]
    cdef real* buffers = <real*> new_block((threads * 3 + 2) * width * sizeof(real))
    cdef real* found = &raw[0, 0, 0, 0, 0] if scale.shape[0] else NULL
    cdef const real* factors = NULL
    cdef const real* terms = NULL
    if buffers == NULL:
        raise MemoryError
    memset(buffers, 0, threads * 3 * width * sizeof(real))
    if scale.shape[0]:
        factors = repeat(&scale[0], w.channels, w.size[2], buffers + threads * 3 * width)
        terms = repeat(&shift[0], w.channels, w.size[2], buffers + (threads * 3 + 1) * width)
    for i in prange(out.shape[0] * rows, nogil=True, num_threads=threads, schedule="static"):
        pool_row(&w, &volume[i // rows, 0, 0, 0, 0], factors, terms, rectify, i,
                 buffers + threadid() * 3 * width, width, &out[0, 0, 0, 0, 0], found, &where[0, 0, 0, 0, 0])
    free_block(buffers)


cdef void pool_row(const Windows* w, const real* volume, const real* scale, const real* shift, bint rectify,
                   Py_ssize_t row, real* buffers, Py_ssize_t width, real* out, real* raw, int* where) noexcept nogil:
    cdef Best best
    cdef Py_ssize_t column, to = row * w.places[2] * w.channels
    best.value, best.raw, best.place = buffers, buffers + width, <whole*> (buffers + 2 * width)
    best_of_rows(w, volume, scale, shift, w.spans[0][row // w.places[1] % w.places[0]], w.spans[1][row % w.places[1]], &best)
    for column in range(w.places[2]):
        best_of_columns(w, &best, w.spans[2][column], 0 if rectify else -INFINITY, out + to,
                        raw + to if raw != NULL else NULL, where + to)
        to += w.channels


cdef inline Py_ssize_t start_of(const Windows* w, int axis, Py_ssize_t place) noexcept nogil:
    """Return the first pixel that a window, or one before it, does not share; the last window gets all that are left."""
    if place == 0:
        return 0
    return w.size[axis] if place == w.places[axis] else w.spans[axis][place].first


cdef bint overlap(const Windows* w, int axis) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(1, w.places[axis]):
        if w.spans[axis][i].first < w.spans[axis][i - 1].last:
            return True
    return False


def max_pool_gradient(const real[:, :, :, :, ::1] grad_output, const int[:, :, :, :, ::1] where,
                      const real[:, :, :, :, ::1] output, const real[:, :, :, :, ::1] volume, const real[::1] factor,
                      const real[::1] slope, const real[::1] shift, const Py_ssize_t[:, ::1] spans,
                      real[:, :, :, :, ::1] grad_input, int threads):
    """Write the gradient of the volume: each number where the largest value stood, or 0.

    If ``output`` is not empty, only where that is positive. If ``volume`` is not empty, each number times ``factor``
    of its channel, plus ``volume * slope + shift``.
    """
    cdef Windows w = make_windows((<object> grad_input).shape[1:4], (<object> grad_output).shape[1:4], spans, (1, 1, 1),
                                  grad_input.shape[4])
    cdef const real* mask = &output[0, 0, 0, 0, 0] if output.shape[0] else NULL
    cdef const real* source = &volume[0, 0, 0, 0, 0] if volume.shape[0] else NULL
    cdef Py_ssize_t width = w.size[2] * w.channels
    cdef real* rows = <real*> new_block(2 * width * sizeof(real))
    cdef bint apart = not overlap(&w, 0) and not overlap(&w, 1)
    cdef Py_ssize_t i, units = w.places[0] * w.places[1] if apart else (w.channels + LANES - 1) // LANES
    if rows == NULL:
        raise MemoryError
    if source != NULL:
        repeat(&slope[0], w.channels, w.size[2], rows)
        repeat(&shift[0], w.channels, w.size[2], rows + width)
    for i in prange(grad_output.shape[0] * units, nogil=True, num_threads=threads, schedule="static"):
        if apart:
            spread(&w, &grad_output[0, 0, 0, 0, 0], &where[0, 0, 0, 0, 0], mask, source, &factor[0], rows, rows + width,
                   &grad_input[0, 0, 0, 0, 0], i // units, i % units // w.places[1], i % units // w.places[1] + 1,
                   i % w.places[1], i % w.places[1] + 1, 0, w.channels)
        else:
            spread(&w, &grad_output[0, 0, 0, 0, 0], &where[0, 0, 0, 0, 0], mask, source, &factor[0], rows, rows + width,
                   &grad_input[0, 0, 0, 0, 0], i // units, 0, w.places[0], 0, w.places[1], i % units * LANES,
                   min((i % units + 1) * LANES, w.channels))
    free_block(rows)


cdef void spread(const Windows* w, const real* grad_output, const int* where, const real* mask, const real* source,
                 const real* factor, const real* slope, const real* shift, real* grad_input, Py_ssize_t sample,
                 Py_ssize_t t0, Py_ssize_t t1, Py_ssize_t h0, Py_ssize_t h1, Py_ssize_t c0, Py_ssize_t c1) noexcept nogil:
    """Do what concerns some windows of a sample and some channels, and the pixels that belong to them."""
    cdef Py_ssize_t t, h, p, c, at, size = w.size[0] * w.size[1] * w.size[2] * w.channels
    cdef real value
    cdef real* to = grad_input + sample * size
    cdef const real* volume = source + sample * size if source != NULL else NULL
    for t in range(start_of(w, 0, t0), start_of(w, 0, t1)):
        for h in range(start_of(w, 1, h0), start_of(w, 1, h1)):
            begin_row(w, volume, slope, shift, to, t * w.size[1] + h, c0, c1)
    for t in range(t0, t1):
        for h in range(h0, h1):
            for p in range(w.places[2]):
                at = (((sample * w.places[0] + t) * w.places[1] + h) * w.places[2] + p) * w.channels
                for c in range(c0, c1):
                    value = grad_output[at + c]
                    if mask != NULL and not mask[at + c] > 0:
                        value = 0
                    to[where[at + c] * w.channels + c] += value * (factor[c] if volume != NULL else 1)


cdef inline void begin_row(const Windows* w, const real* volume, const real* slope, const real* shift, real* out,
                           Py_ssize_t row, Py_ssize_t c0, Py_ssize_t c1) noexcept nogil:
    """Write ``volume * slope + shift``, or 0, into some channels of a row."""
    cdef Py_ssize_t width = w.size[2] * w.channels, p, c
    cdef real* to = out + row * width
    if c1 - c0 < w.channels:
        for p in range(w.size[2]):
            for c in range(p * w.channels + c0, p * w.channels + c1):
                to[c] = volume[row * width + c] * slope[c] + shift[c] if volume != NULL else 0
    elif volume != NULL:
        for c in range(width):
            to[c] = volume[row * width + c] * slope[c] + shift[c]
    else:
        memset(to, 0, width * sizeof(real))


def window_sums(const real[:, :, :, :, ::1] volume, const Py_ssize_t[:, ::1] spans, const real[::1] weights,
                const real[::1] out_weights, real[:, :, :, :, ::1] out, int threads):
    """Write the sums of windows.

    What stands at (t, h, w) counts ``weights[t] * weights[T + h] * weights[T + H + w]`` times, and sums are multiplied in
    the same way by ``out_weights``.
    """
    cdef Windows w = make_windows((<object> volume).shape[1:4], (<object> out).shape[1:4], spans, (1, 1, 1), volume.shape[4])
    cdef Py_ssize_t i, width = w.size[2] * w.channels + LANES, rows = w.places[0] * w.places[1]
    cdef real* buffers = <real*> new_block(threads * width * sizeof(real))
    if buffers == NULL:
        raise MemoryError
    for i in prange(out.shape[0] * rows, nogil=True, num_threads=threads, schedule="static"):
        sum_row(&w, &volume[i // rows, 0, 0, 0, 0], &weights[0], &out_weights[0], i, buffers + threadid() * width,
                &out[0, 0, 0, 0, 0])
    free_block(buffers)


cdef void sum_row(const Windows* w, const real* volume, const real* weights, const real* out_weights, Py_ssize_t row,
                  real* buffer, real* out) noexcept nogil:
    cdef Py_ssize_t i = row // w.places[1] % w.places[0], k = row % w.places[1], column, width = w.size[2] * w.channels
    cdef Py_ssize_t j = 0, t, h
    cdef Span ts = w.spans[0][i], hs = w.spans[1][k], s
    cdef real factor = out_weights[i] * out_weights[w.places[0] + k]
    cdef int n
    cdef vec total
    while j < width:
        n = <int> min(width - j, LANES)
        total = zeros()
        for t in range(ts.first, ts.last):
            for h in range(hs.first, hs.last):
                total = total + load_some(volume + (t * w.size[1] + h) * width + j, n) * (weights[t] * weights[w.size[0] + h])
        store(buffer + j, total)
        j += LANES
    out += row * w.places[2] * w.channels
    weights += w.size[0] + w.size[1]
    for column in range(w.places[2]):
        s = w.spans[2][column]
        j = 0
        while j < w.channels:
            total = zeros()
            for t in range(s.first, s.last):
                total = total + load(buffer + t * w.channels + j) * weights[t]
            total = total * (factor * out_weights[w.places[0] + w.places[1] + column])
            store_some(out + j, total, <int> min(w.channels - j, LANES))
            j += LANES
        out += w.channels
