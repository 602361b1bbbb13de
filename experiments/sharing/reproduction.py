"""Running what a bundle holds again, and comparing it cell by cell."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...errors import BundleError
from ..planning.cells import PlannedCell, is_named, parse_only, plan_cells
from ..planning.matrix import Matrix, read_matrix
from ..running.runner import Progress, run_cells
from ..store import Store, provenance
from .bundle import Bundle, BundledCell

TOLERANCE = 1e-6

VERDICTS = ("exact", "within tolerance", "differs", "failed", "missing", "not bundled")

#: Verdicts that are no reason for concern; ``"not bundled"`` is of cells that had failed before.
AGREE = ("exact", "within tolerance", "not bundled")

_COLUMNS = "dataset split attempt seed fold fold_name verdict difference n_labels n_test message".split()


@dataclass(frozen=True)
class Reproduction:
    """What came of a bundle.

    Attributes
    ----------
    cells : DataFrame
        One row per cell: ``dataset``, ``split``, ``attempt``, ``seed``, ``fold``, ``fold_name``, ``verdict``
        (``"exact"``, ``"within tolerance"``, ``"differs"``, ``"failed"``, ``"missing"``, ``"not bundled"``),
        ``difference`` (the largest of a probability), ``n_labels`` (predicted labels that differ), ``n_test`` and
        ``message``.
    stopped : bool
        Whether it was asked to stop before its end.
    """

    cells: pd.DataFrame
    stopped: bool


def reproduce(
    bundle: Bundle,
    store: str | Path,
    *,
    changes: Iterable[str] = (),
    only: Iterable[str] = (),
    workers: int | None = None,
    tolerance: float | None = None,
    tell: Callable[[str], None] = lambda _: None,
    showing: Callable[[int], AbstractContextManager[Callable[[Progress], None]]] = lambda _: nullcontext(
        lambda _: None
    ),
    ended: Callable[[Store, Matrix, list[PlannedCell], list[Path]], None] = lambda *_: None,
) -> Reproduction:
    """Run the cells of a bundle again, with its own plug-ins and files, and compare their predictions.

    Parameters
    ----------
    bundle : Bundle
        What was packed.
    store : path
        Where new results go; one that holds other runs is refused, one with part of this is gone on with.
    changes, only, workers
        As for `api.run`.
    tolerance : float, optional
        How far a probability may be from what it was; by default `TOLERANCE`.
    tell : callable
        Called with sentences: what differs of the environment, where data are taken from.
    showing : callable
        Returns a context manager that gives who hears of progress, for a number of cells.
    ended : callable
        Called with store, matrix, cells and plug-ins when all cells have run.

    Raises
    ------
    ActionbenchError
        If the data are others, or the store is not of this bundle.
    """
    only = list(only)
    tolerance = TOLERANCE if tolerance is None else tolerance
    for sentence in differences(bundle.provenance, provenance.collect()):
        tell(sentence)
    with tempfile.TemporaryDirectory(prefix="actionbench-bundle-") as folder:
        plugins, files = bundle.unpack(Path(folder))
        matrix = read_matrix(_moved(bundle.matrix, files), changes)
        matrix = _with_roots(_of_cells(bundle, matrix, only), tell)
        with _own_helpers(Path(folder)):
            before, cells = _both(bundle, plan_cells(matrix, plugins=plugins, only=only), bool(only))
            with Store.open(store) as opened:
                _check_store(opened, bundle)
                with showing(len(cells)) as progress:
                    summary = run_cells(
                        matrix,
                        cells,
                        opened,
                        workers=workers,
                        plugins=plugins,
                        retry=["failed"],
                        # Features that are there already would not be computed anew.
                        cache=Path(folder) / "features",
                        about={"bundle": bundle.digest},
                        progress=progress,
                    )
                if not summary.stopped:
                    ended(opened, matrix, cells, plugins)
                statuses = opened.status_of()
                keys = {_place(cell): cell.key for cell in cells}
                rows = [
                    _compared(bundle, cell, opened, statuses, keys.get(place), tolerance)
                    for place, cell in before.items()
                ]
    return Reproduction(pd.DataFrame(rows, columns=_COLUMNS), summary.stopped)


def _both(
    bundle: Bundle, planned: list[PlannedCell], some: bool
) -> tuple[dict[Any, BundledCell], list[PlannedCell]]:
    """Return the bundled cells that are asked for by their place, and those of a plan that can be held to one."""
    before = {cell.place: cell for cell in _asked(bundle.cells, planned, some)}
    cells = [cell for cell in planned if _place(cell) in before and before[_place(cell)].status == "done"]
    if not cells:
        raise BundleError(f"{bundle.path}: none of the cells that are asked for has predictions in it")
    _check_data(bundle, cells, before)
    return before, cells


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return sentences on what of an environment differs from another, from `provenance.collect`."""
    found = [
        f"{name}: was {before.get(key)}, is {now.get(key)}"
        for key, name in (
            ("python", "Python"),
            ("instruction_set", "instruction set"),
            ("platform", "platform"),
        )
        if before.get(key) != now.get(key)
    ]
    packages = now.get("packages", {})
    for name, version in before.get("packages", {}).items():
        if packages.get(name) != version:
            found.append(f"{name}: was {version}, is {packages.get(name, 'not installed')}")
    shown = found[:20]
    return shown + ([f"and {len(found) - len(shown)} others differ"] if len(found) > len(shown) else [])


