"""Arrays that are learnt, and how they begin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..memory import check_memory
from .checked import Checked
from .values import Array

#: Random values drawn at a time: they are in double precision, and a parameter may be large.
_DRAWN = 2**16


class Parameter(Checked):
    """An array that is learnt, with its gradient beside it.

    Two modules that hold the same object share it.

    Attributes
    ----------
    value, grad : ndarray
        Of one shape and type; views of the flat vectors after `Module.get_parameters`. A gradient that nobody asked
        for takes no memory.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> weight = nn.Parameter(np.ones((2, 3)))
    >>> weight.accumulate(np.ones((2, 3)), 0.5)
    >>> weight.grad
    array([[0.5, 0.5, 0.5],
           [0.5, 0.5, 0.5]])
    """

    def __init__(self, value: Array) -> None:
        self.value = np.require(value, requirements="A")
        self._grad: Array | None = None

    @property
    def grad(self) -> Array:
        """The gradient; zero at first."""
        if self._grad is None:
            self._grad = np.zeros(self.value.shape, self.value.dtype)
        return self._grad

    @grad.setter
    def grad(self, grad: Array) -> None:
        if grad is not None:
            check_replacement("grad of a Parameter", grad, self.value)
        self._grad = grad

    @property
    def requires_grad(self) -> bool:
        """Whether a backward adds to the gradient: always, unless it is told ``param_grad=False``."""
        return True

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        raise AttributeError(
            "a parameter cannot be frozen by requires_grad: give Training(trained=...) the part that learns, or "
            "backward(..., param_grad=False)"
        )

    def _check_replaced(self, name: str, before: Any, value: Any) -> None:
        if name == "value":
            check_replacement("value of a Parameter", value, before)

    def fill(self, value: Array | float) -> None:
        """Overwrite the value in place."""
        self.value[...] = value

    def draw(self, sample: Callable[[int], Array]) -> None:
        """Overwrite the value in place with what ``sample(n)`` draws, the next n values of a stream, few at a time."""
        flat = self.value.reshape(-1) if self.value.flags.c_contiguous else self.value.flat
        for start in range(0, self.value.size, _DRAWN):
            stop = min(start + _DRAWN, self.value.size)
            flat[start:stop] = sample(stop - start)

    def astype(self, dtype: DTypeLike) -> None:
        """Convert value and gradient."""
        self.value = self.value.astype(dtype)
        self._grad = None if self._grad is None else self._grad.astype(dtype)

    def accumulate(self, gradient: Array, scale: float = 1.0) -> None:
        """Add ``scale * gradient`` to the gradient."""
        grad = self.grad
        grad += gradient if scale == 1.0 else gradient * grad.dtype.type(scale)


def blank(shape: tuple[int, ...], dtype: DTypeLike) -> Parameter:
    """Return a parameter of zeros.

    Raises
    ------
    TypeError
        If the type is not a floating-point one.
    ValueError
        If it would take more memory than the machine has.
    """
    if not np.issubdtype(dtype, np.floating):
        raise TypeError(f"dtype must be a floating-point type, such as float32, got {np.dtype(dtype)}")
    check_memory(shape, dtype)
    return Parameter(np.zeros(shape, dtype))


def value_of(parameter: Parameter | None) -> Array | None:
    """Return the array of a parameter, if there is one."""
    return None if parameter is None else parameter.value


def uniform(rng: np.random.Generator, parameter: Parameter | None, fan_in: int) -> None:
    """Draw from the interval ±1/√fan_in, as Torch and PyTorch do."""
    if parameter is not None:
        bound = 1 / np.sqrt(max(fan_in, 1))
        parameter.draw(lambda n: rng.uniform(-bound, bound, n))


def check_replacement(what: str, array: Any, like: Array) -> None:
    """Refuse what is not an aligned array of the same shape."""
    if not isinstance(array, np.ndarray) or array.shape != like.shape:
        got = array.shape if isinstance(array, np.ndarray) else type(array).__name__
        raise ValueError(f"the {what} must be an array of shape {like.shape}, got {got}")
    if not array.flags.aligned:
        raise ValueError(f"the {what} must be aligned in memory, as a copy of it is")
