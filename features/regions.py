"""Moving regions: a mask of motion, the main moving region, and its bounding box in each frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .flow import camera_path, shift_back, single_thread

__all__ = ["Track", "main_track", "motion_mask"]


@dataclass(frozen=True, eq=False)
class Track:
    """The main moving region of a clip over time.

    Attributes
    ----------
    mask : ndarray of bool, shape (T, H, W)
        Pixels of the region that move between a frame and its neighbours.
    boxes : ndarray of float64, shape (T, 4)
        Top, left, bottom, right of the region in each frame, in pixels; the whole frame where nothing moves.
    found : bool
        Whether anything moved.
    """

    mask: NDArray[np.bool_]
    boxes: NDArray[np.float64]
    found: bool

    @property
    def centres(self) -> NDArray[np.float64]:
        """Middle of each box, down and right, shape (T, 2), in pixels."""
        return (self.boxes[:, :2] + self.boxes[:, 2:]) / 2

    @property
    def body_height(self) -> float:
        """Height of the person in pixels: the 90th percentile of the heights of the boxes."""
        return float(max(1.0, np.percentile(self.boxes[:, 2] - self.boxes[:, 0], 90)))


def motion_mask(
    frames: NDArray[np.uint8],
    shifts: NDArray[np.float32] | None = None,
    *,
    deviations: float = 5.0,
    min_threshold: float = 4.0,
) -> NDArray[np.bool_]:
    """Mark the pixels that change from one frame to the next by more than noise does.

    Noise is estimated on the clip itself, by the median absolute deviation of the smoothed differences, which is robust
    to a person smaller than half of the frame.

    Parameters
    ----------
    frames : ndarray of uint8, shape (T, H, W)
        Grey frames.
    shifts : ndarray of float32, shape (T - 1, 2), optional
        Motion of the camera, right and down, in pixels per frame, which is undone first.
    deviations : float
        Threshold in standard deviations of the noise.
    min_threshold : float
        Lowest threshold, in grey levels: rounding and compression are not Gaussian.

    Returns
    -------
    ndarray of bool, shape (T - 1, H, W)

    Examples
    --------
    >>> frames = np.zeros((2, 20, 20), np.uint8)
    >>> frames[1, 5:10, 5:10] = 200
    >>> mask = motion_mask(frames)
    >>> mask.shape, bool(mask[0, 7, 7]), bool(mask[0, 0, 0])
    ((1, 20, 20), True, False)
    """
    if len(frames) < 2:
        return np.zeros((0, *frames.shape[1:]), bool)
    differences = np.empty((len(frames) - 1, *frames.shape[1:]), np.float32)
    with single_thread():
        smooth = [cv2.GaussianBlur(frame, (0, 0), 1.0).astype(np.float32) for frame in frames]
        for index in range(len(differences)):
            differences[index] = smooth[index + 1] - smooth[index]
            if shifts is not None and shifts[index].any():
                differences[index] = shift_back(smooth[index + 1], shifts[index]) - smooth[index]
                _clear_border(differences[index], shifts[index])
    sample = differences[:, 1::3, 1::3] if min(frames.shape[1:]) >= 30 else differences
    # The lighting of the whole scene may change.
    differences -= np.median(sample, axis=(1, 2), keepdims=True)
    noise = 1.4826 * float(np.median(np.abs(sample)))
    mask = np.abs(differences) > max(deviations * noise, min_threshold)
    # A camera that shakes by less than flow can measure leaves thin lines along edges.
    with single_thread():
        opened = [cv2.morphologyEx(m.view(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) for m in mask]
    return np.stack(opened).astype(bool)


def _clear_border(difference: NDArray[np.float32], shift: NDArray[np.float32]) -> None:
    """Set to 0 the border that enters or leaves the view, and what smoothing spreads from it."""
    right, down = (int(width) for width in np.ceil(np.abs(shift)) + 3)
    difference[:down], difference[-down:] = 0, 0
    difference[:, :right], difference[:, -right:] = 0, 0


def main_track(
    frames: NDArray[np.uint8],
    fps: float,
    shifts: NDArray[np.float32] | None = None,
    *,
    window: float = 0.4,
) -> Track:
    """Find the main moving region over the whole clip.

    Moving pixels are counted in coarse cells, cells that touch in space and time are joined into tracks, and the track
    with most moving pixels is kept, so that a second, smaller person is ignored.

    Parameters
    ----------
    frames : ndarray of uint8, shape (T, H, W)
        Grey frames.
    fps : float
        Frames per second.
    shifts : ndarray of float32, shape (T - 1, 2), optional
        Motion of the camera, see `motion_mask`.
    window : float
        Seconds over which a box covers what moves, as limbs rest at the ends of their swing.

    Returns
    -------
    Track
        The whole frame where nothing moves or there is one frame.

    Examples
    --------
    >>> frames = np.zeros((10, 40, 60), np.uint8)
    >>> for index, frame in enumerate(frames):
    ...     frame[10:30, 5 + 4 * index : 15 + 4 * index] = 200
    >>> track = main_track(frames, fps=25.0)
    >>> track.found, track.mask.shape, track.boxes.shape
    (True, (10, 40, 60), (10, 4))
    """
    height, width = frames.shape[1:]
    mask = motion_mask(frames, shifts)
    mask = _largest_region(mask, fps)
    whole = np.tile([0.0, 0.0, height, width], (len(frames), 1))
    if not mask.any():
        return Track(np.zeros(frames.shape, bool), whole, found=False)
    # A pixel of a frame moves if it changes from the frame before or to the frame after.
    both = np.concatenate([mask[:1], mask[1:] | mask[:-1], mask[-1:]])
    span = 2 * round(window * fps / 2) + 1
    path = np.zeros((len(frames), 2)) if shifts is None else camera_path(shifts)
    right, down = path.T
    (top, bottom), (left, right) = (
        _extent(both.sum(axis=axis), span, way) for axis, way in ((2, down), (1, right))
    )
    return Track(both, np.stack([top, left, bottom, right], axis=1), found=True)


def _extent(
    profile: NDArray[np.int64], span: int, path: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the person begins and ends, from the moving pixels of each frame at each position.

    Smoothed over ``span`` frames relative to the ground, which moves along ``path``.
    """
    total = profile.sum(axis=1)
    seen = np.flatnonzero(total)
    share = np.cumsum(profile[seen], axis=1) / total[seen, None]
    low, high = np.argmax(share >= 0.01, axis=1), np.argmax(share >= 0.99, axis=1) + 1
    centre = (profile[seen] * (np.arange(profile.shape[1]) + 0.5)).sum(axis=1) / total[seen]
    low, high, centre = (
        np.interp(np.arange(len(profile)), seen, values - path[seen]) for values in (low, high, centre)
    )
    # The window moves with the person, otherwise a fast one would be smeared out.
    smooth = ndimage.uniform_filter1d(centre, span, mode="nearest")
    low = smooth + ndimage.minimum_filter1d(low - smooth, span, mode="nearest")
    high = smooth + ndimage.maximum_filter1d(high - smooth, span, mode="nearest")
    low, high = (ndimage.uniform_filter1d(values, span, mode="nearest") + path for values in (low, high))
    low = np.clip(low, 0, profile.shape[1] - 1)
    return low, np.clip(high, low + 1, profile.shape[1])


