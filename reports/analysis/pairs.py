"""Tests of all pairs of attempts on one data set as one family, from which ranks, ties and verdicts follow."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..statistics.corrections import holm
from ..statistics.intervals import joint_sign_flips
from ..statistics.paired import difference_intervals
from ..statistics.rank_intervals import rank_intervals, tie_groups
from .results import Result

LEVEL = 0.05
COLUMNS = [
    "first",
    "second",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "p_adjusted",
    "p_holm",
    "n_groups",
    "significant",
]
# Sign patterns times pairs or groups, which keeps a hundred attempts well under a second.
_WORK = 25_000_000

Floats = NDArray[np.float64]


def pairs(results: list[Result], level: float = LEVEL, *, intervals: bool = True) -> pd.DataFrame:
    """Compare each attempt on one data set with each other one.

    Parameters
    ----------
    results : list of Result
        On one data set under one split; those of `ranked` are compared.
    level : float
        Family-wise error rate over all pairs.
    intervals : bool
        Whether to compute the interval of each difference, which takes some milliseconds per pair.

    Returns
    -------
    DataFrame
        One row for each pair, ``second`` being the more accurate: ``difference`` of second minus first on the clips
        that all have predicted, as a fraction; its unadjusted 95 % interval ``difference_low`` to ``difference_high``,
        of `paired.difference_interval`; ``p_value``, unadjusted, and ``p_adjusted`` for the number of pairs, both of
        `intervals.joint_sign_flips`; ``p_holm``, adjusted by Holm's correction; ``n_groups``; and ``significant``,
        whether ``p_adjusted`` is at most the level. Pairs of the best attempt come first.
    """
    compared = ranked(results)
    if len(compared) < 2:
        return pd.DataFrame(columns=COLUMNS)
    names = np.array([result.attempt for result in compared], dtype=object)
    right, groups = clip_accuracies(compared)
    better, worse = np.triu_indices(len(names), 1)
    _, member = np.unique(groups, return_inverse=True)
    sums = np.array([np.bincount(member, row) for row in right])
    work = max(len(better), sums.shape[1])
    p_values, adjusted = joint_sign_flips(sums, int(np.clip(_WORK // work, 4_999, 99_999)))
    limits = [(np.nan, np.nan)] * len(better)
    if intervals:
        limits = [
            interval
            for i in range(len(names) - 1)
            for interval in difference_intervals(right[i + 1 :], right[i], groups)
        ]
    means = right.mean(axis=1)
    return pd.DataFrame(
        {
            "first": names[worse],
            "second": names[better],
            "difference": means[better] - means[worse],
            "difference_low": [low for low, _ in limits],
            "difference_high": [high for _, high in limits],
            "p_value": p_values,
            "p_adjusted": adjusted,
            "p_holm": holm(p_values),
            "n_groups": sums.shape[1],
            "significant": adjusted <= level,
        },
        columns=COLUMNS,
    )


def rank_attempts(
    results: list[Result], level: float = LEVEL, found: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the rank intervals of attempts on one data set.

    Parameters
    ----------
    results : list of Result
        On one data set under one split; those of `ranked` are compared, if there are at least two.
    level : float
        Family-wise error rate.
    found : DataFrame, optional
        From `pairs` of them, if known.

    Returns
    -------
    DataFrame
        One row for each ranked attempt, the most accurate first: ``rank_low``, ``rank_high``, ``tied`` (see
        `rank_intervals.rank_intervals`) and ``group`` (`rank_intervals.tie_groups`), from the adjusted p-values of
        `pairs`.
    """
    names = [result.attempt for result in ranked(results)]
    if len(names) < 2:
        return pd.DataFrame(columns=["rank_low", "rank_high", "tied", "group"])
    p_values = np.ones((len(names), len(names)))
    found = pairs(results, level, intervals=False) if found is None else found
    p_values[np.triu_indices(len(names), 1)] = found["p_adjusted"]
    # Rank intervals depend on the order of the accuracies only.
    scores = pd.Series(-np.arange(len(names), dtype=np.float64), names)
    table = pd.DataFrame(np.minimum(p_values, p_values.T), names, names)
    return rank_intervals(scores, table, level).assign(group=tie_groups(scores, table, level))


def ranked(results: list[Result]) -> list[Result]:
    """Return the results that are compared with each other, the most accurate first.

    Results without predictions of all clips are excluded, and so are those with fewer training groups if others have
    all, as more comparisons would lower the power.
    """
    chosen = [result for result in results if result.attempt == result.base] or results
    complete = [result for result in chosen if result.complete and len(result.positions)]
    # Rounded, so that equal accuracies are sorted by name.
    means = [round(float(np.average(result.correct, weights=result.weights)), 12) for result in complete]
    order = sorted(range(len(complete)), key=lambda place: (-means[place], complete[place].attempt))
    return [complete[place] for place in order]


def clip_accuracies(results: list[Result]) -> tuple[Floats, NDArray[np.str_]]:
    """Return the accuracy over seeds on each clip, shape (n_results, n_clips), and the group of each clip."""
    size = 1 + max(int(result.positions.max()) for result in results)
    right = np.array([np.bincount(one.positions, one.correct * one.weights, size) for one in results])
    seen = np.all([np.bincount(one.positions, minlength=size) > 0 for one in results], axis=0)
    groups = np.empty(size, results[0].groups.dtype)
    groups[results[0].positions] = results[0].groups
    return right[:, seen], groups[seen]
