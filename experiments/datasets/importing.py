"""From annotations to a matrix: what they are, with reasons; the groups are the user's choice."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeGuard
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from ...errors import ActionbenchError, DataError, SplitError
from ...features.images import image_files
from ...features.video import open_container, video_stream
from .annotations import CROP, AnnotatedVideos, read_classes, seconds_of
from .base import GROUPS_UNKNOWN, Dataset
from .files import VideoFiles
from .folder import Folder
from .formats import Source, recognise
from .readers.elan import Elan
from .readers.videofolder import METADATA, SPLITS
from .registry import dataset_registry, make_dataset, option_names
from .splits import SPLITS as SPLIT_CLASSES
from .splits import LeaveOneGroupOut, usual_split
from .table import ALIASES, READERS, Table, read_lines, usual_column

#: Words in the names of columns that hold groups, the surest first.
GROUP_WORDS = tuple(
    "group subject participant person people performer actor speaker signer patient player user subj pid "
    "source youtube video session recording".split()
)
#: What names of files hold of groups, the surest first, and what that is in words.
GROUP_PATTERNS: Mapping[str, str] = {
    r"(?P<group>(?i:person|subject|participant|subj|actor|performer|speaker|patient)[-_]?\d+)": "a word with a number",
    r"(?:^|[-_])(?P<group>[gG]\d+)(?:[-_.]|$)": "g and a number",
    r"(?:^|[-_])(?P<group>[sS]\d+)(?:[-_.]|$)": "s and a number",
    r"(?:^|[-_])(?P<group>[pP]\d+)(?:[-_.]|$)": "p and a number",
    r"^(?P<group>[^_]+)_": "what is before the first _",
    r"^(?P<group>[^-]+)-": "what is before the first -",
    r"^(?P<group>[^_]+_[^_]+)_": "what is before the second _",
    r"^(?P<group>.+)_[^_]+$": "what is before the last _",
    r"_(?P<group>[^_]+)\.[^.]+$": "what is behind the last _",
}
#: Names of columns that divide a data set, and the values that train, test and validate.
SPLIT_COLUMNS = frozenset("split subset part partition set fold usage".split())
TRAIN, TEST, VALIDATION = (
    frozenset(words.split())
    for words in ("train training trn", "test testing tst", "val valid validation dev")
)
#: Frames per second that images are taken to have.
IMAGE_RATE = 25

# Other names of limits of pieces, and how many videos are opened to tell seconds from frames.
_LIMITS = {
    "start": r"start|begin|onset|from|t_?start|(start|begin|onset)_?(frame|sec|second|seconds|s)|frame_?start",
    "end": r"end|stop|offset|to|t_?end|(end|stop|offset)_?(frame|sec|second|seconds|s)|frame_?end",
}
_OPENED = 3
# Folders in which videos are looked for, and values that a reason shows.
_MAX_ROOTS, _SHOWN = 30, 3


class Candidate(NamedTuple):
    """A value of ``groups``, how many groups it makes (None where it makes none), and why it may be meant or not."""

    groups: str
    n_groups: int | None
    reason: str
    useful: bool = True


@dataclass(frozen=True)
class Guess:
    """What a file or a folder is taken for.

    Parameters
    ----------
    reader : str
        The name of the data set in a matrix.
    options : mapping
        Its keys in a matrix, paths as `Path`; without ``groups`` until they are chosen.
    split : mapping or None
        The split, None as long as it depends on the choice of groups.
    candidates : list of Candidate
        Where groups may come from, the best first; none where the data set has its own.
    reasons : mapping
        A sentence on each thing that is guessed.
    dataset : Dataset
        The data set; without known groups as long as they are not chosen.
    """

    reader: str
    options: Mapping[str, Any]
    split: Mapping[str, Any] | None
    candidates: list[Candidate]
    reasons: Mapping[str, str]
    dataset: Dataset = field(repr=False, compare=False)

    @property
    def takes_groups(self) -> bool:
        """Whether groups are to be chosen."""
        return _takes_groups(self.dataset)

    def choose(self, groups: str) -> Guess:
        """Return the guess with groups that somebody has chosen, and the split that follows from them.

        Raises
        ------
        DataError
            If the data set has groups of its own, or the value gives none.
        """
        if not self.takes_groups:
            raise DataError(f"--groups: {self.reader} has groups of its own; leave it out")
        options = {**self.options, "groups": groups}
        dataset = _make(self.reader, options)
        split, why = _guess_split(dataset)
        reasons = {**self.reasons, "groups": _judged(dataset, groups, "chosen by you").reason, "split": why}
        return replace(
            self, options=options, split=split, reasons=reasons | _conditions(dataset, split), dataset=dataset
        )

    def as_json(self) -> dict[str, Any]:
        """Return all but the data set, as values of JSON."""
        return {
            "reader": self.reader,
            "entry": {"name": self.reader, **_plain(self.options)},
            "split": _plain(self.split),
            "groups": [candidate._asdict() for candidate in self.candidates],
            "reasons": dict(self.reasons),
        }


def guess(
    path: str | Path, *, label: str | None = None, unit: str | None = None, root: str | Path | None = None
) -> Guess:
    """Look at a file or a folder and find out how it can be a data set.

    Parameters
    ----------
    path : path
        Annotations as one of the readers takes them, or a folder of clips.
    label : str, optional
        What holds the labels: a column of a table, a tier or linguistic type of ELAN, an attribute of CVAT.
    unit : {"seconds", "frames"}, optional
        What ``start`` and ``end`` of a table are counted in.
    root : path, optional
        The folder that paths in annotations are relative to.

    Raises
    ------
    ActionbenchError
        If the format is not known, what holds the labels is not clear, or the reader refuses what is there.
    """
    source, reader, why = recognise(path)
    cls = dataset_registry().get(reader)
    options: dict[str, Any] = {"path" if "path" in option_names(cls) else "root": source.path}
    reasons = {"format": f"{reader}: {why}"}
    found, sentences = _LABELS.get(reader, _fixed_labels)(source, label)
    options |= found
    reasons |= sentences
    if "path" in options:
        options, more = _annotated(reader, options, root, unit)
        reasons |= more
    elif root is not None or unit is not None:
        raise DataError(f"--{'root' if root else 'unit'}: {reader} reads videos in a folder; leave it out")
    dataset = _make(reader, options | ({"groups": "none"} if "groups" in option_names(cls) else {}))
    candidates: list[Candidate] = []
    if _takes_groups(dataset):
        candidates, groups = _candidates(dataset), "to be chosen"
        split, why = _given_split(dataset)
        why = why or "follows from the groups: a fold each where they are few, otherwise five folds"
    else:
        groups = f"the data set has its own, {len(set(dataset.groups))}"
        split, why = _guess_split(dataset)
    reasons |= {**_remarks(dataset), "groups": groups, "split": why, **_conditions(dataset, split)}
    return Guess(reader, options, split, candidates, reasons, dataset)


def _takes_groups(dataset: Dataset) -> TypeGuard[AnnotatedVideos | Folder]:
    return "groups" in option_names(type(dataset))


def _make(reader: str, options: Mapping[str, Any]) -> Dataset:
    dataset = make_dataset(dataset_registry().get(reader), reader, options)
    _ = dataset.table
    return dataset


def _remarks(dataset: Dataset) -> dict[str, str]:
    """Return what is to be said of the clips."""
    n_classes = len(dataset.classes)
    found = {"clips": f"{len(dataset)} clips of {n_classes} classes: {_some(dataset.classes)}"}
    remarks = [warning for warning in dataset.warnings if warning != GROUPS_UNKNOWN]
    if remarks:
        found["remarks"] = " ".join(remarks)
    return found


def _conditions(dataset: Dataset, split: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what is to be said of columns that have no other meaning."""
    taken = ("clip", "label", "group", (split or {}).get("column"))
    columns = [name for name in dataset.table if name not in taken]
    return {"conditions": f"accuracies are shown under each {_some(columns, 20)}" if columns else "none"}


