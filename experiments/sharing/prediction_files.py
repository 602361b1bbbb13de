"""Predictions that another program has written: tables, dumps of mmaction2, arrays of NumPy."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ...errors import DataError
from ..datasets.pose_files import array_in, restricted_load
from ..datasets.table import READERS, read_lines

#: Keys of an ``.npz`` file beside the predictions, which become columns.
_COLUMNS = ("clip", "fold", "seed", "attempt")
_TENSORS = "{}; tensors of other types become arrays by their numpy(), or lists by tolist() for a .json file"


def read_predictions(
    path: str | Path, *, clips: str | Path | None = None, classes: Sequence[str] | None = None
) -> pd.DataFrame:
    r"""Read predictions from a file.

    Parameters
    ----------
    path : path
        ``.csv``, ``.tsv``, ``.json``, ``.jsonl``, ``.ndjson`` or ``.parquet`` with a row for each prediction; a dump of
        mmaction2 (``.pkl``, ``.pickle`` or ``.json``: a list of scores, or of objects with ``pred_score`` and perhaps
        ``gt_label``); ``.npy`` or ``.npz`` with an array of labels or of scores.
    clips : path, optional
        A file with the clips in the order of a dump or an array, one in a line, with or without a label behind.
    classes : sequence of str, optional
        Names of the classes in the order of the scores.

    Returns
    -------
    DataFrame
        The rows of a table as they are written; of a dump or an array those of `predictions_table`.

    Raises
    ------
    DataError
        If the file cannot be read, or does not say which clips and classes it is about.

    Examples
    --------
    >>> _ = Path("p.csv").write_text("clip,label\nann/1,run\nbob/1,walk\n")
    >>> read_predictions("p.csv")
        clip label
    0  ann/1   run
    1  bob/1  walk
    """
    path = Path(path)
    reader = {".npy": _read_array, ".npz": _read_arrays, ".pkl": _read_pickle, ".pickle": _read_pickle}.get(
        path.suffix.lower(), _read_table
    )
    try:
        names = None if clips is None else [Path(name).as_posix() for name in read_lines(Path(clips))["path"]]
        return reader(path, names, classes)
    except DataError:
        raise
    except (OSError, ValueError, TypeError, csv.Error, RecursionError, zipfile.BadZipFile) as error:
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())[:200]
        named = (isinstance(error, OSError) and error.filename) or path
        raise DataError(f"{named}: cannot be read as predictions ({reason})") from error


def given_predictions(
    predictions: str | Path | pd.DataFrame | ArrayLike,
    *,
    clips: str | Path | Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
) -> tuple[pd.DataFrame, str]:
    """Return predictions of any kind as a table, and what errors name.

    Parameters
    ----------
    predictions : path, DataFrame or array_like
        A file for `read_predictions`, a table as it is, or an array for `predictions_table`.
    clips : path or sequence of str, optional
        A file with the clips beside a file, their names beside an array.
    classes : sequence of str, optional
        As there.

    Raises
    ------
    DataError
        As there, or if ``clips`` are of the wrong kind.
    """
    if isinstance(predictions, str | Path):
        if clips is not None and not isinstance(clips, str | Path):
            raise DataError("clips: beside a file it must be a file with a clip in each line")
        return read_predictions(predictions, clips=clips, classes=classes), str(predictions)
    if isinstance(predictions, pd.DataFrame):
        return predictions, "predictions"
    if isinstance(clips, str | Path):
        raise DataError("clips: beside an array it must be a list of names")
    return predictions_table(predictions, None if clips is None else list(clips), classes), "predictions"


def predictions_table(
    values: ArrayLike,
    clips: Sequence[str] | None,
    classes: Sequence[str] | None = None,
    *,
    truth: Sequence[int] | None = None,
    where: str = "predictions",
) -> pd.DataFrame:
    """Return predictions in arrays, as scikit-learn's, as a table.

    Parameters
    ----------
    values : array_like, shape (n,) or (n, n_classes)
        Labels as of ``predict``, numbers that count ``classes`` where these are given; or scores of the classes, as of
        ``predict_proba``.
    clips : sequence of str, length n
        Names of the clips.
    classes : sequence of str, length n_classes
        As ``classes_``; needed for scores.
    truth : sequence of int, optional
        Which class each clip is of as its author knew it, to be held against the data set.
    where : str
        What errors name.

    Returns
    -------
    DataFrame
        ``clip``, ``predicted``, for scores ``p(<class>)``, and ``label`` where the truth is given.

    Raises
    ------
    DataError
        If names are missing or not as many as there are predictions or classes.

    Examples
    --------
    >>> predictions_table([[0.2, 0.8], [0.7, 0.3]], ["ann/1", "bob/1"], ["run", "walk"])
        clip predicted  p(run)  p(walk)
    0  ann/1      walk     0.2      0.8
    1  bob/1       run     0.7      0.3
    """
    array, names = np.asarray(values), None if classes is None else [str(label) for label in classes]
    if array.ndim not in (1, 2) or not len(array):
        raise DataError(
            f"{where}: must be an array of labels (n,) or of scores (n, n_classes), got {array.shape}"
        )
    if clips is None:
        raise DataError(
            f"{where}: has no names of clips; --clips must name a file with the {len(array)} clips in its order"
        )
    if len(clips) != len(array):
        raise DataError(f"{where}: has {len(array)} predictions, but {len(clips)} clips are named")
    if array.ndim == 2 and (names is None or len(names) != array.shape[1]):
        given = "none" if names is None else len(names)
        raise DataError(
            f"{where}: has scores of {array.shape[1]} classes; --classes must name them in this order, got {given}"
        )
    found: dict[str, Any] = {"clip": [str(clip) for clip in clips]}
    if array.ndim == 2:
        scores = array.astype(np.float64)
        best = np.where(np.isnan(scores), -np.inf, scores).argmax(axis=1)
        found["predicted"] = _named(best, names, where)
        found |= {f"p({label})": column for label, column in zip(names or (), scores.T, strict=True)}
    else:
        found["predicted"] = _named(array, names, where)
    if truth is not None:
        found["label"] = _named(np.asarray(truth), names, where)
    return pd.DataFrame(found)


def _named(numbers: NDArray[Any], classes: list[str] | None, where: str) -> list[str]:
    """Return the names of classes; what is no number is one already."""
    if classes is None or numbers.dtype.kind not in "iu":
        return [str(label) for label in numbers.tolist()]
    if numbers.min() < 0 or numbers.max() >= len(classes):
        raise DataError(
            f"{where}: numbers of classes must be from 0 to {len(classes) - 1}, got {numbers.min()} to {numbers.max()}"
        )
    return [classes[number] for number in numbers]


def _read_table(path: Path, clips: list[str] | None, classes: Sequence[str] | None) -> pd.DataFrame:
    reader: Callable[[Path], pd.DataFrame] | None = READERS.get(path.suffix.lower())
    if reader is None or reader is read_lines:
        known = ", ".join([*(ending for ending in READERS if ending != ".lines"), ".pkl, .npy or .npz"])
        raise DataError(f"{path}: predictions must be in a file that ends in {known}")
    if path.suffix.lower() == ".json":
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        if isinstance(content, list) and content and _score(content[0]) is not None:
            return _dumped(content, path, clips, classes)
    rows = reader(path)
    if rows.empty:
        raise DataError(f"{path}: there is not one row in it")
    return rows


def _read_pickle(path: Path, clips: list[str] | None, classes: Sequence[str] | None) -> pd.DataFrame:
    try:
        content = restricted_load(path)
    except DataError as error:
        raise DataError(_TENSORS.format(error)) from error
    if not isinstance(content, list) or not content:
        raise DataError(f"{path}: must be a list with the scores of each clip, as mmaction2 dumps them")
    return _dumped(content, path, clips, classes)


def _dumped(
    content: list[Any], path: Path, clips: list[str] | None, classes: Sequence[str] | None
) -> pd.DataFrame:
    scores = [_score(row) or [] for row in content]
    for number, score in enumerate(scores):
        if not score or len(score) != len(scores[0]):
            raise DataError(
                f"{path}, entry {number}: must have one score for each of {len(scores[0])} classes as pred_score, as "
                "mmaction2 dumps them"
            )
    known = [row.get("gt_label", row.get("gt_labels")) if isinstance(row, dict) else None for row in content]
    labels = [np.ravel(_value(label)) for label in known if label is not None]
    if labels and (len(labels) < len(content) or any(len(label) != 1 for label in labels)):
        raise DataError(f"{path}: each entry must have one gt_label, or none has any")
    truth = [int(label[0]) for label in labels] or None
    return predictions_table(scores, clips, classes, truth=truth, where=str(path))


def _score(row: Any) -> list[float] | None:
    """Return the scores in an entry of a dump, None where it has none."""
    if isinstance(row, dict):
        row = next((row[key] for key in ("pred_score", "pred_scores") if key in row), None)
    row = _value(row)
    right = isinstance(row, list) and row and all(isinstance(one, int | float) for one in row)
    return row if right else None


def _value(item: Any) -> Any:
    """Return what is in a field of a dump: an array as a list, and what the label of older versions holds."""
    if isinstance(item, dict):
        item = item.get("item", item.get("label"))
    array = array_in(item)
    return item if array is None else array.tolist()


def _read_array(path: Path, clips: list[str] | None, classes: Sequence[str] | None) -> pd.DataFrame:
    return predictions_table(np.load(path, allow_pickle=False), clips, classes, where=str(path))


def _read_arrays(path: Path, clips: list[str] | None, classes: Sequence[str] | None) -> pd.DataFrame:
    with np.load(path, allow_pickle=False) as arrays:
        known = {name: arrays[name] for name in arrays.files}
    values = [name for name in ("scores", "predicted") if name in known]
    unknown = sorted(known.keys() - {*values, *_COLUMNS, "classes"})
    if len(values) != 1 or unknown:
        raise DataError(
            f"{path}: must have the array scores or predicted, and may have classes, {', '.join(_COLUMNS)}; it has "
            f"{', '.join(known) or 'none'}"
        )
    names = clips if "clip" not in known else known["clip"].tolist()
    table = predictions_table(
        known[values[0]],
        names,
        [str(label) for label in known["classes"]] if "classes" in known else classes,
        where=str(path),
    )
    for name in _COLUMNS[1:]:
        if name in known:
            if known[name].shape not in ((), (len(table),)):
                raise DataError(f"{path}: {name} must be one value or {len(table)}, got {known[name].shape}")
            table[name] = known[name]
    return table
