"""Tracks in which only motion shows the person: pieces of noise or dots that move before others of the same kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import ClassVar

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ..drawing.canvas import SHIFT, Limb, capsules, draw_polygons, front_limbs
from ..drawing.people import Floats, between
from .film import Bytes, Film, to_pixels
from .track import Design, Row, Track, make_stage, motion_rng, noise_rng, pose

# Pieces of a limb, and pixels of an interpolated texture beyond each edge of the frame.
_PIECES, _BORDER = 3, 64
# What is drawn for a point besides its values: whether it keeps them, and when it gets another one.
_KEPT, _PHASE = np.uint64(255), np.uint64(254)


@dataclass(frozen=True, eq=False)
class TextureFilm(Film):
    """A film whose second half is the negative of the first.

    Attributes
    ----------
    owners : ndarray of uint8, shape (n, H, W)
        The piece that is seen at each pixel of the first half, 0 for the background.
    places : ndarray of int, shape (n, pieces, 2)
        Where each piece is, in whole pixels; the first one is the background, which stands still.
    """

    owners: Bytes
    places: NDArray[np.intp]

    @property
    def silhouettes(self) -> NDArray[np.bool_]:
        """Where a piece of the person is, shape (T, H, W)."""
        return np.tile(self.owners > 0, (2, 1, 1))

    @cached_property
    def flow(self) -> NDArray[np.float32]:
        """How far each pixel moves, in whole pixels; from the first half to its negative nothing moves."""
        steps = np.diff(self.places, axis=0)
        moves = np.stack([step[owner] for step, owner in zip(steps, self.owners[:-1], strict=True)])
        still = np.zeros((1, *moves.shape[1:]))
        return np.concatenate([moves, still, moves]).astype(np.float32)


class MotionNoise(Track):
    """Arms or legs that move, where each piece of the person is a patch of the same noise as the background.

    A pixel of any frame is a value of its own that was drawn at random, whatever the pose: no frame by itself tells
    anything. The second half of a clip is the negative of the first, so that the mean of all frames is one grey.
    ``level`` is the coherence: the share of the points that keep their value from frame to frame. At 0 all are drawn
    anew in each frame.
    """

    name, number = "motion-noise", 4
    classes = ("arms", "legs")
    n_frames = 40
    levels: tuple[float, ...] = (1.0,)
    level_range = (0, 1)
    controls = (0.0,)
    #: How a texture is read between its points: a leak where it is not the nearest one.
    interpolation: ClassVar[int] = cv2.INTER_NEAREST

    def film(self, row: Row, design: Design) -> TextureFilm:
        """Draw a clip."""
        half = self.n_frames // 2
        pieces = self._pieces(row, design, half)
        middles = pieces.mean(axis=2)
        moved = np.concatenate([np.zeros((half, 1, 2)), middles - middles[0]], axis=1)
        owners = np.zeros((half, *self.size), np.uint8)
        corners = np.round((pieces - 0.5) * (1 << SHIFT)).astype(np.int32)
        draw_polygons(owners, corners, list(range(1, corners.shape[1] + 1)))
        rng = noise_rng(self, row, design)
        places = np.rint(moved).astype(np.intp)
        if self.interpolation == cv2.INTER_NEAREST:
            frames = self._texture(owners, places, float(row.level or 0), rng)
        else:
            frames = self._smooth(owners, moved, rng)
        return TextureFilm(
            np.concatenate([frames, 255 - frames]), np.tile(middles, (2, 1, 1)), frames[0], owners, places
        )

    def _pieces(self, row: Row, design: Design, half: int) -> Floats:
        """Return the corners of all pieces, back to front, shape (n, pieces, corners, 2)."""
        stage, limbs = make_stage(self, row, design), front_limbs()
        rng = motion_rng(self, row, design)
        sweep, phase = between(rng, 0.5, 0.8), rng.random()
        swing = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(half) / half + phase))
        still = np.zeros((half, 2))
        moving = sweep * np.stack([swing, swing], axis=1)
        arms, legs = (1.5 * moving, still) if row.label == "arms" else (still, moving)
        body = pose(stage.subject, between(rng, 0.3, 0.7) + arms, legs)
        points = to_pixels(body, stage.foot, stage.height, stage.facing)
        return _cut(points, limbs, 1.3 * stage.girth)

    def _texture(self, owners: Bytes, places: NDArray[np.intp], coherence: float, rng: Generator) -> Bytes:
        """Return frames in which each pixel shows the point of its piece's texture that lies there."""
        rows, columns = np.indices(owners.shape[1:])
        seed, frames = int(rng.integers(1 << 62)), np.empty(owners.shape, np.uint8)
        for time, (owner, place) in enumerate(zip(owners, places, strict=True)):
            points = _number_points(owner, rows - place[owner, 1], columns - place[owner, 0])
            kept = _to_share(_scramble(points + _KEPT, seed)) < coherence
            fresh = rng.integers(0, 1 << 63, owner.shape, np.uint64)
            frames[time] = self.values(
                np.where(kept, _scramble(points + self.life(points, time, seed), seed), fresh)
            )
        return frames

    def values(self, bits: NDArray[np.uint64]) -> Bytes:
        """Return grey values from random bits."""
        return (bits >> np.uint64(40)).astype(np.uint8)

    def life(self, points: NDArray[np.uint64], time: int, seed: int) -> NDArray[np.uint64]:
        """Return how often each point has got a new value before a frame."""
        return np.zeros_like(points)

    def _smooth(self, owners: Bytes, moved: Floats, rng: Generator) -> Bytes:
        """Return frames whose textures are interpolated, which blurs what moves by a part of a pixel."""
        height, width = owners.shape[1:]
        seed, frames = int(rng.integers(1 << 62)), np.empty(owners.shape, np.uint8)
        grid = np.indices((height + 2 * _BORDER, width + 2 * _BORDER)) - _BORDER
        rows, columns = (axis.astype(np.float32) + _BORDER for axis in np.indices((height, width)))
        for piece in range(moved.shape[1]):
            texture = self.values(_scramble(_number_points(np.array(piece), *grid), seed))
            for time, (x, y) in enumerate(moved[:, piece].astype(np.float32)):
                mask = owners[time] == piece
                frames[time][mask] = cv2.remap(texture, columns - x, rows - y, self.interpolation)[mask]
        return frames


