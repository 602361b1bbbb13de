"""The numbers of Torch's ``optim`` (golden.json says where they are from)."""

import json
from pathlib import Path

import numpy as np
import pytest

from actionbench.models import optim

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())
# Where steps do not shrink with the gradient, rounding grows until the late losses are noise: see
# `test_late_losses_hang_on_rounding`.
NOISY = {"adam", "adamax", "rmsprop"}
# Rows of cg, by their option, in which line searches magnify one bit of the start: tolerances of the steps that do
# not meet 1e-8 for that reason. See `test_cg_magnifies_rounding`.
MAGNIFIED = {"int": {"1": 1e-7, "2": 1e-2}, "ext": {"1": 1e-7}}


def name(row):
    return " ".join([row["method"], *(f"{key}={value}" for key, value in row["options"].items())])


def run(row, opfunc, x, n_losses):
    """Return the losses of as many calls as that takes (cg and lbfgs: of one, unless told to do one iteration)."""
    state, losses = dict(row["options"]), []
    ends = row["method"] == "cg" or "line_search" in state
    while len(losses) < n_losses and not (losses and ends):
        losses += getattr(optim, row["method"])(opfunc, x, state)[1]
    return losses, state


@pytest.mark.parametrize("row", GOLDEN["valley"], ids=name)
def test_losses_from_the_origin(row, rosenbrock):
    x, golden = np.zeros(row["n"]), {int(place): value for place, value in row["losses"].items()}
    losses, state = run(row, rosenbrock, x, max(golden))
    for place, value in golden.items():
        early = place <= (12 if row["method"] == "cg" else 101)
        if early or (row["method"] not in NOISY and row["n"] == 2):
            rtol = 1e-9 if early else 1e-5
            np.testing.assert_allclose(losses[place - 1], value, rtol=rtol, atol=0 if early else 1e-15)
        elif place <= len(losses):
            np.testing.assert_allclose(losses[place - 1], value, rtol=1e-2, atol=1e-6)
    if row["method"] != "rprop":  # its final point lies 100 steps further on
        np.testing.assert_allclose(
            x[:2], row["x"], rtol=1e-3 if row["method"] in NOISY or row["n"] > 2 else 1e-9
        )
    assert state["func_eval"] == row.get("evaluations", max(golden))


def test_rprop_goes_on_to_the_final_point(rosenbrock):
    (row,) = (row for row in GOLDEN["valley"] if row["method"] == "rprop")
    x, state = np.zeros(2), {"n_iter": 201}
    optim.rprop(rosenbrock, x, state)
    np.testing.assert_allclose(x, row["x"], rtol=1e-9)


@pytest.mark.parametrize("method", sorted(NOISY))
def test_late_losses_hang_on_rounding(method, rosenbrock):
    """So that no tolerance tighter than that of `test_losses_from_the_origin` would mean anything there."""
    rate = {"adam": 2e-3, "adamax": 2e-3, "rmsprop": 5e-4}[method]
    runs = []
    for learning_rate in (rate, rate * (1 + 2**-52)):
        row = {"method": method, "options": {"learning_rate": learning_rate}}
        runs.append(run(row, rosenbrock, np.zeros(2), 5001)[0])
    np.testing.assert_allclose(runs[0][:101], runs[1][:101], rtol=1e-9)
    assert abs(runs[0][5000] / runs[1][5000] - 1) > 1e-6


@pytest.mark.parametrize("row", GOLDEN["steps"], ids=name)
def test_points_from_beyond(row, rosenbrock):
    x, state = np.full(2, 1.5), dict(row["options"])
    if row["method"] == "nag":  # Torch reads no dampening here: this row is that without
        state.pop("dampening", None)
    points = {}
    for step in range(1, 101):
        getattr(optim, row["method"])(rosenbrock, x, state)
        points[step] = x.copy()
    rtols = MAGNIFIED.get(next(iter(row["options"]), ""), {})
    for step, golden in row["x"].items():
        np.testing.assert_allclose(points[int(step)], golden, rtol=rtols.get(step, 1e-8))
    if row["method"] != "cg":  # which restarts at the end, where Torch gives up
        assert state["func_eval"] == row["evaluations"]


@pytest.mark.parametrize(
    ("options", "spreads"), [({"int": 0.12}, [1e-9, 1e-4]), ({"ext": 3.2}, [1e-9])], ids=["int", "ext"]
)
def test_cg_magnifies_rounding(options, spreads, rosenbrock):
    """Starts that differ by some bits, 2e-16 each, are so far apart after one call, and after two."""
    points = [np.array([1.5 + bits * 2**-52, 1.5]) for bits in (-2, -1, 0, 1, 2)]
    for spread in spreads:
        for x in points:
            optim.cg(rosenbrock, x, dict(options))
        assert np.ptp(points, axis=0).max() > spread
