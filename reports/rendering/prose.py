"""What a comparison found, in words: what was compared, by which test, what follows, and what does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from ..statistics.rank_intervals import cliques, rank_table
from ..statistics.ranks import critical_difference, friedman, nemenyi, wilcoxon_pairs, without_holes

# Attempts, sets of them, and pairs that a paragraph names; the first of many.
_MOST_PLACES, _MOST_SETS, _MOST_PAIRS = 12, 4, 4


def listed(names: list[str]) -> str:
    """Join names as in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def some(names: list[str], most: int = 6) -> str:
    """Join names as in a sentence, of more than so many only the first.

    Examples
    --------
    >>> some(["a", "b", "c", "d"], most=3)
    'a, b and 2 others'
    """
    if len(names) <= most:
        return listed(names)
    return listed([*names[: most - 1], f"{len(names) - most + 1} others"])


def p_text(p_value: float) -> str:
    """Write a p-value with two digits, and as ``p < 0.0001`` where it is smaller; never as 0.

    Examples
    --------
    >>> p_text(0.0314), p_text(0.5), p_text(1e-9), p_text(0.99999)
    ('p = 0.031', 'p = 0.5', 'p < 0.0001', 'p = 1')
    """
    return "p < 0.0001" if p_value < 1e-4 else f"p = {p_value:.2g}"


def pair_words(
    first: str,
    second: str,
    found: pd.Series,
    *,
    p_value: float | None = None,
    n_comparisons: int = 1,
    level: float = 0.05,
    least_difference: float | None = None,
    groups_needed: float | None = None,
) -> str:
    """Describe what a comparison of two attempts on one data set found.

    Parameters
    ----------
    first, second : str
        Names of the attempts.
    found : Series
        From `paired.paired_test` of the two.
    p_value : float, optional
        Adjusted for the number of comparisons; that of ``found`` by default.
    n_comparisons : int
        How many were made.
    level : float
        Above it, nothing was found.
    least_difference, groups_needed : float, optional
        From `power.least_difference` and `power.groups_needed`, said where nothing was found.

    Returns
    -------
    str
        A paragraph.
    """
    p_value = float(found["p_value"] if p_value is None else p_value)
    gain, low, high = (100 * float(found[name]) for name in ("difference", "low", "high"))
    correction = f", Holm's correction for {n_comparisons} comparisons" if n_comparisons > 1 else ""
    said = (
        f"{second} was compared with {first} on {found['n_clips']:.0f} clips of {found['n_groups']:.0f} groups by a "
        f"sign-flip test over groups{correction}: it is right {abs(gain):.1f} points {'more' if gain >= 0 else 'less'} "
        f"often [{low:+.1f}, {high:+.1f}], {p_text(p_value)}."
    )
    return " ".join([said, *_follows(first, second, found, p_value, n_comparisons, level, low, high)]) + (
        _planned(least_difference, groups_needed) if p_value > level else ""
    )


def _follows(
    first: str,
    second: str,
    found: pd.Series,
    p_value: float,
    n_comparisons: int,
    level: float,
    low: float,
    high: float,
) -> Iterator[str]:
    if p_value <= level:
        better, worse = (second, first) if found["difference"] > 0 else (first, second)
        yield f"It follows that {better} is better than {worse} on new groups like these."
        yield (
            "It does not follow that it is so on other data, nor that the gain is larger than the interval's near end."
        )
    elif found["least_p"] * n_comparisons > level:
        yield "Nothing follows: so few groups differ that whatever the difference, the test could not have shown it."
    else:
        yield (
            f"It does not follow that either is better, nor that they are equal: {low:+.1f} and {high:+.1f} points "
            "both agree with what was seen."
        )
    if (p_value <= level) != (low > 0 or high < 0):
        yield (
            "Interval and test do not agree here: the one is of one comparison and approximate, the other is exact and "
            "decides."
        )


def _planned(least_difference: float | None, groups_needed: float | None) -> str:
    said = ""
    if least_difference is not None:
        said += (
            f" Groups like these show a true difference of {100 * least_difference:.0f} points in four of five studies."
            if np.isfinite(least_difference)
            else " So few groups show no difference, however large."
        )
    if groups_needed is not None:
        said += (
            f" If the difference is as large as it seems, about {groups_needed:.0f} groups would settle it."
            if np.isfinite(groups_needed)
            else " If the difference is as small as it seems, no affordable number of groups would settle it."
        )
    return said


