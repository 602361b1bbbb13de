"""The motion of the camera, as that of the ground that it films: a shift of the frame, or a homography."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from .flow import single_thread
from .registration import agrees, median, register

__all__ = [
    "camera_motion",
    "camera_path",
    "ground_flow",
    "homography_flow",
    "mean_shifts",
    "moves",
    "projected",
    "rescaled",
    "undo_ground_flow",
]

Matrix = NDArray[np.float64]
Plane = NDArray[np.float32]

# Shifts of the camera below this, in pixels, are within the flow's error.
_MIN_SHIFT = 0.1
# Corners that must agree on the motion of the camera.
_MIN_INLIERS = 25
# Mean difference of frames, in grey levels, below which there is no motion to explain.
_MIN_ERROR = 1.0
# Share of the difference of frames that a homography must leave less of than a shift.
_HOMOGRAPHY_LEAVES = 0.95
# Shorter side of frames in pixels, below which no shift can be told from noise.
_MIN_SIDE = 32


def camera_motion(frames: NDArray[np.uint8], flow: NDArray[np.float32]) -> Matrix:
    """Measure how the camera moves the ground from frame to frame.

    A shift is found by `register`. Where a homography explains the next frame still better it is taken instead: it is
    fitted by RANSAC to corners and their flow, and needs most of them as inliers (Wang and Schmid, ICCV 2013). Its
    eight values are more easily changed by noise and people than the two of a shift; a camera that only pans or shakes
    needs no more. Frames are compared at half of the size.

    Parameters
    ----------
    frames : ndarray of uint8, shape (T, H, W)
        Grey frames.
    flow : ndarray of float32, shape (T - 1, H, W, 2)
        Flow between them.

    Returns
    -------
    ndarray of float64, shape (T - 1, 3, 3)
        Homographies that say where a point (x, y, 1) of the ground goes, in pixels; the identity where the camera
        appears to rest.

    Examples
    --------
    >>> frames = np.random.default_rng(0).integers(0, 256, (40, 80), dtype=np.uint8)
    >>> panned = np.stack([frames[:, :60], frames[:, 2:62]])
    >>> camera_motion(panned, np.full((1, 40, 60, 2), (-2.0, 0.0), np.float32))[0].round(1)
    array([[ 1.,  0., -2.],
           [ 0.,  1.,  0.],
           [ 0.,  0.,  1.]])
    """
    matrices, (height, width) = np.tile(np.eye(3), (len(flow), 1, 1)), frames.shape[1:]
    if not len(flow) or min(height, width) < _MIN_SIDE:
        return matrices
    with single_thread():
        # Interpolation between pixels makes noise smaller too, unless it is smooth already.
        size = (width // 2, height // 2)
        halves = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames]
        halves = [cv2.GaussianBlur(half.astype(np.float32), (0, 0), 1.5) for half in halves]
        stretch = np.array(size) / (width, height)
        matrices[:, :2, 2] = _shifts(halves, flow, stretch)
        for index, matrix in enumerate(rescaled(matrices, stretch)):
            first, second = halves[index : index + 2]
            left = _differences(first, _undone(second, matrix) if moves(matrix) else second)
            error = np.median(left)
            found = _homography(frames[index], flow[index]) if error >= _MIN_ERROR else None
            if found is not None:
                half = rescaled(found, stretch)
                undone, limit = _undone(second, half), _HOMOGRAPHY_LEAVES * error
                after = _differences(first, undone)
                better = np.mean(after <= left) >= 0.5 and np.median(after) < limit
                if better and _explains(first, second, undone, half):
                    matrices[index] = found
    return matrices


def ground_flow(frames: NDArray[np.uint8], flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how `camera_motion` moves each pixel of the ground.

    Parameters
    ----------
    frames : ndarray of uint8, shape (T, H, W)
        Grey frames.
    flow : ndarray of float32, shape (T - 1, H, W, 2)
        Flow between them.

    Returns
    -------
    ndarray of float32, shape (T - 1, H, W, 2)
        Right and down, in pixels per frame; 0 where the camera appears to rest.

    Examples
    --------
    >>> frames = np.random.default_rng(0).integers(0, 256, (40, 80), dtype=np.uint8)
    >>> panned = np.stack([frames[:, :60], frames[:, 2:62]])
    >>> ground_flow(panned, np.full((1, 40, 60, 2), (-2.0, 0.0), np.float32))[0, 0, 0].round(1)
    array([-2.,  0.], dtype=float32)
    """
    ground = np.zeros_like(flow)
    for plane, matrix in zip(ground, camera_motion(frames, flow), strict=True):
        if moves(matrix):
            plane[...] = homography_flow(matrix, range(len(plane)), range(plane.shape[1]))
    return ground


