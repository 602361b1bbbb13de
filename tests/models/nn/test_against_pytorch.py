"""The layers against PyTorch, where it is installed: 1e-4 in single precision, 1e-10 in double."""

import numpy as np
import pytest

from actionbench.models import nn, zoo

torch = pytest.importorskip("torch", reason="PyTorch is a dependency of these tests only")


def to_torch(x):
    """Channels last to channels first."""
    return torch.tensor(np.moveaxis(x, -1, 1).copy(), requires_grad=True)


def from_torch(tensor):
    return np.moveaxis(tensor.detach().numpy(), 1, -1)


LAYERS = {
    "Conv1d": ((3, 5, 3, 2, 1), {}, (9, 3)),
    "Conv2d": ((3, 5, (3, 2), (2, 1), (1, 0), (1, 2)), {}, (8, 7, 3)),
    "Conv3d": ((2, 9, 3, (1, 2, 2), 1), {"bias": False}, (5, 6, 7, 2)),
    "MaxPool1d": ((3, 2, 1), {"ceil_mode": True}, (8, 3)),
    "MaxPool2d": ((3, 2, 1), {"ceil_mode": True}, (7, 8, 3)),
    "MaxPool3d": (((1, 2, 2),), {}, (3, 5, 6, 2)),
    "AvgPool1d": ((2,), {}, (7, 3)),
    "AvgPool2d": ((3, 2, 1), {"ceil_mode": True, "count_include_pad": False}, (7, 8, 3)),
    "AvgPool3d": ((3, 2, 1), {"ceil_mode": True}, (4, 5, 6, 2)),
    "BatchNorm2d": ((3,), {}, (4, 5, 3)),
    "BatchNorm3d": ((2,), {}, (2, 3, 4, 2)),
    "Linear": ((4, 3), {}, (4,)),
    "Sigmoid": ((), {}, (4,)),
    "LogSoftmax": ((1,), {}, (5,)),
}


def copy_parameters(ours, theirs):
    for name in ("weight", "bias"):
        parameter = getattr(ours, name, None)
        if parameter is not None:
            value = parameter.value
            value = (
                np.moveaxis(value, (-1, -2), (0, 1))
                if "Conv" in type(ours).__name__ and value.ndim > 1
                else value
            )
            getattr(theirs, name).data = torch.tensor(value.copy())


@pytest.mark.parametrize(("dtype", "atol"), [(np.float32, 1e-4), (np.float64, 1e-10)])
@pytest.mark.parametrize("name", LAYERS)
def test_layer(name, dtype, atol):
    args, options, shape = LAYERS[name]
    ours = getattr(nn, name)(*args, **options).reset(0).astype(dtype)
    theirs = getattr(torch.nn, name)(*args, **options).to(
        torch.float64 if dtype == np.float64 else torch.float32
    )
    copy_parameters(ours, theirs)
    x = np.random.default_rng(0).standard_normal((3, *shape)).astype(dtype)
    theirs_x = to_torch(x)
    y, theirs_y = ours.forward(x), theirs(theirs_x)
    np.testing.assert_allclose(y, from_torch(theirs_y), rtol=0, atol=atol)
    g = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
    theirs_y.backward(to_torch(g))
    np.testing.assert_allclose(ours.backward(x, g), from_torch(theirs_x.grad), rtol=0, atol=atol)
    for key in ("weight", "bias"):
        if getattr(ours, key, None) is not None:
            gradient = getattr(theirs, key).grad.numpy()
            if "Conv" in name and gradient.ndim > 1:
                gradient = np.moveaxis(gradient, (0, 1), (-1, -2))
            np.testing.assert_allclose(getattr(ours, key).grad, gradient, rtol=0, atol=10 * atol)
    if "BatchNorm" in name:
        np.testing.assert_allclose(ours.running_var, theirs.running_var.numpy(), atol=atol)


@pytest.mark.parametrize("weight", [None, [0.2, 1.0, 3.0]])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy(weight, smoothing):
    scores, targets = np.random.default_rng(0).standard_normal((5, 3)), np.array([0, 2, 1, 1, 0])
    theirs = torch.nn.CrossEntropyLoss(
        None if weight is None else torch.tensor(weight, dtype=torch.float64), label_smoothing=smoothing
    )
    theirs_scores = torch.tensor(scores, requires_grad=True)
    loss = theirs(theirs_scores, torch.tensor(targets))
    loss.backward()
    ours = nn.CrossEntropyLoss(weight, smoothing)
    np.testing.assert_allclose(ours.forward(scores, targets), loss.item(), rtol=1e-12)
    np.testing.assert_allclose(ours.backward(scores, targets), theirs_scores.grad.numpy(), atol=1e-12)


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
    for own, other in zip((0, 1, 4, 5, 9), (0, 1, 4, 5, 9), strict=True):
        copy_parameters(ours[own], theirs[other])
    x = np.random.default_rng(0).standard_normal((3, 4, 8, 9, 1))
    theirs_x = to_torch(x)
    y, theirs_y = ours.forward(x), theirs(theirs_x)
    np.testing.assert_allclose(y, theirs_y.detach().numpy(), atol=1e-10)
    theirs_y.sum().backward()
    np.testing.assert_allclose(ours.backward(x, np.ones_like(y)), from_torch(theirs_x.grad), atol=1e-10)
