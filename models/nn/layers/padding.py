"""Padding of the axes between batch and channels."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...memory import check_memory
from ..arguments import MAX_PIXELS, per_axis, real
from ..constructor import Fixed
from ..module import Function
from ..values import Array
from .convolution import expected

Pairs = list[tuple[int, int]]


class _Pad(Function):
    axes: ClassVar[int]

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__()
        self.padding = padding

    @property
    def padding(self) -> tuple[int, ...]:
        """Pixels at each end, the last axis first."""
        return tuple(end for pair in reversed(self.pairs) for end in pair)

    @padding.setter
    def padding(self, padding: int | tuple[int, ...]) -> None:
        ends = per_axis("padding", padding, 2 * self.axes, -MAX_PIXELS)
        # As in PyTorch the last axis comes first.
        self.pairs: Pairs = [(ends[i], ends[i + 1]) for i in range(0, len(ends), 2)][::-1]

    def _check(self, x: Array) -> None:
        if x.ndim != self.axes + 2:
            raise ValueError(f"{type(self).__name__} expects {expected(self.axes)}, got {x.shape}")
        if any(n + before + after < 1 for n, (before, after) in zip(x.shape[1:-1], self.pairs, strict=True)):
            raise ValueError(f"{type(self).__name__} would leave nothing of {x.shape} with {self.pairs}")
        sizes = (n + sum(pair) for n, pair in zip(x.shape[1:-1], self.pairs, strict=True))
        check_memory((len(x), *sizes, x.shape[-1]), x.dtype)


class _ConstantPad(_Pad):
    checks: ClassVar = {"value": real}

    def __init__(self, padding: int | tuple[int, ...], value: float = 0.0) -> None:
        super().__init__(padding)
        self.value = value

    def _regions(self, x: Array) -> tuple[Any, ...]:
        """Return which part of the input is kept, and where it is in the output."""
        ends = list(zip(x.shape[1:-1], self.pairs, strict=True))
        kept = (slice(max(-before, 0), n - max(-after, 0)) for n, (before, after) in ends)
        to = (slice(max(before, 0), n + before + min(after, 0)) for n, (before, after) in ends)
        return (slice(None), *kept), (slice(None), *to)

    def _forward(self, x: Array) -> tuple[Array, Any]:
        self._check(x)
        sizes = (n + sum(pair) for n, pair in zip(x.shape[1:-1], self.pairs, strict=True))
        out = np.full((len(x), *sizes, x.shape[-1]), self.value, x.dtype)
        kept, to = self._regions(x)
        out[to] = x[kept]
        return out, (kept, to, x.shape)

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        kept, to, shape = context
        gradient = np.zeros(shape, grad_output.dtype)
        gradient[kept] = grad_output[to]
        return gradient


class _ZeroPad(_ConstantPad):
    value = Fixed(lambda _: 0.0)

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        _Pad.__init__(self, padding)


class _IndexedPad(_Pad):
    """Padding with pixels of the input."""

    takes_integers = True

    @abstractmethod
    def _sources(self, positions: NDArray[np.intp], n: int) -> NDArray[np.intp]:
        """Return which of ``n`` pixels is at each position, which may be below 0 or from n on."""

    def _indices(self, x: Array) -> list[NDArray[np.intp]]:
        sizes = zip(x.shape[1:-1], self.pairs, strict=True)
        return [self._sources(np.arange(-before, n + after), n) for n, (before, after) in sizes]

    def _forward(self, x: Array) -> tuple[Array, Any]:
        self._check(x)
        y = x
        for axis, sources in enumerate(self._indices(x), 1):
            y = y.take(sources, axis)
        return y, x

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        for axis, sources in enumerate(self._indices(context), 1):
            shape = (*grad_output.shape[:axis], context.shape[axis], *grad_output.shape[axis + 1 :])
            gradient = np.zeros(shape, grad_output.dtype)
            to, given = gradient.swapaxes(0, axis), grad_output.swapaxes(0, axis)
            for place, source in enumerate(sources):
                to[source] += given[place]
            grad_output = gradient
        return grad_output


class _ReflectionPad(_IndexedPad):
    def _check(self, x: Array) -> None:
        super()._check(x)
        if any(max(pair) >= n for n, pair in zip(x.shape[1:-1], self.pairs, strict=True)):
            raise ValueError(
                f"{type(self).__name__} can pad by less than the input is long, got {self.pairs} for {x.shape}"
            )

    def _sources(self, positions: NDArray[np.intp], n: int) -> NDArray[np.intp]:
        return n - 1 - np.abs(n - 1 - np.abs(positions))


class _ReplicationPad(_IndexedPad):
    def _sources(self, positions: NDArray[np.intp], n: int) -> NDArray[np.intp]:
        return positions.clip(0, n - 1)


_ARGUMENTS = """

    Parameters
    ----------
    padding : int or tuple of int
        Pixels at each end, in PyTorch's order: the last axis first (left, right, top, bottom, front, back). Negative
        ones cut.
    """
_VALUE = (
    _ARGUMENTS.rstrip()
    + """
    value : float
        The constant.
    """
)
_RAISES = """
    Raises
    ------
    ValueError
        If there are not two integers per axis, or an input has other axes or is too small.
    """


class ConstantPad1d(_ConstantPad):
    """A constant around sequences (N, L, C).

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.ConstantPad1d(1, 7.0).forward(np.array([[1.0, 2.0]])[..., np.newaxis]).ravel()
    array([7., 1., 2., 7.])
    """

    axes = 1


class ConstantPad2d(_ConstantPad):
    """A constant around images (N, H, W, C)."""

    axes = 2


class ConstantPad3d(_ConstantPad):
    """A constant around volumes (N, T, H, W, C)."""

    axes = 3


class ZeroPad1d(_ZeroPad):
    """Zeros around sequences (N, L, C)."""

    axes = 1


class ZeroPad2d(_ZeroPad):
    """Zeros around images (N, H, W, C).

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.ZeroPad2d(1).forward(np.zeros((2, 8, 6, 3))).shape
    (2, 10, 8, 3)
    """

    axes = 2


class ZeroPad3d(_ZeroPad):
    """Zeros around volumes (N, T, H, W, C)."""

    axes = 3


class ReflectionPad1d(_ReflectionPad):
    """The mirrored pixels of the input around sequences (N, L, C).

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.ReflectionPad1d(1).forward(np.array([[1.0, 2.0]])[..., np.newaxis]).ravel()
    array([2., 1., 2., 1.])
    """

    axes = 1


class ReflectionPad2d(_ReflectionPad):
    """The mirrored pixels of the input around images (N, H, W, C)."""

    axes = 2


class ReflectionPad3d(_ReflectionPad):
    """The mirrored pixels of the input around volumes (N, T, H, W, C)."""

    axes = 3


class ReplicationPad1d(_ReplicationPad):
    """The outermost pixels again around sequences (N, L, C).

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.ReplicationPad1d(1).forward(np.array([[1.0, 2.0]])[..., np.newaxis]).ravel()
    array([1., 1., 2., 2.])
    """

    axes = 1


class ReplicationPad2d(_ReplicationPad):
    """The outermost pixels again around images (N, H, W, C)."""

    axes = 2


class ReplicationPad3d(_ReplicationPad):
    """The outermost pixels again around volumes (N, T, H, W, C)."""

    axes = 3


for base, text in (
    (_ConstantPad, _VALUE),
    (_ZeroPad, _ARGUMENTS),
    (_ReflectionPad, _ARGUMENTS),
    (_ReplicationPad, _ARGUMENTS),
):
    for layer in base.__subclasses__():
        layer.__doc__ = f"{layer.__doc__}{text}{_RAISES}"
