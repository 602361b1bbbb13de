"""The commands as Python functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from . import DEFAULT_STORE
from .baselines._rule_attempt import RuleAttempt
from .baselines.conformance import MEBIBYTES, SECONDS, Report, check_attempt
from .baselines.net import NetAttempt
from .baselines.registry import attempt_registry, naming
from .errors import ActionbenchError, ModelError
from .experiments.matrix import read_matrix
from .experiments.model import Model, fit_model, load_model, model_matrix
from .experiments.prediction import Windows, predict_video, warm_up
from .experiments.runner import PlannedCell, make_attempt, plan_cells, run_cells
from .experiments.store import Store
from .reports.tables import comparison_table
from .skeleton import write_attempt

if TYPE_CHECKING:
    from .experiments.datasets.base import Dataset

Source = str | Path | Mapping[str, Any]


def run(
    matrix: Source = "quick",
    *,
    store: str | Path = DEFAULT_STORE,
    changes: Iterable[str] = (),
    only: Iterable[str] = (),
    plugins: Iterable[str | Path] = (),
    workers: int | None = None,
    retry: Iterable[str] = (),
    cache: str | Path | None = None,
) -> pd.DataFrame:
    """Run what a matrix asks for and the store does not hold yet.

    Parameters
    ----------
    matrix : path, str or mapping
        A TOML file, the name of a built-in matrix, or its content as a dictionary.
    store : path
        The SQLite file that results go to.
    changes : iterable of str
        ``"KEY=VALUE"`` changes to the matrix, as for ``--set``.
    only : iterable of str
        Conditions such as ``"attempt=rules,fold=0"``.
    plugins : iterable of path
        Python files with further attempts and data sets.
    workers : int, optional
        How many cells run at a time; by default one per core, divided by the threads of a cell.
    retry : iterable of str
        Stored failures to run again: ``"failed"``, or kinds such as ``"timeout"``.
    cache : path, optional
        Folder of features that are computed once for all cells; by default ``ACTIONBENCH_CACHE``, else one for caches
        of this user. ``"none"`` keeps none.

    Returns
    -------
    DataFrame
        The comparison table of the matrix, one row per attempt and data set.
    """
    plugins = list(plugins)
    checked = read_matrix(matrix, changes)
    cells = plan_cells(checked, plugins=plugins, only=only)
    with Store.open(store) as opened:
        run_cells(checked, cells, opened, workers=workers, plugins=plugins, retry=retry, cache=cache)
        return table_of(opened, cells)


def table_of(store: Store, cells: Iterable[PlannedCell]) -> pd.DataFrame:
    """Return the rows of the comparison table that belong to some cells."""
    asked = {(cell.data.title, cell.data.entry.split.label(), cell.title) for cell in cells}
    whole = comparison_table(store)
    rows = [row in asked for row in zip(whole["dataset"], whole["split"], whole["attempt"], strict=True)]
    return whole[rows].reset_index(drop=True)


def plan(
    matrix: Source,
    *,
    store: str | Path = DEFAULT_STORE,
    changes: Iterable[str] = (),
    only: Iterable[str] = (),
    plugins: Iterable[str | Path] = (),
) -> pd.DataFrame:
    """Return the cells of a matrix and what the store knows of them, without running any.

    Returns
    -------
    DataFrame
        One row per cell: ``dataset``, ``split``, ``attempt``, ``family``, ``seed``, ``fold``, ``fold_name``,
        ``n_train``, ``n_test``, ``status`` (``done``, ``failed``, ``skipped`` or ``to run``) and ``key``.
    """
    cells = plan_cells(read_matrix(matrix, changes), plugins=plugins, only=only)
    stored = {}
    if Path(store).is_file():
        with Store.open(store) as opened:
            stored = opened.status_of()
    rows = []
    for cell in cells:
        rows.append(
            {
                "dataset": cell.data.title,
                "split": cell.data.entry.split.label(),
                "attempt": cell.title,
                "family": cell.cls.family,
                "seed": cell.seed,
                "fold": cell.fold,
                "fold_name": cell.sides.name,
                "n_train": len(cell.sides.train),
                "n_test": len(cell.sides.test),
                "status": stored.get(cell.key, ("to run", None))[0],
                "key": cell.key,
            }
        )
    return pd.DataFrame(rows)


def table(store: str | Path = DEFAULT_STORE) -> pd.DataFrame:
    """Return the comparison table of a store, one row per attempt and data set."""
    with Store.open(store, must_exist=True) as opened:
        return comparison_table(opened)


def report(store: str | Path = DEFAULT_STORE, folder: str | Path = "report") -> list[Path]:
    """Write the page and the tables of a store into a folder and return the files."""
    from .reports.pages import write_report

    with Store.open(store, must_exist=True) as opened:
        return write_report(opened, Path(folder))


def compare(old: str | Path, new: str | Path, *, margin: float = 0.0) -> pd.DataFrame:
    """Compare two stores attempt by attempt; see `reports.comparison.compare`."""
    from .reports.comparison import compare as compare_stores

    with Store.open(old, must_exist=True) as before, Store.open(new, must_exist=True) as after:
        return compare_stores(before, after, margin=margin)


def export_rules(
    name: str, dataset: Dataset, path: str | Path, *, plugins: Iterable[str | Path] = ()
) -> Path:
    """Fit an attempt on a whole data set and write its list of rules, to be edited and run as ``rules-file``.

    Parameters
    ----------
    name : str
        An attempt that decides by a list, such as ``"rules"``.
    dataset : Dataset
        The clips.
    path : path
        The text file to write.
    plugins : iterable of path
        Python files with further attempts.

    Raises
    ------
    ActionbenchError
        If the attempt has no list or none for these clips, or the file cannot be written.
    """
    path, cls = Path(path), attempt_registry(plugins).get(name)
    if not issubclass(cls, RuleAttempt):
        raise ActionbenchError(
            f"attempt {name!r} has no list of rules; it must be one like 'rules' or 'rules-tree'"
        )
    if not path.parent.is_dir():
        raise ActionbenchError(f"{path}: the folder {path.parent} does not exist")
    attempt = make_attempt(cls, name, {}, seed=0)
    if reason := attempt.skip(dataset):
        raise ActionbenchError(f"attempt {name!r}: {reason}")
    attempt.fit(dataset.clips, dataset.labels, dataset.groups).export(path)
    return path


def fit(
    attempt: str | Mapping[str, Any],
    dataset: str | Mapping[str, Any],
    folder: str | Path,
    *,
    changes: Iterable[str] = (),
    plugins: Iterable[str | Path] = (),
    overwrite: bool = False,
    cache: str | Path | None = None,
) -> Model:
    """Train one attempt on all clips of a data set and write it to a folder.

    Nothing is held out, so that there is no accuracy: `run` measures it.

    Parameters
    ----------
    attempt : str or mapping
        Its name, or its entry in a matrix: ``{"name": "hog-svm", "params": {"C": 1.0}}``.
    dataset : str or mapping
        Likewise: ``{"name": "folder", "root": "clips", "groups": "none"}``.
    folder : path
        Where the model goes; see `experiments.model.fit_model`.
    changes : iterable of str
        ``"KEY=VALUE"`` as for ``--set``: of a matrix with these two entries, or a key of the data set alone.
    plugins : iterable of path
        Python files with further attempts and data sets.
    overwrite : bool
        Whether a model that is there is replaced.
    cache : path, optional
        As for `run`.

    Returns
    -------
    Model
        With the fitted ``attempt`` and a ``header`` that says what it learned from.
    """
    matrix = model_matrix(attempt, dataset, changes)
    return fit_model(matrix, folder, plugins=plugins, overwrite=overwrite, cache=cache)


def load(folder: str | Path, *, plugins: Iterable[str | Path] = ()) -> Model:
    """Read a model that `fit` wrote; what is wrong with it is said in one sentence."""
    return load_model(folder, plugins=plugins)


def predict(
    model: Model | str | Path,
    clips: str | Path | Iterable[str | Path],
    *,
    window: float | None = None,
    step: float | None = None,
    explain: bool = False,
    plugins: Iterable[str | Path] = (),
) -> pd.DataFrame:
    """Say what is done in video files.

    Parameters
    ----------
    model : Model or path
        From `fit` or `load`, or its folder.
    clips : path or iterable of path
        Video files; they are decoded as the training clips were.
    window, step : float, optional
        Seconds that a window takes, and between the beginnings of two. A video is cut where one of them is given, or
        where it is several times longer than the training clips: then into windows as long as their median, every
        half of it.
    explain : bool
        Whether a column ``explanation`` says why, where the attempt can.
    plugins : iterable of path
        Python files with further attempts.

    Returns
    -------
    DataFrame
        One row per clip or window: ``clip``, ``start``, ``end`` (seconds), ``label``, ``probability``, ``decode_ms``,
        ``predict_ms``, and the probability of each class as ``p(<label>)``.
    """
    loaded = model if isinstance(model, Model) else load_model(model, plugins=plugins)
    paths = [clips] if isinstance(clips, str | Path) else list(clips)
    windows = None if window is None and step is None else Windows.of(loaded, window, step)
    if paths:
        warm_up(loaded, paths[0])
    found = [one for path in paths for one in predict_video(loaded, path, windows, explain=explain)]
    columns = ["clip", "start", "end", "label", "probability", "decode_ms", "predict_ms"]
    columns += ["explanation"] if explain else []
    table = pd.DataFrame({column: [getattr(one, column) for one in found] for column in columns})
    for label in loaded.classes:
        table[f"p({label})"] = [one.probabilities[label] for one in found]
    return table


def export_onnx(model: Model | str | Path, path: str | Path, *, plugins: Iterable[str | Path] = ()) -> Path:
    """Write the net of a model as an ONNX file, from the net's inputs to class probabilities.

    Raises
    ------
    ActionbenchError
        If the model is no net, ONNX cannot express it, or the file cannot be written.
    """
    loaded = model if isinstance(model, Model) else load_model(model, plugins=plugins)
    if not isinstance(loaded.attempt, NetAttempt):
        raise ModelError(
            f"{loaded.folder}: the attempt {loaded.header.attempt!r} is no net; only nets become ONNX"
        )
    loaded.attempt.export(path)
    return Path(path)


def new_attempt(name: str, folder: str | Path | None = None) -> list[Path]:
    """Write a small package with one attempt and return its files; see `skeleton.write_attempt`."""
    return write_attempt(name, folder)


def check(
    name: str,
    *,
    params: Mapping[str, Any] | None = None,
    skip: Mapping[str, str] | None = None,
    plugins: Iterable[str | Path] = (),
    seconds: float = SECONDS,
    mebibytes: float = MEBIBYTES,
) -> Iterator[Report]:
    """Put an attempt to the checks that every attempt must pass.

    Parameters
    ----------
    name : str
        The attempt.
    params, skip, seconds, mebibytes
        As for `baselines.conformance.check_attempt`.
    plugins : iterable of path
        Python files with further attempts.

    Yields
    ------
    Report
        One per check, as it ends.
    """
    registry = attempt_registry(plugins)
    cls = registry.get(name)
    make_attempt(cls, name, params or {}, seed=0)
    with naming(registry):
        yield from check_attempt(cls, params, skip=skip, seconds=seconds, mebibytes=mebibytes)
