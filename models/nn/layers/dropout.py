"""Dropout of values and of whole channels."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..arguments import real
from ..module import Function
from ..values import Array


def _probability(name: str, value: Any) -> float:
    if not 0 <= real(name, value) < 1:
        raise ValueError(f"the probability of dropout must be in [0, 1), got {value}")
    return value


class Dropout(Function):
    """Set each value to zero with probability ``p`` in training and scale the others by ``1 / (1 - p)``.

    Srivastava et al. 2014.

    Parameters
    ----------
    p : float
        Probability, 0 <= p < 1.
    rng : numpy.random.Generator or int, optional
        Source of chance; `reset` draws a new one from the generator it is given.

    Raises
    ------
    ValueError
        If ``p`` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.Dropout(0.5).evaluate().forward(np.array([[1.0, 2.0]]))
    array([[1., 2.]])
    >>> sorted(set(nn.Dropout(0.5).forward(np.ones((1, 100))).ravel().tolist()))
    [0.0, 2.0]
    """

    replayable = True
    checks: ClassVar = {"p": _probability}

    def __init__(self, p: float = 0.5, *, rng: np.random.Generator | int | None = None) -> None:
        super().__init__()
        self.p = p
        self.rng = np.random.default_rng(rng)

    def _reset(self, rng: np.random.Generator) -> None:
        self.rng = np.random.default_rng(rng.integers(2**63))

    def _mask_shape(self, x: Array) -> tuple[int, ...]:
        return x.shape

    def _forward(self, x: Array) -> tuple[Array, Any]:
        if not self.is_training:
            return x, None
        mask = (self.rng.random(self._mask_shape(x)) >= self.p).astype(x.dtype) / x.dtype.type(1 - self.p)
        return x * mask, mask

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        return grad_output if context is None else grad_output * context


class _ChannelDropout(Dropout):
    axes: int

    def _mask_shape(self, x: Array) -> tuple[int, ...]:
        if x.ndim != self.axes + 2:
            raise ValueError(f"{type(self).__name__} expects {self.axes + 2} axes, got {x.shape}")
        return (len(x), *(1,) * self.axes, x.shape[-1])


_ARGUMENTS = """

    Neighbouring values of a channel are correlated, so they are dropped together (Tompson et al. 2015).

    Parameters
    ----------
    p : float
        Probability, 0 <= p < 1.
    rng : numpy.random.Generator or int, optional
        Source of chance; `reset` draws a new one from the generator it is given.

    Raises
    ------
    ValueError
        If ``p`` is out of range, or an input has other axes.
    """


class Dropout1d(_ChannelDropout):
    """`Dropout` of whole channels of sequences (N, L, C)."""

    axes = 1


class Dropout2d(_ChannelDropout):
    """`Dropout` of whole channels of images (N, H, W, C).

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> kept = nn.Dropout2d(0.5).forward(np.ones((1, 8, 6, 3)))
    >>> bool((kept == kept[:, :1, :1]).all())
    True
    """

    axes = 2


class Dropout3d(_ChannelDropout):
    """`Dropout` of whole channels of volumes (N, T, H, W, C)."""

    axes = 3


for layer in (Dropout1d, Dropout2d, Dropout3d):
    layer.__doc__ = f"{layer.__doc__}{_ARGUMENTS}"
