"""The modules against PyTorch, where it is installed: 1e-4 in single precision, 1e-10 in double."""

import numpy as np
import pytest

from actionbench.models import nn, zoo

torch = pytest.importorskip("torch", reason="PyTorch is a dependency of these tests only")

PRECISIONS = [(np.float32, 1e-4), (np.float64, 1e-10)]

# Modules of the same name: arguments of the constructor, shape of the input behind the batch axis.
CHANNELS_LAST = {
    "Conv1d": [((3, 5, 3, 2, 1), {}, (9, 3)), ((4, 8, 3, 1, 2, 2, 4), {}, (7, 4))],
    "Conv2d": [
        ((3, 5, (3, 2), (2, 1), (1, 0), (1, 2)), {}, (8, 7, 3)),
        ((6, 6, 3, 1, 1, 1, 6, False), {}, (5, 4, 6)),
        ((1, 32, 5), {}, (9, 9, 1)),
    ],
    "Conv3d": [
        ((2, 9, 3, (1, 2, 2), 1), {"bias": False}, (5, 6, 7, 2)),
        ((4, 6, (1, 2, 3)), {"groups": 2, "dilation": (2, 1, 2)}, (3, 4, 6, 4)),
    ],
    "MaxPool1d": [((3, 2, 1), {"ceil_mode": True}, (8, 3))],
    "MaxPool2d": [((3, 2, 1), {"ceil_mode": True}, (7, 8, 3)), ((3, 1, 1, 2), {}, (9, 6, 2))],
    "MaxPool3d": [
        (((1, 2, 2),), {}, (3, 5, 6, 2)),
        ((2, 2, 1, (1, 2, 1)), {"ceil_mode": True}, (4, 6, 5, 2)),
    ],
    "AvgPool1d": [((2,), {}, (7, 3))],
    "AvgPool2d": [((3, 2, 1), {"ceil_mode": True, "count_include_pad": False}, (7, 8, 3))],
    "AvgPool3d": [((3, 2, 1), {"ceil_mode": True}, (4, 5, 6, 2))],
    "AdaptiveAvgPool1d": [((3,), {}, (7, 2)), ((5,), {}, (3, 2))],
    "AdaptiveAvgPool2d": [(((3, None),), {}, (7, 5, 2))],
    "AdaptiveAvgPool3d": [(((2, 3, 4),), {}, (5, 7, 4, 2)), ((1,), {}, (2, 3, 4, 5))],
    "AdaptiveMaxPool1d": [((3,), {}, (7, 2))],
    "AdaptiveMaxPool2d": [(((3, 4),), {}, (7, 5, 2))],
    "AdaptiveMaxPool3d": [((2,), {}, (5, 3, 4, 2))],
    "BatchNorm1d": [((3,), {}, (3,)), ((3, 1e-3, 0.2), {}, (5, 3))],
    "BatchNorm2d": [((3,), {}, (4, 5, 3)), ((3, 1e-3, 0.2, False), {}, (4, 5, 3))],
    "BatchNorm3d": [((2,), {}, (2, 3, 4, 2))],
    "LocalResponseNorm": [((3,), {}, (4, 7)), ((4, 0.5, 0.6, 2.0), {}, (3, 2, 6)), ((5, 0.1), {}, (2, 3))],
    "PReLU": [((), {}, (4, 3)), ((3, 0.1), {}, (4, 3))],
    "Dropout2d": [((0.0,), {}, (2, 2, 3))],
    "ConstantPad1d": [(((1, -2), 3.0), {}, (6, 2))],
    "ConstantPad2d": [(((1, 2, 0, -1), 3.0), {}, (3, 4, 2))],
    "ConstantPad3d": [((1, 3.0), {}, (2, 3, 4, 2))],
    "ZeroPad1d": [((2,), {}, (3, 2))],
    "ZeroPad2d": [(((0, 1, 2, 3),), {}, (3, 4, 2))],
    "ZeroPad3d": [(((0, 1, 2, 3, 4, 5),), {}, (2, 3, 4, 2))],
    "ReflectionPad1d": [(((2, 1),), {}, (4, 2))],
    "ReflectionPad2d": [(((0, 1, 2, 3),), {}, (4, 3, 2))],
    "ReflectionPad3d": [(((1, 0, 2, 1, 0, 1),), {}, (2, 3, 4, 2))],
    "ReplicationPad1d": [(((2, 1),), {}, (4, 2))],
    "ReplicationPad2d": [(((0, 1, 2, 3),), {}, (2, 3, 2))],
    "ReplicationPad3d": [((2,), {}, (2, 1, 4, 2))],
}
ANY_LAYOUT = {
    "Linear": [((4, 3), {}, (4,)), ((4, 3, False), {}, (5, 4))],
    "Identity": [((), {}, (3, 2))],
    "Flatten": [((), {}, (3, 2)), ((2,), {}, (3, 2, 4))],
    "Dropout": [((0.0,), {}, (3, 2))],
    "ReLU": [((), {}, (4, 3))],
    "ReLU6": [((), {}, (4, 3))],
    "LeakyReLU": [((), {}, (4, 3)), ((0.2,), {}, (4, 3))],
    "ELU": [((), {}, (4, 3)), ((1.5,), {}, (4, 3))],
    "SELU": [((), {}, (4, 3))],
    "Threshold": [((0.3, 20.0), {}, (4, 3))],
    "Hardtanh": [((), {}, (4, 3)), ((-0.5, 2.0), {}, (4, 3))],
    "Hardshrink": [((), {}, (4, 3))],
    "Softshrink": [((), {}, (4, 3))],
    "Softplus": [((), {}, (4, 3)), ((2.0,), {}, (4, 3))],
    "Softsign": [((), {}, (4, 3))],
    "LogSigmoid": [((), {}, (4, 3))],
    "Tanh": [((), {}, (4, 3))],
    "Tanhshrink": [((), {}, (4, 3))],
    "Sigmoid": [((), {}, (4,))],
    "Softmax": [((-1,), {}, (4, 3))],
    "Softmin": [((1,), {}, (4, 3))],
    "LogSoftmax": [((1,), {}, (5,))],
}
RECURRENT = [
    ("LSTM", (3, 4), {}),
    ("LSTM", (3, 4, 2), {"bidirectional": True}),
    ("LSTM", (3, 4, 1, False), {}),
    ("GRU", (3, 4), {}),
    ("GRU", (3, 4, 3), {"bidirectional": True}),
    ("GRU", (3, 4, 1, False), {}),
]


