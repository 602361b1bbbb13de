"""Pooling of volumes (samples, T, H, W, channels)."""

from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY

from vector cimport (LANES, above, blend, blend_integer, broadcast, broadcast_integer, chosen, exceeds, free_block, integer,
                     ivec, larger, load, load_indices, load_some, maximum, new_block, prefetch, real, same, store,
                     store_indices, store_some, vec, zeros)


cdef struct Span:
    Py_ssize_t first
    Py_ssize_t last


cdef struct Windows:
    # Sizes of the input and of the output; along each axis, the span of the input that each index of the output is made of,
    # and the steps within.
    Py_ssize_t[3] size
    Py_ssize_t[3] out_size
    const Span* spans[3]
    Py_ssize_t[3] step
    Py_ssize_t channels
    bint apart                  # along W each span is one pixel


cdef Windows make_windows(tuple size, tuple out_size, const Py_ssize_t[:, ::1] spans, tuple step, Py_ssize_t channels):
    cdef Windows w
    cdef Py_ssize_t axis, i, start = 0
    for axis in range(3):
        w.size[axis], w.out_size[axis], w.step[axis] = size[axis], out_size[axis], step[axis]
        w.spans[axis] = <const Span*> &spans[start, 0]
        start += w.out_size[axis]
    w.channels, w.apart = channels, True
    for i in range(w.out_size[2]):
        if w.spans[2][i].last - w.spans[2][i].first != 1:
            w.apart = False
    return w


cdef inline void pool_lanes(const Windows* w, const real* volume, const real* scale, const real* shift, real floor, Span t,
                            Span h, Py_ssize_t at, Py_ssize_t c, int n, real* out, int* where, real* raw, bint tracked,
                            bint scaled) noexcept nogil:
    """Write the largest values of a row of windows in ``n`` channels from ``c`` on; of equal ones the first, NaN where any is."""
    cdef vec value, found, new, factor = zeros(), term = zeros(), least = broadcast(floor)
    cdef ivec index
    cdef chosen better
    cdef Py_ssize_t i, k, q, pixel, column, begin = (t.first * w.size[1] + h.first) * w.size[2]
    # The processor does not prefetch across the end of a page, so that rows within one page need it done here.
    cdef Py_ssize_t ahead = (h.last - h.first) * w.size[2] * w.channels
    cdef Span s
    if scaled:
        factor = load_some(scale + c, n)
        term = load_some(shift + c, n)
    for column in range(w.out_size[2]):
        s = w.spans[2][column]
        value = load_some(volume + (begin + s.first) * w.channels + c, n)
        found = value
        index = broadcast_integer(<integer> (begin + s.first))
        if scaled:
            value = value * factor + term
        i = t.first
        while i < t.last:
            k = h.first
            while k < h.last:
                pixel = (i * w.size[1] + k) * w.size[2]
                q = s.first
                while q < s.last:
                    new = load_some(volume + (pixel + q) * w.channels + c, n)
                    prefetch(volume + (pixel + q) * w.channels + ahead + c)
                    if scaled:
                        better = exceeds(new * factor + term, value)
                        value = blend(better, new * factor + term, value)
                        found = blend(better, new, found)
                        index = blend_integer(better, broadcast_integer(<integer> (pixel + q)), index)
                    elif tracked:
                        better = exceeds(new, value)
                        value = blend(better, new, value)
                        index = blend_integer(better, broadcast_integer(<integer> (pixel + q)), index)
                    else:
                        value = maximum(new, value)
                    q += w.step[2]
                k += w.step[1]
            i += w.step[0]
        store_some(out + at + c, larger(least, value), n)
        if tracked:
            store_indices(where + at + c, index, n)
        if scaled:
            store_some(raw + at + c, found, n)
        at += w.channels


