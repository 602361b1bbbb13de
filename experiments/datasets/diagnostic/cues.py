"""What can be read from a film without its label, as vectors: by its cue alone a track is to tell its classes."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from ....features.histograms import frame_grid, hog
from ..drawing.people import ARM, LEG, Floats
from .film import Bytes, Film, PersonFilm
from .lights import LightsFilm

#: A function that returns a vector for a film.
Cue = Callable[[Film], Floats]

_SIDE, _BINS, _BLOCK, _SAMPLES = 16, 16, 8, 60
_WRISTS, _ANKLES = [joint + 2 for joint in ARM], [joint + 2 for joint in LEG]


def first_frame(film: Film) -> Floats:
    """Return grey values and oriented gradients of the first frame."""
    return _describe(film.frames[0])


def middle_frame(film: Film) -> Floats:
    """Return grey values and oriented gradients of the middle frame."""
    return _describe(film.frames[len(film.frames) // 2])


def last_frame(film: Film) -> Floats:
    """Return grey values and oriented gradients of the last frame."""
    return _describe(film.frames[-1])


def mean_frame(film: Film) -> Floats:
    """Return grey values and oriented gradients of the mean of all frames."""
    return _describe(np.rint(film.frames.mean(axis=0)).astype(np.uint8))


def brightest_frame(film: Film) -> Floats:
    """Return grey values and oriented gradients of the maximum of each pixel over time."""
    return _describe(film.frames.max(axis=0))


def motion_energy(film: Film) -> Floats:
    """Return grey values and oriented gradients of the range of each pixel over time."""
    return _describe(film.frames.max(axis=0) - film.frames.min(axis=0))


def frames_without_order(film: Film) -> Floats:
    """Return the values that each pixel takes, sorted, at five quantiles."""
    small = np.stack([_small(frame) for frame in film.frames])
    return np.quantile(small, [0, 0.25, 0.5, 0.75, 1], axis=0).ravel()


def frame_differences(film: Film) -> Floats:
    """Return a histogram of the changes from frame to frame, without sign."""
    change = np.abs(np.diff(film.frames.astype(np.int16), axis=0))
    return np.sqrt(np.bincount(change.ravel() // 4, minlength=64) / change.size)


def flow_magnitudes(film: Film) -> Floats:
    """Return a histogram of the speeds of all pixels, by the true flow to the next frame."""
    speed = np.hypot(*np.moveaxis(film.flow, -1, 0))
    return np.sqrt(np.histogram(speed[speed > 0], _BINS, (0, 16))[0] / speed.size)


def joint_speeds(film: Film) -> Floats:
    """Return a histogram of the speeds of all joints from frame to frame, which is the same backwards."""
    speed = np.linalg.norm(np.diff(film.points, axis=0), axis=-1)
    return np.sqrt(np.histogram(speed, _BINS, (0, 16))[0] / speed.size)


def local_statistics(film: Film) -> Floats:
    """Return variance and power spectrum of each block of a frame, that after a quarter of the clip."""
    frame = film.frames[len(film.frames) // 4].astype(np.float64)
    height, width = (length // _BLOCK * _BLOCK for length in frame.shape)
    blocks = frame[:height, :width].reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK).swapaxes(1, 2)
    power = np.abs(np.fft.rfft2(blocks - blocks.mean(axis=(2, 3), keepdims=True))) ** 2
    bands = [power[..., :3, :3].sum(axis=(2, 3)), power.sum(axis=(2, 3)), blocks.var(axis=(2, 3))]
    return np.log1p(np.stack(bands)).ravel()


def true_flow(film: Film) -> Floats:
    """Return a histogram of the true flow's directions in each cell of a grid."""
    return _flow_histogram(film.flow)


