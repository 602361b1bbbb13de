"""From a matrix to its cells, and from the cells to the store."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils._param_validation import InvalidParameterError

from ..baselines.base import Attempt
from ..baselines.registry import attempt_registry, naming
from ..errors import ActionbenchError, DataError, MatrixError, PluginError, did_you_mean
from ..features.cache import FeatureCache, using
from . import provenance
from .audit import Auditor, protocol_cautions
from .cautions import said
from .cell import Outcome, run_cell
from .datasets.base import Dataset
from .datasets.registry import dataset_registry, make_dataset, option_names
from .isolation import Ending, Task, run_isolated
from .matrix import AttemptEntry, DatasetEntry, Matrix
from .splits import Fold, with_fewer_groups
from .store import CellRecord, Store

_NO_CACHE = "none"
_ONLY_KEYS = ("attempt", "dataset", "family", "fold", "seed", "split", "train_groups")


def make_attempt(cls: type[Attempt], name: str, params: Mapping[str, Any], seed: int) -> Attempt:
    """Make an attempt from its parameters in a matrix.

    Raises
    ------
    MatrixError
        If a parameter is unknown or, where the attempt declares it, of a wrong kind.
    """
    known = option_names(cls)
    for key in params:
        if key not in known:
            raise MatrixError(f"attempt {name!r}: unknown parameter {key!r}; {did_you_mean(key, known)}")
    seeded = {"random_state": seed} if "random_state" in known else {}
    try:
        attempt = cls(**params, **seeded)
        if hasattr(cls, "_parameter_constraints"):
            attempt._validate_params()
    except (InvalidParameterError, TypeError) as error:
        raise MatrixError(f"attempt {name!r}: {error}") from error
    return attempt


@dataclass(frozen=True, eq=False)
class PlannedDataset:
    """A data set of the matrix, read and divided."""

    entry: DatasetEntry
    dataset: Dataset
    folds: list[Fold]
    fingerprint: str
    table_fingerprint: str

    @property
    def title(self) -> str:
        """The name in tables."""
        return self.entry.title or self.entry.name


@dataclass(frozen=True, eq=False)
class PlannedCell:
    """A cell of the matrix, before it runs."""

    key: str
    code: str
    data: PlannedDataset
    entry: AttemptEntry
    cls: type[Attempt]
    params: dict[str, Any]
    seed: int
    fold: int
    train_groups: int | None
    #: What is learned from and tested on; `fold` is its number.
    sides: Fold
    skip: str | None

    @property
    def title(self) -> str:
        """The name of the attempt in tables."""
        return self.entry.label(self.params, self.train_groups)

    def axes(self) -> dict[str, list[str]]:
        """Return what ``--only`` may ask for, and the words by which this cell answers."""
        return {
            "attempt": [self.entry.name, self.title],
            "dataset": [self.data.entry.name, self.data.title],
            "family": [self.cls.family],
            "fold": [str(self.fold), self.sides.name],
            "seed": [str(self.seed)],
            "split": [self.data.entry.split.name, self.data.entry.split.label()],
            "train_groups": [str(self.train_groups or "all")],
        }

    def record(self, dataset_id: int) -> CellRecord:
        """Return the row of this cell, without a result."""
        return CellRecord(
            key=self.key,
            dataset_id=dataset_id,
            attempt=self.title,
            family=self.cls.family,
            params=self.params,
            seed=self.seed,
            fold=self.fold,
            fold_name=self.sides.name,
            code=self.code,
            n_train=len(self.sides.train),
            n_test=len(self.sides.test),
            n_train_groups=len(np.unique(self.data.dataset.groups[self.sides.train])),
            base=self.entry.label(self.params),
        )


def plan_cells(
    matrix: Matrix, *, plugins: Iterable[str | Path] = (), only: Iterable[str] = ()
) -> list[PlannedCell]:
    """Return the cells of a matrix in the order in which they run.

    Data sets are read and divided, attempts are made once, so that whatever is wrong is said before a cell runs.
    The order goes through the attempts within each fold, so that a drift of the machine favours none.

    Parameters
    ----------
    matrix : Matrix
        What to run.
    plugins : iterable of path
        Python files with further attempts and data sets.
    only : iterable of str
        Conditions such as ``"attempt=rules,fold=0"``; a cell must meet one of those given for each key. Words
        may hold ``*`` and ``?``.

    Raises
    ------
    ActionbenchError
        If anything in the matrix does not fit together.
    """
    plugins = list(plugins)
    wanted = _parse_only(only)
    attempts, datasets = attempt_registry(plugins), dataset_registry(plugins)
    classes = {entry.name: attempts.get(entry.name) for entry in matrix.attempts}
    for entry in matrix.attempts:
        for point in _points(entry, classes[entry.name]):
            make_attempt(classes[entry.name], entry.name, point, matrix.seeds[0])
    data = [_plan_dataset(entry, datasets.get(entry.name)) for entry in matrix.datasets]
    with naming(attempts):
        cells = [cell for planned in data for cell in _cells_of(planned, matrix, classes)]
    chosen = [cell for cell in cells if _is_wanted(cell, wanted)]
    if not chosen:
        raise MatrixError(f"--only {' '.join(only)}: no cell is left; {_what_there_is(cells, wanted)}")
    return chosen


def _plan_dataset(entry: DatasetEntry, cls: type[Dataset]) -> PlannedDataset:
    dataset = make_dataset(cls, entry.name, entry.options)
    try:
        folds = entry.split.folds(dataset)
        fingerprint = data_fingerprint(dataset)
    except ActionbenchError as error:
        raise type(error)(f"data set {(entry.title or entry.name)!r}: {error}") from error
    except OSError as error:
        raise DataError(f"data set {entry.name!r}: {error}") from error
    return PlannedDataset(entry, dataset, folds, fingerprint, _table_fingerprint(dataset))


def data_fingerprint(dataset: Dataset) -> str:
    """Return a hash of clips, labels and groups."""
    digest = hashlib.sha256(_table_fingerprint(dataset).encode())
    digest.update(dataset.clips.fingerprint.encode())
    return digest.hexdigest()


def _table_fingerprint(dataset: Dataset) -> str:
    rows = dataset.table[["clip", "label", "group"]].to_numpy().tolist()
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _cells_of(
    data: PlannedDataset, matrix: Matrix, classes: Mapping[str, type[Attempt]]
) -> Iterator[PlannedCell]:
    points = []
    for entry in matrix.attempts:
        cls = classes[entry.name]
        for point in _points(entry, cls):
            attempt = make_attempt(cls, entry.name, point, matrix.seeds[0])
            used = ask(attempt.uses, entry.name)
            code = provenance.code_fingerprint(cls, *used, type(data.dataset), Outcome)
            skip = ask(attempt.skip, entry.name, data.dataset)
            points.append((entry, cls, code, point, _file_fingerprints(attempt, entry.name), skip))
    for seed, (number, fold), n_groups in product(matrix.seeds, enumerate(data.folds), matrix.train_groups):
        train_groups, sides = None, fold
        if n_groups != "all":
            train_groups, sides = n_groups, _with_fewer_groups(data, fold, n_groups, seed)
        for entry, cls, code, point, files, skip in points:
            parts = (
                cls.__qualname__,
                code,
                data.fingerprint,
                sides.fingerprint(),
                sorted(point.items()),
                seed,
                *files,
            )
            # Where all groups are wanted by their number, the cell is another row of the table.
            parts = (*parts, train_groups) if train_groups else parts
            key = hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:32]
            yield PlannedCell(key, code, data, entry, cls, point, seed, number, train_groups, sides, skip)


def _points(entry: AttemptEntry, cls: type[Attempt]) -> list[dict[str, Any]]:
    if entry.controls and not cls.controls:
        raise MatrixError(f"attempt {entry.name!r} has no controls; take controls = true away")
    return entry.points(cls.controls if entry.controls else ())


def _with_fewer_groups(data: PlannedDataset, fold: Fold, n_groups: int, seed: int) -> Fold:
    sides = with_fewer_groups(fold, data.dataset.groups, n_groups, seed)
    data.entry.split.check(sides, data.dataset)
    return sides


def ask(method: Callable[..., Any], name: str, *args: Any) -> Any:
    """Call a method of an attempt, whose failure, of whatever kind, is said in one sentence that has its name."""
    try:
        return method(*args)
    except ActionbenchError as error:
        raise type(error)(f"attempt {name!r}: {error}") from error
    except Exception as error:  # a plug-in may fail in any way
        raise PluginError(
            f"attempt {name!r}: its {method.__name__}() failed with {type(error).__name__}: {error}"
        ) from error


def _file_fingerprints(attempt: Attempt, name: str) -> list[str]:
    """Return a hash of each file that the parameters of an attempt name."""
    try:
        return [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in attempt.files()]
    except OSError as error:
        raise MatrixError(
            f"attempt {name!r}: {error.filename}: the file cannot be read ({error.strerror})"
        ) from error


def _parse_only(only: Iterable[str]) -> dict[str, list[str]]:
    wanted: dict[str, list[str]] = {}
    for condition in (part for text in only for part in text.split(",")):
        key, equals, word = (piece.strip() for piece in condition.partition("="))
        if not (equals and word):
            raise MatrixError(f"--only {condition}: must be KEY=VALUE, as in attempt=rules,fold=0")
        if key not in _ONLY_KEYS:
            raise MatrixError(f"--only {condition}: unknown key {key!r}; {did_you_mean(key, _ONLY_KEYS)}")
        wanted.setdefault(key, []).append(word)
    return wanted


def _is_wanted(cell: PlannedCell, wanted: Mapping[str, list[str]]) -> bool:
    axes = cell.axes()
    return all(
        any(fnmatch.fnmatchcase(name, word) or name == word for name in axes[key] for word in words)
        for key, words in wanted.items()
    )


def _what_there_is(cells: list[PlannedCell], wanted: Mapping[str, list[str]]) -> str:
    said = []
    for key in wanted:
        names = list(dict.fromkeys(cell.axes()[key][-1] for cell in cells))
        said.append(f"{key} may be {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}")
    return "; ".join(said)


@dataclass(frozen=True)
class Progress:
    """Told after each cell: how far the run is."""

    cell: PlannedCell
    status: str
    message: str | None
    done: int
    total: int


@dataclass(frozen=True)
class RunSummary:
    """What a run did: cells of the matrix, found in the store, run now, and failed or skipped among all of them."""

    n_cells: int
    n_stored: int
    n_run: int
    n_failed: int
    n_skipped: int


def usable_cache(cache: str | Path | None, limit: int) -> str:
    """Return the folder of features, tried; where nobody named one and the usual cannot be made, none is used."""
    wished = cache or os.environ.get("ACTIONBENCH_CACHE")
    folder = str(wished or user_cache())
    if folder != _NO_CACHE:
        try:
            feature_cache(folder, limit)
        except DataError as error:
            if wished:
                raise
            warnings.warn(f"{error}; this run keeps none", RuntimeWarning, stacklevel=3)
            return _NO_CACHE
    return folder


def user_cache() -> Path:
    """Return the folder of features for those who name none."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "actionbench"


