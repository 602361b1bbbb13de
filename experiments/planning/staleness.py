"""Why a cell is or is not in the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..store import Store, provenance
from .cells import PlannedCell


def reasons(cell: PlannedCell, store: Store) -> list[str]:
    """Return what has changed since a cell of the same data set, split, attempt, seed and fold was stored.

    Parameters
    ----------
    cell : PlannedCell
        A cell of the matrix.
    store : Store
        Where a previous one may be.

    Returns
    -------
    list of str
        Sentences: that it is stored, that there was never one, or each thing that differs from the latest.
    """
    dataset, split, attempt, seed, fold = cell.place
    previous = store.previous_cells(dataset=dataset, split=split, attempt=attempt, seed=seed, fold=fold)
    stored = next((found for found in previous if found["key"] == cell.key), None)
    if stored is not None and stored["kind"] == "cancelled":
        return [f"It was ended by an interrupt, {stored['finished']}, and runs again."]
    if stored is not None:
        how = stored["status"] if stored["kind"] is None else f"{stored['status']} ({stored['kind']})"
        return [f"It is stored: {how}, {stored['finished']}."]
    if not previous:
        return [
            "No cell of this attempt, data set, split, seed and fold was ever stored.",
            *_same_work(cell, store),
        ]
    latest = previous[0]
    found = [*_code(cell, latest, store), *_data(cell, latest)]
    found += _changed("parameter", latest["params"], cell.params)
    return found or ["A file that its parameters name, or its budget for tuning, has changed."]


def _same_work(cell: PlannedCell, store: Store) -> list[str]:
    """Return for which other row of the table the same work is stored, as after a change of a title."""
    found = store.previous_cells(
        code=cell.code,
        fingerprint=cell.data.fingerprint,
        fold_fingerprint=cell.fold.fingerprint(),
        seed=cell.seed,
    )
    same = next((one for one in found if one["params"] == cell.params), None)
    if same is None:
        return []
    row = f"{same['attempt']!r} on {same['dataset']!r} under {same['split']!r}"
    return [f"The same work is stored for another row of the table, {row}; each row has cells of its own."]


def _code(cell: PlannedCell, latest: Mapping[str, Any], store: Store) -> list[str]:
    if latest["code"] == cell.code:
        return []
    before = store.code_parts(latest["code"])
    if before is None:
        return ["The code has changed; the store does not hold what it was."]
    return _changed("code:", before, provenance.code_parts(*cell.dependencies))


def _data(cell: PlannedCell, latest: Mapping[str, Any]) -> list[str]:
    if latest["fingerprint"] != cell.data.fingerprint:
        return ["The data have changed: clips, labels or groups."]
    if latest["fold_fingerprint"] not in (None, cell.fold.fingerprint()):
        return ["The fold has changed: its training or test clips are others."]
    return []


def _changed(what: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    changes = []
    for name in sorted(before.keys() | now.keys()):
        if name not in before:
            changes.append(f"{what} {name} is new.")
        elif name not in now:
            changes.append(f"{what} {name} is gone.")
        elif before[name] != now[name]:
            # A hash says nothing to a reader.
            shown = "" if len(str(now[name])) >= 64 else f" from {before[name]} to {now[name]}"
            changes.append(f"{what} {name} has changed{shown}.")
    return [sentence[0].upper() + sentence[1:] for sentence in changes]
