"""UCF Sports: broadcasts of sports, a folder per clip."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ....errors import DataError
from ..annotations import AnnotatedVideos
from ..files import video_files
from ..publication import Publication

#: Classes of the folders that are views of one action, or called otherwise.
CLASSES = {
    "Diving-Side": "Diving",
    "Golf-Swing-Back": "Golf-Swing",
    "Golf-Swing-Front": "Golf-Swing",
    "Golf-Swing-Side": "Golf-Swing",
    "Kicking-Front": "Kicking",
    "Kicking-Side": "Kicking",
    "Lifting": "Lifting",
    "Riding-Horse": "Riding-Horse",
    "Run-Side": "Running",
    "SkateBoarding-Front": "SkateBoarding",
    "Swing-Bench": "Swing-Bench",
    "Swing-SideAngle": "Swing-Side",
    "Walk-Front": "Walking",
}


class UcfSports(AnnotatedVideos):
    """UCF Sports (Rodriguez, Ahmed and Shah 2008): 13 folders of 10 classes, a folder in it per clip.

    A clip is the video of its folder, or the images in it where there is no video. A group is the broadcast that clips
    were cut from, by the names of the videos (``3283-8_700741.avi``), else the folder: the published folds leave one
    clip out, and so divide broadcasts.

    Parameters
    ----------
    root : path
        The folder of the 13 folders.
    fps : float
        Frames per second of images.
    **options
        As in `AnnotatedVideos`.
    """

    takes_folder = True
    fixed_options = ("path", "groups")
    publications = (Publication("UCF Sports", "Rodriguez et al. 2008", clips=150, classes=10),)

    def __init__(self, root: str | Path, *, fps: float = 10, **options: Any) -> None:
        super().__init__(root, groups="broadcast", root=root, fps=fps, **options)

    def read_annotations(self) -> pd.DataFrame:
        """Return one row per folder of a clip."""
        places = [self.root, *(path for path in self.root.iterdir() if path.is_dir())]
        folders = {
            path.name.casefold(): path for place in places for path in place.iterdir() if path.is_dir()
        }
        rows = []
        for name, label in CLASSES.items():
            if folder := folders.get(name.casefold()):
                rows += [
                    (*self._clip(clip), label, name) for clip in sorted(folder.iterdir()) if clip.is_dir()
                ]
        if not rows:
            raise DataError(
                f"root: {self.root} has no folder Diving-Side, Golf-Swing-Back ...; it must be that of UCF Sports"
            )
        return pd.DataFrame(rows, columns=["path", "broadcast", "label", "view"])

    def _clip(self, folder: Path) -> tuple[str, str]:
        files = [path for path in video_files(folder) if path.parent == folder]
        place = (files[0] if files else folder).relative_to(self.root).as_posix()
        source = files[0].stem.rpartition("_")[0] if files else ""
        return place, source or folder.relative_to(self.root).as_posix()

    def published_folds(self) -> Mapping[str, tuple[Any, Any]]:
        """Return one fold for each clip."""
        rows = np.eye(len(self), dtype=bool)
        return {name: (~row, row) for name, row in zip(self.table["clip"], rows, strict=True)}
