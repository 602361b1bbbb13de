"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from .arguments import axis, integer
from .constructor import Fixed
from .fusion import Block, find_block
from .module import Module, has_own_methods, keeps
from .parameter import Parameter
from .replay import Replay
from .values import Array, Value, add_values, fitting, floating, form_of


def _all_modules(name: str, modules: Any) -> tuple[Module, ...]:
    wrong = [entry for entry in modules if not isinstance(entry, Module)]
    if wrong:
        raise TypeError(f"{name} must be modules, got {type(wrong[0]).__name__}")
    return tuple(modules)


class Container(Module):
    """Modules in a row.

    Parameters
    ----------
    *modules : Module
        The modules inside; the same one may be there twice.

    Attributes
    ----------
    modules : tuple of Module
    """

    takes_integers = True
    checks: ClassVar[dict[str, Any]] = {"modules": _all_modules}

    def __init__(self, *modules: Module) -> None:
        super().__init__()
        self.modules = modules

    def add(self, module: Module) -> Self:
        """Append a module."""
        self.modules = (*self.modules, module)
        return self

    def __len__(self) -> int:
        return len(self.modules)

    def __getitem__(self, index: int) -> Module:
        return self.modules[index]

    def __setitem__(self, index: int, module: Module) -> None:
        modules = list(self.modules)
        modules[index] = module
        self.modules = tuple(modules)

    def children(self) -> list[tuple[str, Module]]:
        """Return the modules inside, named by their indices."""
        return [(str(index), module) for index, module in enumerate(self.modules)]

    def _step(self, index: int, x: Value) -> tuple[Value, Any]:
        try:
            y, context = self.modules[index]._run(x)
        except Exception as error:
            self._locate(error, index)
            raise
        return y, (form_of(y), context) if keeps() else None

    def _step_back(
        self, index: int, context: Any, grad_output: Value, scale: float, input_grad: bool, param_grad: bool
    ) -> Value | None:
        form, inner = context
        try:
            grad_output = fitting(self.modules[index], form, grad_output)
            return self.modules[index]._backward(inner, grad_output, scale, input_grad, param_grad)
        except Exception as error:
            self._locate(error, index)
            raise

    def _locate(self, error: Exception, index: int) -> None:
        error.add_note(f"in module {index} ({type(self.modules[index]).__name__}) of {type(self).__name__}")

    def _each(self, inputs: list[Value]) -> tuple[list[Value], list[Any]]:
        """Give each module its input; return outputs and contexts."""
        results = [self._step(index, x) for index, x in enumerate(inputs)]
        return [y for y, _ in results], [context for _, context in results]

    def _each_back(
        self, contexts: list[Any], grads: list[Value], scale: float, input_grad: bool, param_grad: bool
    ) -> list[Value]:
        """Give each module the gradient of its output; return those of the inputs."""
        return [
            self._step_back(index, context, grad, scale, input_grad, param_grad)
            for index, (context, grad) in enumerate(zip(contexts, grads, strict=True))
        ]


class Sequential(Container):
    """Modules one behind the other.

    Parameters
    ----------
    *modules : Module
        Each gets what the one before it gives.

    Examples
    --------
    >>> from actionbench.models import nn
    >>> nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    Sequential()  23 parameters
      0: Linear(4, 3)  weight (3, 4), bias (3,)  15 parameters
      1: Tanh()
      2: Linear(3, 2)  weight (2, 3), bias (2,)  8 parameters
    """

    replayable = True

    def forward(self, input: Value) -> Value:
        """Return the output, see `Module.forward`; in evaluation a small net is traced and replayed, see `replay`."""
        snapshot = self._snapshot()
        if self._calls or self._steps is not None or snapshot.is_training:
            return super().forward(input)
        return snapshot.get("replay", Replay).forward(self._predict, input, self._sources)

    def __getitem__(self, index: Any) -> Any:
        """Return a module, or of a slice a `Sequential` of the very modules."""
        return Sequential(*self.modules[index]) if isinstance(index, slice) else self.modules[index]

    def _sources(self) -> list[Array] | None:
        """Return all arrays that a forward may read, if it can be replayed."""
        inside = [module for _, module in self.named_modules()]
        if not all(map(_is_replayable, inside)):
            return None
        arrays = [array for module in inside for array in module.own_state().values()]
        return [array.value if isinstance(array, Parameter) else array for array in arrays]

    def _find_parts(self) -> list[tuple[int, Block | None]]:
        """Return the index of each module that runs by itself, or first in a block of several."""
        parts, index = [], 0
        while index < len(self.modules):
            block = find_block(self.modules, index)
            parts.append((index, block))
            index += 1 if block is None else len(block)
        return parts

    def _parts(self) -> list[tuple[int, Block | None]]:
        if self._steps is not None:
            # Who traces a forward sees each module by itself.
            return [(index, None) for index in range(len(self.modules))]
        return self._snapshot().get("parts", self._find_parts)

    def _forward(self, x: Value) -> tuple[Value, Any]:
        contexts = []
        for index, block in self._parts():
            x, context = self._step(index, x) if block is None else self._block_step(block, index, x)
            contexts.append((index, block, context))
        return x, contexts

    def _block_step(self, block: Block, index: int, x: Value) -> tuple[Value, Any]:
        try:
            y, context = block.forward(x, keeps())
        except Exception as error:
            self._locate(error, index + block.at)
            raise
        return y, (form_of(y), context) if keeps() else None

    def _block_step_back(
        self, block: Block, index: int, context: Any, grad_output: Value, *how: Any
    ) -> Array | None:
        form, inner = context
        last = index + len(block) - 1
        try:
            return block.backward(inner, fitting(self.modules[last], form, grad_output), *how)
        except Exception as error:
            self._locate(error, last)
            raise

    def _first_needed(self, input_grad: bool, param_grad: bool) -> int:
        """Return the first module that a gradient must reach."""
        if input_grad:
            return 0
        return self._snapshot().get("first learnt", self._first_learnt) if param_grad else len(self.modules)

    def _first_learnt(self) -> int:
        learnt = (index for index, module in enumerate(self.modules) if module.is_learnt())
        return next(learnt, len(self.modules))

    def _backward(
        self, context: Any, grad_output: Value, scale: float, input_grad: bool, param_grad: bool
    ) -> Value | None:
        first = self._first_needed(input_grad, param_grad)
        for index, block, inner in reversed(context):
            if index < first:
                break
            how = (inner, grad_output, scale, input_grad or index > first, param_grad)
            if block is None:
                grad_output = self._step_back(index, *how)
            else:
                grad_output = self._block_step_back(block, index, *how)
        return grad_output if input_grad else None


