"""Arrays of wrong shapes, which every module's backward and every function that calls a kernel refuses, and types."""

import inspect

import numpy as np
import pytest

from actionbench.models import nn, optim
from actionbench.models.nn import functional
from actionbench.models.nn.values import fitting, floating

WORDS, IMAGES = (3, 6, 4), (3, 6, 5, 4)
SEQUENCES, VOLUMES = (3, 6, 4), (3, 4, 6, 5, 4)
CASES = {
    "Linear": (nn.Linear(4, 2), (3, 4)),
    "Linear of sequences": (nn.Linear(4, 2), WORDS),
    "CMul": (nn.CMul(4), WORDS),
    "Embedding": (nn.Embedding(5, 3), None),
    "PReLU": (nn.PReLU(4), WORDS),
    "ConvMap2d": (nn.ConvMap2d([(0, 1), (3, 0)], 2), IMAGES),
    "LocallyConnected2d": (nn.LocallyConnected2d(4, 2, (6, 5), 2), IMAGES),
    "LSTM": (nn.LSTM(4, 3), WORDS),
    "LSTM both ways": (nn.LSTM(4, 3, 2, bidirectional=True), WORDS),
    "LSTM last": (nn.LSTM(4, 3, last=True), WORDS),
    "GRU": (nn.GRU(4, 3), WORDS),
    "GRU last": (nn.GRU(4, 3, last=True), WORDS),
    "LocalResponseNorm": (nn.LocalResponseNorm(3), WORDS),
    "Threshold": (nn.Threshold(0.1, 0.2), WORDS),
    "View": (nn.View(24), WORDS),
    "Squeeze": (nn.Squeeze(1), (3, 1, 4)),
    "Unsqueeze": (nn.Unsqueeze(1), WORDS),
    "Transpose": (nn.Transpose((1, 2)), WORDS),
    "Select": (nn.Select(1, 0), WORDS),
    "Narrow": (nn.Narrow(1, 0, 2), WORDS),
    "Sum": (nn.Sum(1), WORDS),
    "Mean": (nn.Mean(1), WORDS),
    "Mean of samples": (nn.Mean(2), WORDS),
    "Max": (nn.Max(1), WORDS),
    "JoinTable": (nn.JoinTable(1), [WORDS, WORDS]),
    "SelectTable": (nn.SelectTable(0), [WORDS, WORDS]),
    "CAddTable": (nn.CAddTable(), [WORDS, WORDS]),
    "CMulTable": (nn.CMulTable(), [WORDS, WORDS]),
    "Sequential": (nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2)), WORDS),
    "Concat": (nn.Concat(1, nn.Linear(4, 2), nn.Linear(4, 2)), WORDS),
    "Parallel": (nn.Parallel(1, 1, nn.Linear(4, 2), nn.Linear(4, 2)), (3, 2, 4)),
    "Graph": (nn.Graph([(0, 1)], nn.Linear(4, 4), nn.Linear(4, 2)), WORDS),
    "Bottle": (nn.Bottle(nn.Linear(4, 2)), WORDS),
    "block of ReLU": (nn.Sequential(nn.Conv2d(4, 2, 3), nn.ReLU()), IMAGES),
    "block of pool": (nn.Sequential(nn.Conv2d(4, 2, 3), nn.MaxPool2d(2), nn.ReLU()), IMAGES),
    "block of norm": (nn.Sequential(nn.Conv2d(4, 2, 3), nn.BatchNorm2d(2), nn.ReLU()), IMAGES),
    "block of all": (nn.Sequential(nn.Conv2d(4, 2, 3), nn.BatchNorm2d(2), nn.MaxPool2d(2)), IMAGES),
    "ParallelTable": (nn.ParallelTable(nn.Tanh(), nn.Tanh()), [WORDS, WORDS]),
    "ConcatTable": (nn.ConcatTable(nn.Tanh(), nn.Tanh()), WORDS),
    "SplitTable": (nn.SplitTable(1), (3, 2, 4)),
    "NarrowTable": (nn.NarrowTable(0, 2), [WORDS, WORDS]),
    "FlattenTable": (nn.FlattenTable(), [WORDS, [WORDS, WORDS]]),
}
for axes, shape in {1: SEQUENCES, 2: IMAGES, 3: VOLUMES}.items():
    CASES |= {
        f"Conv{axes}d": (getattr(nn, f"Conv{axes}d")(4, 2, 2), shape),
        f"Conv{axes}d padded": (getattr(nn, f"Conv{axes}d")(4, 2, 3, 2, 1, groups=2), shape),
        f"MaxPool{axes}d": (getattr(nn, f"MaxPool{axes}d")(2), shape),
        f"MaxPool{axes}d overlapping": (getattr(nn, f"MaxPool{axes}d")(3, 1, 1), shape),
        f"AvgPool{axes}d": (getattr(nn, f"AvgPool{axes}d")(2), shape),
        f"AdaptiveMaxPool{axes}d": (getattr(nn, f"AdaptiveMaxPool{axes}d")(2), shape),
        f"AdaptiveAvgPool{axes}d": (getattr(nn, f"AdaptiveAvgPool{axes}d")(2), shape),
        f"BatchNorm{axes}d": (getattr(nn, f"BatchNorm{axes}d")(4), shape),
        f"Dropout{axes}d": (getattr(nn, f"Dropout{axes}d")(), shape),
        f"ConstantPad{axes}d": (getattr(nn, f"ConstantPad{axes}d")(1, 0.5), shape),
        f"ZeroPad{axes}d": (getattr(nn, f"ZeroPad{axes}d")(1), shape),
        f"ReflectionPad{axes}d": (getattr(nn, f"ReflectionPad{axes}d")(1), shape),
        f"ReplicationPad{axes}d": (getattr(nn, f"ReplicationPad{axes}d")(1), shape),
    }
