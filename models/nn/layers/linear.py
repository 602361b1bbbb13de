"""The fully connected layer, its diagonal form and the table of vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import functional
from ..arguments import integer
from ..constructor import Fixed
from ..module import Module
from ..parameter import blank, uniform
from ..values import Array


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

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.Linear(4, 2).forward(np.ones((3, 4), np.float32)).shape
    (3, 2)
    """

    replayable = True
    in_features = Fixed(lambda layer: layer.weight.value.shape[1])
    out_features = Fixed(lambda layer: layer.weight.value.shape[0])

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
        shape = integer("out_features", out_features), integer("in_features", in_features)
        self.weight = blank(shape, dtype)
        self.bias = blank(shape[:1], dtype) if bias else None
        self.reset(rng)

    def _reset(self, rng: np.random.Generator) -> None:
        for parameter in (self.weight, self.bias):
            uniform(rng, parameter, self.weight.value.shape[1])

    def _operations(self, x: Array, y: Array) -> int:
        return 2 * y.size * x.shape[-1]

    def _forward(self, x: Array) -> tuple[Array, Any]:
        weight = self.weight.value
        x = np.asarray(x, weight.dtype)
        if x.ndim < 2 or x.shape[-1] != weight.shape[1]:
            raise ValueError(f"Linear expects (N, {weight.shape[1]}), got {x.shape}")
        bias = None if self.bias is None else self.bias.value
        rows = x.reshape(-1, weight.shape[1])
        return functional.linear(rows, weight, bias).reshape(*x.shape[:-1], weight.shape[0]), x

    def _backward(
        self, context: Any, grad_output: Array, scale: float, input_grad: bool, param_grad: bool
    ) -> Array | None:
        weight = self.weight.value
        rows = np.asarray(grad_output, weight.dtype).reshape(-1, weight.shape[0])
        if param_grad:
            scaled = rows if scale == 1.0 else rows * rows.dtype.type(scale)
            functional.add_product(self.weight.grad, scaled.T, context.reshape(-1, weight.shape[1]))
            if self.bias is not None:
                self.bias.accumulate(rows.sum(axis=0), scale)
        return functional.matmul(rows, weight).reshape(context.shape) if input_grad else None


class CMul(Module):
    """Multiply each sample elementwise with a learnt array.

    Parameters
    ----------
    *size : int
        Shape of the array, broadcast to that of a sample.
    dtype : dtype
        Of the parameter; the input is converted to it.
    rng : numpy.random.Generator or int, optional
        Source of the initial values, uniform in ±1/√(how many there are).

    Attributes
    ----------
    weight : Parameter, shape ``size``

    Raises
    ------
    ValueError
        If there is no size, or a sample has another shape.

    Examples
    --------
    >>> CMul(3).reset(0)
    CMul(3)  weight (3,)  3 parameters
    """

    size = Fixed(lambda layer: layer.weight.value.shape)

    def __init__(
        self, *size: int, dtype: DTypeLike = np.float32, rng: np.random.Generator | int | None = None
    ) -> None:
        super().__init__()
        if not size:
            raise ValueError("CMul needs the shape of its array, such as CMul(3)")
        self.weight = blank(tuple(integer("size", n) for n in size), dtype)
        self.reset(rng)

    def _reset(self, rng: np.random.Generator) -> None:
        uniform(rng, self.weight, self.weight.value.size)

    def _operations(self, x: Array, y: Array) -> int:
        return y.size

    def _forward(self, x: Array) -> tuple[Array, Any]:
        weight = self.weight.value
        x = np.asarray(x, weight.dtype)
        own = x.shape[1:][-weight.ndim :]
        if len(own) < weight.ndim or any(m not in (1, n) for m, n in zip(weight.shape, own, strict=True)):
            raise ValueError(f"CMul{weight.shape} cannot take samples of {x.shape[1:]}")
        return x * weight, x

    def _backward(
        self, context: Any, grad_output: Array, scale: float, input_grad: bool, param_grad: bool
    ) -> Array | None:
        weight = self.weight.value
        grad_output = np.asarray(grad_output, weight.dtype)
        if param_grad:
            each = grad_output * context
            first = tuple(range(each.ndim - weight.ndim))
            sums = each.sum(axis=first)
            alone = tuple(axis for axis, n in enumerate(weight.shape) if n == 1)
            self.weight.accumulate(sums.sum(axis=alone, keepdims=True), scale)
        return grad_output * weight if input_grad else None


class Embedding(Module):
    """Look up a vector for each integer.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        How many vectors there are, and their length.
    padding_idx : int, optional
        The vector that stays zero and learns nothing.
    dtype : dtype
        Of the parameter.
    rng : numpy.random.Generator or int, optional
        Source of the initial values, of mean 0 and variance 1.

    Attributes
    ----------
    weight : Parameter, shape (num_embeddings, embedding_dim)

    Raises
    ------
    ValueError
        If the input is not made of integers from 0 to ``num_embeddings`` - 1.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.Embedding(10, 3).forward(np.array([[1, 2], [4, 9]])).shape
    (2, 2, 3)
    """

    takes_integers = True
    num_embeddings = Fixed(lambda layer: layer.weight.value.shape[0])
    embedding_dim = Fixed(lambda layer: layer.weight.value.shape[1])

    @property
    def padding_idx(self) -> int | None:
        """The vector that stays zero."""
        return self._padding_idx

    @padding_idx.setter
    def padding_idx(self, padding_idx: int | None) -> None:
        last = len(self.weight.value) - 1
        self._padding_idx = None if padding_idx is None else integer("padding_idx", padding_idx, 0, last)

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        dtype: DTypeLike = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        super().__init__()
        shape = integer("num_embeddings", num_embeddings), integer("embedding_dim", embedding_dim)
        self.weight = blank(shape, dtype)
        self.padding_idx = padding_idx
        self.reset(rng)

    def _reset(self, rng: np.random.Generator) -> None:
        self.weight.draw(rng.standard_normal)
        if self.padding_idx is not None:
            self.weight.value[self.padding_idx] = 0

    def _forward(self, x: NDArray[np.integer]) -> tuple[Array, Any]:
        n = len(self.weight.value)
        x = np.asarray(x)
        if x.size and not np.issubdtype(x.dtype, np.integer):
            raise ValueError(f"Embedding expects integers, got {x.dtype}")
        if x.size and not 0 <= x.min() <= x.max() < n:
            wrong = x[(x < 0) | (x >= n)].flat[0]
            raise ValueError(f"Embedding has the vectors 0 to {n - 1}, got {wrong}")
        indices = x.astype(np.intp)
        return self.weight.value[indices], indices

    def _backward(
        self, context: Any, grad_output: Array, scale: float, input_grad: bool, param_grad: bool
    ) -> Array | None:
        """Integers have no gradient: that of the input is zero."""
        if param_grad:
            gradient = np.zeros_like(self.weight.value)
            np.add.at(gradient, context, grad_output)
            if self.padding_idx is not None:
                gradient[self.padding_idx] = 0
            self.weight.accumulate(gradient, scale)
        return np.zeros(context.shape, self.weight.value.dtype) if input_grad else None
