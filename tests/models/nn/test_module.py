import gc
import inspect
import weakref

import numpy as np
import pytest

from actionbench.models import nn


def small_net(rng=0):
    return nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.BatchNorm1d(4), nn.ReLU()), nn.Linear(4, 2)).reset(
        rng
    )


def data(n=5, seed=1):
    return np.random.default_rng(seed).standard_normal((n, 3)).astype(np.float32)


def test_flat_vectors_are_views_and_stay_the_same():
    net = small_net()
    flat, grads = net.get_parameters()
    assert flat.size == grads.size == net.count_parameters() == 34
    again, grads_again = net.get_parameters()
    assert np.shares_memory(flat, again)
    assert np.shares_memory(grads, grads_again)
    flat[...] = 0.5
    assert all((parameter.value == 0.5).all() for parameter in net.parameters().values())
    x = data()
    net.forward(x)
    net.backward(x, np.ones((5, 2), np.float32))
    assert grads.any()
    part, _ = net[2].get_parameters()
    assert np.shares_memory(part, flat)
    assert part.size == 10


def test_flat_vectors_hold_what_the_parts_held():
    net, x = small_net(), data()
    net[0].get_parameters()
    net.forward(x)
    net[2].weight.grad[...] = 3
    net.backward(x, np.ones((5, 2), np.float32))
    parameters = list(net.parameters().values())
    wanted = [(parameter.value.copy(), parameter.grad.copy()) for parameter in parameters]
    old = [weakref.ref(parameter.value) for parameter in parameters]
    flat, grads = net.get_parameters()
    np.testing.assert_array_equal(flat, np.concatenate([value.ravel() for value, _ in wanted]))
    np.testing.assert_array_equal(grads, np.concatenate([grad.ravel() for _, grad in wanted]))
    assert not any(array() is not None for array in old)


def test_gradients_are_zero_until_they_are_not():
    net, x = small_net(), data()
    part = net[0].weight
    part.grad += 2
    _, grads = net.astype(np.float64).clone().get_parameters()
    assert grads.dtype == np.float64
    np.testing.assert_array_equal(np.unique(grads, return_counts=True), [[0, 2], [22, 12]])
    net.zero_grad_parameters()
    net.forward(x)
    net.backward(x, np.ones((5, 2)))
    np.testing.assert_allclose(net[2].bias.grad, 5)


def test_nothing_to_learn():
    flat, grads = nn.Tanh().get_parameters()
    assert flat.shape == grads.shape == (0,)


def test_load_writes_through_the_flat_vector():
    net, other = small_net(0), small_net(1)
    flat, _ = net.get_parameters()
    net.load_state_dict(other.state_dict())
    np.testing.assert_array_equal(flat, other.get_parameters()[0])


def test_clone_is_apart_and_keeps_sharing():
    shared = nn.Linear(3, 3)
    net = nn.Sequential(shared, nn.Tanh(), shared)
    flat, _ = net.get_parameters()
    copy = net.clone()
    assert copy[0] is copy[2]
    assert copy.count_parameters() == net.count_parameters() == 12
    copied, _ = copy.get_parameters()
    copied[...] = 0
    assert flat.any()


def test_state_that_does_not_fit():
    state = small_net().state_dict()
    with pytest.raises(ValueError, match=r"0\.bias on one side only"):
        small_net().load_state_dict({name: value for name, value in state.items() if name != "0.bias"})
    with pytest.raises(ValueError, match=r"0\.weight must have the shape"):
        small_net().load_state_dict(state | {"0.weight": np.zeros((3, 4))})


def test_buffers_belong_to_the_state():
    assert set(small_net().buffers()) == {"1.0.running_mean", "1.0.running_var"}
    assert "1.0.running_var" in small_net().state_dict()


