"""Convolution and the gradient of its weights.

A unit of work that needs padding reads a block of its thread's own, into which its part of the volume is copied, with the
zeros.
"""

from cython.parallel cimport prange, threadid
from libc.string cimport memcpy, memset

from tile cimport DEPTH, UNITS, Product, ceil_div, grid, multiply, pack, set_blocks
from vector cimport LANES, ROWS, free_block, new_block, real
from volume cimport Filter, Plan, Unit, Volume, gather, keep_largest, make_filter, make_plan, pool, unit_at, volume_of

cdef enum:
    SUMS = 1 << 21   # elements of all partial sums of a gradient, at most if it can be fewer


cdef void multiply_all(const Product* p) noexcept nogil:
    multiply(p)


cdef void list_taps(const Filter* f, const Plan* p, Py_ssize_t channels, Py_ssize_t* k_offsets) noexcept nogil:
    """Write the offsets of what one output pixel reads."""
    cdef Py_ssize_t t, h, w, c, start
    for t in range(f.taps[0]):
        for h in range(f.taps[1]):
            for w in range(f.taps[2]):
                start = t * f.dilation[0] * p.pitch[0] + h * f.dilation[1] * p.pitch[1] + w * f.dilation[2] * p.pitch[2]
                for c in range(channels):
                    k_offsets[c] = start + c
                k_offsets += channels


cdef void pack_tap(const Volume* filters, Py_ssize_t n_columns, Py_ssize_t column_stride, Py_ssize_t tap, Py_ssize_t block,
                   Py_ssize_t depth, const real* scale, real* packed) noexcept nogil:
    """Write the weights of filters (kT, kH, kW, C, D) at one tap for one block of columns."""
    cdef Py_ssize_t w = tap % filters.size[1], h = tap // filters.size[1] % filters.size[0]
    cdef Py_ssize_t t = tap // (filters.size[1] * filters.size[0]), channels = filters.size[2]
    pack(filters.data + t * filters.stride[0] + h * filters.stride[1] + w * filters.stride[2], filters.stride[3],
         column_stride, channels, n_columns, block, scale, packed + (block * depth + tap * channels) * 2 * LANES)


