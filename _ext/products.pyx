"""Products with a left matrix that is never made: convolution, the gradient of its weights, matrix products.

Element (r, k) of the left matrix is ``left[rows[r] + steps[k]]``. With rows = pixels and steps = taps of the filter this
is the convolution, with rows = taps and steps = pixels the gradient of its weights. What lies at the border of a
volume is read from a block of the thread's own, in which a part of the volume stands among zeros. Each number of the
output is summed by one thread in one order.
"""

from cython.parallel cimport prange, threadid
from libc.math cimport INFINITY
from libc.string cimport memcpy, memset

from vector cimport (FEW, LANES, ROWS, everywhere, free_block, larger, load, load_some, new_block, real, store_some,
                     total, vec, zeros)

cdef enum:
    DEPTH = 512      # products summed in registers before they are added to the output
    SHALLOW = 16     # the same where a large right matrix is read as it comes
    PIECE = 128      # rows of a right matrix that are packed at a time
    PIXELS = 512     # pixels of a unit of work
    NEAR = 1 << 13   # numbers of the right matrix that stay near while the rows go by
    BLOCK = 1 << 17  # numbers of the part of a volume that a unit copies, at most if it can be less
    UNITS = 16       # units of work that there are at least if there can be
    SUMS = 1 << 21   # numbers of all partial sums of a gradient, at most if it can be less


cdef struct Product:
    # `pair`, unless 0: what every second row is behind the one before it.
    const real* left
    const Py_ssize_t* rows
    Py_ssize_t n_rows
    Py_ssize_t pair
    const Py_ssize_t* steps
    Py_ssize_t n_steps
    # A right matrix, in blocks of 2 * LANES columns `block` numbers apart, `stride` numbers between its rows.
    const real* right
    Py_ssize_t block
    Py_ssize_t stride
    Py_ssize_t n_columns
    # Row r of the output stands at out[places[r]].
    real* out
    const Py_ssize_t* places
    const real* bias
    bint add
    bint rectify
    # Steps summed in registers at a time, and columns for which they stay near while the rows go by.
    Py_ssize_t depth
    Py_ssize_t wide


cdef inline void tile(const Product* p, Py_ssize_t r0, Py_ssize_t c0, Py_ssize_t first, Py_ssize_t last, const real* right,
                      bint add, vec floor, int n_rows, int n_vectors, bint paired) noexcept nogil:
    """Make ``n_rows`` rows and ``n_vectors`` vectors of the output from the steps ``first`` to ``last``.

    Of FEW rows some may not exist; ROWS are all there.
    """
    cdef vec sums[2 * ROWS]
    cdef vec factors[2]
    cdef real nowhere[2 * LANES]
    cdef const real* row[ROWS]
    cdef real* to
    cdef int r, v, i, columns = <int> min(p.n_columns - c0, 2 * LANES)
    cdef Py_ssize_t k, step, after, stride = p.stride
    for r in range(n_rows):
        row[r] = p.left + p.rows[r0 + r if n_rows == ROWS else min(r0 + r, p.n_rows - 1 - paired)]
    for v in range(n_vectors):
        factors[v] = load_some(p.bias + c0 + v * LANES, columns - v * LANES) if p.bias != NULL and not add else zeros()
    for i in range(n_rows * n_vectors):
        sums[i] = factors[i % n_vectors]
    for k in range(first, last):
        step = p.steps[k]
        after = step + p.pair
        for v in range(n_vectors):
            factors[v] = load(right + v * LANES)
        for i in range(n_rows * n_vectors):
            r = i // n_vectors
            if paired:
                sums[i] = sums[i] + row[r & -2][after if r & 1 else step] * factors[i % n_vectors]
            else:
                sums[i] = sums[i] + row[r][step] * factors[i % n_vectors]
        right += stride
    if add:
        for i in range(n_rows * n_vectors):
            r = i // n_vectors
            to = p.out + p.places[r0 + r if n_rows == ROWS else min(r0 + r, p.n_rows - 1)] + c0
            sums[i] = sums[i] + load_some(to + i % n_vectors * LANES, columns - i % n_vectors * LANES)
    for i in range(n_rows * n_vectors):
        r = i // n_vectors
        to = p.out + p.places[r0 + r] + c0 if n_rows == ROWS or r0 + r < p.n_rows else nowhere
        store_some(to + i % n_vectors * LANES, larger(floor, sums[i]), columns - i % n_vectors * LANES)


