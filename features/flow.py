"""Optical flow between consecutive frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from .clip import Clip

__all__ = [
    "camera_homographies",
    "camera_path",
    "camera_shift",
    "frame_stride",
    "optical_flow",
    "stabilise",
    "working_frames",
]

Method = Literal["dis", "farneback"]
Plane = NDArray[np.float32]

# DIS needs a few patches at its coarsest scale; OpenCV refuses or crashes on less.
_MIN_SIDE = 32

# Shifts of the camera below this, in pixels, are within the flow's error.
_MIN_SHIFT = 0.1

# Corners that must agree on the motion of the camera.
_MIN_INLIERS = 25


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
    frames = Clip(clip.frames[::stride], clip.fps / stride).grey()
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
        Finest scale of dense inverse search: 0 is full resolution, each step halves it and costs about a
        quarter.
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
    search.setPatchStride(4)
    search.setGradientDescentIterations(12)
    search.setVariationalRefinementIterations(2)
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


def stabilise(flow: NDArray[np.float32], shifts: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Subtract the motion of the camera.

    Parameters
    ----------
    flow : ndarray of float32, shape (T, H, W, 2)
        Flow as of `optical_flow`.
    shifts : ndarray of float32, shape (T, 2), optional
        Motion of the camera; by default the median vector of each frame.

    Returns
    -------
    ndarray of float32, shape (T, H, W, 2)
        Flow against the background.

    Examples
    --------
    >>> flow = np.full((1, 4, 4, 2), 2.0, np.float32)
    >>> stabilise(flow).max()
    np.float32(0.0)
    """
    shifts = median_flow(flow) if shifts is None else shifts
    return flow - shifts[:, None, None, :]


