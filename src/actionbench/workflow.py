"""From a matrix to its table: plan, run, save thumbnails, and cache what is printed."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from . import DEFAULT_STORE
from .errors import DataError, Faults, MatrixError

# Everything heavy is imported inside the function that needs it.
if TYPE_CHECKING:
    import pandas as pd

    from .experiments.datasets.base import Dataset
    from .experiments.isolation.fork_server import ForkServer
    from .experiments.planning.cells import Plan, PlannedCell
    from .experiments.running.runner import Progress, RunSummary
    from .experiments.sharing.bundle import Bundle
    from .experiments.store import Store
    from .experiments.store.schema import CellRecord
    from .reports.analysis.results import Result

# Thumbnails of either kind of hard clips, of each data set under each split.
_MAX_THUMBNAILS = 30

#: How far a probability may be from what it was when a bundle is run again.
TOLERANCE = 1e-6

#: A matrix: a file, the name of a built-in one, or its content.
Source = str | Path | Mapping[str, Any]


class Output(NamedTuple):
    """What a run gives: the rows of the comparison table, and what the command prints, as values of JSON.

    ``printed`` holds ``run`` and ``show`` (`tables.layout` of the matrix and of the whole store), ``summary`` (in
    words), ``failures`` (sentence and traceback of each), ``stopped`` and ``unfinished`` (sentences on runs).
    """

    table: pd.DataFrame
    printed: dict[str, Any]


class _Ran(NamedTuple):
    """A run, and what the store holds after it; see `Store.data_version`."""

    summary: RunSummary
    results: list[Result]
    version: int


@dataclass(frozen=True)
class Experiment:
    """A matrix as it is requested: the changes to it, the cells wanted, the plug-ins, and the store of the results.

    Parameters
    ----------
    matrix, store, changes, only, plugins
        As for `api.run`.
    """

    matrix: Source
    store: str | Path = DEFAULT_STORE
    changes: Iterable[str] = ()
    only: Iterable[str] = ()
    plugins: Iterable[str | Path] = ()

    def __post_init__(self) -> None:
        for name in ("changes", "only", "plugins"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    def request_hash(self) -> str:
        """Return a hash of all but the store, and of what else a plan depends on beside files."""
        from .experiments.running.warm_cache import request_hash

        return request_hash(self.matrix, self.changes, self.only, self.plugins)

    def cached_output(self) -> dict[str, Any] | None:
        """Return what the last run printed, if it had the same request and nothing has changed since."""
        from .experiments.running.warm_cache import unchanged
        from .experiments.store import Store

        if not os.path.isfile(self.store):
            return None
        with Store.open(self.store) as store:
            cached = store.cached_output()
        if cached is None or cached.request_hash != self.request_hash() or not unchanged(cached.file_stamps):
            return None
        return json.loads(cached.output)

    def plan(self, only: Iterable[str] = ()) -> Plan:
        """Return the cells, of which further conditions may choose."""
        from .experiments.planning.cells import make_plan
        from .experiments.planning.matrix import read_matrix

        matrix = read_matrix(self.matrix, self.changes)
        return make_plan(matrix, plugins=self.plugins, only=[*self.only, *only], left_out=self._left_out)

    def _left_out(self, title: str, dataset: Dataset) -> Mapping[str, str] | None:
        """Return which clips of a data set are known to be unreadable, and why."""
        from .experiments.running.auditing import left_out_of
        from .experiments.store import Store

        if not os.path.isfile(self.store):
            return None
        with Store.open(self.store) as store:
            return left_out_of(store)(title, dataset)

    def plan_table(self, workers: int | None = None) -> pd.DataFrame:
        """Return the cells as `api.plan` does."""
        import pandas as pd

        from .experiments.datasets.publication import compare_with_published

        plan = self.plan()
        stored: dict[str, str] = {}
        left: dict[str, float | None] = {"seconds": None, "bytes": None}
        if os.path.isfile(self.store):
            from .experiments.planning.estimate import Estimate
            from .experiments.running.runner import default_workers
            from .experiments.store import Store

            with Store.open(self.store) as store:
                # What an interrupt has ended always runs again.
                known = store.status_of().items()
                stored = {key: status for key, (status, kind) in known if kind != "cancelled"}
                waiting = [cell for cell in plan.cells if cell.key not in stored]
                estimate = Estimate(store, waiting, workers or default_workers(plan.matrix.limits.threads))
                left = {"seconds": estimate.seconds_left(), "bytes": estimate.bytes_left()}
        table = pd.DataFrame(
            {
                "dataset": cell.data.title,
                "split": cell.data.split,
                "attempt": cell.title,
                "family": cell.cls.family,
                "seed": cell.seed,
                "fold": cell.fold_index,
                "fold_name": cell.fold.name,
                "n_train": len(cell.fold.train),
                "n_test": len(cell.fold.test),
                "status": stored.get(cell.key, "to run"),
                "key": cell.key,
            }
            for cell in plan.cells
        )
        said = {
            data.title: compare_with_published(data.dataset)
            for data in plan.datasets
            if data.entry.probe is None
        }
        table.attrs.update(
            left, published={title: same or other for title, (same, other) in said.items() if same or other}
        )
        return table

    def why(self, cell: str) -> dict[str, list[str]]:
        """Return reasons as `api.why` does."""
        from .experiments.planning.staleness import reasons
        from .experiments.store import Store

        by_axes = "=" in cell
        cells = self.plan([cell] if by_axes else []).cells
        if not by_axes:
            cells = [found for found in cells if found.key.startswith(cell)]
        if not cells:
            raise MatrixError(
                f"--why {cell}: no key of this matrix begins so; `actionbench plan --json` shows all"
            )
        with Store.open(self.store, must_exist=True) as store:
            return {
                f"{found.data.title} {found.title} {found.fold.name} seed {found.seed}": reasons(found, store)
                for found in cells
            }

    def run(self, **options: Any) -> Output:
        """Run what the store lacks, and cache what is printed for as long as nothing changes.

        Parameters
        ----------
        **options
            As for `run_cells`.
        """
        from .experiments.store import Store
        from .reports.analysis import ladder, profile
        from .reports.analysis.results import compared, unfinished
        from .reports.analysis.tables import layout, score

        # Files that changed later are not vouched for, and a plug-in may change what the hash depends on.
        begun, request = time.time_ns(), self.request_hash()
        plan = self.plan()
        with Store.open(self.store) as store:
            ran = _run_plan(plan, store, options)
            plan = ran.summary.plan
            whole = score(compared(ran.results))
            last = [
                *ladder.layout(ladder.ladder(ran.results)),
                *profile.layout(profile.profile(ran.results)),
            ]
            table, shown = _rows_of(whole, plan.cells), layout(whole)
            printed = {
                "run": [*(shown if len(table) == len(whole) else layout(table)), *last],
                "show": [*shown, *last],
                "summary": _in_words(ran.summary),
                "failures": _failures(store.cells(), plan.cells) if ran.summary.n_failed else [],
                "stopped": ran.summary.stopped,
                "unfinished": unfinished(store),
            }
            _cache(store, plan, ran, printed, request, begun)
        return Output(table, printed)


def _cache(store: Store, plan: Plan, ran: _Ran, printed: Mapping[str, Any], request: str, begun: int) -> None:
    """Keep what a run printed for as long as no file behind it changes."""
    from .experiments.running.warm_cache import file_stamps
    from .experiments.store.store import CachedOutput

    files = _files_behind(plan)
    if files is None or ran.summary.stopped:
        return
    stamps = file_stamps(files)
    if all(stamp is None or max(stamp[2:]) < begun for stamp in json.loads(stamps).values()):
        again = replace(ran.summary, n_stored=ran.summary.n_cells, n_run=0)
        output = json.dumps({**printed, "summary": _in_words(again)})
        store.cache_output(ran.summary.run_id, CachedOutput(request, stamps, output), ran.version)


class Reproduced(NamedTuple):
    """What came of running a bundle again: `Reproduction.compare`, and whether it was asked to stop before its end."""

    cells: pd.DataFrame
    stopped: bool


def reproduce(
    bundle: Bundle,
    store: str | Path,
    *,
    changes: Iterable[str] = (),
    only: Iterable[str] = (),
    workers: int | None = None,
    tolerance: float = TOLERANCE,
    notify: Callable[[str], None] = lambda _: None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Reproduced:
    """Run the cells of a bundle again and compare their predictions.

    Parameters
    ----------
    bundle : Bundle
        What was packed.
    store : path
        Where new results go; one that holds other runs is refused, one with part of this is gone on with.
    changes, only, workers, tolerance
        As for `api.reproduce`.
    notify : callable
        As for `plan_again`.
    progress : callable
        As for `run_cells`.

    Raises
    ------
    ActionbenchError
        If the data are others, or the store is not of this bundle.
    """
    from .experiments.sharing.reproduction import plan_again
    from .experiments.store import Store

    with plan_again(bundle, changes, only, notify) as again, Store.open(store) as opened:
        again.check(opened)
        options = {"cache": again.cache, "retry": ["failed"], "about": {"bundle": bundle.digest}}
        ran = _run_plan(again.plan, opened, {"workers": workers, "progress": progress, **options})
        return Reproduced(again.compare(opened, tolerance), ran.summary.stopped)


def _run_plan(plan: Plan, store: Store, options: Mapping[str, Any]) -> _Ran:
    """Run what a store lacks; a run that comes to its end leaves thumbnails of some clips."""
    from .experiments.running.runner import run_cells
    from .reports.analysis.results import gather

    summary = run_cells(plan, store, **options)
    ran = _Ran(summary, version=store.data_version(), results=gather(store))
    if not summary.stopped:
        _save_thumbnails(store, summary.plan, ran.results, options.get("fork_server"))
    return ran


def _save_thumbnails(store: Store, plan: Plan, results: list[Result], fork_server: ForkServer | None) -> None:
    """Keep thumbnails of the first clips of either kind that are hard, and of one clip of each class.

    None are kept where the matrix wants none.
    """
    from .experiments.running.thumbnails import WantedThumbnails, keep_thumbnails
    from .reports.analysis.examples import class_examples
    from .reports.analysis.hard_clips import hard_clips
    from .reports.analysis.results import by_data, compared

    shown = compared(results) if plan.matrix.thumbnails else []
    positions = {name: set(class_examples(own).values()) for name, own in by_data(shown).items()}
    first = hard_clips(shown).groupby(["dataset", "split", "kind"]).head(_MAX_THUMBNAILS)
    for name, rows in first.groupby(["dataset", "split"]):
        positions[str(name[0]), str(name[1])].update(rows["position"].tolist())
    ids = {(*result.name[:2], result.fingerprint): int(result.columns["dataset_id"][0]) for result in results}
    wanted = [
        WantedThumbnails(dataset_id, data, sorted(positions.get((data.title, data.split), ())))
        for data in plan.datasets
        if data.entry.probe is None
        and (dataset_id := ids.get((data.title, data.split, data.fingerprint))) is not None
    ]
    keep_thumbnails(store, wanted, plugins=plan.plugin_paths, fork_server=fork_server)


def _rows_of(whole: pd.DataFrame, cells: Iterable[PlannedCell]) -> pd.DataFrame:
    """Return the rows of a comparison table that some cells belong to."""
    asked = {cell.place[:3] for cell in cells}
    wanted = [row in asked for row in zip(whole["dataset"], whole["split"], whole["attempt"], strict=True)]
    return whole[wanted].reset_index(drop=True)


def _files_behind(plan: Plan) -> set[Path] | None:
    """Return the files without a change of which a plan stays as it is, None where that depends on more."""
    from .experiments.store.provenance import files_read

    if any(cell.variables for cell in plan.cells):
        return None
    files = {Path(plugin).absolute() for plugin in plan.plugins}
    for data in plan.datasets:
        if data.files is None:
            return None
        files.update(path.absolute() for path in data.files)
        files.update(Path(path).absolute() for path in data.entry.split.files())
    for classes in plan.dependencies.values():
        files.update(files_read(*classes))
    return files | {Path(file).absolute() for named in {cell.files for cell in plan.cells} for file in named}


def _in_words(summary: RunSummary) -> str:
    skipped = f", {summary.n_skipped} skipped" if summary.n_skipped else ""
    return (
        f"{summary.n_cells} cells: {summary.n_stored} were stored, {summary.n_run} run now, "
        f"{summary.n_failed} failed{skipped}"
    )


def _failures(stored: pd.DataFrame, cells: Iterable[PlannedCell]) -> list[tuple[str, str | None]]:
    """Return a sentence and the traceback of each failed cell."""
    rows = stored[(stored["status"] == "failed") & stored["key"].isin([cell.key for cell in cells])]
    found = []
    for row in rows.to_dict("records"):
        what = f"{row['error']}: {row['message']}" if row["error"] else row["message"]
        where = " ".join(str(row[column]) for column in ("dataset", "attempt", "fold_name"))
        found.append((f"failed ({row['kind']}): {where} seed {row['seed']}: {what}", row["traceback"]))
    return found


class Imported(NamedTuple):
    """What came of an import: cells that were written, those that were there already, and the attempts' names."""

    n_new: int
    n_known: int
    attempts: list[str]


