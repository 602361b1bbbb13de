"""Nets written as ONNX, run by ONNX Runtime."""

import json
import sys

import numpy as np
import pytest

from actionbench import ActionbenchError
from actionbench.models import nn, zoo
from actionbench.models.export import emit, to_onnx

onnx = pytest.importorskip("onnx", reason="the export needs onnx")
runtime = pytest.importorskip("onnxruntime", reason="the oracle of the export")

TOLERANCE = {"float32": {"rtol": 1e-5, "atol": 2e-6}, "float64": {"rtol": 1e-10, "atol": 1e-10}}


def run(model, input):
    """Return what ONNX Runtime makes of an input, an array or a list."""
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    values = input if isinstance(input, list) else [input]
    feed = {source.name: value for source, value in zip(session.get_inputs(), values, strict=True)}
    results = session.run(None, feed)
    return results if len(results) > 1 else results[0]


def draw(shape, n, dtype="float32", seed=0):
    """Return an input of ``n`` samples for a shape, or a list of such for a list."""
    if isinstance(shape, list):
        return [draw(part, n, dtype, seed + place) for place, part in enumerate(shape)]
    return np.random.default_rng(seed).normal(size=(n, *shape)).astype(dtype)


def shaken(net, seed=1):
    """Give a net state that is not that of the start: moments and scales, too."""
    rng = np.random.default_rng(seed)
    net.reset(rng)
    for value in net.parameters().values():
        value.value += rng.uniform(-0.2, 0.2, value.value.shape)
    for buffer in net.buffers().values():
        buffer += rng.uniform(0.1, 0.5, buffer.shape)
    return net


def assert_equal(net, make, sizes=(1, 3), dtype="float32"):
    """Export with a batch of two; compare batches of other sizes."""
    model = to_onnx(net, make(2))
    for n in sizes:
        x = make(n)
        with net.evaluating():
            expected = net.forward(x)
        found = run(model, x)
        for a, b in zip(
            found if isinstance(found, list) else [found], nn.values.leaves(expected), strict=True
        ):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, **TOLERANCE[dtype])
    return model


