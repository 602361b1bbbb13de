"""Named quantities of a clip, in body heights and seconds, that a rule can test and a person can read.

A body height is the height of the main moving region; of somebody who only waves it is the reach of the arms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import signal

from .cache import compute_one
from .camera import camera_path
from .clip import Clip
from .flow import single_thread
from .motion import Motion, observe
from .similarity import repetition

__all__ = ["QUANTITIES", "Quantities", "Quantity", "measure", "quantities"]

Series = NDArray[np.float64]

# Seconds over which speeds are averaged: the time between frames at the lowest frame rate, 8 per second.
_STEP = 0.125

# Heights per second from which a pixel counts as moving in full: a longer time between frames marks slower pixels, too.
_FULL_SPEED = 0.5

# Frequencies in Hz at which a body bounces; what is above 4 Hz is noise, of which a high frame rate shows more.
_BOUNCE = (0.5, 4.0)


class Quantity(NamedTuple):
    """Definition of a quantity.

    Attributes
    ----------
    name : str
        Its name in rules.
    unit : str
        Its unit; empty where it is a ratio.
    meaning : str
        Its meaning, in one line.
    """

    name: str
    unit: str
    meaning: str


QUANTITIES: tuple[Quantity, ...] = (
    Quantity("horizontal speed", "heights/s", "how fast the person gets from one side to the other"),
    Quantity("horizontal sweep", "heights", "how far apart the person's positions are from side to side"),
    Quantity("vertical sweep", "heights", "how far apart the person's positions are from top to bottom"),
    Quantity("path speed", "heights/s", "length of the person's path, in any direction, per second"),
    Quantity("box aspect", "", "width of the moving region over its height, median over time"),
    Quantity("box aspect spread", "", "how much that varies: 90th less 10th percentile"),
    Quantity("box height spread", "heights", "how much the height of the moving region varies"),
    Quantity("upper motion", "", "share of the motion in the upper 45 % of the moving region"),
    Quantity("lower motion", "", "share of the motion in the lower 30 % of the moving region"),
    Quantity("outer motion", "", "share of the motion in the outer halves of the left and right sides"),
    Quantity("fill", "", "share of the moving region's box that moves at a time"),
    Quantity("symmetry", "", "likeness of the motion's picture with its mirror image, 0 to 1"),
    Quantity(
        "translation", "", "net over absolute motion of the whole clip: 1 goes one way, 0 goes to and fro"
    ),
    Quantity("coherence", "", "net over absolute motion within a frame: 1 moves as one piece"),
    Quantity("vertical motion", "", "share of the motion that is up or down"),
    Quantity("motion speed", "heights/s", "speed of what moves, median over time"),
    Quantity(
        "limb speed", "heights/s", "speed of what moves against the person as a whole, median over time"
    ),
    Quantity("surge", "heights/s", "how much the horizontal speed of the whole person varies"),
    Quantity("bounce", "heights", "how much the whole person goes up and down about its path"),
    Quantity("bounce speed", "heights/s", "how much the vertical speed of the whole person varies"),
    Quantity("bounce frequency", "Hz", "how often the person goes up and down"),
    Quantity("bounce sharpness", "", "how regularly: share of the spectrum in its highest peak"),
    Quantity("repeat frequency", "Hz", "how often the whole movement comes round; 0 where it does not"),
    Quantity("repeat likeness", "", "how similar it is then: 1 is the same, 0 is unrelated"),
    Quantity("unevenness", "", "how much the amount of motion varies: standard deviation over mean"),
    Quantity("foot spread", "heights", "width of what moves in the lowest quarter, median over time"),
    Quantity("foot spread change", "heights", "how much that varies: 90th less 10th percentile"),
    Quantity("head spread", "heights", "width of what moves in the highest quarter, median over time"),
    Quantity("head spread change", "heights", "how much that varies: 90th less 10th percentile"),
    Quantity(
        "lean", "heights", "how far the upper half is ahead of the lower one in the direction of motion"
    ),
    Quantity(
        "passing speed",
        "heights/s",
        "how fast the person gets to either side at its fastest: 90th percentile over time",
    ),
)


def quantities(clip: Clip) -> dict[str, float]:
    """Measure a clip.

    Parameters
    ----------
    clip : Clip
        The clip.

    Returns
    -------
    dict of str to float
        One finite value for each of `QUANTITIES`, in their order; all 0 where nothing moves.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, _ = examples()
    >>> found = {label: quantities(clip)["horizontal sweep"] for clip, label in zip(clips[:3], labels[:3])}
    >>> max(found, key=found.get).item()
    'walking'
    """
    values = compute_one(Quantities(), clip)["values"]
    return {quantity.name: float(value) for quantity, value in zip(QUANTITIES, values, strict=True)}


@dataclass(frozen=True)
class Quantities:
    """The quantities of a clip as an array."""

    def extract(self, clip: Clip) -> dict[str, Series]:
        """Return one value for each of `QUANTITIES`, under ``"values"``."""
        return {"values": np.array(list(measure(observe(clip)).values()))}


def measure(motion: Motion) -> dict[str, float]:
    """Measure a clip that has been observed; see `quantities`.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> len(measure(observe(examples()[0][0]))) == len(QUANTITIES)
    True
    """
    names = [quantity.name for quantity in QUANTITIES]
    if not motion.track.found:
        return dict.fromkeys(names, 0.0)
    view = _view(motion)
    repeat_frequency, repeat_likeness = repetition(motion)
    found = {
        **_path(view),
        **_shape(view),
        **_directions(view),
        **_bounce(view),
        **_silhouette(view),
        "repeat frequency": repeat_frequency,
        "repeat likeness": repeat_likeness,
        "unevenness": _unevenness(view),
    }
    return {name: float(found[name]) for name in names}


@dataclass(frozen=True, eq=False)
class _View:
    """Motion of a person in its own units: heights, and heights per second."""

    fps: float
    height: float  # pixels
    centres: Series  # (T, 2), of the box against the ground, down and right, heights
    sizes: Series  # (T, 2), height and width of the box, heights
    pictures: Series  # (T, 32, 32), share of each part of the box that moves
    net: Series  # (T - 1, 2), mean flow of the moving pixels by their speed, right and down
    absolute: Series  # (T - 1, 2), mean absolute flow
    limbs: Series  # (T - 1,), mean deviation from the net flow
    area: Series  # (T,), what moves, square heights


def _view(motion: Motion) -> _View:
    track, height = motion.track, motion.track.body_height
    flow = motion.flow * np.float32(motion.fps / height)
    mask = track.mask[1:] & track.mask[:-1]
    frame, vectors = np.nonzero(mask)[0], flow[mask].astype(np.float64)
    # Weighted by speed, so that ground at rest in the mask does not count.
    weights = np.hypot(*vectors.T)
    net = _means(vectors, weights, frame, len(mask))
    moving = _moving(track.mask, flow)
    return _View(
        fps=motion.fps,
        height=height,
        centres=(track.centres - camera_path(motion.shifts)[:, ::-1]) / height,
        sizes=(track.boxes[:, 2:] - track.boxes[:, :2]) / height,
        pictures=_pictures(moving, track.boxes),
        net=net,
        absolute=_means(np.abs(vectors), weights, frame, len(mask)),
        limbs=_means(np.hypot(*(vectors - net[frame]).T)[:, None], weights, frame, len(mask))[:, 0],
        area=moving.sum(axis=(1, 2), dtype=np.float64) / height**2,
    )


def _moving(mask: NDArray[np.bool_], flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return to what degree each pixel moves, 0 to 1, shape (T, H, W), from the flow in heights per second."""
    speed = np.hypot(flow[..., 0], flow[..., 1])
    speed = np.concatenate([speed[:1], np.maximum(speed[1:], speed[:-1]), speed[-1:]])
    return np.asarray(mask * np.minimum(speed / _FULL_SPEED, 1), np.float32)


