"""The matrix: what to run, as a TOML file or a dictionary, checked before anything runs."""

from __future__ import annotations

import json
import math
import os
import re
import tomllib
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    StrictBool,
    ValidationError,
    model_validator,
)

from ...errors import Faults, MatrixError, describe_fault, did_you_mean
from ...features.probes import PROBES
from ...literals import CalibrationMethod
from ..audit.warnings import CODES
from ..datasets.probed import Side
from ..datasets.splits import SPLITS, AnySplit, Split

T = TypeVar("T", bound=Hashable)

# How many points the lists of an attempt's parameters may make, and how much of a wrong value is shown.
_MAX_POINTS = 100_000
_MAX_SHOWN = 200

# Parameters of attempts that are always paths, and the endings of a path where another may be a word.
_FILES, _MODELS = ("path", "file"), (".onnx", ".tflite")

# A thousand years, in seconds.
_MAX_SECONDS = 1000 * 366 * 86400

_SECONDS = {
    "s": 1,
    "sec": 1,
    "second": 1,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86400,
    "day": 86400,
}


def parse_duration(value: object) -> object:
    """Return seconds for ``"90 s"``, ``"10 min"``, ``"2 h"`` or a number of seconds; else the value as it is."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _MAX_SECONDS:
        raise ValueError(f"a time must be at most {_MAX_SECONDS:g} s")
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([a-z]*?)s?\s*", value, re.IGNORECASE)
        unit = (match[2].lower() or "s") if match else ""
        if match is None or unit not in _SECONDS:
            raise ValueError('a time must look like "90 s", "10 min" or "2 h"')
        return float(match[1]) * _SECONDS[unit]
    return value


def _split_from_name(value: object) -> object:
    """Let a split be written as its name alone, and lists without one."""
    if isinstance(value, str):
        value = {"name": value}
    if isinstance(value, dict) and "name" not in value and {"train", "test"} & set(value):
        value = {"name": "official", **value}
    if not isinstance(value, dict):
        raise ValueError("a split must be a name or a table")
    if not isinstance(value.get("name"), str) or value["name"] not in SPLITS:
        raise ValueError(
            f"there is no split {value.get('name')!r}; {did_you_mean(str(value.get('name')), SPLITS)}"
        )
    return value


def _known_code(value: str) -> str:
    if value not in CODES:
        raise ValueError(f"there is no warning {value!r}; {did_you_mean(value, CODES)}")
    return value


def _known_probe(value: str) -> str:
    if value not in PROBES:
        raise ValueError(f"there is no probe {value!r}; {did_you_mean(value, PROBES)}")
    return value


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid")


#: Limits by name, for machines of a size.
PROFILES: Mapping[str, Mapping[str, Any]] = {
    "laptop": {"time": "30 min", "memory": "4 GiB", "threads": 1, "output": "100 MiB"},
    "workstation": {"time": "4 h", "memory": "16 GiB", "threads": 4, "output": "1 GiB"},
    "server": {"time": "24 h", "memory": "64 GiB", "threads": 8, "output": "1 GiB"},
}

Duration = Annotated[float, BeforeValidator(parse_duration), Field(gt=0, le=_MAX_SECONDS)]


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"a number of bytes must be finite, got {value}")
    return value


Bytes = Annotated[ByteSize, BeforeValidator(_finite), Field(gt=0, lt=2**63)]


class Limits(_Checked):
    """What one cell may use, and the features kept for all; keys beside a profile override it."""

    profile: str | None = None
    time: Duration | None = None
    memory: Bytes | None = None
    threads: Annotated[int, Field(ge=1, strict=True)] = 1
    #: What one cell may print, give back, and keep in temporary files, each by itself.
    output: Bytes = ByteSize(100 * 2**20)
    #: What the features kept for all cells may take on the disk.
    cache: Bytes = ByteSize(10 * 2**30)

    @model_validator(mode="before")
    @classmethod
    def _with_profile(cls, content: Any) -> Any:
        name = content.get("profile") if isinstance(content, dict) else None
        if name is None:
            return content
        if not isinstance(name, str) or name not in PROFILES:
            raise ValueError(f"there is no profile {name!r}; {did_you_mean(str(name), PROFILES)}")
        return {**PROFILES[name], **content}


class Tune(_Checked):
    """What a search over an attempt's own space may spend; see `tuning.Budget`."""

    trials: Annotated[int, Field(ge=1, strict=True)] | None = None
    seconds: Duration | None = None
    folds: Annotated[int, Field(ge=2, strict=True)] = 3

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, content: Any) -> Any:
        return {"trials": content} if isinstance(content, int) and not isinstance(content, bool) else content

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.trials is None and self.seconds is None:
            raise ValueError("a search must have a number of trials or of seconds")
        return self

    def label(self) -> str:
        """Return the budget in words: ``20`` trials, ``60 s``, or ``20, 60 s``."""
        parts = [] if self.trials is None else [str(self.trials)]
        parts += [] if self.seconds is None else [f"{self.seconds:g} s"]
        return ", ".join(parts)


