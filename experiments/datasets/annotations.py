"""Data sets that are described by a table: a row for each clip, which is a video file or a piece of one."""

from __future__ import annotations

import csv
import hashlib
import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, get_args

import numpy as np
import pandas as pd

from ...errors import DataError
from ...features.clip import Clip
from ...features.images import image_files, read_array, read_images
from ...features.segments import Unit, read_segment
from ...features.video import read_video, resized
from .digests import file_digest
from .files import VIDEO_ENDINGS, VideoFiles, check_choice
from .folder import groups_from_names

#: Columns with the sides of a box in pixels of the video, where a clip shows what is inside of one.
CROP = ("left", "top", "right", "bottom")

# Faulty rows that a message names.
_NAMED = 3


class _Place(NamedTuple):
    """A file or a folder of images, the limits of a piece of it, and the box that a clip shows."""

    path: Path
    start: float | None
    end: float | None
    box: tuple[float, ...] | None

    def name(self, root: Path) -> str:
        """Return a name of the clip, of which the path is below a folder where it is in it."""
        name = (self.path.relative_to(root) if self.path.is_relative_to(root) else self.path).as_posix()
        if self.start is not None or self.end is not None:
            limits = ("" if limit is None else f"{limit:g}" for limit in (self.start, self.end))
            name += f"[{'-'.join(limits)}]"
        return name if self.box is None else f"{name}@{','.join(f'{side:.0f}' for side in self.box)}"


