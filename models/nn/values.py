"""Arrays, or lists of such, as they flow between modules, and the gradients that belong to them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

#: What flows between modules: an array, or a list of such (Torch's table).
Value = Any

#: The types that are computed with: single, double and longer precision.
_REAL = "fdg"


def floating(value: Value) -> Value:
    """Return an array of integers, truth values or half precision as single precision, or double if that is too short.

    Other arrays keep their type, but become aligned and of native byte order; of a list, each entry is converted.
    """
    if (
        type(value) is np.ndarray
        and value.dtype.char in _REAL
        and value.dtype.isnative
        and value.flags.aligned
    ):
        return value
    if isinstance(value, list | tuple):
        return [floating(entry) for entry in value]
    array = np.asarray(value)
    return array.astype(np.result_type(array.dtype, np.float32)) if array.dtype.kind in "biuf" else array


def form_of(value: Value) -> Any:
    """Return shape and type of an array, or a list of those of a list."""
    if isinstance(value, list | tuple):
        return [form_of(entry) for entry in value]
    value = value if hasattr(value, "shape") else np.asarray(value)
    return value.shape, value.dtype


def fitting(owner: object, form: Any, gradient: Value) -> Value:
    """Return the gradient of an output as an array of its shape and type, or a list of such.

    Parameters
    ----------
    owner : object
        The module whose output it is, for errors.
    form : tuple or list
        What `form_of` returned of the output. The gradient of integers and half precision is converted by `floating`.
    gradient : array_like or list
        What `backward` was given.

    Raises
    ------
    TypeError
        If it is not made of real numbers.
    ValueError
        If it has another shape or length.
    """
    if isinstance(form, list):
        if not isinstance(gradient, list | tuple) or len(gradient) != len(form):
            got = f"{len(gradient)}" if isinstance(gradient, list | tuple) else type(gradient).__name__
            raise ValueError(
                f"{type(owner).__name__}.backward needs a list of {len(form)} gradients, one for each entry of the "
                f"output, got {got}"
            )
        return [fitting(owner, *pair) for pair in zip(form, gradient, strict=True)]
    shape, dtype = form
    if (
        type(gradient) is np.ndarray
        and gradient.shape == shape
        and gradient.dtype == dtype
        and dtype.char in _REAL
        and gradient.flags.aligned
    ):
        return gradient
    array = np.asarray(gradient)
    if array.shape != shape:
        raise ValueError(
            f"{type(owner).__name__}.backward needs a gradient of the shape of its output, {shape}, got {array.shape}"
        )
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{type(owner).__name__}.backward needs a gradient of real numbers, got {array.dtype}"
        )
    return np.require(array, dtype, "A") if dtype.char in _REAL else floating(array)


def add_values(values: list[Value]) -> Value:
    """Add arrays, as what `floating` makes of them, or lists of arrays entry by entry; one is returned as it is."""
    if isinstance(values[0], list | tuple):
        return [add_values(list(entries)) for entries in zip(*values, strict=True)]
    return values[0] if len(values) == 1 else reduce(np.add, map(floating, values))


def leaves(value: Value) -> list[Array]:
    """Return the arrays of lists of lists, or the one that is no list."""
    if isinstance(value, list | tuple):
        return [leaf for entry in value for leaf in leaves(entry)]
    return [value]


def fold(like: Value, leaves: Iterator[Any]) -> Value:
    """Put the leaves into lists of the shape of ``like``."""
    if isinstance(like, list | tuple):
        return [fold(entry, leaves) for entry in like]
    return next(leaves)
