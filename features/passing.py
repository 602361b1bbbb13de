"""Which person is meant where people pass each other: their ways as straight lines in place and time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse.csgraph import connected_components

from .camera import camera_path
from .regions import Track, bounding_boxes, box_span, moving

__all__ = ["person_track"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Lengths are in heights of a body, times in seconds.

# Half the width of a trunk, how far a pixel of a person is from the line at most, and from where on nobody is near.
_TRUNK, _REACH, _NEAR = 0.28, 0.6, 0.85
# The distance that people get from each other, how much it changes meanwhile, and for how long they are seen.
_APART, _CHANGE, _SECONDS = 0.55, 0.35, 0.2
# Speeds of people, within what deviation a pixel moves with its person, and the drift of one who stays on the spot.
_SPEEDS, _DEVIATION, _DRIFT = np.linspace(-3, 3, 49), 0.3, 0.4
# The share of the clip in which a person is seen, and how many people there are at most.
_SHARE, _MOST_PEOPLE = 0.25, 6
# The size of a cell of places; pixels of the smallest people; the longest time for which they may walk straight on.
_CELL, _MIN_PIXELS, _MAX_SECONDS = 0.05, 12, 8.0


def person_track(track: Track, flow: NDArray[np.float32], shifts: NDArray[np.float32], fps: float) -> Track:
    """Return the track of one person of several who pass each other: who stays on the spot, or else the tallest.

    Moving pixels vote for straight lines in place and time, more for those of their own speed; lines that never get
    apart are limbs of one person.

    Parameters
    ----------
    track : Track
        Of everybody, as of `main_tracks`.
    flow : ndarray of float32, shape (T - 1, H, W, 2)
        Flow against the ground, in pixels per frame.
    shifts : ndarray of float32, shape (T - 1, 2)
        Motion of the ground, right and down, in pixels per frame.
    fps : float
        Frames per second.

    Returns
    -------
    Track
        With the pixels nearest to that person, and boxes from the frames in which nobody is near, if there are enough.
        The given one where people do not pass each other, are lower than 12 pixels or are seen for more than 8 seconds.

    Examples
    --------
    >>> from actionbench.features.regions import main_tracks
    >>> frames = np.zeros((10, 40, 90), np.uint8)
    >>> for index, frame in enumerate(frames):
    ...     frame[10:30, 2 * index : 10 + 2 * index] = 200
    >>> (track,) = main_tracks(frames, 25.0)
    >>> person_track(track, np.zeros((9, 40, 90, 2), np.float32), np.zeros((9, 2), np.float32), 25.0) is track
    True
    """
    changes = track.changes
    if changes is None:
        return track
    widths, heights = _lengths(changes.sum(axis=1)), _lengths(changes.sum(axis=2))
    # If only the arms move, half their reach.
    height = float(max(np.percentile(heights, 90), np.median(widths) / 2))
    is_wide = (widths > height).sum() >= max(2, _SECONDS * fps)
    if not is_wide or height < _MIN_PIXELS or len(changes) > _MAX_SECONDS * fps:
        return track
    times = (np.arange(len(changes), dtype=np.float64) - (len(changes) - 1) / 2) / fps
    path = camera_path(shifts)
    pixels = _pixels(changes, flow, path[:, 0], times, height)
    people = [
        _person(changes, pixels, part, alone, path, box_span(fps))
        for part, alone in _parts(pixels, _lines(pixels, times, fps), times, fps)
    ]
    # Hands that get apart are no people.
    if len(people) < 2 or not any(one.tall > max(1.2 * one.wide, 0.6 * height) for one in people):
        return track
    tallest = max(one.track.body_height for one in people)

    def rank(one: _Person) -> tuple[bool, float]:
        stays = one.share > 0.7 and one.drift < _DRIFT
        return stays and one.track.body_height > 0.2 * tallest, one.track.body_height

    return max(people, key=rank).track


@dataclass(frozen=True, eq=False)
class _Pixels:
    """Moving pixels, in heights and seconds from the middle of the clip."""

    frame: NDArray[np.intp]
    time: Floats
    place: Floats
    speed: Floats
    weight: Floats  # of a column: its width, in full from a tenth of the height that moves

    def nearest(self, lines: Floats) -> tuple[NDArray[np.intp], Floats]:
        """Return which line each pixel belongs to, by place and by speed, and how far it is from it."""
        away = np.abs(self.place[:, np.newaxis] - lines[:, 0] - lines[:, 1] * self.time[:, np.newaxis])
        nearest = (away + 0.2 * np.abs(self.speed[:, np.newaxis] - lines[:, 1])).argmin(axis=1)
        return nearest, away.min(axis=1)

    def shared(self, lines: Floats, n_frames: int) -> tuple[NDArray[np.intp], Mask]:
        """Return which line each pixel belongs to, and in which frames somebody is seen on each, shape (T, n)."""
        owner, away = self.nearest(lines)
        width = np.zeros((n_frames, len(lines)))
        np.add.at(width, (self.frame, owner), self.weight * (away < _REACH))
        return owner, width > 0.12


class _Person(NamedTuple):
    """Somebody's track, the share of the clip in which he moves, his drift, and how tall and wide what moves is."""

    track: Track
    share: float
    drift: float
    tall: float
    wide: float