PLAIN = "Tanh Sigmoid Softmax Softmin LogSoftmax Hardtanh ReLU ReLU6 LeakyReLU RReLU ELU SELU Softplus LogSigmoid "
PLAIN += "Softsign Tanhshrink Softshrink Hardshrink Identity Flatten Dropout"
CASES |= {name: (getattr(nn, name)(), WORDS) for name in PLAIN.split()}
LISTS = {"ParallelTable", "ConcatTable", "SplitTable", "NarrowTable", "FlattenTable"}


def draw(shape, seed=0):
    rng = np.random.default_rng(seed)
    if isinstance(shape, list):
        return [draw(part, seed + place) for place, part in enumerate(shape)]
    return rng.integers(0, 5, (3, 2)) if shape is None else rng.standard_normal(shape).astype(np.float32)


def wrongs(y):
    """Return gradients that do not fit an output, of each kind."""
    big = np.ones((len(y) + 5, *y.shape[1:]), np.float32)
    found = [
        big,
        big[: len(y) - 1],
        big[:0],
        np.ones((*y.shape, 1), np.float32),
        np.ones(y.shape[:-1], np.float32),
        np.ones((*y.shape[:-1], y.shape[-1] + 1), np.float32),
        np.ones((*y.shape[:-1], 0), np.float32),
        np.ones(y.size, np.float32),
        np.ones(y.shape[::-1], np.float32),
        np.float32(1),
        None,
    ]
    return [gradient for gradient in found if np.shape(gradient) != y.shape]


def test_every_module_is_here():
    kinds = {kind for kind in vars(nn).values() if inspect.isclass(kind) and issubclass(kind, nn.Module)}
    here = {type(inside) for module, _ in CASES.values() for _, inside in module.named_modules()}
    assert kinds - here == {nn.Module, nn.Function, nn.Container}


@pytest.mark.parametrize("mode", ["training", "evaluate"])
@pytest.mark.parametrize("name", sorted(CASES.keys() - LISTS))
def test_a_gradient_of_another_shape_is_refused(name, mode):
    module, shape = CASES[name]
    getattr(module, mode)()
    x = draw(shape)
    y = module.forward(x)
    module.zero_grad_parameters()
    for gradient in wrongs(y):
        with pytest.raises(ValueError, match="gradient of the shape of its output") as caught:
            module.backward(x, gradient)
        assert f"{y.shape}, got {np.shape(gradient)}" in str(caught.value)
    assert not any(parameter.grad.any() for parameter in module.parameters().values())
    # What was refused does no harm.
    module.backward(x, np.ones_like(y, dtype=np.float32))


@pytest.mark.parametrize("name", sorted(LISTS))
def test_a_list_of_wrong_gradients_is_refused(name):
    module, shape = CASES[name]
    x = draw(shape)
    y = module.forward(x)
    for gradients in (y[:-1], [*y, y[0]], y[0], None):
        with pytest.raises(ValueError, match=f"{name}.backward needs a list of {len(y)} gradients"):
            module.backward(x, gradients)
    for wrong in wrongs(y[0]):
        with pytest.raises(ValueError, match="gradient of the shape of its output"):
            module.backward(x, [wrong, *y[1:]])
    module.backward(x, list(y))