def test_one_module_twice_in_a_graph():
    shared = nn.Linear(3, 3).astype(np.float64).reset(0)
    net, x = nn.Sequential(shared, nn.Tanh(), shared), data().astype(float)
    y = net.forward(x)
    grad_input = net.backward(x, np.ones_like(y))
    weight, bias = shared.weight.value, shared.bias.value
    hidden = np.tanh(x @ weight.T + bias)
    outer = np.ones_like(y)
    inner = (outer @ weight) * (1 - hidden**2)
    np.testing.assert_allclose(shared.weight.grad, outer.T @ hidden + inner.T @ x)
    np.testing.assert_allclose(grad_input, inner @ weight)


def test_calls_on_several_inputs_are_remembered():
    layer, a, b = nn.Linear(3, 2).reset(0), data(seed=1), data(seed=2)
    layer.forward(a)
    layer.forward(b)
    layer.backward(a, np.ones((5, 2), np.float32))
    np.testing.assert_allclose(layer.weight.grad, np.tile(a.sum(axis=0), (2, 1)), rtol=1e-5)
    layer.forward(data(seed=3))
    with pytest.raises(RuntimeError, match="forward of the same input"):
        layer.backward(a, np.ones((5, 2), np.float32))


def test_a_forward_first_lets_go_of_the_call_that_was_used():
    class Doubled(nn.Function):
        def __init__(self):
            super().__init__()
            self.kept, self.alive = [], []

        def _forward(self, x):
            self.alive.append(sum(context() is not None for context in self.kept))
            y = 2 * x
            self.kept.append(weakref.ref(y))
            return y.copy(), y

        def _input_gradient(self, context, grad_output):
            return 2 * grad_output

    layer, a, b = Doubled(), data(seed=1), data(seed=2)
    for x, uses in ((a, 2), (b, 0), (b, 1), (a, 0)):
        layer.forward(x)
        for _ in range(uses):
            layer.backward(x, x)
    assert layer.alive == [0, 0, 0, 0]
    layer.forward(b)
    assert layer.alive[-1] == 1


def test_evaluation_remembers_nothing():
    net, x = small_net().evaluate(), data()
    kept = weakref.ref(x)
    net.forward(x)
    del x
    gc.collect()
    assert kept() is None
    assert not net._calls


def test_a_backward_in_evaluation_is_that_of_the_input_as_it_is():
    net, x, g = small_net().evaluate(), data(), np.ones((5, 2), np.float32)
    x[...] = data(seed=2)
    gradient = net.backward(x, g)
    trained = net.clone()
    trained.is_training = True
    trained.forward(x)
    np.testing.assert_array_equal(gradient, trained.backward(x, g))


def test_a_forward_in_evaluation_takes_the_place_of_one_in_training():
    """As the last forward counts: dropout has no part in the gradient."""
    layer, x = nn.Dropout(0.5, rng=0), np.ones((1, 50), np.float32)
    layer.forward(x)
    with layer.evaluating():
        layer.forward(x)
        np.testing.assert_array_equal(layer.backward(x, x), x)


def test_a_slice_holds_the_very_modules():
    net = small_net()
    net[1:].evaluate()
    assert [module.is_training for module in net.modules] == [True, False, False]
    assert net[1:].modules == net.modules[1:]


def test_a_net_of_which_a_part_trains_remembers():
    net, x = nn.Sequential(nn.Dropout(0.5, rng=0), nn.Identity()), np.ones((1, 50), np.float32)
    net.is_training = False
    with pytest.raises(RuntimeError, match="training mode"):
        net.backward(x, x)
    y = net.forward(x)
    np.testing.assert_array_equal(net.backward(x, x), y)


def test_errors_say_where():
    net = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Linear(5, 2)))
    with pytest.raises(ValueError, match=r"expects \(N, 5\), got \(5, 4\)") as caught:
        net.forward(data())
    assert caught.value.__notes__ == [
        "in module 0 (Linear) of Sequential",
        "in module 1 (Sequential) of Sequential",
    ]


