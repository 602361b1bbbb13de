"""Predictions made by another program as cells of a store, under the protocol of a data set and its split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import DataError, Faults, StoreError, did_you_mean
from ..datasets.splits import ClipFinder
from ..evaluation.result import Measured
from ..planning.cells import PlannedDataset
from ..store import Store
from ..store.schema import EXTERNAL, NO_PROBABILITIES, VERSION, CellRecord

__all__ = ["COSTS", "add_cells", "check_store", "read_cells", "rows_of"]

#: What it may have cost, as in the store; in predictions per clip, the rest the same for all clips of a fold and seed.
COSTS = tuple(
    field.name
    for field in fields(Measured)
    if str(field.type) in ("float | None", "int | None") and "_saved_" not in field.name
)
_NAMES = ("dataset", "split", "attempt", "seed", "fold", "clip", "label", "group", "predicted", "correct")
# How far the sum of probabilities may be from 1: they are often written with few digits.
_TOLERANCE = 1e-3
_MAX_SEED = 2**32 - 1

_ORIGIN = (
    "It was predicted by another program and imported: that it was trained on the training groups of each fold alone "
    "is not checked, and costs that were not given are not measured."
)
_NO_PROBABILITIES = (
    "It was imported as labels, or as scores that are no probabilities and of which only the largest counts: its "
    "calibration is not measured."
)


def rows_of(table: pd.DataFrame, dataset: str, split: str) -> pd.DataFrame:
    """Return the rows of a table of predictions that are for a data set under a split; all where it does not say."""
    for column, name in (("dataset", dataset), ("split", split)):
        if column in table:
            table = table[table[column].astype(str) == name]
    # Columns of the classes of other data sets are empty.
    return table.dropna(axis="columns", how="all") if len(table) else table


def read_cells(
    table: pd.DataFrame, where: str, data: PlannedDataset, *, attempt: str, family: str = EXTERNAL
) -> list[CellRecord]:
    """Return the cells that predictions make, checked against the protocol.

    Parameters
    ----------
    table : DataFrame
        One row for each clip, seed and attempt. ``clip``; what was predicted as ``predicted`` or ``label``, or as
        scores of all classes in columns ``<class>`` or ``p(<class>)``; perhaps ``fold`` (its number or name), ``seed``,
        ``attempt`` and `COSTS`. Beside ``predicted``, ``label`` is the true one, and it and ``group`` are held against
        the data set.
    where : str
        What errors name.
    data : PlannedDataset
        The data set and its folds.
    attempt : str
        The name of the attempt where the table has none.
    family : str
        The family in tables.

    Returns
    -------
    list of CellRecord
        For each attempt, seed and fold, with ``dataset_id`` 0. Probabilities are kept where all rows of an attempt sum
        to 1; else the class with the largest score has all.

    Raises
    ------
    DataError
        With a sentence for each fault: columns, clips, classes or groups that the data set does not have, a clip in a
        fold that does not test it, clips twice or missing.
    """
    return _Reading(table.reset_index(drop=True), where, data).cells(attempt, family)


class _Reading:
    """The rows of a table, and what is wrong with them."""

    def __init__(self, table: pd.DataFrame, where: str, data: PlannedDataset) -> None:
        self.table, self.where, self.data = table.rename(columns=str), where, data
        self.classes = data.dataset.classes
        self.faults = Faults()
        self.columns = self._score_columns()

    def cells(self, attempt: str, family: str) -> list[CellRecord]:
        """Return the cells, or raise DataError with all faults."""
        self._check_columns()
        self.faults.check()
        positions = self._positions()
        names = self._texts("attempt") if "attempt" in self.table else np.full(len(self.table), attempt)
        seeds, scores = self._seeds(), self._scores()
        self._check_truth(positions)
        folds = self._folds(positions)
        costs = {name: self._numbers(name) for name in COSTS if name in self.table}
        self.faults.check()
        places = list(self._divided(names, seeds, folds, positions))
        likely = {name: _are_probabilities(scores[names == name]) for name in dict.fromkeys(names)}
        records = [
            self._record(name, family, seed, fold, positions[rows], scores[rows], likely[name])
            for name, seed, fold, rows in places
        ]
        for record, (*_, rows) in zip(records, places, strict=True):
            for name, value in self._costs(costs, rows, record).items():
                setattr(record, name, value)
        self.faults.check()
        return records

    def _fault(self, sentence: str) -> None:
        self.faults.add(DataError(f"{self.where}: {sentence}"))

    # Columns

    def _score_columns(self) -> list[str | None]:
        """Return the column with the scores of each class, None where there is none."""
        written = [(f"p({label})", label) for label in self.classes]
        return [
            next((name for name in names if name in self.table and name not in _NAMES), None)
            for names in written
        ]

    def _check_columns(self) -> None:
        given = [name for name in self.columns if name is not None]
        known = {*_NAMES, *COSTS, *given}
        if "clip" not in self.table:
            self._fault(f"has no column 'clip'; it has {', '.join(self.table.columns)}")
        missing = [label for label, name in zip(self.classes, self.columns, strict=True) if name is None]
        if given and missing:
            self._fault(
                f"has no column with the scores of the class {missing[0]!r}; each class must have one"
            )
        if not given and not {"label", "predicted"} & set(self.table):
            self._fault(
                f"has no predictions; they must be in a column 'label' or in a column for each class: "
                f"{', '.join(self.classes)}"
            )
        for name in self.table.columns:
            if name not in known:
                choices = {*_NAMES, *COSTS, *self.classes}
                self._fault(
                    f"has an unknown column {name!r}, which is no class; {did_you_mean(name, choices)}"
                )

    def _texts(self, column: str) -> NDArray[Any]:
        values = self.table[column]
        texts = values.map(str).to_numpy(object)
        empty = values.isna().to_numpy() | (texts == "")
        if empty.any():
            self._fault(f"the column {column!r} is empty in {self._rows(empty)}; each row must have a value")
        return texts

    def _rows(self, chosen: NDArray[np.bool_]) -> str:
        """Describe some rows by their number and the first of their clips."""
        first = self.table["clip"].iloc[int(np.argmax(chosen))] if "clip" in self.table else "?"
        return f"{int(chosen.sum())} of {len(chosen)} rows, the first of clip {str(first)!r}"

    def _numbers(self, column: str) -> NDArray[np.float64]:
        values = pd.to_numeric(self.table[column], errors="coerce").to_numpy(np.float64)
        empty = (self.table[column].isna() | (self.table[column].astype(str) == "")).to_numpy()
        wrong = ~empty & ~(np.isfinite(values) & (values >= 0))
        if wrong.any():
            self._fault(f"{column!r} must be a finite number, 0 or more; it is not in {self._rows(wrong)}")
        return np.where(empty, np.nan, values)

    # Values of rows

    def _positions(self) -> NDArray[np.intp]:
        """Return the position of the clip of each row, -1 where the data set has none of this name."""
        texts = self._texts("clip")
        finder = ClipFinder(self.data.dataset.table["clip"])
        found = {name: finder.lookup(name) for name in dict.fromkeys(texts)}
        for meant, sentence in ((0, "no clip"), (2, "several clips")):
            odd = [name for name, positions in found.items() if min(len(positions), 2) == meant and name]
            if odd:
                close = did_you_mean(odd[0], self.data.dataset.table["clip"]).partition("known are")[0]
                self._fault(
                    f"{len(odd)} of {len(found)} names mean {sentence} of the data set, the first is {odd[0]!r}"
                    f"{'; ' + close.strip() if close else ''}"
                )
        one = {name: min(places) if len(places) == 1 else -1 for name, places in found.items()}
        return np.array([one[name] for name in texts], np.intp)

    def _seeds(self) -> NDArray[np.int64]:
        if "seed" not in self.table:
            return np.zeros(len(self.table), np.int64)
        values = pd.to_numeric(self.table["seed"], errors="coerce").to_numpy(np.float64)
        wrong = ~((values >= 0) & (values <= _MAX_SEED) & (values % 1 == 0))
        if wrong.any():
            self._fault(f"'seed' must be an integer from 0 to {_MAX_SEED}; it is not in {self._rows(wrong)}")
        return np.where(wrong, 0, values).astype(np.int64)

    def _scores(self) -> NDArray[np.float64]:
        """Return the score of each class, 1 and 0 where there are labels only."""
        told = "predicted" if "predicted" in self.table else "label" if "label" in self.table else None
        labels = None if told is None else self._labels(told)
        if None in self.columns:
            assert labels is not None
            return np.eye(len(self.classes))[np.maximum(labels, 0)]
        chosen = self.table[self.columns].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
        wrong = ~np.isfinite(chosen).all(axis=1)
        if wrong.any():
            self._fault(f"the score of each class must be a finite number; it is not in {self._rows(wrong)}")
            return chosen
        if labels is not None:
            told_scores = chosen[np.arange(len(chosen)), np.maximum(labels, 0)]
            other = (labels >= 0) & (told_scores < chosen.max(axis=1))
            if other.any():
                self._fault(
                    f"{told!r} is not the class of the largest score in {self._rows(other)}; call it 'label' beside a "
                    "column 'predicted' where it is the true one, or leave it out"
                )
        return chosen

    def _labels(self, column: str) -> NDArray[np.intp]:
        """Return the class of each row, -1 where there is none of this name."""
        texts = self._texts(column)
        places = pd.Index(self.classes).get_indexer(pd.Index(texts))
        if (unknown := (places < 0) & (texts != "")).any():
            name = str(texts[int(np.argmax(unknown))])
            self._fault(
                f"the data set has no class {name!r}, which is in the column {column!r} of {self._rows(unknown)}; "
                f"{did_you_mean(name, self.classes)}"
            )
        return places

    def _check_truth(self, positions: NDArray[np.intp]) -> None:
        """Hold labels and groups against the data set, where the table has them."""
        columns = {"group": self.data.dataset.groups}
        if "predicted" in self.table:
            columns["label"] = self.data.dataset.labels
        for column, known in columns.items():
            if column not in self.table:
                continue
            texts, true = self._texts(column), known[positions].astype(object)
            other = (texts != true) & (positions >= 0)
            if other.any():
                first = int(np.argmax(other))
                self._fault(
                    f"the {column} differs from that of the data set in {self._rows(other)}: {str(texts[first])!r}, "
                    f"must be {str(true[first])!r}"
                )

    # Folds

    def _folds(self, positions: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the fold of each row."""
        tested = np.zeros((len(self.data.folds), len(self.data.dataset) + 1), bool)
        for number, fold in enumerate(self.data.folds):
            tested[number, fold.test] = True
        if "fold" not in self.table:
            return self._only_fold(positions, tested)
        texts = self._texts("fold")
        names = [fold.name for fold in self.data.folds]
        numbers = [str(number) for number in range(len(names))]
        # Groups may be called 1, 2, 3: then what fits is meant.
        readings = [known for known in (names, numbers) if set(texts) <= set(known)]
        if not readings:
            name = next(name for name in texts if name not in names and name not in numbers)
            self._fault(
                f"the split has no fold {name!r}; it must be a number from 0 to {len(names) - 1} or "
                f"{did_you_mean(name, names)}"
            )
            return np.zeros(len(texts), np.intp)
        found = [pd.Index(known).get_indexer(pd.Index(texts)) for known in readings]
        wrong = [~tested[folds, positions] & (positions >= 0) for folds in found]
        best = int(np.argmin([odd.sum() for odd in wrong]))
        if (odd := wrong[best]).any():
            first = int(np.argmax(odd))
            own = [name for name, tests in zip(names, tested, strict=True) if tests[positions[first]]]
            self._fault(
                f"fold {texts[first]!r} does not test what it predicts in {self._rows(odd)}, of group "
                f"{str(self.data.dataset.groups[positions[first]])!r}, which {_tests(own)}; a model that was trained "
                "on the group of a clip must not predict it"
            )
        return found[best]

    def _only_fold(self, positions: NDArray[np.intp], tested: NDArray[np.bool_]) -> NDArray[np.intp]:
        counts = tested.sum(axis=0)[positions]
        for odd, sentence in (
            ((counts == 0) & (positions >= 0), "no fold of the split tests what is predicted in {}"),
            (counts > 1, "several folds test what is predicted in {}; a column 'fold' must name them"),
        ):
            if odd.any():
                self._fault(sentence.format(self._rows(odd)))
        return tested[:, positions].argmax(axis=0)

    def _divided(
        self,
        names: NDArray[Any],
        seeds: NDArray[np.int64],
        folds: NDArray[np.intp],
        positions: NDArray[np.intp],
    ) -> Iterator[tuple[str, int, int, NDArray[np.intp]]]:
        """Yield attempt, seed and fold with its rows in the order of its test clips, if each is there once."""
        clips = self.data.dataset.table["clip"].to_numpy()
        for name, seed in dict.fromkeys(zip(names.tolist(), seeds.tolist(), strict=True)):
            own = np.flatnonzero((names == name) & (seeds == seed))
            for number, fold in enumerate(self.data.folds):
                inside = own[folds[own] == number]
                counts = np.bincount(positions[inside], minlength=len(clips))[fold.test]
                what = f"attempt {name!r}, seed {seed}, fold {fold.name!r}"
                for odd, sentence in (
                    (counts == 0, "{} of {} clips are not predicted"),
                    (counts > 1, "{} of {} clips are predicted twice"),
                ):
                    if odd.any():
                        first = str(clips[fold.test[int(np.argmax(odd))]])
                        said = sentence.format(int(odd.sum()), len(odd))
                        self._fault(f"{what}: {said}, the first is {first!r}; each must be predicted once")
                if (counts == 1).all():
                    order = np.argsort(positions[inside])
                    # The test clips of a fold may be in any order.
                    yield str(name), int(seed), number, inside[order][np.argsort(np.argsort(fold.test))]

    def _record(
        self,
        name: str,
        family: str,
        seed: int,
        number: int,
        positions: NDArray[np.intp],
        scores: NDArray[np.float64],
        likely: bool,
    ) -> CellRecord:
        fold, data = self.data.folds[number], self.data
        place = [EXTERNAL, data.title, data.split, name, data.fingerprint, fold.fingerprint(), seed]
        return CellRecord(
            key=hashlib.sha256(json.dumps(place).encode()).hexdigest()[:32],
            dataset_id=0,
            attempt=name,
            family=family,
            params={},
            seed=seed,
            fold=number,
            fold_name=fold.name,
            code=EXTERNAL,
            n_train=len(fold.train),
            n_test=len(fold.test),
            n_train_groups=len(np.unique(data.dataset.groups[fold.train])),
            fold_fingerprint=fold.fingerprint(),
            positions=positions.astype(np.int32),
            probabilities=scores if likely else np.eye(len(self.classes))[scores.argmax(axis=1)],
            warnings={"external": _ORIGIN, **({} if likely else {NO_PROBABILITIES: _NO_PROBABILITIES})},
        )

    def _costs(
        self, costs: dict[str, NDArray[np.float64]], rows: NDArray[np.intp], record: CellRecord
    ) -> dict[str, Any]:
        what = f"attempt {record.attempt!r}, seed {record.seed}, fold {record.fold_name!r}"
        found: dict[str, Any] = {}
        for name, values in costs.items():
            own = values[rows]
            known = own[~np.isnan(own)]
            per_clip = name.startswith("predict_")
            if len(known) not in (0, len(own)) or (not per_clip and len(np.unique(known)) > 1):
                rule = "given for each clip or for none" if per_clip else "the same for all its clips"
                self._fault(f"{what}: {name!r} must be {rule}")
            elif len(known):
                value = known.sum() if per_clip else known[0]
                found[name] = float(value) if value % 1 else int(value)
        return found


