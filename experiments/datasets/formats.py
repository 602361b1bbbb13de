"""Which format a file or a folder has, by what is in it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import DataError
from ...features.images import IMAGE_ENDINGS
from . import weizmann
from .files import VIDEO_ENDINGS, video_files
from .readers import hmdb, kth, ntu_rgbd, ucf
from .readers.ucf_sports import CLASSES
from .readers.videofolder import METADATA, SPLITS
from .table import ALIASES, READERS

# How much of a file is looked at, in bytes, and how many of its lines.
_HEAD = 2**16
_LINES = 50

# Files in a folder that may be annotations of the videos in it.
_ANNOTATIONS = frozenset((*READERS, ".txt", ".xml"))


class Source:
    """A file or a folder of which the format is asked; whatever is read of it is read once.

    Parameters
    ----------
    path : path
        The file or folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).absolute()
        if not self.path.exists():
            raise DataError(
                f"{path}: there is no such file or folder; it must be an annotation file or the folder of the clips"
            )

    @cached_property
    def videos(self) -> list[Path]:
        """The video files below the folder."""
        return video_files(self.path) if self.path.is_dir() else []

    @cached_property
    def inside(self) -> list[Path]:
        """What lies directly in the folder, without what is hidden."""
        found = sorted(self.path.iterdir()) if self.path.is_dir() else []
        return [path for path in found if not path.name.startswith(".")]

    @cached_property
    def start(self) -> bytes:
        """The first bytes of the file."""
        if not self.path.is_file():
            return b""
        with self.path.open("rb") as file:
            return file.read(_HEAD)

    @cached_property
    def text(self) -> str:
        """The beginning of the file, nothing where it is no text."""
        return "" if b"\0" in self.start else self.start.decode("utf-8-sig", errors="replace").strip()

    @cached_property
    def lines(self) -> list[str]:
        """The first lines that are not empty."""
        lines = self.text.splitlines()[: -1 if len(self.start) == _HEAD else None]
        return [line.strip() for line in lines if line.strip()][:_LINES]

    @cached_property
    def content(self) -> Any:
        """What the file holds as JSON, None where it is none."""
        if not self.text.startswith(("[", "{")):
            return None
        try:
            return json.loads(self.path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError):
            return None

    @cached_property
    def entry(self) -> dict[str, Any]:
        """The first object of a list in JSON."""
        first = self.content[0] if isinstance(self.content, list) and self.content else None
        return first if isinstance(first, dict) else {}

    @cached_property
    def columns(self) -> list[str]:
        """The names in the first line, where that names the columns of a table."""
        line = self.lines[0] if self.lines else ""
        names = [name.strip().strip('"') for name in line.split(max("\t;,", key=line.count))]
        is_header = len(names) > 1 and not line.startswith(("[", "{", "<")) and not "".join(names).isdigit()
        return [] if not is_header or any(map(_is_video, names)) else names

    def is_clip(self, name: str) -> bool:
        """Return whether a name in the file is that of a clip."""
        name = name.replace("\\", "/")
        return bool(name) and (_is_video(name) or os.path.exists(self.path.parent / name))

    @cached_property
    def table_format(self) -> str:
        """How `Table` reads the file: by its content where that tells, else by its ending; nothing if it cannot."""
        ending = self.path.suffix.lower()
        if self.start.startswith(b"PAR1"):
            return "parquet"
        if self.text.startswith("[") or isinstance(self.content, dict):
            return "json"
        if self.text.startswith("{") and len(self.lines) > 1 and _is_json(self.lines[0]):
            return "jsonl"
        usual = {name for names in ALIASES.values() for name in names}
        if self.columns and (ending in READERS or usual & {name.lower() for name in self.columns}):
            return "tsv" if ending == ".tsv" else "csv"
        if self.lines and all(map(self._is_clip_and_label, self.lines)):
            return "lines"
        return ending[1:] if ending in READERS else ""

    def _is_clip_and_label(self, line: str) -> bool:
        name, _, label = line.replace("\t", " ").rpartition(" ")
        return self.is_clip(name.strip()) or self.is_clip(line) or (bool(name) and label.isdigit())


