"""How many more groups or seeds would settle a comparison, by simulation from stored predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from ...errors import ActionbenchError
from ..statistics.intervals import finite, joint_sign_flips, wilson_interval
from ..statistics.paired import least_p
from .results import Result

Floats = NDArray[np.float64]

# Groups whose sign patterns are all listed; beyond, as many are drawn; and beyond that, their normal limit is taken.
_LISTED = 10
_N_PATTERNS = 999
_N_JOINT = 199
_DRAWN = 100


def group_changes(first: Result, second: Result) -> tuple[Floats, Floats]:
    """Return by how many more clips of each group the second is right, under each seed, and the clips.

    Parameters
    ----------
    first, second : Result
        On the same data set; clips that only one has predicted do not count. Seeds are paired where both have the
        same; an attempt with one seed stands beside every seed of the other; else both are averaged over seeds.

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
    """Return whether each clip is right under each seed; a seed under which it has no prediction is as the others."""
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
    """Return how often the sign-flip test would find a difference, were the study made with so many groups.

    Parameters
    ----------
    changes : ndarray, shape (n_groups,) or (n_groups, n_seeds)
        By how many more clips of each group the one attempt is right, see `group_changes`.
    clips : ndarray, shape (n_groups,)
        Clips of each group.
    n_groups, n_seeds : int, optional
        Of the study to plan; those that there are by default. Groups are drawn with replacement from those there
        are, and for each its seeds from its seeds.
    effect : float, optional
        The true difference in accuracy, as a fraction; the observed one by default, which is itself uncertain: a
        difference that chance made large looks easier to settle than it is.
    level : float
        Level of the test.
    n_comparisons : int
        How many comparisons share the level; the first step of Holm's correction.
    n_simulations : int
        Number of studies drawn.
    random_state : int
        Seed of the draws.

    Returns
    -------
    float
        Share of the studies whose p-value is not above the level.

    Raises
    ------
    ActionbenchError
        If the numbers do not belong together, or there are fewer than 2 groups.

    Notes
    -----
    A bootstrap estimate of power: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 25. With few
    seeds it takes their spread for too small, by the share of one seed in all.
    """
    changes, clips = _sums(changes, clips)
    wanted, seeds = len(changes) if n_groups is None else n_groups, changes.shape[1]
    n_seeds = seeds if n_seeds is None else n_seeds
    if wanted < 1 or n_seeds < 1:
        raise ActionbenchError(f"a study needs at least 1 group and 1 seed; got {wanted} and {n_seeds}")
    if effect is not None:
        changes = changes + (effect - changes.mean(axis=1).sum() / clips.sum()) * clips[:, None]
    if least_p(wanted) > level / n_comparisons:
        return 0.0
    rng = np.random.default_rng(random_state)
    signs = _patterns(wanted, rng)
    found = 0
    # Studies are drawn in parts, so that no table of draws exceeds some millions of numbers.
    for size in np.diff(
        np.r_[np.arange(0, n_simulations, max(1, 10**6 // (wanted * n_seeds))), n_simulations]
    ):
        drawn = rng.integers(len(changes), size=(size, wanted))
        under = rng.integers(seeds, size=(size, wanted, n_seeds))
        sums = changes[drawn[..., None], under].mean(axis=2)
        found += int((_p_values(sums, signs) <= level / n_comparisons).sum())
    return found / n_simulations


def _sums(changes: Floats, clips: Floats) -> tuple[Floats, Floats]:
    changes, clips = finite("changes", changes), finite("numbers of clips", clips)
    changes = changes[:, None] if changes.ndim == 1 else changes
    if changes.ndim != 2 or clips.shape != changes.shape[:1] or not changes.size or (clips <= 0).any():
        raise ActionbenchError(
            "changes need a row and clips a number above 0 for each group; got shapes "
            f"{changes.shape} and {clips.shape}"
        )
    if len(changes) < 2:
        raise ActionbenchError("one group says nothing of others; at least 2 are needed to plan a study")
    return changes, clips


def _p_values(sums: Floats, signs: Floats | None) -> Floats:
    """Return the p-value of each study, shape (n_studies,), from the sums of its groups."""
    if signs is None:
        spread = np.sqrt((sums**2).sum(axis=1))
        return np.asarray(2 * stats.norm.sf(np.abs(sums.sum(axis=1)) / np.where(spread > 0, spread, 1)))
    observed = np.abs(sums.sum(axis=1)) - 1e-9 * np.abs(sums).sum(axis=1)
    return np.asarray((np.abs(sums @ signs) >= observed[:, None]).mean(axis=1))


def _patterns(n_groups: int, rng: np.random.Generator) -> Floats | None:
    """Return patterns of signs, shape (n_groups, n_patterns): all whose first is plus, or the observed and drawn."""
    if n_groups <= _LISTED:
        return np.array([(1.0, *rest) for rest in product((1.0, -1.0), repeat=n_groups - 1)]).T
    if n_groups > _DRAWN:
        return None
    drawn = rng.choice([1.0, -1.0], size=(n_groups, _N_PATTERNS))
    return np.concatenate([np.ones((n_groups, 1)), drawn], axis=1)


def power_table(
    changes: Floats,
    clips: Floats,
    n_groups: Iterable[int],
    n_seeds: Iterable[int] = (1,),
    **how: Any,
) -> pd.DataFrame:
    """Return the power of studies with more or fewer groups and seeds.

    Parameters
    ----------
    changes, clips : ndarray
        See `power`.
    n_groups, n_seeds : iterable of int
        Of the studies.
    **how
        Passed on to `power`.

    Returns
    -------
    DataFrame
        ``n_groups``, ``n_seeds``, ``power``, and ``power_low`` to ``power_high``, its 95 % interval from the number of
        simulations alone.
    """
    n_simulations = int(how.get("n_simulations") or 1000)
    rows = []
    for groups, seeds in product(n_groups, n_seeds):
        found = power(changes, clips, n_groups=groups, n_seeds=seeds, **how)
        low, high = wilson_interval(found * n_simulations, n_simulations)
        rows.append(
            {"n_groups": groups, "n_seeds": seeds, "power": found, "power_low": low, "power_high": high}
        )
    return pd.DataFrame(rows)


def groups_needed(
    changes: Floats, clips: Floats, *, target: float = 0.8, at_most: int = 2000, **how: Any
) -> float:
    """Return how many groups it takes to find a difference this often.

    Parameters
    ----------
    changes, clips : ndarray
        See `power`.
    target : float
        Power asked for.
    at_most : int
        Where to give up.
    **how
        Passed on to `power`.

    Returns
    -------
    float
        Infinite where not even ``at_most`` groups are enough.
    """

    def settles(n_groups: int) -> bool:
        return power(changes, clips, n_groups=n_groups, **how) >= target

    few, many = 0, 4
    while not settles(many):
        if many >= at_most:
            return float("inf")
        few, many = many, min(2 * many, at_most)
    while many - few > max(1, few // 20):
        middle = (few + many) // 2
        few, many = (few, middle) if settles(middle) else (middle, many)
    return float(many)


def least_difference(changes: Floats, clips: Floats, *, target: float = 0.8, **how: Any) -> float:
    """Return the least true difference in accuracy that groups like these would show this often.

    Parameters
    ----------
    changes, clips : ndarray
        See `power`.
    target : float
        Power asked for.
    **how
        Passed on to `power`.

    Returns
    -------
    float
        As a fraction, to a thousandth; infinite where no difference can be seen: five groups give no p-value below
        0.0625.
    """
    return _least(lambda effect: power(changes, clips, effect=effect, **how) >= target)


def least_lead(
    sums: Floats,
    clips: Floats,
    *,
    target: float = 0.8,
    level: float = 0.05,
    n_simulations: int = 200,
    random_state: int = 0,
) -> float:
    """Return by how much the first of several attempts must truly be ahead of the second to be told apart from it.

    Parameters
    ----------
    sums : ndarray, shape (n_attempts, n_groups)
        In how many clips of each group each attempt is right.
    clips : ndarray, shape (n_groups,)
        Clips of each group.
    target : float
        Power asked for.
    level : float
        Chance of any false difference among all pairs, see `intervals.joint_sign_flips`.
    n_simulations : int
        Number of studies drawn: groups with replacement from those there are, for all attempts alike, with the first
        moved.
    random_state : int
        Seed of the draws.

    Returns
    -------
    float
        As a fraction of the clips, to a hundredth or better; infinite where no lead is enough.
    """
    sums, clips = finite("sums", sums), finite("numbers of clips", clips)
    n_groups = len(clips)
    if least_p(n_groups) > level:
        return float("inf")
    drawn = np.random.default_rng(random_state).integers(n_groups, size=(n_simulations, n_groups))
    lead = (sums[0] - sums[1]).sum() / clips.sum()

    def seen(effect: float) -> bool:
        moved = sums.copy()
        moved[0] += (effect - lead) * clips
        adjusted = [joint_sign_flips(moved[:, one], _N_JOINT, random_state)[1][0] for one in drawn]
        return bool(np.mean(np.array(adjusted) <= level) >= target)

    return _least(seen, 0.01)


def _least(enough: Callable[[float], bool], precision: float = 0.001) -> float:
    """Return the least effect up to 1 that is enough, infinite where not even 1 is."""
    low, high = 0.0, 1.0
    if not enough(high):
        return float("inf")
    while high - low > precision:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return round(high, 3)


def settle(
    first: Result, second: Result, *, target: float = 0.8, at_most: int = 2000, **how: Any
) -> pd.Series:
    """Describe what it would take to settle a comparison of two stored results.

    Parameters
    ----------
    first, second : Result
        On the same data set.
    target : float
        Power asked for.
    at_most : int
        See `groups_needed`.
    **how
        Passed on to `power`, such as ``n_comparisons``.

    Returns
    -------
    Series
        ``n_groups`` and ``n_seeds`` that there are, ``power`` with them, ``groups_needed`` in all with as many seeds,
        ``power_with_more_seeds``, three times as many with the same groups, and ``least_difference`` that these groups
        would show.
    """
    changes, clips = group_changes(first, second)
    n_groups, n_seeds = changes.shape
    return pd.Series(
        {
            "n_groups": n_groups,
            "n_seeds": n_seeds,
            "power": power(changes, clips, **how),
            "groups_needed": groups_needed(changes, clips, target=target, at_most=at_most, **how),
            "power_with_more_seeds": power(changes, clips, n_seeds=3 * n_seeds, **how),
            "least_difference": least_difference(changes, clips, target=target, **how),
        }
    )
