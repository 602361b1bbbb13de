import numpy as np
import pytest

from actionbench.models import optim


def flat(x):
    return 0.0, np.zeros_like(x)


def test_adamw_shortens_x_by_rate_times_decay():
    x = np.array([1.0, 2.0])
    optim.adamw(flat, x, {"learning_rate": 0.1, "weight_decay": np.array([0.5, 0])})
    np.testing.assert_allclose(x, [0.95, 2])


def test_adamw_decays_by_the_decayed_rate():
    x, state = np.ones(1), {"learning_rate": 0.1, "learning_rate_decay": 1.0, "weight_decay": 0.5}
    for _ in range(2):
        optim.adamw(flat, x, state)
    np.testing.assert_allclose(x, 0.95 * 0.975)


@pytest.mark.parametrize("size", [1e-3, 1, 1e3])
@pytest.mark.parametrize("name", ["adam", "adamax", "adagrad", "rmsprop", "rprop"])
def test_the_first_step_does_not_depend_on_the_size_of_the_gradient(name, size):
    x = np.zeros(2)
    getattr(optim, name)(lambda _: (0.0, size * np.array([1.0, -2.0])), x, {})
    step = {"adam": 1e-3, "adamax": 2e-3, "adagrad": 1e-3, "rmsprop": 0.1, "rprop": 0.1}[name]
    np.testing.assert_allclose(x, [-step, step], rtol=1e-3)


@pytest.mark.parametrize("name", ["adam", "adamax", "adagrad", "adadelta", "rmsprop", "rprop"])
def test_where_there_is_no_slope_nothing_moves(name):
    x = np.ones(3, np.float32)
    for _ in range(3):
        getattr(optim, name)(flat, x, {})
    np.testing.assert_array_equal(x, 1)


def test_centered_rmsprop_bears_a_constant_gradient():
    """The variance is 0 then, and rounding must not make it negative."""
    x, state = np.zeros(50, np.float32), {"centered": True, "epsilon": 1e-3}
    gradient = np.random.default_rng(0).standard_normal(50).astype(np.float32)
    for _ in range(2000):
        optim.rmsprop(lambda _: (0.0, gradient), x, state)
    assert np.isfinite(x).all()


def test_rprop_halves_where_the_sign_turns():
    x, state = np.zeros(2), {}
    for gradient in ([1.0, 1.0], [1.0, -1.0], [1.0, -1.0]):
        optim.rprop(lambda _, g=gradient: (0.0, np.array(g)), x, state)
    # 0.1, then 1.2 times that twice; 0.1, a rest at the turn, then half of it the other way
    np.testing.assert_allclose(x, [-(0.1 + 0.12 + 0.144), -0.1 + 0.05])


def test_rprop_returns_the_losses_of_all_its_steps(rosenbrock):
    _, losses = optim.rprop(rosenbrock, np.zeros(2), {"n_iter": 5})
    assert len(losses) == 5
