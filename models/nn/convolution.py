"""Convolution along one, two or three axes, channels last."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from . import functional
from .functional import Triple, triple
from .module import Array, Module, Parameter, uniform


def lift(x: Array, axes: int) -> Array:
    """See an array with ``axes`` axes between batch and channels as one with three."""
    return x.reshape(len(x), *(1,) * (3 - axes), *x.shape[1:])


def lower(x: Array, axes: int) -> Array:
    """Undo `lift`."""
    return x.reshape(len(x), *x.shape[4 - axes :])


def lift_size(value: int | tuple[int, ...], axes: int, fill: int) -> Triple:
    """Return three numbers, ``fill`` for the axes that `lift` adds."""
    return (fill,) * (3 - axes) + triple(value, axes)  # type: ignore[return-value]


class _Convolution(Module):
    axes: ClassVar[int]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        super().__init__()
        taps = triple(kernel_size, self.axes)
        self.how: dict[str, Any] = {
            "stride": lift_size(stride, self.axes, 1),
            "padding": lift_size(padding, self.axes, 0),
            "dilation": lift_size(dilation, self.axes, 1),
        }
        self.weight = Parameter(np.zeros((*taps, in_channels, out_channels), dtype))
        self.bias = Parameter(np.zeros(out_channels, dtype)) if bias else None
        self.reset(rng)

    def _reset(self, rng: np.random.Generator) -> None:
        for parameter in (self.weight, self.bias):
            uniform(rng, parameter, int(np.prod(self.weight.value.shape[:-1])))

    def _arguments(self) -> str:
        *taps, channels, out_channels = self.weight.value.shape
        rest = [f"{name}={value[-self.axes :]}" for name, value in self.how.items()]
        return ", ".join([str(channels), str(out_channels), str(tuple(taps)), *rest])

    def _operations(self, x: Array, y: Array) -> int:
        return 2 * y.size * int(np.prod(self.weight.value.shape[:-1]))

    def _filters(self) -> Array:
        weight = self.weight.value
        return weight.reshape(*(1,) * (3 - self.axes), *weight.shape)

    def _forward(self, x: Array) -> tuple[Array, Any]:
        weight = self.weight.value
        x = np.asarray(x, weight.dtype)
        if x.ndim != self.axes + 2 or x.shape[-1] != weight.shape[-2]:
            axes = "".join(f"{axis}, " for axis in "THW"[3 - self.axes :])
            raise ValueError(f"{type(self).__name__} expects (N, {axes}{weight.shape[-2]}), got {x.shape}")
        bias = None if self.bias is None else self.bias.value
        return lower(functional.conv3d(lift(x, self.axes), self._filters(), bias, **self.how), self.axes), x

    def _backward(
        self, context: Any, grad_output: Array, scale: float, input_grad: bool, param_grad: bool
    ) -> Array | None:
        x, filters = lift(context, self.axes), self._filters()
        grad_output = lift(np.asarray(grad_output, filters.dtype), self.axes)
        if param_grad:
            gradient = functional.conv3d_weight_gradient(x, grad_output, filters.shape[:3], **self.how)
            self.weight.accumulate(gradient.reshape(self.weight.value.shape), scale)
            if self.bias is not None:
                self.bias.accumulate(functional.channel_sums(grad_output).astype(filters.dtype), scale)
        if not input_grad:
            return None
        return lower(
            functional.conv3d_input_gradient(grad_output, filters, x.shape[1:4], **self.how), self.axes
        )


_ARGUMENTS = """

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output.
    kernel_size, stride, padding, dilation : int or tuple of int
        Taps of the filter, pixels between its places, zeros around the input, pixels between taps.
    bias : bool
        Whether a number is added to each channel.
    dtype : dtype
        Of the parameters; the input is converted to it.
    rng : numpy.random.Generator or int, optional
        Source of the initial values, uniform in ±1/√(taps · in_channels).

    Attributes
    ----------
    weight : Parameter, shape (*kernel_size, in_channels, out_channels)
    bias : Parameter, shape (out_channels,), or None
    """


class Conv1d(_Convolution):
    """Convolution of sequences (N, L, C)."""

    axes = 1


class Conv2d(_Convolution):
    """Convolution of images (N, H, W, C)."""

    axes = 2


class Conv3d(_Convolution):
    """Convolution of volumes (N, T, H, W, C)."""

    axes = 3


for layer in (Conv1d, Conv2d, Conv3d):
    layer.__doc__ = f"{layer.__doc__}{_ARGUMENTS}"
