"""Volumes, filters that go over them, and the parts in which the work is divided."""

from libc.string cimport memcpy, memset

from tile cimport UNITS, ceil_div, round_up
from vector cimport LANES, ROWS, load_some, maximum, real, store_some, vec

cdef enum:
    PIXELS = 512     # pixels of a unit of work
    FEWEST = 2 * ROWS
    BLOCK = 1 << 17  # elements of a volume that a unit copies, at most if it can be fewer


cdef struct Volume:
    # Strides of samples, frames, rows and pixels; channels are contiguous.
    const real* data
    Py_ssize_t[4] stride
    Py_ssize_t[3] size
    Py_ssize_t channels


cdef struct Filter:
    # `before`: padding before the first pixel of the volume.
    Py_ssize_t[3] taps
    Py_ssize_t[3] stride
    Py_ssize_t[3] before
    Py_ssize_t[3] dilation
    Py_ssize_t[3] out_size
    # Windows of a maximum pooling of the output.
    Py_ssize_t[3] window


cdef struct Plan:
    # A unit of work is a band of `rows` times `columns` pixels in one frame of the output.
    Py_ssize_t rows
    Py_ssize_t columns
    Py_ssize_t bands
    Py_ssize_t strips
    Py_ssize_t units
    bint direct                 # without padding the volume is read in place
    Py_ssize_t[3] part          # frames, rows and pixels that a unit reads
    Py_ssize_t[3] pitch         # strides of frames, rows and pixels there


cdef struct Unit:
    Py_ssize_t sample
    Py_ssize_t frame
    Py_ssize_t row
    Py_ssize_t column
    Py_ssize_t rows
    Py_ssize_t columns


cdef inline Filter make_filter(tuple taps, tuple stride, tuple before, tuple dilation, tuple out_size):
    cdef Filter f
    cdef int axis
    for axis in range(3):
        f.taps[axis], f.stride[axis], f.before[axis] = taps[axis], stride[axis], before[axis]
        f.dilation[axis], f.out_size[axis], f.window[axis] = dilation[axis], out_size[axis], 1
    return f


cdef inline bint pool(Filter* f, tuple window):
    """Set the windows of a pooling of the output; return whether one has several pixels."""
    cdef int axis
    for axis in range(3):
        f.window[axis] = window[axis]
        f.out_size[axis] *= f.window[axis]
    return f.window[0] * f.window[1] * f.window[2] > 1


cdef inline Py_ssize_t reach(const Filter* f, int axis, Py_ssize_t n) noexcept nogil:
    """Return how many pixels of the input ``n`` neighbouring ones of the output depend on."""
    return (n - 1) * f.stride[axis] + (f.taps[axis] - 1) * f.dilation[axis] + 1


