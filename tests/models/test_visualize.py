import io
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from actionbench.models import nn, visualize, zoo


def image(figure):
    """Return the data of the figure's first image."""
    return np.ma.filled(figure.axes[0].images[0].get_array().astype(float), np.nan)


def draw(figure):
    """Draw the figure on paper, so that anything wrong with it shows."""
    figure.savefig(io.BytesIO(), format="png")
    return figure


def texts(figure):
    found = [text for axes in figure.axes for text in axes.texts]
    return [text.get_text() for text in found]


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def test_mosaic_puts_each_image_at_its_place():
    images = normal(2, 3, 4, 5)
    whole = visualize.mosaic(images, gap=2)
    assert whole.shape == (2 * 6 - 2, 3 * 7 - 2)
    for row in range(2):
        for column in range(3):
            part = whole[row * 6 : row * 6 + 4, column * 7 : column * 7 + 5]
            np.testing.assert_array_equal(part, images[row, column])
    assert np.isnan(whole).sum() == whole.size - images.size
    np.testing.assert_array_equal(visualize.mosaic(images, gap=0).shape, (8, 15))


def find(whole, part):
    """Say how often a small image stands in a large one."""
    windows = np.lib.stride_tricks.sliding_window_view(whole, part.shape)
    return int((windows == part).all(axis=(-2, -1)).sum())


def test_filters_of_images():
    weight = normal(3, 5, 1, 10)
    figure = draw(visualize.filters(weight, title="my filters"))
    for number in range(10):
        assert find(image(figure), weight[..., 0, number]) == 1
    low, high = figure.axes[0].images[0].get_clim()
    assert -low == high == np.abs(weight).max()
    assert figure.axes[0].get_title() == "my filters"
    assert np.isfinite(image(figure)).sum() == weight.size


def test_filters_of_coloured_images():
    weight = normal(4, 4, 3, 6)
    figure = draw(visualize.filters(weight))
    whole, limit = image(figure), np.abs(weight).max()
    assert whole.shape[-1] == 3
    assert (whole.min(), whole.max()) >= (0, 1)
    for number in range(6):
        part = weight[..., number].astype(float)
        for colour in range(3):
            exact = np.float32(0.5) + part[..., colour] / (2 * limit)
            windows = np.lib.stride_tricks.sliding_window_view(whole[..., colour], (4, 4))
            assert (np.abs(windows - exact).max(axis=(-2, -1)) < 1e-6).sum() == 1
    assert len(figure.axes) == 1


def test_filters_of_many_channels_stand_side_by_side():
    weight = normal(3, 3, 5, 4)
    whole = image(draw(visualize.filters(weight)))
    for number in range(4):
        row = visualize.mosaic(weight[..., number].transpose(2, 0, 1)[np.newaxis])
        windows = np.lib.stride_tricks.sliding_window_view(whole, row.shape)
        same = (windows == row) | (np.isnan(windows) & np.isnan(row))
        assert same.all(axis=(-2, -1)).sum() == 1


@pytest.mark.parametrize("channels", [1, 2])
def test_filters_of_volumes_go_to_the_right_in_time(channels):
    weight = normal(4, 3, 3, channels, 5)
    figure = draw(visualize.filters(weight))
    whole = image(figure)
    for number in range(5):
        for channel in range(channels):
            row = visualize.mosaic(weight[..., channel, number][np.newaxis])
            windows = np.lib.stride_tricks.sliding_window_view(whole, row.shape)
            assert ((windows == row) | (np.isnan(windows) & np.isnan(row))).all(axis=(-2, -1)).sum() == 1
    assert figure.axes[0].get_xlabel().startswith("time to the right")


def test_filters_of_sequences():
    weight = normal(7, 3, 4)
    whole = image(draw(visualize.filters(weight)))
    for number in range(4):
        assert find(whole, weight[..., number].T) == 1


