"""Modules that change the shape of an array, and no value."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import Any, ClassVar

import numpy as np

from ..arguments import MAX_INTEGER, axis, integer, per_axis
from ..module import Function
from ..values import Array


class Identity(Function):
    """Return the input."""

    takes_integers = True
    replayable = True

    def _forward(self, x: Array) -> tuple[Array, Any]:
        return x, None

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        return grad_output


class _Reshape(Function):
    takes_integers = True

    @abstractmethod
    def _shape(self, x: Array) -> tuple[int, ...]:
        """Return the shape of the output."""

    def _forward(self, x: Array) -> tuple[Array, Any]:
        return x.reshape(self._shape(x)), x.shape

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        return grad_output.reshape(context)


class View(_Reshape):
    """Give each sample the shape ``sizes``; the batch axis stays, however long.

    Parameters
    ----------
    *sizes : int
        The axes behind that of the batch; one may be -1, which is what is left.

    Raises
    ------
    ValueError
        If a sample has another number of values.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.View(2, -1).forward(np.zeros((5, 6))).shape
    (5, 2, 3)
    """

    replayable = True
    checks: ClassVar = {"sizes": lambda name, sizes: per_axis(name, sizes, len(sizes), -1, MAX_INTEGER)}

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.sizes = sizes

    def _shape(self, x: Array) -> tuple[int, ...]:
        own, known = int(np.prod(x.shape[1:])), int(np.prod([size for size in self.sizes if size != -1]))
        free = self.sizes.count(-1)
        if free > 1 or (own % known if free and known else own != known):
            raise ValueError(f"View{self.sizes} cannot take samples of {x.shape[1:]}")
        return (len(x), *(own // known if size == -1 else size for size in self.sizes))


Reshape = View


class Flatten(_Reshape):
    """Make one axis of all from ``start_dim`` on.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.Flatten().forward(np.zeros((5, 2, 3))).shape
    (5, 6)
    """

    replayable = True
    checks: ClassVar = {"start_dim": axis}

    def __init__(self, start_dim: int = 1) -> None:
        super().__init__()
        self.start_dim = start_dim

    def _shape(self, x: Array) -> tuple[int, ...]:
        kept = x.shape[: self.start_dim]
        return (*kept, int(np.prod(x.shape[self.start_dim :])))


class Squeeze(_Reshape):
    """Remove axis ``dim``, which must have length 1; the batch axis is never removed unless named.

    Raises
    ------
    ValueError
        If the axis is longer.
    """

    checks: ClassVar = {"dim": axis}

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def _shape(self, x: Array) -> tuple[int, ...]:
        if x.shape[self.dim] != 1:
            raise ValueError(f"Squeeze({self.dim}) needs an axis of length 1, got {x.shape}")
        place = self.dim % x.ndim
        return (*x.shape[:place], *x.shape[place + 1 :])


class Unsqueeze(_Reshape):
    """Insert an axis of length 1 as axis ``dim`` of the output."""

    checks: ClassVar = {"dim": axis}

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def _shape(self, x: Array) -> tuple[int, ...]:
        return np.expand_dims(x, self.dim).shape


def _pairs(name: str, pairs: Any) -> tuple[tuple[int, int], ...]:
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise TypeError(f"{name} must be pairs of axes, such as (1, 2), got {pairs}")
    return tuple((axis(name, one), axis(name, other)) for one, other in pairs)


class Transpose(Function):
    """Exchange pairs of axes, one after the other.

    Examples
    --------
    >>> import numpy as np
    >>> Transpose((1, 2), (2, 3)).forward(np.zeros((1, 2, 3, 4))).shape
    (1, 3, 4, 2)
    """

    takes_integers = True
    checks: ClassVar = {"pairs": _pairs}

    def __init__(self, *pairs: tuple[int, int]) -> None:
        super().__init__()
        self.pairs = pairs

    def _forward(self, x: Array) -> tuple[Array, Any]:
        for pair in self.pairs:
            x = x.swapaxes(*pair)
        return x, None

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        for pair in reversed(self.pairs):
            grad_output = grad_output.swapaxes(*pair)
        return grad_output


class _Part(Function):
    """A part of the input."""

    takes_integers = True

    @abstractmethod
    def _index(self, x: Array) -> tuple[Any, ...]:
        """Return where the part is."""

    def _forward(self, x: Array) -> tuple[Array, Any]:
        index = self._index(x)
        return x[index], (index, x.shape)

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        index, shape = context
        gradient = np.zeros(shape, grad_output.dtype)
        gradient[index] = grad_output
        return gradient


class Select(_Part):
    """Take slice ``index`` along axis ``dim``, which is removed.

    Raises
    ------
    ValueError
        If there is no such slice.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.Select(1, -1).forward(np.array([[[1, 2], [3, 4]]]))
    array([[3, 4]])
    """

    checks: ClassVar = {"dim": axis, "index": partial(integer, minimum=-MAX_INTEGER)}

    def __init__(self, dim: int, index: int) -> None:
        super().__init__()
        self.dim, self.index = dim, index

    def _index(self, x: Array) -> tuple[Any, ...]:
        if not -x.shape[self.dim] <= self.index < x.shape[self.dim]:
            raise ValueError(f"Select({self.dim}, {self.index}) got {x.shape}")
        return (*(slice(None),) * (self.dim % x.ndim), self.index)


class Narrow(_Part):
    """Take ``length`` slices along axis ``dim`` from ``start`` on.

    Raises
    ------
    ValueError
        If the axis is too short.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.Narrow(1, 1, 2).forward(np.array([[1, 2, 3, 4]]))
    array([[2, 3]])
    """

    checks: ClassVar = {
        "dim": axis,
        "start": partial(integer, minimum=0),
        "length": partial(integer, minimum=0),
    }

    def __init__(self, dim: int, start: int, length: int = 1) -> None:
        super().__init__()
        self.dim, self.start, self.length = dim, start, length

    def _index(self, x: Array) -> tuple[Any, ...]:
        if not 0 <= self.start <= x.shape[self.dim] - self.length:
            raise ValueError(f"Narrow({self.dim}, {self.start}, {self.length}) got {x.shape}")
        return (*(slice(None),) * (self.dim % x.ndim), slice(self.start, self.start + self.length))