class DatasetEntry(_Checked):
    """One ``[[datasets]]``; keys beyond these are options of the data set."""

    model_config = ConfigDict(extra="allow")

    name: str
    split: Annotated[AnySplit, BeforeValidator(_split_from_name)]
    title: str | None = None
    #: What the clips lack, see `features.probes.PROBES`, and whether all do or those that are tested.
    probe: Annotated[str, AfterValidator(_known_probe)] | None = None
    probe_side: Side = "both"
    #: Which probes are run beside the data set, all where it is true; on either side where ``probe_side`` is not given.
    probes: StrictBool | list[Annotated[str, AfterValidator(_known_probe)]] = False

    @property
    def label(self) -> str:
        """The name in tables."""
        return self.title or self.name

    def with_probes(self) -> Iterator[Self]:
        """Yield the entry and, under titles of their own, one for each of its probes and sides."""
        names = [self.probe] if self.probe else list(PROBES) if self.probes is True else self.probes or []
        if self.probe is None:
            yield self.model_copy(update={"probes": False})
        one_side = self.probe or "probe_side" in self.model_fields_set
        for side in [self.probe_side] if one_side else get_args(Side):
            for name in names:
                title = f"{self.label} ({name}{', test only' * (side == 'test')})"
                if self.probe and self.title:
                    title = self.title
                yield self.model_copy(
                    update={"probes": False, "probe": name, "probe_side": side, "title": title}
                )

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments of the data set."""
        return dict(self.model_extra or {})


def _method(value: Any) -> Any:
    return {True: "temperature", False: None}[value] if isinstance(value, bool) else value


class AttemptEntry(_Checked):
    """One ``[[attempts]]``."""

    name: str
    params: dict[str, Any] = Field(default_factory=dict)
    title: str | None = None
    #: Whether the parameters are searched for on the training side of each fold, and for how long.
    tune: Tune | None = None
    #: How probabilities are calibrated on groups held out from the training side; true stands for ``temperature``.
    calibrate: Annotated[CalibrationMethod | None, BeforeValidator(_method)] = None

    def points(self) -> list[dict[str, Any]]:
        """Return the parameter points: every combination of the values that are lists."""
        axes = [value if isinstance(value, list) else [value] for value in self.params.values()]
        return [dict(zip(self.params, values, strict=True)) for values in product(*axes)]

    def label(self, point: Mapping[str, Any], train_groups: int | None = None) -> str:
        """Return the name of a parameter point in tables, with the number of training groups where it is limited."""
        distinct = point if self.title is None or len(self.points()) > 1 else {}
        given = [f"{key}={_plain(key, point[key])}" for key in sorted(distinct)]
        if self.tune is not None and self.title is None:
            given.append(f"tune={self.tune.label()}")
        if self.calibrate is not None and self.title is None:
            given.append(f"calibrate={self.calibrate}")
        if train_groups is not None:
            given.append(f"train_groups={train_groups}")
        name = self.title or self.name
        return f"{name} ({', '.join(given)})" if given else name


class Matrix(_Checked):
    """Data sets x attempts x parameter points x seeds x folds."""

    name: str = Field(min_length=1)
    seeds: list[Annotated[int, Field(ge=0, lt=2**32, strict=True)]] = Field(
        default_factory=lambda: [0], min_length=1
    )
    #: How many of each fold's training groups are used; an axis.
    train_groups: list[Annotated[int, Field(ge=1, strict=True)] | Literal["all"]] = Field(
        ["all"], min_length=1
    )
    limits: Limits = Limits()
    #: Codes of warnings that tables need not show.
    silence: list[Annotated[str, AfterValidator(_known_code)]] = Field(default_factory=list)
    #: Whether the store keeps thumbnails of clips that are hard.
    thumbnails: StrictBool = True
    datasets: list[DatasetEntry] = Field(min_length=1)
    attempts: list[AttemptEntry] = Field(min_length=1)


def builtin_matrices() -> dict[str, Path]:
    """Return the matrices that come with actionbench, by name."""
    return {path.stem: path for path in sorted((Path(__file__).parents[1] / "matrices").glob("*.toml"))}


def read_matrix(source: str | Path | Mapping[str, Any], changes: Iterable[str] = ()) -> Matrix:
    """Read and check a matrix.

    Parameters
    ----------
    source : path, str or mapping
        A TOML file, the name of a built-in matrix, or the content as a dictionary. In data sets and attempts,
        ``root``, ``path``, ``poses``, models of poses, the lists of a split and whatever begins with ``./`` or ``../``
        are relative to the file, and ``${NAME}`` is replaced by an environment variable.
    changes : iterable of str
        ``KEY=VALUE`` as for ``--set``: a dotted key, where an entry of a list is named by its ``name`` or its
        number, and a TOML value (or a bare word).

    Raises
    ------
    MatrixError
        If it cannot be read or is not valid, in one sentence that names file and key.
    """
    if isinstance(source, Mapping):
        where, folder, content = "matrix", Path.cwd(), dict(source)
    else:
        where, folder, content = _read_toml(source)
    for change in changes:
        _set(content, change)
    try:
        content = _expand(content, folder)
        matrix = Matrix.model_validate(content)
        probed = [one for entry in matrix.datasets for one in entry.with_probes()]
        matrix = matrix.model_copy(update={"datasets": probed})
        _check_unique(matrix)
    except ValidationError as error:
        raise MatrixError(*(f"{where}: {fault}" for fault in _sentences(error, content))) from error
    except MatrixError as error:
        raise MatrixError(*(f"{where}: {fault}" for fault in error.args)) from error
    return matrix


def _read_toml(source: str | Path) -> tuple[str, Path, dict[str, Any]]:
    path = Path(source)
    # Unlike that of a path, it is no error where a name is too long to be one.
    if not os.path.isfile(path):
        builtin = builtin_matrices()
        if str(source) not in builtin:
            raise MatrixError(
                f"{source}: there is no such matrix; it must be a TOML file or one of the built-in "
                f"{', '.join(builtin)}"
            )
        return str(source), Path.cwd(), tomllib.loads(builtin[str(source)].read_text(encoding="utf-8"))
    try:
        return str(path), path.parent, tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise MatrixError(f"{path}: not a TOML file in UTF-8 ({error})") from error


def _expand(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Put in environment variables and make the paths of data sets and attempts absolute."""
    expanded = dict(content)
    for key, expand in (("datasets", _expand_dataset), ("attempts", _expand_attempt)):
        if isinstance(content.get(key), list):
            expanded[key] = [
                expand(_resolved(entry, folder), folder) if isinstance(entry, dict) else entry
                for entry in content[key]
            ]
    return expanded


