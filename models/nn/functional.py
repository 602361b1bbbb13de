"""Convolution, pooling and sums per channel: the functions that check, convert and allocate for the kernels.

Volumes are (N, T, H, W, C), float32 or float64; an array that is not contiguous is copied. No result depends
on ``threads`` (by default `default_threads`).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import kernels
from ..kernels import default_threads

Array = NDArray[np.floating]
Triple = tuple[int, int, int]

_VECTOR = 8
_PERIOD = 512
_CHUNK = 16
_WORTH_SHARING = 2**16


def _team(threads: int | None, operations: int) -> int:
    """Return how many threads share the work; unless told, one does what takes less time than waking others."""
    return threads or (default_threads() if operations > _WORTH_SHARING else 1)


def triple(value: int | tuple[int, ...], n: int = 3) -> tuple[int, ...]:
    """Return ``value`` for each of ``n`` axes."""
    values = (value,) * n if isinstance(value, int) else tuple(int(entry) for entry in value)
    if len(values) != n:
        raise ValueError(f"expected one number or {n}, got {value}")
    return values


def conv_size(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Return how many places a filter has along one axis."""
    return max((size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1, 0)


def pool_size(size: int, kernel: int, stride: int, padding: int, ceil_mode: bool) -> int:
    """Return how many windows fit along one axis; none starts beyond the right edge (PyTorch's rule)."""
    span = size + 2 * padding - kernel
    windows = (-(-span // stride) if ceil_mode else span // stride) + 1
    if ceil_mode and (windows - 1) * stride >= size + padding:
        windows -= 1
    return max(windows, 0)


def _check_volume(x: Array, what: str = "input") -> None:
    if x.ndim != 5 or x.dtype not in (np.float32, np.float64):
        raise ValueError(f"{what} must be (N, T, H, W, C) of float32 or float64, got {x.shape} of {x.dtype}")


def _check_filter(x: Array, weight: Array, groups: int) -> None:
    _check_volume(x)
    channels = x.shape[4] // groups
    if weight.ndim != 5 or weight.shape[3] * groups != x.shape[4] or weight.shape[4] % groups:
        whole = f"a multiple of {groups}" if groups > 1 else "channels out"
        raise ValueError(f"weight must be (kT, kH, kW, {channels}, {whole}), got {weight.shape}")


def _fit(
    x: Array, before: tuple[int, ...], shape: tuple[int, ...], spread: tuple[int, ...] = (1, 1, 1)
) -> Array:
    """Place a volume ``before`` pixels into zeros of ``shape``, ``spread`` apart; cut what is outside."""
    if not any(before) and shape == x.shape[1:4] and spread == (1, 1, 1):
        return np.ascontiguousarray(x)
    out = np.zeros((len(x), *shape, x.shape[4]), x.dtype)
    to, source = [slice(None)], [slice(None)]
    for axis in range(3):
        first = max(-(before[axis] // spread[axis]), 0)
        last = min(-((before[axis] - shape[axis]) // spread[axis]), x.shape[axis + 1])
        start = before[axis] + first * spread[axis]
        source.append(slice(first, max(last, first)))
        to.append(slice(start, max(start + (last - first - 1) * spread[axis] + 1, start), spread[axis]))
    out[tuple(to)] = x[tuple(source)]
    return out


def _pad(x: Array, padding: Triple) -> Array:
    return _fit(x, padding, tuple(size + 2 * p for size, p in zip(x.shape[1:4], padding, strict=True)))


def _fill(a: Array, axis_size: int) -> Array:
    """Fill the last axis up with zeros to ``axis_size``."""
    if a.shape[-1] == axis_size:
        return np.ascontiguousarray(a)
    out = np.zeros((*a.shape[:-1], axis_size), a.dtype)
    out[..., : a.shape[-1]] = a
    return out


def _vectors(channels: int) -> int:
    return -(-channels // _VECTOR) * _VECTOR


@lru_cache(maxsize=64)
def _offsets(shape: tuple[int, ...], counts: Triple, steps: Triple, channels: int) -> NDArray[np.intp]:
    """Return where the pixels (or taps) of a grid stand in one flat sample of ``shape`` (T, H, W, C)."""
    t, h, w, c = np.ix_(
        *(np.arange(n) * step for n, step in zip((*counts, channels), (*steps, 1), strict=True))
    )
    return (((t * shape[1] + h) * shape[2] + w) * shape[3] + c).astype(np.intp).ravel()


def conv3d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Triple = (1, 1, 1),
    padding: Triple = (0, 0, 0),
    dilation: Triple = (1, 1, 1),
    groups: int = 1,
    threads: int | None = None,
) -> Array:
    """Correlate volumes with filters.

    Parameters
    ----------
    x : ndarray, shape (N, T, H, W, C)
        Volumes.
    weight : ndarray, shape (kT, kH, kW, C / groups, D)
        One filter per channel of the output.
    bias : ndarray, shape (D,), optional
        Added to each channel.
    stride, padding, dilation : tuple of three int
        Pixels between places of the filter, zeros around the volume, pixels between taps; along T, H, W.
    groups : int
        Parts into which both channels are divided, each output part seeing its input part only.
    threads : int, optional
        How many threads share the work.

    Returns
    -------
    ndarray, shape (N, T', H', W', D)

    Raises
    ------
    ValueError
        If the shapes do not go together, or the filter is larger than the padded volume.
    """
    _check_filter(x, weight, groups)
    if groups > 1:
        biases = [None] * groups if bias is None else np.split(bias, groups)
        parts = zip(*_split(groups, x, weight), biases, strict=True)
        how = (stride, padding, dilation, 1, threads)
        return np.concatenate([conv3d(a, w, b, *how) for a, w, b in parts], axis=-1)
    taps, channels = weight.shape[:3], weight.shape[4]
    size = tuple(conv_size(*of) for of in zip(x.shape[1:4], taps, stride, padding, dilation, strict=True))
    if 0 in size:
        raise ValueError(
            f"a filter of {taps} does not fit into volumes of {x.shape[1:4]} padded by {padding}"
        )
    source = _pad(x, padding)
    out = np.zeros((len(x), *size, channels), x.dtype)
    if bias is not None:
        out += bias
    if out.size and x.shape[4]:
        kernels.convolution.convolve(
            source.reshape(len(x), -1),
            _offsets(source.shape[1:], size, stride, 1),
            _offsets(source.shape[1:], taps, dilation, x.shape[4]),
            _fill(weight.astype(x.dtype, copy=False).reshape(-1, channels), _vectors(channels)),
            out.reshape(len(x), -1, channels),
            _team(threads, out.size * weight[..., 0].size),
        )
    return out


def _split(groups: int, *arrays: Array) -> list[list[Array]]:
    """Divide the channels of each array into groups."""
    return [np.split(array, groups, axis=-1) for array in arrays]


def conv3d_input_gradient(
    grad_output: Array,
    weight: Array,
    size: Triple,
    stride: Triple = (1, 1, 1),
    padding: Triple = (0, 0, 0),
    dilation: Triple = (1, 1, 1),
    groups: int = 1,
    threads: int | None = None,
) -> Array:
    """Return the gradient of `conv3d` with respect to its input of ``size`` (T, H, W).

    It is the correlation of ``grad_output``, spread by the stride, with the mirrored filters.
    """
    if groups > 1:
        parts = zip(*_split(groups, grad_output, weight), strict=True)
        how = (size, stride, padding, dilation, 1, threads)
        return np.concatenate([conv3d_input_gradient(g, w, *how) for g, w in parts], axis=-1)
    reach = tuple(d * (k - 1) for d, k in zip(dilation, weight.shape[:3], strict=True))
    before = tuple(r - p for r, p in zip(reach, padding, strict=True))
    source = _fit(grad_output, before, tuple(s + r for s, r in zip(size, reach, strict=True)), stride)
    mirrored = weight[::-1, ::-1, ::-1].transpose(0, 1, 2, 4, 3)
    return conv3d(source, mirrored, dilation=dilation, threads=threads)


def conv3d_weight_gradient(
    x: Array,
    grad_output: Array,
    taps: Triple,
    stride: Triple = (1, 1, 1),
    padding: Triple = (0, 0, 0),
    dilation: Triple = (1, 1, 1),
    groups: int = 1,
    threads: int | None = None,
) -> Array:
    """Return the gradient of `conv3d` with respect to its weights, shape (kT, kH, kW, C / groups, D)."""
    _check_volume(x)
    if groups > 1:
        parts = zip(*_split(groups, x, grad_output), strict=True)
        how = (taps, stride, padding, dilation, 1, threads)
        return np.concatenate([conv3d_weight_gradient(a, g, *how) for a, g in parts], axis=-1)
    source, channels = _pad(x, padding), grad_output.shape[4]
    gradient = np.zeros((int(np.prod(taps)) * x.shape[4], _vectors(channels)), x.dtype)
    if x.size and grad_output.size:
        kernels.convolution.weight_gradient(
            source.reshape(len(x), -1),
            _offsets(source.shape[1:], grad_output.shape[1:4], stride, 1),
            _offsets(source.shape[1:], taps, dilation, x.shape[4]),
            _fill(grad_output, _vectors(channels)).reshape(len(x), -1, _vectors(channels)),
            gradient,
            _team(threads, grad_output.size * len(gradient)),
        )
    return gradient[:, :channels].reshape(*taps, x.shape[4], channels)


def _windows(
    x: Array, kernel: tuple[int, ...], stride: Triple, padding: Triple, ceil_mode: bool
) -> tuple[int, ...]:
    """Return how many windows there are; ``kernel`` is what a window spans."""
    _check_volume(x)
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        raise ValueError(f"padding must be at most half of the window, got {padding} for windows of {kernel}")
    sizes = (pool_size(*of, ceil_mode) for of in zip(x.shape[1:4], kernel, stride, padding, strict=True))
    size = tuple(sizes)
    if 0 in size:
        raise ValueError(
            f"a window of {kernel} does not fit into volumes of {x.shape[1:4]} padded by {padding}"
        )
    return size


def _check_taps(
    shape: tuple[int, ...],
    size: tuple[int, ...],
    kernel: Triple,
    stride: Triple,
    padding: Triple,
    dilation: Triple,
) -> None:
    """Refuse windows whose taps all lie in the padding, which only dilated ones can."""
    for n, windows, k, s, p, d in zip(shape, size, kernel, stride, padding, dilation, strict=True):
        taps = np.arange(windows)[:, np.newaxis] * s - p + np.arange(k) * d
        if not ((taps >= 0) & (taps < n)).any(axis=1).all():
            raise ValueError(
                f"a window of {kernel} with dilation {dilation} meets only padding in volumes of {shape}"
            )


def _integers(*values: Triple) -> list[NDArray[np.intp]]:
    return [np.asarray(value, np.intp) for value in values]


def max_pool3d(
    x: Array,
    kernel: Triple,
    stride: Triple,
    padding: Triple = (0, 0, 0),
    ceil_mode: bool = False,
    dilation: Triple = (1, 1, 1),
    threads: int | None = None,
) -> tuple[Array, NDArray[np.int32]]:
    """Take the largest value of each window, the first where several are equal.

    ``dilation`` is how many pixels lie between those that a window looks at.

    Returns
    -------
    output : ndarray, shape (N, T', H', W', C)
    where : ndarray of int32, same shape
        Place of the value in its volume, counted in pixels.

    Raises
    ------
    ValueError
        If the window does not fit or the padding is more than half of it.
    """
    span = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    size = _windows(x, span, stride, padding, ceil_mode)
    _check_taps(x.shape[1:4], size, kernel, stride, padding, dilation)
    out = np.empty((len(x), *size, x.shape[4]), x.dtype)
    where = np.empty(out.shape, np.int32)
    if out.size:
        kernels.pooling.max_pool(
            np.ascontiguousarray(x),
            *_integers(kernel, stride, padding, dilation),
            out,
            where,
            _team(threads, x.size),
        )
    return out, where


def max_pool3d_gradient(
    grad_output: Array, where: NDArray[np.int32], size: Triple, threads: int | None = None
) -> Array:
    """Return the gradient of `max_pool3d` with respect to its input of ``size`` (T, H, W)."""
    n, channels = len(grad_output), grad_output.shape[4]
    gradient = np.zeros((n, *size, channels), grad_output.dtype)
    if grad_output.size:
        flat = (n, -1, channels)
        kernels.pooling.max_pool_gradient(
            np.ascontiguousarray(grad_output).reshape(flat),
            where.reshape(flat),
            gradient.reshape(flat),
            _team(threads, gradient.size),
        )
    return gradient


def avg_pool3d(
    x: Array,
    kernel: Triple,
    stride: Triple,
    padding: Triple = (0, 0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    threads: int | None = None,
) -> Array:
    """Take the mean of each window, shape (N, T', H', W', C); zeros of the padding count by default."""
    size = _windows(x, kernel, stride, padding, ceil_mode)
    out = np.empty((len(x), *size, x.shape[4]), x.dtype)
    if out.size:
        kernels.pooling.average_pool(
            np.ascontiguousarray(x),
            *_integers(kernel, stride, padding),
            count_include_pad,
            out,
            _team(threads, x.size),
        )
    return out


def avg_pool3d_gradient(
    grad_output: Array,
    size: Triple,
    kernel: Triple,
    stride: Triple,
    padding: Triple = (0, 0, 0),
    count_include_pad: bool = True,
    threads: int | None = None,
) -> Array:
    """Return the gradient of `avg_pool3d` with respect to its input of ``size`` (T, H, W)."""
    gradient = np.zeros((len(grad_output), *size, grad_output.shape[4]), grad_output.dtype)
    if grad_output.size:
        kernels.pooling.average_pool_gradient(
            np.ascontiguousarray(grad_output),
            *_integers(kernel, stride, padding),
            count_include_pad,
            gradient,
            _team(threads, gradient.size),
        )
    return gradient


def spans(size: int, n: int) -> list[tuple[int, int]]:
    """Return start and end of ``n`` adaptive windows, which may overlap (PyTorch's rule)."""
    return [(i * size // n, -(-(i + 1) * size // n)) for i in range(n)]


def _check_adaptive(x: Array, size: tuple[int, ...]) -> None:
    _check_volume(x)
    if min(size) < 1 or 0 in x.shape[1:4]:
        raise ValueError(f"volumes of {x.shape[1:4]} cannot be pooled to {size}: sizes must be 1 or more")


def _averaging(size: int, n: int, dtype: DTypeLike) -> Array:
    """Return the matrix (n, size) whose rows average adaptive windows."""
    matrix = np.zeros((n, size), dtype)
    for row, (start, end) in zip(matrix, spans(size, n), strict=True):
        row[start:end] = 1 / (end - start)
    return matrix


def _along(a: Array, matrix: Array, axis: int) -> Array:
    """Multiply a matrix onto one axis."""
    return np.ascontiguousarray(np.moveaxis(np.tensordot(a, matrix, (axis, 1)), -1, axis))


def adaptive_avg_pool3d(x: Array, size: tuple[int, ...]) -> Array:
    """Take the means of windows that divide each axis into ``size`` parts, shape (N, *size, C)."""
    _check_adaptive(x, size)
    for axis, n in enumerate(size, 1):
        x = _along(x, _averaging(x.shape[axis], n, x.dtype), axis)
    return x


def adaptive_avg_pool3d_gradient(grad_output: Array, size: tuple[int, ...]) -> Array:
    """Return the gradient of `adaptive_avg_pool3d` with respect to its input of ``size`` (T, H, W)."""
    for axis, n in enumerate(size, 1):
        matrix = _averaging(n, grad_output.shape[axis], grad_output.dtype)
        grad_output = _along(grad_output, matrix.T, axis)
    return grad_output


def adaptive_max_pool3d(x: Array, size: tuple[int, ...]) -> tuple[Array, NDArray[np.int32]]:
    """Take the largest values of windows that divide each axis into ``size`` parts.

    Returns
    -------
    output : ndarray, shape (N, *size, C)
    where : ndarray of int32, same shape
        Place of the value in its volume, counted in pixels; the first where several are equal.
    """
    _check_adaptive(x, size)
    places = np.arange(np.prod(x.shape[1:4]), dtype=np.int32).reshape(1, *x.shape[1:4], 1)
    where = np.broadcast_to(places, x.shape)
    # From the last axis to the first: of equal values the first in the volume's order is kept.
    for axis in (3, 2, 1):
        windows = spans(x.shape[axis], size[axis - 1])
        parts = [(_cut(x, axis, *window), _cut(where, axis, *window)) for window in windows]
        best = [part.argmax(axis=axis, keepdims=True) for part, _ in parts]
        chosen = [
            (np.take_along_axis(part, top, axis), np.take_along_axis(place, top, axis))
            for (part, place), top in zip(parts, best, strict=True)
        ]
        x, where = (np.concatenate(arrays, axis=axis) for arrays in zip(*chosen, strict=True))
    return x, where


def _cut(a: NDArray, axis: int, start: int, end: int) -> NDArray:
    return a[(slice(None),) * axis + (slice(start, end),)]


def window_sums(a: Array, size: int, before: int) -> Array:
    """Sum ``size`` neighbours along the last axis, of which ``before`` stand before each number."""
    n = a.shape[-1]
    out = np.zeros_like(a)
    for shift in range(-before, size - before):
        to, source = slice(max(-shift, 0), n - max(shift, 0)), slice(max(shift, 0), n - max(-shift, 0))
        if abs(shift) < n:
            out[..., to] += a[..., source]
    return out


def _repeats(channels: int) -> int:
    """Return how many pixels make one period of the kernels."""
    return max(_PERIOD // channels, 1)


def _partial(a: Array) -> Array:
    """Return zeros for the sums of each chunk, shape (chunks, period)."""
    period = _repeats(a.shape[-1]) * a.shape[-1]
    return np.zeros((-(-a.size // (period * _CHUNK)), period), a.dtype)


def _total(partial: Array, channels: int) -> NDArray[np.float64]:
    return partial.sum(axis=0, dtype=np.float64).reshape(-1, channels).sum(axis=0)


def _flat(a: Array) -> Array:
    return np.ascontiguousarray(a).reshape(-1)


def channel_sums(a: Array, b: Array | None = None, threads: int | None = None) -> NDArray[np.float64]:
    """Sum ``a``, or ``a * b``, over all axes but the last: shape (C,), float64."""
    partial = _partial(a)
    if b is None:
        kernels.normalisation.sum_channels(_flat(a), partial, _team(threads, a.size))
    else:
        kernels.normalisation.sum_products(_flat(a), _flat(b), partial, _team(threads, a.size))
    return _total(partial, a.shape[-1])


def channel_squares(a: Array, centre: Array, threads: int | None = None) -> NDArray[np.float64]:
    """Sum ``(a - centre) ** 2`` over all axes but the last: shape (C,), float64."""
    partial = _partial(a)
    around = np.tile(centre.astype(a.dtype), _repeats(a.shape[-1]))
    kernels.normalisation.sum_squares(_flat(a), around, partial, _team(threads, a.size))
    return _total(partial, a.shape[-1])


def channel_affine(a: Array, scale: Array, shift: Array, threads: int | None = None) -> Array:
    """Return ``a * scale + shift``, where scale and shift have one number per channel."""
    flat, repeats = np.ascontiguousarray(a), _repeats(a.shape[-1])
    out = np.empty_like(flat)
    factors = (np.tile(v.astype(a.dtype), repeats) for v in (scale, shift))
    kernels.normalisation.affine(flat.reshape(-1), *factors, out.reshape(-1), _team(threads, a.size))
    return out


def channel_combine(
    a: Array, b: Array, scale_a: Array, scale_b: Array, shift: Array, threads: int | None = None
) -> Array:
    """Return ``a * scale_a + b * scale_b + shift``, where each factor has one number per channel."""
    flat, other = np.ascontiguousarray(a), np.ascontiguousarray(b)
    out, repeats = np.empty_like(flat), _repeats(a.shape[-1])
    factors = (np.tile(v.astype(a.dtype), repeats) for v in (scale_a, scale_b, shift))
    kernels.normalisation.combine(
        flat.reshape(-1), other.reshape(-1), *factors, out.reshape(-1), _team(threads, a.size)
    )
    return out


def rectifier_gradient(output: Array, grad_output: Array, threads: int | None = None) -> Array:
    """Return ``grad_output`` where ``output`` is positive, else 0."""
    flat = np.ascontiguousarray(grad_output)
    out = np.empty_like(flat)
    kernels.normalisation.rectifier_gradient(
        np.ascontiguousarray(output).reshape(-1),
        flat.reshape(-1),
        out.reshape(-1),
        _team(threads, output.size),
    )
    return out
