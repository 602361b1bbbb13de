"""Long short-term memory: threads share the samples, or the units where samples are few."""

from cython.parallel cimport parallel, prange, threadid
from libc.string cimport memset

from team cimport meet, team_size
from vector cimport (FEW, LANES, free_block, hyperbolic_tangent, load, load_part, load_some, logistic, new_block, part, part_of,
                     real, store_some, turn, vec, zeros)

cdef enum:
    SHARE = 1 << 15  # products in a step for which waiting for others pays


cdef struct Sizes:
    Py_ssize_t steps
    Py_ssize_t samples
    Py_ssize_t hidden
    Py_ssize_t blocks


cdef void pack(const real* weight, Py_ssize_t hidden, Py_ssize_t block, real* packed) noexcept nogil:
    """Write what leads to the four gates of LANES units, a row for each unit of the state."""
    cdef Py_ssize_t gate, unit, k, units = min(hidden - block * LANES, LANES)
    cdef const real* rows
    if units < LANES:
        memset(packed, 0, hidden * 4 * LANES * sizeof(real))
    for gate in range(4):
        rows = weight + (gate * hidden + block * LANES) * hidden
        if units == LANES:
            turn(rows, hidden, hidden, packed + gate * LANES, 4 * LANES)
        else:
            for k in range(hidden):
                for unit in range(units):
                    packed[(k * 4 + gate) * LANES + unit] = rows[unit * hidden + k]


