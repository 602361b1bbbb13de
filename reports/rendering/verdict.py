"""The verdict on a data set: which attempt to take, and how far the data support that."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..analysis import tables
from ..analysis.columns import COLUMNS, percent, with_unit
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
from ..statistics.intervals import accuracy, bootstrap_interval, confusion_matrix
from ..statistics.paired import min_p_value
from .prose import join_first, join_names

# Largest number of attempts at the first place that are all named.
_MAX_NAMED = 3
# Costs by which the cheapest attempt is found, the first decides, and what each is for.
_COSTS = {"latency_p50_ms": "for one clip", "fit_seconds": "to fit"}
_UNITS = {column.name: column.unit for column in COLUMNS}
# Largest number of ties with the best attempt for which studies are simulated, as that takes time.
_MAX_TIES = 12
# Rivals for which the required groups are estimated, largest number of groups, and number of simulated studies.
_N_RIVALS, _MAX_GROUPS, _N_STUDIES = 3, 500, 400


class Verdict(NamedTuple):
    """What a reader wants to know first, in sentences; an empty string where there is nothing to say.

    Attributes
    ----------
    lead : str
        Which attempts share the first place, how accurate they are, and what the cheapest of them costs.
    weakness : str
        At what that one fails.
    trust : str
        How much data there are, and whether anything warns of them.
    tested : str
        How that was tested, and what the test found.
    power : str
        Which difference would have been found.
    """

    lead: str
    weakness: str = ""
    trust: str = ""
    tested: str = ""
    power: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, self))


def verdict(
    results: list[Result], found: pd.DataFrame | None = None, rows: pd.DataFrame | None = None
) -> Verdict:
    """Describe which attempt to take, and how far the data support that.

    Parameters
    ----------
    results : list of Result
        On one data set under one split. Compared are those of `pairs.ranked`, by the tests of `pairs.pairs`, so that
        the verdict never contradicts the rank intervals of `pairs.rank_attempts`.
    found : DataFrame, optional
        From `pairs.pairs` of them, if known.
    rows : DataFrame, optional
        Of `tables.score`, for costs; without, none is named.
    """
    dataset = results[0].dataset
    compared = ranked(results)
    scored = compared or [result for result in results if len(result.positions)]
    if not scored:
        return Verdict(f"No attempt has finished a fold on {dataset}.")
    best = compared[0] if compared else max(scored, key=lambda one: accuracy(one.correct, one.weights))
    trust = _trust(best, results if compared else [])
    if not compared:
        lead = (
            f"No attempt has finished all of its cells on {dataset}, so that none is compared. Of those that have "
            f"finished some, {best.attempt} gets {_share(best)} of {best.n_clips} clips right."
        )
        return Verdict(lead, _weakness(best), trust)
    found = pairs(compared, intervals=False) if found is None and len(compared) > 1 else found
    against = pd.DataFrame() if found is None or found.empty else found[found["second"] == best.attempt]
    names = [] if against.empty else against.loc[~against["significant"], "first"].tolist()
    tied = [best, *(result for result in compared if result.attempt in names)]
    chosen, costs = _cheapest(tied, rows)
    return Verdict(
        _lead(tied, len(compared)) + costs,
        _weakness(chosen),
        trust,
        _tested(against, best, names),
        "" if against.empty else _detectable(tied, int(against["n_groups"].iloc[0])),
    )


def _lead(tied: list[Result], n_compared: int) -> str:
    best, dataset = tied[0], tied[0].dataset
    low, high = map(percent, bootstrap_interval(best.correct, best.groups, best.weights))
    if n_compared == 1:
        right = f"gets {_share(best)} of {best.n_clips} clips right [{low}, {high}]"
        return f"{best.attempt} {right} on {dataset}; there is no other attempt to compare it with."
    if len(tied) == 1:
        return (
            f"{best.attempt} is the most accurate on {dataset}: it gets {_share(best)} of {best.n_clips} clips right "
            f"[{low}, {high}], significantly more than any other."
        )
    names = [result.attempt for result in tied]
    ends = sorted({percent(accuracy(result.correct, result.weights)) for result in tied}, key=float)
    shares = f"{ends[0]} % each" if len(ends) == 1 else f"{ends[0]} to {ends[-1]} %"
    named = len(tied) <= _MAX_NAMED
    together = join_names(names) if named else f"{len(tied)} of {n_compared} attempts"
    most = "" if named or len(ends) == 1 else f", {best.attempt} the most"
    return (
        f"On {dataset}, {together} share the first place: they get {shares} of {best.n_clips} clips right{most}, and "
        "these data cannot tell which of them is better."
    )


def _share(result: Result) -> str:
    return f"{percent(accuracy(result.correct, result.weights))} %"


def _cheapest(tied: list[Result], rows: pd.DataFrame | None) -> tuple[Result, str]:
    """Return the cheapest of some attempts, the first where costs are not known, with a sentence on its costs."""
    by_name = {result.attempt: result for result in tied}
    if rows is None or not set(_COSTS) & set(rows):
        return tied[0], ""
    own = rows[rows["attempt"].isin(by_name)]
    known = [name for name in _COSTS if name in own and own[name].notna().all()]
    if not known:
        return tied[0], ""
    order = own.sort_values(known, kind="stable")
    first: Any = order.iloc[0]
    costs = join_names([f"{with_unit(float(first[name]), _UNITS[name])} {_COSTS[name]}" for name in known])
    chosen = by_name[first["attempt"]]
    if len(tied) == 1:
        return chosen, f" It takes {costs}."
    return chosen, f" The cheapest of them is {chosen.attempt}: {costs}."


def _weakness(result: Result) -> str:
    """Describe the class at which an attempt fails most, and what it takes it for."""
    counts = confusion_matrix(result.truth, result.predicted, len(result.classes))
    totals = counts.sum(axis=1)
    if np.allclose(counts, np.diag(counts.diagonal())):
        return f"{result.attempt} makes no mistake on these clips."
    shares = np.divide(counts.diagonal(), totals, out=np.ones(len(totals)), where=totals > 0)
    worst = int(np.argmin(shares))
    wrong = counts[worst] * (np.arange(len(counts)) != worst)
    other = int(np.argmax(wrong))
    return (
        f"{result.attempt} fails most often at {result.classes[worst]}: {100 * shares[worst]:.0f} % of these clips are "
        f"right, {100 * wrong[other] / totals[worst]:.0f} % are taken for {result.classes[other]}."
    )


def _trust(best: Result, results: list[Result]) -> str:
    n_groups, n_classes = len(set(best.groups.tolist())), len(best.classes)
    size = f"{best.n_clips} clips of {n_groups} group{'s' * (n_groups != 1)} in {n_classes} classes, {best.split}"
    n_warnings = len(tables.dataset_warnings(best))
    many = n_warnings != 1
    warned = (
        f"{n_warnings} warning{'s' * many} on these data limit{'s' * (not many)} this conclusion."
        if n_warnings
        else "There is no warning on these data."
    )
    left = [result.attempt for result in results if not result.complete and result.attempt == result.base]
    excluded = f" Excluded because not all of their cells finished: {join_first(left)}." if left else ""
    return f"The data are {size}. {warned}{excluded}"


def _tested(against: pd.DataFrame, best: Result, names: list[str]) -> str:
    """Describe the test, and which of the others are significantly less accurate than the first."""
    if against.empty:
        return ""
    n_groups = int(against["n_groups"].iloc[0])
    test = (
        f"Tested by joint sign flips over {n_groups} groups at {100 * LEVEL:.0f} %, all pairs as one family"
    )
    if not names:
        which = f"{against['first'].iloc[0]} is" if len(against) == 1 else "all others are"
        return f"{test}: {which} significantly less accurate than {best.attempt}."
    which = "any other attempt" if len(names) == len(against) else join_first(names)
    return f"{test}: the difference of {best.attempt} to {which} is not significant."


def _detectable(tied: list[Result], n_groups: int) -> str:
    """Return which true lead of the first over the others, which tie with it, would be significant."""
    if min_p_value(n_groups) > LEVEL:
        return "With so few groups no difference can be significant."
    if not 1 < len(tied) <= 1 + _MAX_TIES:
        return ""
    sums, clips = group_table(tied)
    # The one over which a lead is hardest to detect.
    hardest = 1 + int(change_spread(sums[0] - sums[1:], clips).argmax())
    lead = lead_of_pair(sums, clips, 0, hardest)
    pair = f"between {tied[0].attempt} and {tied[hardest].attempt}"
    if math.isinf(lead):
        return f"No true difference {pair}, however large, would be significant in 80 % of studies."
    return f"A true difference of {100 * lead:.0f} points {pair} would be significant in 80 % of studies."


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
