"""Hugging Face's videofolder: metadata beside the videos, or a folder per class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ....errors import DataError
from ..annotations import AnnotatedVideos
from ..files import video_files
from ..table import READERS

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
SPLITS = ("train", "validation", "test")


class VideoFolder(AnnotatedVideos):
    """A folder as ``load_dataset("videofolder")`` takes it.

    Folders ``train``, ``validation`` and ``test`` become the column ``split``. A file ``metadata.csv``, ``.jsonl`` or
    ``.parquet`` names videos by ``file_name``; where there is none, the folder of a video is its label.

    Parameters
    ----------
    path : path
        The folder.
    groups : str
        As in `AnnotatedVideos`; other columns of the metadata are conditions.
    label : str
        The column of the metadata with the label.
    **options
        As in `AnnotatedVideos`.
    """

    takes_folder = True

    def __init__(self, path: str | Path, *, groups: str, label: str = "label", **options: Any) -> None:
        super().__init__(path, groups=groups, **options)
        self._label = label

    def read_annotations(self) -> pd.DataFrame:
        """Return one row per video."""
        if not self.annotations.is_dir():
            raise DataError(f"path: {self.annotations} is not a folder; it must be one as videofolder has it")
        parts = [part for part in SPLITS if (self.annotations / part).is_dir()]
        found = [self._part(self.annotations / part).assign(split=part) for part in parts]
        return pd.concat(found or [self._part(self.annotations)], ignore_index=True)

    def _part(self, folder: Path) -> pd.DataFrame:
        metadata = [folder / name for name in METADATA if (folder / name).is_file()]
        if not metadata:
            paths = video_files(folder)
            return pd.DataFrame({"path": map(str, paths), "label": [path.parent.name for path in paths]})
        rows = READERS[metadata[0].suffix](metadata[0])
        for column in ("file_name", self._label):
            if column not in rows:
                raise DataError(
                    f"{metadata[0]}: has no column {column!r}; it has {', '.join(map(str, rows.columns))}"
                )
        return (
            rows.assign(path=[str(folder / name) for name in rows["file_name"]])
            .rename(columns={self._label: "label"})
            .drop(columns="file_name")
        )