def tensor(x, moved=False):
    return torch.tensor(np.moveaxis(x, -1, 1).copy() if moved else x.copy(), requires_grad=True)


def array(value, moved=False):
    return np.moveaxis(value.detach().numpy(), 1, -1) if moved else value.detach().numpy()


def moved_weight(value, layer):
    """Return a parameter in PyTorch's order of axes."""
    return (
        np.moveaxis(value, (-1, -2), (0, 1)) if "Conv" in type(layer).__name__ and value.ndim > 1 else value
    )


def pair(name, args, options, dtype):
    """Return our module and PyTorch's with the same parameters."""
    ours = getattr(nn, name)(*args, **options).astype(dtype)
    rng = np.random.default_rng(1)
    for parameter in ours.parameters().values():
        parameter.fill(rng.standard_normal(parameter.value.shape))
    theirs = getattr(torch.nn, name)(*args, **options).to(torch.from_numpy(np.zeros(0, dtype)).dtype)
    copy_parameters(ours, theirs)
    return ours, theirs


def copy_parameters(ours, theirs):
    own = ours.parameters()
    for key, parameter in theirs.named_parameters():
        parameter.data = torch.tensor(moved_weight(own[key].value, ours).copy())
    assert len(own) == len(list(theirs.parameters()))


def compare(ours, theirs, x, atol, moved):
    theirs_x = tensor(x, moved)
    y, theirs_y = ours.forward(x), theirs(theirs_x)
    theirs_y = theirs_y[0] if isinstance(theirs_y, tuple) else theirs_y
    np.testing.assert_allclose(y, array(theirs_y, moved), rtol=0, atol=atol)
    g = np.random.default_rng(1).standard_normal(y.shape).astype(x.dtype)
    theirs_y.backward(tensor(g, moved).detach())
    np.testing.assert_allclose(ours.backward(x, g), array(theirs_x.grad, moved), rtol=0, atol=atol)
    own = ours.parameters()
    for key, parameter in theirs.named_parameters():
        gradient = parameter.grad.numpy()
        assert own[key].grad.dtype == x.dtype
        scale = max(np.abs(gradient).max(), 1)
        np.testing.assert_allclose(
            moved_weight(own[key].grad, ours), gradient, rtol=0, atol=atol * scale, err_msg=key
        )


