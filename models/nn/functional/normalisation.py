"""Sums and moments of channels, and what normalises them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import kernels
from ..replay import run
from .arrays import flattened, no_array, per_channel
from .checks import Array, check_same_shape, check_shape
from .threads import team_size


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
    check_same_shape(a, b=b, mask=mask)
    results = np.zeros((2, a.shape[-1]))
    if a.size:
        others = (no_array(1, a.dtype) if other is None else flattened(other) for other in (b, mask))
        centre = per_channel(around, a.shape[-1], np.dtype(np.float64))
        kernels.of(a.dtype).sums(flattened(a), *others, centre, *results, team_size(threads, a.size))
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
        kernels.of(a.dtype).moments(flattened(a), *results, team_size(threads, a.size))
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
        Those of ``n`` values, see `channel_moments`, towards which the running ones move by ``momentum``; without,
        the running ones are used, and ``n`` is 0.
    running_mean, running_var : ndarray, shape (C,)
        Changed in place.
    weight, bias : ndarray, shape (C,), optional
    before : ndarray, shape (C,), optional
        Will be added to the values first.
    eps : float
        Added to the variance.
    """
    channels = running_mean.size
    check_shape("running_mean", running_mean, (channels,))
    mean, inverse = moments or np.empty((2, channels))
    check_same_shape(running_mean, running_var=running_var, mean=mean, squares=inverse)
    scale, shift = np.empty((2, channels), running_mean.dtype)
    rows = (per_channel(row, channels, running_mean.dtype) for row in (weight, bias, before))
    arguments = (mean, inverse, n, running_mean, running_var, momentum, *rows, eps, scale, shift)
    run(
        kernels.of(running_mean.dtype).normalise,
        *arguments,
        writes=(mean, inverse, scale, shift),
        changes=(running_mean, running_var) if n else (),
    )
    return Normal(mean, inverse, scale, shift, n)


def channel_normal_gradient(
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
    check_same_shape(normal.mean, inverse=normal.inverse, total=total, along=along, scale=normal.scale)
    if (grad_weight is None) != (grad_bias is None):
        raise ValueError("the gradients of weight and bias must both be given, or none of them")
    channels = len(normal.scale)
    factor, slope, shift = np.empty((3, channels), normal.scale.dtype)
    weight, grad_weight, grad_bias = (
        per_channel(row, channels, factor.dtype) for row in (weight, grad_weight, grad_bias)
    )
    arguments = (weight, total, along, times, grad_weight, grad_bias, factor, slope, shift)
    kernels.of(factor.dtype).normalise_gradient(normal.mean, normal.inverse, normal.n, *arguments)
    return factor, slope, shift


def window_sums(a: Array, size: int, before: int) -> Array:
    """Sum ``size`` neighbours along the last axis, of which ``before`` come before each value."""
    n = a.shape[-1]
    out = np.zeros_like(a)
    for shift in range(-before, size - before):
        to, source = slice(max(-shift, 0), n - max(shift, 0)), slice(max(shift, 0), n - max(-shift, 0))
        if abs(shift) < n:
            out[..., to] += a[..., source]
    return out
