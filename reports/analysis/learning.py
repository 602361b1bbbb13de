"""Learning curves: accuracy by the number of training groups, and the numbers at which curves cross."""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..statistics.intervals import accuracy, bootstrap_interval, group_sums
from .results import Result

__all__ = ["CROSSING_COLUMNS", "CURVE_COLUMNS", "crossings", "learning_curves"]

CURVE_COLUMNS = [
    "dataset",
    "split",
    "attempt",
    "family",
    "train_groups",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "n_clips",
    "n_groups",
    "n_seeds",
]
CROSSING_COLUMNS = [
    "dataset",
    "split",
    "attempt",
    "against",
    "train_groups",
    "low",
    "high",
    "difference",
    "difference_low",
    "difference_high",
]

_N_RESAMPLES = 10_000


def learning_curves(results: list[Result]) -> pd.DataFrame:
    """Return the accuracy of each attempt for each number of training groups.

    Parameters
    ----------
    results : list of Result
        From `results.gather`, of a matrix with several ``train_groups``.

    Returns
    -------
    DataFrame
        Columns `CURVE_COLUMNS`, one row for each data set, split, attempt and number of training groups of attempts
        that ran with more than one. If all groups of a fold are used for training, their number is the largest of any
        fold. Accuracy and its 95 % interval are those of the comparison table.
    """
    rows = [
        {
            "dataset": result.dataset,
            "split": result.split,
            "attempt": result.base,
            "family": result.family,
            "train_groups": n_groups,
            "accuracy": accuracy(result.correct, result.weights),
            "accuracy_low": interval[0],
            "accuracy_high": interval[1],
            "n_clips": result.n_clips,
            "n_groups": len(np.unique(result.groups)),
            "n_seeds": len(np.unique(result.seeds)),
        }
        for curve in _curves(results).values()
        for n_groups, result in sorted(curve.items())
        for interval in [bootstrap_interval(result.correct, result.groups, result.weights)]
    ]
    return pd.DataFrame(rows, columns=CURVE_COLUMNS)


def crossings(results: list[Result], level: float = 0.95) -> pd.DataFrame:
    """Return the number of training groups from which on each attempt is more accurate than each other one.

    Parameters
    ----------
    results : list of Result
        From `results.gather`, of a matrix with several ``train_groups``.
    level : float
        Coverage of the intervals.

    Returns
    -------
    DataFrame
        Columns `CROSSING_COLUMNS`, one row for each pair of attempts of which the first is more accurate with the
        largest number of groups that both ran with. ``train_groups`` is the smallest number from which on it is more
        accurate at every number; ``low`` to ``high`` is its bootstrap interval, infinite where the first is not more
        accurate at the largest number. ``difference`` is that in accuracy at the largest number, with its interval.

    Notes
    -----
    Test groups are drawn with replacement, the same for both attempts and all numbers of training groups, as in
    `intervals.bootstrap_interval`. Training groups are not resampled: run several seeds, each of which draws others.
    """
    curves = _curves(results).values()
    rows = [row for one, other in permutations(curves, 2) if (row := _crossing(one, other, level))]
    return pd.DataFrame(rows, columns=CROSSING_COLUMNS)


def _crossing(one: dict[float, Result], other: dict[float, Result], level: float) -> dict[str, Any] | None:
    """Return the row of two curves, None if the first does not end better or they are not comparable."""
    first, second = next(iter(one.values())), next(iter(other.values()))
    shared = sorted(set(one) & set(other))
    if (first.dataset, first.split) != (second.dataset, second.split) or len(shared) < 2:
        return None
    differences = _differences([(one[n], other[n]) for n in shared])
    if differences is None:
        return None
    points = np.array([*shared, np.inf])[_first_of_the_better(differences)]
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(points[1:], tails, method="inverted_cdf")
    difference_low, difference_high = np.quantile(differences[1:, -1], tails)
    return {
        "dataset": first.dataset,
        "split": first.split,
        "attempt": first.base,
        "against": second.base,
        "train_groups": points[0],
        "low": low,
        "high": high,
        "difference": differences[0, -1],
        "difference_low": difference_low,
        "difference_high": difference_high,
    }


def _curves(results: list[Result]) -> dict[tuple[str, str, str], dict[float, Result]]:
    """Return the results of each attempt that ran with several numbers of training groups, by that number."""
    curves: dict[tuple[str, str, str], dict[float, Result]] = {}
    for result in results:
        if result.count("done") and not np.isnan(result.n_train_groups):
            name = (result.dataset, result.split, result.base)
            curves.setdefault(name, {}).setdefault(result.n_train_groups, result)
    return {name: curve for name, curve in curves.items() if len(curve) > 1}


def _differences(pairs: list[tuple[Result, Result]]) -> NDArray[np.float64] | None:
    """Return differences in accuracy, shape (1 + n_resamples, n_pairs), the observed ones first.

    None if the first is not better in the last pair, or two results are not of the same clips.
    """
    wanted = np.unique(pairs[0][0].positions)
    sums = []
    for one, other in pairs:
        if not all(np.array_equal(np.unique(result.positions), wanted) for result in (one, other)):
            return None
        hits = [group_sums(r.groups, r.correct * r.weights, r.weights) for r in (one, other)]
        sums.append((hits[0][0] - hits[1][0], hits[0][1]))
    gained, clips = (np.stack(part, axis=1) for part in zip(*sums, strict=True))
    # Differences below rounding errors are 0.
    if gained[:, -1].sum() < 1e-9:
        return None
    counts = _draws(len(gained))
    return np.round(counts @ gained / (counts @ clips), 12)


@lru_cache(maxsize=4)
def _draws(n_groups: int) -> NDArray[np.float64]:
    """Return the weights of groups in the observation and in each draw, the same for all pairs."""
    drawn = np.random.default_rng(0).multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=_N_RESAMPLES)
    return np.concatenate([np.ones((1, n_groups)), drawn])


def _first_of_the_better(differences: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return for each row the first index from which on all values are positive, or the length of the row."""
    better = np.logical_and.accumulate(differences[:, ::-1] > 0, axis=1)[:, ::-1]
    return np.where(better.any(axis=1), better.argmax(axis=1), better.shape[1])
