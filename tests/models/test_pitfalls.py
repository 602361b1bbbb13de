"""What users of Torch, its ports and its relatives stumbled over, one test for each kind; the reports are named."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from actionbench.models import kernels, load, nn, optim, save, zoo
from actionbench.models.nn import functional
from actionbench.models.nn.functional import convolution


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def net():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2)).reset(0)


def step(module, x):
    y = module.forward(x)
    return module.backward(x, np.ones_like(y))


def test_01_sharing_cloning_flattening():
    """torch/nn#871, #613, #282, #1274, torch7#716, #783, thinc PR #659."""
    own = net()
    values, grads = own.get_parameters()
    twin = own.clone("weight", "bias", "running_mean", "running_var")
    twin_values, twin_grads = twin.get_parameters()
    assert np.shares_memory(values, twin_values)
    assert np.shares_memory(grads, twin_grads)
    assert values.size == grads.size == twin_values.size
    values[...] = 0.25
    assert (twin[3].weight.value == 0.25).all()
    step(twin, numbers(5, 3))
    np.testing.assert_array_equal(own[1].running_mean, twin[1].running_mean)
    assert grads.any()
    apart = own.clone()
    apart.get_parameters()[0].fill(7)
    assert (values == 0.25).all()
    # What is shared is updated once, and a reused layer stays one layer in a copy.
    layer = nn.Linear(2, 2)
    twice = nn.Sequential(layer, layer).clone()
    twice[0].weight.fill(1)
    twice[0].weight.grad[...] = 1
    twice.update_parameters(0.5)
    assert (twice[1].weight.value == 0.5).all()
    assert twice.get_parameters()[0].size == 6


def test_02_a_batch_of_one_stays_a_batch():
    """torch/nn#193, #219, #221, #227, #240."""
    x = numbers(1, 4, 6, 5, 2)
    for layer, shape in (
        (nn.Flatten(), (1, 240)),
        (nn.View(240), (1, 240)),
        (nn.View(-1, 2), (1, 120, 2)),
        (nn.Mean((1, 2, 3)), (1, 2)),
        (nn.AdaptiveAvgPool3d(1), (1, 1, 1, 1, 2)),
        (nn.Max(1), (1, 6, 5, 2)),
        (nn.SplitTable(1), [(1, 6, 5, 2)] * 4),
    ):
        y = layer.forward(x)
        assert ([part.shape for part in y] if isinstance(y, list) else y.shape) == shape


@pytest.mark.parametrize("target", [10, -1, 255])
def test_03_targets_out_of_range_are_named(target):
    """torch/nn#471, #1001, #1193, torch7#1050, demos#56."""
    for criterion in (nn.CrossEntropyLoss(), nn.NLLLoss(), nn.MultiMarginLoss()):
        for call in (criterion.forward, criterion.backward):
            with pytest.raises(ValueError, match=f"target {target} is none of the 10 classes 0 to 9"):
                call(numbers(2, 10), np.array([3, target]))


def test_04_pooling_modes():
    """torch/nn#116, PR #309, PR #365; C3D's ports pad where Caffe lets the last window stick out."""
    x = np.arange(7, dtype=float).reshape(1, 7, 1)
    assert nn.MaxPool1d(2).forward(x).ravel().tolist() == [1, 3, 5]
    assert nn.MaxPool1d(2, ceil_mode=True).forward(x).ravel().tolist() == [1, 3, 5, 6]
    assert nn.MaxPool1d(2, padding=1).forward(x).ravel().tolist() == [0, 2, 4, 6]
    assert nn.AvgPool1d(2, padding=1).forward(x).ravel().tolist() == [0, 1.5, 3.5, 5.5]
    assert nn.AvgPool1d(2, padding=1, count_include_pad=False).forward(x).ravel().tolist() == [
        0,
        1.5,
        3.5,
        5.5,
    ]
    ends = (
        nn.AvgPool1d(3, 2, 1).forward(x + 3).ravel(),
        nn.AvgPool1d(3, 2, 1, count_include_pad=False).forward(x + 3),
    )
    np.testing.assert_allclose(ends[0], [7 / 3, 5, 7, 17 / 3])
    np.testing.assert_allclose(ends[1].ravel(), [3.5, 5, 7, 8.5])


def peak(function):
    """Return the most bytes that live at once inside a call."""
    tracemalloc.start()
    try:
        result = function()
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


def test_05_a_convolution_keeps_no_columns():
    """torch/nn#501, #1156: columns of the batch would be 27 times the input."""
    layer, x = nn.Conv3d(8, 8, 3, padding=1).reset(0), numbers(4, 8, 24, 24, 8)
    most, y = peak(lambda: layer.forward(x))
    assert most < 4 * x.nbytes
    most, _ = peak(lambda: layer.backward(x, y))
    assert most < 6 * x.nbytes


