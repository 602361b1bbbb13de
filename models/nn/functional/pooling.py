"""Maximum and average pooling, and their gradients."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import kernels
from ...memory import check_memory
from ..arguments import MAX_INTEGER
from ..replay import empty, run
from .arrays import contiguous, no_array, per_channel
from .checks import Array, Triple, check_geometry, check_same_shape, check_shape, check_volume
from .threads import team_size


def pool_size(size: int, kernel: int, stride: int, padding: int, ceil_mode: bool) -> int:
    """Return how many windows fit along one axis; none starts beyond the right edge (PyTorch's rule)."""
    span = size + 2 * padding - kernel
    windows = (-(-span // stride) if ceil_mode else span // stride) + 1
    if ceil_mode and (windows - 1) * stride >= size + padding:
        windows -= 1
    return max(windows, 0)


def spans(size: int, n: int) -> list[tuple[int, int]]:
    """Return start and end of ``n`` adaptive windows, which may overlap (PyTorch's rule)."""
    return [(i * size // n, -(-(i + 1) * size // n)) for i in range(n)]


def _check_pixels(size: tuple[int, ...]) -> None:
    """Refuse volumes with more pixels than the indices that poolings keep can count."""
    if prod(size) > MAX_INTEGER:
        raise ValueError(f"volumes must have at most {MAX_INTEGER} pixels, got {size}")


def _read_only(table: NDArray[Any]) -> NDArray[Any]:
    """Return a table that is kept for all nets, so that nobody can change it."""
    table.flags.writeable = False
    return table


@lru_cache(maxsize=256)
def _pool_output_size(
    size: Triple, kernel: tuple[int, ...], stride: Triple, padding: Triple, ceil_mode: bool
) -> tuple[int, ...]:
    """Return how many windows there are; ``kernel`` is what a window spans."""
    check_geometry(padding, size=size, kernel=kernel, stride=stride)
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        raise ValueError(f"padding must be at most half of the window, got {padding} for windows of {kernel}")
    out_size = tuple(pool_size(*of, ceil_mode) for of in zip(size, kernel, stride, padding, strict=True))
    if 0 in out_size:
        raise ValueError(f"a window of {kernel} does not fit into volumes of {size} padded by {padding}")
    return out_size


@lru_cache(maxsize=256)
def _window_bounds(
    size: Triple, out_size: Triple, kernel: Triple, stride: Triple, padding: Triple, dilation: Triple
) -> NDArray[np.intp]:
    """Return first and last (excluded) pixel of each window, along T, then H, then W.

    Raises
    ------
    ValueError
        If all pixels of a window lie in the padding, which only those of dilated ones can.
    """
    rows = []
    for n, windows, k, s, p, d in zip(size, out_size, kernel, stride, padding, dilation, strict=True):
        start = np.arange(windows) * s - p
        first = start + np.maximum(-start + d - 1, 0) // d * d
        last = np.minimum(start + d * (k - 1) + 1, n)
        if (first >= last).any():
            raise ValueError(
                f"a window of {kernel} with dilation {dilation} meets only padding in volumes of {size}"
            )
        rows.append(np.stack([first, last], axis=1))
    return _read_only(np.concatenate(rows).astype(np.intp))


@lru_cache(maxsize=256)
def _windows(
    size: Triple, kernel: Triple, stride: Triple, padding: Triple, ceil_mode: bool, dilation: Triple
) -> tuple[tuple[int, ...], NDArray[np.intp]]:
    """Return how many windows there are, and the bounds of each."""
    check_geometry(padding, kernel=kernel, dilation=dilation)
    _check_pixels(size)
    span = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    out_size = _pool_output_size(size, span, stride, padding, ceil_mode)
    return out_size, _window_bounds(size, out_size, kernel, stride, padding, dilation)


class Pooled(NamedTuple):
    """What a pooling found.

    Attributes
    ----------
    output : ndarray, shape (N, T', H', W', C)
    where : ndarray of int32, same shape
        Place of each value in its volume, counted in pixels; empty if it was not wanted.
    raw : ndarray, same shape
        The values before they were scaled; empty if they were not.
    spans : ndarray of int, shape (T' + H' + W', 2)
        First and last (excluded) pixel of each window, along T, then H, then W.
    size : tuple of three int
        T, H and W of what was pooled.
    """

    output: Array
    where: NDArray[np.int32]
    raw: Array
    spans: NDArray[np.intp]
    size: tuple[int, ...]


def _max_pool(
    x: Array,
    out_size: tuple[int, ...],
    spans: NDArray[np.intp],
    dilation: Triple,
    affine: tuple[Array, Array] | None,
    rectify: bool,
    track: bool,
    threads: int | None,
) -> Pooled:
    out = empty((len(x), *out_size, x.shape[4]), x.dtype)
    where = empty(out.shape, np.int32) if track else no_array(5, np.dtype(np.int32))
    raw = empty(out.shape, x.dtype) if affine else no_array(5, x.dtype)
    if out.size:
        team = team_size(threads, x.size)
        rows = (per_channel(row, x.shape[4], x.dtype) for row in affine or (None, None))
        arguments = (contiguous(x), *rows, spans, dilation, rectify, out, where, raw, team)
        run(kernels.of(x.dtype).max_pool, *arguments, writes=(out, where, raw), fixed=(spans,))
    return Pooled(out, where, raw, spans, x.shape[1:4])


def max_pool3d(
    x: Array,
    kernel: Triple,
    stride: Triple,
    padding: Triple = (0, 0, 0),
    ceil_mode: bool = False,
    dilation: Triple = (1, 1, 1),
    affine: tuple[Array, Array] | None = None,
    rectify: bool = False,
    track: bool = True,
    threads: int | None = None,
) -> Pooled:
    """Take the largest value of each window, the first where several are equal.

    Parameters
    ----------
    x : ndarray, shape (N, T, H, W, C)
        Volumes.
    kernel, stride, padding, dilation : tuple of three int
        Pixels of a window, pixels between windows, pixels around the volume that are never the largest, pixels between
        those that a window looks at; along T, H, W.
    ceil_mode : bool
        Whether a window may stick out at the end.
    affine : tuple of two ndarray of shape (C,), optional
        Scale and shift of each channel before the pooling.
    rectify : bool
        Whether what is below 0 becomes 0.
    track : bool
        Whether to keep the indices, which the gradient needs; they are always kept of scaled values.
    threads : int, optional
        How many threads share the work.

    Raises
    ------
    ValueError
        If the window does not fit, the padding is more than half of it, or a window meets only padding.
    """
    check_volume(x)
    out_size, spans = _windows(x.shape[1:4], kernel, stride, padding, ceil_mode, dilation)
    return _max_pool(x, out_size, spans, dilation, affine, rectify, track or affine is not None, threads)


def max_pool3d_gradient(
    grad_output: Array,
    pooled: Pooled,
    rectified: bool = False,
    affine: tuple[Array, Array, Array, Array] | None = None,
    threads: int | None = None,
) -> Array:
    """Return the gradient of `max_pool3d` with respect to its input.

    Parameters
    ----------
    grad_output : ndarray, shape (N, T', H', W', C)
    pooled : Pooled
        What the pooling found.
    rectified : bool
        Whether gradients count only where the output is positive.
    affine : tuple of ndarray, optional
        The input and, for each channel, a factor of the gradient, a factor of the input that is added to it, and what
        is added besides.
    threads : int, optional
        How many threads share the work.
    """
    check_same_shape(pooled.output, grad_output=grad_output, where=pooled.where)
    check_shape("spans", pooled.spans, (sum(grad_output.shape[1:4]), 2))
    check_geometry((0, 0, 0), size=pooled.size)
    channels = grad_output.shape[4]
    gradient = empty((len(grad_output), *pooled.size, channels), grad_output.dtype)
    if affine is not None:
        check_shape("the input", affine[0], gradient.shape)
    if not grad_output.size:
        gradient.fill(0)
        return gradient
    x, *rows = affine or (no_array(5, gradient.dtype), *(no_array(1, gradient.dtype),) * 3)
    rows = [per_channel(row, channels if affine else 0, gradient.dtype) for row in rows]
    output = pooled.output if rectified else no_array(5, gradient.dtype)
    spans = _windows_of_pixels(pooled.spans.tobytes(), pooled.size, grad_output.shape[1:4])
    arguments = (np.ascontiguousarray(grad_output), pooled.where, output, x, *rows, spans, gradient)
    kernels.of(gradient.dtype).max_pool_gradient(*arguments, team_size(threads, gradient.size))
    return gradient


@lru_cache(maxsize=256)
def _average_windows(
    size: Triple, out_size: Triple, kernel: Triple, stride: Triple, padding: Triple, count_include_pad: bool
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the windows of an average pooling, and the inverse of how many pixels each counts along its axis."""
    spans, pixels, start = _window_bounds(size, out_size, kernel, stride, padding, (1, 1, 1)), [], 0
    for n, windows, k, s, p in zip(size, out_size, kernel, stride, padding, strict=True):
        own = spans[start : start + windows]
        padded = np.minimum(k, n + 2 * p - np.arange(windows) * s)
        pixels.append(padded if count_include_pad else own[:, 1] - own[:, 0])
        start += windows
    return spans, _read_only(1 / np.concatenate(pixels))


@lru_cache(maxsize=256)
def _windows_of_pixels(key: bytes, size: tuple[int, ...], out_size: tuple[int, ...]) -> NDArray[np.intp]:
    """Return first and last (excluded) window that may hold each pixel, from the windows as bytes."""
    spans, rows, start = np.frombuffer(key, np.intp).reshape(-1, 2), [], 0
    for n, windows in zip(size, out_size, strict=True):
        first, last = spans[start : start + windows].T
        # Of dilated windows that begin in the padding a later one may have an earlier first pixel.
        first, pixels = np.minimum.accumulate(first[::-1])[::-1], np.arange(n)
        rows.append(
            np.stack(
                [np.searchsorted(last, pixels, "right"), np.searchsorted(first, pixels, "right")], axis=1
            )
        )
        start += windows
    return _read_only(np.concatenate(rows).astype(np.intp))


def _sum_windows(
    x: Array,
    spans: NDArray[np.intp],
    weights: NDArray[np.float64] | None,
    out_weights: NDArray[np.float64] | None,
    out_size: tuple[int, ...],
    threads: int | None,
) -> Array:
    """Return weighted sums of windows; weights are given along T, then H, then W."""
    out = empty((len(x), *out_size, x.shape[4]), x.dtype)
    if out.size:
        shares = (
            np.ones(sum(x.shape[1:4])) if weights is None else weights,
            np.ones(sum(out_size)) if out_weights is None else out_weights,
        )
        inner, outer = (share.astype(x.dtype) for share in shares)
        arguments = (contiguous(x), spans, inner, outer, out, team_size(threads, x.size))
        run(kernels.of(x.dtype).window_sums, *arguments, writes=(out,), fixed=(spans, inner, outer))
    return out


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
    check_volume(x)
    out_size = _pool_output_size(x.shape[1:4], kernel, stride, padding, ceil_mode)
    spans, shares = _average_windows(x.shape[1:4], out_size, kernel, stride, padding, count_include_pad)
    return _sum_windows(x, spans, None, shares, out_size, threads)


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
    check_volume(grad_output, "grad_output")
    out_size = grad_output.shape[1:4]
    if all(
        out_size != _pool_output_size(size, kernel, stride, padding, ceil_mode) for ceil_mode in (False, True)
    ):
        raise ValueError(f"grad_output must have a value for each window, got {grad_output.shape} for {size}")
    spans, shares = _average_windows(size, out_size, kernel, stride, padding, count_include_pad)
    return _sum_windows(
        grad_output, _windows_of_pixels(spans.tobytes(), size, out_size), shares, None, size, threads
    )


def _check_adaptive(x: Array, size: tuple[int, ...]) -> None:
    check_volume(x)
    if len(size) != 3 or min(size) < 1 or 0 in x.shape[1:4]:
        raise ValueError(f"volumes of {x.shape[1:4]} cannot be pooled to {size}: sizes must be 1 or more")
    _check_pixels(x.shape[1:4])
    check_memory((len(x), *size, x.shape[4]), x.dtype)


@lru_cache(maxsize=256)
def _adaptive_windows(
    size: tuple[int, ...], out_size: tuple[int, ...]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the adaptive windows of all axes, and the inverse of how many pixels each has."""
    rows = np.concatenate([spans(*axis) for axis in zip(size, out_size, strict=True)]).astype(np.intp)
    return _read_only(rows), _read_only(1 / (rows[:, 1] - rows[:, 0]))


def adaptive_avg_pool3d(x: Array, size: tuple[int, ...], threads: int | None = None) -> Array:
    """Take the means of windows that divide each axis into ``size`` parts, shape (N, *size, C)."""
    _check_adaptive(x, size)
    rows, shares = _adaptive_windows(x.shape[1:4], size)
    return _sum_windows(x, rows, None, shares, size, threads)


def adaptive_avg_pool3d_gradient(
    grad_output: Array, size: tuple[int, ...], threads: int | None = None
) -> Array:
    """Return the gradient of `adaptive_avg_pool3d` with respect to its input of ``size`` (T, H, W)."""
    check_volume(grad_output, "grad_output")
    out_size = grad_output.shape[1:4]
    check_geometry((0, 0, 0), size=size, out_size=out_size)
    rows, shares = _adaptive_windows(size, out_size)
    return _sum_windows(
        grad_output, _windows_of_pixels(rows.tobytes(), size, out_size), shares, None, size, threads
    )


def adaptive_max_pool3d(x: Array, size: tuple[int, ...], threads: int | None = None) -> Pooled:
    """Take the largest values of windows that divide each axis into ``size`` parts, of equal ones the first."""
    _check_adaptive(x, size)
    return _max_pool(x, size, _adaptive_windows(x.shape[1:4], size)[0], (1, 1, 1), None, False, True, threads)