def test_find_and_tree():
    net = small_net()
    assert [layer.weight.value.shape for layer in net.find_modules(nn.Linear)] == [(4, 3), (2, 4)]
    assert "    0: BatchNorm1d(4)  weight (4,), bias (4,)  8 parameters" in str(net).splitlines()
    assert "  2: Linear(4, 2)  -> (5, 2)  weight (2, 4), bias (2,)  10 parameters" in net.tree(data()).split(
        "\n"
    )
    assert "ConcatTable()  -> [(5, 3), (5, 3)]" in nn.ConcatTable(nn.Tanh(), nn.ReLU()).tree(data())


def test_the_tree_shows_the_call_that_makes_a_module():
    net = nn.Sequential(
        nn.Conv2d(3, 8, (3, 1), padding=1, rng=0),
        nn.Concat(-1, nn.Identity()).add(nn.View(2, -1)),
        nn.LSTM(2, 3, bidirectional=True, dtype=np.float64),
        nn.Bottle(nn.Linear(2, 3), 3),
    )
    calls = [line.split("  weight")[0].strip().split("  ")[0] for line in str(net).splitlines()]
    assert calls == [
        "Sequential()",
        "0: Conv2d(3, 8, (3, 1), padding=1)",
        "1: Concat(-1)",
        "0: Identity()",
        "1: View(2, -1)",
        "2: LSTM(2, 3, bidirectional=True)",
        "3: Bottle(n_dims=3)",
        "0: Linear(2, 3)",
    ]


def test_sharing():
    left, right = small_net(0), small_net(1)
    left.share(right, "weight", "running_mean")
    assert left[0].weight is right[0].weight
    assert left[0].bias is not right[0].bias
    assert left[1][0].running_mean is right[1][0].running_mean
    left[1][0].forward(data() @ np.ones((3, 4), np.float32))
    assert right[1][0].running_mean.any()
    left.astype(np.float64)
    assert right[0].weight.value.dtype == np.float64
    whole = small_net(2).share(right)
    assert [id(p) for p in whole.parameters().values()] == [id(p) for p in right.parameters().values()]


@pytest.mark.parametrize(
    ("other", "names", "message"),
    [
        (nn.Sequential(nn.Linear(3, 4)), (), "one structure"),
        (nn.Linear(3, 4), ("wieght",), "named wieght"),
        (nn.Linear(3, 5), ("bias",), "bias has another shape"),
    ],
)
def test_what_cannot_be_shared(other, names, message):
    with pytest.raises(ValueError, match=message):
        nn.Linear(3, 4).share(other, *names)


def test_two_sharing_copies_learn_twice():
    one, x = nn.Linear(3, 2).reset(0), data()
    two = one.clone("weight", "bias")
    for layer in (one, two):
        layer.forward(x)
        layer.backward(x, np.ones((5, 2), np.float32))
    before = one.weight.value.copy()
    nn.Sequential(one, two).update_parameters(0.5)
    np.testing.assert_allclose(two.weight.value, before - 0.5 * 2 * x.sum(axis=0), rtol=1e-5)


def test_a_block_of_evaluation():
    net = small_net()
    net[0].is_training = False
    with net.evaluating() as inside:
        assert not any(module.is_training for _, module in inside.named_modules())
    assert [module.is_training for _, module in net.named_modules()] == [True, False, True, True, True, True]


def test_looking_changes_nothing():
    net, x = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5, rng=0)), data()
    twin = net.clone()
    assert [type(step.module).__name__ for step in net.trace(x)] == ["BatchNorm1d", "Dropout", "Sequential"]
    assert not net[0].running_mean.any()
    np.testing.assert_array_equal(net.forward(x), twin.forward(x))


def test_update_goes_down_the_gradient():
    layer, x = nn.Linear(3, 1).reset(0), data()
    before = layer.weight.value.copy()
    layer.forward(x)
    layer.backward(x, np.ones((5, 1), np.float32))
    layer.update_parameters(0.1)
    np.testing.assert_allclose(layer.weight.value, before - 0.1 * x.sum(axis=0), rtol=1e-5)
    layer.zero_grad_parameters()
    assert not layer.weight.grad.any()


