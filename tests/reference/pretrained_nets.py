"""Tiny nets as ONNX files, whose vectors are known without running them."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

#: What is said of a net on frames of 32 x 32 pixels.
SMALL = "resize = { height = 32, width = 32 }\n"


def write_net(
    path, nodes, shape, output=(1, None), *, toml=SMALL, inputs=("x",), weights=(), outputs=("y",), **how
):
    """Write nodes as a net with inputs of a shape, and what is said of it beside it unless that is None."""
    kind = how.pop("kind", TensorProto.FLOAT)
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info(name, kind, shape) for name in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, output) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in dict(weights).items()],
    )
    opsets = [
        helper.make_opsetid(domain, 18 if not domain else 1) for domain in ("", *how.pop("domains", ()))
    ]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.save(model, path, **how)
    if toml is not None:
        path.with_suffix(".toml").write_text(toml)
    return path


def averaging_net(path, cells=4, size=32, **how):
    """Write a net whose vector is the mean of each cell of a grid, channel after channel."""
    side = size // cells
    nodes = [
        helper.make_node("AveragePool", ["x"], ["cells"], kernel_shape=[side, side], strides=[side, side]),
        helper.make_node("Flatten", ["cells"], ["y"]),
    ]
    how.setdefault("toml", f"resize = {{ height = {size}, width = {size} }}\n")
    return write_net(path, nodes, how.pop("shape", ["N", 3, size, size]), ["N", None], **how)


def means(arrays, cells=4):
    """Return what `averaging_net` makes of prepared frames, shape (n, channels, size, size)."""
    n, channels, size, _ = arrays.shape
    parts = arrays.reshape(n, channels, cells, size // cells, cells, size // cells)
    return parts.mean(axis=(3, 5)).reshape(n, -1)
