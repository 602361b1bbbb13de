"""One folder per class: the user's own clips."""

from __future__ import annotations

import csv
import os
import re
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ...errors import DataError
from .files import VideoFiles, video_files

# How long the names of all files may be matched, in seconds: some expressions take for ever.
TIMEOUT = 10.0


class Folder(VideoFiles):
    """Clips in one folder per class.

    Parameters
    ----------
    root : path
        The folder; each folder directly in it is a class and holds the clips of that class, at any depth.
    groups : str
        Where the groups come from: a CSV file with the columns ``path`` (below ``root``) and ``group``, relative
        to ``root``, which may also have a ``label`` that must then agree; a regular expression with
        ``(?P<group>...)``, searched in the file name; or ``"none"``, which declares that they are not known.
    **decoding
        As in `VideoFiles`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as root:
    ...     for name in ("run/ann_1.avi", "run/bob_1.avi", "walk/ann_1.avi"):
    ...         Path(root, name).parent.mkdir(exist_ok=True)
    ...         _ = Path(root, name).write_bytes(b"")
    ...     data = Folder(root, groups="(?P<group>[a-z]+)_")
    ...     data.labels.tolist(), data.groups.tolist()
    (['run', 'run', 'walk'], ['ann', 'bob', 'ann'])
    """

    def __init__(self, root: str | Path, *, groups: str, **decoding: Any) -> None:
        super().__init__(root, **decoding)
        if not isinstance(groups, str):
            raise DataError(f'groups: must be a CSV file, a regular expression or "none", got {groups!r}')
        self.source = groups
        self.groups_known = groups != "none"

    def read_table(self) -> pd.DataFrame:
        """Return one row per file."""
        return self._clips.assign(group=pd.Series(self.groups_by(self.source), dtype=object))

    @cached_property
    def _clips(self) -> pd.DataFrame:
        """The files and their labels."""
        rows = []
        folders = sorted(
            path for path in self.root.iterdir() if path.is_dir() and not path.name.startswith(".")
        )
        if not folders:
            raise DataError(f"root: {self.root} has no folders in it; there must be one folder per class")
        for folder in folders:
            files = video_files(folder)
            if not files:
                raise DataError(
                    f"{folder}: there is no video file in this class; add clips or remove the folder"
                )
            rows += [(path.relative_to(self.root).as_posix(), folder.name) for path in files]
        # As objects: not every name of a file is text that pandas can keep; the base class names those that are not.
        return pd.DataFrame(rows, columns=["clip", "label"], dtype=object)

    def files(self) -> list[Path]:
        """Return all that lies below the folder, the folder, and the file of groups."""
        csv_file = [self.root / self.source] if self.source.lower().endswith(".csv") else []
        return [*super().files(), *csv_file]

    def groups_by(self, source: str) -> list[str]:
        """Return the group of each clip under a value of ``groups``."""
        clips = self._clips
        if source == "none":
            return list(clips["clip"])
        if source.lower().endswith(".csv"):
            return _groups_from_csv(self.root / source, clips)
        return groups_from_names(source, clips["clip"])


def groups_from_names(pattern: str, clips: Iterable[str]) -> list[str]:
    """Return what a regular expression finds as the group in the file names of clips."""
    try:
        expression = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise DataError(f"groups: {pattern!r} is not a regular expression ({error})") from error
    if "group" not in expression.groupindex:
        raise DataError(
            f"groups: {pattern!r} has no (?P<group>...); "
            'groups must be a .csv file, a regular expression with that, or "none"'
        )
    groups = []
    try:
        with _no_longer_than(TIMEOUT):
            for clip in clips:
                match = expression.search(clip.rsplit("/", 1)[-1])
                if match is None or not match["group"]:
                    raise DataError(f"groups: {pattern!r} finds no group in the file name of {clip!r}")
                groups.append(match["group"])
    except TimeoutError as error:
        raise DataError(
            f"groups: {pattern!r} takes longer than {TIMEOUT:g} s to match the file names, at {clip!r}; "
            "no repetition may be within another one, as in (a+)+"
        ) from error
    return groups


@contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in a block that takes longer, in the main thread, where nobody else uses the alarm."""
    free = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    if not free or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return

    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _groups_from_csv(path: Path, table: pd.DataFrame) -> list[str]:
    groups: dict[str, str] = {}
    labels = dict(zip(table["clip"], table["label"], strict=True))
    for line, row in _read_csv(path):
        clip, group = row["path"].removeprefix("./"), row["group"]
        where = f"{path}, line {line}"
        if clip not in labels:
            raise DataError(f"{where}: there is no clip {clip!r}; paths must be relative to {path.parent}")
        if not group:
            raise DataError(f"{where}: clip {clip!r} has no group")
        if groups.setdefault(clip, group) != group:
            raise DataError(f"{where}: clip {clip!r} has two groups, {groups[clip]!r} and {group!r}")
        if row.get("label", labels[clip]) != labels[clip]:
            raise DataError(f"{where}: label {row['label']!r}, but clip {clip!r} lies in {labels[clip]!r}")
    missing = [clip for clip in table["clip"] if clip not in groups]
    if missing:
        raise DataError(f"{path}: {len(missing)} clips have no line in it, the first is {missing[0]!r}")
    return [groups[clip] for clip in table["clip"]]


def _read_csv(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return (line number, row) pairs, all cells stripped."""
    if not os.path.isfile(path):
        raise DataError(f"groups: there is no file {path}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            header = [(name or "").strip() for name in reader.fieldnames or []]
            reader.fieldnames = header
            if not {"path", "group"} <= set(header):
                raise DataError(
                    f"{path}: its first line must name the columns path and group, got {','.join(header)!r}"
                )
            rows = []
            for row in reader:
                if None in row or None in row.values():
                    raise DataError(f"{path}, line {reader.line_num}: must have {len(header)} columns")
                rows.append((reader.line_num, {key: value.strip() for key, value in row.items()}))
            return rows
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV file in UTF-8 ({error})") from error
