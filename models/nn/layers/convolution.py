"""Convolution along one, two or three axes, channels last, and its unshared and sparsely connected forms."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import functional
from ..arguments import MAX_PIXELS, integer, per_axis
from ..constructor import Fixed
from ..functional import Triple, conv_size
from ..module import Module
from ..parameter import blank, uniform
from ..values import Array


def lift(x: Array, axes: int) -> Array:
    """See an array with ``axes`` axes between batch and channels as one with three."""
    return x.reshape(len(x), *(1,) * (3 - axes), *x.shape[1:])


def lower(x: Array, axes: int) -> Array:
    """Undo `lift`."""
    return x.reshape(len(x), *x.shape[4 - axes :])


class Options:
    """The options of a layer's kernel, by name; read-only, so that each change is one of the attribute."""

    def __get__(self, layer: Any, kind: type | None = None) -> Any:
        return self if layer is None else MappingProxyType(layer._how)

    def __set__(self, layer: Any, how: Mapping[str, Any]) -> None:
        layer._how = dict(how)


class PerAxis:
    """An argument that is an integer for each axis, kept in ``how`` for three axes.

    Parameters
    ----------
    minimum : int
        The smallest that it can be, and its value for the axes that `lift` adds.
    """

    def __init__(self, minimum: int) -> None:
        self._minimum = minimum

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, layer: Any, kind: type | None = None) -> Any:
        return self if layer is None else layer.how[self._name][-layer.axes :]

    def __set__(self, layer: Any, value: int | tuple[int, ...]) -> None:
        values = per_axis(self._name, value, layer.axes, self._minimum)
        layer.how = layer.how | {self._name: (self._minimum,) * (3 - layer.axes) + values}


def expected(axes: int, channels: int | str = "C") -> str:
    """Return how the shape of an input is written."""
    return f"(N, {''.join(f'{axis}, ' for axis in ('L' if axes == 1 else 'THW'[3 - axes :]))}{channels})"


