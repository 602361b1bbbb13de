"""What `actionbench.models.nn.functional` computes in plain NumPy: slow, short, and what kernels are tested against."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from actionbench.models.nn.functional import Normal, Pooled, Scan, Triple, conv_size, pool_size, spans

Array = NDArray[np.floating]


def _pad(x: Array, padding: Triple, value: float = 0.0) -> Array:
    return np.pad(x, [(0, 0), *((p, p) for p in padding), (0, 0)], constant_values=value)


def _tap(at: tuple[int, ...], size: tuple[int, ...], stride: Triple, dilation: Triple) -> tuple[slice, ...]:
    """Return the pixels that one tap of the filter meets."""
    steps = zip(at, size, stride, dilation, strict=True)
    return (slice(None), *(slice(k * d, k * d + (n - 1) * s + 1, s) for k, n, s, d in steps))


def conv3d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Triple = (1, 1, 1),
    padding: Triple = (0, 0, 0),
    dilation: Triple = (1, 1, 1),
    groups: int = 1,
    scale: Array | None = None,
    rectify: bool = False,
    pool: Triple = (1, 1, 1),
) -> Array:
    """Correlate volumes (N, T, H, W, C) with filters (kT, kH, kW, C / groups, D)."""
    if pool != (1, 1, 1):
        whole = conv3d(x, weight, bias, stride, padding, dilation, groups, scale, rectify)
        return max_pool3d(whole, pool, pool)[0]
    weight = weight if scale is None else weight * scale
    if groups > 1:
        parts = _grouped(groups, x, weight)
        out = np.concatenate([conv3d(*part, None, stride, padding, dilation) for part in parts], axis=-1)
        return _finished(out, bias, rectify)
    taps = weight.shape[:3]
    size = tuple(conv_size(*of) for of in zip(x.shape[1:4], taps, stride, padding, dilation, strict=True))
    source = _pad(x, padding)
    out = np.zeros((len(x), *size, weight.shape[4]), x.dtype)
    for at in np.ndindex(*taps):
        out += source[_tap(at, size, stride, dilation)] @ weight[at]
    return _finished(out, bias, rectify)


def _grouped(groups: int, a: Array, b: Array) -> list[tuple[Array, Array]]:
    """Divide the channels of both arrays into groups."""
    return list(zip(np.split(a, groups, axis=-1), np.split(b, groups, axis=-1), strict=True))


def _finished(out: Array, bias: Array | None, rectify: bool) -> Array:
    out = out if bias is None else out + bias
    return np.maximum(out, 0) if rectify else out


def conv3d_input_gradient(
    grad_output: Array,
    weight: Array,
    size: Triple,
    stride: Triple = (1, 1, 1),
    padding: Triple = (0, 0, 0),
    dilation: Triple = (1, 1, 1),
    groups: int = 1,
) -> Array:
    """Return the gradient of the input."""
    if groups > 1:
        parts = _grouped(groups, grad_output, weight)
        how = (size, stride, padding, dilation)
        return np.concatenate([conv3d_input_gradient(*part, *how) for part in parts], axis=-1)
    full = (s + 2 * p for s, p in zip(size, padding, strict=True))
    gradient = np.zeros((len(grad_output), *full, weight.shape[3]), grad_output.dtype)
    for at in np.ndindex(*weight.shape[:3]):
        gradient[_tap(at, grad_output.shape[1:4], stride, dilation)] += grad_output @ weight[at].T
    return gradient[(slice(None), *(slice(p, p + s) for p, s in zip(padding, size, strict=True)))]


def conv3d_weight_gradient(
    x: Array,
    grad_output: Array,
    taps: Triple,
    stride: Triple = (1, 1, 1),
    padding: Triple = (0, 0, 0),
    dilation: Triple = (1, 1, 1),
    groups: int = 1,
) -> Array:
    """Return the gradient of the weights."""
    if groups > 1:
        parts = _grouped(groups, x, grad_output)
        how = (taps, stride, padding, dilation)
        return np.concatenate([conv3d_weight_gradient(*part, *how) for part in parts], axis=-1)
    source = _pad(x, padding)
    gradient = np.zeros((*taps, x.shape[4], grad_output.shape[4]), x.dtype)
    for at in np.ndindex(*taps):
        met = source[_tap(at, grad_output.shape[1:4], stride, dilation)]
        gradient[at] = np.einsum("nthwc,nthwd->cd", met, grad_output)
    return gradient


def _places(
    shape: tuple[int, ...], kernel: tuple[int, ...], stride: Triple, padding: Triple, ceil_mode: bool
) -> tuple[Any, ...]:
    return tuple(pool_size(*of, ceil_mode) for of in zip(shape, kernel, stride, padding, strict=True))


def _window(
    at: tuple[int, ...],
    shape: tuple[int, ...],
    kernel: Triple,
    stride: Triple,
    padding: Triple,
    dilation: Triple = (1, 1, 1),
) -> tuple[Any, ...]:
    """Return the part of a window inside the volume."""
    starts = [a * s - p for a, s, p in zip(at, stride, padding, strict=True)]
    taps = zip(starts, kernel, shape, dilation, strict=True)
    inside = ([i for i in range(start, start + d * k, d) if 0 <= i < n] for start, k, n, d in taps)
    return (slice(None), *(slice(part[0], part[-1] + 1, d) for part, d in zip(inside, dilation, strict=True)))


def _count(
    at: tuple[int, ...], shape: tuple[int, ...], kernel: Triple, stride: Triple, padding: Triple
) -> int:
    """Return how many pixels of a window lie in the padded volume."""
    ends = (
        min(k, n + 2 * p - a * s) for a, k, n, p, s in zip(at, kernel, shape, padding, stride, strict=True)
    )
    return int(np.prod(list(ends)))


def _place(at: tuple[int, ...]) -> tuple[Any, ...]:
    return (slice(None), *at)


def _pixels(x: Array, part: tuple[Any, ...]) -> Array:
    """Return the pixels of a window in one row, (N, pixels, C)."""
    values = x[part]
    return values.reshape(len(x), int(np.prod(values.shape[1:4])), x.shape[4])


def _largest(x: Array, part: tuple[Any, ...], scaled: Array) -> tuple[Array, NDArray[np.int32], Array]:
    """Return the largest value of a window, where it stands and what it was before it was scaled."""
    places = np.arange(np.prod(x.shape[1:4]), dtype=np.int32).reshape(1, *x.shape[1:4])
    values = _pixels(scaled, part)
    best = values.argmax(axis=1)[:, np.newaxis]
    taken = [np.take_along_axis(array, best, axis=1)[:, 0] for array in (values, _pixels(x, part))]
    return taken[0], places[part].ravel()[best[:, 0]], taken[1]


def max_pool3d(
    x: Array,
    kernel: Triple,
    stride: Triple,
    padding: Triple = (0, 0, 0),
    ceil_mode: bool = False,
    dilation: Triple = (1, 1, 1),
    affine: tuple[Array, Array] | None = None,
    rectify: bool = False,
) -> tuple[Array, NDArray[np.int32], Array]:
    """Take the largest value of each window, where it stands, and what it was before it was scaled."""
    span = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    size = _places(x.shape[1:4], span, stride, padding, ceil_mode)
    windows = {at: _window(at, x.shape[1:4], kernel, stride, padding, dilation) for at in np.ndindex(*size)}
    return _pool_largest(x, size, windows, affine, rectify)


def _pool_largest(
    x: Array, size: tuple[int, ...], windows: Any, affine: tuple[Array, Array] | None, rectify: bool
) -> tuple[Array, NDArray[np.int32], Array]:
    scaled = x if affine is None else x * affine[0] + affine[1]
    out = np.empty((len(x), *size, x.shape[4]), x.dtype)
    where, raw = np.empty(out.shape, np.int32), np.empty_like(out)
    for at, part in windows.items():
        out[_place(at)], where[_place(at)], raw[_place(at)] = _largest(x, part, scaled)
    return (np.maximum(out, 0) if rectify else out), where, raw


def max_pool3d_gradient(
    grad_output: Array,
    pooled: Pooled,
    rectified: bool = False,
    affine: tuple[Array, Array, Array, Array] | None = None,
) -> Array:
    """Return the gradient of the input."""
    n, channels = len(grad_output), grad_output.shape[4]
    gradient = np.zeros((n, int(np.prod(pooled.size)), channels), grad_output.dtype)
    sample, channel = np.arange(n)[:, None, None], np.arange(channels)
    flat = (n, int(np.prod(grad_output.shape[1:4])), channels)
    counted = np.where(pooled.output > 0, grad_output, 0) if rectified else grad_output
    np.add.at(gradient, (sample, pooled.where.reshape(flat), channel), counted.reshape(flat))
    gradient = gradient.reshape(n, *pooled.size, channels)
    if affine is None:
        return gradient
    x, factor, slope, shift = affine
    return gradient * factor + x * slope + shift


def adaptive_max_pool3d(x: Array, size: tuple[int, ...]) -> tuple[Array, NDArray[np.int32], Array]:
    """Take the largest value of each adaptive window."""
    return _pool_largest(x, size, _adaptive_windows(x, size), None, False)


def _adaptive_windows(x: Array, size: tuple[int, ...]) -> dict[tuple[int, ...], tuple[Any, ...]]:
    axes = [spans(n, m) for n, m in zip(x.shape[1:4], size, strict=True)]
    return {
        at: (slice(None), *(slice(*axis[i]) for axis, i in zip(axes, at, strict=True)))
        for at in np.ndindex(*size)
    }


def adaptive_avg_pool3d(x: Array, size: tuple[int, ...]) -> Array:
    """Take the mean of each adaptive window."""
    out = np.empty((len(x), *size, x.shape[4]), x.dtype)
    for at, part in _adaptive_windows(x, size).items():
        out[_place(at)] = x[part].mean(axis=(1, 2, 3))
    return out


def adaptive_avg_pool3d_gradient(grad_output: Array, size: tuple[int, ...]) -> Array:
    """Return the gradient of the input."""
    gradient = np.zeros((len(grad_output), *size, grad_output.shape[4]), grad_output.dtype)
    for at, part in _adaptive_windows(gradient, grad_output.shape[1:4]).items():
        share = 1 / np.prod(gradient[part].shape[1:4])
        gradient[part] += grad_output[_place(at)][:, None, None, None, :] * grad_output.dtype.type(share)
    return gradient


def avg_pool3d(
    x: Array,
    kernel: Triple,
    stride: Triple,
    padding: Triple = (0, 0, 0),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """Take the mean of each window."""
    shape = x.shape[1:4]
    size = _places(shape, kernel, stride, padding, ceil_mode)
    out = np.empty((len(x), *size, x.shape[4]), x.dtype)
    for at in np.ndindex(*size):
        values = _pixels(x, _window(at, shape, kernel, stride, padding))
        count = _count(at, shape, kernel, stride, padding) if count_include_pad else values.shape[1]
        out[_place(at)] = values.sum(axis=1) / count
    return out


def avg_pool3d_gradient(
    grad_output: Array,
    size: Triple,
    kernel: Triple,
    stride: Triple,
    padding: Triple = (0, 0, 0),
    count_include_pad: bool = True,
) -> Array:
    """Return the gradient of the input."""
    gradient = np.zeros((len(grad_output), *size, grad_output.shape[4]), grad_output.dtype)
    for at in np.ndindex(*grad_output.shape[1:4]):
        part = _window(at, size, kernel, stride, padding)
        inside = int(np.prod(gradient[part].shape[1:4]))
        count = _count(at, size, kernel, stride, padding) if count_include_pad else inside
        gradient[part] += grad_output[_place(at)][:, None, None, None, :] / count
    return gradient


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Return ``x @ weight.T + bias``."""
    return _finished(x @ weight.T, bias, False)


