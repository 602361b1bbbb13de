"""The columns of the comparison table: what each is called, and how it is written for people."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd


def percent(value: float) -> str:
    """Write a fraction as a percentage with one decimal, a dash where it is unknown."""
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def places(row: Any) -> str:
    """Write the places that the attempt of a row may hold, as ``1`` or ``1–3``, a dash where it has none."""
    if pd.isna(row.rank_low):
        return "–"
    return f"{row.rank_low}" if row.rank_low == row.rank_high else f"{row.rank_low}–{row.rank_high}"


def interval(row: Any) -> str:
    """Write the accuracy of a row with its interval in percent, as ``92.2 [85.6, 97.8]``."""
    if math.isnan(row.accuracy):
        return "–"
    return f"{percent(row.accuracy)} [{percent(row.accuracy_low)}, {percent(row.accuracy_high)}]"


def short(value: float) -> str:
    """Write a number with two or three digits: 0.012, 3.4, 56, 7.8k, 12M."""
    if not math.isfinite(value):
        return "–" if math.isnan(value) else f"{value:g}"
    if 0 < abs(value) < 0.001:
        return "<0.001"
    for unit, size in (("", 1), ("k", 1e3), ("M", 1e6), ("G", 1e9)):
        if abs(value) < 999.5 * size or unit == "G":
            digits = f"{value / size:.2g}" if abs(value) < 9.95 * size else f"{value / size:.0f}"
            return ("0" if float(digits) == 0 else digits) + unit
    raise AssertionError


@dataclass(frozen=True)
class Column:
    """A column of the comparison table.

    Parameters
    ----------
    name : str
        Its name in files and data frames.
    heading : str
        What tables for people call it; empty where none shows it.
    is_default : bool
        Whether they show it without being asked.
    is_measured : bool
        Whether another machine would measure it differently.
    is_median : bool
        Whether it holds medians of integers, which are written as integers where they are.
    more_is_better : bool
        Whether a reader who sorts by it wants the largest first.
    is_number : bool
        Whether it is written flush right, and sorted by value.
    write : callable, optional
        Returns what is shown of a row; by default two or three digits of the value.
    """

    name: str
    heading: str = ""
    is_default: bool = False
    is_measured: bool = False
    is_median: bool = False
    more_is_better: bool = False
    is_number: bool = True
    write: Callable[[Any], str] | None = None

    def text(self, row: Any) -> str:
        """Return what is shown of a row of the table."""
        return self.write(row) if self.write else short(float(getattr(row, self.name)))


def _failed(row: Any) -> str:
    return f"{row.n_failed}/{row.n_cells}" if row.n_failed else "0"


#: All columns, in the order of files.
COLUMNS = (
    Column("dataset", is_number=False),
    Column("split", is_number=False),
    Column("attempt", "attempt", True, is_number=False, write=lambda row: str(row.attempt)),
    Column("family", "family", True, is_number=False, write=lambda row: str(row.family)),
    Column("accuracy", "accuracy", True, more_is_better=True, write=interval),
    Column("accuracy_low"),
    Column("accuracy_high"),
    Column("macro_f1", "F1", True, more_is_better=True, write=lambda row: percent(row.macro_f1)),
    Column("n_clips", "clips", True, more_is_better=True, write=lambda row: str(row.n_clips)),
    Column("n_groups", "groups", True, more_is_better=True, write=lambda row: str(row.n_groups)),
    Column("n_folds", "folds", True, more_is_better=True, write=lambda row: str(row.n_folds)),
    Column("n_cells"),
    Column("n_failed", "failed", True, write=_failed),
    Column("fit_seconds", "fit s", True, is_measured=True),
    Column("predict_ms_per_clip", "ms/clip", True, is_measured=True),
    Column("peak_memory_mib", "MiB", True, is_measured=True),
    Column("n_parameters", "params", True, is_median=True),
    Column("n_skipped"),
    Column("operations", "net operations", is_median=True),
    Column("fit_paid_seconds", "fit s, features cached", is_measured=True),
    Column("predict_paid_ms_per_clip", "ms/clip, features cached", is_measured=True),
    Column("n_rules", "rules", is_median=True),
    Column("n_conditions", "conditions", is_median=True),
    Column("n_quantities", "quantities", is_median=True),
    Column("n_epochs", "epochs", is_median=True),
    Column("fit_cpu_seconds", "fit CPU s", is_measured=True),
    Column("predict_cpu_ms_per_clip", "CPU ms/clip", is_measured=True),
    Column("warm_up_seconds", "warm-up s", is_measured=True),
    Column("latency_p50_ms", "p50 ms", is_measured=True),
    Column("latency_p95_ms", "p95 ms", is_measured=True),
    Column("latency_p99_ms", "p99 ms", is_measured=True),
    Column("clips_per_second", "clips/s", is_measured=True, more_is_better=True),
    Column("size_mib", "model MiB"),
    Column("fit_joules", "fit J", is_measured=True),
    Column("predict_joules_per_clip", "J/clip", is_measured=True),
    Column("n_trials", "trials"),
    Column("tune_seconds", "tuning s", is_measured=True),
    Column("rank_low", "rank", True, write=places),
    Column("rank_high"),
    Column("tied"),
    Column("warnings", is_number=False),
)

NAMES = [column.name for column in COLUMNS]
#: What ranks say, unknown where an attempt has none.
PLACES = ["rank_low", "rank_high", "tied"]
MEDIANS = [column.name for column in COLUMNS if column.is_median]
MEASURED = [column.name for column in COLUMNS if column.is_measured]
#: The columns of tables for people, in their order: the attempt, its rank, then that of files.
SHOWN = sorted(
    (column for column in COLUMNS if column.is_default),
    key=lambda column: (column.name != "attempt", column.name != "rank_low"),
)
