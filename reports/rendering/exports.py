"""Exports of results: tables of predictions, and Parquet."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pandas as pd

from ...errors import ActionbenchError
from ..analysis.columns import MEDIANS
from ..analysis.results import Reader

COLUMNS = [
    "dataset",
    "split",
    "attempt",
    "seed",
    "fold",
    "clip",
    "label",
    "group",
    "predicted",
    "correct",
]


def predictions(store: Reader) -> pd.DataFrame:
    """Return the predictions of each attempt for each clip and seed.

    Parameters
    ----------
    store : Reader
        An open store.

    Returns
    -------
    DataFrame
        One row per clip, seed and attempt: ``dataset``, ``split``, ``attempt``, ``seed``, ``fold``, ``clip``,
        ``label``, ``group``, ``predicted`` (the most probable label), ``correct``, and the probability of each class as
        ``p(<label>)``, as in the output of `predict`; missing where a data set has no such class. Only finished cells,
        sorted by data set, split, attempt, seed and fold; clips in the order of the data set.
    """
    parts = list(_parts(store))
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    return pd.concat(parts, ignore_index=True)


def _parts(store: Reader) -> Iterator[pd.DataFrame]:
    cells = store.cells()
    done = cells[(cells["status"] == "done").to_numpy()]
    for dataset in store.datasets().to_dict("records"):
        clips, classes = store.clips(dataset["id"]), np.array(dataset["classes"], dtype=object)
        for attempt, own in done[done["dataset_id"] == dataset["id"]].groupby("attempt"):
            counts, positions, probabilities = store.predictions_of(dataset["id"], str(attempt), own["key"])
            cell = np.repeat(np.arange(len(own)), counts)
            order = np.lexsort((positions, cell))
            facts = own[["dataset", "split", "attempt", "seed", "fold"]].iloc[cell[order]]
            names = clips.iloc[positions[order]].reset_index(drop=True)
            predicted = classes[probabilities[order].argmax(axis=1)]
            names = names.assign(predicted=predicted, correct=names["label"] == predicted)
            shares = {f"p({label})": probabilities[order, number] for number, label in enumerate(classes)}
            yield pd.concat([facts.reset_index(drop=True), names, pd.DataFrame(shares)], axis=1)


def parquet(table: pd.DataFrame) -> bytes:
    """Return a table as a Parquet file.

    Parameters
    ----------
    table : DataFrame
        From `tables.comparison_table` or `predictions`, for example. Its index is left out.

    Returns
    -------
    bytes
        The same for equal tables. Integers have 64 bits (``Int64`` when pandas reads them), and so have medians of
        integers if all are integers; unknown values are null.

    Raises
    ------
    ActionbenchError
        If pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet as pq
    except ImportError as error:
        raise ActionbenchError(
            'Parquet needs pyarrow; install it with: pip install "actionbench[parquet]"'
        ) from error
    typed = table.reset_index(drop=True)
    typed = typed.astype({name: "Int64" for name in typed if _is_integer(typed[name])})
    kinds = {"b": pa.bool_(), "i": pa.int64(), "f": pa.float64()}
    fields = [(name, kinds.get(typed[name].dtype.kind, pa.string())) for name in typed]
    file = io.BytesIO()
    content = pa.Table.from_pandas(typed, schema=pa.schema(fields), preserve_index=False)
    pq.write_table(content, file)
    return file.getvalue()


def _is_integer(column: pd.Series) -> bool:
    if column.dtype.kind == "f" and column.name in MEDIANS:
        return bool((column.dropna() % 1 == 0).all())
    return column.dtype.kind in "iu"