@pytest.mark.parametrize(("layer", "fan_in"), [(nn.Linear(50, 40), 50), (nn.Conv3d(4, 30, 3), 108)])
def test_initial_values(layer, fan_in):
    values = layer.reset(7).weight.value
    bound = fan_in**-0.5
    assert np.abs(values).max() <= bound
    assert np.abs(values).max() > 0.95 * bound
    assert abs(values.mean()) < 0.1 * bound
    np.testing.assert_array_equal(values, layer.clone().reset(7).weight.value)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_initial_values_are_those_of_one_draw(dtype):
    layer, rng = nn.Linear(300, 701, dtype=dtype).reset(5), np.random.default_rng(5)
    for parameter in (layer.weight, layer.bias):
        drawn = rng.uniform(-1 / np.sqrt(300), 1 / np.sqrt(300), parameter.value.shape)
        np.testing.assert_array_equal(parameter.value, drawn.astype(dtype))
    table = nn.Embedding(701, 300, dtype=dtype).reset(5)
    drawn = np.random.default_rng(5).standard_normal((701, 300)).astype(dtype)
    np.testing.assert_array_equal(table.weight.value, drawn)


def test_values_are_drawn_wherever_they_stand():
    layer = nn.Linear(300, 701)
    layer.weight.value = np.zeros((300, 1402), np.float32)[:, ::2].T
    np.testing.assert_array_equal(layer.reset(5).weight.value, nn.Linear(300, 701, rng=5).weight.value)


def test_precision_follows_the_module():
    net = small_net()
    assert net.forward(data().astype(float)).dtype == np.float32
    assert net.astype(np.float64).forward(data()).dtype == np.float64


def test_operations():
    net = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 5 * 6, 7))
    x = np.zeros((1, 5, 6, 2), np.float32)
    assert net.count_operations(x) == 2 * 18 * 120 + 120 + 2 * 120 * 7