class Format(NamedTuple):
    """A format: the data set that reads it, what it is in words, and what finds a reason to take a source for it."""

    reader: str
    what: str
    reason: Callable[[Source], str]


def recognise(path: str | Path) -> tuple[Source, str, str]:
    """Return what is to be read, the name of its reader, and the reason as a sentence.

    A folder of no known format that holds one annotation file stands for that file.

    Raises
    ------
    DataError
        If there is no such file or folder, or none of the formats fits.
    """
    source = Source(path)
    fitting = _fitting(source)
    if fitting is None and source.path.is_dir():
        files = [Source(one) for one in source.inside if one.is_file() and one.suffix.lower() in _ANNOTATIONS]
        found = {one: fits for one in files if (fits := _fitting(one))}
        if len(found) > 1:
            names = ", ".join(one.path.name for one in found)
            raise DataError(f"{path}: there are several annotation files in it, {names}; import one of these")
        for one, (reader, reason) in found.items():
            return one, reader, f"{one.path.name} is the annotation file in the folder: {reason}"
    if fitting is None:
        known = "; ".join(one.what for one in FORMATS)
        raise DataError(f"{path}: {_description(source)}, which is no known format; known are: {known}")
    return source, *fitting


def _fitting(source: Source) -> tuple[str, str] | None:
    return next(((one.reader, reason) for one in FORMATS if (reason := one.reason(source))), None)


def _description(source: Source) -> str:
    """Return what a source of no known format is."""
    if source.path.is_dir():
        folders = {path.parent for path in source.videos}
        if source.videos:
            return f"{len(source.videos)} videos in {len(folders)} folder{'s'[: len(folders) > 1]} without labels"
        if any(path.suffix.lower() in IMAGE_ENDINGS for path in source.path.rglob("*")):
            return "images without a list that has a folder of images and a label in each line"
        return "a folder without videos and annotations"
    if source.path.suffix.lower() in VIDEO_ENDINGS:
        return "a video, not the annotations of one"
    if not source.start:
        return "an empty file"
    return f"a text that begins with {source.lines[0][:60]!r}" if source.lines else "a file that is no text"


def _is_video(name: str) -> bool:
    return Path(name).suffix.lower() in VIDEO_ENDINGS | {".npy"}


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def named(name: re.Pattern[str], what: str, folder: str = "") -> Callable[[Source], str]:
    """Return what recognises a folder of which most videos have names that match, without their endings.

    Where others name their videos so too, ``folder`` is a pattern of the names of the folder and those in it.
    """

    def reason(source: Source) -> str:
        n_named = sum(name.fullmatch(path.stem.lower()) is not None for path in source.videos)
        names = (source.path.name, *(path.name for path in source.inside))
        of_folder = any(re.search(folder, name, re.IGNORECASE) for name in names)
        if 2 * n_named <= len(source.videos) or not of_folder:
            return ""
        return f"{n_named} of {len(source.videos)} videos are named as those of {what}"

    return reason


def keyed(*keys: str, what: str) -> Callable[[Source], str]:
    """Return what recognises a list in JSON whose objects have certain keys."""

    def reason(source: Source) -> str:
        return (
            f"its objects have the keys {', '.join(keys)} of {what}" if source.entry.keys() >= {*keys} else ""
        )

    return reason


def _elan(source: Source) -> str:
    if source.path.suffix.lower() == ".eaf" or source.text[:1000].find("<ANNOTATION_DOCUMENT") >= 0:
        return "it is a file of ELAN"
    n_files = sum(path.suffix.lower() == ".eaf" for path in source.path.rglob("*")) if source.inside else 0
    return f"there are {n_files} files of ELAN in it" if n_files else ""


def _cvat(source: Source) -> str:
    is_xml = source.text.startswith("<") and "<annotations>" in source.text
    return "it is XML with the annotations of CVAT" if is_xml else ""


def _videofolder(source: Source) -> str:
    parts = [path for path in source.inside if path.is_dir() and path.name in SPLITS]
    for folder in (source.path, *parts):
        for file in (folder / name for name in METADATA):
            if file.is_file() and (file.suffix == ".parquet" or "file_name" in Source(file).text):
                name = file.relative_to(source.path).as_posix()
                return f"{name} describes its videos as Hugging Face's videofolder has it"
    if any(path.parent.parent in parts for path in source.videos):
        return f"it has the folders {', '.join(path.name for path in parts)} of Hugging Face's videofolder"
    return ""


