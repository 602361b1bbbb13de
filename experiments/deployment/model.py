"""A model to use elsewhere: an attempt trained on all clips of a data set, in a folder that any machine can use.

A model folder is what `Attempt.save` writes, and ``model.json`` beside it: what the attempt is called, where it comes
from, what it learned from and with which code, and a hash of each file.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from ...baselines.base import Attempt
from ...baselines.calibration import Calibration, held_out_proba
from ...baselines.registry import Registry, attempt_registry, use_attempts
from ...errors import DataError, MatrixError, ModelError, PluginError
from ...features.clip import Clips
from ...literals import CalibrationMethod
from ...progress import each
from ..audit.leaks import without_unreadable
from ..datasets.base import Dataset
from ..datasets.files import VideoFiles
from ..datasets.registry import dataset_registry, make_dataset
from ..evaluation.cell import FullCost, check_probabilities
from ..planning.cells import ask, data_fingerprint, make_attempt
from ..planning.matrix import DatasetEntry, Limits, Matrix, read_matrix
from ..running.feature_cache import features_in, usable_cache
from ..store import provenance
from .rejection import Rejection

__all__ = [
    "Header",
    "Model",
    "TrainingData",
    "fit_model",
    "load_model",
    "mark_of_model",
    "measuring_command",
    "model_matrix",
]

HEADER = "model.json"
_FORMAT = 1
# Clips that are decoded to learn how long they are, spread over all.
_LOOKED_AT = 100


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrainingData(_Checked):
    """What a model learned from."""

    dataset: str
    fingerprint: str
    n_clips: int
    #: None where the data set does not know its groups.
    n_groups: int | None
    #: Shortest, median and longest clip, of at most 100 spread over all.
    seconds: tuple[float, float, float]
    #: Median frame rate of these.
    fps: float
    #: Keyword arguments of `read_video` for clips like these.
    decoding: dict[str, Any]


class Header(_Checked):
    """The content of ``model.json``; class and parameters of the attempt are in ``attempt.json`` beside it."""

    kind: Literal["actionbench model"] = "actionbench model"
    format: Literal[1] = 1
    #: Name of the attempt, and where it comes from: a distribution with its version, or the file of a plug-in.
    attempt: str
    origin: str
    plugin: bool
    classes: list[str]
    #: Wall time of the training: with what features from the cache would have cost, and without.
    fit_seconds: float
    fit_uncached_seconds: float
    data: TrainingData
    #: How probabilities are calibrated, and what `Rejection` needs; None where that was not asked for.
    calibration: Calibration | None = None
    rejection: Rejection | None = None
    #: Hash of all code that can change what the attempt predicts, and the versions of what it imports.
    code: str
    versions: dict[str, str]
    #: Hash of each file beside this one.
    files: dict[str, str]


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted attempt, and what is known of it.

    Attributes
    ----------
    attempt : Attempt
        Predicts clips; see `Attempt.predict_proba`.
    header : Header
        Where it comes from and what it learned from.
    folder : Path
        Where it lies.
    warnings : list of str
        Why it may predict something else than on the day it was fitted, as sentences.
    """

    attempt: Attempt
    header: Header
    folder: Path
    warnings: list[str]

    @property
    def classes(self) -> list[str]:
        """The labels, sorted."""
        return self.header.classes

    def predict_proba(self, clips: Clips) -> NDArray[np.float64]:
        """Return the probabilities of the attempt, calibrated where the model is, shape (n_clips, n_classes)."""
        predicted = ask(self.attempt.predict_proba, self.header.attempt, clips)
        probabilities = check_probabilities(self.attempt, predicted, len(clips))
        calibration = self.header.calibration
        return probabilities if calibration is None else calibration(probabilities)

    @property
    def n_bytes(self) -> int:
        """What the folder takes on the disk."""
        return sum(path.stat().st_size for path in _files(self.folder))


def model_matrix(
    attempt: str | Mapping[str, Any], dataset: str | Mapping[str, Any], changes: Iterable[str] = ()
) -> Matrix:
    """Return the matrix of one attempt and one data set, each a name or an entry.

    Parameters
    ----------
    attempt, dataset : str or mapping
        Their entries in a matrix, or their names alone. A split is that of `measuring_command`.
    changes : iterable of str
        ``KEY=VALUE`` as for `read_matrix`; a key that is none of a matrix is one of the data set.
    """
    entries = [{"name": entry} if isinstance(entry, str) else dict(entry) for entry in (attempt, dataset)]
    content = {
        "name": "model",
        "attempts": entries[:1],
        "datasets": [{"split": "leave-one-group-out", **entries[1]}],
    }
    whole = [
        change if re.split(r"[.=]", change)[0].strip() in Matrix.model_fields else f"datasets.0.{change}"
        for change in changes
    ]
    return read_matrix(content, whole)


