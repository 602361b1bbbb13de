"""A convolution and what follows it as one: normalisation, pooling and rectifier in one pass over memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import functional
from .layers.activation import ReLU
from .layers.convolution import Conv1d, Conv2d, Conv3d, lift, lower
from .layers.normalisation import BatchNorm1d, BatchNorm2d, BatchNorm3d
from .layers.pooling import MaxPool1d, MaxPool2d, MaxPool3d
from .module import Module, has_own_methods
from .parameter import value_of
from .values import Array

_CONVOLUTIONS: dict[type | None, int] = {Conv1d: 1, Conv2d: 2, Conv3d: 3}
_NORMS: dict[type | None, int] = {BatchNorm1d: 1, BatchNorm2d: 2, BatchNorm3d: 3}
_POOLS: dict[type | None, int] = {MaxPool1d: 1, MaxPool2d: 2, MaxPool3d: 3}


def find_block(modules: Sequence[Module], index: int) -> Block | None:
    """Return the modules from an index on that can run as one, if these are several."""
    axes = _CONVOLUTIONS.get(_kind(modules[index]))
    if axes is None:
        return None
    block = Block(modules[index])
    for module in modules[index + 1 : index + 4]:
        kind = _kind(module)
        if kind is ReLU and not block.rectify:
            block.rectify = True
        elif _POOLS.get(kind) == axes and block.pool is None:
            block.pool, block.pool_index = module, len(block)
        elif _NORMS.get(kind) == axes and len(block) == 1:
            block.norm = module
            if not block.fits():
                return None
        else:
            break
        block.length += 1
    return block if len(block) > 1 else None


def _kind(module: Module) -> type | None:
    """Return the class of a module that does what its class does."""
    return None if has_own_methods(module) else type(module)


class Block:
    """A convolution followed by a normalisation, then a maximum pooling and a rectifier, each at most once.

    The last two may come in any order, as the largest of rectified values is the rectified largest value.

    Parameters
    ----------
    conv : Module
        The convolution.

    Attributes
    ----------
    at : int
        Index in the block of the module that runs, for errors.
    """

    def __init__(self, conv: Any) -> None:
        self.conv, self.norm, self.pool, self.rectify = conv, None, None, False
        self.length, self.pool_index, self.at = 1, 0, 0

    norm: Any
    pool: Any

    def __len__(self) -> int:
        return self.length

    def fits(self) -> bool:
        """Return whether the normalisation has the channels and the type of the convolution."""
        if self.norm is None:
            return True
        mean, weight = self.norm.running_mean, self.conv.weight.value
        return len(mean) == weight.shape[-1] and mean.dtype == weight.dtype

    def forward(self, x: Array, keep: bool) -> tuple[Array, Any]:
        """Return the output and, if asked to keep it, what `backward` needs."""
        self.at = 0
        volumes = self.conv.lifted(x)
        if not keep and not (self.norm is not None and self.norm.is_training):
            return lower(self._predict(volumes), self.conv.axes), None
        if self.norm is None and self.pool is None:
            output = self.conv.convolved(volumes, rectify=self.rectify)
            return lower(output, self.conv.axes), (volumes, None, None, output)
        convolved, normal = self.conv.convolved(volumes), None
        if self.norm is not None:
            self.at = 1
            normal = self.norm.normal(convolved)
        if self.pool is None:
            affine = normal.scale, normal.shift  # type: ignore[union-attr]
            output = functional.channel_affine(convolved, *affine, rectify=self.rectify)
            return lower(output, self.conv.axes), (volumes, convolved, normal, output)
        self.at = self.pool_index
        pooled = self.pool.pooled(convolved, normal and (normal.scale, normal.shift), self.rectify)
        context = (volumes, normal and convolved, normal, pooled)
        return lower(pooled.output, self.conv.axes), context

    def _predict(self, volumes: Array) -> Array:
        normal = self.norm and self.norm.normal(volumes, value_of(self.conv.bias))
        affine = (normal.scale, normal.shift) if normal else (None, None)
        if self.pool is None or self.pool.tiles(self.conv.output_size(volumes)):
            window = (1, 1, 1) if self.pool is None else self.pool.how["kernel_size"]
            return self.conv.convolved(volumes, self.rectify, *affine, window)
        output = self.conv.convolved(volumes, False, *affine)
        self.at = self.pool_index
        return self.pool.pooled(output, rectify=self.rectify).output

    def backward(
        self, context: Any, grad_output: Array, scale: float, input_grad: bool, param_grad: bool
    ) -> Array | None:
        """Return the gradient of the input, and add those of the parameters."""
        axes = self.conv.axes
        grad_output = lift(np.asarray(grad_output, context[0].dtype), axes)
        gradient_of = self._gradient_of_output if self.pool is None else self._gradient_of_pooled
        gradient = lower(gradient_of(context, grad_output, scale, param_grad), axes)
        return self.conv._backward(context[0], gradient, scale, input_grad, param_grad)

    def _gradient_of_output(self, context: Any, grad_output: Array, scale: float, param_grad: bool) -> Array:
        """Return the gradient of what was convolved from that of the output."""
        _, convolved, normal, output = context
        if normal is None:
            return functional.rectifier_gradient(output, grad_output)
        mask = output if self.rectify else None
        sums = functional.channel_sums(grad_output, convolved, mask, normal.mean)
        factor, slope, shift = self.norm.gradient_coefficients(normal, sums, scale, param_grad)
        return functional.channel_affine(grad_output, factor, shift, convolved, slope, mask)

    def _gradient_of_pooled(self, context: Any, grad_output: Array, scale: float, param_grad: bool) -> Array:
        """Return the same where the output is pooled."""
        _, convolved, normal, pooled = context
        if normal is None:
            return functional.max_pool3d_gradient(grad_output, pooled, self.rectify)
        mask = pooled.output if self.rectify else None
        sums = functional.channel_sums(grad_output, pooled.raw, mask, normal.mean)
        factor, slope, shift = self.norm.gradient_coefficients(normal, sums, scale, param_grad)
        affine = (convolved, factor, slope, shift)
        return functional.max_pool3d_gradient(grad_output, pooled, self.rectify, affine)