# A maker of each module with the shape of its input behind the batch axis, or a list of such.
CASES = {
    "Linear": (lambda: nn.Linear(5, 4), (5,)),
    "Linear over time": (lambda: nn.Linear(5, 4, bias=False), (3, 5)),
    "CMul": (lambda: nn.CMul(3, 1, 2), (3, 2, 2)),
    "Conv1d": (lambda: nn.Conv1d(2, 3, 3, stride=2, padding=1), (7, 2)),
    "Conv1d in groups": (lambda: nn.Conv1d(4, 6, 2, groups=2), (4, 4)),
    "Conv2d": (lambda: nn.Conv2d(2, 3, (3, 2), (1, 2), (1, 0), 2), (5, 6, 2)),
    "Conv2d depthwise": (lambda: nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3, bias=False), (4, 3, 3)),
    "Conv3d": (lambda: nn.Conv3d(4, 6, (2, 3, 3), (1, 2, 1), (0, 2, 1), (1, 2, 1), 2), (3, 4, 3, 4)),
    "ConvMap2d": (lambda: nn.ConvMap2d([(0, 1), (2, 0), (1, 1), (2, 2)], 2, padding=1), (3, 2, 3)),
    "LocallyConnected2d": (lambda: nn.LocallyConnected2d(2, 3, (4, 5), (3, 2), (2, 1), (1, 0)), (4, 5, 2)),
    "LocallyConnected2d without bias": (
        lambda: nn.LocallyConnected2d(1, 2, (3, 3), 2, bias=False),
        (3, 3, 1),
    ),
    "MaxPool1d": (lambda: nn.MaxPool1d(3, 2, ceil_mode=True), (6, 2)),
    "MaxPool2d": (lambda: nn.MaxPool2d(3, 2, padding=1), (5, 4, 2)),
    "MaxPool2d dilated": (lambda: nn.MaxPool2d((3, 2), 1, 1, dilation=(1, 2)), (4, 5, 2)),
    "MaxPool2d dilated far out": (lambda: nn.MaxPool2d(2, 3, dilation=3, ceil_mode=True), (6, 6, 2)),
    "MaxPool2d, ceil in the padding": (lambda: nn.MaxPool2d(2, 2, 1, ceil_mode=True), (5, 4, 2)),
    "MaxPool3d": (lambda: nn.MaxPool3d((1, 2, 2)), (2, 4, 5, 2)),
    "AvgPool1d": (lambda: nn.AvgPool1d(2), (5, 2)),
    "AvgPool2d": (lambda: nn.AvgPool2d(3, 2, 1, True, count_include_pad=False), (4, 5, 2)),
    "AvgPool2d, ceil": (lambda: nn.AvgPool2d((3, 4), (2, 3), 1, True), (4, 6, 2)),
    "AvgPool3d": (lambda: nn.AvgPool3d(2, 2, 1, True), (2, 3, 2, 2)),
    "AdaptiveAvgPool1d": (lambda: nn.AdaptiveAvgPool1d(3), (5, 2)),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((2, None)), (5, 3, 2)),
    "AdaptiveAvgPool3d": (lambda: nn.AdaptiveAvgPool3d(2), (3, 2, 5, 1)),
    "AdaptiveMaxPool1d": (lambda: nn.AdaptiveMaxPool1d(3), (5, 2)),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d((2, None)), (5, 3, 2)),
    "AdaptiveMaxPool3d": (lambda: nn.AdaptiveMaxPool3d((1, 4, 2)), (3, 2, 5, 1)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3), (3,)),
    "BatchNorm1d over time": (lambda: nn.BatchNorm1d(3, eps=1e-3), (4, 3)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3), (2, 3, 3)),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(2, affine=False), (2, 2, 3, 2)),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(3, 0.5, 0.75, 2.0), (2, 2, 5)),
    "LocalResponseNorm, even": (lambda: nn.LocalResponseNorm(4, 0.5, 0.6), (6,)),
    "Dropout": (nn.Dropout, (4,)),
    "Dropout1d": (nn.Dropout1d, (2, 5)),
    "Dropout2d": (nn.Dropout2d, (2, 2, 5)),
    "Dropout3d": (nn.Dropout3d, (1, 2, 2, 5)),
    "LSTM": (lambda: nn.LSTM(3, 2), (4, 3)),
    "LSTM with peepholes": (lambda: nn.LSTM(3, 4, peepholes=True, recurrent_bias=True), (4, 3)),
    "LSTM of two layers": (lambda: nn.LSTM(2, 3, 2, bidirectional=True, dropout=0.3), (5, 2)),
    "LSTM, last": (
        lambda: nn.LSTM(2, 2, bias=False, bidirectional=True, peepholes=True, last=True),
        (3, 2),
    ),
    "GRU": (lambda: nn.GRU(3, 2), (4, 3)),
    "GRU, reset before": (lambda: nn.GRU(3, 2, bidirectional=True, reset_after=False), (3, 3)),
    "GRU of two layers": (lambda: nn.GRU(2, 2, 2, bias=False, last=True), (3, 2)),
    "ReLU": (nn.ReLU, (4, 3)),
    "ReLU6": (nn.ReLU6, (4, 3)),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.2), (4, 3)),
    "PReLU": (nn.PReLU, (4, 3)),
    "PReLU per channel": (lambda: nn.PReLU(3), (4, 3)),
    "RReLU": (nn.RReLU, (4, 3)),
    "ELU": (lambda: nn.ELU(1.5), (4, 3)),
    "SELU": (nn.SELU, (4, 3)),
    "Threshold": (lambda: nn.Threshold(0.3, -7.0), (4, 3)),
    "Hardtanh": (lambda: nn.Hardtanh(-0.5, 1.5), (4, 3)),
    "Hardshrink": (nn.Hardshrink, (4, 3)),
    "Softshrink": (nn.Softshrink, (4, 3)),
    "Softplus": (lambda: nn.Softplus(2.0), (4, 3)),
    "Softsign": (nn.Softsign, (4, 3)),
    "LogSigmoid": (nn.LogSigmoid, (4, 3)),
    "Tanh": (nn.Tanh, (4, 3)),
    "Tanhshrink": (nn.Tanhshrink, (4, 3)),
    "Sigmoid": (nn.Sigmoid, (4, 3)),
    "Softmax": (nn.Softmax, (2, 5)),
    "Softmin": (lambda: nn.Softmin(dim=1), (2, 5)),
    "LogSoftmax": (lambda: nn.LogSoftmax(dim=1), (4, 3)),
    "Flatten": (nn.Flatten, (2, 3)),
    "Flatten of the last axes": (lambda: nn.Flatten(2), (2, 3, 2)),
    "Flatten of all": (lambda: nn.Flatten(0), (2, 3)),
    "View": (lambda: nn.View(3, -1), (2, 3)),
    "Reshape": (lambda: nn.Reshape(3, 1, 2), (2, 3)),
    "Squeeze": (lambda: nn.Squeeze(2), (3, 1, 2)),
    "Unsqueeze": (lambda: nn.Unsqueeze(-2), (3, 2)),
    "Transpose": (lambda: nn.Transpose((1, 2), (2, -1)), (2, 3, 2)),
    "Transpose of the batch": (lambda: nn.Sequential(nn.Transpose((0, 1)), nn.View(-1, 2)), (2, 4)),
    "Select": (lambda: nn.Select(1, -1), (3, 2)),
    "Narrow": (lambda: nn.Narrow(-1, 1, 2), (2, 4)),
    "Identity": (nn.Identity, (3,)),
    "Mean": (lambda: nn.Mean((1, 2)), (2, 3, 2)),
    "Mean of the batch": (lambda: nn.Mean(0), (2, 3)),
    "Sum": (lambda: nn.Sum((1, -1), keepdim=True), (2, 3, 2)),
    "Sum of all": (lambda: nn.Sum((0, 1)), (2,)),
    "Max": (lambda: nn.Max(1), (4, 3)),
    "ConstantPad1d": (lambda: nn.ConstantPad1d((1, -1), 3.0), (4, 2)),
    "ConstantPad2d": (lambda: nn.ConstantPad2d((1, 2, 0, 1), 3.0), (2, 3, 1)),
    "ConstantPad3d": (lambda: nn.ConstantPad3d((1, 0, -1, 1, 0, 2), 3.0), (2, 3, 2, 1)),
    "ZeroPad1d": (lambda: nn.ZeroPad1d(2), (3, 2)),
    "ZeroPad2d": (lambda: nn.ZeroPad2d((0, 1, 2, -1)), (3, 2, 2)),
    "ZeroPad3d": (lambda: nn.ZeroPad3d(1), (1, 2, 1, 2)),
    "ReflectionPad1d": (lambda: nn.ReflectionPad1d((2, 1)), (3, 2)),
    "ReflectionPad2d": (lambda: nn.ReflectionPad2d((1, 2, 1, -1)), (3, 3, 1)),
    "ReflectionPad3d": (lambda: nn.ReflectionPad3d(1), (2, 2, 2, 1)),
    "ReplicationPad1d": (lambda: nn.ReplicationPad1d((4, 1)), (3, 2)),
    "ReplicationPad2d": (lambda: nn.ReplicationPad2d((1, -1, 0, 2)), (3, 3, 1)),
    "ReplicationPad3d": (lambda: nn.ReplicationPad3d(1), (2, 1, 2, 1)),
    "Sequential": (lambda: nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2)), (2,)),
    "ConcatTable": (lambda: nn.ConcatTable(nn.Linear(2, 3), nn.Identity()), (2,)),
    "Graph": (
        lambda: nn.Graph([(0, 2), (1, 2), (0, 3)], *(nn.Linear(2, 2) for _ in range(4)), nn.Tanh()),
        (2,),
    ),
    "Concat": (lambda: nn.Concat(-1, nn.Linear(2, 3), nn.Tanh()), (2,)),
    "Parallel": (lambda: nn.Parallel(1, -1, nn.Linear(3, 2), nn.Linear(3, 4)), (2, 3)),
    "ParallelTable": (lambda: nn.ParallelTable(nn.Linear(2, 3), nn.Tanh()), [(2,), (4,)]),
    "Bottle": (lambda: nn.Bottle(nn.Conv2d(1, 2, 2), n_dims=4), (3, 3, 3, 1)),
    "Bottle that stays": (lambda: nn.Sequential(nn.Bottle(nn.Linear(2, 3)), nn.ReLU()), (4, 5, 2)),
    "JoinTable": (lambda: nn.JoinTable(1), [(2, 3), (1, 3)]),
    "SplitTable": (lambda: nn.SplitTable(-1), (2, 3)),
    "SelectTable": (lambda: nn.SelectTable(-1), [(2,), (3,)]),
    "NarrowTable": (lambda: nn.NarrowTable(1, 2), [(2,), (3,), (4,)]),
    "FlattenTable": (
        lambda: nn.Sequential(nn.ConcatTable(nn.Identity(), nn.ConcatTable(nn.Tanh())), nn.FlattenTable()),
        (2,),
    ),
    "CAddTable": (nn.CAddTable, [(2, 3), (2, 3), (2, 3)]),
    "CMulTable": (nn.CMulTable, [(2, 3), (2, 3)]),
}

