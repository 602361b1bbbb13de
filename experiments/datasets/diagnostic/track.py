"""What a track is: two classes or more that differ in one cue alone, at levels of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from numbers import Real
from typing import ClassVar

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from ....errors import DataError
from ..drawing.canvas import Limb, front_limbs, greys, paint_wall, shrink
from ..drawing.people import (
    LEG,
    Floats,
    Subject,
    bend_arm,
    between,
    make_subject,
    stand,
    step,
    trunk,
    with_toes,
)
from .film import Bytes, Film, PersonFilm, add_noise, draw_person, film_plate, to_pixels

#: Standard deviation of the sensor's noise, in grey levels.
NOISE = 3.0

# What a generator of random numbers is for.
_SUBJECT, _STAGE, _MOTION, _NOISE = range(4)


@dataclass(frozen=True)
class Design:
    """How large a track is.

    Attributes
    ----------
    train_subjects, test_subjects : int
        People who train and people who test; nobody does both.
    pairs : int
        Times that each person does each class at each level.
    seed : int
        Another seed gives other people.
    clones : bool
        Whether all people are the same one.
    """

    train_subjects: int = 24
    test_subjects: int = 24
    pairs: int = 2
    seed: int = 0
    clones: bool = False

    def sides(self) -> Iterator[tuple[str, range]]:
        """Yield each side with its people."""
        yield "train", range(self.train_subjects)
        yield "test", range(self.train_subjects, self.train_subjects + self.test_subjects)


@dataclass(frozen=True)
class Row:
    """One clip: rows that differ in nothing but their label are twins."""

    side: str
    subject: int
    pair: int
    label: str
    level: float | None = None
    condition: str | None = None

    @property
    def group(self) -> str:
        """Who is seen."""
        return f"person{self.subject + 1:03d}"

    @property
    def name(self) -> str:
        """Name of the clip; that of its twins is equal up to the last slash."""
        parts = [str(self.pair + 1), self.condition, None if self.level is None else f"{self.level:g}"]
        return f"{self.group}/{' '.join(part for part in parts if part)}/{self.label}"


class Track(ABC):
    """Classes that differ in one cue alone.

    Attributes
    ----------
    classes : tuple of str
        The labels.
    n_frames, size, fps : int, (int, int), float
        Frames, height and width, and rate of each clip.
    levels : tuple of float
        How strong the cue is, or how strong what hides it is; empty where there is one level only.
    controls : tuple of float
        Levels without the cue, which are tested only: every attempt must be at chance there.
    level_range : (float, float)
        Smallest and largest level that can be drawn.
    integer_levels : bool
        Whether levels must be integers.
    known_levels : tuple of float
        The levels that can be drawn, where these are all.
    """

    name: ClassVar[str]
    number: ClassVar[int]
    classes: tuple[str, ...]
    n_frames: int
    size: tuple[int, int] = (64, 64)
    fps: float = 25.0
    levels: tuple[float, ...] = ()
    controls: tuple[float, ...] = ()
    level_range: tuple[float, float] = (0, 0)
    integer_levels: bool = False
    known_levels: tuple[float, ...] = ()

    def __init__(self, levels: Sequence[float] | None = None) -> None:
        for level in levels or ():
            self._check(level)
        if levels is not None:
            self.levels = tuple(float(level) for level in levels)

    def _check(self, level: object) -> None:
        """Refuse a level that cannot be drawn."""
        low, high = self.level_range
        if self.known_levels:
            wanted = f"one of {', '.join(f'{known:g}' for known in self.known_levels)}"
            right = level in self.known_levels
        else:
            kind = "integers" if self.integer_levels else "numbers"
            wanted = f"{kind} from {low:g} to {high:g}"
            number = isinstance(level, Real) and not isinstance(level, bool)
            right = number and low <= float(level) <= high and not (self.integer_levels and float(level) % 1)  # type: ignore[arg-type]
        if not right:
            raise DataError(f"track {self.name}: levels must be {wanted}, got {level!r}")

    def rows(self, design: Design) -> Iterator[Row]:
        """Yield the clips: each person does each class at each level."""
        for side, people in design.sides():
            levels: Sequence[float | None] = (*self.levels, *(self.controls if side == "test" else ())) or (
                None,
            )
            for subject in people:
                for level in levels:
                    for pair in range(design.pairs):
                        for label in self.classes:
                            yield Row(side, subject, pair, label, level)

    def rate(self, row: Row) -> float:
        """Return frames per second of a clip."""
        return self.fps

    @abstractmethod
    def film(self, row: Row, design: Design) -> Film:
        """Draw a clip."""


def draw_subject(person: int, design: Design) -> Subject:
    """Return a person, the same one in all tracks."""
    number = 0 if design.clones else person
    return make_subject(number, default_rng([design.seed, _SUBJECT, number]))


def motion_rng(track: Track, row: Row, design: Design) -> Generator:
    """Return what draws the motion of a pair."""
    return default_rng([design.seed, _MOTION, track.number, row.subject, row.pair])


def noise_rng(track: Track, row: Row, design: Design) -> Generator:
    """Return what draws the noise of the twins at a level."""
    level = round(1000 * (row.level or 0))
    return default_rng([design.seed, _NOISE, track.number, row.subject, row.pair, level])


@dataclass(frozen=True)
class Stage:
    """Who stands where before what, the same for the clips of a pair; lengths in pixels."""

    subject: Subject
    height: float
    foot: tuple[float, float]
    facing: int
    wall: Bytes

    @property
    def girth(self) -> float:
        """Pixels to one of a limb's radius."""
        return self.subject.girth * self.height


