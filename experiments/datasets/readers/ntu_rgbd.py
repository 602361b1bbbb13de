"""NTU RGB+D: people, cameras and set-ups by the names of its files."""

from __future__ import annotations

import re

import pandas as pd

from ....errors import DataError
from ..files import VideoFiles, video_files

_NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})(_rgb)?", re.IGNORECASE)


class NtuRgbd(VideoFiles):
    """NTU RGB+D 60 and 120 (Shahroudy et al. 2016, Liu et al. 2019), files ``S001C001P001R001A001_rgb.avi``.

    The label is ``A001`` to ``A120``, the group the performer; camera, set-up and replication are conditions.

    Parameters
    ----------
    root : path
        The folder.
    **decoding
        As in `VideoFiles`.
    """

    def read_table(self) -> pd.DataFrame:
        """Return one row per file."""
        rows = []
        for path in video_files(self.root):
            match = _NAME.fullmatch(path.stem)
            if match is None:
                raise DataError(
                    f"{path}: not a name of NTU RGB+D; it must be like S001C001P001R001A001_rgb.avi"
                )
            setup, camera, performer, replication, action = match.groups()[:5]
            clip = path.relative_to(self.root).as_posix()
            rows.append((clip, f"A{action}", f"P{performer}", int(camera), int(setup), int(replication)))
        if not rows:
            raise DataError(f"root: there is no video file in {self.root}")
        return pd.DataFrame(rows, columns=["clip", "label", "group", "camera", "setup", "replication"])
