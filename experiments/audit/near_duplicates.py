"""Clips that are the same, or nearly, found by what moves in them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement, islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...features.clip import Clip
from ...progress import each

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
# Correlations from which on two clips may be near-duplicates, and are: of their maps, and of still frames.
_MAPS_SIMILAR, _STILLS_SIMILAR = 0.85, 0.995
# Of changes, by their size in grey levels: noise of an encoder hides small ones, and where whole bodies move, those of
# two people whose steps are synchronous may look like copies.
_SIZES, _CHANGES_SIMILAR = (5.0, 8.0), (0.82, 0.93)
# Candidates for each clip, rows of a block of pairs, and principal components of the projection.
_CANDIDATES, _BLOCK, _COMPONENTS = 10, 2048, 24


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
    change : float
        Root mean square of these differences, in grey levels.
    n_frames, height, width, n_bytes, fps, warnings
        Of the clip; ``n_bytes`` of its frames in memory.
    """

    frames: str
    look: Floats
    changes: NDArray[np.int8]
    change: float
    n_frames: int
    height: int
    width: int
    n_bytes: int
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
        change = float(np.sqrt(np.mean(changes**2)))
        kept = changes[: _KEPT if change >= _STILL else 0]
        scale = 127 / max(float(np.abs(kept).max(initial=0)), 1e-6)
        look = np.median(small, axis=0)
        look -= look.mean()
        size = float(np.linalg.norm(look))
        return cls(
            digest.hexdigest(),
            look / size if size >= _FLAT * _SIDE else np.zeros_like(look),
            np.rint(kept * scale).astype(np.int8),
            change,
            len(clip),
            clip.height,
            clip.width,
            clip.frames.nbytes,
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
    return [
        pair
        for pair in each("pairs", candidates, len(candidates))
        if _near_duplicates(fingerprints[pair[0]], fingerprints[pair[1]])
    ]


def _candidates(fingerprints: Sequence[Fingerprint], groups: NDArray[np.str_]) -> Pairs:
    looks, motions = (np.stack(maps) for maps in zip(*map(_maps, fingerprints), strict=True))
    return most_similar(looks, motions, np.unique(groups, return_inverse=True)[1])


def most_similar(looks: Floats, motions: Floats, groups: NDArray[np.intp]) -> Pairs:
    """Return pairs of each clip and the ten most similar clips of other groups.

    Two clips are similar if the correlations of their ``looks`` and of their ``motions`` both reach a threshold. The
    distance of similar clips is bounded by it, and a projection on principal components makes no distance larger: all
    pairs are compared in this projection, and those within the bound in full.

    Parameters
    ----------
    looks, motions : ndarray of float32, shape (n_clips, n_values)
        Maps of unit length.
    groups : ndarray of int, shape (n_clips,)
        Numbers of groups.
    """
    best: list[tuple[NDArray[np.intp], NDArray[np.intp], Floats]] = []
    for row, column in _within_reach(np.concatenate([looks, motions], axis=1)):
        other = groups[row] != groups[column]
        row, column = row[other], column[other]
        look, motion = _correlations(looks, row, column), _correlations(motions, row, column)
        similar = np.minimum(look, motion) >= _MAPS_SIMILAR
        row, column, similarity = row[similar], column[similar], (look + motion)[similar]
        best.append(
            _best_of_each(np.append(row, column), np.append(column, row), np.append(similarity, similarity))
        )
    row, column, _ = _best_of_each(*map(np.concatenate, zip(*best, strict=True)))
    return sorted({(min(pair), max(pair)) for pair in zip(row.tolist(), column.tolist(), strict=True)})


def _correlations(maps: Floats, row: NDArray[np.intp], column: NDArray[np.intp]) -> Floats:
    """Return the products of pairs of maps, some pairs at a time."""
    found = np.empty(len(row), np.float32)
    for start in range(0, len(row), 1 << 16):
        part = slice(start, start + (1 << 16))
        found[part] = np.einsum("ij,ij->i", maps[row[part]], maps[column[part]])
    return found


def _best_of_each(
    row: NDArray[np.intp], column: NDArray[np.intp], similarity: Floats
) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """Return the pairs of each clip with those most similar to it; of two that are equally similar the first."""
    order = np.lexsort((column, -similarity, row))
    row, column, similarity = row[order], column[order], similarity[order]
    best = np.arange(len(row)) - np.searchsorted(row, row) < _CANDIDATES
    return row[best], column[best], similarity[best]


def _within_reach(maps: Floats) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield pairs, the first before the second, whose distance in the projection allows that they are similar."""
    places = maps - maps.mean(axis=0)
    # Of few clips the components take longer than all distances.
    if len(maps) > maps.shape[1]:
        centred = places.astype(np.float64)
        places = (centred @ np.linalg.eigh(centred.T @ centred)[1][:, -_COMPONENTS:]).astype(np.float32)
    # Of two maps with products p and q, the square of the distance is the sum of their squares less 2 p + 2 q.
    beyond = (np.einsum("ij,ij->i", places, places) - np.einsum("ij,ij->i", maps, maps))[:, None]
    ones = np.ones_like(beyond)
    # The product of a row of one and a row of the other is 2 p + 2 q or more; a little for the rounding.
    left, right = np.hstack([2 * places, -beyond, -ones]), np.hstack([places, ones, beyond])
    least = 4 * _MAPS_SIMILAR - 1e-3
    starts = range(0, len(maps), _BLOCK)
    for first, second in combinations_with_replacement(starts, 2):
        close = left[first : first + _BLOCK] @ right[second : second + _BLOCK].T >= least
        row, column = np.nonzero(close)
        row, column = row + first, column + second
        yield row[row < column], column[row < column]


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
        least = float(np.interp(min(one.change, other.change), _SIZES, _CHANGES_SIMILAR))
        return _correlation(one.changes, other.changes) >= least
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
