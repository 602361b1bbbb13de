"""Hard clips: those that no attempt classifies correctly, or only one."""

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
    "predicted_as",
    "n_predicted_as",
    "n_attempts",
]
MISSED, SOLVED = "missed by all", "solved by one"


def hard_clips(results: list[Result]) -> pd.DataFrame:
    """Return the clips that no attempt solves, and those that exactly one solves.

    Parameters
    ----------
    results : list of Result
        From `results.gather`. Included are those that are complete and have all training groups, at least two of a
        data set and split. Attempts of the family ``"trivial"`` are excluded, as they ignore the frames.

    Returns
    -------
    DataFrame
        Columns `HARD_COLUMNS`: ``kind`` is `MISSED` or `SOLVED`, ``attempt`` the one that solves the clip (empty if
        there is none), ``predicted_as`` the most frequent wrong label of the others, ``n_predicted_as`` how many of
        them predict it, and ``n_attempts`` the number of attempts included. Sorted by data set and split, missed clips
        first, then by ``n_predicted_as``, descending (such a clip may be mislabelled), then by position.

    Notes
    -----
    An attempt solves a clip if it is correct under more than half of its seeds. Otherwise its label is the most
    frequent wrong one over its seeds, the first class of several. Clips that some attempt did not predict are left
    out.
    """
    rows = [row for own in _eligible(results) for row in _rows(own)]
    return pd.DataFrame(rows, columns=HARD_COLUMNS).sort_values(
        ["dataset", "split", "kind", "n_predicted_as", "position"],
        ascending=[True, True, True, False, True],
        ignore_index=True,
    )


def _eligible(results: list[Result]) -> list[list[Result]]:
    """Return the results of each data set and split that are included, if at least two."""
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
        tested, solved, label = _votes(result, n_clips, n_classes)
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
            "predicted_as": first.classes[taken[position].argmax()],
            "n_predicted_as": int(taken[position].max()),
            "n_attempts": len(results),
        }


def _votes(
    result: Result, n_clips: int, n_classes: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.intp]]:
    """Return which clips were tested, which of them solved, and the most frequent wrong class of each."""
    cells = result.positions * n_classes
    votes = np.bincount(cells + result.predicted, minlength=n_clips * n_classes).reshape(n_clips, n_classes)
    true = np.bincount(cells + result.truth, minlength=n_clips * n_classes).reshape(n_clips, n_classes) > 0
    n_votes = votes.sum(axis=1)
    solved = 2 * votes.sum(axis=1, where=true) > n_votes
    return n_votes > 0, solved, np.where(true, -1, votes).argmax(axis=1)
