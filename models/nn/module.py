"""What a module is."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[np.floating]

#: What flows between modules: an array, or a list of such (Torch's table).
Value = Any


class Parameter:
    """An array that is learnt, with its gradient beside it.

    Two modules that hold the same object share it.

    Attributes
    ----------
    value, grad : ndarray
        Of one shape and type; views of the flat vectors after `Module.get_parameters`.
    """

    def __init__(self, value: Array) -> None:
        self.value = value
        self.grad = np.zeros_like(value)

    def fill(self, value: Array | float) -> None:
        """Overwrite the value in place."""
        self.value[...] = value

    def accumulate(self, gradient: Array, scale: float = 1.0) -> None:
        """Add ``scale * gradient`` to the gradient."""
        self.grad += gradient if scale == 1.0 else gradient * self.grad.dtype.type(scale)


class _Call(NamedTuple):
    input: Value
    context: Any
    used: list[bool]


class Module(ABC):
    """A function with parameters and a gradient, after Torch's ``nn.Module``.

    A layer writes two methods: ``_forward(input)`` returns the output and a *context*, which is all that
    ``_backward(context, grad_output, scale, input_grad, param_grad)`` needs. As the context travels with
    the call, one module may stand at several places of a graph. Parameters, buffers and children are attributes.

    Attributes
    ----------
    is_training : bool
        Set by `training` and `evaluate`.
    buffer_names : tuple of str
        The attributes that belong to the state without being learnt, such as running means.
    """

    buffer_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.is_training = True
        self._calls: list[_Call] = []
        self._watch: Callable[[Module, Value, Value], None] | None = None

    @abstractmethod
    def _forward(self, x: Value) -> tuple[Value, Any]:
        """Return the output and what `_backward` needs."""

    @abstractmethod
    def _backward(
        self, context: Any, grad_output: Value, scale: float, input_grad: bool, param_grad: bool
    ) -> Value | None:
        """Return the gradient of the input, and add those of the parameters."""

    def _run(self, x: Value) -> tuple[Value, Any]:
        y, context = self._forward(x)
        if self._watch is not None:
            self._watch(self, x, y)
        return y, context

    def forward(self, input: Value) -> Value:
        """Return the output.

        In training mode the call is remembered, so that `backward` finds what it needs, until a forward that
        follows a backward, or `clear_state`.
        """
        y, context = self._run(input)
        if self.is_training:
            self._calls = [call for call in self._calls if not call.used[0] and call.input is not input]
            self._calls.append(_Call(input, context, [False]))
        return y

    def backward(
        self,
        input: Value,
        grad_output: Value,
        scale: float = 1.0,
        input_grad: bool = True,
        param_grad: bool = True,
    ) -> Value | None:
        """Return the gradient of the input, and add those of the parameters to their ``grad``.

        Parameters
        ----------
        input : ndarray or list of ndarray
            The very object that `forward` was given.
        grad_output : ndarray or list of ndarray
            Gradient of the loss with respect to the output.
        scale : float
            Factor of what is added to the gradients of the parameters.
        input_grad, param_grad : bool
            Which gradients are wanted.

        Returns
        -------
        ndarray, list of ndarray, or None
            None without ``input_grad``.

        Raises
        ------
        RuntimeError
            If no forward of this input in training mode is remembered.
        """
        for call in self._calls:
            if call.input is input:
                call.used[0] = True
                return self._backward(call.context, grad_output, scale, input_grad, param_grad)
        raise RuntimeError(
            f"{type(self).__name__}.backward needs a forward of the same input object in training mode"
        )

    def children(self) -> list[tuple[str, Module]]:
        """Return the modules inside, by name."""
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Module)]

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield this module and all inside with their paths, parents first."""
        yield prefix, self
        for name, child in self.children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call ``function`` with this module and each inside, parents first."""
        for _, module in self.named_modules():
            function(module)
        return self

    def find_modules(self, kind: type[Module]) -> list[Module]:
        """Return all modules of a class or of one derived from it."""
        return [module for _, module in self.named_modules() if isinstance(module, kind)]

    def parameters(self) -> dict[str, Parameter]:
        """Return the parameters by path; one that is shared stands under its first path."""
        found: dict[int, tuple[str, Parameter]] = {}
        for path, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter):
                    found.setdefault(id(value), (f"{path}.{name}" if path else name, value))
        return dict(found.values())

    def buffers(self) -> dict[str, Array]:
        """Return the arrays of the state that are not learnt, by path."""
        return {
            f"{path}.{name}" if path else name: getattr(module, name)
            for path, module in self.named_modules()
            for name in module.buffer_names
        }

    def state_dict(self) -> dict[str, Array]:
        """Return copies of all parameters and buffers, by path."""
        state = {name: parameter.value.copy() for name, parameter in self.parameters().items()}
        return state | {name: buffer.copy() for name, buffer in self.buffers().items()}

    def load_state_dict(self, state: Mapping[str, Array]) -> Self:
        """Write a state into the parameters and buffers in place, so that flat vectors stay valid.

        Raises
        ------
        ValueError
            If a name is missing, unknown, or its array has another shape.
        """
        own = {name: parameter.value for name, parameter in self.parameters().items()} | self.buffers()
        if set(own) != set(state):
            raise ValueError(
                f"the state does not fit: {', '.join(sorted(set(own) ^ set(state)))} on one side only"
            )
        for name, value in own.items():
            if value.shape != np.shape(state[name]):
                raise ValueError(f"{name} must have the shape {value.shape}, got {np.shape(state[name])}")
        for name, value in own.items():
            value[...] = state[name]
        return self

    def get_parameters(self) -> tuple[Array, Array]:
        """Return one flat vector of all parameters and one of their gradients.

        Every parameter is a view of them from then on. Calling again, also on a part of the net, returns the
        same memory.
        """
        parameters = list(self.parameters().values())
        values = _flatten([parameter.value for parameter in parameters])
        grads = _flatten([parameter.grad for parameter in parameters])
        start = 0
        for parameter in parameters:
            shape, stop = parameter.value.shape, start + parameter.value.size
            parameter.value, parameter.grad = (
                values[start:stop].reshape(shape),
                grads[start:stop].reshape(shape),
            )
            start = stop
        return values, grads

    def zero_grad_parameters(self) -> None:
        """Set all gradients to zero."""
        for parameter in self.parameters().values():
            parameter.grad.fill(0)

    def update_parameters(self, lr: float) -> None:
        """Go one step of ``lr`` down the gradient."""
        for parameter in self.parameters().values():
            parameter.value -= parameter.grad.dtype.type(lr) * parameter.grad

    def training(self) -> Self:
        """Switch this module and all inside to training."""
        return self.apply(lambda module: setattr(module, "is_training", True))

    def evaluate(self) -> Self:
        """Switch this module and all inside to prediction; forgets remembered calls."""
        self.clear_state()
        return self.apply(lambda module: setattr(module, "is_training", False))

    def clear_state(self) -> Self:
        """Forget remembered calls."""
        return self.apply(lambda module: module._calls.clear())

    def _reset(self, rng: np.random.Generator) -> None:  # noqa: B027 (most have none)
        """Draw this module's own initial values."""

    def reset(self, rng: np.random.Generator | int | None = None) -> Self:
        """Draw all initial values anew, in place."""
        generator = np.random.default_rng(rng)
        return self.apply(lambda module: module._reset(generator))

    def astype(self, dtype: DTypeLike) -> Self:
        """Convert parameters and buffers; flat vectors taken before are stale after it."""
        for parameter in self.parameters().values():
            parameter.value, parameter.grad = parameter.value.astype(dtype), parameter.grad.astype(dtype)
        for _, module in self.named_modules():
            for name in module.buffer_names:
                setattr(module, name, getattr(module, name).astype(dtype))
        return self

    def clone(self) -> Self:
        """Return a deep copy without remembered calls; what is shared inside stays shared."""
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_calls": [], "_watch": None}

    def count_parameters(self) -> int:
        """Return how many numbers are learnt."""
        return sum(parameter.value.size for parameter in self.parameters().values())

    def _operations(self, x: Value, y: Value) -> int:
        """Return the floating-point operations of one forward, those inside excepted."""
        return 0

    def count_operations(self, input: Value) -> int:
        """Return the floating-point operations of a forward of ``input``.

        A multiplication and an addition are two. Counted are the products of linear and convolutional layers, and
        one operation per number elsewhere.
        """
        total = 0

        def add(module: Module, x: Value, y: Value) -> None:
            nonlocal total
            total += module._operations(x, y)

        try:
            self.apply(lambda module: setattr(module, "_watch", add))
            self._run(input)
        finally:
            self.apply(lambda module: setattr(module, "_watch", None))
        return total

    def _arguments(self) -> str:
        """Return what the printed tree shows in brackets."""
        return ""

    def tree(self, name: str = "", indent: str = "") -> str:
        """Return the modules, one per line, with the shapes and the number of their parameters."""
        own = [(key, value) for key, value in vars(self).items() if isinstance(value, Parameter)]
        shapes = ", ".join(f"{key} {tuple(value.value.shape)}" for key, value in own)
        count = self.count_parameters()
        line = f"{indent}{name and name + ': '}{type(self).__name__}({self._arguments()})"
        details = [part for part in (shapes, f"{count:,} parameters" if count else "") if part]
        lines = ["  ".join([line, *details])]
        return "\n".join(lines + [child.tree(key, indent + "  ") for key, child in self.children()])

    def __repr__(self) -> str:
        return self.tree()


def _flatten(arrays: list[Array]) -> Array:
    """Return the memory that holds ``arrays`` one behind the other, or a new vector of copies."""
    if not arrays:
        return np.zeros(0, np.float32)
    sizes = [array.size for array in arrays]
    base = arrays[0].base
    if isinstance(base, np.ndarray) and base.ndim == 1 and all(array.base is base for array in arrays):
        places = [(_address(array) - _address(base)) // base.itemsize for array in arrays]
        if all(b - a == size for a, b, size in zip(places, places[1:], sizes, strict=False)):
            return base[places[0] : places[0] + sum(sizes)]
    return np.concatenate([array.ravel() for array in arrays])


def _address(array: Array) -> int:
    return array.__array_interface__["data"][0]


def uniform(rng: np.random.Generator, parameter: Parameter | None, fan_in: int) -> None:
    """Draw from the interval ±1/√fan_in, as Torch and PyTorch do."""
    if parameter is not None:
        bound = 1 / np.sqrt(max(fan_in, 1))
        parameter.fill(rng.uniform(-bound, bound, parameter.value.shape))