cdef inline void step_tile(const Sizes* s, real* gates, const real* packed, const real* peephole, real* cells, real* curved,
                           real* states, Py_ssize_t t, Py_ssize_t first, Py_ssize_t last, Py_ssize_t block, int n_rows,
                           int n_blocks) noexcept nogil:
    """Take one step with ``n_rows`` samples from ``first`` on, if there are so many before ``last``, and blocks of units."""
    cdef vec sums[4 * FEW * 2]
    cdef vec factors[8]
    cdef const real* before[FEW]
    cdef int r, i
    cdef Py_ssize_t k, at, unit = block * LANES, size = s.hidden * 4 * LANES, steps = s.hidden if t else 0
    packed += block * size
    for r in range(n_rows):
        at = t * s.samples + min(first + r, last - 1)
        before[r] = states + (at - s.samples) * s.hidden
    for i in range(4 * n_blocks * n_rows):
        at = t * s.samples + min(first + i // (4 * n_blocks), last - 1)
        sums[i] = load_some(gates + (at * 4 + i % 4) * s.hidden + unit + i // 4 % n_blocks * LANES,
                            <int> min(s.hidden - unit - i // 4 % n_blocks * LANES, LANES))
    for k in range(steps):
        for i in range(4 * n_blocks):
            factors[i] = load(packed + i // 4 * size + (k * 4 + i % 4) * LANES)
        for i in range(4 * n_blocks * n_rows):
            sums[i] = sums[i] + before[i // (4 * n_blocks)][k] * factors[i % (4 * n_blocks)]
    for i in range(n_blocks * n_rows):
        if first + i // n_blocks < last:
            step_units(s, gates, sums[4 * i], sums[4 * i + 1], sums[4 * i + 2], sums[4 * i + 3], peephole, cells, curved, states,
                       t, first + i // n_blocks, unit + i % n_blocks * LANES)


cdef inline void step_units(const Sizes* s, real* gates, vec i, vec f, vec g, vec o, const real* peephole, real* cells,
                            real* curved, real* states, Py_ssize_t t, Py_ssize_t sample, Py_ssize_t unit) noexcept nogil:
    """Write gates, cell and state of LANES units of one sample from what drives the gates."""
    cdef Py_ssize_t place = t * s.samples + sample, at = place * s.hidden + unit
    cdef real* to = gates + place * 4 * s.hidden + unit
    cdef int n = <int> min(s.hidden - unit, LANES)
    cdef vec cell = load_some(cells + at - s.samples * s.hidden, n) if t else zeros(), bent
    if peephole != NULL:
        i = i + load_some(peephole + unit, n) * cell
        f = f + load_some(peephole + s.hidden + unit, n) * cell
    i = logistic(i)
    f = logistic(f)
    g = hyperbolic_tangent(g)
    cell = i * g + f * cell
    if peephole != NULL:
        o = o + load_some(peephole + 2 * s.hidden + unit, n) * cell
    o = logistic(o)
    bent = hyperbolic_tangent(cell)
    store_some(cells + at, cell, n)
    store_some(curved + at, bent, n)
    store_some(states + at, o * bent, n)
    store_some(to, i, n)
    store_some(to + s.hidden, f, n)
    store_some(to + 2 * s.hidden, g, n)
    store_some(to + 3 * s.hidden, o, n)


cdef inline void step(const Sizes* s, real* gates, const real* packed, const real* peephole, real* cells, real* curved,
                      real* states, Py_ssize_t t, Py_ssize_t first, Py_ssize_t last, Py_ssize_t block,
                      Py_ssize_t end) noexcept nogil:
    """Take one step with some samples and the blocks of units from ``block`` to ``end``, excluded."""
    cdef Py_ssize_t r
    while block < end:
        r = first
        if last - first == 1 and end - block > 1:
            step_tile(s, gates, packed, peephole, cells, curved, states, t, r, last, block, 1, 2)
            block += 2
            continue
        while r < last:
            if last - r > 1:
                step_tile(s, gates, packed, peephole, cells, curved, states, t, r, last, block, FEW, 1)
            else:
                step_tile(s, gates, packed, peephole, cells, curved, states, t, r, last, block, 1, 1)
            r += FEW
        block += 1


cdef void take_part(const Sizes* s, const real* weight, real* packed, real* gates, const real* peephole, real* cells,
                    real* curved, real* states, bint by_units, Py_ssize_t* arrived) noexcept nogil:
    """Do what is this thread's part of its team's work."""
    cdef Py_ssize_t i, t, place = threadid(), team = team_size(), tiles = (s.samples + FEW - 1) // FEW
    cdef Py_ssize_t first = s.blocks * place // team, last = s.blocks * (place + 1) // team
    # What one thread packs is in its cache alone.
    for i in range(first, last):
        pack(weight, s.hidden, i, packed + i * s.hidden * 4 * LANES)
    if by_units:
        for t in range(s.steps):
            step(s, gates, packed, peephole, cells, curved, states, t, 0, s.samples, first, last)
            # The next step reads the states of all units.
            meet(arrived, (t + 1) * team)
    else:
        meet(arrived, team)
        for t in range(s.steps):
            step(s, gates, packed, peephole, cells, curved, states, t, tiles * place // team * FEW,
                 min(tiles * (place + 1) // team * FEW, s.samples), 0, s.blocks)


def lstm(real[:, :, ::1] gates, const real[:, ::1] weight, const real[:, ::1] peephole, real[:, :, ::1] cells,
         real[:, :, ::1] curved, real[:, :, ::1] states, int threads):
    """Go through time.

    ``gates`` (L, N, 4 H) holds what the input adds to the gates i, f, g, o, and then the gates; ``weight`` (4 H, H)
    leads from the state to them, ``peephole`` (3, H), unless empty, from the cell to i, f, o. Writes cells, their
    hyperbolic tangents, and states (L, N, H).
    """
    cdef Sizes s
    s.steps, s.samples, s.hidden = gates.shape[0], gates.shape[1], weight.shape[1]
    s.blocks = (s.hidden + LANES - 1) // LANES
    cdef Py_ssize_t tiles = (s.samples + FEW - 1) // FEW
    cdef Py_ssize_t shares = min(s.blocks, s.samples * 4 * s.hidden * s.hidden // SHARE)
    cdef bint by_units = tiles < min(threads, shares)
    cdef int parts = <int> max(1, min(threads, shares if by_units else tiles))
    cdef const real* holes = &peephole[0, 0] if peephole.shape[0] else NULL
    cdef Py_ssize_t size = s.blocks * s.hidden * 4 * LANES
    cdef real* packed = <real*> new_block(size * sizeof(real) + sizeof(Py_ssize_t))
    # In a cache line of its own, as a vector has 16 bytes at least.
    cdef Py_ssize_t* arrived = <Py_ssize_t*> (packed + size)
    if packed == NULL:
        raise MemoryError
    arrived[0] = 0
    with nogil, parallel(num_threads=parts):
        take_part(&s, &weight[0, 0], packed, &gates[0, 0, 0], holes, &cells[0, 0, 0], &curved[0, 0, 0], &states[0, 0, 0],
                  by_units, arrived)
    free_block(packed)


cdef inline void back_tile(const Sizes* s, const real* gates, const real* weight, const real* peephole, const real* cells,
                           const real* curved, const real* grads, real* cell_grads, real* driven, Py_ssize_t t,
                           Py_ssize_t first, Py_ssize_t last, Py_ssize_t unit, int n_vectors) noexcept nogil:
    """Go one step back with 2 * FEW samples from ``first`` on, if there are so many before ``last``, and some units."""
    cdef vec sums[4 * FEW]
    # Only what is indexed by compile-time constants stays in registers.
    cdef vec states[4 * FEW]
    cdef vec factors[2]
    cdef part parts[2]
    cdef const real* behind[2 * FEW]
    # The sizes are copied to variables, as the compiler must assume that a store changes them.
    cdef Py_ssize_t k, at, hidden = s.hidden, steps = 4 * hidden if t + 1 < s.steps else 0
    cdef int r, i, n, columns = <int> min(hidden - unit, n_vectors * LANES)
    cdef const real* row = weight + unit
    for i in range(n_vectors):
        parts[i] = part_of(columns - i * LANES)
    for r in range(2 * FEW):
        behind[r] = driven + ((t + 1) * s.samples + min(first + r, last - 1)) * 4 * s.hidden
    for i in range(2 * FEW * n_vectors):
        at = t * s.samples + min(first + i // n_vectors, last - 1)
        sums[i] = load_some(grads + at * s.hidden + unit + i % n_vectors * LANES, columns - i % n_vectors * LANES)
    for k in range(steps):
        for i in range(n_vectors):
            factors[i] = load_part(row + i * LANES, parts[i])
        for i in range(2 * FEW * n_vectors):
            sums[i] = sums[i] + behind[i // n_vectors][k] * factors[i % n_vectors]
        row += hidden
    for i in range(2 * FEW * n_vectors):
        states[i] = sums[i]
    for i in range(2 * FEW * n_vectors):
        n = columns - i % n_vectors * LANES
        if first + i // n_vectors < last and n > 0:
            back_units(s, gates, peephole, cells, curved, states[i], cell_grads, driven, t, first + i // n_vectors,
                       unit + i % n_vectors * LANES, n)


cdef inline void back_units(const Sizes* s, const real* gates, const real* peephole, const real* cells, const real* curved,
                            vec state, real* cell_grads, real* driven, Py_ssize_t t, Py_ssize_t sample, Py_ssize_t unit,
                            int n) noexcept nogil:
    """Write the gradients of the gates of LANES units of one sample from that of their state."""
    cdef Py_ssize_t at = t * s.samples + sample, place = at * s.hidden + unit
    cdef const real* gate = gates + at * 4 * s.hidden + unit
    cdef real* to = driven + at * 4 * s.hidden + unit
    cdef vec i = load_some(gate, n), f = load_some(gate + s.hidden, n), g = load_some(gate + 2 * s.hidden, n)
    cdef vec o = load_some(gate + 3 * s.hidden, n), bent = load_some(curved + place, n), before, cell, di, df, do
    before = load_some(cells + place - s.samples * s.hidden, n) if t else zeros()
    do = state * bent * o * (1 - o)
    cell = load_some(cell_grads + sample * s.hidden + unit, n) + state * o * (1 - bent * bent)
    if peephole != NULL:
        cell = cell + do * load_some(peephole + 2 * s.hidden + unit, n)
    di = cell * g * i * (1 - i)
    df = cell * before * f * (1 - f)
    store_some(to, di, n)
    store_some(to + s.hidden, df, n)
    store_some(to + 2 * s.hidden, cell * i * (1 - g * g), n)
    store_some(to + 3 * s.hidden, do, n)
    cell = cell * f
    if peephole != NULL:
        cell = cell + di * load_some(peephole + unit, n) + df * load_some(peephole + s.hidden + unit, n)
    store_some(cell_grads + sample * s.hidden + unit, cell, n)


cdef void run_back(const Sizes* s, const real* gates, const real* weight, const real* peephole, const real* cells,
                  const real* curved, const real* grads, real* cell_grads, real* driven, Py_ssize_t first,
                  Py_ssize_t last) noexcept nogil:
    """Take some samples back through time."""
    cdef Py_ssize_t t, unit, r
    for t in range(s.steps - 1, -1, -1):
        unit = 0
        while unit < s.hidden:
            r = first
            while r < last:
                if s.hidden - unit > LANES:
                    back_tile(s, gates, weight, peephole, cells, curved, grads, cell_grads, driven, t, r, last, unit, 2)
                else:
                    back_tile(s, gates, weight, peephole, cells, curved, grads, cell_grads, driven, t, r, last, unit, 1)
                r += 2 * FEW
            unit += 2 * LANES


def lstm_gradient(const real[:, :, ::1] gates, const real[:, ::1] weight, const real[:, ::1] peephole,
                  const real[:, :, ::1] cells, const real[:, :, ::1] curved, const real[:, :, ::1] grads,
                  real[:, :, ::1] driven, int threads):
    """Go back through time from the gradients of the states (L, N, H) to those of what drives the gates (L, N, 4 H)."""
    cdef Sizes s
    s.steps, s.samples, s.hidden = gates.shape[0], gates.shape[1], weight.shape[1]
    cdef Py_ssize_t i, tiles = (s.samples + FEW - 1) // FEW, parts = min(threads, tiles)
    cdef const real* holes = &peephole[0, 0] if peephole.shape[0] else NULL
    cdef real* cell_grads = <real*> new_block(s.samples * s.hidden * sizeof(real))
    if cell_grads == NULL:
        raise MemoryError
    memset(cell_grads, 0, s.samples * s.hidden * sizeof(real))
    for i in prange(parts, nogil=True, num_threads=threads, schedule="static"):
        run_back(&s, &gates[0, 0, 0], &weight[0, 0], holes, &cells[0, 0, 0], &curved[0, 0, 0], &grads[0, 0, 0], cell_grads,
                &driven[0, 0, 0], tiles * i // parts * FEW, min(tiles * (i + 1) // parts * FEW, s.samples))
    free_block(cell_grads)
