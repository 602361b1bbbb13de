"""Scores, and their intervals and tests for clips in groups."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from ...errors import ActionbenchError
from .hierarchical import beta_binomial_interval

Floats = NDArray[np.float64]

# Random numbers drawn at once, which bounds the memory of a resampling.
_CHUNK = 2_000_000
# Largest number of groups for which draws are cached: some 16 MB for 10,000 draws.
_MAX_CACHED_GROUPS = 200


def finite(what: str, values: ArrayLike) -> Floats:
    """Return values as float64, or raise an ActionbenchError with the position of one that is NaN or infinite.

    Parameters
    ----------
    what : str
        Their name in the error message.
    values : array_like
        The values.

    Examples
    --------
    >>> finite("scores", [1, 2])
    array([1., 2.])
    """
    array = np.asarray(values, np.float64)
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        place = tuple(bad[0].tolist())
        at = f" at position {place[0] if len(place) == 1 else place}" if place else ""
        raise ActionbenchError(f"{what} must be finite; got {array[place]}{at}")
    return array


def accuracy(correct: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the weighted share of correct predictions, NaN if there are none.

    Parameters
    ----------
    correct : array_like of bool, shape (n,)
        Whether each prediction is correct.
    weights : array_like, shape (n,), optional
        Weight of each prediction: 1/3 if every clip was predicted under three seeds.

    Examples
    --------
    >>> accuracy([True, True, False, True])
    0.75
    >>> accuracy([True, True, False], weights=[0.5, 0.5, 1])
    0.5
    """
    hits, clips = _weighted(correct, weights)
    return float(hits.sum() / clips.sum()) if len(hits) else float("nan")


def confusion_matrix(truth: ArrayLike, predicted: ArrayLike, n_classes: int) -> NDArray[np.intp]:
    """Count the predictions of each class for each true class.

    Parameters
    ----------
    truth, predicted : array_like of int, shape (n,)
        Class indices.
    n_classes : int
        Number of classes.

    Returns
    -------
    ndarray of int, shape (n_classes, n_classes)
        Rows are true, columns predicted classes.

    Examples
    --------
    >>> confusion_matrix([0, 0, 1, 1], [0, 1, 1, 1], n_classes=2)
    array([[1, 1],
           [0, 2]])
    """
    pairs = np.asarray(truth, np.intp) * n_classes + np.asarray(predicted, np.intp)
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)