@pytest.mark.parametrize(
    ("n_in", "shape", "height"),
    [(36, None, 6), (12, None, 1), (12, (3, 4, 1), 3), (12, (6, 2), 2)],
)
def test_matrices_as_images(n_in, shape, height):
    weight = normal(5, n_in)
    whole = image(draw(visualize.filters(weight, shape)))
    for row in weight:
        part = row.reshape(6, 2).T if shape == (6, 2) else row.reshape(height, -1)
        assert find(whole, part) == 1


def test_the_largest_of_many_filters():
    weight = normal(3, 3, 1, 100) * np.arange(1, 101)
    figure = draw(visualize.filters(weight, max_images=9))
    whole = image(figure)
    norms = np.linalg.norm(weight.reshape(9, 100), axis=0)
    shown = np.argsort(-norms)[:9]
    assert all(find(whole, weight[..., 0, number]) == (number in shown) for number in range(100))
    assert "the 9 largest of 100" in figure.axes[0].get_title()
    np.testing.assert_array_equal(whole[:3, :3], weight[..., 0, shown[0]])


@pytest.mark.parametrize("weight", [np.zeros((3, 3, 1, 2)), np.full((2, 4), 0.5)])
def test_constant_weights(weight):
    draw(visualize.filters(weight))


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2, 2, 2, 2), (0, 4), (3, 3, 0, 2)])
def test_what_is_no_weight(shape):
    with pytest.raises(ValueError, match="the weight must be"):
        visualize.filters(np.zeros(shape))


@pytest.mark.parametrize("shape", [(3, 3, 1), (12,), (1, 1, 3, 4, 1)])
def test_a_shape_that_does_not_fit(shape):
    with pytest.raises(ValueError, match="together 12 values, got"):
        visualize.filters(np.zeros((2, 12)), shape)


def test_the_first_layer_is_found():
    net = nn.Sequential(nn.BatchNorm2d(1), nn.Sequential(nn.ReLU(), nn.Conv2d(1, 4, 3)), nn.Conv2d(4, 2, 3))
    figure = draw(visualize.first_layer(net))
    assert figure.axes[0].get_title() == "weights of 1.1 Conv2d"
    assert find(image(figure), net[1][1].weight.value[..., 0, 2]) == 1
    dense = zoo.mlp(12, 3)
    assert (
        find(image(visualize.first_layer(dense, (3, 2, 2, 1))), dense[1].weight.value[1].reshape(3, 2, 2)[2])
        == 1
    )
    with pytest.raises(ValueError, match="this Sequential has no convolution and no fully connected layer"):
        visualize.first_layer(nn.Sequential(nn.ReLU(), nn.BatchNorm1d(3)))


def test_activations_of_one_layer():
    net = nn.Sequential(nn.Conv2d(2, 5, 3, padding=1), nn.ReLU())
    x = normal(2, 7, 6, 2)
    y = net[0].evaluate().forward(x)[0]
    figure = draw(visualize.activations(net, x, "0"))
    for channel in range(5):
        assert find(image(figure), y[..., channel]) == 1
    assert figure.axes[0].images[0].get_clim() == (y.min(), y.max())
    assert figure.axes[0].get_title() == "output of 0 Conv2d, 7 × 6 × 5"
    fewer = image(draw(visualize.activations(net, x, "0", max_images=2)))
    assert [find(fewer, y[..., channel]) for channel in range(5)] == [1, 1, 0, 0, 0]


def test_activations_of_one_layer_over_time():
    net = nn.Sequential(nn.Conv3d(1, 3, 3, padding=1))
    x = normal(1, 4, 5, 6, 1)
    y = net.forward(x)[0]
    whole = image(draw(visualize.activations(net, x, "0")))
    for channel in range(3):
        for t in range(4):
            assert find(whole, y[t, ..., channel]) == 1


