"""Power and required sample size of comparisons, by simulation from stored predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from ...errors import ActionbenchError
from ..statistics.intervals import finite, group_sums, joint_sign_flips, wilson_interval
from ..statistics.paired import min_p_value
from .pairs import clip_accuracies, ranked
from .results import Result

Floats = NDArray[np.float64]

# Largest number of groups for which all sign patterns are listed, number of random patterns beyond, and largest number
# of groups for which patterns are drawn; beyond that the normal approximation is used.
_MAX_LISTED, _N_PATTERNS, _MAX_DRAWN = 10, 999, 100
_N_JOINT_PATTERNS = 199
# Number of studies whose p-values are computed together.
_AT_ONCE = 50
# Most attempts of a design whose power is simulated, as the time grows with their pairs; number of simulated studies.
_MAX_ATTEMPTS, _N_STUDIES = 16, 100


def group_changes(first: Result, second: Result) -> tuple[Floats, Floats]:
    """Return the difference in correct clips of each group, for each seed, and the numbers of clips.

    Parameters
    ----------
    first, second : Result
        On the same data set; clips that only one has predicted are ignored. Seeds are paired if both have the same
        ones; an attempt with one seed is paired with every seed of the other; otherwise both are averaged over seeds.

    Returns
    -------
    changes : ndarray, shape (n_groups, n_seeds)
        Second minus first.
    clips : ndarray, shape (n_groups,)
        Clips of each group.

    Raises
    ------
    ActionbenchError
        If no clip was predicted by both.
    """
    one, other = _by_seed(first), _by_seed(second)
    both = one.index.intersection(other.index)
    if both.empty:
        raise ActionbenchError(
            f"no clip was predicted by both {first.attempt} and {second.attempt}; run them on the same folds"
        )
    one, other = one.loc[both], other.loc[both]
    if set(one.columns) != set(other.columns) and min(one.shape[1], other.shape[1]) > 1:
        one, other = (part.mean(axis=1).to_frame(0) for part in (one, other))
    if one.shape[1] == 1 or other.shape[1] == 1:
        change = pd.DataFrame(other.to_numpy() - one.to_numpy(), both)
    else:
        change = other - one
    grouped = change.groupby(both.get_level_values("group"))
    return np.asarray(grouped.sum(), np.float64), np.asarray(grouped.size(), np.float64)


def _by_seed(result: Result) -> pd.DataFrame:
    """Return whether each clip is correct under each seed, the mean of the others for a seed without prediction."""
    table = pd.DataFrame(
        {
            "group": result.groups,
            "position": result.positions,
            "seed": result.seeds,
            "right": result.correct.astype(float),
        }
    )
    wide = table.pivot_table(index=["group", "position"], columns="seed", values="right")
    return wide.apply(lambda seed: seed.fillna(wide.mean(axis=1)))


def power(
    changes: Floats,
    clips: Floats,
    *,
    n_groups: int | None = None,
    n_seeds: int | None = None,
    effect: float | None = None,
    level: float = 0.05,
    n_comparisons: int = 1,
    n_simulations: int = 1000,
    random_state: int = 0,
) -> float:
    """Return the power of the sign-flip test in a study of some number of groups.

    Parameters
    ----------
    changes : ndarray, shape (n_groups,) or (n_groups, n_seeds)
        Difference in correct clips of each group, see `group_changes`.
    clips : ndarray, shape (n_groups,)
        Clips of each group.
    n_groups, n_seeds : int, optional
        Of the planned study; by default those of ``changes``. Groups are drawn with replacement, and for each group
        its seeds.
    effect : float, optional
        The true difference in accuracy, as a fraction; by default the observed one, which is itself uncertain: if it
        is too large by chance, so is the power.
    level : float
        Level of the test.
    n_comparisons : int
        Number of comparisons that share the level, as in the first step of Holm's correction.
    n_simulations : int
        Number of simulated studies.
    random_state : int
        Seed of the simulation.

    Returns
    -------
    float
        Share of the studies whose p-value is at most the level.

    Raises
    ------
    ActionbenchError
        If shapes do not match, or there are fewer than 2 groups.

    Notes
    -----
    A bootstrap estimate of power: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 25. With few
    seeds their variance is underestimated, by a factor of one over the number of seeds.

    Examples
    --------
    >>> changes, clips = np.array([2, 1, 3, 0, 2, 1, 2, 1, -1]), np.full(9, 10)
    >>> power(changes, clips, n_simulations=200) > power(changes, clips, n_groups=6, n_simulations=200)
    True
    """
    studies = _studies(
        changes,
        clips,
        n_groups=n_groups,
        n_seeds=n_seeds,
        effect=effect,
        level=level,
        n_comparisons=n_comparisons,
        n_simulations=n_simulations,
        random_state=random_state,
    )
    return sum(studies) / n_simulations


def _studies(
    changes: Floats,
    clips: Floats,
    *,
    n_groups: int | None = None,
    n_seeds: int | None = None,
    effect: float | None = None,
    level: float = 0.05,
    n_comparisons: int = 1,
    n_simulations: int = 1000,
    random_state: int = 0,
) -> Iterator[bool]:
    """Yield whether each of the studies of `power` is significant."""
    changes, clips = _sums(changes, clips)
    wanted, seeds = len(changes) if n_groups is None else n_groups, changes.shape[1]
    n_seeds = seeds if n_seeds is None else n_seeds
    if wanted < 1 or n_seeds < 1:
        raise ActionbenchError(f"a study needs at least 1 group and 1 seed; got {wanted} and {n_seeds}")
    if effect is not None:
        changes = changes + (effect - changes.mean(axis=1).sum() / clips.sum()) * clips[:, None]
    if min_p_value(wanted) > level / n_comparisons:
        yield from [False] * n_simulations
        return
    rng = np.random.default_rng(random_state)
    signs = _patterns(wanted, rng)
    # In chunks, so that no array of draws exceeds some millions of elements.
    for size in np.diff(
        np.r_[np.arange(0, n_simulations, max(1, 10**6 // (wanted * n_seeds))), n_simulations]
    ):
        drawn = rng.integers(len(changes), size=(size, wanted, 1))
        under = rng.integers(seeds, size=(size, wanted, n_seeds))
        sums = changes.take(drawn * seeds + under).mean(axis=2)
        for first in range(0, size, _AT_ONCE):
            p_values = _p_values(sums[first : first + _AT_ONCE], signs)
            yield from (p_values <= level / n_comparisons).tolist()


def _reached(target: float, studies: Iterable[bool], number: int) -> bool:
    """Return whether a share of some number of studies is significant, from no more of them than decide that."""
    found = 0
    for done, significant in enumerate(studies, 1):
        found += bool(significant)
        if found / number >= target or (found + number - done) / number < target:
            break
    return found / number >= target


def _sums(changes: Floats, clips: Floats) -> tuple[Floats, Floats]:
    changes, clips = finite("changes", changes), finite("numbers of clips", clips)
    changes = changes[:, None] if changes.ndim == 1 else changes
    if changes.ndim != 2 or clips.shape != changes.shape[:1] or not changes.size or (clips <= 0).any():
        raise ActionbenchError(
            "changes need a row and clips a positive number for each group; got shapes "
            f"{changes.shape} and {clips.shape}"
        )
    if len(changes) < 2:
        raise ActionbenchError("at least 2 groups are needed to plan a study; got 1")
    return changes, clips


def _p_values(sums: Floats, signs: Floats | None) -> Floats:
    """Return the p-value of each study, shape (n_studies,), from the sums of its groups."""
    if signs is None:
        spread = np.sqrt((sums**2).sum(axis=1))
        return np.asarray(2 * special.ndtr(-np.abs(sums.sum(axis=1)) / np.where(spread > 0, spread, 1)))
    observed = np.abs(sums.sum(axis=1)) - 1e-9 * np.abs(sums).sum(axis=1)
    return np.asarray((np.abs(sums @ signs) >= observed[:, None]).mean(axis=1))


def _patterns(n_groups: int, rng: np.random.Generator) -> Floats | None:
    """Return patterns of signs, shape (n_groups, n_patterns): all that begin with plus, or the observed and drawn."""
    if n_groups <= _MAX_LISTED:
        return np.array([(1.0, *rest) for rest in product((1.0, -1.0), repeat=n_groups - 1)]).T
    if n_groups > _MAX_DRAWN:
        return None
    drawn = rng.choice([1.0, -1.0], size=(n_groups, _N_PATTERNS))
    return np.concatenate([np.ones((n_groups, 1)), drawn], axis=1)


def power_table(
    changes: Floats,
    clips: Floats,
    n_groups: Iterable[int],
    n_seeds: Iterable[int] = (1,),
    **options: Any,
) -> pd.DataFrame:
    """Return the power of studies with several numbers of groups and seeds.

    Parameters
    ----------
    changes, clips : ndarray
        See `power`.
    n_groups, n_seeds : iterable of int
        Of the studies.
    **options
        Passed to `power`.

    Returns
    -------
    DataFrame
        ``n_groups``, ``n_seeds``, ``power``, and ``power_low`` to ``power_high``, its 95 % interval, of the simulation
        error only.

    Examples
    --------
    >>> changes, clips = np.array([2, 1, 3, 0, 2, 1, 2, 1, -1]), np.full(9, 10)
    >>> power_table(changes, clips, n_groups=[5, 9], n_simulations=200)["power"].round(1).tolist()
    [0.0, 0.6]
    """
    n_simulations = int(options.get("n_simulations") or 1000)
    rows = []
    for groups, seeds in product(n_groups, n_seeds):
        found = power(changes, clips, n_groups=groups, n_seeds=seeds, **options)
        low, high = wilson_interval(found * n_simulations, n_simulations)
        rows.append(
            {"n_groups": groups, "n_seeds": seeds, "power": found, "power_low": low, "power_high": high}
        )
    return pd.DataFrame(rows)


def required_groups(
    changes: Floats,
    clips: Floats,
    *,
    target: float = 0.8,
    max_groups: int = 2000,
    n_simulations: int = 1000,
    **options: Any,
) -> float:
    """Return the number of groups required for a power.

    Parameters
    ----------
    changes, clips : ndarray
        See `power`.
    target : float
        Desired power.
    max_groups : int
        Largest number of groups considered.
    n_simulations : int
        Number of simulated studies of each number of groups.
    **options
        Passed to `power`.

    Returns
    -------
    float
        Infinite if even ``max_groups`` groups are too few.

    Examples
    --------
    >>> changes, clips = np.array([2, 1, 3, 0, 2, 1, 2, 1, -1]), np.full(9, 10)
    >>> required_groups(changes, clips, n_simulations=200)
    11.0
    """

    def suffices(n_groups: int) -> bool:
        studies = _studies(changes, clips, n_groups=n_groups, n_simulations=n_simulations, **options)
        return _reached(target, studies, n_simulations)

    low, high = 0, 4
    while not suffices(high):
        if high >= max_groups:
            return float("inf")
        low, high = high, min(2 * high, max_groups)
    while high - low > max(1, low // 20):
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return float(high)


def detectable_difference(changes: Floats, clips: Floats, *, target: float = 0.8, **options: Any) -> float:
    """Return the smallest true difference in accuracy that is detected with some power.

    Parameters
    ----------
    changes, clips : ndarray
        See `power`.
    target : float
        Desired power.
    **options
        Passed to `power`.

    Returns
    -------
    float
        As a fraction, to a thousandth; infinite if no difference can be significant: with five groups no p-value is
        below 0.0625.

    Examples
    --------
    >>> changes, clips = np.array([2, 1, 3, 0, 2, 1, 2, 1, -1]), np.full(9, 10)
    >>> round(detectable_difference(changes, clips, n_simulations=200), 2)
    0.12
    """
    return _smallest_effect(lambda effect: power(changes, clips, effect=effect, **options) >= target)


def detectable_lead(
    sums: Floats,
    clips: Floats,
    *,
    target: float = 0.8,
    level: float = 0.05,
    n_simulations: int = 200,
    random_state: int = 0,
) -> float:
    """Return the smallest true lead of the first of several attempts over the second that is detected with some power.

    Parameters
    ----------
    sums : ndarray, shape (n_attempts, n_groups)
        Correct clips of each group for each attempt.
    clips : ndarray, shape (n_groups,)
        Clips of each group.
    target : float
        Desired power.
    level : float
        Family-wise error rate over all pairs, see `intervals.joint_sign_flips`.
    n_simulations : int
        Number of simulated studies: groups are drawn with replacement, the same for all attempts, with the first
        attempt shifted.
    random_state : int
        Seed of the simulation.

    Returns
    -------
    float
        As a fraction of the clips, to a hundredth or better; infinite if no lead can be significant.

    Examples
    --------
    >>> sums = np.array([[8, 7, 9, 6, 8, 9, 7, 8, 9], [7, 7, 8, 7, 8, 8, 6, 8, 8]])
    >>> round(detectable_lead(sums, np.full(9, 10), n_simulations=50), 2)
    0.07
    """
    sums, clips = finite("sums", sums), finite("numbers of clips", clips)
    n_groups = len(clips)
    if min_p_value(n_groups) > level:
        return float("inf")
    drawn = np.random.default_rng(random_state).integers(n_groups, size=(n_simulations, n_groups))
    lead = (sums[0] - sums[1]).sum() / clips.sum()

    def detected(effect: float) -> bool:
        moved = sums.copy()
        moved[0] += (effect - lead) * clips
        studies = (
            joint_sign_flips(moved[:, one], _N_JOINT_PATTERNS, random_state)[1][0] <= level for one in drawn
        )
        return _reached(target, studies, n_simulations)

    return _smallest_effect(detected, 0.01)


def group_table(results: list[Result]) -> tuple[Floats, Floats]:
    """Return correct clips by attempt and group, shape (n_results, n_groups), and the clips of each group."""
    right, groups = clip_accuracies(results)
    table = np.array(group_sums(groups, *right, np.ones(len(groups))))
    return table[:-1], table[-1]


def change_spread(changes: Floats, clips: Floats) -> Floats:
    """Return how much the differences of pairs, shape (n_pairs, n_groups), vary from group to group."""
    means = changes.sum(axis=1, keepdims=True) / clips.sum()
    return np.asarray((changes - means * clips).std(axis=1))


def lead_of_pair(sums: Floats, clips: Floats, first: int, second: int, **options: Any) -> float:
    """Return `detectable_lead` of one attempt over another among all of ``sums``."""
    others = [row for row in range(len(sums)) if row not in (first, second)]
    return detectable_lead(sums[[first, second, *others]], clips, **options)


def design_difference(results: list[Result]) -> float:
    """Return the true difference between two attempts that a comparison finds four times in five.

    Studies with as many groups are simulated, in which one of two attempts leads the other by some difference; found
    is what the test of the rank intervals finds, adjusted for the number of all pairs, at 5 %. The two are those whose
    difference varies from group to group as much as that of the median pair: for half of the pairs less suffices.

    Parameters
    ----------
    results : list of Result
        On one data set under one split; those of `pairs.ranked` are compared.

    Returns
    -------
    float
        As a fraction, see `detectable_lead`; infinite if no difference can be found, and NaN where fewer than 2
        attempts are compared or more than 16, for which it would take long.
    """
    compared = ranked(results)
    if not 2 <= len(compared) <= _MAX_ATTEMPTS:
        return float("nan")
    sums, clips = group_table(compared)
    # Groups that are drawn from so few vary less than others would.
    expected = sums.sum(axis=1, keepdims=True) / clips.sum() * clips
    sums = expected + (sums - expected) * np.sqrt(len(clips) / max(1, len(clips) - 1))
    first, second = np.triu_indices(len(sums), 1)
    spread = change_spread(sums[first] - sums[second], clips)
    middle = np.argsort(spread, kind="stable")[len(spread) // 2]
    return lead_of_pair(sums, clips, int(first[middle]), int(second[middle]), n_simulations=_N_STUDIES)


def _smallest_effect(is_detected: Callable[[float], bool], precision: float = 0.001) -> float:
    """Return the smallest effect up to 1 that is detected, infinite if there is none."""
    low, high = 0.0, 1.0
    if not is_detected(high):
        return float("inf")
    while high - low > precision:
        middle = (low + high) / 2
        low, high = (low, middle) if is_detected(middle) else (middle, high)
    return round(high, 3)


def required_study(
    first: Result, second: Result, *, target: float = 0.8, max_groups: int = 2000, **options: Any
) -> pd.Series:
    """Return the power of a comparison of two stored results, and the sample size required for significance.

    Parameters
    ----------
    first, second : Result
        On the same data set.
    target : float
        Desired power.
    max_groups : int
        See `required_groups`.
    **options
        Passed to `power`, such as ``n_comparisons``.

    Returns
    -------
    Series
        The present ``n_groups`` and ``n_seeds``, the ``power`` with them, ``required_groups`` with as many seeds,
        ``power_with_more_seeds``, three times as many with the same groups, and the ``detectable_difference`` with
        these groups.
    """
    changes, clips = group_changes(first, second)
    n_groups, n_seeds = changes.shape
    return pd.Series(
        {
            "n_groups": n_groups,
            "n_seeds": n_seeds,
            "power": power(changes, clips, **options),
            "required_groups": required_groups(
                changes, clips, target=target, max_groups=max_groups, **options
            ),
            "power_with_more_seeds": power(changes, clips, n_seeds=3 * n_seeds, **options),
            "detectable_difference": detectable_difference(changes, clips, target=target, **options),
        }
    )
