"""Results of comparisons as sentences: what was compared, by which test, and what can be concluded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from ..statistics.rank_intervals import cliques, rank_table
from ..statistics.ranks import complete_scores, critical_difference, friedman, nemenyi, wilcoxon_pairs

# Largest numbers of attempts, sets of attempts, and pairs that a paragraph names, and of rivals in a lead.
_MAX_ATTEMPTS, _MAX_SETS, _MAX_PAIRS, _MAX_RIVALS = 12, 4, 4, 4


def join_names(names: list[str]) -> str:
    """Join names as in a sentence.

    Examples
    --------
    >>> join_names(["a", "b", "c"])
    'a, b and c'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def join_first(names: list[str], limit: int = 6) -> str:
    """Join names as in a sentence; of more than ``limit`` only the first are named.

    Examples
    --------
    >>> join_first(["a", "b", "c", "d"], limit=3)
    'a, b and 2 others'
    """
    if len(names) <= limit:
        return join_names(names)
    return join_names([*names[: limit - 1], f"{len(names) - limit + 1} others"])


def p_text(p_value: float) -> str:
    """Format a p-value with two digits, or as ``p < 0.0001``; never as 0.

    Examples
    --------
    >>> p_text(0.0314), p_text(0.5), p_text(1e-9), p_text(0.99999)
    ('p = 0.031', 'p = 0.5', 'p < 0.0001', 'p = 1')
    """
    return "p < 0.0001" if p_value < 1e-4 else f"p = {p_value:.2g}"


def describe_pair(
    first: str,
    second: str,
    found: pd.Series,
    *,
    p_value: float | None = None,
    n_comparisons: int = 1,
    level: float = 0.05,
    detectable_difference: float | None = None,
    required_groups: float | None = None,
) -> str:
    """Describe the comparison of two attempts on one data set.

    Parameters
    ----------
    first, second : str
        Names of the attempts.
    found : Series
        From `paired.paired_test` of the two.
    p_value : float, optional
        Adjusted for the number of comparisons; that of ``found`` by default.
    n_comparisons : int
        Number of comparisons.
    level : float
        Level of significance.
    detectable_difference, required_groups : float, optional
        From `power.detectable_difference` and `power.required_groups`; reported if the difference is not significant.

    Returns
    -------
    str
        A paragraph.
    """
    p_value = float(found["p_value"] if p_value is None else p_value)
    gain, low, high = (100 * float(found[name]) for name in ("difference", "low", "high"))
    correction = f", Holm's correction for {n_comparisons} comparisons" if n_comparisons > 1 else ""
    text = (
        f"{second} was compared with {first} on {found['n_clips']:.0f} clips of {found['n_groups']:.0f} groups by a "
        f"sign-flip test over groups{correction}: its accuracy is {abs(gain):.1f} points "
        f"{'higher' if gain >= 0 else 'lower'} [{low:+.1f}, {high:+.1f}], {p_text(p_value)}."
    )
    return " ".join([text, *_conclusions(first, second, found, p_value, n_comparisons, level, low, high)]) + (
        _power_text(detectable_difference, required_groups) if p_value > level else ""
    )


