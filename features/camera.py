"""The motion of the ground that a moving camera films: a shift of the frame, or a homography."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .flow import background_flow, camera_shift, shift_back, single_thread

__all__ = ["ground_flow", "undo_ground_flow"]

# Mean difference of frames, in grey levels, below which there is no motion to explain.
_MIN_ERROR = 1.0
# Share of the difference that a homography must leave less of than a shift.
_MAX_LEFT = 0.97


def ground_flow(frames: NDArray[np.uint8], flow: NDArray[np.float32]) -> NDArray[np.float32]:
    """Estimate the flow of the ground: that of `camera_shift`, or of `background_flow` where it explains frames better.

    A homography has eight values, which noise and people change more easily than the two of a shift; a camera that only
    pans or shakes needs no more.

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
    >>> ground_flow(panned, np.full((1, 40, 60, 2), (-2.0, 0.0), np.float32))[0, 0, 0]
    array([-2.,  0.], dtype=float32)
    """
    shifts = camera_shift(frames, flow)
    ground = np.empty_like(flow)
    ground[:] = shifts[:, np.newaxis, np.newaxis]
    with single_thread():
        smooth = [cv2.GaussianBlur(frame, (0, 0), 1.0).astype(np.float32) for frame in frames]
        for index, shift in enumerate(shifts):
            first, second = smooth[index : index + 2]
            left = _differences(first, shift_back(second, shift) if shift.any() else second)
            if np.median(left) < _MIN_ERROR:
                continue
            plane = background_flow(frames[index : index + 2], flow[index : index + 1])[0]
            if plane.any():
                after = _differences(first, undo_ground_flow(second, plane))
                if np.mean(after <= left) >= 0.5 and np.median(after) < _MAX_LEFT * np.median(left):
                    ground[index] = plane
    return ground


def undo_ground_flow(frame: NDArray[np.float32], ground: NDArray[np.float32]) -> NDArray[np.float32]:
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


def _differences(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean difference of two frames in each of 8 x 8 parts."""
    return np.asarray(cv2.resize(np.abs(second - first), (8, 8), interpolation=cv2.INTER_AREA), np.float32)
