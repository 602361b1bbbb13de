import numpy as np
import pytest

from actionbench.models import optim


def test_nesterov_needs_momentum_without_dampening(rosenbrock):
    for options in ({}, {"momentum": 0.9}, {"momentum": 0.9, "dampening": 0.1}):
        with pytest.raises(ValueError, match="nesterov needs momentum > 0 and dampening = 0"):
            optim.sgd(rosenbrock, np.zeros(2), {"nesterov": True, **options})


def test_nag_needs_momentum(rosenbrock):
    with pytest.raises(ValueError, match="nag needs momentum > 0, got 0"):
        optim.nag(rosenbrock, np.zeros(2), {"momentum": 0})


def test_nag_looks_where_nesterov_is(rosenbrock):
    """The two count the same way differently: sgd with Nesterov's momentum is always where nag looks."""
    x, state, y, options = np.zeros(2), {}, np.zeros(2), {"momentum": 0.9, "dampening": 0, "nesterov": True}
    for _ in range(50):
        np.testing.assert_allclose(
            optim.nag(rosenbrock, x, state)[1], optim.sgd(rosenbrock, y, options)[1], rtol=1e-12
        )
    np.testing.assert_allclose(x + 0.9 * state["velocity"], y, rtol=1e-12)


def test_the_average_of_asgd_is_quieter():
    """Noise of variance 1 on the gradient of a bowl: the mean of many points lies nearer to its bottom."""
    rng, x = np.random.default_rng(0), np.zeros(100)
    state = {"eta0": 0.1, "t0": 200}
    for _ in range(2000):
        optim.asgd(lambda x: (0.0, x - 1 + rng.standard_normal(100)), x, state)
    assert np.abs(state["average"] - 1).mean() < np.abs(x - 1).mean() / 4


def test_asgd_averages_what_came_after_t0():
    x, state, points = np.zeros(1), {"eta0": 1.0, "lambda": 0, "t0": 3}, []
    for step in range(8):
        optim.asgd(lambda _, s=step: (0.0, np.array([float(s)])), x, state)
        points.append(x[0])
    np.testing.assert_allclose(state["average"], np.mean(points[4:]))
