"""Sums, means and maxima along axes."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .. import functional
from ..arguments import axes, axis
from ..module import Function
from ..values import Array


class Sum(Function):
    """Add along the axes ``dim``.

    Parameters
    ----------
    dim : int or tuple of int
        The axes.
    keepdim : bool
        Whether they stay, with length 1.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.Sum(1).forward(np.array([[1.0, 3.0]]))
    array([4.])
    """

    checks: ClassVar = {"dim": axes}

    def __init__(self, dim: int | tuple[int, ...], keepdim: bool = False) -> None:
        super().__init__()
        self.dim, self.keepdim = dim, keepdim

    def _operations(self, x: Array, y: Array) -> int:
        return x.size

    def _forward(self, x: Array) -> tuple[Array, Any]:
        return x.sum(axis=self.dim, keepdims=self.keepdim), x.shape

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        kept = grad_output if self.keepdim else np.expand_dims(grad_output, self.dim)
        return np.ascontiguousarray(np.broadcast_to(kept, context))


class Mean(Sum):
    """Average along the axes ``dim``; over all between batch and channels this is global average pooling.

    Parameters
    ----------
    dim : int or tuple of int
        The axes.
    keepdim : bool
        Whether they stay, with length 1.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.Mean((1, 2)).forward(np.ones((2, 8, 6, 3))).shape
    (2, 3)
    """

    replayable = True

    def _forward(self, x: Array) -> tuple[Array, Any]:
        if not self._is_global(x.shape, x.dtype):
            return x.mean(axis=self.dim, keepdims=self.keepdim), x.shape
        y = functional.adaptive_avg_pool3d(x.reshape(len(x), -1, 1, 1, x.shape[-1]), (1, 1, 1))
        return y.reshape(len(x), *(1,) * (x.ndim - 2 if self.keepdim else 0), x.shape[-1]), x.shape

    def _is_global(self, shape: tuple[int, ...], dtype: np.dtype) -> bool:
        """Return whether the axes are all between batch and channels."""
        axes = self.dim if isinstance(self.dim, tuple) else (self.dim,)
        middle = len(shape) > 2 and 0 not in shape and dtype in (np.float32, np.float64)
        return middle and sorted(axis % len(shape) for axis in axes) == list(range(1, len(shape) - 1))

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        if self._is_global(context, grad_output.dtype):
            kept = grad_output.reshape(len(grad_output), 1, 1, 1, grad_output.shape[-1])
            pixels = int(np.prod(context[1:-1]))
            return functional.adaptive_avg_pool3d_gradient(kept, (pixels, 1, 1)).reshape(context)
        axes = self.dim if isinstance(self.dim, tuple) else (self.dim,)
        count = max(int(np.prod([context[axis] for axis in axes])), 1)
        return super()._input_gradient(context, grad_output / grad_output.dtype.type(count))


class Max(Function):
    """Take the largest along axis ``dim``; the gradient goes to the first where several are equal.

    Parameters
    ----------
    dim : int
        The axis.
    keepdim : bool
        Whether it stays, with length 1.

    Raises
    ------
    ValueError
        If the axis is empty.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.Max(1).forward(np.array([[1.0, 3.0]]))
    array([3.])
    """

    takes_integers = True
    checks: ClassVar = {"dim": axis}

    def __init__(self, dim: int, keepdim: bool = False) -> None:
        super().__init__()
        self.dim, self.keepdim = dim, keepdim

    def _operations(self, x: Array, y: Array) -> int:
        return x.size

    def _forward(self, x: Array) -> tuple[Array, Any]:
        if not x.shape[self.dim]:
            raise ValueError(f"Max({self.dim}) needs an axis of length 1 or more, got {x.shape}")
        where = x.argmax(axis=self.dim, keepdims=True)
        y = np.take_along_axis(x, where, self.dim)
        return y if self.keepdim else y.squeeze(self.dim), (where, x.shape)

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        where, shape = context
        gradient = np.zeros(shape, grad_output.dtype)
        kept = grad_output if self.keepdim else np.expand_dims(grad_output, self.dim)
        np.put_along_axis(gradient, where, kept, self.dim)
        return gradient
