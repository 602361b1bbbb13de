import numpy as np
import pytest
from safetensors.numpy import load, save
from threadpoolctl import threadpool_limits

from actionbench.models import optim

STEPS = [
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "asgd",
    "beta_lasso",
    "nag",
    "rmsprop",
    "rprop",
    "sgd",
]
RUNS = ["cg", "cmaes", "de", "lbfgs"]
# One more than the defaults where that makes the method remember more.
OPTIONS = {
    "adam": {"amsgrad": True},
    "adamw": {"weight_decay": [1, 0, 1]},
    "beta_lasso": {"momentum": 0.9, "lambda": [1e-4, 0, 1e-4]},
    "cmaes": {"max_eval": 40},
    "de": {"max_eval": 90},
    "lbfgs": {"line_search": "strong_wolfe", "max_iter": 4},
    "cg": {"max_iter": 4},
    "rmsprop": {"momentum": 0.9, "centered": True},
    "sgd": {"momentum": 0.9, "weight_decay": 0.1},
}


def bowl(x):
    """Half the weighted square of the distance from 1."""
    weights = np.arange(1, x.size + 1, dtype=x.dtype)
    return float((weights * (x - 1) ** 2).sum() / 2), weights * (x - 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", STEPS + RUNS)
def test_x_is_changed_in_place_and_keeps_its_kind(name, dtype):
    x, state = np.zeros(3, dtype), dict(OPTIONS.get(name, {}))
    for _ in range(5):
        moved, losses = getattr(optim, name)(bowl, x, state)
        assert moved is x
        assert {type(loss) for loss in losses} == {float}
    assert x.dtype == dtype
    assert bowl(x)[0] < 3
    if name in [*STEPS, "lbfgs", "cg"]:
        arrays = [value for value in state.values() if isinstance(value, np.ndarray)]
        assert {value.dtype for value in arrays} <= {np.dtype(dtype)}


@pytest.mark.parametrize("name", STEPS)
def test_steps_return_the_loss_before(name):
    x = np.full(3, 0.5)
    before = bowl(x + 0.0)[0]
    assert getattr(optim, name)(bowl, x, dict(OPTIONS.get(name, {})))[1] == [before]


@pytest.mark.parametrize("name", ["cg", "lbfgs"])
def test_runs_return_the_losses_on_the_way(name):
    x, state = np.zeros(3), dict(OPTIONS[name])
    _, losses = getattr(optim, name)(bowl, x, state)
    assert losses[0] == 3
    assert losses[-1] == bowl(x)[0]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("name", STEPS + RUNS)
def test_evaluations_are_counted(name):
    counted, state = [], dict(OPTIONS.get(name, {}))

    def opfunc(x):
        counted.append(1)
        return bowl(x)

    x = np.zeros(3)
    for _ in range(3):
        getattr(optim, name)(opfunc, x, state)
    assert state["func_eval"] == len(counted)


@pytest.mark.parametrize("name", STEPS + RUNS)
def test_the_gradient_of_the_caller_is_left_and_may_be_used_again(name):
    owned, fresh, x, y = np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3)

    def into_one_array(x):
        loss, owned[:] = bowl(x)
        fresh[:] = owned
        return loss, owned

    state, other = dict(OPTIONS.get(name, {})), dict(OPTIONS.get(name, {}))
    for _ in range(4):
        getattr(optim, name)(into_one_array, x, state)
        np.testing.assert_array_equal(owned, fresh)
        getattr(optim, name)(bowl, y, other)
    np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", STEPS + RUNS)
def test_a_gradient_may_be_x_itself(name):
    x, y, options = np.full(3, 2.0), np.full(3, 2.0), OPTIONS.get(name, {})
    getattr(optim, name)(lambda x: (x @ x / 2, x), x, dict(options))
    getattr(optim, name)(lambda x: (x @ x / 2, x.copy()), y, dict(options))
    np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", STEPS + RUNS)
def test_opfunc_may_look_at_its_own_view(name):
    """As the parameters of a net: what is asked for is always in x."""
    x, y, options = np.zeros(3), np.zeros(3), OPTIONS.get(name, {})
    getattr(optim, name)(lambda _: bowl(x), x, dict(options))
    getattr(optim, name)(bowl, y, dict(options))
    np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(("name", "size"), [("cg", 20_000), ("lbfgs", 20_000), ("cmaes", 200)])
