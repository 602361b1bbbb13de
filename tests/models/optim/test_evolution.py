import numpy as np
import pytest

from actionbench.models import optim


def losses_only(rosenbrock):
    return lambda x: (rosenbrock(x)[0], None)


def test_cmaes_solves_ten_dimensions_as_fast_as_torch(rosenbrock):
    """Torch took 6,450 evaluations with its one seed. The valley has a second minimum, at 3.99 (Shang and Qiu 2006)."""
    ends, counts = [], []
    for seed in range(10):
        x, state = np.zeros(10), {"sigma": 0.5, "rng": seed}
        moved, losses = optim.cmaes(losses_only(rosenbrock), x, state)
        assert moved is x
        assert losses[0] == 9
        assert losses[-1] == rosenbrock(x)[0]
        ends.append(losses[-1])
        counts.append(state["func_eval"])
    solved = np.array(ends) < 1e-10
    assert solved.sum() >= 8
    np.testing.assert_allclose(np.array(ends)[~solved], 3.986579, atol=1e-5)
    assert 0.75 * 6450 < np.median(counts) < 1.25 * 6450


def test_cmaes_learns_the_shape_of_a_bowl():
    """In the end the covariance is the inverse of the Hessian, up to a factor (Hansen 2016, section 0.4)."""
    scales = 10.0 ** np.arange(5)
    x, state = np.ones(5), {"rng": 1, "f_target": 1e-8}
    optim.cmaes(lambda x: (float((scales * x * x).sum()), None), x, state)
    shape = np.diag(state["covariance"]) * scales
    np.testing.assert_allclose(np.log(shape / shape.mean()), 0, atol=1.5)


def test_cmaes_does_not_see_the_scale_of_the_loss(rosenbrock):
    points = []
    for scale in (1.0, 1024.0):
        x = np.zeros(3)
        optim.cmaes(lambda x, s=scale: (s * rosenbrock(x)[0], None), x, {"max_eval": 300, "tol_fun": 0})
        points.append(x)
    np.testing.assert_array_equal(*points)


@pytest.mark.parametrize("seed", range(10))
def test_de_solves_the_valley(seed, rosenbrock):
    x, state = np.zeros(2), {"rng": seed}
    moved, losses = optim.de(losses_only(rosenbrock), x, state)
    assert moved is x
    assert losses[0] == 1
    assert losses[-1] == rosenbrock(x)[0] < 1e-8
    np.testing.assert_allclose(x, 1, atol=1e-3)
    assert losses[1:] == sorted(losses[1:], reverse=True)


def test_de_begins_in_the_region(rosenbrock):
    asked = []

    def opfunc(x):
        asked.append(x.copy())
        return rosenbrock(x)

    options = {"pop_size": 50, "min_region": [-1, 2], "max_region": [0, 3], "max_eval": 0}
    optim.de(opfunc, np.zeros(2), options)
    assert len(asked) == 50
    np.testing.assert_array_equal(asked[0], 0)
    assert (np.min(asked[1:], axis=0) >= [-1, 2]).all()
    assert (np.max(asked[1:], axis=0) <= [0, 3]).all()
    assert (np.ptp(asked[1:], axis=0) > 0.5).all()


def test_de_changes_at_least_one_parameter():
    """Without crossover exactly one, of each member of the population."""
    asked = []

    def opfunc(x):
        asked.append(x.copy())
        return 0.0 if len(asked) == 1 else 1.0, None

    optim.de(opfunc, np.zeros(4), {"pop_size": 10, "crossover_rate": 0, "max_eval": 20})
    changed = np.not_equal(asked[10:], asked[:10]).sum(axis=1)
    np.testing.assert_array_equal(changed, 1)


@pytest.mark.parametrize("name", ["cmaes", "de"])
def test_the_seed_decides(name, rosenbrock):
    def run(**options):
        asked = []

        def opfunc(x):
            asked.append(x.tolist())
            return rosenbrock(x)

        getattr(optim, name)(opfunc, np.zeros(4), {"max_eval": 100, **options})
        return asked

    assert run(rng=5) == run(rng=5) == run(rng=np.random.default_rng(5))
    assert run(rng=5) != run(rng=6)
    assert run(rng=0) == run()


@pytest.mark.parametrize("name", ["cmaes", "de"])
def test_two_calls_go_on_like_one(name, rosenbrock):
    x, y, size = np.zeros(3), np.zeros(3), 10
    first = {"rng": 2, "pop_size": size, "max_eval": 200}
    getattr(optim, name)(rosenbrock, x, first)
    getattr(optim, name)(rosenbrock, x, first)
    at_once = {"rng": 2, "pop_size": size, "max_eval": first["func_eval"]}
    getattr(optim, name)(rosenbrock, y, at_once)
    assert first["func_eval"] == at_once["func_eval"]
    np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", ["cmaes", "de"])
def test_a_target_suffices(name, rosenbrock):
    state = {"f_target": 0.5}
    _, losses = getattr(optim, name)(losses_only(rosenbrock), np.zeros(2), state)
    assert losses[-1] <= 0.5 < losses[-2]


@pytest.mark.parametrize("name", ["cmaes", "de"])
def test_bears_losses_that_are_no_numbers(name):
    """Half of the plane has none."""

    def opfunc(x):
        return (np.nan if x[0] < 0 else float(((x - 1) ** 2).sum())), None

    x = np.zeros(2)
    _, losses = getattr(optim, name)(opfunc, x, {"f_target": 1e-6})
    np.testing.assert_allclose(x, 1, atol=2e-3)
    assert losses[-1] <= 1e-6


@pytest.mark.parametrize("name", ["cmaes", "de"])
def test_one_parameter_is_enough(name):
    x = np.array([3.0])
    getattr(optim, name)(lambda x: (float((x[0] - 1) ** 2), None), x, {})
    np.testing.assert_allclose(x, 1, atol=1e-4)


@pytest.mark.parametrize(("name", "size", "least"), [("cmaes", 1, 2), ("de", 2, 3)])
def test_a_population_that_is_too_small_is_refused(name, size, least, rosenbrock):
    with pytest.raises(ValueError, match=f"pop_size of {name} must be {least} or more, got {size}"):
        getattr(optim, name)(rosenbrock, np.zeros(2), {"pop_size": size})


def test_an_empty_region_is_refused(rosenbrock):
    with pytest.raises(ValueError, match="min_region must lie below max_region, got 2 and 1"):
        optim.de(rosenbrock, np.zeros(2), {"min_region": 2, "max_region": 1})
