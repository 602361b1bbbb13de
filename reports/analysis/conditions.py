"""How accurate each attempt is under each condition: which breaks under what."""

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

# Numbers of more values than these are seen in ranges.
_FEW = 6
# Words of more values than these are names of clips or files rather than conditions.
_MOST_WORDS = 20
# Significant digits of a range's ends: at least, and where nothing is rounded.
_DIGITS, _MOST_DIGITS = 2, 17


def nuisance_table(results: list[Result]) -> pd.DataFrame:
    """Return the accuracy of each attempt for each value of each condition.

    Parameters
    ----------
    results : list of Result
        From `results.gather`. Those that learned from fewer groups are left out.

    Returns
    -------
    DataFrame
        Columns `NUISANCE_COLUMNS`, for each data set, split and attempt in their alphabetical order first those of
        `clip_conditions`, then those of `option_conditions`.

        Numbers and ranges are sorted by size, words by the alphabet. Accuracy and its 95 % interval are those
        of the comparison table on the clips of the value.
    """
    return _sorted([*_by_clips(results), *_by_options(results)])


def clip_conditions(results: list[Result]) -> pd.DataFrame:
    """Return those of the rows of `nuisance_table` that are of what is known of each clip.

    Conditions come in the order of the data set's own table, those of which at least two values occur. Words, truth
    values and numbers of at most six values are taken as they are, other numbers in three ranges, such as
    ``"0.8 to 1.3"``, that end at the terciles of all clips of the data set; a range is called by its least and its
    greatest number. Words of more than twenty values name something else and are left out. Clips of which a condition
    is not known do not count for it.
    """
    return _sorted(_by_clips(results))


def option_conditions(results: list[Result]) -> pd.DataFrame:
    """Return those of the rows of `nuisance_table` that are of an option of data sets.

    It is the one in which data sets of the last run differ that have one name and split and different titles; there
    ``dataset`` is that name. It must be the only one in which they differ, and other than ``root``: other clips are
    another data set.
    """
    return _sorted(_by_options(results))


def _sorted(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    # Stable: conditions and values stay in their order.
    ordered = sorted(rows, key=lambda row: (row["dataset"], row["split"], row["attempt"]))
    return pd.DataFrame(ordered, columns=NUISANCE_COLUMNS)


def _that_count(results: Iterable[Result]) -> Iterator[Result]:
    return (result for result in results if result.attempt == result.base and len(result.positions))


def _by_clips(results: Iterable[Result]) -> Iterator[dict[str, Any]]:
    known: dict[tuple[str, ...], list[tuple[str, list[str], NDArray[np.intp]]]] = {}
    for result in _that_count(results):
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
    for result in _that_count(results):
        if result.entry:
            titles = same.setdefault((result.entry["name"], result.split), {})
            titles.setdefault(result.dataset, []).append(result)
    for (name, _), titles in same.items():
        found = _only_difference([own[0].entry for own in titles.values()])
        if found is None:
            continue
        option, values = found
        words, numbers = _as_they_are(values)
        for number, own in sorted(zip(numbers, titles.values(), strict=True), key=lambda pair: pair[0]):
            for result in own:
                everything = np.ones(len(result.positions), bool)
                yield _row(result, everything, dataset=name, condition=option, value=words[number])


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
    """Return the values of a condition in words, none where it is no condition, and which of them each clip has.

    That is -1 where it is not known.
    """
    known = column.notna().to_numpy()
    values, level = column[known].tolist(), np.full(len(column), -1)
    n_different, numbers = len(set(values)), all(isinstance(value, Real) for value in values)
    words: list[str] = []
    if numbers and n_different > _FEW:
        words, level[known] = _ranges(np.array(values, float))
    elif n_different <= _MOST_WORDS:
        words, level[known] = _as_they_are(values)
    return words, level


def _as_they_are(values: list[Any]) -> tuple[list[str], list[int]]:
    """Return the different values in words, numbers by size before words by the alphabet, and the place of each."""
    different = sorted(set(values), key=lambda value: (isinstance(value, str), value))
    places = {value: place for place, value in enumerate(different)}
    return [_word(value) for value in different], [places[value] for value in values]


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else np.format_float_positional(value, trim="-")


def _ranges(numbers: NDArray[np.float64]) -> tuple[list[str], NDArray[np.intp]]:
    """Return up to three ranges in words, of as many numbers each as equal ones allow, and the place of each number."""
    n = len(numbers)
    ends = np.sort(numbers)[[(n - 1) // 3, (2 * n - 1) // 3]]
    place = np.unique(np.searchsorted(ends, numbers), return_inverse=True)[1]
    parts = [numbers[place == number] for number in range(place.max() + 1)]
    # As short as may be without making two ranges look the same.
    for digits in range(_DIGITS, _MOST_DIGITS + 1):
        words = [_range(part.min(), part.max(), digits) for part in parts]
        if len(set(words)) == len(words):
            break
    return words, place


def _range(low: float, high: float, digits: int) -> str:
    words = [
        np.format_float_positional(end, precision=digits, fractional=False, trim="-") for end in (low, high)
    ]
    return " to ".join(dict.fromkeys(words))
