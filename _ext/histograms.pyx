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


cdef inline void differences(const float* row, const float* above, const float* below, Py_ssize_t step, Py_ssize_t first, int n,
                             Py_ssize_t width, float* dx, float* dy) noexcept nogil:
    """Write central differences of some pixels of a row, 0 across the border; ``step`` values lie between neighbours."""
    cdef int k
    cdef Py_ssize_t at
    for k in range(n):
        at = (first + k) * step
        dx[k] = row[at + step] - row[at - step] if 0 < first + k < width - 1 else 0
        dy[k] = below[at] - above[at]


cdef inline void run_of_field(const float* row, const float* above, const float* below, Py_ssize_t step, Py_ssize_t first,
                              int n, Py_ssize_t width, int part, float* dx, float* dy) noexcept nogil:
    """Write some vectors of a row: two values that lie side by side, or the central differences of one of ``step``."""
    cdef int k
    if part < 0:
        for k in range(n):
            dx[k], dy[k] = row[2 * (first + k)], row[2 * (first + k) + 1]
    else:
        differences(row + part, above + part, below + part, step, first, n, width, dx, dy)


cdef void add_cell(const float[:, :, :, ::1] values, int part, const float[:, :, ::1] weights, int frame, int top, int bottom,
                   int left, int right, float threshold, int bins, bint zero_bin, double* histogram) noexcept nogil:
    cdef float[RUN] dx
    cdef float[RUN] dy
    cdef float[RUN] magnitude
    cdef float[RUN] position
    cdef Py_ssize_t height = values.shape[1], width = values.shape[2], step = values.shape[3]
    cdef bint weighted = weights.shape[0] > 0
    cdef int column, n, k
    cdef Py_ssize_t row, above, below
    for row in range(top, bottom):
        above, below = (row - 1, row + 1) if 0 < row < height - 1 else (row, row)
        column = left
        while column < right:
            n = min(<int>RUN, right - column)
            run_of_field(&values[frame, row, 0, 0], &values[frame, above, 0, 0], &values[frame, below, 0, 0], step,
                         column, n, width, part, dx, dy)
            measure(dx, dy, n, bins, magnitude, position)
            for k in range(n):
                add_vector(magnitude[k], position[k], weights[frame, row, column + k] if weighted else 1, threshold, bins,
                           zero_bin, histogram)
            column += RUN


def cell_histograms(const float[:, :, :, ::1] values, int part, const float[:, :, ::1] weights,
                    const int[:, ::1] rows, const int[:, ::1] columns, float threshold, bint zero_bin,
                    double[:, :, :, ::1] out):
    cdef int frame, row, column
    cdef int bins = <int>out.shape[3] - zero_bin
    with nogil:
        for frame in range(<int>out.shape[0]):
            for row in range(<int>out.shape[1]):
                for column in range(<int>out.shape[2]):
                    add_cell(values, part, weights, frame, rows[frame, row], rows[frame, row + 1],
                             columns[frame, column], columns[frame, column + 1], threshold, bins, zero_bin,
                             &out[frame, row, column, 0])


cdef enum:
    # Channels of `integral_tiles`: gradients of the image, the flow, gradients of its component right, and down.
    CHANNELS = 4
    DIRECTIONS = 8
    VALUES = 33  # directions of all channels, and the zero bin of the flow


def integral_tiles(const float[:, ::1] image, const float[:, :, ::1] flow, float threshold, Py_ssize_t tile, double[:, :, ::1] out):
    cdef Py_ssize_t height = image.shape[0], width = image.shape[1], i, j, above, below
    cdef Py_ssize_t rows, columns
    cdef int n, k, c
    cdef float[2][RUN] parts
    cdef float[RUN] magnitude
    cdef float[RUN] position
    cdef int[CHANNELS] starts = [0, 8, 17, 25]
    cdef double* cell
    if flow.shape[0] != height or flow.shape[1] != width or flow.shape[2] != 2 or tile < 1:
        raise ValueError("integral_tiles: an image (H, W), a flow (H, W, 2) and tiles of 1 pixel or more")
    rows, columns = (height + tile - 1) // tile, (width + tile - 1) // tile
    if out.shape[0] != rows + 1 or out.shape[1] != columns + 1 or out.shape[2] != VALUES:
        raise ValueError("integral_tiles: the output has a row and a column more than there are tiles, of 33 values")
    with nogil:
        memset(&out[0, 0, 0], 0, (rows + 1) * (columns + 1) * VALUES * sizeof(double))
        for i in range(height):
            above, below = (i - 1, i + 1) if 0 < i < height - 1 else (i, i)
            j = 0
            while j < width:
                n = <int> min(<Py_ssize_t> RUN, width - j)
                for c in range(CHANNELS):
                    if c == 0:
                        differences(&image[i, 0], &image[above, 0], &image[below, 0], 1, j, n, width, parts[0], parts[1])
                    elif c == 1:
                        for k in range(n):
                            parts[0][k], parts[1][k] = flow[i, j + k, 0], flow[i, j + k, 1]
                    else:
                        differences(&flow[i, 0, c - 2], &flow[above, 0, c - 2], &flow[below, 0, c - 2], 2, j, n, width,
                                    parts[0], parts[1])
                    measure(parts[0], parts[1], n, DIRECTIONS, magnitude, position)
                    for k in range(n):
                        cell = &out[i // tile + 1, (j + k) // tile + 1, starts[c]]
                        add_vector(magnitude[k], position[k], 1, threshold if c == 1 else 0, DIRECTIONS, c == 1, cell)
                j += n
        for i in range(1, rows + 1):
            for j in range(1, columns + 1):
                for k in range(VALUES):
                    out[i, j, k] += out[i, j - 1, k] + (out[i - 1, j, k] - out[i - 1, j - 1, k])


def add_blocks(const double[:, :, ::1] integral, const Py_ssize_t[:, ::1] corners, Py_ssize_t tall, Py_ssize_t wide,
               Py_ssize_t cells, const Py_ssize_t[::1] rows, const Py_ssize_t[::1] times, double[:, :, :, ::1] out):
    cdef Py_ssize_t n, i, j, k, top, bottom, left, right
    cdef double* cell
    if integral.shape[2] != VALUES or out.shape[2] != cells * cells or out.shape[3] != VALUES or corners.shape[1] != 2:
        raise ValueError("add_blocks: 33 values of each tile, cells * cells cells of each row, and two numbers of each corner")
    if rows.shape[0] != corners.shape[0] or times.shape[0] != corners.shape[0]:
        raise ValueError("add_blocks: a row and a time of each corner")
    for n in range(corners.shape[0]):
        if not (0 <= rows[n] < out.shape[0] and 0 <= times[n] < out.shape[1] and 0 <= corners[n, 0] <= integral.shape[0] - 1 - tall
                and 0 <= corners[n, 1] <= integral.shape[1] - 1 - wide):
            raise ValueError("add_blocks: blocks inside of the tiles, rows and times inside of the output")
    with nogil:
        for n in range(corners.shape[0]):
            for i in range(cells):
                top, bottom = corners[n, 0] + tall * i // cells, corners[n, 0] + tall * (i + 1) // cells
                for j in range(cells):
                    left, right = corners[n, 1] + wide * j // cells, corners[n, 1] + wide * (j + 1) // cells
                    cell = &out[rows[n], times[n], i * cells + j, 0]
                    for k in range(VALUES):
                        cell[k] += (integral[bottom, right, k] - integral[top, right, k]) - (integral[bottom, left, k]
                                                                                            - integral[top, left, k])
