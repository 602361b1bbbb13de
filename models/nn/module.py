"""The base of all modules: forward, backward and the two modes."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np

from . import summary, torch_names
from .constructor import Constructed
from .parameter import Parameter, check_replacement
from .state import State
from .values import Value, fitting, floating, form_of


class _Pass(threading.local):
    keeps = True


_passing = _Pass()


def keeps() -> bool:
    """Return whether the forward that this thread runs keeps what a backward needs."""
    return _passing.keeps


class Step(NamedTuple):
    """One module's part in a forward: what it was given and what it returned."""

    module: Module
    input: Value
    output: Value


class _Call(NamedTuple):
    input: Value
    context: Any
    form: Any
    used: list[bool]


class Module(State, Constructed):
    """A function with parameters and a gradient, after Torch's ``nn.Module``.

    A layer writes two methods: ``_forward(input)`` returns the output and a *context*, which is all that
    ``_backward(context, grad_output, scale, input_grad, param_grad)`` needs. As the context travels with
    the call, one module may be at several nodes of a graph. Parameters, buffers and children are attributes.
    Axes are counted with that of the batch, which is axis 0 and always there.

    Attributes
    ----------
    is_training : bool
        Set by `training` and `evaluate`.
    buffer_names : tuple of str
        The attributes that belong to the state without being learnt, such as running means.
    checks : dict
        By attribute, a function that is called with name and value, and returns the value to keep or raises an error.
    takes_integers : bool
        Whether ``_forward`` is given integers and half precision as they are; else `floating` converts them first, so
        that no product or sum can overflow.
    replayable : bool
        Whether the calls of a forward in evaluation depend on attributes and shapes alone, never on the values of the
        input, so that it can be traced and replayed (`replay`); not inherited, each class declares it itself.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> net = nn.Sequential(nn.Linear(3, 2), nn.Tanh()).reset(0)
    >>> x = np.ones((4, 3), np.float32)
    >>> y = net.forward(x)
    >>> net.backward(x, np.ones_like(y)).shape
    (4, 3)
    >>> sorted(net.parameters())
    ['0.bias', '0.weight']
    """

    takes_integers: ClassVar[bool] = False
    replayable: ClassVar[bool] = False

    def _check_replaced(self, name: str, before: Any, value: Any) -> None:
        if isinstance(before, Parameter) and value is not None:
            if not isinstance(value, Parameter):
                raise TypeError(
                    f"{name} of a {type(self).__name__} must be a Parameter, got {type(value).__name__}; "
                    f"set {name}.value to change its values"
                )
            check_replacement(f"{name} of a {type(self).__name__}", value.value, before.value)
        elif name in self.buffer_names and isinstance(before, np.ndarray):
            check_replacement(f"{name} of a {type(self).__name__}", value, before)

    def __init__(self) -> None:
        self.is_training = True
        self._calls: list[_Call] = []
        self._steps: list[Step] | None = None
        self._snapshots = []
        self._is_loaded = False

    @abstractmethod
    def _forward(self, x: Value) -> tuple[Value, Any]:
        """Return the output and what `_backward` needs."""

    @abstractmethod
    def _backward(
        self, context: Any, grad_output: Value, scale: float, input_grad: bool, param_grad: bool
    ) -> Value | None:
        """Return the gradient of the input, and add those of the parameters."""

    def _run(self, x: Value) -> tuple[Value, Any]:
        y, context = self._forward(x if self.takes_integers else floating(x))
        if self._steps is not None:
            self._steps.append(Step(self, x, y))
        return y, context

    def forward(self, input: Value) -> Value:
        """Return the output.

        Where this module or any inside is in training mode the call is remembered, so that `backward` finds what it
        needs, until a forward that follows a backward, or `clear_state`.
        """
        if not self._remembers():
            return self._predict(input)
        # Before the new call, which would else need its memory beside that of the old one.
        self._calls[:] = [call for call in self._calls if not call.used[0] and call.input is not input]
        y, context = self._pass(input, True)
        self._calls.append(_Call(input, context, form_of(y), [False]))
        return y

    def _remembers(self) -> bool:
        """Return whether anything here is in training mode, and so may do otherwise in a second forward."""
        return self.is_training or self._snapshot().is_training

    def _predict(self, x: Value) -> Value:
        """Return the output of a forward of which nothing is kept."""
        if self._calls:
            self._calls[:] = [call for call in self._calls if call.input is not x]
        return self._pass(x, False)[0]

    def _pass(self, x: Value, keeping: bool) -> tuple[Value, Any]:
        before, _passing.keeps = _passing.keeps, keeping
        try:
            return self._run(x)
        finally:
            _passing.keeps = before

    def backward(
        self,
        input: Value,
        grad_output: Value,
        scale: float = 1.0,
        input_grad: bool = True,
        param_grad: bool = True,
    ) -> Value | None:
        """Return the gradient of the input, and add those of the parameters to their ``grad``.

        Where all is in evaluation mode nothing is remembered: what is needed is computed anew, of ``input`` as it is
        now.

        Parameters
        ----------
        input : ndarray or list of ndarray
            The very object that `forward` was given; in evaluation mode any.
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
            If anything is in training mode, and no forward of this input is remembered.
        TypeError
            If the gradient is not made of real numbers.
        ValueError
            If it has another shape than the output.
        """
        for call in self._calls:
            if call.input is input:
                grad_output = fitting(self, call.form, grad_output)
                call.used[0] = True
                return self._backward(call.context, grad_output, scale, input_grad, param_grad)
        if self._remembers():
            raise RuntimeError(
                f"{type(self).__name__}.backward needs a forward of the same input object in training mode"
            )
        y, context = self._pass(input, True)
        grad_output = fitting(self, form_of(y), grad_output)
        return self._backward(context, grad_output, scale, input_grad, param_grad)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(
                torch_names.answer(type(self).__name__, name, torch_names.OF_MODULES), name=name, obj=self
            )

    def training(self) -> Self:
        """Switch this module and all inside to training."""
        return self.apply(lambda module: setattr(module, "is_training", True))

    def evaluate(self) -> Self:
        """Switch this module and all inside to prediction; forgets remembered calls."""
        self.clear_state()
        return self.apply(lambda module: setattr(module, "is_training", False))

    @contextmanager
    def evaluating(self) -> Iterator[Self]:
        """Predict inside a ``with`` block; each module returns to its mode behind it."""
        modes = [(module, module.is_training) for _, module in self.named_modules()]
        for module, _ in modes:
            module.is_training = False
        try:
            yield self
        finally:
            for module, mode in modes:
                module.is_training = mode

    def clear_state(self) -> Self:
        """Forget remembered calls."""
        return self.apply(lambda module: module._calls.clear())

    def _reset(self, rng: np.random.Generator) -> None:
        """Draw this module's own initial values."""

    def _draw(self, rng: np.random.Generator) -> None:
        self._reset(rng)
        self._is_loaded = False

    def reset(self, rng: np.random.Generator | int | None = None) -> Self:
        """Draw all initial values anew, in place."""
        generator = np.random.default_rng(rng)
        return self.apply(lambda module: module._draw(generator))

    def trace(self, input: Value) -> list[Step]:
        """Return what each module did in a forward of ``input`` in evaluation mode, in the order they ended."""
        steps: list[Step] = []
        try:
            self.apply(lambda module: setattr(module, "_steps", steps))
            with self.evaluating():
                self._pass(input, False)
        finally:
            self.apply(lambda module: setattr(module, "_steps", None))
        return steps

    def _operations(self, x: Value, y: Value) -> int:
        """Return the floating-point operations of one forward, those inside excepted."""
        return 0

    def count_operations(self, input: Value) -> int:
        """Return the floating-point operations of a forward of ``input``.

        A multiplication and an addition are two. Counted are the products of linear and convolutional layers, and
        one operation per element elsewhere.
        """
        return sum(step.module._operations(step.input, step.output) for step in self.trace(input))

    def tree(self, input: Value | None = None) -> str:
        """Return the modules, one per line, with the shapes and the number of their parameters.

        Given an input, each line also has the shape of the module's output.
        """
        return summary.tree(self, input)

    def __repr__(self) -> str:
        return self.tree()


class Function(Module):
    """A module without parameters: it writes ``_forward`` and ``_input_gradient(context, grad_output)``.

    Examples
    --------
    >>> import numpy as np
    >>> class Square(Function):
    ...     def _forward(self, x):
    ...         return x * x, x
    ...
    ...     def _input_gradient(self, x, grad_output):
    ...         return 2 * x * grad_output
    >>> x = np.array([[1.0, 3.0]])
    >>> square = Square()
    >>> square.forward(x), square.backward(x, np.ones_like(x))
    (array([[1., 9.]]), array([[2., 6.]]))
    """

    @abstractmethod
    def _input_gradient(self, context: Any, grad_output: Value) -> Value:
        """Return the gradient of the input."""

    def _backward(
        self, context: Any, grad_output: Value, scale: float, input_grad: bool, param_grad: bool
    ) -> Value | None:
        return self._input_gradient(context, grad_output) if input_grad else None


def has_own_methods(module: Module) -> bool:
    """Return whether a method was set on a module itself, which its class then says nothing of."""
    return any(callable(getattr(type(module), name, None)) for name in vars(module))
