"""Checks of what constructors are given: integers, one for each axis, and real numbers."""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import Any

import numpy as np

#: The largest number of pixels along an axis, and the largest integer elsewhere.
MAX_PIXELS, MAX_INTEGER = 2**24, 2**31 - 1

# What NumPy can have.
_MAX_AXES = 64


def plain(value: Any) -> Any:
    """Return a NumPy scalar as Python's own, also in lists and tuples; all else as it is."""
    if isinstance(value, np.generic):
        return value.item()
    return type(value)(map(plain, value)) if type(value) in (list, tuple) else value


def integer(name: str, value: Any, minimum: int = 1, maximum: int = MAX_INTEGER) -> int:
    """Return an integer from ``minimum`` to ``maximum``.

    Parameters
    ----------
    name : str
        What it is called in errors.
    value : int or numpy.integer
    minimum, maximum : int
        Bounds, which are included.

    Raises
    ------
    TypeError
        If it is none.
    ValueError
        If it is out of range.

    Examples
    --------
    >>> integer("stride", 0)
    Traceback (most recent call last):
    ...
    ValueError: stride must be an integer of 1 or more, got 0
    """
    try:
        converted = index(value)
    except TypeError:
        converted = None
    if converted is None or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if converted < minimum:
        raise ValueError(f"{name} must be an integer of {minimum} or more, got {value!r}")
    if converted > maximum:
        raise ValueError(f"{name} must be an integer of at most {maximum}, got {value!r}")
    return converted


def axis(name: str, value: Any) -> int:
    """Return an axis, counted from the last one where it is negative; see `integer`."""
    return integer(name, value, -_MAX_AXES, _MAX_AXES)


def axes(name: str, value: Any) -> int | tuple[int, ...]:
    """Return one axis or a tuple of different ones."""
    if not isinstance(value, list | tuple):
        return axis(name, value)
    found = tuple(axis(name, entry) for entry in value)
    if not found or len(set(found)) < len(found):
        raise ValueError(f"{name} must be an axis or different ones, got {value!r}")
    return found


def per_axis(name: str, value: Any, n: int, minimum: int = 1, maximum: int = MAX_PIXELS) -> tuple[int, ...]:
    """Return an integer for each of ``n`` axes, given that or one for all.

    Raises
    ------
    TypeError
        If one is not an integer.
    ValueError
        If one is out of range, or there are neither one nor ``n``.
    """
    values = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else (value,) * n
    if len(values) != n:
        raise ValueError(f"{name} must be one integer or {n}, got {value!r}")
    return tuple(integer(name, entry, minimum, maximum) for entry in values)


def real(name: str, value: Any, minimum: float = -np.inf, maximum: float = np.inf) -> float:
    """Return a number from ``minimum`` to ``maximum``.

    Raises
    ------
    TypeError
        If it is none.
    ValueError
        If it is out of range or NaN.
    """
    bounds = "" if minimum == -np.inf and maximum == np.inf else f" from {minimum:g} to {maximum:g}"
    wanted = f"{name} must be a number{bounds}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(wanted)
    if not minimum <= value <= maximum:
        raise ValueError(wanted)
    return plain(value)
