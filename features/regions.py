"""Moving regions: a mask of motion, the main moving regions, and the bounding box of each in each frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .camera import camera_path, mean_shifts, undo_ground_flow
from .flow import single_thread

__all__ = [
    "Track",
    "bounding_boxes",
    "box_span",
    "join_tracks",
    "main_tracks",
    "motion_mask",
    "moving",
    "near",
]

# Seconds over which a box covers what moves.
_SPAN_SECONDS = 0.4


@dataclass(frozen=True, eq=False)
class Track:
    """A moving region of a clip over time.

    Attributes
    ----------
    mask : ndarray of bool, shape (T, H, W)
        Pixels of the region that move between a frame and those before and after it by a time.
    boxes : ndarray of float64, shape (T, 4)
        Top, left, bottom, right of the region in each frame, in pixels; the whole frame where nothing moves.
    found : bool
        Whether anything moved.
    changes : ndarray of bool, shape (T - n, H, W), optional
        Pixels that change from each frame to the one n frames later.
    """

    mask: NDArray[np.bool_]
    boxes: NDArray[np.float64]
    found: bool
    changes: NDArray[np.bool_] | None = None

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
    ground: NDArray[np.float32] | None = None,
    *,
    interval: int = 1,
    deviations: float = 5.0,
    min_threshold: float = 4.0,
) -> NDArray[np.bool_]:
    """Mark the pixels that change from one frame to another by more than noise does.

    Noise is estimated on the clip itself, by the median absolute deviation of the smoothed differences, which is robust
    to a person smaller than half of the frame.

    Parameters
    ----------
    frames : ndarray of uint8, shape (T, H, W)
        Grey frames.
    ground : ndarray of float32, shape (T - 1, H, W, 2), optional
        Flow of the ground as of `ground_flow`, which is undone first.
    interval : int
        Frames from one to the other.
    deviations : float
        Threshold in standard deviations of the noise.
    min_threshold : float
        Lowest threshold, in grey levels: rounding and compression are not Gaussian.

    Returns
    -------
    ndarray of bool, shape (T - interval, H, W)

    Examples
    --------
    >>> frames = np.zeros((2, 20, 20), np.uint8)
    >>> frames[1, 5:10, 5:10] = 200
    >>> mask = motion_mask(frames)
    >>> mask.shape, bool(mask[0, 7, 7]), bool(mask[0, 0, 0])
    ((1, 20, 20), True, False)
    """
    if len(frames) <= interval:
        return np.zeros((0, *frames.shape[1:]), bool)
    differences = np.empty((len(frames) - interval, *frames.shape[1:]), np.float32)
    is_moved = [] if ground is None else [bool(field.any()) for field in ground]
    with single_thread():
        smooth = [cv2.GaussianBlur(frame, (0, 0), 1.0).astype(np.float32) for frame in frames]
        for index, difference in enumerate(differences):
            later = smooth[index + interval]
            np.subtract(later, smooth[index], out=difference)
            if ground is not None and any(is_moved[index : index + interval]):
                moved = ground[index : index + interval].sum(axis=0)
                if moved.any():
                    np.subtract(undo_ground_flow(later, moved), smooth[index], out=difference)
                    difference[_near_border(moved)] = 0
    sample = differences[:, 1::3, 1::3] if min(frames.shape[1:]) >= 30 else differences
    # The lighting of the whole scene may change.
    differences -= np.median(sample, axis=(1, 2), keepdims=True)
    np.abs(differences, out=differences)
    noise = 1.4826 * float(np.median(sample))
    mask = differences > max(deviations * noise, min_threshold)
    # A camera that shakes by less than flow can measure leaves thin lines along edges.
    kernel = np.ones((3, 3), np.uint8)
    with single_thread():
        for one in mask.view(np.uint8):
            one[...] = cv2.morphologyEx(one, cv2.MORPH_OPEN, kernel)
    return mask


def _near_border(ground: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Mark the pixels that enter or leave the view, and what smoothing spreads from them."""
    height, width = ground.shape[:2]
    rows, columns = np.indices((height, width))
    near = np.zeros((height, width), bool)
    for places, moves, length in ((rows, ground[..., 1], height), (columns, ground[..., 0], width)):
        widths = np.ceil(np.abs(moves)) + 3
        near |= (places < widths) | (places >= length - widths)
    return near


