"""Calibrated probabilities: what an attempt says of held-out groups, and maps learned from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..features.clip import Clips
from ..literals import CalibrationMethod
from ..progress import each
from ._training import encode, inner_folds, softmax
from .base import Attempt

__all__ = ["Calibration", "fit_calibration", "held_out_proba"]

Array = NDArray[np.float64]

# Probabilities are at least this before their logarithm is taken, since that of 0 is infinite.
_SMALLEST = 1e-6
# The range of exponents that are tried: from all but uniform probabilities to all but certain ones.
_EXPONENTS = 1e-2, 1e2


def held_out_proba(attempt: Attempt, clips: Clips, labels: np.ndarray, groups: np.ndarray | None) -> Array:
    """Return probabilities of training clips by attempts like a fitted one that learned from other groups.

    An attempt that offers them by a method ``held_out_proba()`` is asked, as fitting it took them already; others are
    fitted again on three parts of the clips.

    Parameters
    ----------
    attempt : Attempt
        Fitted on the clips.
    clips, labels, groups
        What it was fitted on.

    Returns
    -------
    ndarray of float64, shape (n_clips, n_classes)
        NaN for clips without such an attempt.

    Examples
    --------
    >>> from actionbench.baselines.trivial.majority import Majority
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> held_out_proba(Majority().fit(clips, labels, groups), clips, labels, groups).shape
    (12, 3)
    """
    offered = attempt.held_out_proba() if hasattr(attempt, "held_out_proba") else None
    if offered is not None:
        return offered
    classes, _ = encode(clips, labels)
    found = np.full((len(clips), len(classes)), np.nan)
    folds = inner_folds(len(clips), groups, 3)
    for train, test in each("folds", folds, len(folds)):
        again = type(attempt)().set_params(**attempt.get_params())
        again.fit(clips[train], labels[train], None if groups is None else groups[train])
        found[test] = 0
        found[np.ix_(test, np.searchsorted(classes, again.classes_))] = again.predict_proba(clips[test])
    return found


@dataclass(frozen=True)
class Calibration:
    """A map from the probabilities of an attempt to calibrated ones.

    Parameters
    ----------
    method : {"temperature", "isotonic"}
        One exponent of all probabilities, which leaves their order (Guo et al., ICML 2017), or for each class an
        increasing function of its probability, which needs many clips (Zadrozny and Elkan, KDD 2002). So that few clips
        that are all correct do not make the exponent infinite, of n clips and k classes a share (k - 1) / (n + k)
        counts as of the other classes (Platt 1999).
    exponent : float
        One over the temperature.
    maps : list of pair of list of float
        For each class probabilities before and after, between which values are interpolated; empty unless the method
        is isotonic.

    Examples
    --------
    Who is sure of 9 in 10 and right in 3 of 4 is too sure:

    >>> sure = np.tile([0.9, 0.1], (400, 1))
    >>> calibration = Calibration.fit("temperature", sure, np.tile([0, 0, 0, 1], 100))
    >>> round(calibration.exponent, 2), calibration(sure[:1]).round(2)
    (0.5, array([[0.75, 0.25]]))
    """

    method: CalibrationMethod
    exponent: float = 1.0
    maps: list[tuple[list[float], list[float]]] = field(default_factory=list)

    @classmethod
    def fit(cls, method: CalibrationMethod, probabilities: Array, codes: NDArray[np.intp]) -> Self:
        """Learn the map of least log loss, or of least squares where it is isotonic.

        Parameters
        ----------
        method : {"temperature", "isotonic"}
            See `Calibration`.
        probabilities : ndarray, shape (n_clips, n_classes)
            Of clips that the attempt has not learned from; rows of NaN are left out. Where none is left, nothing is
            changed.
        codes : ndarray of int, shape (n_clips,)
            The classes of the clips.
        """
        known = np.isfinite(probabilities).all(axis=1)
        probabilities, codes = probabilities[known], codes[known]
        if not len(codes):
            return cls(method)
        if method == "temperature":
            return cls(method, _exponent(probabilities, codes))
        return cls(
            method, maps=[_map(column, codes == label) for label, column in enumerate(probabilities.T)]
        )

    def __call__(self, probabilities: Array) -> Array:
        """Return calibrated probabilities, shape (n_clips, n_classes); rows sum to 1."""
        if not self.maps:
            return softmax(self.exponent * np.log(np.maximum(probabilities, _SMALLEST)))
        columns = zip(probabilities.T, self.maps, strict=True)
        values = np.stack([np.interp(column, *knots) for column, knots in columns], axis=1)
        totals = values.sum(axis=1, keepdims=True)
        # Where no class is left, nothing is known.
        return np.where(totals > 0, values / np.where(totals > 0, totals, 1), 1 / len(self.maps))

    def __str__(self) -> str:
        """Describe the map in a sentence."""
        if self.method == "temperature":
            return f"Probabilities are raised to {self.exponent:.3g}, chosen on held-out groups."
        return "Probabilities are mapped by isotonic regression on held-out groups."


def _exponent(probabilities: Array, codes: NDArray[np.intp]) -> float:
    from scipy.optimize import minimize_scalar

    logs = np.log(np.maximum(probabilities, _SMALLEST))
    targets = np.eye(logs.shape[1])[codes]
    chosen = (logs * (len(codes) * targets + 1)).sum() / (len(codes) + logs.shape[1])

    def loss(logarithm: float) -> float:
        exponent = np.exp(logarithm)
        return float(np.logaddexp.reduce(exponent * logs, axis=1).sum() - exponent * chosen)

    bounds = tuple(np.log(_EXPONENTS))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x))


def _map(probabilities: Array, is_label: NDArray[np.bool_]) -> tuple[list[float], list[float]]:
    from sklearn.isotonic import IsotonicRegression

    found = IsotonicRegression(out_of_bounds="clip").fit(probabilities, is_label)
    return found.X_thresholds_.tolist(), found.y_thresholds_.tolist()


def fit_calibration(
    method: CalibrationMethod, attempt: Attempt, clips: Clips, labels: np.ndarray, groups: np.ndarray | None
) -> Calibration:
    """Return the calibration of a fitted attempt, learned from `held_out_proba` of its training clips."""
    probabilities = held_out_proba(attempt, clips, labels, groups)
    return Calibration.fit(method, probabilities, encode(clips, labels)[1])
