"""The commands as Python functions.

Examples
--------
The examples below have a store of two attempts on a few drawn clips.

>>> data = {"name": "figures", "subjects": 2, "clips_per_subject": 1, "frames": 8, "split": "leave-one-group-out"}
>>> matrix = {"name": "tiny", "datasets": [data], "attempts": [{"name": "chance"}, {"name": "majority"}]}
>>> sorted(run(matrix, store="tiny.sqlite")["attempt"])
['chance', 'majority']
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import DEFAULT_STORE
from .baselines.conformance import MEBIBYTES, SECONDS, Report, check_attempt
from .baselines.registry import attempt_registry, use_attempts
from .errors import ActionbenchError, ModelError
from .workflow import TOLERANCE, Experiment, Source

# Everything heavy is imported inside the function that needs it.
if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from .experiments.datasets.base import Dataset
    from .experiments.deployment.model import Model
    from .experiments.deployment.prediction import Prediction


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
        Where else to run: ``"dask"``, ``"tcp://host:8786"`` or ``"slurm"``.
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

    Examples
    --------
    >>> data = {"name": "figures", "subjects": 2, "clips_per_subject": 1, "frames": 8, "split": "leave-one-group-out"}
    >>> table = run({"name": "tiny", "datasets": [data], "attempts": [{"name": "majority"}]}, store="tiny.sqlite")
    >>> table["accuracy"].round(3).tolist()
    [0.167]
    """
    options: dict[str, Any] = {"workers": workers, "on": on, "retry": retry, "fresh": fresh, "cache": cache}
    output = Experiment(matrix, store, changes, only, plugins).run(**options)
    if output.printed["stopped"]:
        raise KeyboardInterrupt
    return output.table


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
        where nothing is known, and ``published``, a sentence for each published data set on whether its counts are
        those that were published.

    Examples
    --------
    >>> plan("quick", only=["attempt=majority", "fold=0"])[["dataset", "attempt", "n_train", "n_test", "status"]]
                  dataset   attempt  n_train  n_test  status
    0             figures  majority       54      54  to run
    1    figures (frozen)  majority       54      54  to run
    2  figures (shuffled)  majority       54      54  to run
    3  figures (reversed)  majority       54      54  to run
    """
    return Experiment(matrix, store, changes, only, plugins).plan_table(workers)


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

    Examples
    --------
    >>> data = {"name": "figures", "subjects": 3, "clips_per_subject": 1, "split": "leave-one-group-out"}
    >>> matrix = {"name": "tiny", "datasets": [data], "attempts": [{"name": "chance"}]}
    >>> why("fold=2", matrix, store="tiny.sqlite")
    {'figures chance person03 seed 0': ['No cell of this attempt, data set, split, seed and fold was ever stored.']}
    """
    return Experiment(matrix, store, changes, only, plugins).why(cell)


def table(store: str | Path = DEFAULT_STORE) -> pd.DataFrame:
    """Return the comparison table of a store or a bundle, one row per attempt and data set.

    Returns
    -------
    DataFrame
        The columns of `reports.analysis.tables.comparison_table`, the most accurate first.

    Examples
    --------
    >>> table("tiny.sqlite")[["family", "n_clips", "n_groups"]]
        family  n_clips  n_groups
    0  trivial       12         2
    1  trivial       12         2
    """
    from .experiments.sharing.reading import open_results
    from .reports.analysis.tables import comparison_table

    with open_results(store) as opened:
        return comparison_table(opened)


def ladder(store: str | Path = DEFAULT_STORE) -> pd.DataFrame:
    """Return how accurate attempts are where clips lack something: motion, order, the person, the scene.

    Parameters
    ----------
    store : path
        The results of matrices with ``probes``, as a file or a bundle.

    Returns
    -------
    DataFrame
        The rows of `reports.analysis.ladder.ladder`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> data = {"name": "figures", "subjects": 2, "clips_per_subject": 1, "split": "leave-one-group-out"}
    >>> matrix = {"name": "m", "datasets": [{**data, "probes": ["frozen"]}], "attempts": [{"name": "majority"}]}
    >>> with TemporaryDirectory() as folder:
    ...     _ = run(matrix, store=f"{folder}/s.sqlite")
    ...     ladder(f"{folder}/s.sqlite")[["side", "probe", "difference"]]
       side   probe  difference
    0  both  frozen         0.0
    1  test  frozen         0.0
    """
    from .experiments.sharing.reading import open_results
    from .reports.analysis.ladder import ladder as compared
    from .reports.analysis.results import gather

    with open_results(store) as opened:
        return compared(gather(opened))


