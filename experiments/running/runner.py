"""From planned cells to the store."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from ...baselines.base import Attempt
from ...baselines.registry import attempt_registry, use_attempts
from ...errors import ActionbenchError, Faults, StoreError, did_you_mean
from ...literals import CalibrationMethod
from ...progress import Stages
from ..datasets.base import Dataset
from ..datasets.splits import Fold
from ..evaluation.cell import run_cell
from ..evaluation.result import CellResult
from ..evaluation.tuning import Budget, Tuning, tune
from ..isolation.fork_server import ForkServer
from ..isolation.pool import GRACE, ResourceLimits, Task, TaskResult, run_isolated
from ..planning.cells import DatasetSource, Plan, PlannedCell, make_attempt
from ..planning.estimate import Estimate
from ..planning.matrix import Limits
from ..store import Store, provenance
from ..store.schema import VERSION, CellRecord
from .auditing import AuditProgress, add_datasets, look_at_datasets
from .feature_cache import features_in, usable_cache

# What may be asked to run again: every failure, kinds of it, and what was skipped.
_RETRIED = ("failed", "error", "crash", "timeout", "memory", "output", "cancelled", "skipped")

# What all need that learn, and the family that does not.
_LEARNING = f"{__package__}.warm_learning"
_TRIVIAL = "trivial"


@dataclass(frozen=True)
class CellProgress:
    """How far a run is; reported when a cell begins and when it has ended.

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


@dataclass(frozen=True)
class CellStages:
    """How far a running cell is, as its process says."""

    cell: PlannedCell
    stages: Stages


@dataclass(frozen=True)
class Stopping:
    """What an interrupt waits for: cells, and seconds after which the last is ended, None where nothing limits them."""

    cells: list[PlannedCell]
    seconds: float | None


#: What a run reports.
Progress: TypeAlias = CellProgress | AuditProgress | CellStages | Stopping


@dataclass(frozen=True)
class RunSummary:
    """What a run did: cells of the matrix, found in the store, run now, and failed or skipped among all of them."""

    #: Its number in the store.
    run_id: int
    #: The plan, without the clips that data sets have dropped.
    plan: Plan = field(repr=False)
    n_cells: int
    n_stored: int
    n_run: int
    n_failed: int
    n_skipped: int
    #: Whether it was asked to stop before its end.
    stopped: bool = False


def default_workers(threads: int) -> int:
    """Return how many cells fit side by side on this machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // threads)


def run_cells(
    plan: Plan,
    store: Store,
    *,
    workers: int | None = None,
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
    plan : Plan
        The cells, their matrix and their plug-ins.
    store : Store
        Where results go.
    workers : int, optional
        How many cells run at a time; by default as many as there are cores for.
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
        Called with an `AuditProgress` as clips of each data set have been decoded, then with a `CellProgress` as each
        cell begins and ends and with `CellStages` on this machine meanwhile, and at the first interrupt, in its
        handler, with `Stopping`.

    Raises
    ------
    ActionbenchError
        If ``retry`` holds a word that is none of these, predictions under the name of an attempt were imported, or the
        store, the cache or a process fails.
    DataError
        If clips cannot be read, of a data set that does not drop them; it names each of them, and no cell runs.
    """
    retried = _checked(retry)
    _refuse_imported(plan, store)
    limits = plan.matrix.limits
    cache = usable_cache(cache, int(limits.cache))
    workers = workers or default_workers(limits.threads)
    plan, looks = look_at_datasets(store, plan, workers, fork_server, progress)
    stored = store.status_of()
    waiting = _not_stored(plan.cells, stored, retried | {"cancelled"}, fresh)
    dataset_ids = add_datasets(store, plan, looks)
    options = {"resource_limits": resource_limits_of(limits), "preload": _modules(waiting.values())}
    pools = {} if on else {"thread_pools": _thread_pools(fork_server, options) if waiting else []}
    run_id = _begin(plan, store, workers, {**pools, **about})
    for code, dependencies in plan.dependencies.items():
        store.add_code(code, provenance.code_parts(*dependencies))
    writer = _Writer(
        store,
        run_id,
        machine_id=store.add_machine(provenance.machine(threads=limits.threads, workers=workers)),
        dataset_ids=dataset_ids,
        estimate=Estimate(store, waiting.values(), workers),
        progress=progress,
        limit=limits.time,
        fresh=fresh,
        total=len(plan.cells),
        done=len(plan.cells) - len(waiting),
    )
    store.touch(run_id, [cell.key for cell in plan.cells if cell.key not in waiting])
    for cell in waiting.values():
        if cell.skip is not None:
            writer.write(cell, status="skipped", kind="skipped", message=cell.skip)
    to_run = (cell for cell in waiting.values() if cell.skip is None and not writer.was_done(cell))
    tasks = writer.begun(waiting, _tasks(plan, to_run, cache))
    start = partial(_results, on, tasks, fork_server, writer.look_into, workers=workers, **options)
    stopped = _write_each(waiting, writer, start)
    if not stopped:
        store.end_run(run_id)
    after = store.status_of() if waiting else stored
    return _summary(run_id, plan, after, len(waiting), stopped=stopped)


