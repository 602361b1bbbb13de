"""Pooling of volumes (samples, T, H, W, channels)."""

from cython.parallel cimport prange

ctypedef fused real:
    float
    double


cdef struct Window:
    # The part of one window that lies inside the volume.
    Py_ssize_t t0, t1, h0, h1, w0, w1


cdef inline Py_ssize_t inside(Py_ssize_t start, Py_ssize_t dilation) noexcept nogil:
    """Return the first tap of a window at ``start`` that is not in the padding."""
    return start if start >= 0 else start + (-start + dilation - 1) // dilation * dilation


cdef inline Window window(Py_ssize_t t, Py_ssize_t h, Py_ssize_t w, const Py_ssize_t* shape, const Py_ssize_t* kernel,
                          const Py_ssize_t* stride, const Py_ssize_t* padding,
                          const Py_ssize_t* dilation) noexcept nogil:
    cdef Window part
    part.t0 = t * stride[0] - padding[0]
    part.h0 = h * stride[1] - padding[1]
    part.w0 = w * stride[2] - padding[2]
    part.t1 = min(part.t0 + dilation[0] * (kernel[0] - 1) + 1, shape[0])
    part.h1 = min(part.h0 + dilation[1] * (kernel[1] - 1) + 1, shape[1])
    part.w1 = min(part.w0 + dilation[2] * (kernel[2] - 1) + 1, shape[2])
    part.t0 = inside(part.t0, dilation[0])
    part.h0 = inside(part.h0, dilation[1])
    part.w0 = inside(part.w0, dilation[2])
    return part


cdef void largest(const real* volume, Py_ssize_t height, Py_ssize_t width, Py_ssize_t channels, Window part,
                  const Py_ssize_t* dilation, real* out, int* where) noexcept nogil:
    cdef Py_ssize_t t, h, w, c
    cdef int place = <int> ((part.t0 * height + part.h0) * width + part.w0)
    cdef const real* pixel = volume + place * channels
    for c in range(channels):
        out[c] = pixel[c]
        where[c] = place
    t = part.t0
    while t < part.t1:
        h = part.h0
        while h < part.h1:
            w = part.w0
            while w < part.w1:
                place = <int> ((t * height + h) * width + w)
                pixel = volume + place * channels
                for c in range(channels):
                    where[c] = place if pixel[c] > out[c] else where[c]
                    out[c] = pixel[c] if pixel[c] > out[c] else out[c]
                w += dilation[2]
            h += dilation[1]
        t += dilation[0]


def max_pool(const real[:, :, :, :, ::1] volume, const Py_ssize_t[::1] kernel, const Py_ssize_t[::1] stride,
             const Py_ssize_t[::1] padding, const Py_ssize_t[::1] dilation, real[:, :, :, :, ::1] out,
             int[:, :, :, :, ::1] where, int threads):
    """Write the largest value of each window, and its place in the volume counted in pixels."""
    cdef Py_ssize_t i, t, w, per_sample = out.shape[1] * out.shape[2]
    cdef Py_ssize_t sample, h
    for i in prange(out.shape[0] * per_sample, nogil=True, num_threads=threads, schedule="static"):
        sample = i // per_sample
        t = i % per_sample // out.shape[2]
        h = i % out.shape[2]
        for w in range(out.shape[3]):
            largest[real](&volume[sample, 0, 0, 0, 0], volume.shape[2], volume.shape[3], volume.shape[4],
                          window(t, h, w, &volume.shape[1], &kernel[0], &stride[0], &padding[0], &dilation[0]),
                          &dilation[0], &out[sample, t, h, w, 0], &where[sample, t, h, w, 0])


