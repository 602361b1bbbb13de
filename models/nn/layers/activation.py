"""Activation functions: elementwise, and along one axis."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.special import expit, log_expit, log_softmax, softmax

from .. import functional
from ..arguments import axis, integer, real
from ..constructor import Fixed
from ..module import Function, Module
from ..parameter import blank
from ..values import Array


class _Transfer(Function):
    """A function whose slope follows from its output."""

    def _operations(self, x: Array, y: Array) -> int:
        return y.size

    @abstractmethod
    def _function(self, x: Array) -> Array:
        """Return the output."""

    def _forward(self, x: Array) -> tuple[Array, Any]:
        y = self._function(x)
        return y, y


class _Pointwise(Function):
    """An elementwise function, with its derivative."""

    def _operations(self, x: Array, y: Array) -> int:
        return y.size

    @abstractmethod
    def _function(self, x: Array) -> Array:
        """Return the output."""

    @abstractmethod
    def _slope(self, x: Array) -> Array:
        """Return the derivative at ``x``."""

    def _forward(self, x: Array) -> tuple[Array, Any]:
        return self._function(x), x

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        return grad_output * self._slope(context)


def _where(condition: NDArray[np.bool_], slope: float, other: float, like: Array) -> Array:
    return np.where(condition, like.dtype.type(slope), like.dtype.type(other))


class ReLU(_Transfer):
    """``max(x, 0)`` (Nair and Hinton 2010).

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.ReLU().forward(np.array([[-1.0, 2.0]]))
    array([[0., 2.]])
    """

    replayable = True

    def _function(self, x: Array) -> Array:
        return functional.rectifier(x) if x.dtype in (np.float32, np.float64) else np.maximum(x, 0)

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        return functional.rectifier_gradient(context, np.asarray(grad_output, context.dtype))


class Tanh(_Transfer):
    """Hyperbolic tangent.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.Tanh().forward(np.array([[0.0, 1.0]])).round(3)
    array([[0.   , 0.762]])
    """

    def _function(self, x: Array) -> Array:
        return np.tanh(x)

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        return grad_output * (1 - context * context)


class Sigmoid(_Transfer):
    """``1 / (1 + exp(-x))``.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.Sigmoid().forward(np.array([[0.0, 1.0]])).round(3)
    array([[0.5  , 0.731]])
    """

    def _function(self, x: Array) -> Array:
        return expit(x)

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        return grad_output * context * (1 - context)


class Softmax(_Transfer):
    """``exp(x) / Σ exp(x)`` along axis ``dim``.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.Softmax().forward(np.log([[1.0, 3.0]])).round(3)
    array([[0.25, 0.75]])
    """

    checks: ClassVar = {"dim": axis}

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def _function(self, x: Array) -> Array:
        return softmax(x, axis=self.dim) if x.size else x.copy()

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        return context * (grad_output - (grad_output * context).sum(axis=self.dim, keepdims=True))


class Softmin(Softmax):
    """``exp(-x) / Σ exp(-x)`` along axis ``dim``."""

    def _function(self, x: Array) -> Array:
        return super()._function(-x)

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        return -super()._input_gradient(context, grad_output)


class LogSoftmax(Softmax):
    """Logarithm of `Softmax` along axis ``dim``, without overflow.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> np.exp(nn.LogSoftmax().forward(np.log([[1.0, 3.0]]))).round(3)
    array([[0.25, 0.75]])
    """

    def _function(self, x: Array) -> Array:
        return log_softmax(x, axis=self.dim) if x.size else x.copy()

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        return grad_output - np.exp(context) * grad_output.sum(axis=self.dim, keepdims=True)


class Threshold(_Pointwise):
    """``x`` above ``threshold``, else ``value``."""

    checks: ClassVar = {"threshold": real, "value": real}

    def __init__(self, threshold: float, value: float) -> None:
        super().__init__()
        self.threshold, self.value = threshold, value

    def _function(self, x: Array) -> Array:
        return np.where(x > self.threshold, x, x.dtype.type(self.value))

    def _slope(self, x: Array) -> Array:
        return _where(x > self.threshold, 1, 0, x)


class Hardtanh(_Pointwise):
    """``x`` cut to the interval from ``min_val`` to ``max_val``."""

    checks: ClassVar = {"min_val": real, "max_val": real}

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        super().__init__()
        self.min_val, self.max_val = min_val, max_val
        if not min_val < max_val:
            raise ValueError(f"min_val must be below max_val, got {min_val} and {max_val}")

    def _function(self, x: Array) -> Array:
        return np.clip(x, self.min_val, self.max_val)

    def _slope(self, x: Array) -> Array:
        return _where((x > self.min_val) & (x < self.max_val), 1, 0, x)


class ReLU6(Hardtanh):
    """``min(max(x, 0), 6)`` (Krizhevsky 2010)."""

    min_val, max_val = Fixed(lambda _: 0.0), Fixed(lambda _: 6.0)

    def __init__(self) -> None:
        Function.__init__(self)


class LeakyReLU(_Pointwise):
    """``x`` above 0, else ``negative_slope * x`` (Maas et al. 2013).

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.LeakyReLU(0.1).forward(np.array([[-1.0, 2.0]]))
    array([[-0.1,  2. ]])
    """

    checks: ClassVar = {"negative_slope": real}

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def _function(self, x: Array) -> Array:
        return x * self._slope(x)

    def _slope(self, x: Array) -> Array:
        return _where(x > 0, 1, self.negative_slope, x)


class RReLU(Function):
    """`LeakyReLU` whose slope is drawn for each value in training, and its mean in evaluation.

    Xu et al. 2015.

    Parameters
    ----------
    lower, upper : float
        Interval of the slope.
    rng : numpy.random.Generator or int, optional
        Source of chance; `reset` draws a new one.

    Raises
    ------
    ValueError
        If ``lower`` is above ``upper``.
    """

    checks: ClassVar = {"lower": real, "upper": real}

    def __init__(
        self, lower: float = 1 / 8, upper: float = 1 / 3, *, rng: np.random.Generator | int | None = None
    ) -> None:
        super().__init__()
        self.lower, self.upper = lower, upper
        if lower > upper:
            raise ValueError(f"lower must be at most upper, got {lower} and {upper}")
        self.rng = np.random.default_rng(rng)

    def _reset(self, rng: np.random.Generator) -> None:
        self.rng = np.random.default_rng(rng.integers(2**63))

    def _operations(self, x: Array, y: Array) -> int:
        return y.size

    def _forward(self, x: Array) -> tuple[Array, Any]:
        drawn = self.rng.uniform(self.lower, self.upper, x.shape) if self.is_training else None
        leak = np.asarray((self.lower + self.upper) / 2 if drawn is None else drawn, x.dtype)
        slope = np.where(x > 0, x.dtype.type(1), leak)
        return x * slope, slope

    def _input_gradient(self, context: Any, grad_output: Array) -> Array:
        return grad_output * context


class PReLU(Module):
    """`LeakyReLU` whose slope is learnt (He et al. 2015).

    Parameters
    ----------
    num_parameters : int
        1, or the channels on the last axis, one slope for each.
    init : float
        The slope at first.
    dtype : dtype
        Of the parameter; the input is converted to it.

    Attributes
    ----------
    weight : Parameter, shape (num_parameters,)

    Raises
    ------
    ValueError
        If an input has another number of channels.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.PReLU().forward(np.array([[-1.0, 2.0]], np.float32))
    array([[-0.25,  2.  ]], dtype=float32)
    """

    num_parameters = Fixed(lambda layer: len(layer.weight.value))
    checks: ClassVar = {"init": real}

    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: DTypeLike = np.float32) -> None:
        super().__init__()
        self.init = init
        self.weight = blank((integer("num_parameters", num_parameters),), dtype)
        self.reset()

    def _reset(self, rng: np.random.Generator) -> None:
        self.weight.fill(self.init)

    def _operations(self, x: Array, y: Array) -> int:
        return y.size

    def _forward(self, x: Array) -> tuple[Array, Any]:
        weight = self.weight.value
        x = np.asarray(x, weight.dtype)
        if len(weight) not in (1, x.shape[-1]):
            raise ValueError(f"PReLU({len(weight)}) expects {len(weight)} channels last, got {x.shape}")
        return np.where(x > 0, x, weight * x), x

    def _backward(
        self, context: Any, grad_output: Array, scale: float, input_grad: bool, param_grad: bool
    ) -> Array | None:
        weight = self.weight.value
        if param_grad:
            each = np.asarray(grad_output * np.minimum(context, 0), weight.dtype)
            sums = each.sum(axis=tuple(range(each.ndim - 1)))
            self.weight.accumulate(sums if len(weight) > 1 else sums.sum(keepdims=True), scale)
        return grad_output * np.where(context > 0, weight.dtype.type(1), weight) if input_grad else None


class ELU(_Pointwise):
    """``x`` above 0, else ``alpha * (exp(x) - 1)`` (Clevert et al. 2016).

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.ELU().forward(np.array([[-1.0, 2.0]])).round(3)
    array([[-0.632,  2.   ]])
    """

    checks: ClassVar = {"alpha": real}

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def _function(self, x: Array) -> Array:
        return np.where(x > 0, x, x.dtype.type(self.alpha) * np.expm1(np.minimum(x, 0)))

    def _slope(self, x: Array) -> Array:
        return np.where(x > 0, x.dtype.type(1), x.dtype.type(self.alpha) * np.exp(np.minimum(x, 0)))


class SELU(ELU):
    """`ELU` scaled so that mean 0 and variance 1 persist (Klambauer et al. 2017, alpha 1.6733, scale 1.0507)."""

    _SCALE = 1.0507009873554804934193349852946
    alpha = Fixed(lambda _: 1.6732632423543772848170429916717)

    def __init__(self) -> None:
        Function.__init__(self)

    def _function(self, x: Array) -> Array:
        return x.dtype.type(self._SCALE) * super()._function(x)

    def _slope(self, x: Array) -> Array:
        return x.dtype.type(self._SCALE) * super()._slope(x)


def _nonzero(name: str, value: Any) -> float:
    if not real(name, value):
        raise ValueError(f"{name} must not be 0")
    return value


class Softplus(_Pointwise):
    """``log(1 + exp(beta * x)) / beta``, with a ``beta`` that is not 0."""

    checks: ClassVar = {"beta": _nonzero}

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        self.beta = beta

    def _function(self, x: Array) -> Array:
        beta = x.dtype.type(self.beta)
        return np.logaddexp(beta * x, x.dtype.type(0)) / beta

    def _slope(self, x: Array) -> Array:
        return expit(x.dtype.type(self.beta) * x)


class LogSigmoid(_Pointwise):
    """``log(1 / (1 + exp(-x)))``."""

    def _function(self, x: Array) -> Array:
        return log_expit(x)

    def _slope(self, x: Array) -> Array:
        return expit(-x)


class Softsign(_Pointwise):
    """``x / (1 + |x|)``."""

    def _function(self, x: Array) -> Array:
        return x / (1 + np.abs(x))

    def _slope(self, x: Array) -> Array:
        return (1 + np.abs(x)) ** -2


class Tanhshrink(_Pointwise):
    """``x - tanh(x)``."""

    def _function(self, x: Array) -> Array:
        return x - np.tanh(x)

    def _slope(self, x: Array) -> Array:
        return np.tanh(x) ** 2


class Softshrink(_Pointwise):
    """``x`` moved ``lambd`` towards 0, and 0 where it is nearer than that."""

    checks: ClassVar = {"lambd": partial(real, minimum=0)}

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def _function(self, x: Array) -> Array:
        return x - np.clip(x, -self.lambd, self.lambd)

    def _slope(self, x: Array) -> Array:
        return _where(np.abs(x) > self.lambd, 1, 0, x)


class Hardshrink(_Pointwise):
    """``x``, and 0 where it is not further than ``lambd`` from 0."""

    checks: ClassVar = {"lambd": partial(real, minimum=0)}

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def _function(self, x: Array) -> Array:
        return x * self._slope(x)

    def _slope(self, x: Array) -> Array:
        return _where(np.abs(x) > self.lambd, 1, 0, x)
