"""The fully connected layer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .module import Array, Module, Parameter, uniform


class Linear(Module):
    """``y = x Wᵀ + b``.

    Parameters
    ----------
    in_features, out_features : int
        Length of the input's last axis and of the output's.
    bias : bool
        Whether there is a ``b``.
    dtype : dtype
        Of the parameters; the input is converted to it.
    rng : numpy.random.Generator or int, optional
        Source of the initial values, uniform in ±1/√in_features.

    Attributes
    ----------
    weight : Parameter, shape (out_features, in_features)
    bias : Parameter, shape (out_features,), or None
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        super().__init__()
        self.weight = Parameter(np.zeros((out_features, in_features), dtype))
        self.bias = Parameter(np.zeros(out_features, dtype)) if bias else None
        self.reset(rng)

    def _reset(self, rng: np.random.Generator) -> None:
        for parameter in (self.weight, self.bias):
            uniform(rng, parameter, self.weight.value.shape[1])

    def _arguments(self) -> str:
        out_features, in_features = self.weight.value.shape
        return f"{in_features}, {out_features}"

    def _operations(self, x: Array, y: Array) -> int:
        return 2 * y.size * x.shape[-1]

    def _forward(self, x: Array) -> tuple[Array, Any]:
        weight = self.weight.value
        x = np.asarray(x, weight.dtype)
        if x.ndim < 2 or x.shape[-1] != weight.shape[1]:
            raise ValueError(f"Linear expects (N, {weight.shape[1]}), got {x.shape}")
        y = x @ weight.T
        if self.bias is not None:
            y += self.bias.value
        return y, x

    def _backward(
        self, context: Any, grad_output: Array, scale: float, input_grad: bool, param_grad: bool
    ) -> Array | None:
        weight = self.weight.value
        grad_output = np.asarray(grad_output, weight.dtype)
        if param_grad:
            rows = grad_output.reshape(-1, weight.shape[0])
            self.weight.accumulate(rows.T @ context.reshape(-1, weight.shape[1]), scale)
            if self.bias is not None:
                self.bias.accumulate(rows.sum(axis=0), scale)
        return grad_output @ weight if input_grad else None
