"""From a matrix to its cells."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeAlias, TypeVar, get_type_hints

import numpy as np
from pydantic import PydanticUserError, TypeAdapter, ValidationError

from ...baselines.base import Attempt
from ...baselines.registry import attempt_registry, use_attempts
from ...errors import ActionbenchError, DataError, Faults, MatrixError, PluginError, did_you_mean
from ..datasets.base import Dataset
from ..datasets.derived import original_class
from ..datasets.digests import file_digest
from ..datasets.left_out import WithoutClips, without
from ..datasets.probed import Probed, Side, without_probe
from ..datasets.registry import dataset_registry, make_dataset, option_names
from ..datasets.splits import Fold, with_fewer_groups
from ..evaluation.cell import run_cell
from ..evaluation.tuning import tune
from ..store import provenance
from ..store.schema import CellRecord
from .matrix import AttemptEntry, DatasetEntry, Matrix

A = TypeVar("A", bound=Attempt)

#: Data set, split, attempt, seed and fold: where a cell is in a matrix.
Place = tuple[str, str, str, int, int]

#: Returns why clips are left out of a data set, by their names.
LeftOut: TypeAlias = Callable[[str, Dataset], Mapping[str, str] | None]

_ONLY_KEYS = ("attempt", "dataset", "family", "fold", "seed", "split", "train_groups")


def make_attempt(
    cls: type[A], name: str, params: Mapping[str, Any], seed: int, *, checked: Container[str] = ()
) -> A:
    """Make an attempt from its parameters in a matrix, whose types are looked at but for those ``checked`` before.

    Raises
    ------
    MatrixError
        If a parameter is unknown or, where the attempt declares its type or constraints, of a wrong kind or out of
        range.
    """
    known, faults = option_names(cls), Faults()
    for key, value in params.items():
        with faults:
            if key not in known:
                raise MatrixError(f"attempt {name!r}: unknown parameter {key!r}; {did_you_mean(key, known)}")
            if key not in checked:
                _check_kind(cls, name, key, value)
    faults.check()
    seeded = {"random_state": seed} if "random_state" in known else {}
    try:
        attempt = cls(**params, **seeded)
        if hasattr(cls, "_parameter_constraints"):
            attempt._validate_params()
    except TypeError as error:  # scikit-learn's InvalidParameterError is one, too
        raise MatrixError(f"attempt {name!r}: {error}") from error
    return attempt


@dataclass(frozen=True, eq=False)
class PlannedDataset:
    """A data set of the matrix, read and divided."""

    entry: DatasetEntry
    dataset: Dataset
    folds: list[Fold]
    fingerprint: str
    #: That of the data set whose clips lack nothing.
    plain_fingerprint: str
    table_fingerprint: str
    #: What may change it, None where that is not known.
    files: list[Path] | None

    @cached_property
    def title(self) -> str:
        """The name in tables."""
        return self.entry.label

    @cached_property
    def split(self) -> str:
        """The name of the split in tables."""
        return self.entry.split.label()

    def source(self, plugins: list[str]) -> DatasetSource:
        """Return what another process makes it from."""
        plain = without_probe(self.dataset)
        reasons = plain.reasons if isinstance(plain, WithoutClips) else {}
        entry = self.entry
        return DatasetSource(
            plugins, entry.name, entry.options, self.table_fingerprint, reasons, entry.probe, entry.probe_side
        )


@dataclass(frozen=True)
class DatasetSource:
    """What another process makes a data set from."""

    plugins: list[str]
    name: str
    options: Mapping[str, Any]
    table_fingerprint: str
    #: Why clips are left out, by their names.
    left_out: Mapping[str, str] = field(default_factory=dict)
    #: What clips lack, see `Probed`.
    probe: str | None = None
    probe_side: Side = "both"

    def make(self) -> Dataset:
        """Return the data set as it is now."""
        whole = make_dataset(dataset_registry(self.plugins).get(self.name), self.name, self.options)
        dataset = without(whole, self.left_out)
        return dataset if self.probe is None else Probed(dataset, self.probe, self.probe_side)

    def make_unchanged(self) -> Dataset:
        """Return the data set, or raise DataError where its table has changed since it was planned."""
        dataset = self.make()
        if table_fingerprint(dataset) != self.table_fingerprint:
            raise DataError(f"data set {self.name!r} changed while it was in use")
        return dataset


@dataclass(eq=False)
class Work:
    """An attempt with its parameters on a data set, and what its results depend on."""

    entry: AttemptEntry
    cls: type[Attempt]
    params: dict[str, Any]
    #: Hash of the code, and the classes and functions whose code it covers.
    code: str
    dependencies: tuple[Any, ...]
    #: The files that parameters name, and the environment variables that the attempt reads.
    files: tuple[Path, ...]
    variables: tuple[str, ...]
    #: Why it cannot run on the data set.
    skip: str | None


@dataclass(eq=False)
class PlannedCell(Work):
    """A cell of the matrix, before it runs."""

    key: str
    #: The name of the attempt in tables.
    title: str
    data: PlannedDataset
    seed: int
    fold: Fold
    #: Its position among the folds of the split.
    fold_index: int
    train_groups: int | None

    @property
    def place(self) -> Place:
        """Where it is in the matrix."""
        return self.data.title, self.data.split, self.title, self.seed, self.fold_index

    def axes(self) -> dict[str, list[str]]:
        """Return what ``--only`` may ask for, and the names of this cell for each key."""
        return {
            "attempt": [self.entry.name, self.title],
            "dataset": [self.data.entry.name, self.data.title],
            "family": [self.cls.family],
            "fold": [str(self.fold_index), self.fold.name],
            "seed": [str(self.seed)],
            "split": [self.data.entry.split.name, self.data.split],
            "train_groups": [str(self.train_groups or "all")],
        }

    def record(self, dataset_id: int) -> CellRecord:
        """Return the row of this cell, without a result."""
        return CellRecord(
            key=self.key,
            dataset_id=dataset_id,
            attempt=self.title,
            family=self.cls.family,
            params=self.params,
            seed=self.seed,
            fold=self.fold_index,
            fold_name=self.fold.name,
            code=self.code,
            n_train=len(self.fold.train),
            n_test=len(self.fold.test),
            n_train_groups=len(np.unique(self.data.dataset.groups[self.fold.train])),
            fold_fingerprint=self.fold.fingerprint(),
            base=self.entry.label(self.params),
        )


@dataclass(frozen=True, eq=False)
class Plan:
    """Cells of a matrix in the order in which they run, and the plug-ins that they need."""

    matrix: Matrix
    cells: list[PlannedCell]
    plugins: Sequence[str | Path] = ()
    only: Sequence[str] = ()

    @property
    def plugin_paths(self) -> list[str]:
        """The plug-ins as absolute paths."""
        return [str(Path(path).resolve()) for path in self.plugins]

    @cached_property
    def datasets(self) -> list[PlannedDataset]:
        """The data sets under their splits, each once."""
        return list({id(cell.data): cell.data for cell in self.cells}.values())

    @cached_property
    def dependencies(self) -> dict[str, tuple[Any, ...]]:
        """The classes and functions behind each hash of code."""
        return {cell.code: cell.dependencies for cell in self.cells}


def _check_kind(cls: type[Attempt], name: str, key: str, value: Any) -> None:
    """Refuse a value of another type than the constructor is annotated with."""
    try:
        TypeAdapter(declared_type(cls, key)).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]["msg"]
        raise MatrixError(
            f"attempt {name!r}: params.{key}: {first[0].lower()}{first[1:]}, got {value!r}"
        ) from error
    except (TypeError, ValueError, PydanticUserError):
        # No type of JSON, or a type that pydantic does not know.
        pass


def declared_type(cls: type[Attempt], parameter: str) -> Any:
    """Return the type that the constructor of an attempt is annotated with, Any where it is not known."""
    annotation = getattr(cls.__init__, "__annotations__", {}).get(parameter, Any)
    names = getattr(cls.__init__, "__globals__", {})
    # The constructor of a dataclass has the fields of its bases, annotated with names of their modules.
    for base in reversed(cls.__mro__):
        if parameter in vars(base).get("__annotations__", {}):
            names = {**names, **vars(sys.modules.get(base.__module__, base))}
    try:
        own = SimpleNamespace(__annotations__={parameter: annotation})
        return get_type_hints(own, names, include_extras=True)[parameter]
    except Exception:  # a name that only type checkers know, or anything else
        return Any


def make_plan(
    matrix: Matrix,
    *,
    plugins: Iterable[str | Path] = (),
    only: Iterable[str] = (),
    left_out: LeftOut = lambda title, dataset: None,
) -> Plan:
    """Return the cells of a matrix in the order in which they run.

    Data sets are read and divided, attempts are made once, so that whatever is wrong is reported before a cell runs.
    The order goes through the attempts within each fold, from another one in each, so that a drift of the machine
    favours none.

    Parameters
    ----------
    matrix : Matrix
        What to run.
    plugins : iterable of path
        Python files with further attempts and data sets.
    only : iterable of str
        Conditions such as ``"attempt=rules,fold=0"``; a cell must meet one of those given for each key. Values
        may hold ``*`` and ``?``; one with a comma must be in quotation marks: ``'attempt="a, b"'``.
    left_out : callable
        Returns why clips of a data set that drops unreadable ones are left out, by their names; called with its title
        and the data set.

    Raises
    ------
    ActionbenchError
        If anything in the matrix does not fit together.
    """
    plugins, only = list(plugins), list(only)
    wanted = parse_only(only)
    attempts, datasets = attempt_registry(plugins), dataset_registry(plugins)
    faults = Faults()
    classes, data = dict[str, type[Attempt]](), list[PlannedDataset]()
    # Under several splits and probes the same data are read and hashed once.
    made: dict[tuple[str, str], tuple[Dataset, str]] = {}
    for entry in matrix.attempts:
        with faults:
            classes[entry.name] = cls = attempts.get(entry.name)
            for point in entry.points():
                with faults:
                    make_attempt(cls, entry.name, point, matrix.seeds[0])
    for described in matrix.datasets:
        with faults:
            key = described.name, json.dumps(described.options, sort_keys=True, default=str)
            if key not in made:
                made[key] = _make_whole(described, datasets.get(described.name), left_out)
            data.append(_plan_dataset(described, *made[key]))
    faults.check()
    with use_attempts(attempts):
        cells = [cell for planned in data for cell in _cells_of(planned, matrix, classes)]
    chosen = [cell for cell in cells if _is_wanted(cell, wanted)] if wanted else cells
    if not chosen:
        raise MatrixError(f"--only {' '.join(only)}: no cell is left; {_available(cells, wanted)}")
    return Plan(matrix, chosen, plugins, only)


def _make_whole(entry: DatasetEntry, cls: type[Dataset], left_out: LeftOut) -> tuple[Dataset, str]:
    """Return a data set whose clips lack nothing, and its fingerprint."""
    dataset = make_dataset(cls, entry.name, entry.options)
    with _named(entry):
        if dataset.drops_unreadable:
            dataset = without(dataset, left_out(entry.label, dataset))
        return dataset, data_fingerprint(dataset)


def _plan_dataset(entry: DatasetEntry, dataset: Dataset, plain: str) -> PlannedDataset:
    fingerprint = plain
    if entry.probe is not None:
        dataset = Probed(dataset, entry.probe, entry.probe_side)
        fingerprint = dataset.fingerprint_of(plain)
    with _named(entry):
        folds = entry.split.folds(dataset)
    return PlannedDataset(
        entry, dataset, folds, fingerprint, plain, table_fingerprint(dataset), dataset.files()
    )


@contextmanager
def _named(entry: DatasetEntry) -> Iterator[None]:
    """Name the data set in errors."""
    try:
        yield
    except ActionbenchError as error:
        raise type(error)(f"data set {entry.label!r}: {error}") from error
    except OSError as error:
        raise DataError(f"data set {entry.name!r}: {error}") from error


def data_fingerprint(dataset: Dataset) -> str:
    """Return a hash of clips, labels and groups."""
    digest = hashlib.sha256(table_fingerprint(dataset).encode())
    digest.update(dataset.clips.fingerprint.encode())
    return digest.hexdigest()


def table_fingerprint(dataset: Dataset) -> str:
    """Return a hash of names, labels and groups."""
    rows = list(zip(*(dataset.table[column].to_list() for column in ("clip", "label", "group")), strict=True))
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


class _Shared(NamedTuple):
    """What is the same for all cells of an attempt on a data set: titles, and parts of the key as `_text`."""

    #: By the number of training groups.
    titles: dict[int | str, str]
    row: str
    code: str
    params: str
    rest: str


def _work(
    data: PlannedDataset, entry: AttemptEntry, cls: type[Attempt], params: dict[str, Any], seed: int
) -> Work:
    """Make an attempt once, and ask it what its results depend on."""
    attempt = make_attempt(cls, entry.name, params, seed)
    used = ask(attempt.uses, entry.name)
    dependencies = (cls, *used, original_class(data.dataset), run_cell, *([tune] if entry.tune else []))
    return Work(
        entry,
        cls,
        params,
        code=provenance.code_fingerprint(*dependencies),
        dependencies=dependencies,
        files=tuple(map(Path, ask(attempt.files, entry.name))),
        variables=tuple(ask(attempt.environment, entry.name)),
        skip=ask(attempt.skip, entry.name, data.dataset),
    )


def _shared(data: PlannedDataset, matrix: Matrix, work: Work) -> _Shared:
    entry = work.entry
    return _Shared(
        titles={n: entry.label(work.params, None if n == "all" else n) for n in matrix.train_groups},
        # The same work for another row of the table is another cell: a store keeps each once.
        row=_text(data.title, data.split, entry.label(work.params)),
        code=_text(work.cls.__qualname__, work.code, data.fingerprint),
        params=_text(_by_name(work.params, work.files)),
        rest=_text(
            *_file_fingerprints(work.files, entry.name),
            *([entry.tune.model_dump()] if entry.tune else []),
            *([entry.calibrate] if entry.calibrate else []),
            *([{name: os.environ.get(name) for name in work.variables}] if work.variables else []),
        ),
    )


def _cells_of(
    data: PlannedDataset, matrix: Matrix, classes: Mapping[str, type[Attempt]]
) -> Iterator[PlannedCell]:
    works = [
        _work(data, entry, classes[entry.name], params, matrix.seeds[0])
        for entry in matrix.attempts
        for params in entry.points()
    ]
    points = [(work, _shared(data, matrix, work)) for work in works]
    for turn, (seed, (fold_index, whole), n_groups) in enumerate(
        product(matrix.seeds, enumerate(data.folds), matrix.train_groups)
    ):
        train_groups = None if n_groups == "all" else n_groups
        fold = whole if train_groups is None else _with_fewer_groups(data, whole, train_groups, seed)
        groups_text, fold_text, seed_text = map(_text, (train_groups, fold.fingerprint(), seed))
        first = turn % len(points)
        for work, parts in points[first:] + points[:first]:
            texts = parts.row, groups_text, parts.code, fold_text, parts.params, seed_text, parts.rest
            yield PlannedCell(
                **vars(work),
                key=hashlib.sha256(f"[{', '.join(filter(None, texts))}]".encode()).hexdigest()[:32],
                title=parts.titles[n_groups],
                data=data,
                seed=seed,
                fold=fold,
                fold_index=fold_index,
                train_groups=train_groups,
            )


def _by_name(point: Mapping[str, Any], files: Iterable[Path]) -> list[tuple[str, Any]]:
    """Return parameters, with the name of a file in place of its path: what it holds counts, not where it lies."""
    names = {str(path): path.name for path in files}
    return [
        (key, names.get(str(Path(value)), value) if isinstance(value, str) else value)
        for key, value in sorted(point.items())
    ]


def _text(*parts: Any) -> str:
    """Return parts of a key in JSON, once for all cells that share them."""
    return ", ".join(json.dumps(part, default=str) for part in parts)


def _with_fewer_groups(data: PlannedDataset, fold: Fold, n_groups: int, seed: int) -> Fold:
    smaller = with_fewer_groups(fold, data.dataset.groups, n_groups, seed)
    data.entry.split.check(smaller, data.dataset)
    return smaller


def ask(method: Callable[..., Any], name: str, *args: Any) -> Any:
    """Call a method of an attempt, whose failure, of whatever kind, becomes one sentence with its name."""
    try:
        return method(*args)
    except ActionbenchError as error:
        raise type(error)(*(f"attempt {name!r}: {fault}" for fault in error.args)) from error
    except Exception as error:  # a plug-in may fail in any way
        raise PluginError(
            f"attempt {name!r}: its {method.__name__}() failed with {type(error).__name__}: {error}"
        ) from error


def _file_fingerprints(files: Iterable[Path], name: str) -> list[str]:
    """Return a hash of each file that the parameters of an attempt name."""
    try:
        return [file_digest(Path(path)) for path in files]
    except OSError as error:
        raise MatrixError(
            f"attempt {name!r}: {error.filename}: the file cannot be read ({error.strerror})"
        ) from error


def parse_only(only: Iterable[str]) -> dict[str, list[str]]:
    """Return the patterns that conditions such as ``"attempt=rules,fold=0"`` give for each key.

    Examples
    --------
    >>> parse_only(['attempt="svm (C=1, gamma=2)",fold=0'])
    {'attempt': ['svm (C=1, gamma=2)'], 'fold': ['0']}
    """
    wanted: dict[str, list[str]] = {}
    for condition in (part for text in only for part in _parted(text)):
        key, equals, pattern = (piece.strip() for piece in condition.partition("="))
        if not (equals and pattern):
            raise MatrixError(f"--only {condition}: must be KEY=VALUE, as in attempt=rules,fold=0")
        if key not in _ONLY_KEYS:
            raise MatrixError(f"--only {condition}: unknown key {key!r}; {did_you_mean(key, _ONLY_KEYS)}")
        wanted.setdefault(key, []).append(re.sub(r'^"(.*)"$', r"\1", pattern))
    return wanted


def _parted(text: str) -> list[str]:
    """Divide conditions at the commas that are not in quotation marks."""
    if text.count('"') % 2:
        raise MatrixError(f"--only {text}: a quotation mark is not closed; each must be one of a pair")
    return re.split(r',(?=(?:[^"]*"[^"]*")*[^"]*$)', text)


def _is_wanted(cell: PlannedCell, wanted: Mapping[str, list[str]]) -> bool:
    axes = cell.axes()
    return all(is_named(axes[key], patterns) for key, patterns in wanted.items())


def is_named(names: Iterable[str], patterns: list[str]) -> bool:
    """Return whether one of the patterns of a condition matches one of some names."""
    return any(
        name == pattern or fnmatch.fnmatchcase(name, pattern) for name in names for pattern in patterns
    )


def _available(cells: list[PlannedCell], wanted: Mapping[str, list[str]]) -> str:
    sentences = []
    for key in wanted:
        names = list(dict.fromkeys(cell.axes()[key][-1] for cell in cells))
        sentences.append(f"{key} may be {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}")
    return "; ".join(sentences)
