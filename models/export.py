"""Nets as ONNX models, which other programs run: ONNX Runtime, OpenVINO, TensorRT."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from functools import partial, reduce, singledispatch
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..errors import ActionbenchError
from . import nn
from .nn.functional import pool_size, spans
from .nn.module import Module, Step
from .nn.values import Value, floating, fold, leaves

if TYPE_CHECKING:
    import onnx

#: The operators that are written, those of ONNX 1.13, and the version of its files.
OPSET, IR_VERSION = 18, 8

#: Where files of protocol buffers end.
MAX_BYTES = 2**31 - 1

#: The name of an array in the graph, or a list of such where a list flows.
Names = Any

Shape = tuple[int, ...]


class _Node(NamedTuple):
    operator: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


def to_onnx(
    net: Module, input: Value, path: str | Path | None = None, *, classes: Sequence[str] | None = None
) -> onnx.ModelProto:
    """Return a net in evaluation mode as an ONNX model.

    Inputs and outputs keep their types and their layout, channels last. The batch may have any size; the other axes
    are those of the example. The input is called ``input``, or ``input_0``, ``input_1``... where it is a list of
    several; the output likewise.

    Parameters
    ----------
    net : Module
    input : ndarray or list of ndarray
        An example, which is run to learn shapes and types.
    path : path, optional
        File to write.
    classes : sequence of str, optional
        Names of the classes, kept as a JSON list in the model's metadata under ``classes``.

    Returns
    -------
    onnx.ModelProto
        Of opset 18, checked.

    Raises
    ------
    ActionbenchError
        If the package onnx is not installed.
    ValueError
        If a module has no export (see `emit`), what the net does depends on the size of the batch, layers compute
        with types that ONNX does not, there are more or fewer classes than scores, or the model has 2 GiB or more.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> model = to_onnx(nn.Sequential(nn.Linear(3, 2), nn.Softmax()), np.zeros((1, 3), np.float32))
    >>> [node.op_type for node in model.graph.node]
    ['MatMul', 'Add', 'Softmax', 'Identity']
    """
    try:
        import onnx
    except ModuleNotFoundError:
        message = 'the export needs the package onnx: pip install "actionbench[onnx]"'
        raise ActionbenchError(message) from None
    graph = Graph(net, input)
    inputs = _numbered("input", leaves(input))
    results: list[Any] = leaves(graph.add(net, fold(input, iter(inputs))))
    outputs = dict(zip(_numbered("output", results), results, strict=True))
    scores = [graph.shape(y) for y in results]
    if classes is not None and [shape[-1:] for shape in scores] != [(len(classes),)]:
        raise ValueError(f"{len(classes)} classes need one output of as many scores, got {scores}")
    model = _model(graph, type(net).__name__, inputs, outputs)
    if classes is not None:
        onnx.helper.set_model_props(model, {"classes": json.dumps(list(classes))})
    try:
        onnx.checker.check_model(model, full_check=True)
    except onnx.shape_inference.InferenceError as error:
        raise ValueError(f"ONNX cannot compute with the data types in this net: {error}") from None
    if path is not None:
        Path(path).write_bytes(model.SerializeToString())
    return model


def _numbered(name: str, values: list[Any]) -> list[str]:
    return [name] if len(values) == 1 else [f"{name}_{index}" for index in range(len(values))]


def _model(graph: Graph, name: str, inputs: list[str], outputs: dict[str, str]) -> onnx.ModelProto:
    """Return the part of a graph that its outputs need."""
    from onnx import helper, numpy_helper

    nodes, wanted = _needed(graph.nodes, set(outputs.values()))
    constants = {key: value for key, value in graph.constants.items() if key in wanted}
    if (size := sum(value.nbytes for value in constants.values())) > MAX_BYTES:
        raise ValueError(f"a model of ONNX must have less than 2 GiB, but this net has {size:,} bytes")
    nodes += [_Node("Identity", [value], [output], {}) for output, value in outputs.items()]
    made = helper.make_graph(
        [_proto(node) for node in nodes],
        name,
        [_declaration(graph, key, key) for key in inputs],
        [_declaration(graph, output, value) for output, value in outputs.items()],
        [numpy_helper.from_array(value, key) for key, value in constants.items()],
    )
    return helper.make_model(
        made,
        producer_name="actionbench",
        producer_version=version("actionbench"),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )


def _needed(nodes: list[_Node], names: set[str]) -> tuple[list[_Node], set[str]]:
    """Return the nodes that make some arrays, and the names of all arrays on the way."""
    kept = []
    for node in reversed(nodes):
        if names.intersection(node.outputs):
            names.update(node.inputs)
            kept.append(node)
    return kept[::-1], names


def _proto(node: _Node) -> onnx.NodeProto:
    from onnx import helper

    attributes: dict[str, Any] = {
        name: helper.np_dtype_to_tensor_dtype(value) if isinstance(value, np.dtype) else value
        for name, value in node.attributes.items()
    }
    return helper.make_node(node.operator, node.inputs, node.outputs, name=node.outputs[0], **attributes)


def _declaration(graph: Graph, name: str, value: str) -> onnx.ValueInfoProto:
    from onnx import helper

    one, two = graph.examples(value)
    pairs = zip(one.shape, two.shape, strict=True)
    # An axis that grows with the batch without being it stays without name.
    shape = [a if a == b else "N" if a == graph.batch else None for a, b in pairs]
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(graph.dtype(value)), shape)


class Graph:
    """An ONNX graph in the making.

    Parameters
    ----------
    net : Module
    input : ndarray or list of ndarray
        An example. The net runs it, and twice as large a batch: axes whose length differs then are free.

    Raises
    ------
    ValueError
        If the batch is empty, or what the net does depends on its size.
    """

    def __init__(self, net: Module, input: Value) -> None:
        self.batch = len(leaves(input)[0])
        if not self.batch:
            raise ValueError("the example must hold a sample or more, got an empty batch")
        steps = net.trace(input), net.trace(_doubled(input))
        if [step.module for step in steps[0]] != [step.module for step in steps[1]]:
            raise ValueError(
                "the modules that run depend on the size of the batch, which ONNX cannot express"
            )
        self._calls: dict[int, deque[tuple[Step, Step]]] = defaultdict(deque)
        for pair in zip(*steps, strict=True):
            self._calls[id(pair[0].module)].append(pair)
        self._examples: dict[str, tuple[NDArray, NDArray]] = {}
        self._first: dict[str, str] = {}
        self._taken: Counter[str] = Counter()
        self._path = ""
        self._place = ""
        self.nodes: list[_Node] = []
        self.constants: dict[str, NDArray] = {}
        self._known: dict[bytes, str] = {}

    def add(self, module: Module, x: Names, name: str = "") -> Names:
        """Add a module and return the names of its outputs.

        Parameters
        ----------
        module : Module
            One that the forward of the net runs; each of its runs is added once, in that order.
        x : str or list
            Names of its inputs.
        name : str
            Its name inside the module that is being added.

        Raises
        ------
        ValueError
            If it cannot be exported, or its forward is not run.
        """
        outside = self._path, self._place
        self._path = ".".join(filter(None, (self._path, name)))
        self._place = f"{self._path or 'the net'} ({type(module).__name__})"
        if not self._calls[id(module)]:
            raise ValueError(f"{self._place} is exported more often than the net runs it")
        one, two = self._calls[id(module)].popleft()
        self._note(x, one.input, two.input)
        if _differs(module):
            self.refuse("computes something else than the class that it is derived from")
        y = emit(module, self, x if module.takes_integers else self.floating(x))
        self._note(y, one.output, two.output)
        self._path, self._place = outside
        return y

    def refuse(self, why: str) -> None:
        """Raise a ValueError that names the module that is being added."""
        raise ValueError(f"{self._place} cannot be exported to ONNX: it {why}")

    def _note(self, names: Names, one: Value, two: Value) -> None:
        several = isinstance(one, list | tuple)
        if isinstance(names, str) and not several:
            self._examples[names] = np.asarray(one), np.asarray(two)
        elif isinstance(names, str) or not several or not len(names) == len(one) == len(two):
            self.refuse("has other inputs or outputs in its export than in the net")
        else:
            for entry in zip(names, one, two, strict=True):
                self._note(*entry)

    def examples(self, x: str) -> tuple[NDArray, NDArray]:
        """Return what an input or output of a module was in the two runs."""
        return self._examples[x]

    def shape(self, x: str) -> tuple[int | None, ...]:
        """Return the shape of an input or output of a module; None where it depends on the size of the batch."""
        one, two = self._examples[x]
        return tuple(a if a == b else None for a, b in zip(one.shape, two.shape, strict=True))

    def fixed(self, x: str, *axes: int) -> list[int]:
        """Return the lengths of axes that may not depend on the size of the batch."""
        lengths = [self.shape(x)[axis] for axis in axes]
        if None in lengths:
            self.refuse(f"needs fixed lengths of the axes {axes}, got the shape {self.shape(x)}")
        return lengths  # type: ignore[return-value]

    def dtype(self, x: str) -> np.dtype:
        """Return the type of an input or output of a module."""
        return self._examples[x][0].dtype

    def _name(self, label: str) -> str:
        name = ".".join(filter(None, (self._path, label)))
        self._taken[name] += 1
        return name if self._taken[name] == 1 else f"{name}_{self._taken[name]}"

    def constant(self, value: ArrayLike, label: str = "constant") -> str:
        """Return the name of an array that is part of the model; equal ones are kept once."""
        array = np.asarray(value, order="C")
        digest = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode() + array.tobytes()).digest()
        if digest not in self._known:
            self._known[digest] = self._name(label)
            self.constants[self._known[digest]] = array
        return self._known[digest]

    def scalar(self, value: float, like: str) -> str:
        """Return the name of a number of the type of an input or output of a module."""
        return self.constant(np.asarray(value, self.dtype(like)))

    def node(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node of ONNX and return the name of its output, or a list if there are several.

        Parameters
        ----------
        operator : str
            The name of the operator.
        *inputs : str
            Names of arrays, ``""`` for one that is left out.
        outputs : int
            How many are named.
        **attributes
            Attributes of the node; a dtype is given as ONNX's code for it.
        """
        names = [self._name(operator) for _ in range(outputs)]
        self.nodes.append(_Node(operator, list(inputs), names, attributes))
        return names[0] if outputs == 1 else names

    def cast(self, x: str, dtype: DTypeLike) -> str:
        """Convert an input or output of a module."""
        return x if self.dtype(x) == dtype else self.node("Cast", x, to=np.dtype(dtype))

    def floating(self, x: Names) -> Names:
        """Convert inputs or outputs of modules that are not floating-point, as modules do."""
        if isinstance(x, list):
            return [self.floating(entry) for entry in x]
        one, two = map(floating, self._examples[x])
        converted = self.cast(x, one.dtype)
        self._examples[converted] = one, two
        return converted

    def promote(self, x: list[str]) -> list[str]:
        """Convert arrays to the type that NumPy promotes theirs to."""
        dtype = np.result_type(*map(self.dtype, x))
        return [self.cast(entry, dtype) for entry in x]

    def reshape(self, x: str, one: Shape, two: Shape) -> str:
        """Give an array the shape that it had in the two runs."""
        return self.node(
            "Reshape", x, self.constant([a if a == b else -1 for a, b in zip(one, two, strict=True)])
        )

    def spatial(self, operator: str, rank: int, x: str, *inputs: str, **attributes: Any) -> str:
        """Add a node that wants channels behind the batch; neighbours share the moves of the axes."""
        if rank == 2:
            return self.node(operator, x, *inputs, **attributes)
        if x not in self._first:
            self._first[x] = self.node("Transpose", x, perm=[0, rank - 1, *range(1, rank - 1)])
        y = self.node(operator, self._first[x], *inputs, **attributes)
        moved = self.node("Transpose", y, perm=[0, *range(2, rank), 1])
        self._first[moved] = y
        return moved


