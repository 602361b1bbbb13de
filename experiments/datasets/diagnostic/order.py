"""Tracks whose twins are made of the same frames in another order: the arrow, the order and the tempo of motion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..drawing.people import Floats, between
from .film import PersonFilm
from .track import Design, Row, Track, film_stage, make_stage, motion_rng, pose


class Arrow(Track):
    """Arms that rise fast and fall slowly, or its time reversal: first, middle, last and all frames are the same.

    ``level`` is the share of a cycle in which fast arms rise; at one half both classes are the same.
    """

    name, number = "arrow", 0
    classes = ("fast-fall", "fast-rise")
    n_frames = 33
    levels = (0.2,)
    controls = (0.5,)
    level_range = (0.05, 0.95)
    _cycles = 2

    def film(self, row: Row, design: Design) -> PersonFilm:
        """Draw a clip."""
        rng = motion_rng(self, row, design)
        phase, low, sweep = rng.random(), between(rng, 0.3, 0.7), between(rng, 0.9, 1.3)
        turn = np.mod(self._cycles * np.arange(self.n_frames) / (self.n_frames - 1) + phase, 1)
        rise = float(row.level or 0)
        height = np.where(turn < rise, turn / rise, (1 - turn) / (1 - rise))
        arms = low + sweep * height
        return _in_time(self, row, design, arms, 0 * arms, backward=row.label == "fast-fall", closed=True)


class OneWay(Track):
    """Arms that are raised once, or its time reversal: the first frame tells, all together without order do not."""

    name, number = "one-way", 1
    classes = ("lower", "raise")
    n_frames = 33

    def __init__(self) -> None:
        super().__init__()

    def film(self, row: Row, design: Design) -> PersonFilm:
        """Draw a clip."""
        rng = motion_rng(self, row, design)
        low, sweep = between(rng, 0.2, 0.5), between(rng, 1.2, 1.8)
        length = between(rng, 12, 20)
        start = between(rng, 2, self.n_frames - length - 2)
        share = np.clip((np.arange(self.n_frames) - start) / length, 0, 1)
        angle = low + sweep * (0.5 - 0.5 * np.cos(np.pi * share))
        return _in_time(self, row, design, angle, 0 * angle, backward=row.label == "lower")


class Order(Track):
    """Arms, then a leg, or a leg, then the arms, each from and to rest: twins are each other's time reversal.

    ``level`` is the number of still frames between. On the condition ``control`` the arms move twice, so that twins
    differ in nothing that tells the label.
    """

    name, number = "order", 2
    classes = ("arms-first", "leg-first")
    n_frames = 57
    levels = (0.0, 4.0, 8.0, 16.0, 32.0)
    level_range, integer_levels = (0, 36), True
    _length = 9

    def rows(self, design: Design) -> Iterator[Row]:
        """Yield the clips, with those of the control on the test side."""
        for row in super().rows(design):
            yield row
            if row.side == "test" and row.level == self.levels[0]:
                yield replace(row, condition="control")

    def film(self, row: Row, design: Design) -> PersonFilm:
        """Draw a clip."""
        rng = motion_rng(self, row, design)
        gap = int(row.level or 0)
        first = int(rng.integers(1, self.n_frames - 2 * self._length - gap))
        arms, legs = np.zeros(self.n_frames), np.zeros(self.n_frames)
        pulse = np.sin(np.pi * (np.arange(self._length) + 1) / (self._length + 1)) ** 2
        arms[first : first + self._length] = pulse
        second = arms if row.condition == "control" else legs
        second[first + self._length + gap :][: self._length] = pulse
        arms = between(rng, 0.2, 0.4) + between(rng, 0.9, 1.4) * arms
        legs = between(rng, 0.5, 0.8) * legs
        return _in_time(self, row, design, arms, legs, backward=row.label == "leg-first", closed=True)


class Tempo(Track):
    """Arms that swing in one of two tempi: twins show the same frames, the fast one in larger steps.

    A clip has a prime number T of frames and an integer number of cycles, so that it samples each of the phases 0, 1/T,
    2/T ... once, whatever the tempo. ``level`` is the ratio of the tempi; at 1 twins are the same.
    """

    name, number = "tempo", 3
    classes = ("fast", "slow")
    n_frames = 127
    controls = (1.0,)
    #: Cycles of the slow and of the fast twin in a clip at each level, about the same mean.
    cycles: ClassVar[Mapping[float, tuple[int, int]]] = {
        round(fast / slow, 3): (slow, fast)
        for slow, fast in ((20, 20), (20, 21), (19, 21), (18, 22), (17, 23), (16, 26), (14, 28))
    }
    levels = tuple(cycles)[1:]
    known_levels = levels

    def film(self, row: Row, design: Design) -> PersonFilm:
        """Draw a clip."""
        rng = motion_rng(self, row, design)
        phase, middle, sweep = rng.random(), between(rng, 0.6, 1.2), between(rng, 0.25, 0.4)
        turn = np.arange(self.n_frames) / self.n_frames + phase
        angle = middle + sweep * np.sin(2 * np.pi * turn)
        step = self.cycles[float(row.level or 1)][row.label == "fast"]
        # The middle frame is the same for both.
        order = step * (np.arange(self.n_frames) - self.n_frames // 2) % self.n_frames
        body = pose(make_stage(self, row, design).subject, _both(angle), _both(0 * angle))
        return film_stage(self, row, design, body, order=order)


def _both(angle: Floats) -> Floats:
    return np.stack([angle, angle], axis=1)


def _in_time(
    track: Track, row: Row, design: Design, arms: Floats, leg: Floats, *, backward: bool, closed: bool = False
) -> PersonFilm:
    """Draw a clip of both arms and one leg, or its time reversal."""
    body = pose(make_stage(track, row, design).subject, _both(arms), np.stack([leg, 0 * leg], axis=1))
    order: NDArray[np.intp] = np.arange(len(body))
    return film_stage(track, row, design, body, order=order[::-1] if backward else order, closed=closed)