@pytest.mark.parametrize("kind", ["complex64", "object", "U1"])
def test_a_gradient_of_no_real_numbers_is_refused(kind):
    layer, x = nn.Linear(4, 2), draw((3, 4))
    with pytest.raises(TypeError, match="Linear.backward needs a gradient of real numbers, got"):
        layer.backward(x, np.ones_like(layer.forward(x)).astype(kind))


@pytest.mark.parametrize("name", ["Linear", "ReLU", "MaxPool2d", "BatchNorm2d", "LSTM", "Tanh", "AvgPool3d"])
def test_a_gradient_of_another_type_is_converted(name):
    module, shape = CASES[name]
    module.evaluate()
    x = draw(shape)
    y = module.forward(x)
    wanted = module.backward(x, np.ones(y.shape, np.float32))
    for kind in (np.float64, np.int64, np.uint8, bool, np.float16):
        got = module.backward(x, np.ones(y.shape, kind))
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(module.backward(x, np.ones(y.shape).tolist()), wanted)


def whole_numbers(shape, kind):
    """Return numbers whose sums, products and opposites leave a small type."""
    if isinstance(shape, list):
        return [whole_numbers(part, kind) for part in shape]
    least, most = (
        (0, 1) if kind is bool else (-120, 120) if np.issubdtype(kind, np.signedinteger) else (0, 250)
    )
    return np.random.default_rng(0).integers(least, most, shape, endpoint=True).astype(kind)


def as_doubles(value):
    return [as_doubles(entry) for entry in value] if isinstance(value, list) else value.astype(np.float64)


def flat(value):
    return np.concatenate([flat(entry) for entry in value]) if isinstance(value, list) else value.ravel()


INTEGERS = [bool, np.uint8, np.int8, np.int16, np.uint16, np.int32, np.int64, np.float16]


@pytest.mark.parametrize("mode", ["training", "evaluate"])
@pytest.mark.parametrize("name", sorted(name for name, (_, shape) in CASES.items() if shape))
def test_integers_are_computed_with_as_the_numbers_that_they_are(name, mode):
    module, shape = CASES[name]
    for kind in INTEGERS:
        # Two of a kind, for what draws.
        ours, theirs = (getattr(module.clone().astype(np.float64), mode)() for _ in range(2))
        x = whole_numbers(shape, kind)
        doubles = as_doubles(x)
        y, wanted = ours.forward(x), theirs.forward(doubles)
        np.testing.assert_allclose(flat(y), flat(wanted), rtol=2e-5, atol=1e-5, err_msg=kind.__name__)
        got, wanted = ours.backward(x, y), theirs.backward(doubles, wanted)
        assert flat(got).dtype.kind == "f"
        np.testing.assert_allclose(flat(got), flat(wanted), rtol=2e-5, atol=1e-4, err_msg=kind.__name__)


def unaligned(value):
    if isinstance(value, list):
        return [unaligned(entry) for entry in value]
    return np.frombuffer(b"." + value.tobytes(), value.dtype, offset=1).reshape(value.shape)


def byte_swapped(value):
    if isinstance(value, list):
        return [byte_swapped(entry) for entry in value]
    return value.astype(value.dtype.newbyteorder())


@pytest.mark.parametrize("way", [unaligned, byte_swapped])
@pytest.mark.parametrize("mode", ["training", "evaluate"])
@pytest.mark.parametrize("name", sorted(name for name, (_, shape) in CASES.items() if shape))
def test_numbers_may_lie_in_memory_as_they_like(name, mode, way):
    module, shape = CASES[name]
    ours, theirs = (getattr(module.clone(), mode)() for _ in range(2))
    x = draw(shape)
    moved = way(x)
    y, wanted = ours.forward(moved), theirs.forward(x)
    np.testing.assert_allclose(flat(y), flat(wanted), rtol=1e-6, atol=1e-7)
    got = ours.backward(moved, way(wanted))
    np.testing.assert_allclose(flat(got), flat(theirs.backward(x, wanted)), rtol=1e-6, atol=1e-7)