def main_tracks(
    frames: NDArray[np.uint8],
    fps: float,
    ground: NDArray[np.float32] | None = None,
    *,
    interval: float = 0.08,
    min_share: float = 0.1,
) -> list[Track]:
    """Find the main moving regions over the whole clip.

    Moving pixels are counted in coarse cells, and cells that touch in space and time are joined into tracks.

    Parameters
    ----------
    frames : ndarray of uint8, shape (T, H, W)
        Grey frames.
    fps : float
        Frames per second.
    ground : ndarray of float32, shape (T - 1, H, W, 2), optional
        Flow of the ground, see `motion_mask`.
    interval : float
        Seconds between the frames that are compared, at least one frame: what moves covers more of the frame, the
        longer it takes, whatever the frame rate.
    min_share : float
        Least number of moving pixels of a track, as a share of those of the largest one.

    Returns
    -------
    list of Track
        The largest first; one that covers the whole frame where nothing moves or there is one frame.

    Examples
    --------
    >>> frames = np.zeros((10, 40, 90), np.uint8)
    >>> for index, frame in enumerate(frames):
    ...     frame[10:30, 2 * index : 10 + 2 * index] = frame[15:30, 80 - index : 90 - index] = 200
    >>> [track.centres[5].round().tolist() for track in main_tracks(frames, fps=25.0)]
    [[20.0, 15.0], [22.0, 80.0]]
    """
    step = int(np.clip(round(interval * fps), 1, max(len(frames) - 1, 1)))
    regions = _regions(motion_mask(frames, ground, interval=step), fps, min_share)
    if not regions:
        whole = np.tile([0.0, 0.0, *frames.shape[1:]], (len(frames), 1))
        return [Track(np.zeros(frames.shape, bool), whole, found=False)]
    span = box_span(fps)
    path = np.zeros((len(frames), 2)) if ground is None else camera_path(mean_shifts(ground))
    return [_follow(region, step, span, path) for region in regions]


def box_span(fps: float) -> int:
    """Return the odd number of frames over which a box covers what moves, as limbs rest at the ends of their swing.

    Examples
    --------
    >>> box_span(25.0)
    9
    """
    return 2 * round((_SPAN_SECONDS * fps - 1) / 2) + 1


def join_tracks(tracks: list[Track], hold: int) -> Track:
    """Join tracks into that of everybody who moves.

    Parameters
    ----------
    tracks : list of Track
        As of `main_tracks`.
    hold : int
        Frames for which a track still counts before it begins and after it ends, as people pause.

    Returns
    -------
    Track
        The pixels of all, and the smallest box about the boxes of those that count.

    Examples
    --------
    >>> mask = np.ones((2, 8, 8), bool)
    >>> boxes = np.array([[0.0, 0, 2, 2]] * 2)
    >>> join_tracks([Track(mask, boxes, True), Track(mask, boxes + 4, True)], 0).boxes[0]
    array([0., 0., 6., 6.])
    """
    boxes = np.stack([track.boxes for track in tracks])
    counts = np.zeros(boxes.shape[:2], bool)
    for track, row in zip(tracks, counts, strict=True):
        moving = np.flatnonzero(track.mask.any(axis=(1, 2)))
        if len(moving):
            row[max(moving[0] - hold, 0) : moving[-1] + hold + 1] = True
    # Where no track counts, the largest does.
    counts[0] |= ~counts.any(axis=0)
    low = np.where(counts[..., None], boxes[..., :2], np.inf).min(axis=0)
    high = np.where(counts[..., None], boxes[..., 2:], -np.inf).max(axis=0)
    mask = np.logical_or.reduce([track.mask for track in tracks])
    return Track(mask, np.concatenate([low, high], axis=1), tracks[0].found)