def macro_f1(
    truth: ArrayLike,
    predicted: ArrayLike,
    seeds: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> float:
    """Return the mean over classes of the F1 score, NaN if there are no predictions.

    Parameters
    ----------
    truth, predicted : array_like of int, shape (n,)
        Class indices. Classes that occur in neither are ignored.
    seeds : array_like of int, shape (n,), optional
        Seed of each prediction; the score is computed for each seed over all its clips, then averaged.
    weights : array_like, shape (n,), optional
        Weight of each prediction, see `accuracy`.

    Examples
    --------
    >>> round(macro_f1([0, 0, 1, 1], [0, 1, 1, 1]), 3)
    0.733
    """
    truth, predicted = np.asarray(truth, np.intp), np.asarray(predicted, np.intp)
    if not len(truth):
        return float("nan")
    n_classes = int(max(truth.max(), predicted.max())) + 1
    names, seed = np.unique(np.zeros(len(truth)) if seeds is None else seeds, return_inverse=True)

    _, clips = _weighted(truth == predicted, weights)

    def count(classes: NDArray[np.intp], clips: Floats = clips) -> Floats:
        counts = np.bincount(seed * n_classes + classes, clips, len(names) * n_classes)
        return np.asarray(counts.reshape(-1, n_classes), np.float64)

    hits, total = count(truth, clips * (truth == predicted)), count(truth) + count(predicted)
    occurs = total > 0
    scores = np.divide(2 * hits, total, out=np.zeros_like(total), where=occurs)
    return float(np.mean(scores.sum(axis=1) / occurs.sum(axis=1)))


def wilson_interval(hits: float, total: float, level: float = 0.95) -> tuple[float, float]:
    """Return the score interval of a binomial proportion.

    Parameters
    ----------
    hits, total : float
        Successes and trials; without any trial the interval is 0 to 1.
    level : float
        Coverage.

    Raises
    ------
    ActionbenchError
        If there are fewer than 0 hits, or more hits than trials.

    Notes
    -----
    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.

    Examples
    --------
    >>> low, high = wilson_interval(9, 10)
    >>> round(low, 3), round(high, 3)
    (0.596, 0.982)
    """
    # Sums of fractions have rounding errors.
    if not -1e-9 <= hits <= total + 1e-9 < np.inf:
        raise ActionbenchError(f"hits must be 0 to the number of trials; got {hits} of {total}")
    if total == 0:
        return 0.0, 1.0
    z = special.ndtri((1 + level) / 2)
    share = min(1.0, max(0.0, hits / total))
    middle = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * np.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    low = 0.0 if hits <= 0 else max(0.0, middle - half)
    high = 1.0 if hits >= total else min(1.0, middle + half)
    return float(low), float(high)


def paired_interval(first: ArrayLike, second: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of the difference of two proportions of the same independent clips.

    Parameters
    ----------
    first, second : array_like, shape (n,)
        Whether each clip is correct, or its accuracy over seeds.
    level : float
        Coverage.

    Returns
    -------
    low, high : float
        Of second minus first.

    Notes
    -----
    Wilson's intervals, combined by their correlation: Newcombe, "Improved confidence intervals for the difference
    between binomial proportions based on paired data", Statistics in Medicine 17, 1998, method 8.

    Examples
    --------
    >>> low, high = paired_interval([0, 0, 1, 1, 1, 0, 0, 1], [1, 0, 1, 1, 1, 1, 1, 1])
    >>> round(low, 3), round(high, 3)
    (0.02, 0.639)
    """
    first, second = finite("shares", first), finite("shares", second)
    shares = first.mean(), second.mean()
    (low_1, high_1), (low_2, high_2) = (
        wilson_interval(values.sum(), len(values), level) for values in (first, second)
    )
    spread = first.std() * second.std()
    correlation = np.mean((first - shares[0]) * (second - shares[1])) / spread if spread > 0 else 0.0
    down, up = (
        np.sqrt(max(0.0, own**2 - 2 * correlation * own * other + other**2))
        for own, other in ((shares[1] - low_2, high_1 - shares[0]), (high_2 - shares[1], shares[0] - low_1))
    )
    difference = float(np.mean(second - first))
    return max(-1.0, difference - float(down)), min(1.0, difference + float(up))


def bootstrap_interval(
    correct: ArrayLike,
    groups: ArrayLike,
    weights: ArrayLike | None = None,
    level: float = 0.95,
    n_resamples: int = 10_000,
    random_state: int = 0,
) -> tuple[float, float]:
    """Return an interval of the accuracy on clips of new groups.

    Whole groups are drawn with replacement, each with all its clips under all seeds. Since few groups, or a few large
    ones, underestimate the variance between groups, the interval is never narrower than that of a hierarchical model,
    `hierarchical.beta_binomial_interval`, nor than Wilson's for as many independent clips. With a single group only
    these two are used.

    Parameters
    ----------
    correct : array_like of bool, shape (n,)
        Whether each prediction is correct.
    groups : array_like, shape (n,)
        Group of each clip.
    weights : array_like, shape (n,), optional
        Weight of each prediction, see `accuracy`.
    level : float
        Coverage.
    n_resamples : int
        Number of draws.
    random_state : int
        Seed of the draws.

    Returns
    -------
    low, high : float
        NaN if there are no predictions.

    Notes
    -----
    Cluster bootstrap: Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8. Corrected for
    bias and skewness, estimated by a jackknife over groups: Efron, "Better bootstrap confidence intervals", JASA 82,
    1987. Expanded for few groups: Hesterberg, "What Teachers Should Know About the Bootstrap", The American
    Statistician 69, 2015, section 5.3. The correction of the expanded tails, and the union of the three intervals, are
    rules of this project; docs/statistics.md reports their coverage.

    Examples
    --------
    >>> low, high = bootstrap_interval([True] * 25, range(25))
    >>> round(low, 4), high
    (0.8668, 1.0)
    """
    hits, clips = _weighted(correct, weights)
    if not len(hits):
        return float("nan"), float("nan")
    correct, total = group_sums(groups, hits, clips)
    found = [wilson_interval(hits.sum(), clips.sum(), level), beta_binomial_interval(correct, total, level)]
    drawn = ratio_interval(correct, total, level=level, n_resamples=n_resamples, random_state=random_state)
    low, high = zip(*found, *([] if drawn is None else [drawn]), strict=True)
    return min(low), max(high)


def group_sums(groups: ArrayLike, *values: ArrayLike) -> list[Floats]:
    """Return the sum of each array within each group, in the groups' sorted order, shape (n_groups,) each.

    Examples
    --------
    >>> group_sums(["b", "a", "b"], [1, 0, 1])
    [array([0., 2.])]
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    return [
        np.bincount(member, np.asarray(value, np.float64), len(names)).astype(np.float64) for value in values
    ]


def ratio_interval(
    numerators: Floats,
    denominators: Floats,
    *,
    level: float = 0.95,
    n_resamples: int = 10_000,
    random_state: int = 0,
) -> tuple[float, float] | None:
    """Return the bootstrap interval of a ratio of sums over groups, None for a single group.

    Parameters
    ----------
    numerators, denominators : ndarray, shape (n_groups,)
        Sums within each group.
    level, n_resamples, random_state
        See `bootstrap_interval`.

    Notes
    -----
    If the correction for bias and skewness is undefined (all draws on one side of the ratio, or so few and skewed
    groups that the corrected tails cross), the expanded percentiles are not corrected.

    Examples
    --------
    >>> correct, clips = np.array([8.0, 9.0, 6.0, 10.0]), np.full(4, 10.0)
    >>> low, high = ratio_interval(correct, clips)
    >>> round(low, 2), round(high, 2)
    (0.6, 1.0)
    """
    n_groups = len(numerators)
    if n_groups < 2:
        return None
    kinds = np.stack([numerators, denominators], axis=1)
    kinds, counts = kinds[np.lexsort(kinds.T)], np.ones(n_groups, np.intp)
    if n_groups <= _MAX_CACHED_GROUPS:
        totals = _cached_totals(tuple(kinds[:, 1].tolist()), n_resamples, random_state)
        drawn_ratios = _cached_draws(n_groups, n_resamples, random_state) @ kinds[:, 0] / totals
    else:
        # Groups with the same sums are drawn as one kind: thousands of single clips become two kinds.
        kinds, counts = np.unique(kinds, axis=0, return_counts=True)
        tables = _draws(tuple(counts.tolist()), n_resamples, random_state)
        drawn_ratios = np.concatenate([drawn @ kinds[:, 0] / (drawn @ kinds[:, 1]) for drawn in tables])
    wide = special.stdtrit(n_groups - 1, (1 - level) / 2) * np.sqrt(n_groups / (n_groups - 1))
    points = np.array([wide, -wide])
    corrected = _corrected(points, drawn_ratios, kinds, counts)
    # Rounded, as the last bits of matrix products depend on the processor.
    low, high = np.quantile(drawn_ratios, special.ndtr(points if corrected is None else corrected)).round(12)
    return float(low), float(high)


def _draws(counts: tuple[int, ...], n_resamples: int, random_state: int) -> Iterator[Floats]:
    """Yield arrays of how often each kind of group is drawn, one row per draw."""
    n_groups, rng = sum(counts), np.random.default_rng(random_state)
    for size in _chunks(n_resamples, len(counts)):
        yield rng.multinomial(n_groups, np.array(counts) / n_groups, size=size).astype(np.float64)


@lru_cache(maxsize=4)
def _cached_draws(n_groups: int, n_resamples: int, random_state: int) -> Floats:
    """Cache draws, which are the same for all attempts on as many groups."""
    return np.concatenate(list(_draws((1,) * n_groups, n_resamples, random_state)))


@lru_cache(maxsize=64)
def _cached_totals(sizes: tuple[float, ...], n_resamples: int, random_state: int) -> Floats:
    """Cache the sums of sizes of drawn groups, which are the same for all attempts on the same clips."""
    return np.asarray(_cached_draws(len(sizes), n_resamples, random_state) @ np.array(sizes))


def _corrected(points: Floats, drawn: Floats, kinds: Floats, counts: NDArray[np.intp]) -> Floats | None:
    """Return normal quantiles corrected for bias and skewness, None if the correction is undefined."""
    ratio = counts @ kinds[:, 0] / (counts @ kinds[:, 1])
    off = drawn - ratio
    off[np.abs(off) < 1e-12] = 0
    below = (np.mean(off < 0) + np.mean(off <= 0)) / 2
    without = counts @ kinds - kinds
    if not 0 < below < 1 or (without[:, 1] <= 0).any():
        return None
    left_out = without[:, 0] / without[:, 1]
    change = counts @ left_out / counts.sum() - left_out
    squares = counts @ change**2
    skew = counts @ change**3 / (6 * squares**1.5) if squares > 1e-24 else 0.0
    shifted = special.ndtri(below) + points
    if (1 - skew * shifted <= 0).any():
        return None
    return np.asarray(special.ndtri(below) + shifted / (1 - skew * shifted))


def sign_flip_test(differences: ArrayLike, n_resamples: int = 99_999, random_state: int = 0) -> float:
    """Return the two-sided p-value of a paired difference over groups.

    Under the null hypothesis a group's difference is equally likely to have the other sign. The p-value is the share of
    sign patterns whose sum is at least as far from zero as the observed one: of all patterns if there are at most 2^20,
    otherwise of a random sample and the observed one. It is never 0.

    Parameters
    ----------
    differences : array_like, shape (n_groups,)
        Difference in the number of correct clips of each group.
    n_resamples : int
        Number of random sign patterns if not all are listed.
    random_state : int
        Seed of the draws.

    Notes
    -----
    Fisher, "The Design of Experiments", 1935, section 21; the Monte-Carlo p-value counts the observed pattern:
    Phipson and Smyth, "Permutation p-values should never be zero", 2010.

    Examples
    --------
    >>> sign_flip_test([1, 2, 1, 3, 1, 1])  # two of 64 patterns
    0.03125
    """
    sizes = finite("differences", differences)
    # Flipping a zero only repeats every pattern.
    sizes = sizes[sizes != 0]
    if not len(sizes):
        return 1.0
    observed = abs(sizes.sum()) - 1e-9 * np.abs(sizes).sum()
    if len(sizes) <= 20:
        sums = np.zeros(1)
        for size in sizes:
            sums = np.concatenate([sums + size, sums - size])
        return float(np.mean(np.abs(sums) >= observed))
    kinds, counts = np.unique(np.abs(sizes), return_counts=True)
    rng = np.random.default_rng(random_state)
    extreme = 1
    for size in _chunks(n_resamples, len(kinds)):
        signs = 2 * rng.binomial(counts, 0.5, size=(size, len(kinds))) - counts
        extreme += int(np.count_nonzero(np.abs(signs @ kinds) >= observed))
    return extreme / (n_resamples + 1)


def joint_sign_flips(
    sums: ArrayLike, n_resamples: int = 99_999, random_state: int = 0
) -> tuple[Floats, Floats]:
    """Return the p-values of all pairs of attempts on the same groups, unadjusted and adjusted for their number.

    A sign pattern flips the differences of all pairs at once. A pair's adjusted p-value is the share of patterns under
    which the statistic of this pair, or of any pair with a smaller one, reaches its observed value, and at least that
    of any pair with a larger one. The smallest possible p-value therefore does not grow with the number of pairs: it is
    2 of 512 patterns for nine groups.

    Parameters
    ----------
    sums : array_like, shape (n_attempts, n_groups)
        Number of correct clips of each group for each attempt.
    n_resamples : int
        Number of random sign patterns if half of all patterns are more; the observed one is added.
    random_state : int
        Seed of the draws.

    Returns
    -------
    p_values, adjusted : ndarray, shape (n_attempts * (n_attempts - 1) / 2,)
        Of each pair, in the order of `itertools.combinations`; never 0.

    Notes
    -----
    Step-down maxima: Westfall and Young, "Resampling-based multiple testing", 1993, section 2.6; Romano and Wolf,
    "Exact and approximate stepdown methods for multiple hypothesis testing", JASA 100, 2005. The statistic of a pair is
    the sum of its differences, over the root of their sum of squares plus the median of all pairs' roots, so that
    neither pairs of high variance nor those with few differences dominate: Tusher, Tibshirani and Chu, "Significance
    analysis of microarrays applied to the ionizing radiation response", PNAS 98, 2001. Flips do not change the roots,
    and a single pair has the p-value of `sign_flip_test`. docs/statistics.md reports the attained levels.

    Examples
    --------
    >>> _, adjusted = joint_sign_flips([[1, 2, 2, 1, 1, 2], [1, 2, 1, 2, 1, 2], [5, 6, 5, 5, 6, 4]])
    >>> adjusted  # 2 of 64 patterns
    array([1.     , 0.03125, 0.03125])
    """
    sums = finite("sums", sums)
    # Groups in which all attempts are equal only repeat every pattern.
    sums = sums[:, np.ptp(sums, axis=0) > 1e-12]
    first, second = np.triu_indices(len(sums), 1)
    changes = sums[second] - sums[first]
    n_pairs, n_groups = changes.shape
    if not changes.size:
        return np.ones(n_pairs), np.ones(n_pairs)
    roots = np.sqrt((changes**2).sum(axis=1))
    scale = np.maximum(roots + np.median(roots), 1e-12)
    observed = (np.abs(changes.sum(axis=1)) - 1e-9 * np.abs(changes).sum(axis=1)) / scale
    order = np.argsort(observed, kind="stable")
    first, second, scale, observed = first[order], second[order], scale[order, None], observed[order, None]
    # A pattern and its opposite give the same differences, so one sign is fixed.
    listed = 2 ** (n_groups - 1) <= n_resamples
    total = 2 ** (n_groups - 1) if listed else n_resamples
    rng = np.random.default_rng(random_state)
    n_extreme, done = np.full((2, n_pairs), 0 if listed else 1), 0
    for size in _chunks(total, 8 * max(n_pairs, n_groups)):
        if listed:
            minus = np.arange(done, done + size) >> np.arange(n_groups)[:, None] & 1
        else:
            minus = rng.integers(2, size=(n_groups, size), dtype=np.int8)
        flipped = sums @ (1.0 - 2.0 * minus)
        distances = np.abs(flipped[second] - flipped[first]) / scale
        n_extreme[0] += (distances >= observed).sum(axis=1)
        n_extreme[1] += (np.maximum.accumulate(distances, axis=0, out=distances) >= observed).sum(axis=1)
        done += size
    unadjusted, adjusted = n_extreme / (total if listed else total + 1)
    back = np.argsort(order)
    return unadjusted[back], np.maximum.accumulate(adjusted[::-1])[::-1][back]


def _weighted(correct: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats]:
    hits = finite("predictions", correct)
    clips = np.ones_like(hits) if weights is None else finite("weights", weights)
    return hits * clips, clips


def _chunks(total: int, width: int) -> list[int]:
    """Split a number of draws into chunks of bounded memory."""
    size = max(1, _CHUNK // width)
    full, rest = divmod(total, size)
    return [size] * full + ([rest] if rest else [])