@pytest.mark.parametrize(("dtype", "atol"), PRECISIONS)
@pytest.mark.parametrize("name", CHANNELS_LAST | ANY_LAYOUT)
def test_layer(name, dtype, atol):
    moved = name in CHANNELS_LAST
    for args, options, shape in (CHANNELS_LAST | ANY_LAYOUT)[name]:
        ours, theirs = pair(name, args, options, dtype)
        x = 2 * np.random.default_rng(0).standard_normal((3, *shape)).astype(dtype)
        compare(ours, theirs, x, atol, moved)
        if "BatchNorm" in name:
            for buffer in ("running_mean", "running_var"):
                np.testing.assert_allclose(getattr(ours, buffer), getattr(theirs, buffer).numpy(), atol=atol)
            ours.evaluate()
            np.testing.assert_allclose(
                ours.forward(x), array(theirs.train(False)(tensor(x, True)), True), atol=atol
            )


@pytest.mark.parametrize(("dtype", "atol"), PRECISIONS)
@pytest.mark.parametrize(("name", "args", "options"), RECURRENT)
def test_recurrent(name, args, options, dtype, atol):
    ours, theirs = pair(name, args, options, dtype)
    theirs.batch_first = True
    x = np.random.default_rng(0).standard_normal((5, 6, 3)).astype(dtype)
    compare(ours, theirs, x, atol, moved=False)


@pytest.mark.parametrize(("name", "args", "options"), RECURRENT)
def test_recurrent_of_several_lengths(name, args, options):
    ours, theirs = pair(name, args, options, np.float64)
    x, lengths = np.random.default_rng(0).standard_normal((4, 6, 3)), np.array([6, 2, 5, 1])
    theirs.batch_first = True
    theirs_x = tensor(x)
    packed = torch.nn.utils.rnn.pack_padded_sequence(theirs_x, lengths, True, enforce_sorted=False)
    out, state = theirs(packed)
    theirs_y, _ = torch.nn.utils.rnn.pad_packed_sequence(out, True)
    y = ours.forward([x, lengths])
    np.testing.assert_allclose(y, array(theirs_y), atol=1e-10)
    last = getattr(nn, name)(*args, **options, last=True).astype(np.float64).share(ours)
    ends = (state[0] if name == "LSTM" else state)[-2 if "bidirectional" in options else -1 :]
    wanted = np.concatenate([array(end) for end in ends], axis=1)
    np.testing.assert_allclose(last.forward([x, lengths]), wanted, atol=1e-10)
    g = np.random.default_rng(1).standard_normal(y.shape)
    theirs_y.backward(torch.tensor(g))
    table = [x, lengths]
    ours.forward(table)
    np.testing.assert_allclose(ours.backward(table, g)[0], array(theirs_x.grad), atol=1e-10)


def test_embedding():
    ours, theirs = pair("Embedding", (5, 3, 1), {}, np.float64)
    places = np.array([[0, 4, 1], [4, 4, 2]])
    y, theirs_y = ours.forward(places), theirs(torch.tensor(places))
    np.testing.assert_array_equal(y, array(theirs_y))
    theirs_y.backward(torch.ones_like(theirs_y))
    ours.backward(places, np.ones_like(y))
    np.testing.assert_array_equal(ours.weight.grad, theirs.weight.grad.numpy())


def test_a_connection_table_is_a_masked_convolution():
    table = nn.connections.random(4, 6, 2, rng=0)
    ours, dense = nn.ConvMap2d(table, 3, 2, 1).astype(np.float64), torch.nn.Conv2d(4, 6, 3, 2, 1).double()
    dense.weight.data.zero_()
    for place, (source, to) in enumerate(table):
        dense.weight.data[to, source] = torch.tensor(ours.weight.value[:, :, place])
    dense.bias.data = torch.tensor(ours.bias.value)
    x = np.random.default_rng(0).standard_normal((2, 5, 6, 4))
    np.testing.assert_allclose(ours.forward(x), array(dense(tensor(x, True)), True), atol=1e-12)


def test_unshared_filters_that_are_equal_are_a_convolution():
    ours, conv = (
        nn.LocallyConnected2d(2, 3, (5, 6), 3, 2, 1).astype(np.float64),
        torch.nn.Conv2d(2, 3, 3, 2, 1),
    )
    weight, bias = conv.double().weight.detach().numpy(), conv.bias.detach().numpy()
    ours.weight.fill(np.moveaxis(weight, (0, 1), (-1, -2)))
    ours.bias.fill(bias)
    x = np.random.default_rng(0).standard_normal((2, 5, 6, 2))
    np.testing.assert_allclose(ours.forward(x), array(conv(tensor(x, True)), True), atol=1e-12)