def default_workers(threads: int) -> int:
    """Return how many cells fit side by side on this machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // threads)


def run_cells(
    matrix: Matrix,
    cells: list[PlannedCell],
    store: Store,
    *,
    workers: int | None = None,
    plugins: Iterable[str | Path] = (),
    retry: Iterable[str] = (),
    cache: str | Path | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> RunSummary:
    """Run the cells that are not in the store yet, and write each as it ends.

    Parameters
    ----------
    matrix : Matrix
        Where the cells come from.
    cells : list of PlannedCell
        From `plan_cells`.
    store : Store
        Where results go.
    workers : int, optional
        How many cells run at a time; by default as many as there are cores for.
    plugins : iterable of path
        As for `plan_cells`.
    retry : iterable of str
        Stored failures to run again: ``"failed"`` for all, or kinds such as ``"timeout"``.
    cache : path, optional
        Folder of features that are computed once for all cells; by default ``ACTIONBENCH_CACHE``, else `user_cache`.
        ``"none"`` keeps none.
    progress : callable
        Called with a `Progress` after each cell.
    """
    files = [str(Path(path).resolve()) for path in plugins]
    limits = matrix.limits
    cache = usable_cache(cache, int(limits.cache))
    workers = workers or default_workers(limits.threads)
    waiting = _not_stored(cells, store.status_of(), set(retry))
    facts = provenance.collect(workers=workers, threads=limits.threads, plugins=files)
    run_id = store.begin_run(matrix.name, matrix.model_dump(mode="json", by_alias=True), facts)
    writer = _Writer(store, run_id, cells, len(waiting), progress, matrix.silence)
    store.touch(run_id, [cell.key for cell in cells if cell.key not in waiting])
    for cell in waiting.values():
        if cell.skip is not None:
            writer.write(cell, status="skipped", kind="skipped", message=cell.skip)
    to_run = (cell for cell in waiting.values() if cell.skip is None and not writer.was_done(cell))
    endings = run_isolated(
        _tasks(to_run, files, matrix.seeds[0], cache, int(limits.cache)),
        workers=workers,
        threads=limits.threads,
        seconds=limits.time,
        memory_bytes=limits.memory,
        preload=_modules(waiting.values()),
    )
    for task, ending in endings:
        writer.end(waiting[task.key], ending)
    store.end_run(run_id)
    return _summary(cells, store.status_of(), len(waiting))


def _not_stored(
    cells: list[PlannedCell], stored: Mapping[str, tuple[str, str | None]], retry: set[str]
) -> dict[str, PlannedCell]:
    """Return the cells that must run, by key: those without a row, or with one that is to be tried again."""
    return {cell.key: cell for cell in cells if cell.key not in stored or retry & set(stored[cell.key])}


def _modules(cells: Iterable[PlannedCell]) -> list[str]:
    """Return the modules of the package that cells will import."""
    names = {cls.__module__ for cell in cells for cls in (cell.cls, type(cell.data.dataset))}
    return sorted(name for name in names if name.startswith("actionbench."))


def _summary(
    cells: list[PlannedCell], stored: Mapping[str, tuple[str, str | None]], n_run: int
) -> RunSummary:
    statuses = [stored[cell.key][0] for cell in cells]
    return RunSummary(
        n_cells=len(cells),
        n_stored=len(cells) - n_run,
        n_run=n_run,
        n_failed=statuses.count("failed"),
        n_skipped=statuses.count("skipped"),
    )


def _add_dataset(store: Store, data: PlannedDataset, auditor: Auditor, silence: list[str]) -> int:
    found = protocol_cautions(data.dataset, data.entry.split)
    found += auditor.audit(data.dataset, data.fingerprint, data.folds)
    return store.add_dataset(
        dataset=data.title,
        split=data.entry.split.label(),
        fingerprint=data.fingerprint,
        groups_known=data.dataset.groups_known,
        classes=data.dataset.classes,
        warnings=said(found, silence),
        table=data.dataset.table,
    )


class _Writer:
    """Writes cells as they end, and tells how far the run is."""

    def __init__(
        self,
        store: Store,
        run_id: int,
        cells: list[PlannedCell],
        n_waiting: int,
        progress: Callable[[Progress], None],
        silence: list[str],
    ) -> None:
        self.store, self.run_id, self.progress = store, run_id, progress
        self.done, self.total = len(cells) - n_waiting, len(cells)
        data = {id(cell.data): cell.data for cell in cells}
        auditor = Auditor(store)
        self.dataset_ids = {
            key: _add_dataset(store, planned, auditor, silence) for key, planned in data.items()
        }

    def end(self, cell: PlannedCell, ending: Ending) -> None:
        """Write a cell that ran."""
        if ending.outcome is None:
            self.write(
                cell,
                status="failed",
                **{key: value for key, value in vars(ending).items() if key != "outcome"},
            )
        else:
            positions = cell.sides.test
            self.write(cell, status="done", positions=positions, **vars(ending.outcome))

    def was_done(self, cell: PlannedCell) -> bool:
        """Say whether another process has finished a cell meanwhile, and count it."""
        if not self.store.is_done(cell.key):
            return False
        self.done += 1
        self.progress(Progress(cell, "stored", None, self.done, self.total))
        return True

    def write(self, cell: PlannedCell, *, status: str, **values: Any) -> None:
        """Write a row of the store."""
        record = cell.record(self.dataset_ids[id(cell.data)])
        for name, value in {"status": status, **values}.items():
            setattr(record, name, value)
        self.store.add_cell(self.run_id, record)
        self.done += 1
        self.progress(Progress(cell, status, record.message, self.done, self.total))


def _tasks(
    cells: Iterable[PlannedCell], plugins: list[str], first_seed: int, cache: str, cache_bytes: int
) -> Iterator[Task]:
    for cell in cells:
        data = cell.data
        # One explanation per attempt is enough for a report; it would be most of a large store.
        explain = cell.fold == 0 and cell.seed == first_seed and cell.train_groups is None
        yield Task(
            cell.key,
            call_cell,
            (
                plugins,
                data.entry.name,
                data.entry.options,
                data.table_fingerprint,
                cell.entry.name,
                cell.params,
                cell.seed,
                cell.sides,
                explain,
                cache,
                cache_bytes,
            ),
        )


def call_cell(
    plugins: list[str],
    dataset_name: str,
    options: Mapping[str, Any],
    table_fingerprint: str,
    attempt_name: str,
    params: Mapping[str, Any],
    seed: int,
    fold: Fold,
    explain: bool,
    cache: str,
    cache_bytes: int,
) -> Outcome:
    """Make data set and attempt and run the cell; called in a process of its own."""
    dataset = make_dataset(dataset_registry(plugins).get(dataset_name), dataset_name, options)
    if _table_fingerprint(dataset) != table_fingerprint:
        raise DataError(f"data set {dataset_name!r} changed while it was in use")
    attempts = attempt_registry(plugins)
    attempt = make_attempt(attempts.get(attempt_name), attempt_name, params, seed)
    with naming(attempts), features_in(cache, cache_bytes):
        return run_cell(attempt, dataset, fold, explain=explain)


def features_in(cache: str, limit: int) -> AbstractContextManager[None]:
    """Keep features in a folder inside of a ``with`` block, or none where it is ``"none"``."""
    return using(None if cache == _NO_CACHE else feature_cache(cache, limit))


def feature_cache(folder: str | Path, limit: int) -> FeatureCache:
    """Open a cache of features.

    Raises
    ------
    DataError
        If the folder cannot be made.
    """
    try:
        return FeatureCache(Path(folder), limit, provenance.code_fingerprint)
    except OSError as error:
        raise DataError(
            f"{folder}: the folder of features cannot be made ({error.strerror}); "
            f"--cache names another, --cache {_NO_CACHE} keeps none"
        ) from error
