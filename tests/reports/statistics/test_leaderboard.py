"""Leaderboard figures, by hand (the errors are those of TabArena's own tests) and against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from actionbench.errors import ActionbenchError
from actionbench.reports.statistics.leaderboard import (
    baseline_advantage,
    elo,
    improvability,
    leaderboard,
    relative_error,
    rescaled_loss,
    win_rates,
)

ERRORS = pd.DataFrame(
    {"B": [0.2, 0.3, 0.3], "A": [0.1, 0.1, 0.2], "C": [0.4, 0.5, 0.6]}, index=["t1", "t2", "t3"]
)


def test_figures_by_hand():
    table = leaderboard(ERRORS)
    assert table.index.tolist() == ["A", "B", "C"]
    assert table["mean_rank"].tolist() == [1, 2, 3]
    assert table["win_rate"].tolist() == [1, 0.5, 0]
    np.testing.assert_allclose(table["reciprocal_rank"], [1, 1 / 2, 1 / 3])
    np.testing.assert_allclose(table["relative_error"], [1, (2 + 3 + 1.5) / 3, (4 + 5 + 3) / 3])
    assert table["baseline_advantage"]["B"] == pytest.approx(-0.5)
    assert table["elo"].is_monotonic_decreasing
    assert improvability(ERRORS).loc["t1", "C"] == pytest.approx(0.75)
    assert improvability(ERRORS).loc["t3", "B"] == pytest.approx(1 - 0.2 / 0.3)
    assert rescaled_loss(ERRORS).loc["t1", "B"] == pytest.approx(0.1 / 0.3)
    assert relative_error(ERRORS, "B").loc["t1", "A"] == pytest.approx(0.5)
    assert baseline_advantage(ERRORS, "C").loc["t2", "A"] == pytest.approx(0.8)


def test_equal_attempts():
    same = pd.DataFrame({"a": [0.2, 0.1], "b": [0.2, 0.1]})
    table = leaderboard(same)
    assert table["win_rate"].tolist() == [0.5, 0.5]
    assert table["rescaled_loss"].tolist() == [0, 0]
    np.testing.assert_allclose(table["elo"], 1000)


def test_win_rates_of_some_are_those_of_all():
    errors = pd.DataFrame(np.random.default_rng(0).random((20, 5)), columns=list("abcde"))
    some = ["d", "a", "b"]
    pd.testing.assert_frame_equal(win_rates(errors[some]), win_rates(errors).loc[some, some])


def test_elo_is_a_logistic_regression():
    rng = np.random.default_rng(1)
    errors = pd.DataFrame(rng.random((30, 4)) + np.array([0.1, 0.3, 0.2, 0.5]), columns=list("abcd"))
    rows, won, weights = [], [], []
    values = errors.to_numpy()
    for i in range(4):
        for j in range(4):
            if i != j:
                rows.append(np.eye(4)[i] - np.eye(4)[j])
                won.append(1)
                weights.append((values[:, i] < values[:, j]).sum() + 0.5)
                rows.append(-rows[-1])
                won.append(0)
                weights.append(weights[-1])
    fit = LogisticRegression(C=1e9, fit_intercept=False, tol=1e-10, max_iter=10_000)
    fit.fit(rows, won, sample_weight=weights)
    found = elo(errors)
    ratings = fit.coef_[0] * 400 / np.log(10)
    np.testing.assert_allclose(found - found.mean(), ratings - ratings.mean(), atol=0.1)


def test_refusals():
    with pytest.raises(ActionbenchError, match="must be positive"):
        leaderboard(ERRORS.replace(0.1, 0.0))
    with pytest.raises(ActionbenchError, match="'Z' is not among the attempts: B, A, C"):
        leaderboard(ERRORS, "Z")
