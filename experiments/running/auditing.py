"""The audit of data sets before any cell runs, each made once for a store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from ...errors import DataError, Faults
from ..audit.leaks import audit, audit_key, protocol_warnings
from ..audit.warnings import DataWarning, format_warnings
from ..datasets.base import Dataset
from ..datasets.left_out import WithoutClips
from ..datasets.probed import without_probe
from ..isolation.fork_server import ForkServer
from ..planning.cells import Plan, PlannedDataset, data_fingerprint, make_plan
from ..store import Store
from .looking import Look, Looked, look


@dataclass(frozen=True)
class AuditProgress:
    """How many clips of a data set have been decoded, before any cell runs."""

    data: PlannedDataset
    n_done: int


#: What was seen of data sets, by their fingerprints.
Looks = Mapping[str, Look]


def look_at_datasets(
    store: Store,
    plan: Plan,
    workers: int,
    fork_server: ForkServer | None,
    progress: Callable[[AuditProgress], None],
) -> tuple[Plan, Looks]:
    """Decode the clips of all data sets that the store has no audit of.

    Returns
    -------
    Plan
        The plan, or one without the clips that cannot be decoded, where data sets drop these.
    dict
        What was seen.

    Raises
    ------
    DataError
        If clips cannot be decoded and are not dropped; it names each of them.
    """
    # Under several splits the same clips are decoded once.
    waiting = {data.plain_fingerprint: data for data in plan.datasets if not _is_known(store, data)}
    looks = look(
        {key: _looked(data, plan.plugin_paths) for key, data in waiting.items()},
        workers=workers,
        fork_server=fork_server,
        progress=lambda key, n_done: progress(AuditProgress(waiting[key], n_done)),
    )
    faults, smaller = Faults(), False
    for key, seen in looks.items():
        data = waiting[key]
        plain = without_probe(data.dataset)
        if plain.drops_unreadable:
            store.keep_unreadable(key, seen.reasons(plain))
            smaller |= bool(seen.unreadable)
            continue
        with faults:
            try:
                seen.check()
            except DataError as error:
                raise DataError(*(f"data set {data.title!r}: {fault}" for fault in error.args)) from error
    faults.check()
    if not smaller:
        return plan, looks
    plan = make_plan(plan.matrix, plugins=plan.plugins, only=plan.only, left_out=left_out_of(store))
    whole = {data.plain_fingerprint: _whole_fingerprint(data.dataset) for data in plan.datasets}
    return plan, {key: looks[before] for key, before in whole.items() if before in looks}


def left_out_of(store: Store) -> Callable[[str, Dataset], Mapping[str, str] | None]:
    """Return what tells `make_plan` which clips are known to be unreadable."""
    return lambda title, dataset: store.unreadable(data_fingerprint(dataset))


def _looked(data: PlannedDataset, plugins: list[str]) -> Looked:
    """Return a data set as it is looked at, without a probe."""
    return Looked(without_probe(data.dataset), replace(data.source(plugins), probe=None))


def _whole_fingerprint(dataset: Dataset) -> str:
    plain = without_probe(dataset)
    return data_fingerprint(plain.whole if isinstance(plain, WithoutClips) else plain)


def _is_known(store: Store, data: PlannedDataset) -> bool:
    return store.audit(_audit_key(data)) is not None


def add_datasets(store: Store, plan: Plan, looks: Looks) -> dict[int, int]:
    """Record the data sets of cells with their warnings; return their ids in the store by their identity."""
    return {id(data): _add_dataset(store, data, looks, plan.matrix.silence) for data in plan.datasets}


def _add_dataset(store: Store, data: PlannedDataset, looks: Looks, silence: Collection[str]) -> int:
    found = store.audit(_audit_key(data))
    if found is None:
        found = audit(data.dataset, data.folds, looks[data.plain_fingerprint].in_order())
        store.keep_audit(_audit_key(data), found)
    return add_dataset(store, data, found, silence)


def _audit_key(data: PlannedDataset) -> str:
    return audit_key(data.plain_fingerprint, data.folds)


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
