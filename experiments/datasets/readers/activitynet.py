"""ActivityNet: segments of untrimmed videos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from ..files import video_files
from ._json import JsonAnnotations


class ActivityNet(JsonAnnotations):
    """ActivityNet's JSON: ``{"database": {id: {"subset", "annotations": [{"segment", "label"}]}}}``.

    Parameters
    ----------
    path : path
        The JSON file.
    groups : str
        As in `AnnotatedVideos`; ``"video"`` has the identifier.
    background : float, optional
        From how many seconds on what lies between two segments is a clip of the class ``none``; by default it is none.
    **options
        As in `AnnotatedVideos`.
    """

    def __init__(
        self, path: str | Path, *, groups: str, background: float | None = None, **options: Any
    ) -> None:
        super().__init__(path, groups=groups, **options)
        self._background = background

    def read_annotations(self) -> pd.DataFrame:
        """Return one row per segment."""
        content = self.content()
        try:
            database = content.get("database", content)
            files = {path.stem: str(path) for path in video_files(self.root)}
            rows = [
                (name, files.get(name, files.get(f"v_{name}", name)), video.get("subset", ""), *segment)
                for name, video in database.items()
                for segment in self._segments(video)
            ]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self.refused("ActivityNet", error) from error
        return pd.DataFrame(rows, columns=["video", "path", "split", "label", "start", "end"])

    def _segments(self, video: dict[str, Any]) -> Iterator[tuple[str, float, float]]:
        end, last = 0.0, float(video.get("duration", video.get("duration_second", 0)))
        for one in sorted(video.get("annotations", ()), key=lambda one: one["segment"]):
            start, stop = map(float, one["segment"])
            yield from self._between(end, start)
            yield one["label"], start, stop
            end = max(end, stop)
        yield from self._between(end, last)

    def _between(self, start: float, end: float) -> Iterator[tuple[str, float, float]]:
        if self._background is not None and end - start >= self._background:
            yield "none", start, end