def _checked(retry: Iterable[str]) -> set[str]:
    kinds = set(retry)
    if unknown := sorted(kinds.difference(_RETRIED)):
        raise ActionbenchError(
            f"retry: there is no kind {unknown[0]!r}; {did_you_mean(unknown[0], _RETRIED)}"
        )
    return kinds


def _refuse_imported(plan: Plan, store: Store) -> None:
    """Refuse rows of the table that hold imported predictions: these would be hidden by what runs."""
    imported, faults = store.imported(), Faults()
    for dataset, split, attempt in sorted({cell.place[:3] for cell in plan.cells} & imported):
        faults.add(
            StoreError(
                f"{store.path}: predictions of an attempt {attempt!r} on {dataset!r} under {split!r} were imported; "
                "the matrix must give its own a title, or --store name another file"
            )
        )
    faults.check()


def _thread_pools(fork_server: ForkServer | None, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the processes of cells have loaded of libraries with threads of their own."""
    task = Task("", provenance.thread_pools, ())
    ((_, result),) = run_isolated([task], fork_server=fork_server, **options)
    return result.outcome or []


def _begin(plan: Plan, store: Store, workers: int, about: Mapping[str, Any]) -> int:
    """Record that a run begins, and what is known of it."""
    facts = provenance.collect(
        workers=workers,
        threads=plan.matrix.limits.threads,
        plugins=plan.plugin_paths,
        files=_digests(plan.cells),
        n_cells=len(plan.cells),
        schema=VERSION,
        **about,
    )
    return store.begin_run(plan.matrix.name, plan.matrix.model_dump(mode="json", by_alias=True), facts)


def _write_each(
    waiting: Mapping[str, PlannedCell],
    writer: _Writer,
    start: Callable[..., Generator[tuple[Task, TaskResult], None, None]],
) -> bool:
    """Write each cell as it ends, and return whether an interrupt kept others from beginning."""
    with _Interrupts(writer.stopping) as interrupts:
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
    on: str | None,
    tasks: Iterator[Task],
    fork_server: ForkServer | None,
    progress: Callable[[Task, Stages], None],
    **options: Any,
) -> Generator[tuple[Task, TaskResult], None, None]:
    """Run tasks on this machine or on others."""
    if on is None:
        return run_isolated(tasks, fork_server=fork_server, progress=progress, **options)
    from ..isolation.cluster import run_on

    return run_on(on, tasks, **options)


class _Interrupts:
    """Notes and reports the first interrupt, and lets the second through; only the main thread receives any."""

    asked = False

    def __init__(self, report: Callable[[], None]) -> None:
        self._report = report

    def __enter__(self) -> _Interrupts:
        self._in_main_thread = threading.current_thread() is threading.main_thread()
        if self._in_main_thread:
            self._before = signal.signal(signal.SIGINT, self._receive)
        return self

    def _receive(self, number: int, frame: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self._report()

    def __exit__(self, *_: object) -> None:
        if self._in_main_thread:
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
    """Return the modules that cells will import, at the latest when they call what needs them."""
    waiting = list(cells)
    dependencies = {cell.code: cell.dependencies for cell in waiting}.values()
    own = {name for classes in dependencies for name in provenance.modules_read(*classes)}
    learning = {_LEARNING} if any(cell.cls.family != _TRIVIAL for cell in waiting) else set()
    return sorted(own | learning)


def _summary(
    run_id: int,
    plan: Plan,
    stored: Mapping[str, tuple[str, str | None]],
    n_waiting: int,
    *,
    stopped: bool,
) -> RunSummary:
    statuses = [stored[cell.key][0] for cell in plan.cells if cell.key in stored]
    missing = len(plan.cells) - len(statuses)
    return RunSummary(
        run_id=run_id,
        plan=plan,
        n_cells=len(plan.cells),
        n_stored=len(plan.cells) - n_waiting,
        n_run=n_waiting - missing,
        n_failed=statuses.count("failed"),
        n_skipped=statuses.count("skipped"),
        stopped=stopped,
    )


@dataclass
class _Writer:
    """Writes cells as they end, and reports how far the run is."""

    store: Store
    run_id: int
    machine_id: int
    dataset_ids: Mapping[int, int]
    estimate: Estimate
    progress: Callable[[Progress], None]
    #: Seconds that a cell may take.
    limit: float | None
    fresh: bool
    #: Cells of the run, those of them that have ended, and those that failed in this run.
    total: int
    done: int
    failed: int = 0
    running: dict[str, PlannedCell] = field(default_factory=dict)
    #: When the time of cells began.
    begun_at: dict[str, float] = field(default_factory=dict)

    def begun(self, waiting: Mapping[str, PlannedCell], tasks: Iterator[Task]) -> Iterator[Task]:
        """Report each task as it is taken."""
        for task in tasks:
            cell = self.running[task.key] = waiting[task.key]
            self._report(cell, "running", None)
            yield task

    def look_into(self, task: Task, stages: Stages) -> None:
        """Report how far a running cell is."""
        self.begun_at.setdefault(task.key, time.monotonic())
        self.progress(CellStages(self.running[task.key], stages))

    def stopping(self) -> None:
        """Report for what an interrupt waits, and for how long at most."""
        now, seconds = time.monotonic(), None
        if self.limit is not None:
            passed = [now - self.begun_at.get(key, now) for key in self.running]
            seconds = max((self.limit - one for one in passed), default=0.0) + GRACE
        self.progress(Stopping(list(self.running.values()), seconds))

    def end(self, cell: PlannedCell, result: TaskResult) -> None:
        """Write a cell that ran; where it failed, what another process has finished meanwhile stays."""
        if result.outcome is None and self.was_done(cell):
            return
        known: dict[str, Any] = {"n_starts": result.n_starts}
        if result.machine is not None:
            known["machine_id"] = self.store.add_machine(result.machine)
        peak = result.tree_memory_bytes
        if result.outcome is None:
            failure = {
                name: getattr(result, name) for name in ("kind", "error", "message", "traceback", "log")
            }
            self.write(cell, status="failed", peak_memory_bytes=peak, **failure, **known)
            return
        found = vars(result.outcome)
        # The process knows its own peak, who watches it that of the tree.
        found["peak_memory_bytes"] = max(found["peak_memory_bytes"], peak or 0)
        self.write(cell, status="done", positions=cell.fold.test, **found, **known)

    def was_done(self, cell: PlannedCell) -> bool:
        """Return whether another process has finished a cell meanwhile, and count it."""
        if self.fresh or not self.store.is_done(cell.key):
            return False
        self.store.touch(self.run_id, [cell.key])
        self.running.pop(cell.key, None)
        self.done += 1
        self._report(cell, "stored", None)
        return True

    def cancel(self) -> None:
        """Write the cells that were ended by an interrupt."""
        for cell in list(self.running.values()):
            # The interrupt may have come right behind its end, and another process may have run it.
            if not self.store.is_done(cell.key):
                self.write(cell, status="failed", kind="cancelled", message="the run was interrupted")

    def write(self, cell: PlannedCell, *, status: str, **values: Any) -> None:
        """Write a row of the store."""
        record: CellRecord = cell.record(self.dataset_ids[id(cell.data)])
        for name, value in {"status": status, "machine_id": self.machine_id, **values}.items():
            setattr(record, name, value)
        self.store.add_cell(self.run_id, record)
        self.running.pop(cell.key, None)
        self.done += 1
        self.failed += status == "failed"
        self._report(cell, status, record.message)

    def _report(self, cell: PlannedCell, status: str, message: str | None) -> None:
        if status != "running":
            self.estimate.ended(cell)
        left = self.estimate.seconds_left()
        self.progress(CellProgress(cell, status, message, self.done, self.failed, self.total, left))


@dataclass(frozen=True)
class CellCall:
    """What the process of a cell gets."""

    dataset: DatasetSource
    attempt: str
    params: Mapping[str, Any]
    #: Of a search for further parameters, None where there is none.
    budget: Budget | None
    calibrate: CalibrationMethod | None
    seed: int
    fold: Fold
    explain: bool
    #: Folder of features, and what they may take there.
    cache: str
    cache_bytes: int

    def run(self) -> CellResult:
        """Make data set and attempt and run the cell."""
        dataset = self.dataset.make_unchanged()
        attempts = attempt_registry(self.dataset.plugins)
        cls = attempts.get(self.attempt)

        def make(found: Mapping[str, Any]) -> Attempt:
            # The plan has looked at the parameters of the matrix.
            params = {**self.params, **found}
            return make_attempt(cls, self.attempt, params, self.seed, checked=self.params)

        with use_attempts(attempts), features_in(self.cache, self.cache_bytes):
            tuning = None if self.budget is None else self._tune(make, dataset, self.budget)
            attempt = make({} if tuning is None else tuning.params)
            result = run_cell(attempt, dataset, self.fold, calibrate=self.calibrate, explain=self.explain)
            result.tuning = None if tuning is None else asdict(tuning)
            return result

    def _tune(self, make: Callable[[Mapping[str, Any]], Attempt], dataset: Dataset, budget: Budget) -> Tuning:
        # What the matrix sets is not searched for.
        space = {key: values for key, values in make({}).search_space().items() if key not in self.params}
        train = self.fold.train
        return tune(
            make, space, dataset.clips[train], dataset.labels[train], dataset.groups[train], budget, self.seed
        )


def _tasks(plan: Plan, cells: Iterable[PlannedCell], cache: str) -> Iterator[Task]:
    plugins, matrix = plan.plugin_paths, plan.matrix
    for cell in cells:
        limits = cell.entry.tune
        call = CellCall(
            cell.data.source(plugins),
            cell.entry.name,
            cell.params,
            None if limits is None else Budget(limits.trials, limits.seconds, limits.folds),
            cell.entry.calibrate,
            cell.seed,
            cell.fold,
            # One explanation per attempt, on whole clips, is enough for a report; it would be most of a large store.
            explain=cell.fold_index == 0
            and cell.seed == matrix.seeds[0]
            and cell.train_groups is None
            and cell.data.entry.probe is None,
            cache=cache,
            cache_bytes=int(matrix.limits.cache),
        )
        yield Task(cell.key, CellCall.run, (call,))