def _moved(content: Any, files: Mapping[str, str]) -> Any:
    """Return a copy of a matrix that names files where they are now."""
    if isinstance(content, dict):
        return {key: _moved(value, files) for key, value in content.items()}
    if isinstance(content, list):
        return [_moved(value, files) for value in content]
    return files.get(str(Path(content)), content) if isinstance(content, str) else content


def _place(cell: PlannedCell) -> tuple[str, str, str, int, int]:
    return cell.data.title, cell.data.entry.split.label(), cell.title, cell.seed, cell.fold


def _of_cells(bundle: Bundle, matrix: Matrix, only: Iterable[str]) -> Matrix:
    """Leave out data sets that no cell of the bundle is of, or that nobody asks for: they need not be there."""
    words = parse_only(only).get("dataset", ["*"])
    titles = {cell.dataset for cell in bundle.cells}
    kept = [
        entry
        for entry in matrix.datasets
        if (entry.title or entry.name) in titles and is_named((entry.name, entry.title or entry.name), words)
    ]
    return matrix.model_copy(update={"datasets": kept}) if kept else matrix


def _with_roots(matrix: Matrix, tell: Callable[[str], None]) -> Matrix:
    """Take the clips of a data set from ``ACTIONBENCH_DATA`` where its own folder is not on this machine."""
    home = os.environ.get("ACTIONBENCH_DATA")
    entries = []
    for entry in matrix.datasets:
        root = entry.options.get("root")
        here = Path(home) / entry.name if home else None
        if isinstance(root, str) and not Path(root).exists() and here is not None and here.exists():
            tell(f"data set {(entry.title or entry.name)!r}: {root} is not there, {here} is used")
            entry = entry.model_copy(update={"root": str(here)})
        entries.append(entry)
    return matrix.model_copy(update={"datasets": entries})


@contextmanager
def _own_helpers(folder: Path) -> Iterator[None]:
    """Let plug-ins import the helpers beside them, not others of the same name that are loaded or come first."""
    places = sorted(str(place) for place in folder.glob("plugins/*"))
    helpers = {path.stem for place in places for path in Path(place).iterdir()}
    loaded = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in helpers}
    path = list(sys.path)
    sys.path[:0] = places
    try:
        yield
    finally:
        sys.path[:] = path
        for name in [name for name in sys.modules if name.partition(".")[0] in helpers]:
            del sys.modules[name]
        sys.modules.update(loaded)


def _asked(cells: Iterable[BundledCell], planned: Iterable[PlannedCell], some: bool) -> Iterator[BundledCell]:
    """Yield the cells to compare: all, or where only some are wanted those that were planned."""
    places = {_place(cell) for cell in planned} if some else None
    return (cell for cell in cells if places is None or cell.place in places)


def _check_data(bundle: Bundle, cells: Iterable[PlannedCell], before: Mapping[Any, BundledCell]) -> None:
    """Refuse data other than those that were bundled, and a bundle whose table of clips is not that of its data."""
    tables = bundle.clips()
    for cell in cells:
        if cell.data.fingerprint != before[_place(cell)].fingerprint:
            raise BundleError(
                f"{bundle.path}: the data set {cell.data.title!r} is not what was bundled, clips, labels or groups "
                f"differ; --set datasets.{cell.data.entry.name}.root=DIR names another folder, --only dataset=NAME "
                "others"
            )
    for data in {cell.data.fingerprint: cell.data for cell in cells}.values():
        classes, rows = tables.get(data.fingerprint, (None, []))
        own = data.dataset.table[["clip", "label", "group"]].to_numpy().tolist()
        if classes is not None and (classes != data.dataset.classes or rows != own):
            raise BundleError(
                f"{bundle.path}: its clips, labels, groups or classes of the data set {data.title!r} are not those "
                "that were run; the bundle was edited, and must be made again"
            )


def _check_store(store: Store, bundle: Bundle) -> None:
    """Refuse a store whose cells may not be from running this bundle again: they would agree with themselves."""
    if any(facts.get("bundle") != bundle.digest for facts in store.runs()["provenance"]):
        raise BundleError(
            f"{store.path}: holds runs other than of this bundle; --store must name a new file, or one to go on with"
        )


def _compared(
    bundle: Bundle,
    cell: BundledCell,
    store: Store,
    statuses: Mapping[str, tuple[str, str | None]],
    key: str | None,
    tolerance: float,
) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(cell, name, None) for name in _COLUMNS}
    status, kind = statuses.get(key, (None, None)) if key else (None, None)
    if cell.status != "done":
        row |= {"verdict": "not bundled", "message": f"was {cell.status}: {cell.message}"}
    elif key is None:
        row |= {"verdict": "missing", "message": "the matrix has no such cell now"}
    elif status is None or kind == "cancelled":
        row |= {"verdict": "missing", "message": "it has not run"}
    elif status != "done":
        row |= {"verdict": "failed", "message": f"{status} ({kind})"}
    else:
        row |= _agreement(bundle.predictions(cell.key), store.predictions(key), tolerance)
    return row


def _agreement(before: Any, now: Any, tolerance: float) -> dict[str, Any]:
    (old_clips, old), (new_clips, new) = before, now
    if old.shape != new.shape or not np.array_equal(old_clips, new_clips):
        return {"verdict": "differs", "message": "other clips or classes were predicted"}
    difference = float(np.max(np.abs(old - new), initial=0.0))
    verdict = "exact" if np.array_equal(old, new) else "within tolerance"
    return {
        "verdict": verdict if difference <= tolerance else "differs",
        "difference": difference,
        "n_labels": int((old.argmax(axis=1) != new.argmax(axis=1)).sum()),
        "message": None,
    }
