"""Convolution, pooling, products and sums per channel: the functions that check, convert and allocate for the kernels.

Volumes are (N, T, H, W, C), float32 or float64; an array whose channels are not neighbours is copied. No result
depends on ``threads`` (by default `default_threads`).
"""

from __future__ import annotations

import os
from functools import cache, lru_cache
from itertools import product
from math import gcd, prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import kernels
from ..kernels import default_threads
from ..memory import check_memory
from .arguments import MOST
from .playback import empty, run

Array = NDArray[np.floating]
Triple = tuple[int, int, int]

_ONE, _NONE = (1, 1, 1), (0, 0, 0)
_WORTH_SHARING = 2**16
_FEW_SAMPLES = 15
# From which products per place, and which tiles of 2 x 2 places, Winograd's filtering is faster.
_DEEP, _FEW_TILES = 24, 16


def _team(threads: int | None, operations: int) -> int:
    """Return how many threads share the work; unless told, one does what takes less time than waking others."""
    team = threads or (default_threads() if operations > _WORTH_SHARING else 1)
    if team > 1:
        if _teams.lost:
            return 1
        _teams.ran = True
    return team


class _Teams:
    """Whether threads have shared work in this process, and whether in one that it was forked from.

    OpenMP keeps its threads for the next work; a child of ``fork`` would wait without end for those of its parent.
    """

    ran = lost = False

    def forked(self) -> None:
        self.lost = self.lost or self.ran


_teams = _Teams()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_teams.forked)


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


def _check_shape(what: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"{what} must have the shape {shape}, got {array.shape}")


def _check_alike(like: NDArray[Any], **others: NDArray[Any] | None) -> None:
    """Refuse arrays of another shape."""
    for name, array in others.items():
        if array is not None and array.shape != like.shape:
            raise ValueError(f"{name} must have the shape {like.shape}, got {array.shape}")


def _check_filter(x: Array, weight: Array, groups: int) -> None:
    _check_volume(x)
    channels = x.shape[4] // groups
    if weight.ndim != 5 or weight.shape[3] * groups != x.shape[4] or weight.shape[4] % groups:
        whole = f"a multiple of {groups}" if groups > 1 else "channels out"
        raise ValueError(f"weight must be (kT, kH, kW, {channels}, {whole}), got {weight.shape}")


def _check_geometry(padding: tuple[int, ...], **others: tuple[int, ...]) -> None:
    """Refuse what would end in no loop, in no division and at no pixel."""
    for name, numbers in {"padding": padding, **others}.items():
        least = 0 if name == "padding" else 1
        if len(numbers) != 3 or min(numbers) < least:
            raise ValueError(f"{name} must be three numbers of {least} or more, got {numbers}")


def _check_pixels(size: tuple[int, ...]) -> None:
    """Refuse volumes whose pixels have numbers beyond those in which poolings keep places."""
    if prod(size) > MOST:
        raise ValueError(f"volumes must have at most {MOST} pixels, got {size}")


@lru_cache(maxsize=256)
def conv_places(size: Triple, taps: Triple, stride: Triple, padding: Triple, dilation: Triple) -> Triple:
    """Return how many places a filter has along each axis."""
    _check_geometry(padding, size=size, taps=taps, stride=stride, dilation=dilation)
    n = tuple(conv_size(*of) for of in zip(size, taps, stride, padding, dilation, strict=True))
    if 0 in n:
        raise ValueError(f"a filter of {taps} does not fit into volumes of {size} padded by {padding}")
    return n  # type: ignore[return-value]


def apply(function: np.ufunc, *arrays: Array) -> Array:
    """Return what a function of each number makes of arrays."""
    out = np.empty(np.broadcast_shapes(*(a.shape for a in arrays)), np.result_type(*arrays))
    run(function, *arrays, out, writes=(out,))
    return out


def concatenate(arrays: list[Array], axis: int) -> Array:
    """Join arrays of one type along an axis."""
    shape = list(arrays[0].shape)
    shape[axis] = sum(a.shape[axis] for a in arrays)
    out = np.empty(shape, arrays[0].dtype)
    run(np.concatenate, arrays, axis, out, writes=(out,))
    return out


def contiguous(a: Array) -> Array:
    """Return an array with all its numbers side by side, at addresses that fit their type."""
    return a if a.flags.c_contiguous and a.flags.aligned else apply(np.positive, a)


def _near(x: Array) -> Array:
    """Return an array whose last axis has its numbers side by side, at addresses that fit their type."""
    return x if x.strides[-1] == x.itemsize and x.flags.aligned else contiguous(x)


def _fixed(table: NDArray[Any]) -> NDArray[Any]:
    """Return a table that is kept for all nets, so that nobody can change it."""
    table.flags.writeable = False
    return table