def _pixels(changes: Mask, flow: NDArray[np.float32], path: Floats, times: Floats, height: float) -> _Pixels:
    frame, row, column = np.nonzero(changes)
    step = len(path) - len(changes)
    # The body is there in one of the two frames that are compared.
    start, end = (flow[frame + later, row, column, 0] for later in (0, step - 1))
    count = changes.sum(axis=1)
    return _Pixels(
        frame,
        times[frame],
        (column + 0.5 - (path[frame] + path[frame + step]) / 2) / height,
        np.where(np.abs(start) > np.abs(end), start, end) / (times[1] - times[0]) / height,
        (np.minimum(count / (0.1 * height), 1) / np.maximum(count, 1) / height)[frame, column],
    )


def _person(changes: Mask, pixels: _Pixels, part: Mask, alone: Mask, path: Floats, span: int) -> _Person:
    mask = np.zeros_like(changes)
    mask[tuple(indices[part] for indices in np.nonzero(changes))] = True
    step = len(path) - len(changes)
    clear = mask & alone[:, np.newaxis, np.newaxis]
    boxes = bounding_boxes(moving(clear if clear.any() else mask, step), span, path)
    speeds = _means(pixels.speed[part], pixels.frame[part])
    drift = np.median(np.abs(ndimage.uniform_filter1d(speeds, span, mode="nearest")))
    tall, wide = (float(np.median(_lengths(mask.sum(axis=axis)))) for axis in (2, 1))
    track = Track(moving(mask, step), boxes, found=True, changes=mask)
    return _Person(track, len(speeds) / len(changes), float(drift), tall, wide)


def _parts(pixels: _Pixels, lines: Floats, times: Floats, fps: float) -> list[tuple[Mask, Mask]]:
    """Return which pixels are of each person, and in which frames nobody is near; in none if these are few."""
    if len(lines) < 2:
        return []
    # A fit may leave nothing to a line.
    lines = lines[pixels.shared(lines, len(times))[1].any(axis=0)]
    owner, present = pixels.shared(lines, len(times))
    places = lines[:, 0] + lines[:, 1] * times[:, np.newaxis]
    n_people, person = connected_components(_belong(present, places, fps))
    near = present[:, np.newaxis] & (np.abs(places[:, :, np.newaxis] - places[:, np.newaxis]) < _NEAR)
    parts = []
    for own in (person == number for number in range(n_people)):
        seen = np.asarray(present[:, own].any(axis=1), bool)
        alone = seen & ~np.asarray(near[:, own][:, :, ~own].any(axis=(1, 2)), bool)
        if own[owner].any():
            parts.append((own[owner], alone & (alone.sum() >= 0.25 * seen.sum())))
    return parts


def _lengths(profile: NDArray[np.int64]) -> Floats:
    """Return how many positions hold 98 % of the pixels of each frame in which there are any."""
    profile = profile[profile.any(axis=1)]
    share = np.cumsum(profile, axis=1) / profile.sum(axis=1, keepdims=True)
    low, high = np.argmax(share >= 0.01, axis=1), np.argmax(share >= 0.99, axis=1)
    return (high + 1 - low).astype(np.float64)


