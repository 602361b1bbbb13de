from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from actionbench.models import kernels, nn, zoo
from actionbench.models.nn import playback

IMAGE, VOLUME, SEQUENCE, VECTOR = (2, 9, 8, 3), (1, 4, 8, 8, 2), (3, 7, 5), (4, 6)


def images(*modules):
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *modules)


PLAYED = {
    "convolution, normalisation, pooling": (
        lambda: images(nn.BatchNorm2d(8), nn.MaxPool2d(2), nn.ReLU(), nn.Mean((1, 2)), nn.Linear(8, 4)),
        IMAGE,
    ),
    "layers one by one": (
        lambda: nn.Sequential(nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(3), nn.Conv2d(3, 4, 2, bias=False)),
        IMAGE,
    ),
    "averages": (lambda: images(nn.AvgPool2d(2), nn.AdaptiveMaxPool2d(2), nn.AdaptiveAvgPool2d(1)), IMAGE),
    "groups and strides": (
        lambda: nn.Sequential(nn.Conv2d(4, 6, 3, stride=2, groups=2), nn.ReLU()),
        (2, 9, 8, 4),
    ),
    "shapes": (
        lambda: images(
            nn.Identity(), nn.Dropout(0.5), nn.Flatten(), nn.View(9, 8, 8), nn.Sequential(nn.ReLU())
        ),
        IMAGE,
    ),
    "volumes": (lambda: zoo.tiny3d(4, channels=2, widths=(4, 20), rng=0), VOLUME),
    "sequences": (lambda: zoo.lstm_classifier(5, 6, 4, rng=0), SEQUENCE),
    "one sequence": (lambda: zoo.lstm_classifier(5, 6, 4, rng=0), (1, 7, 5)),
    "both ways": (
        lambda: nn.Sequential(nn.LSTM(5, 6, 2, bidirectional=True, dropout=0.3, peepholes=True, rng=0)),
        SEQUENCE,
    ),
    "few vectors": (lambda: zoo.mlp(6, 30, 4, rng=0), VECTOR),
    "many vectors": (lambda: nn.Sequential(nn.Linear(6, 3, rng=0), nn.ReLU()), (50, 6)),
    "wide layer": (
        lambda: nn.Sequential(nn.Linear(600, 300, rng=0), nn.Linear(300, 2, bias=False, rng=0)),
        (20, 600),
    ),
    "one value": (lambda: nn.Sequential(nn.Linear(6, 3, rng=0)), (1, 6)),
}
OTHERS = {
    "another way of averaging": (lambda: images(nn.Mean(1)), IMAGE),
    "transfer functions": (lambda: nn.Sequential(nn.Linear(6, 3, rng=0), nn.Tanh()), VECTOR),
    "gated units": (lambda: nn.Sequential(nn.GRU(5, 6, rng=0)), SEQUENCE),
    "a layer of one's own": (lambda: nn.Sequential(Doubled(), nn.Linear(6, 3, rng=0)), VECTOR),
    "nothing": (lambda: nn.Sequential(), VECTOR),
    "the input in another shape": (lambda: nn.Sequential(nn.View(3, 2)), VECTOR),
    "two types": (
        lambda: nn.Sequential(nn.Linear(6, 3, rng=0), nn.Linear(3, 2, dtype=np.float64, rng=0)),
        VECTOR,
    ),
}


class Doubled(nn.ReLU):
    def _forward(self, x):
        return 2 * x, None