@singledispatch
def emit(module: Module, graph: Graph, x: Names) -> Names:
    """Add a module to a graph and return the name of its output, or a list of such.

    This is a `functools.singledispatch`: a class of one's own gets its export by registering a function.

    Parameters
    ----------
    module : Module
    graph : Graph
        Offers `Graph.node`, `Graph.constant`, and `Graph.add` for modules inside.
    x : str or list
        The name of the input, or a list of such.

    Raises
    ------
    ValueError
        If nothing is registered for the class of the module.

    Examples
    --------
    >>> import numpy as np
    >>> class Square(nn.Function):
    ...     def _forward(self, x):
    ...         return x * x, x
    ...
    ...     def _input_gradient(self, x, grad_output):
    ...         return 2 * x * grad_output
    >>> @emit.register
    ... def _(module: Square, graph, x):
    ...     return graph.node("Mul", x, x)
    >>> model = to_onnx(nn.Sequential(nn.Linear(3, 2), Square()), np.zeros((1, 3), np.float32))
    """
    graph.refuse("is of a class without export; write a function and register it with emit.register")


def _differs(module: Module) -> bool:
    """Whether a class computes something else than the one above it that can be exported."""
    own = takewhile(lambda kind: kind not in emit.registry, type(module).__mro__)
    return any(name in vars(kind) for kind in own for name in ("_forward", "_function"))


