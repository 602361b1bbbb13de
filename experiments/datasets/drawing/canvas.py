"""Pictures of drawn people: limbs, cameras, walls."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from .people import ARM, HEAD, LEG, NECK, TOE, Floats, Subject

SUPERSAMPLING = 2
BACKGROUND_DETAIL = 4  # background pixels to a pixel of the clip
MARGIN = 0.3  # background kept beyond each edge of the frame, for the moving camera
SHIFT = 4  # fractional bits of a polygon's coordinates


@dataclass(frozen=True)
class Limb:
    """A round bar between two joints: its radius in heights, what covers it, and its shade."""

    start: int
    end: int
    radius: float
    cover: str
    shade: float


@cache
def side_limbs() -> list[Limb]:
    """Return the limbs of a person seen from the right side, the hindmost first."""
    far, near = ((ARM[side], LEG[side], TOE[side]) for side in (1, 0))
    return [
        *_arm(far[0], 0.8),
        *_leg(far[1], far[2], 0.8),
        *_head(),
        Limb(near[0], near[1], 0.062, "shirt", 1.0),
        *_leg(near[1], near[2], 1.0),
        *_arm(near[0], 0.9),
    ]


@cache
def front_limbs() -> list[Limb]:
    """Return the limbs of a person seen from the front, the hindmost first."""
    legs = [limb for side in (0, 1) for limb in _leg(LEG[side], TOE[side], 1.0)]
    trunk = [Limb(ARM[side], LEG[end], 0.05, "shirt", 1.0) for side in (0, 1) for end in (0, 1)]
    arms = [limb for side in (0, 1) for limb in _arm(ARM[side], 0.9)]
    return [*legs, *_head(), *trunk, *arms]


def _arm(shoulder: int, shade: float) -> list[Limb]:
    upper = Limb(shoulder, shoulder + 1, 0.026, "shirt", shade)
    return [upper, Limb(shoulder + 1, shoulder + 2, 0.021, "skin", shade)]


def _leg(hip: int, toe: int, shade: float) -> list[Limb]:
    thigh, shank = (
        Limb(hip, hip + 1, 0.04, "trousers", shade),
        Limb(hip + 1, hip + 2, 0.028, "trousers", shade),
    )
    return [thigh, shank, Limb(hip + 2, toe, 0.018, "trousers", 0.7 * shade)]


def _head() -> list[Limb]:
    return [Limb(NECK, HEAD, 0.026, "skin", 0.9), Limb(HEAD, HEAD, 0.06, "skin", 1.0)]


def greys(subject: Subject, limbs: Sequence[Limb]) -> list[int]:
    """Return the grey of each limb of a person."""
    return [round(getattr(subject, limb.cover) * limb.shade) for limb in limbs]


def capsules(start: Floats, end: Floats, radii: Floats) -> Floats:
    """Return round bars between two rows of points, shape (..., n_limbs, n_corners, 2)."""
    along = end - start
    angle = np.arctan2(along[..., 1], along[..., 0])[..., None]
    half = np.linspace(-np.pi / 2, np.pi / 2, 6)
    corners = []
    for centre, turn in ((end, half), (start, half + np.pi)):
        ray = np.stack([np.cos(angle + turn), np.sin(angle + turn)], axis=-1)
        corners.append(centre[..., None, :] + radii[:, None, None] * ray)
    return np.concatenate(corners, axis=-2)


def outlines(
    points: Floats, limbs: Sequence[Limb], girth: float, camera: Camera | None = None
) -> NDArray[np.int32]:
    """Return the outlines of all limbs on the canvas, back to front, shape (T, n_limbs, n_corners, 2).

    Parameters
    ----------
    points : ndarray, shape (T, 16, 2)
        Joints and toes in pixels of the clip.
    limbs : sequence of Limb
        Back to front.
    girth : float
        Pixels to one of a limb's radius.
    camera : Camera, optional
        How they are seen; by default as they are.
    """
    radii = np.array([limb.radius for limb in limbs]) * girth
    corners = capsules(
        points[:, [limb.start for limb in limbs]], points[:, [limb.end for limb in limbs]], radii
    )
    seen = (camera.see(corners) if camera else corners) * SUPERSAMPLING - 0.5
    return np.round(seen * (1 << SHIFT)).astype(np.int32)


def draw_polygons(canvases: NDArray[np.uint8], polygons: NDArray[np.int32], greys: list[int]) -> None:
    """Fill the polygons of each frame, the last on top."""
    for canvas, frame in zip(canvases, polygons, strict=True):
        for polygon, grey in zip(frame, greys, strict=True):
            cv2.fillConvexPoly(canvas, polygon, grey, cv2.LINE_8, SHIFT)


@dataclass(frozen=True)
class Camera:
    """The view at each frame: scale about the middle of the frame, then a shift, in pixels of the clip."""

    middle: Floats
    scale: Floats
    shift: Floats

    def see(self, points: Floats) -> Floats:
        """Move points, shape (T, ..., 2), to where the camera sees them."""
        over = (slice(None), *[None] * (points.ndim - 1))
        shift = self.shift.reshape(len(self.shift), *[1] * (points.ndim - 2), 2)
        return self.middle + (points - self.middle) * self.scale[over] + shift


def paint_wall(size: tuple[int, int], clutter: float, rng: Generator) -> NDArray[np.uint8]:
    """Paint a wall, a floor and the things before them, larger and finer than a frame of this height and width."""
    height, width = (round(length * BACKGROUND_DETAIL * (1 + 2 * MARGIN)) for length in size)
    wall, floor = rng.integers(105, 175, size=2)
    skirting = round(height * (MARGIN + rng.uniform(0.7, 0.85)) / (1 + 2 * MARGIN))
    image = np.empty((height, width), np.float64)
    image[:skirting], image[skirting:] = wall, floor
    image += rng.uniform(-15, 15) * np.linspace(-1, 1, width)
    coarse = rng.normal(0, 3 * clutter, (height // 6 + 1, width // 6 + 1))
    image += coarse.repeat(6, axis=0).repeat(6, axis=1)[:height, :width]
    painted = np.clip(np.round(image), 0, 255).astype(np.uint8)
    for _ in range(round(14 * clutter)):
        _paint_thing(painted, clutter, rng)
    return painted


def _paint_thing(image: NDArray[np.uint8], clutter: float, rng: Generator) -> None:
    """Paint one thing: a four-cornered board or a disc, a little darker or brighter than what is there."""
    height, width = image.shape
    x, y = int(rng.integers(width)), int(rng.integers(height))
    contrast = min(clutter, 2.0) * rng.uniform(-35, 35)
    grey = float(np.clip(round(float(image[y, x]) + contrast), 60, 210))
    size = rng.uniform(0.03, 0.16, size=2) * height
    if rng.random() < 0.3:
        cv2.circle(image, (x, y), max(1, round(size[0] / 2)), grey, -1, cv2.LINE_8)
        return
    tilt = rng.normal(0, 0.15)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size / [2, 1]
    turned = corners @ np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    cv2.fillConvexPoly(image, np.round(turned + np.array([x, y])).astype(np.int32), grey, cv2.LINE_8)


def film_wall(
    wall: NDArray[np.uint8], camera: Camera, size: tuple[int, int], pan: float
) -> NDArray[np.uint8]:
    """Return what the camera sees of a wall, shape (T, height, width) on the supersampled canvas."""
    width, height = (
        _seen(camera, axis, size[1 - axis], move, wall.shape[1 - axis]) for axis, move in ((0, pan), (1, 0.0))
    )
    canvases = np.empty((len(camera.scale), height.shape[1], width.shape[1]), np.uint8)
    for canvas, rows, columns in zip(canvases, height, width, strict=True):
        canvas[:] = wall[rows].take(columns, axis=1)
    return canvases


def _seen(camera: Camera, axis: int, size: int, pan: float, limit: int) -> NDArray[np.intp]:
    """Return which row or column of the background stands behind each one of the canvas, at each frame."""
    middle, shift = camera.middle[axis], camera.shift[:, axis, None]
    canvas = (np.arange(SUPERSAMPLING * size) + 0.5) / SUPERSAMPLING
    place = middle + (canvas - shift - middle) / camera.scale[:, None] + (MARGIN + pan) * size
    return np.clip((place * BACKGROUND_DETAIL).astype(np.intp), 0, limit - 1)


def shrink(canvases: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Bring canvases to the height and width of the clip."""
    return np.stack([cv2.resize(canvas, size[::-1], interpolation=cv2.INTER_AREA) for canvas in canvases])


@cache
def drawing_source() -> list[str]:
    """Return what draws people: a hash of this folder, and the versions of the libraries under it."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    source = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return [source, cv2.__version__, np.__version__]