def _is_replayable(module: Module) -> bool:
    """Return whether a module is in evaluation and its class is replayable, with no method of the module's own."""
    declared = vars(type(module)).get("replayable", False)
    return declared and not module.is_training and not has_own_methods(module)


class ConcatTable(Container):
    """The same input to each module; the outputs in a list.

    Parameters
    ----------
    *modules : Module
        The branches.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.ConcatTable(nn.Identity(), nn.ReLU()).forward(np.array([[-1.0, 2.0]]))
    [array([[-1.,  2.]]), array([[0., 2.]])]
    """

    def _forward(self, x: Value) -> tuple[list[Value], Any]:
        return self._each([x] * len(self.modules))

    def _backward(
        self, context: Any, grad_output: Value, scale: float, input_grad: bool, param_grad: bool
    ) -> Value | None:
        grads = self._each_back(context, grad_output, scale, input_grad, param_grad)
        return add_values(grads) if input_grad else None


class Concat(ConcatTable):
    """The same input to each module; the outputs joined along one axis.

    Parameters
    ----------
    dim : int
        The axis.
    *modules : Module
        The branches.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.Concat(1, nn.Identity(), nn.ReLU()).forward(np.array([[-1.0, 2.0]]))
    array([[-1.,  2.,  0.,  2.]])
    """

    checks: ClassVar = {**ConcatTable.checks, "dim": axis}

    def __init__(self, dim: int, *modules: Module) -> None:
        super().__init__(*modules)
        self.dim = dim

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
    """To each module its entry of the input list; the outputs in a list.

    Parameters
    ----------
    *modules : Module
        As many as there are entries.

    Raises
    ------
    ValueError
        If the list has another length.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.ParallelTable(nn.Identity(), nn.ReLU()).forward([np.array([[-1.0]]), np.array([[-1.0]])])
    [array([[-1.]]), array([[0.]])]
    """

    def _forward(self, x: Value) -> tuple[list[Value], Any]:
        if len(x) != len(self.modules):
            raise ValueError(f"ParallelTable of {len(self.modules)} modules got a list of {len(x)}")
        return self._each(x)

    def _backward(
        self, context: Any, grad_output: Value, scale: float, input_grad: bool, param_grad: bool
    ) -> Value | None:
        grads = self._each_back(context, grad_output, scale, input_grad, param_grad)
        return grads if input_grad else None


class Parallel(Container):
    """To each module its slice of the input along one axis; the outputs joined along another.

    Parameters
    ----------
    input_dim : int
        The axis of the input along which module i gets slice i, without that axis; as long as there are modules.
    output_dim : int
        The axis along which the outputs are joined.
    *modules : Module
        The branches.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.Parallel(1, 1, nn.Flatten(), nn.ReLU()).forward(np.array([[[-1.0, 2.0], [-3.0, 4.0]]]))
    array([[-1.,  2.,  0.,  4.]])
    """

    checks: ClassVar = {**Container.checks, "input_dim": axis, "output_dim": axis}

    def __init__(self, input_dim: int, output_dim: int, *modules: Module) -> None:
        super().__init__(*modules)
        self.input_dim, self.output_dim = input_dim, output_dim

    def _forward(self, x: Array) -> tuple[Array, Any]:
        if x.shape[self.input_dim] != len(self.modules):
            raise ValueError(
                f"Parallel of {len(self.modules)} modules needs as many slices along axis {self.input_dim}, "
                f"got {x.shape}"
            )
        outputs, contexts = self._each(list(np.moveaxis(x, self.input_dim, 0)))
        sizes = [y.shape[self.output_dim] for y in outputs]
        return np.concatenate(outputs, axis=self.output_dim), (contexts, sizes)

    def _backward(
        self, context: Any, grad_output: Array, scale: float, input_grad: bool, param_grad: bool
    ) -> Array | None:
        contexts, sizes = context
        parts = np.split(grad_output, np.cumsum(sizes)[:-1], axis=self.output_dim)
        grads = self._each_back(contexts, parts, scale, input_grad, param_grad)
        return np.stack(grads, axis=self.input_dim) if input_grad else None


