"""The data set ``diagnostic``: one track of drawn people."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ....errors import DataError, did_you_mean
from ....features.clip import Clip
from ..base import Dataset
from ..drawing.canvas import drawing_source
from ..options import check_integer
from ..registry import option_names
from .film import Film
from .lights import PointLights
from .nuisances import Identity, Nuisances
from .order import Arrow, OneWay, Order, Tempo
from .scenes import Context
from .scenes import Path as PathTrack
from .textures import MotionDots, MotionNoise
from .track import Design, Row, Track

#: The tracks by their names.
TRACKS: Mapping[str, type[Track]] = {
    track.name: track
    for track in (
        Arrow,
        OneWay,
        Order,
        Tempo,
        MotionNoise,
        MotionDots,
        PointLights,
        PathTrack,
        Context,
        Nuisances,
        Identity,
    )
}


class Diagnostic(Dataset):
    """Drawn people whose actions differ in one cue alone: a track shows whether an attempt uses that cue.

    The classes of a track are equal in all but its cue: clips of the same person and number are twins, which share
    everything else. People who train and people who test are disjoint, which makes one fold: the split is
    ``published``. Clips are drawn when they are loaded, and `film` returns what is true of them: joints, silhouettes,
    flow and background.

    Parameters
    ----------
    track : str
        ``arrow``, ``one-way`` and ``order``: the direction and the order of motion. ``tempo``. ``motion-noise`` and
        ``motion-dots``: motion alone. ``point-lights``: the form of motion. ``path``: the same poses, another way.
        ``context``: a background or clothes that go with the label. ``nuisance``: six actions under nuisances.
        ``identity``: six actions by people who were seen or not.
    levels : list of float, optional
        Levels of the cue in place of all; see ``docs/diagnostics.md`` for their units.
    rho : float
        Of ``context``: the correlation of context and label in training, 0 to 1.
    cue : {"background", "clothes"}
        Of ``context``: what the context is.
    nuisances : list of str, optional
        Of ``nuisance``: which ones; all by default.
    steps : int
        Of ``nuisance``: 2 takes every other level, 0 the middle one.
    seen : bool
        Of ``identity``: whether the people who test are those who train, in other clips.
    clones : bool
        Of ``identity``: whether all people look and move in the same way.
    train_subjects, test_subjects : int
        People on each side, at least 2.
    pairs : int
        Times that each person does each class at each level.
    seed : int
        Another seed gives other people.

    Raises
    ------
    DataError
        If there is no such track or level, or if an option is of another track.

    Examples
    --------
    >>> arrow = Diagnostic("arrow", train_subjects=2, test_subjects=2, pairs=1)
    >>> arrow.classes, arrow.table["clip"].tolist()[:2]
    (['fast-fall', 'fast-rise'], ['person001/1 0.2/fast-fall', 'person001/1 0.2/fast-rise'])
    >>> bool((arrow.load(0).frames == arrow.load(1).frames[::-1]).all()), arrow.film(0).flow.shape
    (True, (32, 64, 64, 2))
    """

    def __init__(
        self,
        track: str,
        *,
        levels: Sequence[float] | None = None,
        rho: float | None = None,
        cue: str | None = None,
        nuisances: Sequence[str] | None = None,
        steps: int | None = None,
        seen: bool | None = None,
        clones: bool = False,
        train_subjects: int = 24,
        test_subjects: int = 24,
        pairs: int = 1,
        seed: int = 0,
    ) -> None:
        if track not in TRACKS:
            raise DataError(f"there is no track {track!r}; {did_you_mean(str(track), TRACKS)}")
        given = {
            "levels": levels,
            "rho": rho,
            "cue": cue,
            "nuisances": nuisances,
            "steps": steps,
            "seen": seen,
        }
        own: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
        known = option_names(TRACKS[track])
        for key in own:
            if key not in known:
                raise DataError(f"track {track} has no {key}; it has {', '.join(known) or 'no options'}")
        for key, value in (("seen", own.get("seen", False)), ("clones", clones)):
            if not isinstance(value, bool):
                raise DataError(f"track {track}: {key} must be true or false, got {value!r}")
        for key in ("levels", "nuisances"):
            if key in own and (not isinstance(own[key], list | tuple) or not own[key]):
                raise DataError(
                    f"track {track}: {key} must be a list with one entry or more, got {own[key]!r}"
                )
        self.track: Track = TRACKS[track](**own)
        where = f"track {track}"
        self.design = Design(
            check_integer(where, "train_subjects", train_subjects, 2),
            check_integer(where, "test_subjects", test_subjects, 2),
            check_integer(where, "pairs", pairs, 1),
            check_integer(where, "seed", seed, 0),
            clones,
        )

    @cached_property
    def rows(self) -> list[Row]:
        """What each clip shows."""
        return list(self.track.rows(self.design))

    def files(self) -> list[Path]:
        """Return none: all is drawn."""
        return []

    def read_table(self) -> pd.DataFrame:
        """Return one row per clip.

        Returns
        -------
        DataFrame
            ``clip``, ``label``, ``group`` and, where the track has them, ``level``, ``condition``, ``rho``, ``seen``.
        """
        rows = self.rows
        columns: dict[str, Any] = {
            "clip": [row.name for row in rows],
            "label": [row.label for row in rows],
            "group": [row.group for row in rows],
        }
        if rows[0].level is not None:
            columns["level"] = [row.level for row in rows]
        if any(row.condition for row in rows):
            columns["condition"] = [row.condition or "plain" for row in rows]
        columns |= {
            option: getattr(self.track, option) for option in ("rho", "seen") if hasattr(self.track, option)
        }
        return pd.DataFrame(columns)

    def film(self, index: int) -> Film:
        """Return clip ``index`` with what is true of it."""
        return self.track.film(self.rows[index], self.design)

    def load(self, index: int) -> Clip:
        """Draw the clip of row ``index``."""
        row = self.rows[index]
        film = self.track.film(row, self.design)
        return Clip(film.frames, self.track.rate(row), pose=film.pose)

    def fingerprint(self, index: int) -> str:
        """Return a hash of all that determines clip ``index``, without drawing it."""
        row = self.rows[index]
        parts = {**asdict(row), "side": "", "track": self.track.name, "seed": self.design.seed}
        parts |= {
            "clones": self.design.clones,
            "cue": getattr(self.track, "cue", ""),
            "source": generator_source(),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def published_folds(self) -> Mapping[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
        """Return the one fold: some people train, others test."""
        tested = np.array([row.side == "test" for row in self.rows])
        return {"people": (~tested, tested)}


@cache
def generator_source() -> list[str]:
    """Return what draws: hashes of this folder and of what draws people."""
    files = sorted(file for file in Path(__file__).parent.glob("*.py") if file.stem != "proofs")
    return [hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest(), *drawing_source()]
