"""Drawn clips with all that is true of them: joints, silhouettes, flow, background."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from ....features.pose import Pose
from ..drawing.canvas import (
    BACKGROUND_DETAIL,
    MARGIN,
    SUPERSAMPLING,
    Limb,
    draw_polygons,
    outlines,
    shrink,
    side_limbs,
)
from ..drawing.people import Floats, true_pose

Bytes = NDArray[np.uint8]

# Pixels below which a bone has no direction.
_SHORT = 0.5


@dataclass(frozen=True, eq=False)
class Film(ABC):
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
    def pose(self) -> Pose | None:
        """The exact pose, None where the points are no joints."""
        return None

    @property
    @abstractmethod
    def silhouettes(self) -> NDArray[np.bool_]:
        """Where the person is seen, shape (T, H, W)."""

    @property
    @abstractmethod
    def flow(self) -> NDArray[np.float32]:
        """How far each pixel moves to the next frame, x and y, shape (T - 1, H, W, 2)."""


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

    @property
    def pose(self) -> Pose:
        """The exact pose of the person."""
        return true_pose(self.points, list(self.limbs) == side_limbs())

    @property
    def still_points(self) -> Floats:
        """The points as a camera that stands still would see them, shape (T, n, 2)."""
        if self.cameras is None:
            return self.points
        back = np.linalg.inv(self.cameras[:, :, :2]).transpose(0, 2, 1)
        points: Floats = (self.points - self.cameras[:, None, :, 2]) @ back
        return points

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
        rows, columns = np.indices(self.frames.shape[1:]) + 0.5
        starts, ends = (
            self.points[:, [getattr(limb, end) for limb in self.limbs]] for end in ("start", "end")
        )
        moves = np.concatenate([self._background_moves()[:, None], _bone_moves(starts, ends)], axis=1)
        flow = np.empty((len(moves), *rows.shape, 2), np.float32)
        for moved, move, owner in zip(flow, moves, owners[:-1], strict=True):
            for axis, place in enumerate((columns, rows)):
                by_x, by_y, shift = (move[:, axis, part][owner] for part in range(3))
                moved[..., axis] = by_x * columns + by_y * rows + shift - place
        return flow

    def _background_moves(self) -> Floats:
        """Return what the camera does to the background from frame to frame, shape (T - 1, 2, 3)."""
        if self.cameras is None:
            return np.broadcast_to(np.eye(2, 3), (len(self.points) - 1, 2, 3))
        turn = self.cameras[1:, :, :2] @ np.linalg.inv(self.cameras[:-1, :, :2])
        shift = self.cameras[1:, :, 2:] - turn @ self.cameras[:-1, :, 2:]
        return np.concatenate([turn, shift], axis=2)


def _bone_moves(starts: Floats, ends: Floats) -> Floats:
    """Return how points move with a bone: at the same share of its length, as far beside it.

    Parameters
    ----------
    starts, ends : ndarray, shape (T, n, 2)
        The ends of each bone.

    Returns
    -------
    ndarray, shape (T - 1, n, 2, 3)
        Affine maps from a frame to the next.
    """
    along = ends - starts
    lengths = np.linalg.norm(along, axis=-1)[..., None]
    unit = along / np.maximum(lengths, _SHORT)
    beside = np.stack([-unit[..., 1], unit[..., 0]], axis=-1)
    stretch = (lengths[1:] / np.maximum(lengths[:-1], _SHORT))[..., None]
    turn = stretch * unit[1:, ..., :, None] * unit[:-1, ..., None, :]
    turn = turn + beside[1:, ..., :, None] * beside[:-1, ..., None, :]
    # What is too short to have a direction is carried along.
    turn = np.where((np.minimum(lengths[:-1], lengths[1:]) < _SHORT)[..., None], np.eye(2), turn)
    shift = starts[1:, ..., None] - turn @ starts[:-1, ..., None]
    return np.concatenate([turn, shift], axis=-1)


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
