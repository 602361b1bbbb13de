"""Histograms of oriented gradients in three dimensions, of blocks of space and time where something moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from .flow import single_thread
from .motion import Motion, MotionFeature
from .person import append_place, mirror_place, person_length, split_place, stabilised_scene

__all__ = ["Hog3d", "Solid", "directions", "quantise"]

Solid = Literal["icosahedron", "dodecahedron"]

# Descriptors and positions.
_Described = tuple[NDArray[np.float32], NDArray[np.float32]]

# Cells of a block: in time, from top to bottom, from left to right.
_CELLS = (3, 4, 4)

# Largest value of a descriptor of length 1.
_MAX_SHARE = 0.25

# Seconds of a clip that are processed at once.
_CHUNK_SECONDS = 2.0


def directions(solid: Solid) -> NDArray[np.float64]:
    """Return the normals of a regular solid's faces: the corners of its dual.

    Parameters
    ----------
    solid : {"icosahedron", "dodecahedron"}
        20 or 12 faces. Either solid is its own mirror image along each axis.

    Returns
    -------
    ndarray of float64, shape (20, 3) or (12, 3)
        Vectors of length 1.

    Examples
    --------
    >>> directions("dodecahedron").shape, directions("icosahedron").shape
    ((12, 3), (20, 3))
    """
    golden = (1 + np.sqrt(5)) / 2
    signs = np.array([-1.0, 1.0])
    pairs = np.stack(np.meshgrid(signs, signs, indexing="ij"), axis=-1).reshape(-1, 2)
    lengths = (1.0, golden) if solid == "dodecahedron" else (golden, 1 / golden)
    edges = np.column_stack([np.zeros(4), pairs * lengths])
    corners = [np.roll(edges, shift, axis=1) for shift in range(3)]
    if solid == "icosahedron":
        corners.append(np.stack(np.meshgrid(signs, signs, signs, indexing="ij"), axis=-1).reshape(-1, 3))
    found = np.concatenate(corners)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def quantise(gradients: NDArray[np.floating], solid: Solid) -> NDArray[np.float32]:
    """Quantise the directions of vectors on the faces of a solid (Klaser, Marszalek and Schmid, BMVC 2008).

    A vector votes for each face by its projection on the normal, less that of a neighbouring normal, so that a vector
    along a normal votes for that face alone.

    Parameters
    ----------
    gradients : ndarray, shape (..., 3)
        Vectors.
    solid : {"icosahedron", "dodecahedron"}
        The solid.

    Returns
    -------
    ndarray of float32, shape (..., 20) or (..., 12)
        Non-negative, each of the length of its vector.

    Examples
    --------
    >>> votes = quantise(2 * directions("dodecahedron")[:1], "dodecahedron")
    >>> int(votes.argmax()), float(votes.max().round(3))
    (0, 2.0)
    """
    normals = directions(solid)
    cosines = np.unique((normals @ normals.T).round(9))
    neighbouring = np.float32(cosines[-2])
    gradients = np.asarray(gradients, np.float32)
    length = np.linalg.norm(gradients, axis=-1, keepdims=True)
    votes = gradients @ normals.T.astype(np.float32)
    votes -= neighbouring * length
    np.maximum(votes, 0, out=votes)
    total = np.linalg.norm(votes, axis=-1, keepdims=True)
    return votes * (length / np.where(total > 0, total, 1))


@dataclass(frozen=True)
class Hog3d(MotionFeature):
    """Describe blocks of 4 x 4 x 3 cells of space and time, taken densely where people move.

    Attributes
    ----------
    solid : {"icosahedron", "dodecahedron"}
        What the directions are quantised on: 20 or 12 bins of a cell.
    sizes : tuple of float
        Sides of the blocks, in lengths of the person (`person_length`).
    seconds : float
        Duration of the blocks, a frame for each cell or more; the whole clip if it is shorter.
    parts : int
        Mean gradients of a cell along each axis, each quantised by itself.
    step : int
        Cells from one block to the next, along each axis.
    min_moving : float
        Least share of a block that moves.
    speed : float
        Lengths of the person per second at which gradients in time weigh as much as gradients in space.
    place_weight : float
        If positive, each descriptor ends with the place of its block, times this, see `InterestPoints`.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> Hog3d().extract(examples()[0][2])["hog3d"].shape[1]
    960
    """

    solid: Solid = "icosahedron"
    sizes: tuple[float, ...] = (0.35, 0.5, 0.7)
    seconds: float = 0.5
    parts: int = 2
    step: int = 2
    min_moving: float = 0.05
    speed: float = 0.5
    place_weight: float = 0.0

    def describe(self, motion: Motion) -> dict[str, NDArray[np.float32]]:
        """Describe an observed clip.

        Parameters
        ----------
        motion : Motion
            The clip.

        Returns
        -------
        dict
            ``"hog3d"`` (n, 48 * bins), of length 1 each, by time, row and column of the cell; ``"place"`` (n, 4): where
            the middle of the block is in the people's box, from left to right and from top to bottom, and in the clip,
            from 0 to 1, and its size. No row where nothing moves.
        """
        found = [self._none()]
        # Gradients in time need a frame on each side.
        if motion.track.found and len(motion.frames) > 2:
            for edges in self._pieces(motion):
                view = _view(motion, edges, self.speed, max(self.sizes) / 2)
                found += [self._blocks(view, size) for size in self.sizes]
        rows, places = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return {"hog3d": append_place(rows, places, self.place_weight), "place": places}

    def mirror(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the descriptors of the mirrored clips, left and right exchanged.

        Parameters
        ----------
        array : ndarray, shape (n, 48 * bins), and 3 columns more with places
            Descriptors of n blocks.

        Returns
        -------
        ndarray of float32
            Of the same shape.
        """
        rows, place = split_place(array, self.place_weight)
        normals = directions(self.solid)
        opposite = np.argmax(normals * (-1, 1, 1) @ normals.T, axis=1)
        cells = rows.reshape(len(rows), *_CELLS, len(normals))
        mirrored = cells[:, :, :, ::-1][..., opposite].reshape(rows.shape)
        return append_place(mirrored, mirror_place(place), self.place_weight)

    def _none(self) -> _Described:
        n_values = int(np.prod(_CELLS)) * len(directions(self.solid))
        return np.empty((0, n_values), np.float32), np.empty((0, 4), np.float32)

    def _pieces(self, motion: Motion) -> Iterator[NDArray[np.float64]]:
        """Yield the edges in time, in frames, of the parts of the blocks that are processed at once."""
        n_frames = len(motion.frames)
        block, step = _CELLS[0] * self.parts, self.step * self.parts
        # However low the frame rate, a cell takes at least one frame.
        part = min(max(self.seconds * motion.fps, _CELLS[0]), n_frames) / block
        n_blocks = (int(n_frames / part + 1e-6) - block) // step + 1
        at_once = max(1, int(_CHUNK_SECONDS * motion.fps / (step * part)))
        for first in range(0, n_blocks, at_once):
            last = min(first + at_once, n_blocks) - 1
            yield np.minimum(np.arange(first * step, last * step + block + 1) * part, n_frames)

    def _blocks(self, view: _View, size: float) -> _Described:
        """Describe the blocks of one size."""
        side, cell = size * view.unit, size * view.unit / _CELLS[1]
        rows, columns = (round(length / cell) for length in view.planes.shape[1:3])
        # Parts smaller than a pixel have no gradient to average.
        if side < _CELLS[1] * self.parts or min(rows, columns) < _CELLS[1]:
            return self._none()
        means = _means(view.planes, view.edges, (rows * self.parts, columns * self.parts))
        votes = _windows(_cells(quantise(means[..., :3], self.solid), self.parts), self.step)
        moving = _windows(_cells(means[..., 3:], self.parts), self.step).mean(axis=(3, 4, 5, 6))
        chosen = np.stack(np.nonzero(moving >= self.min_moving * self.parts**3), axis=1)
        found = votes[tuple(chosen.T)].reshape(len(chosen), self._none()[0].shape[1])
        full = found.any(axis=1)
        shape = np.array([rows, columns]) / view.planes.shape[1:3]
        middles = chosen[full] * self.step + np.array(_CELLS) / 2
        times = view.edges[0] + middles[:, 0] * self.parts * (view.edges[1] - view.edges[0])
        places = np.full((len(times), 4), size, np.float32)
        places[:, :3] = view.place(times, middles[:, 1:] / shape)
        return _normalised(found[full]), places