def test_what_reaches_a_kernel_lies_at_addresses_that_fit_its_type():
    x = draw((3, 4))
    assert not unaligned(x).flags.aligned
    assert floating(unaligned(x)).flags.aligned
    module = nn.Linear(4, 2)
    assert fitting(module, ((3, 4), x.dtype), unaligned(x)).flags.aligned
    assert nn.Parameter(unaligned(x)).value.flags.aligned
    with pytest.raises(ValueError, match="the value of a Parameter must be aligned in memory"):
        module.weight.value = unaligned(module.weight.value)
    with pytest.raises(ValueError, match="the grad of a Parameter must be aligned in memory"):
        module.weight.grad = unaligned(module.weight.grad)


def test_sums_inside_of_graphs_do_not_overflow():
    graph = nn.Graph([(0, 2), (1, 2)], nn.Identity(), nn.Identity(), nn.Identity()).evaluate()
    assert graph.forward(np.array([[200]], np.uint8)).tolist() == [[400.0]]
    branches = nn.ConcatTable(nn.Identity(), nn.Identity()).evaluate()
    ones = np.full((1, 1), 200, np.uint8)
    assert branches.backward(ones, [ones, ones]).tolist() == [[400.0]]


CRITERIA = {
    **{
        name: (getattr(nn, name)(), (3, 4))
        for name in "MSELoss L1Loss SmoothL1Loss BCEWithLogitsLoss".split()
    },
    "KLDivLoss": (nn.KLDivLoss(), (3, 4)),
    "MarginLoss": (nn.MarginLoss(), (3, 4)),
    "NLLLoss": (nn.NLLLoss(), 3),
    "CrossEntropyLoss": (nn.CrossEntropyLoss(), 3),
    "MultiMarginLoss": (nn.MultiMarginLoss(2), 3),
    "MultiCriterion": (nn.MultiCriterion([nn.MSELoss(), nn.L1Loss()]), (3, 4)),
}


@pytest.mark.parametrize("name", sorted(CRITERIA))
def test_losses_of_integers_are_those_of_the_numbers_that_they_are(name):
    criterion, shape = CRITERIA[name]
    for kind in INTEGERS:
        x, target = whole_numbers((3, 4), kind), np.random.default_rng(1).integers(0, 2, shape)
        if shape != 3:
            target = (
                2 * target - 1 if name == "MarginLoss" and kind is not bool else np.ones_like(target)
            ).astype(np.int8 if name == "MarginLoss" else kind)
        doubles = x.astype(np.float64), target if shape == 3 else target.astype(np.float64)
        np.testing.assert_allclose(criterion.forward(x, target), criterion.forward(*doubles), rtol=1e-4)
        gradient = criterion.backward(x, target)
        assert gradient.dtype.kind == "f"
        np.testing.assert_allclose(gradient, criterion.backward(*doubles), rtol=1e-5, atol=1e-6)


def test_the_loss_of_bytes_beyond_each_other():
    """Their difference is -150, where bytes make 106 of it."""
    x, target = np.array([[50]], np.uint8), np.array([[200]], np.uint8)
    assert nn.MSELoss().forward(x, target) == 22500
    assert nn.L1Loss().forward(x, target) == 150
    assert nn.MSELoss().backward(x, target).tolist() == [[-300]]
    assert nn.MarginLoss().backward(np.zeros((1, 1), np.float32), np.ones((1, 1), np.uint8)).tolist() == [
        [-1]
    ]


class Careless(nn.Function):
    def _forward(self, x):
        return x, None

    def _input_gradient(self, context, grad_output):
        return grad_output[:1]


def test_a_module_that_returns_a_wrong_gradient_is_found_out():
    for below in (nn.BatchNorm1d(4), nn.ReLU(), nn.Sequential(nn.Conv1d(4, 4, 1), nn.ReLU())):
        net, x = nn.Sequential(below, Careless()), draw(WORDS)
        y = net.forward(x)
        with pytest.raises(ValueError, match=r"\(3, 6, 4\), got \(1, 6, 4\)") as caught:
            net.backward(x, np.ones_like(y))
        assert "in module 0" in caught.value.__notes__[-1]


@pytest.mark.parametrize(
    "value", [np.zeros(1), np.zeros(5), np.zeros((2, 1)), np.float32(1), [0.0, 0.0], None]
)
def test_a_parameter_keeps_its_shape(value):
    layer = nn.Linear(3, 2)
    with pytest.raises(ValueError, match=r"value of a Parameter must be an array of shape \(2,\), got"):
        layer.bias.value = value
    if value is not None:
        with pytest.raises(ValueError, match=r"grad of a Parameter must be an array of shape \(2,\), got"):
            layer.bias.grad = value
    with pytest.raises(TypeError, match=r"bias of a Linear must be a Parameter, got .*set bias\.value"):
        layer.bias = value if value is not None else 1.0
    if isinstance(value, np.ndarray):
        with pytest.raises(ValueError, match=r"bias of a Linear must be an array of shape \(2,\), got"):
            layer.bias = nn.Parameter(value)
    assert layer.forward(np.zeros((1, 3), np.float32)).shape == (1, 2)