def convolve(const real[:, :, :, :, :] x, const real[:, :, :, :, :] weight, const real[::1] scale, const real[::1] bias,
             real[:, :, :, :, :] out, tuple stride, tuple before, tuple dilation, tuple window, bint rectify, int threads):
    """Write the correlation of volumes with filters (kT, kH, kW, C, D), times a scale plus a bias unless these are empty.

    Of each ``window`` of the output the maximum is written.
    """
    cdef Volume v = volume_of(x), o = volume_of(out), filters = volume_of(weight)
    cdef Filter f = make_filter((<object> weight).shape[:3], stride, before, dilation, (<object> out).shape[1:4])
    cdef bint pooled = pool(&f, window)
    cdef Plan p = make_plan(&v, &f, x.shape[0])
    cdef Py_ssize_t depth = weight.shape[0] * weight.shape[1] * weight.shape[2] * weight.shape[3]
    cdef Py_ssize_t blocks = ceil_div(weight.shape[4], 2 * LANES), n_taps = weight.shape[0] * weight.shape[1] * weight.shape[2]
    cdef Py_ssize_t pixels = p.rows * p.columns, i
    cdef Py_ssize_t seen = 0 if p.direct else p.part[0] * p.pitch[0]
    cdef Py_ssize_t size = seen + (pixels * o.channels if pooled else 0)
    cdef real* packed = <real*> new_block(blocks * depth * 2 * LANES * sizeof(real))
    cdef real* copies = <real*> new_block(threads * size * sizeof(real))
    cdef Py_ssize_t* tables = <Py_ssize_t*> new_block(4 * pixels * sizeof(Py_ssize_t))
    cdef Py_ssize_t* k_offsets = <Py_ssize_t*> new_block(depth * sizeof(Py_ssize_t))
    cdef const real* factors = &scale[0] if scale.shape[0] else NULL
    cdef Product base
    try:
        if packed == NULL or copies == NULL or tables == NULL or k_offsets == NULL:
            raise MemoryError
        with nogil:
            memset(copies, 0, threads * size * sizeof(real))
            list_taps(&f, &p, v.channels, k_offsets)
            make_tables(&f, &p, &o, pooled, tables)
            base.k_offsets, base.n_k = k_offsets, depth
            base.right, base.block, base.stride, base.n_columns = packed, depth * 2 * LANES, 2 * LANES, weight.shape[4]
            base.pair_stride = 0 if p.columns % 2 or f.out_size[2] % 2 else f.stride[2] * p.pitch[2]
            base.bias = &bias[0] if bias.shape[0] else NULL
            base.add, base.rectify = False, rectify
            set_blocks(&base, DEPTH)
            for i in prange(blocks * n_taps, num_threads=threads, schedule="static"):
                pack_tap(&filters, weight.shape[4], weight.strides[4] // <Py_ssize_t> sizeof(real), i % n_taps, i // n_taps,
                         depth, factors, packed)
            for i in prange(p.units // f.window[0], num_threads=threads, schedule="dynamic"):
                convolve_unit(&v, &f, &p, &o, base, tables, copies + threadid() * size, seen, pooled, i)
    finally:
        free_block(packed)
        free_block(copies)
        free_block(tables)
        free_block(k_offsets)


cdef void make_tables(const Filter* f, const Plan* p, const Volume* o, bint alone, Py_ssize_t* tables) noexcept nogil:
    """Write the offsets of a unit's pixels in what it reads and in the output, or in a buffer of the unit alone; then the
    same for the last strip."""
    cdef Py_ssize_t pixels = p.rows * p.columns, last = f.out_size[2] - (p.strips - 1) * p.columns
    cdef Py_ssize_t pixel = o.channels if alone else o.stride[3]
    grid(p.rows, p.columns, f.stride[1] * p.pitch[1], f.stride[2] * p.pitch[2], tables)
    grid(p.rows, p.columns, p.columns * pixel if alone else o.stride[2], pixel, tables + pixels)
    grid(p.rows, last, f.stride[1] * p.pitch[1], f.stride[2] * p.pitch[2], tables + 2 * pixels)
    grid(p.rows, last, last * pixel if alone else o.stride[2], pixel, tables + 3 * pixels)


cdef void convolve_unit(const Volume* v, const Filter* f, const Plan* p, const Volume* o, Product product,
                        const Py_ssize_t* tables, real* block, Py_ssize_t seen, bint pooled, Py_ssize_t i) noexcept nogil:
    """Compute a band of the output, in all frames of a window; what is to be pooled is in the block, after what is read."""
    cdef Py_ssize_t pixels = p.rows * p.columns, bands = p.bands * p.strips, frame
    cdef Unit u
    for frame in range(f.window[0]):
        u = unit_at(p, f, (i // bands * f.window[0] + frame) * bands + i % bands)
        product.left, product.n_rows = gather(v, f, p, &u, block), u.rows * u.columns
        product.row_offsets = tables + (2 * pixels if u.columns < p.columns else 0)
        product.out_offsets = product.row_offsets + pixels
        if pooled:
            product.out = block + seen
        else:
            product.out = (<real*> o.data + u.sample * o.stride[0] + u.frame * o.stride[1] + u.row * o.stride[2]
                           + u.column * o.stride[3])
        multiply_all(&product)
        if pooled:
            keep_largest(f, &u, product.out, u.frame, o)


cdef struct Right:
    # The gradient of a unit's output as a right matrix (pixels, channels), in place or copied.
    bint direct
    Py_ssize_t width            # elements between pixels there


cdef const real* gather_right(const Volume* g, const Filter* f, const Plan* p, const Unit* u, const Right* right,
                              real* block) noexcept nogil:
    cdef const real* first = (g.data + u.sample * g.stride[0] + u.frame * g.stride[1] + u.row * g.stride[2]
                              + u.column * g.stride[3])
    cdef Py_ssize_t i, j
    cdef real* to = block
    if right.direct:
        return first
    for i in range(u.rows):
        for j in range(u.columns):
            memcpy(to, first + i * g.stride[2] + j * g.stride[3], g.channels * sizeof(real))
            memset(to + g.channels, 0, (right.width - g.channels) * sizeof(real))
            to += right.width
    return block


def weight_gradient(const real[:, :, :, :, :] x, const real[:, :, :, :, :] grad_output, real[:, :, :, :, :] grad_weight,
                    tuple stride, tuple before, tuple dilation, double scale, int threads):
    """Add ``scale`` times the gradient of the filters (kT, kH, kW, C, D) of `convolve`."""
    cdef Volume v = volume_of(x), g = volume_of(grad_output)
    cdef Filter f = make_filter((<object> grad_weight).shape[:3], stride, before, dilation, (<object> grad_output).shape[1:4])
    cdef Plan p = make_plan(&v, &f, x.shape[0])
    cdef Py_ssize_t n_taps = f.taps[0] * f.taps[1] * f.taps[2], depth = n_taps * v.channels, pixels = p.rows * p.columns
    cdef Right right
    right.width = ceil_div(g.channels, LANES) * LANES
    right.direct = (right.width == g.channels == g.stride[3] and g.stride[2] == f.out_size[2] * g.channels and p.strips == 1)
    # Sums are made in `chunks` of the units and added in order; large gradients are divided into `shares` instead.
    cdef Py_ssize_t chunks = min(max(SUMS // (depth * right.width), 1), min(UNITS, p.units))
    cdef Py_ssize_t shares = min(ceil_div(UNITS, chunks), ceil_div(depth, 4 * ROWS)), i
    cdef Py_ssize_t left_size = 0 if p.direct else p.part[0] * p.pitch[0]
    cdef Py_ssize_t size = left_size + (0 if right.direct else pixels * right.width)
    cdef real* partial = <real*> new_block(chunks * depth * right.width * sizeof(real))
    cdef real* copies = <real*> new_block(threads * size * sizeof(real))
    cdef Py_ssize_t* tables = <Py_ssize_t*> new_block((4 * pixels + 2 * depth) * sizeof(Py_ssize_t))
    cdef Product base
    try:
        if partial == NULL or copies == NULL or tables == NULL:
            raise MemoryError
        with nogil:
            memset(copies, 0, threads * size * sizeof(real))
            make_tables(&f, &p, &g, False, tables)
            list_taps(&f, &p, v.channels, tables + 4 * pixels)
            grid(1, depth, 0, right.width, tables + 4 * pixels + depth)
            base.row_offsets, base.out_offsets = tables + 4 * pixels, tables + 4 * pixels + depth
            base.pair_stride = 0 if v.channels % 2 else 1
            base.block, base.stride, base.n_columns = 2 * LANES, right.width, right.width
            base.bias, base.rectify = NULL, False
            base.n_k = pixels
            set_blocks(&base, DEPTH)
            for i in prange(chunks * shares, num_threads=threads, schedule="dynamic"):
                sum_chunk(&v, &f, &p, &g, &right, base, tables, copies + threadid() * size, left_size, depth, partial,
                          i // shares, chunks, i % shares, shares)
            for i in prange(n_taps, num_threads=threads, schedule="static"):
                add_chunks(partial, chunks, depth, right.width, i, grad_weight, <real> scale)
    finally:
        free_block(partial)
        free_block(copies)
        free_block(tables)


cdef void sum_chunk(const Volume* v, const Filter* f, const Plan* p, const Volume* g, const Right* right, Product product,
                    const Py_ssize_t* tables, real* block, Py_ssize_t left_size, Py_ssize_t depth, real* partial,
                    Py_ssize_t chunk, Py_ssize_t chunks, Py_ssize_t share, Py_ssize_t shares) noexcept nogil:
    """Sum one share of the gradient over one chunk of the units."""
    cdef Py_ssize_t i, pixels = p.rows * p.columns, tiles = ceil_div(depth, ROWS)
    cdef Py_ssize_t first = tiles * share // shares * ROWS, last = min(tiles * (share + 1) // shares * ROWS, depth)
    cdef Unit u
    product.row_offsets, product.out_offsets = product.row_offsets + first, product.out_offsets + first
    product.n_rows = last - first
    product.out, product.add = partial + chunk * depth * right.width, False
    for i in range(p.units * chunk // chunks, p.units * (chunk + 1) // chunks):
        u = unit_at(p, f, i)
        product.k_offsets = tables + (2 * pixels if u.columns < p.columns else 0)
        product.n_k = u.rows * u.columns
        product.left = gather(v, f, p, &u, block)
        product.right = gather_right(g, f, p, &u, right, block + left_size)
        multiply_all(&product)
        product.add = True


cdef void add_chunks(real* partial, Py_ssize_t chunks, Py_ssize_t depth, Py_ssize_t width, Py_ssize_t tap,
                     real[:, :, :, :, :] grad_weight, real scale) noexcept nogil:
    cdef Py_ssize_t w = tap % grad_weight.shape[2], h = tap // grad_weight.shape[2] % grad_weight.shape[1]
    cdef Py_ssize_t t = tap // (grad_weight.shape[2] * grad_weight.shape[1]), c, d, chunk
    cdef real* total
    cdef real* other
    for c in range(grad_weight.shape[3]):
        total = partial + (tap * grad_weight.shape[3] + c) * width
        for chunk in range(1, chunks):
            other = total + chunk * depth * width
            for d in range(width):
                total[d] += other[d]
        for d in range(grad_weight.shape[4]):
            grad_weight[t, h, w, c, d] += scale * total[d]
