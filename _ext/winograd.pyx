"""Convolution with 3 x 3 taps by Winograd's minimal filtering F(2 x 2, 3 x 3) (Winograd 1980; Lavin and Gray 2016).

Four neighbouring pixels of the output cost 16 products instead of 36. The image is cut into tiles of 4 x 4 pixels that
overlap by two. Tiles (input transform, B) and filters (G) are transformed, multiplied, and transformed into 2 x 2 pixels
(output transform, A). Filters of volumes are summed over their frames before the output transform.
"""

from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY
from libc.string cimport memset

from tile cimport DEPTH, Product, ceil_div, grid, multiply, pack, set_blocks
from vector cimport LANES, ROWS, broadcast, free_block, larger, load, load_some, new_block, real, store, store_some, vec, zeros
from volume cimport Filter, Plan, Unit, Volume, gather_frame, make_filter, volume_of

cdef enum:
    UNITS = 8        # units of work to make at least, if there can be so many
    POINTS = 16      # elements of a transformed tile
    TILES = 56       # tiles that are multiplied at a time
    MANY = 1 << 20   # transformed weights that do not stay in the cache
    SUMS = 1 << 22   # transformed weights, or partial sums of their gradients, at a time
    CHUNK = 64       # tiles of a partial sum, at least


cdef void multiply_all(const Product* p) noexcept nogil:
    multiply(p)


cdef struct Tiling:
    # A unit of work is a band of `rows` rows of `columns` tiles in `frames` frames of the output, `together` at a time.
    Py_ssize_t rows
    Py_ssize_t columns
    Py_ssize_t bands
    Py_ssize_t frames
    Py_ssize_t runs
    Py_ssize_t units
    Py_ssize_t tiles
    Py_ssize_t together
    Py_ssize_t slots


