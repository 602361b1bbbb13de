"""Arrays in the layout that kernels take."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..replay import run
from .checks import Array


def apply(function: np.ufunc, *arrays: Array) -> Array:
    """Return what an elementwise function makes of arrays."""
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
    """Return an array that is contiguous and aligned: itself, or a copy."""
    return a if a.flags.c_contiguous and a.flags.aligned else apply(np.positive, a)


def flattened(a: Array) -> Array:
    """Return a contiguous array with one axis."""
    return contiguous(a).reshape(-1)


@cache
def no_array(axes: int, dtype: np.dtype) -> NDArray[Any]:
    """Return the empty array that a kernel takes for one that is not given."""
    return np.empty((0,) * axes, dtype)


def per_channel(row: Array | None, n: int, dtype: np.dtype) -> Array:
    """Return a value for each of ``n`` channels, or `no_array`."""
    if row is None:
        return no_array(1, dtype)
    if row.shape != (n,):
        raise ValueError(f"there must be a value for each of {n} channels, got an array of shape {row.shape}")
    return row.astype(dtype, copy=False)