def test_a_buffer_keeps_its_shape():
    layer = nn.BatchNorm1d(3)
    for value in (np.zeros(2), np.zeros((3, 1)), None, 1.0):
        with pytest.raises(
            ValueError, match=r"running_var of a BatchNorm1d must be an array of shape \(3,\)"
        ):
            layer.running_var = value


@pytest.mark.parametrize("name", ["Linear", "Conv2d", "BatchNorm2d", "LSTM", "block of norm"])
def test_a_parameter_that_is_reshaped_in_place_is_refused(name):
    """Nothing sees this coming but the functions that call the kernels."""
    module, shape = CASES[name]
    module, x = module.clone().training(), draw(shape)
    for parameter in module.parameters().values():
        if parameter.value.ndim == 1:
            parameter.value.shape = (*parameter.value.shape, 1)
    with pytest.raises(ValueError, match=r"must|there"):
        module.forward(x)


X = np.ones((2, 3, 4, 5, 4), np.float32)
TAPS, MATRIX, ROW, WIDE = (
    X[0, 0, :, :1, np.newaxis].repeat(4, -2),
    X[0, 0, 0],
    X[0, 0, 0, 0],
    np.ones(5, np.float32),
)
TAPS = np.ones((1, 2, 2, 4, 3), np.float32)
OUT = functional.conv3d(X, TAPS)
POOLED = functional.max_pool3d(X, (1, 2, 2), (1, 2, 2))
SCALED = functional.max_pool3d(X, (1, 2, 2), (1, 2, 2), affine=(ROW, ROW))
GATES, WEIGHT, HOLES = (
    np.ones((3, 2, 8), np.float32),
    np.ones((8, 2), np.float32),
    np.ones((3, 2), np.float32),
)
SCAN = functional.lstm(GATES.copy(), WEIGHT, HOLES)
MOMENTS = np.ones(4), np.ones(4)
NORMAL = functional.channel_normal(MOMENTS, 4, ROW.copy(), ROW.copy(), 0.1, ROW, ROW, None, 1e-5)
# Functions with arguments that go together; each array among them is exchanged for wrong ones.
CALLS = {
    "conv3d": (X, TAPS, np.ones(3, np.float32)),
    "conv3d_input_gradient": (OUT, TAPS, (3, 4, 5)),
    "conv3d_weight_gradient": (X, OUT, (1, 2, 2)),
    "linear": (MATRIX, np.ones((3, 4), np.float32), np.ones(3, np.float32)),
    "add_product": (np.ones((5, 3), np.float32), MATRIX, np.ones((4, 3), np.float32)),
    "matmul": (MATRIX, np.ones((4, 3), np.float32)),
    "max_pool3d_gradient": (POOLED.output, POOLED),
    "avg_pool3d_gradient": (POOLED.output, (3, 4, 5), (1, 2, 2), (1, 2, 2)),
    "channel_sums": (X, X, X, MOMENTS[0]),
    "channel_normal": (MOMENTS, 4, ROW.copy(), ROW.copy(), 0.1, ROW, ROW, ROW, 1e-5),
    "channel_normal_gradient": (NORMAL, ROW, *MOMENTS, 1.0, ROW.copy(), ROW.copy()),
    "channel_affine": (X, ROW, ROW, X, ROW, X),
    "rectifier_gradient": (X, X),
    "lstm": (GATES, WEIGHT, HOLES),
    "lstm_gradient": (SCAN, WEIGHT, SCAN.states, HOLES),
    "descend": (ROW.copy(), ROW, 0.1),
    "adam": (ROW.copy(), ROW, ROW.copy(), ROW.copy(), 0.1, 0.9, 0.9, 1e-8, ROW),
}
# Of one array there is nothing to compare with: kinds of input that are refused are in test_functional.py.
SINGLE = {
    "max_pool3d",
    "avg_pool3d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool3d",
    "channel_moments",
    "clear",
}
SINGLE |= {"rectifier", "adaptive_avg_pool3d_gradient"}


