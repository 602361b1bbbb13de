"""Space-time interest points, where brightness changes in space and in time at once, and descriptors around them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .flow import single_thread
from .histograms import Grid, orientation_histograms
from .motion import Motion, MotionFeature
from .person import (
    Scene,
    append_place,
    chunks,
    mirror_place,
    person_length,
    split_place,
    stabilised_scene,
)

__all__ = ["InterestPoints", "corners", "cuboid_histograms"]

# Cells of a descriptor: in time, from top to bottom, from left to right.
_CELLS = (2, 3, 3)

# Weight of the cube of the trace, and width of the smoothing of products relative to that of gradients (Laptev, IJCV
# 2005).
_TRACE, _WIDER = 0.005, 2**0.5

# Smoothed pictures are reduced to this many pixels per standard deviation.
_FINE = 1.4

# Pixels per this many seconds below which flow counts as no motion, as in `hof`.
_FLOW_SECONDS, _MIN_FLOW = 1 / 25, 0.4

# Seconds of a clip that are processed at once.
_CHUNK_SECONDS = 2.0


def corners(
    frames: NDArray[np.floating], sigma: float, tau: float, kept: slice = slice(None)
) -> NDArray[np.float32]:
    """Compute Harris's corner measure in space and time (Laptev, IJCV 2005).

    Parameters
    ----------
    frames : ndarray, shape (T, H, W)
        Grey frames, at least two pixels of each axis.
    sigma : float
        Scale in space: standard deviation of the smoothing in pixels.
    tau : float
        Scale in time, in frames.
    kept : slice
        Frames that are measured; all by default.

    Returns
    -------
    ndarray of float32, shape (frames kept, H, W)
        det(M) - 0.005 trace(M)**3, where M is the smoothed outer product of the gradients per standard deviation.

    Examples
    --------
    >>> corners(np.random.default_rng(0).random((6, 12, 16)) * 255, sigma=1.0, tau=1.0).shape
    (6, 12, 16)
    """
    smooth = _smooth(np.asarray(frames, np.float32), sigma, tau)
    gt, gy, gx = np.gradient(smooth)
    gx, gy, gt = gx * np.float32(sigma), gy * np.float32(sigma), gt * np.float32(tau)
    sigma, tau = sigma * _WIDER, tau * _WIDER
    xx, yy, tt, xy, xt, yt = (
        _smooth(np.asarray(a * b, np.float32), sigma, tau, kept)
        for a, b in ((gx, gx), (gy, gy), (gt, gt), (gx, gy), (gx, gt), (gy, gt))
    )
    determinant = xx * (yy * tt - yt * yt) - xy * (xy * tt - yt * xt) + xt * (xy * yt - yy * xt)
    return determinant - np.float32(_TRACE) * (xx + yy + tt) ** 3


def _smooth(
    volume: NDArray[np.float32], sigma: float, tau: float, kept: slice = slice(None)
) -> NDArray[np.float32]:
    """Convolve with a Gaussian in space and time, repeating the border."""
    side, length = (2 * int(np.ceil(3 * deviation)) + 1 for deviation in (sigma, tau))
    with single_thread():
        # Time runs from top to bottom of one wide picture.
        flat = volume.reshape(len(volume), -1)
        flat = cv2.GaussianBlur(flat, (1, length), tau, sigmaY=tau, borderType=cv2.BORDER_REPLICATE)  # type: ignore[assignment]
        out = flat.reshape(volume.shape)[kept]
        for plane in out:
            cv2.GaussianBlur(plane, (side, side), sigma, dst=plane, borderType=cv2.BORDER_REPLICATE)
    return out


def cuboid_histograms(
    histograms: NDArray[np.floating], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum a grid of histograms over 2 x 3 x 3 cells of cuboids.

    Parameters
    ----------
    histograms : ndarray, shape (T, R, C, B)
        Histograms of the grid's cells, each taken as uniform inside.
    low, high : ndarray of float64, shape (n, 3)
        Corners of the cuboids: time, row, column, in cells of the grid. Outside the grid everything is 0.

    Returns
    -------
    ndarray of float64, shape (n, 18 * B)
        By time, row and column of the cell; of sum 1, or 0 for empty cuboids.

    Examples
    --------
    >>> histograms = np.ones((4, 6, 6, 2))
    >>> cuboid_histograms(histograms, np.zeros((1, 3)), np.array([[4.0, 6.0, 6.0]])).shape
    (1, 36)
    """
    integral = np.zeros((*(length + 1 for length in histograms.shape[:3]), histograms.shape[3]))
    integral[1:, 1:, 1:] = histograms.cumsum(axis=0, dtype=np.float64).cumsum(axis=1).cumsum(axis=2)
    edges = [
        low[:, axis, None] + (high - low)[:, axis, None] * np.linspace(0, 1, n + 1)
        for axis, n in enumerate(_CELLS)
    ]
    sums = _interpolate(integral, edges)
    for axis in (1, 2, 3):
        sums = np.diff(sums, axis=axis)
    sums = np.maximum(sums.reshape(len(low), int(np.prod(_CELLS)) * histograms.shape[3]), 0)
    total = sums.sum(axis=1, keepdims=True)
    return sums / np.where(total > 1e-9, total, 1)


