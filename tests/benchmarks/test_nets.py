"""Training steps and predictions of small nets; ``compare.py`` times more of them beside PyTorch's.

Run with ``OMP_NUM_THREADS=1 python -m pytest tests/benchmarks/test_nets.py --benchmark-only``.
"""

import numpy as np
import pytest

from actionbench.models import nn, zoo

# A net, and the shape of a batch.
NETS = {
    "tiny3d": (lambda: zoo.tiny3d(6, rng=0), (16, 16, 64, 64, 1)),
    "s3d_small": (lambda: zoo.s3d_small(6, rng=0), (16, 32, 64, 64, 2)),
    "lstm": (lambda: zoo.lstm_classifier(64, 128, 6, rng=0), (16, 32, 64)),
    "lstm of 64 samples": (lambda: zoo.lstm_classifier(64, 128, 6, rng=0), (64, 32, 64)),
}

pytestmark = pytest.mark.benchmark(max_time=0.5)


def net_and_batch(name):
    make, shape = NETS[name]
    return make(), np.random.default_rng(0).standard_normal(shape, np.float32)


@pytest.mark.parametrize("name", NETS)
def test_training_step(benchmark, name):
    net, x = net_and_batch(name)
    targets, criterion = np.arange(len(x)) % 6, nn.CrossEntropyLoss(label_smoothing=0.1)

    def step():
        scores = net.forward(x)
        net.zero_grad_parameters()
        net.backward(x, criterion.backward(scores, targets), input_grad=False)
        net.update_parameters(0.01)

    benchmark(step)


@pytest.mark.parametrize("name", ["tiny3d", "lstm"])
def test_prediction_of_one_clip(benchmark, name):
    net, x = net_and_batch(name)
    benchmark(net.evaluate().forward, x[:1])