def _ucf_sports(source: Source) -> str:
    names = {part.casefold() for path in source.videos for part in path.relative_to(source.path).parts[:2]}
    n_known = sum(name.casefold() in names for name in CLASSES)
    return (
        f"it has {n_known} of the {len(CLASSES)} folders of UCF Sports" if 2 * n_known > len(CLASSES) else ""
    )


def _class_folders(source: Source) -> str:
    classes = {path.relative_to(source.path).parts[0] for path in source.videos if path.parent != source.path}
    if len(classes) < 2:
        return ""
    lists = [path.name for path in source.inside if path.suffix.lower() in READERS]
    beside = f" (beside them lies {lists[0]}; import that instead if it has the labels)" if lists else ""
    return f"{len(classes)} folders in it hold videos, a class each{beside}"


def _activitynet(source: Source) -> str:
    database = source.content.get("database", source.content) if isinstance(source.content, dict) else None
    first = next(iter(database.values()), None) if isinstance(database, dict) else None
    fits = isinstance(first, dict) and isinstance(first.get("annotations"), list)
    return "it lists annotations by video as ActivityNet does" if fits else ""


def _kinetics(source: Source) -> str:
    fits = {"youtube_id", "time_start", "time_end"} <= {name.lower() for name in source.columns}
    return "it has the columns youtube_id, time_start and time_end of Kinetics" if fits else ""


def _jester(source: Source) -> str:
    fits = source.lines and all(re.fullmatch(r"\d+;[^;]*[^;\d][^;]*", line) for line in source.lines)
    return "its lines are a number and a label as in Jester" if fits else ""


def _table(source: Source) -> str:
    words = {
        "": "",
        "lines": "its lines are a path and a label",
        "json": "it is JSON",
        "jsonl": "it has a JSON object in each line",
        "parquet": "it is a Parquet file",
    }
    usual = f"its first line names the columns {', '.join(source.columns)}"
    return words.get(source.table_format, usual if source.columns else "its ending is that of a table")


#: All formats, the more specific of two that fit first.
FORMATS = (
    Format("elan", "ELAN's .eaf", _elan),
    Format("cvat", "CVAT for video 1.1", _cvat),
    Format("videofolder", "Hugging Face's videofolder", _videofolder),
    Format("ntu-rgbd", "NTU RGB+D", named(ntu_rgbd.NAME, "NTU RGB+D")),
    Format("weizmann", "Weizmann", named(weizmann.NAME, "the Weizmann data set")),
    Format("kth", "KTH", named(kth.NAME, "KTH")),
    Format("jhmdb", "JHMDB", named(hmdb.NAME, "JHMDB", folder=r"jhmdb|recompress")),
    Format("hmdb51", "HMDB51", named(hmdb.NAME, "HMDB51")),
    Format("ucf50", "UCF50", named(ucf.UCF101_NAME, "UCF50", folder="ucf_?50")),
    Format("ucf101", "UCF101", named(ucf.UCF101_NAME, "UCF101")),
    Format("ucf11", "UCF11", named(ucf.UCF11_NAME, "UCF11", folder="ucf_?11|youtube")),
    Format("ucf-sports", "UCF Sports", _ucf_sports),
    Format("folder", "a folder per class", _class_folders),
    Format("label-studio", "Label Studio's JSON", keyed("data", "annotations", what="Label Studio")),
    Format("activitynet", "ActivityNet's JSON", _activitynet),
    Format("diving48", "Diving48's JSON", keyed("vid_name", "label", what="Diving48")),
    Format(
        "something-something",
        "Something-Something's JSON",
        keyed("id", "template", what="Something-Something v2"),
    ),
    Format("kinetics", "Kinetics' CSV", _kinetics),
    Format("jester", "Jester's lists", _jester),
    Format("table", "a table (CSV, TSV, JSON, JSON lines, Parquet) or lines of a path and a label", _table),
)