def _means(values: Floats, frame: NDArray[np.intp]) -> Floats:
    """Average over the pixels of each frame that has any."""
    counts = np.bincount(frame)
    return np.asarray((np.bincount(frame, values) / np.maximum(counts, 1))[counts > 0])


def _lines(pixels: _Pixels, times: Floats, fps: float) -> Floats:
    """Find lines (place at time 0, velocity) along which somebody moves, one after another, shape (n, 2)."""
    first = np.floor(pixels.place.min() / _CELL)
    level = np.interp(pixels.speed, _SPEEDS, np.arange(len(_SPEEDS)))
    index = (pixels.frame, (pixels.place / _CELL - first).astype(int), np.rint(level).astype(int))
    shape = (len(times), int(index[1].max()) + 1, len(_SPEEDS))
    votes = np.bincount(np.ravel_multi_index(index, shape), pixels.weight, np.prod(shape)).reshape(shape)
    # A pixel votes for all speeds, as limbs move differently from their person, and more for its own.
    kernel = np.exp(-0.5 * (_SPEEDS[12:-12] / _DEVIATION) ** 2)
    votes = 0.3 * votes.sum(axis=2, keepdims=True) + 0.7 * ndimage.convolve1d(votes, kernel, mode="constant")
    reach = round(1.5 / _CELL)
    starts = np.arange(-reach, shape[1] + reach)
    lines: list[tuple[float, float]] = []
    while len(lines) < _MOST_PEOPLE:
        # Somebody who moves the hands alone counts as much as one who walks.
        seen = np.minimum(ndimage.uniform_filter1d(votes, 9, axis=1, mode="constant") * 9 / 0.25, 1)
        # Nobody is seen beyond the border.
        seen = np.pad(seen, ((0, 0), (1, 1), (0, 0)))
        support = np.empty((len(_SPEEDS), len(starts)))
        for number, speed in enumerate(_SPEEDS):
            along = np.rint(starts + speed * times[:, np.newaxis] / _CELL).astype(int).clip(-1, shape[1]) + 1
            support[number] = np.take_along_axis(seen[..., number], along, axis=1).sum(axis=0)
        best, start = np.unravel_index(np.argmax(support), support.shape)
        if support[best, start] < max(_SHARE * len(times), 0.3 * fps):
            break
        place = (starts[start] + first + 0.5) * _CELL
        lines.append((place, _SPEEDS[best]))
        own = (np.arange(shape[1]) + first + 0.5) * _CELL - place - _SPEEDS[best] * times[:, np.newaxis]
        votes[np.abs(own) < _TRUNK] = 0
    return _refit(pixels, np.array(lines).reshape(-1, 2))


def _refit(pixels: _Pixels, lines: Floats) -> Floats:
    """Fit each line to the pixels that are nearest to it, by least squares."""
    for _ in range(4 if len(lines) > 1 else 0):
        owner, away = pixels.nearest(lines)
        for number in range(len(lines)):
            own = (owner == number) & (away < _REACH)
            if own.any() and np.ptp(pixels.frame[own]) >= 3:
                root = np.sqrt(pixels.weight[own])
                lines[number] = np.polyfit(pixels.time[own], pixels.place[own], 1, w=root)[::-1]
    return lines


def _belong(present: Mask, places: Floats, fps: float) -> Mask:
    """Return which lines may be one person: limbs, or the way there and the way back, shape (n, n)."""
    n_lines = present.shape[1]
    same = np.eye(n_lines, dtype=bool)
    for one in range(n_lines):
        for other in range(one):
            between, both = places[:, one] - places[:, other], present[:, one] & present[:, other]
            if both.any():
                is_long = both.sum() >= max(2, _SECONDS * fps)
                is_apart = (
                    is_long and np.abs(between[both]).max() > _APART and np.ptp(between[both]) > _CHANGE
                )
            else:
                # Who is seen first may come back later, if the lines meet meanwhile.
                ends = [np.flatnonzero(present[:, line])[[0, -1]] for line in (one, other)]
                is_apart = abs(between[round(np.sort(np.concatenate(ends))[1:3].mean())]) > _APART
            same[one, other] = same[other, one] = not is_apart
    return same