def test_dropout():
    layer, x = nn.Dropout(0.25, rng=0), np.ones((100, 100), np.float32)
    y = layer.forward(x)
    assert set(np.unique(y)) == {0, np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.02
    np.testing.assert_array_equal(layer.backward(x, x), y)
    np.testing.assert_array_equal(layer.evaluate().forward(x), x)
    with pytest.raises(ValueError, match="probability"):
        nn.Dropout(1.0)


def test_batch_norm_moments_and_lone_value():
    layer, rng = nn.BatchNorm1d(2), np.random.default_rng(0)
    x = (1000 + rng.standard_normal((64, 2))).astype(np.float32)
    y = layer.forward(x)
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(y.std(axis=0), 1, atol=1e-3)
    np.testing.assert_allclose(layer.running_mean, 0.1 * x.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(layer.running_var, 0.9 + 0.1 * x.var(axis=0, ddof=1), rtol=1e-3)
    with pytest.raises(ValueError, match="more than one value per channel"):
        layer.forward(x[:1])


def test_a_table_of_wrong_length():
    with pytest.raises(ValueError, match="2 modules got a list of 1"):
        nn.ParallelTable(nn.Tanh(), nn.Tanh()).forward([np.zeros(2)])


@pytest.mark.parametrize(
    ("make", "x", "message"),
    [
        (lambda: nn.Conv2d(3, 4, 3, groups=2), None, "groups must divide"),
        (lambda: nn.Conv1d(3, 4, 3), (2, 5, 2), r"Conv1d expects \(N, L, 3\), got \(2, 5, 2\)"),
        (lambda: nn.Conv2d(3, 4, (3, 3, 3)), None, "one integer or 2"),
        (lambda: nn.ConvMap2d([(0, 0), (0, 0)], 3), None, "different pairs"),
        (lambda: nn.ConvMap2d([0, 1], 3), None, "different pairs"),
        (lambda: nn.LocallyConnected2d(1, 1, (3, 3), 4), None, "does not fit"),
        (lambda: nn.LocallyConnected2d(1, 1, (3, 3), 2), (2, 4, 3, 1), r"expects \(N, 3, 3, 1\)"),
        (lambda: nn.MaxPool2d(2), (2, 5, 2), r"expects \(N, H, W, C\)"),
        (lambda: nn.AdaptiveAvgPool2d((2, 0)), None, "1 or more"),
        (lambda: nn.LocalResponseNorm(0), None, "size must be an integer of 1 or more"),
        (lambda: nn.Dropout2d(0.5), (2, 3), "expects 4 axes"),
        (lambda: nn.Hardtanh(1.0, 1.0), None, "min_val must be below"),
        (lambda: nn.Softshrink(-1.0), None, "lambd must be"),
        (lambda: nn.RReLU(0.5, 0.1), None, "lower must be"),
        (lambda: nn.PReLU(4), (2, 3), "expects 4 channels"),
        (lambda: nn.CMul(4), (2, 3), "cannot take samples"),
        (lambda: nn.CMul(), None, "needs the shape"),
        (lambda: nn.Max(1), (2, 0), "length 1 or more"),
        (lambda: nn.View(4), (2, 3), r"cannot take samples of \(3,\)"),
        (lambda: nn.View(-1, 2), (2, 3), "cannot take samples"),
        (lambda: nn.Squeeze(1), (2, 3), "length 1"),
        (lambda: nn.Select(1, 3), (2, 3), "got"),
        (lambda: nn.Narrow(1, 2, 2), (2, 3), "got"),
        (lambda: nn.ZeroPad2d((1, 2)), None, "one integer or 4"),
        (lambda: nn.ZeroPad2d(1), (2, 3), "expects"),
        (lambda: nn.ZeroPad1d(-2), (2, 4, 1), "leave nothing"),
        (lambda: nn.ReflectionPad1d(3), (2, 3, 1), "less than the input is long"),
        (lambda: nn.LSTM(3, 0), None, "1 or more"),
        (lambda: nn.LSTM(3, 4, 2, dropout=1.5), None, "probability"),
        (lambda: nn.GRU(3, 4), (2, 5, 4), r"GRU expects \(N, L, 3\)"),
        (lambda: nn.Bottle(nn.Linear(3, 3), 3), (2, 3), "3 axes or more"),
        (lambda: nn.Parallel(1, 1, nn.Identity()), (2, 3), "as many slices"),
        (lambda: nn.Embedding(3, 2, 3), None, "padding_idx must be"),
        (lambda: nn.Embedding(3, 2), (2, 2), "integers"),
        (lambda: nn.connections.random(2, 3, 4), None, "1 to 2 connections"),
        (lambda: nn.connections.small_world(4, 3, 0.5), None, "even number of neighbours .* got 3, 4 nodes"),
        (lambda: nn.connections.small_world(4, 4, 0.5), None, "got 4, 4 nodes"),
        (lambda: nn.connections.small_world(5, 2, 1.5), None, "p from 0 to 1, got 2, 5 nodes and 1.5"),
        (lambda: nn.Graph([]), None, "one or more"),
        (
            lambda: nn.Graph([(1, 0)], nn.Tanh(), nn.Tanh()),
            None,
            r"later ones of its 2 modules, got \(1, 0\)",
        ),
        (lambda: nn.Graph([(0, 2)], nn.Tanh(), nn.Tanh()), None, r"got \(0, 2\)"),
    ],
)
def test_what_is_refused(make, x, message):
    with pytest.raises(ValueError, match=message):
        make().forward(np.zeros(x, np.float32))


@pytest.mark.parametrize("lengths", [[1, 6], [0, 2], [1], [1.0, 2.0]])
def test_lengths_that_are_not(lengths):
    with pytest.raises(ValueError, match="length"):
        nn.LSTM(3, 4).forward([np.zeros((2, 5, 3)), np.array(lengths)])


def test_an_embedding_names_what_it_does_not_have():
    with pytest.raises(ValueError, match="the vectors 0 to 2, got 7"):
        nn.Embedding(3, 2).forward(np.array([0, 7]))


@pytest.mark.parametrize("kind", [nn.Dropout1d, nn.Dropout2d, nn.Dropout3d])
def test_whole_channels_are_dropped(kind):
    layer = kind(0.5, rng=0)
    x = np.ones((40, *(3,) * layer.axes, 10), np.float32)
    y = layer.forward(x)
    channels = y.reshape(40, -1, 10)
    assert (channels == channels[:, :1]).all()
    assert abs((channels[:, 0] == 0).mean() - 0.5) < 0.1
    np.testing.assert_array_equal(layer.backward(x, x), y)


def test_random_slopes():
    layer, x = nn.RReLU(0.1, 0.5, rng=0), -np.ones((50, 50), np.float32)
    y = layer.forward(x)
    assert -0.5 <= y.min() < -0.49
    assert -0.11 < y.max() <= -0.1
    np.testing.assert_allclose(layer.evaluate().forward(x), -0.3, rtol=1e-6)


def test_the_tables_of_wrong_length():
    for layer, n in ((nn.SelectTable(2), 2), (nn.NarrowTable(1, 2), 2), (nn.CAddTable(), 0)):
        with pytest.raises(ValueError, match="got"):
            layer.forward([np.zeros((2, 2))] * n)
    with pytest.raises(ValueError, match="one shape"):
        nn.CMulTable().forward([np.zeros((2, 2)), np.zeros((2, 1))])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.MSELoss("none"), "reduction must be one of mean, sum"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=2.0), "label_smoothing"),
        (lambda: nn.SmoothL1Loss(beta=0), "beta must be above 0"),
        (lambda: nn.MultiMarginLoss(3), "p must be 1 or 2"),
        (lambda: nn.MultiCriterion([nn.MSELoss()], [1, 2]), "as many weights"),
        (lambda: nn.MSELoss().forward(np.zeros((2, 3)), np.zeros(2)), "must have the shape"),
        (
            lambda: nn.BCELoss().forward(np.full((2, 1), 1.5), np.zeros((2, 1))),
            r"probabilities must lie in \[0, 1\]",
        ),
        (lambda: nn.MarginLoss().forward(np.zeros((2, 1)), np.zeros((2, 1))), "1 or -1, got 0"),
        (lambda: nn.NLLLoss([1.0]).forward(np.zeros((2, 3)), np.zeros(2, int)), "3 classes and weights"),
        (lambda: nn.NLLLoss().forward(np.zeros(3), 1), r"\(N, classes\)"),
        (lambda: nn.MultiMarginLoss().forward(np.zeros(3), 1), r"\(N, classes\)"),
        (lambda: nn.ParallelCriterion([nn.MSELoss()]).forward([], []), "as many inputs"),
    ],
)
def test_losses_refuse(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ([0, 4], "target 4 is none of the 4 classes"),
        ([0, -1], "target -1"),
        ([0.0, 1.0], "integers"),
        ([1], "2 integers"),
    ],
)
def test_wrong_targets(target, message):
    for criterion in (nn.CrossEntropyLoss(), nn.NLLLoss(), nn.MultiMarginLoss()):
        with pytest.raises(ValueError, match=message):
            criterion.forward(np.zeros((2, 4)), np.array(target))