def median_flow(flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the median vector of each frame, shape (T, 2), in pixels per frame.

    Examples
    --------
    >>> median_flow(np.full((2, 4, 4, 2), 1.5, np.float32))
    array([[1.5, 1.5],
           [1.5, 1.5]], dtype=float32)
    """
    if not len(flow):
        return np.empty((0, 2), np.float32)
    # A ninth of the pixels has the same median to within noise.
    sample = flow[:, 1::3, 1::3] if min(flow.shape[1:3]) >= 30 else flow
    return np.median(sample, axis=(1, 2)).astype(np.float32)


def camera_shift(frames: NDArray[np.uint8], flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Measure how the camera shifts from frame to frame.

    The median flow is accepted where undoing it reduces the difference of most parts of the frame. Otherwise it is not
    that of the camera: flow spreads from a person into ground without texture, whose median then is the person's.

    Parameters
    ----------
    frames : ndarray of uint8, shape (T, H, W)
        Grey frames.
    flow : ndarray of float32, shape (T - 1, H, W, 2)
        Flow between them.

    Returns
    -------
    ndarray of float32, shape (T - 1, 2)
        Right and down, in pixels per frame; 0 where the camera appears to rest.

    Examples
    --------
    >>> frames = np.random.default_rng(0).integers(0, 256, (40, 80), dtype=np.uint8)
    >>> panned = np.stack([frames[:, :60], frames[:, 2:62]])
    >>> camera_shift(panned, np.full((1, 40, 60, 2), (-2.0, 0.0), np.float32))
    array([[-2.,  0.]], dtype=float32)
    """
    shifts = median_flow(flow)
    shifts[np.abs(shifts).max(axis=1) < _MIN_SHIFT] = 0
    with single_thread():
        for index in np.flatnonzero(shifts.any(axis=1)):
            first, second = (
                cv2.GaussianBlur(frame, (0, 0), 1.0).astype(np.float32) for frame in frames[index : index + 2]
            )
            if not _explains(first, second, shift_back(second, shifts[index])):
                shifts[index] = 0
    return shifts


def camera_path(shifts: NDArray[np.float32]) -> NDArray[np.float64]:
    """Add up the shifts of the camera.

    Parameters
    ----------
    shifts : ndarray of float32, shape (T - 1, 2)
        As of `camera_shift`.

    Returns
    -------
    ndarray of float64, shape (T, 2)
        Displacement of the background since the first frame, right and down, in pixels.

    Examples
    --------
    >>> camera_path(np.array([[1.5, 0.0], [1.5, -1.0]], np.float32))
    array([[ 0. ,  0. ],
           [ 1.5,  0. ],
           [ 3. , -1. ]])
    """
    path = np.zeros((len(shifts) + 1, 2))
    np.cumsum(shifts, axis=0, dtype=np.float64, out=path[1:])
    return path


def _explains(first: Plane, second: Plane, undone: Plane) -> bool:
    """Return whether undoing a motion reduces the difference of at least half of the frame's parts by a tenth."""
    size = (8, 8)
    before, after = (
        cv2.resize(np.abs(frame - first), size, interpolation=cv2.INTER_AREA) for frame in (second, undone)
    )
    return bool(np.mean(after < 0.9 * before) >= 0.5)


def shift_back(frame: NDArray[np.float32], shift: NDArray[np.float32]) -> NDArray[np.float32]:
    """Undo a shift of a frame, which moves by ``shift`` right and down.

    Examples
    --------
    >>> shift_back(np.array([[0, 1, 2, 3]], np.float32), np.array([1, 0], np.float32))
    array([[1., 2., 3., 3.]], dtype=float32)
    """
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (frame.shape[1], frame.shape[0])
    return np.asarray(
        cv2.warpAffine(frame, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32
    )


def camera_homographies(frames: NDArray[np.uint8], flow: NDArray[np.float32]) -> NDArray[np.float64]:
    """Estimate how the camera moves the background, by a homography between frames (Wang and Schmid, ICCV 2013).

    The homography is fitted by RANSAC to corners and their flow, and accepted if most of them, and enough, are inliers.

    Parameters
    ----------
    frames : ndarray of uint8, shape (T, H, W)
        Grey frames.
    flow : ndarray of float32, shape (T - 1, H, W, 2)
        Flow between them.

    Returns
    -------
    ndarray of float64, shape (T - 1, 3, 3)
        Where a point (x, y, 1) of the background goes, in pixels; the identity where the camera appears to rest.

    Examples
    --------
    >>> frames = np.random.default_rng(0).integers(0, 256, (2, 60, 80), dtype=np.uint8)
    >>> camera_homographies(frames, np.zeros((1, 60, 80, 2), np.float32)).tolist()
    [[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]]
    """
    matrices = np.tile(np.eye(3), (len(flow), 1, 1))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for index in range(len(flow)):
        found = _homography(frames[index], flow[index])
        if found is None:
            continue
        with single_thread():
            first, second = (
                cv2.GaussianBlur(frame, (0, 0), 1.0).astype(np.float32) for frame in frames[index : index + 2]
            )
            undone = cv2.warpPerspective(
                second, found, second.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE
            )
        if _explains(first, second, np.asarray(undone, np.float32)):
            matrices[index] = found
    return matrices


def projected(matrix: NDArray[np.float64], points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Apply a homography to points (..., 2), right and down.

    Examples
    --------
    >>> projected(np.diag([2.0, 2.0, 1.0]), np.array([[1.0, 3.0]]))
    array([[2., 6.]])
    """
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(moved[..., :2] / moved[..., 2:])


def homography_flow(matrix: NDArray[np.float64], rows: range, columns: range) -> NDArray[np.float32]:
    """Return how a homography moves the pixels of some rows and columns, right and down, shape (rows, columns, 2).

    Examples
    --------
    >>> homography_flow(np.array([[1, 0, 0.5], [0, 1, 0], [0, 0, 1]]), range(1), range(2))
    array([[[0.5, 0. ],
            [0.5, 0. ]]], dtype=float32)
    """
    y, x = np.array(rows, np.float64)[:, np.newaxis], np.array(columns, np.float64)
    right, down, scale = (a * x + (b * y + c) for a, b, c in matrix)
    flow = np.empty((*right.shape, 2), np.float32)
    np.subtract(right / scale, x, out=flow[..., 0], casting="same_kind")
    np.subtract(down / scale, y, out=flow[..., 1], casting="same_kind")
    return flow


def _homography(frame: NDArray[np.uint8], flow: NDArray[np.float32]) -> NDArray[np.float64] | None:
    with single_thread():
        corners = cv2.goodFeaturesToTrack(frame, 1000, 0.001, 3)
        if corners is None or len(corners) <= 2 * _MIN_INLIERS:
            return None
        points = np.asarray(corners, np.float64).reshape(-1, 2)
        column, row = np.rint(points).astype(np.intp).T
        ends = points + flow[row.clip(0, len(flow) - 1), column.clip(0, flow.shape[1] - 1)]
        matrix, inliers = cv2.findHomography(points, ends, cv2.RANSAC, 1.0)
    if matrix is None or inliers.sum() <= max(_MIN_INLIERS, len(points) / 2):
        return None
    # Where the camera rests, what remains is the error of the flow, which the homography magnifies towards the border.
    found = np.asarray(matrix, np.float64)
    moved = np.linalg.norm(projected(found, points) - points, axis=1)
    return found if np.median(moved) >= _MIN_SHIFT else None
