"""The audit of data sets before any cell runs, each made once for a store, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from ...errors import DataError, Faults
from ..audit.leaks import audit_key, audits, protocol_warnings
from ..audit.warnings import DataWarning, format_warnings
from ..datasets.splits import Fold
from ..isolation.fork_server import ForkServer
from ..isolation.pool import Task, run_isolated
from ..planning.cells import DatasetSource, Plan, PlannedDataset
from ..store import Store


@dataclass(frozen=True)
class AuditProgress:
    """The audit of a data set, before any cell runs; reported when it begins and when it has ended."""

    data: PlannedDataset
    ended: bool = False


def add_datasets(
    store: Store,
    plan: Plan,
    workers: int,
    fork_server: ForkServer | None,
    progress: Callable[[AuditProgress], None],
) -> dict[int, int]:
    """Record the data sets of cells with their warnings; return their ids in the store by their identity."""
    found = _audits(store, plan, workers, fork_server, progress)
    return {
        id(data): add_dataset(store, data, warnings, plan.matrix.silence)
        for data, warnings in zip(plan.datasets, found, strict=True)
    }


def _audits(
    store: Store,
    plan: Plan,
    workers: int,
    fork_server: ForkServer | None,
    progress: Callable[[AuditProgress], None],
) -> list[list[DataWarning]]:
    """Return what audits find, each made once for a store, in a process of its own."""
    kept = {key: store.audit(key) for key in map(_audit_key, plan.datasets)}
    # Under several splits the same clips are decoded once.
    waiting: dict[str, list[PlannedDataset]] = {}
    for data in plan.datasets:
        if kept[_audit_key(data)] is None:
            waiting.setdefault(data.fingerprint, []).append(data)

    def tasks() -> Iterator[Task]:
        for fingerprint, same in waiting.items():
            progress(AuditProgress(same[0]))
            yield Task(
                fingerprint, audit_source, (same[0].source(plan.plugin_paths), [one.folds for one in same])
            )

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
            found = [[DataWarning("not-audited", " ".join(text.split()))]] * len(same)
        for data, warnings in zip(same, found, strict=True):
            kept[_audit_key(data)] = warnings
            # One that could not be made is tried again the next time.
            if all(warning.code != "not-audited" for warning in warnings):
                store.keep_audit(_audit_key(data), warnings)
    faults.check()
    return [kept[_audit_key(data)] or [] for data in plan.datasets]


def _audit_key(data: PlannedDataset) -> str:
    return audit_key(data.fingerprint, data.folds)


def audit_source(source: DatasetSource, splits: list[list[Fold]]) -> list[list[DataWarning]] | DataError:
    """Audit a data set under several splits; called in a process of its own."""
    try:
        return audits(source.make(), splits)
    except DataError as error:
        return error


def add_dataset(
    store: Store, data: PlannedDataset, found: Iterable[DataWarning], silence: Collection[str]
) -> int:
    """Record a data set under its split, with the warnings of an audit, and return its number."""
    return store.add_dataset(
        dataset=data.title,
        split=data.split,
        fingerprint=data.fingerprint,
        groups_known=data.dataset.groups_known,
        classes=data.dataset.classes,
        warnings=format_warnings([*protocol_warnings(data.dataset, data.entry.split), *found], silence),
        table=data.dataset.table,
    )
