"""Self-similarity: after what time, and how closely, the person's motion repeats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from .motion import Motion
from .person import crop_along, person_size

__all__ = ["first_period", "lag_similarity", "repetition"]

Series = NDArray[np.float64]

# Longest period in seconds, and as a share of the clip: half a period must be seen twice.
_MAX_PERIOD, _MAX_SHARE = 2.0, 2 / 3

# Shortest period in seconds: not even a finger taps more often.
_MIN_PERIOD = 0.15

# Seconds over which the person's path is smoothed: walking somewhere is no repetition, a bounce is.
_PATH_SECONDS = 1.0

# Rows and columns to which the flow about the person is averaged: fine enough for limbs, too coarse for jitter.
_SIDE = 12

# The first peak that is at least this share of the highest is taken, as a multiple of a period is a period, too.
_TOLERANCE = 0.8


def lag_similarity(rows: NDArray[np.floating], max_lag: int) -> Series:
    """Compute how similar frames are at each lag (McLeod and Wyvill, ICMC 2005, for vectors).

    Parameters
    ----------
    rows : ndarray, shape (T, d)
        One row per frame, at least one; their mean is subtracted.
    max_lag : int
        Largest lag, less than T.

    Returns
    -------
    ndarray of float64, shape (max_lag + 1,)
        For each lag from 0, 1 less the squared distances of all pairs over the energy of these pairs: 1 where all are
        the same, 0 where they are uncorrelated, -1 where they are opposite; all 0 where no row differs.

    Examples
    --------
    >>> lag_similarity(np.tile([[1.0], [-1.0]], (4, 1)), 3)
    array([ 1., -1.,  1., -1.])
    """
    rows = np.asarray(rows, np.float64) - np.mean(rows, axis=0, dtype=np.float64)
    energy = np.square(rows).sum(axis=1)
    products, energies = np.empty(max_lag + 1), np.empty(max_lag + 1)
    for lag in range(max_lag + 1):
        stop = len(rows) - lag
        products[lag] = 2 * np.vdot(rows[lag:], rows[:stop])
        energies[lag] = energy[lag:].sum() + energy[:stop].sum()
    return np.divide(products, energies, out=np.zeros(max_lag + 1), where=energies > 1e-9)


def first_period(similarities: Series, min_lag: float = 0.0) -> tuple[float, float]:
    """Find the lag at which frames become similar again after they were dissimilar.

    Parameters
    ----------
    similarities : ndarray of float64, shape (n_lags,)
        As of `lag_similarity`.
    min_lag : float
        Shortest lag, in frames.

    Returns
    -------
    lag : float
        In frames, interpolated; 0 where there is no such peak.
    similarity : float
        The similarity at the peak, interpolated, at most 1; 0 where there is none.

    Examples
    --------
    >>> wave = np.sin(2 * np.pi * np.arange(60) / 10)[:, np.newaxis]
    >>> lag, similarity = first_period(lag_similarity(wave, 30))
    >>> round(lag, 1), round(similarity, 2)
    (10.0, 1.0)
    """
    dissimilar = similarities <= 0
    peaks = signal.find_peaks(similarities)[0]
    peaks = peaks[~dissimilar[peaks] & np.logical_or.accumulate(dissimilar)[peaks] & (peaks >= min_lag)]
    if not len(peaks):
        return 0.0, 0.0
    heights = similarities[peaks]
    peak = int(peaks[np.argmax(heights >= _TOLERANCE * heights.max())])
    before, here, after = similarities[peak - 1 : peak + 2]
    curvature = before - 2 * here + after
    # The vertex of the parabola through three points.
    offset = 0.5 * (before - after) / curvature if curvature < 0 else 0.0
    return float(peak + offset), float(min(here - 0.25 * (before - after) * offset, 1.0))


def repetition(motion: Motion) -> tuple[float, float]:
    """Measure how often the motion repeats, by the flow about the person less the path through the frame.

    The measure is the same for a mirrored clip, and for a person who turns round.

    Parameters
    ----------
    motion : Motion
        An observed clip.

    Returns
    -------
    frequency : float
        In Hz, for periods of 0.15 to 2 seconds; 0 where nothing repeats, or the clip is too short to show half a
        period again.
    similarity : float
        The similarity after a period, see `lag_similarity`.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> from actionbench.features.motion import observe
    >>> frequency, similarity = repetition(observe(examples()[0][0]))
    >>> frequency >= 0, -1 <= similarity <= 1
    (True, True)
    """
    max_lag = min(int(_MAX_PERIOD * motion.fps), int(_MAX_SHARE * len(motion.flow)))
    if not motion.track.found or max_lag < 2:
        return 0.0, 0.0
    lag, similarity = first_period(lag_similarity(_rows(motion), max_lag), _MIN_PERIOD * motion.fps)
    return (motion.fps / lag if lag else 0.0), similarity


def _rows(motion: Motion) -> Series:
    """Return the flow of moving pixels relative to the person's path, in a window about the person, (T - 1, d)."""
    mask = motion.track.mask[:-1]
    vectors, frame = motion.flow[mask], np.nonzero(mask)[0]
    totals = [np.bincount(frame, part, len(mask)) for part in (*vectors.T, np.ones(len(frame)))]
    span = max(1, round(_PATH_SECONDS * motion.fps))
    right, down, count = ndimage.uniform_filter1d(totals, span, axis=1, mode="nearest")
    path = np.stack([right, down], axis=1) / np.maximum(count, 1e-9)[:, None]
    planes = np.zeros_like(motion.flow)
    planes[mask] = vectors - path[frame]
    window = crop_along(planes, motion.track.centres[:-1], person_size(motion, 0.05), (_SIDE, _SIDE))
    return window.reshape(len(window), -1).astype(np.float64)
