"""The Weizmann actions: nine people, ten actions, one background."""

from __future__ import annotations

import re

import pandas as pd

from ...errors import DataError
from .files import VideoFiles, video_files
from .publication import Publication

ACTIONS = ("bend", "jack", "jump", "pjump", "run", "side", "skip", "walk", "wave1", "wave2")
ACTORS = ("daria", "denis", "eli", "ido", "ira", "lena", "lyova", "moshe", "shahar")

# lena_run1 and lena_run2 are two takes of "run"; the digit of wave1 and wave2 belongs to the action.
NAME = re.compile(rf"(?P<actor>{'|'.join(ACTORS)})_(?P<action>{'|'.join(ACTIONS)})(?P<take>[12]?)")


class Weizmann(VideoFiles):
    """Weizmann actions (Gorelick, Blank, Shechtman, Irani and Basri, "Actions as space-time shapes", 2007).

    Files are named ``<actor>_<action>.avi``, in one folder per action or all in one, with ``lena_run1.avi`` and
    the like as in the authors' archives. The group is the actor. The label is read from the file name.

    Parameters
    ----------
    root : path
        The folder.
    **decoding
        As in `VideoFiles`.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("daria_walk.avi", "lena_run1.avi", "lena_run2.avi"):
    ...         _ = Path(folder, name).write_bytes(b"")
    ...     Weizmann(folder).table["label"].tolist()
    ['walk', 'run', 'run']
    """

    publications = (
        Publication("Weizmann", "Gorelick et al. 2007, second takes included", 93, 9, 10, group="people"),
        Publication("Weizmann", "Gorelick et al. 2007, without second takes", 90, 9, 10, group="people"),
    )

    def read_table(self) -> pd.DataFrame:
        """Return one row per file; the column ``take`` is 1, or 2 for a second take."""
        rows = []
        for path in video_files(self.root):
            match = NAME.fullmatch(path.stem.lower())
            if match is None:
                raise DataError(
                    f"{path}: not a name of the Weizmann data set; it must be <actor>_<action>, as in daria_walk.avi"
                )
            clip = path.relative_to(self.root).as_posix()
            rows.append((clip, match["action"], match["actor"], int(match["take"] or 1)))
        if not rows:
            raise DataError(f"root: there is no video file in {self.root}")
        return pd.DataFrame(rows, columns=["clip", "label", "group", "take"])
