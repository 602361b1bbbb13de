"""Pooling along one, two or three axes, channels last."""

from __future__ import annotations

from typing import Any, ClassVar

from . import functional
from .convolution import lift, lift_size, lower
from .module import Array, Module


class _Pool(Module):
    axes: ClassVar[int]

    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel = lift_size(kernel_size, self.axes, 1)
        self.stride = lift_size(kernel_size if stride is None else stride, self.axes, 1)
        self.padding = lift_size(padding, self.axes, 0)
        self.ceil_mode = ceil_mode

    def _arguments(self) -> str:
        window = f"{self.kernel[-self.axes :]}, stride={self.stride[-self.axes :]}"
        return f"{window}, padding={self.padding[-self.axes :]}, ceil_mode={self.ceil_mode}"

    def _operations(self, x: Array, y: Array) -> int:
        return x.size

    def _check(self, x: Array) -> None:
        if x.ndim != self.axes + 2:
            axes = ", ".join("THW"[3 - self.axes :])
            raise ValueError(f"{type(self).__name__} expects (N, {axes}, C), got {x.shape}")


class _MaxPool(_Pool):
    def _forward(self, x: Array) -> tuple[Array, Any]:
        self._check(x)
        volume = lift(x, self.axes)
        y, where = functional.max_pool3d(volume, self.kernel, self.stride, self.padding, self.ceil_mode)
        return lower(y, self.axes), (where, volume.shape[1:4])

    def _backward(
        self, context: Any, grad_output: Array, scale: float, input_grad: bool, param_grad: bool
    ) -> Array | None:
        if not input_grad:
            return None
        where, size = context
        return lower(functional.max_pool3d_gradient(lift(grad_output, self.axes), where, size), self.axes)


class _AvgPool(_Pool):
    def __init__(
        self,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None = None,
        padding: int | tuple[int, ...] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.count_include_pad = count_include_pad

    def _forward(self, x: Array) -> tuple[Array, Any]:
        self._check(x)
        volume = lift(x, self.axes)
        how = (self.kernel, self.stride, self.padding, self.ceil_mode, self.count_include_pad)
        return lower(functional.avg_pool3d(volume, *how), self.axes), volume.shape[1:4]

    def _backward(
        self, context: Any, grad_output: Array, scale: float, input_grad: bool, param_grad: bool
    ) -> Array | None:
        if not input_grad:
            return None
        how = (context, self.kernel, self.stride, self.padding, self.count_include_pad)
        return lower(functional.avg_pool3d_gradient(lift(grad_output, self.axes), *how), self.axes)


_ARGUMENTS = """

    Parameters
    ----------
    kernel_size : int or tuple of int
        Pixels of the window along each axis.
    stride : int or tuple of int, optional
        Pixels between windows; the size of the window by default.
    padding : int or tuple of int
        Pixels around the input, at most half of the window.
    ceil_mode : bool
        Whether a window may stick out at the end.
    """
_AVERAGE = (
    _ARGUMENTS.rstrip()
    + """
    count_include_pad : bool
        Whether zeros of the padding count.
    """
)


class MaxPool1d(_MaxPool):
    """Largest value of each window of sequences (N, L, C)."""

    axes = 1


class MaxPool2d(_MaxPool):
    """Largest value of each window of images (N, H, W, C)."""

    axes = 2


class MaxPool3d(_MaxPool):
    """Largest value of each window of volumes (N, T, H, W, C)."""

    axes = 3


class AvgPool1d(_AvgPool):
    """Mean of each window of sequences (N, L, C)."""

    axes = 1


class AvgPool2d(_AvgPool):
    """Mean of each window of images (N, H, W, C)."""

    axes = 2


class AvgPool3d(_AvgPool):
    """Mean of each window of volumes (N, T, H, W, C)."""

    axes = 3


for largest in (MaxPool1d, MaxPool2d, MaxPool3d):
    largest.__doc__ = f"{largest.__doc__}{_ARGUMENTS}"
for average in (AvgPool1d, AvgPool2d, AvgPool3d):
    average.__doc__ = f"{average.__doc__}{_AVERAGE}"
