"""Kernels and training steps; with PyTorch beside them where it is installed.

Run with ``OMP_NUM_THREADS=1 python -m pytest tests/benchmarks/test_nets.py --benchmark-only``.
"""

import numpy as np
import pytest

from actionbench.models import kernels, nn, zoo
from actionbench.models.nn import functional

# samples, T, H = W, channels in, channels out: the stages of tiny3d
STAGES = [(16, 16, 64, 1, 8), (16, 8, 32, 8, 16), (16, 4, 16, 16, 32), (16, 2, 8, 32, 64)]
PAD = {"padding": (1, 1, 1)}


@pytest.fixture(params=STAGES, ids=str)
def stage(request):
    n, t, side, c, d = request.param
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, t, side, side, c)).astype(np.float32)
    weight = rng.standard_normal((3, 3, 3, c, d)).astype(np.float32)
    g = rng.standard_normal((n, t, side, side, d)).astype(np.float32)
    return x, weight, g


def report(benchmark, function, operations):
    benchmark(function)
    if benchmark.stats:
        benchmark.extra_info["GFLOP/s"] = round(operations / benchmark.stats.stats.median / 1e9, 1)


def test_convolution(benchmark, stage):
    x, weight, g = stage
    report(benchmark, lambda: functional.conv3d(x, weight, **PAD), 2 * g.size * weight[..., 0].size)


def test_convolution_input_gradient(benchmark, stage):
    x, weight, g = stage
    size = x.shape[1:4]
    report(
        benchmark,
        lambda: functional.conv3d_input_gradient(g, weight, size, **PAD),
        2 * g.size * weight[..., 0].size,
    )


def test_convolution_weight_gradient(benchmark, stage):
    x, weight, g = stage
    report(
        benchmark,
        lambda: functional.conv3d_weight_gradient(x, g, (3, 3, 3), **PAD),
        2 * g.size * weight[..., 0].size,
    )


def test_max_pooling(benchmark, stage):
    benchmark(functional.max_pool3d, stage[2], (2, 2, 2), (2, 2, 2))


def test_max_pooling_gradient(benchmark, stage):
    g = stage[2]
    pooled = functional.max_pool3d(g, (2, 2, 2), (2, 2, 2))
    benchmark(functional.max_pool3d_gradient, pooled.output, pooled, g.shape[1:4])


def test_average_pooling(benchmark, stage):
    benchmark(functional.avg_pool3d, stage[2], (2, 2, 2), (2, 2, 2))


def test_average_pooling_gradient(benchmark, stage):
    g = stage[2]
    out = functional.avg_pool3d(g, (2, 2, 2), (2, 2, 2))
    benchmark(functional.avg_pool3d_gradient, out, g.shape[1:4], (2, 2, 2), (2, 2, 2))


def test_batch_normalisation(benchmark, stage):
    layer, g = nn.BatchNorm3d(stage[2].shape[-1]), stage[2]

    def step():
        layer.forward(g)
        layer.backward(g, g)

    benchmark(step)


def batch():
    x = np.random.default_rng(0).standard_normal((16, 16, 64, 64, 1)).astype(np.float32)
    return x, np.arange(16) % 10


def test_training_step_of_tiny3d(benchmark):
    (x, targets), net, criterion = batch(), zoo.tiny3d(10, rng=0), nn.CrossEntropyLoss(label_smoothing=0.1)

    def step():
        scores = net.forward(x)
        net.zero_grad_parameters()
        net.backward(x, criterion.backward(scores, targets), input_grad=False)
        net.update_parameters(0.01)

    benchmark(step)


@pytest.mark.parametrize("layout", ["contiguous_format", "channels_last_3d"])
def test_training_step_of_tiny3d_in_pytorch(benchmark, layout):
    torch = pytest.importorskip("torch", reason="PyTorch is the yardstick of these benchmarks only")
    torch.set_num_threads(kernels.default_threads())
    layers, channels = [], 1
    for width in (8, 16, 32, 64):
        layers += [torch.nn.Conv3d(channels, width, 3, padding=1, bias=False), torch.nn.BatchNorm3d(width)]
        layers += [torch.nn.MaxPool3d(2), torch.nn.ReLU()] if width < 64 else [torch.nn.ReLU()]
        channels = width
    tail = [torch.nn.AdaptiveAvgPool3d(1), torch.nn.Flatten(), torch.nn.Dropout(0.3), torch.nn.Linear(64, 10)]
    net = torch.nn.Sequential(*layers, *tail).to(memory_format=getattr(torch, layout))
    x, targets = (torch.tensor(value) for value in batch())
    x = x.movedim(-1, 1).contiguous(memory_format=getattr(torch, layout))
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    optimiser = torch.optim.SGD(net.parameters(), 0.01)

    def step():
        optimiser.zero_grad()
        criterion(net(x), targets).backward()
        optimiser.step()

    benchmark(step)


def test_prediction_of_one_clip(benchmark):
    net = zoo.tiny3d(10, rng=0).evaluate()
    benchmark(net.forward, batch()[0][:1])


SEQUENCES = np.random.default_rng(0).standard_normal((64, 32, 64)).astype(np.float32)


@pytest.mark.parametrize("n", [16, 64])
def test_training_step_of_an_lstm(benchmark, n):
    x, targets, net, criterion = (
        SEQUENCES[:n],
        np.arange(n) % 6,
        zoo.lstm_classifier(64, 128, 6),
        nn.CrossEntropyLoss(),
    )

    def step():
        scores = net.forward(x)
        net.zero_grad_parameters()
        net.backward(x, criterion.backward(scores, targets), input_grad=False)
        net.update_parameters(0.01)

    benchmark(step)


@pytest.mark.parametrize("n", [16, 64])
def test_training_step_of_an_lstm_in_pytorch(benchmark, n):
    torch = pytest.importorskip("torch", reason="PyTorch is the yardstick of these benchmarks only")
    torch.set_num_threads(kernels.default_threads())
    x, targets = torch.tensor(SEQUENCES[:n]), torch.arange(n) % 6
    lstm, last = torch.nn.LSTM(64, 128, batch_first=True), torch.nn.Linear(128, 6)
    criterion = torch.nn.CrossEntropyLoss()
    optimiser = torch.optim.SGD([*lstm.parameters(), *last.parameters()], 0.01)

    def step():
        optimiser.zero_grad()
        criterion(last(lstm(x)[0][:, -1]), targets).backward()
        optimiser.step()

    benchmark(step)
