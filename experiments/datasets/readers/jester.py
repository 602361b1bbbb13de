"""Jester: hand gestures as folders of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ..annotations import AnnotatedVideos


class Jester(AnnotatedVideos):
    """Jester: lines ``id;label``, a folder of JPEG images each, 12 per second; its people are not published."""

    def __init__(self, path: str | Path, *, groups: str, **options: Any) -> None:
        super().__init__(path, groups=groups, **{"fps": 12} | options)

    def read_annotations(self) -> pd.DataFrame:
        """Return one row per line; those of the test list have no label."""
        lines = self.annotations.read_text(encoding="utf-8-sig").splitlines()
        return pd.DataFrame(
            [(*line.split(";"), "")[:2] for line in lines if line.strip()], columns=["path", "label"]
        )