def _doubled(value: Value) -> Value:
    if isinstance(value, list | tuple):
        return [_doubled(entry) for entry in value]
    return np.concatenate([value, value])


def _each(module: nn.Container, graph: Graph, inputs: Iterable[Names]) -> list[Names]:
    return [graph.add(child, x, name) for (name, child), x in zip(module.children(), inputs, strict=True)]


@emit.register
def _(module: nn.Sequential, graph: Graph, x: Names) -> Names:
    for name, child in module.children():
        x = graph.add(child, x, name)
    return x


@emit.register
def _(module: nn.ConcatTable, graph: Graph, x: Names) -> Names:
    return _each(module, graph, [x] * len(module))


@emit.register
def _(module: nn.Concat, graph: Graph, x: Names) -> Names:
    return graph.node("Concat", *graph.promote(_each(module, graph, [x] * len(module))), axis=module.dim)


@emit.register
def _(module: nn.Graph, graph: Graph, x: Names) -> Names:
    outputs: list[Names] = []
    for (name, child), sources in zip(module.children(), module.sources(), strict=True):
        coming = [outputs[source] for source in sources]
        # One that comes alone stays as it is.
        given = _sum(graph, coming) if len(coming) > 1 else coming[0] if coming else x
        outputs.append(graph.add(child, given, name))
    ends = [outputs[end] for end in module.ends()]
    dtype = np.result_type(*(floating(graph.examples(end)[0]).dtype for end in ends))
    return graph.node("Div", _sum(graph, ends), graph.constant(np.asarray(len(ends), dtype)))


