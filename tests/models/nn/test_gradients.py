"""Every module and criterion: the full Jacobian against central differences in double precision."""

import inspect

import numpy as np
import pytest

from actionbench.models import nn
from actionbench.models.nn import connections

STEP = 1e-6
TOLERANCE = 1e-5


def freeze(module):
    module.is_training = not isinstance(module, nn.BatchNorm2d | nn.Dropout)


def shared_twice():
    shared = nn.Linear(3, 3)
    return nn.Sequential(shared, nn.Tanh(), shared)


def unrolled():
    """Return one recurrent step, written with tables and used at three times."""
    step = nn.Sequential(
        nn.ParallelTable(nn.Linear(2, 3), nn.Linear(3, 3, bias=False)), nn.CAddTable(), nn.Tanh()
    )
    first = nn.Sequential(
        nn.ConcatTable(
            nn.SelectTable(0),
            nn.SelectTable(1),
            nn.Sequential(nn.ConcatTable(nn.SelectTable(2), nn.SelectTable(3)), step),
        )
    )
    second = nn.ConcatTable(
        nn.SelectTable(0), nn.Sequential(nn.ConcatTable(nn.SelectTable(1), nn.SelectTable(2)), step)
    )
    return first.add(second).add(step)


# A maker of each module with the shape of its input behind the batch axis, or a list of such.
CASES = {
    "Linear": (lambda: nn.Linear(5, 4), (5,)),
    "Linear over time": (lambda: nn.Linear(5, 4, bias=False), (3, 5)),
    "CMul": (lambda: nn.CMul(3, 1, 2), (3, 2, 2)),
    "CMul of the last axis": (lambda: nn.CMul(4), (3, 4)),
    "Conv1d": (lambda: nn.Conv1d(2, 3, 3, stride=2, padding=1), (7, 2)),
    "Conv1d in groups": (lambda: nn.Conv1d(4, 6, 2, groups=2), (4, 4)),
    "Conv2d": (lambda: nn.Conv2d(2, 3, (3, 2), padding=(1, 0), dilation=2), (5, 6, 2)),
    "Conv2d depthwise": (lambda: nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3), (4, 3, 3)),
    "Conv3d": (
        lambda: nn.Conv3d(2, 3, (2, 3, 3), stride=(1, 2, 1), padding=(0, 2, 1), bias=False),
        (3, 4, 3, 2),
    ),
    "Conv3d in groups": (lambda: nn.Conv3d(4, 4, 2, dilation=(1, 2, 1), groups=2), (2, 3, 3, 4)),
    "ConvMap2d": (lambda: nn.ConvMap2d([(0, 1), (2, 0), (1, 1), (2, 2)], 2, padding=1), (3, 2, 3)),
    "LocallyConnected2d": (lambda: nn.LocallyConnected2d(2, 3, (4, 5), (3, 2), 2, 1), (4, 5, 2)),
    "MaxPool1d": (lambda: nn.MaxPool1d(3, 2, ceil_mode=True), (6, 2)),
    "MaxPool2d": (lambda: nn.MaxPool2d(3, 2, padding=1), (5, 4, 2)),
    "MaxPool2d dilated": (lambda: nn.MaxPool2d((3, 2), 1, 1, dilation=(1, 2)), (4, 5, 2)),
    "MaxPool3d": (lambda: nn.MaxPool3d((1, 2, 2)), (2, 4, 5, 2)),
    "AvgPool1d": (lambda: nn.AvgPool1d(2), (5, 2)),
    "AvgPool2d": (lambda: nn.AvgPool2d(3, 2, 1, True, count_include_pad=False), (4, 5, 2)),
    "AvgPool3d": (lambda: nn.AvgPool3d(2, 1, 1), (2, 3, 2, 2)),
    "AdaptiveAvgPool1d": (lambda: nn.AdaptiveAvgPool1d(3), (5, 2)),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((2, None)), (5, 3, 2)),
    "AdaptiveAvgPool3d": (lambda: nn.AdaptiveAvgPool3d(2), (3, 2, 5, 1)),
    "AdaptiveMaxPool1d": (lambda: nn.AdaptiveMaxPool1d(3), (5, 2)),
    "AdaptiveMaxPool2d": (lambda: nn.AdaptiveMaxPool2d((2, None)), (5, 3, 2)),
    "AdaptiveMaxPool3d": (lambda: nn.AdaptiveMaxPool3d(2), (3, 2, 5, 1)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3), (4, 3)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3), (2, 3, 3)),
    "BatchNorm2d without parameters": (lambda: nn.BatchNorm2d(2, affine=False), (2, 2, 2)),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(2), (2, 2, 3, 2)),
    "frozen BatchNorm2d": (lambda: nn.Sequential(nn.BatchNorm2d(2)).apply(freeze), (3, 2, 2)),
    "LocalResponseNorm": (lambda: nn.LocalResponseNorm(3, 0.5, 0.75, 2.0), (2, 5)),
    "LocalResponseNorm, even": (lambda: nn.LocalResponseNorm(4, 0.5, 0.6), (1, 2, 6)),
    "Dropout": (lambda: nn.Dropout(0.5), (4, 3)),
    "Dropout off": (lambda: nn.Sequential(nn.Dropout(0.5)).apply(freeze), (4,)),
    "Dropout1d": (lambda: nn.Dropout1d(0.5), (2, 5)),
    "Dropout2d": (lambda: nn.Dropout2d(0.5), (2, 2, 5)),
    "Dropout3d": (lambda: nn.Dropout3d(0.5), (1, 2, 2, 5)),
    "LSTM": (lambda: nn.LSTM(3, 2), (4, 3)),
    "LSTM with peepholes": (lambda: nn.LSTM(3, 2, peepholes=True), (4, 3)),
    "LSTM of two layers": (lambda: nn.LSTM(2, 2, 2, bidirectional=True, dropout=0.3), (3, 2)),
    "LSTM, last": (
        lambda: nn.LSTM(2, 2, bias=False, bidirectional=True, peepholes=True, last=True),
        (3, 2),
    ),
    "GRU": (lambda: nn.GRU(3, 2), (4, 3)),
    "GRU, reset before": (lambda: nn.GRU(3, 2, bidirectional=True, reset_after=False), (3, 3)),
    "GRU of two layers": (lambda: nn.GRU(2, 2, 2, bias=False, last=True), (3, 2)),
    "ReLU": (nn.ReLU, (4, 3)),
    "ReLU6": (lambda: nn.Sequential(nn.Linear(3, 3), nn.ReLU6()), (3,)),
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
    "View": (lambda: nn.View(6), (2, 3)),
    "View of what is left": (lambda: nn.View(3, -1), (2, 3)),
    "Reshape": (lambda: nn.Reshape(3, 1, 2), (2, 3)),
    "Squeeze": (lambda: nn.Squeeze(2), (3, 1, 2)),
    "Unsqueeze": (lambda: nn.Unsqueeze(-2), (3, 2)),
    "Transpose": (lambda: nn.Transpose((1, 2), (2, 3)), (2, 3, 2)),
    "Select": (lambda: nn.Select(1, -1), (3, 2)),
    "Narrow": (lambda: nn.Narrow(2, 1, 2), (2, 4)),
    "Identity": (nn.Identity, (3,)),
    "Mean": (lambda: nn.Mean((1, 2)), (2, 3, 2)),
    "Mean of one axis": (lambda: nn.Mean(2, keepdim=True), (2, 3)),
    "Sum": (lambda: nn.Sum((1, -1)), (2, 3, 2)),
    "Max": (lambda: nn.Max(1), (4, 3)),
    "Max that stays": (lambda: nn.Max(-1, keepdim=True), (2, 4)),
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
    "Sequential": (lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), (3,)),
    "Sequential of nothing": (nn.Sequential, (3,)),
    "Concat": (lambda: nn.Concat(1, nn.Linear(3, 2), nn.Sequential(nn.Tanh(), nn.Linear(3, 3))), (3,)),
    "ConcatTable": (lambda: nn.ConcatTable(nn.Linear(3, 2), nn.Tanh()), (3,)),
    "Parallel": (lambda: nn.Parallel(1, 2, nn.Linear(3, 2), nn.Linear(3, 4)), (2, 5, 3)),
    "ParallelTable": (lambda: nn.ParallelTable(nn.Linear(3, 2), nn.Tanh()), [(3,), (2, 2)]),
    "Graph": (
        lambda: nn.Graph([(0, 2), (1, 2), (0, 3)], *(nn.Linear(3, 3) for _ in range(4)), nn.Tanh()),
        (3,),
    ),
    "Bottle": (lambda: nn.Bottle(nn.Conv2d(2, 3, 2), n_dims=4), (2, 3, 3, 2)),
    "JoinTable": (lambda: nn.JoinTable(1), [(2, 3), (4, 3)]),
    "SplitTable": (lambda: nn.SplitTable(1), (3, 2)),
    "SelectTable": (lambda: nn.SelectTable(-1), [(2,), (3, 2)]),
    "NarrowTable": (lambda: nn.NarrowTable(1, 2), [(2,), (3,), (1,), (2,)]),
    "FlattenTable": (lambda: nn.FlattenTable(), [(2,), [(3,), [(1,)]], (2,)]),
    "CAddTable": (nn.CAddTable, [(2, 3)] * 3),
    "CMulTable": (nn.CMulTable, [(2, 3)] * 3),
    "a module twice in a graph": (shared_twice, (3,)),
    "a module over time": (unrolled, [(2,), (2,), (2,), (3,)]),
}
WITH_PARAMETERS = [name for name, (make, _) in CASES.items() if make().parameters()]


