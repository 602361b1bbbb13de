"""The contents of a report: results by data set and split, with their tables and figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import pandas as pd

from ..analysis import tables
from ..analysis.breakdown import by_class, by_group
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
from .figures import (
    accuracy_figure,
    costs_to_draw,
    learning_figure,
    pareto_figure,
    rank_figure,
    reliability_figure,
)

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
        Their rows of `tables.comparison_table`.
    nuisances : DataFrame
        Their rows of `conditions.clip_conditions`.
    curves : DataFrame
        Their rows of `learning.learning_curves`.
    pairs : DataFrame
        From `pairs.pairs` of them.
    pictures : dict of str to Svg
        Figures by name.
    """

    results: list[Result]
    rows: pd.DataFrame
    nuisances: pd.DataFrame
    curves: pd.DataFrame
    pairs: pd.DataFrame
    pictures: dict[str, Svg]

    @property
    def name(self) -> str:
        """Data set and split."""
        return f"{self.results[0].dataset}, {self.results[0].split}"

    @cached_property
    def by_class(self) -> pd.DataFrame:
        """Accuracy by class, see `breakdown.by_class`."""
        return by_class(self.results)

    @cached_property
    def by_group(self) -> pd.DataFrame:
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
        ]
        return pd.concat(found, ignore_index=True)

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
    ranks : Svg or None
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
    ranks: Svg | None
    costs: bool = True

    @classmethod
    def of(cls, results: list[Result], *, costs: bool = True) -> Self:
        """Compute the tables and draw the figures.

        Parameters
        ----------
        results : list of Result
            From `results.gather`.
        costs : bool
            Whether to show them.
        """
        if not costs:
            results = [result.without_warning(MIXED_MACHINES) for result in results]
        families = {
            name: pairs(own, intervals=len(own) <= _MAX_ATTEMPTS) for name, own in by_data(results).items()
        }
        table = tables.score(results, families)
        if not costs:
            table = tables.without_costs(table)
        nuisances, curves = clip_conditions(results), learning_curves(results)
        by_name = {result.name: result for result in results}
        parts = []
        for dataset, split, rows in tables.sections(table):
            names = rows[["dataset", "split", "attempt"]].itertuples(index=False, name=None)
            ordered = [by_name[name] for name in names]
            nuisance, curve = (
                known[(known["dataset"] == dataset) & (known["split"] == split)]
                for known in (nuisances, curves)
            )
            part = Part(ordered, rows, nuisance, curve, families[dataset, split], {})
            part.pictures.update(captioned(part, _drawings(part)))
            parts.append(part)
        scores, left = common_scores(results)
        crossed = crossings(results) if len(curves) else pd.DataFrame()
        matrix, ranks = (
            (pd.DataFrame(), None) if scores.empty else (comparison_matrix(scores), _ranks(scores))
        )
        return cls(
            table, parts, option_conditions(results), curves, crossed, scores, left, matrix, ranks, costs
        )


def captioned(part: Part, drawings: Iterable[tuple[str, Svg]]) -> Iterator[tuple[str, Svg]]:
    """Add warnings about leaky splits as captions to figures."""
    leaks = [text for text in part.results[0].dataset_warnings if text.endswith("[leaky-split]")]
    for name, drawing in drawings:
        yield name, drawing.captioned(" ".join(leaks)) if leaks else drawing


def _drawings(part: Part) -> Iterator[tuple[str, Svg]]:
    ties = []
    if len(part.pairs):
        p_values = square(part.pairs, "p_adjusted")
        order = [result.attempt for result in part.results if result.attempt in p_values]
        ties = cliques(p_values.loc[order, order], LEVEL)
    yield "accuracy", accuracy_figure(part.rows, len(part.results[0].classes), ties)
    for cost in costs_to_draw(part.rows):
        drawing = pareto_figure(part.rows, cost)
        if drawing is not None:
            yield f"pareto-{cost}", drawing
    if len(part.curves):
        yield "learning", learning_figure(part.curves)
    drawing = reliability_figure(part.reliability, part.rows)
    if drawing is not None:
        yield "reliability", drawing


def _ranks(scores: pd.DataFrame) -> Svg:
    table, p_values = rank_table(scores), nemenyi(scores)
    ties = cliques(p_values.loc[table.index, table.index], LEVEL)
    return rank_figure(table, ties, critical_difference(scores.shape[1], len(scores), LEVEL))