# Labels


def _fixed_labels(source: Source, label: str | None) -> tuple[dict[str, Any], dict[str, str]]:
    if label is not None:
        raise DataError(
            f"--label {label}: the labels of {source.path.name} are in one place only; leave it out"
        )
    return {}, {}


def _table_labels(source: Source, label: str | None) -> tuple[dict[str, Any], dict[str, str]]:
    """Return which columns of a table have paths, labels and limits, and what makes it readable."""
    ending = source.path.suffix.lower()
    options: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    if READERS[f".{source.table_format}"] is not READERS.get(ending, read_lines):
        options["format"] = source.table_format
    table = Table(source.path, groups="none", **options)
    try:
        rows = table.written()
    except (OSError, ValueError, csv.Error):
        # The data set says it in a sentence.
        return options, reasons
    columns = {}
    if usual_column(rows, "path") is None:
        columns["path"] = _path_column(source, rows)
    if label is not None or usual_column(rows, "label") is None:
        columns["label"], reasons["label"] = _label_column(source.path, rows, label)
    else:
        name = usual_column(rows, "label")
        reasons["label"] = f"the column {name!r}, by its name"
    columns |= _limit_columns(rows)
    columns = {ours: name for ours, name in columns.items() if usual_column(rows, ours) != name}
    return options | ({"columns": columns} if columns else {}), reasons


