"""Dense trajectories: points that are tracked through a few frames, and what surrounds them."""

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
# What makes a trajectory one of the ground, of noise, or of nothing, in pixels, and what a frame is there in seconds
# (Wang and Schmid, ICCV 2013).
_STILL, _WILD, _JUMP, _JUMP_SHARE, _CAMERA = math.sqrt(3), 50.0, 20.0, 0.7, 1.0
_FRAME = 1 / 25
# Longest flow that counts as none, in pixels per frame, and what keeps empty histograms from dividing by zero.
_NO_FLOW, _EPSILON = 0.4, 0.05
# Fields of flow that are worked on at once.
_PIECE = 60
# Channel: bins.
_BINS = {"hog": 8, "hof": 9, "mbhx": 8, "mbhy": 8}


@dataclass(frozen=True)
class DenseTrajectories:
    """Improved dense trajectories (Wang and Schmid, ICCV 2013): points of a grid on their way, without the camera's.

    Points of a grid are tracked through the median-filtered flow at several scales; those that hardly move, jump, or
    move as the ground does are left out. Along each, HOG, HOF and MBH are histogrammed in a block that goes with it.

    At any frame rate a trajectory takes as long as ``length`` frames of 1/25 s, in a short clip two thirds of it; its
    shape is brought to ``length`` steps. As all take the same time, they begin before the last of it: of a clip that is
    cut to 16 frames those are left that begin in its first third. A clip in which nothing moves has none. In frames
    lower than twice ``side`` the blocks are half as high as the frame.

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
        Of the flow, see `optical_flow`. That of the reference program spreads motion over what surrounds it; with the
        sharper one there are a quarter as many trajectories of small movers.
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
        least = {"length": self.times, "stride": 1, "side": 1, "cells": 1, "times": 1, "scales": 1}
        for name, low in least.items():
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
        least = 32 / min(frames.shape[1:])
        scales = [scale for scale in 2 ** (-np.arange(self.scales) / 2) if scale == 1 or scale >= least]
        going = [_Tracks.none(length) for _ in scales]
        found: list[list[dict[str, NDArray[np.float32]]]] = [[] for _ in scales]
        flow = free = np.empty((0, *frames.shape[1:], 2), np.float32)
        for begin in range(0, max(n_fields, 1), _PIECE):
            # Trajectories that end in this piece began in the one before.
            first = max(begin - length, 0)
            piece = frames[begin : begin + _PIECE + 1]
            new = optical_flow(piece, self.method)
            flow = np.concatenate([flow[len(flow) - begin + first :], new])
            free = np.concatenate([free[len(free) - begin + first :], new - background_flow(piece, new)])
            fields = _Fields(frames[first : begin + len(piece)], flow, free, first, n_fields, fps)
            for index, scale in enumerate(scales):
                part, going[index] = self._at_scale(fields.resized(scale), going[index], begin, wanted)
                found[index].append(part)
        parts = [part for pieces in found for part in pieces]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def mirror(self, channel: str, rows: NDArray[Any]) -> NDArray[Any]:
        """Return what descriptors (n, D) of a channel would be, had left and right been exchanged."""
        if channel == "trajectory":
            return (rows.reshape(len(rows), self.length, 2) * (-1, 1)).reshape(rows.shape).astype(rows.dtype)
        parts = [part for part in _BINS if part.startswith(channel)]
        mirrored = []
        for part, block in zip(parts, np.split(rows, len(parts), axis=1), strict=True):
            # A mirror turns what points right; of the flow's component to the right it turns the sign once more.
            opposite, bins = 0 if part == "mbhx" else 4, _BINS[part]
            order = [(opposite - index) % 8 for index in range(8)] + list(range(8, bins))
            cells = block.reshape(len(rows), self.times, self.cells, self.cells, bins)
            mirrored.append(cells[:, :, :, ::-1][..., order].reshape(block.shape))
        return np.concatenate(mirrored, axis=1)

    def _at_scale(
        self, fields: _Fields, going: _Tracks, begin: int, wanted: float
    ) -> tuple[dict[str, NDArray[np.float32]], _Tracks]:
        """Go on with tracks from one field on; describe those that end."""
        (height, width), length = fields.frames.shape[1:], going.points.shape[1] - 1
        # Speeds are compared and histogrammed in pixels per 1/25 s.
        rate = np.float32(_FRAME * fields.fps)
        done, going = self._tracked(fields, going, begin)
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
        return {name: array.astype(np.float32) for name, array in arrays.items()}, going

    def _tracked(self, fields: _Fields, going: _Tracks, begin: int) -> tuple[_Tracks, _Tracks]:
        """Track points through the fields from one on; return the whole tracks and those still on their way."""
        (height, width), length = fields.frames.shape[1:], going.points.shape[1] - 1
        whole = [_Tracks.none(length)]
        for index in range(begin, fields.first + len(fields.flow) if length else begin):
            frame, flow, free = (
                array[index - fields.first] for array in (fields.frames, fields.flow, fields.free)
            )
            if index + length <= fields.n_fields:
                going = going.joined(
                    _Tracks.starting(self._new_points(frame, going.now(index)), index, length)
                )
            now, rows, ages = going.now(index), np.arange(len(going.points)), index - going.starts
            column, row = np.rint(now).astype(np.intp).T
            column, row = column.clip(0, width - 1), row.clip(0, height - 1)
            smooth = np.stack([_median(flow[..., part]) for part in (0, 1)], axis=-1)
            step = smooth[row, column]
            going.points[rows, ages + 1] = now + step
            going.steps[rows, ages] = step - (flow - free)[row, column]
            there = going.now(index + 1)
            inside = ((there >= 0) & (there <= [width - 1, height - 1])).all(axis=1)
            ended = ages + 1 == length
            whole.append(going.only(inside & ended))
            going = going.only(inside & ~ended)
        return whole[0].joined(*whole[1:]), going

    def _new_points(self, frame: NDArray[np.uint8], taken: Array) -> Array:
        """Return points of the grid with enough texture, in whose cells nothing is tracked."""
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
        """Histogram what surrounds each point of the trajectories, shape (n, times * cells * cells * bins)."""
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
    """Points on their way.

    Attributes
    ----------
    points : ndarray, shape (n, length + 1, 2)
        Right and down, in pixels; of unfinished tracks what is still to come is 0.
    starts : ndarray of int, shape (n,)
        The frame of the first point.
    steps : ndarray, shape (n, length, 2)
        Displacements against the ground.
    """

    points: Array
    starts: NDArray[np.intp]
    steps: Array

    @classmethod
    def none(cls, length: int) -> _Tracks:
        return cls.starting(np.empty((0, 2)), 0, length)

    @classmethod
    def starting(cls, places: Array, index: int, length: int) -> _Tracks:
        n = len(places)
        points = np.zeros((n, length + 1, 2))
        points[:, 0] = places
        return cls(points, np.full(n, index, np.intp), np.zeros((n, length, 2)))

    def joined(self, *others: _Tracks) -> _Tracks:
        parts = (self, *others)
        return _Tracks(*(np.concatenate([getattr(part, name) for part in parts]) for name in vars(self)))

    def only(self, kept: NDArray[np.bool_]) -> _Tracks:
        return _Tracks(*(array[kept] for array in vars(self).values()))

    def now(self, index: int) -> Array:
        """Return where they are in a frame."""
        return self.points[np.arange(len(self.points)), index - self.starts]


@dataclass(frozen=True, eq=False)
class _Fields:
    """A piece of a clip at one scale: its frames, flow, and flow against the ground."""

    frames: NDArray[np.uint8]
    flow: NDArray[np.float32]
    free: NDArray[np.float32]
    first: int  # where in the clip the piece begins
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
    """Return what is histogrammed in one frame, right and down."""
    fields = {"hof": (np.ascontiguousarray(free[..., 0]), np.ascontiguousarray(free[..., 1]))}
    with single_thread():
        for name, image in (("hog", frame), ("mbhx", fields["hof"][0]), ("mbhy", fields["hof"][1])):
            fields[name] = _sobel(image, 1, 0), _sobel(image, 0, 1)
    return fields


def _sobel(image: NDArray[Any], right: int, down: int) -> NDArray[np.float32]:
    return np.asarray(cv2.Sobel(image, cv2.CV_32F, right, down, ksize=1), np.float32)


def _valid(steps: Array, rate: float = 1.0, share: float = 1.0) -> NDArray[np.bool_]:
    """Return which trajectories are neither still nor wild, and move against the ground.

    The reference program looks for what is still or wild in the frame, so that it loses whom a camera follows.

    Parameters
    ----------
    steps : ndarray
        See `_Tracks`; pixels are of scale 1.
    rate : float
        Frames per 1/25 s.
    share : float
        How long they are as a share of what they should be: in less time less way is none.
    """
    spread = np.insert(steps.cumsum(axis=1), 0, 0.0, axis=1).std(axis=1)
    lengths = rate * np.linalg.norm(steps, axis=2)
    longest, total = lengths.max(axis=1, initial=0), lengths.sum(axis=1)
    jumps = (longest > _JUMP) & (longest > _JUMP_SHARE * total)
    moves = longest > _CAMERA
    return (spread >= share * _STILL).any(axis=1) & (spread <= _WILD).all(axis=1) & ~jumps & moves


def _stretched(steps: Array, length: int) -> Array:
    """Bring steps (n, m, 2) to a number of them, the path between first and last point staying what it is."""
    n, own = steps.shape[:2]
    if own == length or not n:
        return steps if own == length else np.zeros((n, length, 2))
    path = np.concatenate([np.zeros((n, 1, 2)), steps.cumsum(axis=1)], axis=1)
    places = np.linspace(0, own, length + 1)
    low = np.minimum(places.astype(np.intp), own - 1)
    share = (places - low)[np.newaxis, :, np.newaxis]
    return np.diff(path[:, low] * (1 - share) + path[:, low + 1] * share, axis=1)