def _tests(folds: Sequence[str]) -> str:
    return f"is tested in fold {folds[0]!r}" if folds else "no fold tests"


def _are_probabilities(scores: NDArray[np.float64]) -> bool:
    """Return whether scores say how sure a prediction is; 0 and 1 alone are those of labels."""
    sums = np.abs(scores.sum(axis=1) - 1) <= _TOLERANCE
    return bool((scores >= 0).all() and sums.all() and not np.isin(scores, (0, 1)).all())


def check_store(
    store: Store, data: PlannedDataset, cells: Iterable[CellRecord], *, replace: bool = False
) -> list[CellRecord]:
    """Return the cells that a store does not hold yet.

    Parameters
    ----------
    store : Store
        Where they would go.
    data : PlannedDataset
        Their data set.
    cells : iterable of CellRecord
        From `read_cells`.
    replace : bool
        Whether cells that were imported with other values are replaced.

    Raises
    ------
    StoreError
        If an attempt of the same name has run there, or was imported with other values.
    """
    faults, new = Faults(), list[CellRecord]()
    ran = {name for name in {cell.attempt for cell in cells} if _has_run(store, data, name)}
    differing: dict[str, int] = {}
    for cell in cells:
        known = store.cell(cell.key)
        if known is None:
            new.append(cell)
        elif not _is_same(store, cell, known):
            new.append(cell)
            differing[cell.attempt] = differing.get(cell.attempt, 0) + 1
    where = f"on {data.title!r} under {data.split!r}"
    for name in sorted(ran):
        faults.add(
            StoreError(f"{store.path}: has run an attempt {name!r} {where}; --attempt must give another name")
        )
    for name, count in {} if replace else differing.items():
        faults.add(
            StoreError(
                f"{store.path}: {name!r} {where} is already there with other values in {count} cells; --force replaces "
                "them, --attempt gives another name"
            )
        )
    faults.check()
    return new


