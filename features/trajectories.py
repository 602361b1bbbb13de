"""Dense trajectories: points that are tracked through a few frames, and descriptors of their surroundings."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .._ext.histograms import add_blocks, integral_histograms
from .clip import Clip
from .flow import Method, background_flow, optical_flow, single_thread, working_frames
from .histograms import check_field

__all__ = ["DenseTrajectories"]

Array = NDArray[np.float64]

# Shorter side of the frames in pixels: smaller ones are enlarged, larger ones reduced.
_SIDES = 120, 240
# Thresholds in pixels for trajectories that are static, erratic, jump, or move with the camera, and the duration in
# seconds of the frames that they refer to (Wang and Schmid, ICCV 2013).
_STILL, _ERRATIC, _JUMP, _JUMP_SHARE, _CAMERA = math.sqrt(3), 50.0, 20.0, 0.7, 1.0
_FRAME = 1 / 25
# Longest flow that counts as no motion, in pixels per frame, and the constant that is added to all histograms.
_NO_FLOW, _EPSILON = 0.4, 0.05
# Fields of flow that are processed at once.
_CHUNK = 60
# Channel: bins.
_BINS = {"hog": 8, "hof": 9, "mbhx": 8, "mbhy": 8}


@dataclass(frozen=True)
class DenseTrajectories:
    """Improved dense trajectories (Wang and Schmid, ICCV 2013), with the motion of the camera removed.

    Points of a grid are tracked through the median-filtered flow at several scales; those that hardly move, jump, or
    move as the background does are left out. Along each, HOG, HOF and MBH are histogrammed in a block that follows it.

    At any frame rate a trajectory lasts as long as ``length`` frames of 1/25 s, or two thirds of a clip shorter than
    that; its shape is resampled to ``length`` steps. As all last equally long, none begins near the end of a clip. A
    clip in which nothing moves has none. In frames lower than twice ``side`` the blocks are half as high as the frame.

    Parameters
    ----------
    length : int
        Steps of a trajectory, ``times`` or more.
    stride : int
        Pixels between points of the grid.
    side : int
        Pixels of a block's height and width.
    cells, times : int
        Cells of a block in each direction, and of the time.
    scales : int
        Most scales, each 1 / sqrt(2) of the one before.
    quality : float
        Smallest eigenvalue of the gradient's covariance at a point, as a share of the largest in the frame.
    method : {"dis", "farneback"}
        Of the flow, see `optical_flow`. Farneback's, which the reference implementation uses, blurs motion over its
        surroundings; with the sharper DIS there are a quarter as many trajectories of small people.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> found = DenseTrajectories(length=5, scales=1).extract(examples()[0][2])
    >>> {name: array.shape[1] for name, array in found.items()}
    {'trajectory': 10, 'hog': 96, 'hof': 108, 'mbh': 192, 'place': 5}
    """

    length: int = 15
    stride: int = 5
    side: int = 32
    cells: int = 2
    times: int = 3
    scales: int = 8
    quality: float = 1e-3
    method: Method = "farneback"

    def __post_init__(self) -> None:
        minima = {"length": self.times, "stride": 1, "side": 1, "cells": 1, "times": 1, "scales": 1}
        for name, low in minima.items():
            if getattr(self, name) < low:
                raise ValueError(f"{name} must be {low} or more, got {getattr(self, name)}")

    def sizes(self) -> dict[str, int]:
        """Return the length of each channel."""
        block = self.cells**2 * self.times
        channels = {name: block * bins for name, bins in _BINS.items()}
        mbh = channels.pop("mbhx") + channels.pop("mbhy")
        return {"trajectory": 2 * self.length, **channels, "mbh": mbh}

    def extract(self, clip: Clip) -> dict[str, NDArray[Any]]:
        """Describe a clip.

        Returns
        -------
        dict of ndarray of float32
            One row per trajectory: ``trajectory``, ``hog``, ``hof`` and ``mbh``, as long as `sizes` says, and ``place``
            (n, 5): x, y and time of its middle as shares of width, height and duration, its scale, and its mean speed
            against the ground in frame heights per second.
        """
        side = min(max(min(clip.height, clip.width), _SIDES[0]), _SIDES[1])
        frames, fps = working_frames(clip, side)
        n_fields = len(frames) - 1
        wanted = self.length * _FRAME * fps
        length = min(round(wanted), max(2 * n_fields // 3, 1), n_fields)
        min_scale = 32 / min(frames.shape[1:])
        scales = [scale for scale in 2 ** (-np.arange(self.scales) / 2) if scale == 1 or scale >= min_scale]
        active = [_Tracks.none(length) for _ in scales]
        found: list[list[dict[str, NDArray[np.float32]]]] = [[] for _ in scales]
        flow = free = np.empty((0, *frames.shape[1:], 2), np.float32)
        for begin in range(0, max(n_fields, 1), _CHUNK):
            # Trajectories that end in this chunk may begin in the one before.
            first = max(begin - length, 0)
            piece = frames[begin : begin + _CHUNK + 1]
            new = optical_flow(piece, self.method)
            flow = np.concatenate([flow[len(flow) - begin + first :], new])
            free = np.concatenate([free[len(free) - begin + first :], new - background_flow(piece, new)])
            fields = _Fields(frames[first : begin + len(piece)], flow, free, first, n_fields, fps)
            for index, scale in enumerate(scales):
                part, active[index] = self._at_scale(fields.resized(scale), active[index], begin, wanted)
                found[index].append(part)
        parts = [part for pieces in found for part in pieces]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def mirror(self, channel: str, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the descriptors (n, D) of a channel for the mirrored clips, left and right exchanged."""
        if channel == "trajectory":
            return (rows.reshape(len(rows), self.length, 2) * (-1, 1)).reshape(rows.shape).astype(rows.dtype)
        parts = [part for part in _BINS if part.startswith(channel)]
        mirrored = []
        for part, block in zip(parts, np.split(rows, len(parts), axis=1), strict=True):
            # Mirroring changes the sign of components to the right; that of the flow to the right twice.
            opposite, bins = 0 if part == "mbhx" else 4, _BINS[part]
            order = [(opposite - index) % 8 for index in range(8)] + list(range(8, bins))
            cells = block.reshape(len(rows), self.times, self.cells, self.cells, bins)
            mirrored.append(cells[:, :, :, ::-1][..., order].reshape(block.shape))
        return np.concatenate(mirrored, axis=1)

    def _at_scale(
        self, fields: _Fields, active: _Tracks, begin: int, wanted: float
    ) -> tuple[dict[str, NDArray[np.float32]], _Tracks]:
        """Continue tracks from one field of flow on; describe those that end."""
        (height, width), length = fields.frames.shape[1:], active.points.shape[1] - 1
        # Speeds are compared and histogrammed in pixels per 1/25 s.
        rate = np.float32(_FRAME * fields.fps)
        done, active = self._tracked(fields, active, begin)
        scale, share = fields.scale, min(length / wanted, 1.0)
        done = done.only(_valid(done.steps / scale, float(rate), share))
        points, n = done.points, len(done.points)
        described = self._along(fields.frames, fields.free * rate, points[:, :-1], done.starts - fields.first)
        middle, span = points[:, length // 2], max(fields.n_fields, 1)
        total = np.linalg.norm(done.steps, axis=2).sum(axis=1)
        place = np.stack(
            [
                middle[:, 0] / width,
                middle[:, 1] / height,
                (done.starts + length / 2) / span,
                np.full(n, scale),
                total / max(length, 1) * fields.fps / height,
            ],
            axis=1,
        )
        shape = _stretched(done.steps, self.length) / np.maximum(total, 1e-9)[:, np.newaxis, np.newaxis]
        arrays = {"trajectory": shape.reshape(n, 2 * self.length), **described, "place": place}
        return {name: array.astype(np.float32) for name, array in arrays.items()}, active

    def _tracked(self, fields: _Fields, active: _Tracks, begin: int) -> tuple[_Tracks, _Tracks]:
        """Track points through the fields from one on; return the complete tracks and the active ones."""
        (height, width), length = fields.frames.shape[1:], active.points.shape[1] - 1
        whole = [_Tracks.none(length)]
        for index in range(begin, fields.first + len(fields.flow) if length else begin):
            frame, flow, free = (
                array[index - fields.first] for array in (fields.frames, fields.flow, fields.free)
            )
            if index + length <= fields.n_fields:
                active = active.joined(
                    _Tracks.starting(self._new_points(frame, active.now(index)), index, length)
                )
            now, rows, ages = active.now(index), np.arange(len(active.points)), index - active.starts
            column, row = np.rint(now).astype(np.intp).T
            column, row = column.clip(0, width - 1), row.clip(0, height - 1)
            smooth = np.stack([_median(flow[..., part]) for part in (0, 1)], axis=-1)
            step = smooth[row, column]
            active.points[rows, ages + 1] = now + step
            active.steps[rows, ages] = step - (flow - free)[row, column]
            there = active.now(index + 1)
            inside = ((there >= 0) & (there <= [width - 1, height - 1])).all(axis=1)
            ended = ages + 1 == length
            whole.append(active.only(inside & ended))
            active = active.only(inside & ~ended)
        return whole[0].joined(*whole[1:]), active

    def _new_points(self, frame: NDArray[np.uint8], taken: Array) -> Array:
        """Return points of the grid with enough texture, in cells without a tracked point."""
        with single_thread():
            quality = cv2.cornerMinEigenVal(frame, 3, ksize=3)
        rows = np.arange(self.stride // 2, frame.shape[0], self.stride)
        columns = np.arange(self.stride // 2, frame.shape[1], self.stride)
        free = quality[np.ix_(rows, columns)] > self.quality * quality.max()
        at = (taken // self.stride).astype(np.intp)
        inside = (at[:, 0] < len(columns)) & (at[:, 1] < len(rows))
        free[at[inside, 1], at[inside, 0]] = False
        row, column = np.nonzero(free)
        return np.stack([columns[column], rows[row]], axis=1).astype(np.float64)

    def _along(
        self, frames: NDArray[np.uint8], free: NDArray[np.float32], points: Array, starts: NDArray[np.intp]
    ) -> dict[str, Array]:
        """Histogram the surroundings of the trajectories' points, shape (n, times * cells * cells * bins)."""
        n, length = points.shape[:2]
        block = self.cells**2
        out = {name: np.zeros((n, self.times, block * bins)) for name, bins in _BINS.items()}
        centres = np.rint(points[..., ::-1]).astype(np.intp)
        side = min(self.side, max(min(frames.shape[1:]) // 2, self.cells))
        cell_of = np.arange(length) * self.times // max(length, 1)
        shares = 1 / np.maximum(np.bincount(cell_of, minlength=self.times), 1)
        for index in np.unique(starts[:, np.newaxis] + np.arange(length)):
            met = np.flatnonzero((starts <= index) & (index < starts + length))
            for name, (dx, dy) in _fields(frames[index], free[index]).items():
                check_field(dx, dy)
                integral = np.empty((dx.shape[0] + 1, dx.shape[1] + 1, _BINS[name]))
                integral_histograms(dx, dy, _NO_FLOW, name == "hof", integral)
                steps = index - starts[met]
                for time in np.unique(cell_of[steps]):
                    rows = met[cell_of[steps] == time]
                    blocks = np.zeros((len(rows), block * _BINS[name]))
                    here = np.ascontiguousarray(centres[rows, index - starts[rows]])
                    add_blocks(integral, here, side, self.cells, _EPSILON, shares[time], blocks)
                    out[name][rows, time] += blocks
        flat = {name: array.reshape(n, self.times * block * _BINS[name]) for name, array in out.items()}
        mbh = np.concatenate([flat.pop("mbhx"), flat.pop("mbhy")], axis=1)
        return {**flat, "mbh": mbh}


@dataclass(frozen=True, eq=False)
class _Tracks:
    """Tracked points.

    Attributes
    ----------
    points : ndarray, shape (n, length + 1, 2)
        Right and down, in pixels; points of active tracks that are not reached yet are 0.
    starts : ndarray of int, shape (n,)
        The frame of the first point.
    steps : ndarray, shape (n, length, 2)
        Displacements relative to the background.
    """

    points: Array
    starts: NDArray[np.intp]
    steps: Array

    @classmethod
    def none(cls, length: int) -> _Tracks:
        return cls.starting(np.empty((0, 2)), 0, length)

    @classmethod
    def starting(cls, positions: Array, index: int, length: int) -> _Tracks:
        n = len(positions)
        points = np.zeros((n, length + 1, 2))
        points[:, 0] = positions
        return cls(points, np.full(n, index, np.intp), np.zeros((n, length, 2)))

    def joined(self, *others: _Tracks) -> _Tracks:
        parts = (self, *others)
        return _Tracks(*(np.concatenate([getattr(part, name) for part in parts]) for name in vars(self)))

    def only(self, kept: NDArray[np.bool_]) -> _Tracks:
        return _Tracks(*(array[kept] for array in vars(self).values()))

    def now(self, index: int) -> Array:
        """Return their positions in a frame."""
        return self.points[np.arange(len(self.points)), index - self.starts]


@dataclass(frozen=True, eq=False)
class _Fields:
    """A chunk of a clip at one scale: its frames, flow, and flow relative to the background."""

    frames: NDArray[np.uint8]
    flow: NDArray[np.float32]
    free: NDArray[np.float32]
    first: int  # frame of the clip at which the chunk begins
    n_fields: int  # of flow in the whole clip
    fps: float
    scale: float = 1.0

    def resized(self, scale: float) -> _Fields:
        height, width = (max(round(n * scale), 1) for n in self.frames.shape[1:])
        frames = np.stack([_resized(frame, height, width) for frame in self.frames])
        flow, free = (
            np.stack([_resized(field, height, width) for field in fields]) * np.float32(scale)
            if len(fields)
            else fields
            for fields in (self.flow, self.free)
        )
        return replace(self, frames=frames, flow=flow, free=free, scale=scale)


def _resized(image: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    if image.shape[:2] == (height, width):
        return image
    with single_thread():
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _median(field: NDArray[np.float32]) -> NDArray[np.float32]:
    with single_thread():
        return np.asarray(cv2.medianBlur(np.ascontiguousarray(field), 5), np.float32)


def _fields(
    frame: NDArray[np.uint8], free: NDArray[np.float32]
) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return the vector fields that are histogrammed in one frame, right and down."""
    fields = {"hof": (np.ascontiguousarray(free[..., 0]), np.ascontiguousarray(free[..., 1]))}
    with single_thread():
        for name, image in (("hog", frame), ("mbhx", fields["hof"][0]), ("mbhy", fields["hof"][1])):
            fields[name] = _sobel(image, 1, 0), _sobel(image, 0, 1)
    return fields


def _sobel(image: NDArray[Any], right: int, down: int) -> NDArray[np.float32]:
    return np.asarray(cv2.Sobel(image, cv2.CV_32F, right, down, ksize=1), np.float32)


def _valid(steps: Array, rate: float = 1.0, share: float = 1.0) -> NDArray[np.bool_]:
    """Return which trajectories are neither static nor erratic, and move relative to the background.

    The reference implementation tests the path in the frame, and so loses a person whom the camera follows.

    Parameters
    ----------
    steps : ndarray
        See `_Tracks`; pixels are of scale 1.
    rate : float
        Frames per 1/25 s.
    share : float
        Their duration as a share of the nominal one, by which the threshold for static ones is scaled.
    """
    spread = np.insert(steps.cumsum(axis=1), 0, 0.0, axis=1).std(axis=1)
    lengths = rate * np.linalg.norm(steps, axis=2)
    longest, total = lengths.max(axis=1, initial=0), lengths.sum(axis=1)
    jumps = (longest > _JUMP) & (longest > _JUMP_SHARE * total)
    moves = longest > _CAMERA
    return (spread >= share * _STILL).any(axis=1) & (spread <= _ERRATIC).all(axis=1) & ~jumps & moves


def _stretched(steps: Array, length: int) -> Array:
    """Resample steps (n, m, 2) to another number of steps along the same path."""
    n, own = steps.shape[:2]
    if own == length or not n:
        return steps if own == length else np.zeros((n, length, 2))
    path = np.concatenate([np.zeros((n, 1, 2)), steps.cumsum(axis=1)], axis=1)
    positions = np.linspace(0, own, length + 1)
    low = np.minimum(positions.astype(np.intp), own - 1)
    share = (positions - low)[np.newaxis, :, np.newaxis]
    return np.diff(path[:, low] * (1 - share) + path[:, low + 1] * share, axis=1)