# ONNX Runtime computes these in single precision only.
SINGLE = ("Conv", "AvgPool", "LSTM", "GRU", "LocalResponseNorm", "Bottle")


@pytest.mark.parametrize("name", CASES)
def test_each_module_as_we_compute_it(name):
    make, shape = CASES[name]
    assert_equal(shaken(make()), lambda n: draw(shape, n))


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith(SINGLE)])
def test_each_module_in_double_precision(name):
    make, shape = CASES[name]
    net = shaken(make().astype(np.float64))
    assert_equal(net, lambda n: draw(shape, n, "float64"), dtype="float64")


@pytest.mark.parametrize("seed", range(40))
def test_poolings_and_convolutions_of_any_geometry(seed):
    rng = np.random.default_rng(seed)
    kernel, stride, dilation = (tuple(int(n) for n in rng.integers(1, 4, 2)) for _ in range(3))
    padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel)
    shape = (*(int(n) for n in rng.integers(7, 12, 2)), 2)
    ceil, counted = (bool(n) for n in rng.integers(0, 2, 2))
    for module in (
        nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil),
        nn.AvgPool2d(kernel, stride, padding, ceil, counted),
        nn.Conv2d(2, 3, kernel, stride, padding, dilation, rng=seed),
    ):
        assert_equal(module, lambda n: draw(shape, n, seed=seed))


