"""Accuracy of each attempt under each condition of clips, or option of data sets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..statistics.intervals import accuracy, bootstrap_interval
from .results import Result

__all__ = ["NUISANCE_COLUMNS", "clip_conditions", "nuisance_table", "option_conditions"]

NUISANCE_COLUMNS = [
    "dataset",
    "split",
    "attempt",
    "family",
    "condition",
    "value",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "n_clips",
    "n_groups",
]

# Numeric conditions with more values are divided into ranges.
_MAX_VALUES = 6
# Text conditions with more values are names of clips or files rather than conditions.
_MAX_TEXTS = 20
# Smallest and largest number of significant digits of the ends of a range.
_MIN_DIGITS, _MAX_DIGITS = 2, 17


def nuisance_table(results: list[Result]) -> pd.DataFrame:
    """Return the accuracy of each attempt for each value of each condition.

    Parameters
    ----------
    results : list of Result
        From `results.gather`. Those with fewer training groups are left out.

    Returns
    -------
    DataFrame
        Columns `NUISANCE_COLUMNS`, for each data set, split and attempt in their alphabetical order first those of
        `clip_conditions`, then those of `option_conditions`.

        Numbers and ranges are sorted by value, texts alphabetically. Accuracy and its 95 % interval are computed as in
        the comparison table, on the clips of the value.
    """
    return _sorted([*_by_clips(results), *_by_options(results)])


def clip_conditions(results: list[Result]) -> pd.DataFrame:
    """Return the rows of `nuisance_table` for conditions of clips.

    Conditions are in the order of the data set's table, if they have at least two values. Texts, booleans and numbers
    of at most six values are used as they are, other numbers are divided into three ranges at the terciles of all
    clips of the data set, such as ``"0.8 to 1.3"``, named by their minimum and maximum. Texts of more than twenty
    values are left out, as they are names. Clips for which a condition is unknown are ignored.
    """
    return _sorted(_by_clips(results))


def option_conditions(results: list[Result]) -> pd.DataFrame:
    """Return the rows of `nuisance_table` for an option of data sets.

    The option is the one in which data sets of the last run with the same name and split and different titles differ;
    ``dataset`` is then that name. It must be the only difference, and not ``root``, as other files are another data
    set.
    """
    return _sorted(_by_options(results))


def _sorted(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    # A stable sort, which keeps the order of conditions and values.
    ordered = sorted(rows, key=lambda row: (row["dataset"], row["split"], row["attempt"]))
    return pd.DataFrame(ordered, columns=NUISANCE_COLUMNS)


def _eligible(results: Iterable[Result]) -> Iterator[Result]:
    return (result for result in results if result.attempt == result.base and len(result.positions))


def _by_clips(results: Iterable[Result]) -> Iterator[dict[str, Any]]:
    known: dict[tuple[str, ...], list[tuple[str, list[str], NDArray[np.intp]]]] = {}
    for result in _eligible(results):
        if result.name[:2] not in known:
            columns = result.clips.drop(columns=["clip", "label", "group"])
            levels = [(str(name), *_levels(columns[name])) for name in columns]
            known[result.name[:2]] = [level for level in levels if len(level[1]) > 1]
        for condition, values, of_clips in known[result.name[:2]]:
            of_predictions = of_clips[result.positions]
            for number, value in enumerate(values):
                here = of_predictions == number
                if here.any():
                    yield _row(result, here, condition=condition, value=value)


def _by_options(results: Iterable[Result]) -> Iterator[dict[str, Any]]:
    same: dict[tuple[str, str], dict[str, list[Result]]] = {}
    for result in _eligible(results):
        if result.is_in_last_run:
            titles = same.setdefault((result.entry["name"], result.split), {})
            titles.setdefault(result.dataset, []).append(result)
    for (name, _), titles in same.items():
        found = _only_difference([own[0].entry for own in titles.values()])
        if found is None:
            continue
        option, values = found
        texts, indices = _as_they_are(values)
        for index, own in sorted(zip(indices, titles.values(), strict=True), key=lambda pair: pair[0]):
            for result in own:
                everything = np.ones(len(result.positions), bool)
                yield _row(result, everything, dataset=name, condition=option, value=texts[index])


def _only_difference(entries: list[Mapping[str, Any]]) -> tuple[str, list[Any]] | None:
    """Return the one option in which each entry differs from each other, with its values."""
    options = dict.fromkeys(
        key for entry in entries for key in entry if key not in ("name", "split", "title")
    )
    values = {option: [_plain(entry.get(option, "default")) for entry in entries] for option in options}
    differing = [option for option, found in values.items() if len(set(found)) > 1]
    if len(differing) != 1 or differing == ["root"] or len(set(values[differing[0]])) < len(entries):
        return None
    return differing[0], values[differing[0]]


def _plain(value: Any) -> str | float:
    return value if isinstance(value, str | int | float) else json.dumps(value)


def _row(
    result: Result, chosen: NDArray[np.bool_], *, condition: str, value: str, dataset: str | None = None
) -> dict[str, Any]:
    correct, groups, weights = (part[chosen] for part in (result.correct, result.groups, result.weights))
    low, high = bootstrap_interval(correct, groups, weights)
    return {
        "dataset": dataset or result.dataset,
        "split": result.split,
        "attempt": result.attempt,
        "family": result.family,
        "condition": condition,
        "value": value,
        "accuracy": accuracy(correct, weights),
        "accuracy_low": low,
        "accuracy_high": high,
        "n_clips": len(np.unique(result.positions[chosen])),
        "n_groups": len(np.unique(groups)),
    }


def _levels(column: pd.Series) -> tuple[list[str], NDArray[np.intp]]:
    """Return the values of a condition as texts, none if it is no condition, and the index of the value of each clip.

    The index is -1 where the value is unknown.
    """
    known = column.notna().to_numpy()
    values, level = column[known].tolist(), np.full(len(column), -1)
    n_distinct, is_numeric = len(set(values)), all(isinstance(value, Real) for value in values)
    texts: list[str] = []
    if is_numeric and n_distinct > _MAX_VALUES:
        texts, level[known] = _ranges(np.array(values, float))
    elif n_distinct <= _MAX_TEXTS:
        texts, level[known] = _as_they_are(values)
    return texts, level


def _as_they_are(values: list[Any]) -> tuple[list[str], list[int]]:
    """Return the distinct values as texts, sorted numbers before sorted texts, and the index of each value."""
    distinct = sorted(set(values), key=lambda value: (isinstance(value, str), value))
    indices = {value: index for index, value in enumerate(distinct)}
    return [_text(value) for value in distinct], [indices[value] for value in values]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else np.format_float_positional(value, trim="-")


def _ranges(values: NDArray[np.float64]) -> tuple[list[str], NDArray[np.intp]]:
    """Return up to three ranges as texts, with equally many values each as far as ties allow, and indices of values."""
    n = len(values)
    ends = np.sort(values)[[(n - 1) // 3, (2 * n - 1) // 3]]
    index = np.unique(np.searchsorted(ends, values), return_inverse=True)[1]
    parts = [values[index == number] for number in range(index.max() + 1)]
    # As few digits as possible so that no two ranges look the same.
    for digits in range(_MIN_DIGITS, _MAX_DIGITS + 1):
        texts = [_range(part.min(), part.max(), digits) for part in parts]
        if len(set(texts)) == len(texts):
            break
    return texts, index


def _range(low: float, high: float, digits: int) -> str:
    texts = [
        np.format_float_positional(end, precision=digits, fractional=False, trim="-") for end in (low, high)
    ]
    return " to ".join(dict.fromkeys(texts))