@pytest.mark.parametrize("weight", [None, [0.2, 1.0, 3.0]])
@pytest.mark.parametrize(
    "options", [{}, {"label_smoothing": 0.1}, {"ignore_index": 2}, {"reduction": "sum"}], ids=str
)
def test_cross_entropy(weight, options):
    compare_losses("CrossEntropyLoss", {"weight": weight, **options}, np.array([0, 2, 1, 1, 0]))


X = np.random.default_rng(0).standard_normal((5, 3))
SHARES = np.random.default_rng(1).uniform(0, 1, (5, 3))
LOSSES = [
    ("NLLLoss", {"weight": [0.2, 1.0, 3.0]}, np.array([0, 2, 1, 1, 0])),
    ("MSELoss", {}, SHARES),
    ("L1Loss", {}, SHARES),
    ("SmoothL1Loss", {"beta": 0.4}, SHARES),
    ("SmoothL1Loss", {"reduction": "sum"}, SHARES),
    ("BCELoss", {}, np.round(SHARES)),
    ("BCEWithLogitsLoss", {}, SHARES),
    ("KLDivLoss", {}, SHARES),
    ("KLDivLoss", {"reduction": "batchmean"}, SHARES),
    ("MultiMarginLoss", {}, np.array([0, 2, 1, 1, 0])),
    ("MultiMarginLoss", {"p": 2, "margin": 0.5, "weight": [0.2, 1.0, 3.0]}, np.array([0, 2, 1, 1, 0])),
]


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize(("name", "options", "target"), LOSSES)
def test_losses(name, options, target):
    compare_losses(name, options, target)


def compare_losses(name, options, target):
    x = SHARES.T.reshape(5, 3) if name == "BCELoss" else X
    theirs = dict(options)
    if options.get("weight") is not None:
        theirs["weight"] = torch.tensor(options["weight"], dtype=torch.float64)
    theirs_x = tensor(x)
    loss = getattr(torch.nn, name)(**theirs)(theirs_x, torch.tensor(target))
    loss.backward()
    ours = getattr(nn, name)(**options)
    np.testing.assert_allclose(ours.forward(x, target), loss.item(), rtol=1e-12)
    np.testing.assert_allclose(ours.backward(x, target), theirs_x.grad.numpy(), atol=1e-12)


@pytest.mark.parametrize("name", ["CrossEntropyLoss", "NLLLoss"])
def test_an_impossible_class_costs_nothing(name):
    scores, target = np.array([[1.0, -np.inf, 0.5], [0.2, 0.1, -np.inf]]), np.array([0, 1])
    theirs = tensor(scores)
    loss = getattr(torch.nn, name)()(theirs, torch.tensor(target))
    loss.backward()
    ours = getattr(nn, name)()
    np.testing.assert_allclose(ours.forward(scores, target), loss.item(), rtol=1e-12)
    np.testing.assert_allclose(ours.backward(scores, target), theirs.grad.numpy(), atol=1e-12)


def test_a_margin_is_a_soft_target_of_pytorch():
    target = np.sign(X + 0.3)
    theirs_x = tensor(X)
    loss = torch.nn.functional.relu(0.7 - torch.tensor(target) * theirs_x).mean()
    loss.backward()
    ours = nn.MarginLoss(0.7)
    np.testing.assert_allclose(ours.forward(X, target), loss.item(), rtol=1e-12)
    np.testing.assert_allclose(ours.backward(X, target), theirs_x.grad.numpy(), atol=1e-12)


def test_everything_of_pytorchs_name_is_compared():
    here = {
        *CHANNELS_LAST,
        *ANY_LAYOUT,
        *(name for name, _, _ in RECURRENT),
        *(name for name, _, _ in LOSSES),
    }
    here |= {"Embedding", "CrossEntropyLoss", "Sequential", "Module", "Parameter", "Container"}
    chance = {"Dropout1d", "Dropout3d", "RReLU"}
    both = {name for name, kind in vars(nn).items() if isinstance(kind, type) and hasattr(torch.nn, name)}
    assert both - here == chance


