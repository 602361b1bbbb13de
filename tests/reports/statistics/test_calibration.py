"""Calibration of probabilities against plain loops, and what is known of calibrated ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from actionbench.reports.statistics.calibration import expected_calibration_error, reliability
from actionbench.reports.statistics.intervals import bootstrap_interval


@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.1, 0.3, 0.35, 0.7, 0.95, 1.0]),
            st.booleans(),
            st.sampled_from([0.5, 1, 2]),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_the_error_is_the_mean_gap_of_bins(rows):
    total = 0.0
    for number in range(10):
        low, high = number / 10, (number + 1) / 10
        own = [row for row in rows if low < row[0] <= high or (number == 0 == row[0])]
        total += abs(sum(weight * (correct - share) for share, correct, weight in own))
    expected = total / sum(weight for _, _, weight in rows)
    assert expected_calibration_error(*zip(*rows, strict=True)) == pytest.approx(expected)


def test_who_draws_by_the_probabilities_is_calibrated():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.2, 1, 200_000)
    assert expected_calibration_error(confidence, rng.random(200_000) < confidence) < 0.005
    assert expected_calibration_error(confidence, rng.random(200_000) < confidence**2) > 0.1
    assert np.isnan(expected_calibration_error([], []))


def test_points_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.001, 0.999, 400)
    correct, groups = rng.random(400) < confidence, rng.integers(8, size=400)
    found = reliability(confidence, correct, groups, np.ones(400))
    accuracy, mean = calibration_curve(correct, confidence, n_bins=10)
    np.testing.assert_allclose(found["accuracy"], accuracy)
    np.testing.assert_allclose(found["confidence"], mean)
    assert found["n_clips"].sum() == 400
    row, own = found.iloc[3], (confidence > 0.3) & (confidence <= 0.4)
    low, high = bootstrap_interval(correct[own], groups[own])
    # That of a result is never narrower, as it also knows of few groups.
    assert low - 0.02 <= row["accuracy_low"] < row["accuracy"] < row["accuracy_high"] <= high + 0.02


def test_an_interval_includes_the_variation_between_groups():
    """Ten groups of twenty clips that are all right or all wrong: ten, not two hundred, observations."""
    correct, groups = np.repeat([True, False] * 5, 20), np.repeat(np.arange(10), 20)
    row = reliability(np.full(200, 0.5), correct, groups, np.ones(200)).iloc[0]
    assert row["accuracy_high"] - row["accuracy_low"] > 0.5
    assert len(reliability([], [], [], [])) == 0


def test_a_probability_of_single_precision_is_in_its_bin():
    found = reliability(np.float32([0.3, 0.7]), [True, True], ["a", "b"], [1.0, 1.0])
    np.testing.assert_allclose(found["high"], [0.3, 0.7])