def test_any_number_of_threads_gives_the_same_bits(name, size, rosenbrock):
    points = []
    for threads in (1, 4):
        points.append(np.zeros(size))
        with threadpool_limits(threads):
            getattr(optim, name)(rosenbrock, points[-1], dict(OPTIONS[name]))
    np.testing.assert_array_equal(*points)


def flattened(state):
    """Split a state into arrays, as a file holds them, and the rest, which is plain."""
    arrays = {key: value for key, value in state.items() if isinstance(value, np.ndarray)}
    for key, value in state.items():
        if isinstance(value, list) and value and isinstance(value[0], np.ndarray):
            arrays |= {f"{key}.{place}": item for place, item in enumerate(value)}
    rest = {key: value for key, value in state.items() if key not in arrays and f"{key}.0" not in arrays}
    return arrays, rest


@pytest.mark.parametrize("name", STEPS + RUNS)
def test_a_state_can_be_saved_and_taken_up(name, rosenbrock):
    x, state = np.zeros(3), dict(OPTIONS.get(name, {}))
    for _ in range(3):
        getattr(optim, name)(rosenbrock, x, state)
    arrays, rest = flattened(state)
    generator = rest.pop("rng", None)
    for value in rest.values():
        assert isinstance(value, int | float | str) or value == [] or isinstance(value[0], int | float)
    loaded = load(save({key: np.ascontiguousarray(value) for key, value in arrays.items()}))
    again = {**rest, **{key: value for key, value in loaded.items() if "." not in key}}
    for key in ("moves", "changes"):
        if f"{key}.0" in loaded:
            again[key] = [loaded[f"{key}.{place}"] for place in range(len(state[key]))]
    if generator:
        again["rng"] = np.random.default_rng()
        again["rng"].bit_generator.state = generator.bit_generator.state
    y = x.copy()
    for _ in range(3):
        getattr(optim, name)(rosenbrock, x, state)
        getattr(optim, name)(rosenbrock, y, again)
    np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", STEPS + RUNS)
def test_an_unknown_option_is_refused(name):
    with pytest.raises(ValueError, match=f"^{name} has no option 'beta3'; "):
        getattr(optim, name)(bowl, np.zeros(3), {"beta3": 1})


def test_the_refusal_names_what_was_meant():
    with pytest.raises(ValueError, match="sgd has no option 'learning_rates'; did you mean 'learning_rate'"):
        optim.sgd(bowl, np.zeros(3), {"learning_rates": np.ones(3)})


@pytest.mark.parametrize(
    ("name", "option", "value", "sentence"),
    [
        ("sgd", "learning_rate", -1, "a finite number of 0 or more, got -1"),
        ("sgd", "learning_rate", "fast", "a finite number of 0 or more, got 'fast'"),
        ("sgd", "learning_rate", np.inf, "a finite number of 0 or more, got inf"),
        ("sgd", "learning_rate", np.ones(2), r"a number or have the shape of x, \(3,\), got \(2,\)"),
        ("sgd", "momentum", np.ones(3), "a finite number of 0 or more"),
        ("sgd", "momentum", True, "a finite number of 0 or more, got True"),
        ("sgd", "nesterov", 1, "True or False, got 1"),
        ("adam", "beta1", 1, "a number from 0 to below 1, got 1"),
        ("rmsprop", "alpha", 1.5, "a number from 0 to 1, got 1.5"),
        ("rprop", "n_iter", 0, "an integer of 1 or more, got 0"),
        ("lbfgs", "max_iter", 2.5, "an integer of 1 or more, got 2.5"),
        ("lbfgs", "line_search", "armijo", "\"strong_wolfe\" or None, got 'armijo'"),
        ("cg", "max_eval", np.nan, "a number of 0 or more, got nan"),
        ("cmaes", "f_target", "low", "a number, got 'low'"),
        ("de", "rng", "dice", "a generator or an integer of 0 or more, got 'dice'"),
    ],
)
def test_a_wrong_value_is_refused(name, option, value, sentence):
    with pytest.raises(ValueError, match=f"^{option} must be {sentence}"):
        getattr(optim, name)(bowl, np.zeros(3), {option: value})


