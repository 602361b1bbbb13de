"""The columns of the comparison table: names, headings and formats."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ...experiments.store.schema import EXTERNAL


def percent(value: float) -> str:
    """Format a fraction as a percentage with one decimal, a dash if it is NaN.

    Examples
    --------
    >>> percent(0.922), percent(float("nan"))
    ('92.2', '–')
    """
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def rank_text(row: Any) -> str:
    """Format the rank interval of a row, as ``1`` or ``1–3``, a dash if it has none."""
    if pd.isna(row.rank_low):
        return "–"
    return f"{row.rank_low}" if row.rank_low == row.rank_high else f"{row.rank_low}–{row.rank_high}"


def accuracy_text(row: Any) -> str:
    """Format the accuracy of a row with its interval in percent, as ``92.2 [85.6, 97.8]``."""
    if math.isnan(row.accuracy):
        return "–"
    return f"{percent(row.accuracy)} [{percent(row.accuracy_low)}, {percent(row.accuracy_high)}]"


def short_number(value: float) -> str:
    """Format a number with two or three digits.

    Examples
    --------
    >>> short_number(0.012), short_number(3.42), short_number(7777), short_number(12e6)
    ('0.012', '3.4', '7.8k', '12M')
    """
    if not math.isfinite(value):
        return "–" if math.isnan(value) else f"{value:g}"
    if 0 < abs(value) < 0.001:
        return "<0.001"
    for unit, size in (("", 1), ("k", 1e3), ("M", 1e6), ("G", 1e9)):
        if abs(value) < 999.5 * size or unit == "G":
            digits = f"{value / size:.2g}" if abs(value) < 9.95 * size else f"{value / size:.0f}"
            return ("0" if float(digits) == 0 else digits) + unit
    raise AssertionError


#: Units by what they measure, the smallest first, in that of `with_unit`'s argument.
_SCALES = {
    "s": {"µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0},
    "ms": {"µs": 1e-3, "ms": 1.0, "s": 1e3, "min": 60e3, "h": 3600e3},
    "MiB": {"KiB": 2.0**-10, "MiB": 1.0, "GiB": 2.0**10},
    "J": {"mJ": 1e-3, "J": 1.0, "kJ": 1e3},
}


def with_unit(value: float, unit: str) -> str:
    """Format a number with two or three digits and the unit in which it is easily read.

    Parameters
    ----------
    value : float
        The number.
    unit : {"s", "ms", "MiB", "J", ""}
        Its unit; without one it is formatted by `short_number`.

    Examples
    --------
    >>> with_unit(0.012, "s"), with_unit(1830, "ms"), with_unit(90, "s"), with_unit(7777, ""), with_unit(3072, "MiB")
    ('12 ms', '1.8 s', '1.5 min', '7.8k', '3 GiB')
    """
    if not unit or not math.isfinite(value) or not value:
        return short_number(value)
    scales = list(_SCALES[unit].items())
    # What is rounded up to a thousand belongs to the next unit.
    name, size = max(
        (scale for scale in scales if abs(value) >= 0.9995 * scale[1]), key=_size, default=scales[0]
    )
    return f"{short_number(value / size)} {name}"


def _size(scale: tuple[str, float]) -> float:
    return scale[1]


@dataclass(frozen=True)
class Column:
    """A column of the comparison table.

    Parameters
    ----------
    name : str
        Its name in files and data frames.
    heading : str
        Its heading in displayed tables; empty if it is not displayed.
    is_default : bool
        Whether it is displayed by default.
    is_measured : bool
        Whether its values depend on the machine.
    is_median : bool
        Whether it holds medians of integers, which are written as integers if they are.
    more_is_better : bool
        Whether it is first sorted in descending order.
    is_number : bool
        Whether it is aligned right, and sorted by value.
    unit : str
        Unit of its values, see `with_unit`.
    write : callable, optional
        Returns the displayed text of a row; by default two or three digits of the value.
    """

    name: str
    heading: str = ""
    is_default: bool = False
    is_measured: bool = False
    is_median: bool = False
    more_is_better: bool = False
    is_number: bool = True
    unit: str = ""
    write: Callable[[Any], str] | None = None

    def text(self, row: Any) -> str:
        """Return the displayed text of a row of the table."""
        if self.write:
            return self.write(row)
        value = float(getattr(row, self.name))
        return "not measured" if math.isnan(value) and row.origin == EXTERNAL else with_unit(value, self.unit)


def _failed(row: Any) -> str:
    return f"{row.n_failed}/{row.n_cells}" if row.n_failed else "0"


#: All columns, in the order of files.
COLUMNS = (
    Column("dataset", is_number=False),
    Column("split", is_number=False),
    Column("attempt", "attempt", True, is_number=False, write=lambda row: str(row.attempt)),
    Column("family", "family", True, is_number=False, write=lambda row: str(row.family)),
    Column("accuracy", "accuracy", True, more_is_better=True, write=accuracy_text),
    Column("accuracy_low"),
    Column("accuracy_high"),
    Column("macro_f1", "F1", True, more_is_better=True, write=lambda row: percent(row.macro_f1)),
    Column("n_clips", "clips", True, more_is_better=True, write=lambda row: str(row.n_clips)),
    Column("n_groups", "groups", True, more_is_better=True, write=lambda row: str(row.n_groups)),
    Column("n_folds", "folds", True, more_is_better=True, write=lambda row: str(row.n_folds)),
    Column("n_cells"),
    Column("n_failed", "failed", True, write=_failed),
    Column("fit_seconds", "fit", True, is_measured=True, unit="s"),
    Column("predict_ms_per_clip", "per clip", True, is_measured=True, unit="ms"),
    Column("peak_memory_mib", "memory", True, is_measured=True, unit="MiB"),
    Column("n_parameters", "params", True, is_median=True),
    Column("n_skipped"),
    Column("calibration_error", "calibration error", write=lambda row: percent(row.calibration_error)),
    Column("operations", "net operations", is_median=True),
    Column("fit_seconds_with_cache", "fit, features cached", is_measured=True, unit="s"),
    Column("predict_ms_per_clip_with_cache", "per clip, features cached", is_measured=True, unit="ms"),
    Column("n_rules", "rules", is_median=True),
    Column("n_conditions", "conditions", is_median=True),
    Column("n_quantities", "quantities", is_median=True),
    Column("n_epochs", "epochs", is_median=True),
    Column("fit_cpu_seconds", "fit, CPU", is_measured=True, unit="s"),
    Column("predict_cpu_ms_per_clip", "per clip, CPU", is_measured=True, unit="ms"),
    Column("warm_up_seconds", "warm-up", is_measured=True, unit="s"),
    Column("latency_p50_ms", "latency", True, is_measured=True, unit="ms"),
    Column("latency_p95_ms", "latency, p95", is_measured=True, unit="ms"),
    Column("latency_p99_ms", "latency, p99", is_measured=True, unit="ms"),
    Column("clips_per_second", "clips/s", is_measured=True, more_is_better=True),
    Column("size_mib", "model size", unit="MiB"),
    Column("fit_joules", "fit, energy", is_measured=True, unit="J"),
    Column("predict_joules_per_clip", "per clip, energy", is_measured=True, unit="J"),
    Column("n_trials", "trials"),
    Column("tune_seconds", "tuning", is_measured=True, unit="s"),
    Column("rank_low", "rank", True, write=rank_text),
    Column("rank_high"),
    Column("tied"),
    Column("design_difference"),
    Column("pretrained", "pretrained", True, is_number=False, write=lambda row: row.pretrained or "–"),
    Column("origin", is_number=False),
    Column("warnings", is_number=False),
)

NAMES = [column.name for column in COLUMNS]
#: Columns of the rank interval, unknown where an attempt has none.
RANK_COLUMNS = ["rank_low", "rank_high", "tied"]
MEDIANS = [column.name for column in COLUMNS if column.is_median]
MEASURED = [column.name for column in COLUMNS if column.is_measured]
#: The columns displayed by default: the attempt, its rank, then in the order of files.
SHOWN = sorted(
    (column for column in COLUMNS if column.is_default),
    key=lambda column: (column.name != "attempt", column.name != "rank_low"),
)
