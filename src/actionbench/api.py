"""The commands as Python functions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import DEFAULT_STORE
from .baselines.conformance import MEBIBYTES, SECONDS, Report, check_attempt
from .baselines.registry import attempt_registry, naming
from .errors import ActionbenchError, MatrixError, ModelError

# Everything heavy is imported inside the function that needs it.
if TYPE_CHECKING:
    import pandas as pd

    from .experiments.datasets.base import Dataset
    from .experiments.deployment.model import Model
    from .experiments.isolation.fork_server import ForkServer
    from .experiments.planning.cells import PlannedCell
    from .experiments.planning.matrix import Matrix
    from .experiments.running.runner import RunSummary
    from .experiments.store import Store
    from .reports.analysis.results import Result

# Film strips of either kind of hard clips, of each data set under each split.
_MOST_STRIPS = 30

Source = str | Path | Mapping[str, Any]


def run(
    matrix: Source = "quick",
    *,
    store: str | Path = DEFAULT_STORE,
    changes: Iterable[str] = (),
    only: Iterable[str] = (),
    plugins: Iterable[str | Path] = (),
    workers: int | None = None,
    on: str | None = None,
    retry: Iterable[str] = (),
    fresh: bool = False,
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
    on : str, optional
        Other machines: ``"dask"``, ``"tcp://host:8786"`` or ``"slurm"``.
    retry : iterable of str
        Stored failures to run again: ``"failed"``, or kinds such as ``"timeout"``.
    fresh : bool
        Whether all cells run again, stored or not.
    cache : path, optional
        Folder of features that are computed once for all cells; by default ``ACTIONBENCH_CACHE``, else one for caches
        of this user. ``"none"`` keeps none.

    Returns
    -------
    DataFrame
        The comparison table of the matrix, one row per attempt and data set.

    Raises
    ------
    KeyboardInterrupt
        After the cells that ran have ended, where the run was interrupted; a second interrupt ends them at once.
    """
    from .experiments.planning.cells import plan_cells
    from .experiments.planning.matrix import read_matrix
    from .experiments.running.runner import run_cells
    from .experiments.store import Store
    from .reports.analysis.results import gather
    from .reports.analysis.tables import score

    plugins = list(plugins)
    checked = read_matrix(matrix, changes)
    cells = plan_cells(checked, plugins=plugins, only=only)
    with Store.open(store) as opened:
        summary = run_cells(
            checked,
            cells,
            opened,
            workers=workers,
            plugins=plugins,
            retry=retry,
            fresh=fresh,
            on=on,
            cache=cache,
        )
        if summary.stopped:
            raise KeyboardInterrupt
        results = gather(opened)
        save_thumbnails(opened, checked, cells, plugins, results)
        return rows_of(score(results), _rows_asked(cells))


def _rows_asked(cells: Iterable[PlannedCell]) -> list[list[str]]:
    """Return data set, split and attempt of the rows that some cells belong to."""
    rows = {(id(cell.data), cell.title): cell for cell in cells}.values()
    asked = ((cell.data.title, cell.data.entry.split.label(), cell.title) for cell in rows)
    return [list(row) for row in dict.fromkeys(asked)]


def rows_of(whole: pd.DataFrame, rows: Iterable[Iterable[str]]) -> pd.DataFrame:
    """Return some rows of a comparison table, by data set, split and attempt."""
    asked = set(map(tuple, rows))
    wanted = [row in asked for row in zip(whole["dataset"], whole["split"], whole["attempt"], strict=True)]
    return whole[wanted].reset_index(drop=True)


def save_thumbnails(
    store: Store,
    matrix: Matrix,
    cells: Iterable[PlannedCell],
    plugins: Iterable[str | Path],
    results: list[Result] | None = None,
    fork_server: ForkServer | None = None,
) -> None:
    """Keep film strips of the first clips of either kind that are hard, none where the matrix wants none."""
    from .experiments.running.thumbnails import keep_strips
    from .reports.analysis.hard_clips import hard_clips
    from .reports.analysis.results import gather

    results = gather(store) if results is None else results
    hard = hard_clips(results if matrix.strips else [])
    first = hard.groupby(["dataset", "split", "kind"]).head(_MOST_STRIPS).groupby(["dataset", "split"])
    positions = {name: rows["position"].tolist() for name, rows in first}
    known = {
        (*result.name[:2], result.fingerprint): int(result.columns["dataset_id"][0]) for result in results
    }
    wanted = []
    for data in {id(cell.data): cell.data for cell in cells}.values():
        name = data.title, data.entry.split.label()
        if (*name, data.fingerprint) in known:
            wanted.append((known[(*name, data.fingerprint)], data, positions.get(name, [])))
    keep_strips(store, wanted, plugins=plugins, fork_server=fork_server)


