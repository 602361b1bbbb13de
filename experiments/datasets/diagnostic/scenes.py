"""Tracks about scene and place: a background or clothes that go with the label, and the path of the same poses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from ....errors import DataError
from ..drawing.canvas import BACKGROUND_DETAIL, side_limbs
from ..drawing.people import Floats, between, make_motion, place_joints, with_toes
from ..options import check_number
from .film import Bytes, PersonFilm
from .track import Design, Row, Stage, Track, film_stage, make_stage, motion_rng, pose

#: What goes with the label.
Cue = Literal["background", "clothes"]

# Grey of a shirt that goes with no label, the first and the second one.
_SHIRTS = {-1: 128, 0: 30, 1: 225}


class Context(Track):
    """Arms or legs that move before planks that lie or stand, or in a dark or a bright shirt.

    ``rho`` is the correlation of context and label in training. In the test each clip is there three times: with the
    context that goes with its label in training (``aligned``), with the other one (``conflict``), and with none
    (``neutral``).

    After Chung et al., "Enabling detailed action recognition evaluation through video dataset augmentation", NeurIPS
    2022, and Li, Li and Vasconcelos, "RESOUND", ECCV 2018.
    """

    name, number = "context", 7
    classes = ("arms", "legs")
    n_frames = 33

    def __init__(self, rho: float = 0.95, cue: Cue = "background") -> None:
        super().__init__()
        if cue not in get_args(Cue):
            raise DataError(f"track context: cue must be one of {', '.join(get_args(Cue))}, got {cue!r}")
        self.rho = check_number("track context", "rho", rho, 0, 1)
        self.cue: Cue = cue

    def rows(self, design: Design) -> Iterator[Row]:
        """Yield the clips."""
        share = (1 + self.rho) / 2
        for number, row in enumerate(super().rows(design)):
            if row.side == "test":
                for condition in ("aligned", "neutral", "conflict"):
                    yield replace(row, condition=condition)
            else:
                # Of every n clips of a class, n times the share are aligned, as evenly spread as can be.
                of_class = number // len(self.classes)
                aligned = int((of_class + 1) * share + 0.5) > int(of_class * share + 0.5)
                yield replace(row, condition="aligned" if aligned else "conflict")

    def film(self, row: Row, design: Design) -> PersonFilm:
        """Draw a clip."""
        stage, rng = make_stage(self, row, design), motion_rng(self, row, design)
        cycles = 2 * np.arange(self.n_frames) / (self.n_frames - 1) + rng.random()
        swing = between(rng, 0.8, 1.2) * (0.5 - 0.5 * np.cos(2 * np.pi * cycles))
        both, still = np.stack([swing, swing], axis=1), np.zeros((self.n_frames, 2))
        arms, legs = (both, still) if row.label == "arms" else (still, 0.6 * both)
        body = pose(stage.subject, between(rng, 0.2, 0.5) + arms, legs)
        style = self.style(row)
        if self.cue == "clothes":
            return film_stage(self, row, design, body, shirt=_SHIRTS[style])
        return film_stage(self, row, design, body, wall=self.paint(stage, style, row, design))

    def style(self, row: Row) -> int:
        """Return the kind of the context: 0 or 1, or -1 for none."""
        if row.condition == "neutral":
            return -1
        return self.classes.index(row.label) ^ (row.condition == "conflict")

    def paint(self, stage: Stage, style: int, row: Row, design: Design) -> Bytes:
        """Return the wall, with planks that lie (0) or stand (1)."""
        if style < 0:
            return stage.wall
        (rng,) = motion_rng(self, row, design).spawn(1)
        period = BACKGROUND_DETAIL * between(rng, 6, 9)
        along = np.arange(stage.wall.shape[style]) / period + rng.random()
        planks = between(rng, 12, 20) * np.sign(np.sin(2 * np.pi * along))
        wall = stage.wall + (planks[None, :] if style else planks[:, None])
        return np.clip(np.rint(wall), 0, 255).astype(np.uint8)


class Path(Track):
    """A person who walks on the spot, or goes to and fro with the same poses: only the path tells.

    ``level`` is the way between the turning points in body heights; at 0 both classes are the same. The place in any
    single frame has the same distribution in both, and that in the middle frame is the same.
    """

    name, number = "path", 8
    classes = ("on-the-spot", "to-and-fro")
    n_frames = 41
    size = (64, 88)
    levels = (0.1, 0.2, 0.4, 0.7, 1.0)
    controls = (0.0,)
    level_range = (0, 1)

    def film(self, row: Row, design: Design) -> PersonFilm:
        """Draw a clip."""
        stage, rng = make_stage(self, row, design), motion_rng(self, row, design)
        motion = replace(
            make_motion("walking", stage.subject, rng), speed=0.9, cadence=between(rng, 0.9, 1.3)
        )
        joints = place_joints(np.arange(self.n_frames) / self.fps, stage.subject, motion)
        feet = self._feet(row, stage, rng)
        return film_stage(self, row, design, with_toes(joints, sideways=True), limbs=side_limbs(), feet=feet)

    def _feet(self, row: Row, stage: Stage, rng: np.random.Generator) -> Floats:
        """Return where the person stands in each frame, shape (T, 2)."""
        phase, times = rng.random(), (np.arange(self.n_frames) - self.n_frames // 2) / (self.n_frames - 1)
        turn = 2 * np.pi * (phase + (times if row.label == "to-and-fro" else 0 * times))
        x = stage.foot[0] + stage.height * float(row.level or 0) / 2 * np.cos(turn)
        return np.stack([x, np.full_like(x, stage.foot[1])], axis=1)