def test_a_whole_net():
    ours = zoo.tiny3d(5, widths=(8, 16), dropout=0.0, rng=0).astype(np.float64)
    theirs = torch.nn.Sequential(
        torch.nn.Conv3d(1, 8, 3, padding=1, bias=False),
        torch.nn.BatchNorm3d(8),
        torch.nn.ReLU(),
        torch.nn.MaxPool3d(2),
        torch.nn.Conv3d(8, 16, 3, padding=1, bias=False),
        torch.nn.BatchNorm3d(16),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool3d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(16, 5),
    ).double()
    for place in (0, 1, 4, 5, 9):
        copy_parameters(ours[place], theirs[place])
    x = np.random.default_rng(0).standard_normal((3, 4, 8, 9, 1))
    theirs_x = tensor(x, True)
    y, theirs_y = ours.forward(x), theirs(theirs_x)
    np.testing.assert_allclose(y, theirs_y.detach().numpy(), atol=1e-10)
    theirs_y.sum().backward()
    np.testing.assert_allclose(ours.backward(x, np.ones_like(y)), array(theirs_x.grad, True), atol=1e-10)


def test_a_whole_net_of_separable_convolutions():
    ours = zoo.s3d_small(5, widths=(4, 6), dropout=0.0, rng=0).astype(np.float64)

    def separable(channels, width, taps, stride):
        return [
            torch.nn.Conv3d(
                channels, width, (1, taps, taps), (1, stride, stride), (0, taps // 2, taps // 2), bias=False
            ),
            torch.nn.BatchNorm3d(width),
            torch.nn.ReLU(),
            torch.nn.Conv3d(width, width, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=False),
            torch.nn.BatchNorm3d(width),
            torch.nn.ReLU(),
        ]

    theirs = torch.nn.Sequential(
        *separable(2, 4, 5, 2),
        torch.nn.MaxPool3d((1, 2, 2)),
        *separable(4, 6, 3, 1),
        torch.nn.AdaptiveAvgPool3d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(6, 5),
    ).double()
    for mine, other in zip(
        ours.find_modules(nn.Conv3d) + ours.find_modules(nn.BatchNorm3d) + ours.find_modules(nn.Linear),
        [m for kind in ("Conv3d", "BatchNorm3d", "Linear") for m in theirs if type(m).__name__ == kind],
        strict=True,
    ):
        copy_parameters(mine, other)
    x = np.random.default_rng(0).standard_normal((3, 6, 16, 18, 2))
    theirs_x = tensor(x, True)
    y, theirs_y = ours.forward(x), theirs(theirs_x)
    np.testing.assert_allclose(y, theirs_y.detach().numpy(), atol=1e-10)
    theirs_y.sum().backward()
    np.testing.assert_allclose(ours.backward(x, np.ones_like(y)), array(theirs_x.grad, True), atol=1e-10)


# Farther from zero, rounded outputs have another sign now and then, and their gradients are rectified away.
@pytest.mark.parametrize(
    ("mean", "deviation", "rectify"),
    [(0, 1, False), (100, 1, False), (-1000, 1, False), (100, 0.1, False), (0, 1, True), (100, 1, True)],
)
def test_batch_normalisation_far_from_zero_is_exact(mean, deviation, rectify):
    """Gradients in single precision are PyTorch's in double to some roundings."""
    rng = np.random.default_rng(0)
    x = (mean + deviation * rng.standard_normal((64, 8, 8, 5))).astype(np.float32)
    grad = rng.standard_normal(x.shape).astype(np.float32)

    theirs = torch.nn.BatchNorm2d(5, dtype=torch.float64)
    inputs = torch.tensor(x.transpose(0, 3, 1, 2), dtype=torch.float64, requires_grad=True)
    output = theirs(inputs)
    grads = torch.tensor(grad.transpose(0, 3, 1, 2), dtype=torch.float64)
    (output.relu() if rectify else output).backward(grads)

    ours = nn.BatchNorm2d(5)
    net = nn.Sequential(ours, nn.ReLU()) if rectify else ours
    net.forward(x)
    pairs = (
        (net.backward(x, grad), inputs.grad.numpy().transpose(0, 2, 3, 1)),
        (ours.weight.grad, theirs.weight.grad.numpy()),
        (ours.bias.grad, theirs.bias.grad.numpy()),
    )
    for got, wanted in pairs:
        assert np.abs(got - wanted).max() <= 5e-6 * np.abs(wanted).max()