def _path_column(source: Source, rows: pd.DataFrame) -> str:
    """Return the column most of whose values name clips."""
    for name in rows:
        values = rows[name].dropna().astype(str).head(_MAX_ROOTS)
        if len(values) and sum(map(source.is_clip, values)) * 2 > len(values):
            return str(name)
    raise DataError(
        f"{source.path}: no column names videos; it has {_some(rows.columns, 20)}; one must be called path, video or "
        "file_name, or hold names of video files"
    )


def _label_column(path: Path, rows: pd.DataFrame, label: str | None) -> tuple[str, str]:
    """Return the column of the labels and why it is that."""
    if label is not None:
        if label not in rows:
            raise DataError(f"--label {label}: {path} has no such column; it has {_some(rows.columns, 20)}")
        return label, f"the column {label!r}, chosen by you"
    possible = {str(name): len(set(rows[name].astype(str))) for name in rows if _may_be_label(rows, name)}
    if len(possible) == 1:
        (name, n_values), *_ = possible.items()
        return (
            name,
            f"the column {name!r}, the only one of words with few distinct values, {n_values} of them",
        )
    columns = [f"{name!r} ({n_values} values)" for name, n_values in possible.items()]
    raise DataError(
        f"{path}: no column is called {', '.join(ALIASES['label'])}; give --label COLUMN, which may be "
        + (" or ".join(columns) or f"one of {_some(rows.columns, 20)}")
    )


def _may_be_label(rows: pd.DataFrame, name: Any) -> bool:
    """Return whether a column has words, some of which come several times, and no other meaning."""
    known = str(name).strip().lower()
    taken = {alias for aliases in ALIASES.values() for alias in aliases} | SPLIT_COLUMNS
    values = rows[name].dropna()
    is_text = all(isinstance(value, str) for value in values) and not pd.api.types.is_numeric_dtype(values)
    few = 2 <= len(set(values.astype(str))) <= len(rows) / 2
    return is_text and few and known not in taken and _group_rank(str(name)) is None


def _limit_columns(rows: pd.DataFrame) -> dict[str, str]:
    """Return the columns of start and end where both are there, one at least under an unusual name."""
    found = {}
    for ours, pattern in _LIMITS.items():
        names = [str(name) for name in rows if re.fullmatch(pattern, str(name).strip().lower())]
        unusual = next((name for name in names if _are_times(rows[name])), None)
        found[ours] = usual_column(rows, ours) or unusual
    return {ours: name for ours, name in found.items() if name} if all(found.values()) else {}


def _are_times(values: pd.Series) -> bool:
    try:
        return bool(pd.Series([seconds_of(value) for value in values]).notna().any())
    except ValueError:
        return False