def smallest_batch(name):
    return 2 if "BatchNorm" in name else 1


def leaves(value):
    return [leaf for entry in value for leaf in leaves(entry)] if isinstance(value, list) else [value]


def draw(shape, batch, rng, strided=False):
    """Return random numbers behind a batch axis, as a view with gaps if ``strided``; lists for lists."""
    if isinstance(shape, list):
        return [draw(entry, batch, rng, strided) for entry in shape]
    x = rng.uniform(-2, 2, (batch, *shape[:-1], 2 * shape[-1]))[..., ::2]
    return x if strided else x.copy()


def ravelled(value):
    return np.concatenate([np.ravel(leaf) for leaf in leaves(value)])


def like(value, flat):
    """Give a flat vector the shapes of ``value``."""
    if not isinstance(value, list):
        return flat.reshape(value.shape)
    sizes = np.cumsum([ravelled(entry).size for entry in value])[:-1]
    return [like(entry, part) for entry, part in zip(value, np.split(flat, sizes), strict=True)]


def forward(module, x):
    """Draw the same chance each time."""
    for inner in module.find_modules(nn.Module):
        if hasattr(inner, "rng"):
            inner.rng = np.random.default_rng(5)
    return module.forward(x)


def jacobian(function, arrays):
    """Return the derivative of each output by each number of the arrays, which are changed and restored."""
    columns = []
    for x in arrays:
        for place in np.ndindex(*x.shape):
            kept = x[place]
            x[place] = kept + STEP
            above = function().copy()
            x[place] = kept - STEP
            columns.append((above - function()) / (2 * STEP))
            x[place] = kept
    return np.array(columns).reshape(-1, function().size)