def profile(store: str | Path = DEFAULT_STORE) -> pd.DataFrame:
    """Return what attempts use and withstand, measured on the tracks of the data set ``diagnostic``.

    Parameters
    ----------
    store : path
        The results of a matrix with such tracks, as a file or a bundle.

    Returns
    -------
    DataFrame
        The rows of `reports.analysis.profile.profile`, none without such tracks.

    Examples
    --------
    >>> len(profile("tiny.sqlite"))
    0
    """
    from .experiments.sharing.reading import open_results
    from .reports.analysis.profile import profile as measured
    from .reports.analysis.results import gather

    with open_results(store) as opened:
        return measured(gather(opened))


def predictions(store: str | Path = DEFAULT_STORE) -> pd.DataFrame:
    """Return the predictions of each attempt of a store or a bundle for each clip under each seed.

    Returns
    -------
    DataFrame
        One row per clip, seed and attempt, with the probability of each class; see
        `reports.rendering.exports.predictions`.

    Examples
    --------
    >>> predictions("tiny.sqlite")[["attempt", "clip", "p(boxing)"]].tail(1)
         attempt                clip  p(boxing)
    23  majority  person02/walking_1   0.166667
    """
    from .experiments.sharing.reading import open_results
    from .reports.rendering.exports import predictions as predictions_in

    with open_results(store) as opened:
        return predictions_in(opened)


def import_predictions(
    predictions: str | Path | pd.DataFrame | ArrayLike,
    dataset: str | Path | Mapping[str, Any],
    *,
    attempt: str | None = None,
    family: str = "external",
    clips: str | Path | Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    store: str | Path = DEFAULT_STORE,
    changes: Iterable[str] = (),
    plugins: Iterable[str | Path] = (),
    replace: bool = False,
) -> pd.DataFrame:
    """Keep predictions that another program has made, to be compared with those of a matrix.

    Each clip that the split tests must be predicted once under each seed, in the fold that tests it.

    Parameters
    ----------
    predictions : path, DataFrame or array_like
        A file, see `experiments.sharing.prediction_files.read_predictions`; a table as
        `experiments.sharing.external.read_cells` takes it; or an array as of scikit-learn: labels of shape (n,) or
        probabilities of shape (n, n_classes).
    dataset : str, path or mapping
        The name of a data set, its entry in a matrix, or a matrix that has it. Its split is leave-one-group-out if none
        is given.
    attempt : str, optional
        The name in tables; by default the stem of the file. A column ``attempt`` names several.
    family : str
        The family in tables.
    clips : path or sequence of str, optional
        Names of the clips of an array or of a dump, or a file with one in each line.
    classes : sequence of str, optional
        Names of the classes of scores without names, as ``classes_``.
    store : path
        The SQLite file that they go to.
    changes : iterable of str
        ``"KEY=VALUE"`` as for ``--set``: of the matrix, or a key of the data set alone.
    plugins : iterable of path
        Python files with further data sets.
    replace : bool
        Whether predictions that were imported under the same name are replaced.

    Returns
    -------
    DataFrame
        The rows of the comparison table that were imported.

    Raises
    ------
    ActionbenchError
        With a sentence for each fault; nothing is written then.

    Examples
    --------
    >>> from actionbench.experiments.datasets.figures import Figures
    >>> data = Figures(subjects=2, clips_per_subject=1, frames=8)
    >>> found = import_predictions(
    ...     data.labels,
    ...     {"name": "figures", "subjects": 2, "clips_per_subject": 1, "frames": 8},
    ...     attempt="oracle",
    ...     clips=data.table["clip"],
    ...     store="oracle.sqlite",
    ... )
    >>> found[["attempt", "origin", "accuracy"]]
      attempt    origin  accuracy
    0  oracle  external       1.0
    """
    from . import workflow
    from .experiments.sharing.prediction_files import given_predictions

    found, where = given_predictions(predictions, clips=clips, classes=classes)
    if attempt is None and "attempt" not in found and where == "predictions":
        raise ActionbenchError("attempt: must be the name that the predictions have in tables")
    imported = workflow.import_predictions(
        found,
        where,
        dataset,
        attempt=attempt or Path(where).stem,
        family=family,
        store=store,
        changes=changes,
        plugins=plugins,
        replace=replace,
    )
    rows = table(store)
    return rows[rows["attempt"].isin(imported.attempts) & (rows["origin"] == "external")].reset_index(
        drop=True
    )