def _sum(graph: Graph, x: list[str]) -> str:
    return reduce(partial(graph.node, "Add"), graph.promote([graph.floating(entry) for entry in x]))


@emit.register
def _(module: nn.ParallelTable, graph: Graph, x: Names) -> Names:
    return _each(module, graph, x)


@emit.register
def _(module: nn.Parallel, graph: Graph, x: Names) -> Names:
    outputs = _each(module, graph, _slices(graph, x, module.input_dim))
    return graph.node("Concat", *graph.promote(outputs), axis=module.output_dim)


@emit.register
def _(module: nn.Bottle, graph: Graph, x: Names) -> Names:
    inputs = graph.examples(x)
    surplus = inputs[0].ndim - module.n_dims + 1
    rows = graph.reshape(x, *(nn.containers.merged(a.shape, surplus) for a in inputs))
    (y,) = _each(module, graph, [rows])
    pairs = zip(inputs, graph.examples(y), strict=True)
    return graph.reshape(y, *((*a.shape[:surplus], *b.shape[1:]) for a, b in pairs))


def _slices(graph: Graph, x: str, axis: int) -> list[str]:
    """Return all slices along an axis, without it."""
    (n,) = graph.fixed(x, axis)
    return [graph.node("Gather", x, graph.constant(index), axis=axis) for index in range(n)]


@emit.register
def _(module: nn.JoinTable, graph: Graph, x: Names) -> Names:
    return graph.node("Concat", *graph.promote(x), axis=module.dim)


@emit.register
def _(module: nn.SplitTable, graph: Graph, x: Names) -> Names:
    return _slices(graph, x, module.dim)


@emit.register
def _(module: nn.SelectTable, graph: Graph, x: Names) -> Names:
    return x[module.index]


@emit.register
def _(module: nn.NarrowTable, graph: Graph, x: Names) -> Names:
    return x[module.offset : module.offset + module.length]


@emit.register
def _(module: nn.FlattenTable, graph: Graph, x: Names) -> Names:
    return leaves(x)


@emit.register
def _(module: nn.CAddTable, graph: Graph, x: Names) -> Names:
    return _sum(graph, x)


@emit.register
def _(module: nn.CMulTable, graph: Graph, x: Names) -> Names:
    return reduce(partial(graph.node, "Mul"), graph.promote(x))


@emit.register
def _(module: nn.Identity | nn.Dropout, graph: Graph, x: Names) -> Names:
    return x


