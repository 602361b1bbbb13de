"""The tables of a store; the columns of a cell follow from one dataclass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ..evaluation.result import Measured

# The store is opened without NumPy.
if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: "abst" in the header of the file marks it as one of ours.
APPLICATION_ID = 0x61627374

#: Version of the tables, which a file holds as its ``user_version``.
VERSION = 1

#: What stands in place of the hash of code where predictions come from another program.
EXTERNAL = "external"

#: The code of the warning that such predictions have no probabilities.
NO_PROBABILITIES = "no-probabilities"

# Fields of a cell that have tables of their own.
_ELSEWHERE = ("positions", "probabilities", "artifacts")


@dataclass
class CellRecord(Measured):
    """All that the store keeps of one cell; its fields are the columns of the table, but for those kept elsewhere."""

    key: str
    dataset_id: int
    attempt: str
    family: str
    params: dict[str, Any]
    seed: int
    fold: int
    fold_name: str
    code: str
    n_train: int
    n_test: int
    #: Groups of the training clips.
    n_train_groups: int | None = None
    #: Name of the attempt when it is trained on all of the fold's groups; by default ``attempt``.
    base: str = ""
    status: str = "done"
    kind: str | None = None
    error: str | None = None
    message: str | None = None
    traceback: str | None = None
    log: str | None = None
    fold_fingerprint: str | None = None
    machine_id: int | None = None
    #: How often it was begun, where machines may die.
    n_starts: int = 1
    positions: NDArray[np.int32] | None = None
    probabilities: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Column:
    """A column of the table of cells: its name, type and constraints in SQL, and the type of its values in an array."""

    name: str
    sql: str
    dtype: type
    is_json: bool = False


# What is in a column of SQL and in an array, by the type of a field. A missing integer or float is NaN in an array.
_TYPES = {
    "str": ("TEXT NOT NULL", object),
    "str | None": ("TEXT", object),
    "int": ("INTEGER NOT NULL", int),
    "int | None": ("INTEGER", float),
    "float | None": ("REAL", float),
    "dict[str, Any]": ("TEXT NOT NULL", object),
    "dict[str, int]": ("TEXT NOT NULL", object),
    "dict[str, str]": ("TEXT NOT NULL", object),
    "dict[str, Any] | None": ("TEXT", object),
    "NDArray[np.float32] | None": ("BLOB", object),
}
_CONSTRAINTS = {"key": " PRIMARY KEY", "dataset_id": " REFERENCES datasets"}


def _columns() -> Iterator[Column]:
    yield Column("run_id", "INTEGER NOT NULL REFERENCES runs", int)
    yield Column("last_run_id", "INTEGER NOT NULL REFERENCES runs", int)
    yield Column("finished", "TEXT NOT NULL", object)
    for one in fields(CellRecord):
        if one.name not in _ELSEWHERE:
            annotation = str(one.type)
            sql, dtype = _TYPES[annotation]
            sql += _CONSTRAINTS.get(one.name, "")
            yield Column(one.name, sql, dtype, is_json=annotation.startswith("dict"))


#: The columns of the table of cells.
CELL_COLUMNS = tuple(_columns())

#: The statements that make the tables.
TABLES = (
    """CREATE TABLE runs (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, started TEXT NOT NULL, finished TEXT, matrix TEXT NOT NULL,
        provenance TEXT NOT NULL, request_hash TEXT, file_stamps TEXT, cached_output TEXT)""",
    """CREATE TABLE datasets (
        id INTEGER PRIMARY KEY, dataset TEXT NOT NULL, split TEXT NOT NULL, fingerprint TEXT NOT NULL,
        groups_known INTEGER NOT NULL, classes TEXT NOT NULL, warnings TEXT NOT NULL,
        UNIQUE (dataset, split, fingerprint))""",
    """CREATE TABLE clips (
        dataset_id INTEGER NOT NULL REFERENCES datasets, position INTEGER NOT NULL, clip TEXT NOT NULL,
        label TEXT NOT NULL, "group" TEXT NOT NULL, conditions TEXT NOT NULL DEFAULT '{}',
        PRIMARY KEY (dataset_id, position)) WITHOUT ROWID""",
    """CREATE TABLE thumbnails (
        dataset_id INTEGER NOT NULL REFERENCES datasets, position INTEGER NOT NULL, content BLOB NOT NULL,
        PRIMARY KEY (dataset_id, position))""",
    f"CREATE TABLE cells ({', '.join(f'{column.name} {column.sql}' for column in CELL_COLUMNS)})",
    "CREATE INDEX cells_by_dataset ON cells (dataset_id, attempt)",
    """CREATE TABLE predictions (
        key TEXT PRIMARY KEY REFERENCES cells ON DELETE CASCADE, positions BLOB NOT NULL,
        probabilities BLOB NOT NULL)""",
    """CREATE TABLE artifacts (
        key TEXT NOT NULL REFERENCES cells ON DELETE CASCADE, name TEXT NOT NULL, content BLOB NOT NULL,
        PRIMARY KEY (key, name))""",
    "CREATE TABLE codes (code TEXT PRIMARY KEY, parts TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE machines (id INTEGER PRIMARY KEY, facts TEXT NOT NULL UNIQUE)",
    "CREATE TABLE unreadable (fingerprint TEXT PRIMARY KEY, reasons TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE audits (key TEXT PRIMARY KEY, warnings TEXT NOT NULL) WITHOUT ROWID",
)
