"""The same steps as ``torch.optim``, in double precision, on Rosenbrock's function of four variables."""

import numpy as np
import pytest

from actionbench.models import optim

torch = pytest.importorskip("torch", reason="PyTorch is a dependency of these tests only")

MOMENTUM = {"momentum": 0.9, "dampening": 0.0}
# ours, its options, theirs, its options beside the learning rate
SAME = [
    ("sgd", {"learning_rate": 1e-3}, "SGD", {}),
    (
        "sgd",
        {"learning_rate": 1e-3, "weight_decay": 0.1, **MOMENTUM},
        "SGD",
        {"weight_decay": 0.1, **MOMENTUM},
    ),
    ("sgd", {"learning_rate": 1e-3, "momentum": 0.9}, "SGD", {"momentum": 0.9, "dampening": 0.9}),
    ("sgd", {"learning_rate": 1e-3, "nesterov": True, **MOMENTUM}, "SGD", {"nesterov": True, **MOMENTUM}),
    ("adamax", {"learning_rate": 1e-2, "epsilon": 1e-8}, "Adamax", {}),
    (
        "adamax",
        {"learning_rate": 1e-2, "beta1": 0.8, "beta2": 0.9},
        "Adamax",
        {"betas": (0.8, 0.9), "eps": 1e-38},
    ),
    ("adagrad", {"learning_rate": 0.1, "weight_decay": 0.1}, "Adagrad", {"weight_decay": 0.1}),
    ("adagrad", {"learning_rate": 0.1, "learning_rate_decay": 0.1}, "Adagrad", {"lr_decay": 0.1}),
    ("adadelta", {"learning_rate": 1.0}, "Adadelta", {}),
    (
        "adadelta",
        {"learning_rate": 0.5, "rho": 0.8, "weight_decay": 1},
        "Adadelta",
        {"rho": 0.8, "weight_decay": 1},
    ),
    ("rmsprop", {"learning_rate": 1e-3}, "RMSprop", {}),
    (
        "rmsprop",
        {"learning_rate": 1e-3, "alpha": 0.9, "weight_decay": 1},
        "RMSprop",
        {"alpha": 0.9, "weight_decay": 1},
    ),
    ("rmsprop", {"learning_rate": 1e-3, "momentum": 0.9}, "RMSprop", {"momentum": 0.9}),
    ("rmsprop", {"learning_rate": 1e-3, "centered": True}, "RMSprop", {"centered": True}),
    ("rprop", {"step_size": 0.01}, "Rprop", {}),
    (
        "rprop",
        {"step_size": 0.1, "eta_plus": 1.1, "step_size_max": 0.2},
        "Rprop",
        {"etas": (0.5, 1.1), "step_sizes": (1e-6, 0.2)},
    ),
    (
        "lbfgs",
        {"learning_rate": 1.0, "line_search": "strong_wolfe"},
        "LBFGS",
        {"line_search_fn": "strong_wolfe"},
    ),
    (
        "lbfgs",
        {
            "learning_rate": 0.5,
            "line_search": "strong_wolfe",
            "max_iter": 3,
            "n_correction": 2,
            "max_eval": 100,
        },
        "LBFGS",
        {"line_search_fn": "strong_wolfe", "max_iter": 3, "history_size": 2, "max_eval": 100},
    ),
]
START = np.array([-1.2, 1.0, 0.5, 1.5])


def theirs(rosenbrock, name, rate, options, start=START):
    """Return the points after each of 100 steps of PyTorch, and the optimiser."""
    parameter = torch.nn.Parameter(torch.tensor(start))
    optimiser = getattr(torch.optim, name)([parameter], lr=rate, **options)

    def closure():
        loss, gradient = rosenbrock(parameter.detach().numpy())
        parameter.grad = torch.tensor(gradient)
        return torch.tensor(loss, dtype=torch.float64)

    points = []
    for _ in range(100):
        optimiser.step(closure)
        points.append(parameter.detach().numpy().copy())
    return points, optimiser


def ours(rosenbrock, name, options, start=START):
    x, state, points = start.copy(), dict(options), []
    for _ in range(100):
        getattr(optim, name)(rosenbrock, x, state)
        points.append(x.copy())
    return points, state


@pytest.mark.parametrize(("name", "options", "class_name", "more"), SAME)
def test_same_steps(name, options, class_name, more, rosenbrock):
    rate = options.get("learning_rate", options.get("step_size"))
    wanted, _ = theirs(rosenbrock, class_name, rate, more)
    points, _ = ours(rosenbrock, name, options)
    np.testing.assert_allclose(points, wanted, rtol=1e-8)


