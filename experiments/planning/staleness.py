"""Why a cell is or is not in the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..store import Store, provenance
from .cells import PlannedCell


def reasons(cell: PlannedCell, store: Store) -> list[str]:
    """Describe what has changed since a cell of the same place in the matrix was stored.

    Parameters
    ----------
    cell : PlannedCell
        A cell of the matrix.
    store : Store
        Where its like may be.

    Returns
    -------
    list of str
        Sentences: that it is stored, that there was never one like it, or each thing that differs from the latest.
    """
    where = {
        "dataset": cell.data.title,
        "split": cell.data.entry.split.label(),
        "attempt": cell.title,
        "seed": cell.seed,
        "fold": cell.fold,
    }
    alike = store.previous_cells(**where)
    stored = next((found for found in alike if found["key"] == cell.key), None)
    if stored is not None and stored["kind"] == "cancelled":
        return [f"It was ended by an interrupt, {stored['finished']}, and runs again."]
    if stored is not None:
        how = stored["status"] if stored["kind"] is None else f"{stored['status']} ({stored['kind']})"
        return [f"It is stored: {how}, {stored['finished']}."]
    if not alike:
        return [
            "No cell of this attempt, data set, split, seed and fold was ever stored.",
            *_twins(cell, store),
        ]
    latest = alike[0]
    found = [*_code(cell, latest, store), *_data(cell, latest)]
    found += _changed("parameter", latest["params"], cell.params)
    return found or ["A file that its parameters name, or its budget for tuning, has changed."]


def _twins(cell: PlannedCell, store: Store) -> list[str]:
    """Say for which other row of the table the same work is stored, as after a change of a title."""
    found = store.previous_cells(
        code=cell.code, fingerprint=cell.data.fingerprint, sides=cell.sides.fingerprint(), seed=cell.seed
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
        return ["The code has changed; the store was written before it was kept how."]
    return _changed("code:", before, provenance.code_parts(*cell.deciding))


def _data(cell: PlannedCell, latest: Mapping[str, Any]) -> list[str]:
    if latest["fingerprint"] != cell.data.fingerprint:
        return ["The data have changed: clips, labels or groups."]
    if latest["sides"] not in (None, cell.sides.fingerprint()):
        return ["The fold has changed: other clips are learned from or tested."]
    return []


def _changed(what: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    said = []
    for name in sorted(before.keys() | now.keys()):
        if name not in before:
            said.append(f"{what} {name} is new.")
        elif name not in now:
            said.append(f"{what} {name} is gone.")
        elif before[name] != now[name]:
            # A hash says nothing to a reader.
            shown = "" if len(str(now[name])) >= 64 else f" from {before[name]} to {now[name]}"
            said.append(f"{what} {name} has changed{shown}.")
    return [sentence[0].upper() + sentence[1:] for sentence in said]
