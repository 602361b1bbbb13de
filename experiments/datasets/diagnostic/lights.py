"""Point lights: thirteen lights on the joints, of which the arrangement of local motions tells the class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ....features.pose import SKELETONS, Pose
from ..drawing.people import Floats, between
from .film import Bytes, Film
from .track import Design, Row, Track, make_stage, motion_rng, noise_rng

Form = Literal["intact", "inverted", "scrambled"]

# Head, then shoulder, elbow, wrist and hip, knee, ankle of either side, in body heights: x from the middle, y up.
_PLACES = np.array(
    [
        [0.0, 0.93],
        *([sign * x, y] for sign in (1, -1) for x, y in ((0.11, 0.8), (0.2, 0.66), (0.26, 0.53))),
        *([sign * x, y] for sign in (1, -1) for x, y in ((0.06, 0.5), (0.1, 0.27), (0.13, 0.04))),
    ]
)
# How far each light swings, in shares of the widest: elbows and knees, wrists and ankles have the same paths.
_SWINGS = np.array([0.0, *[0.0, 0.5, 1.0] * 4])
_IS_ARM = np.array([False, *[True] * 6, *[False] * 6])
_SIDES = np.array([0.0, *[0.0] * 3, *[0.5] * 3, *[0.0] * 3, *[0.5] * 3])

_SHIFT, _DARK, _BRIGHT, _RADIUS = 4, 20, 235, 1.2


@dataclass(frozen=True, eq=False)
class LightsFilm(Film):
    """A film of lights in the dark, ``points`` those of the person, shape (T, 13, 2)."""

    lights: NDArray[np.float64]

    @property
    def pose(self) -> Pose:
        """The exact pose of the person; scrambled joints have the names of their paths."""
        return Pose.of_one(self.points, SKELETONS["lights-13"])

    @property
    def silhouettes(self) -> NDArray[np.bool_]:
        """Where a light of the person is, shape (T, H, W)."""
        return np.stack(
            [_draw(points, self.frames.shape[1:]) > (_DARK + _BRIGHT) // 2 for points in self.points]
        )

    @property
    def flow(self) -> NDArray[np.float32]:
        """How far each light moves to the next frame; the dark stands still."""
        flow = np.zeros((len(self.frames) - 1, *self.frames.shape[1:], 2), np.float32)
        for time, moved in enumerate(flow):
            for light, after in zip(self.lights[time], self.lights[time + 1], strict=True):
                mask = _draw(light[None], self.frames.shape[1:]) > (_DARK + _BRIGHT) // 2
                moved[mask] = after - light
        return flow


class PointLights(Track):
    """Lights on the joints that swing from side to side, fast on the arms and slowly on the legs, or the reverse.

    Both classes hold the same local motions; which of them is above tells the class. ``condition`` is ``intact``;
    ``inverted``, upside down; or ``scrambled``, in which each light keeps its path and gets the place of another, so
    that nothing tells the class. ``level`` is the number of further lights that swing in the same ways at places by
    chance. A clip has a prime number of frames and integer numbers of cycles, so that arms and legs are sampled at the
    same phases.

    After Johansson, "Visual perception of biological motion", Perception and Psychophysics 1973.
    """

    name, number = "point-lights", 6
    classes = ("arms-fast", "legs-fast")
    n_frames = 41
    levels = (0.0, 4.0, 16.0, 64.0)
    level_range, integer_levels = (0, 1000), True
    _slow, _fast = 2, 4

    def rows(self, design: Design) -> Iterator[Row]:
        """Yield the clips: intact ones at all levels, others for the test only."""
        for row in super().rows(design):
            yield Row(row.side, row.subject, row.pair, row.label, row.level, "intact")
            if row.side == "test" and row.level == self.levels[0]:
                for form in ("inverted", "scrambled"):
                    yield Row(row.side, row.subject, row.pair, row.label, row.level, form)

    def film(self, row: Row, design: Design) -> LightsFilm:
        """Draw a clip."""
        points = self._points(row, design)
        others = self._others(row, design)
        lights = np.concatenate([points, others], axis=1)
        frames = np.stack([_draw(light, self.size) for light in lights])
        return LightsFilm(frames, points, np.full(self.size, _DARK, np.uint8), lights)

    def _points(self, row: Row, design: Design) -> Floats:
        rng = motion_rng(self, row, design)
        stage = make_stage(self, row, design)
        sweep, phases = between(rng, 0.07, 0.1), rng.random(2)
        places = _PLACES.copy()
        if row.condition == "scrambled":
            places = places[rng.permutation(len(places))]
        if row.condition == "inverted":
            places[:, 1] = 1 - places[:, 1]
        arms, legs = self._cycles(row.label)
        cycles, phase = np.where(_IS_ARM, arms, legs), np.where(_IS_ARM, *phases) + _SIDES
        sway = sweep * _SWINGS * np.sin(2 * np.pi * (self._times()[:, None] * cycles + phase))
        body = np.stack([places[:, 0] + sway, np.broadcast_to(-places[:, 1], sway.shape)], axis=-1)
        return np.array(stage.foot) + 1.1 * stage.height * body

    def _others(self, row: Row, design: Design) -> Floats:
        """Return further lights, the same for both twins, half of them fast, shape (T, n, 2)."""
        rng = noise_rng(self, row, design)
        count = int(row.level or 0)
        places = rng.random((count, 2)) * self.size[::-1]
        phase, swing = rng.random(count), rng.choice(_SWINGS[1:], count)
        cycles = np.where(np.arange(count) % 2, self._fast, self._slow)
        sway = (
            0.085
            * 0.72
            * self.size[0]
            * swing
            * np.sin(2 * np.pi * (self._times()[:, None] * cycles + phase))
        )
        return places + np.stack([sway, np.zeros_like(sway)], axis=-1)

    def _cycles(self, label: str) -> tuple[int, int]:
        """Return the cycles of arms and legs in a clip."""
        return (self._fast, self._slow) if label == "arms-fast" else (self._slow, self._fast)

    def _times(self) -> Floats:
        """Return times in clips from the middle frame, where twins are the same."""
        return (np.arange(self.n_frames) - self.n_frames // 2) / self.n_frames


def _draw(lights: Floats, size: tuple[int, ...]) -> Bytes:
    canvas = np.full(size, _DARK, np.uint8)
    for x, y in np.rint((lights - 0.5) * (1 << _SHIFT)).astype(int).tolist():
        cv2.circle(canvas, (x, y), round(_RADIUS * (1 << _SHIFT)), _BRIGHT, -1, cv2.LINE_AA, _SHIFT)
    return canvas