def test_activations_of_all_layers():
    net = zoo.tiny3d(3, widths=(4, 20), rng=0)
    x = normal(1, 8, 16, 16, 1)
    figure = draw(visualize.activations(net, x))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[0] == "output of 0 Conv3d, 8 × 16 × 16 × 4, frame 4"
    assert titles[4] == "output of 4 Conv3d, 4 × 8 × 8 × 20, frame 2, the first 12 channels"
    assert titles[-1] == "output of 9 Linear, 3"
    y = net.evaluate().forward(x)[0]
    np.testing.assert_allclose(figure.axes[-1].patches[0].get_data().values, y, atol=1e-6)
    first = net[0].forward(x)[0]
    for channel in range(4):
        assert find(image(figure), first[4, ..., channel]) == 1


def test_activations_leave_the_net_alone():
    net = zoo.mlp(4, 5, 2, dropout=0.5, batch_norm=True)
    x = normal(3, 4)
    y = net.forward(x)
    before, chance = net.state_dict(), net[1].rng.bit_generator.state
    visualize.activations(net, x)
    assert net.is_training
    assert net[1].rng.bit_generator.state == chance
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    net.backward(x, y)


def test_activations_of_lists_and_sequences():
    net = nn.Sequential(nn.ConcatTable(nn.Identity(), nn.Conv1d(2, 3, 1)), nn.JoinTable(2), nn.Mean(1))
    figure = draw(visualize.activations(net, normal(1, 6, 2)))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        "output of 0.0 Identity, 6 × 2",
        "output of 0.1 Conv1d, 6 × 3",
        "output of 1 JoinTable, 6 × 5",
        "output of 2 Mean, 5",
    ]
    draw(visualize.activations(net, normal(1, 6, 2), "1"))
    draw(visualize.activations(net, normal(1, 6, 2), "2"))


def test_activations_of_no_layer():
    with pytest.raises(ValueError, match="no output of a module 'last'; there are 0, 1, 2, 3"):
        visualize.activations(zoo.mlp(4, 3, 2), normal(1, 4), "last")


def test_the_tree_names_all_modules():
    net = nn.Sequential(nn.ConcatTable(zoo.mlp(4, 3, 2), nn.Identity()), nn.JoinTable(1))
    found = texts(draw(visualize.tree(net)))
    boxes, counts = found[::2], found[1::2]
    assert len(boxes) == len(list(net.named_modules()))
    assert [box.partition("(")[0] for box in boxes] == [
        "Sequential",
        "0: ConcatTable",
        "0: Sequential",
        "0: Flatten",
        "1: Linear",
        "2: ReLU",
        "3: Linear",
        "1: Identity",
        "1: JoinTable",
    ]
    assert counts == ["23", "23", "23", "–", "15", "–", "8", "–", "–"]


def test_the_tree_of_a_deep_net_does_not_overlap():
    net = zoo.tiny3d(10)
    for _ in range(3):
        net = nn.Sequential(net)
    figure = draw(visualize.tree(net))
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    for place, box in enumerate(boxes):
        assert box.x1 <= figure.bbox.x1
        assert not any(box.overlaps(other) for other in boxes[place + 1 :])


def test_the_loss_with_and_without_validation():
    log = pd.DataFrame({"epoch": [1.0, 2, 3], "loss": [3.0, 2, 1], "validation_loss": [3.0, 1, 2]})
    lines = draw(visualize.loss_curve(log)).axes[0].lines
    np.testing.assert_array_equal(lines[0].get_ydata(), log["loss"])
    np.testing.assert_array_equal(lines[1].get_ydata(), log["validation_loss"])
    np.testing.assert_array_equal(lines[2].get_xydata(), [[2, 1]])
    assert lines[2].get_label() == "kept: epoch 2"
    columns = {name: log[name].to_numpy() for name in ("epoch", "loss")}
    assert len(draw(visualize.loss_curve(columns)).axes[0].lines) == 1


