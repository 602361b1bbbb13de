"""Accuracy by class and by group, and confusions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..statistics.intervals import confusion_matrix, wilson_interval
from .results import Result

CONFUSION_COLUMNS = ["dataset", "split", "attempt", "label", "predicted_as", "n_predictions", "share"]


class Breakdown(NamedTuple):
    """Accuracy by attempt (rows) and by class or group (columns), with Wilson's 95 % interval for as many clips."""

    accuracy: pd.DataFrame
    low: pd.DataFrame
    high: pd.DataFrame


def by_class(results: list[Result]) -> Breakdown:
    """Return the accuracy of attempts on the clips of each class.

    Parameters
    ----------
    results : list of Result
        On one data set under one split.

    Returns
    -------
    Breakdown
        In the order of the results and of the classes, NaN if an attempt predicted no clip of a class.
    """
    classes = results[0].classes
    return _shares(results, lambda result: np.asarray(classes)[result.truth], classes)


def by_group(results: list[Result]) -> Breakdown:
    """Return the accuracy of attempts on the clips of each group, see `by_class`.

    Parameters
    ----------
    results : list of Result
        On one data set under one split.

    Returns
    -------
    Breakdown
        Groups in the order of their names, numbers in them by size; NaN where an attempt predicted no clip of a group.
    """
    names = natural_order(set().union(*(result.groups.tolist() for result in results)))
    return _shares(results, lambda result: result.groups, names)


def natural_order(names: Iterable[str]) -> list[str]:
    """Sort names, numbers in them by size.

    Examples
    --------
    >>> natural_order(["p10", "p2", "p1"])
    ['p1', 'p2', 'p10']
    """
    return sorted(names, key=lambda name: ([_piece(piece) for piece in re.split(r"(\d+)", name)], name))


def _piece(piece: str) -> tuple[int, str]:
    return (int(piece), "") if piece.isdecimal() else (-1, piece)


def _shares(
    results: list[Result], kinds: Callable[[Result], NDArray[np.str_]], names: list[str]
) -> Breakdown:
    shares, low, high = np.full((3, len(results), len(names)), np.nan)
    interval = cache(wilson_interval)
    for row, result in enumerate(results):
        indices = pd.Index(names).get_indexer(pd.Index(kinds(result)))
        clips = np.bincount(indices, result.weights, len(names))
        correct = np.bincount(indices, result.weights * result.correct, len(names))
        np.divide(correct, clips, out=shares[row], where=clips > 0)
        for column in np.flatnonzero(clips):
            low[row, column], high[row, column] = interval(float(correct[column]), float(clips[column]))
    index = [result.attempt for result in results]
    return Breakdown(*(pd.DataFrame(values, index, names) for values in (shares, low, high)))


def long_form(results: list[Result], found: Breakdown, what: str) -> pd.DataFrame:
    """Return a breakdown as rows for a file: data set, split, attempt, ``what``, accuracy and its interval."""
    columns = {"accuracy": found.accuracy, "accuracy_low": found.low, "accuracy_high": found.high}
    melted = [
        values.rename_axis(index="attempt").reset_index().melt("attempt", var_name=what, value_name=name)
        for name, values in columns.items()
    ]
    rows = melted[0].assign(**{name: own[name] for name, own in zip(columns, melted, strict=True)})
    rows = rows.dropna(ignore_index=True)
    rows.insert(0, "split", results[0].split)
    rows.insert(0, "dataset", results[0].dataset)
    return rows


def confusions(result: Result) -> pd.DataFrame:
    """Return the confusion matrix of an attempt in long form, one row for each pair of classes that occurs.

    Returns
    -------
    DataFrame
        Columns `CONFUSION_COLUMNS`; ``share`` is the fraction of the predictions for clips of the label.
    """
    counts = confusion_matrix(result.truth, result.predicted, len(result.classes))
    rows, columns = np.nonzero(counts)
    classes = np.asarray(result.classes, object)
    return pd.DataFrame(
        {
            "dataset": result.dataset,
            "split": result.split,
            "attempt": result.attempt,
            "label": classes[rows],
            "predicted_as": classes[columns],
            "n_predictions": counts[rows, columns],
            "share": counts[rows, columns] / counts.sum(axis=1)[rows],
        },
        columns=CONFUSION_COLUMNS,
    )
