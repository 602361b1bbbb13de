"""Label Studio: timeline labels and choices of its JSON export."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pandas as pd

from ....errors import DataError
from ....features.segments import Unit
from ..annotations import AnnotatedVideos

# Uploads get this before their name.
_PREFIX = re.compile(r"[0-9a-f]{8}-")


class LabelStudio(AnnotatedVideos):
    """Videos that are annotated in Label Studio: labels of pieces of a timeline, or one choice for a video.

    Of each task the first annotation that was not cancelled is used. The column ``annotator`` has who made it, and
    each text of the task's data beside the video is a column.

    Parameters
    ----------
    path : path
        The JSON export.
    groups : str
        As in `AnnotatedVideos`.
    frame_rate : float, optional
        Frames per second that the project was set to: pieces are then found by time. By default frames are counted,
        which is right where the video has a constant rate.
    **options
        As in `AnnotatedVideos`.
    """

    fixed_options = ("unit",)

    def __init__(
        self, path: str | Path, *, groups: str, frame_rate: float | None = None, **options: Any
    ) -> None:
        unit: Unit = "frames" if frame_rate is None else "seconds"
        super().__init__(path, groups=groups, unit=unit, **options)
        self._scale = frame_rate or 1

    def read_annotations(self) -> pd.DataFrame:
        """Return one row per label of a timeline, and per choice."""
        try:
            tasks = json.loads(self.annotations.read_text(encoding="utf-8-sig"))
            return pd.DataFrame([row for task in tasks for row in self._rows_of(task)])
        except (ValueError, AttributeError, KeyError, TypeError, IndexError) as error:
            raise DataError(f"{self.annotations}: not a JSON export of Label Studio ({error!r})") from error

    def _rows_of(self, task: dict[str, Any]) -> Iterator[dict[str, Any]]:
        used = [one for one in task["annotations"] if not one.get("was_cancelled")][:1]
        texts = {key: value for key, value in task["data"].items() if isinstance(value, str | int | float)}
        for annotation in used:
            for result in annotation["result"]:
                value = result["value"]
                row = texts | {
                    "path": _file_name(
                        str(texts[result["to_name"]] if result["to_name"] in texts else texts["video"])
                    ),
                    "annotator": str(annotation.get("completed_by", "")),
                }
                if result["type"] == "timelinelabels":
                    for limits in value["ranges"]:
                        # Numbers of frames begin at 1, and the last one is part of the piece.
                        start, end = (limits["start"] - 1) / self._scale, limits["end"] / self._scale
                        yield row | {"label": _only(value["timelinelabels"]), "start": start, "end": end}
                elif result["type"] == "choices":
                    yield row | {"label": _only(value["choices"]), "start": None, "end": None}


def _only(labels: list[str]) -> Any:
    return labels[0] if len(labels) == 1 else labels


def _file_name(url: str) -> str:
    parts = urlsplit(url)
    path = parse_qs(parts.query).get("d", [parts.path])[0]
    return _PREFIX.sub("", unquote(path).replace("\\", "/").rsplit("/", 1)[-1])
