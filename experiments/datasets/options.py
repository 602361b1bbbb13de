"""Checks of the options of data sets."""

from __future__ import annotations

from numbers import Integral, Real

from ...errors import DataError


def check_integer(where: str, key: str, value: object, least: int) -> int:
    """Return an option that must be an integer of at least some size.

    Raises
    ------
    DataError
        If it is not, in a sentence that begins with ``where``.

    Examples
    --------
    >>> check_integer("data set figures", "subjects", 12, least=2)
    12
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise DataError(f"{where}: {key} must be an integer of at least {least}, got {value!r}")
    return int(value)


def check_number(where: str, key: str, value: object, low: float, high: float) -> float:
    """Return an option that must be a number in a range, ends included.

    Raises
    ------
    DataError
        If it is not, in a sentence that begins with ``where``.

    Examples
    --------
    >>> check_number("data set figures", "noise", 3, low=0, high=100)
    3.0
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not low <= float(value) <= high:
        raise DataError(f"{where}: {key} must be a number from {low:g} to {high:g}, got {value!r}")
    return float(value)
