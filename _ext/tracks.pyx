"""Points that are tracked through fields of flow."""

from libc.math cimport floorf
from libc.string cimport memcpy


def track_points(const float[:, :, :, ::1] flow, const double[:, :, ::1] cameras, const unsigned char[:, :, ::1] textured,
                 Py_ssize_t stride, Py_ssize_t renew, Py_ssize_t first, Py_ssize_t n_starts,
                 float[:, :, ::1] points, float[:, :, ::1] steps, Py_ssize_t[::1] starts, Py_ssize_t n_active,
                 float[:, :, ::1] done_points, float[:, :, ::1] done_steps, Py_ssize_t[::1] done_starts,
                 unsigned char[:, ::1] taken):
    cdef Py_ssize_t n_fields = flow.shape[0], height = flow.shape[1], width = flow.shape[2], length = steps.shape[1]
    cdef Py_ssize_t rows = textured.shape[1], columns = textured.shape[2], room = n_active + n_fields * rows * columns
    cdef Py_ssize_t t, k, i, j, age, kept, n_done = 0
    cdef float x, y
    cdef double w
    if height < 1 or width < 1 or cameras.shape[0] != n_fields or cameras.shape[1] != 3 or cameras.shape[2] != 3 or flow.shape[3] != 2:
        raise ValueError("track_points: a flow (T, H, W, 2) and a homography of each field")
    if textured.shape[0] != n_fields or taken.shape[0] != rows or taken.shape[1] != columns or min(stride, length) < 1:
        raise ValueError("track_points: a grid of each field, and one for what is taken")
    if rows * stride > height + stride or columns * stride > width + stride:
        raise ValueError("track_points: points of the grid inside of the fields")
    if (min(points.shape[0], done_points.shape[0]) < room or points.shape[1] != length + 1 or points.shape[2] != 2
            or done_points.shape[1] != length + 1 or done_points.shape[2] != 2):
        raise ValueError("track_points: room for all points that may be tracked")
    if (min(steps.shape[0], done_steps.shape[0]) < room or steps.shape[2] != 2 or done_steps.shape[1] != length
            or done_steps.shape[2] != 2 or min(starts.shape[0], done_starts.shape[0]) < room):
        raise ValueError("track_points: room for all steps and starts")
    for k in range(n_active):
        if not first - length < starts[k] < first:
            raise ValueError("track_points: active points began less than a length before the first field")
    with nogil:
        for t in range(n_fields):
            if first + t < n_starts:
                taken[:, :] = 0
                for k in range(n_active):
                    age = first + t - starts[k]
                    if age < renew:
                        i, j = <Py_ssize_t> points[k, age, 1] // stride, <Py_ssize_t> points[k, age, 0] // stride
                        if i < rows and j < columns:
                            taken[i, j] = 1
                for i in range(rows):
                    for j in range(columns):
                        if textured[t, i, j] and not taken[i, j]:
                            points[n_active, 0, 0], points[n_active, 0, 1] = j * stride + stride // 2, i * stride + stride // 2
                            starts[n_active] = first + t
                            n_active += 1
            kept = 0
            for k in range(n_active):
                age = first + t - starts[k]
                x, y = points[k, age, 0], points[k, age, 1]
                i = min(<Py_ssize_t> floorf(y + <float>0.5), height - 1)
                j = min(<Py_ssize_t> floorf(x + <float>0.5), width - 1)
                points[k, age + 1, 0], points[k, age + 1, 1] = x + flow[t, i, j, 0], y + flow[t, i, j, 1]
                w = cameras[t, 2, 0] * x + cameras[t, 2, 1] * y + cameras[t, 2, 2]
                steps[k, age, 0] = <float> (points[k, age + 1, 0]
                                            - (cameras[t, 0, 0] * x + cameras[t, 0, 1] * y + cameras[t, 0, 2]) / w)
                steps[k, age, 1] = <float> (points[k, age + 1, 1]
                                            - (cameras[t, 1, 0] * x + cameras[t, 1, 1] * y + cameras[t, 1, 2]) / w)
                if not (0 <= points[k, age + 1, 0] <= width - 1 and 0 <= points[k, age + 1, 1] <= height - 1):
                    continue
                if age + 1 == length:
                    memcpy(&done_points[n_done, 0, 0], &points[k, 0, 0], 2 * (length + 1) * sizeof(float))
                    memcpy(&done_steps[n_done, 0, 0], &steps[k, 0, 0], 2 * length * sizeof(float))
                    done_starts[n_done] = starts[k]
                    n_done += 1
                    continue
                if kept < k:
                    memcpy(&points[kept, 0, 0], &points[k, 0, 0], 2 * (age + 2) * sizeof(float))
                    memcpy(&steps[kept, 0, 0], &steps[k, 0, 0], 2 * (age + 1) * sizeof(float))
                    starts[kept] = starts[k]
                kept += 1
            n_active = kept
    return n_done, n_active
