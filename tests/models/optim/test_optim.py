"""Golden values of Torch's ``optim`` on Rosenbrock's valley from (0, 0): runs of its test scripts, 15 digits."""

import numpy as np
import pytest

from actionbench.models import optim

GOLDEN = {
    "sgd": (
        optim.sgd,
        {"learning_rate": 1e-3},
        {1: 1, 2: 0.9960040016, 3: 0.992023997397219, 101: 0.681143102820792, 1001: 0.106594569861749},
    ),
    "adam": (
        optim.adam,
        {"learning_rate": 0.002},
        {2: 0.99600400223119, 3: 0.992232797237101, 101: 0.651846558772338, 1001: 0.001144276109436},
    ),
    "momentum": (
        optim.sgd,
        {"learning_rate": 1e-3, "momentum": 0.9},
        {2: 0.9960040016, 3: 0.992016822772045, 101: 0.676319949220477, 1001: 0.104372335629724},
    ),
    "undamped": (
        optim.sgd,
        {"learning_rate": 1e-3, "momentum": 0.9, "dampening": 0},
        {3: 0.988441707520787, 101: 0.095713049920568},
    ),
    "nesterov": (
        optim.sgd,
        {"learning_rate": 1e-3, "momentum": 0.9, "dampening": 0, "nesterov": True},
        {2: 0.99241446085136, 3: 0.981674333098032, 101: 0.0971372291776},
    ),
}


def rosenbrock(x):
    a, b = x
    return (1 - a) ** 2 + 100 * (b - a * a) ** 2, np.array(
        [2 * (a - 1) - 400 * a * (b - a * a), 200 * (b - a * a)]
    )


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_values(name):
    method, options, golden = GOLDEN[name]
    x, state = np.zeros(2), dict(options)
    losses = []
    for _ in range(max(golden)):
        moved, loss = method(rosenbrock, x, state)
        assert moved is x
        losses += loss
    for place, value in golden.items():
        np.testing.assert_allclose(losses[place - 1], value, rtol=1e-9 if place < 1000 else 1e-6)


def test_decay_of_weights():
    def flat(x):
        return 0.0, np.zeros_like(x)

    x = np.array([1.0, 2.0])
    optim.adamw(flat, x, {"learning_rate": 0.1, "weight_decay": 0.5, "decays": np.array([1, 0])})
    np.testing.assert_allclose(x, [0.95, 2])
    x, _ = optim.sgd(flat, np.array([2.0]), {"learning_rate": 0.1, "weight_decay": 0.5})
    np.testing.assert_allclose(x, 1.9)
    x, _ = optim.adam(flat, np.array([2.0]), {"learning_rate": 0.1, "weight_decay": 0.5})
    np.testing.assert_allclose(x, 1.9, rtol=1e-6)


def test_decay_of_the_rate():
    x, state = np.zeros(1), {"learning_rate": 1.0, "learning_rate_decay": 1.0}
    for wanted in (-1, -1.5, -1.5 - 1 / 3):
        optim.sgd(lambda _: (0.0, np.ones(1)), x, state)
        np.testing.assert_allclose(x, wanted)


def test_nesterov_needs_momentum():
    with pytest.raises(ValueError, match="nesterov"):
        optim.sgd(rosenbrock, np.zeros(2), {"nesterov": True})


def test_checkgrad():
    difference, _, _ = optim.checkgrad(rosenbrock, np.array([-1.2, 1.0]))
    assert difference < 1e-7
    wrong, given, estimated = optim.checkgrad(lambda x: (float(x @ x), x.copy()), np.ones(2), 1e-5)
    np.testing.assert_allclose(given, 1)
    np.testing.assert_allclose(estimated, 2, rtol=1e-6)
    np.testing.assert_allclose(wrong, 1 / 3, rtol=1e-6)


def test_one_cycle_rises_and_falls():
    rates = [optim.one_cycle(step, 100, 0.5) for step in range(100)]
    np.testing.assert_allclose([rates[0], max(rates), rates[-1]], [0.02, 0.5, 2e-6])
    assert np.argmax(rates) == 29
    assert (np.diff(rates)[:29] > 0).all()
    assert (np.diff(rates)[29:] < 0).all()
    assert optim.one_cycle(0, 1, 0.5) > 0


def test_cosine_with_warm_up():
    np.testing.assert_allclose(
        [optim.cosine(step, 8, 1.0, 2) for step in (0, 1, 2, 5, 8)], [0.5, 1, 1, 0.5, 0], atol=1e-12
    )


def test_one_cycle_as_in_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is a dependency of these tests only")
    parameter = torch.nn.Parameter(torch.zeros(1))
    adam = torch.optim.Adam([parameter], lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, max_lr=0.5, total_steps=37, cycle_momentum=False)
    for step in range(37):
        np.testing.assert_allclose(optim.one_cycle(step, 37, 0.5), schedule.get_last_lr()[0], rtol=1e-6)
        adam.step()
        if step < 36:
            schedule.step()