cdef inline Plan make_plan(const Volume* v, const Filter* f, Py_ssize_t samples) noexcept nogil:
    cdef Plan p
    cdef int axis
    p.direct = True
    for axis in range(3):
        if f.before[axis] > 0 or reach(f, axis, f.out_size[axis]) - f.before[axis] > v.size[axis]:
            p.direct = False
    p.columns = round_up(ceil_div(f.out_size[2], ceil_div(f.out_size[2], PIXELS)), f.window[2])
    p.rows = min(max(PIXELS // p.columns, 1), f.out_size[1])
    p.part[0], p.part[2] = reach(f, 0, 1), reach(f, 2, p.columns)
    while p.rows > 1 and (samples * f.out_size[0] * ceil_div(f.out_size[1], p.rows) < UNITS and p.rows * p.columns > FEWEST
                          or not p.direct and p.part[0] * reach(f, 1, p.rows) * p.part[2] * v.channels > BLOCK):
        p.rows = ceil_div(p.rows, 2)
    p.bands = ceil_div(f.out_size[1], p.rows)
    p.rows = round_up(ceil_div(f.out_size[1], p.bands), f.window[1])
    p.bands = ceil_div(f.out_size[1], p.rows)
    p.strips = ceil_div(f.out_size[2], p.columns)
    p.units = samples * f.out_size[0] * p.bands * p.strips
    p.part[1] = reach(f, 1, p.rows)
    p.pitch[2] = v.stride[3] if p.direct else v.channels
    p.pitch[1] = v.stride[2] if p.direct else p.part[2] * v.channels
    p.pitch[0] = v.stride[1] if p.direct else p.part[1] * p.pitch[1]
    return p


cdef inline Unit unit_at(const Plan* p, const Filter* f, Py_ssize_t i) noexcept nogil:
    cdef Unit u
    u.column = i % p.strips * p.columns
    u.row = i // p.strips % p.bands * p.rows
    u.frame = i // (p.strips * p.bands) % f.out_size[0]
    u.sample = i // (p.strips * p.bands * f.out_size[0])
    u.rows = min(p.rows, f.out_size[1] - u.row)
    u.columns = min(p.columns, f.out_size[2] - u.column)
    return u


cdef inline void copy_row(const real* source, Py_ssize_t stride, Py_ssize_t size, Py_ssize_t channels, Py_ssize_t start,
                          real* to, Py_ssize_t n, bint edges) noexcept nogil:
    """Copy the pixels ``start`` to ``start + n`` of a row of ``size``, with ``edges`` zeros where there are none."""
    cdef Py_ssize_t left = min(max(-start, 0), n), right = max(min(size - start, n), left), i
    if edges:
        memset(to, 0, left * channels * sizeof(real))
        memset(to + right * channels, 0, (n - right) * channels * sizeof(real))
    if stride == channels:
        memcpy(to + left * channels, source + (start + left) * channels, (right - left) * channels * sizeof(real))
    else:
        for i in range(left, right):
            memcpy(to + i * channels, source + (start + i) * stride, channels * sizeof(real))


cdef inline void gather_frame(const Volume* v, const Filter* f, const Plan* p, const Unit* u, Py_ssize_t frame,
                              real* block) noexcept nogil:
    """Copy what a unit reads of one frame.

    Where a band is as wide as the volume, the zeros on both sides are in the block from the beginning.
    """
    cdef Py_ssize_t h = u.row * f.stride[1] - f.before[1], w = u.column * f.stride[2] - f.before[2], j
    cdef const real* source = v.data + u.sample * v.stride[0] + frame * v.stride[1]
    for j in range(reach(f, 1, u.rows)):
        if 0 <= frame < v.size[0] and 0 <= h + j < v.size[1]:
            copy_row(source + (h + j) * v.stride[2], v.stride[3], v.size[2], v.channels, w, block + j * p.pitch[1],
                     p.part[2], p.strips > 1)
        else:
            memset(block + j * p.pitch[1], 0, p.pitch[1] * sizeof(real))


cdef inline const real* gather(const Volume* v, const Filter* f, const Plan* p, const Unit* u, real* block) noexcept nogil:
    """Return the first element that a unit reads, in the volume or in the block, into which it is copied."""
    cdef Py_ssize_t t = u.frame * f.stride[0] - f.before[0], i
    if p.direct:
        return (v.data + u.sample * v.stride[0] + t * v.stride[1] + (u.row * f.stride[1] - f.before[1]) * v.stride[2]
                + (u.column * f.stride[2] - f.before[2]) * v.stride[3])
    for i in range(f.taps[0]):
        gather_frame(v, f, p, u, t + i * f.dilation[0], block + i * f.dilation[0] * p.pitch[0])
    return block


cdef inline Volume volume_of(const real[:, :, :, :, :] x) noexcept nogil:
    cdef Volume v
    cdef int axis
    v.data = &x[0, 0, 0, 0, 0]
    for axis in range(4):
        v.stride[axis] = x.strides[axis] // <Py_ssize_t> sizeof(real)
    for axis in range(3):
        v.size[axis] = x.shape[axis + 1]
    v.channels = x.shape[4]
    return v


cdef inline void keep_lanes(const Filter* f, const real* source, Py_ssize_t row, Py_ssize_t pixel, bint first, real* out,
                            int n) noexcept nogil:
    """Write the maximum of a window in ``n`` channels, or of these and what was written before."""
    cdef vec value = load_some(source if first else out, n)
    cdef Py_ssize_t i, j
    for i in range(f.window[1]):
        for j in range(f.window[2]):
            value = maximum(load_some(source + i * row + j * pixel, n), value)
    store_some(out, value, n)


cdef inline void keep_largest(const Filter* f, const Unit* u, const real* band, Py_ssize_t frame, const Volume* o) noexcept nogil:
    """Write the maxima of the windows in one frame of a band, or of these and what was written for frames before."""
    cdef Py_ssize_t i, j, c, n, row = u.columns * o.channels
    cdef bint first = frame % f.window[0] == 0
    cdef real* out
    for i in range(u.rows // f.window[1]):
        out = (<real*> o.data + u.sample * o.stride[0] + frame // f.window[0] * o.stride[1]
               + (u.row // f.window[1] + i) * o.stride[2] + u.column // f.window[2] * o.stride[3])
        for j in range(u.columns // f.window[2]):
            c = 0
            while c < o.channels:
                n = min(o.channels - c, LANES)
                if n == LANES:
                    keep_lanes(f, band + j * f.window[2] * o.channels + c, row, o.channels, first, out + c, LANES)
                elif n == LANES // 2:
                    keep_lanes(f, band + j * f.window[2] * o.channels + c, row, o.channels, first, out + c, LANES // 2)
                else:
                    keep_lanes(f, band + j * f.window[2] * o.channels + c, row, o.channels, first, out + c, <int> n)
                c += LANES
            out += o.stride[3]
        band += f.window[1] * row
