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


def test_evaluation_remembers_nothing():
    net, x = small_net().evaluate(), data()
    net.forward(x)
    with pytest.raises(RuntimeError, match="training mode"):
        net.backward(x, np.ones((5, 2), np.float32))


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
