"""Orientation histograms of vector fields: in the cells of a grid, and in blocks anywhere."""

from libc.math cimport fabsf, sqrt, sqrtf
from libc.string cimport memset

cdef enum:
    RUN = 64  # pixels taken at once


cdef inline float turn(float x, float y) noexcept nogil:
    # Direction of (x, y) as a fraction of a full turn, within 1e-6: the polynomial is the minimax fit of
    # atan(q) / (2 pi) on [0, 1], several times faster than the library's arc tangent. No branches.
    cdef float ax = fabsf(x), ay = fabsf(y)
    cdef float low = ay if ay < ax else ax
    cdef float high = ax if ay < ax else ay
    cdef float q = low / (high if high > 0 else <float>1)
    cdef float s = q * q
    cdef float angle = q * (<float>0.159151317 + s * (-<float>0.052938568 + s * (<float>0.030802910 + s * (-<float>0.018529851 + s * (
        <float>0.008379084 + s * -<float>0.001865157)))))
    angle = <float>0.25 - angle if ay > ax else angle
    angle = <float>0.5 - angle if x < 0 else angle
    return <float>1 - angle if y < 0 else angle


cdef inline void measure(const float* dx, const float* dy, int n, int bins, float* magnitude, float* position) noexcept nogil:
    """Write the lengths of some vectors, and their directions in bins."""
    cdef int k
    for k in range(n):
        magnitude[k] = sqrtf(dx[k] * dx[k] + dy[k] * dy[k])
        position[k] = turn(dx[k], dy[k]) * bins


cdef inline void add_vector(float magnitude, float position, float weight, float threshold, int bins, bint zero_bin,
                            double* histogram) noexcept nogil:
    """Share a vector between the two nearest bins."""
    cdef float share
    cdef int first
    if magnitude <= threshold:
        if zero_bin:
            histogram[bins] += weight
        return
    weight = weight * magnitude
    first = <int>position
    share = (position - first) * weight
    first = first if first < bins else 0
    histogram[first] += weight - share
    histogram[first + 1 if first + 1 < bins else 0] += share


cdef void add_run(const float* dx, const float* dy, const float* weights, int n, float threshold, int bins,
                  bint zero_bin, double* histogram) noexcept nogil:
    cdef float magnitude[RUN]
    cdef float position[RUN]
    cdef int k
    measure(dx, dy, n, bins, magnitude, position)
    for k in range(n):
        add_vector(magnitude[k], position[k], weights[k], threshold, bins, zero_bin, histogram)


cdef void add_cell(const float[:, :, ::1] dx, const float[:, :, ::1] dy, const float[:, :, ::1] weights,
                   int frame, int top, int bottom, int left, int right, float threshold, int bins, bint zero_bin,
                   double* histogram) noexcept nogil:
    cdef float ones[RUN]
    cdef bint weighted = weights.shape[0] > 0
    cdef int row, column, k
    for k in range(RUN):
        ones[k] = 1
    for row in range(top, bottom):
        column = left
        while column < right:
            add_run(&dx[frame, row, column], &dy[frame, row, column],
                    &weights[frame, row, column] if weighted else ones,
                    min(<int>RUN, right - column), threshold, bins, zero_bin, histogram)
            column += RUN


def cell_histograms(const float[:, :, ::1] dx, const float[:, :, ::1] dy, const float[:, :, ::1] weights,
                    const int[:, ::1] rows, const int[:, ::1] columns, float threshold, bint zero_bin,
                    double[:, :, :, ::1] out):
    cdef int frame, row, column
    cdef int bins = <int>out.shape[3] - zero_bin
    with nogil:
        for frame in range(<int>out.shape[0]):
            for row in range(<int>out.shape[1]):
                for column in range(<int>out.shape[2]):
                    add_cell(dx, dy, weights, frame, rows[frame, row], rows[frame, row + 1],
                             columns[frame, column], columns[frame, column + 1], threshold, bins, zero_bin,
                             &out[frame, row, column, 0])


def integral_histograms(const float[:, ::1] dx, const float[:, ::1] dy, float threshold, bint zero_bin, double[:, :, ::1] out):
    """Write histograms of all pixels above and left of each corner, (H + 1, W + 1, bins), at most 32 bins (Porikli 2005)."""
    cdef Py_ssize_t height = dx.shape[0], width = dx.shape[1], i, j
    cdef int size = <int> out.shape[2], bins = size - zero_bin, k, n, c
    cdef float magnitude[RUN]
    cdef float position[RUN]
    cdef double sums[32]
    cdef double* row
    cdef const double* above
    if size > 32 or dy.shape[0] != height or dy.shape[1] != width or out.shape[0] != height + 1 or out.shape[1] != width + 1:
        raise ValueError("integral_histograms: at most 32 bins, two fields of one shape, and an output one larger")
    with nogil:
        memset(&out[0, 0, 0], 0, (width + 1) * size * sizeof(double))
        for i in range(height):
            memset(sums, 0, sizeof(sums))
            above, row = &out[i, 0, 0], &out[i + 1, 0, 0]
            memset(row, 0, size * sizeof(double))
            j = 0
            while j < width:
                n = <int> min(<Py_ssize_t> RUN, width - j)
                measure(&dx[i, j], &dy[i, j], n, bins, magnitude, position)
                for k in range(n):
                    add_vector(magnitude[k], position[k], 1, threshold, bins, zero_bin, sums)
                    row += size
                    above += size
                    for c in range(size):
                        row[c] = above[c] + sums[c]
                j += n


def add_blocks(const double[:, :, ::1] integral, const Py_ssize_t[:, ::1] centres, Py_ssize_t side, Py_ssize_t cells,
               double epsilon, double weight, double[:, ::1] out):
    """Add ``weight`` times the blocks of ``cells`` x ``cells`` cells around centres (n, 2), down and right, to rows of ``out``.

    A block is ``side`` pixels high and wide, moved into the frame where it would stick out. Its values get ``epsilon``
    each, then sum to 1, then their roots are taken.
    """
    cdef Py_ssize_t height = integral.shape[0] - 1, width = integral.shape[1] - 1, bins = integral.shape[2]
    cdef Py_ssize_t n, i, j, k, y0, x0, top, bottom, left, right
    cdef Py_ssize_t tall = min(side, height), wide = min(side, width), at
    cdef double[512] block
    cdef double total
    if cells * cells * bins > 512 or out.shape[0] != centres.shape[0] or out.shape[1] != cells * cells * bins or centres.shape[1] != 2:
        raise ValueError("add_blocks: blocks of at most 512 numbers, two of each centre, and a row of the output for each")
    with nogil:
        for n in range(centres.shape[0]):
            y0 = min(max(centres[n, 0] - tall // 2, 0), height - tall)
            x0 = min(max(centres[n, 1] - wide // 2, 0), width - wide)
            total, at = 0, 0
            for i in range(cells):
                top, bottom = y0 + tall * i // cells, y0 + tall * (i + 1) // cells
                for j in range(cells):
                    left, right = x0 + wide * j // cells, x0 + wide * (j + 1) // cells
                    for k in range(bins):
                        block[at] = (integral[bottom, right, k] - integral[top, right, k] - integral[bottom, left, k]
                                     + integral[top, left, k]) + epsilon
                        total += block[at]
                        at += 1
            for k in range(at):
                # What rounding leaves of an empty cell may lie below zero.
                out[n, k] += weight * sqrt(max(block[k], 0.0) / total)
