"""Batch normalisation, and normalisation across channels."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from .. import functional
from ..arguments import integer, real
from ..constructor import Fixed
from ..module import Function, Module
from ..parameter import blank, value_of
from ..values import Array


class _BatchNorm(Module):
    ranks: ClassVar[tuple[int, ...]]
    buffer_names = ("running_mean", "running_var")
    checks: ClassVar = {"eps": partial(real, minimum=0), "momentum": partial(real, minimum=0, maximum=1)}
    num_features = Fixed(lambda layer: len(layer.running_mean))
    affine = Fixed(lambda layer: layer.weight is not None)

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        shape = (integer("num_features", num_features),)
        self.weight = blank(shape, dtype) if affine else None
        self.bias = blank(shape, dtype) if affine else None
        self.running_mean, self.running_var = blank(shape, dtype).value, blank(shape, dtype).value
        self.reset()

    def scale_and_shift(self) -> tuple[Array, Array]:
        """Return scale and shift of the channels, 1 and 0 where they are not learnt."""
        if self.weight is None or self.bias is None:
            return np.ones_like(self.running_mean), np.zeros_like(self.running_mean)
        return self.weight.value, self.bias.value

    def _reset(self, rng: np.random.Generator) -> None:
        if self.weight is not None and self.bias is not None:
            self.weight.fill(1)
            self.bias.fill(0)
        self.running_mean[...] = 0
        self.running_var[...] = 1

    def _operations(self, x: Array, y: Array) -> int:
        return 2 * y.size

    def _forward(self, x: Array) -> tuple[Array, Any]:
        features = len(self.running_mean)
        x = np.asarray(x, self.running_mean.dtype)
        if x.ndim not in self.ranks or x.shape[-1] != features:
            ranks = " or ".join(map(str, self.ranks))
            raise ValueError(
                f"{type(self).__name__}({features}) expects {ranks} axes, the last {features}, got {x.shape}"
            )
        normal = self.normal(x)
        return functional.channel_affine(x, normal.scale, normal.shift), (x, normal)

    def normal(self, x: Array, before: Array | None = None) -> functional.Normal:
        """Return what ``x`` is normalised by; in training move the running moments towards those of the batch.

        Parameters
        ----------
        x : ndarray, shape (..., C)
        before : ndarray, shape (C,), optional
            What will be added to ``x`` first, for evaluation.
        """
        running = (self.running_mean, self.running_var)
        affine = (value_of(self.weight), value_of(self.bias))
        if not (self.is_training and x.size):
            return functional.channel_normal(None, 0, *running, 0.0, *affine, before, self.eps)
        n = x.size // len(self.running_mean)
        if n == 1:
            raise ValueError(
                f"{type(self).__name__} needs more than one value per channel in training, got {x.shape}"
            )
        moments = functional.channel_moments(x)
        return functional.channel_normal(moments, n, *running, self.momentum, *affine, None, self.eps)

    def gradient_coefficients(
        self, normal: functional.Normal, sums: tuple[Any, Any], scale: float, param_grad: bool
    ) -> tuple[Array, Array, Array]:
        """Add the gradients of weight and bias, and return how to make that of the input.

        Parameters
        ----------
        normal : Normal
            What the input was normalised by.
        sums : tuple of two ndarray of float64, shape (C,)
            Of the gradient of the output, and of that times the distance of the input from its mean.
        scale : float
            Factor of what is added.
        param_grad : bool
            Whether anything is added.

        Returns
        -------
        factor, slope, shift : ndarray, shape (C,)
            The gradient of the input is ``grad_output * factor + x * slope + shift``.
        """
        grads: tuple[Array | None, Array | None] = (None, None)
        if param_grad and self.weight is not None and self.bias is not None:
            grads = (self.weight.grad, self.bias.grad)
        return functional.channel_normal_gradient(normal, value_of(self.weight), *sums, scale, *grads)

    def _backward(
        self, context: Any, grad_output: Array, scale: float, input_grad: bool, param_grad: bool
    ) -> Array | None:
        x, normal = context
        grad_output = np.asarray(grad_output, x.dtype)
        sums = functional.channel_sums(grad_output, x, around=normal.mean)
        factor, slope, shift = self.gradient_coefficients(normal, sums, scale, param_grad)
        if not input_grad:
            return None
        return functional.channel_affine(grad_output, factor, shift, x if normal.n else None, slope)


_ARGUMENTS = """

    Each channel gets mean 0 and variance 1 over the batch, then is scaled and shifted (Ioffe and Szegedy 2015). In
    evaluation the running mean and the running unbiased variance are used.

    Parameters
    ----------
    num_features : int
        Channels, the last axis.
    eps : float
        Added to the variance.
    momentum : float
        Weight of a batch in the running moments.
    affine : bool
        Whether scale and shift are learnt; else they are 1 and 0.
    dtype : dtype
        Of the parameters; the input is converted to it.

    Attributes
    ----------
    weight, bias : Parameter, shape (num_features,), or None
    running_mean, running_var : ndarray, shape (num_features,)
    """


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, L, C).

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.BatchNorm1d(1).forward(np.array([[1.0], [3.0]], np.float32)).round(3)
    array([[-1.],
           [ 1.]], dtype=float32)
    """

    ranks = (2, 3)
    replayable = True


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of (N, H, W, C).

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.BatchNorm2d(3).forward(np.zeros((2, 8, 6, 3), np.float32)).shape
    (2, 8, 6, 3)
    """

    ranks = (4,)
    replayable = True


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of (N, T, H, W, C)."""

    ranks = (5,)
    replayable = True


for layer in (BatchNorm1d, BatchNorm2d, BatchNorm3d):
    layer.__doc__ = f"{layer.__doc__}{_ARGUMENTS}"


class LocalResponseNorm(Function):
    """Divide each value by a power of the energy of the ``size`` channels around it.

    ``y = x / (k + alpha / size * Σ x²) ** beta`` (Krizhevsky et al. 2012; Torch's ``SpatialCrossMapLRN``), for any axes
    before the channels.

    Parameters
    ----------
    size : int
        Channels of the sum; where it is even, one more before than behind.
    alpha, beta, k : float
        As in the formula.

    Raises
    ------
    ValueError
        If ``size`` is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.LocalResponseNorm(5).forward(np.zeros((2, 8, 6, 3), np.float32)).shape
    (2, 8, 6, 3)
    """

    checks: ClassVar = {"size": integer, "alpha": real, "beta": real, "k": real}

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def _operations(self, x: Array, y: Array) -> int:
        return (self.size + 2) * y.size

    def _forward(self, x: Array) -> tuple[Array, Any]:
        sums = functional.window_sums(x * x, self.size, self.size // 2)
        energy = x.dtype.type(self.k) + x.dtype.type(self.alpha / self.size) * sums
        return x * energy**-self.beta, (x, energy)

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        x, energy = context
        # A channel reaches those whose window holds it: the mirrored window.
        each = functional.window_sums(
            grad_output * x * energy ** (-self.beta - 1), self.size, (self.size - 1) // 2
        )
        return (
            grad_output * energy**-self.beta - x.dtype.type(2 * self.alpha * self.beta / self.size) * x * each
        )