def _videofolder_labels(source: Source, label: str | None) -> tuple[dict[str, Any], dict[str, str]]:
    folders = [source.path, *(source.path / part for part in SPLITS)]
    files = [folder / name for folder in folders for name in METADATA if (folder / name).is_file()]
    if not files:
        return _fixed_labels(source, label)[0], {"label": "the folder of each video"}
    try:
        rows = Table(files[0], groups="none").written()
    except (OSError, ValueError, csv.Error):
        return {}, {}
    name = usual_column(rows, "label") if label is None else None
    if name is not None:
        return ({} if name == "label" else {"label": name}), {"label": f"the column {name!r}, by its name"}
    name, why = _label_column(files[0], rows, label)
    return {"label": name}, {"label": why}


def _elan_labels(source: Source, label: str | None) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the tier; one that is not stated is the only one, or the only linguistic type."""
    tiers, types = Counter[str](), Counter[str]()
    for file in Elan(source.path, groups="none").annotation_files(".eaf"):
        try:
            elements = list(ElementTree.parse(file).getroot().iter("TIER"))
        except (OSError, ElementTree.ParseError):
            return {}, {}
        for tier in elements:
            if n_annotations := sum(1 for _ in tier.iter("ANNOTATION")):
                tiers[tier.get("TIER_ID", "")] += n_annotations
                types[tier.get("LINGUISTIC_TYPE_REF", "")] += n_annotations
    if label is not None:
        return {"tier": label}, {"label": f"the tier or linguistic type {label!r}, chosen by you"}
    for kind, names in (("tier", tiers), ("linguistic type", types)):
        if len(names) == 1:
            name, n_annotations = names.popitem()
            return {"tier": name}, {
                "label": f"{n_annotations} annotations of the {kind} {name!r}, the only one with any"
            }
    if not tiers:
        return {}, {}
    raise DataError(
        f"{source.path}: give --label TIER, {_counted(tiers)}, or the linguistic type {_counted(types)}"
    )


def _counted(names: Counter[str]) -> str:
    return " or ".join(f"{name!r} ({count} annotations)" for name, count in names.items())


def _cvat_labels(source: Source, label: str | None) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the attribute with the action; ``object``, the label of the track, is one."""
    try:
        tracks = list(ElementTree.parse(source.path).getroot().iter("track"))
    except (OSError, ElementTree.ParseError):
        return {}, {}
    values: dict[str, set[str]] = {"object": {track.get("label", "") for track in tracks}}
    for track in tracks:
        for one in track.iter("attribute"):
            values.setdefault(one.get("name", ""), set()).add(one.text or "")
    several = [name for name in values if len(values[name]) > 1]
    usual = [name for name in several if name.lower() in ALIASES["label"]]
    chosen = label or next(iter(usual or (several if len(several) == 1 else [])), None)
    if label is not None:
        why = "chosen by you"
        if label not in values:
            raise DataError(
                f"--label {label}: {source.path} has no such attribute; it has {_some(values, 20)}"
            )
    else:
        why = "by its name" if usual else "the only one with several values"
    if chosen is None and several:
        counts = " or ".join(f"{name!r} ({len(values[name])} values)" for name in several)
        raise DataError(
            f"{source.path}: give --label ATTRIBUTE, {counts}; 'object' stands for the label of the track"
        )
    if chosen in (None, "object"):
        return {}, {"label": "the labels of the tracks"}
    return {"attribute": chosen}, {"label": f"the attribute {chosen!r}, {why}"}


#: What finds the labels of a format, where they may be in several places.
_LABELS: Mapping[str, Callable[[Source, str | None], tuple[dict[str, Any], dict[str, str]]]] = {
    "table": _table_labels,
    "videofolder": _videofolder_labels,
    "elan": _elan_labels,
    "cvat": _cvat_labels,
}


# Files, classes, limits