def test_same_moves_without_line_search(rosenbrock):
    """From (1.5, 1.5): elsewhere, moves of a fixed size are soon chaos."""
    start = np.full(2, 1.5)
    wanted, _ = theirs(rosenbrock, "LBFGS", 0.1, {"max_iter": 5}, start)
    points, _ = ours(rosenbrock, "lbfgs", {"learning_rate": 0.1, "max_iter": 5}, start)
    np.testing.assert_allclose(points, wanted, rtol=1e-8)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (1e-4 * np.abs(x - 1.3).sum(), 1e-4 * np.sign(x - 1.3)),
        lambda x: (np.maximum(x**2, 1 - x).sum(), np.where(x**2 > 1 - x, 2 * x, -1.0)),
    ],
    ids=["shallow kink", "kink beside a parabola"],
)
def test_line_search_ends_as_late(function):
    """Where no point satisfies the conditions of Wolfe, the bracket or the number of evaluations ends it."""
    n_calls = []

    def counted(x):
        n_calls.append(0)
        return function(x)

    start = np.array([-1.2, 1.0, 0.5])
    options = {"max_iter": 3, "max_eval": 1000}
    points, _ = ours(counted, "lbfgs", {"line_search": "strong_wolfe", **options}, start)
    n_ours = len(n_calls)
    wanted, _ = theirs(counted, "LBFGS", 1.0, {"line_search_fn": "strong_wolfe", **options}, start)
    assert len(n_calls) == 2 * n_ours
    np.testing.assert_allclose(points, wanted, rtol=1e-8)


@pytest.mark.parametrize("more", [{"t0": 10, "weight_decay": 0.1}, {"lambda": 0.1, "alpha": 0.5}], ids=str)
def test_same_steps_and_average_of_asgd(more, rosenbrock):
    """But that PyTorch keeps the rate in single precision."""
    options = {key.replace("lambda", "lambd"): value for key, value in more.items()}
    wanted, optimiser = theirs(rosenbrock, "ASGD", 1e-3, options)
    points, state = ours(rosenbrock, "asgd", {"eta0": 1e-3, **more})
    np.testing.assert_allclose(points, wanted, rtol=1e-7)
    (kept,) = optimiser.state.values()
    np.testing.assert_allclose(state["average"], kept["ax"].numpy(), rtol=1e-7)


@pytest.mark.parametrize(
    ("name", "options", "more"),
    [
        ("adam", {}, {}),
        (
            "adam",
            {"beta1": 0.8, "beta2": 0.9, "weight_decay": 0.1},
            {"betas": (0.8, 0.9), "weight_decay": 0.1},
        ),
        ("adam", {"amsgrad": True}, {"amsgrad": True}),
        ("adamw", {"weight_decay": 0.1}, {"weight_decay": 0.1}),
        ("adamw", {}, {}),
    ],
)
def test_same_steps_but_for_the_place_of_epsilon(name, options, more, rosenbrock):
    """So small that its place does not show."""
    class_name = {"adam": "Adam", "adamw": "AdamW"}[name]
    wanted, _ = theirs(rosenbrock, class_name, 1e-2, {"eps": 1e-30, **more})
    points, _ = ours(rosenbrock, name, {"learning_rate": 1e-2, "epsilon": 1e-30, **options})
    np.testing.assert_allclose(points, wanted, rtol=1e-10)


SCHEDULES = {
    "cosine": (lambda step: optim.cosine(step, 12, 0.5), "CosineAnnealingLR", {"T_max": 12}),
    "exponential": (lambda step: optim.exponential(step, 0.5, 0.8), "ExponentialLR", {"gamma": 0.8}),
    "linear_warm_up": (lambda step: optim.linear_warm_up(step, 5, 0.5), "LinearLR", {}),
    "linear_warm_up from 0.1": (
        lambda step: optim.linear_warm_up(step, 8, 0.5, 0.1),
        "LinearLR",
        {"start_factor": 0.1, "total_iters": 8},
    ),
    "multi_step": (lambda step: optim.multi_step(step, [7, 3], 0.5), "MultiStepLR", {"milestones": [7, 3]}),
    "one_cycle": (
        lambda step: optim.one_cycle(step, 13, 0.5),
        "OneCycleLR",
        {"max_lr": 0.5, "total_steps": 13, "cycle_momentum": False},
    ),
    "polynomial": (
        lambda step: optim.polynomial(step, 9, 0.5, 2.0),
        "PolynomialLR",
        {"total_iters": 9, "power": 2.0},
    ),
    "step_decay": (
        lambda step: optim.step_decay(step, 4, 0.5, 0.3),
        "StepLR",
        {"step_size": 4, "gamma": 0.3},
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_same_rates(name):
    rate, class_name, options = SCHEDULES[name]
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    schedule = getattr(torch.optim.lr_scheduler, class_name)(optimiser, **options)
    for step in range(13):
        np.testing.assert_allclose(rate(step), schedule.get_last_lr()[0], rtol=1e-9, atol=1e-12)
        optimiser.step()
        if step < 12:
            schedule.step()