def _has_run(store: Store, data: PlannedDataset, attempt: str) -> bool:
    found = store.previous_cells(dataset=data.title, split=data.split, attempt=attempt)
    return any(cell["code"] != EXTERNAL for cell in found)


def _is_same(store: Store, cell: CellRecord, known: Mapping[str, Any]) -> bool:
    if any(getattr(cell, name) != known[name] for name in (*COSTS, "family")):
        return False
    assert cell.positions is not None
    assert cell.probabilities is not None
    positions, probabilities = store.predictions(cell.key)
    return np.array_equal(cell.positions, positions) and np.array_equal(cell.probabilities, probabilities)


def add_cells(
    store: Store, matrix: Mapping[str, Any], cells: Mapping[int, list[CellRecord]], digest: str
) -> None:
    """Write imported cells as a run of their own; those that are there already are asked for again.

    Parameters
    ----------
    store : Store
        Where they go.
    matrix : mapping
        The data sets, as in a matrix.
    cells : mapping of int to list of CellRecord
        By the number of their data set in the store.
    digest : str
        Hash of what was imported.
    """
    facts = {
        "origin": EXTERNAL,
        "sha256": digest,
        "schema": VERSION,
        "n_cells": sum(map(len, cells.values())),
    }
    run_id = store.begin_run(matrix["name"], {**matrix, "attempts": []}, facts)
    for dataset_id, own in cells.items():
        for cell in own:
            known = store.cell(cell.key)
            if known is not None and _is_same(store, cell, known):
                store.touch(run_id, [cell.key])
            else:
                cell.dataset_id = dataset_id
                store.add_cell(run_id, cell)
    store.end_run(run_id)
