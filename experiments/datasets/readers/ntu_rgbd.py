"""NTU RGB+D: people, cameras and set-ups by the names of its files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from ....errors import DataError
from ..files import VideoFiles, video_files
from ..publication import Publication

#: Names of videos, without their endings.
NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})(_rgb)?", re.IGNORECASE)

# Performers of training in both versions, cameras of training (Shahroudy et al. 2016, Liu et al. 2019).
_PERFORMERS = frozenset(
    [1, 2, 4, 5, 8, 9, *range(13, 20), 25, 27, 28, 31, 34, 35, 38, 45, 46, 47, 49, 50, *range(52, 60), 70, 74, 78,
     *range(80, 87), 89, *range(91, 96), 97, 98, 100, 103]
)  # fmt: skip
_CAMERAS = (2, 3)


class NtuRgbd(VideoFiles):
    """NTU RGB+D 60 and 120 (Shahroudy et al. 2016, Liu et al. 2019), files ``S001C001P001R001A001_rgb.avi``.

    The label is ``A001`` to ``A120``, the group the performer; camera, set-up and replication are conditions. The
    published folds are "cross-subject", "cross-view" (for 60 classes) and "cross-setup" (for 120), one of which is
    chosen; the latter two test on performers that they train on.

    Parameters
    ----------
    root : path
        The folder.
    **decoding
        As in `VideoFiles`.
    """

    publications = (
        Publication(
            "NTU RGB+D", "Shahroudy et al. 2016", clips=56_880, groups=40, classes=60, group="performers"
        ),
        Publication(
            "NTU RGB+D 120", "Liu et al. 2019", clips=114_480, groups=106, classes=120, group="performers"
        ),
    )
    published_folds_are_alternatives = True

    def published_folds(self) -> Mapping[str, tuple[Any, Any]]:
        """Return a fold for each protocol."""
        table = self.table
        trained = {
            "cross-subject": table["group"].str[1:].astype(int).isin(_PERFORMERS),
            "cross-view": table["camera"].isin(_CAMERAS),
            "cross-setup": table["setup"] % 2 == 0,
        }
        return {name: (train.to_numpy(), ~train.to_numpy()) for name, train in trained.items()}

    def read_table(self) -> pd.DataFrame:
        """Return one row per file."""
        rows = []
        for path in video_files(self.root):
            match = NAME.fullmatch(path.stem)
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
