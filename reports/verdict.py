"""What a store of results comes to, in one or two sentences."""

from __future__ import annotations

import math

import numpy as np

from . import tables
from .comparison import LEVEL, paired_difference
from .enough import group_changes, least_difference
from .results import Result
from .statistics import accuracy, bootstrap_interval, holm
from .words import listed


def verdict(results: list[Result]) -> str:
    """Say in words which attempt is right most often, and which cannot be told apart from it.

    Parameters
    ----------
    results : list of Result
        On one data set under one split, the most accurate first. Those that did not finish all cells are
        passed over where there are others, those that learned from fewer groups likewise: to compare them too would
        take power from the comparisons that are asked for.
    """
    results = [result for result in results if result.attempt == result.base] or results
    ranked = [result for result in results if result.complete] or [
        result for result in results if len(result.seeds)
    ]
    where = f"On {results[0].dataset} ({results[0].split})"
    if not ranked:
        return f"{where} no attempt has finished a fold."
    best = ranked[0]
    share = tables.percent(accuracy(best.correct, best.weights))
    low, high = map(tables.percent, bootstrap_interval(best.correct, best.groups, best.weights))
    words = f"{where}, {best.attempt} is right most often: {share} % of {best.n_clips} clips"
    left = [result.attempt for result in results if result not in ranked]
    passed = f" Passed over because not all of their cells finished: {listed(left)}." if left else ""
    mind = " Mind the warning on how it was tested." if tables.dataset_warnings(best) else ""
    return f"{words} [{low}, {high}]{_rivals(best, ranked[1:])}{passed}{mind}"


def _rivals(best: Result, others: list[Result]) -> str:
    """Go on with the sentence: which of the others are worse."""
    if not others:
        return "; there is no other to compare it with."
    found = [paired_difference(other, best) for other in others]
    p_values = holm([1.0 if math.isnan(one.p_value) else one.p_value for one in found])
    ties = [other.attempt for other, p_value in zip(others, p_values, strict=True) if p_value > LEVEL]
    test = f"sign-flip test over {len(np.unique(best.groups))} groups at 5 %, Holm's correction"
    if not ties:
        return f", and all others are worse ({test})."
    which = "no other attempt can" if len(ties) == len(others) else f"{listed(ties)} cannot"
    few = min(one.least_p for one in found) * len(others) > LEVEL
    if few:
        blind = " So few groups could not have shown any difference between so many attempts."
    else:
        compared = zip(others, found, strict=True)
        near = next((other for other, one in compared if other.attempt in ties and one.n_clips), None)
        blind = _seen(near, best, len(others)) if near else ""
    return f", but {which} be told apart from it ({test}).{blind}"


def _seen(rival: Result, best: Result, n_comparisons: int) -> str:
    """Say which true difference to the nearest rival would have been seen."""
    least = least_difference(*group_changes(rival, best), n_comparisons=n_comparisons, n_simulations=400)
    if math.isinf(least):
        return ""
    return f" A true difference of {100 * least:.0f} points would be found four times in five."
