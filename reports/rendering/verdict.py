"""The verdict on a data set, in one or two sentences."""

from __future__ import annotations

import math

import pandas as pd

from ..analysis import tables
from ..analysis.columns import percent
from ..analysis.pairs import LEVEL, pairs, ranked
from ..analysis.power import (
    change_spread,
    group_changes,
    group_table,
    lead_of_pair,
    power,
    required_groups,
)
from ..analysis.results import Result
from ..statistics.intervals import accuracy, bootstrap_interval
from ..statistics.paired import min_p_value
from .prose import join_first

# Largest number of ties with the best attempt for which studies are simulated, as that takes time.
_MAX_TIES = 12
# Rivals for which the required groups are estimated, largest number of groups, and number of simulated studies.
_N_RIVALS, _MAX_GROUPS, _N_STUDIES = 3, 500, 400


def verdict(results: list[Result], found: pd.DataFrame | None = None) -> str:
    """Describe which attempt is the most accurate, and which do not differ significantly from it.

    Parameters
    ----------
    results : list of Result
        On one data set under one split. Compared are those of `pairs.ranked`, by the tests of `pairs.pairs`, so that
        the verdict never contradicts the rank intervals of `pairs.rank_attempts`.
    found : DataFrame, optional
        From `pairs.pairs` of them, if known.
    """
    where = f"On {results[0].dataset} ({results[0].split})"
    compared = ranked(results)
    scored = compared or [result for result in results if len(result.positions)]
    if not scored:
        return f"{where} no attempt has finished a fold."
    best = compared[0] if compared else max(scored, key=lambda one: accuracy(one.correct, one.weights))
    share = accuracy(best.correct, best.weights)
    low, high = map(percent, bootstrap_interval(best.correct, best.groups, best.weights))
    n_equal = sum(math.isclose(accuracy(one.correct, one.weights), share) for one in scored)
    first = f"{best.attempt} has the highest accuracy{', with others' if n_equal > 1 else ''}"
    text = f"{where}, {first}: {percent(share)} % of {best.n_clips} clips [{low}, {high}]"
    left = [result.attempt for result in results if not result.complete and result.attempt == result.base]
    excluded = (
        f" Excluded because not all of their cells finished: {join_first(left)}." if left and compared else ""
    )
    limits = " The warnings on this data set limit this conclusion." if tables.dataset_warnings(best) else ""
    return f"{text}{_rivals(compared, found)}{excluded}{limits}"


def _rivals(compared: list[Result], found: pd.DataFrame | None) -> str:
    """Continue the sentence: which of the others are significantly less accurate than the first."""
    if not compared:
        return "; as no attempt has finished all of its cells, none is compared with it."
    if len(compared) == 1:
        return "; there is no other attempt to compare it with."
    found = pairs(compared, intervals=False) if found is None else found
    against = found[found["second"] == compared[0].attempt]
    n_groups = int(against["n_groups"].iloc[0])
    test = f"joint sign flips over {n_groups} groups at {100 * LEVEL:.0f} %"
    ties = against.loc[~against["significant"], "first"].tolist()
    if not ties:
        which = f"{against['first'].iloc[0]} is" if len(against) == 1 else "all others are"
        return f"; {which} significantly less accurate ({test})."
    which = "any other attempt" if len(ties) == len(against) else join_first(ties)
    tied = [result for result in compared if result.attempt in ties]
    return f"; the difference to {which} is not significant ({test}).{_detectable([compared[0], *tied], n_groups)}"


def _detectable(tied: list[Result], n_groups: int) -> str:
    """Return which true lead of the first over the others, which tie with it, would be significant."""
    if min_p_value(n_groups) > LEVEL:
        return " With so few groups no difference can be significant."
    if len(tied) > _MAX_TIES:
        return ""
    sums, clips = group_table(tied)
    # The one over which a lead is hardest to detect.
    hardest = 1 + int(change_spread(sums[0] - sums[1:], clips).argmax())
    lead = lead_of_pair(sums, clips, 0, hardest)
    if math.isinf(lead):
        return " No true difference, however large, would be significant in 80 % of studies."
    return f" A true difference of {100 * lead:.0f} points would be significant in 80 % of studies."


def required_studies(results: list[Result], found: pd.DataFrame) -> list[str]:
    """Describe how many groups are required for a significant difference between the best and its nearest rivals.

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
    tied = found[(found["second"] == best.attempt) & ~found["significant"] & (found["difference"] > 0)]
    return [_required_study(by_name[name], best) for name in tied["first"].head(_N_RIVALS)]


def _required_study(rival: Result, best: Result) -> str:
    changes, clips = group_changes(rival, best)
    n_groups, n_seeds = changes.shape
    required = required_groups(changes, clips, max_groups=_MAX_GROUPS, n_simulations=_N_STUDIES)
    groups = f"about {required:.0f} groups" if math.isfinite(required) else f"more than {_MAX_GROUPS} groups"
    seeds = ""
    if n_seeds > 1:
        more = power(changes, clips, n_seeds=3 * n_seeds, n_simulations=_N_STUDIES)
        seeds = f"; the present {n_groups} groups with three times as many seeds have a power of {100 * more:.0f} %"
    return (
        f"{best.attempt} and {rival.attempt}: if the true difference equals the observed one, {groups} are required "
        f"for a power of 80 % in a comparison of these two alone{seeds}."
    )
