"""Self-similarity: how much the mover looks, or moves, at one time as at another, and how soon it does again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import signal

from .flow import single_thread
from .motion import Motion, OfMotion
from .mover import follow, mover_size

__all__ = ["SelfSimilarity", "distances", "periodicity"]

# Most frames whose distances are in memory at once.
_MOST = 1000

# Shortest period in frames: a wave needs more than two.
_FRAMES = 2.5


def distances(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the Euclidean distances between all pairs of rows, divided by their mean.

    Parameters
    ----------
    rows : ndarray, shape (T, d)
        One row per frame, at least one.

    Returns
    -------
    ndarray of float64, shape (T, T)
        Symmetric, 0 on the diagonal; all 0 where all rows are the same.
    """
    rows = np.asarray(rows, np.float64) - np.mean(rows, axis=0, dtype=np.float64)
    products = rows @ rows.T
    squares = np.diag(products)
    found = np.sqrt(np.maximum(squares[:, None] + squares - products - products.T, 0))
    np.fill_diagonal(found, 0)
    mean = found.mean() * len(found) / max(len(found) - 1, 1)
    return found / mean if mean > 1e-6 else np.zeros_like(found)


def periodicity(matrix: NDArray[np.floating], fps: float, longest: float) -> tuple[float, float]:
    """Find the period with which frames look alike again (Cutler and Davis, PAMI 2000).

    Parameters
    ----------
    matrix : ndarray, shape (T, T)
        Distances between frames, as of `distances`.
    fps : float
        Frames per second.
    longest : float
        Longest period in seconds; half of the clip where that is shorter.

    Returns
    -------
    period : float
        In seconds: that of the highest peak in the mean spectrum of the columns; 0 where there is none. What leaks from
        slower changes has no peak.
    sharpness : float
        Share of the spectrum, from the longest period on, that is in that peak.
    """
    n_frames = len(matrix)
    lowest = max(1 / longest, 2 * fps / n_frames)
    if lowest > fps / _FRAMES:
        return 0.0, 0.0
    columns = signal.detrend(matrix, axis=0) * np.hanning(n_frames)[:, None]
    # Padding lets the peak lie between the few frequencies of a short clip.
    length = 8 * n_frames
    power = (np.abs(np.fft.rfft(columns, length, axis=0)) ** 2).mean(axis=1)
    frequencies = np.fft.rfftfreq(length, 1 / fps)
    known = (frequencies >= lowest) & (frequencies <= fps / _FRAMES)
    peaks = signal.find_peaks(power)[0]
    peaks = peaks[known[peaks]]
    if not len(peaks):
        return 0.0, 0.0
    peak = frequencies[peaks[np.argmax(power[peaks])]]
    # As wide as the window makes it.
    beside = known & (np.abs(frequencies - peak) <= 2 * fps / n_frames)
    return float(1 / peak), float(power[beside].sum() / power[known].sum())


@dataclass(frozen=True)
class SelfSimilarity(OfMotion):
    """Describe a clip by the distances between its own frames (Junejo et al., PAMI 2011), whatever they show.

    Attributes
    ----------
    of : {"flow", "picture"}
        What is compared: the mover's motion, or its brightness.
    side : int
        Rows and columns of the matrix, and number of lags.
    size : int
        Rows and columns of the pictures that are compared.
    longest : float
        Longest period, and longest lag, in seconds.
    margin : float
        What is added to the mover on each side, as a share of its size.
    """

    of: Literal["flow", "picture"] = "flow"
    side: int = 32
    size: int = 24
    longest: float = 2.0
    margin: float = 0.05

    def describe(self, motion: Motion) -> dict[str, NDArray[np.float64]]:
        """Describe an observed clip; all is 0 where nothing moves.

        Parameters
        ----------
        motion : Motion
            The clip.

        Returns
        -------
        dict
            ``"matrix"`` (side, side), distances between all times of the clip, of mean 1; ``"lags"`` (side,), mean
            distance between frames from 0 to ``longest`` seconds apart; ``"period"`` (2,), in seconds, and how sharp.
        """
        n_rows = len(motion.flow) if self.of == "flow" else len(motion.frames)
        if not motion.track.found or n_rows < 2:
            return {
                "matrix": np.zeros((self.side, self.side)),
                "lags": np.zeros(self.side),
                "period": np.zeros(2),
            }
        rows = self._rows(motion)
        # Of a long clip, the whole at fewer frames, and the middle at all of them.
        whole = distances(rows[:: -(-n_rows // _MOST)])
        middle = whole if n_rows <= _MOST else distances(rows[(n_rows - _MOST) // 2 :][:_MOST])
        return {
            "matrix": _resample(whole, self.side),
            "lags": _lags(middle, np.linspace(0, self.longest, self.side) * motion.fps),
            "period": np.array(periodicity(middle, motion.fps, self.longest)),
        }

    def _rows(self, motion: Motion) -> NDArray[np.float64]:
        """Return what is compared, shape (T, d)."""
        planes = motion.frames if self.of == "picture" else motion.flow * motion.track.mask[:-1, :, :, None]
        extent, size = mover_size(motion, self.margin), (self.size, self.size)
        found = follow(planes, motion.track.centres[: len(planes)], extent, size)
        return found.reshape(len(found), -1).astype(np.float64)

    def mirror(self, array: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what arrays would be, had left and right been exchanged: the same, as distances do not see it."""
        return array


def _resample(matrix: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    interpolation = cv2.INTER_AREA if len(matrix) >= side else cv2.INTER_LINEAR
    with single_thread():
        return np.asarray(cv2.resize(matrix, (side, side), interpolation=interpolation), np.float64)


def _lags(matrix: NDArray[np.float64], lags: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean distance of frames some lags apart; what is longer than the clip is as its longest."""
    means = [float(np.diagonal(matrix, lag).mean()) for lag in range(min(len(matrix), int(lags[-1]) + 2))]
    return np.interp(lags, np.arange(len(means)), means)