def disagreements(
    scores: pd.DataFrame, *, higher_is_better: bool = True, level: float = 0.05
) -> pd.DataFrame:
    """Return the pairs of attempts that one of two tests tells apart and the other does not.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        Without holes.
    higher_is_better : bool
        Direction of the scores.
    level : float
        Of both tests, each adjusted for the number of pairs.

    Returns
    -------
    DataFrame
        ``first``, ``second``, ``p_nemenyi``, ``p_wilcoxon`` (by itself) and ``p_holm`` (Wilcoxon's, adjusted).
    """
    ranked = nemenyi(scores, higher_is_better=higher_is_better)
    pairs = wilcoxon_pairs(scores, higher_is_better=higher_is_better)
    pairs["p_nemenyi"] = [ranked.loc[one, other] for one, other in pairs[["first", "second"]].to_numpy()]
    differ = (pairs["p_nemenyi"] <= level) != (pairs["p_holm"] <= level)
    chosen = pairs[differ].rename(columns={"p_value": "p_wilcoxon"})
    return chosen[["first", "second", "p_nemenyi", "p_wilcoxon", "p_holm"]].reset_index(drop=True)


def several_words(
    scores: pd.DataFrame, *, higher_is_better: bool = True, level: float = 0.05, holes: str = "refuse"
) -> str:
    """Describe what a comparison of attempts over several data sets found.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        NaN where an attempt has no score.
    higher_is_better : bool
        Direction of the scores.
    level : float
        Chance of any false difference.
    holes : str
        What becomes of missing scores, see `ranks.without_holes`.

    Returns
    -------
    str
        A paragraph.
    """
    whole, said = without_holes(scores, holes, higher_is_better=higher_is_better)
    overall = friedman(whole, higher_is_better=higher_is_better)
    exact = not np.isnan(overall["exact_p_value"])
    p_value = overall["exact_p_value" if exact else "f_p_value"]
    test = (
        "over all orders of the ranks on each,"
        if exact
        else f"corrected for ties, in Iman and Davenport's form, F({overall['df']:.0f}, {overall['df_error']:.0f}) = "
        f"{overall['f_statistic']:.3g},"
    )
    parts = [
        f"{whole.shape[1]} attempts were compared by their ranks on {len(whole)} data sets ({said}).",
        f"By Friedman's test, {test} {p_text(p_value)},",
    ]
    if p_value > level:
        parts.append(
            "it does not follow that any of them ranks better than any other, nor that they are equal; so no pair is "
            "looked at."
        )
        return " ".join(parts)
    parts.append("they do not all rank alike.")
    parts += _places(whole, higher_is_better, level)
    if holes != "last":
        parts += _disagreeing(whole, higher_is_better, level)
    parts.append(
        "Attempts that cannot be told apart need not be equal, and none of this holds for data sets of another kind."
    )
    return " ".join(parts)


def _places(whole: pd.DataFrame, higher_is_better: bool, level: float) -> Iterator[str]:
    table = rank_table(whole, higher_is_better=higher_is_better, level=level)
    p_values = nemenyi(whole, higher_is_better=higher_is_better).loc[table.index, table.index]
    apart = critical_difference(whole.shape[1], len(whole), level)
    rows: Iterator[Any] = table.itertuples()
    places = [f"{row.Index} {row.mean_rank:.2f} (place {_span(row.rank_low, row.rank_high)})" for row in rows]
    yield f"Mean ranks: {some(places, _MOST_PLACES)}."
    alike = cliques(p_values, level)
    if not alike:
        yield f"By Nemenyi's test all are {apart:.3g} ranks apart or more, and differ."
        return
    sets = "; ".join(some(names, _MOST_PLACES) for names in alike[:_MOST_SETS])
    more = f"; and {len(alike) - _MOST_SETS} sets more" if len(alike) > _MOST_SETS else ""
    yield f"By Nemenyi's test, which asks for {apart:.3g} ranks, these cannot be told apart: {sets}{more}."


def _span(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high}"


def _disagreeing(whole: pd.DataFrame, higher_is_better: bool, level: float) -> Iterator[str]:
    found = disagreements(whole, higher_is_better=higher_is_better, level=level)
    rows: Iterator[Any] = found.head(_MOST_PAIRS).itertuples()
    for row in rows:
        yield (
            f"Two tests disagree on {row.first} and {row.second}: Nemenyi {p_text(row.p_nemenyi)}, Wilcoxon "
            f"{p_text(row.p_wilcoxon)}, with Holm's correction {p_text(row.p_holm)}."
        )
    if len(found) > _MOST_PAIRS:
        yield f"They disagree on {len(found) - _MOST_PAIRS} pairs more."
    if len(found):
        yield (
            "Nemenyi's compares places among all attempts and moves with who else takes part; Wilcoxon's takes the two "
            "alone and weighs how large their differences are. Where they disagree, say which was used and claim no "
            "more than that."
        )
