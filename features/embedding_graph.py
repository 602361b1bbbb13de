"""What an ONNX file computes from frames, refused where it cannot be an embedding; the file is read, never run."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ActionbenchError, did_you_mean
from .embedding_config import NetConfig
from .onnx_files import DOMAINS, all_nodes, file_hash, load_content, parse, read_onnx, subgraphs

if TYPE_CHECKING:
    import onnx

__all__ = ["Graph", "GraphSize", "graph_size", "load_graph", "read_graph"]

_MULTIPLYING = ("Conv", "Gemm", "MatMul")
# Operators that shapes are computed with.
_SHAPING = frozenset(
    "Add Cast Concat Constant ConstantOfShape Div Gather Mul Reshape Slice Squeeze Sub Transpose Unsqueeze".split()
)
# Elements of an array that shape inference may have to know, as it may be a shape.
_MAX_SHAPE = 1024


@dataclass(frozen=True)
class Graph:
    """What is known of a net.

    Attributes
    ----------
    path : Path
        The file.
    files : tuple of Path
        The file, and those beside it that hold its weights.
    digest : str
        Hash of their content.
    input, output : str
        Names of the array that is fed, and of that which is read.
    shape : tuple of int
        Of the input, with a batch of one.
    dtype : str
        Of the input, as NumPy calls it.
    is_whole : bool
        Whether the file is run as it is, without parts left out.
    """

    path: Path
    files: tuple[Path, ...]
    digest: str
    input: str
    output: str
    shape: tuple[int, ...]
    dtype: str
    is_whole: bool


@dataclass(frozen=True)
class GraphSize:
    """Weights of a net, and its floating-point operations for one input, None where they are not known."""

    parameters: int
    operations: int | None


def read_graph(path: Path, config: NetConfig) -> Graph:
    """Read what a file of ONNX holds, and check that it can be run as a net on frames.

    Raises
    ------
    ActionbenchError
        If `read_onnx` refuses it, or inputs or outputs do not fit what is said of it.
    """
    if not path.is_file():
        raise ActionbenchError(f"{path}: there is no such file; it must be an ONNX model")
    stamps = path.stat()
    return _read_graph(path.absolute(), config.preparation, config.large, stamps.st_mtime_ns, stamps.st_size)


@lru_cache(maxsize=8)
def _read_graph(path: Path, preparation: str, large: bool, *_: int) -> Graph:
    config = NetConfig.model_validate_json(preparation)
    model, files = read_onnx(path, large=large)
    output = _output(path, model.graph, config.output)
    n_nodes = len(model.graph.node)
    _prune(model.graph, output)
    feed = _input(path, model.graph, config.input, output)
    shape = _shape(path, feed, config)
    return Graph(
        path,
        files,
        file_hash(*files),
        feed.name,
        output,
        shape,
        _dtype(path, feed),
        is_whole=n_nodes == len(model.graph.node) and [one.name for one in model.graph.output] == [output],
    )


def load_graph(graph: Graph) -> bytes | str:
    """Return what ONNX Runtime makes a session of: the content of a file, or its path where it has 2 GiB or more.

    Raises
    ------
    ActionbenchError
        If the files are no longer those that were read.
    """
    if file_hash(*graph.files) != graph.digest:
        raise ActionbenchError(f"{graph.path}: the file changed while it was in use")
    if graph.is_whole:
        return load_content(graph.files)
    model = parse(graph.path)
    _prune(model.graph, graph.output)
    content = load_content(graph.files, model)
    if isinstance(content, str):
        raise ActionbenchError(
            f"{graph.path}: of 2 GiB or more, a net must be used whole, by its only output, not by {graph.output!r}"
        )
    return content


@lru_cache(maxsize=8)
def graph_size(graph: Graph) -> GraphSize:
    """Count the weights of a net and its operations for one input.

    Conv, Gemm and MatMul count two operations for each product, any other operator one for each number that it makes.
    What depends on weights alone is a weight, and costs nothing.
    """
    size = _size(graph, folded=False)
    return size if size.operations is not None else _size(graph, folded=True)


def _size(graph: Graph, *, folded: bool) -> GraphSize:
    model = parse(graph.path)
    _prune(model.graph, graph.output)
    feed = next(one for one in model.graph.input if one.name == graph.input)
    for dim, length in zip(feed.type.tensor_type.shape.dim, graph.shape, strict=False):
        dim.dim_value = length
    if folded:
        # Since this version, an array need not be an input as well.
        model.ir_version = max(4, model.ir_version)
        _fold(model.graph)
    weights = {one.name: (tuple(one.dims), _is_float(one.data_type)) for one in model.graph.initializer}
    shapes = _shapes(model) | weights
    constant, used, costs = set(weights) | {""}, set[str](), list[int | None]()
    for node in model.graph.node:
        has_graphs = any(subgraphs(node))
        if constant.issuperset(node.input) and not has_graphs:
            constant.update(node.output)
            continue
        used |= constant.intersection(node.input)
        costs.append(None if has_graphs else _operations(node, shapes))
    sizes = [math.prod(shapes[name][0]) for name in used if name in shapes and shapes[name][1]]
    return GraphSize(sum(sizes), None if None in costs else sum(filter(None, costs)))


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[tuple[int, ...], bool]]:
    """Return the shapes that can be inferred, and whether the values are fractions, by name."""
    import onnx

    declared = {one.name for one in model.graph.input}
    # Large weights would be copied; their shape is all that is needed of them.
    for one in [one for one in model.graph.initializer if math.prod(one.dims) > _MAX_SHAPE]:
        if one.name not in declared:
            value = onnx.helper.make_tensor_value_info(one.name, one.data_type, list(one.dims))
            model.graph.input.append(value)
        model.graph.initializer.remove(one)
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception:  # whatever it is, only the number of operations is not known
        inferred = model.graph
    shapes = {}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        tensor = value.type.tensor_type
        if tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim):
            shapes[value.name] = tuple(dim.dim_value for dim in tensor.shape.dim), _is_float(tensor.elem_type)
    return shapes


def _fold(graph: onnx.GraphProto) -> None:
    """Compute small arrays that depend on no input, of which shapes are made; shape inference does so in part only."""
    from onnx import numpy_helper
    from onnx.reference import ReferenceEvaluator

    known = {
        one.name: numpy_helper.to_array(one)
        for one in graph.initializer
        if math.prod(one.dims) <= _MAX_SHAPE and one.data_location != one.EXTERNAL
    }
    left = []
    for node in graph.node:
        inputs = {name: known[name] for name in node.input if name in known}
        if (
            len(inputs) < len({*node.input} - {""})
            or node.op_type not in _SHAPING
            or node.domain not in DOMAINS[:2]
        ):
            left.append(node)
            continue
        try:
            if node.op_type == "ConstantOfShape" and math.prod(inputs[node.input[0]].tolist()) > _MAX_SHAPE:
                raise ValueError("no shape is as large")
            outputs: Any = ReferenceEvaluator(node).run(None, inputs)
            found = np.asarray(outputs[0])
            if found.size > _MAX_SHAPE:
                raise ValueError("no shape is as large")
        except Exception:  # whatever it is, the node is left as it is
            left.append(node)
            continue
        known[node.output[0]] = found
        graph.initializer.append(numpy_helper.from_array(found, node.output[0]))
    copies = [type(node).FromString(node.SerializeToString()) for node in left]
    graph.ClearField("node")
    graph.node.extend(copies)


def _operations(node: onnx.NodeProto, shapes: dict[str, tuple[tuple[int, ...], bool]]) -> int | None:
    """Return the operations of a node, None where a shape is not known."""
    outputs = [name for name in node.output if name]
    needed = [*outputs[:1], *(node.input[:2] if node.op_type in _MULTIPLYING else ())]
    if any(name not in shapes for name in needed):
        return None
    made = math.prod(shapes[outputs[0]][0])
    if node.op_type == "Conv":
        return 2 * made * math.prod(shapes[node.input[1]][0][1:])
    if node.op_type in ("Gemm", "MatMul"):
        first = shapes[node.input[0]][0]
        flipped = any(one.name == "transA" and one.i for one in node.attribute)
        return 2 * made * (first[0] if flipped else first[-1])
    return made


def _is_float(kind: int) -> bool:
    import onnx

    return kind in (
        onnx.TensorProto.FLOAT,
        onnx.TensorProto.FLOAT16,
        onnx.TensorProto.DOUBLE,
        onnx.TensorProto.BFLOAT16,
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def _output(path: Path, graph: onnx.GraphProto, wished: str | None) -> str:
    names = [one.name for one in graph.output]
    if wished is None:
        if len(names) > 1:
            raise ActionbenchError(
                f"{path}: has the outputs {_listed(names)}; its TOML file must name one as output"
            )
        return names[0]
    inner = {name for node in graph.node for name in node.output}
    if wished not in inner:
        raise ActionbenchError(
            f"{path}: has no output {wished!r}; {did_you_mean(wished, names)}, and inner values"
        )
    return wished


def _prune(graph: onnx.GraphProto, output: str) -> None:
    """Leave what an output needs."""
    import onnx

    wanted, kept = {output}, []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            wanted.update(
                node.input, *(inner.input for graph_ in subgraphs(node) for inner in all_nodes(graph_))
            )
            kept.append(node)
    declared = [one for one in (*graph.output, *graph.value_info) if one.name == output]
    for field, left in (
        ("node", kept[::-1]),
        ("initializer", [one for one in graph.initializer if one.name in wanted]),
        ("input", [one for one in graph.input if one.name in wanted]),
        ("output", declared[:1] or [onnx.ValueInfoProto(name=output)]),
    ):
        copies = [type(one).FromString(one.SerializeToString()) for one in left]
        graph.ClearField(field)
        getattr(graph, field).extend(copies)


def _input(path: Path, graph: onnx.GraphProto, wished: str | None, output: str) -> onnx.ValueInfoProto:
    # Older files list weights among the inputs.
    weights = {one.name for one in graph.initializer} | {one.values.name for one in graph.sparse_initializer}
    inputs = {one.name: one for one in graph.input if one.name not in weights}
    if wished is not None and wished not in inputs:
        raise ActionbenchError(f"{path}: has no input {wished!r}; {did_you_mean(wished, inputs)}")
    if not inputs:
        raise ActionbenchError(f"{path}: its output {output!r} depends on no input; it must depend on one")
    if len(inputs) > 1:
        raise ActionbenchError(
            f"{path}: its output {output!r} needs the inputs {_listed(inputs)}; a TOML file must name an output that "
            "needs frames alone"
        )
    return next(iter(inputs.values()))


_DTYPES = {"FLOAT": "float32", "FLOAT16": "float16", "DOUBLE": "float64", "UINT8": "uint8"}


def _dtype(path: Path, feed: onnx.ValueInfoProto) -> str:
    import onnx

    name = onnx.TensorProto.DataType.Name(feed.type.tensor_type.elem_type)
    if name not in _DTYPES:
        raise ActionbenchError(
            f"{path}: its input {feed.name!r} takes {name}; it must take one of {', '.join(_DTYPES)}"
        )
    return _DTYPES[name]


def _shape(path: Path, feed: onnx.ValueInfoProto, config: NetConfig) -> tuple[int, ...]:
    """Return the shape of the input, from the graph and from what is said of it."""
    where = f"{path}: its input {feed.name!r}"
    tensor, axes = feed.type.tensor_type, config.layout
    given = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    if not tensor.HasField("shape"):
        given = [None] * len(axes)
    if len(given) != len(axes):
        raise ActionbenchError(f"{where} has {len(given)} axes; the layout must have as many, got {axes}")
    of = dict(zip(axes, given, strict=True))
    if of["N"] not in (None, 1):
        raise ActionbenchError(f"{where} has a batch of {of['N']}; it must be 1 or free")
    if of["C"] not in (None, config.n_channels):
        raise ActionbenchError(
            f"{where} has {of['C']} channels in the layout {axes}; it must have {config.n_channels} ({config.channels})"
        )
    size: Any = config.crop or config.resize
    if config.resize and size.height is None:
        raise ActionbenchError(
            f"{where} is not of one size: frames whose shorter edge is {config.resize.shortest_edge} differ in the "
            "other; crop must give a size"
        )
    wanted = {"N": 1, "C": config.n_channels, "T": config.clip and config.clip.frames}
    wanted |= {"H": size and size.height, "W": size and size.width}
    for axis in axes:
        if of[axis] is None and wanted[axis] is None:
            raise ActionbenchError(
                f"{where} has a free axis {axis} (layout {axes}); crop or resize must give its length"
            )
        if wanted[axis] is not None and of[axis] not in (None, wanted[axis]):
            raise ActionbenchError(
                f"{where} has the length {of[axis]} along {axis} (layout {axes}); crop, resize or clip.frames give "
                f"{wanted[axis]}"
            )
    return tuple(int(wanted[axis] or of[axis] or 0) for axis in axes)