@cache
def _nothing(axes: int, dtype: np.dtype) -> NDArray[Any]:
    """Return what a kernel takes for an array that is not given."""
    return np.empty((0,) * axes, dtype)


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
    pool: Triple = _ONE,
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
    scale : ndarray, shape (D,), optional
        What the filters are multiplied by.
    rectify : bool
        Whether what is below 0 becomes 0.
    pool : tuple of three int
        Of each window of that many places, side by side, only the largest number is kept.
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
    size = conv_places(x.shape[1:4], weight.shape[:3], stride, padding, dilation)
    if pool != _ONE:
        _check_geometry(padding, pool=pool)
    shape, lanes = (len(x), *size, weight.shape[4] // groups), kernels.of(x.dtype).lanes()
    method = _method(weight.shape[:4] + shape[4:], shape, stride, dilation, lanes)
    # The largest is kept where a window lies in what one unit of work makes.
    at_once = pool != _ONE and (method == "slide" or (method == "direct" and pool[0] == 1))
    at_once &= all(n >= k for n, k in zip(size, pool, strict=True))
    kept = (n // k for n, k in zip(size, pool, strict=True)) if at_once else size
    out = empty((len(x), *kept, weight.shape[4]), x.dtype)
    channels = weight.shape[4]
    arrays = (x, weight, out, _row(scale, channels, x.dtype), _row(bias, channels, x.dtype))
    for a, w, y, *rows in _split(groups, *arrays):
        how = (stride, padding, dilation, pool if at_once else _ONE, rectify)
        _convolve(method, a, w, rows, y, how, threads)
    if at_once or pool == _ONE:
        return out
    return max_pool3d(out, pool, pool, track=False, threads=threads).output


def _row(row: Array | None, n: int, dtype: np.dtype) -> Array:
    """Return one number for each of ``n`` channels, none where none are given."""
    if row is None:
        return _nothing(1, dtype)
    if row.shape != (n,):
        raise ValueError(
            f"there must be a number for each of {n} channels, got an array of shape {row.shape}"
        )
    return row.astype(dtype, copy=False)


def _convolve(
    method: str,
    x: Array,
    weight: Array,
    scale_and_bias: list[Array],
    out: Array,
    how: tuple[Triple, Triple, Triple, Triple, bool],
    threads: int | None,
) -> None:
    """Write the correlation into ``out``.

    ``how``: stride, pixels outside of the volume where the first place stands, dilation, windows, whether to rectify.
    """
    if not out.size:
        return
    if not x.shape[4]:
        out[...] = scale_and_bias[1] if scale_and_bias[1].size else 0
        return
    _, before, _, window, rectify = how
    team = _team(threads, out.size * prod(window) * weight.size // weight.shape[4] // 16)
    arrays = (_near(x), weight.astype(x.dtype, copy=False), *scale_and_bias, out)
    kernel = kernels.of(x.dtype)
    if method == "direct":
        run(kernel.convolve, *arrays, *how, team, writes=(out,))
    elif method == "slide":
        run(kernel.slide, *arrays, before, window, rectify, team, writes=(out,))
    else:
        run(kernel.winograd, *arrays, before, rectify, team, writes=(out,))


@lru_cache(maxsize=256)
def _method(
    weight: tuple[int, ...], out: tuple[int, ...], stride: Triple, dilation: Triple, lanes: int
) -> str:
    """Return which kernel is fastest for filters (kT, kH, kW, C, D) and an output (N, T, H, W, D).

    Winograd's filtering wants 3 x 3 taps and work enough to pay for its transforms, ``slide`` three taps in a row and
    channels D that fit into one vector.
    """
    if stride != (1, 1, 1) or dilation != (1, 1, 1) or weight[2] != 3:
        return "direct"
    depth, tiles = weight[0] * weight[3], out[1] * -(-out[2] // 2) * -(-out[3] // 2)
    slides = weight[4] <= lanes
    minimal = weight[1] == 3 and tiles >= _FEW_TILES and out[0] * tiles >= 2 * _FEW_TILES
    if minimal and depth >= (2 if slides else 1) * _DEEP:
        return "winograd"
    return "slide" if slides else "direct"


def _split(groups: int, *arrays: Array) -> list[tuple[Array, ...]]:
    """Divide the channels of all arrays into groups."""
    if groups == 1:
        return [arrays]
    return list(zip(*(np.split(array, groups, axis=-1) for array in arrays), strict=True))


class _Phase(NamedTuple):
    """Pixels of a convolution's input, its stride apart, that meet the same taps."""

    pixels: slice
    taps: slice
    before: int
    dilation: int


@lru_cache(maxsize=256)
def _phases(size: int, taps: int, stride: int, padding: int, dilation: int) -> tuple[_Phase, ...]:
    """Divide an axis of ``size`` pixels so that the gradient of each part is a dense correlation.

    Pixel i gets ``grad_output[o] * weight[k]`` where ``o * stride + k * dilation = i + padding``: those taps for which
    the remainders by the stride agree, the last one first.
    """
    phases = []
    for first in range(min(stride, size)):
        rest = (first + padding) % stride
        met = [k for k in range(taps) if (k * dilation - rest) % stride == 0]
        if not met:
            continue
        step = met[1] - met[0] if len(met) > 1 else taps
        mirrored = slice(met[-1], met[0] - step if met[0] >= step else None, -step)
        before = (met[-1] * dilation - rest) // stride - (first + padding) // stride
        phases.append(_Phase(slice(first, None, stride), mirrored, before, dilation // gcd(stride, dilation)))
    return tuple(phases)


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
    """Return the gradient of `conv3d` with respect to its input of ``size`` (T, H, W)."""
    _check_volume(grad_output, "grad_output")
    _check_volume(weight, "weight")
    places = conv_places(size, weight.shape[:3], stride, padding, dilation)
    _check_shape("grad_output", grad_output, (len(grad_output), *places, weight.shape[4]))
    shape = (len(grad_output), *size, weight.shape[3] * groups)
    axes = zip(size, weight.shape[:3], stride, padding, dilation, strict=True)
    phases = list(product(*(_phases(*axis) for axis in axes)))
    complete = len(phases) == int(np.prod([min(s, n) for s, n in zip(stride, size, strict=True)]))
    gradient = empty(shape, grad_output.dtype)
    if not complete:
        gradient.fill(0)
    nothing, lanes = _nothing(1, gradient.dtype), kernels.of(gradient.dtype).lanes()
    for g, w, to in _split(groups, grad_output, weight, gradient):
        for t, y, x in phases:
            part = to[:, t.pixels, y.pixels, x.pixels]
            filters = w[t.taps, y.taps, x.taps].swapaxes(3, 4)
            before, steps = (t.before, y.before, x.before), (t.dilation, y.dilation, x.dilation)
            method = _method(filters.shape, part.shape, _ONE, steps, lanes)
            _convolve(
                method, g, filters, [nothing, nothing], part, (_ONE, before, steps, _ONE, False), threads
            )
    return gradient


def conv3d_weight_gradient(
    x: Array,
    grad_output: Array,
    taps: Triple,
    stride: Triple = (1, 1, 1),
    padding: Triple = (0, 0, 0),
    dilation: Triple = (1, 1, 1),
    groups: int = 1,
    threads: int | None = None,
    out: Array | None = None,
    scale: float = 1.0,
) -> Array:
    """Return the gradient of `conv3d` with respect to its weights, shape (kT, kH, kW, C / groups, D).

    With ``out``, ``scale`` times the gradient is added to that.
    """
    _check_volume(x)
    _check_volume(grad_output, "grad_output")
    places = conv_places(x.shape[1:4], taps, stride, padding, dilation)
    _check_shape("grad_output", grad_output, (len(x), *places, grad_output.shape[4]))
    shape = (*taps, x.shape[4] // groups, grad_output.shape[4])
    if x.shape[4] % groups or shape[4] % groups:
        raise ValueError(f"groups must divide the channels, got {groups} for {x.shape[4]} and {shape[4]}")
    if out is None:
        out = np.zeros(shape, x.dtype)
    _check_shape("out", out, shape)
    if x.size and grad_output.size:
        for a, g, to in _split(groups, x, grad_output, out):
            team = _team(threads, g.size * to.size // to.shape[4] // 16)
            arrays, kernel = (_near(a), _near(g), to), kernels.of(x.dtype)
            method = _method(to.shape, g.shape, stride, dilation, kernel.lanes())
            if method == "direct":
                kernel.weight_gradient(*arrays, stride, padding, dilation, scale, team)
            else:
                getattr(kernel, f"{method}_gradient")(*arrays, padding, scale, team)
    return out


def linear(x: Array, weight: Array, bias: Array | None = None, threads: int | None = None) -> Array:
    """Return ``x @ weight.T + bias``.

    Parameters
    ----------
    x : ndarray, shape (N, C)
    weight : ndarray, shape (D, C)
    bias : ndarray, shape (D,), optional
    threads : int, optional
        How many threads share the work.

    Returns
    -------
    ndarray, shape (N, D)
    """
    if x.ndim != 2 or weight.ndim != 2 or x.shape[1] != weight.shape[1]:
        raise ValueError(f"x must be (N, C) and weight (D, C), got {x.shape} and {weight.shape}")
    if bias is not None:
        _check_shape("bias", bias, weight.shape[:1])
    shape, kernel, nothing = (len(x), len(weight)), kernels.of(weight.dtype), _nothing(1, weight.dtype)
    team = _team(threads, x.size * len(weight) // 16)
    if not x.size or not weight.size:
        out = np.zeros(shape, weight.dtype)
    elif len(x) <= _FEW_SAMPLES:
        out = np.empty(shape, weight.dtype)
        run(np.copyto, out, 0 if bias is None else bias, writes=(out,))
        run(kernel.inner_products, contiguous(x), contiguous(weight), out, team, writes=(), changes=(out,))
        return out
    elif weight.size > x.size:
        # The larger matrix stands on the left, where it is read once as it is.
        turned = np.empty(shape[::-1], weight.dtype)
        run(kernel.product, weight, x.T, nothing, turned, False, team, writes=(turned,))
        return contiguous(turned.T) if bias is None else apply(np.add, turned.T, bias)
    else:
        out = empty(shape, weight.dtype)
        run(
            kernel.product,
            x,
            weight.T,
            _row(bias, len(weight), weight.dtype),
            out,
            False,
            team,
            writes=(out,),
        )
        return out
    if bias is not None:
        out += bias
    return out


def _check_product(left: Array, right: Array) -> None:
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[0]:
        raise ValueError(f"matrices must be (N, C) and (C, D), got {left.shape} and {right.shape}")


def add_product(out: Array, left: Array, right: Array, threads: int | None = None) -> None:
    """Add ``left @ right`` to ``out``, shapes (N, C), (C, D) and (N, D)."""
    _check_product(left, right)
    _check_shape("out", out, (len(left), right.shape[1]))
    if left.size and right.size:
        team = _team(threads, left.size * right.shape[1] // 16)
        kernels.of(out.dtype).product(left, right, _nothing(1, out.dtype), out, True, team)


def matmul(left: Array, right: Array, threads: int | None = None) -> Array:
    """Return ``left @ right``, shapes (N, C), (C, D) and (N, D)."""
    _check_product(left, right)
    out = empty((len(left), right.shape[1]), right.dtype)
    if left.size and right.size:
        team = _team(threads, left.size * right.shape[1] // 16)
        kernels.of(out.dtype).product(left, right, _nothing(1, out.dtype), out, False, team)
    else:
        out.fill(0)
    return out


@lru_cache(maxsize=256)
def _windows(
    size: Triple, kernel: tuple[int, ...], stride: Triple, padding: Triple, ceil_mode: bool
) -> tuple[int, ...]:
    """Return how many windows there are; ``kernel`` is what a window spans."""
    _check_geometry(padding, size=size, kernel=kernel, stride=stride)
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        raise ValueError(f"padding must be at most half of the window, got {padding} for windows of {kernel}")
    places = tuple(pool_size(*of, ceil_mode) for of in zip(size, kernel, stride, padding, strict=True))
    if 0 in places:
        raise ValueError(f"a window of {kernel} does not fit into volumes of {size} padded by {padding}")
    return places


@lru_cache(maxsize=256)
def _spans(
    size: Triple, places: Triple, kernel: Triple, stride: Triple, padding: Triple, dilation: Triple
) -> NDArray[np.intp]:
    """Return first and last (excluded) pixel of each window, along T, then H, then W.

    Raises
    ------
    ValueError
        If all pixels of a window lie in the padding, which only those of dilated ones can.
    """
    rows = []
    for n, windows, k, s, p, d in zip(size, places, kernel, stride, padding, dilation, strict=True):
        start = np.arange(windows) * s - p
        first = start + np.maximum(-start + d - 1, 0) // d * d
        last = np.minimum(start + d * (k - 1) + 1, n)
        if (first >= last).any():
            raise ValueError(
                f"a window of {kernel} with dilation {dilation} meets only padding in volumes of {size}"
            )
        rows.append(np.stack([first, last], axis=1))
    return _fixed(np.concatenate(rows).astype(np.intp))


@lru_cache(maxsize=256)
def _grid(
    size: Triple, kernel: Triple, stride: Triple, padding: Triple, ceil_mode: bool, dilation: Triple
) -> tuple[tuple[int, ...], NDArray[np.intp]]:
    """Return how many windows there are, and where they stand."""
    _check_geometry(padding, kernel=kernel, dilation=dilation)
    _check_pixels(size)
    span = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    places = _windows(size, span, stride, padding, ceil_mode)
    return places, _spans(size, places, kernel, stride, padding, dilation)


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


def _largest(
    x: Array,
    places: tuple[int, ...],
    spans: NDArray[np.intp],
    dilation: Triple,
    affine: tuple[Array, Array] | None,
    rectify: bool,
    track: bool,
    threads: int | None,
) -> Pooled:
    out = empty((len(x), *places, x.shape[4]), x.dtype)
    where = empty(out.shape, np.int32) if track else _nothing(5, np.dtype(np.int32))
    raw = empty(out.shape, x.dtype) if affine else _nothing(5, x.dtype)
    if out.size:
        scale, shift = affine or (None, None)
        run(
            kernels.of(x.dtype).max_pool,
            contiguous(x),
            _row(scale, x.shape[4], x.dtype),
            _row(shift, x.shape[4], x.dtype),
            spans,
            dilation,
            rectify,
            out,
            where,
            raw,
            _team(threads, x.size),
            writes=(out, where, raw),
            fixed=(spans,),
        )
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
        Whether a gradient will be wanted, which needs the places; scaled values always have them.
    threads : int, optional
        How many threads share the work.

    Raises
    ------
    ValueError
        If the window does not fit, the padding is more than half of it, or a window meets only padding.
    """
    _check_volume(x)
    places, spans = _grid(x.shape[1:4], kernel, stride, padding, ceil_mode, dilation)
    return _largest(x, places, spans, dilation, affine, rectify, track or affine is not None, threads)


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
    _check_alike(pooled.output, grad_output=grad_output, where=pooled.where)
    _check_shape("spans", pooled.spans, (sum(grad_output.shape[1:4]), 2))
    _check_geometry(_NONE, size=pooled.size)
    channels = grad_output.shape[4]
    gradient = empty((len(grad_output), *pooled.size, channels), grad_output.dtype)
    if affine is not None:
        _check_shape("the input", affine[0], gradient.shape)
    if not grad_output.size:
        gradient.fill(0)
        return gradient
    x, *rows = affine or (_nothing(5, gradient.dtype), *(_nothing(1, gradient.dtype),) * 3)
    kernels.of(gradient.dtype).max_pool_gradient(
        np.ascontiguousarray(grad_output),
        pooled.where,
        pooled.output if rectified else _nothing(5, gradient.dtype),
        x,
        *(_row(row, channels if affine else 0, gradient.dtype) for row in rows),
        _turned(pooled.spans.tobytes(), pooled.size, grad_output.shape[1:4]),
        gradient,
        _team(threads, gradient.size),
    )
    return gradient


@lru_cache(maxsize=256)
def _averages(
    size: Triple, places: Triple, kernel: Triple, stride: Triple, padding: Triple, count_include_pad: bool
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the windows of an average pooling, and the inverse of how many pixels each counts along its axis."""
    spans, counts, start = _spans(size, places, kernel, stride, padding, (1, 1, 1)), [], 0
    for n, windows, k, s, p in zip(size, places, kernel, stride, padding, strict=True):
        own = spans[start : start + windows]
        padded = np.minimum(k, n + 2 * p - np.arange(windows) * s)
        counts.append(padded if count_include_pad else own[:, 1] - own[:, 0])
        start += windows
    return spans, _fixed(1 / np.concatenate(counts))


@lru_cache(maxsize=256)
def _turned(key: bytes, size: tuple[int, ...], places: tuple[int, ...]) -> NDArray[np.intp]:
    """Return first and last (excluded) window that may hold each pixel, from the windows as bytes."""
    spans, rows, start = np.frombuffer(key, np.intp).reshape(-1, 2), [], 0
    for n, windows in zip(size, places, strict=True):
        first, last = spans[start : start + windows].T
        # Of dilated windows that begin in the padding a later one may have an earlier first pixel.
        first, pixels = np.minimum.accumulate(first[::-1])[::-1], np.arange(n)
        rows.append(
            np.stack(
                [np.searchsorted(last, pixels, "right"), np.searchsorted(first, pixels, "right")], axis=1
            )
        )
        start += windows
    return _fixed(np.concatenate(rows).astype(np.intp))


def _sum_windows(
    x: Array,
    spans: NDArray[np.intp],
    weights: NDArray[np.float64] | None,
    out_weights: NDArray[np.float64] | None,
    places: tuple[int, ...],
    threads: int | None,
) -> Array:
    """Return weighted sums of windows; weights are given along T, then H, then W."""
    out = empty((len(x), *places, x.shape[4]), x.dtype)
    if out.size:
        shares = (
            np.ones(sum(x.shape[1:4])) if weights is None else weights,
            np.ones(sum(places)) if out_weights is None else out_weights,
        )
        inner, outer = (share.astype(x.dtype) for share in shares)
        run(
            kernels.of(x.dtype).window_sums,
            contiguous(x),
            spans,
            inner,
            outer,
            out,
            _team(threads, x.size),
            writes=(out,),
            fixed=(spans, inner, outer),
        )
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
    _check_volume(x)
    places = _windows(x.shape[1:4], kernel, stride, padding, ceil_mode)
    spans, shares = _averages(x.shape[1:4], places, kernel, stride, padding, count_include_pad)
    return _sum_windows(x, spans, None, shares, places, threads)


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
    _check_volume(grad_output, "grad_output")
    places = grad_output.shape[1:4]
    if all(places != _windows(size, kernel, stride, padding, ceil_mode) for ceil_mode in (False, True)):
        raise ValueError(
            f"grad_output must have one place for each window, got {grad_output.shape} for {size}"
        )
    spans, shares = _averages(size, places, kernel, stride, padding, count_include_pad)
    return _sum_windows(grad_output, _turned(spans.tobytes(), size, places), shares, None, size, threads)


def spans(size: int, n: int) -> list[tuple[int, int]]:
    """Return start and end of ``n`` adaptive windows, which may overlap (PyTorch's rule)."""
    return [(i * size // n, -(-(i + 1) * size // n)) for i in range(n)]


def _check_adaptive(x: Array, size: tuple[int, ...]) -> None:
    _check_volume(x)
    if len(size) != 3 or min(size) < 1 or 0 in x.shape[1:4]:
        raise ValueError(f"volumes of {x.shape[1:4]} cannot be pooled to {size}: sizes must be 1 or more")
    _check_pixels(x.shape[1:4])
    check_memory((len(x), *size, x.shape[4]), x.dtype)


@lru_cache(maxsize=256)
def _adaptive(size: tuple[int, ...], places: tuple[int, ...]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the adaptive windows of all axes, and the inverse of how many pixels each has."""
    rows = np.concatenate([spans(*axis) for axis in zip(size, places, strict=True)]).astype(np.intp)
    return _fixed(rows), _fixed(1 / (rows[:, 1] - rows[:, 0]))


def adaptive_avg_pool3d(x: Array, size: tuple[int, ...], threads: int | None = None) -> Array:
    """Take the means of windows that divide each axis into ``size`` parts, shape (N, *size, C)."""
    _check_adaptive(x, size)
    rows, shares = _adaptive(x.shape[1:4], size)
    return _sum_windows(x, rows, None, shares, size, threads)


def adaptive_avg_pool3d_gradient(
    grad_output: Array, size: tuple[int, ...], threads: int | None = None
) -> Array:
    """Return the gradient of `adaptive_avg_pool3d` with respect to its input of ``size`` (T, H, W)."""
    _check_volume(grad_output, "grad_output")
    places = grad_output.shape[1:4]
    _check_geometry(_NONE, size=size, places=places)
    rows, shares = _adaptive(size, places)
    return _sum_windows(grad_output, _turned(rows.tobytes(), size, places), shares, None, size, threads)


def adaptive_max_pool3d(x: Array, size: tuple[int, ...], threads: int | None = None) -> Pooled:
    """Take the largest values of windows that divide each axis into ``size`` parts, of equal ones the first."""
    _check_adaptive(x, size)
    return _largest(x, size, _adaptive(x.shape[1:4], size)[0], (1, 1, 1), None, False, True, threads)


def window_sums(a: Array, size: int, before: int) -> Array:
    """Sum ``size`` neighbours along the last axis, of which ``before`` stand before each number."""
    n = a.shape[-1]
    out = np.zeros_like(a)
    for shift in range(-before, size - before):
        to, source = slice(max(-shift, 0), n - max(shift, 0)), slice(max(shift, 0), n - max(-shift, 0))
        if abs(shift) < n:
            out[..., to] += a[..., source]
    return out


def _flat(a: Array) -> Array:
    return contiguous(a).reshape(-1)


def channel_sums(
    a: Array,
    b: Array | None = None,
    mask: Array | None = None,
    around: NDArray[np.float64] | None = None,
    threads: int | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum ``a``, and ``a * (b - around)``, over all axes but the last.

    Parameters
    ----------
    a : ndarray, shape (..., C)
    b : ndarray, same shape, optional
        ``a`` itself by default.
    mask : ndarray, same shape, optional
        Only where it is positive does ``a`` count.
    around : ndarray of float64, shape (C,), optional
        Subtracted from ``b``, 0 by default.
    threads : int, optional
        How many threads share the work.

    Returns
    -------
    tuple of two ndarray of float64, shape (C,)
    """
    _check_alike(a, b=b, mask=mask)
    results = np.zeros((2, a.shape[-1]))
    if a.size:
        others = (_nothing(1, a.dtype) if other is None else _flat(other) for other in (b, mask))
        centre = _row(around, a.shape[-1], np.dtype(np.float64))
        kernels.of(a.dtype).sums(_flat(a), *others, centre, *results, _team(threads, a.size))
    return results[0], results[1]


def channel_moments(a: Array, threads: int | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean of each channel, the last axis, and the sum of the squared distances from it.

    Returns
    -------
    tuple of two ndarray of float64, shape (C,)
        Zeros where there is nothing to average.
    """
    results = np.zeros((2, a.shape[-1]))
    if a.size:
        kernels.of(a.dtype).moments(_flat(a), *results, _team(threads, a.size))
    return results[0], results[1]


class Normal(NamedTuple):
    """What channels are normalised by, each of shape (C,), and the values that it is of, 0 if they are others."""

    mean: NDArray[np.float64]
    inverse: NDArray[np.float64]
    scale: Array
    shift: Array
    n: int


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
    """Return the scale and shift of each channel that give it mean 0 and variance 1, then ``weight`` and ``bias``.

    Parameters
    ----------
    moments : tuple of two ndarray, optional
        Those of ``n`` values, see `channel_moments`, towards which the running ones move by ``momentum``; else the
        running ones stand in, and ``n`` is 0.
    running_mean, running_var : ndarray, shape (C,)
        Changed in place.
    weight, bias : ndarray, shape (C,), optional
    before : ndarray, shape (C,), optional
        Will be added to the values first.
    eps : float
        Added to the variance.
    """
    channels = running_mean.size
    _check_shape("running_mean", running_mean, (channels,))
    mean, inverse = moments or np.empty((2, channels))
    _check_alike(running_mean, running_var=running_var, mean=mean, squares=inverse)
    scale, shift = np.empty((2, channels), running_mean.dtype)
    rows = (_row(row, channels, running_mean.dtype) for row in (weight, bias, before))
    arguments = (mean, inverse, n, running_mean, running_var, momentum, *rows, eps, scale, shift)
    run(
        kernels.of(running_mean.dtype).normalise,
        *arguments,
        writes=(mean, inverse, scale, shift),
        changes=(running_mean, running_var) if n else (),
    )
    return Normal(mean, inverse, scale, shift, n)


def channel_pull(
    normal: Normal,
    weight: Array | None,
    total: NDArray[np.float64],
    along: NDArray[np.float64],
    times: float,
    grad_weight: Array | None,
    grad_bias: Array | None,
) -> tuple[Array, Array, Array]:
    """Return how the gradient of normalised channels ``x`` follows, ``grad_output * factor + x * slope + shift``.

    Parameters
    ----------
    normal : Normal
    weight : ndarray, shape (C,), optional
    total, along : ndarray, shape (C,)
        Sums of ``grad_output``, and of that times ``x - normal.mean``.
    times : float
        Factor of what is added to the gradients of weight and bias, if they are given.
    grad_weight, grad_bias : ndarray, shape (C,), optional
        Changed in place.
    """
    _check_alike(normal.mean, inverse=normal.inverse, total=total, along=along, scale=normal.scale)
    if (grad_weight is None) != (grad_bias is None):
        raise ValueError("the gradients of weight and bias must both be given, or none of them")
    channels = len(normal.scale)
    factor, slope, shift = np.empty((3, channels), normal.scale.dtype)
    weight, grad_weight, grad_bias = (
        _row(row, channels, factor.dtype) for row in (weight, grad_weight, grad_bias)
    )
    arguments = (weight, total, along, times, grad_weight, grad_bias, factor, slope, shift)
    kernels.of(factor.dtype).pull(normal.mean, normal.inverse, normal.n, *arguments)
    return factor, slope, shift


def channel_affine(
    a: Array,
    scale: Array,
    shift: Array,
    b: Array | None = None,
    scale_b: Array | None = None,
    mask: Array | None = None,
    rectify: bool = False,
    threads: int | None = None,
) -> Array:
    """Return ``a * scale + shift``, plus ``b * scale_b``, where each factor has one number per channel.

    With ``mask``, ``a`` counts where that is positive; with ``rectify``, what is below 0 becomes 0.
    """
    _check_alike(a, b=b, mask=mask)
    if b is not None and scale_b is None:
        raise ValueError("b needs scale_b, a factor for each channel")
    out = empty(a.shape, a.dtype)
    if a.size:
        arrays = (_nothing(1, a.dtype) if array is None else _flat(array) for array in (mask, b))
        rows = (_row(factor, a.shape[-1], a.dtype) for factor in (scale, scale_b, shift))
        flat = out.reshape(-1)
        arguments = (_flat(a), *arrays, *rows, rectify, flat, _team(threads, a.size))
        run(kernels.of(a.dtype).affine, *arguments, writes=(flat,))
    return out


def rectifier(a: Array, threads: int | None = None) -> Array:
    """Return ``a`` where it is positive, else 0."""
    return _map(a, None, True, threads)


def rectifier_gradient(output: Array, grad_output: Array, threads: int | None = None) -> Array:
    """Return ``grad_output`` where ``output`` is positive, else 0."""
    _check_alike(output, grad_output=grad_output)
    return _map(grad_output, output, False, threads)


def _map(a: Array, mask: Array | None, rectify: bool, threads: int | None) -> Array:
    out, nothing = empty(a.shape, a.dtype), _nothing(1, a.dtype)
    if a.size:
        where = nothing if mask is None else _flat(mask)
        flat = out.reshape(-1)
        arguments = (_flat(a), where, *(nothing,) * 4, rectify, flat, _team(threads, a.size))
        run(kernels.of(a.dtype).affine, *arguments, writes=(flat,))
    return out


class Scan(NamedTuple):
    """What an LSTM did: gates i, f, g and o (L, N, 4 H), cells, their hyperbolic tangents, and states (L, N, H)."""

    gates: Array
    cells: Array
    curved: Array
    states: Array


def lstm(driven: Array, weight: Array, peephole: Array | None = None, threads: int | None = None) -> Scan:
    """Take sequences through time; the states begin with zero.

    Parameters
    ----------
    driven : ndarray, shape (L, N, 4 H)
        What the input adds to the gates i, f, g and o; becomes the gates themselves.
    weight : ndarray, shape (4 H, H)
        Leads from the state to the gates.
    peephole : ndarray, shape (3, H), optional
        Leads from the cell to i, f and o.
    threads : int, optional
        How many threads share the work.
    """
    _check_gates(driven, weight, peephole)
    gates, shape = contiguous(driven), (*driven.shape[:2], weight.shape[1])
    cells, curved, states = (empty(shape, gates.dtype) for _ in range(3))
    if gates.size:
        holes = _nothing(2, gates.dtype) if peephole is None else contiguous(peephole)
        team = _team(threads, gates.size * shape[2] // 16)
        arguments = (gates, contiguous(weight), holes, cells, curved, states, team)
        run(kernels.of(gates.dtype).lstm, *arguments, writes=(cells, curved, states), changes=(gates,))
    return Scan(gates, cells, curved, states)


def _check_gates(gates: Array, weight: Array, peephole: Array | None) -> None:
    hidden = weight.shape[-1]
    _check_shape("weight", weight, (4 * hidden, hidden))
    _check_shape("driven", gates, (*gates.shape[:2], 4 * hidden))
    if peephole is not None:
        _check_shape("peephole", peephole, (3, hidden))


def lstm_gradient(
    scan: Scan, weight: Array, grads: Array, peephole: Array | None = None, threads: int | None = None
) -> Array:
    """Return the gradient of `lstm` with respect to ``driven`` from those of the states (L, N, H)."""
    _check_gates(scan.gates, weight, peephole)
    _check_shape("grads", grads, (*scan.gates.shape[:2], weight.shape[1]))
    _check_alike(grads, cells=scan.cells, curved=scan.curved, states=scan.states)
    driven = empty(scan.gates.shape, scan.gates.dtype)
    if driven.size:
        holes = _nothing(2, driven.dtype) if peephole is None else np.ascontiguousarray(peephole)
        arrays = (scan.gates, np.ascontiguousarray(weight), holes, scan.cells, scan.curved)
        team = _team(threads, driven.size * weight.shape[1] // 16)
        kernels.of(driven.dtype).lstm_gradient(*arrays, np.ascontiguousarray(grads), driven, team)
    return driven


def clear(a: Array, threads: int | None = None) -> None:
    """Write zeros into an array."""
    if a.flags.c_contiguous and a.size:
        kernels.of(a.dtype).clear(a.reshape(-1), _team(threads, a.size))
    else:
        a.fill(0)


def descend(x: Array, gradient: Array, rate: float, threads: int | None = None) -> None:
    """Subtract ``rate * gradient`` from ``x``."""
    _check_alike(x, gradient=gradient)
    if not x.flags.c_contiguous:
        x -= x.dtype.type(rate) * gradient
    elif x.size:
        kernels.of(x.dtype).descend(x.reshape(-1), _flat(gradient), rate, _team(threads, x.size))


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
    threads: int | None = None,
) -> None:
    """Take a step of Adam in place.

    First the moments, then ``x *= 1 - shrink * decay``, then ``x -= rate * first / (√second + epsilon)``. All
    arrays are flat, and of one type and length.
    """
    _check_shape("x", x, (x.size,))
    _check_alike(x, gradient=gradient, first=first, second=second, decay=decay)
    if x.size:
        shares = _nothing(1, x.dtype) if decay is None else decay
        numbers = (shrink, beta1, beta2, epsilon, rate)
        kernels.of(x.dtype).adam(x, gradient, first, second, shares, *numbers, _team(threads, x.size))