def test_no_module_is_forgotten():
    public = [kind for kind in vars(nn).values() if isinstance(kind, type) and issubclass(kind, nn.Module)]
    seen = {type(module) for make, _ in CASES.values() for module in make().find_modules(nn.Module)}
    assert set(public) - seen == {nn.Module, nn.Function, nn.Container, nn.Embedding}


def test_embedding_of_other_integers():
    for dtype in ("int64", "int32", "uint8"):
        assert_equal(
            nn.Sequential(nn.Embedding(7, 3, rng=0), nn.Mean(1)),
            lambda n, dtype=dtype: np.random.default_rng(n).integers(0, 7, (n, 4)).astype(dtype),
        )


@pytest.mark.parametrize("kind", ["uint8", "int8", "int64", "bool", "float16"])
def test_integers(kind):
    """They are converted where the net computes with them."""
    net = nn.Sequential(
        nn.Unsqueeze(3),
        nn.ConcatTable(
            nn.ReflectionPad2d(1),
            nn.Sequential(nn.Graph([(0, 2), (1, 2)], *(nn.Identity(),) * 3), nn.ZeroPad2d(1)),
        ),
        nn.CMulTable(),
        nn.Sum((1, 2)),
    )
    assert_equal(
        net, lambda n: (100 * draw((4, 3), n)).astype(kind), dtype="float64" if kind == "int64" else "float32"
    )


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_sequences_of_different_lengths(kind, last):
    net = shaken(kind(3, 4, 2, bidirectional=True, last=last))
    assert_equal(net, lambda n: [draw((5, 3), n), np.arange(n) % 5 + 1], sizes=(1, 3, 7))


