"""P-values adjusted for multiple comparisons."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import ActionbenchError
from .intervals import finite

Floats = NDArray[np.float64]


def holm(p_values: ArrayLike) -> Floats:
    """Adjust p-values by Holm's step-down procedure.

    Parameters
    ----------
    p_values : array_like, shape (n,)
        One for each comparison.

    Notes
    -----
    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    p_values = _p_values(p_values)
    order = np.argsort(p_values, kind="stable")
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def shaffer(p_values: ArrayLike) -> Floats:
    """Adjust p-values of all pairs of attempts by Shaffer's procedure, which uses the logical relations of pairs.

    Parameters
    ----------
    p_values : array_like, shape (k (k - 1) / 2,)
        One for each pair of k attempts.

    Raises
    ------
    ActionbenchError
        If their number is not that of all pairs of some number of attempts.

    Notes
    -----
    Shaffer, "Modified sequentially rejective multiple test procedures", JASA 81, 1986, the static procedure: once
    some pairs are found to differ, only so many others can still be equal. Never less powerful than Holm's.

    Examples
    --------
    >>> shaffer([0.01, 0.04, 0.03])
    array([0.03, 0.04, 0.03])
    """
    p_values = _p_values(p_values)
    n = len(p_values)
    k = round((1 + np.sqrt(1 + 8 * n)) / 2)
    if k * (k - 1) // 2 != n or not n:
        raise ActionbenchError(
            f"Shaffer's procedure needs a p-value for each pair of attempts: 1, 3, 6, 10, ...; got {n}"
        )
    allowed = np.array(sorted(_true_at_once(k)))
    # At the i-th smallest p-value i pairs differ, so at most n - i can be equal.
    left = np.arange(n, 0, -1)
    factors = allowed[np.searchsorted(allowed, left, side="right") - 1]
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * np.maximum(factors, 1)), 1.0)
    return adjusted


@cache
def _true_at_once(k: int) -> set[int]:
    """Return the possible numbers of equal pairs among k attempts."""
    counts: list[set[int]] = [{0}]
    for size in range(1, k + 1):
        counts.append({j * (j - 1) // 2 + rest for j in range(1, size + 1) for rest in counts[size - j]})
    return counts[k]


def hommel(p_values: ArrayLike) -> Floats:
    """Adjust p-values by Hommel's procedure, valid if they are independent or positively dependent.

    Parameters
    ----------
    p_values : array_like, shape (n,)
        One for each comparison.

    Notes
    -----
    Hommel, "A stagewise rejective multiple test procedure based on a modified Bonferroni test", Biometrika 75,
    1988; the adjusted p-values of Wright, "Adjusted p-values for simultaneous inference", Biometrics 48, 1992. Never
    less powerful than Holm's.

    Examples
    --------
    >>> hommel([0.01, 0.04, 0.03])
    array([0.03, 0.04, 0.04])
    """
    p_values = _p_values(p_values)
    n = len(p_values)
    order = np.argsort(p_values, kind="stable")
    found = p_values[order]
    rising = found.copy()
    for size in range(2, n + 1):
        # Simes' test of the largest p-values, and of each smaller one with all of these but the first.
        rest = n - size + 1
        least = (size * rising[rest:] / np.arange(2, size + 1)).min()
        joint = np.minimum(size * rising[:rest], least)
        found[:rest] = np.maximum(found[:rest], joint)
        found[rest:] = np.maximum(found[rest:], joint[-1])
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(found, 1.0)
    return adjusted


def _p_values(p_values: ArrayLike) -> Floats:
    array = finite("p-values", p_values)
    outside = np.flatnonzero((array < 0) | (array > 1))
    if len(outside):
        raise ActionbenchError(
            f"p-values must lie between 0 and 1; got {array[outside[0]]} at position {outside[0]}"
        )
    return array
