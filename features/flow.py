"""Optical flow between consecutive frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from ..literals import Flow
from .clip import Clip
from .vectors import VectorFields

__all__ = [
    "check_flow",
    "codec_fields",
    "frame_stride",
    "optical_flow",
    "working_frames",
]

Method = Literal["dis", "farneback"]

# DIS needs a few patches at its coarsest scale; OpenCV refuses or crashes on less.
_MIN_SIDE = 32


@contextmanager
def single_thread() -> Iterator[None]:
    """Make OpenCV use one thread, so that results do not depend on their number."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def frame_stride(fps: float, max_fps: float = 30.0) -> int:
    """Return the n for which every n-th frame gives about ``max_fps`` frames per second or fewer.

    Examples
    --------
    >>> frame_stride(25.0), frame_stride(50.0), frame_stride(120.0)
    (1, 2, 4)
    """
    return max(1, round(fps / max_fps))


def working_frames(
    clip: Clip, side: int = 120, max_fps: float = 30.0, *, enlarge: float = 2.0
) -> tuple[NDArray[np.uint8], float]:
    """Resample a clip to a size and a frame rate at which its motion can be measured.

    Small frames are enlarged, since pyramids lose fast motion in them; large ones are averaged down. Frames may be left
    out, but are never interpolated.

    Parameters
    ----------
    clip : Clip
        The clip.
    side : int
        Shorter side of the result in pixels.
    max_fps : float
        Highest frame rate of the result; every n-th frame is kept.
    enlarge : float
        Largest factor by which frames are enlarged.

    Returns
    -------
    frames : ndarray of uint8, shape (T, H, W)
        Grey frames.
    fps : float
        Their frame rate.

    Examples
    --------
    >>> clip = Clip(np.zeros((50, 480, 640), np.uint8), fps=50.0)
    >>> frames, fps = working_frames(clip)
    >>> frames.shape, fps
    ((25, 120, 160), 25.0)
    """
    stride = frame_stride(clip.fps, max_fps)
    frames = clip.take(slice(None, None, stride)).grey()
    scale = min(enlarge, side / min(clip.height, clip.width))
    if round(clip.height * scale) == clip.height and round(clip.width * scale) == clip.width:
        return frames, clip.fps / stride
    height, width = (max(1, round(length * scale)) for length in (clip.height, clip.width))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = np.empty((len(frames), height, width), np.uint8)
    with single_thread():
        for source, target in zip(frames, resized, strict=True):
            target[...] = cv2.resize(source, (width, height), interpolation=interpolation)
    return resized, clip.fps / stride


def check_flow(flow: Flow) -> None:
    """Check where motion is to be taken from.

    Raises
    ------
    ValueError
        If it is no known word.
    """
    if flow not in get_args(Flow):
        raise ValueError(f"flow must be one of {', '.join(get_args(Flow))}, got {flow!r}")


def codec_fields(clip: Clip, flow: Flow, max_fps: float = 30.0) -> VectorFields | None:
    """Return the motion between the `working_frames` of a clip by its codec; None if it is to be computed from them.

    That is so where ``flow`` is not ``"codec"``, or the codec does not say.
    """
    if flow != "codec" or clip.vectors is None:
        return None
    return clip.vectors.take(slice(None, None, frame_stride(clip.fps, max_fps))).fields()


def optical_flow(
    frames: NDArray[np.uint8], method: Method = "dis", *, finest: int = 1, reduce: int = 1
) -> NDArray[np.float32]:
    """Compute the motion of each pixel from one frame to the next.

    Parameters
    ----------
    frames : ndarray of uint8, shape (T, H, W)
        Grey frames.
    method : {"dis", "farneback"}
        Dense inverse search (Kroeger et al., ECCV 2016) or polynomial expansion (Farneback, SCIA 2003).
    finest : int
        Finest scale of dense inverse search: 0 is full resolution, which shows thin limbs, 1 half of it, at half the
        time.
    reduce : int
        Average the result over squares of this side in pixels, after it was computed at full resolution; its
        vectors stay in pixels of ``frames``.

    Returns
    -------
    ndarray of float32, shape (T - 1, ceil(H / reduce), ceil(W / reduce), 2)
        Displacement right and down, in pixels per frame.

    Raises
    ------
    ValueError
        If the frames are not grey uint8, the method is unknown or ``reduce`` is less than 1.

    Examples
    --------
    >>> frames = np.random.default_rng(0).integers(0, 256, (3, 40, 50), dtype=np.uint8)
    >>> optical_flow(frames).shape, optical_flow(frames, reduce=10).shape
    ((2, 40, 50, 2), (2, 4, 5, 2))
    """
    frames = np.asarray(frames)
    if frames.ndim != 3 or frames.dtype != np.uint8:
        raise ValueError(f"flow needs uint8 frames (T, H, W), got {frames.dtype} {frames.shape}")
    if method not in ("dis", "farneback"):
        raise ValueError(f"unknown flow method {method!r}; known are 'dis' and 'farneback'")
    if reduce < 1:
        raise ValueError(f"reduce must be at least 1, got {reduce}")
    height, width = frames.shape[1:]
    padded = _pad(frames)
    flow = np.empty((max(len(frames) - 1, 0), -(-height // reduce), -(-width // reduce), 2), np.float32)
    search = _dense_inverse_search(finest) if method == "dis" else None
    with single_thread():
        for index in range(len(flow)):
            first, second = padded[index], padded[index + 1]
            one = search.calc(first, second, None) if search else _farneback(first, second)
            flow[index] = _reduce(one[:height, :width], reduce)
    return flow


def _pad(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat the border below and to the right up to the smallest size that pyramids need."""
    height, width = frames.shape[1:]
    missing = (max(0, _MIN_SIDE - height), max(0, _MIN_SIDE - width))
    if not any(missing):
        return np.ascontiguousarray(frames)
    return np.pad(frames, ((0, 0), (0, missing[0]), (0, missing[1])), mode="edge")


def _dense_inverse_search(finest: int) -> Any:
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(finest)
    # At full resolution patches are dense enough without refinement, which takes most of the time there.
    search.setPatchStride(4 if finest else 5)
    search.setVariationalRefinementIterations(2 if finest else 0)
    # More iterations let patches run away where there is little texture.
    search.setGradientDescentIterations(6)
    return search


def _farneback(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
    # Parameters of the dense trajectories (Wang and Schmid, ICCV 2013), with deeper pyramids for fast motion.
    empty = np.zeros((*first.shape, 2), np.float32)
    flow = cv2.calcOpticalFlowFarneback(first, second, empty, 0.7071, 5, 10, 2, 7, 1.5, 0)
    return np.asarray(flow, np.float32)


def _reduce(flow: NDArray[np.float32], reduce: int) -> NDArray[np.float32]:
    if reduce == 1:
        return flow
    height, width = flow.shape[:2]
    bottom, right = -height % reduce, -width % reduce
    flow = np.pad(flow, ((0, bottom), (0, right), (0, 0)), mode="edge")
    blocks = flow.reshape(flow.shape[0] // reduce, reduce, flow.shape[1] // reduce, reduce, 2)
    return blocks.mean(axis=(1, 3))
