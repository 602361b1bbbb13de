"""Clips that are the same, or nearly, found by what moves in them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...features.clip import Clip

Floats = NDArray[np.float32]
Pairs = list[tuple[int, int]]

# Pixels of the small frames along either side, and of the maps by which pairs are chosen for a closer look.
_SIDE, _MAP = 24, 8
# Frames between the two whose difference is a change, and changes kept of a clip.
_LAG, _KEPT = 2, 64
# Frames that a copy may begin earlier or later, and the share of the longer clip that must overlap.
_SHIFT, _OVERLAP = 10, 0.6
# Grey levels (root mean square) below which a clip does not move, and a still frame shows nothing.
_STILL, _FLAT = 0.3, 1.0
# Correlations from which on two clips may be near-duplicates, and are: of their maps, changes, still frames.
_MAPS_SIMILAR, _CHANGES_SIMILAR, _STILLS_SIMILAR = 0.85, 0.82, 0.995
# Clips to look at more closely for each clip, and rows of the matrix of all pairs made at a time.
_CANDIDATES, _CHUNK = 10, 1024


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """What is kept of a clip to find it again.

    Attributes
    ----------
    frames : str
        Hash of the decoded frames.
    look : ndarray of float32, shape (576,)
        The median of small frames, without mean and of unit length; 0 where it shows nothing.
    changes : ndarray of int8, shape (n, 576)
        Differences between small frames that are two apart, scaled; n is 0 where nothing moves.
    n_frames, height, width, fps, warnings
        Of the clip.
    """

    frames: str
    look: Floats
    changes: NDArray[np.int8]
    n_frames: int
    height: int
    width: int
    fps: float
    warnings: Mapping[str, str]

    @classmethod
    def of(cls, clip: Clip) -> Fingerprint:
        """Look at a clip."""
        digest = hashlib.sha256(repr(clip.frames.shape).encode())
        digest.update(np.ascontiguousarray(clip.frames).data)
        small = _shrunk(clip.grey())
        lag = min(_LAG, len(small) - 1)
        changes = small[lag:] - small[: len(small) - lag]
        moves = np.sqrt(np.mean(changes**2)) >= _STILL
        kept = changes[: _KEPT if moves else 0]
        scale = 127 / max(float(np.abs(kept).max(initial=0)), 1e-6)
        look = np.median(small, axis=0)
        look -= look.mean()
        size = float(np.linalg.norm(look))
        return cls(
            digest.hexdigest(),
            look / size if size >= _FLAT * _SIDE else np.zeros_like(look),
            np.rint(kept * scale).astype(np.int8),
            len(clip),
            clip.height,
            clip.width,
            clip.fps,
            clip.warnings,
        )


def _shrunk(frames: NDArray[np.uint8]) -> Floats:
    """Return small frames as rows; the mean of many pixels is finer than a grey level."""
    import cv2

    size = (_SIDE, _SIDE)
    return np.stack(
        [
            np.asarray(cv2.resize(frame.astype(np.float32), size, interpolation=cv2.INTER_AREA)).ravel()
            for frame in frames
        ]
    )


def identical_pairs(fingerprints: Sequence[Fingerprint], limit: int = 10_000) -> Pairs:
    """Return pairs of clips whose frames are equal, ``limit`` at most of each set of equal ones."""
    same: dict[str, list[int]] = defaultdict(list)
    for index, fingerprint in enumerate(fingerprints):
        same[fingerprint.frames].append(index)
    return sorted(
        pair for members in same.values() if len(members) > 1
        for pair in islice(combinations(members, 2), limit)
    )  # fmt: skip


def near_pairs(fingerprints: Sequence[Fingerprint], groups: ArrayLike) -> Pairs:
    """Return pairs of clips of different groups that are nearly the same.

    Nearly the same are copies which were encoded again, scaled, brightened, or trimmed by a few frames. What is
    compared is what changes between frames, each change weighted by its size: a background that clips share does
    not count, nor does noise. Still clips are compared by what they show. Of each clip the ten most similar ones by
    coarse maps are compared closely.

    Parameters
    ----------
    fingerprints : sequence of Fingerprint
        One per clip.
    groups : array_like of str, shape (n_clips,)
        Clips of one group are not compared.

    Returns
    -------
    list of (int, int)
        Positions, the smaller first, sorted; also of clips that are the same.
    """
    candidates = _candidates(fingerprints, np.asarray(groups))
    return [pair for pair in candidates if _near_duplicates(fingerprints[pair[0]], fingerprints[pair[1]])]


def _candidates(fingerprints: Sequence[Fingerprint], groups: NDArray[np.str_]) -> Pairs:
    looks, motions = (np.stack(maps) for maps in zip(*map(_maps, fingerprints), strict=True))
    number = np.unique(groups, return_inverse=True)[1]
    pairs = set()
    for start in range(0, len(fingerprints), _CHUNK):
        part = slice(start, start + _CHUNK)
        look, motion = looks[part] @ looks.T, motions[part] @ motions.T
        likeness = np.where(np.minimum(look, motion) >= _MAPS_SIMILAR, look + motion, 0)
        likeness[number[part, None] == number] = 0
        count = min(_CANDIDATES, len(fingerprints))
        best = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
        rows, places = np.nonzero(np.take_along_axis(likeness, best, axis=1))
        pairs |= {
            (min(pair), max(pair))
            for pair in zip((start + rows).tolist(), best[rows, places].tolist(), strict=True)
        }
    return sorted(pairs)


def _maps(fingerprint: Fingerprint) -> tuple[Floats, Floats]:
    """Return coarse maps of what a clip shows and of where it moves, of unit length.

    One more element marks an empty map, so that only empty maps are similar to empty ones.
    """
    energy = (
        np.mean(fingerprint.changes.astype(np.float32) ** 2, axis=0) if len(fingerprint.changes) else None
    )
    return _pooled(fingerprint.look), _pooled(np.zeros_like(fingerprint.look) if energy is None else energy)


def _pooled(values: Floats) -> Floats:
    step = _SIDE // _MAP
    pooled = values.reshape(_MAP, step, _MAP, step).mean(axis=(1, 3)).ravel()
    size = float(np.linalg.norm(pooled))
    return np.append(pooled / size if size else pooled, np.float32(size == 0)).astype(np.float32)


def _near_duplicates(one: Fingerprint, other: Fingerprint) -> bool:
    if len(one.changes) and len(other.changes):
        return _correlation(one.changes, other.changes) >= _CHANGES_SIMILAR
    return not (len(one.changes) or len(other.changes)) and float(one.look @ other.look) >= _STILLS_SIMILAR


def _correlation(one: NDArray[np.int8], other: NDArray[np.int8]) -> float:
    """Return the correlation of changes, each times its size, at the shift in time where it is greatest."""
    first, second = (
        changes * np.abs(changes) for changes in (one.astype(np.float32), other.astype(np.float32))
    )
    products = first @ second.T
    before, after = (np.append(0, np.cumsum(np.sum(side**2, axis=1))) for side in (first, second))
    best = 0.0
    for shift in range(-_SHIFT, _SHIFT + 1):
        i, j = max(0, shift), max(0, -shift)
        n = min(len(first) - i, len(second) - j)
        if n < max(1, _OVERLAP * max(len(first), len(second))):
            continue
        size = np.sqrt((before[i + n] - before[i]) * (after[j + n] - after[j]))
        if size > 0:
            best = max(best, float(np.trace(products[i : i + n, j : j + n]) / size))
    return best