def test_lists_in_lists_are_flat_outside():
    net = nn.ParallelTable(nn.CAddTable(), nn.Linear(2, 3, rng=0))
    model = to_onnx(net, [[draw((2,), 1), draw((2,), 1, seed=1)], draw((2,), 1)])
    assert [value.name for value in model.graph.input] == ["input_0", "input_1", "input_2"]
    assert [value.name for value in model.graph.output] == ["output_0", "output_1"]
    parts = [draw((2,), 4, seed=seed) for seed in range(3)]
    for a, b in zip(run(model, parts), net.forward([parts[:2], parts[2]]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (zoo.tiny3d(4, widths=(2, 3, 4), rng=0), (8, 12, 10, 1)),
        (zoo.mlp(12, 9, 5, dropout=0.5, batch_norm=True, rng=0), (3, 4)),
    ],
    ids=["tiny3d", "mlp"],
)
def test_whole_nets(net, shape):
    model = assert_equal(shaken(net), lambda n: draw(shape, n), sizes=(0, 1, 5))
    (source,) = model.graph.input
    assert [axis.dim_param or axis.dim_value for axis in source.type.tensor_type.shape.dim] == ["N", *shape]
    assert net.is_training


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (lambda: zoo.inception(7, auxiliary=True, rng=0), (224, 224, 3)),
        (lambda: zoo.c3d(5, (8, 24, 20), rng=0), (8, 24, 20, 3)),
        (lambda: zoo.lstm_classifier(6, 5, 3, num_layers=2, bidirectional=True, rng=0), (9, 6)),
    ],
)
def test_nets_of_the_zoo_give_what_another_program_computes(net, shape):
    assert_equal(net(), lambda n: draw(shape, n), sizes=(1,))


def test_bytes_are_converted_as_the_net_does():
    frames = np.random.default_rng(0).integers(0, 9, (2, 5, 5, 3), dtype=np.uint8)
    for net in (nn.Conv2d(3, 2, 3), nn.Sequential(nn.Mean((1, 2)), nn.Linear(3, 2))):
        assert_equal(shaken(net), lambda n: frames[:n], sizes=(1, 2))


def test_lists_of_two_types_become_one():
    assert_equal(nn.CAddTable(), lambda n: [draw((2,), n), draw((2,), n, "float64")], dtype="float64")


def test_what_is_shared_is_kept_once():
    shared = nn.Linear(3, 3, rng=0)
    twin = nn.Linear(3, 3, rng=1).share(shared, "weight")
    net = nn.Sequential(shared, nn.Tanh(), shared, twin)
    model = assert_equal(net, lambda n: draw((3,), n))
    assert [constant.name for constant in model.graph.initializer] == ["0.weight", "0.bias", "3.bias"]


def test_neighbours_share_the_moves_of_the_axes():
    net = zoo.tiny3d(3, widths=(2, 2), rng=0)
    operators = [node.op_type for node in to_onnx(net, draw((4, 4, 4, 1), 1)).graph.node]
    assert operators[:6] == ["Transpose", "Conv", "BatchNormalization", "MaxPool", "Transpose", "Relu"]


def test_what_no_output_needs_is_left_out():
    net = nn.Sequential(nn.ConcatTable(nn.Linear(2, 3), nn.Tanh()), nn.SelectTable(1))
    model = to_onnx(net, draw((2,), 1))
    assert [node.op_type for node in model.graph.node] == ["Tanh", "Identity"]
    assert not model.graph.initializer


def test_a_file_with_the_names_of_the_classes(tmp_path):
    model = to_onnx(nn.Linear(3, 2), draw((3,), 1), tmp_path / "net.onnx", classes=["walk", "run"])
    stored = onnx.load(tmp_path / "net.onnx")
    assert stored == model
    assert stored.producer_name == "actionbench"
    assert stored.producer_version
    assert stored.graph.name == "Linear"
    assert json.loads(stored.metadata_props[0].value) == ["walk", "run"]


