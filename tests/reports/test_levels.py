"""Whether tests keep their level and intervals cover, where the truth is known; the whole table is `make levels`."""

import levels
import numpy as np
import pytest


def check(row):
    """Hold a row to its promise, with three standard errors to spare."""
    spare = 3 * np.sqrt(0.05 * 0.95 / row.n_studies)
    assert row.sign_flip <= 0.05 + spare
    assert row.holm <= 0.05 + spare
    assert abs(row.accuracy_covered - 0.95) <= 0.02 + spare
    assert abs(row.difference_covered - 0.95) <= 0.02 + spare
    if row.clips != "independent":
        assert row.mcnemar > 0.10
        assert row.wilson_covered < 0.90


@pytest.mark.parametrize("n_groups", [9, 25])
@pytest.mark.parametrize("clips", ["independent", "clustered"])
def test_levels(n_groups, clips):
    check(levels.simulated(clips, n_groups, 1400 // n_groups, n_flips=499))


@pytest.mark.slow
@pytest.mark.parametrize("n_groups", [9, 25])
@pytest.mark.parametrize(
    "clips", ["independent", "clustered", "strongly clustered", "strongly clustered, skewed"]
)
def test_levels_of_many_studies(n_groups, clips):
    check(levels.simulated(clips, n_groups, 250, n_flips=999))


def check_design(row):
    """Intervals hold the truth also where groups are few and unequal, whatever their sizes."""
    spare = 3 * np.sqrt(0.05 * 0.95 / row.n_studies)
    assert row.accuracy_covered >= 0.935 - spare
    assert row.difference_covered >= 0.93 - spare
    assert row.accuracy_least <= row.accuracy_covered <= row.accuracy_most
    if not row.spread:
        # Clips that are independent cost no more than that groups may scatter after all.
        assert row.width < 1.6 * row.wilson_width


def test_intervals_of_few_unequal_groups():
    row = levels.design_simulated("4, 10, 60", 0.7, 0.2, 60)
    check_design(row)
    assert row.drawn_covered < 0.9


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.0, 0.12, 0.2])
@pytest.mark.parametrize("design", ["2 of 10", "3 of 10", "5 of 20", "9 of 2 to 60", "25 of 2 to 80"])
def test_intervals_of_many_studies(design, spread):
    check_design(levels.design_simulated(design, 0.7, spread, 120))


def check_pairs(row):
    """Joint flips keep their level whoever is better, and find more than Holm's correction of all pairs."""
    spare = 3 * np.sqrt(0.05 * 0.95 / row.n_studies)
    assert max(row.joint_equal, row.joint_one, row.joint_half) <= 0.05 + spare
    assert row.joint_found >= row.holm_found


@pytest.mark.parametrize("n_groups", [9, 25])
def test_levels_of_pairs(n_groups):
    row = levels.pairs_simulated("independent", n_groups, 8, 150, n_flips=499)
    check_pairs(row)
    assert row.joint_found > row.holm_found + 0.05


@pytest.mark.slow
@pytest.mark.parametrize("clips", ["clustered", "strongly clustered", "skewed, the first constant"])
@pytest.mark.parametrize(("n_groups", "n_attempts"), [(9, 8), (25, 4), (25, 8)])
def test_levels_of_pairs_of_many_studies(n_groups, n_attempts, clips):
    row = levels.pairs_simulated(clips, n_groups, n_attempts, 250, n_flips=999)
    check_pairs(row)
    if (n_groups, n_attempts) == (25, 8):
        # The best is chosen by looking, and its comparisons are no longer seven but all.
        assert row.best_equal > 0.07


def test_what_is_found_in_one_study():
    """Attempt 2 is better in every group, and 0 beats 1 in every group though neither is better."""
    right = np.array([[3] * 9, [1] * 9, [9] * 9])
    false, true = levels.pairs_judged(right, np.array([False, False, True]), 999, 0)
    assert false.tolist() == [False, True, True]
    assert true.tolist() == [1, 1, 1]
    false, true = levels.pairs_judged(right, np.array([False, True, False]), 999, 0)
    assert false.tolist() == [True] * 3
    assert true.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "clips", ["clustered", "strongly clustered", "strongly clustered, skewed", "skewed, the first constant"]
)
def test_all_attempts_are_equally_good(clips):
    drawn = levels.chances(clips, 40_000, np.random.default_rng(0))
    assert ((drawn >= 0) & (drawn <= 1)).all()
    np.testing.assert_allclose(drawn.mean(axis=1), levels.ACCURACY, atol=0.01)
    spread = np.full(levels.N_ATTEMPTS, levels.SCATTER[clips])
    if clips.endswith("first constant"):
        spread[0] = 0
    np.testing.assert_allclose(drawn.std(axis=1), spread, atol=0.01)