class AnnotatedVideos(VideoFiles):
    """Clips of an annotation file.

    A data set of this kind is a class with `read_annotations`; all else is done here: files are found, rows without a
    label are left out, groups are taken from a column or from names, pieces of long videos are decoded by seeking.

    Parameters
    ----------
    path : path
        The annotation file.
    groups : str
        A column of the annotations, a regular expression with ``(?P<group>...)`` that is searched in the name of the
        video, or ``"none"``, which declares that groups are not known.
    root : path, optional
        The folder that paths in the annotations are relative to; by default that of the annotation file.
    unit : {"seconds", "frames"}
        What ``start`` and ``end`` are counted in, from the first frame, which is frame 0 at 0 seconds.
    where : str, optional
        ``"column = value"``: only the rows with that value.
    classes : path, optional
        A text file with two columns: a label of the annotations and the name of its class; relative to ``root``.
    missing : {"stop", "drop"}
        Whether videos that do not exist are an error, or left out and counted.
    **decoding
        As in `VideoFiles`; folders of images and arrays need ``fps``.
    """

    #: Whether ``path`` may be a folder of annotation files.
    takes_folder: ClassVar[bool] = False

    def __init__(
        self,
        path: str | Path,
        *,
        groups: str,
        root: str | Path | None = None,
        unit: Unit = "seconds",
        where: str | None = None,
        classes: str | Path | None = None,
        missing: str = "stop",
        **decoding: Any,
    ) -> None:
        what = "annotation file, or a folder of such" if self.takes_folder else "annotation file"
        if not isinstance(path, str | Path) or not (
            Path(path).is_file() or (self.takes_folder and Path(path).is_dir())
        ):
            raise DataError(f"path: there is no file {path}; it must be the {what}")
        self.annotations = Path(path)
        folder = self.annotations if self.annotations.is_dir() else self.annotations.parent
        super().__init__(folder if root is None else root, **decoding)
        if not isinstance(groups, str):
            raise DataError(f'groups: must be a column, a regular expression or "none", got {groups!r}')
        if where is not None and "=" not in str(where):
            raise DataError(f'where: must be "column = value", got {where!r}')
        self.unit: Unit = check_choice("unit", unit, get_args(Unit))  # type: ignore[assignment]
        self.groups_known = groups != "none"
        self._groups, self._where = groups, where
        self._classes = None if classes is None else self.root / classes
        self._drops = check_choice("missing", missing, ("stop", "drop")) == "drop"
        self._left_out: list[str] = []
        self._digests: dict[Path, str] = {}

    @abstractmethod
    def read_annotations(self) -> pd.DataFrame:
        """Return one row per clip.

        Returns
        -------
        DataFrame
            Columns ``path`` and ``label``; ``start`` and ``end`` of pieces of videos, empty for whole ones; any others
            are conditions, or hold the groups.
        """

    def annotation_files(self, *endings: str) -> list[Path]:
        """Return the annotation file, or those with one of the endings in the folder, sorted."""
        if self.annotations.is_file():
            return [self.annotations]
        files = sorted(path for path in self.annotations.rglob("*") if path.suffix.lower() in endings)
        if not files:
            raise DataError(f"path: there is no {' or '.join(endings)} file in {self.annotations}")
        return files

    @property
    def warnings(self) -> list[str]:
        """What every table made from this data set must say, as sentences."""
        _ = self.rows
        return [*super().warnings, *self._left_out]

    def files(self) -> list[Path]:
        """Return the annotations, the file of the classes, and all videos; all below the root where some may come."""
        named = super().files() if self._drops else []
        # The time stamp of a folder does not change when a file in it is edited.
        named += sorted(self.annotations.rglob("*")) if self.annotations.is_dir() else []
        named += [self._classes] if self._classes else []
        paths = list(dict.fromkeys(self.rows["path"]))
        inside = [image for path in paths if path.is_dir() for image in image_files(path)]
        return [self.annotations, *named, *paths, *inside, *self._pose_paths()]

    def path(self, index: int) -> Path:
        """Return the file or folder of row ``index``."""
        return self._places[index].path

    def read_table(self) -> pd.DataFrame:
        """Return one row per clip that has a label and a file."""
        rows = self.rows
        clips = [place.name(self.root) for place in self._places]
        taken = ("path", "start", "end", *self._sides, "clip", "label", "group", self._groups)
        kept = [name for name in rows if name not in taken]
        table = pd.DataFrame(
            {"clip": clips, "label": rows["label"], "group": self.groups_by(self._groups)}, dtype=object
        )
        return table.join(rows[kept])

    def load(self, index: int) -> Clip:
        """Decode the clip of row ``index``."""
        place = self._places[index]
        if place.box is None:
            return super().load(index)
        size = self.decoding["width"], self.decoding["height"]
        whole = self.decoded(index, **{**self.decoding, "width": None, "height": None})
        clip = self.middle(self.posed(index, whole))
        left, top, right, bottom = (max(round(side), 0) for side in place.box)
        frames, ends = clip.frames[:, top:bottom, left:right], (clip.width, clip.height) * 2
        if 0 in frames.shape:
            raise DataError(
                f"{place.name(self.root)}: its box is outside of the video of {clip.width} x {clip.height} pixels"
            )
        vectors = clip.vectors
        if vectors is not None:
            sides = (min(side, end) / end for side, end in zip((left, top, right, bottom), ends, strict=True))
            vectors = vectors.crop(*sides)
        shown = np.stack([resized(frame, *size) for frame in frames])
        scale = shown.shape[2] / frames.shape[2], shown.shape[1] / frames.shape[1]
        pose = None if clip.pose is None else clip.pose.moved((left, top), scale)
        return Clip(shown, clip.fps, clip.warnings, pose=pose, vectors=vectors)

    def decoded(self, index: int, **how: Any) -> Clip:
        """Return the frames of row ``index``, not cropped."""
        place = self._places[index]
        if place.path.is_dir() or place.path.suffix.lower() == ".npy":
            return self._load_frames(place, **how)
        if place.start is None and place.end is None:
            return read_video(place.path, fps=self.fps, **how)
        return read_segment(place.path, place.start or 0, place.end, unit=self.unit, fps=self.fps, **how)

    def _load_frames(self, place: _Place, *, on_error: str, **how: Any) -> Clip:
        if self.fps is None:
            raise DataError(
                f"{place.path}: images and arrays have no frame rate; fps must be given for the data set"
            )
        scale = self.fps if self.unit == "seconds" else 1
        first, last = (
            None if limit is None else math.ceil(limit * scale - 1e-6) for limit in (place.start, place.end)
        )
        read = read_images if place.path.is_dir() else read_array
        return read(place.path, fps=self.fps, start=first or 0, end=last, **how)

    def fingerprint(self, index: int) -> str:
        """Return a hash of the file's content, of the limits, and of how it is decoded."""
        path, *limits = self._places[index]
        files = image_files(path) if path.is_dir() else [path]
        how = self.unit, self.fps, self.frames, sorted(self.decoding.items())
        parts = [list(map(self._digest, files)), limits, how]
        if self.poses is not None:
            parts.append(self.pose_digest(index))
        return hashlib.sha256(repr(tuple(parts)).encode()).hexdigest()

    def _digest(self, path: Path) -> str:
        # Once for all pieces of a file.
        if path not in self._digests:
            self._digests[path] = file_digest(path)
        return self._digests[path]

    def groups_by(self, source: str) -> list[str]:
        """Return the group of each clip under a value of ``groups``."""
        rows = self.rows
        if source == "none":
            return [f"clip {number}" for number in range(len(rows))]
        if source not in rows:
            if "(?P<group>" not in source:
                raise DataError(
                    f"groups: {self.annotations} has no column {source!r}; it has {_some(rows.columns)}; groups "
                    'must be one of these, a regular expression with (?P<group>...), or "none"'
                )
            return groups_from_names(source, [path.as_posix() for path in rows["path"]])
        groups = [str(value).strip() for value in rows[source].fillna("")]
        if "" in groups:
            clip = rows["path"].iloc[groups.index("")]
            raise DataError(f"{self.annotations}: {clip.name!r} has no {source}, which gives the groups")
        return groups

    @cached_property
    def _places(self) -> list[_Place]:
        """Where each clip is."""
        columns = [self.rows[name].tolist() for name in ("path", "start", "end")]
        boxes = [[self._pixels(value) for value in self.rows[side]] for side in self._sides]
        corners = zip(*boxes, strict=True) if boxes else [(math.nan,)] * len(self.rows)
        return [
            _Place(path, _known(start), _known(end), None if any(map(math.isnan, box)) else box)
            for path, start, end, box in zip(*columns, corners, strict=True)
        ]

    @property
    def _sides(self) -> tuple[str, ...]:
        """The columns with the sides of boxes, none where one of them is missing."""
        return CROP if set(CROP) <= set(self.rows) else ()

    def _pixels(self, value: Any) -> float:
        try:
            return math.nan if value in (None, "") else float(value)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{self.annotations}: {value!r} is no side of a box; {', '.join(CROP)} must be numbers of pixels"
            ) from error

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The annotations of clips that are used, with ``path`` as a path, ``start`` and ``end`` as numbers."""
        try:
            rows = self.read_annotations()
        except (OSError, ValueError, csv.Error) as error:
            reason = " ".join(str(error).split())
            raise DataError(f"{self.annotations}: cannot be read ({reason})") from error
        rows = self._limited(self._found(self._labelled(self._chosen(rows).reset_index(drop=True))))
        if self._classes:
            rows["label"] = self._class_names(self._classes, rows["label"])
        return rows

    def _labelled(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the rows that have a label."""
        for column in ("path", "label"):
            if column not in rows:
                raise DataError(
                    f"{self.annotations}: there is no column {column!r}; it has {_some(rows.columns)}"
                )
        several = [label for label in rows["label"] if isinstance(label, list | tuple | dict)]
        if several:
            raise DataError(f"{self.annotations}: a clip must have one label, one has {several[0]!r}")
        rows = rows.assign(label=[str(label).strip() for label in rows["label"].fillna("")])
        return self._kept(rows, rows["label"] != "", "without a label")

    def _found(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the rows whose videos exist, with their paths."""
        entries = cache(_entries)
        found = [find(self.root, str(path), entries) for path in rows["path"]]
        paths = pd.Series(found, rows.index, dtype=object)
        if paths.isna().any() and not self._drops:
            absent = rows["path"][paths.isna()].unique()
            raise DataError(
                f"{self.annotations}: {len(absent)} of {rows['path'].nunique()} videos are not in {self.root}: "
                f"{_some(absent)}; "
                'root must be the folder that their paths are relative to, or missing = "drop"'
            )
        return self._kept(rows.assign(path=paths), paths.notna(), "of videos that do not exist")

    def _limited(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the rows with their limits as numbers."""
        for column in ("start", "end"):
            values = rows[column] if column in rows else [None] * len(rows)
            rows[column] = np.array([self._limit(value) for value in values], float)
        if (wrong := rows[rows["end"] <= rows["start"]]).size:
            path, start, end = wrong[["path", "start", "end"]].iloc[0]
            raise DataError(
                f"{self.annotations}: {path.name!r} ends at {end:g}, before its start at {start:g}"
            )
        return rows

    def _chosen(self, rows: pd.DataFrame) -> pd.DataFrame:
        if self._where is None:
            return rows
        column, value = (part.strip() for part in self._where.split("=", 1))
        if column not in rows:
            raise DataError(
                f"where: {self.annotations} has no column {column!r}; it has {_some(rows.columns)}"
            )
        values = rows[column].astype(str).str.strip()
        if value not in set(values):
            raise DataError(
                f"where: no {column} in {self.annotations} is {value!r}; there are {_some(set(values))}"
            )
        return rows[values == value]

    def _kept(self, rows: pd.DataFrame, keep: pd.Series, what: str) -> pd.DataFrame:
        if n_left := int((~keep).sum()):
            self._left_out.append(
                f"Left out of {self.annotations.name}: {n_left} of {len(rows)} rows {what}."
            )
        return rows[keep].reset_index(drop=True)

    def _limit(self, value: Any) -> float:
        try:
            return seconds_of(value)
        except ValueError as error:
            raise DataError(
                f"{self.annotations}: {value!r} is no time; it must be a number of {self.unit}, MM:SS or HH:MM:SS"
            ) from error

    def _class_names(self, path: Path, labels: Iterable[str]) -> list[str]:
        names = read_classes(path)
        if unknown := sorted(set(labels) - set(names)):
            raise DataError(f"classes: {path} has no name for {_some(unknown)}")
        return [names[label] for label in labels]


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def find(root: Path, name: str, entries: Callable[[Path], frozenset[str]]) -> Path | None:
    """Return the file or folder that is meant by a path in annotations, if there is one.

    Backslashes separate folders where no file has them in its name, letters may differ in case where only one file
    fits, and the ending of a video may be left out. ``entries`` returns the names in a folder.
    """
    name = name.strip().strip('"')
    for written in dict.fromkeys((name, name.replace("\\", "/"))):
        if written and (path := _below(root, written, entries)) is not None:
            return path
    return None


def _below(root: Path, name: str, entries: Callable[[Path], frozenset[str]]) -> Path | None:
    path = root / name
    if path.exists():
        return path
    written = Path(name)
    folder = Path(written.anchor) if written.anchor else root
    for part in written.parts[bool(written.anchor) :]:
        names = entries(folder)
        is_there = part == ".." or part in names
        fits = [part] if is_there else [entry for entry in names if entry.casefold() == part.casefold()]
        if not fits and part == path.name:
            fits = [
                entry
                for entry in names
                if Path(entry).stem.casefold() == part.casefold()
                and Path(entry).suffix.lower() in VIDEO_ENDINGS
            ]
        if len(fits) != 1:
            return None
        folder /= fits[0]
    return folder


def _entries(folder: Path) -> frozenset[str]:
    try:
        return frozenset(path.name for path in folder.iterdir())
    except OSError:
        return frozenset()


def seconds_of(value: Any) -> float:
    """Return a time as a number: ``12.5``, ``"01:03.14"`` and ``"05:01:03"`` are; NaN for nothing.

    Examples
    --------
    >>> seconds_of("01:03.5"), seconds_of("1:00:00"), seconds_of(7)
    (63.5, 3600.0, 7.0)
    """
    if value is None or str(value).strip() in ("", "nan", "None"):
        return math.nan
    total = 0.0
    for part in str(value).strip().split(":"):
        total = 60 * total + float(part)
    if not math.isfinite(total) or total < 0:
        raise ValueError(f"{value!r} is negative or not finite")
    return total


def read_classes(path: Path) -> Mapping[str, str]:
    """Return the names of classes by the labels that stand for them, from a file with two columns."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"classes: {path} cannot be read ({error})") from error
    names = {}
    for number, line in enumerate(lines, 1):
        fields = line.replace(",", " ").replace(";", " ").split(None, 1)
        if fields and len(fields) != 2:
            raise DataError(f"{path}, line {number}: must be a label and a name, got {line!r}")
        if fields:
            names[fields[0]] = fields[1].strip()
    return names


def _some(names: Iterable[Any]) -> str:
    """Return the first few of several names."""
    shown = [str(name) for name in names]
    return ", ".join(map(repr, shown[:_NAMED])) + (
        f" and {len(shown) - _NAMED} others" if len(shown) > _NAMED else ""
    )
