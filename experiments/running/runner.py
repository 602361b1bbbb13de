"""From planned cells to the store."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import threading
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from ...baselines.registry import attempt_registry, naming
from ...errors import ActionbenchError, DataError, Faults, did_you_mean
from ...features.cache import FeatureCache, using
from ..audit.leaks import audit_key, audits, protocol_cautions
from ..audit.warnings import Caution, format_warnings
from ..datasets.registry import dataset_registry, make_dataset
from ..datasets.splits import Fold
from ..evaluation.cell import CellResult, run_cell
from ..evaluation.tuning import Budget, tune
from ..isolation.fork_server import ForkServer
from ..isolation.pool import ResourceLimits, Task, TaskResult, run_isolated
from ..planning.cells import PlannedCell, PlannedDataset, make_attempt, table_fingerprint
from ..planning.estimate import Estimate
from ..planning.matrix import Limits, Matrix
from ..store import Store, provenance
from ..store.schema import VERSION, CellRecord

_NO_CACHE = "none"

# What may be asked to run again: every failure, kinds of it, and what was skipped.
_RETRIED = ("failed", "error", "crash", "timeout", "memory", "output", "cancelled", "skipped")


@dataclass(frozen=True)
class AuditProgress:
    """A data set whose clips are looked at before any cell runs; told when that begins and when it has ended."""

    data: PlannedDataset
    ended: bool = False


@dataclass(frozen=True)
class CellProgress:
    """How far a run is; told when a cell begins and when it has ended.

    Attributes
    ----------
    status : str
        Of the cell: ``"running"``, ``"stored"`` by another process, ``"done"``, ``"failed"`` or ``"skipped"``.
    done, failed, total : int
        Cells that have ended, in this run or before, those among them that failed in this run, and all.
    seconds_left : float or None
        By what such cells took before; None where nothing is known.
    """

    cell: PlannedCell
    status: str
    message: str | None
    done: int
    failed: int
    total: int
    seconds_left: float | None


#: What a run tells of itself.
Progress: TypeAlias = CellProgress | AuditProgress


@dataclass(frozen=True)
class RunSummary:
    """What a run did: cells of the matrix, found in the store, run now, and failed or skipped among all of them."""

    #: Its number in the store.
    run_id: int
    n_cells: int
    n_stored: int
    n_run: int
    n_failed: int
    n_skipped: int
    #: Whether it was asked to stop before its end.
    stopped: bool = False


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
    fresh: bool = False,
    on: str | None = None,
    cache: str | Path | None = None,
    fork_server: ForkServer | None = None,
    about: Mapping[str, Any] = MappingProxyType({}),
    progress: Callable[[Progress], None] = lambda _: None,
) -> RunSummary:
    """Run the cells that are not in the store yet, and write each as it ends.

    An interrupt (SIGINT) lets the cells that run come to their end; a second one ends them, and they are written as
    cancelled.

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
    fresh : bool
        Whether all cells run again, stored or not.
    on : str, optional
        Other machines that cells run on, see `cluster.run_on`.
    cache : path, optional
        Folder of features that are computed once for all cells; by default ``ACTIONBENCH_CACHE``, else `user_cache`.
        ``"none"`` keeps none.
    fork_server : ForkServer, optional
        Where processes are forked; by default one is started.
    about : mapping
        What else should be known of the run, such as which bundle it reproduces.
    progress : callable
        Called with an `AuditProgress` as the audit of each data set begins and ends, and then with a `CellProgress` as
        each cell does.

    Raises
    ------
    ActionbenchError
        If ``retry`` holds a word that is none of these, or the store, the cache or a process fails.
    DataError
        If clips cannot be read; it names each of them, and no cell runs.
    """
    retried = _checked(retry)
    files = [str(Path(path).resolve()) for path in plugins]
    limits = matrix.limits
    cache = usable_cache(cache, int(limits.cache))
    workers = workers or default_workers(limits.threads)
    stored = store.status_of()
    waiting = _not_stored(cells, stored, retried | {"cancelled"}, fresh)
    dataset_ids = _add_datasets(store, cells, files, workers, fork_server, matrix.silence, progress)
    run_id = _begin(matrix, cells, store, files, workers, about)
    here = provenance.machine(threads=limits.threads, workers=workers)
    estimate = Estimate(store, waiting.values(), workers)
    writer = _Writer(store, run_id, cells, dataset_ids, len(waiting), here, estimate, progress, fresh=fresh)
    store.touch(run_id, [cell.key for cell in cells if cell.key not in waiting])
    for cell in waiting.values():
        if cell.skip is not None:
            writer.write(cell, status="skipped", kind="skipped", message=cell.skip)
    to_run = (cell for cell in waiting.values() if cell.skip is None and not writer.was_done(cell))
    tasks = writer.begun(waiting, _tasks(to_run, files, matrix.seeds[0], cache, int(limits.cache)))
    options = {
        "workers": workers,
        "resource_limits": resource_limits_of(limits),
        "preload": _modules(waiting.values()),
    }
    stopped = _write_each(waiting, writer, partial(_results, on, tasks, fork_server, **options))
    if not stopped:
        store.end_run(run_id)
    after = store.status_of() if waiting else stored
    return _summary(run_id, cells, after, len(waiting), stopped=stopped)


def _checked(retry: Iterable[str]) -> set[str]:
    kinds = set(retry)
    if unknown := sorted(kinds.difference(_RETRIED)):
        raise ActionbenchError(
            f"retry: there is no kind {unknown[0]!r}; {did_you_mean(unknown[0], _RETRIED)}"
        )
    return kinds


def _begin(
    matrix: Matrix,
    cells: list[PlannedCell],
    store: Store,
    plugins: list[str],
    workers: int,
    about: Mapping[str, Any],
) -> int:
    """Record that a run begins, and what is known of it."""
    facts = provenance.collect(
        workers=workers,
        threads=matrix.limits.threads,
        plugins=plugins,
        files=_digests(cells),
        n_cells=len(cells),
        schema=VERSION,
        **about,
    )
    return store.begin_run(matrix.name, matrix.model_dump(mode="json", by_alias=True), facts)


def _write_each(
    waiting: Mapping[str, PlannedCell],
    writer: _Writer,
    start: Callable[..., Generator[tuple[Task, TaskResult], None, None]],
) -> bool:
    """Write each cell as it ends, and say whether an interrupt kept others from beginning."""
    with _Interrupts() as interrupts:
        results = start(stopping=lambda: interrupts.asked)
        with contextlib.closing(results):
            try:
                for task, result in results:
                    writer.end(waiting[task.key], result)
            except KeyboardInterrupt:
                results.close()
                writer.cancel()
                raise
    return interrupts.asked


def _digests(cells: Iterable[PlannedCell]) -> dict[str, str]:
    """Return a hash of each file that parameters or lists of splits name."""
    paths = {path for cell in cells for path in (*cell.files, *cell.data.entry.split.files())}
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}


def _results(
    on: str | None, tasks: Iterator[Task], fork_server: ForkServer | None, **options: Any
) -> Generator[tuple[Task, TaskResult], None, None]:
    """Run tasks here or on other machines."""
    if on is None:
        return run_isolated(tasks, fork_server=fork_server, **options)
    from ..isolation.cluster import run_on

    return run_on(on, tasks, **options)


def _add_datasets(
    store: Store,
    cells: Iterable[PlannedCell],
    plugins: list[str],
    workers: int,
    fork_server: ForkServer | None,
    silence: list[str],
    progress: Callable[[Progress], None],
) -> dict[int, int]:
    """Record the data sets of cells with what is to be said of them; return their numbers by their identity."""
    data = list({id(cell.data): cell.data for cell in cells}.values())
    found = _audits(store, data, plugins, workers, fork_server, progress)
    return {
        id(planned): _add_dataset(store, planned, cautions, silence)
        for planned, cautions in zip(data, found, strict=True)
    }


class _Interrupts:
    """Notes the first interrupt, and lets the second through; only the main thread hears any."""

    asked = False

    def __enter__(self) -> _Interrupts:
        self._here = threading.current_thread() is threading.main_thread()
        if self._here:
            self._before = signal.signal(signal.SIGINT, self._hear)
        return self

    def _hear(self, number: int, frame: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *_: object) -> None:
        if self._here:
            signal.signal(signal.SIGINT, self._before)


def resource_limits_of(limits: Limits) -> ResourceLimits:
    """Return what each cell may use."""
    return ResourceLimits(limits.time, limits.memory, int(limits.output), limits.threads)


def _not_stored(
    cells: list[PlannedCell], stored: Mapping[str, tuple[str, str | None]], retry: set[str], fresh: bool
) -> dict[str, PlannedCell]:
    """Return the cells that must run, by key: those without a row, or with one that is to be tried again."""
    return {
        cell.key: cell
        for cell in cells
        if fresh or cell.key not in stored or not retry.isdisjoint(stored[cell.key])
    }


def _modules(cells: Iterable[PlannedCell]) -> list[str]:
    """Return the modules of the package that cells will import, at the latest when they call what needs them."""
    deciding = {cell.code: cell.deciding for cell in cells}.values()
    return sorted({name for classes in deciding for name in provenance.modules_read(*classes)})


def _summary(
    run_id: int,
    cells: list[PlannedCell],
    stored: Mapping[str, tuple[str, str | None]],
    n_waiting: int,
    *,
    stopped: bool,
) -> RunSummary:
    statuses = [stored[cell.key][0] for cell in cells if cell.key in stored]
    missing = len(cells) - len(statuses)
    return RunSummary(
        run_id=run_id,
        n_cells=len(cells),
        n_stored=len(cells) - n_waiting,
        n_run=n_waiting - missing,
        n_failed=statuses.count("failed"),
        n_skipped=statuses.count("skipped"),
        stopped=stopped,
    )


def _audits(
    store: Store,
    data: Iterable[PlannedDataset],
    plugins: list[str],
    workers: int,
    fork_server: ForkServer | None,
    progress: Callable[[Progress], None],
) -> list[list[Caution]]:
    """Return what audits find, each made once for a store, in a process of its own."""
    data = list(data)
    kept = {key: store.audit(key) for key in map(_audit_key, data)}
    # Under several splits the same clips are decoded once.
    waiting: dict[str, list[PlannedDataset]] = {}
    for planned in data:
        if kept[_audit_key(planned)] is None:
            waiting.setdefault(planned.fingerprint, []).append(planned)

    def tasks() -> Iterator[Task]:
        for fingerprint, (first, *others) in waiting.items():
            progress(AuditProgress(first))
            splits = [first.folds, *(one.folds for one in others)]
            yield Task(fingerprint, _audit, (plugins, first.entry.name, first.entry.options, splits))

    faults = Faults()
    for task, result in run_isolated(tasks(), workers=workers, fork_server=fork_server):
        same = waiting[task.key]
        progress(AuditProgress(same[0], ended=True))
        found = result.outcome
        if isinstance(found, DataError):
            faults.add(DataError(*(f"data set {same[0].title!r}: {fault}" for fault in found.args)))
            continue
        if found is None:
            text = f"The data set could not be audited: {result.error or result.kind}: {result.message}"
            found = [[Caution("not-audited", " ".join(text.split()))]] * len(same)
        for planned, cautions in zip(same, found, strict=True):
            pairs = kept[_audit_key(planned)] = [(one.code, one.text) for one in cautions]
            # One that could not be made is tried again the next time.
            if all(code != "not-audited" for code, _ in pairs):
                store.keep_audit(_audit_key(planned), pairs)
    faults.check()
    return [[Caution(code, text) for code, text in kept[_audit_key(planned)] or []] for planned in data]


def _audit_key(data: PlannedDataset) -> str:
    return audit_key(data.fingerprint, data.folds)


def _audit(
    plugins: list[str], name: str, options: Mapping[str, Any], splits: list[list[Fold]]
) -> list[list[Caution]] | DataError:
    try:
        return audits(make_dataset(dataset_registry(plugins).get(name), name, options), splits)
    except DataError as error:
        return error


def _add_dataset(store: Store, data: PlannedDataset, found: list[Caution], silence: list[str]) -> int:
    return store.add_dataset(
        dataset=data.title,
        split=data.entry.split.label(),
        fingerprint=data.fingerprint,
        groups_known=data.dataset.groups_known,
        classes=data.dataset.classes,
        warnings=format_warnings([*protocol_cautions(data.dataset, data.entry.split), *found], silence),
        table=data.dataset.table,
    )


class _Writer:
    """Writes cells as they end, and tells how far the run is."""

    def __init__(
        self,
        store: Store,
        run_id: int,
        cells: list[PlannedCell],
        dataset_ids: Mapping[int, int],
        n_waiting: int,
        here: Mapping[str, Any],
        estimate: Estimate,
        progress: Callable[[Progress], None],
        *,
        fresh: bool,
    ) -> None:
        self.store, self.run_id, self._tell, self._estimate = store, run_id, progress, estimate
        self.done, self.failed, self.total = len(cells) - n_waiting, 0, len(cells)
        self._running: dict[str, PlannedCell] = {}
        self._fresh = fresh
        self._machine_id = store.add_machine(here)
        self._dataset_ids = dataset_ids
        for code, deciding in {cell.code: cell.deciding for cell in cells}.items():
            store.add_code(code, provenance.code_parts(*deciding))

    def begun(self, waiting: Mapping[str, PlannedCell], tasks: Iterator[Task]) -> Iterator[Task]:
        """Tell of each task as it is taken."""
        for task in tasks:
            cell = self._running[task.key] = waiting[task.key]
            self._say(cell, "running", None)
            yield task

    def end(self, cell: PlannedCell, result: TaskResult) -> None:
        """Write a cell that ran; where it failed, what another process has finished meanwhile stays."""
        if result.outcome is None and self.was_done(cell):
            return
        known: dict[str, Any] = {"n_starts": result.n_starts}
        if result.machine is not None:
            known["machine_id"] = self.store.add_machine(result.machine)
        peak = result.tree_memory_bytes
        if result.outcome is None:
            said = {name: getattr(result, name) for name in ("kind", "error", "message", "traceback", "log")}
            self.write(cell, status="failed", peak_memory_bytes=peak, **said, **known)
            return
        found = vars(result.outcome)
        # The process knows its own peak, who watches it that of the tree.
        found["peak_memory_bytes"] = max(found["peak_memory_bytes"], peak or 0)
        self.write(cell, status="done", positions=cell.sides.test, **found, **known)

    def was_done(self, cell: PlannedCell) -> bool:
        """Return whether another process has finished a cell meanwhile, and count it."""
        if self._fresh or not self.store.is_done(cell.key):
            return False
        self.store.touch(self.run_id, [cell.key])
        self._running.pop(cell.key, None)
        self.done += 1
        self._say(cell, "stored", None)
        return True

    def cancel(self) -> None:
        """Write the cells that were ended by an interrupt."""
        for cell in list(self._running.values()):
            # The interrupt may have come right behind its end, and another process may have run it.
            if not self.store.is_done(cell.key):
                self.write(cell, status="failed", kind="cancelled", message="the run was interrupted")

    def write(self, cell: PlannedCell, *, status: str, **values: Any) -> None:
        """Write a row of the store."""
        record: CellRecord = cell.record(self._dataset_ids[id(cell.data)])
        for name, value in {"status": status, "machine_id": self._machine_id, **values}.items():
            setattr(record, name, value)
        self.store.add_cell(self.run_id, record)
        self._running.pop(cell.key, None)
        self.done += 1
        self.failed += status == "failed"
        self._say(cell, status, record.message)

    def _say(self, cell: PlannedCell, status: str, message: str | None) -> None:
        if status != "running":
            self._estimate.ended(cell)
        left = self._estimate.seconds_left()
        self._tell(CellProgress(cell, status, message, self.done, self.failed, self.total, left))


def _tasks(
    cells: Iterable[PlannedCell], plugins: list[str], first_seed: int, cache: str, cache_bytes: int
) -> Iterator[Task]:
    for cell in cells:
        data = cell.data
        # One explanation per attempt is enough for a report; it would be most of a large store.
        explain = cell.fold == 0 and cell.seed == first_seed and cell.train_groups is None
        budget = None
        if cell.entry.tune is not None:
            budget = Budget(cell.entry.tune.trials, cell.entry.tune.seconds, cell.entry.tune.folds)
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
                budget,
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
    data_fingerprint: str,
    attempt_name: str,
    params: Mapping[str, Any],
    budget: Budget | None,
    seed: int,
    fold: Fold,
    explain: bool,
    cache: str,
    cache_bytes: int,
) -> CellResult:
    """Make data set and attempt and run the cell; called in a process of its own."""
    dataset = make_dataset(dataset_registry(plugins).get(dataset_name), dataset_name, options)
    if table_fingerprint(dataset) != data_fingerprint:
        raise DataError(f"data set {dataset_name!r} changed while it was in use")
    attempts = attempt_registry(plugins)
    cls = attempts.get(attempt_name)
    with naming(attempts), features_in(cache, cache_bytes):
        if budget is None:
            return run_cell(make_attempt(cls, attempt_name, params, seed), dataset, fold, explain=explain)
        space = make_attempt(cls, attempt_name, params, seed).search_space()
        found = tune(
            lambda point: make_attempt(cls, attempt_name, {**params, **point}, seed),
            # What the matrix sets is not searched for.
            {key: values for key, values in space.items() if key not in params},
            dataset.clips[fold.train],
            dataset.labels[fold.train],
            dataset.groups[fold.train],
            budget,
            seed,
        )
        attempt = make_attempt(cls, attempt_name, {**params, **found.params}, seed)
        outcome = run_cell(attempt, dataset, fold, explain=explain)
        outcome.tuning = asdict(found)
        return outcome


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