def _expand_dataset(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    for key in ("root", "path", "poses"):
        _make_absolute(entry, key, folder)
    if isinstance(split := entry.get("split"), dict) and split.get("name") != "column":
        for key in ("train", "test", "lists"):
            _make_absolute(split, key, folder)
    return entry


def _expand_attempt(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    if isinstance(params := entry.get("params"), dict):
        for key, value in params.items():
            values = value if isinstance(value, list) else [value]
            found = [_absolute(one, folder) if _is_file(key, one) else one for one in values]
            params[key] = found if isinstance(value, list) else found[0]
    return entry


def _is_file(key: str, value: Any) -> bool:
    return isinstance(value, str) and (key in _FILES or (key == "pose" and value.endswith(_MODELS)))


def _make_absolute(content: dict[str, Any], key: str, folder: Path) -> None:
    """Make what is always a path absolute."""
    if key in content:
        content[key] = _absolute(content[key], folder)


def _absolute(path: Any, folder: Path) -> Any:
    """Return a path as an absolute one, or a list of such; anything else stays, to be refused later."""
    if isinstance(path, list):
        return [_absolute(item, folder) for item in path]
    return str(folder.absolute() / path) if isinstance(path, str) else path


def _resolved(value: Any, folder: Path) -> Any:
    """Return a copy with environment variables put in, where what begins with ``./`` or ``../`` is absolute."""
    if isinstance(value, str):
        value = re.sub(r"\$\{(\w+)\}", _variable, value)
        return _absolute(value, folder) if value.startswith(("./", "../")) else value
    if isinstance(value, list):
        return [_resolved(item, folder) for item in value]
    if isinstance(value, dict):
        return {key: _resolved(item, folder) for key, item in value.items()}
    return value


def _variable(match: re.Match[str]) -> str:
    try:
        return os.environ[match[1]]
    except KeyError:
        raise MatrixError(f"{match[0]}: the environment variable {match[1]} is not set") from None


def parse_change(change: str) -> tuple[str, Any]:
    """Return key and value of ``KEY=VALUE``, where the value is TOML or else a bare word.

    Examples
    --------
    >>> parse_change("limits.threads=2"), parse_change("split=leaky-random")
    (('limits.threads', 2), ('split', 'leaky-random'))
    """
    if not _is_utf8(change):
        raise MatrixError(f"--set {change}: must be UTF-8")
    key, equals, text = change.partition("=")
    if not (equals and key.strip()):
        raise MatrixError(f"--set {change}: must be KEY=VALUE, as in limits.threads=2")
    try:
        return key.strip(), tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), text
    except (ValueError, RecursionError) as error:
        raise MatrixError(f"--set {change}: {error}") from error


def parse_split(text: str) -> Split:
    """Return a split that is written as in a matrix: a name, or a table in TOML.

    Examples
    --------
    >>> parse_split("leave-one-group-out").label(), parse_split('{ name = "group-k-fold", folds = 3 }').label()
    ('leave-one-group-out', 'group-k-fold(3)')
    """
    entry = {"name": "any", "split": parse_change(f"split={text}")[1]}
    return (
        read_matrix({"name": "any", "attempts": [{"name": "chance"}], "datasets": [entry]}).datasets[0].split
    )


def _set(content: dict[str, Any], change: str) -> None:
    """Apply one ``KEY=VALUE``."""
    key, value = parse_change(change)
    *parents, last = key.split(".")
    place: Any = content
    for part in parents:
        place = _step(place, part, change)
    if isinstance(place, list):
        place[_position(place, last, change)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise MatrixError(f"--set {change}: {parents[-1]!r} holds no keys")


def _step(place: Any, part: str, change: str) -> Any:
    if isinstance(place, list):
        return place[_position(place, part, change)]
    if isinstance(place, dict):
        return place.setdefault(part, {})
    raise MatrixError(f"--set {change}: there is nothing below {part!r}")


def _position(entries: list[Any], part: str, change: str) -> int:
    """Find an entry of a list by its name or number."""
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in entries]
    if part in names:
        return names.index(part)
    if part.isdecimal() and len(part) < 10 and int(part) < len(entries):
        return int(part)
    known = ", ".join(str(name) for name in names)
    raise MatrixError(f"--set {change}: there is no entry {part!r}; there are {known}")


def _check_unique(matrix: Matrix) -> None:
    """Refuse two entries with the same name in a table, and what is no point."""
    faults = Faults()
    for entry in matrix.attempts:
        with faults:
            _check_params(entry)
    faults.check()
    datasets = [(entry.label, entry.split.label()) for entry in matrix.datasets]
    attempts = [(entry.label(point),) for entry in matrix.attempts for point in entry.points()]
    for kind, names in (("datasets", datasets), ("attempts", attempts)):
        for name in _repeated(names):
            shown = " under ".join(name)
            faults.add(MatrixError(f"{kind}: {shown!r} is there twice; give one of them a title of its own"))
    for key, values in (("seeds", matrix.seeds), ("train_groups", matrix.train_groups)):
        for value in _repeated(values):
            faults.add(MatrixError(f"{key}: {value} is there twice"))
    faults.check()


def _repeated(values: Iterable[T]) -> list[T]:
    return [value for value, count in Counter(values).items() if count > 1]


def _check_params(entry: AttemptEntry) -> None:
    """Refuse parameters that make no point, that make too many, that a store cannot hold, or that are set elsewhere."""
    if "random_state" in entry.params:
        raise MatrixError(f"attempts: {entry.name!r} must not set random_state; it comes from seeds")
    n_points = 1
    for key, value in entry.params.items():
        where = f"attempts: {entry.name!r}: params.{key}"
        if value == []:
            raise MatrixError(f"{where} is an empty list; it must hold a value")
        try:
            json.dumps(value)
        except (TypeError, ValueError, RecursionError) as error:
            raise MatrixError(
                f"{where}: must be a number, a string, true, false, or a list or table of them, "
                f"got {_shown(value)}"
            ) from error
        n_points *= len(value) if isinstance(value, list) else 1
        if n_points > _MAX_POINTS:
            raise MatrixError(f"{where}: the lists make more than {_MAX_POINTS} points; make them shorter")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits, a list in a list in a list ...
        return type(value).__name__
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def _sentences(error: ValidationError, content: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each fault that pydantic found, without those that follow from another."""
    found = error.errors(include_url=False)
    unknown = [one["loc"] for one in found if one["type"] == "extra_forbidden"]
    sentences = dict[tuple[int | str, ...], str]()
    for one in found:
        loc = one["loc"]
        if one["type"] == "missing" and any(
            other[:-1] == loc[:-1] and get_close_matches(str(other[-1]), [str(loc[-1])]) for other in unknown
        ):
            continue
        # Each member of a union complains of the same value.
        keys = loc if one["type"] == "missing" else _keys(content, loc)
        parts = [part for part in loc if part not in SPLITS]
        sentences.setdefault(keys, describe_fault(one, parts, partial(_known_keys, parts), _shown))
    return list(sentences.values())


def _keys(content: Any, loc: Iterable[int | str]) -> tuple[int | str, ...]:
    """Return the parts of a location that are keys and positions, not the members of a union."""
    keys = []
    for part in loc:
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            continue
        keys.append(part)
    return tuple(keys)


def _known_keys(parts: list[int | str]) -> list[str]:
    """Return the keys that are allowed where an unknown one was found."""
    tables: dict[str, type[BaseModel]] = {"limits": Limits, "attempts": AttemptEntry}
    if "tune" in parts:
        return list(Tune.model_fields)
    if "split" in parts:
        fields = [split.model_fields for split in SPLITS.values()]
        return sorted({field.alias or name for table in fields for name, field in table.items()})
    model = tables.get(str(parts[0]), Matrix) if len(parts) > 1 else Matrix
    return list(model.model_fields)


def _plain(key: str, value: Any) -> str:
    # A file is known by its name wherever it lies.
    if _is_file(key, value):
        return Path(value).name
    return f"{value:g}" if isinstance(value, float) else str(value)