def numbers(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def plain(net, x):
    """What the modules make of an input, one after the other or as blocks, never played."""
    return net.clone()._predict(x)


@pytest.fixture
def written(monkeypatch):
    """The forwards that run through the modules."""
    forwards = []
    run = nn.Sequential._run
    monkeypatch.setattr(nn.Sequential, "_run", lambda net, x: forwards.append(net) or run(net, x))
    return forwards


def forwards_of(net, written):
    return sum(one is net for one in written)


@pytest.mark.parametrize("name", PLAYED)
def test_a_forward_that_comes_a_third_time_is_played_and_gives_the_same_bits(name, written):
    make, shape = PLAYED[name]
    net = make().reset(0).evaluate()
    inputs = [numbers(shape, seed) for seed in range(5)]
    wanted = [plain(net, x) for x in inputs]
    for x, right in zip(inputs, wanted, strict=True):
        np.testing.assert_array_equal(net.forward(x), right)
    assert forwards_of(net, written) == 2


@pytest.mark.parametrize("name", OTHERS)
def test_what_cannot_be_played_runs(name, written):
    make, shape = OTHERS[name]
    net = make().evaluate()
    inputs = [numbers(shape, seed) for seed in range(4)]
    wanted = [plain(net, x) for x in inputs]
    for x, right in zip(inputs, wanted, strict=True):
        np.testing.assert_array_equal(net.forward(x), right)
    assert forwards_of(net, written) == 4


def test_an_output_stays_when_others_follow():
    net = zoo.mlp(6, 30, 4, rng=0).evaluate()
    outputs = [net.forward(numbers(VECTOR, seed)) for seed in range(5)]
    for seed, output in enumerate(outputs):
        np.testing.assert_array_equal(output, plain(net, numbers(VECTOR, seed)))


def set_weight(net):
    net[0].weight.value = net[0].weight.value + 1


def set_numbers(net):
    net[0].weight.value[...] += 1


def set_buffer(net):
    net[1].running_mean = net[1].running_mean + 1


def set_option(net):
    net[1].eps = 0.5


def add_module(net):
    net.add(nn.Mean((1, 2)).evaluate())


def replace_module(net):
    net[3] = nn.Identity().evaluate()


def share(net):
    net.share(images(nn.BatchNorm2d(8), nn.MaxPool2d(2), nn.ReLU()).reset(1), "weight")


def load(net):
    net.load_state_dict(net.clone().reset(3).state_dict())


def learn(net):
    x = numbers(IMAGE)
    y = net.training().forward(x)
    net.backward(x, y)
    net.update_parameters(0.1)
    net.evaluate()


@pytest.mark.parametrize(
    "change",
    [set_weight, set_numbers, set_buffer, set_option, add_module, replace_module, share, load, learn],
    ids=lambda change: change.__name__,
)
def test_a_change_of_the_net_counts_at_once(change):
    net = images(nn.BatchNorm2d(8), nn.MaxPool2d(2), nn.ReLU()).reset(0).evaluate()
    x = numbers(IMAGE)
    before = [net.forward(x) for _ in range(3)][-1]
    change(net)
    right = plain(net, x)
    assert not np.array_equal(before, right)
    for _ in range(4):
        np.testing.assert_array_equal(net.forward(x), right)


def test_a_part_in_training_is_not_played(written):
    net = images(nn.Dropout(0.5)).reset(0).evaluate()
    net[1].is_training = True
    x = numbers(IMAGE)
    assert len({net.forward(x).tobytes() for _ in range(4)}) == 4
    assert forwards_of(net, written) == 4


def test_inputs_that_are_not_played(written):
    net = zoo.mlp(6, 30, 4, rng=0).evaluate()
    wide = numbers((4, 12))
    large = numbers((playback._LARGEST // 24 + 1, 6))
    for x in (
        wide[:, ::2],
        np.asfortranarray(wide[:, :6]),
        large,
        numbers((0, 6)),
        wide[:, :6].astype(float),
    ):
        right = plain(net, x)
        for _ in range(3):
            np.testing.assert_array_equal(net.forward(x), right)
    assert forwards_of(net, written) == 15


def test_a_read_only_input_is_played(written):
    net = zoo.mlp(6, 30, 4, rng=0).evaluate()
    x = numbers(VECTOR)
    x.flags.writeable = False
    assert len({net.forward(x).tobytes() for _ in range(4)}) == 1
    assert forwards_of(net, written) == 2


def test_a_wrong_input_is_refused_as_ever():
    net = zoo.mlp(6, 30, 4, rng=0).evaluate()
    for _ in range(3):
        net.forward(numbers(VECTOR))
    with pytest.raises(ValueError, match="expects"):
        net.forward(numbers((4, 7)))
    np.testing.assert_array_equal(net.forward(numbers(VECTOR)), plain(net, numbers(VECTOR)))


def test_an_error_on_the_way_ends_the_writing():
    net = zoo.mlp(6, 30, 4, rng=0).evaluate()
    for _ in range(2):
        with pytest.raises(ValueError, match="expects"):
            net.forward(numbers((4, 7)))
    assert playback._writing.calls is None


def test_threads_share_a_net():
    net = zoo.tiny3d(4, channels=2, widths=(4, 20), rng=0).evaluate()
    inputs = [numbers(VOLUME, seed) for seed in range(40)]
    wanted = [plain(net, x) for x in inputs]
    with ThreadPoolExecutor(4) as threads:
        for got, right in zip(threads.map(net.forward, inputs * 5), wanted * 5, strict=True):
            np.testing.assert_array_equal(got, right)


def test_a_trace_sees_each_module():
    net = images(nn.BatchNorm2d(8), nn.ReLU()).reset(0).evaluate()
    for _ in range(3):
        net.forward(numbers(IMAGE))
    assert len(net.trace(numbers(IMAGE))) == 4


def test_a_copy_holds_nothing_that_is_played():
    net = zoo.mlp(6, 30, 4, rng=0).evaluate()
    for _ in range(3):
        net.forward(numbers(VECTOR))
    twin = net.clone()
    twin[1].weight.value[...] = 0
    np.testing.assert_array_equal(twin.forward(numbers(VECTOR)), plain(twin, numbers(VECTOR)))
    assert not np.array_equal(twin.forward(numbers(VECTOR)), net.forward(numbers(VECTOR)))


def test_other_kernels_play_anew(monkeypatch):
    net = zoo.tiny3d(4, channels=2, widths=(4, 20), rng=0).evaluate()
    for _ in range(3):
        net.forward(numbers(VOLUME))
    for name in kernels.usable():
        monkeypatch.setattr(kernels, "INSTRUCTION_SET", name)
        np.testing.assert_array_equal(net.forward(numbers(VOLUME)), plain(net, numbers(VOLUME)))
