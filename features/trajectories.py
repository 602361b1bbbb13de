"""Dense trajectories: points that are tracked through a few frames, and descriptors of their surroundings."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .._ext.histograms import add_blocks, integral_tiles
from .._ext.tracks import track_points
from ..literals import Flow
from .camera import camera_motion, homography_flow, moves, rescaled
from .clip import Clip
from .flow import check_flow, codec_fields, optical_flow, single_thread, working_frames
from .histograms import check_field

__all__ = ["DenseTrajectories"]

Single = NDArray[np.float32]
Arrays = dict[str, NDArray[Any]]

# Shorter side of the frames at the coarsest scale, in pixels, and the factor by which frames are enlarged at most.
_MIN_SIDE, _ENLARGE = 32, 4.0
# Thresholds in pixels for trajectories that are static, erratic, jump, or move with the camera, and the duration in
# seconds of the frames that they refer to (Wang and Schmid, ICCV 2013).
_STILL, _ERRATIC, _JUMP, _JUMP_SHARE, _CAMERA = math.sqrt(3), 50.0, 20.0, 0.7, 1.0
_FRAME = 1 / 25
# Longest flow that counts as no motion, in pixels per frame, and the constant that is added to all histograms.
_NO_FLOW, _EPSILON = 0.4, 0.05
# Fields of flow that are processed at once.
_CHUNK = 30
# Steps to which a path is resampled.
_STEPS = 15
# Tracks that follow each other in one place of a clip, at least.
_GENERATIONS = 3
# Pixels of a tile's sides, to which blocks are rounded: a histogram of each pixel would take 16 times the memory.
_TILE = 4
# Which of the values of a cell belong to which channel.
_VALUES = {"hog": slice(0, 8), "hof": slice(8, 17), "mbhx": slice(17, 25), "mbhy": slice(25, 33)}
_N_VALUES = 33


@dataclass(frozen=True)
class DenseTrajectories:
    """Improved dense trajectories (Wang and Schmid, ICCV 2013), with the motion of the camera removed.

    Points of a grid are tracked through the median-filtered flow at several scales; those that hardly move, jump, or
    move as the background does are left out. Along each, HOG, HOF and MBH are histogrammed in a block that follows it.

    Clips of all sizes are resampled to one height, so that lengths in pixels mean the same in all of them. At any frame
    rate a trajectory lasts ``seconds``, or two thirds of a clip shorter than that; its path is resampled to 15 steps.
    As all last equally long, none begins near the end of a clip; where little time is left for them to begin in, they
    follow each other more closely. A clip in which nothing moves has none. In scales lower than twice ``side`` the
    blocks are half as high as the frame.

    Parameters
    ----------
    seconds : float
        Duration of a trajectory.
    height : int
        Shorter side of the frames, in pixels, to which smaller ones are enlarged, at most four times, and larger ones
        reduced.
    stride : int
        Pixels between points of the grid.
    side : int
        Pixels of a block's height and width, rounded to tiles of 4.
    cells, times : int
        Cells of a block in each direction, and of the time.
    scales : int
        Most scales, each 1 / sqrt(2) of the one before.
    quality : float
        Smallest eigenvalue of the gradient's covariance at a point, as a share of the largest in the frame.
    flow : {"dis", "farneback", "codec"}
        What the flow is taken from, see `observe`. The reference implementation uses Farneback's, which takes five
        times as long.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> found = DenseTrajectories(seconds=0.2, scales=1).extract(examples()[0][2])
    >>> {name: array.shape[1] for name, array in found.items()}
    {'trajectory': 30, 'hog': 96, 'hof': 108, 'mbh': 192, 'place': 5}
    """

    seconds: float = 0.6
    height: int = 180
    stride: int = 5
    side: int = 32
    cells: int = 2
    times: int = 3
    scales: int = 8
    quality: float = 1e-3
    flow: Flow = "dis"

    def __post_init__(self) -> None:
        check_flow(self.flow)
        if not self.seconds > 0:
            raise ValueError(f"seconds must be above 0, got {self.seconds}")
        for name, low in {
            "height": _MIN_SIDE,
            "stride": 1,
            "side": 1,
            "cells": 1,
            "times": 1,
            "scales": 1,
        }.items():
            if getattr(self, name) < low:
                raise ValueError(f"{name} must be {low} or more, got {getattr(self, name)}")

    def sizes(self) -> dict[str, int]:
        """Return the length of each channel."""
        cells = self.cells**2 * self.times
        return {"trajectory": 2 * _STEPS, "hog": 8 * cells, "hof": 9 * cells, "mbh": 16 * cells}

    def extract(self, clip: Clip) -> Arrays:
        """Describe a clip.

        Returns
        -------
        dict of ndarray of float32
            One row per trajectory: ``trajectory``, ``hog``, ``hof`` and ``mbh``, as long as `sizes` says, each the root
            of histograms of sum 1 (RootSIFT: Arandjelovic and Zisserman, CVPR 2012) but for the first; and ``place``
            (n, 5): x, y and time of its middle as shares of width, height and duration, its scale, and its mean speed
            against the ground in frame heights per second. Where flow of the codec was asked for also
            ``lacks_vectors``, whether it had to be computed.
        """
        frames, fps = working_frames(clip, self.height, enlarge=_ENLARGE)
        n_fields, wanted = len(frames) - 1, self.seconds * fps
        length = min(max(round(wanted), 1), max(2 * n_fields // 3, 1), n_fields)
        timing = _Timing(fps, n_fields, length, min(length / wanted, 1.0))
        levels = [_Level.at(scale, frames, timing) for scale in self._scales(min(frames.shape[1:]))]
        found = [[self._described(level, _Tracks.none(length))] for level in levels]
        fields = codec_fields(clip, self.flow)
        method = "dis" if self.flow == "codec" else self.flow
        for begin in range(0, n_fields, _CHUNK):
            piece = frames[begin : begin + _CHUNK + 1]
            if fields is None:
                flow = optical_flow(piece, method, finest=0)
            else:
                flow = fields.flow(frames.shape[1], frames.shape[2], slice(begin, begin + _CHUNK))
            cameras = camera_motion(piece, flow)
            flow = _smoothed(flow)
            for index, level in enumerate(levels):
                # Reduced from the scale of twice its size: halves are quick.
                source = (piece[:-1], flow, cameras) if index < 2 else levels[index - 2].new
                levels[index], done = self._tracked(level.joined(*source))
                found[index].append(self._described(levels[index], done))
        parts = list(chain(*found))
        arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        if self.flow == "codec":
            arrays["lacks_vectors"] = np.array(fields is None and n_fields > 0)
        return arrays

    def _scales(self, side: int) -> list[float]:
        scales = (2 ** (-index / 2) for index in range(self.scales))
        return [scale for scale in scales if scale == 1 or round(side * scale) >= _MIN_SIDE]

    def mirror(self, channel: str, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the descriptors (n, D) of a channel for the mirrored clips, left and right exchanged."""
        if channel == "trajectory":
            return (rows.reshape(len(rows), _STEPS, 2) * (-1, 1)).reshape(rows.shape).astype(rows.dtype)
        parts = [part for part in _VALUES if part.startswith(channel)]
        mirrored = []
        for part, block in zip(parts, np.split(rows, len(parts), axis=1), strict=True):
            # Mirroring changes the sign of components to the right; that of the flow to the right twice.
            opposite, bins = 0 if part == "mbhx" else 4, _VALUES[part].stop - _VALUES[part].start
            order = [(opposite - index) % 8 for index in range(8)] + list(range(8, bins))
            cells = block.reshape(len(rows), self.times, self.cells, self.cells, bins)
            mirrored.append(cells[:, :, :, ::-1][..., order].reshape(block.shape))
        return np.concatenate(mirrored, axis=1)

    def _tracked(self, level: _Level) -> tuple[_Level, _Tracks]:
        """Track points through the new fields of a level; return it with the active tracks, and the complete ones."""
        (frames, flow, cameras), length = level.new, level.timing.length
        textured = np.stack([self._textured(frame) for frame in frames])
        n = len(level.active.starts)
        active, done = (_Tracks.room(n + textured.size, length) for _ in range(2))
        active.points[:n], active.steps[:n], active.starts[:n] = level.active
        # Where all tracks of a place begin in a short time, the next ones do not wait until the first ones end.
        n_starts = level.timing.n_fields - length + 1
        renew = min(length, max(n_starts // _GENERATIONS, 1))
        taken = np.empty(textured.shape[1:], np.uint8)
        grid = (textured, self.stride, renew, level.first + level.n_old, n_starts)
        n_done, n = track_points(flow, cameras, *grid, *active, n, *done, taken)
        done = done.only(slice(n_done))
        timing = level.timing
        kept = _valid(done.steps / np.float32(level.scale), _FRAME * timing.fps, timing.share)
        return replace(level, active=active.only(slice(n)).copy()), done.only(kept)

    def _textured(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return which points of the grid have enough texture to be tracked."""
        with single_thread():
            quality = cv2.cornerMinEigenVal(frame, 3, ksize=3)
        at = quality[self.stride // 2 :: self.stride, self.stride // 2 :: self.stride]
        return (at > self.quality * quality.max()).astype(np.uint8)

    def _described(self, level: _Level, tracks: _Tracks) -> Arrays:
        (height, width), timing, n = level.frames.shape[1:], level.timing, len(tracks.starts)
        middle, span = tracks.points[:, timing.length // 2], max(timing.n_fields, 1)
        total = np.linalg.norm(tracks.steps, axis=2).sum(axis=1)
        place = np.stack(
            [
                middle[:, 0] / width,
                middle[:, 1] / height,
                (tracks.starts + timing.length / 2) / span,
                np.full(n, level.scale),
                total / max(timing.length, 1) * timing.fps / height,
            ],
            axis=1,
        )
        path = _stretched(tracks.steps, _STEPS) / np.maximum(total, 1e-9)[:, np.newaxis, np.newaxis]
        cells = self._along(level, tracks)
        parts = {name: _rooted(cells[..., values]) for name, values in _VALUES.items()}
        mbh = np.concatenate([parts.pop("mbhx"), parts.pop("mbhy")], axis=1)
        arrays = {"trajectory": path.reshape(n, 2 * _STEPS), **parts, "mbh": mbh, "place": place}
        return {name: array.astype(np.float32) for name, array in arrays.items()}

    def _along(self, level: _Level, tracks: _Tracks) -> NDArray[np.float64]:
        """Histogram the surroundings of the tracks' points, shape (n, times, cells * cells, 33)."""
        frames, length, starts = level.frames, level.timing.length, tracks.starts
        out = np.zeros((len(starts), self.times, self.cells**2, _N_VALUES))
        n_tiles = np.array([-(-size // _TILE) for size in frames.shape[1:]])
        side = min(self.side, min(frames.shape[1:]) // 2)
        tall, wide = block = np.minimum(max(round(side / _TILE), 1), n_tiles)
        corners = np.rint((tracks.points[:, :length, ::-1] + 0.5) / _TILE - block / 2).astype(np.intp)
        corners = corners.clip(0, n_tiles - block)
        time_of = np.arange(length) * self.times // max(length, 1)
        for index in np.unique(starts[:, np.newaxis] + np.arange(length)):
            rows = np.flatnonzero((starts <= index) & (index < starts + length))
            ages = index - starts[rows]
            at = corners[rows, ages]
            # Only where there are tracks, and a tile more, as differences need the next pixel.
            low, high = np.maximum(at.min(axis=0) - 1, 0), at.max(axis=0) + block + 1
            part = slice(low[0] * _TILE, high[0] * _TILE), slice(low[1] * _TILE, high[1] * _TILE)
            image = frames[index - level.first][part].astype(np.float32)
            integral = np.empty((*(-(-size // _TILE) + 1 for size in image.shape), _N_VALUES))
            integral_tiles(image, level.free(index - level.first, part), _NO_FLOW, _TILE, integral)
            add_blocks(integral, at - low, tall, wide, self.cells, rows, time_of[ages], out)
        return out


class _Timing(NamedTuple):
    """What tracks of a clip have in common: they last ``length`` frames, a ``share`` of the duration that is wanted."""

    fps: float
    n_fields: int
    length: int
    share: float


class _Tracks(NamedTuple):
    """Tracked points.

    Attributes
    ----------
    points : ndarray, shape (n, length + 1, 2)
        Right and down, in pixels of their scale.
    steps : ndarray, shape (n, length, 2)
        Displacements relative to the background.
    starts : ndarray of int, shape (n,)
        The frame of the first point.
    """

    points: Single
    steps: Single
    starts: NDArray[np.intp]

    @classmethod
    def room(cls, n: int, length: int) -> _Tracks:
        points, steps = np.empty((n, length + 1, 2), np.float32), np.empty((n, length, 2), np.float32)
        return cls(points, steps, np.empty(n, np.intp))

    @classmethod
    def none(cls, length: int) -> _Tracks:
        return cls.room(0, length)

    def only(self, kept: slice | NDArray[np.bool_]) -> _Tracks:
        return _Tracks(self.points[kept], self.steps[kept], self.starts[kept])

    def copy(self) -> _Tracks:
        return _Tracks(self.points.copy(), self.steps.copy(), self.starts.copy())


@dataclass(frozen=True, eq=False)
class _Level:
    """Some consecutive frames of a clip at one scale.

    Attributes
    ----------
    frames, flow, cameras : ndarray
        Of frames ``first`` and after; homographies are those of the background.
    n_old : int
        Frames that tracks have been through; they are kept as long as an active track may have begun there.
    active : _Tracks
        Tracks that are not complete.
    """

    scale: float
    timing: _Timing
    frames: NDArray[np.uint8]
    flow: Single
    cameras: NDArray[np.float64]
    active: _Tracks
    first: int = 0
    n_old: int = 0

    @classmethod
    def at(cls, scale: float, frames: NDArray[np.uint8], timing: _Timing) -> _Level:
        """Return a level of no frame yet."""
        size = tuple(max(round(n * scale), 1) for n in frames.shape[1:])
        flow = np.empty((0, *size, 2), np.float32)
        return cls(
            scale,
            timing,
            np.empty((0, *size), np.uint8),
            flow,
            np.empty((0, 3, 3)),
            _Tracks.none(timing.length),
        )

    @property
    def new(self) -> tuple[NDArray[np.uint8], Single, NDArray[np.float64]]:
        """Frames, flow and homographies that tracks have not been through before."""
        return self.frames[self.n_old :], self.flow[self.n_old :], self.cameras[self.n_old :]

    def joined(self, frames: NDArray[np.uint8], flow: Single, cameras: NDArray[np.float64]) -> _Level:
        """Return the level with further frames, resized, and their flow, without those that no track needs."""
        size, n_old = self.frames.shape[1:], min(self.timing.length, len(self.frames))
        stretch = np.array([new / old for new, old in zip(size[::-1], frames.shape[:0:-1], strict=True)])
        fields = np.stack([_resized(field, *size) for field in flow]) * stretch.astype(np.float32)
        # A position that is no number would be read anywhere.
        check_field(fields)
        kept = slice(len(self.frames) - n_old, None)
        return replace(
            self,
            frames=np.concatenate([self.frames[kept], [_resized(frame, *size) for frame in frames]]),
            flow=np.concatenate([self.flow[kept], fields]),
            cameras=np.concatenate([self.cameras[kept], rescaled(cameras, stretch)]),
            first=self.first + len(self.frames) - n_old,
            n_old=n_old,
        )

    def free(self, index: int, part: tuple[slice, slice]) -> Single:
        """Return a part of a field relative to the background, in pixels per 1/25 s."""
        flow = self.flow[index][part]
        if moves(self.cameras[index]):
            rows, columns = (range(n)[piece] for n, piece in zip(self.flow.shape[1:3], part, strict=True))
            flow = flow - homography_flow(self.cameras[index], rows, columns)
        return np.ascontiguousarray(flow * np.float32(_FRAME * self.timing.fps))


def _smoothed(flow: Single) -> Single:
    with single_thread():
        return np.stack([cv2.medianBlur(field, 5) for field in flow])


def _resized(image: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    if image.shape[:2] == (height, width):
        return image
    with single_thread():
        return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _rooted(histograms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a row of each of (n, ...) histograms: raised by a constant, scaled to sum 1, and its roots taken."""
    rows = histograms.reshape(len(histograms), math.prod(histograms.shape[1:]))
    # What rounding leaves of an empty cell may lie below zero.
    raised = np.maximum(rows, 0) + _EPSILON
    return np.sqrt(raised / raised.sum(axis=1, keepdims=True))


def _valid(steps: NDArray[np.floating], rate: float = 1.0, share: float = 1.0) -> NDArray[np.bool_]:
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


def _stretched(steps: NDArray[np.floating], length: int) -> NDArray[np.floating]:
    """Resample steps (n, m, 2) to another number of steps along the same path."""
    n, own = steps.shape[:2]
    if own == length or not n:
        return steps if own == length else np.zeros((n, length, 2))
    path = np.concatenate([np.zeros((n, 1, 2)), steps.cumsum(axis=1)], axis=1)
    positions = np.linspace(0, own, length + 1)
    low = np.minimum(positions.astype(np.intp), own - 1)
    share = (positions - low)[np.newaxis, :, np.newaxis]
    return np.diff(path[:, low] * (1 - share) + path[:, low + 1] * share, axis=1)