cdef Tiling make_tiling(const Filter* f, Py_ssize_t samples, Py_ssize_t weights) noexcept nogil:
    """Divide the work; with many ``weights``, more tiles are multiplied with them at a time."""
    cdef Tiling t
    cdef Py_ssize_t rows = ceil_div(f.out_size[1], 2), wanted = TILES if weights < MANY else 4 * TILES
    t.columns = ceil_div(f.out_size[2], 2)
    t.rows = min(max(wanted // t.columns, 1), rows)
    t.together = min(max(wanted // (t.rows * t.columns), 1), f.out_size[0]) if t.rows == rows else 1
    t.runs = ceil_div(f.out_size[0], t.together) if t.together > 1 else 1
    while samples * t.runs * ceil_div(rows, t.rows) < UNITS and t.rows > 1 and t.rows * t.columns * t.together >= 2 * ROWS:
        t.rows = ceil_div(t.rows, 2)
    t.bands = ceil_div(rows, t.rows)
    t.rows = ceil_div(rows, t.bands)
    if t.together == 1:
        t.runs = min(ceil_div(UNITS, samples * t.bands), f.out_size[0])
    t.frames = ceil_div(f.out_size[0], t.runs)
    t.runs = ceil_div(f.out_size[0], t.frames)
    t.together = min(t.together, t.frames)
    t.slots = t.frames + f.taps[0] - 1 if t.together > 1 else f.taps[0]
    t.units = samples * t.bands * t.runs
    t.tiles = t.rows * t.columns
    return t


cdef Plan make_plan(const Tiling* t, const Filter* f, Py_ssize_t channels) noexcept nogil:
    """Return how `gather_frame` copies the pixels of a band."""
    cdef Plan p
    p.rows, p.columns, p.bands, p.strips, p.units, p.direct = 2 * t.rows, 2 * t.columns, t.bands, 1, t.units, False
    p.part[0], p.part[1], p.part[2] = f.taps[0], 2 * t.rows + 2, 2 * t.columns + 2
    p.pitch[2] = channels
    p.pitch[1] = p.part[2] * channels
    p.pitch[0] = p.part[1] * p.pitch[1]
    return p


cdef Unit unit_at(const Tiling* t, const Filter* f, Py_ssize_t i) noexcept nogil:
    cdef Unit u
    u.frame = i % t.runs * t.frames
    u.row = i // t.runs % t.bands * 2 * t.rows
    u.column = 0
    u.sample = i // (t.runs * t.bands)
    u.rows = min(2 * t.rows, 2 * ceil_div(f.out_size[1] - u.row, 2))
    u.columns = 2 * t.columns
    return u


cdef inline void transform_input(const vec* d, vec* out, int step) noexcept nogil:
    """Transform four elements of a tile, ``step`` apart: B transposed of the paper."""
    out[0] = d[0] - d[2 * step]
    out[step] = d[step] + d[2 * step]
    out[2 * step] = d[2 * step] - d[step]
    out[3 * step] = d[step] - d[3 * step]


cdef void transform_input_frame(const Plan* p, Py_ssize_t n_rows, Py_ssize_t n_columns, Py_ssize_t channels, const real* pixels,
                          real* points, Py_ssize_t tiles) noexcept nogil:
    """Input transform of the tiles of a band, (16, tiles, channels)."""
    cdef Py_ssize_t i, j, c
    for i in range(n_rows):
        for j in range(n_columns):
            c = 0
            while c < channels:
                transform_input_tile(pixels + 2 * i * p.pitch[1] + 2 * j * channels + c, p.pitch[1], channels,
                               points + (i * n_columns + j) * channels + c, tiles * channels,
                               <int> min(channels - c, LANES))
                c += LANES


cdef inline void transform_input_tile(const real* pixels, Py_ssize_t row, Py_ssize_t pixel, real* points, Py_ssize_t stride,
                                int n) noexcept nogil:
    cdef vec d[16]
    cdef vec half[16]
    cdef int i
    for i in range(16):
        d[i] = load_some(pixels + (i // 4) * row + (i % 4) * pixel, n)
    for i in range(4):
        transform_input(d + i, half + i, 4)
    for i in range(4):
        transform_input(half + 4 * i, d + 4 * i, 1)
    for i in range(16):
        store_some(points + i * stride, d[i], n)


cdef void transform_filters(const Volume* filters, Py_ssize_t column_stride, Py_ssize_t n_columns, Py_ssize_t frames,
                            Py_ssize_t frame, Py_ssize_t block, const real* scale, Py_ssize_t size, real* packed,
                            real* points) noexcept nogil:
    """Transform filters (kT, 3, 3, C, D) at one tap in time for one block of columns, ``size`` elements between points."""
    cdef Py_ssize_t channels = filters.size[2], c, i, lane, tap = 2 * LANES * channels
    cdef const real* source
    cdef real* to
    cdef vec w[9]
    cdef vec half[12]
    for i in range(9):
        pack(filters.data + frame * filters.stride[0] + i // 3 * filters.stride[1] + i % 3 * filters.stride[2],
             filters.stride[3], column_stride, channels, n_columns, block, scale, packed + i * tap)
    for c in range(channels):
        for lane in range(2):
            source = packed + (c * 2 + lane) * LANES
            to = points + (((block * frames + frame) * channels + c) * 2 + lane) * LANES
            for i in range(9):
                w[i] = load(source + i * tap)
            for i in range(3):
                half[i] = w[i]
                half[3 + i] = (w[i] + w[3 + i] + w[6 + i]) * <real> 0.5
                half[6 + i] = (w[i] - w[3 + i] + w[6 + i]) * <real> 0.5
                half[9 + i] = w[6 + i]
            for i in range(4):
                store(to + 4 * i * size, half[3 * i])
                store(to + (4 * i + 1) * size, (half[3 * i] + half[3 * i + 1] + half[3 * i + 2]) * <real> 0.5)
                store(to + (4 * i + 2) * size, (half[3 * i] - half[3 * i + 1] + half[3 * i + 2]) * <real> 0.5)
                store(to + (4 * i + 3) * size, half[3 * i + 2])


cdef inline void transform_output_tile(const real* points, Py_ssize_t stride, vec bias, vec floor, real* out, Py_ssize_t row,
                             Py_ssize_t pixel, bint below, bint beside, int n) noexcept nogil:
    """Output transform of the products of a tile: write those of the 2 x 2 pixels that exist."""
    cdef vec m[16]
    cdef vec half[8]
    cdef int i
    for i in range(16):
        m[i] = load_some(points + i * stride, n)
    for i in range(4):
        half[i] = m[i] + m[4 + i] + m[8 + i]
        half[4 + i] = m[4 + i] - m[8 + i] - m[12 + i]
    for i in range(2):
        if i == 0 or below:
            store_some(out + i * row, larger(floor, half[4 * i] + half[4 * i + 1] + half[4 * i + 2] + bias), n)
            if beside:
                store_some(out + i * row + pixel,
                           larger(floor, half[4 * i + 1] - half[4 * i + 2] - half[4 * i + 3] + bias), n)


cdef void transform_output_frame(const Volume* o, const Filter* f, const Tiling* t, const Unit* u, Py_ssize_t frame,
                       const real* points, Py_ssize_t stride, const real* bias, vec floor) noexcept nogil:
    """Output transform of the tiles of one frame of a band, ``stride`` elements between points."""
    cdef Py_ssize_t i, j, c
    cdef int n
    cdef real* out = (<real*> o.data + u.sample * o.stride[0] + frame * o.stride[1] + u.row * o.stride[2])
    for i in range(u.rows // 2):
        for j in range(t.columns):
            c = 0
            while c < o.channels:
                n = <int> min(o.channels - c, LANES)
                transform_output_tile(points + (i * t.columns + j) * o.channels + c, stride,
                            load_some(bias + c, n) if bias != NULL else zeros(), floor,
                            out + 2 * i * o.stride[2] + 2 * j * o.stride[3] + c, o.stride[2], o.stride[3],
                            u.row + 2 * i + 1 < f.out_size[1], 2 * j + 1 < f.out_size[2], n)
                c += LANES


cdef void list_k_offsets(Py_ssize_t frames, Py_ssize_t slots, Py_ssize_t channels, Py_ssize_t slot, Py_ssize_t* k_offsets) noexcept nogil:
    """Write the offsets of the channels of the transformed frames, for each slot that the first of them may be in."""
    cdef Py_ssize_t first, i
    for first in range(frames):
        for i in range(frames):
            grid(1, channels, 0, 1, k_offsets + (first * frames + i) * channels)
            shift(k_offsets + (first * frames + i) * channels, channels, (first + i) % slots * slot)


cdef void shift(Py_ssize_t* offsets, Py_ssize_t n, Py_ssize_t by) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        offsets[i] += by


cdef Py_ssize_t n_parts(const real[:, :, :, :, :] weight) noexcept:
    """Return how often to go over the volumes, each time for some of the columns of the filters."""
    cdef Py_ssize_t wanted = ceil_div(POINTS * weight.shape[0] * weight.shape[3] * weight.shape[4], SUMS)
    return max(min(wanted, ceil_div(weight.shape[4], 2 * LANES)), 1)


cdef Py_ssize_t part_start(Py_ssize_t n_columns, Py_ssize_t part, Py_ssize_t n) noexcept:
    return min(ceil_div(n_columns, 2 * LANES) * part // n * 2 * LANES, n_columns)


def winograd(const real[:, :, :, :, :] x, const real[:, :, :, :, :] weight, const real[::1] scale, const real[::1] bias,
             real[:, :, :, :, :] out, tuple before, bint rectify, int threads):
    """Write the correlation of volumes with filters (kT, 3, 3, C, D), times a scale plus a bias unless these are empty."""
    cdef Py_ssize_t n = n_parts(weight), i, first, last
    for i in range(n):
        first, last = part_start(weight.shape[4], i, n), part_start(weight.shape[4], i + 1, n)
        correlate(x, weight[:, :, :, :, first:last], scale[first:last], bias[first:last], out[:, :, :, :, first:last], before,
                  rectify, threads)


cdef void correlate(const real[:, :, :, :, :] x, const real[:, :, :, :, :] weight, const real[::1] scale,
                    const real[::1] bias, real[:, :, :, :, :] out, tuple before, bint rectify, int threads):
    cdef Volume v = volume_of(x), o = volume_of(out), filters = volume_of(weight)
    cdef Filter f = make_filter((<object> weight).shape[:3], (1, 1, 1), before, (1, 1, 1), (<object> out).shape[1:4])
    cdef Py_ssize_t frames = f.taps[0], depth = frames * v.channels, blocks = ceil_div(o.channels, 2 * LANES), i
    cdef Py_ssize_t size = blocks * depth * 2 * LANES, tap = 9 * v.channels * 2 * LANES
    cdef Tiling t = make_tiling(&f, x.shape[0], POINTS * size)
    cdef Plan p = make_plan(&t, &f, v.channels)
    cdef Py_ssize_t slot = POINTS * t.tiles * v.channels, rows = t.together * t.tiles
    cdef Py_ssize_t block = p.pitch[0] + t.slots * slot + POINTS * rows * o.channels
    cdef real* points = <real*> new_block(POINTS * size * sizeof(real))
    cdef real* memory = <real*> new_block(threads * max(block, tap) * sizeof(real))
    cdef Py_ssize_t* tables = <Py_ssize_t*> new_block((2 * rows + frames * depth) * sizeof(Py_ssize_t))
    cdef const real* factors = &scale[0] if scale.shape[0] else NULL
    cdef const real* terms = &bias[0] if bias.shape[0] else NULL
    cdef Product base
    try:
        if points == NULL or memory == NULL or tables == NULL:
            raise MemoryError
        with nogil:
            for i in prange(blocks * frames, num_threads=threads, schedule="static"):
                transform_filters(&filters, weight.strides[4] // <Py_ssize_t> sizeof(real), o.channels, frames,
                                  i % frames, i // frames, factors, size, memory + threadid() * tap, points)
            for i in range(threads):
                memset(memory + i * block, 0, p.pitch[0] * sizeof(real))
            grid(t.together, t.tiles, slot, v.channels, tables)
            grid(1, rows, 0, o.channels, tables + rows)
            list_k_offsets(frames, t.slots, v.channels, slot, tables + 2 * rows)
            base.row_offsets, base.out_offsets, base.n_k = tables, tables + rows, depth
            base.block, base.stride, base.n_columns = depth * 2 * LANES, 2 * LANES, o.channels
            base.bias, base.add, base.rectify = NULL, False, False
            set_blocks(&base, DEPTH)
            for i in prange(t.units, num_threads=threads, schedule="dynamic"):
                winograd_unit(&v, &f, &t, &p, &o, base, tables + 2 * rows, points, size, terms,
                              broadcast(0 if rectify else -INFINITY), memory + threadid() * block, i)
    finally:
        free_block(points)
        free_block(memory)
        free_block(tables)


cdef void winograd_unit(const Volume* v, const Filter* f, const Tiling* t, const Plan* p, const Volume* o, Product product,
                        const Py_ssize_t* k_offsets, const real* points, Py_ssize_t size, const real* bias, vec floor,
                        real* memory, Py_ssize_t i) noexcept nogil:
    cdef Unit u = unit_at(t, f, i)
    cdef Py_ssize_t frames = f.taps[0], depth = frames * v.channels, slot = POINTS * t.tiles * v.channels, frame, point, k
    cdef Py_ssize_t n = min(t.frames, f.out_size[0] - u.frame), done
    cdef real* seen = memory + p.pitch[0]
    cdef real* made = seen + t.slots * slot
    for frame in range(n + frames - 1):
        gather_frame(v, f, p, &u, u.frame + frame - f.before[0], memory)
        transform_input_frame(p, u.rows // 2, t.columns, v.channels, memory, seen + frame % t.slots * slot, t.tiles)
        done = frame + 1 if t.together == 1 else n + frames - 1
        if frame + 1 < done or frame + 1 < frames:
            continue
        # In a band with fewer rows the last ones of each frame are old; their results are not used.
        product.n_rows = t.together * t.tiles if t.together > 1 else u.rows // 2 * t.columns
        product.pair_stride = 0 if t.tiles % 2 or product.n_rows % 2 else v.channels
        product.k_offsets = k_offsets + (frame + 1 - frames) % frames * depth if t.together == 1 else k_offsets
        for point in range(POINTS):
            product.left = seen + point * t.tiles * v.channels
            product.right = points + point * size
            product.out = made + point * t.together * t.tiles * o.channels
            multiply_all(&product)
        for k in range(1 if t.together == 1 else n):
            transform_output_frame(o, f, t, &u, u.frame + (frame + 1 - frames if t.together == 1 else k),
                         made + k * t.tiles * o.channels, t.together * t.tiles * o.channels, bias, floor)


cdef inline void transform_gradient_tile(const real* grads, Py_ssize_t row, Py_ssize_t pixel, bint below, bint beside, real* points,
                             Py_ssize_t stride, int n) noexcept nogil:
    """Gradient transform of 2 x 2 pixels of the output, zero where there are none."""
    cdef vec g[4]
    cdef vec half[8]
    cdef int i
    g[0] = load_some(grads, n)
    g[1] = load_some(grads + pixel, n) if beside else zeros()
    g[2] = load_some(grads + row, n) if below else zeros()
    g[3] = load_some(grads + row + pixel, n) if below and beside else zeros()
    for i in range(2):
        half[i] = g[i]
        half[2 + i] = g[i] + g[2 + i]
        half[4 + i] = g[i] - g[2 + i]
        half[6 + i] = -g[2 + i]
    for i in range(4):
        store_some(points + 4 * i * stride, half[2 * i], n)
        store_some(points + (4 * i + 1) * stride, half[2 * i] + half[2 * i + 1], n)
        store_some(points + (4 * i + 2) * stride, half[2 * i] - half[2 * i + 1], n)
        store_some(points + (4 * i + 3) * stride, -half[2 * i + 1], n)


cdef void transform_gradient_frame(const Volume* g, const Filter* f, const Tiling* t, const Unit* u, Py_ssize_t frame, real* points,
                       Py_ssize_t width) noexcept nogil:
    """Gradient transform of one frame of a band, (16, tiles, width)."""
    cdef Py_ssize_t i, j, c
    cdef const real* source = g.data + u.sample * g.stride[0] + frame * g.stride[1] + u.row * g.stride[2]
    for i in range(u.rows // 2):
        for j in range(t.columns):
            c = 0
            while c < g.channels:
                transform_gradient_tile(source + 2 * i * g.stride[2] + 2 * j * g.stride[3] + c, g.stride[2], g.stride[3],
                            u.row + 2 * i + 1 < f.out_size[1], 2 * j + 1 < f.out_size[2],
                            points + (i * t.columns + j) * width + c, t.tiles * width, <int> min(g.channels - c, LANES))
                c += LANES


def winograd_gradient(const real[:, :, :, :, :] x, const real[:, :, :, :, :] grad_output,
                      real[:, :, :, :, :] grad_weight, tuple before, double scale, int threads):
    """Add ``scale`` times the gradient of the filters (kT, 3, 3, C, D)."""
    cdef Py_ssize_t n = n_parts(grad_weight), i, first, last
    for i in range(n):
        first, last = part_start(grad_weight.shape[4], i, n), part_start(grad_weight.shape[4], i + 1, n)
        correlate_back(x, grad_output[:, :, :, :, first:last], grad_weight[:, :, :, :, first:last], before, scale,
                       2 * UNITS if n == 1 else 1, threads)


cdef void correlate_back(const real[:, :, :, :, :] x, const real[:, :, :, :, :] grad_output,
                         real[:, :, :, :, :] grad_weight, tuple before, double scale, Py_ssize_t chunks, int threads):
    cdef Volume v = volume_of(x), g = volume_of(grad_output)
    cdef Filter f = make_filter((<object> grad_weight).shape[:3], (1, 1, 1), before, (1, 1, 1),
                                (<object> grad_output).shape[1:4])
    cdef Tiling t = make_tiling(&f, x.shape[0], 0)
    cdef Plan p = make_plan(&t, &f, v.channels)
    cdef Py_ssize_t frames = f.taps[0], depth = frames * v.channels, width = ceil_div(g.channels, LANES) * LANES, i
    cdef Py_ssize_t slot = POINTS * t.tiles * v.channels, block = p.pitch[0] + frames * slot + POINTS * t.tiles * width
    # Sums are made in `chunks` of the units and added in order; of large gradients each thread sums some of the points.
    # Each transforms all tiles for that, so that there are no more of them than threads.
    while chunks > t.units or chunks > 1 and (chunks * POINTS * depth * width > SUMS or chunks * CHUNK > t.units * t.tiles * t.frames):
        chunks //= 2
    cdef Py_ssize_t shares = min(max(UNITS // 2 // chunks, 1), ceil_div(threads, chunks))
    cdef real* partial = <real*> new_block(chunks * POINTS * depth * width * sizeof(real))
    cdef real* memory = <real*> new_block(threads * block * sizeof(real))
    cdef Py_ssize_t* tables = <Py_ssize_t*> new_block((depth + t.tiles + frames * depth) * sizeof(Py_ssize_t))
    cdef Product base
    try:
        if partial == NULL or memory == NULL or tables == NULL:
            raise MemoryError
        with nogil:
            for i in range(threads):
                memset(memory + i * block, 0, p.pitch[0] * sizeof(real))
            grid(1, depth, 0, width, tables)
            grid(1, t.tiles, 0, v.channels, tables + depth)
            list_k_offsets(frames, frames, v.channels, slot, tables + depth + t.tiles)
            base.out_offsets, base.k_offsets, base.n_rows = tables, tables + depth, depth
            base.pair_stride = 0 if v.channels % 2 else 1
            base.block, base.stride, base.n_columns = 2 * LANES, width, width
            base.bias, base.rectify = NULL, False
            base.n_k = t.tiles
            set_blocks(&base, DEPTH)
            for i in prange(chunks * shares, num_threads=threads, schedule="dynamic"):
                sum_chunk(&v, &f, &t, &p, &g, base, tables + depth + t.tiles, width, memory + threadid() * block,
                          partial + i // shares * POINTS * depth * width, t.units * (i // shares) // chunks,
                          t.units * (i // shares + 1) // chunks, POINTS * (i % shares) // shares,
                          POINTS * (i % shares + 1) // shares)
            for i in prange(depth, num_threads=threads, schedule="static"):
                add_chunks(partial, chunks, depth, width, i, grad_weight, <real> scale)
    finally:
        free_block(partial)
        free_block(memory)
        free_block(tables)


cdef void sum_chunk(const Volume* v, const Filter* f, const Tiling* t, const Plan* p, const Volume* g, Product product,
                    const Py_ssize_t* rows, Py_ssize_t width, real* memory, real* partial, Py_ssize_t first,
                    Py_ssize_t last, Py_ssize_t first_point, Py_ssize_t last_point) noexcept nogil:
    """Sum some points of the gradient over some units."""
    cdef Py_ssize_t frames = f.taps[0], depth = frames * v.channels, slot = POINTS * t.tiles * v.channels, frame, point, i
    cdef real* seen = memory + p.pitch[0]
    cdef real* transformed = seen + frames * slot
    cdef Unit u
    product.add = False
    for i in range(first, last):
        u = unit_at(t, f, i)
        product.n_k = u.rows // 2 * t.columns
        for frame in range(u.frame, min(u.frame + t.frames, f.out_size[0]) + frames - 1):
            gather_frame(v, f, p, &u, frame - f.before[0], memory)
            transform_input_frame(p, u.rows // 2, t.columns, v.channels, memory, seen + frame % frames * slot, t.tiles)
            if frame >= u.frame + frames - 1:
                transform_gradient_frame(g, f, t, &u, frame - frames + 1, transformed, width)
                product.row_offsets = rows + (frame + 1) % frames * depth
                for point in range(first_point, last_point):
                    product.left = seen + point * t.tiles * v.channels
                    product.right = transformed + point * t.tiles * width
                    product.out = partial + point * depth * width
                    multiply_all(&product)
                product.add = True


cdef void add_chunks(const real* partial, Py_ssize_t chunks, Py_ssize_t depth, Py_ssize_t width, Py_ssize_t row,
                     real[:, :, :, :, :] grad_weight, real scale) noexcept nogil:
    """Add the sums of one channel at one tap in time, transformed into 3 x 3 taps."""
    cdef Py_ssize_t channels = grad_weight.shape[3], frame = row // channels, channel = row % channels, d = 0, chunk
    cdef int i, k
    cdef vec m[16]
    cdef vec half[12]
    cdef real taps[9 * LANES]
    while d < grad_weight.shape[4]:
        for i in range(16):
            m[i] = zeros()
            for chunk in range(chunks):
                m[i] = m[i] + load(partial + ((chunk * POINTS + i) * depth + row) * width + d)
        for i in range(4):
            half[i] = m[i] + (m[4 + i] + m[8 + i]) * <real> 0.5
            half[4 + i] = (m[4 + i] - m[8 + i]) * <real> 0.5
            half[8 + i] = (m[4 + i] + m[8 + i]) * <real> 0.5 + m[12 + i]
        for i in range(3):
            store(taps + 3 * i * LANES, half[4 * i] + (half[4 * i + 1] + half[4 * i + 2]) * <real> 0.5)
            store(taps + (3 * i + 1) * LANES, (half[4 * i + 1] - half[4 * i + 2]) * <real> 0.5)
            store(taps + (3 * i + 2) * LANES, (half[4 * i + 1] + half[4 * i + 2]) * <real> 0.5 + half[4 * i + 3])
        for i in range(9):
            for k in range(<int> min(grad_weight.shape[4] - d, LANES)):
                grad_weight[frame, i // 3, i % 3, channel, d + k] += scale * taps[i * LANES + k]
        d += LANES
