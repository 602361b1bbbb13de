"""UCF101, UCF50 and UCF11: videos of YouTube in 25 groups of each class."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ....errors import DataError
from ..files import VideoFiles, video_files
from ..publication import Publication

Masks = tuple[Any, Any]

#: Names of videos, without their endings.
UCF101_NAME = re.compile(r"v_(?P<label>\w+)_g(?P<group>\d\d)_c(?P<clip>\d\d)", re.IGNORECASE)
UCF11_NAME = re.compile(r"v_(?P<label>\w+)_(?P<group>\d\d)_(?P<clip>\d\d)", re.IGNORECASE)


class _Ucf(VideoFiles):
    """Videos in a folder per class, whose names end in a number of their group and one of their own."""

    name: ClassVar[re.Pattern[str]] = UCF101_NAME
    example: ClassVar[str] = "Archery/v_Archery_g01_c01.avi"

    @abstractmethod
    def group(self, label: str, number: int) -> str:
        """Return the name of a group."""

    def read_table(self) -> pd.DataFrame:
        """Return one row per file, of which ``number`` is that of its group in its class."""
        rows = []
        for path in video_files(self.root):
            match = self.name.fullmatch(path.stem)
            # The name of a file may spell the class in another way than the folder, or say another word.
            folder = path.parent.parent if path.parent.name.startswith("v_") else path.parent
            if match is None or folder in (self.root, self.root.parent):
                raise DataError(f"{path}: not a name of this data set; it must be like {self.example}")
            number = int(match["group"])
            clip = path.relative_to(self.root).as_posix()
            rows.append((clip, folder.name, self.group(folder.name, number), number))
        if not rows:
            raise DataError(f"root: there is no video file in {self.root}")
        return pd.DataFrame(rows, columns=["clip", "label", "group", "number"], dtype=object)


class Ucf101(_Ucf):
    """UCF101 (Soomro, Zamir and Shah 2012): files ``Archery/v_Archery_g01_c01.avi``.

    A group is one of the 25 of a class, which were cut from one video. The published folds "split 1" to "split 3" test
    on the groups 1 to 7, 8 to 14 and 15 to 21 of every class.

    Parameters
    ----------
    root : path
        The folder of the folders of classes.
    **decoding
        As in `VideoFiles`.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as root:
    ...     for name in ("Archery/v_Archery_g01_c01.avi", "Biking/v_Biking_g09_c02.avi"):
    ...         Path(root, name).parent.mkdir()
    ...         _ = Path(root, name).write_bytes(b"")
    ...     data = Ucf101(root)
    ...     data.groups.tolist(), data.published_folds()["split 2"][1].tolist()
    (['Archery g01', 'Biking g09'], [False, True])
    """

    publications = (Publication("UCF101", "Soomro et al. 2012", clips=13_320, groups=2_525, classes=101),)

    def group(self, label: str, number: int) -> str:
        """Return a name that is of this class only."""
        return f"{label} g{number:02d}"

    def published_folds(self) -> Mapping[str, Masks]:
        """Return the three splits."""
        numbers = self.table["number"].to_numpy(int)
        tests = [(numbers > 7 * split) & (numbers <= 7 * (split + 1)) for split in range(3)]
        return {f"split {index}": (~test, test) for index, test in enumerate(tests, 1)}


class Ucf50(_Ucf):
    """UCF50 (Reddy and Shah 2013): files ``Biking/v_Biking_g01_c01.avi``.

    The published folds leave one of the groups 1 to 25 of all classes out; a group here has that number of each class.

    Parameters
    ----------
    root : path
        The folder of the folders of classes.
    **decoding
        As in `VideoFiles`.
    """

    publications: ClassVar[Sequence[Publication]] = (
        Publication("UCF50", "Reddy and Shah 2013", clips=6_618, groups=25, classes=50),
        Publication("UCF50", "table 1 of Soomro et al. 2012", clips=6_681, groups=25, classes=50),
    )
    example = "Biking/v_Biking_g01_c01.avi"

    def group(self, label: str, number: int) -> str:
        """Return the number."""
        return f"g{number:02d}"

    def published_folds(self) -> Mapping[str, Masks]:
        """Return one fold for each group."""
        return {str(name): (self.groups != name, self.groups == name) for name in np.unique(self.groups)}


class Ucf11(Ucf50):
    """UCF11, the YouTube Action Data Set (Liu, Luo and Shah 2009): files ``biking/v_biking_01/v_biking_01_01.avi``.

    The folder has the label, as names of files may say another word; groups and folds are as in `Ucf50`.

    Parameters
    ----------
    root : path
        The folder of the folders of classes.
    **decoding
        As in `VideoFiles`.
    """

    publications: ClassVar[Sequence[Publication]] = (
        Publication("UCF11", "Liu et al. 2009", clips=1_600, groups=25, classes=11),
    )
    name = UCF11_NAME
    example = "biking/v_biking_01/v_biking_01_01.avi"