cdef inline void strip(const Product* p, Py_ssize_t r, Py_ssize_t c, Py_ssize_t first, Py_ssize_t last, bint add,
                       vec floor, int n_rows) noexcept nogil:
    cdef const real* right = p.right + c // (2 * LANES) * p.block + first * p.stride
    if p.n_columns - c > LANES:
        if p.pair:
            tile(p, r, c, first, last, right, add, floor, n_rows, 2, True)
        else:
            tile(p, r, c, first, last, right, add, floor, n_rows, 2, False)
    else:
        if p.pair:
            tile(p, r, c, first, last, right, add, floor, n_rows, 1, True)
        else:
            tile(p, r, c, first, last, right, add, floor, n_rows, 1, False)


cdef void multiply(const Product* p) noexcept nogil:
    """Make the whole product, block by block of its columns and of its depth."""
    cdef Py_ssize_t left = 0, first, last
    cdef vec floor
    while left < p.n_columns:
        first = 0
        while first < p.n_steps:
            last = min(first + p.depth, p.n_steps)
            floor = everywhere(0 if p.rectify and last == p.n_steps else -INFINITY)
            multiply_block(p, left, min(left + p.wide, p.n_columns), first, last, p.add or first > 0, floor)
            first = last
        left += p.wide


cdef inline void multiply_block(const Product* p, Py_ssize_t left, Py_ssize_t right, Py_ssize_t first, Py_ssize_t last,
                                bint add, vec floor) noexcept nogil:
    cdef Py_ssize_t r = 0, c
    while r < p.n_rows:
        c = left
        while c < right:
            if p.n_rows - r >= ROWS:
                strip(p, r, c, first, last, add, floor, ROWS)
            else:
                strip(p, r, c, first, last, add, floor, FEW)
            c += 2 * LANES
        r += ROWS if p.n_rows - r >= ROWS else FEW


