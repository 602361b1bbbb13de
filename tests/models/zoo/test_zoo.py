import numpy as np
import pytest

from actionbench.models import zoo


@pytest.mark.parametrize(
    ("sizes", "count"),
    [((3072, 1536, 10), 4_735_498), ((1024, 2048, 10), 2_119_690)],
    ids=["torch/tutorials 2_supervised", "torch/demos train-a-digit-classifier"],
)
def test_published_counts(sizes, count):
    assert zoo.mlp(*sizes).count_parameters() == count


def test_tiny3d():
    net = zoo.tiny3d(10, rng=0)
    convolutions = 27 * (1 * 8 + 8 * 16 + 16 * 32 + 32 * 64)
    assert net.count_parameters() == convolutions + 2 * (8 + 16 + 32 + 64) + 65 * 10
    for shape in ((16, 64, 64), (8, 8, 8), (9, 21, 33)):
        assert net.forward(np.ones((2, *shape, 1), np.float32)).shape == (2, 10)


def test_rectifier_behind_the_pooling_is_the_same():
    net = zoo.tiny3d(3, widths=(4, 8), rng=0).evaluate()
    x = np.random.default_rng(0).standard_normal((2, 8, 8, 8, 1)).astype(np.float32)
    swapped = net.clone()
    swapped.modules[2], swapped.modules[3] = swapped.modules[3], swapped.modules[2]
    np.testing.assert_array_equal(net.forward(x), swapped.forward(x))


def test_mlp_with_everything():
    net = zoo.mlp(12, 5, 4, 3, dropout=0.2, batch_norm=True, rng=0)
    assert net.forward(np.ones((4, 3, 4), np.float32)).shape == (4, 3)