def estimated_flow(film: Film) -> Floats:
    """Return the same of flow that is estimated from the first half of the frames, by OpenCV's DIS."""
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    estimator.setFinestScale(0)
    estimator.setPatchSize(8)
    frames = film.frames[: len(film.frames) // 2]
    flow = np.zeros((len(frames) - 1, *frames.shape[1:], 2), np.float32)
    for first, second, found in zip(frames[:-1], frames[1:], flow, strict=True):
        estimator.calc(first, second, found)
    return _flow_histogram(flow)


def background(film: Film) -> Floats:
    """Return grey values and oriented gradients of the background without the person."""
    return _describe(film.plate)


def background_directions(film: Film) -> Floats:
    """Return how much the background changes from left to right and from top to bottom, in grey levels a pixel."""
    plate = film.plate.astype(np.float64)
    return np.array([np.abs(np.diff(plate, axis=axis)).mean() for axis in (1, 0)])


def brightness(film: Film) -> Floats:
    """Return the mean of all grey values."""
    return np.array([film.frames.mean()])


def length(film: Film) -> Floats:
    """Return the number of frames."""
    return np.array([float(len(film.frames))])


def wrist_velocity(film: Film) -> Floats:
    """Return quantiles of the signed vertical velocity of both wrists, and how far they get in all."""
    height = film.points[:, _WRISTS, 1].mean(axis=1)
    return np.array([*np.quantile(np.diff(height), np.linspace(0, 1, 9)), height[-1] - height[0]])


def limb_times(film: Film) -> Floats:
    """Return when arms and legs move: the mean time of either's speed, and the difference."""
    times = np.arange(len(film.points) - 1)
    speeds = [_speed(film.points[:, joints]) for joints in (_WRISTS, _ANKLES)]
    arms, legs = (float(times @ speed / max(speed.sum(), 1e-9)) for speed in speeds)
    return np.array([arms, legs, arms - legs])


def wrist_frequency(film: Film) -> Floats:
    """Return the frequency at which the wrists' height has the most power, in cycles per clip."""
    return np.array([_frequency(film.points[:, _WRISTS, 1].mean(axis=1))])


def light_frequencies(film: Film) -> Floats:
    """Return the frequency of the lights in the upper and in the lower half of the person, as far as they swing."""
    assert isinstance(film, LightsFilm)
    swing = film.points[..., 0] - film.points[..., 0].mean(axis=0)
    power = np.abs(np.fft.rfft(swing, axis=0)[1:6]) ** 2
    height = film.points[..., 1].mean(axis=0)
    upper = height < np.median(height)
    return np.concatenate([power[:, part].sum(axis=1) / power.sum() for part in (upper, ~upper)])


def centroid_range(film: Film) -> Floats:
    """Return how far the body, without arms and legs, gets from side to side and up and down."""
    return np.ptp(film.points[:, [0, 1, *ARM, *LEG]].mean(axis=1), axis=0)


def centred_joints(film: Film) -> Floats:
    """Return mean and deviation of all joints, seen from the body."""
    joints = film.points - film.points[:, [0, 1, *ARM, *LEG]].mean(axis=1, keepdims=True)
    return np.concatenate([joints.mean(axis=0).ravel(), joints.std(axis=0).ravel()])


def limb_speeds(film: Film) -> Floats:
    """Return the mean speeds of wrists and ankles, in pixels a frame."""
    return np.array([_speed(film.points[:, joints]).mean() for joints in (_WRISTS, _ANKLES)])


def joint_motion(film: Film) -> Floats:
    """Return how the joints move about the body, as a camera that stands still would see them, in body heights.

    Between frames the joints follow cubic splines, so that the frame rate matters little. These are the ranges of
    wrists and ankles, the reach of each limb, speed, cadence and rise of the hips, and how much longer a step is than
    the legs span.
    """
    assert isinstance(film, PersonFilm)
    points = _interpolated(film.still_points[:, :14])
    height = np.ptp(points[..., 1], axis=1).max()
    own = (points - points[:, [1, *LEG]].mean(axis=1, keepdims=True)) / height
    reach = [np.linalg.norm(own[:, joint + 2] - own[:, joint], axis=1) for joint in (*ARM, *LEG)]
    reaches = np.sort(np.quantile(reach, [0.05, 0.5, 0.95], axis=1), axis=1).ravel()
    ranges = np.sort(np.ptp(own[:, [*_WRISTS, *_ANKLES]], axis=0).reshape(2, 2, 2), axis=1).ravel()
    lifted = np.quantile(own[:, _WRISTS, 1], [0.05, 0.5, 0.95])
    hips = points[:, LEG].mean(axis=1) / height
    # All clips last as long. Those who turn round out of sight jump from side to side.
    speed = np.median(np.abs(np.diff(hips[:, 0]))) * len(points)
    thigh = own[:, LEG[0] + 1] - own[:, LEG[0]]
    swing = np.arctan2(thigh[:, 0], thigh[:, 1])
    cycles = max(_frequency(swing), 1.0)
    span = np.sin(np.ptp(swing) / 2) * np.linalg.norm(thigh, axis=1).mean()
    stride = speed / max(8 * cycles * span, 1e-3) if speed > 0.1 else 0.0
    return np.array([*reaches, *ranges, *lifted, speed, cycles, np.ptp(hips[:, 1]), min(stride, 3.0)])


def _describe(frame: Bytes) -> Floats:
    """Return grey values on a coarse grid and histograms of oriented gradients in eight by eight cells."""
    boxes = np.array([[0, 0, *frame.shape]], np.float64)
    gradients = np.sqrt(hog(frame[None], frame_grid(boxes, frame.shape, (8, 8))))[0].reshape(64, -1)
    gradients /= gradients.sum(axis=1, keepdims=True) + 1.0
    return np.concatenate([_small(frame).ravel() / 64, gradients.ravel()])


def _small(frame: Bytes) -> Floats:
    return cv2.resize(frame, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)


def _flow_histogram(flow: NDArray[np.float32]) -> Floats:
    """Return the flow in eight directions, summed over time in each of four by four cells."""
    height, width = flow.shape[1:3]
    angle = np.arctan2(flow[..., 1], flow[..., 0])
    sector = np.floor((angle + np.pi) / (2 * np.pi) * 8).astype(int) % 8
    rows, columns = np.indices((height, width))
    cell = rows * 4 // height * 4 + columns * 4 // width
    total = np.bincount((cell * 8 + sector).ravel(), np.hypot(*np.moveaxis(flow, -1, 0)).ravel(), 128)
    return np.sqrt(total / max(total.sum(), 1e-9))


def _interpolated(points: Floats) -> Floats:
    from scipy.interpolate import CubicSpline

    times = np.linspace(0, 1, len(points), endpoint=False)
    return np.asarray(CubicSpline(times, points)(np.linspace(0, times[-1], _SAMPLES)))


def _speed(points: Floats) -> Floats:
    return np.linalg.norm(np.diff(points, axis=0), axis=-1).sum(axis=1)


def _frequency(signal: Floats) -> float:
    return float(np.abs(np.fft.rfft(signal - signal.mean())).argmax())
