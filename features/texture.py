"""Local binary patterns on three orthogonal planes of space and time, about the person."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .flow import single_thread
from .motion import Motion, MotionFeature
from .person import crop_along, person_size

__all__ = ["BINS", "LbpTop", "binary_patterns", "uniform_bins"]

#: Bins of a histogram of uniform patterns of eight neighbours.
BINS = 59

# The planes by their axes in a volume (T, H, W): to the right in the plane, then up.
_PLANES = ((2, 1), (2, 0), (1, 0))


def uniform_bins() -> NDArray[np.intp]:
    """Return the bin of each of the 256 patterns of eight neighbours (Ojala et al., PAMI 2002).

    A pattern is uniform if it changes at most twice around the circle; each uniform one has a bin, in ascending
    order of its code, and all others share the last.

    Returns
    -------
    ndarray of intp, shape (256,)

    Examples
    --------
    >>> len(np.unique(uniform_bins())) == BINS
    True
    """
    codes = np.arange(256)
    bits = codes[:, None] >> np.arange(8) & 1
    uniform = (bits != np.roll(bits, 1, axis=1)).sum(axis=1) <= 2
    return np.where(uniform, np.cumsum(uniform) - 1, BINS - 1)


def binary_patterns(
    volume: NDArray[np.floating], axes: tuple[int, int], radii: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """Compare each voxel with eight neighbours on an ellipse in a plane (Zhao and Pietikainen, PAMI 2007).

    Parameters
    ----------
    volume : ndarray, shape (T, H, W)
        Grey frames.
    axes : tuple of int
        The axes of the plane: that of the first neighbour, forward, and that of the third, backward.
    radii : tuple of int
        Half axes of the ellipse along each axis of the volume, at least 1. Voxels closer than this to any border
        have no pattern.

    Returns
    -------
    ndarray of uint8, shape (T - 2 radii[0], H - 2 radii[1], W - 2 radii[2])
        Bit k is set where neighbour k is at least as bright; empty where no voxel is inside.

    Examples
    --------
    >>> binary_patterns(np.full((3, 3, 4), 7), axes=(2, 1), radii=(1, 1, 1))
    array([[[255, 255]]], dtype=uint8)
    """
    volume = np.asarray(volume, np.float32)
    shape = tuple(max(length - 2 * radius, 0) for length, radius in zip(volume.shape, radii, strict=True))
    codes = np.zeros(shape, np.uint8)
    if not codes.size:
        return codes
    centre = _shifted(volume, radii, (0, 0, 0))
    for bit in range(8):
        brighter = _neighbour(volume, axes, radii, bit) >= centre
        codes |= brighter.view(np.uint8) << np.uint8(bit)
    return codes


def _shifted(
    volume: NDArray[np.float32], radii: tuple[int, int, int], offsets: tuple[int, ...]
) -> NDArray[np.float32]:
    """Return the values at an offset from each voxel inside."""
    return volume[
        tuple(
            slice(radius + offset, length - radius + offset)
            for length, radius, offset in zip(volume.shape, radii, offsets, strict=True)
        )
    ]


def _neighbour(
    volume: NDArray[np.float32], axes: tuple[int, int], radii: tuple[int, int, int], bit: int
) -> NDArray[np.float32]:
    forward = (1, 1, 0, -1, -1, -1, 0, 1)[bit]
    backward = (0, -1, -1, -1, 0, 1, 1, 1)[bit]
    if not (forward and backward):
        return _shifted(volume, radii, _offsets(axes, forward * radii[axes[0]], backward * radii[axes[1]]))
    (near, share), (near_2, share_2) = (
        _split(sign * float(np.sqrt(0.5)) * radii[axis])
        for axis, sign in zip(axes, (forward, backward), strict=True)
    )
    rows = []
    for down in (0, 1):
        first, second = (
            _shifted(volume, radii, _offsets(axes, near + right, near_2 + down)) for right in (0, 1)
        )
        # In this form rounding does not change a neighbourhood of one brightness.
        rows.append(first + share * (second - first))
    return rows[0] + share_2 * (rows[1] - rows[0])


def _split(distance: float) -> tuple[int, np.float32]:
    """Split a distance into the integer below and the rest."""
    below = int(np.floor(distance))
    return below, np.float32(distance - below)


def _offsets(axes: tuple[int, int], first: int, second: int) -> tuple[int, ...]:
    offsets = [0, 0, 0]
    offsets[axes[0]], offsets[axes[1]] = first, second
    return tuple(offsets)


@dataclass(frozen=True)
class LbpTop(MotionFeature):
    """Describe the person by how brightness varies in space, and in space and time, over a grid of blocks.

    Attributes
    ----------
    rows, columns, times : int
        Blocks from top to bottom, from left to right, and in time.
    height, width : int
        Pixels of the picture of the person.
    radius : int
        Distance of the neighbours in space, in pixels of that picture.
    seconds : float
        Distance of the neighbours in time, at least one frame.
    margin : float
        What is added to the person's box on each side, as a share of its size.
    smooth : float
        Standard deviation in pixels of the frames by which they are smoothed first, as patterns of noise depend on the
        size at which it was recorded.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> LbpTop(rows=1, columns=1, times=1).extract(examples()[0][0])["histogram"].shape
    (177,)
    """

    rows: int = 3
    columns: int = 3
    times: int = 2
    height: int = 64
    width: int = 48
    radius: int = 2
    seconds: float = 0.06
    margin: float = 0.05
    smooth: float = 1.0

    def describe(self, motion: Motion) -> dict[str, NDArray[np.float64]]:
        """Describe an observed clip.

        Parameters
        ----------
        motion : Motion
            The clip.

        Returns
        -------
        dict
            ``"histogram"`` (blocks * 177,): by time, row and column of the block, then plane (XY, XT, YT), 59 bins
            with sum 1; 0 where nothing moves or the clip is shorter than a pattern.
        """
        blocks = (self.times, self.rows, self.columns)
        if not motion.track.found:
            return {"histogram": np.zeros(np.prod(blocks) * 3 * BINS)}
        extent = person_size(motion, self.margin)
        with single_thread():
            frames = np.stack([cv2.GaussianBlur(frame, (0, 0), self.smooth) for frame in motion.frames])
        pictures = crop_along(frames, motion.track.centres, extent, (self.height, self.width))
        radii = (max(1, round(self.seconds * motion.fps)), self.radius, self.radius)
        planes = [_histograms(binary_patterns(pictures, axes, radii), blocks) for axes in _PLANES]
        return {"histogram": np.stack(planes, axis=1).ravel()}

    def mirror(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the histograms of the mirrored clips, left and right exchanged.

        Parameters
        ----------
        array : ndarray, shape (n, blocks * 177)
            Histograms of n clips.

        Returns
        -------
        ndarray of float64, shape (n, blocks * 177)
        """
        parts = array.reshape(len(array), -1, self.columns, 3, BINS)[:, :, ::-1].copy()
        parts[:, :, :, :2] = parts[:, :, :, :2, _mirrored_bins()]
        return parts.reshape(array.shape)


def _histograms(codes: NDArray[np.uint8], blocks: tuple[int, int, int]) -> NDArray[np.float64]:
    """Count the patterns in each block, as shares, shape (blocks, 59)."""
    index = np.zeros((1, 1, 1), np.intp)
    for axis, (length, n_blocks) in enumerate(zip(codes.shape, blocks, strict=True)):
        block = np.arange(length) * n_blocks // max(length, 1)
        index = index * n_blocks + np.expand_dims(block, tuple({0, 1, 2} - {axis}))
    n_blocks = int(np.prod(blocks))
    counts = np.bincount((index * 256 + codes).ravel(), minlength=n_blocks * 256).reshape(n_blocks, 256)
    histograms = counts @ np.eye(BINS)[uniform_bins()]
    return histograms / np.maximum(histograms.sum(axis=1, keepdims=True), 1)


def _mirrored_bins() -> NDArray[np.intp]:
    """Return, for each bin, that of the pattern with its first axis reversed."""
    bins, codes = uniform_bins(), np.arange(256)
    mirrored = sum((codes >> bit & 1) << (4 - bit) % 8 for bit in range(8))
    order = np.empty(BINS, np.intp)
    order[bins] = bins[mirrored]
    return order
