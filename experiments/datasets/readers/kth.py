"""KTH: six actions of 25 people in four scenarios, and the sequences that its videos are divided into."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from ....errors import DataError
from ..annotations import AnnotatedVideos
from ..files import video_files
from ..publication import Publication

SEQUENCES = "00sequences.txt"

#: Names of videos, without their endings.
NAME = re.compile(
    r"person(?P<person>\d\d)_(?P<action>(box|handclapp|handwav|jogg|runn|walk)ing)_d(?P<scenario>[1-4])(_uncomp)?",
    re.IGNORECASE,
)
# The people of validation and test; all others train (Schuldt, Laptev and Caputo 2004).
_VALIDATION = (19, 20, 21, 23, 24, 25, 1, 4)
_TEST = (22, 2, 3, 5, 6, 7, 8, 9, 10)


class Kth(AnnotatedVideos):
    """KTH (Schuldt, Laptev and Caputo 2004): files ``boxing/person01_boxing_d1_uncomp.avi``.

    A clip is a sequence of ``00sequences.txt``, four in most videos, whose frames are counted from 1 and include the
    last. The group is the person; ``scenario`` is a condition. The published fold trains on 16 people, of whom 8 are
    for validation (``split`` tells them), and tests on 9.

    Parameters
    ----------
    root : path
        The folder of the six folders of actions.
    sequences : path, optional
        The list of sequences; by default ``00sequences.txt`` in ``root``, wherever it lies.
    whole : bool
        Whether clips are whole videos, which need no list.
    **options
        As in `AnnotatedVideos`.
    """

    takes_folder = True
    fixed_options = ("path", "groups", "unit")
    publications: ClassVar[Sequence[Publication]] = (
        Publication(
            "KTH", "Schuldt et al. 2004", clips=2_391, groups=25, classes=6, clip="sequences", group="people"
        ),
        Publication(
            "KTH", "Schuldt et al. 2004", clips=599, groups=25, classes=6, clip="videos", group="people"
        ),
    )

    def __init__(
        self, root: str | Path, *, sequences: str | Path | None = None, whole: bool = False, **options: Any
    ) -> None:
        super().__init__(root, groups="person", root=root, unit="frames", **options)
        lists = sorted(self.root.rglob(SEQUENCES)) if sequences is None else [Path(sequences)]
        if not whole and not (lists and lists[0].is_file()):
            raise DataError(
                f"sequences: there is no file {lists[0] if lists else self.root / SEQUENCES}; it must be the list of "
                "sequences that comes with KTH, or whole = true for whole videos"
            )
        self._list = None if whole else lists[0]

    def files(self) -> list[Path]:
        """Return the videos and the list."""
        return [*super().files(), *([self._list] if self._list else [])]

    def read_annotations(self) -> pd.DataFrame:
        """Return one row per sequence, or per video."""
        videos = {path.stem.lower().removesuffix("_uncomp"): path for path in video_files(self.root)}
        pieces = [(name, None, None) for name in videos] if self._list is None else _sequences(self._list)
        rows = []
        for name, start, end in pieces:
            match = NAME.fullmatch(name)
            if match is None:
                raise DataError(
                    f"{videos.get(name, self._list)}: {name!r} is no name of KTH; it must be like person01_boxing_d1"
                )
            path = str(videos.get(name, f"{match['action']}/{name}_uncomp.avi"))
            person = int(match["person"])
            part = "test" if person in _TEST else "validation" if person in _VALIDATION else "train"
            rows.append(
                (path, match["action"], start, end, f"person{person:02d}", f"d{match['scenario']}", part)
            )
        return pd.DataFrame(rows, columns=["path", "label", "start", "end", "person", "scenario", "split"])

    def published_folds(self) -> Mapping[str, tuple[Any, Any]]:
        """Return the fold of 16 and 9 people."""
        test = (self.table["split"] == "test").to_numpy()
        return {"16/9 people": (~test, test)}


def _sequences(path: Path) -> list[tuple[str, int, int]]:
    """Return name, first frame from 0 and end of each sequence of a list; a video may be missing."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"sequences: {path} cannot be read ({error})") from error
    found = []
    for number, line in enumerate(lines, 1):
        name, _, rest = line.strip().replace("\t", " ").partition(" ")
        # Text stands before the list, and blank lines between people.
        if NAME.fullmatch(name):
            ranges = re.findall(r"(\d+)\s*-\s*(\d+)", rest)
            if not ranges and "missing" not in rest:
                raise DataError(
                    f"{path}, line {number}: must have ranges of frames, as in 1-95, got {line.strip()!r}"
                )
            found += [(name.lower(), int(first) - 1, int(last)) for first, last in ranges]
    if not found:
        raise DataError(f"sequences: {path} has no line such as person01_boxing_d1 frames 1-95, 96-185")
    return found