def answer(
    store: Store,
    matrix: Matrix,
    cells: list[PlannedCell],
    summary: RunSummary,
    question: str,
    plugins: Iterable[str | Path],
    begun: int,
    fork_server: ForkServer | None = None,
) -> dict[str, Any]:
    """Return what is to be said after a run, and keep it in the store for as long as nothing changes.

    A run that came to its end also leaves film strips of the clips that are hard.

    Parameters
    ----------
    begun : int
        When planning began, in nanoseconds since the epoch: files that changed later are not vouched for.
    fork_server : ForkServer, optional
        As for `run_cells`.

    Returns
    -------
    dict
        Values of JSON: ``run`` and ``show`` (`tables.layout` of the matrix and of the whole store), ``rows``,
        ``summary`` (in words), ``failures`` (sentence and trace-back of each), ``stopped`` and ``unfinished``
        (sentences on runs).
    """
    from .experiments.running.warm_cache import witnesses
    from .reports.analysis.results import gather, unfinished
    from .reports.analysis.tables import layout, score

    version, results = store.data_version(), gather(store)
    if not summary.stopped:
        save_thumbnails(store, matrix, cells, plugins, results, fork_server)
    whole, rows = score(results), _rows_asked(cells)
    own, shown = rows_of(whole, rows), layout(whole)
    said = {
        "run": shown if len(own) == len(whole) else layout(own),
        "show": shown,
        "rows": rows,
        "summary": _in_words(summary),
        "failures": _failures(store.cells(), cells) if summary.n_failed else [],
        "stopped": summary.stopped,
        "unfinished": unfinished(store),
    }
    files = _files_behind(cells, plugins)
    if files is not None and not summary.stopped:
        states = witnesses(files)
        if all(state is None or max(state[2:]) < begun for state in json.loads(states).values()):
            again = replace(summary, n_stored=summary.n_cells, n_run=0)
            kept = json.dumps(said | {"summary": _in_words(again)})
            store.remember(summary.run_id, question, states, kept, version)
    return said


def _files_behind(cells: Sequence[PlannedCell], plugins: Iterable[str | Path]) -> set[Path] | None:
    """Return the files without a change of which a plan stays as it is, None where that depends on more."""
    from .experiments.store.provenance import files_read

    if any(cell.variables for cell in cells):
        return None
    files = {Path(plugin).absolute() for plugin in plugins}
    for data in {id(cell.data): cell.data for cell in cells}.values():
        if data.files is None:
            return None
        files.update(path.absolute() for path in data.files)
        files.update(Path(path).absolute() for path in data.entry.split.files())
    for deciding in {cell.code: cell.deciding for cell in cells}.values():
        files.update(files_read(*deciding))
    return files | {Path(file).absolute() for named in {cell.files for cell in cells} for file in named}


def _in_words(summary: RunSummary) -> str:
    skipped = f", {summary.n_skipped} skipped" if summary.n_skipped else ""
    return (
        f"{summary.n_cells} cells: {summary.n_stored} were stored, {summary.n_run} run now, "
        f"{summary.n_failed} failed{skipped}"
    )


def _failures(stored: pd.DataFrame, cells: Iterable[PlannedCell]) -> list[tuple[str, str | None]]:
    """Return a sentence and the trace-back of each failed cell."""
    rows = stored[(stored["status"] == "failed") & stored["key"].isin([cell.key for cell in cells])]
    found = []
    for row in rows.to_dict("records"):
        what = f"{row['error']}: {row['message']}" if row["error"] else row["message"]
        where = " ".join(str(row[column]) for column in ("dataset", "attempt", "fold_name"))
        found.append((f"failed ({row['kind']}): {where} seed {row['seed']}: {what}", row["traceback"]))
    return found