def _means(values: Series, weights: Series, frame: NDArray[np.intp], n_frames: int) -> Series:
    """Average rows of values over the frame they belong to; 0 where there is none."""
    sums = [np.bincount(frame, column * weights, n_frames) for column in values.T]
    return np.stack(sums, axis=1) / np.maximum(np.bincount(frame, weights, n_frames), 1e-9)[:, None]


def smooth(values: Series, fps: float, seconds: float = _STEP) -> Series:
    """Average a series, shape (T, n), over a time about each frame, which need be no whole number of frames."""
    n_frames = len(values)
    width = min(max(seconds * fps, 1.0), n_frames)
    total = np.zeros((n_frames + 1, values.shape[1]))
    np.cumsum(values, axis=0, out=total[1:])
    start: Series = np.clip(np.arange(n_frames) + 0.5 - width / 2, 0, n_frames - width)
    sums: Series = _at(total, start + width) - _at(total, start)
    return sums / width


def _at(values: Series, places: Series) -> Series:
    """Interpolate a series, shape (T, n), between its frames."""
    return np.stack([np.interp(places, np.arange(len(values)), column) for column in values.T], axis=1)


def velocity(places: Series, fps: float, seconds: float = 0.4) -> Series:
    """Return the velocity of places, shape (T, n), that are averaged over a time, as steps of `_STEP`."""
    smoothed, step = smooth(places, fps, seconds), float(min(max(_STEP * fps, 1.0), len(places) - 1))
    # Per frame, a path that trembles would be the longer, the more frames show it.
    starts = np.arange(np.floor(len(places) - step), dtype=np.float64)
    steps: Series = _at(smoothed, starts + step) - _at(smoothed, starts)
    return steps * (fps / step)


