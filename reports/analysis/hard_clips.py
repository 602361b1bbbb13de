"""Clips that every attempt fails, and those that only one solves: the first to look at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .results import Result, by_data

__all__ = ["HARD_COLUMNS", "MISSED", "SOLVED", "hard_clips"]

HARD_COLUMNS = [
    "dataset",
    "split",
    "position",
    "clip",
    "label",
    "group",
    "kind",
    "attempt",
    "taken_for",
    "n_taken_for",
    "n_attempts",
]
MISSED, SOLVED = "missed by all", "solved by one"


def hard_clips(results: list[Result]) -> pd.DataFrame:
    """Name the clips that no attempt solves, and those that a single one does.

    Parameters
    ----------
    results : list of Result
        From `results.gather`. Those count that are complete and learned from all groups, at least two of a data set
        and split. Attempts of the family ``"trivial"`` never count: they look at no clip, so that where one is right it
        says nothing of the clip.

    Returns
    -------
    DataFrame
        Columns `HARD_COLUMNS`: ``kind`` is `MISSED` or `SOLVED`, ``attempt`` who solves the clip (empty where nobody
        does), ``taken_for`` the label that the others give it most often, ``n_taken_for`` how many of them, and
        ``n_attempts`` how many attempts count. Sorted by data set and split, then what all miss, then by how many agree
        on a wrong label, the most first (such a clip may be labelled wrongly), then by position.

    Notes
    -----
    A clip is solved by an attempt that is right under more than half of its seeds. One that does not solve it gives it
    the wrong label of most of its seeds, of several the first class. Clips that some attempt was not tested on are
    left out.
    """
    rows = [row for own in _that_count(results) for row in _rows(own)]
    return pd.DataFrame(rows, columns=HARD_COLUMNS).sort_values(
        ["dataset", "split", "kind", "n_taken_for", "position"],
        ascending=[True, True, True, False, True],
        ignore_index=True,
    )


def _that_count(results: list[Result]) -> list[list[Result]]:
    """Return the results of each data set and split that are to be compared, at least two."""
    chosen = [
        result
        for result in results
        if result.family != "trivial" and result.attempt == result.base and result.complete
    ]
    return [own for own in by_data(chosen).values() if len(own) > 1]


def _rows(results: list[Result]) -> Iterator[dict[str, Any]]:
    first = results[0]
    n_clips, n_classes = len(first.clips), len(first.classes)
    n_tested, n_solvers, solver = np.zeros((3, n_clips), int)
    taken = np.zeros((n_clips, n_classes), int)
    for number, result in enumerate(results):
        tested, solved, label = _opinion(result, n_clips, n_classes)
        n_tested += tested
        n_solvers += solved
        solver[solved] = number
        failed = np.flatnonzero(tested & ~solved)
        taken[failed, label[failed]] += 1
    hard = np.flatnonzero((n_tested == len(results)) & (n_solvers < 2))
    clips = first.clips.iloc[hard]
    for position, clip in zip(hard.tolist(), clips.to_dict("records"), strict=True):
        yield {
            "dataset": first.dataset,
            "split": first.split,
            "position": position,
            **{column: clip[column] for column in ("clip", "label", "group")},
            "kind": SOLVED if n_solvers[position] else MISSED,
            "attempt": results[solver[position]].attempt if n_solvers[position] else "",
            "taken_for": first.classes[taken[position].argmax()],
            "n_taken_for": int(taken[position].max()),
            "n_attempts": len(results),
        }


def _opinion(
    result: Result, n_clips: int, n_classes: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.intp]]:
    """Return which clips were tested, which of them solved, and the most frequent wrong class of each."""
    places = result.positions * n_classes
    said = np.bincount(places + result.predicted, minlength=n_clips * n_classes).reshape(n_clips, n_classes)
    true = np.bincount(places + result.truth, minlength=n_clips * n_classes).reshape(n_clips, n_classes) > 0
    n_said = said.sum(axis=1)
    solved = 2 * said.sum(axis=1, where=true) > n_said
    return n_said > 0, solved, np.where(true, -1, said).argmax(axis=1)