def fit_model(
    matrix: Matrix,
    folder: str | Path,
    *,
    plugins: Iterable[str | Path] = (),
    overwrite: bool = False,
    cache: str | Path | None = None,
    reject: bool = False,
) -> Model:
    """Train one attempt on all clips of a data set and write it to a folder.

    The folder appears when all is well: whatever goes wrong, there is either the whole model or what was there before.

    Parameters
    ----------
    matrix : Matrix
        One data set, one attempt with one parameter point, one seed; splits are of no account.
    folder : path
        Where to. Folders above it are made.
    plugins : iterable of path
        Python files with further attempts and data sets.
    overwrite : bool
        Whether a model that is there is replaced. Nothing else ever is.
    cache : path, optional
        Folder of features, as for `run_cells`.
    reject : bool
        Whether the model can answer that a clip shows none of the classes, see `Rejection`; most attempts are fitted
        three times more for that.

    Raises
    ------
    ActionbenchError
        If the attempt cannot learn from the data set, or the folder not be written.
    """
    folder, plugins = Path(folder), list(plugins)
    wanted = _wanted(matrix)
    registry = attempt_registry(plugins)
    cls = registry.get(wanted.attempt)
    attempt = make_attempt(cls, wanted.attempt, wanted.params, wanted.seed)
    entry = matrix.datasets[0]
    dataset = without_unreadable(
        make_dataset(dataset_registry(plugins).get(entry.name), entry.name, entry.options)
    )
    limit = int(matrix.limits.cache)
    with use_attempts(registry), _appearing(folder, overwrite) as place:
        _check_learnable(attempt, wanted.attempt, dataset, entry.name)
        data = _training_data(dataset, entry.name)
        with features_in(usable_cache(cache, limit), limit), FullCost() as watch:
            ask(attempt.fit, wanted.attempt, dataset.clips, dataset.labels, dataset.groups)
            calibration, rejection = _learn_held_out(attempt, dataset, wanted, reject)
        attempt.save(place)
        origin = registry.origin(wanted.attempt)
        plugin = origin in map(str, plugins)
        header = Header(
            attempt=wanted.attempt,
            origin=Path(origin).name if plugin else origin,
            plugin=plugin,
            classes=[str(label) for label in attempt.classes_],
            fit_seconds=watch.full_seconds,
            fit_uncached_seconds=watch.seconds,
            data=data,
            calibration=calibration,
            rejection=rejection,
            code=_code(attempt),
            versions=_versions(attempt),
            files={path.relative_to(place).as_posix(): _hash(path) for path in _files(place)},
        )
        _write_header(header, place / HEADER)
    return Model(attempt, header, folder, [])


class _Wanted(NamedTuple):
    attempt: str
    params: dict[str, Any]
    calibrate: CalibrationMethod | None
    seed: int


def _learn_held_out(
    attempt: Attempt, dataset: Dataset, wanted: _Wanted, reject: bool
) -> tuple[Calibration | None, Rejection | None]:
    """Learn calibration and rejection, as far as they are wanted, from what is predicted for held-out groups."""
    if not (wanted.calibrate or reject):
        return None, None
    train = dataset.clips, dataset.labels, dataset.groups
    probabilities = ask(held_out_proba, wanted.attempt, attempt, *train)
    calibration = None
    if wanted.calibrate:
        codes = np.searchsorted(attempt.classes_, dataset.labels)
        calibration = Calibration.fit(wanted.calibrate, probabilities, codes)
        probabilities = calibration(probabilities)
    if not reject:
        return calibration, None
    classes = attempt.classes_.tolist()
    return calibration, Rejection.of(probabilities, dataset.labels, classes, dataset.groups)