@pytest.mark.parametrize("channels", [(3, 8), (3, 40), (24, 8)], ids=str)
def test_06_volumes_have_a_kernel_of_their_own(channels, monkeypatch):
    """torch/nn PR #481, pytorch PR #4824, #11884: neither a loop over frames nor a general n-d copy."""
    calls, x = [], numbers(2, 9, 10, 11, channels[0])
    own = kernels.of(x.dtype)
    for name in ("convolve", "slide", "winograd"):
        kernel = getattr(own, name)
        monkeypatch.setattr(own, name, lambda *given, kernel=kernel: calls.append(given) or kernel(*given))
    nn.Conv3d(*channels, 3, padding=1).reset(0).forward(x)
    assert len(calls) == 1
    assert calls[0][0].shape == x.shape  # the batch as it is, not padded, no columns
    assert calls[0][-1] >= 1


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_07_threads_change_nothing_and_one_sample_feeds_them_all(batch, monkeypatch):
    """torch7#691, #628, torch/nn#1178, PR #789, pytorch PR #52577, NNlib.jl#696."""
    used = []
    real = convolution.team_size
    monkeypatch.setattr(convolution, "team_size", lambda *wanted: used.append(real(*wanted)) or used[-1])
    results = []
    for threads in ("1", "4"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        layer, x = nn.Conv3d(4, 16, 3, padding=1).reset(0), numbers(batch, 8, 24, 24, 4)
        grad_input = step(layer, x)
        results.append((layer.forward(x), grad_input, layer.weight.grad.copy(), layer.bias.grad.copy()))
    for one, many in zip(*results, strict=True):
        np.testing.assert_array_equal(one, many)
    assert set(used) == {1, 4}


def test_08_a_saved_net_is_as_large_as_its_parameters(tmp_path):
    """torch7#411, fb.resnet.torch#24, #38, torch-inception-resnet-v2#4, torch/nn PR #526, rnn#425."""
    own = zoo.tiny3d(10, rng=0)
    step(own, numbers(4, 16, 32, 32, 1))
    save(own, tmp_path)
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert size < 4 * own.count_parameters() + 10_000
    assert load(tmp_path).count_parameters() == own.count_parameters()


def strange(a):
    """Return equal arrays that lie in memory in other ways."""
    wide = np.repeat(a, 2, axis=-1)
    yield wide[..., ::2]
    yield np.ascontiguousarray(a[::-1])[::-1]
    yield np.asfortranarray(a)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Mean(1),
        lambda: nn.Conv2d(3, 4, 3, padding=1),
        lambda: nn.MaxPool2d(2),
        lambda: nn.AvgPool2d(2),
        lambda: nn.BatchNorm2d(3),
        lambda: nn.ReLU(),
        lambda: nn.Linear(3, 5),
        lambda: nn.LocalResponseNorm(3),
        lambda: nn.Bottle(nn.LSTM(3, 4), 3),
        lambda: nn.ReflectionPad2d(1),
    ],
)
def test_09_memory_order_of_inputs_and_gradients(make):
    """torch/nn PR #345, #643, #490, cunn#68, torch7-distro#5, thinc PR #25."""
    layer, x = make().astype(np.float64).reset(0), numbers(2, 4, 6, 3).astype(float)
    y = layer.forward(x)
    g = numbers(*y.shape, seed=1).astype(float)
    wanted = layer.backward(x, g)
    for other in strange(x):
        np.testing.assert_allclose(layer.forward(other), y, atol=1e-12)
        for gradient in strange(g):
            np.testing.assert_allclose(layer.backward(other, gradient), wanted, atol=1e-12)


PLAIN = [
    nn.ReLU,
    nn.Tanh,
    nn.Sigmoid,
    nn.Softmax,
    nn.LogSoftmax,
    nn.ELU,
    nn.LeakyReLU,
    nn.Softplus,
    nn.Dropout,
]
PLAIN += [nn.Hardtanh, nn.Identity, nn.Flatten, nn.PReLU, nn.Softsign, nn.LogSigmoid, nn.RReLU, nn.Softmin]


@pytest.mark.parametrize("kind", PLAIN)
def test_10_nothing_is_done_in_place(kind):
    """torch/nn PR #235, #787, PR #1180."""
    layer, x = kind(), numbers(3, 4)
    x.flags.writeable = False
    y = layer.forward(x)
    kept, g = y.copy(), numbers(*y.shape, seed=1)
    g.flags.writeable = False
    layer.backward(x, g)
    np.testing.assert_array_equal(y, kept)


def test_11_batch_normalisation_of_one_value():
    """torch/nn PR #1271, #1168."""
    layer = nn.BatchNorm2d(3)
    with pytest.raises(ValueError, match="more than one value per channel in training"):
        layer.forward(numbers(1, 1, 1, 3))
    assert np.isfinite(layer.running_var).all()
    assert np.isfinite(layer.evaluate().forward(numbers(1, 1, 1, 3))).all()
    assert np.isfinite(layer.training().forward(numbers(1, 1, 2, 3))).all()