class Residual(nn.Module):
    """A user's module with modules inside."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 3, rng=0)

    def _forward(self, x):
        y, context = self.inner._run(x)
        return x + y, context

    def _backward(self, context, grad_output, scale, input_grad, param_grad):
        inner = self.inner._backward(context, grad_output, scale, input_grad, param_grad)
        return grad_output + inner if input_grad else None


class Curious(Residual):
    """One that computes otherwise."""

    def _forward(self, x):
        return x, None


class Uneven(nn.Identity):
    """One whose modules depend on the batch."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Tanh()

    def _forward(self, x):
        return (x if len(x) == 1 else self.inner.forward(x)), None


class Named(nn.Sequential):
    """One that only builds."""

    def __init__(self):
        super().__init__(nn.Linear(3, 2, rng=0), nn.ReLU())


class Unknown(nn.Identity):
    """One without export."""

    def _forward(self, x):
        return 2 * x, None


@emit.register
def emit_residual(module: Residual, graph, x):
    return graph.node("Add", x, graph.add(module.inner, x, "inner"))


class Twice(Residual):
    """One whose export runs more than its forward."""


@emit.register
def emit_twice(module: Twice, graph, x):
    return graph.add(module.inner, graph.add(module.inner, x))


class Listed(Unknown):
    """One whose export gives a list."""


@emit.register
def emit_listed(module: Listed, graph, x):
    return [x, x]


def test_modules_of_ones_own():
    model = assert_equal(nn.Sequential(Residual(), Named()), lambda n: draw((3,), n))
    assert model.graph.initializer[0].name == "0.inner.weight"


@pytest.mark.parametrize(
    ("net", "input", "sentence"),
    [
        (nn.Sequential(nn.Tanh(), nn.Bottle(Unknown())), draw((2, 3), 1), r"1\.0 \(Unknown\) cannot"),
        (Curious(), draw((3,), 1), r"the net \(Curious\) cannot .* something else than the class"),
        (Twice(), draw((3,), 1), r"the net \(Linear\) is exported more often than the net runs it"),
        (Uneven(), draw((3,), 1), "the modules that run depend on the size of the batch"),
        (nn.SplitTable(0), draw((3,), 2), r"needs fixed lengths of the axes \(0,\)"),
        (
            Listed(),
            draw((3,), 2),
            r"the net \(Listed\) .* other inputs or outputs in its export than in the net",
        ),
        (
            nn.Sequential(nn.Transpose((0, 1)), nn.MaxPool1d(1)),
            draw((3, 2), 1),
            r"1 \(MaxPool1d\) cannot be exported to ONNX: it needs fixed lengths of the axes \(1,\)",
        ),
        (nn.Tanh(), np.ones((2, 3), np.complex64), "ONNX cannot compute with the data types"),
        (nn.Linear(3, 2), draw((3,), 0), "the example must hold a sample or more"),
        (nn.Linear(3, 2), draw((4,), 1), r"Linear expects \(N, 3\)"),
    ],
)
def test_what_cannot_be_exported_is_said(net, input, sentence):
    with pytest.raises(ValueError, match=sentence):
        to_onnx(net, input)


def test_classes_that_are_no_scores():
    for net in (nn.Linear(3, 2), nn.ConcatTable(nn.Linear(3, 3), nn.Linear(3, 3))):
        with pytest.raises(ValueError, match="3 classes need one output of as many scores"):
            to_onnx(net, draw((3,), 1), classes=["a", "b", "c"])


def test_a_net_that_is_too_large(monkeypatch):
    monkeypatch.setattr("actionbench.models.export.MAX_BYTES", 31)
    with pytest.raises(ValueError, match="must have less than 2 GiB, but this net has 32 bytes"):
        to_onnx(nn.Linear(3, 2), draw((3,), 1))


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ActionbenchError, match=r'pip install "actionbench\[onnx\]"'):
        to_onnx(nn.Linear(3, 2), draw((3,), 1))