def plan(
    matrix: Source,
    *,
    store: str | Path = DEFAULT_STORE,
    changes: Iterable[str] = (),
    only: Iterable[str] = (),
    plugins: Iterable[str | Path] = (),
    workers: int | None = None,
) -> pd.DataFrame:
    """Return the cells of a matrix and what the store knows of them, without running any.

    Returns
    -------
    DataFrame
        One row per cell: ``dataset``, ``split``, ``attempt``, ``family``, ``seed``, ``fold``, ``fold_name``,
        ``n_train``, ``n_test``, ``status`` (``done``, ``failed``, ``skipped`` or ``to run``) and ``key``. Its
        ``attrs`` hold ``seconds`` and ``bytes``, what is left to run will take by what such cells took before, None
        where nothing is known.
    """
    import pandas as pd

    from .experiments.planning.cells import plan_cells
    from .experiments.planning.matrix import read_matrix

    checked = read_matrix(matrix, changes)
    cells = plan_cells(checked, plugins=plugins, only=only)
    stored: dict[str, str] = {}
    left: dict[str, float | None] = {"seconds": None, "bytes": None}
    if Path(store).is_file():
        from .experiments.planning.estimate import Estimate
        from .experiments.running.runner import default_workers
        from .experiments.store import Store

        with Store.open(store) as opened:
            # What an interrupt has ended always runs again.
            known = opened.status_of().items()
            stored = {key: status for key, (status, kind) in known if kind != "cancelled"}
            waiting = [cell for cell in cells if cell.key not in stored]
            estimate = Estimate(opened, waiting, workers or default_workers(checked.limits.threads))
            left = {"seconds": estimate.seconds_left(), "bytes": estimate.bytes_left()}
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
                "status": stored.get(cell.key, "to run"),
                "key": cell.key,
            }
        )
    planned = pd.DataFrame(rows)
    planned.attrs.update(left)
    return planned


def why(
    cell: str,
    matrix: Source,
    *,
    store: str | Path = DEFAULT_STORE,
    changes: Iterable[str] = (),
    only: Iterable[str] = (),
    plugins: Iterable[str | Path] = (),
) -> dict[str, list[str]]:
    """Explain why cells of a matrix are or are not in the store.

    Parameters
    ----------
    cell : str
        The beginning of a key, or conditions as for ``only``.

    Returns
    -------
    dict of str to list of str
        Sentences for each cell, by data set, attempt, fold and seed.
    """
    from .experiments.planning.cells import plan_cells
    from .experiments.planning.matrix import read_matrix
    from .experiments.planning.staleness import reasons
    from .experiments.store import Store

    conditions = [*only, cell] if "=" in cell else only
    cells = plan_cells(read_matrix(matrix, changes), plugins=plugins, only=conditions)
    if "=" not in cell:
        cells = [found for found in cells if found.key.startswith(cell)]
        if not cells:
            raise MatrixError(
                f"--why {cell}: no key of this matrix begins so; `actionbench plan --json` shows all"
            )
    with Store.open(store, must_exist=True) as opened:
        return {
            f"{found.data.title} {found.title} {found.sides.name} seed {found.seed}": reasons(found, opened)
            for found in cells
        }


def table(store: str | Path = DEFAULT_STORE) -> pd.DataFrame:
    """Return the comparison table of a store or a bundle, one row per attempt and data set.

    Returns
    -------
    DataFrame
        The columns of `reports.tables.comparison_table`, the most accurate first.
    """
    from .experiments.sharing.reading import open_results
    from .reports.analysis.tables import comparison_table

    with open_results(store) as opened:
        return comparison_table(opened)


def predictions(store: str | Path = DEFAULT_STORE) -> pd.DataFrame:
    """Return what each attempt of a store or a bundle said of each clip under each seed.

    Returns
    -------
    DataFrame
        One row per clip, seed and attempt, with the probability of each class; see `reports.exports.predictions`.
    """
    from .experiments.sharing.reading import open_results
    from .reports.rendering.exports import predictions as predictions_in

    with open_results(store) as opened:
        return predictions_in(opened)


def log_to_mlflow(store: str | Path, uri: str, experiment: str = "actionbench") -> pd.DataFrame:
    """Log each attempt of a store or a bundle as a run of MLflow, once; see `reports.tracking.log_to_mlflow`."""
    from .experiments.sharing.reading import open_results
    from .reports.rendering.tracking import log_to_mlflow as log

    with open_results(store) as opened:
        return log(opened, uri, experiment)


def report(
    store: str | Path = DEFAULT_STORE, folder: str | Path = "report", *, costs: bool = True
) -> list[Path]:
    """Write the page, tables and figures of a store or a bundle into a folder; see `reports.report.write_report`."""
    from .experiments.sharing.reading import open_results
    from .reports.rendering.report import write_report

    with open_results(store) as opened:
        return write_report(opened, folder, costs=costs)


