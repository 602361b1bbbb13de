"""HMDB51 and JHMDB: clips of films, whose names tell source, class and conditions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from ....errors import DataError
from ..files import VideoFiles, video_files
from ..publication import Publication

# Words and numbers in the name of a video behind its class.
_CONDITIONS = re.compile(
    r"(?P<visible>[a-z])_(?P<camera>[a-z]{2})_np(?P<people>\d+)_(?P<view>[a-z]{2})_(?P<quality>[a-z]{3})_\d+"
)
#: Names of videos, without their endings.
NAME = re.compile(f".+_{_CONDITIONS.pattern}", re.IGNORECASE)

_NAMED = ("visible", "camera", "people", "view", "quality")
_LIST = re.compile(r".*?(?P<side>train|test)?[a-z]*_?(?P<number>[123])", re.IGNORECASE)


class Hmdb51(VideoFiles):
    """HMDB51 (Kuehne, Jhuang, Garrote, Poggio and Serre 2011): files ``<class>/<source>_<class>_<conditions>.avi``.

    A group is the source, a film or a video of the web, in whichever class. The published folds "split 1" to "split 3"
    are those of the lists; as they keep sources apart within a class only, tables say how many test clips have their
    source in training.

    Parameters
    ----------
    root : path
        The folder of the folders of classes.
    lists : path, optional
        The folder of the lists ``<class>_test_split1.txt``; by default one of the usual name in ``root`` or beside it.
    **decoding
        As in `VideoFiles`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as root:
    ...     for name in ("wave/Heroes_wave_u_nm_np1_fr_goo_3.avi", "sit/Heroes_sit_f_cm_np2_le_med_0.avi"):
    ...         Path(root, name).parent.mkdir()
    ...         _ = Path(root, name).write_bytes(b"")
    ...     Hmdb51(root).table.loc[1, ["label", "group", "visible", "quality"]].tolist()
    ['wave', 'Heroes', 'u', 'goo']
    """

    publications: ClassVar[Sequence[Publication]] = (
        Publication("HMDB51", "Kuehne et al. 2011", clips=6_766, classes=51),
    )
    usual_lists: ClassVar[tuple[str, ...]] = ("testTrainMulti_7030_splits", "test_train_splits", "splits")

    def __init__(self, root: str | Path, *, lists: str | Path | None = None, **decoding: Any) -> None:
        super().__init__(root, **decoding)
        places = [place / name for place in (self.root, self.root.parent) for name in self.usual_lists]
        found = [Path(lists)] if lists is not None else [place for place in places if place.is_dir()]
        if lists is not None and not found[0].is_dir():
            raise DataError(f"lists: there is no folder {lists}; it must be that of the lists of the splits")
        self._lists = sorted(found[0].glob("*.txt")) if found else []

    def files(self) -> list[Path]:
        """Return all that lies below the folder, and the lists."""
        return [*super().files(), *self._lists]

    def read_table(self) -> pd.DataFrame:
        """Return one row per file."""
        rows = [self._row(path) for path in video_files(self.root)]
        if not rows:
            raise DataError(f"root: there is no video file in {self.root}")
        return pd.DataFrame(rows, columns=["clip", "label", "group", *_NAMED])

    def _row(self, path: Path) -> tuple[Any, ...]:
        label = path.parent.name
        # A source may hold the name of a class too, so the last one counts.
        source, _, rest = path.stem.rpartition(f"_{label}_")
        match = _CONDITIONS.fullmatch(rest)
        if match is None or not source:
            raise DataError(
                f"{path}: not a name of {self.publications[0].title}; it must be like "
                "wave/Heroes_wave_u_nm_np1_fr_goo_3.avi, with the class as its folder"
            )
        conditions = [int(match[name]) if name == "people" else match[name] for name in _NAMED]
        return path.relative_to(self.root).as_posix(), label, source, *conditions

    def published_folds(self) -> Mapping[str, tuple[Any, Any]]:
        """Return the splits of the lists."""
        if not self._lists:
            raise DataError(
                f"lists: {self.root} has no folder {self.usual_lists[0]}, nor is one beside it; it must be that of the "
                "lists of the splits"
            )
        stems = [clip.rpartition("/")[-1].rpartition(".")[0] for clip in self.table["clip"]]
        folds = {}
        for number, sides in sorted(self._sides.items()):
            side = np.array([sides.get(stem, "0") for stem in stems])
            folds[f"split {number}"] = side == "1", side == "2"
        return folds

    @cached_property
    def _sides(self) -> dict[int, dict[str, str]]:
        """The side of each clip that lists name, 1 for training and 2 for test, by the number of the split."""
        sides: dict[int, dict[str, str]] = {}
        for path in self._lists:
            if match := _LIST.fullmatch(path.stem):
                of_clip = sides.setdefault(int(match["number"]), {})
                for name, side in _read_list(path, match["side"]):
                    if of_clip.setdefault(name, side) != side:
                        raise DataError(f"{path}: clip {name!r} is in training and in test")
        return sides


class Jhmdb(Hmdb51):
    """JHMDB (Jhuang, Gall, Zuffi, Schmid and Black 2013): the clips of 21 classes of HMDB51 with joints.

    Groups and lists are as in `Hmdb51`; lists of training or test clips, as of P-CNN, are read too.

    Parameters
    ----------
    root : path
        The folder of the folders of classes, usually ``ReCompress_Videos``.
    lists : path, optional
        As in `Hmdb51`; by default ``splits``.
    **decoding
        As in `VideoFiles`.
    """

    publications: ClassVar[Sequence[Publication]] = (
        Publication("JHMDB", "Jhuang et al. 2013", clips=928, classes=21),
    )
    usual_lists = ("splits", "sub_splits", "test_train_splits", "splitlists")


def _read_list(path: Path, side: str | None) -> Iterator[tuple[str, str]]:
    """Yield the stem of each clip of a list and its side; where all lines say 1, the name of the list tells it."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"lists: {path} cannot be read ({error})") from error
    rows = [line.strip().rpartition(" ") for line in lines if line.strip()]
    # Lists of one side have a class behind a clip, or nothing.
    one_side = side is not None and "_split" not in path.stem
    for number, (name, _, last) in enumerate(rows, 1):
        if one_side:
            name, last = name or last, "1" if str(side).lower() == "train" else "2"
        elif last not in ("0", "1", "2") or not name:
            raise DataError(
                f"{path}, line {number}: must be a clip and 0, 1 or 2, got {' '.join((name, last))!r}"
            )
        stem = name.strip().replace("\\", "/").rpartition("/")[-1]
        yield re.sub(r"\.(avi|mp4|mkv|webm)$", "", stem, flags=re.IGNORECASE), last