def _wanted(matrix: Matrix) -> _Wanted:
    """Return the one attempt of a matrix, or raise MatrixError where it holds more to do than one training."""
    for key in ("attempts", "datasets", "seeds"):
        if len(getattr(matrix, key)) != 1:
            raise MatrixError(
                f"{key}: must hold one, as a model is fitted once; got {len(getattr(matrix, key))}"
            )
    (entry,) = matrix.attempts
    lists = [key for key, value in entry.params.items() if isinstance(value, list) and len(value) != 1]
    if lists:
        raise MatrixError(
            f"attempts: {entry.name!r}: params.{lists[0]} must be one value, as a model is fitted once; "
            f"got {entry.params[lists[0]]}"
        )
    probed = matrix.datasets[0].probe is not None
    if probed or entry.tune or matrix.train_groups != ["all"] or matrix.limits != Limits():
        raise MatrixError(
            "a model is fitted once on all clips: probes, tune, train_groups and limits are for a run"
        )
    return _Wanted(entry.name, entry.points()[0], entry.calibrate, matrix.seeds[0])


def _check_learnable(attempt: Attempt, name: str, dataset: Dataset, dataset_name: str) -> None:
    if len(dataset.classes) < 2:
        raise DataError(
            f"data set {dataset_name!r}: there is one class only, {dataset.classes[0]!r}; there must be two or more"
        )
    if reason := ask(attempt.skip, name, dataset):
        raise PluginError(f"attempt {name!r} cannot learn from data set {dataset_name!r}: {reason}")


def _training_data(dataset: Dataset, name: str) -> TrainingData:
    rows = np.unique(np.linspace(0, len(dataset) - 1, _LOOKED_AT).round().astype(int))
    looked_at = each("clips", dataset.clips[rows], len(rows))
    seconds, rates = zip(*((clip.seconds, clip.fps) for clip in looked_at), strict=True)
    return TrainingData(
        dataset=name,
        fingerprint=data_fingerprint(dataset),
        n_clips=len(dataset),
        n_groups=len(set(dataset.groups)) if dataset.groups_known else None,
        seconds=(min(seconds), float(np.median(seconds)), max(seconds)),
        fps=float(np.median(rates)),
        decoding=dict(dataset.decoding),
    )


def _dependencies(attempt: Attempt) -> tuple[type, ...]:
    """Return the classes whose code makes a prediction from a file."""
    return type(attempt), *attempt.uses(), VideoFiles


def _code(attempt: Attempt) -> str:
    return provenance.code_fingerprint(*_dependencies(attempt))


def _versions(attempt: Attempt) -> dict[str, str]:
    packages = provenance.versions_imported(*_dependencies(attempt))
    return {"actionbench": version("actionbench"), "python": platform.python_version(), **packages}


