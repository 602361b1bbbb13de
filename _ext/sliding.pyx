"""Convolution with three neighbouring taps along W into so few channels that one vector holds them.

A tile of `tile.pxd` reads an element for each product. Here each element that is read is multiplied with the three taps at
once, as it contributes to three pixels of the output: a row of the output slides along a row of pixels.
"""

from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY
from libc.string cimport memset

from tile cimport UNITS, ceil_div, round_up
from vector cimport (LANES, OUTPUTS, SLIDES, broadcast, free_block, larger, load, load_some, new_block, real, store_some, vec,
                     zeros)
from volume cimport Filter, Plan, Unit, Volume, gather_frame, keep_largest, make_filter, make_plan, pool, unit_at, volume_of

cdef enum:
    SUMS = 1 << 20   # elements of all partial sums of a gradient, at most if it can be fewer


def lanes():
    """Return how many channels one vector holds."""
    return LANES


cdef struct Runs:
    # A unit of work is a band of a frame, in `frames` frames of the output.
    Py_ssize_t frames
    Py_ssize_t runs
    Py_ssize_t units


cdef Plan make_bands(const Volume* v, const Filter* f, Py_ssize_t samples, Runs* r) noexcept nogil:
    """Divide the work into bands, and these into runs where there are few."""
    cdef Plan p = make_plan(v, f, samples)
    cdef Py_ssize_t bands = samples * p.bands * p.strips
    p.direct = False
    p.pitch[2] = v.channels
    p.pitch[1] = p.part[2] * v.channels
    p.pitch[0] = p.part[1] * p.pitch[1]
    r.runs = min(ceil_div(UNITS, bands), f.out_size[0])
    r.frames = round_up(ceil_div(f.out_size[0], r.runs), f.window[0])
    r.runs = ceil_div(f.out_size[0], r.frames)
    r.units = bands * r.runs
    return p