def backwards(module, x, pick):
    """Return what ``pick`` finds after the backward of each output alone, one column per output.

    Each backward is called twice without zeroing: gradients of parameters must have doubled.
    """
    y = forward(module, x)
    columns = []
    for place in np.eye(ravelled(y).size):
        module.zero_grad_parameters()
        first = ravelled(module.backward(x, like(y, place)))
        again = module.backward(x, like(y, place))
        np.testing.assert_array_equal(ravelled(again), first)
        columns.append(ravelled(pick(again)).copy())
    return np.array(columns).T.reshape(-1, ravelled(y).size)


def build(make, seed=3):
    module = make().astype(np.float64)
    rng = np.random.default_rng(seed)
    module.reset(rng)
    for parameter in module.parameters().values():
        parameter.fill(rng.uniform(-1, 1, parameter.value.shape))
    return module


@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_jacobian_of_the_input(name, strided):
    make, shape = CASES[name]
    for batch in (smallest_batch(name), 3):
        check_jacobian(build(make), draw(shape, batch, np.random.default_rng(batch), strided))


def check_jacobian(module, x):
    got = backwards(module, x, lambda gradient: gradient)
    wanted = jacobian(lambda: ravelled(forward(module, x)), leaves(x))
    np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", WITH_PARAMETERS)
