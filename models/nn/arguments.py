"""What constructors are given: integers, one for each axis, and real numbers, checked where they arrive."""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import Any

import numpy as np

#: The most pixels along an axis, and the largest number of anything else.
MOST_PIXELS, MOST = 2**24, 2**31 - 1

# What NumPy can have.
_MOST_AXES = 64


def plain(value: Any) -> Any:
    """Return a NumPy scalar as Python's number, also in lists and tuples; all else as it is."""
    if isinstance(value, np.generic):
        return value.item()
    return type(value)(map(plain, value)) if type(value) in (list, tuple) else value


def whole(name: str, value: Any, least: int = 1, most: int = MOST) -> int:
    """Return a whole number from ``least`` to ``most``.

    Parameters
    ----------
    name : str
        What it is called in errors.
    value : int or numpy.integer
    least, most : int
        Bounds, which are included.

    Raises
    ------
    TypeError
        If it is none.
    ValueError
        If it is out of range.

    Examples
    --------
    >>> whole("stride", 0)
    Traceback (most recent call last):
    ...
    ValueError: stride must be a whole number of 1 or more, got 0
    """
    try:
        number = index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, got {value!r}")
    if number < least:
        raise ValueError(f"{name} must be a whole number of {least} or more, got {value!r}")
    if number > most:
        raise ValueError(f"{name} must be a whole number of at most {most}, got {value!r}")
    return number


def axis(name: str, value: Any) -> int:
    """Return the number of an axis, counted from the last one where it is negative; see `whole`."""
    return whole(name, value, -_MOST_AXES, _MOST_AXES)


def axes(name: str, value: Any) -> int | tuple[int, ...]:
    """Return one axis or a tuple of different ones."""
    if not isinstance(value, list | tuple):
        return axis(name, value)
    numbers = tuple(axis(name, entry) for entry in value)
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(f"{name} must be an axis or different ones, got {value!r}")
    return numbers


def each(name: str, value: Any, n: int, least: int = 1, most: int = MOST_PIXELS) -> tuple[int, ...]:
    """Return a whole number for each of ``n`` axes, given that or one for all.

    Raises
    ------
    TypeError
        If one is not whole.
    ValueError
        If one is out of range, or there are neither one nor ``n``.
    """
    values = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else (value,) * n
    if len(values) != n:
        raise ValueError(f"{name} must be one number or {n}, got {value!r}")
    return tuple(whole(name, entry, least, most) for entry in values)


def real(name: str, value: Any, least: float = -np.inf, most: float = np.inf) -> float:
    """Return a number from ``least`` to ``most``.

    Raises
    ------
    TypeError
        If it is none.
    ValueError
        If it is out of range or not a number (NaN).
    """
    bounds = "" if least == -np.inf and most == np.inf else f" from {least:g} to {most:g}"
    wanted = f"{name} must be a number{bounds}, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(wanted)
    if not least <= value <= most:
        raise ValueError(wanted)
    return plain(value)