cdef inline void pool_row(const Windows* w, const real* volume, const real* scale, const real* shift, real floor,
                          Py_ssize_t row, real* out, int* where, real* raw, bint tracked, bint scaled) noexcept nogil:
    """Pool one row of windows."""
    cdef Span t = w.spans[0][row // w.out_size[1] % w.out_size[0]], h = w.spans[1][row % w.out_size[1]]
    cdef Py_ssize_t c = 0, at = row * w.out_size[2] * w.channels
    cdef int n
    while c < w.channels:
        n = <int> min(w.channels - c, LANES)
        if n == LANES:
            pool_lanes(w, volume, scale, shift, floor, t, h, at, c, LANES, out, where, raw, tracked, scaled)
        elif n == LANES // 2:
            pool_lanes(w, volume, scale, shift, floor, t, h, at, c, LANES // 2, out, where, raw, tracked, scaled)
        else:
            pool_lanes(w, volume, scale, shift, floor, t, h, at, c, n, out, where, raw, tracked, scaled)
        c += LANES


cdef void pool_any_row(const Windows* w, const real* volume, const real* scale, const real* shift, real floor,
                       Py_ssize_t row, real* out, int* where, real* raw) noexcept nogil:
    if scale != NULL:
        pool_row(w, volume, scale, shift, floor, row, out, where, raw, True, True)
    elif where != NULL:
        pool_row(w, volume, scale, shift, floor, row, out, where, raw, True, False)
    else:
        pool_row(w, volume, scale, shift, floor, row, out, where, raw, False, False)


def max_pool(const real[:, :, :, :, ::1] volume, const real[::1] scale, const real[::1] shift,
             const Py_ssize_t[:, ::1] spans, tuple step, bint rectify, real[:, :, :, :, ::1] out,
             int[:, :, :, :, ::1] where, real[:, :, :, :, ::1] raw, int threads):
    """Write the largest value of each window and, unless ``where`` is empty, its index in the volume, in pixels.

    ``spans`` are first and last (excluded) pixel of each window, along T, then along H, then along W.

    The values are scaled and shifted per channel before, if ``scale`` and ``shift`` are not empty. Then ``raw`` gets what
    they were before. With ``rectify`` what is below 0 becomes 0.
    """
    cdef Windows w = make_windows((<object> volume).shape[1:4], (<object> out).shape[1:4], spans, step, volume.shape[4])
    cdef Py_ssize_t i, rows = w.out_size[0] * w.out_size[1]
    cdef const real* factors = &scale[0] if scale.shape[0] else NULL
    cdef const real* terms = &shift[0] if scale.shape[0] else NULL
    cdef real* found = &raw[0, 0, 0, 0, 0] if scale.shape[0] else NULL
    cdef int* found_at = &where[0, 0, 0, 0, 0] if where.shape[0] else NULL
    cdef real floor = 0 if rectify else -INFINITY
    for i in prange(out.shape[0] * rows, nogil=True, num_threads=threads, schedule="static"):
        pool_any_row(&w, &volume[i // rows, 0, 0, 0, 0], factors, terms, floor, i, &out[0, 0, 0, 0, 0], found_at, found)


cdef struct PoolGradient:
    # The gradient of the output, the index of each maximum, the output if only positive values count, and the input, if it
    # times a slope plus a shift is to be added.
    const real* grads
    const int* where
    const real* output
    const real* volume
    const real* factor
    const real* slope
    const real* shift


cdef inline vec window_gradient(const PoolGradient* p, Py_ssize_t at, ivec index, vec factor, int n, bint masked, bint scaled) noexcept nogil:
    """Return what a window gives to the pixel at ``index``."""
    cdef vec grad = load_some(p.grads + at, n)
    if masked:
        grad = blend(above(load_some(p.output + at, n), zeros()), grad, zeros())
    if scaled:
        grad = grad * factor
    return blend(same(load_indices(p.where + at, n), index), grad, zeros())


cdef inline void gradient_lanes(const Windows* w, const PoolGradient* p, Py_ssize_t first, Span t, Span h, Py_ssize_t row,
                            Py_ssize_t c, int n, real* out, bint alone, bint masked, bint scaled) noexcept nogil:
    """Write the gradient of a row of pixels in ``n`` channels from the windows that they lie in, one ``alone`` or more.

    ``first`` is the first window of the row or, unless alone, of the sample.
    """
    cdef vec value = zeros(), factor = zeros(), slope = zeros(), shift = zeros()
    cdef ivec index = broadcast_integer(<integer> (row % (w.out_size[0] * w.out_size[1]) * w.out_size[2]))
    cdef Py_ssize_t i, k, q, line, column, at = row * w.out_size[2] * w.channels + c
    cdef Span s
    if scaled:
        factor = load_some(p.factor + c, n)
        slope = load_some(p.slope + c, n)
        shift = load_some(p.shift + c, n)
    for column in range(w.out_size[2]):
        s = w.spans[2][column]
        if scaled:
            value = load_some(p.volume + at, n) * slope + shift
        else:
            value = zeros()
        if alone:
            value = value + window_gradient(p, (first + s.first) * w.channels + c, index, factor, n, masked, scaled)
        else:
            for i in range(t.first, t.last):
                for k in range(h.first, h.last):
                    line = first + (i * w.size[1] + k) * w.size[2]
                    for q in range(s.first, s.last):
                        value = value + window_gradient(p, (line + q) * w.channels + c, index, factor, n, masked, scaled)
        store_some(out + at, value, n)
        at += w.channels
        index = index + 1


cdef inline void gradient_blocks(const Windows* w, const PoolGradient* p, Py_ssize_t first, Span t, Span h, Py_ssize_t row, real* out,
                             bint alone, bint masked, bint scaled) noexcept nogil:
    """Write the gradient of a row of pixels."""
    cdef Py_ssize_t c = 0
    cdef int n
    while c < w.channels:
        n = <int> min(w.channels - c, LANES)
        if n == LANES:
            gradient_lanes(w, p, first, t, h, row, c, LANES, out, alone, masked, scaled)
        elif n == LANES // 2:
            gradient_lanes(w, p, first, t, h, row, c, LANES // 2, out, alone, masked, scaled)
        else:
            gradient_lanes(w, p, first, t, h, row, c, n, out, alone, masked, scaled)
        c += LANES


cdef inline void gradient_row(const Windows* w, const PoolGradient* p, Py_ssize_t row, real* out, bint masked, bint scaled) noexcept nogil:
    cdef Span t = w.spans[0][row // w.out_size[1] % w.out_size[0]], h = w.spans[1][row % w.out_size[1]]
    cdef Py_ssize_t first = row // (w.out_size[0] * w.out_size[1]) * w.size[0] * w.size[1] * w.size[2]
    if w.apart and t.last - t.first == 1 and h.last - h.first == 1:
        gradient_blocks(w, p, first + (t.first * w.size[1] + h.first) * w.size[2], t, h, row, out, True, masked, scaled)
    else:
        gradient_blocks(w, p, first, t, h, row, out, False, masked, scaled)


cdef void gradient_any_row(const Windows* w, const PoolGradient* p, Py_ssize_t row, real* out) noexcept nogil:
    if p.output != NULL and p.volume != NULL:
        gradient_row(w, p, row, out, True, True)
    elif p.output != NULL:
        gradient_row(w, p, row, out, True, False)
    elif p.volume != NULL:
        gradient_row(w, p, row, out, False, True)
    else:
        gradient_row(w, p, row, out, False, False)


def max_pool_gradient(const real[:, :, :, :, ::1] grad_output, const int[:, :, :, :, ::1] where,
                      const real[:, :, :, :, ::1] output, const real[:, :, :, :, ::1] volume, const real[::1] factor,
                      const real[::1] slope, const real[::1] shift, const Py_ssize_t[:, ::1] spans,
                      real[:, :, :, :, ::1] grad_input, int threads):
    """Write the gradient of the volume: that of each maximum at its index, 0 elsewhere.

    ``spans`` are first and last (excluded) window that each pixel lies in, along T, then along H, then along W.

    If ``output`` is not empty, only where that is positive. If ``volume`` is not empty, each gradient times
    ``factor`` of its channel, plus ``volume * slope + shift``.
    """
    cdef Windows w = make_windows((<object> grad_output).shape[1:4], (<object> grad_input).shape[1:4], spans, (1, 1, 1),
                                  grad_input.shape[4])
    cdef PoolGradient p
    cdef Py_ssize_t i
    p.grads, p.where = &grad_output[0, 0, 0, 0, 0], &where[0, 0, 0, 0, 0]
    p.output = &output[0, 0, 0, 0, 0] if output.shape[0] else NULL
    p.volume = &volume[0, 0, 0, 0, 0] if volume.shape[0] else NULL
    p.factor, p.slope, p.shift = &factor[0], &slope[0], &shift[0]
    for i in prange(grad_input.shape[0] * w.out_size[0] * w.out_size[1], nogil=True, num_threads=threads, schedule="static"):
        gradient_any_row(&w, &p, i, &grad_input[0, 0, 0, 0, 0])


def window_sums(const real[:, :, :, :, ::1] volume, const Py_ssize_t[:, ::1] spans, const real[::1] weights,
                const real[::1] out_weights, real[:, :, :, :, ::1] out, int threads):
    """Write the sums of windows.

    The value at (t, h, w) counts ``weights[t] * weights[T + h] * weights[T + H + w]`` times, and sums are multiplied in
    the same way by ``out_weights``.
    """
    cdef Windows w = make_windows((<object> volume).shape[1:4], (<object> out).shape[1:4], spans, (1, 1, 1), volume.shape[4])
    cdef Py_ssize_t i, width = w.size[2] * w.channels + LANES, rows = w.out_size[0] * w.out_size[1]
    cdef real* buffers = <real*> new_block(threads * width * sizeof(real))
    if buffers == NULL:
        raise MemoryError
    for i in prange(out.shape[0] * rows, nogil=True, num_threads=threads, schedule="static"):
        sum_row(&w, &volume[i // rows, 0, 0, 0, 0], &weights[0], &out_weights[0], i, buffers + threadid() * width,
                &out[0, 0, 0, 0, 0])
    free_block(buffers)


cdef inline void sum_lanes(const Windows* w, const real* volume, const real* weights, Span ts, Span hs, Py_ssize_t row,
                           real* buffer, int n, int n_vectors) noexcept nogil:
    """Sum some rows of some frames in ``n`` lanes."""
    cdef vec sums[8]
    cdef Py_ssize_t t, h
    cdef real weight
    cdef int v
    for v in range(n_vectors):
        sums[v] = zeros()
    for t in range(ts.first, ts.last):
        for h in range(hs.first, hs.last):
            weight = weights[t] * weights[w.size[0] + h]
            for v in range(n_vectors):
                sums[v] = sums[v] + load_some(volume + (t * w.size[1] + h) * row + v * LANES, n - v * LANES) * weight
    for v in range(n_vectors):
        store(buffer + v * LANES, sums[v])


cdef void sum_row(const Windows* w, const real* volume, const real* weights, const real* out_weights, Py_ssize_t row,
                  real* buffer, real* out) noexcept nogil:
    cdef Py_ssize_t i = row // w.out_size[1] % w.out_size[0], k = row % w.out_size[1], column, width = w.size[2] * w.channels
    cdef Py_ssize_t j = 0, t
    cdef Span ts = w.spans[0][i], hs = w.spans[1][k], s
    cdef real factor = out_weights[i] * out_weights[w.out_size[0] + k]
    cdef vec total
    while j < width:
        if width - j >= 8 * LANES:
            sum_lanes(w, volume + j, weights, ts, hs, width, buffer + j, 8 * LANES, 8)
            j += 8 * LANES
        else:
            sum_lanes(w, volume + j, weights, ts, hs, width, buffer + j, <int> min(width - j, LANES), 1)
            j += LANES
    out += row * w.out_size[2] * w.channels
    weights += w.size[0] + w.size[1]
    for column in range(w.out_size[2]):
        s = w.spans[2][column]
        j = 0
        while j < w.channels:
            total = zeros()
            for t in range(s.first, s.last):
                total = total + load(buffer + t * w.channels + j) * weights[t]
            total = total * (factor * out_weights[w.out_size[0] + w.out_size[1] + column])
            store_some(out + j, total, <int> min(w.channels - j, LANES))
            j += LANES
        out += w.channels