def _follow(region: NDArray[np.bool_], step: int, span: int, path: NDArray[np.float64]) -> Track:
    mask = moving(region, step)
    return Track(mask, bounding_boxes(mask, span, path), found=True, changes=region)


def moving(changes: NDArray[np.bool_], step: int) -> NDArray[np.bool_]:
    """Mark a pixel of a frame if it changes from the frame before or to the frame after, each ``step`` away.

    Examples
    --------
    >>> moving(np.array([[[True]], [[False]]]), 1).ravel()
    array([ True,  True, False])
    """
    mask = np.zeros((len(changes) + step, *changes.shape[1:]), bool)
    mask[step:] = changes
    mask[:-step] |= changes
    return mask


def near(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return weights of 1 within two pixels of moving ones and 0 elsewhere.

    Examples
    --------
    >>> near(np.arange(7).reshape(1, 1, 7) == 0).ravel()
    array([1., 1., 1., 0., 0., 0., 0.], dtype=float32)
    """
    around, weights = np.ones((5, 5), np.uint8), np.empty(mask.shape, np.float32)
    with single_thread():
        for frame, out in zip(mask, weights, strict=True):
            out[...] = cv2.dilate(frame.astype(np.float32), around)
    return weights


def bounding_boxes(mask: NDArray[np.bool_], span: int, path: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a box about the moving pixels of each frame, interpolated where there are none, shape (T, 4).

    Parameters
    ----------
    mask : ndarray of bool, shape (T, H, W)
        Pixels that move; some in one frame at least.
    span : int
        Frames over which a box covers them, relative to the ground.
    path : ndarray of float64, shape (T, 2)
        Displacement of the ground, see `camera_path`.

    Examples
    --------
    >>> mask = np.zeros((1, 9, 9), bool)
    >>> mask[0, 2:5, 3:8] = True
    >>> bounding_boxes(mask, 1, np.zeros((1, 2)))
    array([[2., 3., 5., 8.]])
    """
    (top, bottom), (left, right) = (
        _extent(mask.sum(axis=axis), span, path[:, way]) for axis, way in ((2, 1), (1, 0))
    )
    return np.stack([top, left, bottom, right], axis=1)


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


def _regions(mask: NDArray[np.bool_], fps: float, min_share: float) -> list[NDArray[np.bool_]]:
    """Divide a mask into its connected tracks, the largest first, without small ones."""
    if not mask.any():
        return []
    side = max(1, min(mask.shape[1:]) // 30)
    cells = _count(mask, side)
    # Single pixels are noise above the threshold: a fifth of a cell must move.
    active = cells > 0.2 * side * side
    if not active.any():
        return []
    gap = max(1, round(0.12 * fps))
    joined = ndimage.binary_dilation(active, np.ones((2 * gap + 1, 1, 1), bool))
    joined = ndimage.binary_dilation(joined, np.ones((1, 5, 5), bool))
    labels, n_labels = ndimage.label(joined, np.ones((3, 3, 3), bool))
    sizes = ndimage.sum_labels(np.where(active, cells, 0), labels, np.arange(1, n_labels + 1))
    largest = [
        index for index in np.argsort(-sizes, kind="stable") if sizes[index] >= min_share * sizes.max()
    ]
    regions = []
    for index in largest:
        chosen = ndimage.binary_dilation(active & (labels == 1 + index), np.ones((1, 3, 3), bool))
        fine = np.repeat(np.repeat(chosen, side, axis=1), side, axis=2)
        regions.append(mask & fine[:, : mask.shape[1], : mask.shape[2]])
    return regions


def _count(mask: NDArray[np.bool_], side: int) -> NDArray[np.int64]:
    """Count the moving pixels in each square cell."""
    bottom, right = -mask.shape[1] % side, -mask.shape[2] % side
    padded = np.pad(mask.view(np.uint8), ((0, 0), (0, bottom), (0, right)))
    height, width = padded.shape[1:]
    # Rows of narrow numbers are added several at once.
    rows = padded.reshape(len(mask), height // side, side, width).sum(axis=2, dtype=np.uint16)
    return rows.reshape(len(mask), height // side, width // side, side).sum(axis=3, dtype=np.int64)