def _largest_region(mask: NDArray[np.bool_], fps: float) -> NDArray[np.bool_]:
    """Keep the largest connected track of a mask."""
    if not mask.any():
        return mask
    side = max(1, min(mask.shape[1:]) // 30)
    cells = _count(mask, side)
    # Single pixels are noise above the threshold: a fifth of a cell must move.
    active = cells > 0.2 * side * side
    if not active.any():
        return np.zeros_like(mask)
    gap = max(1, round(0.12 * fps))
    joined = ndimage.binary_dilation(active, np.ones((2 * gap + 1, 1, 1), bool))
    joined = ndimage.binary_dilation(joined, np.ones((1, 5, 5), bool))
    labels, n_labels = ndimage.label(joined, np.ones((3, 3, 3), bool))
    sizes = ndimage.sum_labels(np.where(active, cells, 0), labels, np.arange(1, n_labels + 1))
    chosen = active & (labels == 1 + int(np.argmax(sizes)))
    chosen = ndimage.binary_dilation(chosen, np.ones((1, 3, 3), bool))
    fine = np.repeat(np.repeat(chosen, side, axis=1), side, axis=2)
    return mask & fine[:, : mask.shape[1], : mask.shape[2]]


def _count(mask: NDArray[np.bool_], side: int) -> NDArray[np.int64]:
    """Count the moving pixels in each square cell."""
    bottom, right = -mask.shape[1] % side, -mask.shape[2] % side
    padded = np.pad(mask, ((0, 0), (0, bottom), (0, right)))
    shape = (len(mask), padded.shape[1] // side, side, padded.shape[2] // side, side)
    return padded.reshape(shape).sum(axis=(2, 4))