def import_predictions(
    predictions: pd.DataFrame,
    where: str,
    dataset: Source,
    *,
    attempt: str,
    family: str,
    store: str | Path = DEFAULT_STORE,
    changes: Iterable[str] = (),
    plugins: Iterable[str | Path] = (),
    replace: bool = False,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Imported:
    """Check predictions of another program against data sets and their splits, and keep them as cells of a store.

    Parameters
    ----------
    predictions, where
        See `experiments.sharing.external.read_cells`.
    dataset, attempt, family, store, changes, plugins, replace
        As for `api.import_predictions`.
    progress : callable
        As for `run_cells`.

    Raises
    ------
    ActionbenchError
        With a sentence for each fault; nothing is written then.
    """
    from .experiments.running.auditing import add_datasets, look_at_datasets
    from .experiments.running.runner import default_workers
    from .experiments.sharing.external import add_cells, check_store, read_cells, rows_of
    from .experiments.store import Store

    matrix = _data_of(predictions, where, dataset, changes)
    experiment = Experiment(matrix, store, plugins=plugins)

    def cells_of(plan: Plan) -> dict[int, list[CellRecord]]:
        faults, found = Faults(), {}
        for data in plan.datasets:
            with faults:
                rows = rows_of(predictions, data.title, data.split)
                found[id(data)] = read_cells(rows, where, data, attempt=attempt, family=family)
        faults.check()
        return found

    def new_ones(opened: Store, plan: Plan, cells: Mapping[int, list[CellRecord]]) -> int:
        faults, n_new = Faults(), 0
        for data in plan.datasets:
            with faults:
                n_new += len(check_store(opened, data, cells[id(data)], replace=replace))
        faults.check()
        return n_new

    plan = experiment.plan()
    # Which clips are left out is known once they have been decoded.
    waits = any(data.dataset.drops_unreadable for data in plan.datasets)
    cells = {} if waits else cells_of(plan)
    with Store.open(store) as opened:
        if not waits:
            new_ones(opened, plan, cells)
        plan, looks = look_at_datasets(opened, plan, default_workers(1), None, progress)
        if waits:
            cells = cells_of(plan)
        n_new = new_ones(opened, plan, cells)
        numbers = add_datasets(opened, plan, looks)
        digest = hashlib.sha256(predictions.to_csv(index=False).encode()).hexdigest()
        add_cells(opened, matrix, {numbers[key]: own for key, own in cells.items()}, digest)
    every = [cell for own in cells.values() for cell in own]
    return Imported(n_new, len(every) - n_new, sorted({cell.attempt for cell in every}))


def _data_of(
    predictions: pd.DataFrame, where: str, dataset: Source, changes: Iterable[str]
) -> dict[str, Any]:
    """Return a matrix of the data sets that predictions are for, with an attempt that stands for theirs."""
    from .experiments.deployment.model import model_matrix
    from .experiments.planning.matrix import read_matrix
    from .experiments.sharing.external import rows_of

    is_matrix = not isinstance(dataset, Mapping) and os.path.isfile(dataset)
    if is_matrix:
        matrix = read_matrix(dataset, changes)
    else:
        matrix = model_matrix("chance", dataset if isinstance(dataset, Mapping) else str(dataset), changes)
    entries = [entry for entry in matrix.datasets if entry.probe is None]
    wanted = [entry for entry in entries if len(rows_of(predictions, entry.label, entry.split.label()))]
    named = [f"{entry.label!r} under {entry.split.label()!r}" for entry in entries]
    if not wanted:
        raise DataError(f"{where}: has no rows for {' or '.join(named)} in its columns dataset and split")
    if len(wanted) > 1 and "dataset" not in predictions:
        raise DataError(f"{where}: must have a column 'dataset', for there are {' and '.join(named)}")
    content = matrix.model_copy(update={"datasets": wanted}).model_dump(mode="json", by_alias=True)
    stand_in = {"seeds": [0], "train_groups": ["all"], "attempts": [{"name": "chance"}]}
    return {**content, **stand_in, "name": f"import of {Path(where).name}"}
