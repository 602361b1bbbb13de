"""Levels at which accuracy falls to a value, and their intervals for clips in groups."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]

#: Number of draws of groups.
N_RESAMPLES = 2000
# Halvings of the interval in which a slope is searched, more than its 52 bits need.
_HALVINGS = 60
# Differences of accuracies that are rounding errors.
_ROUNDING = 1e-12


def counts_by_level(
    correct: ArrayLike, groups: ArrayLike, levels: ArrayLike, weights: ArrayLike
) -> tuple[Floats, Floats, Floats]:
    """Count clips and correct ones for each group and level.

    Parameters
    ----------
    correct : array_like of bool, shape (n,)
        Whether each prediction is correct.
    groups, levels : array_like, shape (n,)
        Group and level of each clip.
    weights : array_like, shape (n,)
        Weight of each prediction, see `intervals.accuracy`.

    Returns
    -------
    levels : ndarray, shape (n_levels,)
        Sorted.
    hits, clips : ndarray, shape (n_groups, n_levels)
        Sums of weights, those of correct clips and all.

    Examples
    --------
    >>> counts_by_level([True, False, True], ["a", "a", "b"], [2, 0, 2], [1, 1, 1])[1].tolist()
    [[0.0, 1.0], [0.0, 1.0]]
    """
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    found, level = np.unique(np.asarray(levels, np.float64), return_inverse=True)
    shape, place = (len(names), len(found)), group * len(found) + level
    sizes = np.asarray(weights, np.float64)
    hits, clips = (
        np.bincount(place, values, shape[0] * shape[1]).reshape(shape).astype(np.float64)
        for values in (sizes * np.asarray(correct, np.float64), sizes)
    )
    return found, hits, clips


def resample(hits: Floats, clips: Floats, random_state: int = 0) -> tuple[Floats, Floats]:
    """Draw groups with replacement.

    Parameters
    ----------
    hits, clips : ndarray, shape (n_groups, n_levels)
        From `counts_by_level`.
    random_state : int
        Seed of the draws.

    Returns
    -------
    hits, clips : ndarray, shape (n_draws, n_levels)
        Sums over the groups of each draw. Draws without clips of some level are left out of the `N_RESAMPLES`.
    """
    drawn = _draws(len(hits), random_state)
    sums = drawn @ hits, drawn @ clips
    kept = (sums[1] > 0).all(axis=1)
    return sums[0][kept], sums[1][kept]


@lru_cache(maxsize=4)
def _draws(n_groups: int, random_state: int) -> Floats:
    """Return how often each group is drawn, one row per draw."""
    shares = np.full(n_groups, 1 / n_groups)
    return np.random.default_rng(random_state).multinomial(n_groups, shares, N_RESAMPLES).astype(np.float64)


def percentile_interval(drawn: Floats, n_groups: int, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of a quantity that may be infinite, NaN for a single group.

    Parameters
    ----------
    drawn : ndarray, shape (n_draws,)
        The quantity in each draw of groups; NaN where it does not exist.
    n_groups : int
        Number of groups, for few of which the interval is wider.
    level : float
        Coverage.

    Notes
    -----
    Expanded percentiles: Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69,
    2015, section 5.3.

    Examples
    --------
    >>> percentile_interval(np.array([1.0, 2.0, 3.0, np.inf]), n_groups=30)
    (1.0, inf)
    """
    known = drawn[~np.isnan(drawn)]
    if n_groups < 2 or not len(known):
        return float("nan"), float("nan")
    wide = special.stdtrit(n_groups - 1, (1 - level) / 2) * np.sqrt(n_groups / (n_groups - 1))
    ends = special.ndtr(np.array([wide, -wide]))
    low, high = np.quantile(known, ends, method="inverted_cdf").round(12)
    return float(low), float(high)


def logistic_threshold(levels: ArrayLike, hits: ArrayLike, clips: ArrayLike, target: float = 0.75) -> Floats:
    """Return the level at which the accuracy among two classes reaches a target, by maximum likelihood.

    Parameters
    ----------
    levels : array_like, shape (n_levels,)
        Positive; at 0 the classes are the same.
    hits, clips : array_like, shape (..., n_levels)
        Numbers of correct and of all clips.
    target : float
        Above 0.5.

    Returns
    -------
    ndarray, shape (...)
        Infinite beyond the largest level, and 0 below the smallest.

    Notes
    -----
    The accuracy is logistic(k * level). Its score, the derivative of the log-likelihood, falls with k, so that k is
    found by bisection between the slopes that reach the target at the largest and at the smallest level.

    Examples
    --------
    >>> float(logistic_threshold([1, 2], [75, 90], [100, 100]).round(3))
    1.0
    >>> logistic_threshold([1, 2], [50, 52], [100, 100])
    array(inf)
    """
    levels, hits, clips = (np.asarray(values, np.float64) for values in (levels, hits, clips))
    logit = special.logit(target)
    shape = np.broadcast_shapes(hits.shape, clips.shape)[:-1]
    flat, steep = np.full(shape, logit / levels.max()), np.full(shape, logit / levels.min())

    def score(slopes: Floats) -> Floats:
        expected = clips * special.expit(slopes[..., None] * levels)
        return np.asarray(((hits - expected) * levels).sum(axis=-1))

    never, always = score(flat) < -1e-9, score(steep) > 1e-9
    for _ in range(_HALVINGS):
        middle = (flat + steep) / 2
        is_steeper = score(middle) > 0
        flat, steep = np.where(is_steeper, middle, flat), np.where(is_steeper, steep, middle)
    return np.select([never, always], [np.inf, 0.0], 2 * logit / (flat + steep))