def matmul(left: Array, right: Array) -> Array:
    """Return ``left @ right``."""
    return left @ right


def add_product(out: Array, left: Array, right: Array) -> None:
    """Add ``left @ right`` to ``out``."""
    out += left @ right


def _rows(a: Array) -> NDArray[np.float64]:
    return a.reshape(-1, a.shape[-1]).astype(np.float64) if a.size else np.zeros((0, a.shape[-1]))


def channel_sums(
    a: Array, b: Array | None = None, mask: Array | None = None, around: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum ``a`` and ``a * (b - around)`` per channel, where ``mask`` is positive."""
    counted = a if mask is None else np.where(mask > 0, a, 0)
    other = _rows(counted if b is None else b) - (0 if around is None else around)
    return _rows(counted).sum(axis=0), (_rows(counted) * other).sum(axis=0)


def channel_moments(a: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and the sum of the squared distances from it, per channel."""
    rows = _rows(a) if a.size else np.zeros((1, a.shape[-1]))
    return rows.mean(axis=0), ((rows - rows.mean(axis=0)) ** 2).sum(axis=0)


def channel_normal(
    moments: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
    n: int,
    running_mean: Array,
    running_var: Array,
    momentum: float,
    weight: Array | None,
    bias: Array | None,
    before: Array | None,
    eps: float,
) -> Normal:
    """Return scale and shift of normalised channels; the running moments move in place."""
    mean, variance = running_mean.astype(float), running_var.astype(float)
    if moments is not None:
        mean, variance = moments[0], moments[1] / n
        running_mean += momentum * (mean - running_mean)
        running_var += momentum * (moments[1] / (n - 1) - running_var)
    inverse = 1 / np.sqrt(variance + eps)
    scale = inverse if weight is None else weight * inverse
    shift = (0 if bias is None else bias) + ((0 if before is None else before) - mean) * scale
    dtype = running_mean.dtype
    return Normal(mean, inverse, scale.astype(dtype), shift.astype(dtype), n)


def channel_normal_gradient(
    normal: Normal,
    weight: Array | None,
    total: NDArray[np.float64],
    along: NDArray[np.float64],
    times: float,
    grad_weight: Array | None,
    grad_bias: Array | None,
) -> tuple[Array, Array, Array]:
    """Return how the gradient of normalised channels follows; those of weight and bias grow in place."""
    centred = along * normal.inverse
    if grad_weight is not None and grad_bias is not None:
        grad_weight += times * centred
        grad_bias += times * total
    factor = normal.inverse if weight is None else weight * normal.inverse
    slope, shift = np.zeros_like(factor), np.zeros_like(factor)
    if normal.n:
        slope = -factor * normal.inverse * centred / normal.n
        shift = -slope * normal.mean - factor * total / normal.n
    rows = (row.astype(normal.scale.dtype) for row in (factor, slope, shift))
    return tuple(rows)  # type: ignore[return-value]


def channel_affine(
    a: Array,
    scale: Array,
    shift: Array,
    b: Array | None = None,
    scale_b: Array | None = None,
    mask: Array | None = None,
    rectify: bool = False,
) -> Array:
    """Return ``a * scale + shift`` and what is asked for besides."""
    out = (a if mask is None else np.where(mask > 0, a, 0)) * scale + shift
    out = out if b is None or scale_b is None else out + b * scale_b
    return np.asarray(np.maximum(out, 0) if rectify else out, a.dtype)


def rectifier(a: Array) -> Array:
    """Return ``a`` where it is positive, else 0."""
    return np.maximum(a, 0)


def rectifier_gradient(output: Array, grad_output: Array) -> Array:
    """Return ``grad_output`` where ``output`` is positive, else 0."""
    return np.where(output > 0, grad_output, 0)


def lstm(driven: Array, weight: Array, peephole: Array | None = None) -> Scan:
    """Take sequences through time."""
    gates, hidden = driven.copy(), weight.shape[1]
    cells, curved, states = (np.zeros((*driven.shape[:2], hidden), driven.dtype) for _ in range(3))
    holes = np.zeros((3, hidden), driven.dtype) if peephole is None else peephole
    state = cell = np.zeros((driven.shape[1], hidden), driven.dtype)
    for t, gate in enumerate(gates):
        i, f, g, o = np.split(gate + state @ weight.T, 4, axis=1)
        i, f, g = expit(i + holes[0] * cell), expit(f + holes[1] * cell), np.tanh(g)
        cell = cells[t] = i * g + f * cell
        o = expit(o + holes[2] * cell)
        curved[t] = np.tanh(cell)
        state = states[t] = o * curved[t]
        gate[...] = np.concatenate([i, f, g, o], axis=1)
    return Scan(gates, cells, curved, states)


def lstm_gradient(scan: Scan, weight: Array, grads: Array, peephole: Array | None = None) -> Array:
    """Return the gradient of what drives the gates."""
    driven = np.zeros_like(scan.gates)
    holes = np.zeros((3, weight.shape[1]), weight.dtype) if peephole is None else peephole
    state = cell = np.zeros_like(scan.cells[:1].sum(axis=0))
    for t in range(len(driven) - 1, -1, -1):
        i, f, g, o = np.split(scan.gates[t], 4, axis=1)
        state = state + grads[t]
        do = state * scan.curved[t] * o * (1 - o)
        cell = cell + state * o * (1 - scan.curved[t] ** 2) + do * holes[2]
        before = scan.cells[t - 1] if t else np.zeros_like(cell)
        di, df, dg = cell * g * i * (1 - i), cell * before * f * (1 - f), cell * i * (1 - g**2)
        cell = cell * f + di * holes[0] + df * holes[1]
        driven[t] = np.concatenate([di, df, dg, do], axis=1)
        state = driven[t] @ weight
    return driven


def clear(a: Array) -> None:
    """Write zeros."""
    a[...] = 0


def descend(x: Array, gradient: Array, rate: float) -> None:
    """Subtract ``rate * gradient``."""
    x -= x.dtype.type(rate) * gradient


def adam(
    x: Array,
    gradient: Array,
    first: Array,
    second: Array,
    rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    decay: Array | None = None,
    shrink: float = 0.0,
) -> None:
    """Take a step of Adam."""
    first[...] = beta1 * first + (1 - beta1) * gradient
    second[...] = beta2 * second + (1 - beta2) * gradient**2
    if decay is not None:
        x *= 1 - shrink * decay
    x -= (rate * first / (np.sqrt(second) + epsilon)).astype(x.dtype)
