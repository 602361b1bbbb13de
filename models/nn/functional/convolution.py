"""Convolution and its gradients."""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from math import gcd, prod
from typing import NamedTuple

import numpy as np

from ... import kernels
from ..replay import empty, run
from .arrays import contiguous, no_array, per_channel
from .checks import Array, Triple, check_geometry, check_shape, check_volume
from .pooling import max_pool3d
from .threads import team_size

_ONE = (1, 1, 1)
# From which products per output pixel, and which tiles of 2 x 2 pixels, Winograd's filtering is faster.
_DEEP, _FEW_TILES = 24, 16


def conv_size(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Return the size of the output along one axis."""
    return max((size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1, 0)


@lru_cache(maxsize=256)
def conv_output_size(size: Triple, taps: Triple, stride: Triple, padding: Triple, dilation: Triple) -> Triple:
    """Return the size of the output along each axis."""
    check_geometry(padding, size=size, taps=taps, stride=stride, dilation=dilation)
    n = tuple(conv_size(*of) for of in zip(size, taps, stride, padding, dilation, strict=True))
    if 0 in n:
        raise ValueError(f"a filter of {taps} does not fit into volumes of {size} padded by {padding}")
    return n  # type: ignore[return-value]


def _check_weight(x: Array, weight: Array, groups: int) -> None:
    check_volume(x)
    channels = x.shape[4] // groups
    if weight.ndim != 5 or weight.shape[3] * groups != x.shape[4] or weight.shape[4] % groups:
        wanted = f"a multiple of {groups}" if groups > 1 else "channels out"
        raise ValueError(f"weight must be (kT, kH, kW, {channels}, {wanted}), got {weight.shape}")


def _with_dense_channels(x: Array) -> Array:
    """Return an array that is contiguous along its last axis, and aligned."""
    return x if x.strides[-1] == x.itemsize and x.flags.aligned else contiguous(x)


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
        As in PyTorch, along T, H, W.
    groups : int
        Parts into which both channels are divided, each output part seeing its input part only.
    scale : ndarray, shape (D,), optional
        Factor of each filter.
    rectify : bool
        Whether what is below 0 becomes 0.
    pool : tuple of three int
        Size of the windows of a maximum pooling of the output, which do not overlap.
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
    _check_weight(x, weight, groups)
    size = conv_output_size(x.shape[1:4], weight.shape[:3], stride, padding, dilation)
    if pool != _ONE:
        check_geometry(padding, pool=pool)
    shape, lanes = (len(x), *size, weight.shape[4] // groups), kernels.of(x.dtype).lanes()
    method = _algorithm(weight.shape[:4] + shape[4:], shape, stride, dilation, lanes)
    # The largest is kept where a window lies in what one unit of work makes.
    at_once = pool != _ONE and method in ("slide", "direct")
    at_once &= all(n >= k for n, k in zip(size, pool, strict=True))
    kept = (n // k for n, k in zip(size, pool, strict=True)) if at_once else size
    out = empty((len(x), *kept, weight.shape[4]), x.dtype)
    channels = weight.shape[4]
    arrays = (x, weight, out, per_channel(scale, channels, x.dtype), per_channel(bias, channels, x.dtype))
    for a, w, y, *rows in _split(groups, *arrays):
        how = (stride, padding, dilation, pool if at_once else _ONE, rectify)
        _convolve(method, a, w, rows, y, how, threads)
    if at_once or pool == _ONE:
        return out
    return max_pool3d(out, pool, pool, track=False, threads=threads).output


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

    ``how``: stride, padding before the first pixel, dilation, pooling windows, whether to rectify.
    """
    if not out.size:
        return
    if not x.shape[4]:
        out[...] = scale_and_bias[1] if scale_and_bias[1].size else 0
        return
    _, before, _, window, rectify = how
    team = team_size(threads, out.size * prod(window) * weight.size // weight.shape[4] // 16)
    arrays = (_with_dense_channels(x), weight.astype(x.dtype, copy=False), *scale_and_bias, out)
    kernel = kernels.of(x.dtype)
    if method == "direct":
        run(kernel.convolve, *arrays, *how, team, writes=(out,))
    elif method == "slide":
        run(kernel.slide, *arrays, before, window, rectify, team, writes=(out,))
    else:
        run(kernel.winograd, *arrays, before, rectify, team, writes=(out,))


@lru_cache(maxsize=256)
def _algorithm(
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
    check_volume(grad_output, "grad_output")
    check_volume(weight, "weight")
    out_size = conv_output_size(size, weight.shape[:3], stride, padding, dilation)
    check_shape("grad_output", grad_output, (len(grad_output), *out_size, weight.shape[4]))
    shape = (len(grad_output), *size, weight.shape[3] * groups)
    axes = zip(size, weight.shape[:3], stride, padding, dilation, strict=True)
    phases = list(product(*(_phases(*axis) for axis in axes)))
    complete = len(phases) == int(np.prod([min(s, n) for s, n in zip(stride, size, strict=True)]))
    gradient = empty(shape, grad_output.dtype)
    if not complete:
        gradient.fill(0)
    nothing, lanes = no_array(1, gradient.dtype), kernels.of(gradient.dtype).lanes()
    for g, w, to in _split(groups, grad_output, weight, gradient):
        for t, y, x in phases:
            part = to[:, t.pixels, y.pixels, x.pixels]
            filters = w[t.taps, y.taps, x.taps].swapaxes(3, 4)
            before, steps = (t.before, y.before, x.before), (t.dilation, y.dilation, x.dilation)
            method = _algorithm(filters.shape, part.shape, _ONE, steps, lanes)
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
    check_volume(x)
    check_volume(grad_output, "grad_output")
    out_size = conv_output_size(x.shape[1:4], taps, stride, padding, dilation)
    check_shape("grad_output", grad_output, (len(x), *out_size, grad_output.shape[4]))
    shape = (*taps, x.shape[4] // groups, grad_output.shape[4])
    if x.shape[4] % groups or shape[4] % groups:
        raise ValueError(f"groups must divide the channels, got {groups} for {x.shape[4]} and {shape[4]}")
    if out is None:
        out = np.zeros(shape, x.dtype)
    check_shape("out", out, shape)
    if x.size and grad_output.size:
        for a, g, to in _split(groups, x, grad_output, out):
            team = team_size(threads, g.size * to.size // to.shape[4] // 16)
            arrays, kernel = (_with_dense_channels(a), _with_dense_channels(g), to), kernels.of(x.dtype)
            method = _algorithm(to.shape, g.shape, stride, dilation, kernel.lanes())
            if method == "direct":
                kernel.weight_gradient(*arrays, stride, padding, dilation, scale, team)
            else:
                getattr(kernel, f"{method}_gradient")(*arrays, padding, scale, team)
    return out
