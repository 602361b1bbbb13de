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


def lasso_reference(x, gradients, rate, momentum, lambda_, beta):
    """Return the points of the algorithm, number by number."""
    points, velocity = [], [0.0] * len(x)
    for gradient in gradients:
        for place, value in enumerate(x):
            sign = int(value > 0) - int(value < 0)
            velocity[place] = momentum * velocity[place] + gradient[place] + lambda_ * sign
            value = value - rate * velocity[place]
            x[place] = value if abs(value) >= beta * lambda_ else 0.0
        points.append(list(x))
    return points


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_beta_lasso_against_its_definition(momentum, dtype):
    rng = np.random.default_rng(3)
    x, gradients = rng.normal(0, 0.1, 30), rng.normal(0, 0.5, (20, 30))
    options = {"learning_rate": 0.1, "lambda": 0.01, "beta": 5.0, "momentum": momentum}
    wanted = lasso_reference(list(x), gradients, 0.1, momentum, 0.01, 5.0)
    x = x.astype(dtype)
    for gradient, point in zip(gradients, wanted, strict=True):
        optim.beta_lasso(lambda _, g=gradient: (0.0, g), x, options)
        np.testing.assert_allclose(x, point, atol=1e-6 if dtype == np.float32 else 1e-14)
    assert 0 < np.count_nonzero(x) < 30


def test_beta_lasso_finds_the_few_weights_that_matter():
    """Of forty, three make the target; least squares without it keeps them all."""
    rng, truth = np.random.default_rng(0), np.zeros(40)
    truth[[3, 11, 30]] = [1.0, -2.0, 0.5]
    inputs = rng.standard_normal((200, 40))
    target = inputs @ truth + rng.normal(0, 0.1, 200)

    def squares(x):
        error = inputs @ x - target
        return float(error @ error) / 400, inputs.T @ error / 200

    x, plain, state = rng.normal(0, 0.1, 40), np.zeros(40), {"lambda": 2e-3, "beta": 20.0}
    for _ in range(300):
        optim.beta_lasso(squares, x, state)
        optim.sgd(squares, plain, {"learning_rate": 0.1})
    assert np.flatnonzero(x).tolist() == [3, 11, 30]
    np.testing.assert_allclose(x, truth, atol=0.03)
    assert np.count_nonzero(plain) == 40


def test_beta_lasso_spares_what_has_no_lambda():
    x = np.array([1e-3, 1e-3])
    optim.beta_lasso(lambda _: (0.0, np.zeros(2)), x, {"lambda": [1e-4, 0]})
    np.testing.assert_array_equal(x, [0, 1e-3])