def compare(old: str | Path, new: str | Path, *, margin: float = 0.0) -> pd.DataFrame:
    """Compare two stores or bundles attempt by attempt; see `reports.comparison.compare`."""
    from .experiments.sharing.reading import open_results
    from .reports.analysis.comparison import compare as compare_stores

    with open_results(old) as before, open_results(new) as after:
        return compare_stores(before, after, margin=margin)


def bundle(store: str | Path, path: str | Path, *, run: int | None = None) -> Path:
    """Pack a run of a store, by default the last, into one file that `reproduce` runs again and `report` shows.

    Raises
    ------
    ActionbenchError
        If there is no such run, or a plug-in of it has changed; see `experiments.bundle.write_bundle`.
    """
    from .experiments.sharing.bundle import write_bundle
    from .experiments.store import Store

    with Store.open(store, must_exist=True) as opened:
        return write_bundle(opened, path, run=run).path


def reproduce(
    bundle: str | Path,
    *,
    store: str | Path | None = None,
    changes: Iterable[str] = (),
    only: Iterable[str] = (),
    workers: int | None = None,
    tolerance: float | None = None,
) -> pd.DataFrame:
    """Run the cells of a bundle again and compare their predictions.

    Parameters
    ----------
    bundle : path
        A file from `bundle`.
    store : path, optional
        The SQLite file that new results go to; by default in the working directory, named after the bundle. One with a
        part of them is gone on with.
    changes, only, workers
        As for `run`; ``"datasets.NAME.root=DIR"`` says where clips are on this machine.
    tolerance : float, optional
        How far a probability may be from what it was; by default `experiments.reproduction.TOLERANCE`.

    Returns
    -------
    DataFrame
        One row per cell with its ``verdict``, see `experiments.reproduction.Reproduction`. Its ``attrs`` hold
        ``notes``, sentences on what of the environment differs.

    Raises
    ------
    KeyboardInterrupt
        Where it was interrupted, as by `run`.
    """
    from .experiments.sharing.bundle import Bundle
    from .experiments.sharing.reproduction import reproduce as run_again

    notes: list[str] = []
    with Bundle.open(bundle) as opened:
        found = run_again(
            opened,
            store or reproduction_store(bundle),
            changes=changes,
            only=only,
            workers=workers,
            tolerance=tolerance,
            tell=notes.append,
            ended=save_thumbnails,
        )
    if found.stopped:
        raise KeyboardInterrupt
    found.cells.attrs["notes"] = notes
    return found.cells


def reproduction_store(bundle: str | Path) -> str:
    """Return the name of the store that a bundle is run again in."""
    return f"{Path(bundle).stem}.reproduced.sqlite"


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
    from .baselines.rules._rule_attempt import RuleAttempt
    from .experiments.planning.cells import make_attempt

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
    from .experiments.deployment.model import fit_model, model_matrix

    matrix = model_matrix(attempt, dataset, changes)
    return fit_model(matrix, folder, plugins=plugins, overwrite=overwrite, cache=cache)


def load(folder: str | Path, *, plugins: Iterable[str | Path] = ()) -> Model:
    """Read a model that `fit` wrote; what is wrong with it is said in one sentence."""
    from .experiments.deployment.model import load_model

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
    """Describe what is done in video files.

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
    import pandas as pd

    from .experiments.deployment.model import Model, load_model
    from .experiments.deployment.prediction import Windows, predict_video, warm_up

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
    from .baselines.nets.net import NetAttempt
    from .experiments.deployment.model import Model, load_model

    loaded = model if isinstance(model, Model) else load_model(model, plugins=plugins)
    if not isinstance(loaded.attempt, NetAttempt):
        raise ModelError(
            f"{loaded.folder}: the attempt {loaded.header.attempt!r} is no net; only nets become ONNX"
        )
    loaded.attempt.export(path)
    return Path(path)


def new_attempt(name: str, folder: str | Path | None = None) -> list[Path]:
    """Write a small package with one attempt and return its files; see `skeleton.write_attempt`."""
    from .skeleton import write_attempt

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
    from .experiments.planning.cells import make_attempt

    registry = attempt_registry(plugins)
    cls = registry.get(name)
    make_attempt(cls, name, params or {}, seed=0)
    with naming(registry):
        yield from check_attempt(cls, params, skip=skip, seconds=seconds, mebibytes=mebibytes)