def mean_shifts(ground: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of fields of flow (T, H, W, 2) over the pixels of each, shape (T, 2).

    Examples
    --------
    >>> mean_shifts(np.array([[[[1, 0], [2, 4]]]], np.float32))
    array([[1.5, 2. ]], dtype=float32)
    """
    return np.array([cv2.mean(field)[:2] for field in ground], np.float32).reshape(-1, 2)


def moves(matrices: Matrix) -> NDArray[np.bool_]:
    """Return which homographies (..., 3, 3) move anything.

    Examples
    --------
    >>> moves(np.stack([np.eye(3), np.ones((3, 3))]))
    array([False,  True])
    """
    return np.asarray((matrices != np.eye(3)).any(axis=(-2, -1)))


def projected(matrix: Matrix, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Apply a homography to points (..., 2), right and down.

    Examples
    --------
    >>> projected(np.diag([2.0, 2.0, 1.0]), np.array([[1.0, 3.0]]))
    array([[2., 6.]])
    """
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(moved[..., :2] / moved[..., 2:])


def rescaled(matrices: Matrix, stretch: NDArray[np.float64]) -> Matrix:
    """Return the homographies (..., 3, 3) of frames resized by factors (2,), right and down.

    Coordinates are those of the centres of pixels.

    Examples
    --------
    >>> shift = np.array([[1.0, 0, 4], [0, 1, 0], [0, 0, 1]])
    >>> rescaled(shift, np.array([0.5, 0.5]))[0]
    array([1., 0., 2.])
    """
    x, y = stretch
    to = np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])
    # Rounding makes no motion of the identity.
    is_moved = moves(matrices)[..., np.newaxis, np.newaxis]
    return np.where(is_moved, to @ matrices @ np.linalg.inv(to), matrices)


def homography_flow(matrix: Matrix, rows: range, columns: range) -> NDArray[np.float32]:
    """Return how a homography moves the pixels of some rows and columns, right and down, shape (rows, columns, 2).

    Examples
    --------
    >>> homography_flow(np.array([[1, 0, 0.5], [0, 1, 0], [0, 0, 1]]), range(1), range(2))
    array([[[0.5, 0. ],
            [0.5, 0. ]]], dtype=float32)
    """
    y, x = np.array(rows, np.float32)[:, np.newaxis], np.array(columns, np.float32)
    # What moves nothing is subtracted before, so that single precision keeps the digits of small motions.
    right, down, more = (a * x + (b * y + c) for a, b, c in (matrix - np.eye(3)).astype(np.float32))
    flow = np.empty((*right.shape, 2), np.float32)
    flow[..., 0], flow[..., 1] = right - more * x, down - more * y
    flow /= (1 + more)[..., np.newaxis]
    return flow


def camera_path(shifts: NDArray[np.float32]) -> NDArray[np.float64]:
    """Add up the shifts of the ground.

    Parameters
    ----------
    shifts : ndarray of float32, shape (T - 1, 2)
        Motion of the ground, right and down, in pixels per frame.

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


def undo_ground_flow(frame: Plane, ground: NDArray[np.float32]) -> Plane:
    """Move the pixels of a frame back to where they were in the frame before.

    Parameters
    ----------
    frame : ndarray of float32, shape (H, W)
        The frame; beyond the border the last pixel goes on.
    ground : ndarray of float32, shape (H, W, 2)
        Flow from the frame before, right and down.

    Examples
    --------
    >>> undo_ground_flow(np.array([[0, 1, 2, 3]], np.float32), np.full((1, 4, 2), (1, 0), np.float32))
    array([[1., 2., 3., 3.]], dtype=float32)
    """
    rows, columns = np.indices(frame.shape, np.float32)
    moved = cv2.remap(
        frame,
        columns + ground[..., 0],
        rows + ground[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(moved, np.float32)


def _shifts(
    halves: list[Plane], flow: NDArray[np.float32], stretch: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the shift of the ground between frames, shape (T - 1, 2), 0 where it is within the error of the flow."""
    guesses = np.array([[median(field[..., way]) for way in (0, 1)] for field in flow]) * stretch
    shifts = [register(*pair, guess) for pair, guess in zip(pairwise(halves), guesses, strict=True)] / stretch
    return np.where(np.abs(shifts).max(axis=1, keepdims=True) < _MIN_SHIFT, 0.0, shifts)


def _undone(frame: Plane, matrix: Matrix) -> Plane:
    """Undo a motion of the ground in the whole frame."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (frame.shape[1], frame.shape[0])
    undone = cv2.warpPerspective(frame, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(undone, np.float32)


def _explains(first: Plane, second: Plane, undone: Plane, matrix: Matrix) -> bool:
    height, width = first.shape
    right, down = np.moveaxis(homography_flow(matrix, range(height), range(width)), -1, 0)
    rows, columns = np.gradient((first + undone) / 2)
    # The lighting of the whole scene may change.
    still, change = (frame - first - median(frame - first) for frame in (second, undone))
    is_small = bool(np.abs([right, down]).max() <= 1)
    return agrees(still, change, columns * right + rows * down, is_small=is_small)


def _differences(first: Plane, second: Plane) -> Plane:
    """Return the mean difference of two frames in each of 8 x 8 parts."""
    return np.asarray(cv2.resize(np.abs(second - first), (8, 8), interpolation=cv2.INTER_AREA), np.float32)


def _homography(frame: NDArray[np.uint8], flow: NDArray[np.float32]) -> Matrix | None:
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
