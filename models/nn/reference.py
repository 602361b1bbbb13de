"""The functions of `functional` in plain NumPy: slow, short, and what the kernels are tested against."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .functional import Triple, conv_size, pool_size

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
) -> Array:
    """Correlate volumes (N, T, H, W, C) with filters (kT, kH, kW, C, D)."""
    taps = weight.shape[:3]
    size = tuple(conv_size(*of) for of in zip(x.shape[1:4], taps, stride, padding, dilation, strict=True))
    source = _pad(x, padding)
    out = np.zeros((len(x), *size, weight.shape[4]), x.dtype)
    for at in np.ndindex(*taps):
        out += source[_tap(at, size, stride, dilation)] @ weight[at]
    return out if bias is None else out + bias


def conv3d_input_gradient(
    grad_output: Array,
    weight: Array,
    size: Triple,
    stride: Triple = (1, 1, 1),
    padding: Triple = (0, 0, 0),
    dilation: Triple = (1, 1, 1),
) -> Array:
    """Return the gradient of the input."""
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
) -> Array:
    """Return the gradient of the weights."""
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


def max_pool3d(
    x: Array,
    kernel: Triple,
    stride: Triple,
    padding: Triple = (0, 0, 0),
    ceil_mode: bool = False,
    dilation: Triple = (1, 1, 1),
) -> tuple[Array, NDArray[np.int32]]:
    """Take the largest value of each window, and where it stands."""
    span = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    size = _places(x.shape[1:4], span, stride, padding, ceil_mode)
    out = np.empty((len(x), *size, x.shape[4]), x.dtype)
    where = np.empty(out.shape, np.int32)
    places = np.arange(np.prod(x.shape[1:4]), dtype=np.int32).reshape(1, *x.shape[1:4])
    for at in np.ndindex(*size):
        part = _window(at, x.shape[1:4], kernel, stride, padding, dilation)
        values = _pixels(x, part)
        out[_place(at)] = values.max(axis=1)
        where[_place(at)] = places[part].ravel()[values.argmax(axis=1)]
    return out, where


def max_pool3d_gradient(grad_output: Array, where: NDArray[np.int32], size: Triple) -> Array:
    """Return the gradient of the input."""
    n, channels = len(grad_output), grad_output.shape[4]
    gradient = np.zeros((n, int(np.prod(size)), channels), grad_output.dtype)
    sample, channel = np.arange(n)[:, None, None], np.arange(channels)
    flat = (n, int(np.prod(grad_output.shape[1:4])), channels)
    np.add.at(gradient, (sample, where.reshape(flat), channel), grad_output.reshape(flat))
    return gradient.reshape(n, *size, channels)


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
