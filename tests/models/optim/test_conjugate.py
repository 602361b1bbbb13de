import numpy as np
import pytest
from scipy.optimize import minimize

from actionbench.models import optim

# C. E. Rasmussen's page on minimize.m, an example from (0, 0) on Rosenbrock's function
# (gatsby.ucl.ac.uk/~edward/code/minimize/example.html).
PUBLISHED = [
    0.78251060908545, 0.39556533940410, 0.21891183735928, 0.08594362786359, 0.08167279250615, 0.04803799828332,
    0.03385004042904, 0.01810891772958, 0.01747706436156, 0.01719294050541, 0.00647710313861, 0.00317008743069,
]  # fmt: skip


def test_the_published_example(rosenbrock):
    _, losses = optim.cg(rosenbrock, np.zeros(2), {"max_iter": 50})
    np.testing.assert_allclose(losses[1:13], PUBLISHED, atol=1e-12)


@pytest.mark.parametrize("n", [2, 10, 50])
def test_reaches_the_bottom_of_the_valley(n, rosenbrock):
    x, state = np.zeros(n), {"max_eval": 3000}
    _, losses = optim.cg(rosenbrock, x, state)
    np.testing.assert_allclose(x, 1, rtol=1e-5)
    assert losses == sorted(losses, reverse=True)


def test_solves_a_linear_system_in_about_its_size():
    """In exact arithmetic, n exact line searches solve n equations."""
    n, rng = 20, np.random.default_rng(0)
    a, b = rng.standard_normal((n, n)), rng.standard_normal(n)
    a = a @ a.T + n * np.eye(n)
    x = np.zeros(n)
    optim.cg(lambda x: (float(x @ a @ x / 2 - b @ x), a @ x - b), x, {"max_eval": 4 * n})
    np.testing.assert_allclose(x, np.linalg.solve(a, b), rtol=1e-5, atol=1e-7)


def test_goes_on_by_steepest_descent_after_a_line_search_that_failed(rosenbrock):
    """With 4 looks, a line search fails on the way; one that gave up there would stay where SciPy is not."""
    x, state = np.array([-1.2, 1.0]), {"max_iter": 3, "max_eval": 400}
    _, losses = optim.cg(rosenbrock, x, state)
    searches = state["func_eval"] / len(losses)
    assert searches > 2
    np.testing.assert_allclose(x, minimize(rosenbrock, [-1.2, 1.0], jac=True, method="CG").x, rtol=1e-3)


def test_turns_back_from_where_the_loss_is_no_number():
    def barrier(x):
        if (x <= 0).any():
            return np.nan, np.full_like(x, np.nan)
        return float((x - np.log(x)).sum()), 1 - 1 / x

    x = np.array([0.01, 30.0, 2.0])
    optim.cg(barrier, x, {"max_eval": 200})
    np.testing.assert_allclose(x, 1, rtol=1e-5)


def test_at_the_bottom_nothing_is_searched(rosenbrock):
    x, state = np.ones(2), {}
    assert optim.cg(rosenbrock, x, state)[1] == [0.0]
    assert state["func_eval"] == 1
    np.testing.assert_array_equal(x, 1)


@pytest.mark.parametrize("max_eval", [1, 2, 7, 30])
def test_the_budget_holds(max_eval, rosenbrock):
    state = {"max_eval": max_eval}
    x, losses = optim.cg(rosenbrock, np.zeros(10), state)
    assert state["func_eval"] <= max_eval
    assert rosenbrock(x)[0] == pytest.approx(losses[-1])
