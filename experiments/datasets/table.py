"""Clips that are listed in a file: CSV, TSV, JSON, JSON lines, Parquet, or a path and a label per line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ...errors import DataError
from .annotations import AnnotatedVideos
from .files import check_choice

#: What columns are called by those who write them, in lower case; the first is our name.
ALIASES = {
    "path": ("path", "video", "video_path", "filepath", "file_path", "file_name", "filename", "file", "clip"),
    "label": ("label", "class", "action", "category"),
    "start": ("start", "start_time", "time_start", "begin"),
    "end": ("end", "end_time", "time_end"),
}


class Table(AnnotatedVideos):
    """Clips that are rows of a table, or lines of a path and a label.

    Columns are ``path``, ``label``, and perhaps ``start`` and ``end`` and groups; usual other names of these, such as
    ``video`` or ``file_name``, are known. Other columns are conditions. Lines are ``path label``, as mmaction2,
    PySlowFast and pytorchvideo write them.

    Parameters
    ----------
    path : path
        The file.
    groups : str
        As in `AnnotatedVideos`.
    format : {"csv", "tsv", "json", "jsonl", "ndjson", "parquet", "lines"}, optional
        By default what the ending of the file says, lines where that is another one.
    columns : mapping of str to str, optional
        Names of the columns ``path``, ``label``, ``start`` and ``end`` in the file, where they have unusual ones.
    **options
        As in `AnnotatedVideos`.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        groups: str,
        format: str | None = None,
        columns: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(path, groups=groups, **options)
        known = tuple(ending[1:] for ending in READERS)
        self._format = None if format is None else check_choice("format", format, known)
        self._columns = dict(columns or {})
        if unknown := sorted(set(self._columns) - set(ALIASES)):
            raise DataError(f"columns: {unknown[0]!r} is none of {', '.join(ALIASES)}")

    def read_annotations(self) -> pd.DataFrame:
        """Return the rows of the file with our names of columns."""
        rows = self.written()
        renaming = self._renaming(rows)
        taken = [ours for name, ours in renaming.items() if name != ours and ours in rows]
        return rows.drop(columns=taken).rename(columns=renaming)

    def written(self) -> pd.DataFrame:
        """Return the rows of the file with the columns as they are called in it."""
        ending = f".{self._format}" if self._format else self.annotations.suffix.lower()
        rows = READERS.get(ending, read_lines)(self.annotations)
        if rows.empty:
            raise DataError(f"{self.annotations}: there is not one row in it")
        return rows

    def _renaming(self, rows: pd.DataFrame) -> dict[str, str]:
        renamed = {}
        for ours in ALIASES:
            wanted = self._columns.get(ours)
            if wanted is not None and wanted not in rows:
                raise DataError(
                    f"columns: {self.annotations} has no column {wanted!r}; it has {', '.join(map(str, rows.columns))}"
                )
            found = wanted or usual_column(rows, ours)
            if found is not None:
                renamed[found] = ours
        return renamed


def usual_column(rows: pd.DataFrame, ours: str) -> str | None:
    """Return the first column that has one of the usual names for ours."""
    known = {str(name).strip().lower(): name for name in reversed(rows.columns)}
    return next((known[name] for name in ALIASES[ours] if name in known), None)


def read_delimited(path: Path) -> pd.DataFrame:
    """Read a table whose first line has the names of its columns, divided by commas, semicolons or tabs."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        head = file.readline()
        file.seek(0)
        delimiter = max("\t;,", key=head.count)
        rows = list(csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True))
    header = [name.strip() for name in rows[0]] if rows else []
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise DataError(f"{path}: has the column {twice[0]!r} twice; each must have a name of its own")
    for number, row in enumerate(rows[1:], 2):
        if row and len(row) != len(header):
            raise DataError(f"{path}, line {number}: must have {len(header)} columns, got {len(row)}")
    cells = [[cell.strip() for cell in row] for row in rows[1:] if row]
    return _with_numbers(pd.DataFrame(cells, columns=header, dtype=object))


def read_json(path: Path) -> pd.DataFrame:
    """Read a list of objects, or of lists of such by name (Apple CreateML writes the first)."""
    content = json.loads(path.read_text(encoding="utf-8-sig"))
    if isinstance(content, dict):
        lists = [
            value
            for value in content.values()
            if isinstance(value, list) and value and isinstance(value[0], dict)
        ]
        content = lists[0] if len(lists) == 1 else content
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise DataError(f"{path}: must be a list of objects, one for each clip")
    return pd.DataFrame(content)


def read_json_lines(path: Path) -> pd.DataFrame:
    """Read a file with a JSON object in each line."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return pd.DataFrame([json.loads(line) for line in lines if line.strip()])


def read_parquet(path: Path) -> pd.DataFrame:
    """Read a Parquet file."""
    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise DataError(f'{path}: Parquet needs pyarrow: pip install "actionbench[parquet]"') from error


def read_lines(path: Path) -> pd.DataFrame:
    """Read lines of a path and a label; a line without a label has none, and a path may have blanks."""
    lines = enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1)
    rows = [_path_and_label(line.strip(), path, number) for number, line in lines if line.strip()]
    return pd.DataFrame(rows, columns=["path", "label"], dtype=object)


def _path_and_label(line: str, path: Path, number: int) -> tuple[str, str]:
    """Return the path in a line and the label behind it, none where the line is the path of a file or says -1."""
    name, _, label = line.replace("\t", " ").rpartition(" ")
    name = name.rstrip()
    if not name or (path.parent / line).exists():
        return line, ""
    if label == "-1":
        return name, ""
    before, _, count = name.rpartition(" ")
    if before and count.isdigit() and label.isdigit() and not (path.parent / name).exists():
        # A folder of images, their number, and the label; else two labels.
        if not (path.parent / before.rstrip()).is_dir():
            raise DataError(
                f"{path}, line {number}: has the labels {count} and {label}; a clip must have one"
            )
        name = before.rstrip()
    return name, label


def _with_numbers(rows: pd.DataFrame) -> pd.DataFrame:
    """Return columns of numbers as such; labels, paths and names such as 007 stay text."""
    text = {name for ours in ("path", "label") for name in ALIASES[ours]}
    for column in rows:
        if str(column).lower() not in text and not rows[column].str.match(r"$|[+-]?0\d").any():
            numbers = pd.to_numeric(rows[column], errors="coerce")
            rows[column] = numbers if numbers.notna().all() else rows[column]
    return rows


#: How a table is read, by the ending of its file.
READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".json": read_json,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".parquet": read_parquet,
    ".lines": read_lines,
}