def test_jacobian_of_the_parameters(name):
    make, shape = CASES[name]
    module, x = build(make), draw(shape, 3, np.random.default_rng(0))
    for path, parameter in module.parameters().items():
        got = backwards(module, x, lambda _, own=parameter: own.grad) / 2
        wanted = jacobian(lambda: ravelled(forward(module, x)), [parameter.value])
        np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE, err_msg=path)


@pytest.mark.parametrize("name", CASES)
def test_strided_gradients_scale_and_flags(name):
    make, shape = CASES[name]
    module, rng = build(make), np.random.default_rng(1)
    x = draw(shape, 3, rng)
    y = forward(module, x)
    g = like(y, rng.standard_normal(ravelled(y).size))
    wide = [np.repeat(leaf[..., None], 2, axis=-1)[..., 0] for leaf in leaves(g)]
    wide = wide if isinstance(y, list) else wide[0]
    first = ravelled(module.backward(x, g))
    once = [parameter.grad.copy() for parameter in module.parameters().values()]
    np.testing.assert_array_equal(ravelled(module.backward(x, wide, scale=2.0)), first)
    assert module.backward(x, g, input_grad=False, param_grad=False) is None
    np.testing.assert_array_equal(ravelled(module.backward(x, g, param_grad=False)), first)
    for parameter, gradient in zip(module.parameters().values(), once, strict=True):
        np.testing.assert_allclose(parameter.grad, 3 * gradient, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_empty_batch(name):
    make, shape = CASES[name]
    module, x = build(make), draw(shape, 0, np.random.default_rng(0))
    y = forward(module, x)
    assert ravelled(y).size == 0
    for gradient, of in zip(leaves(module.backward(x, y)), leaves(x), strict=True):
        assert gradient.shape == of.shape
    assert all(not parameter.grad.any() for parameter in module.parameters().values())


@pytest.mark.parametrize("layer", [nn.LSTM(2, 3, 2, bidirectional=True), nn.GRU(2, 3, last=True)])
def test_lengths_of_sequences(layer):
    module, lengths = build(lambda: layer), np.array([4, 1, 3])
    x = np.random.default_rng(0).uniform(-2, 2, (3, 4, 2))
    seen = np.repeat(np.arange(4) < lengths[:, None], 2)
    x.ravel()[~seen] = np.nan  # nobody looks behind the end
    table, columns = [x, lengths], []
    y = module.forward(table)
    for one_hot in np.eye(y.size):
        gradient, none = module.backward(table, one_hot.reshape(y.shape))
        assert not none.any()
        columns.append(gradient.ravel())
    got, wanted = np.array(columns).T, jacobian(lambda: module.forward([x, lengths]).ravel(), [x])
    np.testing.assert_allclose(got[seen], wanted[seen], rtol=0, atol=TOLERANCE)
    assert not got[~seen].any()
    assert all(np.isfinite(parameter.grad).all() for parameter in module.parameters().values())


@pytest.mark.parametrize("padding_idx", [None, 2])
def test_embedding(padding_idx):
    module, places = build(lambda: nn.Embedding(4, 3, padding_idx)), np.array([[0, 2], [2, 3], [0, 0]])
    got = backwards(module, places, lambda _: module.weight.grad) / 2
    wanted = jacobian(lambda: module.forward(places).ravel(), [module.weight.value])
    if padding_idx is not None:
        wanted.reshape(4, 3, -1)[padding_idx] = 0
    np.testing.assert_allclose(got, wanted, atol=TOLERANCE)
    assert not module.backward(places, np.ones((3, 2, 3))).any()
    assert module.forward(np.zeros((0, 2), int)).shape == (0, 2, 3)


def test_every_module_is_here():
    text = inspect.getsource(inspect.getmodule(test_every_module_is_here))
    kinds = [kind for kind in vars(nn).values() if isinstance(kind, type) and issubclass(kind, nn.Module)]
    for kind in set(kinds) - {nn.Module, nn.Function, nn.Container}:
        name = "Reshape" if kind is nn.View else kind.__name__
        assert f"nn.{name}" in text, kind


@pytest.mark.parametrize(
    ("table", "shape"), [(connections.full(3, 2), (6, 2)), (connections.random(4, 3, 2, rng=0), (6, 2))]
)
def test_connection_tables(table, shape):
    assert table.shape == shape
    assert len(np.unique(table, axis=0)) == len(table)
    assert set(table[:, 1]) == set(range(table[:, 1].max() + 1))


SCORES = np.random.default_rng(2).uniform(-2, 2, (3, 8))
CLASSES = np.array([2, 0, 3])
SHARES = np.random.default_rng(5).uniform(0.1, 0.9, (3, 4))
CRITERIA = {
    "CrossEntropyLoss": (nn.CrossEntropyLoss(), CLASSES),
    "smoothed": (nn.CrossEntropyLoss(label_smoothing=0.2), CLASSES),
    "weighted": (nn.CrossEntropyLoss([0.5, 1, 2, 3], label_smoothing=0.1), CLASSES),
    "ignoring": (nn.CrossEntropyLoss([0.5, 1, 2, 3], ignore_index=0), CLASSES),
    "summed": (nn.CrossEntropyLoss(reduction="sum"), CLASSES),
    "NLLLoss": (nn.NLLLoss([0.5, 1, 2, 3]), CLASSES),
    "MSELoss": (nn.MSELoss(), SHARES),
    "L1Loss": (nn.L1Loss("sum"), SHARES),
    "SmoothL1Loss": (nn.SmoothL1Loss(beta=0.7), SHARES),
    "BCELoss": (nn.BCELoss(), SHARES),
    "BCEWithLogitsLoss": (nn.BCEWithLogitsLoss("sum"), SHARES),
    "KLDivLoss": (nn.KLDivLoss("batchmean"), SHARES),
    "MarginLoss": (nn.MarginLoss(0.5), np.sign(SHARES - 0.5)),
    "MultiMarginLoss": (nn.MultiMarginLoss(weight=[0.5, 1, 2, 3]), CLASSES),
    "squared margins": (nn.MultiMarginLoss(2, 0.7, reduction="sum"), CLASSES),
    "MultiCriterion": (nn.MultiCriterion([nn.CrossEntropyLoss(), nn.MultiMarginLoss()], [0.3, 2.0]), CLASSES),
}


@pytest.mark.parametrize("name", CRITERIA)
@pytest.mark.parametrize("n", [0, 1, 3])
def test_jacobian_of_criteria(name, n):
    criterion, target = CRITERIA[name]
    x = SCORES.copy()[:n, ::2] if name != "BCELoss" else 0.5 + SCORES.copy()[:n, ::2] / 5
    got = criterion.backward(x, target[:n])
    wanted = jacobian(lambda: np.array([criterion.forward(x, target[:n])]), [x])
    np.testing.assert_allclose(got.ravel(), wanted.ravel(), atol=TOLERANCE)
    assert criterion.backward(x.astype(np.float32), target[:n]).dtype == np.float32


@pytest.mark.parametrize("repeat", [False, True])
def test_jacobian_of_parallel_criteria(repeat):
    criterion = nn.ParallelCriterion(repeat_target=repeat)
    criterion.add(nn.CrossEntropyLoss()).add(nn.MultiMarginLoss(), 0.5)
    x, target = [SCORES[:, :4].copy(), SCORES[:, 4:].copy()], CLASSES if repeat else [CLASSES, CLASSES[::-1]]
    wanted = jacobian(lambda: np.array([criterion.forward(x, target)]), x)
    np.testing.assert_allclose(ravelled(criterion.backward(x, target)), wanted.ravel(), atol=TOLERANCE)


def test_every_criterion_is_here():
    kinds = [kind for kind in vars(nn).values() if isinstance(kind, type) and issubclass(kind, nn.Criterion)]
    here = {type(criterion) for criterion, _ in CRITERIA.values()} | {nn.ParallelCriterion, nn.Criterion}
    assert set(kinds) == here


def test_scores_at_many_places():
    scores, target = SCORES.reshape(3, 2, 4), np.array([[0, 1], [3, 3], [2, 0]])
    criterion = nn.CrossEntropyLoss([0.5, 1, 2, 3], 0.1)
    flat = criterion.forward(scores.reshape(6, 4), target.ravel())
    assert criterion.forward(scores, target) == pytest.approx(flat, rel=1e-12)
    gradient = criterion.backward(scores.reshape(6, 4), target.ravel())
    np.testing.assert_allclose(criterion.backward(scores, target).reshape(6, 4), gradient, atol=1e-15)
