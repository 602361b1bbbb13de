"""ONNX's own test cases of its operators, computed by our modules.

Each graph becomes modules of ours and moves of axes. A case that does not apply says why; a wrong number never does.
"""

import warnings
from collections import Counter
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from actionbench.models import nn, optim

onnx = pytest.importorskip("onnx", reason="the test cases come with onnx")

SUITES = ("node", "pytorch-converted", "pytorch-operator", "simple")


class DoesNotApply(Exception):
    """Why no module of ours computes a case."""


class Missing(NamedTuple):
    """Why a module has not this output of an operator."""

    reason: str


class Node(NamedTuple):
    """What an operator is told besides its inputs."""

    opset: int
    n_outputs: int
    attributes: dict[str, Any]

    def get(self, name, default=None):
        return self.attributes.get(name, default)


OPERATORS = {}
#: Operators that move numbers of any type.
MOVES = set()


def operator(*names, any_type=False):
    def register(function):
        OPERATORS.update(dict.fromkeys(names, function))
        MOVES.update(names if any_type else ())
        return function

    return register


def last(x):
    """Move the channels to the end."""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1))


def first(x):
    """Move the channels behind the batch."""
    return np.moveaxis(x, -1, 1)


def module_for(name, axes):
    if not 1 <= axes <= 3:
        raise DoesNotApply("arrays of other ranks than a module has")
    return getattr(nn, f"{name}{axes}d")


def predict(module, x):
    return module.evaluate().forward(x)


def pairs_of(node, x, kernel, stride, dilation):
    """Return the padding at both ends of each axis."""
    axes, auto = len(kernel), node.get("auto_pad", "NOTSET")
    if auto in ("NOTSET", "VALID"):
        pads = node.get("pads", [0] * (2 * axes)) if auto == "NOTSET" else [0] * (2 * axes)
        return list(zip(pads[:axes], pads[axes:], strict=True))
    pairs = []
    for n, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        less, more = total // 2, total - total // 2
        pairs.append((less, more) if auto == "SAME_UPPER" else (more, less))
    return pairs


def windows(node, x, kernel):
    axes = len(kernel)
    stride, dilation = node.get("strides", [1] * axes), node.get("dilations", [1] * axes)
    return tuple(stride), tuple(dilation), pairs_of(node, x, kernel, stride, dilation)


