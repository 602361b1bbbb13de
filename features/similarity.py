"""Self-similarity: how soon, and how exactly, the mover moves again as before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from .motion import Motion
from .mover import follow, mover_size

__all__ = ["likeness", "repeats", "returns"]

Series = NDArray[np.float64]

# Longest period in seconds, and as a share of the clip: half of it must be seen twice.
_LONGEST, _SHARE = 2.0, 2 / 3

# Shortest period in seconds: not even a finger taps more often.
_SHORTEST = 0.15

# Seconds over which the mover's path is smoothed: going somewhere is no repetition, a bounce is.
_PATH = 1.0

# Rows and columns to which the flow about the mover is averaged: fine enough for limbs, too coarse for jitter.
_SIDE = 12

# The first return wins that is at least this share as alike as the best: twice a period is a period, too.
_NEARLY = 0.8


def likeness(rows: NDArray[np.floating], most: int) -> Series:
    """Describe how alike frames are that are some lag apart (McLeod and Wyvill, ICMC 2005, for vectors).

    Parameters
    ----------
    rows : ndarray, shape (T, d)
        One row per frame, at least one; their mean is subtracted.
    most : int
        Largest lag, less than T.

    Returns
    -------
    ndarray of float64, shape (most + 1,)
        For each lag from 0, 1 less the squared distances of all pairs over the energy of these pairs: 1 where all are
        the same, 0 where they have nothing in common, -1 where they are opposite; all 0 where no row differs.
    """
    rows = np.asarray(rows, np.float64) - np.mean(rows, axis=0, dtype=np.float64)
    energy = np.square(rows).sum(axis=1)
    products, energies = np.empty(most + 1), np.empty(most + 1)
    for lag in range(most + 1):
        stop = len(rows) - lag
        products[lag] = 2 * np.vdot(rows[lag:], rows[:stop])
        energies[lag] = energy[lag:].sum() + energy[:stop].sum()
    return np.divide(products, energies, out=np.zeros(most + 1), where=energies > 1e-9)


def returns(likenesses: Series, least: float = 0.0) -> tuple[float, float]:
    """Find the lag at which frames look alike again, after they have not.

    Parameters
    ----------
    likenesses : ndarray of float64, shape (n_lags,)
        As of `likeness`.
    least : float
        Shortest lag, in frames.

    Returns
    -------
    lag : float
        In frames, between them where the peak is; 0 where there is none.
    likeness : float
        How alike they are then; 0 where there is none.
    """
    apart = likenesses <= 0
    peaks = signal.find_peaks(likenesses)[0]
    peaks = peaks[~apart[peaks] & np.logical_or.accumulate(apart)[peaks] & (peaks >= least)]
    if not len(peaks):
        return 0.0, 0.0
    heights = likenesses[peaks]
    peak = int(peaks[np.argmax(heights >= _NEARLY * heights.max())])
    before, here, after = likenesses[peak - 1 : peak + 2]
    curvature = before - 2 * here + after
    # A parabola through three points has its top between them.
    offset = 0.5 * (before - after) / curvature if curvature < 0 else 0.0
    return float(peak + offset), float(here)


def repeats(motion: Motion) -> tuple[float, float]:
    """Describe how often the mover moves as before: flow about it, less its way through the picture, against itself.

    Left and right do not matter, nor that the mover turns round on its way.

    Parameters
    ----------
    motion : Motion
        An observed clip.

    Returns
    -------
    frequency : float
        In Hz: how often a movement of 0.15 to 2 seconds comes round; 0 where none does, or the clip is too short
        to show half of it again.
    likeness : float
        How alike it is then, see `likeness`.
    """
    most = min(int(_LONGEST * motion.fps), int(_SHARE * len(motion.flow)))
    if not motion.track.found or most < 2:
        return 0.0, 0.0
    lag, alike = returns(likeness(_rows(motion), most), _SHORTEST * motion.fps)
    return (motion.fps / lag if lag else 0.0), alike


def _rows(motion: Motion) -> Series:
    """Return the flow of what moves against the mover's path, about the mover, shape (T - 1, d)."""
    mask = motion.track.mask[:-1]
    vectors, frame = motion.flow[mask], np.nonzero(mask)[0]
    totals = [np.bincount(frame, part, len(mask)) for part in (*vectors.T, np.ones(len(frame)))]
    span = max(1, round(_PATH * motion.fps))
    right, down, count = ndimage.uniform_filter1d(totals, span, axis=1, mode="nearest")
    path = np.stack([right, down], axis=1) / np.maximum(count, 1e-9)[:, None]
    planes = np.zeros_like(motion.flow)
    planes[mask] = vectors - path[frame]
    window = follow(planes, motion.track.centres[:-1], mover_size(motion, 0.05), (_SIDE, _SIDE))
    return window.reshape(len(window), -1).astype(np.float64)
