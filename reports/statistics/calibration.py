"""Whether probabilities say how often predictions are correct."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from .intervals import Floats, group_sums, ratio_interval, wilson_interval

__all__ = ["N_BINS", "expected_calibration_error", "reliability"]

#: Bins of equal width of the probability of the predicted class.
N_BINS = 10
# Draws for the interval of each bin, of which there are many.
_N_RESAMPLES = 1000


def expected_calibration_error(
    confidence: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None, n_bins: int = N_BINS
) -> float:
    """Return the expected calibration error (Naeini et al., AAAI 2015; Guo et al., ICML 2017).

    The mean absolute difference between the accuracy of predictions and the probability that they were given, in bins
    of equal width of this probability, each bin weighted by its predictions.

    Parameters
    ----------
    confidence : array_like, shape (n,)
        Probability of each predicted class.
    correct : array_like of bool, shape (n,)
        Whether each prediction is correct.
    weights : array_like, shape (n,), optional
        Weight of each prediction; 1 by default.
    n_bins : int
        Number of bins between 0 and 1; each includes its upper end.

    Returns
    -------
    float
        Between 0 and 1; NaN if there are no predictions. Even of calibrated probabilities it is not 0: a bin of n clips
        of which a share p is correct adds about 0.8 times the root of p (1 - p) / n.

    Examples
    --------
    Right in 3 of 4, and sure of 0.9:

    >>> round(expected_calibration_error([0.9] * 4, [1, 1, 1, 0]), 3)
    0.15
    """
    confidence, correct = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    shares = np.ones(len(correct)) if weights is None else np.asarray(weights, np.float64)
    if not len(correct):
        return float("nan")
    gaps = np.bincount(bins(confidence, n_bins), shares * (correct - confidence), n_bins)
    return float(np.abs(gaps).sum() / shares.sum())


def bins(confidence: NDArray[np.float64], n_bins: int) -> NDArray[np.intp]:
    """Return the bin of each probability, shape (n,); 0 is in the first."""
    # Of float32 a probability such as 0.3 is above the bound 0.3, and a rounding error is no bin.
    return np.clip(np.ceil(confidence * n_bins - 1e-6).astype(np.intp) - 1, 0, n_bins - 1)


def reliability(
    confidence: ArrayLike, correct: ArrayLike, groups: ArrayLike, weights: ArrayLike, n_bins: int = N_BINS
) -> pd.DataFrame:
    """Return accuracy by the probability of the predicted class, the points of a reliability diagram.

    Parameters
    ----------
    confidence, correct, weights, n_bins
        See `expected_calibration_error`.
    groups : array_like, shape (n,)
        Group of each prediction.

    Returns
    -------
    DataFrame
        One row per bin that has predictions: ``low`` and ``high`` bounds, ``n_clips`` (sum of weights), ``confidence``
        (mean), ``accuracy`` with ``accuracy_low`` to ``accuracy_high``, its 95 % interval over groups.

    Examples
    --------
    >>> found = reliability([0.9, 0.9, 0.3], [True, False, True], ["ann", "bob", "ann"], np.ones(3))
    >>> found[["low", "high", "n_clips", "accuracy"]].to_numpy().tolist()
    [[0.2, 0.3, 1.0, 1.0], [0.8, 0.9, 2.0, 0.5]]
    """
    confidence, correct, groups, shares = (np.asarray(one) for one in (confidence, correct, groups, weights))
    places = bins(confidence, n_bins)
    rows = []
    for place in np.unique(places):
        own = places == place
        low, high = _interval(correct[own] * shares[own], shares[own], groups[own])
        rows.append(
            {
                "low": place / n_bins,
                "high": (place + 1) / n_bins,
                "n_clips": float(shares[own].sum()),
                "confidence": float(np.average(confidence[own], weights=shares[own])),
                "accuracy": float(np.average(correct[own], weights=shares[own])),
                "accuracy_low": low,
                "accuracy_high": high,
            }
        )
    columns = ["low", "high", "n_clips", "confidence", "accuracy", "accuracy_low", "accuracy_high"]
    return pd.DataFrame(rows, columns=columns, dtype=float)


def _interval(hits: Floats, clips: Floats, groups: NDArray[Any]) -> tuple[float, float]:
    """Return the union of the interval over groups and that of as many independent clips."""
    drawn = ratio_interval(*group_sums(groups, hits, clips), n_resamples=_N_RESAMPLES)
    low, high = wilson_interval(hits.sum(), clips.sum())
    return (low, high) if drawn is None else (min(low, drawn[0]), max(high, drawn[1]))
