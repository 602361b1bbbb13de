"""Pooling along one, two or three axes, channels last."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import functional
from ..arguments import MAX_PIXELS, integer
from ..module import Function, keeps
from ..values import Array
from .convolution import Options, PerAxis, expected, lift, lower


class _Stride(PerAxis):
    """Pixels between windows; None for the size of the window, whatever it becomes."""

    def __get__(self, layer: Any, kind: type | None = None) -> Any:
        if layer is not None and layer.how["stride"] is None:
            return None
        return super().__get__(layer, kind)

    def __set__(self, layer: Any, value: int | tuple[int, ...] | None) -> None:
        if value is None:
            layer.how = layer.how | {"stride": None}
        else:
            super().__set__(layer, value)


class _Windows(Function):
    """Where a pooling looks."""

    axes: ClassVar[int]
    how = Options()

    def __init__(self) -> None:
        super().__init__()
        self.how = {}

    def _operations(self, x: Array, y: Array) -> int:
        return x.size

    def _sizes(self) -> list[Any]:
        """Return kernel, stride, padding and, where there is one, dilation, for three axes."""
        kernel, stride, *others = self.how.values()
        return [kernel, stride or kernel, *others]

    def _lifted(self, x: Array) -> Array:
        if x.ndim != self.axes + 2:
            raise ValueError(f"{type(self).__name__} expects {expected(self.axes)}, got {x.shape}")
        return lift(x, self.axes)


class _MaxPool(_Windows):
    kernel_size, stride, padding, dilation = PerAxis(1), _Stride(1), PerAxis(0), PerAxis(1)

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        *,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride
        self.padding, self.dilation = padding, dilation
        self.ceil_mode = ceil_mode

    def tiles(self, size: tuple[int, ...]) -> bool:
        """Return whether windows tile a volume, without gap, overlap or border, and one fits in."""
        kernel, stride, padding, dilation = self._sizes()
        plain = stride == kernel and padding == (0, 0, 0) and dilation == (1, 1, 1)
        return plain and not self.ceil_mode and all(n >= k for n, k in zip(size, kernel, strict=True))

    def pooled(
        self, volumes: Array, affine: tuple[Array, Array] | None = None, rectify: bool = False
    ) -> functional.Pooled:
        """Pool volumes, scaled and shifted per channel before and rectified behind if that is asked for."""
        kernel, stride, padding, dilation = self._sizes()
        how = (kernel, stride, padding, self.ceil_mode, dilation)
        return functional.max_pool3d(volumes, *how, affine, rectify, keeps())

    def _forward(self, x: Array) -> tuple[Array, Any]:
        volumes = self._lifted(x)
        pooled = self.pooled(volumes)
        return lower(pooled.output, self.axes), pooled

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        return lower(functional.max_pool3d_gradient(lift(grad_output, self.axes), context), self.axes)


class _AvgPool(_Windows):
    kernel_size, stride, padding = PerAxis(1), _Stride(1), PerAxis(0)

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride
        self.padding = padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def _forward(self, x: Array) -> tuple[Array, Any]:
        volume = self._lifted(x)
        how = (*self._sizes(), self.ceil_mode, self.count_include_pad)
        return lower(functional.avg_pool3d(volume, *how), self.axes), volume.shape[1:4]

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        how = (context, *self._sizes(), self.count_include_pad)
        return lower(functional.avg_pool3d_gradient(lift(grad_output, self.axes), *how), self.axes)


class _Adaptive(_Windows):
    def __init__(self, output_size: int | tuple[int | None, ...]) -> None:
        super().__init__()
        self.output_size = output_size

    @property
    def output_size(self) -> tuple[int | None, ...]:
        """Windows along each axis; None keeps an axis."""
        return self._windows

    @output_size.setter
    def output_size(self, output_size: int | tuple[int | None, ...]) -> None:
        sizes = output_size if isinstance(output_size, list | tuple) else (output_size,) * self.axes
        if len(sizes) != self.axes:
            raise ValueError(f"output_size must be one integer or {self.axes}, got {output_size}")
        self._windows = tuple(
            None if size is None else integer("output_size", size, 1, MAX_PIXELS) for size in sizes
        )

    def _size(self, volume: Array) -> tuple[int, ...]:
        """Return the size of the output; None keeps that of the input."""
        sizes = zip((1,) * (3 - self.axes) + self._windows, volume.shape[1:4], strict=True)
        return tuple(own if size is None else size for size, own in sizes)


class _AdaptiveAvgPool(_Adaptive):
    def _forward(self, x: Array) -> tuple[Array, Any]:
        volume = self._lifted(x)
        y = functional.adaptive_avg_pool3d(volume, self._size(volume))
        return lower(y, self.axes), volume.shape[1:4]

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        gradient = functional.adaptive_avg_pool3d_gradient(lift(grad_output, self.axes), context)
        return lower(gradient, self.axes)


class _AdaptiveMaxPool(_Adaptive):
    def _forward(self, x: Array) -> tuple[Array, Any]:
        volume = self._lifted(x)
        pooled = functional.adaptive_max_pool3d(volume, self._size(volume))
        return lower(pooled.output, self.axes), pooled

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        return lower(functional.max_pool3d_gradient(lift(grad_output, self.axes), context), self.axes)


_WINDOW = """

    The output has ``floor((size + 2 · padding - kernel_size) / stride) + 1`` windows along each axis.

    Parameters
    ----------
    kernel_size : int or tuple of int
        Pixels of the window along each axis.
    stride : int or tuple of int, optional
        Pixels between windows; the size of the window by default.
    padding : int or tuple of int
        Pixels around the input, at most half of the window."""
_CEIL = """
    ceil_mode : bool
        Whether a window may stick out at the end (as in Caffe); none begins in the padding there."""
_LARGEST = (
    _WINDOW
    + """ They never are the largest.
    dilation : int or tuple of int
        Pixels between those that a window looks at."""
    + _CEIL
    + """

    Raises
    ------
    ValueError
        If an input has other axes or is smaller than the window, or a window would meet only padding.
    """
)
_AVERAGE = (
    _WINDOW
    + _CEIL
    + """
    count_include_pad : bool
        Whether zeros of the padding count.

    Raises
    ------
    ValueError
        If an input has other axes or is smaller than the window.
    """
)
_PARTS = """

    Parameters
    ----------
    output_size : int or tuple of int
        Windows along each axis, which divide it into equal parts, overlapping where it cannot be; None keeps an
        axis. Window i of n looks at the pixels from ``floor(i · size / n)`` to ``ceil((i + 1) · size / n)``.

    Raises
    ------
    ValueError
        If a size is below 1, or an input has other axes or is empty.
    """


class MaxPool1d(_MaxPool):
    """Largest value of each window of sequences (N, L, C).

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.MaxPool1d(2).forward(np.array([[1.0, 3, 2, 0]])[..., np.newaxis]).ravel()
    array([3., 2.])
    """

    axes = 1
    replayable = True


class MaxPool2d(_MaxPool):
    """Largest value of each window of images (N, H, W, C).

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.MaxPool2d(2).forward(np.zeros((2, 8, 6, 3))).shape
    (2, 4, 3, 3)
    """

    axes = 2
    replayable = True


class MaxPool3d(_MaxPool):
    """Largest value of each window of volumes (N, T, H, W, C).

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.MaxPool3d((1, 2, 2)).forward(np.zeros((2, 4, 8, 6, 3))).shape
    (2, 4, 4, 3, 3)
    """

    axes = 3
    replayable = True


class AvgPool1d(_AvgPool):
    """Mean of each window of sequences (N, L, C).

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.AvgPool1d(2).forward(np.array([[1.0, 3, 2, 0]])[..., np.newaxis]).ravel()
    array([2., 1.])
    """

    axes = 1
    replayable = True


class AvgPool2d(_AvgPool):
    """Mean of each window of images (N, H, W, C).

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.AvgPool2d(2).forward(np.zeros((2, 8, 6, 3))).shape
    (2, 4, 3, 3)
    """

    axes = 2
    replayable = True


class AvgPool3d(_AvgPool):
    """Mean of each window of volumes (N, T, H, W, C)."""

    axes = 3
    replayable = True


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Largest values of sequences (N, L, C) in a given number of windows."""

    axes = 1
    replayable = True


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Largest values of images (N, H, W, C) in a given number of windows.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.AdaptiveMaxPool2d((3, 2)).forward(np.zeros((2, 8, 6, 3))).shape
    (2, 3, 2, 3)
    """

    axes = 2
    replayable = True


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Largest values of volumes (N, T, H, W, C) in a given number of windows."""

    axes = 3
    replayable = True


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means of sequences (N, L, C) in a given number of windows."""

    axes = 1
    replayable = True


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means of images (N, H, W, C) in a given number of windows.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.AdaptiveAvgPool2d((3, 2)).forward(np.zeros((2, 8, 6, 3))).shape
    (2, 3, 2, 3)
    """

    axes = 2
    replayable = True


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Means of volumes (N, T, H, W, C) in a given number of windows."""

    axes = 3
    replayable = True


for base, text in (
    (_MaxPool, _LARGEST),
    (_AvgPool, _AVERAGE),
    (_AdaptiveMaxPool, _PARTS),
    (_AdaptiveAvgPool, _PARTS),
):
    for layer in base.__subclasses__():
        layer.__doc__ = f"{layer.__doc__}{text}"