class MotionDots(MotionNoise):
    """The same in sparse dots that live for four frames: ``level`` is the share of dots that move with the person.

    After Newsome and Pare, "A selective impairment of motion perception following lesions of the middle temporal visual
    area (MT)", Journal of Neuroscience 1988.
    """

    name, number = "motion-dots", 5
    levels = (1.0, 0.8, 0.6, 0.4, 0.2)
    _density, _lifetime = 0.12, 4

    def values(self, bits: NDArray[np.uint64]) -> Bytes:
        """Return bright dots in the dark."""
        return np.where(_to_share(bits) < self._density, np.uint8(255), np.uint8(0))

    def life(self, points: NDArray[np.uint64], time: int, seed: int) -> NDArray[np.uint64]:
        """Return how often each point has got a new value; each does so in a frame of its own out of four."""
        phase = _scramble(points + _PHASE, seed) % np.uint64(self._lifetime)
        return (phase + np.uint64(time)) // np.uint64(self._lifetime)


def _number_points(
    piece: Bytes | NDArray[np.intp], rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.uint64]:
    """Return a number of its own for each point of each piece's texture; they are 256 apart."""
    number = (piece.astype(np.int64) * 1024 + rows + 512) * 1024 + columns + 512
    return number.astype(np.uint64) << np.uint64(8)


def _scramble(numbers: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Return 64 random bits for each number, as SplitMix64 makes them (Steele, Lea and Flood, OOPSLA 2014)."""
    bits = numbers * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def _to_share(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return numbers from 0 to 1, less the end."""
    return (bits >> np.uint64(11)).astype(np.float64) / (1 << 53)


def _cut(points: Floats, limbs: Sequence[Limb], girth: float) -> Floats:
    """Return the outlines of the pieces of all limbs, shape (T, pieces, corners, 2)."""
    ends = np.linspace(0, 1, _PIECES + 1)
    start, end = points[:, [limb.start for limb in limbs]], points[:, [limb.end for limb in limbs]]
    cuts = [(start + low * (end - start), start + high * (end - start)) for low, high in pairwise(ends)]
    starts, stops = (np.stack(side, axis=2).reshape(len(points), -1, 2) for side in zip(*cuts, strict=True))
    radii = np.repeat([limb.radius for limb in limbs], _PIECES) * girth
    return capsules(starts, stops, radii)
