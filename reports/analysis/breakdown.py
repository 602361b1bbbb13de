"""Accuracy by class and by group, and confusions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..statistics.intervals import confusion_matrix
from .results import Result

CONFUSION_COLUMNS = ["dataset", "split", "attempt", "label", "predicted_as", "n_predictions", "share"]


def by_class(results: list[Result]) -> pd.DataFrame:
    """Return the accuracy of attempts on the clips of each class.

    Parameters
    ----------
    results : list of Result
        On one data set under one split.

    Returns
    -------
    DataFrame, shape (n_attempts, n_classes)
        Fractions in the order of the results and of the classes, NaN if an attempt predicted no clip of a class.
    """
    classes = results[0].classes
    return _shares(results, lambda result: np.asarray(classes)[result.truth], classes)


def by_group(results: list[Result]) -> pd.DataFrame:
    """Return the accuracy of attempts on the clips of each group.

    Parameters
    ----------
    results : list of Result
        On one data set under one split.

    Returns
    -------
    DataFrame, shape (n_attempts, n_groups)
        Fractions, groups in the order of their names, NaN where an attempt predicted no clip of a group.
    """
    names = sorted(set().union(*(result.groups.tolist() for result in results)))
    return _shares(results, lambda result: result.groups, names)


def _shares(
    results: list[Result], kinds: Callable[[Result], NDArray[np.str_]], names: list[str]
) -> pd.DataFrame:
    table = np.full((len(results), len(names)), np.nan)
    for row, result in enumerate(results):
        indices = pd.Index(names).get_indexer(pd.Index(kinds(result)))
        clips = np.bincount(indices, result.weights, len(names))
        correct = np.bincount(indices, result.weights * result.correct, len(names))
        np.divide(correct, clips, out=table[row], where=clips > 0)
    return pd.DataFrame(table, [result.attempt for result in results], names)


def long_form(results: list[Result], table: pd.DataFrame, what: str) -> pd.DataFrame:
    """Return a table of `by_class` or `by_group` as rows for a file: data set, split, attempt, ``what``, accuracy."""
    rows = table.rename_axis(index="attempt").reset_index()
    found = rows.melt("attempt", var_name=what, value_name="accuracy").dropna(ignore_index=True)
    found.insert(0, "split", results[0].split)
    found.insert(0, "dataset", results[0].dataset)
    return found


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