def decreasing(values: ArrayLike, weights: ArrayLike) -> Floats:
    """Return the non-increasing sequence with the smallest weighted sum of squared differences.

    Parameters
    ----------
    values, weights : array_like, shape (..., n)
        Weights are positive.

    Notes
    -----
    By the min-max formula for isotonic regression, which works on many sequences at once: Robertson, Wright and
    Dykstra, "Order Restricted Statistical Inference", 1988, theorem 1.4.4.

    Examples
    --------
    >>> decreasing([0.9, 0.7, 0.8, 0.5], [1, 1, 1, 1])
    array([0.9 , 0.75, 0.75, 0.5 ])
    """
    values, weights = np.asarray(values, np.float64), np.asarray(weights, np.float64)
    n = values.shape[-1]
    first, last = np.arange(n)[:, None], np.arange(n)
    sums, sizes = (
        np.concatenate([np.zeros_like(own[..., :1]), np.cumsum(own, axis=-1)], axis=-1)
        for own in (values * weights, weights)
    )
    within = first <= last
    sizes = sizes[..., None, 1:] - sizes[..., :-1, None]
    means = (sums[..., None, 1:] - sums[..., :-1, None]) / np.where(within, sizes, 1)
    # The largest mean from a first value up to any last value from here on.
    means = np.where(within, means, -np.inf)
    largest = np.maximum.accumulate(means[..., ::-1], axis=-1)[..., ::-1]
    return np.asarray(np.where(within, largest, np.inf).min(axis=-2))


def crossing(levels: ArrayLike, accuracies: ArrayLike, targets: ArrayLike) -> Floats:
    """Return the level at which non-increasing accuracies reach a target, by linear interpolation.

    Parameters
    ----------
    levels : array_like, shape (n_levels,)
        In increasing order.
    accuracies : array_like, shape (..., n_levels)
        From `decreasing`.
    targets : array_like, shape (...)
        One for each sequence.

    Returns
    -------
    ndarray, shape (...)
        Infinite where the target is never reached, minus infinity where the first accuracy is below it.

    Examples
    --------
    >>> crossing([0, 10, 20], [0.9, 0.8, 0.6], 0.7)
    array(15.)
    """
    levels, accuracies = np.asarray(levels, np.float64), np.asarray(accuracies, np.float64)
    targets = np.asarray(targets, np.float64)
    reached = accuracies <= targets[..., None] + _ROUNDING
    after = np.maximum(reached.argmax(axis=-1), 1)
    above, below = (
        np.take_along_axis(accuracies, place[..., None], axis=-1)[..., 0] for place in (after - 1, after)
    )
    share = (above - targets) / np.where(above > below, above - below, 1)
    between = levels[after - 1] + share.clip(0, 1) * (levels[after] - levels[after - 1])
    too_low = accuracies[..., 0] < targets - _ROUNDING
    return np.select([~reached.any(axis=-1), too_low], [np.inf, -np.inf], between)


def half_life(levels: ArrayLike, hits: ArrayLike, clips: ArrayLike, chance: float) -> Floats:
    """Return the level at which half of the accuracy above chance is lost.

    Parameters
    ----------
    levels : array_like, shape (n_levels,)
        In increasing order; the first is that of clean clips.
    hits, clips : array_like, shape (..., n_levels)
        Numbers of correct and of all clips.
    chance : float
        Accuracy by guessing.

    Returns
    -------
    ndarray, shape (...)
        On the non-increasing fit of `decreasing`; infinite where it is never reached, NaN where clean clips are not
        above chance.

    Examples
    --------
    >>> half_life([0, 10, 20], [90, 80, 60], [100, 100, 100], chance=0.5)
    array(15.)
    """
    hits, clips = np.asarray(hits, np.float64), np.asarray(clips, np.float64)
    fitted = decreasing(hits / clips, clips)
    found = crossing(levels, fitted, (fitted[..., 0] + chance) / 2)
    return np.where(fitted[..., 0] > chance + _ROUNDING, found, np.nan)


def normalised_area(levels: ArrayLike, accuracies: ArrayLike, chance: float) -> Floats:
    """Return the mean over levels of the share of the accuracy above chance that is left.

    Parameters
    ----------
    levels : array_like, shape (n_levels,)
        In increasing order; the first is that of clean clips.
    accuracies : array_like, shape (..., n_levels)
        Accuracy at each level.
    chance : float
        Accuracy by guessing.

    Returns
    -------
    ndarray, shape (...)
        The area under ``(accuracy - chance) / (clean - chance)`` by trapezoids, over that of no loss; NaN where clean
        clips are not above chance.

    Examples
    --------
    >>> normalised_area([0, 10], [0.9, 0.5], chance=0.5)
    array(0.5)
    """
    levels, above = np.asarray(levels, np.float64), np.asarray(accuracies, np.float64) - chance
    clean = above[..., 0]
    area = np.trapezoid(above, levels, axis=-1) / np.ptp(levels)
    return np.where(clean > _ROUNDING, area / np.where(clean > _ROUNDING, clean, 1), np.nan)


def reach(levels: ArrayLike, above: ArrayLike) -> Floats:
    """Return the last level up to which, all before it included, something holds.

    Parameters
    ----------
    levels : array_like, shape (n_levels,)
        In increasing order.
    above : array_like of bool, shape (..., n_levels)
        Whether it holds at each level.

    Returns
    -------
    ndarray, shape (...)
        Minus infinity where it does not hold at the first level.

    Examples
    --------
    >>> reach([0, 4, 8, 16], [True, True, False, True])
    array(4.)
    """
    n_held = np.logical_and.accumulate(np.asarray(above, bool), axis=-1).sum(axis=-1)
    return np.concatenate([[-np.inf], np.asarray(levels, np.float64)])[n_held, ...]