@contextmanager
def _appearing(folder: Path, overwrite: bool) -> Iterator[Path]:
    """Give a folder to write to, which gets its name at the end of a ``with`` block that went well."""
    _check_free(folder, overwrite)
    place = None
    try:
        # Of a link, what it leads to is replaced.
        target = folder.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        place = target.with_name(f".{target.name}.{os.getpid()}.part")
        place.mkdir()
        yield place
        old = place.with_suffix(".old")
        with _undivided():
            if target.exists():
                target.rename(old)
            place.rename(target)
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise ModelError(f"{folder}: the model cannot be written there ({error.strerror})") from error
    finally:
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _undivided() -> Iterator[None]:
    """Let an interrupt have its effect at the end of a ``with`` block, not within."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if heard:
        raise KeyboardInterrupt


def mark_of_model(folder: str | Path) -> tuple[int, int] | None:
    """Return what tells one model in a folder from another, None where the folder holds none."""
    try:
        found = os.stat(Path(folder) / HEADER)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _check_free(folder: Path, overwrite: bool) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        header = _read_header(folder)
    except ModelError as error:
        raise ModelError(
            f"{folder}: is there already and no whole model of actionbench, so it is left alone; name another folder"
        ) from error
    if not overwrite:
        raise ModelError(
            f"{folder}: holds a model already; name another folder, or replace it with --overwrite"
        )
    foreign = {path.relative_to(folder).as_posix() for path in _files(folder)} - {*header.files, HEADER}
    if foreign:
        raise ModelError(
            f"{folder}: {min(foreign)} is no part of the model there, and would be lost; move it away first"
        )


def load_model(folder: str | Path, *, plugins: Iterable[str | Path] = ()) -> Model:
    """Read what `fit_model` wrote.

    Parameters
    ----------
    folder : path
        The model.
    plugins : iterable of path
        Python files with further attempts.

    Returns
    -------
    Model
        With warnings where the code that predicts is not that which was fitted.

    Raises
    ------
    ActionbenchError
        If the folder holds no model, one that is damaged or was changed, one of a newer format, or one whose attempt
        is not installed.
    """
    folder = Path(folder)
    header = _read_header(folder)
    for name, digest in header.files.items():
        _check_file(folder, name, digest)
    registry = attempt_registry(plugins)
    with use_attempts(registry):
        attempt = _attempt_class(folder, header, registry).load(folder)
        warnings = _warnings(attempt, header)
    if attempt.classes_.tolist() != header.classes:
        raise ModelError(
            f"{folder}: the attempt read back has other classes than {HEADER} says; fit it again"
        )
    return Model(attempt, header, folder, warnings)


def _attempt_class(folder: Path, header: Header, registry: Registry[Attempt]) -> type[Attempt]:
    if header.attempt in registry.names():
        return registry.get(header.attempt)
    if header.plugin:
        raise ModelError(
            f"{folder}: the attempt {header.attempt!r} comes from the plug-in {header.origin}; "
            f"name that file with --plugin"
        )
    raise ModelError(
        f"{folder}: the attempt {header.attempt!r} comes from {header.origin}, which is not installed"
    )


def _warnings(attempt: Attempt, header: Header) -> list[str]:
    if _code(attempt) == header.code:
        return []
    now = _versions(attempt)
    changes = [
        f"{name} {header.versions.get(name, 'none')} then and {now.get(name, 'none')} now"
        for name in sorted({*now, *header.versions})
        if now.get(name) != header.versions.get(name)
    ]
    return [
        f"the model was fitted with other code ({', '.join(changes) or 'of the same versions'}), "
        "so that it may predict differently; fit it again to be sure"
    ]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_file(folder: Path, name: str, digest: str) -> None:
    try:
        whole = _hash(folder / name) == digest
    except OSError as error:
        raise ModelError(
            f"{folder}: {name} is missing or cannot be read ({error.strerror}); fit it again"
        ) from error
    if not whole:
        raise ModelError(f"{folder}: {name} is damaged or was changed by hand; fit it again")


def header_digest(content: Mapping[str, Any]) -> str:
    """Return the hash of the other values of ``model.json``, which is kept among them."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _write_header(header: Header, path: Path) -> None:
    content = header.model_dump(mode="json")
    text = json.dumps({**content, "sha256": header_digest(content)}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _read_header(folder: Path) -> Header:
    path = folder / HEADER
    if not folder.is_dir():
        raise ModelError(f"{folder}: there is no such folder; it must be one that `actionbench fit` wrote")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(
            f"{folder}: holds no model, for {HEADER} cannot be read ({error.strerror}); "
            "it must be a folder that `actionbench fit` wrote"
        ) from error
    except ValueError as error:
        raise ModelError(f"{path}: is damaged, it is no longer JSON; fit it again") from error
    if not isinstance(content, dict) or content.get("kind") != "actionbench model":
        raise ModelError(
            f"{path}: is not of a model of actionbench; it must be a folder that `actionbench fit` wrote"
        )
    if isinstance(content.get("format"), int) and content["format"] > _FORMAT:
        raise ModelError(
            f"{path}: is of format {content['format']}, which a newer actionbench wrote; "
            f"this is {version('actionbench')} and reads format {_FORMAT}"
        )
    digest = content.pop("sha256", None)
    try:
        header = Header.model_validate(content)
        if digest == header_digest(content):
            return header
    except ValidationError:
        pass
    raise ModelError(f"{path}: is damaged or was changed by hand; fit it again")


def measuring_command(matrix: Matrix, plugins: Iterable[str | Path] = ()) -> str:
    """Return the command that measures what a model of the same matrix gets right on groups it did not learn from."""
    attempt, dataset = matrix.attempts[0], matrix.datasets[0]
    changes = {
        "attempts": [attempt.model_dump(include={"name", "params", "calibrate"}, exclude_defaults=True)],
        "datasets": [{"name": dataset.name, "split": _plain_split(dataset), **dataset.options}],
    }
    words = ["actionbench", "run"]
    for key, value in changes.items():
        words += ["--set", f"{key}={_toml(value)}"]
    if matrix.seeds != [0]:
        words += ["--set", f"seeds={matrix.seeds}"]
    for plugin in plugins:
        words += ["--plugin", str(plugin)]
    return shlex.join(words)


def _plain_split(entry: DatasetEntry) -> str | dict[str, Any]:
    given = entry.split.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {"name": entry.split.name, **given} if given else entry.split.name


def _toml(value: Any) -> str:
    """Return a value as inline TOML."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_toml_key(key)} = {_toml(item)}' for key, item in value.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    # Strings, numbers and booleans are written as in JSON.
    return json.dumps(value, ensure_ascii=False)


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml(key)
