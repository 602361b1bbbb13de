import numpy as np
import pytest

from actionbench.models import optim


def test_calls_of_one_iteration_go_the_way_of_one_call(rosenbrock):
    x, state = np.zeros(2), {"learning_rate": 0.1, "max_iter": 1}
    steps = [optim.lbfgs(rosenbrock, x, state)[1][0] for _ in range(100)]
    y, at_once = np.zeros(2), {"learning_rate": 0.1, "max_iter": 100}
    _, losses = optim.lbfgs(rosenbrock, y, at_once)
    np.testing.assert_array_equal(steps, losses)
    np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("n", [2, 10, 50])
@pytest.mark.parametrize("n_correction", [3, 100])
def test_reaches_the_bottom_of_the_valley(n, n_correction, rosenbrock):
    x = np.full(n, -1.0)
    state = {"line_search": "strong_wolfe", "max_iter": 500, "n_correction": n_correction}
    state |= {"tol_fun": 1e-7, "tol_x": 1e-14}
    _, losses = optim.lbfgs(rosenbrock, x, state)
    assert losses[-1] == rosenbrock(x)[0]
    assert losses[-1] < 1e-10 or np.isclose(x[0], -0.9932, atol=1e-3)  # the other minimum, from n = 4 on
    assert len(state["moves"]) == len(state["changes"]) <= n_correction


def test_the_direction_is_that_of_bfgs():
    """Against the update of the inverse Hessian as a matrix (Nocedal and Wright 2006, equation 6.17)."""
    n, rng = 6, np.random.default_rng(0)
    a = rng.standard_normal((n, n))
    a = a @ a.T + np.eye(n)
    x, state = rng.standard_normal(n), {"max_iter": 5, "learning_rate": 0.1, "tol_fun": 0}
    optim.lbfgs(lambda x: (float(x @ a @ x / 2), a @ x), x, state)
    gradient = a @ x
    moves, changes = [*state["moves"], state["move"]], [*state["changes"], gradient - state["gradient"]]
    inverse = np.eye(n) * (moves[-1] @ changes[-1]) / (changes[-1] @ changes[-1])
    for move, change in zip(moves, changes, strict=True):
        left = np.eye(n) - np.outer(move, change) / (move @ change)
        inverse = left @ inverse @ left.T + np.outer(move, move) / (move @ change)
    before = x.copy()
    optim.lbfgs(lambda x: (float(x @ a @ x / 2), a @ x), x, state | {"max_iter": 1})
    np.testing.assert_allclose(x - before, -0.1 * inverse @ gradient, rtol=1e-9)


def test_ends_where_the_gradient_vanishes(rosenbrock):
    x, state = np.ones(2), {}
    assert optim.lbfgs(rosenbrock, x, state)[1] == [0.0]
    assert state["func_eval"] == 1


def test_ends_where_moves_or_losses_no_longer_change(rosenbrock):
    state = {"tol_x": 1e-2, "tol_fun": 0, "max_iter": 1000, "line_search": "strong_wolfe"}
    _, losses = optim.lbfgs(rosenbrock, np.zeros(2), state)
    assert abs(losses[-1] - losses[-2]) < 1e-2
    assert len(losses) < 30


@pytest.mark.parametrize("max_eval", [1, 5, 12])
def test_no_iteration_begins_after_the_evaluations(max_eval, rosenbrock):
    state = {"max_eval": max_eval, "max_iter": 100, "learning_rate": 0.1}
    optim.lbfgs(rosenbrock, np.zeros(2), state)
    assert state["func_eval"] == max(max_eval, 2)


def test_turns_back_from_where_the_loss_is_no_number():
    def barrier(x):
        if (x <= 0).any():
            return np.nan, np.full_like(x, np.nan)
        return float((x - np.log(x)).sum()), 1 - 1 / x

    x = np.array([0.01, 30.0, 2.0])
    optim.lbfgs(barrier, x, {"max_iter": 100, "line_search": "strong_wolfe", "learning_rate": 100})
    np.testing.assert_allclose(x, 1, rtol=1e-4)


def test_a_call_that_cannot_move_is_followed_by_one_that_can():
    """The slope of the first function is below the tolerance of a move, its gradient above that of a minimum."""
    flat, steep = np.array([2e-5, 0.0]), np.array([3.0, -4.0])
    x, state = np.zeros(2), {"max_iter": 1, "learning_rate": 0.5}
    for _ in range(2):
        assert optim.lbfgs(lambda x: (1.0, flat.copy()), x, state)[1] == [1.0]
        assert not x.any()
    optim.lbfgs(lambda x: (1.0, steep.copy()), x, state)
    np.testing.assert_allclose(x, -0.5 * steep)
    # Nothing was learnt from what was no move.
    assert state["moves"] == []