def _pictures(moving: NDArray[np.float32], boxes: Series, side: int = 32) -> Series:
    """Resize what moves inside each box to one size."""
    pictures = np.empty((len(moving), side, side))
    edges = np.rint(boxes).astype(int)
    with single_thread():
        for index, (top, left, bottom, right) in enumerate(edges):
            part = moving[index, top : max(bottom, top + 1), left : max(right, left + 1)]
            pictures[index] = cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA)
    return pictures


def spread(values: Series) -> float:
    """Return the 90th less the 10th percentile."""
    return float(np.percentile(values, 90) - np.percentile(values, 10))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def _unevenness(view: _View) -> float:
    area = smooth(view.area[:, None], view.fps)
    return _ratio(float(np.std(area)), float(np.mean(area)))


def _path(view: _View) -> dict[str, float]:
    seconds = np.arange(len(view.centres)) / view.fps
    horizontal = view.centres[:, 1]
    velocities = velocity(view.centres, view.fps)
    return {
        "horizontal speed": abs(np.polyfit(seconds, horizontal, 1)[0]),
        "horizontal sweep": float(np.ptp(np.percentile(horizontal, [5, 95]))),
        "vertical sweep": float(np.ptp(np.percentile(view.centres[:, 0], [5, 95]))),
        "path speed": float(np.hypot(*velocities.T).mean()),
        # A person who turns round or leaves the frame for a while passes as fast as one who crosses it once.
        "passing speed": float(np.percentile(np.abs(velocities[:, 1]), 90)),
    }


def _shape(view: _View) -> dict[str, float]:
    aspects = view.sizes[:, 1] / view.sizes[:, 0]
    return {
        "box aspect": float(np.median(aspects)),
        "box aspect spread": spread(aspects),
        "box height spread": spread(view.sizes[:, 0]),
    }


