"""Drawn clips with all that is true of them: joints, silhouettes, flow, background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from ..drawing.canvas import (
    BACKGROUND_DETAIL,
    MARGIN,
    SUPERSAMPLING,
    Limb,
    draw_polygons,
    outlines,
    shrink,
)
from ..drawing.people import Floats

Bytes = NDArray[np.uint8]

# Pixels below which a bone has no direction.
_SHORT = 0.5


@dataclass(frozen=True, eq=False)
class Film:
    """A clip and what is true of it; lengths in pixels of the clip, from its upper left corner.

    Attributes
    ----------
    frames : ndarray of uint8, shape (T, H, W)
        What is seen.
    points : ndarray, shape (T, n, 2)
        The joints, x and y; of a drawn person the fourteen of `drawing.people` and the tips of the feet.
    plate : ndarray of uint8, shape (H, W)
        The background without the person, as the camera sees it in the first frame.
    """

    frames: Bytes
    points: Floats
    plate: Bytes

    @property
    def silhouettes(self) -> NDArray[np.bool_]:
        """Where the person is seen, shape (T, H, W)."""
        raise NotImplementedError

    @property
    def flow(self) -> NDArray[np.float32]:
        """How far each pixel moves to the next frame, x and y, shape (T - 1, H, W, 2)."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class PersonFilm(Film):
    """A film of a person made of limbs.

    Attributes
    ----------
    limbs : sequence of Limb
        Back to front.
    girth : float
        Pixels to one of a limb's radius.
    cameras : ndarray, shape (T, 2, 3), optional
        What the camera does to the place of things, at each frame; by default it stands still.
    """

    limbs: Sequence[Limb] = ()
    girth: float = 0.0
    cameras: Floats | None = None

    @cached_property
    def _owners(self) -> Bytes:
        """The number of the limb that is seen at each pixel of the canvas, from 1, or 0."""
        length, height, width = self.frames.shape
        canvases = np.zeros((length, SUPERSAMPLING * height, SUPERSAMPLING * width), np.uint8)
        numbers = list(range(1, len(self.limbs) + 1))
        draw_polygons(canvases, outlines(self.points, self.limbs, self.girth), numbers)
        return canvases

    @property
    def silhouettes(self) -> NDArray[np.bool_]:
        """Where the person covers half of a pixel or more, shape (T, H, W)."""
        covered = shrink(np.where(self._owners > 0, 255, 0).astype(np.uint8), self.frames.shape[1:])
        return covered >= 128

    @property
    def flow(self) -> NDArray[np.float32]:
        """How far each pixel moves to the next frame: with its limb, or with the camera; shape (T - 1, H, W, 2)."""
        owners = self._owners[:, SUPERSAMPLING // 2 :: SUPERSAMPLING, SUPERSAMPLING // 2 :: SUPERSAMPLING]
        place = pixel_centres(self.frames.shape[1:])
        flow = np.zeros((len(owners) - 1, *place.shape), np.float32)
        for time, moved in enumerate(flow):
            if self.cameras is not None:
                moved[:] = _carried(place, self.cameras[time], self.cameras[time + 1])
            for number, limb in enumerate(self.limbs, start=1):
                mask = owners[time] == number
                if mask.any():
                    before, after = (self.points[at, [limb.start, limb.end]] for at in (time, time + 1))
                    moved[mask] = _with_bone(place[mask], before, after) - place[mask]
        return flow


def pixel_centres(size: tuple[int, ...]) -> Floats:
    """Return x and y of each pixel's centre, shape (H, W, 2)."""
    rows, columns = np.indices(size)
    return np.stack([columns, rows], axis=-1) + 0.5


def _with_bone(place: Floats, before: Floats, after: Floats) -> Floats:
    """Return where points beside a bone are once it has moved: at the same share of its length, as far beside it."""
    along, along_after = before[1] - before[0], after[1] - after[0]
    lengths = np.linalg.norm(along), np.linalg.norm(along_after)
    if min(lengths) < _SHORT:
        return place + after[0] - before[0]
    offset = place - before[0]
    share = offset @ along / lengths[0] ** 2
    beside = offset @ np.array([-along[1], along[0]]) / lengths[0]
    normal = np.array([-along_after[1], along_after[0]]) / lengths[1]
    moved: Floats = after[0] + share[:, None] * along_after + beside[:, None] * normal
    return moved


def _carried(place: Floats, before: Floats, after: Floats) -> Floats:
    """Return how far points of the background move between two views."""
    turn = after[:, :2] @ np.linalg.inv(before[:, :2])
    return (place - before[:, 2]) @ turn.T + after[:, 2] - place


def film_plate(wall: Bytes, size: tuple[int, int], cameras: Floats | None = None) -> Bytes:
    """Return what is seen of a wall of `drawing.canvas.paint_wall` on the canvas, shape (T or 1, height, width)."""
    height, width = (SUPERSAMPLING * length for length in size)
    views = np.array([[[1.0, 0, 0], [0, 1.0, 0]]]) if cameras is None else cameras
    seen = np.empty((len(views), height, width), np.uint8)
    for canvas, view in zip(seen, views, strict=True):
        # From pixels of the wall to pixels of the canvas, both counted at their centres.
        turn = view[:, :2] * SUPERSAMPLING / BACKGROUND_DETAIL
        corner = view @ np.array([-MARGIN * size[1], -MARGIN * size[0], 1.0]) * SUPERSAMPLING
        matrix = np.column_stack([turn, corner + turn @ np.array([0.5, 0.5]) - 0.5])
        cv2.warpAffine(wall, matrix, (width, height), canvas, cv2.INTER_NEAREST, cv2.BORDER_REPLICATE)
    return seen


def draw_person(
    plates: Bytes, points: Floats, limbs: Sequence[Limb], girth: float, shades: list[int]
) -> Bytes:
    """Return frames of a person before plates on the canvas, one for each frame or one for all, shape (T, H, W)."""
    canvases = np.repeat(plates, len(points), axis=0) if len(plates) == 1 else plates.copy()
    draw_polygons(canvases, outlines(points, limbs, girth), shades)
    return shrink(canvases, (plates.shape[1] // SUPERSAMPLING, plates.shape[2] // SUPERSAMPLING))


def add_noise(frames: Bytes, sigma: float, rng: np.random.Generator) -> Bytes:
    """Return frames with independent normal noise of this deviation in grey levels."""
    noise = np.float32(sigma) * rng.standard_normal(frames.shape, dtype=np.float32)
    return np.clip(np.rint(frames + noise), 0, 255).astype(np.uint8)


def to_pixels(
    body: Floats, feet: Floats | tuple[float, float], height: float, facing: Floats | int
) -> Floats:
    """Return points in body heights, x forward and y up from the ground, as pixels, shape (T, n, 2).

    Parameters
    ----------
    body : ndarray, shape (T, n, 2)
        In body heights.
    feet : ndarray of shape (T, 2), or (2,)
        Where the person stands.
    height : float
        Pixels to a body height.
    facing : int, or ndarray of shape (T,)
        1 to the right, -1 mirrored.
    """
    forward = np.broadcast_to(facing, len(body))
    scale = height * np.stack([forward, np.full(len(body), -1.0)], axis=1)
    pixels: Floats = np.asarray(feet, np.float64).reshape(-1, 1, 2) + body * scale[:, None]
    return pixels
