"""The nets of Torch's files: their parameters to the digit, the shapes they had when Torch itself ran them."""

import numpy as np
import pytest

from actionbench.models import nn, zoo


@pytest.mark.parametrize(
    ("sizes", "count"),
    [((3072, 1536, 10), 4_735_498), ((1024, 2048, 10), 2_119_690)],
    ids=["torch/tutorials 2_supervised", "torch/demos train-a-digit-classifier"],
)
def test_published_mlps(sizes, count):
    assert zoo.mlp(*sizes).count_parameters() == count


# Source: the Lua files, run; the C3D of Sports-1M and the heads of GoogLeNet: the published Caffe models.
@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: zoo.alexnet(batch_norm=True), 61_119_528),
        (lambda: zoo.inception(auxiliary=True), 13_378_280),
        (lambda: zoo.c3d(101), 17_444_965),
        (lambda: zoo.c3d_full(101), 78_409_573),
        pytest.param(lambda: zoo.c3d_full(487), 79_991_015, marks=pytest.mark.slow),
        (lambda: zoo.lstm_classifier(512, 256, 10)[0], 788_480),
        (lambda: zoo.lstm_classifier(512, 256, 10, peepholes=True)[0], 788_224),
        (lambda: nn.LSTM(512, 256, recurrent_bias=False), 787_456),
    ],
)
def test_published_counts(make, count):
    assert make().get_parameters()[0].size == count


ALEXNET = [55, 55, 27, 27, 27, 13, 13, 13, 13, 13, 13, 13, 6]
ALEXNET_COUNTS = [23296, 307392, 663936, 884992, 590080, 37752832, 16781312, 4097000]
OVERFEAT = [56, 56, 28, 24, 24, 12, 12, 12, 12, 12, 12, 12, 6]
OVERFEAT_COUNTS = [34944, 614656, 1180160, 4719616, 9438208, 113249280, 12587008, 4097000]


@pytest.mark.parametrize(
    ("make", "size", "count", "sides", "counts"),
    [
        (zoo.alexnet, 224, 61_100_840, ALEXNET, ALEXNET_COUNTS),
        pytest.param(zoo.overfeat, 231, 145_920_872, OVERFEAT, OVERFEAT_COUNTS, marks=pytest.mark.slow),
    ],
)
def test_layers_of_alexnet_and_overfeat(make, size, count, sides, counts):
    net = make()
    assert net.get_parameters()[0].size == count
    steps = [(step.module, step.output) for step in net.trace(np.zeros((0, size, size, 3), np.float32))]
    assert [y.shape[1] for _, y in steps if y.ndim == 4 and y.shape[1] == y.shape[2]][:-1] == sides
    layers = [module for module, _ in steps if not module.children()]
    assert [layer.count_parameters() for layer in layers if layer.count_parameters()] == counts
    assert steps[-1][1].shape == (0, 1000)


def test_the_smaller_overfeat():
    net = zoo.overfeat(size=224, dropout=0.5)
    assert net.count_parameters() == 111_317_864
    assert net[1][2].arguments() == {"in_features": 25600, "out_features": 3072}


def test_layers_of_inception():
    net = zoo.inception(rng=0)
    shapes = [
        (module.count_parameters(), y.shape[1:])
        for module, _, y in net.trace(np.zeros((0, 224, 224, 3), np.float32))
        if isinstance(module, nn.Concat)
    ]
    assert shapes == [
        (163696, (28, 28, 256)),
        (388736, (28, 28, 480)),
        (376176, (14, 14, 512)),
        (449160, (14, 14, 512)),
        (510104, (14, 14, 512)),
        (605376, (14, 14, 528)),
        (868352, (14, 14, 832)),
        (1043456, (7, 7, 832)),
        (1444080, (7, 7, 1024)),
    ]
    assert net.count_parameters() == 6_998_552
    assert len(net.find_modules(nn.Conv2d)) == 57


def test_inception_learns_through_all_its_heads():
    net = zoo.inception(10, auxiliary=True, dropout=0.4, rng=0)
    x = np.random.default_rng(0).standard_normal((1, 224, 224, 3)).astype(np.float32)
    scores = net.forward(x)
    assert [entry.shape for entry in scores] == [(1, 10)] * 3
    criterion = nn.ParallelCriterion([nn.CrossEntropyLoss()] * 3, [1, 0.3, 0.3], repeat_target=True)
    net.backward(x, criterion.backward(scores, np.array([3])), input_grad=False)
    assert all(parameter.grad.any() for parameter in net.parameters().values())


