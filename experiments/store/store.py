"""The store: one SQLite file that holds all that a report needs."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from ...errors import StoreError
from ..audit.warnings import DataWarning
from .schema import APPLICATION_ID, CELL_COLUMNS, EXTERNAL, TABLES, VERSION, CellRecord

# The store is opened without either.
if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

# How long to wait for another process, in seconds.
_TIMEOUT = 60.0

#: The rows of each table that a report of some cells needs. A new table is here, or in no bundle.
_OF_CHOSEN = {
    "runs": "id IN (SELECT run_id FROM chosen UNION SELECT run FROM asked) ORDER BY id",
    "datasets": "id IN (SELECT dataset_id FROM chosen) ORDER BY id",
    "clips": "dataset_id IN (SELECT dataset_id FROM chosen) ORDER BY dataset_id, position",
    "thumbnails": "dataset_id IN (SELECT dataset_id FROM chosen) ORDER BY dataset_id, position",
    "machines": "id IN (SELECT machine_id FROM chosen) ORDER BY id",
    "codes": "code IN (SELECT code FROM chosen) ORDER BY code",
    "cells": "key IN (SELECT key FROM chosen) ORDER BY key",
    "artifacts": "key IN (SELECT key FROM chosen) ORDER BY key, name",
}

#: What replaces columns that refer to other runs, or hold for this machine only.
_REPLACED = {
    ("cells", "last_run_id"): "(SELECT run FROM asked)",
    ("runs", "request_hash"): "NULL",
    ("runs", "file_stamps"): "NULL",
    ("runs", "cached_output"): "NULL",
}

#: Names of tables whose rows `Store.rows` returns.
BUNDLED = tuple(_OF_CHOSEN)

# Names of the columns of cells, and of those that hold JSON.
_NAMES = [column.name for column in CELL_COLUMNS]
_JSON = [column.name for column in CELL_COLUMNS if column.is_json]

_DATASET_COLUMNS = "dataset split fingerprint groups_known classes warnings".split()


@dataclass(frozen=True)
class RunState:
    """How far a run has come: cells that have ended, by status, and how many it asks for, where that is known."""

    run_id: int
    name: str
    finished: bool
    n_cells: int | None
    counts: Mapping[str, int]


class CachedOutput(NamedTuple):
    """The output of a run as JSON, with a hash of what was requested and the states of the files that it depends on."""

    request_hash: str
    file_stamps: str
    output: str


@dataclass(frozen=True)
class Rows:
    """Rows of a table: names of its columns, and integers, floats, text, bytes or None in their order."""

    columns: list[str]
    rows: Iterable[Sequence[Any]]


class Store:
    """Results of runs in one SQLite file (WAL), written by one process as each cell ends.

    Make one with `Store.open`. It is a context manager that closes itself.

    Attributes
    ----------
    connection : sqlite3.Connection
        For queries that no method makes; tables may change with the schema's version.
    path : Path
        The file.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self.path = path

    @classmethod
    def open(cls, path: str | Path, *, must_exist: bool = False) -> Self:
        """Open a store, making it where there is none.

        Parameters
        ----------
        path : path
            The file.
        must_exist : bool
            Whether a missing file is an error.

        Raises
        ------
        StoreError
            If the file is missing, is no store, was written by another version, or cannot be read.
        """
        path = Path(path)
        if must_exist and not os.path.isfile(path):
            raise StoreError(f"{path}: there is no store; `actionbench run` makes one, --store names another")
        if not os.path.isdir(path.parent):
            raise StoreError(f"{path}: the folder {path.parent} does not exist")
        try:
            connection = sqlite3.connect(path, timeout=_TIMEOUT, isolation_level=None)
            store = cls(connection, path)
            try:
                store._prepare()
            except BaseException:
                connection.close()
                raise
        except (sqlite3.Error, ValueError) as error:
            raise StoreError(f"{path}: cannot be opened as a store ({error})") from error
        return store

    @classmethod
    def filled(cls, path: str | Path, tables: Mapping[str, Rows]) -> Self:
        """Make a store of rows that another one held.

        Parameters
        ----------
        path : path
            The file, which must not exist.
        tables : mapping of str to Rows
            Rows by the name of their table, as from `rows`; and of ``predictions``.

        Raises
        ------
        StoreError
            If the rows do not fit the tables.
        """
        with cls.open(path) as store, store.transaction():
            store.connection.execute("PRAGMA defer_foreign_keys = ON")
            for table, content in tables.items():
                store._fill(table, content)
        return cls.open(path)

    def _fill(self, table: str, content: Rows) -> None:
        if unknown := set(content.columns) - set(self._columns(table)):
            raise StoreError(f"{self.path}: the table {table} has no column {min(unknown)!r}")
        names = ", ".join(f'"{column}"' for column in content.columns)
        marks = ", ".join("?" * len(content.columns))
        self.connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", content.rows)

    def _columns(self, table: str) -> list[str]:
        return [name for (name,) in self._read("SELECT name FROM pragma_table_info(?)", table)]

    def _prepare(self) -> None:
        execute = self.connection.execute
        # Tables first: another process may be making the store, and writes its mark together with them.
        n_tables = execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        application = execute("PRAGMA application_id").fetchone()[0]
        if application not in (0, APPLICATION_ID) or (application == 0 and n_tables):
            raise StoreError(f"{self.path}: an SQLite file, but not a store of actionbench")
        self._use_wal()
        execute("PRAGMA synchronous = NORMAL")
        execute("PRAGMA foreign_keys = ON")
        if self._version() == 0:
            with self.transaction():
                # Asked again inside the transaction: another process may have made them meanwhile.
                if self._version() == 0:
                    self._make_tables()
        if self._version() != VERSION:
            raise StoreError(
                f"{self.path}: written by another version of actionbench (schema {self._version()}, this one reads "
                f"{VERSION}); use that version, or another store"
            )

    def _make_tables(self) -> None:
        for statement in TABLES:
            self.connection.execute(statement)
        self.connection.execute(f"PRAGMA user_version = {VERSION}")
        self.connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    def _use_wal(self) -> None:
        """Switch to the write-ahead log; SQLite does not wait by itself for others that switch."""
        deadline = time.monotonic() + _TIMEOUT
        while self.connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            try:
                self.connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _version(self) -> int:
        return int(self.connection.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all or nothing, waiting for other writers."""
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                # A full disk may have rolled it back already.
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: cannot be written ({error})") from error

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read everything as it is now, whatever others write meanwhile."""
        self.connection.execute("BEGIN")
        try:
            # Only what is read holds the state fast.
            self._version()
            yield
        finally:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self.connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: cannot be read ({error})") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    # Writing

    def begin_run(self, name: str, matrix: dict[str, Any], provenance: dict[str, Any]) -> int:
        """Record that a run starts and return its number."""
        with self.transaction():
            cursor = self.connection.execute(
                "INSERT INTO runs (name, started, matrix, provenance) VALUES (?, ?, ?, ?)",
                (name, _now(), json.dumps(matrix), json.dumps(provenance)),
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def end_run(self, run_id: int) -> None:
        """Record that a run has ended."""
        with self.transaction():
            self.connection.execute("UPDATE runs SET finished = ? WHERE id = ?", (_now(), run_id))
            self._drop_cached_output(run_id)

    def add_dataset(
        self,
        *,
        dataset: str,
        split: str,
        fingerprint: str,
        groups_known: bool,
        classes: list[str],
        warnings: list[str],
        table: pd.DataFrame,
    ) -> int:
        """Record a data set under a split and return its number.

        It is kept once per fingerprint, with the warnings and the conditions of the last time. Conditions are the
        columns of the table beside clip, label and group, as far as they hold strings, finite numbers and booleans.
        """
        with self.transaction():
            row = self.connection.execute(
                "SELECT id FROM datasets WHERE (dataset, split, fingerprint) = (?, ?, ?)",
                (dataset, split, fingerprint),
            ).fetchone()
            if row:
                self.connection.execute(
                    "UPDATE datasets SET warnings = ? WHERE id = ?", (json.dumps(warnings), row[0])
                )
                self._keep_conditions(int(row[0]), table)
                return int(row[0])
            cursor = self.connection.execute(
                "INSERT INTO datasets (dataset, split, fingerprint, groups_known, classes, warnings) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (dataset, split, fingerprint, groups_known, json.dumps(classes), json.dumps(warnings)),
            )
            assert cursor.lastrowid is not None
            clips = table[["clip", "label", "group"]].itertuples(index=False, name=None)
            self.connection.executemany(
                'INSERT INTO clips (dataset_id, position, clip, label, "group") VALUES (?, ?, ?, ?, ?)',
                ((cursor.lastrowid, position, *clip) for position, clip in enumerate(clips)),
            )
            self._keep_conditions(cursor.lastrowid, table)
            return cursor.lastrowid

    def _keep_conditions(self, dataset_id: int, table: pd.DataFrame) -> None:
        known = self._read("SELECT conditions FROM clips WHERE dataset_id = ? ORDER BY position", dataset_id)
        rows = table.drop(columns=["clip", "label", "group"]).to_dict("records")
        now = (json.dumps({str(name): _scalar(row[name]) for name in row}) for row in rows)
        self.connection.executemany(
            "UPDATE clips SET conditions = ? WHERE dataset_id = ? AND position = ?",
            [
                (text, dataset_id, position)
                for position, ((before,), text) in enumerate(zip(known, now, strict=True))
                if text != before
            ],
        )

    def keep_audit(self, key: str, warnings: list[DataWarning]) -> None:
        """Keep what an audit found."""
        with self.transaction():
            self.connection.execute(
                "INSERT OR REPLACE INTO audits VALUES (?, ?)", (key, json.dumps(warnings))
            )

    def keep_unreadable(self, fingerprint: str, reasons: Mapping[str, str]) -> None:
        """Keep why clips of a data set cannot be decoded, by their names; empty where all can."""
        with self.transaction():
            self.connection.execute(
                "INSERT OR REPLACE INTO unreadable VALUES (?, ?)", (fingerprint, json.dumps(dict(reasons)))
            )

    def add_thumbnails(self, dataset_id: int, thumbnails: Mapping[int, bytes]) -> None:
        """Keep thumbnails of clips, as WebP, by the clip's position."""
        with self.transaction():
            self.connection.executemany(
                "INSERT OR REPLACE INTO thumbnails VALUES (?, ?, ?)",
                [(dataset_id, position, content) for position, content in thumbnails.items()],
            )

    def drop_thumbnails(self, dataset_id: int, but: Collection[int] = ()) -> None:
        """Remove all thumbnails of a data set under its split but those at some positions.

        Those of older data of the same name go too. Nothing of them is left in the file once it is closed.
        """
        rows = self._read(
            "SELECT dataset_id, position FROM thumbnails JOIN datasets d ON d.id = dataset_id "
            "WHERE (dataset, split) = (SELECT dataset, split FROM datasets WHERE id = ?)",
            dataset_id,
        )
        unwanted = [row for row in rows if row[0] != dataset_id or row[1] not in but]
        if unwanted:
            self.connection.execute("PRAGMA secure_delete = ON")
            with self.transaction():
                self.connection.executemany(
                    "DELETE FROM thumbnails WHERE dataset_id = ? AND position = ?", unwanted
                )

    def add_cell(self, run_id: int, cell: CellRecord) -> None:
        """Write one cell, whole or not at all; a cell of the same key is replaced."""
        import numpy as np

        values = vars(cell) | {
            "run_id": run_id,
            "last_run_id": run_id,
            "base": cell.base or cell.attempt,
            "latencies": None if cell.latencies is None else np.asarray(cell.latencies, "<f4").tobytes(),
            "finished": _now(),
        }
        for name in _JSON:
            values[name] = None if values[name] is None else json.dumps(values[name], sort_keys=True)
        marks = ", ".join("?" * len(_NAMES))
        with self.transaction():
            self.connection.execute("DELETE FROM cells WHERE key = ?", (cell.key,))
            self.connection.execute(
                f"INSERT INTO cells ({', '.join(_NAMES)}) VALUES ({marks})",
                [values[name] for name in _NAMES],
            )
            self._drop_cached_output(run_id)
            if cell.positions is not None and cell.probabilities is not None:
                self.connection.execute(
                    "INSERT INTO predictions VALUES (?, ?, ?)",
                    (
                        cell.key,
                        np.asarray(cell.positions, "<i4").tobytes(),
                        np.asarray(cell.probabilities, "<f8").tobytes(),
                    ),
                )
            self.connection.executemany(
                "INSERT INTO artifacts VALUES (?, ?, ?)",
                [(cell.key, name, content) for name, content in cell.artifacts.items()],
            )

    def add_code(self, code: str, parts: Mapping[str, str]) -> None:
        """Record the parts that a hash of code covers."""
        with self.transaction():
            self.connection.execute("INSERT OR IGNORE INTO codes VALUES (?, ?)", (code, json.dumps(parts)))

    def add_machine(self, facts: Mapping[str, Any]) -> int:
        """Record a machine with its set-up, once, and return its id."""
        text = json.dumps(facts, sort_keys=True)
        with self.transaction():
            self.connection.execute("INSERT OR IGNORE INTO machines (facts) VALUES (?)", (text,))
            return int(
                self.connection.execute("SELECT id FROM machines WHERE facts = ?", (text,)).fetchone()[0]
            )

    def cache_output(self, run_id: int, cached: CachedOutput, version: int) -> None:
        """Keep the output of a run, for as long as nothing has changed that it depends on.

        Nothing is kept where `data_version` is another one than before the output was made: another run has written.
        """
        with self.transaction():
            if self.data_version() == version:
                self.connection.execute(
                    "UPDATE runs SET (request_hash, file_stamps, cached_output) = (?, ?, ?) WHERE id = ?",
                    (*cached, run_id),
                )

    def _drop_cached_output(self, run_id: int) -> None:
        """Drop the output of later runs, where a run goes on beside them."""
        self.connection.execute(
            "UPDATE runs SET (request_hash, file_stamps, cached_output) = (NULL, NULL, NULL) WHERE id > ?",
            (run_id,),
        )

    def touch(self, run_id: int, keys: Iterable[str]) -> None:
        """Record that a run asked for these stored cells, so that reports show them and not older ones."""
        with self.transaction():
            self.connection.execute(
                "UPDATE cells SET last_run_id = max(last_run_id, ?) "
                "WHERE key IN (SELECT value FROM json_each(?))",
                (run_id, json.dumps(list(keys))),
            )

    # Reading

    def status_of(self) -> dict[str, tuple[str, str | None]]:
        """Return (status, kind of failure) of every stored cell by its key."""
        rows = self._read("SELECT key, status, kind FROM cells")
        return {key: (status, kind) for key, status, kind in rows}

    def audit(self, key: str) -> list[DataWarning] | None:
        """Return what an audit found, None where there was none."""
        rows = self._read("SELECT warnings FROM audits WHERE key = ?", key)
        return [DataWarning(*pair) for pair in json.loads(rows[0][0])] if rows else None

    def unreadable(self, fingerprint: str) -> dict[str, str] | None:
        """Return why clips of a data set cannot be decoded, None where nobody has looked."""
        rows = self._read("SELECT reasons FROM unreadable WHERE fingerprint = ?", fingerprint)
        return json.loads(rows[0][0]) if rows else None

    def is_done(self, key: str) -> bool:
        """Return whether a cell has finished, in this process or another."""
        return bool(self._read("SELECT 1 FROM cells WHERE key = ? AND status = 'done'", key))

    def cached_output(self) -> CachedOutput | None:
        """Return the output of the last run, None where it was not kept."""
        rows = self._read(
            "SELECT request_hash, file_stamps, cached_output FROM runs "
            "WHERE cached_output IS NOT NULL AND finished IS NOT NULL AND id = (SELECT max(id) FROM runs)"
        )
        return CachedOutput(*rows[0]) if rows else None

    def past_costs(self) -> list[tuple[str, str, int, float]]:
        """Return data set, attempt, number of finished cells and the sum of their seconds, without imported ones."""
        return self._read(
            "SELECT dataset, attempt, count(*), sum(fit_seconds + predict_seconds + ifnull(warm_up_seconds, 0) "
            "+ ifnull(json_extract(tuning, '$.seconds'), 0)) FROM cells JOIN datasets ON datasets.id = dataset_id "
            "WHERE status = 'done' AND code != ? GROUP BY dataset, attempt",
            EXTERNAL,
        )

    def room(self) -> tuple[int, int]:
        """Return the number of cells and the bytes that the store takes."""
        ((n_cells,),) = self._read("SELECT count(*) FROM cells")
        return n_cells, self.path.stat().st_size

    def data_version(self) -> int:
        """Return a number that is another one when somebody else has written to the store."""
        return int(self._read("PRAGMA data_version")[0][0])

    def state(self) -> RunState | None:
        """Return how far the last run has come, None where there is none."""
        rows = self._read("SELECT id, name, finished, provenance FROM runs ORDER BY id DESC LIMIT 1")
        if not rows:
            return None
        run_id, name, finished, facts = rows[0]
        counts = self._read(
            "SELECT status, count(*) FROM cells WHERE last_run_id = ? GROUP BY status", run_id
        )
        return RunState(run_id, name, finished is not None, json.loads(facts).get("n_cells"), dict(counts))

    def code_parts(self, code: str) -> dict[str, str] | None:
        """Return the parts that a hash of code covers, None where they were not kept."""
        rows = self._read("SELECT parts FROM codes WHERE code = ?", code)
        return json.loads(rows[0][0]) if rows else None

    def machines(self) -> dict[int, dict[str, Any]]:
        """Return machines with their set-ups, by number."""
        return {number: json.loads(facts) for number, facts in self._read("SELECT id, facts FROM machines")}

    def previous_cells(self, **columns: Any) -> list[dict[str, Any]]:
        """Return the cells that agree in some columns, of data of any age, the latest first.

        Returns
        -------
        list of dict
            ``key``, ``dataset``, ``split``, ``attempt``, ``status``, ``kind``, ``code``, ``params``,
            ``fold_fingerprint``, ``fingerprint`` (of the data) and ``finished``.
        """
        names = (
            "key dataset split attempt status kind code params fold_fingerprint fingerprint finished".split()
        )
        where = " AND ".join(f"{column} = ?" for column in columns)
        rows = self._read(
            f"SELECT {', '.join(names)} FROM cells JOIN datasets ON datasets.id = cells.dataset_id "
            f"WHERE {where} ORDER BY last_run_id DESC, finished DESC",
            *columns.values(),
        )
        found = [dict(zip(names, row, strict=True)) for row in rows]
        return [row | {"params": json.loads(row["params"])} for row in found]

    def datasets(self) -> pd.DataFrame:
        """Return one row per data set and split, the newest fingerprint that has cells.

        Returns
        -------
        DataFrame
            Columns ``id``, ``dataset``, ``split``, ``fingerprint``, ``groups_known`` (bool), ``classes`` and
            ``warnings`` (lists of str).
        """
        import pandas as pd

        rows = self._read(
            f"SELECT id, {', '.join(_DATASET_COLUMNS)} FROM "
            "(SELECT *, row_number() OVER (PARTITION BY dataset, split ORDER BY last DESC, id DESC) AS age FROM "
            " (SELECT d.*, max(c.last_run_id) AS last FROM datasets d JOIN cells c ON c.dataset_id = d.id "
            "  GROUP BY d.id)) WHERE age = 1 ORDER BY dataset, split"
        )
        table = pd.DataFrame(rows, columns=["id", *_DATASET_COLUMNS])
        table["groups_known"] = table["groups_known"].astype(bool)
        for column in ("classes", "warnings"):
            table[column] = [json.loads(text) for text in table[column]]
        return table

    def cell(self, key: str) -> dict[str, Any] | None:
        """Return the columns of a cell of any age, without those that hold JSON, None where there is none."""
        names = [name for name in _NAMES if name not in _JSON]
        rows = self._read(f"SELECT {', '.join(names)} FROM cells WHERE key = ?", key)
        return dict(zip(names, rows[0], strict=True)) if rows else None

    def imported(self) -> set[tuple[str, str, str]]:
        """Return data set, split and attempt of predictions that come from another program."""
        rows = self._read(
            "SELECT DISTINCT dataset, split, attempt FROM cells JOIN datasets ON datasets.id = dataset_id "
            "WHERE code = ?",
            EXTERNAL,
        )
        return {(dataset, split, attempt) for dataset, split, attempt in rows}

    def dataset(self, dataset_id: int) -> dict[str, Any]:
        """Return a data set under a split, of any age: as a row of `datasets`, without its number."""
        rows = self._read(f"SELECT {', '.join(_DATASET_COLUMNS)} FROM datasets WHERE id = ?", dataset_id)
        found = dict(zip(_DATASET_COLUMNS, rows[0], strict=True))
        read = {column: json.loads(found[column]) for column in ("classes", "warnings")}
        return found | read | {"groups_known": bool(found["groups_known"])}

    def cells_of(self, run_id: int) -> list[dict[str, Any]]:
        """Return the cells that a run asked for, one per place in the matrix, without arrays and artifacts.

        For the last run these are exactly its cells. For an earlier one they are those that were made by its end and
        asked for then or later, unless a later run has replaced them.

        Returns
        -------
        list of dict
            The columns of `cells` but the latencies, and ``fingerprint`` (of the data), by data set, attempt, seed and
            fold.
        """
        names = ["dataset", "split", "fingerprint", *(name for name in _NAMES if name != "latencies")]
        rows = self._read(
            f"SELECT {_qualified(names)} FROM cells JOIN datasets ON datasets.id = cells.dataset_id "
            "WHERE run_id <= ? AND last_run_id >= ? ORDER BY dataset, split, attempt, seed, fold, run_id, key",
            run_id,
            run_id,
        )
        found = {}
        for row in rows:
            cell = dict(zip(names, row, strict=True))
            for name in _JSON:
                cell[name] = None if cell[name] is None else json.loads(cell[name])
            # The latest of a place is the one that the run had.
            found[tuple(cell[name] for name in ("dataset", "split", "attempt", "seed", "fold"))] = cell
        return list(found.values())

    def rows(self, table: str, run_id: int, keys: Iterable[str]) -> Rows:
        """Return all that a table, one of `BUNDLED`, holds of some cells of a run.

        Runs that had made such cells before come along. The cells are asked for by no later run.
        """
        columns = self._columns(table)
        chosen = ", ".join(_REPLACED.get((table, column), f'"{column}"') for column in columns)
        rows = self._read(
            "WITH asked(run) AS (SELECT ?1), "
            "chosen AS (SELECT * FROM cells WHERE key IN (SELECT value FROM json_each(?2))) "
            f"SELECT {chosen} FROM {table} WHERE {_OF_CHOSEN[table]}",
            run_id,
            json.dumps(list(keys)),
        )
        return Rows(columns, rows)

    def clips(self, dataset_id: int, *, conditions: bool = False) -> pd.DataFrame:
        """Return ``clip``, ``label`` and ``group`` of each clip; the row number is the clip's position.

        With ``conditions`` there are further columns: what else its data set knew of each clip, missing where it did
        not.
        """
        import pandas as pd

        rows = self._read(
            'SELECT clip, label, "group", conditions FROM clips WHERE dataset_id = ? ORDER BY position',
            int(dataset_id),
        )
        table = pd.DataFrame(rows, columns=["clip", "label", "group", "conditions"])
        texts = table.pop("conditions")
        return table.join(pd.DataFrame(_each_once(texts, json.loads))) if conditions else table

    def thumbnails(self, dataset_id: int) -> dict[int, bytes]:
        """Return the thumbnails of clips that there are, as WebP, by the clip's position."""
        return dict(
            self._read(
                "SELECT position, content FROM thumbnails WHERE dataset_id = ? ORDER BY position",
                int(dataset_id),
            )
        )

    def cells(self) -> pd.DataFrame:
        """Return one row per cell, of any status.

        Only what is current: of each data set and split the newest data, of each attempt the newest code and
        parameters (but for where a file lies), of each seed and fold the newest cell.

        Returns
        -------
        DataFrame
            The columns of `CellRecord` but the arrays and artifacts, and ``dataset``, ``split``, ``run_id``; by data
            set, split, attempt, seed and fold. What is not known is missing (None or NaN); ``latencies`` are arrays.
        """
        import pandas as pd

        found: dict[str, Any] = dict(self.cell_columns())
        for column in ("kind", "error", "message", "traceback", "log"):
            found[column] = pd.Series(found[column], dtype=object)
        return pd.DataFrame(found)

    def cell_columns(self) -> dict[str, NDArray[Any]]:
        """Return the columns of `cells` as arrays, which takes less time where there are many."""
        import numpy as np

        current = ", ".join(str(number) for number in self.datasets()["id"])
        names = ["dataset", "split", *_NAMES]
        # In a query with max, SQLite takes the other columns from the row that has the largest value.
        rows = self._read(
            "WITH newest AS (SELECT dataset_id, attempt, code, max(printf('%020d', last_run_id) || finished) "
            f" FROM cells WHERE dataset_id IN ({current}) GROUP BY dataset_id, attempt) "
            f"SELECT {_qualified(names)} FROM newest JOIN cells USING (dataset_id, attempt, code) "
            "JOIN datasets ON datasets.id = dataset_id "
            "ORDER BY dataset, split, attempt, seed, fold, last_run_id, finished"
        )
        rows = _newest(rows, names)
        found: dict[str, Any] = dict(
            zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True)
        )
        for name in _JSON:
            found[name] = _each_once(found[name], json.loads)
        found["latencies"] = [np.frombuffer(content or b"", "<f4") for content in found["latencies"]]
        # Once for all readers: what is not known of a number becomes NaN.
        dtypes = {column.name: column.dtype for column in CELL_COLUMNS}
        return {name: _array(values, dtypes.get(name, object)) for name, values in found.items()}

    def predictions(self, key: str) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return what a finished cell predicted.

        Returns
        -------
        positions : ndarray of int, shape (n_test,)
            Which clips of the data set.
        probabilities : ndarray of float64, shape (n_test, n_classes)
            In the order of the data set's ``classes``.
        """
        import numpy as np

        rows = self._read("SELECT positions, probabilities FROM predictions WHERE key = ?", key)
        if not rows:
            raise StoreError(f"{self.path}: cell {key} has no predictions")
        positions = np.frombuffer(rows[0][0], "<i4")
        return positions, np.frombuffer(rows[0][1], "<f8").reshape(len(positions), -1)

    def predictions_of(
        self, dataset_id: int, attempt: str, keys: Iterable[str]
    ) -> tuple[NDArray[np.intp], NDArray[np.int32], NDArray[np.float64]]:
        """Return what finished cells of an attempt on a data set predicted, one after the other.

        Returns
        -------
        counts : ndarray of int, shape (n_cells,)
            How many predictions each cell has.
        positions, probabilities
            As of `predictions`, of all cells together.
        """
        import numpy as np

        rows = self._read(
            "SELECT key, positions, probabilities FROM cells JOIN predictions USING (key) "
            "WHERE dataset_id = ? AND attempt = ?",
            int(dataset_id),
            attempt,
        )
        known = {key: contents for key, *contents in rows}
        places, contents = zip(*(known[key] for key in keys), strict=True)
        positions = np.frombuffer(b"".join(places), "<i4")
        probabilities = np.frombuffer(b"".join(contents), "<f8").reshape(len(positions), -1)
        return np.array(list(map(len, places))) // positions.itemsize, positions, probabilities

    def with_artifacts(self) -> set[str]:
        """Return the keys of the cells that left something behind."""
        return {key for (key,) in self._read("SELECT DISTINCT key FROM artifacts")}

    def artifacts(self, key: str) -> dict[str, bytes]:
        """Return what a cell left behind, by name: ``explain.txt`` in UTF-8, pictures as ``NAME.png``."""
        return dict(self._read("SELECT name, content FROM artifacts WHERE key = ? ORDER BY name", key))

    def runs(self) -> pd.DataFrame:
        """Return one row per run: ``id``, ``name``, ``started``, ``finished``, ``matrix``, ``provenance`` (dicts)."""
        import pandas as pd

        columns = ["id", "name", "started", "finished", "matrix", "provenance"]
        table = pd.DataFrame(
            self._read(f"SELECT {', '.join(columns)} FROM runs ORDER BY id"), columns=columns
        )
        for column in ("matrix", "provenance"):
            table[column] = [json.loads(text) for text in table[column]]
        return table


def _qualified(names: Iterable[str]) -> str:
    """Return columns of cells and data sets with their tables: some names are in both."""
    return ", ".join(f"cells.{name}" if name in _NAMES else name for name in names)


def _newest(rows: Iterable[tuple[Any, ...]], names: list[str]) -> list[tuple[Any, ...]]:
    """Return the rows of the newest parameters of each attempt, of a seed and fold the last one.

    An attempt keeps its title where its parameters change; with another budget for tuning, or with other content of
    a file, it keeps its parameters too.
    """
    at = {name: number for number, name in enumerate(names)}
    params, when = at["params"], itemgetter(at["last_run_id"], at["finished"])
    place = itemgetter(at["dataset_id"], at["attempt"], at["seed"], at["fold"])
    last = {place(row): row for row in rows}
    newest: dict[Any, tuple[Any, ...]] = {}
    for (data, name, *_), row in last.items():
        known = newest.get((data, name))
        if known is None or when(row) > when(known):
            newest[data, name] = row
    texts = {row[params] for row in last.values()}
    settings = dict(zip(texts, map(_settings, texts), strict=True))
    return [
        row
        for (data, name, *_), row in last.items()
        if settings[row[params]] == settings[newest[data, name][params]]
    ]


def _settings(params: str) -> dict[str, Any]:
    """Return parameters with the name alone of what may be a file: where it lies does not matter."""
    return {
        key: os.path.basename(value) if isinstance(value, str) else value
        for key, value in json.loads(params).items()
    }


def _scalar(value: object) -> str | float | None:
    """Return a word, a finite number or a truth value as it is, None for anything else."""
    if isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return None


def _each_once(texts: Iterable[str | None], read: Callable[[str], Any]) -> list[Any]:
    """Read texts, most of which are the same, each once; None stays."""
    known: dict[str | None, Any] = {None: None}
    known.update((text, read(text)) for text in set(texts) if text is not None)
    return [known[text] for text in texts]


def _array(values: Sequence[Any], kind: type) -> NDArray[Any]:
    import numpy as np

    return np.fromiter(values, object, len(values)) if kind is object else np.array(values, kind)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
