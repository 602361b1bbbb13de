import numpy as np
import pytest

from actionbench.models import optim


def test_one_cycle_rises_and_falls():
    rates = [optim.one_cycle(step, 100, 0.5) for step in range(100)]
    np.testing.assert_allclose([rates[0], max(rates), rates[-1]], [0.02, 0.5, 2e-6])
    assert np.argmax(rates) == 29
    assert (np.diff(rates)[:29] > 0).all()
    assert (np.diff(rates)[29:] < 0).all()
    assert optim.one_cycle(0, 1, 0.5) > 0


def test_cosine_with_warm_up():
    rates = [optim.cosine(step, 8, 1.0, 2) for step in (0, 1, 2, 5, 8)]
    np.testing.assert_allclose(rates, [0.5, 1, 1, 0.5, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("rates", "wanted"),
    [
        ([optim.step_decay(step, 2, 1.0) for step in range(5)], [1, 1, 0.1, 0.1, 0.01]),
        ([optim.multi_step(step, [1, 3], 1.0, 0.5) for step in range(5)], [1, 0.5, 0.5, 0.25, 0.25]),
        ([optim.exponential(step, 2.0, 0.5) for step in range(4)], [2, 1, 0.5, 0.25]),
        ([optim.polynomial(step, 4, 2.0) for step in range(6)], [2, 1.5, 1, 0.5, 0, 0]),
        ([optim.polynomial(step, 2, 1.0, 2.0) for step in range(3)], [1, 0.25, 0]),
        ([optim.linear_warm_up(step, 2, 1.0, 0.0) for step in range(4)], [0, 0.5, 1, 1]),
    ],
)
def test_rates_worked_out_by_hand(rates, wanted):
    np.testing.assert_allclose(rates, wanted)


@pytest.mark.parametrize("schedule", [optim.one_cycle, optim.cosine, optim.linear_warm_up, optim.polynomial])
def test_there_must_be_steps(schedule):
    with pytest.raises(ValueError, match="n_steps must be 1 or more, got 0"):
        schedule(0, 0, 1.0)
    with pytest.raises(ValueError, match="step must be 0 or more, got -1"):
        schedule(-1, 1, 1.0)


def test_steps_count_from_0_by_sizes_from_1():
    with pytest.raises(ValueError, match="step_size must be 1 or more, got 0"):
        optim.step_decay(0, 0, 1.0)
    for rate in (lambda: optim.exponential(-1, 1.0, 0.5), lambda: optim.multi_step(-1, [1], 1.0)):
        with pytest.raises(ValueError, match="step must be 0 or more, got -1"):
            rate()