@dataclass(frozen=True, eq=False)
class _View:
    """The frames from which the blocks of a chunk are cut."""

    planes: NDArray[
        np.float32
    ]  # (T, H, W, 4): gradients to the right, down, in time, and whether a pixel moves
    boxes: NDArray[np.float64]  # (T, 4)
    edges: NDArray[np.float64]  # of the parts of cells, in frames from the first
    unit: float  # length of the person in pixels
    start: int
    n_frames: int  # of the clip

    def place(self, times: NDArray[np.float64], middles: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where points (down, right) are in the people's box, and in the clip: x, y, t."""
        boxes = self.boxes[np.clip(times.astype(np.intp), 0, len(self.boxes) - 1)]
        down, right = ((middles - boxes[:, :2]) / (boxes[:, 2:] - boxes[:, :2])).T
        return np.clip(np.stack([right, down, (self.start + times) / self.n_frames], axis=1), 0, 1)


def _view(motion: Motion, edges: NDArray[np.float64], speed: float, margin: float) -> _View:
    n_frames, unit = len(motion.frames), person_length(motion)
    first, last = int(edges[0]), int(np.ceil(edges[-1]))
    # One frame more on each side, for the gradients in time.
    start, stop = max(first - 1, 0), min(last + 1, n_frames)
    scene = stabilised_scene(motion, start, stop, margin * unit, motion.people)
    planes = np.zeros((*scene.frames.shape, 4), np.float32)
    planes[:, :, 1:-1, 0] = (scene.frames[:, :, 2:] - scene.frames[:, :, :-2]) / 2
    planes[:, 1:-1, :, 1] = (scene.frames[:, 2:] - scene.frames[:, :-2]) / 2
    planes[..., 2] = np.gradient(scene.frames, axis=0) * np.float32(motion.fps / (speed * unit))
    planes[..., 3] = scene.mask
    kept = slice(first - start, last - start)
    return _View(planes[kept], scene.boxes[kept], edges - first, unit, first, n_frames)


def _means(
    planes: NDArray[np.float32], edges: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.float32]:
    """Average planes over a grid of parts, shape (len(edges) - 1, *size, 4)."""
    with single_thread():
        small = np.stack([cv2.resize(plane, size[::-1], interpolation=cv2.INTER_AREA) for plane in planes])
    # An integral over time, interpolated between frames, so that a part may end between them.
    integral = np.concatenate(
        [np.zeros_like(small[:1], np.float64), np.cumsum(small, axis=0, dtype=np.float64)]
    )
    below = np.minimum(edges.astype(np.intp), len(small) - 1)
    at_edges = integral[below] + (edges - below)[:, None, None, None] * small[below]
    return (np.diff(at_edges, axis=0) / np.diff(edges)[:, None, None, None]).astype(np.float32)


def _cells(values: NDArray[np.float32], parts: int) -> NDArray[np.float32]:
    """Sum over the parts of each cell."""
    times, rows, columns = (length // parts for length in values.shape[:3])
    split = values.reshape(times, parts, rows, parts, columns, parts, values.shape[3])
    return np.asarray(split.sum(axis=(1, 3, 5)))


def _windows(cells: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Return the cells of each block, with the bins last, as a view."""
    windows = np.lib.stride_tricks.sliding_window_view(cells, _CELLS, axis=(0, 1, 2))
    return np.moveaxis(windows[::step, ::step, ::step], 3, -1)


def _normalised(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to length 1, with values clipped so that none dominates (Lowe, IJCV 2004)."""
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.minimum(rows, np.float32(_MAX_SHARE))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
