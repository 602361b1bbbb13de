import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from actionbench.models.optim import polyinterp
from actionbench.models.optim.line_search import Line, strong_wolfe

NUMBERS = st.floats(-1e3, 1e3, allow_subnormal=False)
UNKNOWN = NUMBERS | st.just(np.nan)


@given(st.lists(st.tuples(NUMBERS, UNKNOWN | st.just(np.inf), UNKNOWN), min_size=1, max_size=8))
def test_any_number_of_points_gives_a_place_between_them(points):
    places = [place for place, _, _ in points]
    assert min(places) <= polyinterp(points) <= max(places)
    assert -2 <= polyinterp(points, -2, 5) <= 5


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_finds_the_minimum_of_the_polynomial_that_was_sampled(n):
    """With n losses and slopes, one of degree 2 n - 1 is known; SciPy finds its minimum by looking at it."""
    rng = np.random.default_rng(n)
    for _ in range(20):
        wanted = np.polynomial.Polynomial(rng.standard_normal(2 * n))
        if n == 2:  # whose minimum must be there to be found
            wanted = -np.polynomial.Polynomial.fromroots([0.2 + 0.6 * rng.random(), 3]).integ()
        places = rng.permutation(np.linspace(0, 1, n))
        points = np.column_stack([places, wanted(places), wanted.deriv()(places)])
        found = polyinterp(points, 0, 1)
        grid = np.linspace(0, 1, 1001)
        near = grid[wanted(grid).argmin()]
        best = minimize_scalar(wanted, bounds=(max(near - 0.002, 0), min(near + 0.002, 1)), method="bounded")
        assert 0 <= found <= 1
        assert wanted(found) <= best.fun + 1e-8


@pytest.mark.parametrize(
    ("points", "wanted"),
    [
        ([[0, 1, -1], [2, 1, np.nan]], 1.0),  # a parabola through two losses and a slope
        ([[0, 1, np.nan], [1, 0, np.nan], [3, 4, np.nan]], 1.0),  # through three losses: (t - 1)²
        ([[0, 0, -1], [2, np.inf, np.nan]], 1.0),  # nothing is known of what is infinite
        ([[0, 0, 2], [2, 0, 2]], 1 + 1 / np.sqrt(3)),  # the cubic (t - 1)³ - (t - 1)
        ([[2, np.nan, 1]], 2.0),
        ([[1, 0, -1], [1, 0, 1]], 1.0),
        ([[0, 0, -1], [2, 0, np.inf]], 1.0),
        ([[0, np.nan, -1], [2, np.nan, 1]], 1.0),
    ],
)
def test_known_answers(points, wanted):
    assert polyinterp(points) == pytest.approx(wanted)


def test_a_cubic_without_minimum_takes_the_middle():
    assert polyinterp([[0, 0, -1], [1, -0.9, -1]]) == 0.5


@pytest.mark.parametrize("points", [[], [[1, 2]], [1, 2, 3], [[np.nan, 1, 2]], [[np.inf, 1, 2]]])
def test_what_are_no_points_is_refused(points):
    with pytest.raises(ValueError, match="points must be rows of finite position, loss and slope, got"):
        polyinterp(points)


# Lines after Moré and Thuente 1994 (equations 5.1, 5.2) and one that ends at 1; the first derivative beside each.
LINES = {
    "one bend": (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2),
    "flat start": (
        lambda t: (t + 0.004) ** 5 - 2 * (t + 0.004) ** 4,
        lambda t: 5 * (t + 0.004) ** 4 - 8 * (t + 0.004) ** 3,
    ),
    "a wall": (
        lambda t: -t - 1e-3 * np.log(1 - t) if t < 1 else np.nan,
        lambda t: -1 + 1e-3 / (1 - t) if t < 1 else np.nan,
    ),
}


@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("name", LINES)
def test_the_conditions_of_wolfe_hold(name, first):
    f, slope = LINES[name]
    x, state = np.zeros(1), {}
    line = Line(lambda x: (f(x[0]), np.array([slope(x[0])])), x, state, np.ones(1))
    origin = line.look(0.0)
    found = strong_wolfe(line, origin, first, tol_x=0)
    assert x[0] == found.t > 0
    assert found.loss == f(found.t) <= origin.loss + 1e-4 * found.t * origin.slope
    assert abs(found.slope) <= -0.9 * origin.slope
    assert state["func_eval"] <= 27


def test_ends_where_the_loss_falls_for_ever():
    x, state = np.zeros(1), {}
    line = Line(lambda x: (-x[0], np.array([-1.0])), x, state, np.ones(1))
    found = strong_wolfe(line, line.look(0.0), 1.0)
    assert x[0] == found.t > 1e10
    assert state["func_eval"] == 27


@pytest.mark.parametrize("tol_x", [0, 1e-3])
def test_ends_near_a_kink_where_no_slope_is_small(tol_x):
    x, state = np.zeros(1), {}
    line = Line(lambda x: (abs(x[0] - 1.3), np.sign(x - 1.3)), x, state, np.ones(1))
    found = strong_wolfe(line, line.look(0.0), 1.0, tol_x=tol_x)
    assert x[0] == found.t == pytest.approx(1.3, abs=1e-2)
    assert state["func_eval"] <= 27 - 10 * bool(tol_x)
