"""Distances and velocities of joints: as one vector of a clip, and as sequences for nets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cache import Arrays, compute_one
from .clip import Clip
from .pose import JOINTS, MIRROR
from .pose_track import CLIP_TRACK, BodyTrack
from .quantities import smooth

__all__ = ["PoseReader", "PoseVector", "pair_distances"]

_FIRST, _SECOND = np.triu_indices(len(JOINTS), 1)
_N_PAIRS, _N_JOINTS = len(_FIRST), len(JOINTS)


def _mirrored_pairs() -> NDArray[np.intp]:
    """Return which pair each one is in the mirror image."""
    place = np.zeros((_N_JOINTS, _N_JOINTS), np.intp)
    place[_FIRST, _SECOND] = place[_SECOND, _FIRST] = np.arange(_N_PAIRS)
    return place[MIRROR[_FIRST], MIRROR[_SECOND]]


_MIRRORED_PAIRS = _mirrored_pairs()


def pair_distances(joints: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the distances of all pairs of joints, shape (T, 14, D) to (T, 91).

    Examples
    --------
    >>> pair_distances(np.zeros((5, 14, 2))).shape
    (5, 91)
    """
    return np.linalg.norm(joints[:, _FIRST] - joints[:, _SECOND], axis=-1)


@dataclass(frozen=True)
class PoseVector:
    """Distances of joints and their velocities over a pyramid in time, as one vector.

    Each cell of the pyramid holds mean and standard deviation of the distances of all pairs of joints, in body heights;
    of the velocity of each joint, right and down, the mean absolute value, and the mean of its signed square, from
    which the root is drawn: it tells a fast rise and a slow fall from their reverse, as their mean does not.

    Parameters
    ----------
    track : BodyTrack
        Where the joints come from.
    levels : int
        Levels of the pyramid, of 1, 2, 4 ... parts of the clip.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> feature = PoseVector(levels=2)
    >>> feature.extract(examples()[0][0])["vector"].shape, sum(feature.sizes().values())
    ((714,), 714)
    """

    track: BodyTrack = CLIP_TRACK
    levels: int = 3

    def extract(self, clip: Clip) -> dict[str, NDArray[Any]]:
        """Return the vector, under ``"vector"``."""
        track = compute_one(self.track, clip)
        joints, fps = track["joints"], float(track["fps"])
        joints = smooth(joints.reshape(len(joints), -1).astype(np.float64), fps).reshape(joints.shape)
        distances, velocities = pair_distances(joints), _velocities(joints, fps)
        cells = [
            _describe(np.asarray(distances[part], np.float64), velocities[part])
            for level in range(self.levels)
            for part in _parts(len(joints), 2**level)
        ]
        return {"vector": np.concatenate(cells)}

    def sizes(self) -> dict[str, int]:
        """Return the lengths of the parts of a vector by name."""
        return {f"{2**level} parts of time": 2**level * _CELL for level in range(self.levels)}

    def mirror(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the vectors of the mirror images, where left is right."""
        cells = vectors.reshape(len(vectors), -1, _CELL)
        mirrored = np.empty_like(cells)
        for part in range(2):
            pairs = slice(part * _N_PAIRS, (part + 1) * _N_PAIRS)
            mirrored[..., pairs] = cells[..., pairs][..., _MIRRORED_PAIRS]
        motion = cells[..., 2 * _N_PAIRS :].reshape(*cells.shape[:2], 2, _N_JOINTS, 2)[..., MIRROR, :]
        motion = motion * np.where([[[True, True]], [[False, True]]], 1, -1)
        mirrored[..., 2 * _N_PAIRS :] = motion.reshape(*cells.shape[:2], -1)
        return mirrored.reshape(vectors.shape)


_CELL = 2 * _N_PAIRS + 4 * _N_JOINTS


def _velocities(joints: NDArray[np.float64], fps: float) -> NDArray[np.float64]:
    """Return the velocities right and down in body heights per second, 0 of a single frame."""
    if len(joints) < 2:
        return np.zeros_like(joints[..., :2])
    return np.gradient(joints[..., :2], axis=0) * fps


def _parts(n_frames: int, n_parts: int) -> list[slice]:
    """Divide frames into parts of at least one, which overlap where there are fewer frames than parts."""
    edges = np.arange(n_parts + 1) * n_frames / n_parts
    starts = np.minimum(np.floor(edges[:-1]), n_frames - 1).astype(int)
    ends = np.maximum(np.floor(edges[1:]).astype(int), starts + 1)
    return [slice(start, end) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def _describe(distances: NDArray[np.float64], velocities: NDArray[np.float64]) -> NDArray[np.float64]:
    squares = (velocities * np.abs(velocities)).mean(axis=0)
    return np.concatenate(
        [
            distances.mean(axis=0),
            distances.std(axis=0),
            np.abs(velocities).mean(axis=0).ravel(),
            (np.sign(squares) * np.sqrt(np.abs(squares))).ravel(),
        ]
    )


@dataclass(frozen=True)
class PoseReader:
    """Cut sequences of one length and rate out of the courses of joints.

    A frame of a sequence holds the distances of all pairs of joints, then the motion of each joint, right and down, to
    the next frame and to the one after it, in body heights per second. What is beyond an end of the clip stands still.

    Parameters
    ----------
    small : BodyTrack
        The feature that is computed once per clip.
    frames : int
        Frames of a sequence.
    rate : float
        Frames per second; of a clip with fewer, those between are interpolated.
    tempo : float
        Largest random change of the rate in training, as a share.
    mirrored_views : bool
        Whether sequences for prediction are mirrored too.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> reader = PoseReader(frames=8)
    >>> track = reader.small.extract(examples()[0][0])
    >>> reader.augment(track, np.random.default_rng(0)).shape, reader.test_views(track, 3).shape
    ((8, 147), (3, 8, 147))
    """

    small: BodyTrack = CLIP_TRACK
    frames: int = 32
    rate: float = 25.0
    tempo: float = 0.1
    mirrored_views: bool = False

    def __post_init__(self) -> None:
        if not (self.frames >= 1 and self.rate > 0 and 0 <= self.tempo < 1):
            raise ValueError(
                f"a sequence needs frames and a rate above zero, got {self.frames} and {self.rate}"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a sequence."""
        return self.frames, sum(self.channels)

    @property
    def channels(self) -> tuple[int, int, int]:
        """Channels of distances, of slow and of fast motion."""
        return _N_PAIRS, 2 * _N_JOINTS, 2 * _N_JOINTS

    def augment(self, video: Arrays, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return a sequence for training: from a random moment, at a random tempo, mirrored half of the time."""
        rate = self.rate * (1 + rng.uniform(-self.tempo, self.tempo))
        start = rng.uniform(0, self._last(video, rate))
        return self._sequence(video, start, rate, bool(rng.random() < 0.5))

    def test_views(self, video: Arrays, n: int) -> NDArray[np.float32]:
        """Return at most ``n`` sequences, shape (n, frames, channels), at evenly spaced times."""
        mirrors = (False, True) if self.mirrored_views and n > 1 else (False,)
        last, n_times = self._last(video, self.rate), max(n // len(mirrors), 1)
        starts = np.linspace(0, last, n_times) if n_times > 1 else [last / 2]
        return np.stack(
            [
                self._sequence(video, float(start), self.rate, mirror)
                for start in np.unique(starts)
                for mirror in mirrors
            ]
        )

    def _last(self, video: Arrays, rate: float) -> float:
        """Return the last moment at which a sequence can start, in frames of the clip."""
        return max(len(video["joints"]) - 1 - (self.frames - 1) * float(video["fps"]) / rate, 0.0)

    def _sequence(self, video: Arrays, start: float, rate: float, mirrored: bool) -> NDArray[np.float32]:
        joints = video["joints"].astype(np.float64)
        if mirrored:
            joints = joints[:, MIRROR]
            joints[..., 0] *= -1
        times = start + np.arange(self.frames + 2) * float(video["fps"]) / rate
        low = np.clip(np.floor(times).astype(int), 0, len(joints) - 1)
        share = np.clip(times - low, 0, 1)[:, None, None]
        at = joints[low] * (1 - share) + joints[np.minimum(low + 1, len(joints) - 1)] * share
        slow, fast = (
            (at[step:, :, :2] - at[:-step, :, :2])[: self.frames] * (rate / step) for step in (1, 2)
        )
        parts = [pair_distances(at[: self.frames]), *(part.reshape(self.frames, -1) for part in (slow, fast))]
        return np.concatenate(parts, axis=1).astype(np.float32)