@pytest.mark.parametrize(
    "x", [[0.0, 1.0], np.zeros(2, int), np.zeros((2, 2)), np.zeros(0), np.zeros(2, np.float16)], ids=str
)
def test_x_must_be_flat_floats(x):
    with pytest.raises(ValueError, match="x must be a flat array of float32 or float64, got"):
        optim.sgd(bowl, x, {})


def test_a_gradient_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"gradient of the shape of x, \(3,\), got \(1,\)"):
        optim.sgd(lambda x: (0.0, np.zeros(1)), np.zeros(3), {})


@pytest.mark.parametrize("name", ["adam", "lbfgs", "cmaes", "de"])
def test_a_state_of_another_vector_is_refused(name):
    state = dict(OPTIONS[name])
    getattr(optim, name)(bowl, np.zeros(2), state)
    with pytest.raises(ValueError, match=r"the state belongs to a vector of shape \(2,\), but x has \(3,\)"):
        getattr(optim, name)(bowl, np.zeros(3), state)


def test_none_stands_for_the_default():
    x, y = np.zeros(3), np.zeros(3)
    optim.sgd(bowl, x, {"learning_rate": None, "dampening": None})
    optim.sgd(bowl, y, {})
    np.testing.assert_array_equal(x, y)


def test_numbers_of_numpy_do_not_widen():
    x, state = np.zeros(3, np.float32), {"learning_rate": np.float64(0.1), "momentum": np.float64(0.9)}
    optim.sgd(bowl, x, state)
    assert state["velocity"].dtype == np.float32


def test_rates_and_decays_per_parameter():
    x = np.ones(3)
    optim.sgd(
        lambda x: (0.0, np.ones(3)), x, {"learning_rate": np.array([0.1, 0.2, 0]), "weight_decay": [1, 0, 1]}
    )
    np.testing.assert_allclose(x, [0.8, 0.8, 1])


@pytest.mark.parametrize("name", ["adadelta", "adagrad", "adam", "adamax", "nag", "rmsprop", "sgd"])
def test_decay_of_the_rate(name):
    """The rate of step t is that of the first over 1 + t decay; each step of its own run shows its size."""
    x, y, decay = np.zeros(2), np.zeros(2), 0.5
    state, plain = {"learning_rate": 0.1, "learning_rate_decay": decay}, {"learning_rate": 0.1}
    for step in range(4):
        plain["learning_rate"] = 0.1 / (1 + step * decay)
        getattr(optim, name)(lambda _, s=step: (0.0, np.array([1.0, 2.0 + s])), x, state)
        getattr(optim, name)(lambda _, s=step: (0.0, np.array([1.0, 2.0 + s])), y, plain)
    np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(
    "name", ["adadelta", "adagrad", "adam", "adamax", "asgd", "nag", "rmsprop", "rprop", "sgd"]
)
def test_weight_decay_is_added_to_the_gradient(name):
    def decayed(x):
        loss, gradient = bowl(x)
        return loss, gradient + 0.3 * x

    x, y, state, plain = np.full(3, 2.0), np.full(3, 2.0), {"weight_decay": 0.3}, {}
    for _ in range(4):
        getattr(optim, name)(bowl, x, state)
        getattr(optim, name)(decayed, y, plain)
    np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", ["sgd", "adam", "lbfgs"])
def test_vectors_that_are_not_aligned_are_refused_and_such_gradients_copied(name):
    def unaligned(a):
        return np.frombuffer(bytearray(b"." + a.tobytes()), a.dtype, offset=1)

    method = getattr(optim, name)
    with pytest.raises(ValueError, match="x must be aligned in memory"):
        method(lambda x: (0.0, x), unaligned(np.ones(3)), {})
    one, other = np.ones(3), np.ones(3)
    method(lambda x: (float(x @ x), unaligned(2 * x)), one, {})
    method(lambda x: (float(x @ x), 2 * x), other, {})
    np.testing.assert_array_equal(one, other)