def _conclusions(
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
        yield f"{better} is significantly more accurate than {worse} on new groups like these."
        yield (
            "This does not extend to other data, and the true difference may be as small as the end of the interval "
            "nearest to 0."
        )
    elif found["min_p_value"] * n_comparisons > level:
        yield "The test has no power: with so few groups that differ, no difference could be significant."
    else:
        yield (
            f"The difference is not significant, which does not show that the two are equal: differences of {low:+.1f} "
            f"and {high:+.1f} points are both compatible with the data."
        )
    if (p_value <= level) != (low > 0 or high < 0):
        yield (
            "Interval and test disagree: the interval is approximate and not adjusted for other comparisons, the test "
            "is exact and decides."
        )


def _power_text(detectable_difference: float | None, required_groups: float | None) -> str:
    text = ""
    if detectable_difference is not None:
        text += (
            f" With groups like these, a true difference of {100 * detectable_difference:.0f} points is significant in "
            "80 % of studies."
            if np.isfinite(detectable_difference)
            else " With so few groups, no difference can be significant."
        )
    if required_groups is not None:
        text += (
            f" If the true difference equals the observed one, about {required_groups:.0f} groups are required."
            if np.isfinite(required_groups)
            else " If the true difference equals the observed one, no feasible number of groups suffices."
        )
    return text


def disagreements(
    scores: pd.DataFrame, *, higher_is_better: bool = True, level: float = 0.05
) -> pd.DataFrame:
    """Return the pairs of attempts whose difference is significant by only one of two tests.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        Without missing scores.
    higher_is_better : bool
        Direction of the scores.
    level : float
        Of both tests, each adjusted for the number of pairs.

    Returns
    -------
    DataFrame
        ``first``, ``second``, ``p_nemenyi``, ``p_wilcoxon`` (unadjusted) and ``p_holm`` (Wilcoxon's, adjusted).
    """
    ranked = nemenyi(scores, higher_is_better=higher_is_better)
    pairs = wilcoxon_pairs(scores, higher_is_better=higher_is_better)
    pairs["p_nemenyi"] = [ranked.loc[one, other] for one, other in pairs[["first", "second"]].to_numpy()]
    disagree = (pairs["p_nemenyi"] <= level) != (pairs["p_holm"] <= level)
    chosen = pairs[disagree].rename(columns={"p_value": "p_wilcoxon"})
    return chosen[["first", "second", "p_nemenyi", "p_wilcoxon", "p_holm"]].reset_index(drop=True)


def describe_ranks(
    scores: pd.DataFrame, *, higher_is_better: bool = True, level: float = 0.05, missing: str = "raise"
) -> str:
    """Describe the comparison of attempts over several data sets.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        NaN where an attempt has no score.
    higher_is_better : bool
        Direction of the scores.
    level : float
        Family-wise error rate.
    missing : str
        Treatment of missing scores, see `ranks.complete_scores`.

    Returns
    -------
    str
        A paragraph.
    """
    whole, note = complete_scores(scores, missing, higher_is_better=higher_is_better)
    overall = friedman(whole, higher_is_better=higher_is_better)
    exact = not np.isnan(overall["exact_p_value"])
    p_value = overall["exact_p_value" if exact else "f_p_value"]
    test = (
        "exact"
        if exact
        else f"corrected for ties, Iman and Davenport's F({overall['df']:.0f}, {overall['df_error']:.0f}) = "
        f"{overall['f_statistic']:.3g}"
    )
    parts = [
        f"{whole.shape[1]} attempts were compared by their ranks on {len(whole)} data sets ({note}).",
        f"By Friedman's test ({test}, {p_text(p_value)})",
    ]
    if p_value > level:
        parts.append(
            "the ranks do not differ significantly, which does not show that the attempts are equal; pairs are "
            "therefore not compared."
        )
        return " ".join(parts)
    parts.append("the ranks differ significantly.")
    parts += _nemenyi_text(whole, higher_is_better, level)
    if missing != "last":
        parts += _disagreement_text(whole, higher_is_better, level)
    parts.append(
        "Attempts without a significant difference need not be equal, and the result does not extend to data sets of "
        "another kind."
    )
    return " ".join(parts)


def lead_of_ranks(scores: pd.DataFrame, *, level: float = 0.05) -> str:
    """Say which attempts have the first place over several data sets, by the tests of `describe_ranks`.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        Higher is better; none is missing.
    level : float
        Family-wise error rate.

    Returns
    -------
    str
        A sentence.

    Examples
    --------
    >>> scores = pd.DataFrame({"good": [0.9, 0.8, 0.7, 0.9, 0.8, 0.9], "bad": [0.1, 0.2, 0.2, 0.1, 0.3, 0.2]})
    >>> lead_of_ranks(scores)
    'good is the most accurate over 6 data sets: its mean rank is 1 of 2, significantly better than that of any other.'
    """
    overall = friedman(scores)
    n_attempts, over = scores.shape[1], f"{len(scores)} data sets"
    p_value = overall["f_p_value" if np.isnan(overall["exact_p_value"]) else "exact_p_value"]
    if p_value > level:
        return f"Over {over}, these data cannot tell which of {n_attempts} attempts is the best."
    ranks = rank_table(scores)["mean_rank"]
    best = str(ranks.index[0])
    p_values = nemenyi(scores)[best]
    tied = [str(name) for name in ranks.index[1:] if p_values[name] > level]
    mean = f"mean rank is {ranks.iloc[0]:.3g} of {n_attempts}"
    if not tied:
        return f"{best} is the most accurate over {over}: its {mean}, significantly better than that of any other."
    return (
        f"Over {over}, {best} has the best ranks: its {mean}, but these data sets cannot tell it from "
        f"{join_first(tied, _MAX_RIVALS)}."
    )


def _nemenyi_text(whole: pd.DataFrame, higher_is_better: bool, level: float) -> Iterator[str]:
    table = rank_table(whole, higher_is_better=higher_is_better, level=level)
    p_values = nemenyi(whole, higher_is_better=higher_is_better).loc[table.index, table.index]
    critical = critical_difference(whole.shape[1], len(whole), level)
    rows: Iterator[Any] = table.itertuples()
    ranks = [f"{row.Index} {row.mean_rank:.2f} (rank {_span(row.rank_low, row.rank_high)})" for row in rows]
    yield f"Mean ranks: {join_first(ranks, _MAX_ATTEMPTS)}."
    ties = cliques(p_values, level)
    if not ties:
        yield f"By Nemenyi's test all pairs differ significantly, by at least {critical:.3g} ranks."
        return
    sets = "; ".join(join_first(names, _MAX_ATTEMPTS) for names in ties[:_MAX_SETS])
    more = f"; and {len(ties) - _MAX_SETS} more sets" if len(ties) > _MAX_SETS else ""
    yield (
        f"By Nemenyi's test, with a critical difference of {critical:.3g} ranks, there is no significant difference "
        f"among {sets}{more}."
    )


def _span(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low} to {high}"


def _disagreement_text(whole: pd.DataFrame, higher_is_better: bool, level: float) -> Iterator[str]:
    found = disagreements(whole, higher_is_better=higher_is_better, level=level)
    rows: Iterator[Any] = found.head(_MAX_PAIRS).itertuples()
    for row in rows:
        yield (
            f"Two tests disagree on {row.first} and {row.second}: Nemenyi {p_text(row.p_nemenyi)}, Wilcoxon "
            f"{p_text(row.p_wilcoxon)}, with Holm's correction {p_text(row.p_holm)}."
        )
    if len(found) > _MAX_PAIRS:
        yield f"They disagree on {len(found) - _MAX_PAIRS} more pairs."
    if len(found):
        yield (
            "Nemenyi's test compares mean ranks among all attempts and depends on which others take part; Wilcoxon's "
            "compares the two alone and ranks the sizes of their differences. Where they disagree, report which test "
            "was used."
        )