@pytest.mark.parametrize("name", [name for name in nn.__all__ if isinstance(getattr(nn, name), type)])
def test_every_argument_is_explained(name):
    kind = getattr(nn, name)
    given = list(inspect.signature(kind.__init__).parameters)[1:]
    if given not in (["args", "kwargs"], []):
        assert [argument for argument in given if argument not in kind.__doc__] == []


class Square(nn.Function):
    def _forward(self, x):
        return x * x, x

    def _input_gradient(self, x, grad_output):
        return 2 * x * grad_output


def test_modules_that_others_write_compute_with_floating_point_numbers():
    x = np.array([[3, 100]], np.uint8)
    square = Square()
    np.testing.assert_array_equal(square.forward(x), np.array([[9, 10000]], np.float32))
    np.testing.assert_array_equal(square.backward(x, x), np.array([[18, 20000]], np.float32))


def test_what_only_moves_numbers_keeps_their_type():
    x = np.array([[3, 100]], np.uint8)
    net = nn.Sequential(nn.Unsqueeze(2), nn.Transpose((1, 2)), nn.Flatten(), nn.Embedding(101, 1)).reset(0)
    np.testing.assert_array_equal(net.forward(x)[0, :, 0], net[3].weight.value[[3, 100], 0])


def test_what_runs_together_is_found_anew_where_a_part_is_converted():
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU()).reset(0)
    x = np.random.default_rng(0).standard_normal((2, 5, 5, 2)).astype(np.float32)
    net.forward(x)
    net[0].astype(np.float64)
    wanted = x
    for part in net.clone().modules:
        wanted = part.forward(wanted)
    got = net.forward(x)
    assert got.dtype == wanted.dtype == np.float32
    np.testing.assert_array_equal(got, wanted)