@emit.register
def _(module: nn.View | nn.Flatten, graph: Graph, x: Names) -> Names:
    return graph.reshape(x, *map(module._shape, graph.examples(x)))


@emit.register
def _(module: nn.Squeeze, graph: Graph, x: Names) -> Names:
    return graph.node("Squeeze", x, graph.constant([module.dim]))


@emit.register
def _(module: nn.Unsqueeze, graph: Graph, x: Names) -> Names:
    return graph.node("Unsqueeze", x, graph.constant([module.dim]))


@emit.register
def _(module: nn.Transpose, graph: Graph, x: Names) -> Names:
    axes = list(range(len(graph.shape(x))))
    for a, b in module.pairs:
        axes[a], axes[b] = axes[b], axes[a]
    return graph.node("Transpose", x, perm=axes)


@emit.register
def _(module: nn.Select, graph: Graph, x: Names) -> Names:
    return graph.node("Gather", x, graph.constant(module.index), axis=module.dim)


@emit.register
def _(module: nn.Narrow, graph: Graph, x: Names) -> Names:
    ends = [module.start], [module.start + module.length], [module.dim]
    return graph.node("Slice", x, *map(graph.constant, ends))


def _reduce(operator: str, module: Any, graph: Graph, x: Names) -> Names:
    return graph.node(operator, x, graph.constant(np.atleast_1d(module.dim)), keepdims=int(module.keepdim))


for reduction, operator in {nn.Sum: "ReduceSum", nn.Mean: "ReduceMean", nn.Max: "ReduceMax"}.items():
    emit.register(reduction, partial(_reduce, operator))