def _interpolate(integral: NDArray[np.float64], edges: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Interpolate an integral at all combinations of edges, shape (n, 3, 4, 4, B)."""
    below, shares = [], []
    for axis, (edge, length) in enumerate(zip(edges, integral.shape[:3], strict=True)):
        edge = np.expand_dims(np.clip(edge, 0, length - 1), tuple({1, 2, 3} - {axis + 1}))
        low = np.minimum(edge.astype(np.intp), length - 2)
        below.append(low)
        shares.append((edge - low)[..., None])
    found = np.zeros(())
    for corner in np.ndindex(2, 2, 2):
        weight = np.ones(())
        for side, share in zip(corner, shares, strict=True):
            weight = weight * (share if side else 1 - share)
        t, y, x = (low + side for low, side in zip(below, corner, strict=True))
        found = found + weight * integral[t, y, x]
    return found


@dataclass(frozen=True)
class InterestPoints(MotionFeature):
    """Describe the surroundings of space-time interest points by shape and flow (Laptev et al., CVPR 2008).

    Attributes
    ----------
    scales : tuple of float
        Scales of the points in space, in lengths of the person (`person_length`); at least a pixel.
    seconds : tuple of float
        Scales in time; at least a frame.
    width, duration : float
        Side of the described cuboid in scales in space, and its duration in scales in time.
    rate : float
        Most points per second, the strongest ones.
    min_strength : float
        Smallest strength of a point as a share of the strongest one at about that time. Strength grows with the sixth
        power of contrast.
    place_weight : float
        If positive, each descriptor ends with the place of its point, times this, so that encodings can tell where and
        when something happens (Sanchez, Perronnin and de Campos 2012). Descriptors have length 1.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> found = InterestPoints().extract(examples()[0][0])
    >>> {name: array.shape[1] for name, array in found.items()}
    {'hog': 72, 'hof': 90, 'place': 4}
    """

    scales: tuple[float, ...] = (0.025, 0.04, 0.06)
    seconds: tuple[float, ...] = (0.06, 0.12)
    width: float = 18.0
    duration: float = 8.0
    rate: float = 100.0
    min_strength: float = 1e-6
    place_weight: float = 0.0

    def describe(self, motion: Motion) -> dict[str, NDArray[np.float32]]:
        """Describe an observed clip.

        Parameters
        ----------
        motion : Motion
            The clip.

        Returns
        -------
        dict
            ``"hog"`` (n, 72) and ``"hof"`` (n, 90), square roots of histograms of gradients in 4 directions and of flow
            in 4 directions and none, over 2 x 3 x 3 cells, of sum 1, so that distances are Hellinger's; ``"place"``
            (n, 4): where the point is in the box of all who move, from left to right and from top to bottom, and in the
            clip, from 0 to 1, and its scale in space. No row where nothing moves.
        """
        parts = [(np.empty((0, 72)), np.empty((0, 90)), np.empty((0, 4)))]
        if motion.track.found:
            n_frames = len(motion.frames)
            # Of the two smoothings, each cut off at three deviations, and of the cuboids.
            reach = int(np.ceil(max(8.0, self.duration / 2) * self._taus(motion)[-1])) + 2
            for start, stop, first, last in chunks(
                n_frames, max(1, round(_CHUNK_SECONDS * motion.fps)), reach
            ):
                scene = stabilised_scene(motion, start, stop, 0.3 * person_length(motion), motion.people)
                points = self._points(motion, scene, first - start, last - start)
                place = _places(scene, points)
                place[:, 2] = (start + points[:, 0]) / n_frames
                place[:, 3] /= person_length(motion)
                parts.append((*self._describe(motion, scene, points), place))
        *histograms, places = (
            np.concatenate(arrays).astype(np.float32) for arrays in zip(*parts, strict=True)
        )
        hog, hof = (append_place(np.sqrt(rows), places, self.place_weight) for rows in histograms)
        return {"hog": hog, "hof": hof, "place": places}

    def mirror(self, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the descriptors of the mirrored clips, left and right exchanged.

        Parameters
        ----------
        array : ndarray, shape (n, 72) or (n, 90), and 3 columns more with places
            Descriptors of gradients, or of flow, about n points.

        Returns
        -------
        ndarray of float32
            Of the same shape.
        """
        rows, place = split_place(array, self.place_weight)
        n_bins = rows.shape[1] // int(np.prod(_CELLS))
        # Right, down, left, up, no motion.
        order = [2, 1, 0, 3, 4][:n_bins]
        cells = rows.reshape(len(rows), *_CELLS, n_bins)
        mirrored = cells[:, :, :, ::-1][..., order].reshape(rows.shape)
        return append_place(mirrored, mirror_place(place), self.place_weight)

    def _sigmas(self, motion: Motion) -> list[float]:
        return sorted({max(1.0, scale * person_length(motion)) for scale in self.scales})

    def _taus(self, motion: Motion) -> list[float]:
        return sorted({max(1.0, seconds * motion.fps) for seconds in self.seconds})

    def _points(self, motion: Motion, scene: Scene, first: int, last: int) -> NDArray[np.float64]:
        """Return time, row, column, sigma and tau of the points in some frames of a scene."""
        found = [np.empty((0, 6))]
        for sigma in self._sigmas(motion):
            small, mask = _shrink(scene, max(1.0, sigma / _FINE))
            if min(small.shape) < 2:  # no gradient
                continue
            shrink = np.array(scene.frames.shape[1:]) / small.shape[1:]
            for tau in self._taus(motion):
                fine = sigma / float(shrink.mean())
                # A point is the strongest among its neighbours in space and time.
                before = max(first - round(tau) - 1, 0)
                kept = slice(before, last + round(tau) + 1)
                strength = corners(small, fine, tau, kept)
                places = _maxima(np.where(mask[kept], strength, 0), fine, tau)
                places = places[(places[:, 0] >= first - before) & (places[:, 0] < last - before)]
                values = strength[tuple(places.T)]
                middles = (places + np.array([before + 0.5, 0.5, 0.5])) * (1, *shrink)
                scale = np.broadcast_to([sigma, tau], (len(places), 2))
                found.append(np.column_stack([middles, scale, values]))
        points = np.concatenate(found)
        points = points[points[:, 5] >= self.min_strength * points[:, 5].max(initial=0)]
        limit = int(np.ceil(self.rate * (last - first) / motion.fps))
        chosen = np.sort(np.argsort(-points[:, 5], kind="stable")[:limit])
        return points[chosen, :5]

    def _describe(
        self, motion: Motion, scene: Scene, points: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        # Fine enough for the smallest cells.
        side = max(1, int(self.width * self._sigmas(motion)[0] / _CELLS[1] / 4))
        half = points[:, [4, 3, 3]] * (self.duration / 2, self.width / 2, self.width / 2)
        low, high = points[:, :3] - half, points[:, :3] + half
        start = int(max(low[:, 0].min(initial=len(scene.frames)), 0))
        frames, flow = (
            planes[start : int(high[:, 0].max(initial=0)) + 1] for planes in (scene.frames, scene.flow)
        )
        low, high = ((edge - (start, 0, 0)) / (1, side, side) for edge in (low, high))
        grid = _lattice(frames.shape, side)
        dx, dy = np.zeros((2, *frames.shape), np.float32)
        dx[:, :, 1:-1] = frames[:, :, 2:] - frames[:, :, :-2]
        dy[:, 1:-1] = frames[:, 2:] - frames[:, :-2]
        shape = orientation_histograms(dx, dy, grid, bins=4)
        dx, dy = np.moveaxis(flow * np.float32(motion.fps * _FLOW_SECONDS), -1, 0)
        moving = orientation_histograms(dx, dy, grid, bins=4, threshold=_MIN_FLOW, zero_bin=True)
        return cuboid_histograms(shape, low, high), cuboid_histograms(moving, low, high)


def _shrink(scene: Scene, factor: float) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Reduce frames by averaging, and mark the pixels near moving ones."""
    height, width = (max(1, round(length / factor)) for length in scene.frames.shape[1:])
    around = np.ones((5, 5), np.uint8)
    with single_thread():
        small, mask = (
            np.stack([cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA) for plane in planes])
            for planes in (scene.frames, scene.mask)
        )
        return small, np.stack([cv2.dilate(plane, around) > 0 for plane in mask])


def _maxima(strength: NDArray[np.float32], sigma: float, tau: float) -> NDArray[np.intp]:
    """Return the positions (t, y, x) where strength is positive and greatest within a standard deviation."""
    side = 2 * max(1, round(sigma)) + 1
    with single_thread():
        largest = np.stack([cv2.dilate(plane, np.ones((side, side), np.uint8)) for plane in strength])
    largest = ndimage.maximum_filter1d(largest, 2 * max(1, round(tau)) + 1, axis=0, mode="nearest")
    return np.argwhere((strength == largest) & (strength > 0))


def _lattice(shape: tuple[int, ...], side: int) -> Grid:
    """Divide each frame into squares."""
    rows, columns = (
        np.minimum(np.arange(-(-length // side) + 1) * side, length).astype(np.intc) for length in shape[1:]
    )
    return np.tile(rows, (shape[0], 1)), np.tile(columns, (shape[0], 1))


def _places(scene: Scene, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where points are in the people's box, from left to right and from top to bottom, and their scales."""
    boxes = scene.boxes[points[:, 0].astype(np.intp)]
    down, right = np.clip((points[:, 1:3] - boxes[:, :2]) / (boxes[:, 2:] - boxes[:, :2]), 0, 1).T
    return np.column_stack([right, down, np.zeros_like(right), points[:, 3]])
