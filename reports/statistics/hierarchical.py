"""Intervals of means over groups by hierarchical models, with priors for the variance between groups."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

# Points along each axis of a grid, number of refinements to where the posterior lies, and the share of the posterior
# that may lie outside of it.
_MEANS, _SCATTERS, _PASSES, _OUTSIDE = 64, 24, 4, 1e-7

#: Prior of the correlation of clips of a group: a beta distribution with these parameters.
CORRELATION = 1.0, 5.0
#: Prior of the standard deviation over groups of a difference of accuracies: a half-normal one with this scale.
SCATTER = 0.25


def beta_binomial_interval(
    hits: Floats, clips: Floats, level: float = 0.95, prior: tuple[float, float] = CORRELATION
) -> tuple[float, float]:
    """Return the interval of the mean accuracy over groups by a beta-binomial model.

    Parameters
    ----------
    hits, clips : ndarray, shape (n_groups,)
        Correct clips, and number of clips, of each group; hits are fractional where seeds are averaged.
    level : float
        Coverage.
    prior : tuple of float
        Parameters of the beta distribution of the correlation of clips of a group.

    Notes
    -----
    The accuracies of the groups follow a beta distribution, the hits a beta-binomial one (Skellam, "A probability
    distribution derived from the binomial distribution by regarding the probability of success as variable between the
    sets of trials", JRSS B 10, 1948). Its mean has the prior of Jeffreys for a proportion; the correlation of clips of
    a group, which few groups hardly determine, has an informative prior of small values. If all clips are correct, or
    none, the interval ends there: Brown, Cai and DasGupta, "Interval estimation for a binomial proportion", Statistical
    Science 16, 2001.

    Examples
    --------
    >>> low, high = beta_binomial_interval(np.array([8.0, 9.0, 10.0]), np.array([10.0, 10.0, 10.0]))
    >>> round(low, 2), round(high, 2)
    (0.63, 0.97)
    """
    counted = (_counted(values) for values in (hits, clips - hits, clips))
    low, high = _beta_binomial_angles(*counted, level, prior)
    return (
        0.0 if hits.sum() <= 1e-9 else float(np.sin(low) ** 2),
        1.0 if hits.sum() >= clips.sum() - 1e-9 else float(np.sin(high) ** 2),
    )


#: The distinct values of an array but 0, with how often each is there.
_Counted = tuple[tuple[float, int], ...]


# Many attempts are right as often as others.
@lru_cache(maxsize=1024)
def _beta_binomial_angles(
    rights: _Counted, wrongs: _Counted, sizes: _Counted, level: float, prior: tuple[float, float]
) -> tuple[float, float]:
    """Return the interval of the mean as angles, whose squared sines are accuracies."""

    def log_likelihood(angle: Floats, share: Floats) -> Floats:
        # On this scale Jeffreys' prior is flat.
        mean, correlation = np.sin(angle) ** 2, special.betaincinv(*prior, share)
        size = (1 - correlation) / correlation
        return np.asarray(
            _log_rising(mean * size, rights)
            + _log_rising((1 - mean) * size, wrongs)
            - _log_rising(size, sizes)
        )

    tail = (1 - level) / 2
    ((low, high),) = _quantiles(log_likelihood, 1, (0.0, np.pi / 2), (0.0, 1.0), (tail, 1 - tail))
    return low, high


def _counted(values: Floats) -> _Counted:
    distinct, counts = np.unique(values, return_counts=True)
    return tuple(pair for pair in zip(distinct.tolist(), counts.tolist(), strict=True) if pair[0])


def _log_rising(start: Floats, steps: _Counted) -> Floats:
    """Return the sum of the logarithms of rising factorials, Γ(start + n) / Γ(start) for each number n of steps."""
    n_factors = sum(count for _, count in steps)
    total: Floats = -n_factors * special.gammaln(start)
    for n, count in steps:
        total = total + count * special.gammaln(start + n)
    return total


def random_effects_interval(
    changes: Floats, squares: Floats, clips: Floats, level: float = 0.95, scale: float = SCATTER
) -> tuple[float, float]:
    """Return the interval of the mean difference over groups by a random-effects model.

    Parameters
    ----------
    changes, squares, clips : ndarray, shape (n_groups,)
        Sum of the differences of the clips of each group, sum of their squares, and number of clips, above 0.
    level : float
        Coverage.
    scale : float
        Of the half-normal prior of the standard deviation over groups.

    Notes
    -----
    Differences of groups are normal, and so are the means of their clips, with the pooled variance of clips within
    groups, to which two clips of maximal difference are added. Bayesian random-effects meta-analysis with a weakly
    informative prior: Röver et al., "On weakly informative prior distributions for the heterogeneity parameter in
    Bayesian random-effects meta-analysis", Research Synthesis Methods 12, 2021.

    Examples
    --------
    >>> changes, squares, clips = np.array([3.0, 1.0, 2.0]), np.array([3.0, 3.0, 2.0]), np.array([10.0, 10.0, 10.0])
    >>> low, high = random_effects_interval(changes, squares, clips)
    >>> round(low, 2), round(high, 2)
    (-0.07, 0.47)
    """
    return random_effects_intervals(changes[np.newaxis], squares[np.newaxis], clips, level, scale)[0]


def random_effects_intervals(
    changes: Floats, squares: Floats, clips: Floats, level: float = 0.95, scale: float = SCATTER
) -> list[tuple[float, float]]:
    """Return `random_effects_interval` of each row of differences, shape (n_rows, n_groups), on the same clips."""
    means = changes / clips
    within = (np.sum(squares - changes * means, axis=1) + 2.0) / (float(clips.sum()) + 2.0)
    # Of groups with as many clips only the number, the mean and the sum of squares about it count.
    sizes, member, counts = np.unique(clips, return_inverse=True, return_counts=True)
    same = member == np.arange(len(sizes))[:, np.newaxis]
    centres = means @ same.T / counts
    spreads = (means - centres[:, member]) ** 2 @ same.T

    def log_likelihood(mean: Floats, share: Floats) -> Floats:
        scatter = scale * special.ndtri((1 + share) / 2)
        total = np.zeros(np.broadcast_shapes(mean.shape, scatter.shape))
        for n, count, *of_rows in zip(sizes, counts, centres.T, spreads.T, strict=True):
            centre, spread = (values[:, np.newaxis, np.newaxis] for values in of_rows)
            variance = scatter**2 + within[:, np.newaxis, np.newaxis] / n
            total -= 0.5 * ((spread + count * (centre - mean) ** 2) / variance + count * np.log(variance))
        return total

    tail = (1 - level) / 2
    return _quantiles(log_likelihood, len(changes), (-1.0, 1.0), (0.0, 1.0), (tail, 1 - tail))


def _quantiles(
    log_likelihood: Callable[[Floats, Floats], Floats],
    number: int,
    means: tuple[float, float],
    shares: tuple[float, float],
    wanted: tuple[float, float],
) -> list[tuple[float, float]]:
    """Return quantiles of some number of means, each with a flat prior between two ends.

    They are integrated over another parameter's quantiles. The likelihood is given means of shape (number, n, 1) and
    quantiles of shape (number, 1, m).
    """
    ends, other_ends = np.tile(means, (number, 1)), np.tile(shares, (number, 1))
    for _ in range(_PASSES):
        edges = np.linspace(ends[:, 0], ends[:, 1], _MEANS + 1, axis=1)
        others = np.linspace(other_ends[:, 0], other_ends[:, 1], _SCATTERS + 1, axis=1)
        middles, points = ((grid[:, 1:] + grid[:, :-1]) / 2 for grid in (edges, others))
        logs = log_likelihood(middles[:, :, np.newaxis], points[:, np.newaxis])
        weights = np.exp(logs - logs.max(axis=(1, 2), keepdims=True))
        weights /= weights.sum(axis=(1, 2), keepdims=True)
        ends, other_ends = _kept(edges, weights.sum(axis=2)), _kept(others, weights.sum(axis=1))
    below = np.cumsum(weights.sum(axis=2), axis=1)
    found = [np.interp(wanted, [0.0, *row], own) for row, own in zip(below, edges, strict=True)]
    return [(float(low), float(high)) for low, high in found]


def _kept(edges: Floats, weights: Floats) -> Floats:
    """Return the ends of the part of each grid with nearly all of the weight, extended by a point on each side."""
    below = np.cumsum(weights, axis=1)
    first, last = ((below < share).sum(axis=1) for share in (_OUTSIDE, 1 - _OUTSIDE))
    places = np.stack([np.maximum(first - 1, 0), np.minimum(last + 2, edges.shape[1] - 1)], axis=1)
    return np.asarray(np.take_along_axis(edges, places, axis=1))
