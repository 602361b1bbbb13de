"""Ladders on the page: accuracies where clips lack something."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..analysis.ladder import HEADS, LEVEL, TITLES, sentences
from .sections import shade


def ladders(table: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what `ladder.ladder` has found: by data set and split, sentences and a heat map for each side."""
    return {
        (str(dataset), str(split)): {
            "sentences": sentences(part),
            "tables": [
                _heat_map(f"{dataset}, {split}", str(side), rows)
                for side, rows in part.groupby("side", sort=False)
            ],
        }
        for (dataset, split), part in table.groupby(["dataset", "split"], sort=False)
    }


def _heat_map(where: str, side: str, rows: pd.DataFrame) -> dict[str, Any]:
    probes = [probe for probe in HEADS if probe in set(rows["probe"])]
    known = {(row.attempt, row.probe): row for row in rows.itertuples()}
    whole = rows.drop_duplicates("attempt").sort_values("whole", ascending=False, kind="stable")
    title = TITLES[side]
    return {
        "caption": f"{title[0].upper()}{title[1:]}. Accuracy in percent with its 95 % interval over groups; * differs "
        f"from that on whole clips (5 %, adjusted for the probes of an attempt), {where}",
        "corner": "attempt",
        "heads": ["whole clips", *(HEADS[probe] for probe in probes)],
        "rows": [_row(row, known, probes) for row in whole.itertuples()],
    }


def _row(first: Any, known: dict[Any, Any], probes: list[str]) -> tuple[str, str, list[tuple[str, str, str]]]:
    whole = shade("r", first.whole), f"{100 * first.whole:.0f}", ""
    return first.attempt, "", [whole, *(_cell(known.get((first.attempt, probe))) for probe in probes)]


def _cell(row: Any) -> tuple[str, str, str]:
    if row is None:
        return "", "–", ""
    star = "*" * (row.p_adjusted <= LEVEL)
    interval = f"{100 * row.accuracy_low:.0f}–{100 * row.accuracy_high:.0f}"
    return shade("r", row.accuracy), f"{100 * row.accuracy:.0f}{star}", interval
