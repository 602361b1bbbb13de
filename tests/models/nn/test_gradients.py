"""Every module and criterion: the full Jacobian against central differences in double precision."""

import numpy as np
import pytest

from actionbench.models import nn

STEP = 1e-6


def cases():
    """Return a maker of each module with the shape of its input behind the batch axis."""
    return {
        "Linear": (lambda: nn.Linear(5, 4), (5,)),
        "Linear over time": (lambda: nn.Linear(5, 4, bias=False), (3, 5)),
        "Conv1d": (lambda: nn.Conv1d(2, 3, 3, stride=2, padding=1), (7, 2)),
        "Conv2d": (lambda: nn.Conv2d(2, 3, (3, 2), padding=(1, 0), dilation=2), (5, 6, 2)),
        "Conv3d": (
            lambda: nn.Conv3d(2, 3, (2, 3, 3), stride=(1, 2, 1), padding=(0, 2, 1), bias=False),
            (3, 4, 3, 2),
        ),
        "MaxPool1d": (lambda: nn.MaxPool1d(3, 2, ceil_mode=True), (6, 2)),
        "MaxPool2d": (lambda: nn.MaxPool2d(3, 2, padding=1), (5, 4, 2)),
        "MaxPool3d": (lambda: nn.MaxPool3d((1, 2, 2)), (2, 4, 5, 2)),
        "AvgPool1d": (lambda: nn.AvgPool1d(2), (5, 2)),
        "AvgPool2d": (lambda: nn.AvgPool2d(3, 2, 1, True, count_include_pad=False), (4, 5, 2)),
        "AvgPool3d": (lambda: nn.AvgPool3d(2, 1, 1), (2, 3, 2, 2)),
        "BatchNorm1d": (lambda: nn.BatchNorm1d(3), (4, 3)),
        "BatchNorm2d": (lambda: nn.BatchNorm2d(3), (2, 3, 3)),
        "BatchNorm3d": (lambda: nn.BatchNorm3d(2), (2, 2, 3, 2)),
        "frozen BatchNorm2d": (lambda: nn.Sequential(nn.BatchNorm2d(2)).apply(freeze), (3, 2, 2)),
        "ReLU": (nn.ReLU, (4, 3)),
        "Tanh": (nn.Tanh, (4, 3)),
        "Sigmoid": (nn.Sigmoid, (4, 3)),
        "Softmax": (nn.Softmax, (2, 5)),
        "LogSoftmax": (lambda: nn.LogSoftmax(dim=1), (4, 3)),
        "Dropout off": (lambda: nn.Sequential(nn.Dropout(0.5)).apply(freeze), (4,)),
        "Flatten": (nn.Flatten, (2, 3)),
        "View": (lambda: nn.View(6), (2, 3)),
        "Reshape": (lambda: nn.Reshape(3, 1, 2), (2, 3)),
        "Identity": (nn.Identity, (3,)),
        "Mean": (lambda: nn.Mean((1, 2)), (2, 3, 2)),
        "Mean of one axis": (lambda: nn.Mean(2), (2, 3)),
        "Sequential": (lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), (3,)),
        "Concat": (lambda: nn.Concat(1, nn.Linear(3, 2), nn.Sequential(nn.Tanh(), nn.Linear(3, 3))), (3,)),
        "tables": (
            lambda: nn.Sequential(
                nn.ConcatTable(nn.Linear(3, 4), nn.Linear(3, 4)),
                nn.ParallelTable(nn.Tanh(), nn.Identity()),
                nn.ConcatTable(nn.CAddTable(), nn.JoinTable(1)),
                nn.JoinTable(1),
            ),
            (3,),
        ),
    }


def freeze(module):
    module.is_training = not isinstance(module, nn.BatchNorm2d | nn.Dropout)


def kept_batch(name):
    return 2 if "BatchNorm" in name else 1


def jacobian(function, x):
    """Return the derivative of each output by each number of ``x``, which is changed in place and restored."""
    columns = []
    for place in np.ndindex(*x.shape):
        kept = x[place]
        x[place] = kept + STEP
        above = function().copy()
        x[place] = kept - STEP
        columns.append((above - function()) / (2 * STEP))
        x[place] = kept
    return np.array(columns).reshape(x.size, function().size)


