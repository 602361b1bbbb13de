"""Ranks of attempts over data sets where only scores are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...errors import ActionbenchError
from ..statistics.rank_intervals import rank_table

__all__ = ["LIMITS", "ScoreComparison", "compare_scores"]

#: What scores do not tell.
LIMITS = (
    "Scores do not tell whether a difference on one data set is more than chance, which clips, groups or classes make "
    "it, how sure predictions are, or what they cost: predictions do. Data sets that share clips count as if they did "
    "not."
)


@dataclass(frozen=True)
class ScoreComparison:
    """What scores on several data sets allow.

    Attributes
    ----------
    ranks : DataFrame
        That of `rank_intervals.rank_table`, with ``attempt`` as a column, ``at_chance`` (data sets on which the attempt
        is at chance), ``chance_known`` (data sets on which that can be said) and ``identical`` (other attempts with the
        same scores on all data sets).
    cells : DataFrame
        One row for each data set and attempt: ``dataset``, ``attempt``, ``score``, ``score_low`` to ``score_high`` (95
        % interval over draws, NaN where there is one), ``n_draws``, ``chance`` and ``at_chance``.
    whole : DataFrame
        Mean scores, a row for each data set and a column for each attempt; NaN where they are missing.
    notes : list of str
        Sentences on rows at chance and on identical ones, and `LIMITS`.
    """

    ranks: pd.DataFrame
    cells: pd.DataFrame
    whole: pd.DataFrame
    notes: list[str]


def compare_scores(
    scores: pd.DataFrame, *, higher_is_better: bool = True, missing: str = "raise"
) -> ScoreComparison:
    """Compare attempts by their ranks over data sets.

    Parameters
    ----------
    scores : DataFrame
        ``dataset``, ``attempt``, ``seed``, ``score`` and ``chance``, a row for each score.
    higher_is_better : bool
        Direction of the scores.
    missing : {"raise", "drop", "last"}
        Treatment of missing scores, see `ranks.complete_scores`.

    Raises
    ------
    ActionbenchError
        If there are fewer than two data sets or attempts, or scores are missing and may not be.

    Examples
    --------
    >>> rows = [(data, name, 0, score, 0.5) for data in "xyz" for name, score in (("a", 0.9), ("b", 0.5))]
    >>> scores = pd.DataFrame(rows, columns=["dataset", "attempt", "seed", "score", "chance"])
    >>> found = compare_scores(scores)
    >>> found.ranks[["attempt", "mean_rank", "rank_low", "rank_high", "at_chance"]]
      attempt  mean_rank  rank_low  rank_high  at_chance
    0       a        1.0         1          2          0
    1       b        2.0         1          2          3
    """
    cells = _cells(scores, higher_is_better)
    order = list(dict.fromkeys(scores["attempt"]))
    whole = cells.pivot(index="dataset", columns="attempt", values="score").reindex(
        index=list(dict.fromkeys(scores["dataset"])), columns=order
    )
    absent = whole.isna()
    if missing == "raise" and absent.any(axis=None):
        row, column = np.argwhere(absent.to_numpy())[0]
        raise ActionbenchError(
            f"{whole.columns[column]!r} has no score on {whole.index[row]!r} ({int(absent.sum().sum())} of "
            f"{absent.size} scores are missing); --missing drop leaves such data sets out, --missing last ranks "
            "them last"
        )
    table = rank_table(whole, higher_is_better=higher_is_better, missing=missing)
    own = cells.groupby("attempt")
    same = _identical(whole)
    table = table.assign(
        at_chance=own["at_chance"].sum().reindex(table.index).astype(int),
        chance_known=own["chance"].count().reindex(table.index).astype(int),
        identical=[", ".join(same.get(name, [])) for name in table.index],
    )
    notes = [*_chance_notes(table), *_identical_notes(same), LIMITS]
    return ScoreComparison(table.rename_axis("attempt").reset_index(), cells, whole, notes)


def _cells(scores: pd.DataFrame, higher_is_better: bool) -> pd.DataFrame:
    """Return mean, interval over draws and chance of each data set and attempt."""
    from scipy import stats

    grouped = scores.groupby(["dataset", "attempt"], sort=False)["score"]
    cells = grouped.agg(score="mean", spread="std", n_draws="count").reset_index()
    n = cells["n_draws"].to_numpy()
    half = stats.t.ppf(0.975, np.maximum(n - 1, 1)) * cells.pop("spread").to_numpy() / np.sqrt(n)
    half = np.where(n > 1, half, np.nan)
    cells.insert(3, "score_low", cells["score"] - half)
    cells.insert(4, "score_high", cells["score"] + half)
    cells["chance"] = cells["dataset"].map(scores.groupby("dataset")["chance"].first())
    # A score without draws is at chance where it is not better.
    end = cells["score_low" if higher_is_better else "score_high"].fillna(cells["score"])
    cells["at_chance"] = end <= cells["chance"] if higher_is_better else end >= cells["chance"]
    return cells


def _identical(whole: pd.DataFrame) -> dict[str, list[str]]:
    """Return the other attempts with the same scores on all data sets, of those that have any."""
    found: dict[tuple[float, ...], list[str]] = {}
    for name in whole:
        # Missing scores are equal to each other only.
        found.setdefault(tuple(whole[name].round(12).fillna(np.inf)), []).append(str(name))
    identical = [names for names in found.values() if len(names) > 1]
    return {name: [other for other in names if other != name] for names in identical for name in names}


def _chance_notes(table: pd.DataFrame) -> Iterator[str]:
    if not table["chance_known"].any():
        yield "Rows at chance are not marked: no chance level is known."
        return
    everywhere = table["at_chance"].eq(table["chance_known"]) & table["chance_known"].gt(0)
    if everywhere.any():
        names = ", ".join(table.index[everywhere])
        yield f"At chance on every data set with a known chance level: {names}."


def _identical_notes(same: dict[str, list[str]]) -> Iterator[str]:
    told = set[str]()
    for name, others in same.items():
        if name not in told:
            told.update([name, *others])
            yield f"Identical scores on all data sets: {', '.join([name, *others])}; they may be one and the same."