def test_the_loss_that_is_no_number():
    log = {"epoch": np.arange(3), "loss": np.full(3, np.nan), "validation_loss": np.full(3, np.nan)}
    draw(visualize.loss_curve(log))


def test_a_net_that_diverged():
    net = zoo.tiny3d(3, widths=(4, 4))
    for parameter in net.parameters().values():
        parameter.fill(np.nan)
    draw(visualize.first_layer(net))
    draw(visualize.activations(net, normal(1, 8, 8, 8, 1)))


def test_no_state_is_shared():
    code = (
        "import sys; from actionbench.models import visualize; assert 'matplotlib' not in sys.modules;"
        "visualize.loss_curve({'epoch': [1], 'loss': [2]}); assert 'matplotlib.pyplot' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_connectivity_counts_the_units_that_look_at_a_cell():
    mask = np.zeros((4, 2, 3, 5, 2), bool)
    mask[:, 1, 2, 3] = True  # all units, both channels
    mask[0, 0, 1, 4, 1] = True
    figure = draw(visualize.connectivity(mask.reshape(4, -1), (2, 3, 5, 2)))
    share = mask.mean(axis=(0, 4))
    for frame in share:
        assert find(image(figure), frame.astype(np.float64)) == 1
    assert figure.axes[0].images[0].get_clim() == (0, 1)
    assert figure.axes[0].get_title() == "share of the 4 units that look at each cell"
    with pytest.raises(ValueError, match="of together 60 values, got"):
        visualize.connectivity(mask.reshape(4, -1), (3, 5, 2))


def test_locality_is_drawn_against_density():
    log = {"density": [1.0, 1.0, 0.1], "space": [1.0, 1.0, 0.7], "time": [1.0, 1.0, np.nan]}
    log |= {f"{kind} {name}": [1.0, 1.0, 0.9] for kind in ("shared", "chance") for name in ("space", "time")}
    (axes,) = draw(visualize.locality_curve(log, "obd")).axes
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[0.1, 0.7], [1.0, 1.0]])
    assert axes.get_title() == "how local the inputs of a unit are, kept by obd"
    assert axes.get_xlabel() == "share of the weights that stay"
    assert [text.get_text() for text in axes.get_legend().get_texts()][:2] == ["in space", "in time"]


def test_a_search_is_drawn_with_its_best():
    (axes,) = draw(visualize.search_curve([-2.0, -1.5, -1.8, np.nan, -1.2], [-1, -1, 1, 1, 2])).axes
    np.testing.assert_array_equal(axes.lines[-1].get_ydata(), [2.0, 1.5, 1.5, 1.5, 1.2])
    words = [text.get_text() for text in axes.get_legend().get_texts()]
    assert words == ["drawn", "mutated", "best so far"]


def test_a_graph_shows_which_layer_feeds_which():
    node = [nn.Sequential(nn.ReLU(), nn.Linear(4, 4)) for _ in range(3)]
    net = nn.Sequential(
        nn.Linear(6, 4),
        nn.ReLU(),
        nn.Graph([(0, 2), (1, 2)], *node),
        nn.Sequential(nn.Linear(4, 2), nn.Tanh()),
    ).reset(0)
    figure = draw(visualize.graph(net, np.zeros((1, 6), np.float32)))
    assert [text for text in texts(figure) if text] == [
        "input: 6",
        "Linear(6, 4), ReLU: 4",
        "ReLU, Linear(4, 4): 4",
        "ReLU, Linear(4, 4): 4",
        "ReLU, Linear(4, 4): 4",
        "Linear(4, 2), Tanh: 2",
    ]
    arrows = [(round(a.xyann[1]), round(a.xy[1])) for a in figure.axes[0].texts if hasattr(a, "xyann")]
    assert sorted(arrows) == [(0, 1), (1, 2), (1, 3), (2, 4), (3, 4), (4, 5)]
    assert (
        figure.axes[0].get_title() == f"from the input to the scores: {net.count_parameters():,} parameters"
    )
