"""Kinetics: lists of pieces of videos by identifier and times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ....errors import DataError
from ..annotations import AnnotatedVideos
from ..files import video_files
from ..table import read_delimited


class Kinetics(AnnotatedVideos):
    """Kinetics and its like: ``label,youtube_id,time_start,time_end,split``, files ``<id>_<start>_<end>.mp4``.

    Videos that are not there any more are left out and counted; ``groups = "youtube_id"``.

    Parameters
    ----------
    path : path
        The CSV file.
    groups : str
        As in `AnnotatedVideos`.
    **options
        As in `AnnotatedVideos`.
    """

    def __init__(self, path: str | Path, *, groups: str, **options: Any) -> None:
        super().__init__(path, groups=groups, **{"missing": "drop"} | options)

    def read_annotations(self) -> pd.DataFrame:
        """Return one row per line, with the file of its identifier and times, wherever below the root it lies."""
        rows = read_delimited(self.annotations)
        needed = {"label", "youtube_id", "time_start", "time_end"}
        if not needed <= set(rows):
            raise DataError(
                f"{self.annotations}: has no column {min(needed - set(rows))!r}; it must be a list with labels"
            )
        files = {path.stem: str(path) for path in video_files(self.root)}
        times = [rows[column].astype(int) for column in ("time_start", "time_end")]
        names = [
            f"{name}_{start:06d}_{end:06d}"
            for name, start, end in zip(rows["youtube_id"], *times, strict=True)
        ]
        rows["path"] = [files.get(name, name) for name in names]
        return rows.drop(columns=["time_start", "time_end", "is_cc"], errors="ignore")