cdef inline void set_blocks(Product* p, Py_ssize_t depth) noexcept nogil:
    p.depth = min(depth, max(p.n_steps, 1))
    p.wide = max(NEAR // p.depth // (2 * LANES), 1) * 2 * LANES


cdef struct Volume:
    # Strides of samples, frames, rows and pixels; channels are neighbours.
    const real* data
    Py_ssize_t[4] stride
    Py_ssize_t[3] size
    Py_ssize_t channels


cdef struct Filter:
    # `before`: how far outside of the volume the first tap of the first place stands.
    Py_ssize_t[3] taps
    Py_ssize_t[3] stride
    Py_ssize_t[3] before
    Py_ssize_t[3] dilation
    Py_ssize_t[3] places


cdef struct Plan:
    # A unit of work is a band of `rows` times `columns` places in one frame of the output.
    Py_ssize_t rows
    Py_ssize_t columns
    Py_ssize_t bands
    Py_ssize_t strips
    Py_ssize_t units
    bint direct                 # nothing is read outside of the volume: it is read where it stands
    Py_ssize_t[3] part          # frames, rows and pixels that a unit reads
    Py_ssize_t[3] pitch         # strides of frames, rows and pixels there


cdef struct Unit:
    Py_ssize_t sample
    Py_ssize_t frame
    Py_ssize_t row
    Py_ssize_t column
    Py_ssize_t rows
    Py_ssize_t columns


cdef inline Py_ssize_t parts(Py_ssize_t size, Py_ssize_t part) noexcept nogil:
    return (size + part - 1) // part


cdef Filter make_filter(tuple taps, tuple stride, tuple before, tuple dilation, tuple places):
    cdef Filter f
    cdef int axis
    for axis in range(3):
        f.taps[axis], f.stride[axis], f.before[axis] = taps[axis], stride[axis], before[axis]
        f.dilation[axis], f.places[axis] = dilation[axis], places[axis]
    return f


cdef inline Py_ssize_t reach(const Filter* f, int axis, Py_ssize_t places) noexcept nogil:
    """Return how many pixels some neighbouring places see."""
    return (places - 1) * f.stride[axis] + (f.taps[axis] - 1) * f.dilation[axis] + 1


cdef Plan make_plan(const Volume* v, const Filter* f, Py_ssize_t samples) noexcept nogil:
    cdef Plan p
    cdef int axis
    p.direct = True
    for axis in range(3):
        if f.before[axis] > 0 or reach(f, axis, f.places[axis]) - f.before[axis] > v.size[axis]:
            p.direct = False
    p.columns = parts(f.places[2], parts(f.places[2], PIXELS))
    p.rows = min(max(PIXELS // p.columns, 1), f.places[1])
    p.part[0], p.part[2] = reach(f, 0, 1), reach(f, 2, p.columns)
    while p.rows > 1 and (samples * f.places[0] * parts(f.places[1], p.rows) < UNITS or not p.direct
                          and p.part[0] * reach(f, 1, p.rows) * p.part[2] * v.channels > BLOCK):
        p.rows = parts(p.rows, 2)
    p.bands = parts(f.places[1], p.rows)
    p.rows = parts(f.places[1], p.bands)
    p.strips = parts(f.places[2], p.columns)
    p.units = samples * f.places[0] * p.bands * p.strips
    p.part[1] = reach(f, 1, p.rows)
    p.pitch[2] = v.stride[3] if p.direct else v.channels
    p.pitch[1] = v.stride[2] if p.direct else p.part[2] * v.channels
    p.pitch[0] = v.stride[1] if p.direct else p.part[1] * p.pitch[1]
    return p


cdef inline Unit unit_at(const Plan* p, const Filter* f, Py_ssize_t i) noexcept nogil:
    cdef Unit u
    u.column = i % p.strips * p.columns
    u.row = i // p.strips % p.bands * p.rows
    u.frame = i // (p.strips * p.bands) % f.places[0]
    u.sample = i // (p.strips * p.bands * f.places[0])
    u.rows = min(p.rows, f.places[1] - u.row)
    u.columns = min(p.columns, f.places[2] - u.column)
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


cdef const real* gather(const Volume* v, const Filter* f, const Plan* p, const Unit* u, real* block) noexcept nogil:
    """Return the first number that a unit's first place sees, in the volume or in the block, into which it copies.

    Where a band is as wide as the volume, the zeros on both sides stand in the block from the beginning.
    """
    cdef Py_ssize_t t = u.frame * f.stride[0] - f.before[0], h = u.row * f.stride[1] - f.before[1]
    cdef Py_ssize_t w = u.column * f.stride[2] - f.before[2], i, j, rows, frame
    cdef const real* sample = v.data + u.sample * v.stride[0]
    cdef real* to
    if p.direct:
        return sample + t * v.stride[1] + h * v.stride[2] + w * v.stride[3]
    rows = reach(f, 1, u.rows)
    for i in range(f.taps[0]):
        frame = t + i * f.dilation[0]
        for j in range(rows):
            to = block + i * f.dilation[0] * p.pitch[0] + j * p.pitch[1]
            if 0 <= frame < v.size[0] and 0 <= h + j < v.size[1]:
                copy_row(sample + frame * v.stride[1] + (h + j) * v.stride[2], v.stride[3], v.size[2], v.channels, w,
                         to, p.part[2], p.strips > 1)
            else:
                memset(to, 0, p.pitch[1] * sizeof(real))
    return block


cdef void list_taps(const Filter* f, const Plan* p, Py_ssize_t channels, Py_ssize_t* steps) noexcept nogil:
    """Write where the numbers stand that one place sees."""
    cdef Py_ssize_t t, h, w, c, start
    for t in range(f.taps[0]):
        for h in range(f.taps[1]):
            for w in range(f.taps[2]):
                start = t * f.dilation[0] * p.pitch[0] + h * f.dilation[1] * p.pitch[1] + w * f.dilation[2] * p.pitch[2]
                for c in range(channels):
                    steps[c] = start + c
                steps += channels


cdef void pack(const real* matrix, Py_ssize_t row_stride, Py_ssize_t column_stride, Py_ssize_t n_rows, Py_ssize_t n_columns,
               Py_ssize_t block, const real* scale, real* packed) noexcept nogil:
    """Write rows of one block of columns, scaled if that is asked for, filled up with zeros, as `tile` reads them."""
    cdef Py_ssize_t r, c, first = block * 2 * LANES, columns = min(n_columns - first, 2 * LANES)
    if columns < 2 * LANES:
        memset(packed, 0, n_rows * 2 * LANES * sizeof(real))
    matrix += first * column_stride
    if column_stride == 1:
        for r in range(n_rows):
            memcpy(packed + r * 2 * LANES, matrix + r * row_stride, columns * sizeof(real))
    else:
        for r in range(n_rows):
            for c in range(columns):
                packed[r * 2 * LANES + c] = matrix[r * row_stride + c * column_stride]
    if scale != NULL:
        for r in range(n_rows):
            for c in range(columns):
                packed[r * 2 * LANES + c] *= scale[first + c]


cdef void pack_tap(const Volume* filters, Py_ssize_t n_columns, Py_ssize_t column_stride, Py_ssize_t tap, Py_ssize_t block,
                   Py_ssize_t depth, const real* scale, real* packed) noexcept nogil:
    """Write the numbers of filters (kT, kH, kW, C, D) at one tap for one block of columns."""
    cdef Py_ssize_t w = tap % filters.size[1], h = tap // filters.size[1] % filters.size[0]
    cdef Py_ssize_t t = tap // (filters.size[1] * filters.size[0]), channels = filters.size[2]
    pack(filters.data + t * filters.stride[0] + h * filters.stride[1] + w * filters.stride[2], filters.stride[3],
         column_stride, channels, n_columns, block, scale, packed + (block * depth + tap * channels) * 2 * LANES)


cdef void grid(Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t row_step, Py_ssize_t column_step, Py_ssize_t* places) noexcept nogil:
    cdef Py_ssize_t i, j
    for i in range(rows):
        for j in range(columns):
            places[i * columns + j] = i * row_step + j * column_step


cdef Volume see(const real[:, :, :, :, :] x) noexcept nogil:
    cdef Volume v
    cdef int axis
    v.data = &x[0, 0, 0, 0, 0]
    for axis in range(4):
        v.stride[axis] = x.strides[axis] // <Py_ssize_t> sizeof(real)
    for axis in range(3):
        v.size[axis] = x.shape[axis + 1]
    v.channels = x.shape[4]
    return v


def convolve(const real[:, :, :, :, :] x, const real[:, :, :, :, :] weight, const real[::1] scale, const real[::1] bias,
             real[:, :, :, :, :] out, tuple stride, tuple before, tuple dilation, bint rectify, int threads):
    """Write the correlation of volumes with filters (kT, kH, kW, C, D), times a scale plus a bias unless these are empty."""
    cdef Volume v = see(x), o = see(out), filters = see(weight)
    cdef Filter f = make_filter((<object> weight).shape[:3], stride, before, dilation, (<object> out).shape[1:4])
    cdef Plan p = make_plan(&v, &f, x.shape[0])
    cdef Py_ssize_t depth = weight.shape[0] * weight.shape[1] * weight.shape[2] * weight.shape[3]
    cdef Py_ssize_t blocks = parts(weight.shape[4], 2 * LANES), n_taps = weight.shape[0] * weight.shape[1] * weight.shape[2]
    cdef Py_ssize_t pixels = p.rows * p.columns, i
    cdef Py_ssize_t size = 0 if p.direct else p.part[0] * p.pitch[0]
    cdef real* packed = <real*> new_block(blocks * depth * 2 * LANES * sizeof(real))
    cdef real* copies = <real*> new_block(threads * size * sizeof(real))
    cdef Py_ssize_t* tables = <Py_ssize_t*> new_block(4 * pixels * sizeof(Py_ssize_t))
    cdef Py_ssize_t* steps = <Py_ssize_t*> new_block(depth * sizeof(Py_ssize_t))
    cdef const real* factors = &scale[0] if scale.shape[0] else NULL
    cdef Product whole
    try:
        if packed == NULL or copies == NULL or tables == NULL or steps == NULL:
            raise MemoryError
        with nogil:
            memset(copies, 0, threads * size * sizeof(real))
            list_taps(&f, &p, v.channels, steps)
            make_tables(&f, &p, &o, tables)
            whole.steps, whole.n_steps = steps, depth
            whole.right, whole.block, whole.stride, whole.n_columns = packed, depth * 2 * LANES, 2 * LANES, weight.shape[4]
            whole.pair = 0 if p.columns % 2 or f.places[2] % 2 else f.stride[2] * p.pitch[2]
            whole.bias = &bias[0] if bias.shape[0] else NULL
            whole.add, whole.rectify = False, rectify
            set_blocks(&whole, DEPTH)
            for i in prange(blocks * n_taps, num_threads=threads, schedule="static"):
                pack_tap(&filters, weight.shape[4], weight.strides[4] // <Py_ssize_t> sizeof(real), i % n_taps, i // n_taps,
                         depth, factors, packed)
            for i in prange(p.units, num_threads=threads, schedule="dynamic"):
                convolve_unit(&v, &f, &p, &o, whole, tables, copies + threadid() * size, i)
    finally:
        free_block(packed)
        free_block(copies)
        free_block(tables)
        free_block(steps)


cdef void make_tables(const Filter* f, const Plan* p, const Volume* o, Py_ssize_t* tables) noexcept nogil:
    """Write where the pixels of a unit stand in what it reads and in the output; behind it the same for the last strip."""
    cdef Py_ssize_t pixels = p.rows * p.columns, last = f.places[2] - (p.strips - 1) * p.columns
    grid(p.rows, p.columns, f.stride[1] * p.pitch[1], f.stride[2] * p.pitch[2], tables)
    grid(p.rows, p.columns, o.stride[2], o.stride[3], tables + pixels)
    grid(p.rows, last, f.stride[1] * p.pitch[1], f.stride[2] * p.pitch[2], tables + 2 * pixels)
    grid(p.rows, last, o.stride[2], o.stride[3], tables + 3 * pixels)


cdef void convolve_unit(const Volume* v, const Filter* f, const Plan* p, const Volume* o, Product product,
                        const Py_ssize_t* tables, real* block, Py_ssize_t i) noexcept nogil:
    cdef Unit u = unit_at(p, f, i)
    cdef Py_ssize_t pixels = p.rows * p.columns
    if u.columns < p.columns:
        tables += 2 * pixels
    product.left, product.rows, product.n_rows = gather(v, f, p, &u, block), tables, u.rows * u.columns
    product.places = tables + pixels
    product.out = (<real*> o.data + u.sample * o.stride[0] + u.frame * o.stride[1] + u.row * o.stride[2]
                   + u.column * o.stride[3])
    multiply(&product)


cdef struct Right:
    # The gradient of a unit's output as a right matrix (pixels, channels), where it stands or in a copy.
    bint direct
    Py_ssize_t width            # numbers between pixels there


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
    cdef Volume v = see(x), g = see(grad_output)
    cdef Filter f = make_filter((<object> grad_weight).shape[:3], stride, before, dilation, (<object> grad_output).shape[1:4])
    cdef Plan p = make_plan(&v, &f, x.shape[0])
    cdef Py_ssize_t n_taps = f.taps[0] * f.taps[1] * f.taps[2], depth = n_taps * v.channels, pixels = p.rows * p.columns
    cdef Right right
    right.width = parts(g.channels, LANES) * LANES
    right.direct = (right.width == g.channels == g.stride[3] and g.stride[2] == f.places[2] * g.channels and p.strips == 1)
    # Sums are made in `chunks` of the units and added in order; large gradients are divided into `shares` instead.
    cdef Py_ssize_t chunks = min(max(SUMS // (depth * right.width), 1), min(UNITS, p.units))
    cdef Py_ssize_t shares = min(parts(UNITS, chunks), parts(depth, 4 * ROWS)), i
    cdef Py_ssize_t left_size = 0 if p.direct else p.part[0] * p.pitch[0]
    cdef Py_ssize_t size = left_size + (0 if right.direct else pixels * right.width)
    cdef real* partial = <real*> new_block(chunks * depth * right.width * sizeof(real))
    cdef real* copies = <real*> new_block(threads * size * sizeof(real))
    cdef Py_ssize_t* tables = <Py_ssize_t*> new_block((4 * pixels + 2 * depth) * sizeof(Py_ssize_t))
    cdef Product whole
    try:
        if partial == NULL or copies == NULL or tables == NULL:
            raise MemoryError
        with nogil:
            memset(copies, 0, threads * size * sizeof(real))
            make_tables(&f, &p, &g, tables)
            list_taps(&f, &p, v.channels, tables + 4 * pixels)
            grid(1, depth, 0, right.width, tables + 4 * pixels + depth)
            whole.rows, whole.places = tables + 4 * pixels, tables + 4 * pixels + depth
            whole.pair = 0 if v.channels % 2 else 1
            whole.block, whole.stride, whole.n_columns = 2 * LANES, right.width, right.width
            whole.bias, whole.rectify = NULL, False
            whole.n_steps = pixels
            set_blocks(&whole, DEPTH)
            for i in prange(chunks * shares, num_threads=threads, schedule="dynamic"):
                sum_chunk(&v, &f, &p, &g, &right, whole, tables, copies + threadid() * size, left_size, depth, partial,
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
    cdef Py_ssize_t i, pixels = p.rows * p.columns, tiles = parts(depth, ROWS)
    cdef Py_ssize_t first = tiles * share // shares * ROWS, last = min(tiles * (share + 1) // shares * ROWS, depth)
    cdef Unit u
    product.rows, product.places, product.n_rows = product.rows + first, product.places + first, last - first
    product.out, product.add = partial + chunk * depth * right.width, False
    for i in range(p.units * chunk // chunks, p.units * (chunk + 1) // chunks):
        u = unit_at(p, f, i)
        product.steps = tables + (2 * pixels if u.columns < p.columns else 0)
        product.n_steps = u.rows * u.columns
        product.left = gather(v, f, p, &u, block)
        product.right = gather_right(g, f, p, &u, right, block + left_size)
        multiply(&product)
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


cdef inline Py_ssize_t whole_parts(Py_ssize_t size, Py_ssize_t part) noexcept nogil:
    return parts(size, part) * part


cdef void pack_left(const real* matrix, Py_ssize_t stride, Py_ssize_t n_rows, Py_ssize_t depth, Py_ssize_t panel,
                    real* packed) noexcept nogil:
    """Write ROWS rows of a matrix whose columns are neighbours in memory, one column behind the other."""
    cdef Py_ssize_t k, rows = min(ROWS, n_rows - panel * ROWS)
    for k in range(depth):
        memcpy(packed + (panel * depth + k) * ROWS, matrix + panel * ROWS + k * stride, rows * sizeof(real))


def product(const real[:, :] left, const real[:, :] right, real[:, :] out, bint add, int threads):
    """Write, or add, the product of two matrices; the columns of ``out`` are neighbours."""
    cdef Py_ssize_t n_rows = left.shape[0], depth = left.shape[1], n_columns = right.shape[1], size = sizeof(real), i
    cdef Py_ssize_t left_row = left.strides[0] // size, left_step = left.strides[1] // size
    # Steps far apart would throw each other out of the nearest memory.
    cdef bint direct = n_columns % LANES == 0 and right.strides[1] == size, apart = left_row == 1 and left_step * depth > NEAR
    cdef Py_ssize_t blocks = 0 if direct else parts(n_columns, 2 * LANES), pieces = parts(depth, PIECE)
    cdef Py_ssize_t rows = whole_parts(parts(n_rows, 4) if n_rows >= 8 * ROWS else n_rows, ROWS), bands = parts(n_rows, rows)
    cdef Py_ssize_t columns = whole_parts(parts(n_columns, parts(UNITS, bands)), 2 * LANES), strips = parts(n_columns, columns)
    cdef Py_ssize_t panels = parts(n_rows, ROWS) if apart else 0
    cdef real* packed = <real*> new_block(blocks * depth * 2 * LANES * size)
    cdef real* packed_left = <real*> new_block(panels * depth * ROWS * size)
    cdef Py_ssize_t* tables = <Py_ssize_t*> new_block((2 * n_rows + depth) * sizeof(Py_ssize_t))
    cdef Product whole
    try:
        if packed == NULL or packed_left == NULL or tables == NULL:
            raise MemoryError
        with nogil:
            for i in range(n_rows):
                tables[i] = (i // ROWS * depth * ROWS + i % ROWS) if apart else i * left_row
            grid(1, n_rows, 0, out.strides[0] // size, tables + n_rows)
            grid(1, depth, 0, ROWS if apart else left_step, tables + 2 * n_rows)
            whole.left, whole.rows = packed_left if apart else &left[0, 0], tables
            whole.steps, whole.n_steps = tables + 2 * n_rows, depth
            whole.pair = 0 if n_rows % 2 else left_row
            whole.right = &right[0, 0] if direct else packed
            whole.block = 2 * LANES if direct else depth * 2 * LANES
            whole.stride = right.strides[0] // size if direct else 2 * LANES
            whole.out, whole.places, whole.bias, whole.add, whole.rectify = &out[0, 0], tables + n_rows, NULL, add, False
            set_blocks(&whole, SHALLOW if direct and depth > PIECE and depth * n_columns > BLOCK else DEPTH)
            for i in prange(panels, num_threads=threads, schedule="static"):
                pack_left(&left[0, 0], left_step, n_rows, depth, i, packed_left)
            for i in prange(blocks * pieces, num_threads=threads, schedule="static"):
                pack(&right[0, 0] + i % pieces * PIECE * (right.strides[0] // size), right.strides[0] // size,
                     right.strides[1] // size, min(PIECE, depth - i % pieces * PIECE), n_columns, i // pieces,
                     NULL, packed + (i // pieces * depth + i % pieces * PIECE) * 2 * LANES)
            for i in prange(bands * strips, num_threads=threads, schedule="dynamic"):
                multiply_part(whole, n_rows, n_columns, i // strips * rows, rows, i % strips * columns, columns)
    finally:
        free_block(packed)
        free_block(packed_left)
        free_block(tables)


cdef void multiply_part(Product p, Py_ssize_t n_rows, Py_ssize_t n_columns, Py_ssize_t row, Py_ssize_t rows,
                        Py_ssize_t column, Py_ssize_t columns) noexcept nogil:
    p.rows, p.places, p.n_rows = p.rows + row, p.places + row, min(rows, n_rows - row)
    p.right, p.out, p.n_columns = p.right + column // (2 * LANES) * p.block, p.out + column, min(columns, n_columns - column)
    multiply(&p)


cdef inline void inner_tile(const real* x, Py_ssize_t x_stride, const real* w, Py_ssize_t w_stride, Py_ssize_t depth,
                            real* out, Py_ssize_t out_stride, int n_x, int n_w) noexcept nogil:
    """Add the inner products of ``n_x`` rows with ``n_w`` rows to ``out`` (n_x, n_w)."""
    cdef vec sums[16]
    cdef vec factors[8]
    cdef int i
    cdef Py_ssize_t k = 0
    for i in range(n_x * n_w):
        sums[i] = zeros()
    while k + LANES <= depth:
        for i in range(n_w):
            factors[i] = load(w + i * w_stride + k)
        for i in range(n_x * n_w):
            sums[i] = sums[i] + load(x + i // n_w * x_stride + k) * factors[i % n_w]
        k += LANES
    if k < depth:
        for i in range(n_x * n_w):
            sums[i] = sums[i] + (load_some(x + i // n_w * x_stride + k, <int> (depth - k))
                                 * load_some(w + i % n_w * w_stride + k, <int> (depth - k)))
    for i in range(n_x * n_w):
        out[i // n_w * out_stride + i % n_w] += total(sums[i])


def inner_products(const real[:, ::1] x, const real[:, ::1] weight, real[:, ::1] out, int threads):
    """Add ``x @ weight.T`` to ``out``, reading few rows of x for each of the weight, which is read once."""
    cdef Py_ssize_t band = whole_parts(parts(weight.shape[0], UNITS), 8), i
    for i in prange(parts(weight.shape[0], band), nogil=True, num_threads=threads, schedule="dynamic"):
        inner_band(x, weight, out, i * band, min((i + 1) * band, weight.shape[0]))


cdef void inner_band(const real[:, ::1] x, const real[:, ::1] weight, real[:, ::1] out, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef Py_ssize_t k = 0, depth, row, sample, n = x.shape[0], stride = x.shape[1], to = out.shape[1]
    while k < stride:
        depth = min(NEAR // 4, stride - k)
        row = first
        while row < last:
            sample = 0
            while sample < n:
                if n == 1 and last - row >= 8:
                    inner_tile(&x[sample, k], stride, &weight[row, k], stride, depth, &out[sample, row], to, 1, 8)
                elif n - sample >= 4 and last - row >= 4:
                    inner_tile(&x[sample, k], stride, &weight[row, k], stride, depth, &out[sample, row], to, 4, 4)
                elif last - row >= 4:
                    inner_tile(&x[sample, k], stride, &weight[row, k], stride, depth, &out[sample, row], to, 1, 4)
                else:
                    inner_tile(&x[sample, k], stride, &weight[row, k], stride, depth, &out[sample, row], to, 1, 1)
                sample += 4 if n - sample >= 4 and last - row >= 4 else 1
            row += 8 if n == 1 and last - row >= 8 else 4 if last - row >= 4 else 1
        k += depth


cdef real busy(Py_ssize_t rounds, real seed) noexcept nogil:
    """Multiply and add numbers that wait for nothing else."""
    cdef vec sums[2 * ROWS]
    cdef vec factor = everywhere(1 - seed), term = everywhere(seed)
    cdef int i
    cdef Py_ssize_t k
    for i in range(2 * ROWS):
        sums[i] = everywhere(i * seed)
    for k in range(rounds):
        for i in range(2 * ROWS):
            sums[i] = sums[i] * factor + term
    for i in range(2 * ROWS):
        term = term + sums[i]
    return total(term)


def keep_busy(Py_ssize_t rounds, int threads):
    """Return how many floating-point operations were done that came as fast as the processor can; for benchmarks."""
    cdef Py_ssize_t i
    cdef double result = 0
    for i in prange(threads, nogil=True, num_threads=threads, schedule="static"):
        result += busy(rounds, <real> 1e-3)
    return 4 * ROWS * LANES * rounds * threads if result else 0