def padded(pairs, kernel, value):
    """Return the padding that a layer takes, and a module before it where it does not take this one."""
    if all(before == behind and before <= k // 2 for (before, behind), k in zip(pairs, kernel, strict=True)):
        return tuple(before for before, _ in pairs), []
    ends = tuple(end for pair in reversed(pairs) for end in pair)
    return 0, [module_for("ConstantPad", len(pairs))(ends, value)]


@operator("Conv")
def conv(node, x, weight, bias=None):
    kernel, groups = weight.shape[2:], node.get("group", 1)
    stride, dilation, pairs = windows(node, x, kernel)
    padding, net = padded(pairs, kernel, 0.0)
    module = module_for("Conv", len(kernel))(
        weight.shape[1] * groups, len(weight), kernel, stride, padding, dilation, groups, bias is not None
    )
    module.weight.fill(np.moveaxis(weight, (0, 1), (-1, -2)))
    if bias is not None:
        module.bias.fill(bias)
    return first(predict(nn.Sequential(*net, module.astype(x.dtype)), last(x)))


@operator("MaxPool")
def max_pool(node, x):
    kernel = tuple(node.get("kernel_shape"))
    stride, dilation, pairs = windows(node, x, kernel)
    padding, net = padded(pairs, kernel, -np.inf)
    ceil = bool(node.get("ceil_mode", 0))
    net.append(module_for("MaxPool", len(kernel))(kernel, stride, padding, dilation, ceil_mode=ceil))
    y = first(predict(nn.Sequential(*net), last(x)))
    return (y, Missing("where the largest stood"))[: node.n_outputs]


@operator("AveragePool")
def average_pool(node, x):
    kernel = tuple(node.get("kernel_shape"))
    stride, dilation, pairs = windows(node, x, kernel)
    if set(dilation) != {1}:
        raise DoesNotApply("means with dilation")
    counted, ceil = bool(node.get("count_include_pad", 0)), bool(node.get("ceil_mode", 0))
    padding, net = padded(pairs, kernel, 0.0)
    if net and not counted:
        raise DoesNotApply("means that leave out a padding which AvgPool refuses")
    kind = module_for("AvgPool", len(kernel))
    net.append(kind(kernel, stride, padding, ceil_mode=ceil, count_include_pad=counted))
    return first(predict(nn.Sequential(*net), last(x)))


@operator("GlobalAveragePool")
def global_average_pool(node, x):
    return first(predict(module_for("AdaptiveAvgPool", x.ndim - 2)(1), last(x)))


@operator("GlobalMaxPool")
def global_max_pool(node, x):
    return first(predict(module_for("AdaptiveMaxPool", x.ndim - 2)(1), last(x)))


@operator("LRN")
def local_response(node, x):
    module = nn.LocalResponseNorm(
        node.get("size"), node.get("alpha", 1e-4), node.get("beta", 0.75), node.get("bias", 1.0)
    )
    return first(predict(module, last(x)))


@operator("BatchNormalization")
def batch_norm(node, x, weight, bias, mean, variance):
    # ONNX weighs the old moments, we the new ones.
    momentum = 1 - node.get("momentum", 0.9)
    kind = module_for("BatchNorm", max(x.ndim - 2, 1))
    module = kind(len(weight), node.get("epsilon", 1e-5), momentum, dtype=x.dtype)
    module.weight.fill(weight)
    module.bias.fill(bias)
    module.running_mean[...], module.running_var[...] = mean, variance
    if not node.get("training_mode", 0):
        return first(predict(module, last(x)))
    y = first(module.forward(last(x)))
    return y, module.running_mean, Missing("the moving biased variance (ours is unbiased, as Torch's)")


def linear(weight, bias=None):
    """Return the layer with a matrix (in, out)."""
    module = nn.Linear(*weight.shape, bias=bias is not None, dtype=weight.dtype)
    module.weight.fill(weight.T)
    if bias is not None:
        module.bias.fill(bias)
    return module


@operator("Gemm")
def gemm(node, a, b, c=None):
    a, b = a.T if node.get("transA", 0) else a, b.T if node.get("transB", 0) else b
    scale, shift = (np.float32(node.get(name, 1.0)) for name in ("alpha", "beta"))
    if c is None or c.ndim == 1:
        return predict(linear(scale * b, None if c is None else shift * c), a)
    y = predict(linear(scale * b), a)
    return predict(nn.CAddTable(), [y, np.broadcast_to(shift * c, y.shape)])


@operator("MatMul")
def matmul(node, a, b):
    if b.ndim > 2:
        raise DoesNotApply("products of two batches of matrices")
    y = predict(linear(b.reshape(len(b), -1)), np.atleast_2d(a))
    return y.reshape(np.shape(a)[:-1] + b.shape[1:])


def gates(value, order):
    """Return gates in our order."""
    parts = np.split(value, len(order))
    return np.concatenate([parts[place] for place in order])


def fill_way(module, suffix, order, weight, recurrent, biases, peephole=None):
    """Write what ONNX has of one direction into a recurrent module."""
    parts = {"weight_ih": weight, "weight_hh": recurrent}
    if biases is not None:
        parts |= dict(zip(("bias_ih", "bias_hh"), np.split(biases, 2), strict=True))
    for name, value in parts.items():
        getattr(module, f"{name}_l0{suffix}").fill(gates(value, order))
    if peephole is not None:
        getattr(module, f"peephole_l0{suffix}").fill(gates(peephole, (0, 2, 1)).reshape(3, -1))


def check_recurrent(node, states):
    for name in ("activations", "activation_alpha", "activation_beta", "clip", "input_forget"):
        if node.get(name):
            raise DoesNotApply("other gates than the usual")
    if any(state is not None and np.any(state) for state in states):
        raise DoesNotApply("sequences that begin with a state")


def run_recurrent(node, x, lengths, make, fill):
    """Return the states and the last states in ONNX's layouts."""
    direction, batch_first = node.get("direction", "forward"), node.get("layout", 0)
    x = x if batch_first else x.swapaxes(0, 1)
    turned = direction == "reverse"
    if turned and lengths is not None and len(set(lengths)) > 1:
        raise DoesNotApply("sequences of different lengths from the end only")
    x = x[:, ::-1] if turned else x
    module = make(bidirectional=direction == "bidirectional", last=False)
    ends = make(bidirectional=direction == "bidirectional", last=True)
    for way, suffix in enumerate(module.suffixes):
        fill(module, suffix, way)
    ends.share(module)
    given = x if lengths is None else [x, lengths]
    states, final = predict(module, given), predict(ends, given)
    states = states[:, ::-1] if turned else states
    states = states.reshape(*states.shape[:2], len(module.suffixes), -1)
    final = final.reshape(len(final), len(module.suffixes), -1)
    return (states, final) if batch_first else (states.transpose(1, 2, 0, 3), final.swapaxes(0, 1))


@operator("LSTM", any_type=True)
def lstm(node, x, w, r, b=None, lengths=None, state=None, cell=None, peephole=None):
    check_recurrent(node, [state, cell])

    def make(**how):
        return nn.LSTM(
            x.shape[2],
            r.shape[2],
            bias=b is not None,
            peepholes=peephole is not None,
            recurrent_bias=True,
            dtype=x.dtype,
            **how,
        )

    def fill(module, suffix, way):
        biases, sight = (None if value is None else value[way] for value in (b, peephole))
        fill_way(module, suffix, (0, 2, 3, 1), w[way], r[way], biases, sight)

    return *run_recurrent(node, x, lengths, make, fill), Missing("the last cell")


@operator("GRU", any_type=True)
def gru(node, x, w, r, b=None, lengths=None, state=None):
    check_recurrent(node, [state])
    after = bool(node.get("linear_before_reset", 0))

    def make(**how):
        return nn.GRU(x.shape[2], r.shape[2], bias=b is not None, reset_after=after, dtype=x.dtype, **how)

    def fill(module, suffix, way):
        fill_way(module, suffix, (1, 0, 2), w[way], r[way], None if b is None else b[way])

    return run_recurrent(node, x, lengths, make, fill)


@operator("Selu")
def selu(node, x):
    if not node.attributes:
        return predict(nn.SELU(), x)
    return factor(predict(nn.ELU(node.get("alpha")), x), node.get("gamma"))


def factor(x, value):
    module = nn.CMul(1, dtype=x.dtype)
    module.weight.fill(value)
    return predict(module, np.atleast_2d(x)).reshape(x.shape)


@operator("Neg")
def negative(node, x):
    return factor(x, -1)


@operator("Shrink")
def shrink(node, x):
    bound, bias = node.get("lambd", 0.5), node.get("bias", 0.0)
    if bias not in (0, bound):
        raise DoesNotApply("a shrinkage by less than its bound")
    return predict((nn.Softshrink if bias else nn.Hardshrink)(bound), x)


@operator("PRelu")
def prelu(node, x, slope):
    # Before it was broadcast from the end, a vector was that of the channels.
    shape = (1, -1) + (1,) * (x.ndim - 2) if node.opset < 7 and x.ndim > 1 else slope.shape
    slope = slope.reshape(shape).reshape((1,) * (x.ndim - len(shape)) + np.shape(slope.reshape(shape)))
    channels = [axis for axis, n in enumerate(slope.shape) if n > 1] or [-1]
    if len(channels) > 1:
        raise DoesNotApply("another slope for each number")
    module = nn.PReLU(slope.size, dtype=x.dtype)
    module.weight.fill(slope.ravel())
    return np.moveaxis(predict(module, np.moveaxis(x, channels[0], -1)), -1, channels[0])


@operator("Clip")
def clip(node, x, low=None, high=None):
    low = node.get("min", -np.inf) if low is None else low
    high = node.get("max", np.inf) if high is None else high
    if not low < high:
        raise DoesNotApply("bounds in the wrong order, which Hardtanh refuses")
    return predict(nn.Hardtanh(float(low), float(high)), x)


def softmax(kind, node, x):
    if node.opset >= 13:
        return predict(kind(node.get("axis", -1)), x)
    # Once they made a matrix of the array.
    axis = node.get("axis", 1) % x.ndim
    return predict(kind(1), x.reshape(prod(x.shape[:axis]), -1)).reshape(x.shape)


@operator("Dropout", any_type=True)
def dropout(node, x, ratio=None, training=False):
    ratio = float(node.get("ratio", 0.5) if ratio is None else ratio)
    if training and ratio:
        raise DoesNotApply("numbers by chance")
    module = nn.Dropout(ratio)
    y = module.forward(x) if training else predict(module, x)
    return (y, Missing("which numbers were dropped"))[: node.n_outputs]


def loss(kind, node, scores, target, weight=None):
    reduction = node.get("reduction", "mean")
    if reduction == "none":
        raise DoesNotApply("losses of each sample alone")
    criterion = kind(weight, ignore_index=node.get("ignore_index"), reduction=reduction)
    return np.asarray(criterion.forward(last(scores), target), scores.dtype)


@operator("SoftmaxCrossEntropyLoss", any_type=True)
def cross_entropy(node, scores, target, weight=None):
    logs = first(predict(nn.LogSoftmax(), last(scores)))
    return (loss(nn.CrossEntropyLoss, node, scores, target, weight), logs)[: node.n_outputs]


@operator("Gather", any_type=True)
def gather(node, table, places):
    rows = np.moveaxis(table, node.get("axis", 0), 0)
    module = nn.Embedding(len(rows), prod(rows.shape[1:]), dtype=table.dtype)
    module.weight.fill(rows.reshape(len(rows), -1))
    found = predict(module, np.where(places < 0, places + len(rows), places))
    found = found.reshape(places.shape + rows.shape[1:])
    axis = node.get("axis", 0) % table.ndim
    return np.moveaxis(found, range(places.ndim), range(axis, axis + places.ndim))


@operator("Identity", any_type=True)
def identity(node, x):
    return predict(nn.Identity(), x)


@operator("Add", "Sum", any_type=True)
def add(node, *x):
    return predict(nn.CAddTable(), np.broadcast_arrays(*x))


@operator("Mul", any_type=True)
def multiply(node, *x):
    return predict(nn.CMulTable(), np.broadcast_arrays(*x))


@operator("Concat", any_type=True)
def concat(node, *x):
    return predict(nn.JoinTable(node.get("axis")), list(x))


@operator("Split", any_type=True)
def split(node, x, sizes=None):
    axis, n = node.get("axis", 0), node.n_outputs
    sizes = node.get("split") if sizes is None else sizes
    if sizes is None:
        each = -(-x.shape[axis] // n)
        sizes = [each] * (n - 1) + [x.shape[axis] - each * (n - 1)]
    starts = np.cumsum([0, *sizes[:-1]])
    parts = zip(starts, sizes, strict=True)
    return tuple(predict(nn.Narrow(axis, int(start), int(size)), x) for start, size in parts)


@operator("Slice", any_type=True)
def slice_(node, x, starts=None, ends=None, axes=None, steps=None):
    starts, ends, axes = (
        node.get(name) if value is None else value.tolist()
        for name, value in (("starts", starts), ("ends", ends), ("axes", axes))
    )
    if steps is not None and set(steps.tolist()) != {1}:
        raise DoesNotApply("parts with steps")
    for axis, start, end in zip(axes or range(len(starts)), starts, ends, strict=True):
        low, high, _ = slice(start, end).indices(x.shape[axis])
        x = predict(nn.Narrow(axis, low, max(high - low, 0)), x)
    return x


def view(x, shape):
    """Give an array another shape, as one sample."""
    return predict(nn.View(*map(int, shape)), x[np.newaxis])[0]


@operator("Reshape", any_type=True)
def reshape(node, x, shape):
    kept = shape if node.get("allowzero", 0) else [x.shape[i] if n == 0 else n for i, n in enumerate(shape)]
    return view(x, kept)


@operator("Flatten", any_type=True)
def flatten(node, x):
    axis = node.get("axis", 1)
    if axis == 1:
        return predict(nn.Flatten(), x)
    return view(x, (prod(x.shape[:axis]), prod(x.shape[axis:])))


@operator("Transpose", any_type=True)
def transpose(node, x):
    order, now, pairs = list(node.get("perm", range(x.ndim)[::-1])), list(range(x.ndim)), []
    for place, axis in enumerate(order):
        other = now.index(axis)
        now[place], now[other] = now[other], now[place]
        pairs.append((place, other))
    return predict(nn.Transpose(*pairs), x)


def axes_of(node, axes, default):
    """Return axes, which newer versions take as an input."""
    axes = node.get("axes") if axes is None else axes.tolist()
    return list(default if axes is None else axes)


@operator("Squeeze", any_type=True)
def squeeze(node, x, axes=None):
    chosen = axes_of(node, axes, [axis for axis, n in enumerate(x.shape) if n == 1])
    for axis in sorted((axis % x.ndim for axis in chosen), reverse=True):
        x = predict(nn.Squeeze(axis), x)
    return x


@operator("Unsqueeze", any_type=True)
def unsqueeze(node, x, axes=None):
    chosen = axes_of(node, axes, [])
    for axis in sorted(axis % (x.ndim + len(chosen)) for axis in chosen):
        x = predict(nn.Unsqueeze(axis), x)
    return x


@operator("Pad", any_type=True)
def pad(node, x, pads=None, value=None, axes=None):
    mode = node.get("mode", "constant")
    kind = {"constant": "ConstantPad", "reflect": "ReflectionPad", "edge": "ReplicationPad"}.get(mode)
    if kind is None:
        raise DoesNotApply("padding that wraps")
    pads = node.get("pads", node.get("paddings")) if pads is None else pads.tolist()
    value = node.get("value", 0.0) if value is None else value.item()
    axes = [axis % x.ndim for axis in axes_of(node, axes, range(x.ndim))]
    pairs = {
        axis: (pads[i], pads[i + len(axes)]) for i, axis in enumerate(axes) if pads[i] or pads[i + len(axes)]
    }
    how = (value,) if mode == "constant" else ()
    if set(pairs) == set(range(2, x.ndim)):
        ends = tuple(end for axis in sorted(pairs, reverse=True) for end in pairs[axis])
        return first(predict(module_for(kind, len(pairs))(ends, *how), last(x)))
    for axis, ends in pairs.items():
        rows = x.reshape(prod(x.shape[:axis]), x.shape[axis], -1)
        x = predict(module_for(kind, 1)(ends, *how), rows).reshape(*x.shape[:axis], -1, *x.shape[axis + 1 :])
    return x


def reduce(kind, node, x, axes=None):
    chosen = axes_of(node, axes, [])
    if not chosen and node.get("noop_with_empty_axes", 0):
        return predict(nn.Identity(), x)
    if kind is nn.Max and not x.size:
        raise DoesNotApply("the largest of nothing")
    dims = tuple(sorted(axis % x.ndim for axis in chosen)) or tuple(range(x.ndim))
    keep = bool(node.get("keepdims", 1))
    if kind is not nn.Max:
        return predict(kind(dims, keep), x)
    for axis in reversed(dims):
        x = predict(kind(axis, keep), x)
    return x


def transfer(make, node, x):
    return predict(make(node), x)


for name, make in {
    "Relu": lambda node: nn.ReLU(),
    "Tanh": lambda node: nn.Tanh(),
    "Sigmoid": lambda node: nn.Sigmoid(),
    "Softplus": lambda node: nn.Softplus(),
    "Softsign": lambda node: nn.Softsign(),
    "LeakyRelu": lambda node: nn.LeakyReLU(node.get("alpha", 0.01)),
    "Elu": lambda node: nn.ELU(node.get("alpha", 1.0)),
    "ThresholdedRelu": lambda node: nn.Threshold(node.get("alpha", 1.0), 0.0),
}.items():
    operator(name)(partial(transfer, make))
for name, kind in {"Softmax": nn.Softmax, "LogSoftmax": nn.LogSoftmax}.items():
    operator(name)(partial(softmax, kind))
for name, kind in {"ReduceMean": nn.Mean, "ReduceSum": nn.Sum, "ReduceMax": nn.Max}.items():
    operator(name, any_type=True)(partial(reduce, kind))
operator("NegativeLogLikelihoodLoss", any_type=True)(partial(loss, nn.NLLLoss))


def step(node, method, names, rate, done, arrays, **options):
    """Take a step from a given state; vectors stand one behind the other in each kind of array."""
    kinds = np.split(np.arange(len(arrays)), len(names) + 2)
    x, gradient, *kept = (np.concatenate([arrays[i].ravel() for i in kind]) for kind in kinds)
    state = {**dict(zip(names, kept, strict=True)), "func_eval": int(done), "learning_rate": float(rate)}
    state |= {"weight_decay": node.get("norm_coefficient", 0.0), **options}
    x, _ = method(lambda _: (0.0, gradient), x, state)
    sizes = np.cumsum([arrays[i].size for i in kinds[0]])[:-1]
    return tuple(part for vector in (x, *(state[name] for name in names)) for part in np.split(vector, sizes))


@operator("Adagrad", any_type=True)
def adagrad(node, rate, done, *arrays):
    options = {"learning_rate_decay": node.get("decay_factor", 0.0), "epsilon": node.get("epsilon", 1e-6)}
    return step(node, optim.adagrad, ["second"], rate, done, arrays, **options)


@operator("Adam", any_type=True)
def adam(node, rate, done, *arrays):
    options = {
        "beta1": node.get("alpha", 0.9),
        "beta2": node.get("beta", 0.999),
        "epsilon": node.get("epsilon", 1e-6),
    }
    # ONNX corrects nothing at step 0; neither do we after many steps.
    return step(node, optim.adam, ["first", "second"], rate, done - 1 if done else 10**9, arrays, **options)


@operator("Momentum", any_type=True)
def momentum(node, rate, done, *arrays):
    dampening = 1 - node.get("beta", 1.0) if done else 0.0
    options = {"momentum": node.get("alpha", 0.9), "dampening": dampening}
    options["nesterov"] = node.get("mode") == "nesterov"
    return step(node, optim.sgd, ["velocity"], rate, done, arrays, **options)


@operator("Constant", any_type=True)
def constant(node):
    return onnx.numpy_helper.to_array(node.get("value"))


#: What PyTorch wrote for a function that ONNX had not yet.
GRAPHS = {
    ("Abs", "Constant", "Add", "Div"): nn.Softsign,
    ("Neg", "Softmax"): lambda: nn.Softmin(1),
}


def compute(graph_node, opset, values):
    """Return the outputs of one node."""
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in graph_node.attribute}
    attributes = {key: a.decode() if isinstance(a, bytes) else a for key, a in attributes.items()}
    inputs = [values[name] if name else None for name in graph_node.input]
    if any(isinstance(x, list) for x in inputs):
        raise DoesNotApply("values that are no arrays")
    real = all(x is None or x.dtype in (np.float32, np.float64) for x in inputs)
    if not real and graph_node.op_type not in MOVES:
        raise DoesNotApply("numbers of other types than float32 and float64")
    node = Node(opset, len(graph_node.output), attributes)
    results = OPERATORS[graph_node.op_type](node, *inputs)
    return results if isinstance(results, tuple) else (results,)


def evaluate(model, inputs):
    """Return the outputs of a model."""
    graph = model.graph
    values = {value.name: onnx.numpy_helper.to_array(value) for value in graph.initializer}
    values |= zip((value.name for value in graph.input if value.name not in values), inputs, strict=True)
    if whole := GRAPHS.get(tuple(node.op_type for node in graph.node)):
        return [predict(whole(), inputs[0])]
    # Optimisers have a set of their own.
    opset = next((entry.version for entry in model.opset_import if entry.domain == ""), 0)
    for node in graph.node:
        values |= zip(node.output, compute(node, opset, values), strict=False)
    return [values[value.name] for value in graph.output]


class Case(NamedTuple):
    suite: str
    name: str
    model: Any
    data: list[tuple[list, list]]
    rtol: float
    atol: float

    @property
    def operators(self):
        return list(dict.fromkeys(node.op_type for node in self.model.graph.node))


def node_cases():
    """Return the cases that onnx makes in memory, in every version."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = collect_testcases(None)
    return [Case("node", c.name, c.model, c.data_sets, c.rtol, c.atol) for c in cases]


def read_tensor(path):
    tensor = onnx.TensorProto.FromString(path.read_bytes())
    return onnx.numpy_helper.to_array(tensor)


def file_cases(suite):
    """Return the cases that stand in files."""
    from onnx.backend.test.loader import load_model_tests

    for case in load_model_tests(kind=suite):
        folder = Path(case.model_dir)
        model, data = onnx.load(folder / "model.onnx"), []
        made = Case(suite, case.name, model, data, case.rtol, case.atol)
        for part in [] if unknown(made) else sorted(folder.glob("test_data_set_*")):
            names = [sorted(part.glob(f"{kind}_*.pb")) for kind in ("input", "output")]
            data.append(tuple([read_tensor(path) for path in paths] for paths in names))
        yield made


class Outcome(NamedTuple):
    case: Case
    #: Why it does not apply, or nothing.
    reason: str = ""
    #: What went wrong, or nothing.
    failure: str = ""
    #: Outputs that a module does not have.
    missing: tuple[str, ...] = ()


def unknown(case):
    """Return why we have no modules for a graph, or nothing."""
    if "_expanded" in case.name:
        return "another case, written with simpler operators"
    whole = tuple(case.operators) in GRAPHS
    return "" if whole or set(case.operators) <= set(OPERATORS) else "no such module"


def attempt(case):
    """Return what came of a case."""
    if why := unknown(case):
        return Outcome(case, why)
    assert case.data
    try:
        missing = [reason for inputs, outputs in case.data for reason in compare(case, inputs, outputs)]
    except DoesNotApply as why:
        return Outcome(case, str(why))
    except Exception as error:
        return Outcome(case, failure=f"{case.suite} {case.name}: {error!r}")
    return Outcome(case, missing=tuple(missing))


def compare(case, inputs, outputs):
    """Check all outputs that our modules have; return why others are missing."""
    found = evaluate(case.model, inputs)
    for ours, theirs in zip(found, outputs, strict=True):
        if isinstance(ours, Missing):
            yield ours.reason
        else:
            np.testing.assert_allclose(ours, theirs, case.rtol, case.atol)
            assert ours.shape == theirs.shape
            # Some cases of old versions promise more precision than they are given; our sums and products are real.
            assert ours.dtype.kind in (theirs.dtype.kind, "f")


#: How many cases of each operator ran with onnx 1.16; newer versions have more.
FLOOR = {
    "Add": 12,
    "Adagrad": 2,
    "Adam": 2,
    "AveragePool": 17,
    "BatchNormalization": 9,
    "Clip": 9,
    "Concat": 13,
    "Conv": 33,
    "Dropout": 8,
    "Elu": 4,
    "Flatten": 11,
    "GRU": 4,
    "Gather": 6,
    "Gemm": 13,
    "GlobalAveragePool": 2,
    "GlobalMaxPool": 2,
    "LRN": 2,
    "LSTM": 4,
    "LeakyRelu": 5,
    "LogSoftmax": 10,
    "MatMul": 2,
    "MaxPool": 27,
    "Momentum": 3,
    "Mul": 9,
    "NegativeLogLikelihoodLoss": 13,
    "PRelu": 7,
    "Pad": 10,
    "ReduceMax": 9,
    "ReduceMean": 10,
    "ReduceSum": 14,
    "Relu": 3,
    "Reshape": 11,
    "Selu": 5,
    "Shrink": 3,
    "Sigmoid": 7,
    "Slice": 8,
    "Softmax": 11,
    "SoftmaxCrossEntropyLoss": 26,
    "Softplus": 3,
    "Softsign": 2,
    "Split": 19,
    "Squeeze": 5,
    "Tanh": 5,
    "ThresholdedRelu": 3,
    "Transpose": 10,
    "Unsqueeze": 9,
}


@pytest.fixture(scope="module")
def outcomes():
    cases = [*node_cases(), *(case for suite in SUITES[1:] for case in file_cases(suite))]
    return [attempt(case) for case in cases]


@pytest.mark.parametrize("suite", SUITES)
def test_no_number_is_wrong(outcomes, suite):
    failures = [outcome.failure for outcome in outcomes if outcome.case.suite == suite and outcome.failure]
    assert not failures, "\n".join(failures)


def test_as_many_cases_ran_as_ever(outcomes):
    ran = Counter(operator for o in outcomes if not o.reason for operator in o.case.operators)
    assert {name: ran[name] for name, least in FLOOR.items() if ran[name] < least} == {}


def test_all_that_pytorch_wrote_but_what_we_have_not(outcomes):
    left = {o.case.name for o in outcomes if o.case.suite == "pytorch-converted" and o.reason}
    assert left == {
        "test_ConvTranspose2d",
        "test_ConvTranspose2d_no_bias",
        "test_PoissonNLLLLoss_no_reduce",
    }


def lines(outcomes):
    """Yield the table of what ran and why the others did not."""
    yield f"\n{'cases of onnx ' + onnx.__version__:<24} ran  in part  do not apply"
    for suite in SUITES:
        own = [outcome for outcome in outcomes if outcome.case.suite == suite]
        counts = [
            sum(map(bool, column)) for column in ([not o.reason for o in own], [o.missing for o in own])
        ]
        yield f"{suite:<24}{counts[0]:>4}{counts[1]:>9}{len(own) - counts[0]:>14}"
    for title, reasons in (
        ("why cases do not apply", [(o.reason, o) for o in outcomes if o.reason]),
        ("outputs left out", [(reason, o) for o in outcomes for reason in o.missing]),
    ):
        yield title
        for reason, n in Counter(reason for reason, _ in reasons).most_common():
            names = sorted({name for why, o in reasons if why == reason for name in o.case.operators})
            yield f"{n:>5} {reason} ({', '.join(names) if len(names) < 5 else f'{len(names)} operators'})"


def test_the_table(outcomes, capsys):
    with capsys.disabled():
        print("\n".join(lines(outcomes)))
    assert sum(not outcome.reason for outcome in outcomes) >= 392
