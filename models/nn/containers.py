"""Modules made of modules."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from .module import Module, Value


class Container(Module):
    """Modules in a list.

    Parameters
    ----------
    *modules : Module
        The modules inside; the same one may stand there twice.
    """

    def __init__(self, *modules: Module) -> None:
        super().__init__()
        self.modules = list(modules)

    def add(self, module: Module) -> Self:
        """Append a module."""
        self.modules.append(module)
        return self

    def __len__(self) -> int:
        return len(self.modules)

    def __getitem__(self, index: int) -> Module:
        return self.modules[index]

    def children(self) -> list[tuple[str, Module]]:
        """Return the modules inside, named by their places."""
        return [(str(place), module) for place, module in enumerate(self.modules)]

    def _step(self, place: int, x: Value) -> tuple[Value, Any]:
        try:
            y, context = self.modules[place]._run(x)
        except Exception as error:
            self._locate(error, place)
            raise
        return y, context if self.is_training else None

    def _step_back(
        self, place: int, context: Any, grad_output: Value, scale: float, input_grad: bool, param_grad: bool
    ) -> Value | None:
        try:
            return self.modules[place]._backward(context, grad_output, scale, input_grad, param_grad)
        except Exception as error:
            self._locate(error, place)
            raise

    def _locate(self, error: Exception, place: int) -> None:
        error.add_note(f"in module {place} ({type(self.modules[place]).__name__}) of {type(self).__name__}")


class Sequential(Container):
    """Modules one behind the other.

    Examples
    --------
    >>> from actionbench.models import nn
    >>> nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    Sequential()  23 parameters
      0: Linear(4, 3)  weight (3, 4), bias (3,)  15 parameters
      1: Tanh()
      2: Linear(3, 2)  weight (2, 3), bias (2,)  8 parameters
    """

    def _forward(self, x: Value) -> tuple[Value, Any]:
        contexts = []
        for place in range(len(self.modules)):
            x, context = self._step(place, x)
            contexts.append(context)
        return x, contexts

    def _first_needed(self, input_grad: bool, param_grad: bool) -> int:
        """Return the first module that a gradient must reach."""
        if input_grad:
            return 0
        learnt = [place for place, module in enumerate(self.modules) if module.parameters()]
        return learnt[0] if learnt and param_grad else len(self.modules)

    def _backward(
        self, context: Any, grad_output: Value, scale: float, input_grad: bool, param_grad: bool
    ) -> Value | None:
        first = self._first_needed(input_grad, param_grad)
        for place in range(len(self.modules) - 1, first - 1, -1):
            wanted = input_grad or place > first
            grad_output = self._step_back(place, context[place], grad_output, scale, wanted, param_grad)
        return grad_output if input_grad else None


class ConcatTable(Container):
    """The same input to each module; the outputs in a list."""

    def _forward(self, x: Value) -> tuple[list[Value], Any]:
        results = [self._step(place, x) for place in range(len(self.modules))]
        return [y for y, _ in results], [context for _, context in results]

    def _backward(
        self, context: Any, grad_output: Value, scale: float, input_grad: bool, param_grad: bool
    ) -> Value | None:
        grads = [
            self._step_back(place, own, grad, scale, input_grad, param_grad)
            for place, (own, grad) in enumerate(zip(context, grad_output, strict=True))
        ]
        return _add(grads) if input_grad else None


class Concat(ConcatTable):
    """The same input to each module; the outputs joined along one axis.

    Parameters
    ----------
    dim : int
        The axis.
    *modules : Module
        The branches.
    """

    def __init__(self, dim: int, *modules: Module) -> None:
        super().__init__(*modules)
        self.dim = dim

    def _arguments(self) -> str:
        return str(self.dim)

    def _forward(self, x: Value) -> tuple[Value, Any]:
        outputs, contexts = super()._forward(x)
        return np.concatenate(outputs, axis=self.dim), (contexts, [y.shape[self.dim] for y in outputs])

    def _backward(
        self, context: Any, grad_output: Value, scale: float, input_grad: bool, param_grad: bool
    ) -> Value | None:
        contexts, sizes = context
        parts = np.split(grad_output, np.cumsum(sizes)[:-1], axis=self.dim)
        return super()._backward(contexts, parts, scale, input_grad, param_grad)


class ParallelTable(Container):
    """To each module its entry of the input list; the outputs in a list."""

    def _forward(self, x: Value) -> tuple[list[Value], Any]:
        if len(x) != len(self.modules):
            raise ValueError(f"ParallelTable of {len(self.modules)} modules got a list of {len(x)}")
        results = [self._step(place, entry) for place, entry in enumerate(x)]
        return [y for y, _ in results], [context for _, context in results]

    def _backward(
        self, context: Any, grad_output: Value, scale: float, input_grad: bool, param_grad: bool
    ) -> Value | None:
        grads = [
            self._step_back(place, own, grad, scale, input_grad, param_grad)
            for place, (own, grad) in enumerate(zip(context, grad_output, strict=True))
        ]
        return grads if input_grad else None


class JoinTable(Module):
    """Join the arrays of a list along axis ``dim``."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def _arguments(self) -> str:
        return str(self.dim)

    def _forward(self, x: Value) -> tuple[Value, Any]:
        return np.concatenate(x, axis=self.dim), [entry.shape[self.dim] for entry in x]

    def _backward(
        self, context: Any, grad_output: Value, scale: float, input_grad: bool, param_grad: bool
    ) -> Value | None:
        return np.split(grad_output, np.cumsum(context)[:-1], axis=self.dim) if input_grad else None


class CAddTable(Module):
    """Add the arrays of a list."""

    def _forward(self, x: Value) -> tuple[Value, Any]:
        return _add(x), len(x)

    def _backward(
        self, context: Any, grad_output: Value, scale: float, input_grad: bool, param_grad: bool
    ) -> Value | None:
        return [grad_output] * context if input_grad else None


def _add(values: list[Value]) -> Value:
    """Add arrays, or lists of arrays entry by entry."""
    if isinstance(values[0], list | tuple):
        return [_add(list(entries)) for entries in zip(*values, strict=True)]
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total
