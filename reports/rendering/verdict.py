"""What a store of results comes to, in one or two sentences."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ..analysis import tables
from ..analysis.columns import percent
from ..analysis.pairs import LEVEL, pairs, ranked, shares_right
from ..analysis.power import least_lead, settle
from ..analysis.results import Result
from ..statistics.intervals import accuracy, bootstrap_interval, group_sums
from ..statistics.paired import least_p
from .prose import some

# To simulate studies of more attempts that tie with the best takes longer than a page may.
_SIMULATED = 12
# Rivals of which is said what would settle the comparison, groups that are thought of, and studies drawn.
_SETTLED, _MOST_GROUPS, _N_STUDIES = 3, 500, 400


def verdict(results: list[Result], found: pd.DataFrame | None = None) -> str:
    """Describe in words which attempt is the most accurate, and which cannot be told apart from it.

    Parameters
    ----------
    results : list of Result
        On one data set under one split. Who is compared is said by `pairs.ranked`, who can be told apart by
        `pairs.pairs`; so it never contradicts the places of `pairs.rank_attempts`.
    found : DataFrame, optional
        From `pairs.pairs` of them, where it is at hand.
    """
    where = f"On {results[0].dataset} ({results[0].split})"
    compared = ranked(results)
    begun = compared or [result for result in results if len(result.positions)]
    if not begun:
        return f"{where} no attempt has finished a fold."
    best = compared[0] if compared else max(begun, key=lambda one: accuracy(one.correct, one.weights))
    share = accuracy(best.correct, best.weights)
    low, high = map(percent, bootstrap_interval(best.correct, best.groups, best.weights))
    alike = sum(math.isclose(accuracy(one.correct, one.weights), share) for one in begun)
    first = (
        f"{best.attempt} has the highest accuracy"
        if alike == 1
        else f"no attempt is more accurate than {best.attempt}"
    )
    words = f"{where}, {first}: {percent(share)} % of {best.n_clips} clips [{low}, {high}]"
    left = [result.attempt for result in results if not result.complete and result.attempt == result.base]
    passed = (
        f" Passed over because not all of their cells finished: {some(left)}." if left and compared else ""
    )
    mind = " The warnings of this data set limit what that shows." if tables.dataset_warnings(best) else ""
    return f"{words}{_rivals(compared, found)}{passed}{mind}"


def _rivals(compared: list[Result], found: pd.DataFrame | None) -> str:
    """Go on with the sentence: which of the others are worse than the first."""
    if not compared:
        return "; no attempt has finished all of its cells, so that none is compared with it."
    if len(compared) == 1:
        return "; there is no other to compare it with."
    found = pairs(compared, intervals=False) if found is None else found
    against = found[found["second"] == compared[0].attempt]
    n_groups = int(against["n_groups"].iloc[0])
    test = f"joint sign flips over {n_groups} groups at {100 * LEVEL:.0f} %"
    ties = against.loc[~against["apart"], "first"].tolist()
    if not ties:
        which = f"{against['first'].iloc[0]} is" if len(against) == 1 else "all others are"
        return f"; {which} less accurate ({test})."
    which = "no other attempt can" if len(ties) == len(against) else f"{some(ties)} cannot"
    tied = [result for result in compared if result.attempt in ties]
    return f"; {which} be told apart from it ({test}).{_seen([compared[0], *tied], n_groups)}"


def _seen(tied: list[Result], n_groups: int) -> str:
    """Return which true lead of the first over the others, which tie with it, would have been seen."""
    if least_p(n_groups) > LEVEL:
        return " So few groups could not have shown any difference."
    if len(tied) > _SIMULATED:
        return ""
    right, groups = shares_right(tied)
    *rows, clips = group_sums(groups, *right, np.ones(len(groups)))
    sums = np.array(rows)
    leads = sums[0] - sums[1:]
    # The one over which a lead is hardest to see.
    spread = (leads - leads.sum(axis=1, keepdims=True) / clips.sum() * clips).std(axis=1)
    hardest = 1 + int(spread.argmax())
    least = least_lead(sums[[0, hardest, *(n for n in range(1, len(sums)) if n != hardest)]], clips)
    if math.isinf(least):
        return " Not even the largest true difference would be found four times in five."
    return f" A true difference of {100 * least:.0f} points would be found four times in five."


def settling(results: list[Result], found: pd.DataFrame) -> list[str]:
    """Describe how many groups it would take to tell the nearest rivals apart from the most accurate attempt.

    Parameters
    ----------
    results : list of Result
        On one data set under one split.
    found : DataFrame
        From `pairs.pairs` of them.
    """
    if found.empty:
        return []
    by_name = {result.attempt: result for result in results}
    best = by_name[found["second"].iloc[0]]
    tied = found[(found["second"] == best.attempt) & ~found["apart"] & (found["difference"] > 0)]
    return [_settled(by_name[name], best) for name in tied["first"].head(_SETTLED)]


def _settled(rival: Result, best: Result) -> str:
    facts = settle(rival, best, at_most=_MOST_GROUPS, n_simulations=_N_STUDIES)
    needed = facts["groups_needed"]
    groups = f"about {needed:.0f} groups" if math.isfinite(needed) else f"more than {_MOST_GROUPS} groups"
    seeds = ""
    if facts["n_seeds"] > 1:
        share = facts["power_with_more_seeds"]
        seeds = f"; these {facts['n_groups']:.0f} with three times as many seeds would {100 * share:.0f} times in 100"
    return (
        f"{best.attempt} and {rival.attempt}: if the difference is as large as it seems, {groups} would show it four "
        f"times in five, were the two compared alone{seeds}."
    )
