"""Transfer functions."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from scipy.special import expit, log_softmax, softmax

from . import functional
from .module import Array, Module


class _Transfer(Module):
    """A function of each number, whose slope follows from its output."""

    def _operations(self, x: Array, y: Array) -> int:
        return y.size

    @abstractmethod
    def _function(self, x: Array) -> Array:
        """Return the output."""

    @abstractmethod
    def _pull(self, y: Array, grad_output: Array) -> Array:
        """Return the gradient of the input."""

    def _forward(self, x: Array) -> tuple[Array, Any]:
        y = self._function(x)
        return y, y

    def _backward(
        self, context: Any, grad_output: Array, scale: float, input_grad: bool, param_grad: bool
    ) -> Array | None:
        return self._pull(context, np.asarray(grad_output, context.dtype)) if input_grad else None


class ReLU(_Transfer):
    """``max(x, 0)``."""

    def _function(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def _pull(self, y: Array, grad_output: Array) -> Array:
        return functional.rectifier_gradient(y, grad_output)


class Tanh(_Transfer):
    """Hyperbolic tangent."""

    def _function(self, x: Array) -> Array:
        return np.tanh(x)

    def _pull(self, y: Array, grad_output: Array) -> Array:
        return grad_output * (1 - y * y)


class Sigmoid(_Transfer):
    """``1 / (1 + exp(-x))``."""

    def _function(self, x: Array) -> Array:
        return expit(x)

    def _pull(self, y: Array, grad_output: Array) -> Array:
        return grad_output * y * (1 - y)


class Softmax(_Transfer):
    """``exp(x) / Σ exp(x)`` along axis ``dim``."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def _arguments(self) -> str:
        return f"dim={self.dim}"

    def _function(self, x: Array) -> Array:
        return softmax(x, axis=self.dim) if x.size else x.copy()

    def _pull(self, y: Array, grad_output: Array) -> Array:
        return y * (grad_output - (grad_output * y).sum(axis=self.dim, keepdims=True))


class LogSoftmax(Softmax):
    """Logarithm of `Softmax`, without overflow."""

    def _function(self, x: Array) -> Array:
        return log_softmax(x, axis=self.dim) if x.size else x.copy()

    def _pull(self, y: Array, grad_output: Array) -> Array:
        return grad_output - np.exp(y) * grad_output.sum(axis=self.dim, keepdims=True)