def test_gradients_and_steps_follow_what_was_set_anew():
    net = nn.Sequential(nn.Linear(3, 2, rng=0), nn.ReLU())
    net.zero_grad_parameters()
    net.update_parameters(1.0)
    weight = nn.Parameter(np.ones((2, 3), np.float32))
    weight.grad = np.full((2, 3), 2, np.float32)
    net[0].weight = weight
    net.add(nn.Linear(2, 1, rng=1))
    net[2].weight.grad[...] = 3
    before = net[2].weight.value.copy()
    net.update_parameters(0.5)
    np.testing.assert_array_equal(weight.value, 0)
    np.testing.assert_array_equal(net[2].weight.value, before - 1.5)
    net.zero_grad_parameters()
    assert not weight.grad.any()
    assert not net[2].weight.grad.any()
    assert list(net.parameters()) == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_a_found_list_of_parameters_is_not_the_callers():
    net = nn.Sequential(nn.Linear(3, 2, rng=0))
    net.parameters().clear()
    assert list(net.parameters()) == ["0.weight", "0.bias"]


def test_a_graph_adds_what_comes_and_takes_the_mean_of_its_ends():
    double = nn.Linear(1, 1, bias=False)
    double.weight.fill(2)
    graph = nn.Graph([(0, 1), (0, 2), (1, 2)], *[double] * 4).evaluate()
    # 2x; 4x; 2 (2x + 4x); from the input again 2x: the mean of 12x and 2x.
    np.testing.assert_array_equal(graph.forward(np.array([[1.0], [3.0]])), [[7.0], [21.0]])


@pytest.mark.parametrize(("n", "k"), [(5, 2), (8, 4), (9, 6)])
def test_a_small_world_without_chance_is_a_ring(n, k):
    networkx = pytest.importorskip("networkx", reason="the oracle comes with scikit-image")
    ring = networkx.watts_strogatz_graph(n, k, 0.0)
    assert nn.connections.small_world(n, k, 0.0) == sorted(tuple(sorted(edge)) for edge in ring.edges)


def test_a_small_world_moves_as_many_edges_as_asked():
    ring, moved = set(nn.connections.small_world(40, 4, 0.0)), []
    for seed in range(50):
        edges = nn.connections.small_world(40, 4, 0.3, seed)
        assert edges == nn.connections.small_world(40, 4, 0.3, seed)
        assert len(set(edges)) == 80
        assert all(0 <= source < target < 40 for source, target in edges)
        moved.append(len(set(edges) - ring))
    # Of a mean of 50 x 80 trials with p = 0.3; few come back to a place of the ring.
    assert abs(np.mean(moved) / 80 - 0.3) < 0.03
