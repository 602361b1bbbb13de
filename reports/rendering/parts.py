"""The contents of a report: results by data set and split, with their tables and figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Self

import pandas as pd

from ..analysis import tables
from ..analysis.breakdown import Breakdown, by_class, by_group
from ..analysis.conditions import clip_conditions, option_conditions
from ..analysis.hard_clips import hard_clips
from ..analysis.learning import crossings, learning_curves
from ..analysis.pairs import LEVEL, pairs
from ..analysis.results import MIXED_MACHINES, Result, by_data
from ..statistics.calibration import reliability
from ..statistics.rank_intervals import cliques, rank_table, square
from ..statistics.ranks import comparison_matrix, critical_difference, nemenyi
from .across_datasets import common_scores
from .canvas import Svg
from .drawings import Drawing, in_parallel
from .figures import (
    accuracy_figure,
    costs_to_draw,
    learning_figure,
    pareto_figure,
    rank_figure,
    reliability_figure,
)
from .verdict import Verdict, required_studies, verdict

# Largest number of attempts for which pairs have intervals, each of which takes a millisecond.
_MAX_ATTEMPTS = 40


@dataclass(frozen=True)
class Part:
    """The results on one data set under one split, the most accurate first.

    Attributes
    ----------
    results : list of Result
        Of all attempts.
    rows : DataFrame
        From `tables.score`.
    nuisances : DataFrame
        From `conditions.clip_conditions`.
    curves : DataFrame
        From `learning.learning_curves`.
    pairs : DataFrame
        From `pairs.pairs`.
    verdict : Verdict
        From `verdict.verdict`.
    required_studies : list of str
        From `verdict.required_studies`.
    """

    results: list[Result]
    rows: pd.DataFrame
    nuisances: pd.DataFrame
    curves: pd.DataFrame
    pairs: pd.DataFrame
    verdict: Verdict
    required_studies: list[str]

    @classmethod
    def of(cls, results: list[Result], *, costs: bool = True) -> Self:
        """Compute all but ``nuisances`` of results on one data set under one split, with costs or without."""
        found = pairs(results, intervals=len(results) <= _MAX_ATTEMPTS)
        rows = tables.score(results, {results[0].name[:2]: found})
        rows = rows if costs else tables.without_costs(rows)
        by_name = {result.attempt: result for result in results}
        ordered = [by_name[attempt] for attempt in rows["attempt"]]
        return cls(
            ordered,
            rows,
            clip_conditions([]),
            learning_curves(results),
            found,
            verdict(ordered, found, rows),
            required_studies(ordered, found),
        )

    @property
    def name(self) -> str:
        """Data set and split."""
        return f"{self.results[0].dataset}, {self.results[0].split}"

    @cached_property
    def pictures(self) -> dict[str, Drawing]:
        """Figures of the page by name."""
        found = {"accuracy": _accuracy(self)}
        found |= {
            f"pareto-{cost}": self.drawing(pareto_figure, self.rows, cost)
            for cost in costs_to_draw(self.rows)
        }
        if len(self.curves):
            found["learning"] = self.drawing(learning_figure, self.curves)
        if len(self.reliability):
            found["reliability"] = self.drawing(reliability_figure, self.reliability, self.rows)
        return found

    def drawing(self, draw: Callable[..., Svg], *arguments: Any) -> Drawing:
        """Return a drawing that says of a leaky split that it leaks."""
        leaks = [text for text in self.results[0].dataset_warnings if text.endswith("[leaky-split]")]
        return Drawing(draw, arguments, " ".join(leaks))

    @cached_property
    def by_class(self) -> Breakdown:
        """Accuracy by class, see `breakdown.by_class`."""
        return by_class(self.results)

    @cached_property
    def by_group(self) -> Breakdown:
        """Accuracy by group, see `breakdown.by_group`."""
        return by_group(self.results)

    @cached_property
    def reliability(self) -> pd.DataFrame:
        """Accuracy by the probability of the predicted class, see `calibration.reliability`."""
        found = [
            reliability(result.confidence, result.correct, result.groups, result.weights).assign(
                attempt=result.attempt
            )
            for result in self.results[:_MAX_ATTEMPTS]
            if result.has_probabilities
        ]
        return pd.concat(found, ignore_index=True) if found else pd.DataFrame()

    @cached_property
    def hard_clips(self) -> pd.DataFrame:
        """Clips that no or only one attempt classifies correctly, see `hard_clips.hard_clips`."""
        return hard_clips(self.results)


@dataclass(frozen=True)
class Comparison:
    """All contents of a report.

    Attributes
    ----------
    table : DataFrame
        From `tables.score`.
    parts : list of Part
        One for each data set under each split.
    options : DataFrame
        From `conditions.option_conditions`.
    curves, crossings : DataFrame
        From `learning.learning_curves` and `learning.crossings`; empty for one number of training groups.
    scores, left : DataFrame and list of str
        From `across_datasets.common_scores`.
    matrix : DataFrame
        From `ranks.comparison_matrix` of the scores.
    ranks : Drawing or None
        Ranks across all data sets, if there are enough.
    costs : bool
        Whether measurements that depend on the machine are shown.
    """

    table: pd.DataFrame
    parts: list[Part]
    options: pd.DataFrame
    curves: pd.DataFrame
    crossings: pd.DataFrame
    scores: pd.DataFrame
    left: list[str]
    matrix: pd.DataFrame
    ranks: Drawing | None
    costs: bool = True

    @classmethod
    def of(cls, results: list[Result], *, costs: bool = True, n_jobs: int = 1) -> Self:
        """Compute the tables.

        Parameters
        ----------
        results : list of Result
            From `results.gather`.
        costs : bool
            Whether to show them.
        n_jobs : int
            Number of processes, -1 for one per processor.
        """
        if not costs:
            results = [result.without_warning(MIXED_MACHINES) for result in results]
        of_data = [own for _, own in sorted(by_data(results).items())]
        tasks = [
            partial(make, own) for make in (partial(Part.of, costs=costs), clip_conditions) for own in of_data
        ]
        done: list[Any] = in_parallel(_called, tasks, n_jobs, "tables")
        halves = zip(done[: len(of_data)], done[len(of_data) :], strict=True)
        parts = [replace(part, nuisances=nuisances) for part, nuisances in halves]
        table = _joined([part.rows for part in parts], tables.score([]))
        curves = _joined([part.curves for part in parts], learning_curves([]))
        scores, left = common_scores(results)
        crossed = crossings(results) if len(curves) else pd.DataFrame()
        matrix = pd.DataFrame() if scores.empty else comparison_matrix(scores)
        ranks = None if scores.empty else Drawing(draw_ranks, (scores,))
        return cls(
            table, parts, option_conditions(results), curves, crossed, scores, left, matrix, ranks, costs
        )


def _called(task: Callable[[], Any]) -> Any:
    return task()


def _joined(tables_of_parts: list[pd.DataFrame], none: pd.DataFrame) -> pd.DataFrame:
    filled = [table for table in tables_of_parts if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else none


def _accuracy(part: Part) -> Drawing:
    ties = []
    if len(part.pairs):
        p_values = square(part.pairs, "p_adjusted")
        order = [result.attempt for result in part.results if result.attempt in p_values]
        ties = cliques(p_values.loc[order, order], LEVEL)
    return part.drawing(accuracy_figure, part.rows, len(part.results[0].classes), ties)


def draw_ranks(scores: pd.DataFrame) -> Svg:
    """Draw mean ranks over data sets; higher scores are better, and none is missing."""
    table, p_values = rank_table(scores), nemenyi(scores)
    ties = cliques(p_values.loc[table.index, table.index], LEVEL)
    return rank_figure(table, ties, critical_difference(scores.shape[1], len(scores), LEVEL))