def test_every_function_that_calls_a_kernel_is_here():
    functions = inspect.getmembers(functional, inspect.isfunction)
    names = {
        name for name, own in functions if "threads" in inspect.signature(own).parameters and name[0] != "_"
    }
    assert names | {"channel_normal", "channel_normal_gradient"} == CALLS.keys() | SINGLE


def others(array):
    """Return arrays of other shapes: longer and shorter along an axis, with an axis more and one less."""
    for axis, n in enumerate(array.shape):
        for m in {n + 1, abs(n - 1), n + 64}:
            yield np.ones((*array.shape[:axis], m, *array.shape[axis + 1 :]), array.dtype)
    yield array[..., np.newaxis].copy()
    yield np.ones(array.shape[1:], array.dtype)


def exchanged(args):
    """Yield the arguments with one array exchanged, also inside of a tuple."""
    for place, own in enumerate(args):
        if isinstance(own, np.ndarray):
            for other in others(own):
                yield (*args[:place], other, *args[place + 1 :])
        elif isinstance(own, tuple) and any(isinstance(part, np.ndarray) for part in own):
            for changed in exchanged(own):
                yield (
                    *args[:place],
                    type(own)(*changed) if hasattr(own, "_fields") else changed,
                    *args[place + 1 :],
                )


@pytest.mark.parametrize("name", CALLS)
def test_arrays_that_do_not_go_together_are_refused(name):
    function, args = getattr(functional, name), CALLS[name]
    function(*args)
    for changed in exchanged(args):
        shapes = [getattr(array, "shape", array) for array in changed]
        try:
            function(*changed)
        except ValueError:
            continue
        assert right_after_all(name, shapes), shapes


def right_after_all(name, shapes):
    """Return whether arrays go together although one was exchanged: another number of samples, or of free channels."""
    if name == "conv3d":
        return shapes[0][4] == shapes[1][3] and shapes[1][4:] == shapes[2]
    if name == "conv3d_input_gradient":
        return shapes[0][1:4] == (3, 3, 4) and shapes[0][4] == shapes[1][4]
    if name == "conv3d_weight_gradient":
        return shapes[0][0] == shapes[1][0] and shapes[1][1:4] == tuple(
            n - k + 1 for n, k in zip(shapes[0][1:4], (1, 2, 2), strict=True)
        )
    if name == "linear":
        return shapes[0][1] == shapes[1][1] and shapes[1][:1] == shapes[2]
    if name == "matmul":
        return shapes[0][1] == shapes[1][0]
    if name == "avg_pool3d_gradient":
        return shapes[0][1:4] == (3, 2, 2) or shapes[0][1:4] == (3, 2, 3)
    if name == "max_pool3d_gradient":
        # What is not asked for is not looked at.
        return shapes[0] == POOLED.output.shape
    if name == "channel_normal_gradient":
        return shapes[0].shift is not NORMAL.shift
    if name == "lstm":
        return shapes[0][2] == 8 and shapes[1] == (8, 2) and shapes[2] == (3, 2)
    return False


def test_what_is_given_in_part_is_refused():
    with pytest.raises(ValueError, match="needs scale_b"):
        functional.channel_affine(X, ROW, ROW, X)
    with pytest.raises(ValueError, match="must both be given"):
        functional.channel_normal_gradient(NORMAL, ROW, *MOMENTS, 1.0, ROW.copy(), None)


def test_scaled_pooling_wants_its_input():
    affine = (X, ROW, ROW, ROW)
    functional.max_pool3d_gradient(SCALED.output, SCALED, True, affine)
    for changed in exchanged(affine):
        with pytest.raises(ValueError, match="must"):
            functional.max_pool3d_gradient(SCALED.output, SCALED, True, changed)


def test_a_step_reaches_numbers_that_are_not_side_by_side():
    layer = nn.Linear(3, 2)
    layer.weight.value = np.asfortranarray(np.ones((2, 3), np.float32))
    layer.weight.grad[...] = 2
    layer.update_parameters(0.25)
    np.testing.assert_array_equal(layer.weight.value, 0.5)


@pytest.mark.parametrize("method", [optim.adam, optim.sgd])
def test_a_gradient_that_does_not_fit_x_is_refused(method):
    for wrong in (np.zeros(2), np.zeros((3, 1)), 1.0):
        with pytest.raises(ValueError, match="gradient of the shape of x"):
            method(lambda _, wrong=wrong: (0.0, wrong), np.zeros(3), {})
