import json

import numpy as np
import pytest

from actionbench import ActionbenchError
from actionbench.models import load, nn, save, zoo


def net_of_everything():
    shared = nn.Linear(4, 4)
    net = nn.Sequential(
        nn.Bottle(nn.Conv2d(1, 4, (3, 2), padding=1), n_dims=4),
        nn.Concat(-1, nn.Identity(), nn.ConvMap2d([(0, 1), (3, 0)], 1)),
        nn.BatchNorm2d(6),
        nn.ConstantPad2d((1, 0, 0, 1), 2.0),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.Mean((1, 2)),
        nn.Narrow(-1, 0, 4),
        shared,
        nn.Dropout(0.5, rng=3),
        shared,
    )
    return net.add(nn.Concat(1, nn.Linear(4, 3), nn.Linear(4, 3))).reset(0)


def images():
    return np.random.default_rng(1).standard_normal((3, 6, 5, 1)).astype(np.float32)


def test_a_net_comes_back(tmp_path):
    net, x = net_of_everything(), images()
    net.forward(x)  # running moments
    save(net, tmp_path / "new" / "net")
    back = load(tmp_path / "new" / "net")
    assert str(back) == str(net)
    assert not back.is_training
    np.testing.assert_array_equal(back.forward(x), net.evaluate().forward(x))
    assert back[7] is back[9]
    assert sorted(path.name for path in (tmp_path / "new" / "net").iterdir()) == [
        "net.json",
        "net.safetensors",
    ]


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.LSTM(3, 4, 2, bidirectional=True, peepholes=True, last=True),
        lambda: zoo.tiny3d(3, widths=(2, 4)),
        lambda: nn.Sequential(nn.ParallelTable(nn.PReLU(2), nn.Tanh()), nn.CAddTable()),
        lambda: nn.Parallel(1, 1, nn.LocallyConnected2d(1, 2, (3, 4), 2), nn.Identity()),
        lambda: nn.Sequential(),
    ],
)
def test_the_same_call_and_the_same_numbers(tmp_path, make):
    net = make().astype(np.float64)
    save(net, tmp_path)
    back = load(tmp_path)
    assert str(back) == str(net)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(back.state_dict()[name], value)
        assert back.state_dict()[name].dtype == np.float64


def test_shared_parameters_come_back_shared(tmp_path):
    net = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.Tanh(), nn.Linear(3, 3)))
    net[1][1].share(net[0], "weight")
    save(net, tmp_path)
    back = load(tmp_path)
    assert back[0].weight is back[1][1].weight
    assert back[0].bias is not back[1][1].bias


def test_only_parameters_and_buffers_take_room(tmp_path):
    net = zoo.mlp(1000, 10, 2)
    x = np.zeros((500, 1000), np.float32)
    net.forward(x)
    net.backward(x, np.zeros((500, 2), np.float32))
    save(net, tmp_path)
    assert (tmp_path / "net.safetensors").stat().st_size < 4 * net.count_parameters() + 1000
    assert (tmp_path / "net.json").stat().st_size < 2000


class Own(nn.Function):
    def __init__(self, factor, how=None):
        super().__init__()
        self.factor = factor

    def _forward(self, x):
        return x * self.factor, None

    def _input_gradient(self, context, grad_output):
        return grad_output * self.factor


def test_a_module_of_ones_own(tmp_path):
    save(nn.Sequential(Own(3.0)), tmp_path)
    np.testing.assert_array_equal(load(tmp_path).forward(np.ones((1, 2))), 3)
    with pytest.raises(ActionbenchError, match="Own cannot be saved: its arguments must be"):
        save(nn.Sequential(Own(3.0, how=print)), tmp_path)
    np.testing.assert_array_equal(load(tmp_path).forward(np.ones((1, 2))), 3)  # what was there is still there


class Pair(nn.Sequential):
    def __init__(self, width, depth=1):
        super().__init__(*(nn.Linear(width, width) for _ in range(depth)), nn.Tanh())


def test_a_net_of_ones_own(tmp_path):
    net, x = Pair(3, depth=2).reset(0), np.ones((2, 3), np.float32)
    assert net.clone().tree().startswith("Pair(3, depth=2)  24 parameters\n  0: Linear(3, 3)")
    save(nn.Sequential(net, nn.Identity()), tmp_path)
    np.testing.assert_array_equal(load(tmp_path).forward(x), net.forward(x))


def edited(folder, change):
    path = folder / "net.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "net.json").unlink(), "holds no net"),
        (lambda folder: (folder / "net.safetensors").unlink(), "holds no net"),
        (lambda folder: (folder / "net.json").write_text("{"), "damaged"),
        (lambda folder: (folder / "net.safetensors").write_bytes(b"1234567890"), "damaged"),
        (lambda folder: edited(folder, {"format": 9}), "of format 1"),
        (
            lambda folder: edited(folder, {"net": {"class": "os:system", "arguments": {}}}),
            "no class os:system",
        ),
        (lambda folder: edited(folder, {"net": {"same": 3}}), "cannot be built"),
        (lambda folder: save(nn.Linear(2, 2), folder) or swap(folder), "does not fit"),
    ],
)
def test_what_cannot_be_read(tmp_path, damage, message):
    save(net_of_everything(), tmp_path)
    damage(tmp_path)
    with pytest.raises(ActionbenchError, match=message):
        load(tmp_path)


def swap(folder):
    linear = json.loads((folder / "net.json").read_text())
    save(nn.Sequential(nn.Linear(2, 2)), folder)
    edited(folder, linear)


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ActionbenchError, match="cannot be saved there"):
        save(nn.Identity(), tmp_path / "file")