def max_pool_gradient(const real[:, :, ::1] grad_output, const int[:, :, ::1] where, real[:, :, ::1] grad_input,
                      int threads):
    """Add each gradient (samples, pixels, channels) where the largest value stood."""
    cdef Py_ssize_t sample, p, c
    for sample in prange(grad_output.shape[0], nogil=True, num_threads=threads, schedule="static"):
        for p in range(grad_output.shape[1]):
            for c in range(grad_output.shape[2]):
                grad_input[sample, where[sample, p, c], c] += grad_output[sample, p, c]


cdef inline Py_ssize_t volume_of(Window part) noexcept nogil:
    return (part.t1 - part.t0) * (part.h1 - part.h0) * (part.w1 - part.w0)


cdef inline Py_ssize_t padded_volume(Py_ssize_t t, Py_ssize_t h, Py_ssize_t w, const Py_ssize_t* shape,
                                     const Py_ssize_t* kernel, const Py_ssize_t* stride,
                                     const Py_ssize_t* padding) noexcept nogil:
    """Count the pixels of a window, those of the padding too, but none beyond it."""
    return (min(kernel[0], shape[0] + 2 * padding[0] - t * stride[0])
            * min(kernel[1], shape[1] + 2 * padding[1] - h * stride[1])
            * min(kernel[2], shape[2] + 2 * padding[2] - w * stride[2]))


def average_pool(const real[:, :, :, :, ::1] volume, const Py_ssize_t[::1] kernel, const Py_ssize_t[::1] stride,
                 const Py_ssize_t[::1] padding, bint count_include_pad, real[:, :, :, :, ::1] out, int threads):
    """Write the mean of each window."""
    cdef Py_ssize_t sample, t, h, w, ti, hi, wi, c, count
    cdef Py_ssize_t[3] dense = [1, 1, 1]
    cdef Window part
    for sample in prange(out.shape[0], nogil=True, num_threads=threads, schedule="static"):
        for t in range(out.shape[1]):
            for h in range(out.shape[2]):
                for w in range(out.shape[3]):
                    part = window(t, h, w, &volume.shape[1], &kernel[0], &stride[0], &padding[0], dense)
                    count = padded_volume(t, h, w, &volume.shape[1], &kernel[0], &stride[0], &padding[0])
                    if not count_include_pad:
                        count = volume_of(part)
                    for c in range(out.shape[4]):
                        out[sample, t, h, w, c] = 0
                    for ti in range(part.t0, part.t1):
                        for hi in range(part.h0, part.h1):
                            for wi in range(part.w0, part.w1):
                                for c in range(out.shape[4]):
                                    out[sample, t, h, w, c] += volume[sample, ti, hi, wi, c]
                    for c in range(out.shape[4]):
                        out[sample, t, h, w, c] /= count


def average_pool_gradient(const real[:, :, :, :, ::1] grad_output, const Py_ssize_t[::1] kernel,
                          const Py_ssize_t[::1] stride, const Py_ssize_t[::1] padding, bint count_include_pad,
                          real[:, :, :, :, ::1] grad_input, int threads):
    """Add each gradient, in equal shares, to the pixels of its window."""
    cdef Py_ssize_t sample, t, h, w, ti, hi, wi, c, count
    cdef Py_ssize_t[3] dense = [1, 1, 1]
    cdef Window part
    for sample in prange(grad_output.shape[0], nogil=True, num_threads=threads, schedule="static"):
        for t in range(grad_output.shape[1]):
            for h in range(grad_output.shape[2]):
                for w in range(grad_output.shape[3]):
                    part = window(t, h, w, &grad_input.shape[1], &kernel[0], &stride[0], &padding[0], dense)
                    count = padded_volume(t, h, w, &grad_input.shape[1], &kernel[0], &stride[0], &padding[0])
                    if not count_include_pad:
                        count = volume_of(part)
                    for ti in range(part.t0, part.t1):
                        for hi in range(part.h0, part.h1):
                            for wi in range(part.w0, part.w1):
                                for c in range(grad_output.shape[4]):
                                    grad_input[sample, ti, hi, wi, c] += grad_output[sample, t, h, w, c] / count