class Graph(Container):
    """Modules at the nodes of a graph without cycles; what comes to a node is added.

    Nodes to which no edge leads get the input; the output is the mean of those from which none leads (Xie et al. 2019,
    whose sums have learnt weights).

    Parameters
    ----------
    edges : sequence of (int, int)
        From which node to which; to a later one always.
    *modules : Module
        One for each node.

    Raises
    ------
    ValueError
        If there is no node, or an edge does not lead from a node to a later one.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> nn.Graph([(0, 1)], nn.Identity(), nn.Identity(), nn.ReLU()).evaluate().forward(np.array([[-2.0, 4.0]]))
    array([[-1.,  4.]])
    """

    def __init__(self, edges: Sequence[tuple[int, int]], *modules: Module) -> None:
        super().__init__(*modules)
        self.edges = tuple(
            (integer("edges", source, 0), integer("edges", target, 0)) for source, target in edges
        )
        wrong = [edge for edge in self.edges if not 0 <= edge[0] < edge[1] < len(modules)]
        if wrong or not modules:
            raise ValueError(
                f"the edges of a Graph must lead to later ones of its {len(modules)} modules"
                + (f", got {wrong[0]}" if wrong else ", of which there must be one or more")
            )

    def sources(self) -> list[list[int]]:
        """Return the nodes from which an edge leads to each node."""
        return [
            sorted({source for source, target in self.edges if target == node}) for node in range(len(self))
        ]

    def ends(self) -> list[int]:
        """Return the nodes from which no edge leads."""
        return sorted(set(range(len(self))) - {source for source, _ in self.edges})

    def _forward(self, x: Array) -> tuple[Array, Any]:
        outputs: list[Array] = []
        contexts: list[Any] = []
        for node, sources in enumerate(self.sources()):
            y, context = self._step(node, add_values([outputs[s] for s in sources]) if sources else x)
            outputs.append(y)
            contexts.append(context)
        ends = self.ends()
        return floating(add_values([outputs[end] for end in ends])) / len(ends), contexts

    def _backward(
        self, context: Any, grad_output: Array, scale: float, input_grad: bool, param_grad: bool
    ) -> Array | None:
        ends = self.ends()
        arrived: list[Value] = []
        coming: list[list[Value]] = [[grad_output / len(ends)] if n in ends else [] for n in range(len(self))]
        for node, sources in reversed(list(enumerate(self.sources()))):
            grad = add_values(coming[node])
            grad = self._step_back(node, context[node], grad, scale, input_grad or bool(sources), param_grad)
            for source in sources:
                coming[source].append(grad)
            if not sources:
                arrived.append(grad)
        return add_values(arrived) if input_grad else None


class Bottle(Container):
    """Apply a module to an input with more axes than it takes: the surplus first axes become one.

    Parameters
    ----------
    module : Module
        For inputs of ``n_dims`` axes.
    n_dims : int
        Axes of the module's input, that of the batch counted.

    Examples
    --------
    A convolution for images, applied to each frame of videos (N, T, H, W, C):

    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> frames = nn.Bottle(nn.Conv2d(3, 8, 3), n_dims=4)
    >>> frames.forward(np.zeros((2, 5, 9, 9, 3), np.float32)).shape
    (2, 5, 7, 7, 8)
    """

    checks: ClassVar = {**Container.checks, "n_dims": integer}
    module = Fixed(lambda bottle: bottle.modules[0])

    def __init__(self, module: Module, n_dims: int = 2) -> None:
        super().__init__(module)
        self.n_dims = n_dims

    def _forward(self, x: Array) -> tuple[Array, Any]:
        surplus = x.ndim - self.n_dims + 1
        if surplus < 1:
            raise ValueError(f"Bottle expects {self.n_dims} axes or more, got {x.shape}")
        y, context = self._step(0, x.reshape(merged(x.shape, surplus)))
        return y.reshape(*x.shape[:surplus], *y.shape[1:]), (context, surplus, x.shape)

    def _backward(
        self, context: Any, grad_output: Array, scale: float, input_grad: bool, param_grad: bool
    ) -> Array | None:
        inner, surplus, shape = context
        grad_output = grad_output.reshape(merged(grad_output.shape, surplus))
        grad = self._step_back(0, inner, grad_output, scale, input_grad, param_grad)
        return None if grad is None else grad.reshape(shape)


def merged(shape: tuple[int, ...], first: int) -> tuple[int, ...]:
    """Make one axis of the ``first`` ones."""
    return (int(np.prod(shape[:first])), *shape[first:])