def make_stage(track: Track, row: Row, design: Design) -> Stage:
    """Return the stage of a pair, drawn without regard to labels; a person faces either way in half of the pairs."""
    return _draw_stage(track.number, track.size, row.subject, row.pair, design)


@lru_cache(maxsize=4)
def _draw_stage(number: int, size: tuple[int, int], person: int, pair: int, design: Design) -> Stage:
    rng, (height, width) = default_rng([design.seed, _STAGE, number, person, pair]), size
    return Stage(
        subject=(subject := draw_subject(person, design)),
        height=height * subject.stature * between(rng, 0.95, 1.15),
        foot=(width * between(rng, 0.42, 0.58), height * between(rng, 0.88, 0.95)),
        facing=1 if (person + pair) % 2 else -1,
        wall=paint_wall(size, 0.6, rng),
    )


def pose(subject: Subject, arms: Floats, legs: Floats) -> Floats:
    """Return joints and tips of the feet of a person seen from the front, in body heights, shape (T, 16, 2).

    Parameters
    ----------
    subject : Subject
        Lengths of the bones.
    arms, legs : ndarray, shape (T, 2)
        Angles at shoulders and hips in radians: 0 hangs down, a right angle points outward.
    """
    joints = np.zeros((len(arms), 14, 2))
    joints[:, 1] = [0.0, 2 * subject.leg + 0.03]
    trunk(joints, subject, 0.0, 0.105, 0.055)
    stand(joints, subject, 0.08)
    for side, sign in enumerate((1.0, -1.0)):
        bend_arm(joints, side, subject, sign * arms[:, side], np.full(len(arms), sign * 0.2))
        lifted = sign * (0.06 + legs[:, side])
        for bone in (1, 2):
            start = joints[:, LEG[side] + bone - 1]
            joints[:, LEG[side] + bone] = step(start, subject.leg, lifted)
    return with_toes(joints, sideways=False)


def film_stage(
    track: Track,
    row: Row,
    design: Design,
    body: Floats,
    *,
    order: NDArray[np.intp] | None = None,
    limbs: Sequence[Limb] | None = None,
    feet: Floats | None = None,
    wall: Bytes | None = None,
    shirt: int | None = None,
    closed: bool = False,
) -> PersonFilm:
    """Draw a person on the stage of a pair.

    Parameters
    ----------
    body : ndarray, shape (n, 16, 2)
        Joints and tips of the feet in body heights.
    order : ndarray of int, shape (T,), optional
        Which of the n frames, with their noise, follow each other; by default all as they are.
    limbs : sequence of Limb, optional
        By default those of a person seen from the front.
    feet : ndarray, shape (n, 2), optional
        Where the person stands, in pixels; by default where the stage says.
    wall : ndarray of uint8, optional
        By default the stage's own.
    shirt : int, optional
        Grey of the shirt, by default the person's own.
    closed : bool
        Whether the last frame is the first one, to the noise.
    """
    stage = make_stage(track, row, design)
    limbs = front_limbs() if limbs is None else limbs
    points = to_pixels(body, stage.foot if feet is None else feet, stage.height, stage.facing)
    plates = film_plate(stage.wall if wall is None else wall, track.size)
    subject = stage.subject if shirt is None else replace(stage.subject, shirt=shirt)
    frames = draw_person(plates, points, limbs, stage.girth, greys(subject, limbs))
    frames = add_noise(frames, NOISE, noise_rng(track, row, design))
    if closed:
        frames[-1] = frames[0]
    order = np.arange(len(frames)) if order is None else order
    return PersonFilm(frames[order], points[order], shrink(plates, track.size)[0], limbs, stage.girth)
