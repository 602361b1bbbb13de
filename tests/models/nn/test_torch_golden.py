"""Layers against numbers that Torch7 itself printed.

``torch_golden.txt`` was made by compiling Torch7 (torch/torch7 814ea4a, torch/nn 8726825) and running it in double
precision; ten digits of each number are kept. Inputs, gradients and weights are sin(0.37 i² + i), i from 1.
"""

from pathlib import Path

import numpy as np
import pytest

from actionbench.models import nn

GOLDEN = {
    name: np.array(values.split(","), float).reshape([int(size) for size in shape.split("x")])
    for name, shape, values in (
        line.split("|") for line in Path(__file__).with_name("torch_golden.txt").read_text().splitlines()
    )
}


def wave(*shape):
    i = np.arange(1, np.prod(shape) + 1)
    return np.sin(0.37 * i * i + i).reshape(shape)


def last(x):
    """Channels first, as Torch has them, to channels last."""
    return np.moveaxis(x, 1, -1)


def check(layer, x, name):
    y = layer.forward(x)
    np.testing.assert_allclose(y, last(GOLDEN[f"{name}.y"]), atol=2e-9)
    grad_input = layer.backward(x, last(wave(*GOLDEN[f"{name}.y"].shape)))
    np.testing.assert_allclose(grad_input, last(GOLDEN[f"{name}.gx"]), atol=2e-9)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("avg_pad", nn.AvgPool2d(3, 2, 1)),
        ("avg_pad_ceil", nn.AvgPool2d(3, 2, 1, True)),
        ("avg_pad_excl", nn.AvgPool2d(3, 2, 1, count_include_pad=False)),
        ("max_ceil", nn.MaxPool2d(2, 2, ceil_mode=True)),
        ("vmax", nn.MaxPool3d(2, 2, (0, 1, 1), ceil_mode=True)),
        ("lrn", nn.LocalResponseNorm(5, 0.01, 0.75, 2.0)),
        ("lsm4", nn.LogSoftmax(-1)),
    ],
)
def test_layers_without_parameters(name, layer):
    check(layer, last(wave(*GOLDEN[f"{name}.gx"].shape)), name)


def test_batch_normalisation():
    layer, x = nn.BatchNorm2d(3).astype(np.float64), last(wave(2, 3, 7, 7))
    layer.weight.fill([0.5, 1, 2])
    layer.bias.fill([0.1, 0.2, 0.3])
    check(layer, x, "bn")
    np.testing.assert_allclose(layer.running_mean, GOLDEN["bn.rm"], atol=2e-9)
    np.testing.assert_allclose(layer.running_var, GOLDEN["bn.rv"], atol=2e-9)
    layer.evaluate()
    np.testing.assert_allclose(layer.forward(x), last(GOLDEN["bn_eval.y"]), atol=2e-9)


def test_temporal_convolution():
    layer, x = nn.Conv1d(3, 4, 2).astype(np.float64), wave(2, 5, 3)
    layer.weight.fill(wave(4, 2, 3).transpose(1, 2, 0))
    layer.bias.fill(wave(4))
    y = layer.forward(x)
    np.testing.assert_allclose(y, GOLDEN["tc.y"], atol=2e-9)
    np.testing.assert_allclose(layer.backward(x, wave(2, 4, 4)), GOLDEN["tc.gx"], atol=2e-9)
    np.testing.assert_allclose(layer.weight.grad.transpose(2, 0, 1).reshape(4, 6), GOLDEN["tc.gw"], atol=2e-9)


def test_volumetric_convolution():
    layer = nn.Conv3d(2, 3, (2, 3, 3), (1, 1, 2), (1, 0, 1)).astype(np.float64)
    layer.weight.fill(np.moveaxis(wave(3, 2, 2, 3, 3), (0, 1), (-1, -2)))
    layer.bias.fill(wave(3))
    check(layer, last(wave(1, 2, 4, 5, 6)), "vc")
    np.testing.assert_allclose(np.moveaxis(layer.weight.grad, (-1, -2), (0, 1)), GOLDEN["vc.gw"], atol=2e-9)
