"""What data offer and what attempts use: accuracies where clips lack something, beside those on whole clips."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from ..statistics.corrections import holm
from ..statistics.intervals import accuracy, bootstrap_interval
from ..statistics.paired import paired_test
from .pairs import clip_accuracies
from .results import Result, without_probes

COLUMNS = [
    "dataset",
    "split",
    "attempt",
    "side",
    "probe",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "whole",
    "whole_low",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "p_adjusted",
    "n_groups",
    "chance",
]
#: What each side of the ladder shows.
TITLES = {
    "both": "what the data offer: trained and tested without it",
    "test": "what the attempt uses: tested without it",
}

#: What the numbers of a ladder are.
LEGEND = "accuracy % ± half of its 95 % interval; * differs from whole clips (5 %, adjusted for an attempt's probes)"

#: Names of probes above the columns of a table, in their order.
HEADS = {
    "frozen": "frozen",
    "mean-frame": "mean",
    "shuffled": "shuffled",
    "reversed": "reversed",
    "first-third": "first 1/3",
    "last-third": "last 1/3",
    "every-fourth": "every 4th",
    "person-blanked": "no person",
    "person-only": "person",
}
# Keys of a data set in a matrix by which it differs from the one that it is a probe of.
_OWN = ("title", "probe", "probe_side", "probes")
# A difference that is certainly smaller than this does not matter.
_MARGIN = 0.03
#: The level of tests.
LEVEL = 0.05
# What of a data set is missing where attempts do as well without it.
_ENOUGH = {
    "frozen": "A single frame is enough: nothing here measures motion",
    "shuffled": "The order of frames is not needed",
    "reversed": "The direction of time is not needed",
}


def ladder(results: list[Result]) -> pd.DataFrame:
    """Compare each attempt on clips that lack something with itself on whole clips.

    Parameters
    ----------
    results : list of Result
        From `results.gather`.

    Returns
    -------
    DataFrame
        One row for each data set, split, attempt, side (``"both"`` or ``"test"``, see `Probed`) and probe: accuracy
        with its 95 % interval; that on ``whole`` clips with its lower limit; the ``difference`` of both on the same
        clips with interval and ``p_value`` of `paired.paired_test` and, by Holm's correction for the probes of an
        attempt on one side, ``p_adjusted``; ``chance`` is the share of the most frequent class.
    """
    wholes = {(_family(one), one.split, one.attempt): one for one in without_probes(results)}
    rows = []
    for result in results:
        whole = wholes.get((_family(result), result.split, result.attempt))
        if result.entry.get("probe") and whole is not None and len(result.positions) and len(whole.positions):
            rows.append(_row(result, whole))
    table = pd.DataFrame(rows, columns=COLUMNS)
    for _, part in table.groupby(["dataset", "split", "attempt", "side"]):
        table.loc[part.index, "p_adjusted"] = holm(part["p_value"].to_numpy(float))
    return table


def _family(result: Result) -> str:
    """Return what a data set and its probes have in common."""
    return json.dumps({key: value for key, value in result.entry.items() if key not in _OWN}, sort_keys=True)


def _row(result: Result, whole: Result) -> dict[str, Any]:
    low, high = bootstrap_interval(result.correct, result.groups, result.weights)
    (before, after), groups = clip_accuracies([whole, result])
    test = paired_test(before, after, groups)
    return {
        "dataset": whole.dataset,
        "split": whole.split,
        "attempt": whole.attempt,
        "side": result.entry["probe_side"],
        "probe": result.entry["probe"],
        "accuracy": accuracy(result.correct, result.weights),
        "accuracy_low": low,
        "accuracy_high": high,
        "whole": accuracy(whole.correct, whole.weights),
        "whole_low": bootstrap_interval(whole.correct, whole.groups, whole.weights)[0],
        "difference": test["difference"],
        "difference_low": test["low"],
        "difference_high": test["high"],
        "p_value": test["p_value"],
        "n_groups": len(np.unique(groups)),
        "chance": float(np.bincount(whole.truth, whole.weights).max() / whole.weights.sum()),
    }


def sentences(table: pd.DataFrame) -> list[str]:
    """Return what a ladder of one data set says, from the attempts that are the most accurate with and without."""
    found = []
    offered = table[table["side"] == "both"]
    for probe, words in _ENOUGH.items():
        rows = offered[offered["probe"] == probe]
        if len(rows):
            best: Any = rows.iloc[int(rows["whole"].to_numpy().argmax())]
            found.append(_sentence(words, best))
    scene = offered[offered["probe"] == "person-blanked"]
    if len(scene):
        best = scene.iloc[int(scene["accuracy"].to_numpy().argmax())]
        limits = (
            f"{100 * best.accuracy:.0f} % [{100 * best.accuracy_low:.0f}, {100 * best.accuracy_high:.0f}]"
        )
        found.append(
            f"With the person blanked, but not the place, {best.attempt} classifies {limits} correctly, where the most "
            f"frequent class has {100 * best.chance:.0f} %."
        )
    return found


def _sentence(words: str, row: Any) -> str:
    limits = f"{100 * row.difference:+.0f} points [{100 * row.difference_low:+.0f}, {100 * row.difference_high:+.0f}]"
    if row.whole_low <= row.chance:
        best = f"{row.attempt}, the most accurate, may be at chance on whole ones"
        return f"Of {row.probe} clips nothing can be said: {best}."
    if row.difference_low > -_MARGIN:
        return f"{words}: {row.attempt} changes by {limits} without it."
    if row.p_value <= LEVEL and row.difference < 0:
        return f"{row.attempt}, the most accurate, changes by {limits} on {row.probe} clips, when trained on such."
    return f"Whether {row.probe} clips suffice is not decided: {row.attempt} changes by {limits}."


def layout(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return ladders as `tables.layout` does: one part for each data set, split and side."""
    parts = []
    for (dataset, split), part in table.groupby(["dataset", "split"], sort=False):
        said = sentences(part)
        for side, rows in part.groupby("side", sort=False):
            probes = [probe for probe in HEADS if probe in set(rows["probe"])]
            attempts = rows.drop_duplicates("attempt").sort_values("whole", ascending=False, kind="stable")
            parts.append(
                {
                    "dataset": dataset,
                    "split": split,
                    "extent": TITLES[str(side)],
                    "heads": ["attempt", "whole", *(HEADS[probe] for probe in probes)],
                    "numeric": [False, *[True] * (1 + len(probes))],
                    "rows": [_cells(row, rows, probes) for row in attempts.itertuples()],
                    "sizes": [LEGEND, *(said if side == "both" else [])],
                    "notes": [],
                }
            )
    return parts


def _cells(first: Any, rows: pd.DataFrame, probes: list[str]) -> list[str]:
    found = {row.probe: row for row in rows[rows["attempt"] == first.attempt].itertuples()}
    own = [_cell(found[probe]) if probe in found else "" for probe in probes]
    return [first.attempt, f"{100 * first.whole:.0f}", *own]


def _cell(row: Any) -> str:
    half = 50 * (row.accuracy_high - row.accuracy_low)
    return f"{100 * row.accuracy:.0f}±{half:.0f}{'*' * (row.p_adjusted <= LEVEL)}"