def _pads(pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Return what is added before each axis, then behind each, as ONNX writes it."""
    before, behind = zip(*pairs, strict=True)
    return [*before, *behind]


@emit.register
def _(
    module: nn.ConstantPad1d
    | nn.ConstantPad2d
    | nn.ConstantPad3d
    | nn.ZeroPad1d
    | nn.ZeroPad2d
    | nn.ZeroPad3d,
    graph: Graph,
    x: Names,
) -> Names:
    pads = graph.constant(_pads([(0, 0), *module.pairs, (0, 0)]))
    return graph.node("Pad", x, pads, graph.scalar(module.value, x))


@emit.register
def _(
    module: nn.ReflectionPad1d
    | nn.ReflectionPad2d
    | nn.ReflectionPad3d
    | nn.ReplicationPad1d
    | nn.ReplicationPad2d
    | nn.ReplicationPad3d,
    graph: Graph,
    x: Names,
) -> Names:
    graph.fixed(x, *range(1, module.axes + 1))
    for axis, sources in enumerate(module._indices(graph.examples(x)[0]), 1):
        x = graph.node("Gather", x, graph.constant(sources), axis=axis)
    return x


def _choose(graph: Graph, x: str, bound: float, size: str, other: str) -> str:
    """Return ``x`` where ``size`` is above a bound, else ``other``."""
    return graph.node("Where", graph.node("Greater", size, graph.scalar(bound, x)), x, other)


def _elu(alpha: float, graph: Graph, x: str) -> str:
    # Attributes are of single precision; a factor is not.
    return _choose(graph, x, 0, x, graph.node("Mul", graph.node("Elu", x), graph.scalar(alpha, x)))


def _clip(low: float, high: float, graph: Graph, x: str) -> str:
    return graph.node("Clip", x, graph.scalar(low, x), graph.scalar(high, x))


def _softplus(beta: float, graph: Graph, x: str) -> str:
    scale = graph.scalar(beta, x)
    return graph.node("Div", graph.node("Softplus", graph.node("Mul", x, scale)), scale)


for function, make in {
    nn.ReLU: lambda m, g, x: g.node("Relu", x),
    nn.Tanh: lambda m, g, x: g.node("Tanh", x),
    nn.Sigmoid: lambda m, g, x: g.node("Sigmoid", x),
    nn.Softsign: lambda m, g, x: g.node("Softsign", x),
    nn.Softmax: lambda m, g, x: g.node("Softmax", x, axis=m.dim),
    nn.Softmin: lambda m, g, x: g.node("Softmax", g.node("Neg", x), axis=m.dim),
    nn.LogSoftmax: lambda m, g, x: g.node("LogSoftmax", x, axis=m.dim),
    nn.Threshold: lambda m, g, x: _choose(g, x, m.threshold, x, g.scalar(m.value, x)),
    nn.Hardtanh: lambda m, g, x: _clip(m.min_val, m.max_val, g, x),
    nn.LeakyReLU: lambda m, g, x: g.node("PRelu", x, g.scalar(m.negative_slope, x)),
    nn.RReLU: lambda m, g, x: g.node("PRelu", x, g.scalar((m.lower + m.upper) / 2, x)),
    nn.PReLU: lambda m, g, x: g.node(
        "PRelu", g.cast(x, m.weight.value.dtype), g.constant(m.weight.value, "weight")
    ),
    nn.ELU: lambda m, g, x: _elu(m.alpha, g, x),
    nn.SELU: lambda m, g, x: g.node("Mul", _elu(m.alpha, g, x), g.scalar(m._SCALE, x)),
    nn.Softplus: lambda m, g, x: _softplus(m.beta, g, x),
    nn.LogSigmoid: lambda m, g, x: g.node("Neg", g.node("Softplus", g.node("Neg", x))),
    nn.Tanhshrink: lambda m, g, x: g.node("Sub", x, g.node("Tanh", x)),
    nn.Softshrink: lambda m, g, x: g.node("Sub", x, _clip(-m.lambd, m.lambd, g, x)),
    nn.Hardshrink: lambda m, g, x: _choose(g, x, m.lambd, g.node("Abs", x), g.scalar(0, x)),
}.items():
    emit.register(function, make)


@emit.register
def _(module: nn.Linear, graph: Graph, x: Names) -> Names:
    weight = module.weight.value
    y = graph.node("MatMul", graph.cast(x, weight.dtype), graph.constant(weight.T, "weight"))
    return y if module.bias is None else graph.node("Add", y, graph.constant(module.bias.value, "bias"))


@emit.register
def _(module: nn.CMul, graph: Graph, x: Names) -> Names:
    weight = module.weight.value
    return graph.node("Mul", graph.cast(x, weight.dtype), graph.constant(weight, "weight"))


@emit.register
def _(module: nn.Embedding, graph: Graph, x: Names) -> Names:
    return graph.node("Gather", graph.constant(module.weight.value, "weight"), graph.cast(x, np.int64))


@emit.register
def _(module: nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvMap2d, graph: Graph, x: Names) -> Names:
    filters = module._filters()[(0,) * (3 - module.axes)]
    filters = filters.transpose(-1, -2, *range(module.axes))
    stride, padding, dilation = (module.how[key][-module.axes :] for key in ("stride", "padding", "dilation"))
    return graph.spatial(
        "Conv",
        module.axes + 2,
        graph.cast(x, filters.dtype),
        graph.constant(filters, "weight"),
        *([] if module.bias is None else [graph.constant(module.bias.value, "bias")]),
        strides=stride,
        pads=padding * 2,
        dilations=dilation,
        group=module.how["groups"],
    )


@emit.register
def _(module: nn.LocallyConnected2d, graph: Graph, x: Names) -> Names:
    """Gather what each output pixel sees and multiply it with the pixel's own matrix."""
    weight = module.weight.value
    height, width, channels = module.input_shape
    rows, columns = (n + 2 * pad for n, pad in zip((height, width), module.padding, strict=True))
    pads = _pads([(0, 0), *((pad, pad) for pad in module.padding), (0, 0)])
    padded = graph.node("Pad", graph.cast(x, weight.dtype), graph.constant(pads))
    pixels = graph.node("Reshape", padded, graph.constant([0, rows * columns, channels]))
    windows = sliding_window_view(np.arange(rows * columns).reshape(rows, columns), module.taps)
    seen = windows[:: module.stride[0], :: module.stride[1]].reshape(-1, int(np.prod(module.taps)))
    matrices = module._matrices(weight)
    patches = graph.node("Gather", pixels, graph.constant(seen), axis=1)
    patches = graph.node("Reshape", patches, graph.constant([0, *matrices.shape[:2]]))
    patches = graph.node("Transpose", patches, perm=[1, 0, 2])
    y = graph.node("MatMul", patches, graph.constant(matrices, "weight"))
    y = graph.node("Transpose", y, perm=[1, 0, 2])
    y = graph.node("Reshape", y, graph.constant([0, *weight.shape[:2], weight.shape[-1]]))
    return y if module.bias is None else graph.node("Add", y, graph.constant(module.bias.value, "bias"))


@emit.register
def _(module: nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d, graph: Graph, x: Names) -> Names:
    state = dict(zip(("weight", "bias"), module.scale_and_shift(), strict=True))
    state |= {name: getattr(module, name) for name in module.buffer_names}
    inputs = [graph.constant(value, name) for name, value in state.items()]
    x, rank = graph.cast(x, module.running_mean.dtype), len(graph.shape(x))
    return graph.spatial("BatchNormalization", rank, x, *inputs, epsilon=module.eps)


@emit.register
def _(module: nn.LocalResponseNorm, graph: Graph, x: Names) -> Names:
    """Average the squares along the channels: ONNX Runtime has its LRN for images and odd sizes only."""
    squares = graph.node("Mul", x, x)
    rows = graph.node("Reshape", squares, graph.constant([-1, 1, *graph.fixed(x, -1)]))
    pads = [module.size // 2, (module.size - 1) // 2]
    means = graph.node("AveragePool", rows, kernel_shape=[module.size], pads=pads, count_include_pad=1)
    means = graph.reshape(means, *(a.shape for a in graph.examples(x)))
    energy = graph.node("Mul", means, graph.scalar(module.alpha, x))
    energy = graph.node("Add", energy, graph.scalar(module.k, x))
    return graph.node("Mul", x, graph.node("Pow", energy, graph.scalar(-module.beta, x)))


class _Window(NamedTuple):
    """How a pooling looks along one axis."""

    size: int
    kernel: int
    stride: int
    padding: int
    dilation: int
    n_windows: int

    @property
    def behind(self) -> int:
        """How far the last window reaches beyond the input."""
        span = self.dilation * (self.kernel - 1) + 1
        return max((self.n_windows - 1) * self.stride + span - self.size - self.padding, 0)

    @property
    def share(self) -> NDArray[np.floating]:
        """By what factor a mean over the whole window is too small where it reaches beyond the padding."""
        inside = self.size + 2 * self.padding - self.stride * np.arange(self.n_windows)
        return self.kernel / np.minimum(self.kernel, inside)


def _windows(module: Any, graph: Graph, x: str) -> list[_Window]:
    dilations = getattr(module, "dilation", (1,) * module.axes)
    how = list(
        zip(module.kernel_size, module.stride or module.kernel_size, module.padding, dilations, strict=True)
    )
    windows = []
    for size, (kernel, stride, padding, dilation) in zip(
        graph.fixed(x, *range(1, module.axes + 1)), how, strict=True
    ):
        span = dilation * (kernel - 1) + 1
        n_windows = pool_size(size, span, stride, padding, module.ceil_mode)
        windows.append(_Window(size, kernel, stride, padding, dilation, n_windows))
    return windows


def _pool(
    operator: str,
    windows: list[_Window],
    pairs: list[tuple[int, int]],
    graph: Graph,
    x: str,
    **attributes: Any,
) -> str:
    """Add a pooling with all padding explicit: what windows do that stick out differs between sets of operators."""
    return graph.spatial(
        operator,
        len(windows) + 2,
        x,
        kernel_shape=[window.kernel for window in windows],
        strides=[window.stride for window in windows],
        pads=_pads(pairs),
        **attributes,
    )


@emit.register
def _(module: nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d, graph: Graph, x: Names) -> Names:
    windows = _windows(module, graph, x)
    pairs = [(window.padding, window.behind) for window in windows]
    if any(window.behind >= window.kernel for window in windows):
        # With dilation; ONNX Runtime pads by less than a window has pixels.
        ends = graph.constant(_pads([(0, 0), *pairs, (0, 0)]))
        x, pairs = graph.node("Pad", x, ends, graph.scalar(-np.inf, x)), [(0, 0)] * len(windows)
    return _pool("MaxPool", windows, pairs, graph, x, dilations=[window.dilation for window in windows])


@emit.register
def _(module: nn.AvgPool1d | nn.AvgPool2d | nn.AvgPool3d, graph: Graph, x: Names) -> Names:
    windows = _windows(module, graph, x)
    pairs = [(window.padding, window.behind) for window in windows]
    y = _pool("AveragePool", windows, pairs, graph, x, count_include_pad=int(module.count_include_pad))
    share = reduce(np.multiply.outer, [window.share for window in windows])[..., np.newaxis]
    if not module.count_include_pad or (share == 1).all():
        return y
    return graph.node("Mul", y, graph.constant(share.astype(graph.dtype(x))))


def _adaptive(operator: str, module: Any, graph: Graph, x: Names) -> Names:
    """Pool one axis after the other, as the windows are the products of those of the axes."""
    sizes = zip(graph.fixed(x, *range(1, module.axes + 1)), module.output_size[-module.axes :], strict=True)
    for axis, (size, n) in enumerate(sizes, 1):
        if n not in (None, size):
            windows = (
                graph.node("Slice", x, *map(graph.constant, ([a], [b], [axis]))) for a, b in spans(size, n)
            )
            parts = [graph.node(operator, window, graph.constant([axis]), keepdims=1) for window in windows]
            x = graph.node("Concat", *parts, axis=axis)
    return x


for kinds, operator in (
    ((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d), "ReduceMean"),
    ((nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d), "ReduceMax"),
):
    for kind in kinds:
        emit.register(kind, partial(_adaptive, operator))


def _blocks(value: NDArray, order: Sequence[int]) -> NDArray:
    """Return the gates in ONNX's order."""
    parts = np.split(value, len(order))
    return np.concatenate([parts[index] for index in order])


def _stacked(module: Any, layer: int, name: str, order: Sequence[int]) -> NDArray | None:
    """Return what the directions of a layer have of one kind, (directions, ...)."""
    parameters = [getattr(module._weights(layer, suffix), name) for suffix in module.suffixes]
    if parameters[0] is None:
        return None
    return np.stack([_blocks(parameter.value, order) for parameter in parameters])


def _bias(module: Any, layer: int, order: Sequence[int]) -> NDArray | None:
    """Return the biases of a layer, those of the input first; zeros for one that is missing."""
    found = [_stacked(module, layer, name, order) for name in ("bias_ih", "bias_hh")]
    present = [bias for bias in found if bias is not None]
    if not present:
        return None
    return np.concatenate([np.zeros_like(present[0]) if bias is None else bias for bias in found], axis=1)


def _weights(module: Any, graph: Graph, layer: int, order: Sequence[int]) -> tuple[list[str], list[str]]:
    """Return the names of a layer's weights and biases, and of its peepholes."""
    peephole = _stacked(module, layer, "peephole", (0, 2, 1))
    values = {
        "weight_ih": _stacked(module, layer, "weight_ih", order),
        "weight_hh": _stacked(module, layer, "weight_hh", order),
        "bias": _bias(module, layer, order),
    }
    names = ["" if v is None else graph.constant(v, f"{name}_l{layer}") for name, v in values.items()]
    if peephole is None:
        return names, []
    # The states at the start are left out.
    return names, ["", "", graph.constant(peephole.reshape(len(peephole), -1), f"peephole_l{layer}")]


def _recurrent(operator: str, order: Sequence[int], module: Any, graph: Graph, x: Names, **how: Any) -> Names:
    sequences, lengths = (x, "") if isinstance(x, str) else x
    sequences = graph.cast(sequences, module.weight_ih_l0.value.dtype)
    timed = graph.node("Transpose", sequences, perm=[1, 0, 2])
    lengths = lengths and graph.cast(lengths, np.int32)
    direction = "forward" if len(module.suffixes) == 1 else "bidirectional"
    how |= {"hidden_size": module.hidden_size, "direction": direction}
    width = len(module.suffixes) * module.hidden_size
    final = ""
    for layer in range(module.num_layers):
        if layer and module.between:
            timed = graph.add(module.between, timed, "between")
        names, peepholes = _weights(module, graph, layer, order)
        timed, final = graph.node(operator, timed, *names, lengths, *peepholes, outputs=2, **how)
        timed = graph.node("Transpose", timed, perm=[0, 2, 1, 3])
        timed = graph.node("Reshape", timed, graph.constant([0, 0, width]))
    if module.last:
        return graph.node(
            "Reshape", graph.node("Transpose", final, perm=[1, 0, 2]), graph.constant([0, width])
        )
    return graph.node("Transpose", timed, perm=[1, 0, 2])


@emit.register
def _(module: nn.LSTM, graph: Graph, x: Names) -> Names:
    return _recurrent("LSTM", (0, 3, 1, 2), module, graph, x)


@emit.register
def _(module: nn.GRU, graph: Graph, x: Names) -> Names:
    return _recurrent("GRU", (1, 0, 2), module, graph, x, linear_before_reset=int(module.reset_after))