def backwards(module, x, pick):
    """Return one row per number that ``pick`` finds after the backward of each output alone."""
    y = module.forward(x)
    columns = []
    for place in np.ndindex(*y.shape):
        one_hot = np.zeros(y.shape)
        one_hot[place] = 1
        module.zero_grad_parameters()
        columns.append(np.ravel(pick(module.backward(x, one_hot))).copy())
    return np.array(columns).T.reshape(-1, y.size)


def build(make, seed=3):
    module = make().astype(np.float64)
    rng = np.random.default_rng(seed)
    module.reset(rng)
    for parameter in module.parameters().values():
        parameter.fill(rng.uniform(-1, 1, parameter.value.shape))
    return module


@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize("name", cases())
def test_jacobian_of_the_input(name, strided):
    make, shape = cases()[name]
    for batch in (kept_batch(name), 3):
        x = np.random.default_rng(batch).uniform(-2, 2, (batch, *shape[:-1], 2 * shape[-1]))[..., ::2]
        check_jacobian(build(make), x if strided else x.copy())


def check_jacobian(module, x):
    got = backwards(module, x, lambda gradient: gradient)
    np.testing.assert_allclose(got, jacobian(lambda: np.ravel(module.forward(x)), x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", [name for name, (make, _) in cases().items() if make().parameters()])
def test_jacobian_of_the_parameters(name):
    make, shape = cases()[name]
    module = build(make)
    x = np.random.default_rng(0).uniform(-2, 2, (3, *shape))
    for path, parameter in module.parameters().items():
        got = backwards(module, x, lambda _, own=parameter: own.grad)
        wanted = jacobian(lambda: np.ravel(module.forward(x)), parameter.value)
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-5, err_msg=path)


@pytest.mark.parametrize("name", cases())
def test_gradients_accumulate_and_flags_hold(name):
    make, shape = cases()[name]
    module = build(make)
    rng = np.random.default_rng(1)
    x = rng.uniform(-2, 2, (3, *shape))
    y = module.forward(x)
    wide = rng.standard_normal((*y.shape, 2))
    module.backward(x, np.ascontiguousarray(wide[..., 0]))
    once = [parameter.grad.copy() for parameter in module.parameters().values()]
    first = module.backward(x, wide[..., 0], scale=2.0)
    for parameter, gradient in zip(module.parameters().values(), once, strict=True):
        np.testing.assert_allclose(parameter.grad, 3 * gradient, atol=1e-12)
    assert module.backward(x, wide[..., 0], input_grad=False, param_grad=False) is None
    again = module.backward(x, wide[..., 0], param_grad=False)
    np.testing.assert_array_equal(first, again)
    for parameter, gradient in zip(module.parameters().values(), once, strict=True):
        np.testing.assert_allclose(parameter.grad, 3 * gradient, atol=1e-12)


@pytest.mark.parametrize("name", cases())
def test_empty_batch(name):
    make, shape = cases()[name]
    module = build(make)
    x = np.zeros((0, *shape))
    y = module.forward(x)
    assert len(y) == 0
    assert module.backward(x, y).shape == x.shape
    assert all(not parameter.grad.any() for parameter in module.parameters().values())


CRITERIA = {
    "CrossEntropyLoss": (nn.CrossEntropyLoss(), np.array([2, 0, 3])),
    "smoothed": (nn.CrossEntropyLoss(label_smoothing=0.2), np.array([2, 0, 3])),
    "weighted": (nn.CrossEntropyLoss([0.5, 1, 2, 3], label_smoothing=0.1), np.array([2, 0, 3])),
    "MSELoss": (nn.MSELoss(), np.random.default_rng(5).standard_normal((3, 4))),
}


@pytest.mark.parametrize("name", CRITERIA)
@pytest.mark.parametrize("n", [0, 1, 3])
def test_jacobian_of_criteria(name, n):
    criterion, target = CRITERIA[name]
    x = np.random.default_rng(2).uniform(-2, 2, (n, 8))[:, ::2]
    got = criterion.backward(x, target[:n])
    wanted = jacobian(lambda: np.array([criterion.forward(x, target[:n])]), x)
    np.testing.assert_allclose(got.ravel(), wanted.ravel(), atol=1e-5)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ([0, 4], "target 4 is none of the 4 classes"),
        ([0, -1], "target -1"),
        ([0.0, 1.0], "integers"),
        ([1], "2 integers"),
    ],
)
def test_wrong_targets(target, message):
    with pytest.raises(ValueError, match=message):
        nn.CrossEntropyLoss().forward(np.zeros((2, 4)), np.array(target))
