"""Modules that move, drop or average numbers."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from .module import Array, Module


class Identity(Module):
    """Return the input."""

    def _forward(self, x: Array) -> tuple[Array, Any]:
        return x, None

    def _backward(
        self, context: Any, grad_output: Array, scale: float, input_grad: bool, param_grad: bool
    ) -> Array | None:
        return grad_output if input_grad else None


class Dropout(Module):
    """Set each number to zero with probability ``p`` in training and scale the others by ``1 / (1 - p)``.

    Srivastava et al. 2014.

    Parameters
    ----------
    p : float
        Probability, 0 <= p < 1.
    rng : numpy.random.Generator or int, optional
        Source of chance; `reset` draws a new one from the generator it is given.

    Raises
    ------
    ValueError
        If ``p`` is out of range.
    """

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | int | None = None) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"the probability of dropout must be in [0, 1), got {p}")
        self.p = p
        self.rng = np.random.default_rng(rng)

    def _reset(self, rng: np.random.Generator) -> None:
        self.rng = np.random.default_rng(rng.integers(2**63))

    def _arguments(self) -> str:
        return str(self.p)

    def _forward(self, x: Array) -> tuple[Array, Any]:
        if not self.is_training:
            return x, None
        mask = (self.rng.random(x.shape) >= self.p).astype(x.dtype) / x.dtype.type(1 - self.p)
        return x * mask, mask

    def _backward(
        self, context: Any, grad_output: Array, scale: float, input_grad: bool, param_grad: bool
    ) -> Array | None:
        if not input_grad:
            return None
        return grad_output if context is None else grad_output * context


class _Reshape(Module):
    @abstractmethod
    def _shape(self, x: Array) -> tuple[int, ...]:
        """Return the shape of the output."""

    def _forward(self, x: Array) -> tuple[Array, Any]:
        return x.reshape(self._shape(x)), x.shape

    def _backward(
        self, context: Any, grad_output: Array, scale: float, input_grad: bool, param_grad: bool
    ) -> Array | None:
        return grad_output.reshape(context) if input_grad else None


class View(_Reshape):
    """Give each sample the shape ``sizes``; the batch axis stays."""

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.sizes = sizes

    def _arguments(self) -> str:
        return ", ".join(map(str, self.sizes))

    def _shape(self, x: Array) -> tuple[int, ...]:
        return (len(x), *self.sizes)


Reshape = View


class Flatten(_Reshape):
    """Make one axis of all from ``start_dim`` on."""

    def __init__(self, start_dim: int = 1) -> None:
        super().__init__()
        self.start_dim = start_dim

    def _shape(self, x: Array) -> tuple[int, ...]:
        kept = x.shape[: self.start_dim]
        return (*kept, int(np.prod(x.shape[self.start_dim :])))


class Mean(Module):
    """Average over the axes ``dim``; over all between batch and channels this is global average pooling."""

    def __init__(self, dim: int | tuple[int, ...]) -> None:
        super().__init__()
        self.dim = dim

    def _arguments(self) -> str:
        return str(self.dim)

    def _operations(self, x: Array, y: Array) -> int:
        return x.size

    def _forward(self, x: Array) -> tuple[Array, Any]:
        return x.mean(axis=self.dim), x.shape

    def _backward(
        self, context: Any, grad_output: Array, scale: float, input_grad: bool, param_grad: bool
    ) -> Array | None:
        if not input_grad:
            return None
        spread = np.expand_dims(grad_output, self.dim)
        count = np.prod(context) / max(grad_output.size, 1)
        return np.ascontiguousarray(np.broadcast_to(spread / spread.dtype.type(max(count, 1)), context))