def _directions(view: _View) -> dict[str, float]:
    weights = view.area[1:, None]
    net, absolute = (view.net * weights).sum(axis=0), (view.absolute * weights).sum(axis=0)
    within = np.hypot(*view.net.T) / np.maximum(np.hypot(*view.absolute.T), 1e-9)
    return {
        "translation": _ratio(float(np.hypot(*net)), float(np.hypot(*absolute))),
        "coherence": float(np.median(within)),
        "vertical motion": _ratio(float(absolute[1]), float(absolute.sum())),
        "motion speed": float(np.median(np.hypot(*smooth(view.absolute, view.fps).T))),
        "limb speed": float(np.median(smooth(view.limbs[:, None], view.fps))),
        "surge": float(np.std(smooth(view.net, view.fps)[:, 0])),
    }


def _bounce(view: _View) -> dict[str, float]:
    fall = smooth(view.net, view.fps)[:, 1]
    frequency, sharpness = dominant(fall, view.fps)
    return {
        "bounce": float(np.std(signal.detrend(np.cumsum(fall) / view.fps))),
        "bounce speed": float(np.std(fall)),
        "bounce frequency": frequency,
        "bounce sharpness": sharpness,
    }


def dominant(values: Series, fps: float) -> tuple[float, float]:
    """Return the frequency of the highest peak, and the share of the spectrum about it."""
    if len(values) < 4:
        return 0.0, 0.0
    values = signal.detrend(values) * np.hanning(len(values))
    # Padding interpolates between the few frequencies of a short clip.
    power = np.abs(np.fft.rfft(values, 8 * len(values))) ** 2
    frequencies = np.fft.rfftfreq(8 * len(values), 1 / fps)
    power[(frequencies < _BOUNCE[0]) | (frequencies > _BOUNCE[1])] = 0
    if power.sum() <= 0:
        return 0.0, 0.0
    peak = frequencies[np.argmax(power)]
    return float(peak), float(power[np.abs(frequencies - peak) <= 0.5].sum() / power.sum())


def _silhouette(view: _View) -> dict[str, float]:
    pictures, side = view.pictures, view.pictures.shape[1]
    picture = pictures.mean(axis=0)
    total, quarter = picture.sum(), side // 4
    foot, head = (_widths(view, part) for part in (slice(-quarter, None), slice(None, quarter)))
    mirrored = picture[:, ::-1]
    return {
        "upper motion": _ratio(picture[: round(0.45 * side)].sum(), total),
        "lower motion": _ratio(picture[-round(0.3 * side) :].sum(), total),
        "outer motion": _ratio(picture[:, :quarter].sum() + picture[:, -quarter:].sum(), total),
        "fill": float(picture.mean()),
        "symmetry": 1 - _ratio(np.abs(picture - mirrored).sum(), 2 * total),
        "foot spread": float(np.median(foot)),
        "foot spread change": spread(foot),
        "head spread": float(np.median(head)),
        "head spread change": spread(head),
        "lean": _lean(view),
    }


def _widths(view: _View, rows: slice) -> Series:
    """Return the width of what moves in some rows of the box, in heights."""
    columns = view.pictures[:, rows].max(axis=1) > 0.5
    first, last = np.argmax(columns, axis=1), columns.shape[1] - np.argmax(columns[:, ::-1], axis=1)
    return np.where(columns.any(axis=1), last - first, 0) / columns.shape[1] * view.sizes[:, 1]


def _lean(view: _View) -> float:
    """Return the median offset of the upper half's centroid from the lower one's, positive in walking direction."""
    half = view.pictures.shape[1] // 2
    places = np.arange(view.pictures.shape[2]) / view.pictures.shape[2]
    centroids = []
    for part in (view.pictures[:, :half], view.pictures[:, half:]):
        columns = part.sum(axis=1)
        mass = columns.sum(axis=1)
        centroids.append(np.where(mass > 0, columns @ places / np.maximum(mass, 1e-9), 0.5))
    ahead = np.sign(view.centres[-1, 1] - view.centres[0, 1])
    return float(np.median((centroids[0] - centroids[1]) * view.sizes[:, 1]) * ahead)
