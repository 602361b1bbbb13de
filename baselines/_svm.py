"""Grid descriptors and a linear support vector machine."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import LinearSVC
from sklearn.utils.validation import check_is_fitted

from ..features.cache import compute
from ..features.descriptors import Channel, GridDescriptor
from ._training import Fold, encode, inner_folds, softmax
from .base import Attempt, Clips, Explanation

__all__ = ["DescriptorSvm"]

Array = NDArray[np.float64]
#: Decision values (n, n_classes) and true classes (n,) of clips that were not learned from.
_HeldOut = tuple[Array, NDArray[np.intp]]


class DescriptorSvm(Attempt):
    """Histograms over a grid that goes with the mover, and a linear one-against-rest support vector machine.

    Probabilities are the softmax of the decision values, its temperature fitted on held-out groups of the
    training clips (Guo et al., ICML 2017).

    Parameters
    ----------
    C : float
        Inverse strength of the machine's regularisation; the descriptors are scaled, so that it does not
        depend on their length.
    cells : int
        Rows, and columns, of cells in the mover's box.
    times : int
        Cells of the time.
    mirror : {"auto", True, False}
        Whether to learn from each clip's mirror image too. ``"auto"`` does unless held-out groups of the
        training clips say that left and right tell actions apart.
    random_state : int
        Seed of the machine's solver.

    Attributes
    ----------
    weights_ : ndarray of float64, shape (n_classes, n_values)
        What each value says for each class.
    intercepts_ : ndarray of float64, shape (n_classes,)
        The classes' offsets.
    means_, scales_ : ndarray of float64, shape (n_values,)
        How descriptors are standardised.
    mirror_ : bool
        Whether mirror images were learned from.
    sharpness_ : float
        What the decision values are multiplied by before the softmax.
    """

    family = "features"
    channels: ClassVar[tuple[Channel, ...]]
    #: Finest scale of the flow; coarse where only the motion of the camera is taken from it.
    finest: ClassVar[int] = 1

    def __init__(
        self,
        *,
        C: float = 1.0,
        cells: int = 4,
        times: int = 3,
        mirror: Literal["auto"] | bool = "auto",
        random_state: int = 0,
    ) -> None:
        self.C = C
        self.cells = cells
        self.times = times
        self.mirror = mirror
        self.random_state = random_state

    def _descriptor(self) -> GridDescriptor:
        return GridDescriptor(self.channels, self.cells, self.times, finest=self.finest)

    def _describe(self, clips: Clips) -> Array:
        return np.array([found["descriptor"] for found in compute(self._descriptor(), clips)])

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Describe the clips, choose on held-out groups, learn from all."""
        self.classes_, codes = encode(clips, labels)
        described = self._describe(clips)
        folds = inner_folds(len(codes), groups, 3)
        self.mirror_ = self.mirror is not False
        held_out = self._held_out(described, codes, folds, self.mirror_)
        if self.mirror == "auto":
            plain = self._held_out(described, codes, folds, mirror=False)
            if _harms(held_out, plain):
                self.mirror_, held_out = False, plain
        self.sharpness_ = _sharpness(*held_out)
        machine = self._train(described, codes, self.mirror_)
        self.weights_, self.intercepts_, self.means_, self.scales_ = machine
        return self

    def _held_out(
        self, described: Array, codes: NDArray[np.intp], folds: list[Fold], mirror: bool
    ) -> _HeldOut:
        """Return decision values and true classes of clips whose groups were not learned from."""
        values, truth = [np.empty((0, len(self.classes_)))], [np.empty(0, np.intp)]
        for train, test in folds:
            if len(np.unique(codes[train])) > 1:
                values.append(_decide(described[test], *self._train(described[train], codes[train], mirror)))
                truth.append(codes[test])
        return np.concatenate(values), np.concatenate(truth)

    def _train(self, described: Array, codes: NDArray[np.intp], mirror: bool) -> tuple[Array, ...]:
        """Return weights, intercepts, means and scales."""
        if mirror:
            described = np.concatenate([described, self._descriptor().mirror(described)])
            codes = np.concatenate([codes, codes])
        means, scales = described.mean(axis=0), described.std(axis=0)
        # A value that never varies says nothing, and the length of a descriptor shall be about 1.
        scales = np.where(scales > 1e-6, scales, np.inf) * np.sqrt(described.shape[1])
        weights, intercepts = np.zeros((len(self.classes_), len(means))), np.full(len(self.classes_), -1.0)
        present = np.unique(codes)
        if len(present) < 2:
            intercepts[present] = 1.0
            return weights, intercepts, means, scales
        machine = LinearSVC(C=self.C, random_state=self.random_state, max_iter=20_000)
        machine.fit((described - means) / scales, codes)
        both = len(present) == 2
        weights[present] = np.concatenate([-machine.coef_, machine.coef_]) if both else machine.coef_
        intercepts[present] = np.array([-1, 1]) * machine.intercept_ if both else machine.intercept_
        return weights, intercepts, means, scales

    def predict_proba(self, clips: Clips) -> np.ndarray:
        """Return class probabilities."""
        check_is_fitted(self)
        if not len(clips):
            return np.empty((0, len(self.classes_)))
        values = _decide(self._describe(clips), self.weights_, self.intercepts_, self.means_, self.scales_)
        return softmax(self.sharpness_ * values)

    def search_space(self) -> dict[str, list[Any]]:
        """Return the values worth trying for each parameter."""
        return {"C": [0.01, 0.1, 1.0, 10.0, 100.0], "cells": [3, 4, 6], "times": [1, 2, 3]}

    def count(self) -> dict[str, int]:
        """Return the number of fitted numbers."""
        check_is_fitted(self)
        fitted = (self.weights_, self.intercepts_, self.means_, self.scales_)
        return {"parameters": sum(array.size for array in fitted) + 1}

    def explain(self) -> Explanation:
        """Say which channels and cells the weights rely on, and picture the cells of each class."""
        check_is_fitted(self)
        sizes = self._descriptor().sizes()
        starts = np.cumsum([0, *sizes.values()])
        power = np.add.reduceat(self.weights_**2, starts[:-1], axis=1)
        shares = power / np.maximum(power.sum(axis=1, keepdims=True), 1e-300)
        lines = [f"{self.cells} x {self.cells} cells of the mover's box x {self.times} parts of the time"]
        for label, row in zip(self.classes_, shares, strict=True):
            parts = ", ".join(f"{name} {share:.0%}" for name, share in zip(sizes, row, strict=True))
            lines.append(f"{label}: weight on {parts}")
        return Explanation("\n".join(lines), {"cells": self._picture()})

    def _picture(self) -> Any:
        from matplotlib.figure import Figure

        n_classes, n_columns = len(self.classes_), min(5, len(self.classes_))
        n_rows = -(-n_classes // n_columns)
        figure = Figure(figsize=(1.6 * n_columns, 1.8 * n_rows), layout="constrained")
        maps = self._maps()
        for index, label in enumerate(self.classes_):
            axes = figure.add_subplot(n_rows, n_columns, index + 1)
            axes.imshow(maps[index], cmap="Greys", vmin=0, vmax=max(maps.max(), 1e-300))
            axes.set(title=str(label), xticks=[], yticks=[])
        return figure

    def _maps(self) -> Array:
        """Return the squared weights of each class in each cell, shape (n_classes, cells, cells)."""
        maps, start = np.zeros((len(self.classes_), self.cells, self.cells)), 0
        for channel, size in self._descriptor().sizes().items():
            weights = self.weights_[:, start : start + size]
            parts = np.split(weights, 2, axis=1) if channel == "mbh" else [weights]
            for part in parts:
                shaped = part.reshape(len(maps), self.times, self.cells, self.cells, -1)
                maps += (shaped**2).sum(axis=(1, 4))
            start += size
        return maps


def _decide(described: Array, weights: Array, intercepts: Array, means: Array, scales: Array) -> Array:
    """Return the decision values, shape (n_clips, n_classes)."""
    return (described - means) / scales @ weights.T + intercepts


def _harms(mirrored: _HeldOut, plain: _HeldOut) -> bool:
    """Say whether mirror images cost more clips than chance explains: two deviations of McNemar's test."""
    right = [np.argmax(values, axis=1) == truth for values, truth in (mirrored, plain)]
    lost, won = np.sum(right[1] & ~right[0]), np.sum(right[0] & ~right[1])
    return bool(lost - won > 2 * np.sqrt(lost + won))


def _sharpness(values: Array, truth: NDArray[np.intp]) -> float:
    """Return the factor under which the softmax is most likely on held-out clips."""
    if not len(truth):
        return 1.0
    factors = np.logspace(-1, 1, 41)
    rows = np.arange(len(truth))
    losses = [-np.log(np.maximum(softmax(factor * values)[rows, truth], 1e-9)).mean() for factor in factors]
    return float(factors[int(np.argmin(losses))])
