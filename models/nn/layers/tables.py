"""Modules that take or give lists of arrays (Torch's tables)."""

from __future__ import annotations

from functools import partial, reduce
from typing import Any, ClassVar

import numpy as np

from ..arguments import MAX_INTEGER, axis, integer
from ..module import Function
from ..values import Array, Value, add_values, floating, fold, leaves


def _zeros_like(value: Value) -> Value:
    if isinstance(value, list | tuple):
        return [_zeros_like(entry) for entry in value]
    return np.zeros_like(floating(value))


class JoinTable(Function):
    """Join the arrays of a list along axis ``dim``.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.JoinTable(1).forward([np.array([[1, 2]]), np.array([[3]])])
    array([[1, 2, 3]])
    """

    takes_integers = True
    checks: ClassVar = {"dim": axis}

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def _forward(self, x: list[Array]) -> tuple[Array, Any]:
        return np.concatenate(x, axis=self.dim), [entry.shape[self.dim] for entry in x]

    def _input_gradient(self, context: Any, grad_output: Array) -> list[Array]:
        return np.split(grad_output, np.cumsum(context)[:-1], axis=self.dim)


class SplitTable(Function):
    """Make a list of the slices of an array along axis ``dim``, each without that axis.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.SplitTable(1).forward(np.array([[1, 2]]))
    [array([1]), array([2])]
    """

    takes_integers = True
    checks: ClassVar = {"dim": axis}

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def _forward(self, x: Array) -> tuple[list[Array], Any]:
        return list(np.moveaxis(x, self.dim, 0)), None

    def _input_gradient(self, context: Any, grad_output: list[Array]) -> Array:
        return np.stack(grad_output, axis=self.dim)


class SelectTable(Function):
    """Take entry ``index`` of a list.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.SelectTable(-1).forward([np.array([1]), np.array([2])])
    array([2])
    """

    takes_integers = True
    checks: ClassVar = {"index": partial(integer, minimum=-MAX_INTEGER)}

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index

    def _forward(self, x: list[Value]) -> tuple[Value, Any]:
        if not -len(x) <= self.index < len(x):
            raise ValueError(f"SelectTable({self.index}) got a list of {len(x)}")
        return x[self.index], x

    def _input_gradient(self, context: Any, grad_output: Value) -> list[Value]:
        grads = _zeros_like(context)
        grads[self.index] = grad_output
        return grads


class NarrowTable(Function):
    """Take ``length`` entries of a list from entry ``offset`` on."""

    takes_integers = True
    checks: ClassVar = {"offset": partial(integer, minimum=0), "length": integer}

    def __init__(self, offset: int, length: int = 1) -> None:
        super().__init__()
        self.offset, self.length = offset, length

    def _forward(self, x: list[Value]) -> tuple[list[Value], Any]:
        if not 0 <= self.offset <= len(x) - self.length:
            raise ValueError(f"NarrowTable({self.offset}, {self.length}) got a list of {len(x)}")
        return list(x[self.offset : self.offset + self.length]), x

    def _input_gradient(self, context: Any, grad_output: list[Value]) -> list[Value]:
        grads = _zeros_like(context)
        grads[self.offset : self.offset + self.length] = grad_output
        return grads


class FlattenTable(Function):
    """Make one list of a list of lists, however deep.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.FlattenTable().forward([np.array([1]), [np.array([2])]])
    [array([1]), array([2])]
    """

    takes_integers = True

    def _forward(self, x: Value) -> tuple[list[Array], Any]:
        return leaves(x), x

    def _input_gradient(self, context: Any, grad_output: list[Array]) -> Value:
        return fold(context, iter(grad_output))


class CAddTable(Function):
    """Add the arrays of a list, which have one shape.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.CAddTable().forward([np.array([1.0]), np.array([2.0])])
    array([3.])
    """

    def _forward(self, x: list[Array]) -> tuple[Array, Any]:
        _check_alike(self, x)
        return add_values(list(x)), len(x)

    def _input_gradient(self, context: Any, grad_output: Array) -> list[Array]:
        return [grad_output] * context


class CMulTable(Function):
    """Multiply the arrays of a list, which have one shape.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.CMulTable().forward([np.array([3.0]), np.array([2.0])])
    array([6.])
    """

    def _forward(self, x: list[Array]) -> tuple[Array, Any]:
        _check_alike(self, x)
        return reduce(np.multiply, x), x

    def _input_gradient(self, context: Any, grad_output: Array) -> list[Array]:
        # Not by division: a factor may be zero.
        return [
            reduce(np.multiply, [grad_output, *context[:place], *context[place + 1 :]])
            for place in range(len(context))
        ]


def _check_alike(module: Function, x: list[Array]) -> None:
    if not len(x) or any(entry.shape != x[0].shape for entry in x):
        raise ValueError(f"{type(module).__name__} expects arrays of one shape, got {[e.shape for e in x]}")