def import_scores(
    scores: str | Path | pd.DataFrame,
    *,
    folder: str | Path | None = None,
    chance: float | None = None,
    higher_is_better: bool = True,
    missing: str = "raise",
) -> pd.DataFrame:
    """Rank attempts over data sets by scores from elsewhere.

    Parameters
    ----------
    scores : path or DataFrame
        A table or a folder of MTEB's results, see `experiments.sharing.score_files.read_scores`.
    folder : path, optional
        Where ranks, intervals and a figure are written to, see `reports.rendering.scores.write_scores`.
    chance : float, optional
        The score of chance on all data sets.
    higher_is_better : bool
        Direction of the scores.
    missing : {"raise", "drop", "last"}
        Treatment of missing scores: an error, data sets left out, or the last rank.

    Returns
    -------
    DataFrame
        One row for each attempt, the best mean rank first, see `reports.analysis.scores.ScoreComparison`. Its ``attrs``
        hold ``notes``: sentences on ties, the critical difference, rows at chance, and what scores do not tell.

    Raises
    ------
    ActionbenchError
        With a sentence for each fault.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [(data, name, score) for data in "uvwxyz" for name, score in (("net", 0.9), ("svm", 0.7))]
    >>> found = import_scores(pd.DataFrame(rows, columns=["dataset", "attempt", "score"]), chance=0.5)
    >>> found[["attempt", "mean_rank", "rank_low", "rank_high", "tied"]]
      attempt  mean_rank  rank_low  rank_high  tied
    0     net        1.0         1          1     0
    1     svm        2.0         2          2     0
    """
    import pandas as pd

    from .experiments.sharing.score_files import check_scores, read_scores
    from .reports.analysis.scores import compare_scores
    from .reports.rendering.scores import describe_scores, write_scores

    where = "scores" if isinstance(scores, pd.DataFrame) else str(scores)
    found = check_scores(scores, where) if isinstance(scores, pd.DataFrame) else read_scores(scores)
    if chance is not None:
        found = found.assign(chance=chance)
    options: dict[str, Any] = {"higher_is_better": higher_is_better, "missing": missing}
    try:
        compared = compare_scores(found, **options)
        notes = describe_scores(compared, **options)
    except ActionbenchError as error:
        raise ActionbenchError(*(f"{where}: {fault}" for fault in error.args)) from error
    if folder is not None:
        write_scores(compared, found, folder, **options)
    compared.ranks.attrs["notes"] = notes
    return compared.ranks


def log_to_mlflow(store: str | Path, uri: str, experiment: str = "actionbench") -> pd.DataFrame:
    """Log each attempt of a store or a bundle as a run of MLflow, once; see `reports.rendering.tracking.log_to_mlflow`.

    Examples
    --------
    >>> log_to_mlflow("tiny.sqlite", "http://localhost:5000")  # doctest: +SKIP
    """
    from .experiments.sharing.reading import open_results
    from .reports.rendering.tracking import log_to_mlflow as log

    with open_results(store) as opened:
        return log(opened, uri, experiment)


def report(
    store: str | Path = DEFAULT_STORE, folder: str | Path = "report", *, costs: bool = True
) -> list[Path]:
    """Write the page, tables and figures of a store or a bundle into a folder.

    See `reports.rendering.report.write_report`.

    Examples
    --------
    >>> report("tiny.sqlite", "report")[0].as_posix()
    'report/index.html'
    """
    from .experiments.sharing.reading import open_results
    from .reports.rendering.report import write_report

    with open_results(store) as opened:
        return write_report(opened, folder, costs=costs)


def compare(old: str | Path, new: str | Path, *, margin: float = 0.0) -> pd.DataFrame:
    """Compare two stores or bundles attempt by attempt; see `reports.analysis.comparison.compare`.

    Examples
    --------
    >>> compare("tiny.sqlite", "tiny.sqlite")[["attempt", "difference", "verdict"]]
        attempt  difference    verdict
    0    chance         0.0  identical
    1  majority         0.0  identical
    """
    from .experiments.sharing.reading import open_results
    from .reports.analysis.comparison import compare as compare_stores

    with open_results(old) as before, open_results(new) as after:
        return compare_stores(before, after, margin=margin)


