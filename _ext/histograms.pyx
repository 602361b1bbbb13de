"""Orientation histograms of vector fields."""

from libc.math cimport fabsf, sqrtf

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


cdef void add_run(const float* dx, const float* dy, const float* weights, int n, float threshold, int bins,
                  bint zero_bin, double* histogram) noexcept nogil:
    cdef float magnitude[RUN]
    cdef float position[RUN]
    cdef float share, whole
    cdef int k, first
    for k in range(n):
        magnitude[k] = sqrtf(dx[k] * dx[k] + dy[k] * dy[k])
        position[k] = turn(dx[k], dy[k]) * bins
    for k in range(n):
        whole = weights[k]
        if magnitude[k] <= threshold:
            if zero_bin:
                histogram[bins] += whole
            continue
        whole = whole * magnitude[k]
        first = <int>position[k]
        share = (position[k] - first) * whole
        first = first if first < bins else 0
        histogram[first] += whole - share
        histogram[first + 1 if first + 1 < bins else 0] += share


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