def test_12_errors_say_where_and_what():
    """torch/nn PR #217, #682, #982."""
    own = nn.Sequential(nn.Identity(), nn.Concat(1, nn.Identity(), nn.Sequential(nn.Linear(7, 2))))
    with pytest.raises(ValueError, match=r"expects \(N, 7\), got \(2, 5\)") as caught:
        own.forward(numbers(2, 5))
    assert caught.value.__notes__ == [
        "in module 0 (Linear) of Sequential",
        "in module 1 (Sequential) of Concat",
        "in module 1 (Concat) of Sequential",
    ]


def test_13_recurrent_layers_take_any_length():
    """karpathy/char-rnn#136, rnn#182, #339, torch-rnn#60, #76."""
    layer = nn.LSTM(3, 4, rng=0)
    for length in (5, 2, 9):
        assert layer.forward(numbers(2, length, 3)).shape == (2, length, 4)
    x, lengths = numbers(3, 6, 3), np.array([6, 1, 4])
    padded = layer.forward([x, lengths])
    for row, length in enumerate(lengths):
        alone = layer.forward(x[row : row + 1, :length])[0]
        np.testing.assert_allclose(padded[row, :length], alone, atol=1e-6)
        assert not padded[row, length:].any()
    # No copy of the layer for each step: memory grows with the states alone.
    long = numbers(2, 500, 3)
    most, _ = peak(lambda: layer.forward(long))
    assert most < 40 * 500 * 2 * 4 * 4


def test_14_one_convention_of_decay_and_no_crash_in_interpolation():
    """torch/optim#42, PRs #118, #113, #115."""

    def flat(x):
        return 0.0, np.zeros_like(x)

    def tilted(x):
        return 0.0, 0.5 * x

    for name in ("sgd", "nag", "adam", "adamax", "adagrad", "adadelta", "rmsprop", "rprop"):
        decayed, given = np.array([2.0, -1.0]), np.array([2.0, -1.0])
        getattr(optim, name)(flat, decayed, {"weight_decay": 0.5})
        getattr(optim, name)(tilted, given, {})
        np.testing.assert_allclose(decayed, given, rtol=1e-12, err_msg=name)
    x, _ = optim.sgd(
        tilted, np.ones(2), {"learning_rate": np.array([0.1, 0.2]), "weight_decay": np.array([0, 1.0])}
    )
    np.testing.assert_allclose(x, [0.95, 0.7])
    assert np.isfinite(optim.polyinterp([(0.0, 1.0, -1.0)], 0.0, 2.0))
    assert optim.polyinterp([(0.0, 1.0, -2.0), (2.0, 1.0, 2.0)], 0.0, 2.0) == pytest.approx(1.0)
    for n in (1, 2, 7):
        x, losses = optim.lbfgs(lambda x: (float(x @ x), 2 * x), np.ones(n), {"line_search": "strong_wolfe"})
        np.testing.assert_allclose(x, 0, atol=1e-6)
        assert losses[-1] < losses[0]


def test_15_kernels_take_what_they_are_given():
    """thinc #939, #515, #629, #771, cython-blis#116, #118, thinc PR #222."""
    for shape in ((6,), (2, 6), (2, 3, 6), (2, 1, 2, 1, 6)):
        a = numbers(*shape)
        wanted = a.reshape(-1, 6).sum(axis=0)
        np.testing.assert_allclose(functional.channel_sums(a)[0], wanted, rtol=1e-4, atol=1e-5)
        assert functional.rectifier_gradient(a, a).shape == shape
    sources = Path(__file__).parents[2] / "_ext"
    for source in sources.glob("*.pyx"):
        assert "numpy" not in source.read_text().replace("NumPy", ""), f"{source.name} needs NumPy's headers"


def test_16_gradients_add_up_however_often():
    """torch/nn MapTable PR #1171, SparseLinear PR #698, #723."""
    table, places = nn.Embedding(5, 2).reset(0), [np.array([[0, 1]]), np.array([[1, 4]])]
    for x in (places[0], places[1], places[0]):
        table.forward(x)
        table.backward(x, np.ones((1, 2, 2), np.float32))
    np.testing.assert_array_equal(table.weight.grad[:, 0], [2, 3, 0, 0, 1])
    layer, inputs = (
        nn.Sequential(nn.Conv1d(2, 3, 2), nn.Tanh()).reset(0),
        [numbers(2, 4, 2), numbers(3, 5, 2, seed=1)],
    )
    alone = []
    for x in inputs:
        layer.zero_grad_parameters()
        step(layer, x)
        alone.append(layer[0].weight.grad.copy())
    layer.zero_grad_parameters()
    for x in (inputs[0], inputs[1], inputs[1]):
        step(layer, x)
    np.testing.assert_allclose(layer[0].weight.grad, alone[0] + 2 * alone[1], rtol=1e-4, atol=1e-5)