@pytest.mark.parametrize(
    ("make", "widths"),
    [(zoo.c3d, [64, 128, 256, 256, 256]), (zoo.c3d_full, [64, 128, 256, 512, 512])],
)
def test_c3d_pools_as_caffe_does(make, widths):
    net = make(7)
    steps = net.trace(np.zeros((0, 16, 112, 112, 3), np.float32))
    pooled = [step.output.shape[1:] for step in steps if isinstance(step.module, nn.MaxPool3d)]
    sizes = [(16, 56, 56), (8, 28, 28), (4, 14, 14), (2, 7, 7), (1, 4, 4)]
    assert pooled == [(*size, width) for size, width in zip(sizes, widths, strict=True)]
    assert net[0].find_modules(nn.MaxPool3d)[-1].ceil_mode
    small = make(7, shape=(8, 32, 40), rng=0)
    assert small.forward(np.zeros((2, 8, 32, 40, 3), np.float32)).shape == (2, 7)


def test_lstm_classifier():
    net = zoo.lstm_classifier(5, 4, 3, num_layers=2, dropout=0.2, bidirectional=True, rng=0)
    x = np.random.default_rng(0).standard_normal((2, 6, 5)).astype(np.float32)
    assert net.forward(x).shape == (2, 3)
    shorter = net.evaluate().forward([x, np.array([6, 2])])
    np.testing.assert_array_equal(shorter[0], net.forward(x)[0])
    np.testing.assert_allclose(shorter[1], net.forward(x[1:, :2])[0], rtol=1e-5)


def test_seeds():
    for make in (
        lambda seed: zoo.c3d(3, (8, 16, 16), rng=seed),
        lambda seed: zoo.lstm_classifier(3, 2, 2, rng=seed),
    ):
        one, two, other = (make(seed).get_parameters()[0] for seed in (0, 0, 1))
        np.testing.assert_array_equal(one, two)
        assert not np.array_equal(one, other)


def test_tiny3d():
    net = zoo.tiny3d(10, rng=0)
    convolutions = 27 * (1 * 8 + 8 * 16 + 16 * 32 + 32 * 64)
    assert net.count_parameters() == convolutions + 2 * (8 + 16 + 32 + 64) + 65 * 10
    for shape in ((16, 64, 64), (8, 8, 8), (9, 21, 33)):
        assert net.forward(np.ones((2, *shape, 1), np.float32)).shape == (2, 10)


def test_s3d_small():
    net = zoo.s3d_small(10, rng=0)
    space = 25 * 2 * 16 + 9 * (16 * 32 + 32 * 64 + 64 * 128)
    time = 3 * (16**2 + 32**2 + 64**2 + 128**2)
    assert net.count_parameters() == space + time + 4 * (16 + 32 + 64 + 128) + 129 * 10
    for shape in ((32, 64, 64), (8, 16, 16), (9, 21, 33)):
        assert net.forward(np.ones((2, *shape, 2), np.float32)).shape == (2, 10)


def test_tiny2d():
    net = zoo.tiny2d(10, channels=20, rng=0)
    convolutions = 9 * (20 * 8 + 8 * 16 + 16 * 32 + 32 * 64)
    assert net.count_parameters() == convolutions + 2 * (8 + 16 + 32 + 64) + 65 * 10
    assert net.forward(np.ones((2, 21, 33, 20), np.float32)).shape == (2, 10)


def test_frames_lstm_is_a_net_per_frame_and_an_lstm():
    net = zoo.frames_lstm(3, channels=2, widths=(4, 8), hidden=5, rng=0).evaluate()
    x = np.random.default_rng(0).standard_normal((2, 6, 12, 12, 2)).astype(np.float32)
    n_frame, at = (
        9 * (2 * 4 + 4 * 8) + 2 * 12,
        next(i for i, m in enumerate(net.modules) if isinstance(m, nn.LSTM)),
    )
    assert net.count_parameters() == n_frame + 4 * 5 * (8 + 5 + 2) + 6 * 3
    frames = nn.Sequential(*net.modules[:at])
    each = np.concatenate([frames.forward(x[:, t : t + 1]) for t in range(6)], axis=1)
    np.testing.assert_allclose(
        nn.Sequential(*net.modules[at:]).forward(each), net.forward(x), rtol=1e-4, atol=1e-5
    )


def test_inception3d():
    net = zoo.inception3d(4, channels=3, width=4, rng=0)
    for shape in ((16, 64, 64), (8, 17, 33)):
        assert net.forward(np.ones((2, *shape, 3), np.float32)).shape == (2, 4)
    last = net.find_modules(nn.Linear)[0]
    assert last.weight.value.shape == (4, 4 * 16)


def test_rectifier_behind_the_pooling_is_the_same():
    net = zoo.tiny3d(3, widths=(4, 8), rng=0).evaluate()
    x = np.random.default_rng(0).standard_normal((2, 8, 8, 8, 1)).astype(np.float32)
    swapped = net.clone()
    swapped[2], swapped[3] = swapped[3], swapped[2]
    np.testing.assert_array_equal(net.forward(x), swapped.forward(x))


def test_mlp_with_everything():
    net = zoo.mlp(12, 5, 4, 3, dropout=0.2, batch_norm=True, rng=0)
    assert net.forward(np.ones((4, 3, 4), np.float32)).shape == (4, 3)