class _Convolution(Module):
    axes: ClassVar[int]
    in_channels = Fixed(lambda layer: layer._filters().shape[-2] * layer.how["groups"])
    out_channels = Fixed(lambda layer: layer._filters().shape[-1])
    kernel_size = Fixed(lambda layer: layer.weight.value.shape[: layer.axes])
    groups = Fixed(lambda layer: layer.how["groups"])
    stride, padding, dilation = PerAxis(1), PerAxis(0), PerAxis(1)
    how = Options()

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        super().__init__()
        integer("in_channels", in_channels)
        integer("out_channels", out_channels)
        if in_channels % integer("groups", groups) or out_channels % groups:
            raise ValueError(
                f"groups must divide the channels, got {groups} for {in_channels} and {out_channels}"
            )
        self.how = {}
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.how = self.how | {"groups": groups}
        taps = per_axis("kernel_size", kernel_size, self.axes)
        self.weight = blank(self._weight_shape(in_channels, out_channels, taps), dtype)
        self.bias = blank((out_channels,), dtype) if bias else None
        self.reset(rng)

    def _weight_shape(self, in_channels: int, out_channels: int, taps: tuple[int, ...]) -> tuple[int, ...]:
        return (*taps, in_channels // self.how["groups"], out_channels)

    def _reset(self, rng: np.random.Generator) -> None:
        for parameter in (self.weight, self.bias):
            uniform(rng, parameter, int(np.prod(self.weight.value.shape[:-1])))

    def _operations(self, x: Array, y: Array) -> int:
        return 2 * y.size * int(np.prod(self.weight.value.shape[:-1]))

    def _filters(self) -> Array:
        """Return the filters with three axes of taps."""
        weight = self.weight.value
        return weight.reshape(*(1,) * (3 - self.axes), *weight.shape)

    def _learn(self, x: Array, grad_output: Array, scale: float) -> None:
        """Add the gradient of the filters."""
        grad = self.weight.grad
        out = grad.reshape(*(1,) * (3 - self.axes), *grad.shape)
        functional.conv3d_weight_gradient(x, grad_output, out.shape[:3], **self.how, out=out, scale=scale)

    def lifted(self, x: Array) -> Array:
        """Return an input as volumes of the filters' type.

        Raises
        ------
        ValueError
            If it has other axes or channels.
        """
        filters = self._filters()
        channels = filters.shape[-2] * self.how["groups"]
        x = np.asarray(x, filters.dtype)
        if x.ndim != self.axes + 2 or x.shape[-1] != channels:
            raise ValueError(f"{type(self).__name__} expects {expected(self.axes, channels)}, got {x.shape}")
        return lift(x, self.axes)

    def output_size(self, volumes: Array) -> Triple:
        """Return the size of the output along each axis."""
        how = (self.how[name] for name in ("stride", "padding", "dilation"))
        return functional.conv_output_size(volumes.shape[1:4], self._filters().shape[:3], *how)

    def convolved(
        self,
        volumes: Array,
        rectify: bool = False,
        scale: Array | None = None,
        shift: Array | None = None,
        pool: Triple = (1, 1, 1),
    ) -> Array:
        """Return the convolution of volumes; ``scale`` and ``shift`` replace the bias."""
        bias = self.bias.value if scale is None and self.bias is not None else shift
        how = {**self.how, "scale": scale, "rectify": rectify, "pool": pool}
        return functional.conv3d(volumes, self._filters(), bias, **how)

    def _forward(self, x: Array) -> tuple[Array, Any]:
        volumes = self.lifted(x)
        return lower(self.convolved(volumes), self.axes), volumes

    def _backward(
        self, context: Any, grad_output: Array, scale: float, input_grad: bool, param_grad: bool
    ) -> Array | None:
        filters = self._filters()
        grad_output = lift(np.asarray(grad_output, filters.dtype), self.axes)
        if param_grad:
            self._learn(context, grad_output, scale)
            if self.bias is not None:
                self.bias.accumulate(functional.channel_sums(grad_output)[0].astype(filters.dtype), scale)
        if not input_grad:
            return None
        gradient = functional.conv3d_input_gradient(grad_output, filters, context.shape[1:4], **self.how)
        return lower(gradient, self.axes)


_ARGUMENTS = """

    ``y[n, p, d] = bias[d] + Σ x[n, p · stride + k · dilation - padding, c] · weight[k, c, d]``, summed over taps k and
    channels c. Along each axis the output has
    ``floor((size + 2 · padding - dilation · (kernel - 1) - 1) / stride) + 1`` pixels.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output.
    kernel_size, stride, padding, dilation : int or tuple of int
        As in PyTorch: an integer for all axes, or one for each.
    groups : int
        Parts into which both channels are divided; each part of the output sees one of the input.
    bias : bool
        Whether to add a learnt value to each channel.
    dtype : dtype
        Of the parameters; the input is converted to it.
    rng : numpy.random.Generator or int, optional
        Source of the initial values, uniform in ±1/√(taps · in_channels / groups).

    Attributes
    ----------
    weight : Parameter, shape (kernel_size..., in_channels / groups, out_channels)
    bias : Parameter, shape (out_channels,), or None

    Raises
    ------
    ValueError
        If ``groups`` does not divide the channels, or an input has other channels or is smaller than the filter.
    """


class Conv1d(_Convolution):
    """Convolution of sequences (N, L, C).

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.Conv1d(3, 8, 5).forward(np.zeros((2, 20, 3), np.float32)).shape
    (2, 16, 8)
    """

    axes = 1
    replayable = True


class Conv2d(_Convolution):
    """Convolution of images (N, H, W, C).

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.Conv2d(3, 8, 3, stride=2, padding=1).forward(np.zeros((2, 32, 24, 3), np.float32)).shape
    (2, 16, 12, 8)
    """

    axes = 2
    replayable = True


class Conv3d(_Convolution):
    """Convolution of volumes (N, T, H, W, C).

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.Conv3d(1, 8, 3, padding=1).forward(np.zeros((2, 16, 32, 24, 1), np.float32)).shape
    (2, 16, 32, 24, 8)
    """

    axes = 3
    replayable = True


for layer in (Conv1d, Conv2d, Conv3d):
    layer.__doc__ = f"{layer.__doc__}{_ARGUMENTS}"


class ConvMap2d(_Convolution):
    """Convolution of images (N, H, W, C) in which a table says which channels are connected (LeCun et al. 1998).

    Torch's ``SpatialConvolutionMap``; `connections` makes the usual tables.

    Parameters
    ----------
    table : array_like of int, shape (n, 2)
        Pairs (channel of the input, channel of the output), none twice; the largest of each column gives the number
        of channels.
    kernel_size, stride, padding, dilation, bias, dtype, rng
        As of `Conv2d`; the bound of an initial value is 1/√(taps · connections into its channel).

    Attributes
    ----------
    weight : Parameter, shape (kernel_size..., n)
        One filter per connection.
    bias : Parameter, shape (channels out,), or None

    Raises
    ------
    ValueError
        If the table is not one of different pairs of channels.

    Examples
    --------
    >>> ConvMap2d([(0, 0), (0, 1), (1, 1)], 5)
    ConvMap2d([(0, 0), (0, 1), (1, 1)], 5)  weight (5, 5, 3), bias (2,)  77 parameters
    """

    axes = 2
    table = Fixed(lambda layer: layer._table)

    def __init__(
        self,
        table: ArrayLike,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        self._table = _check_table(table)
        channels, out_channels = (int(n) for n in self.table.max(axis=0) + 1)
        super().__init__(
            channels, out_channels, kernel_size, stride, padding, dilation, 1, bias, dtype=dtype, rng=rng
        )

    def _weight_shape(self, in_channels: int, out_channels: int, taps: tuple[int, ...]) -> tuple[int, ...]:
        self.channels = in_channels, out_channels
        return (*taps, len(self.table))

    def _reset(self, rng: np.random.Generator) -> None:
        taps = int(np.prod(self.weight.value.shape[:2]))
        connections = np.bincount(self.table[:, 1], minlength=self.channels[1])
        bound = 1 / np.sqrt(taps * np.maximum(connections, 1))
        weight = self.weight.value
        self.weight.fill(rng.uniform(-1, 1, weight.shape) * bound[self.table[:, 1]])
        if self.bias is not None:
            self.bias.fill(rng.uniform(-1, 1, len(bound)) * bound)

    def _operations(self, x: Array, y: Array) -> int:
        return 2 * (y.size // y.shape[-1]) * self.weight.value.size

    def _filters(self) -> Array:
        weight = self.weight.value
        filters = np.zeros((1, *weight.shape[:2], *self.channels), weight.dtype)
        filters[..., self.table[:, 0], self.table[:, 1]] = weight
        return filters

    def _learn(self, x: Array, grad_output: Array, scale: float) -> None:
        gradient = functional.conv3d_weight_gradient(
            x, grad_output, (1, *self.weight.value.shape[:2]), **self.how
        )
        self.weight.accumulate(gradient[0][..., self.table[:, 0], self.table[:, 1]], scale)


def _check_table(table: ArrayLike) -> NDArray[np.intp]:
    pairs = np.asarray(table)
    right = (
        pairs.ndim == 2 and pairs.shape[1:] == (2,) and len(pairs) and np.issubdtype(pairs.dtype, np.integer)
    )
    if (
        not right
        or pairs.min() < 0
        or pairs.max() >= MAX_PIXELS
        or len(np.unique(pairs, axis=0)) != len(pairs)
    ):
        raise ValueError(
            f"a connection table must be different pairs (channel in, channel out) from 0, got {pairs.tolist()}"
        )
    return pairs.astype(np.intp)


class LocallyConnected2d(Module):
    """Convolution of images (N, H, W, C) with a filter of its own for each pixel of the output.

    Torch's ``SpatialConvolutionLocal`` (LeCun 1989): the connections of a convolution without its sharing.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output.
    input_size : tuple of two int
        Height and width of the input.
    kernel_size, stride, padding : int or tuple of two int
        As in PyTorch: an integer for all axes, or one for each.
    bias : bool
        Whether to add a learnt value to each pixel and channel of the output.
    dtype : dtype
        Of the parameters; the input is converted to it.
    rng : numpy.random.Generator or int, optional
        Source of the initial values, uniform in ±1/√(taps · in_channels).

    Attributes
    ----------
    weight : Parameter, shape (H', W', kH, kW, in_channels, out_channels)
    bias : Parameter, shape (H', W', out_channels), or None

    Raises
    ------
    ValueError
        If the filter does not fit, or an input has another size.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> layer = nn.LocallyConnected2d(3, 4, (6, 5), 3)
    >>> layer.forward(np.zeros((2, 6, 5, 3), np.float32)).shape
    (2, 4, 3, 4)
    """

    in_channels = Fixed(lambda layer: layer.weight.value.shape[-2])
    out_channels = Fixed(lambda layer: layer.weight.value.shape[-1])
    input_size = Fixed(lambda layer: layer.input_shape[:2])
    kernel_size = Fixed(lambda layer: layer.taps)
    stride = Fixed(lambda layer: layer._geometry[0])
    padding = Fixed(lambda layer: layer._geometry[1])

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        input_size: tuple[int, int],
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        super().__init__()
        integer("in_channels", in_channels)
        integer("out_channels", out_channels)
        self.input_shape = (*per_axis("input_size", input_size, 2), in_channels)
        self.taps = per_axis("kernel_size", kernel_size, 2)
        self._geometry = per_axis("stride", stride, 2), per_axis("padding", padding, 2, 0)
        sizes = zip(self.input_shape[:2], self.taps, self.stride, self.padding, strict=True)
        size = tuple(conv_size(*of) for of in sizes)
        if 0 in size:
            raise ValueError(
                f"a filter of {self.taps} does not fit into {input_size} padded by {self.padding}"
            )
        self.weight = blank((*size, *self.taps, in_channels, out_channels), dtype)
        self.bias = blank((*size, out_channels), dtype) if bias else None
        self.reset(rng)

    def _reset(self, rng: np.random.Generator) -> None:
        for parameter in (self.weight, self.bias):
            uniform(rng, parameter, int(np.prod(self.weight.value.shape[2:5])))

    def _operations(self, x: Array, y: Array) -> int:
        return 2 * y.size * int(np.prod(self.weight.value.shape[2:5]))

    def _matrices(self, a: Array) -> Array:
        """See weights or their gradients as one matrix per pixel, (pixels, taps · channels in, channels out)."""
        return a.reshape(int(np.prod(a.shape[:2])), int(np.prod(a.shape[2:5])), a.shape[-1])

    def _patches(self, x: Array) -> Array:
        """Return what each filter sees, (pixels, N, taps · channels)."""
        rows, columns = self.stride
        windows = sliding_window_view(_pad2d(x, self.padding), self.taps, axis=(1, 2))[:, ::rows, ::columns]
        n, height, width = windows.shape[:3]
        return windows.transpose(1, 2, 0, 4, 5, 3).reshape(height * width, n, int(np.prod(windows.shape[3:])))

    def _forward(self, x: Array) -> tuple[Array, Any]:
        weight = self.weight.value
        x = np.asarray(x, weight.dtype)
        if x.shape[1:] != self.input_shape:
            raise ValueError(f"LocallyConnected2d expects (N, {str(self.input_shape)[1:]}, got {x.shape}")
        products = self._patches(x) @ self._matrices(weight)
        y = products.transpose(1, 0, 2).reshape(len(x), *weight.shape[:2], weight.shape[-1])
        return y if self.bias is None else y + self.bias.value, x

    def _backward(
        self, context: Any, grad_output: Array, scale: float, input_grad: bool, param_grad: bool
    ) -> Array | None:
        weight = self.weight.value
        grad_output = np.asarray(grad_output, weight.dtype)
        n_pixels, channels = int(np.prod(weight.shape[:2])), weight.shape[-1]
        grads = grad_output.reshape(len(grad_output), n_pixels, channels).transpose(1, 0, 2)
        if param_grad:
            gradient = self._patches(context).transpose(0, 2, 1) @ grads
            self.weight.accumulate(gradient.reshape(weight.shape), scale)
            if self.bias is not None:
                self.bias.accumulate(grad_output.sum(axis=0), scale)
        return self._scatter(grads @ self._matrices(weight).transpose(0, 2, 1)) if input_grad else None

    def _scatter(self, patches: Array) -> Array:
        """Add the gradients of what each filter sees, (pixels, N, taps · channels), up to images."""
        height, width, channels = self.input_shape
        n = patches.shape[1]
        pads = self.padding
        out = np.zeros((n, height + 2 * pads[0], width + 2 * pads[1], channels), patches.dtype)
        rows, columns = self.weight.value.shape[:2]
        grid = patches.reshape(rows, columns, n, *self.taps, channels)
        for i, j in np.ndindex(*self.taps):
            last = i + (rows - 1) * self.stride[0] + 1, j + (columns - 1) * self.stride[1] + 1
            to = out[:, i : last[0] : self.stride[0], j : last[1] : self.stride[1]]
            to += grid[:, :, :, i, j].transpose(2, 0, 1, 3)
        return out[:, pads[0] : pads[0] + height, pads[1] : pads[1] + width]


def _pad2d(x: Array, padding: tuple[int, ...]) -> Array:
    return np.pad(x, [(0, 0), *((p, p) for p in padding), (0, 0)])
