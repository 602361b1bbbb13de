"""Comparisons of two attempts on one data set: differences, intervals and tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ...errors import ActionbenchError
from .hierarchical import random_effects_intervals
from .intervals import finite, group_sums, paired_interval, ratio_interval, sign_flip_test

Floats = NDArray[np.float64]


def paired_test(
    first: ArrayLike,
    second: ArrayLike,
    groups: ArrayLike,
    *,
    margin: float = 0.0,
    level: float = 0.95,
    n_resamples: int = 99_999,
    random_state: int = 0,
) -> pd.Series:
    """Compare two attempts on the same clips, which come in groups.

    Parameters
    ----------
    first, second : array_like, shape (n_clips,)
        Whether each clip is correct, or its accuracy over seeds.
    groups : array_like, shape (n_clips,)
        Group of each clip.
    margin : float
        Differences up to this size are irrelevant; the p-value is that of a difference beyond it.
    level : float
        Coverage of the interval.
    n_resamples, random_state : int
        See `intervals.sign_flip_test`.

    Returns
    -------
    Series
        ``difference`` of second minus first with its interval ``low`` to ``high``, as fractions; ``p_value``,
        two-sided; ``min_p_value``, the smallest one possible with as many groups that differ; ``n_clips``,
        ``n_groups``.

    Raises
    ------
    ActionbenchError
        If the arrays differ in length, are empty or hold a value that is not finite, or the margin is negative.

    Notes
    -----
    `intervals.sign_flip_test` on the sums of the groups; the interval is that of `difference_interval`.

    Examples
    --------
    >>> found = paired_test([0] * 8, [1] * 8, list("aabbccdd"))
    >>> found.difference.item(), found.p_value.item(), int(found.n_groups)
    (1.0, 0.125, 4)
    """
    one, other = _pair(first, second)
    if len(np.asarray(groups)) != len(one):
        raise ActionbenchError(
            f"each clip needs a group; got {len(np.asarray(groups))} groups for {len(one)} clips"
        )
    if margin < 0:
        raise ActionbenchError(f"a margin must not be negative; got {margin}")
    change = other - one
    changes, clips = group_sums(groups, change, np.ones(len(change)))
    low, high = difference_interval(one, other, groups, level)
    # Differences below rounding errors are 0.
    beyond = np.round(changes - float(np.clip(change.mean(), -margin, margin)) * clips, 12)
    return pd.Series(
        {
            "difference": change.mean(),
            "low": low,
            "high": high,
            "p_value": sign_flip_test(beyond, n_resamples, random_state),
            "min_p_value": min_p_value(int(np.count_nonzero(beyond))),
            "n_clips": len(change),
            "n_groups": len(clips),
        }
    )


def difference_interval(
    first: ArrayLike, second: ArrayLike, groups: ArrayLike, level: float = 0.95
) -> tuple[float, float]:
    """Return the interval of the difference in accuracy, second minus first, on the same clips in groups.

    Parameters
    ----------
    first, second, groups, level
        See `paired_test`.

    Notes
    -----
    `intervals.ratio_interval` over groups, never narrower than that of a hierarchical model,
    `hierarchical.random_effects_interval`, nor than `intervals.paired_interval` of as many independent clips; with a
    single group it is -1 to 1.

    Examples
    --------
    >>> low, high = difference_interval([0] * 8, [1] * 8, list("aabbccdd"))
    >>> round(low, 2), round(high, 2)
    (0.54, 1.0)
    """
    one, other = _pair(first, second)
    return difference_intervals(one[np.newaxis], other, groups, level)[0]


def difference_intervals(
    firsts: Floats, second: Floats, groups: ArrayLike, level: float = 0.95
) -> list[tuple[float, float]]:
    """Return `difference_interval` of each of several attempts, shape (n_attempts, n_clips), to the same second one."""
    of_groups = group_sums(groups, *(second - firsts), *(second - firsts) ** 2, np.ones(len(second)))
    changes, squares = np.array(of_groups[:-1]).reshape(2, len(firsts), -1)
    clips = of_groups[-1]
    found = zip(
        (paired_interval(first, second, level) for first in firsts),
        random_effects_intervals(changes, squares, clips, level),
        (ratio_interval(own, clips, level=level) or (-1.0, 1.0) for own in changes),
        strict=True,
    )
    return [(min(low), max(high)) for low, high in (zip(*of_pair, strict=True) for of_pair in found)]


def min_p_value(n_groups: int) -> float:
    """Return the smallest two-sided p-value of a sign-flip test over some number of groups that differ.

    Examples
    --------
    >>> min_p_value(5), min_p_value(9)
    (0.0625, 0.00390625)
    """
    return min(1.0, 2.0 * 0.5**n_groups)


def mcnemar(
    first: ArrayLike,
    second: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    exact: bool = True,
    correction: bool = True,
) -> pd.Series:
    """Compare two attempts on the same independent clips.

    Clips of one person or source video are not independent, so that the test finds false differences
    (docs/statistics.md reports how often). Use `paired_test` for them.

    Parameters
    ----------
    first, second : array_like of bool, shape (n_clips,)
        Whether each clip is correct.
    groups : array_like, shape (n_clips,), optional
        Group of each clip, to check that each clip is a group of its own.
    exact : bool
        Whether to use the binomial distribution, otherwise chi-squared.
    correction : bool
        Correct chi-squared for continuity.

    Returns
    -------
    Series
        ``only_first``, ``only_second``: clips for which only one is correct; ``difference`` of second minus first, as
        a fraction, with its 95 % interval ``low`` to ``high``; ``statistic``, the smaller of the counts or
        chi-squared; ``p_value``, two-sided.

    Raises
    ------
    ActionbenchError
        If the arrays differ in length or are not boolean, or a group has several clips.

    Notes
    -----
    McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12, 1947; correction: Edwards, Psychometrika 13, 1948. The interval is
    `intervals.paired_interval`'s.

    Examples
    --------
    >>> mcnemar([1, 1, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 0]).p_value.item()
    0.125
    """
    from scipy import stats

    one, other = _pair(first, second)
    if not (np.isin(one, (0, 1)).all() and np.isin(other, (0, 1)).all()):
        raise ActionbenchError(
            "McNemar's test needs clips that are correct or not; for averages over seeds use paired_test"
        )
    if groups is not None:
        names, counts = np.unique(np.asarray(groups), return_counts=True)
        if (counts > 1).any():
            raise ActionbenchError(
                f"group {names[counts.argmax()]!s} has {counts.max()} clips, which are not independent; use "
                "paired_test instead of McNemar's"
            )
    only_first, only_second = int(((one == 1) & (other == 0)).sum()), int(((one == 0) & (other == 1)).sum())
    n_different = only_first + only_second
    if exact or not n_different:
        statistic = float(min(only_first, only_second))
        p_value = float(stats.binomtest(only_first, n_different).pvalue) if n_different else 1.0
    else:
        statistic = max(0, abs(only_first - only_second) - correction) ** 2 / n_different
        p_value = float(stats.chi2.sf(statistic, 1))
    low, high = paired_interval(one, other)
    return pd.Series(
        {
            "only_first": only_first,
            "only_second": only_second,
            "difference": (other - one).mean(),
            "low": low,
            "high": high,
            "statistic": statistic,
            "p_value": p_value,
        }
    )


def corrected_t(
    first: ArrayLike, second: ArrayLike, *, n_runs: int = 1, rope: float = 0.0, level: float = 0.95
) -> pd.Series:
    """Compare two attempts by their scores on the folds of one data set, with overlapping training sets.

    Parameters
    ----------
    first, second : array_like, shape (n_runs * n_folds,)
        Score on each fold, of all runs; both on the same folds.
    n_runs : int
        Number of repetitions of cross-validation with new folds.
    rope : float
        Region of practical equivalence: differences up to this size are irrelevant, in the scores' unit.
    level : float
        Coverage of the interval.

    Returns
    -------
    Series
        ``difference`` of second minus first with its interval ``low`` to ``high``; the corrected ``variance`` of the
        mean difference, ``df``, ``statistic``, ``p_value`` (two-sided); and with a flat prior the probabilities that
        the first is better, ``p_first``, that both are equivalent, ``p_rope``, and that the second is better,
        ``p_second``.

    Raises
    ------
    ActionbenchError
        If the arrays differ in length, do not fall into runs of at least two folds, or ``rope`` is negative.

    Notes
    -----
    Nadeau and Bengio, "Inference for the generalization error", Machine Learning 52, 2003: a mean over overlapping
    training sets varies more than one over independent ones, by the ratio of test to training clips, which in
    k-fold cross-validation is 1 / (k - 1). Bouckaert and Frank, PAKDD 2004, for repeated folds. The probabilities:
    Corani and Benavoli, "A Bayesian approach for comparing cross-validated algorithms on multiple data sets",
    Machine Learning 100, 2015.

    Examples
    --------
    >>> found = corrected_t([4, 2, 6], [5, 7, 3])
    >>> found.difference.item(), round(found.variance.item(), 4), int(found.df)
    (1.0, 13.3333, 2)
    """
    from scipy import stats

    one, other = _pair(first, second)
    n_folds = len(one) // n_runs if n_runs > 0 else 0
    if n_runs < 1 or n_folds * n_runs != len(one) or n_folds < 2:
        raise ActionbenchError(
            f"{len(one)} scores do not fall into {n_runs} runs of at least 2 folds each; give one for each fold"
        )
    if rope < 0:
        raise ActionbenchError(f"a region of practical equivalence must not be negative; got {rope}")
    gains, df = other - one, len(one) - 1
    mean, variance = gains.mean(), gains.var(ddof=1) * (1 / len(gains) + 1 / (n_folds - 1))
    scale = np.sqrt(variance) if variance >= 1e-24 else 0.0
    p_first, p_second = _sides(mean, scale, df, rope)
    # If all folds agree, any difference is certain.
    statistic = mean / scale if scale else np.copysign(np.inf, mean) if mean else 0.0
    half = stats.t.ppf((1 + level) / 2, df) * scale
    p_value = 2 * stats.t.sf(abs(statistic), df)
    return pd.Series(
        {
            "difference": mean,
            "low": mean - half,
            "high": mean + half,
            "variance": variance,
            "df": df,
            "statistic": statistic,
            "p_value": p_value,
            "p_first": p_first,
            "p_rope": max(0.0, 1 - p_first - p_second),
            "p_second": p_second,
        }
    )


def _sides(mean: float, scale: float, df: int, rope: float) -> tuple[float, float]:
    """Return the probabilities of a difference below and above the region, by Student's distribution about a mean.

    With a scale of 0 the difference is the mean; without a region, a difference of 0 is divided between both.
    """
    from scipy import stats

    if scale:
        return float(stats.t.cdf((-rope - mean) / scale, df)), float(stats.t.sf((rope - mean) / scale, df))
    tied = 0.5 * (mean == rope == 0)
    return float(mean < -rope) + tied, float(mean > rope) + tied


def _pair(first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats]:
    one, other = finite("scores", first), finite("scores", second)
    if one.ndim != 1 or one.shape != other.shape or not len(one):
        raise ActionbenchError(
            f"two attempts are compared on the same clips or folds; got shapes {one.shape} and {other.shape}"
        )
    return one, other
