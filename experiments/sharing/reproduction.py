"""What it takes to run a bundle again and to compare it cell by cell."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...errors import BundleError
from ..datasets.base import Dataset
from ..planning.cells import Place, Plan, PlannedCell, is_named, make_plan, parse_only
from ..planning.matrix import Matrix, read_matrix
from ..store import Store, provenance
from ..store.schema import EXTERNAL
from .bundle import Bundle, BundledCell

VERDICTS = ("exact", "within tolerance", "differs", "failed", "missing", "not bundled")

#: Verdicts that are no reason for concern; ``"not bundled"`` is of cells that had failed before.
AGREE = ("exact", "within tolerance", "not bundled")

_COLUMNS = "dataset split attempt seed fold fold_name verdict difference n_labels n_test message".split()


@dataclass(frozen=True)
class Reproduction:
    """The plan of a bundle that runs again, with its own plug-ins and files.

    Attributes
    ----------
    bundle : Bundle
        What was packed.
    plan : Plan
        The cells that have predictions in it.
    before : dict
        The bundled cells to compare, by their place in the matrix.
    cache : Path
        A folder of features of its own: those that are there already would not be computed again.
    """

    bundle: Bundle
    plan: Plan
    before: dict[Place, BundledCell]
    cache: Path

    def check(self, store: Store) -> None:
        """Refuse a store whose cells may not be from running this bundle again: they would agree with themselves."""
        if any(facts.get("bundle") != self.bundle.digest for facts in store.runs()["provenance"]):
            raise BundleError(
                f"{store.path}: holds runs other than of this bundle; --store must name a new file, or one to go on "
                "with"
            )

    def compare(self, store: Store, tolerance: float) -> pd.DataFrame:
        """Compare the predictions of all cells with those in a store.

        Returns
        -------
        DataFrame
            One row per cell: ``dataset``, ``split``, ``attempt``, ``seed``, ``fold``, ``fold_name``, ``verdict``
            (``"exact"``, ``"within tolerance"``, ``"differs"``, ``"failed"``, ``"missing"``, ``"not bundled"``),
            ``difference`` (the largest of a probability), ``n_labels`` (predicted labels that differ), ``n_test`` and
            ``message``.
        """
        statuses = store.status_of()
        keys = {cell.place: cell.key for cell in self.plan.cells}
        rows = [
            _compared(self.bundle, cell, store, statuses, keys.get(place), tolerance)
            for place, cell in self.before.items()
        ]
        return pd.DataFrame(rows, columns=_COLUMNS)


@contextmanager
def plan_again(
    bundle: Bundle, changes: Iterable[str], only: Iterable[str], notify: Callable[[str], None]
) -> Iterator[Reproduction]:
    """Plan the cells of a bundle again; its plug-ins can be imported inside of a ``with`` block.

    Parameters
    ----------
    bundle : Bundle
        What was packed.
    changes, only
        As for `api.run`.
    notify : callable
        Called with sentences: what differs of the environment, where data are taken from.

    Raises
    ------
    ActionbenchError
        If the data are others.
    """
    only = list(only)
    if bundle.provenance.get("origin") == EXTERNAL:
        raise BundleError(
            f"{bundle.path}: holds imported predictions, which cannot be run again; show, report and compare read it"
        )
    for sentence in differences(bundle.provenance, provenance.collect()):
        notify(sentence)
    with tempfile.TemporaryDirectory(prefix="actionbench-bundle-") as folder:
        plugins, files = bundle.unpack(Path(folder))
        matrix = read_matrix(_moved(bundle.matrix, files), changes)
        matrix = _with_roots(_of_cells(bundle, matrix, only), notify)
        with _own_helpers(Path(folder)):
            plan = make_plan(matrix, plugins=plugins, only=only, left_out=partial(_not_bundled, bundle))
            before, cells = _both(bundle, plan.cells, bool(only))
            yield Reproduction(bundle, replace(plan, cells=cells), before, Path(folder) / "features")


def _not_bundled(bundle: Bundle, title: str, dataset: Dataset) -> dict[str, str]:
    """Return the clips of a data set that were left out of the one that was bundled."""
    of_title = {cell.fingerprint for cell in bundle.cells if cell.dataset == title}
    kept = {
        clip
        for fingerprint, (_, rows) in bundle.clips().items()
        if fingerprint in of_title
        for clip, *_ in rows
    }
    return {clip: "it was left out" for clip in dataset.table["clip"] if kept and clip not in kept}


def _both(
    bundle: Bundle, planned: list[PlannedCell], some: bool
) -> tuple[dict[Place, BundledCell], list[PlannedCell]]:
    """Return the bundled cells that are asked for by their place, and those of a plan that can be held to one."""
    places = {cell.place for cell in planned}
    before = {cell.place: cell for cell in bundle.cells if not some or cell.place in places}
    cells = [cell for cell in planned if cell.place in before and before[cell.place].status == "done"]
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


def _of_cells(bundle: Bundle, matrix: Matrix, only: Iterable[str]) -> Matrix:
    """Leave out data sets that no cell of the bundle is of, or that nobody asks for: they need not be there."""
    patterns = parse_only(only).get("dataset", ["*"])
    titles = {cell.dataset for cell in bundle.cells}
    kept = [
        entry
        for entry in matrix.datasets
        if entry.label in titles and is_named((entry.name, entry.label), patterns)
    ]
    return matrix.model_copy(update={"datasets": kept}) if kept else matrix


def _with_roots(matrix: Matrix, notify: Callable[[str], None]) -> Matrix:
    """Take clips and annotations from ``ACTIONBENCH_DATA`` where those of a data set are not on this machine."""
    home = os.environ.get("ACTIONBENCH_DATA")
    if not home:
        return matrix
    entries = []
    for entry in matrix.datasets:
        folder = Path(home) / entry.name
        for key in ("root", "path"):
            theirs = entry.options.get(key)
            ours = folder / Path(str(theirs)).name if key == "path" else folder
            if isinstance(theirs, str) and not Path(theirs).exists() and ours.exists():
                notify(f"data set {entry.label!r}: {theirs} is not there, {ours} is used")
                entry = entry.model_copy(update={key: str(ours)})
        entries.append(entry)
    return matrix.model_copy(update={"datasets": entries})


@contextmanager
def _own_helpers(folder: Path) -> Iterator[None]:
    """Let plug-ins import the helpers beside them, not others of the same name that are loaded or come first."""
    folders = sorted(map(str, folder.glob("plugins/*")))
    helpers = {path.stem for plugins in folders for path in Path(plugins).iterdir()}
    loaded = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in helpers}
    path = list(sys.path)
    sys.path[:0] = folders
    try:
        yield
    finally:
        sys.path[:] = path
        for name in [name for name in sys.modules if name.partition(".")[0] in helpers]:
            del sys.modules[name]
        sys.modules.update(loaded)


def _check_data(bundle: Bundle, cells: Iterable[PlannedCell], before: Mapping[Place, BundledCell]) -> None:
    """Refuse data other than those that were bundled, and a bundle whose table of clips is not that of its data."""
    tables = bundle.clips()
    for cell in cells:
        if cell.data.fingerprint != before[cell.place].fingerprint:
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
