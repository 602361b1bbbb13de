"""Losses: a number, and its gradient with respect to the net's output."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax

from .module import Array


class Criterion(ABC):
    """A loss: `forward` returns the number, `backward` its gradient with respect to ``input``."""

    @abstractmethod
    def forward(self, input: Array, target: NDArray) -> float:
        """Return the mean loss of the batch; 0 for an empty one."""

    @abstractmethod
    def backward(self, input: Array, target: NDArray) -> Array:
        """Return the gradient of `forward` with respect to ``input``."""


def check_targets(target: NDArray, n: int, n_classes: int) -> NDArray[np.intp]:
    """Return class numbers, checked.

    Raises
    ------
    ValueError
        If they are not ``n`` integers from 0 to ``n_classes`` - 1.
    """
    target = np.asarray(target)
    if target.shape != (n,) or not (target.size == 0 or np.issubdtype(target.dtype, np.integer)):
        raise ValueError(f"targets must be {n} integers, got {target.dtype} of shape {target.shape}")
    wrong = target[(target < 0) | (target >= n_classes)]
    if wrong.size:
        raise ValueError(f"target {wrong[0]} is none of the {n_classes} classes 0 to {n_classes - 1}")
    return target.astype(np.intp)


class CrossEntropyLoss(Criterion):
    """Cross entropy of unnormalised scores (N, C) and class numbers (N,), as in PyTorch.

    Parameters
    ----------
    weight : array_like, shape (C,), optional
        Weight of each class; the mean is weighted by the target's.
    label_smoothing : float
        Share of the target's probability that is spread over all classes (Szegedy et al. 2016).
    """

    def __init__(self, weight: ArrayLike | None = None, label_smoothing: float = 0.0) -> None:
        self.weight = None if weight is None else np.asarray(weight, float)
        self.label_smoothing = label_smoothing

    def _probabilities(self, input: Array, target: NDArray) -> Array:
        """Return what each logarithm is multiplied by, (N, C)."""
        if input.ndim != 2:
            raise ValueError(f"scores must be (N, classes), got {input.shape}")
        n, n_classes = input.shape
        target = check_targets(target, n, n_classes)
        wanted = np.full(input.shape, self.label_smoothing / n_classes)
        wanted[np.arange(n), target] += 1 - self.label_smoothing
        if self.weight is None:
            return wanted / max(n, 1)
        return wanted * self.weight / max(self.weight[target].sum(), np.finfo(float).tiny)

    def forward(self, input: Array, target: NDArray) -> float:
        """Return the mean loss."""
        wanted = self._probabilities(input, target)
        return float(-(wanted * log_softmax(input, axis=1)).sum()) if input.size else 0.0

    def backward(self, input: Array, target: NDArray) -> Array:
        """Return the gradient, shape (N, C)."""
        wanted = self._probabilities(input, target)
        if not input.size:
            return np.zeros_like(input)
        predicted = np.exp(log_softmax(input, axis=1))
        return (predicted * wanted.sum(axis=1, keepdims=True) - wanted).astype(input.dtype)


class MSELoss(Criterion):
    """Mean of ``(input - target) ** 2``."""

    def _difference(self, input: Array, target: NDArray) -> Array:
        target = np.asarray(target)
        if target.shape != input.shape:
            raise ValueError(f"the target must have the shape {input.shape}, got {target.shape}")
        return input - target

    def forward(self, input: Array, target: NDArray) -> float:
        """Return the mean loss."""
        return float(np.mean(self._difference(input, target) ** 2)) if input.size else 0.0

    def backward(self, input: Array, target: NDArray) -> Array:
        """Return the gradient, shape of the input."""
        return (self._difference(input, target) * (2 / max(input.size, 1))).astype(input.dtype)