def _annotated(
    reader: str, options: dict[str, Any], root: str | Path | None, unit: str | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return options and reasons with the folder of the videos, names of classes, rate of images, and unit."""
    dataset, options, reasons = _located(reader, options, root)
    if reader == "table" and (classes := _classes(dataset)):
        options["classes"] = classes
        reasons["classes"] = f"{classes.name} names each label"
    if dataset.fps is None and any(
        path.is_dir() or path.suffix.lower() == ".npy" for path in dataset.rows["path"]
    ):
        options["fps"] = IMAGE_RATE
        reasons["fps"] = f"images do not say their rate; {IMAGE_RATE} a second is an assumption: correct it"
    if reader in ("table", "videofolder"):
        found, why = _unit(dataset, unit, options)
        if found:
            options |= {"unit": found} if found != "seconds" else {}
            reasons["unit"] = why
    elif unit is not None:
        raise DataError(f"--unit {unit}: {reader} counts in its own; leave it out")
    return options, reasons


def _located(
    reader: str, options: dict[str, Any], root: str | Path | None
) -> tuple[AnnotatedVideos, dict[str, Any], dict[str, str]]:
    """Return the data set under the root with most videos, its options, and reasons."""

    def make(more: Mapping[str, Any]) -> Any:
        return _make(reader, {**options, "groups": "none", **more})

    given: dict[str, Any] = {} if root is None else {"root": Path(root).absolute()}
    try:
        return make(given), options | given, {}
    except DataError as error:
        first = error
    tried = [given] if given else [{}, *({"root": folder} for folder in _near(options["path"]))]
    found: list[tuple[int, dict[str, Any]]] = []
    for more in tried:
        try:
            found.append((len(make(more | {"missing": "drop"})), more))
        except ActionbenchError:
            continue
    if not found:
        raise first
    n_clips, more = max(found, key=lambda one: one[0])
    reasons = {} if root or not more else {"root": f"{n_clips} of the clips are found below {more['root']}"}
    try:
        return make(more), options | more, reasons
    except DataError:
        more = {**more, "missing": "drop"}
        reasons["missing"] = "some videos do not exist; they are left out and counted"
        return make(more), options | more, reasons


def _near(path: Path) -> list[Path]:
    """Return folders in which the videos of annotations may lie."""
    folder = path if path.is_dir() else path.parent
    return [folder.parent, *_folders_in(folder), *_folders_in(folder.parent)][:_MAX_ROOTS]


def _folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder, without hidden ones; none where they may not be seen."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    except OSError:
        return []
    return [folder / name for name in names if not name.startswith(".")]


def _classes(dataset: AnnotatedVideos) -> Path | None:
    """Return a file beside the annotations that names each label, where the labels are numbers."""
    labels = set(dataset.rows["label"])
    if not all(label.isdigit() for label in labels):
        return None
    for file in sorted(dataset.annotations.parent.glob("*.txt")):
        try:
            names = read_classes(file) if file != dataset.annotations else {}
        except DataError:
            continue
        if labels <= set(names) and not any(map(str.isdigit, names.values())):
            return file
    return None


def _unit(dataset: AnnotatedVideos, unit: str | None, options: Mapping[str, Any]) -> tuple[str | None, str]:
    """Return what limits of pieces are counted in, None where there are none."""
    limits = dataset.rows[["start", "end"]].max(axis=1)
    if unit is not None:
        return unit, "chosen by you"
    if limits.isna().all():
        return None, ""
    if any("frame" in name.lower() for name in options.get("columns", {}).values()):
        return "frames", "frames, by the names of the columns"
    if np.any(dataset.rows[["start", "end"]].to_numpy() % 1 > 0):
        return "seconds", "seconds: some have a fraction"
    last = limits.groupby(dataset.rows["path"].map(str)).max().sort_values().iloc[-_OPENED:]
    for name, end in last[::-1].items():
        path = Path(str(name))
        seconds, n_frames = _length(path, dataset.fps or IMAGE_RATE)
        where = f"{path.name} has {seconds:.0f} s and {n_frames:.0f} frames, a piece of it ends at {end:g}"
        if n_frames and end > n_frames + 1:
            raise DataError(
                f"{dataset.annotations}: {where}; times must be in seconds or frames, or give --unit"
            )
        if seconds and end > seconds + 1:
            return "frames", f"frames: {where}"
    return "seconds", "seconds: no piece ends behind the end of its video"


def _length(path: Path, rate: float) -> tuple[float, float]:
    """Return seconds and frames of a video, by its header; zeros where that is not known."""
    if path.is_dir() or path.suffix.lower() == ".npy":
        n_frames = len(image_files(path)) if path.is_dir() else len(np.load(path, mmap_mode="r"))
        return n_frames / rate, n_frames
    try:
        with open_container(path) as container:
            seconds = (container.duration or 0) / 1e6
            return seconds, seconds * float(video_stream(container, path).average_rate or 0)
    except DataError:
        return 0.0, 0.0


# Groups


def _group_rank(column: str) -> int | None:
    """Return how sure it is by the name of a column that it holds groups, 0 the surest."""
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column).lower())
    stems = {re.sub("(s|id|no|nr|code|name)$", "", word) for word in words} | set(words)
    return min((GROUP_WORDS.index(word) for word in stems & set(GROUP_WORDS)), default=None)


def _candidates(dataset: AnnotatedVideos | Folder) -> list[Candidate]:
    """Return where groups may come from, the best first and the useless last; each division of the clips once."""
    found: list[Candidate] = []
    seen: set[tuple[int, ...]] = set()
    for value, why, kind in _sources(dataset):
        try:
            groups = dataset.groups_by(value)
        except DataError as error:
            found += [Candidate(value, None, f"{why}, but {error}", useful=False)] if kind == "named" else []
            continue
        division = tuple(pd.factorize(np.array(groups, object))[0].tolist())
        is_division = 1 < len(set(groups)) < len(groups)
        if kind == "named" or (is_division and (kind == "column" or division not in seen)):
            found.append(_judged(dataset, value, why, groups))
        seen.add(division)
    return sorted(found, key=lambda one: not one.useful)


def _sources(
    dataset: AnnotatedVideos | Folder,
) -> Iterator[tuple[str, str, Literal["named", "column", "pattern"]]]:
    """Yield values of ``groups``, why they may be meant, and what they are."""
    columns: list[str] = []
    if isinstance(dataset, Folder):
        for file in sorted(dataset.root.glob("*.csv")):
            if {"path", "group"} <= set(Source(file).columns):
                yield file.name, "a list of groups in the folder", "named"
    else:
        taken = {"path", "label", "start", "end", "none", *CROP, *SPLIT_COLUMNS}
        columns = [str(name) for name in dataset.rows if str(name).lower() not in taken]
    ranked = {name: rank for name in columns if (rank := _group_rank(name)) is not None}
    for name in sorted(ranked, key=lambda one: ranked[one]):
        yield name, "a column with the name of one", "named"
    if isinstance(dataset, AnnotatedVideos) and dataset.rows[["start", "end"]].notna().to_numpy().any():
        yield "^(?P<group>.+)$", "the video that a piece is from", "pattern"
    for pattern, what in GROUP_PATTERNS.items():
        yield pattern, f"{what} in the names of files", "pattern"
    for name in columns:
        is_text = not pd.api.types.is_numeric_dtype(dataset.rows[name])  # type: ignore[union-attr]
        if name not in ranked and name != "annotator" and is_text:
            yield name, "a column of words", "column"


def _judged(dataset: Dataset, value: str, why: str, groups: list[str] | None = None) -> Candidate:
    """Return a candidate with what its groups are good for."""
    groups = dataset.groups.tolist() if groups is None else groups
    pairs = set(zip(dataset.labels.tolist(), groups, strict=True))
    n_groups = len(set(groups))
    per_class = Counter(label for label, _ in pairs)
    single = sorted(label for label, count in per_class.items() if count == 1)
    reason, useful = f"{why}; {n_groups} groups", False
    if value == "none":
        reason = "groups are unknown, which every table will say"
    elif n_groups == len(groups):
        reason += ", useless: each has one clip, so that nothing that belongs together is kept together"
    elif n_groups == 1:
        reason += ", useless: a split needs two"
    elif len(single) == len(per_class):
        reason += ", useless: each class has one group only, without which it cannot be learned"
    else:
        useful = True
        if single:
            reason += f"; classes of one group only are never recognised: {_some(single)}"
    return Candidate(value, n_groups, reason, useful)


# Splits


def _guess_split(dataset: Dataset) -> tuple[dict[str, Any], str]:
    """Return the split of a data set whose groups are known, and why."""
    given, why = _given_split(dataset)
    if given is not None:
        return given, why
    split = usual_split(dataset) or LeaveOneGroupOut()
    enough = "few enough" if isinstance(split, LeaveOneGroupOut) else "too many"
    reason = f"{len(set(dataset.groups))} groups are {enough} for a fold each"
    chosen = split.model_dump(by_alias=True, exclude={"seed"})
    return chosen, f"{reason}{'; ' if why else ''}{why}"


def _given_split(dataset: Dataset) -> tuple[dict[str, Any] | None, str]:
    """Return the split that comes with a data set and why, or None and why what there is cannot be one."""
    refused = []
    for split, why in (*_published_splits(dataset), *_column_splits(dataset), *_list_splits(dataset)):
        keys = {key: value for key, value in split.items() if key != "name"}
        try:
            SPLIT_CLASSES[split["name"]](**keys).folds(dataset)
        except (SplitError, DataError) as error:
            refused.append(f"{why}, but {error}")
        else:
            return split, why
    return None, "; ".join(refused)


def _published_splits(dataset: Dataset) -> Iterator[tuple[dict[str, Any], str]]:
    try:
        has_some = bool(dataset.published_folds())
    except DataError:
        # Said when they are tried.
        has_some = True
    if has_some and not dataset.published_folds_are_alternatives:
        yield {"name": "published"}, "the folds that it was published with"


def _column_splits(dataset: Dataset) -> Iterator[tuple[dict[str, Any], str]]:
    for column in dataset.table:
        if str(column).strip().lower() not in SPLIT_COLUMNS:
            continue
        values = {str(value) for value in dataset.table[column]}
        train, test, other = (
            sorted(value for value in values if value.strip().lower() in words)
            for words in (TRAIN, TEST, VALIDATION)
        )
        if train and (test or other):
            unused = f"; {_some(other)} is on neither side" if test and other else ""
            yield (
                {
                    "name": "column",
                    "column": column,
                    "train": _one_or_all(train),
                    "test": _one_or_all(test or other),
                },
                f"the column {column!r} has {_some([*train, *(test or other)])}{unused}",
            )


def _one_or_all(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


def _list_splits(dataset: Dataset) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the splits of lists beside the clips or the annotations."""
    if not isinstance(dataset, VideoFiles):
        return
    own = getattr(dataset, "annotations", None)
    for folder in _list_folders(dataset.root, own):
        lists = [path for path in sorted(folder.glob("*.txt")) if path != own]
        numbered = {match[1] for path in lists if (match := re.fullmatch(r".+(_test_split\d+)", path.stem))}
        if numbered:
            patterns = [folder / f"*{end}.txt" for end in sorted(numbered)]
            yield (
                {"name": "numbered-lists", "lists": _one_or_all(patterns)},
                f"{folder.name} has numbered lists",
            )
            continue
        pairs = [(path, pair) for path in lists if (pair := _partner(path)) is not None]
        if pairs:
            train, test = (_one_or_all(list(side)) for side in zip(*pairs, strict=True))
            names = ", ".join(f"{one.name} and {other.name}" for one, other in pairs)
            yield {"name": "official", "train": train, "test": test}, f"there are the lists {names}"


def _list_folders(root: Path, annotations: Path | None) -> list[Path]:
    """Return the folders of the clips and of the annotations, those above, and those in them that are for lists."""
    bases = [root, root.parent] + ([annotations.parent] if annotations else [])
    below = [folder for base in bases for folder in _folders_in(base)]
    lists = [folder for folder in below if re.search("split|list", folder.name, re.IGNORECASE)]
    return list(dict.fromkeys([*bases, *lists]))


def _partner(path: Path) -> Path | None:
    """Return the list of test clips that goes with one of training clips."""
    if "train" not in path.stem.lower():
        return None
    names = {other.name.lower(): other for other in path.parent.glob("*.txt")}
    stems = (path.stem.lower().replace("train", word) for word in ("test", "val", "validation"))
    return next((names[f"{stem}.txt"] for stem in stems if f"{stem}.txt" in names), None)


def _plain(value: Any) -> Any:
    """Return a value with paths as text."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _some(names: Iterable[Any], shown: int = _SHOWN) -> str:
    """Return the first of several names."""
    words = [repr(str(name)) for name in names]
    more = len(words) - shown
    return ", ".join(words[:shown]) + (f" and {more} more" if more > 0 else "")
