"""Products of matrices."""

from __future__ import annotations

import numpy as np

from ... import kernels
from ..replay import empty, run
from .arrays import contiguous, no_array, per_channel
from .checks import Array, check_shape
from .threads import team_size

# Up to how many samples inner products are faster than tiles.
_FEW_SAMPLES = 15


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
        check_shape("bias", bias, weight.shape[:1])
    shape, kernel, nothing = (len(x), len(weight)), kernels.of(weight.dtype), no_array(1, weight.dtype)
    team, row = team_size(threads, x.size * len(weight) // 16), per_channel(bias, len(weight), weight.dtype)
    if not x.size or not weight.size:
        out = np.zeros(shape, weight.dtype)
    elif len(x) <= _FEW_SAMPLES:
        out = np.empty(shape, weight.dtype)
        run(np.copyto, out, 0 if bias is None else bias, writes=(out,))
        run(kernel.inner_products, contiguous(x), contiguous(weight), out, team, writes=(), changes=(out,))
        return out
    elif weight.size > x.size:
        # The larger matrix is on the left, where it is read once as it is.
        turned = np.empty(shape[::-1], weight.dtype)
        run(kernel.product, weight, x.T, nothing, turned, False, team, writes=(turned,))
        out = empty(shape, weight.dtype)
        run(kernel.turn_and_add, turned, row, out, writes=(out,))
        return out
    else:
        out = empty(shape, weight.dtype)
        run(kernel.product, x, weight.T, row, out, False, team, writes=(out,))
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
    check_shape("out", out, (len(left), right.shape[1]))
    if left.size and right.size:
        team = team_size(threads, left.size * right.shape[1] // 16)
        kernels.of(out.dtype).product(left, right, no_array(1, out.dtype), out, True, team)


def matmul(left: Array, right: Array, threads: int | None = None) -> Array:
    """Return ``left @ right``, shapes (N, C), (C, D) and (N, D)."""
    _check_product(left, right)
    out = empty((len(left), right.shape[1]), right.dtype)
    if left.size and right.size:
        team = team_size(threads, left.size * right.shape[1] // 16)
        kernels.of(out.dtype).product(left, right, no_array(1, out.dtype), out, False, team)
    else:
        out.fill(0)
    return out