cdef Unit run_at(const Plan* p, const Filter* f, const Runs* r, Py_ssize_t i) noexcept nogil:
    cdef Py_ssize_t bands = p.bands * p.strips, run = i % r.runs * r.frames, band = i // r.runs % bands
    return unit_at(p, f, (i // (r.runs * bands) * f.out_size[0] + run) * bands + band)


cdef void list_rows(const Filter* f, const Plan* p, Py_ssize_t channels, Py_ssize_t* rows) noexcept nogil:
    """Write the offset of each row of three taps, for each slot of the ring buffer that the first frame may be in."""
    cdef Py_ssize_t first, t, h, c
    for first in range(f.taps[0]):
        for t in range(f.taps[0]):
            for h in range(f.taps[1]):
                for c in range(channels):
                    rows[0] = (first + t) % f.taps[0] * p.pitch[0] + h * p.pitch[1] + c
                    rows += 1


cdef void pack_row(const Volume* filters, Py_ssize_t column_stride, Py_ssize_t n_columns, const real* scale, Py_ssize_t row,
                   real* packed) noexcept nogil:
    """Write the three taps of one row and channel, filled up with zeros."""
    cdef Py_ssize_t c = row % filters.size[2], h = row // filters.size[2] % filters.size[0]
    cdef Py_ssize_t t = row // (filters.size[2] * filters.size[0]), w, d
    cdef const real* source
    memset(packed, 0, 3 * LANES * sizeof(real))
    for w in range(3):
        source = (filters.data + t * filters.stride[0] + h * filters.stride[1] + w * filters.stride[2]
                  + c * filters.stride[3])
        for d in range(n_columns):
            packed[w * LANES + d] = source[d * column_stride] * (scale[d] if scale != NULL else 1)


cdef inline void slide_tile(const real* left, Py_ssize_t pixel, const Py_ssize_t* rows, Py_ssize_t n_rows, const real* right,
                            vec bias, vec floor, real* out, Py_ssize_t out_pixel, Py_ssize_t valid, int columns) noexcept nogil:
    """Compute OUTPUTS neighbouring pixels of the output, of which the first ``valid`` exist."""
    cdef vec sums[OUTPUTS]
    cdef vec first, second, third, value
    cdef const real* source
    cdef Py_ssize_t k
    cdef int j
    for j in range(OUTPUTS):
        sums[j] = bias
    for k in range(n_rows):
        source = left + rows[k]
        first, second, third = load(right), load(right + LANES), load(right + 2 * LANES)
        right += 3 * LANES
        for j in range(OUTPUTS + 2):
            value = broadcast(source[j * pixel])
            if j < OUTPUTS:
                sums[j] = sums[j] + value * first
            if 0 < j <= OUTPUTS:
                sums[j - 1] = sums[j - 1] + value * second
            if j > 1:
                sums[j - 2] = sums[j - 2] + value * third
    for j in range(OUTPUTS):
        if j < valid:
            store_some(out + j * out_pixel, larger(floor, sums[j]), columns)


cdef void slide_frame(const Plan* p, const Unit* u, const real* block, const Py_ssize_t* rows, Py_ssize_t n_rows,
                      const real* packed, vec bias, vec floor, real* out, Py_ssize_t out_row, Py_ssize_t out_pixel,
                      int columns) noexcept nogil:
    """Compute one frame of a band."""
    cdef Py_ssize_t i, j
    for i in range(u.rows):
        j = 0
        while j < u.columns:
            slide_tile(block + i * p.pitch[1] + j * p.pitch[2], p.pitch[2], rows, n_rows, packed, bias, floor,
                       out + i * out_row + j * out_pixel, out_pixel, u.columns - j, columns)
            j += OUTPUTS


def slide(const real[:, :, :, :, :] x, const real[:, :, :, :, :] weight, const real[::1] scale, const real[::1] bias,
          real[:, :, :, :, :] out, tuple before, tuple window, bint rectify, int threads):
    """Write the correlation of volumes with filters (kT, kH, 3, C, D), times a scale plus a bias unless these are empty.

    There are at most `lanes` channels D. Of each ``window`` of the output the maximum is written.
    """
    cdef Volume v = volume_of(x), o = volume_of(out), filters = volume_of(weight)
    cdef Filter f = make_filter((<object> weight).shape[:3], (1, 1, 1), before, (1, 1, 1), (<object> out).shape[1:4])
    cdef bint pooled = pool(&f, window)
    cdef Runs r
    cdef Plan p = make_bands(&v, &f, x.shape[0], &r)
    cdef Py_ssize_t n_rows = f.taps[0] * f.taps[1] * v.channels, i
    # The last tile of a row reads beyond it.
    cdef Py_ssize_t seen = f.taps[0] * p.pitch[0] + OUTPUTS * v.channels
    cdef Py_ssize_t block = seen + (p.rows * p.columns * o.channels if pooled else 0)
    cdef real* packed = <real*> new_block(n_rows * 3 * LANES * sizeof(real))
    cdef real* blocks = <real*> new_block(threads * block * sizeof(real))
    cdef Py_ssize_t* rows = <Py_ssize_t*> new_block(f.taps[0] * n_rows * sizeof(Py_ssize_t))
    cdef const real* factors = &scale[0] if scale.shape[0] else NULL
    cdef vec term, floor
    try:
        if packed == NULL or blocks == NULL or rows == NULL:
            raise MemoryError
        with nogil:
            memset(blocks, 0, threads * block * sizeof(real))
            list_rows(&f, &p, v.channels, rows)
            term = load_some(&bias[0], <int> o.channels) if bias.shape[0] else zeros()
            floor = broadcast(0 if rectify else -INFINITY)
            for i in range(n_rows):
                pack_row(&filters, weight.strides[4] // <Py_ssize_t> sizeof(real), o.channels, factors, i,
                         packed + i * 3 * LANES)
            for i in prange(r.units, num_threads=threads, schedule="dynamic"):
                slide_unit(&v, &f, &p, &r, &o, rows, n_rows, packed, term, floor, blocks + threadid() * block,
                           seen if pooled else 0, i)
    finally:
        free_block(packed)
        free_block(blocks)
        free_block(rows)


cdef void slide_unit(const Volume* v, const Filter* f, const Plan* p, const Runs* r, const Volume* o, const Py_ssize_t* rows,
                     Py_ssize_t n_rows, const real* packed, vec bias, vec floor, real* block, Py_ssize_t to_pool,
                     Py_ssize_t i) noexcept nogil:
    """Compute a band of some frames; what is to be pooled is in the block at ``to_pool``, unless that is 0."""
    cdef Unit u = run_at(p, f, r, i)
    cdef Py_ssize_t taps = f.taps[0], frame, made, n = min(r.frames, f.out_size[0] - u.frame)
    for frame in range(n + taps - 1):
        gather_frame(v, f, p, &u, u.frame + frame - f.before[0], block + frame % taps * p.pitch[0])
        made = u.frame + frame + 1 - taps
        if frame < taps - 1:
            continue
        if to_pool:
            slide_frame(p, &u, block, rows + (frame + 1) % taps * n_rows, n_rows, packed, bias, floor, block + to_pool,
                        u.columns * o.channels, o.channels, <int> o.channels)
            keep_largest(f, &u, block + to_pool, made, o)
        else:
            slide_frame(p, &u, block, rows + (frame + 1) % taps * n_rows, n_rows, packed, bias, floor,
                        <real*> o.data + u.sample * o.stride[0] + made * o.stride[1] + u.row * o.stride[2]
                        + u.column * o.stride[3], o.stride[2], o.stride[3], <int> o.channels)


cdef extern from "slide.h" nogil:
    ctypedef struct Band "struct band":
        Py_ssize_t pixel
        Py_ssize_t row
        Py_ssize_t grad_pixel
        Py_ssize_t grad_row
        Py_ssize_t height
        Py_ssize_t width

    void slide_sums(const Band* b, const real* left, const Py_ssize_t* rows, int valid, const real* grads, int columns,
                    real* partial, bint add)


def slide_gradient(const real[:, :, :, :, :] x, const real[:, :, :, :, :] grad_output, real[:, :, :, :, :] grad_weight,
                   tuple before, double scale, int threads):
    """Add ``scale`` times the gradient of the filters (kT, kH, 3, C, D) of `slide`."""
    cdef Volume v = volume_of(x), g = volume_of(grad_output)
    cdef Filter f = make_filter((<object> grad_weight).shape[:3], (1, 1, 1), before, (1, 1, 1),
                                (<object> grad_output).shape[1:4])
    cdef Runs r
    cdef Plan p = make_bands(&v, &f, x.shape[0], &r)
    cdef Py_ssize_t n_rows = f.taps[0] * f.taps[1] * v.channels, size = n_rows * 3 * LANES, i
    cdef Py_ssize_t block = f.taps[0] * p.pitch[0], chunks = min(max(SUMS // size, 1), min(UNITS, r.units))
    cdef real* partial = <real*> new_block(chunks * size * sizeof(real))
    cdef real* blocks = <real*> new_block(threads * block * sizeof(real))
    cdef Py_ssize_t* rows = <Py_ssize_t*> new_block(f.taps[0] * n_rows * sizeof(Py_ssize_t))
    try:
        if partial == NULL or blocks == NULL or rows == NULL:
            raise MemoryError
        with nogil:
            memset(blocks, 0, threads * block * sizeof(real))
            list_rows(&f, &p, v.channels, rows)
            for i in prange(chunks, num_threads=threads, schedule="dynamic"):
                sum_runs(&v, &f, &p, &r, &g, rows, n_rows, blocks + threadid() * block, partial + i * size,
                         r.units * i // chunks, r.units * (i + 1) // chunks)
            for i in range(n_rows):
                add_row(partial, chunks, size, i, grad_weight, <real> scale)
    finally:
        free_block(partial)
        free_block(blocks)
        free_block(rows)


cdef void sum_runs(const Volume* v, const Filter* f, const Plan* p, const Runs* r, const Volume* g, const Py_ssize_t* rows,
                   Py_ssize_t n_rows, real* block, real* partial, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Sum the gradient over some units."""
    cdef Py_ssize_t taps = f.taps[0], frame, i, row
    cdef bint add = False
    cdef Unit u
    cdef Band b
    for i in range(first, last):
        u = run_at(p, f, r, i)
        b.pixel, b.row, b.grad_pixel, b.grad_row = p.pitch[2], p.pitch[1], g.stride[3], g.stride[2]
        b.height, b.width = u.rows, u.columns
        for frame in range(min(r.frames, f.out_size[0] - u.frame) + taps - 1):
            gather_frame(v, f, p, &u, u.frame + frame - f.before[0], block + frame % taps * p.pitch[0])
            if frame >= taps - 1:
                row = 0
                while row < n_rows:
                    slide_sums(&b, block, rows + (frame + 1) % taps * n_rows + row, <int> min(n_rows - row, SLIDES),
                               g.data + u.sample * g.stride[0] + (u.frame + frame + 1 - taps) * g.stride[1]
                               + u.row * g.stride[2] + u.column * g.stride[3], <int> g.channels,
                               partial + row * 3 * LANES, add)
                    row += SLIDES
                add = True


cdef void add_row(const real* partial, Py_ssize_t chunks, Py_ssize_t size, Py_ssize_t row,
                  real[:, :, :, :, :] grad_weight, real scale) noexcept nogil:
    cdef Py_ssize_t channels = grad_weight.shape[3], c = row % channels, h = row // channels % grad_weight.shape[1]
    cdef Py_ssize_t t = row // (channels * grad_weight.shape[1]), w, d, chunk
    cdef real sum
    for w in range(3):
        for d in range(grad_weight.shape[4]):
            sum = 0
            for chunk in range(chunks):
                sum += partial[chunk * size + (row * 3 + w) * LANES + d]
            grad_weight[t, h, w, c, d] += scale * sum