def bundle(store: str | Path, path: str | Path, *, run: int | None = None) -> Path:
    """Pack a run of a store, by default the last, into one file that `reproduce` runs again and `report` shows.

    Raises
    ------
    ActionbenchError
        If there is no such run, or a plug-in of it has changed; see `experiments.sharing.bundle.write_bundle`.

    Examples
    --------
    >>> path = bundle("tiny.sqlite", "tiny.zip")
    >>> sorted(table(path)["attempt"])
    ['chance', 'majority']
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
    tolerance: float = TOLERANCE,
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
        As for `run`; ``"datasets.NAME.root=DIR"`` names the folder of the clips on this machine.
    tolerance : float
        How far a probability may be from what it was.

    Returns
    -------
    DataFrame
        One row per cell with its ``verdict``, see `Reproduction.compare`. Its ``attrs`` hold
        ``notes``, sentences on what of the environment differs.

    Raises
    ------
    KeyboardInterrupt
        Where it was interrupted, as by `run`.

    Examples
    --------
    >>> reproduce(bundle("tiny.sqlite", "tiny.zip"))["verdict"].unique().tolist()
    ['exact']
    """
    from . import workflow
    from .experiments.sharing.bundle import Bundle

    notes: list[str] = []
    with Bundle.open(bundle) as opened:
        found = workflow.reproduce(
            opened,
            store or reproduction_store(bundle),
            changes=changes,
            only=only,
            workers=workers,
            tolerance=tolerance,
            notify=notes.append,
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

    Examples
    --------
    >>> from actionbench.experiments.datasets.figures import Figures
    >>> path = export_rules("rules-hand", Figures(subjects=2, clips_per_subject=1, frames=8), "mine.txt")
    >>> path.read_text().splitlines()[-1]
    'otherwise boxing   (...)'
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
    reject: bool = False,
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
        Where the model goes; see `experiments.deployment.model.fit_model`.
    changes : iterable of str
        ``"KEY=VALUE"`` as for ``--set``: of a matrix with these two entries, or a key of the data set alone.
    plugins : iterable of path
        Python files with further attempts and data sets.
    overwrite : bool
        Whether a model that is there is replaced.
    cache : path, optional
        As for `run`.
    reject : bool
        Whether `predict` may answer that a clip shows none of the classes, for which most attempts are fitted three
        times more; see `experiments.deployment.rejection.Rejection`.

    Returns
    -------
    Model
        With the fitted ``attempt`` and a ``header`` with what it was trained on.

    Examples
    --------
    >>> model = fit("majority", "figures", "model", changes=["subjects=2", "frames=8"], overwrite=True)
    >>> model.classes[:3], model.header.data.n_clips
    (['boxing', 'handclapping', 'handwaving'], 48)
    """
    from .experiments.deployment.model import fit_model, model_matrix

    matrix = model_matrix(attempt, dataset, changes)
    return fit_model(matrix, folder, plugins=plugins, overwrite=overwrite, cache=cache, reject=reject)


def load(folder: str | Path, *, plugins: Iterable[str | Path] = ()) -> Model:
    """Read a model that `fit` wrote, or raise ActionbenchError with what is wrong with it.

    Examples
    --------
    >>> _ = fit("majority", "figures", "model", changes=["subjects=2", "frames=8"], overwrite=True)
    >>> load("model").attempt
    Majority()
    """
    from .experiments.deployment.model import load_model

    return load_model(folder, plugins=plugins)


def predict(
    model: Model | str | Path,
    clips: str | Path | Iterable[str | Path],
    *,
    window: float | None = None,
    step: float | None = None,
    explain: bool = False,
    reject: float | None = None,
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
        Whether a column ``explanation`` has the reasons, where the attempt can explain.
    reject : float, optional
        The label is ``"none of these"`` where that is wrong for at most such a share of clips that show one of the
        classes, and a column ``p_value`` has the test; for models fitted with ``reject=True``.
    plugins : iterable of path
        Python files with further attempts.

    Returns
    -------
    DataFrame
        One row per clip or window: ``clip``, ``start``, ``end`` (seconds), ``label``, ``probability``, ``decode_ms``,
        ``predict_ms``, and the probability of each class as ``p(<label>)``.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.features.video import write_video
    >>> write_video("clip.mp4", np.zeros((8, 60, 80, 3), np.uint8), fps=25)
    >>> model = fit("majority", "figures", "model", changes=["subjects=2", "frames=8"], overwrite=True)
    >>> predict(model, "clip.mp4")[["clip", "end", "label", "probability"]]
           clip   end   label  probability
    0  clip.mp4  0.32  boxing     0.166667
    """
    import pandas as pd

    loaded = _loaded(model, plugins)
    predicted = _predicted(loaded, clips, window, step, explain=explain, reject=reject)
    found = [one for predictions in predicted for one in predictions]
    columns = ["clip", "start", "end", "label", "probability", "decode_ms", "predict_ms"]
    columns += ["explanation"] if explain else []
    columns += [] if reject is None else ["p_value"]
    table = pd.DataFrame({column: [getattr(one, column) for one in found] for column in columns})
    for label in loaded.classes:
        table[f"p({label})"] = [one.probabilities[label] for one in found]
    return table


def segments(
    model: Model | str | Path,
    clips: str | Path | Iterable[str | Path],
    *,
    window: float | None = None,
    step: float | None = None,
    min_length: float = 0.0,
    reject: float | None = None,
    outputs: Iterable[str | Path] = (),
    plugins: Iterable[str | Path] = (),
) -> pd.DataFrame:
    """Divide videos into segments of one label: windows of equal label are joined.

    Parameters
    ----------
    model, clips, window, step, reject, plugins
        See `predict`.
    min_length : float
        Seconds; shorter segments are given to their neighbours.
    outputs : iterable of path
        Files to write, see `experiments.deployment.segments.write_segments`.

    Returns
    -------
    DataFrame
        One row per segment: ``clip``, ``start``, ``end`` (seconds), ``label``, ``probability``.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.features.video import write_video
    >>> write_video("long.mp4", np.zeros((50, 60, 80, 3), np.uint8), fps=25)
    >>> model = fit("majority", "figures", "model", changes=["subjects=2", "frames=8"], overwrite=True)
    >>> segments(model, "long.mp4", outputs=["long.csv"])
           clip  start  end   label  probability
    0  long.mp4    0.0  2.0  boxing     0.166667
    """
    import pandas as pd

    from .experiments.deployment.segments import Segment, check_outputs, find_segments, write_segments

    loaded, outputs = _loaded(model, plugins), list(outputs)
    paths = [clips] if isinstance(clips, str | Path) else list(clips)
    check_outputs(outputs, paths)
    predicted = _predicted(loaded, paths, window, step, reject=reject)
    found = [segment for predictions in predicted for segment in find_segments(predictions, min_length)]
    for output in outputs:
        write_segments(found, output)
    return pd.DataFrame(found, columns=[field.name for field in fields(Segment)])


def _loaded(model: Model | str | Path, plugins: Iterable[str | Path]) -> Model:
    return load(model, plugins=plugins) if isinstance(model, str | Path) else model


def _predicted(
    model: Model,
    clips: str | Path | Iterable[str | Path],
    window: float | None,
    step: float | None,
    *,
    explain: bool = False,
    reject: float | None = None,
) -> list[list[Prediction]]:
    """Return the predictions for each clip, timed after a first call that does not count."""
    from .experiments.deployment.prediction import Windows, predict_video, warm_up

    paths = [clips] if isinstance(clips, str | Path) else list(clips)
    windows = None if window is None and step is None else Windows.of(model, window, step)
    if paths:
        warm_up(model, paths[0])
    return [predict_video(model, path, windows, explain=explain, reject=reject) for path in paths]


def export_onnx(model: Model | str | Path, path: str | Path, *, plugins: Iterable[str | Path] = ()) -> Path:
    """Write the net of a model as an ONNX file, from the net's inputs to class probabilities.

    Raises
    ------
    ActionbenchError
        If the model is no net, ONNX cannot express it, or the file cannot be written.

    Examples
    --------
    >>> net = {"name": "mlp-pixels", "params": {"epochs": 1, "frames": 2, "size": 8, "n_views": 1}}
    >>> model = fit(net, "figures", "net", changes=["subjects=2", "frames=8"], overwrite=True)
    >>> export_onnx(model, "net.onnx").name
    'net.onnx'
    """
    from .baselines.nets.net import NetAttempt

    loaded = _loaded(model, plugins)
    if not isinstance(loaded.attempt, NetAttempt):
        raise ModelError(
            f"{loaded.folder}: the attempt {loaded.header.attempt!r} is no net; only nets become ONNX"
        )
    loaded.attempt.export(path)
    return Path(path)


def new_attempt(name: str, folder: str | Path | None = None) -> list[Path]:
    """Write a small package with one attempt and return its files; see `skeleton.write_attempt`.

    Examples
    --------
    >>> [path.name for path in new_attempt("my-coin")]
    ['README.md', 'compare.toml', 'pyproject.toml', '__init__.py', 'test_my_coin.py']
    """
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

    Examples
    --------
    >>> first = next(check("majority"))
    >>> first.check, first.outcome
    ('declarations', 'passed')
    """
    from .experiments.planning.cells import make_attempt

    registry = attempt_registry(plugins)
    cls = registry.get(name)
    make_attempt(cls, name, params or {}, seed=0)
    with use_attempts(registry):
        yield from check_attempt(cls, params, skip=skip, seconds=seconds, mebibytes=mebibytes)
