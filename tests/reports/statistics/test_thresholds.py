import numpy as np
import pytest
from scipy import optimize, special

from actionbench.reports.statistics import thresholds
from actionbench.reports.statistics.thresholds import (
    counts_by_level,
    crossing,
    decreasing,
    half_life,
    logistic_threshold,
    normalised_area,
    percentile_interval,
    reach,
    resample,
)


def test_counts_are_those_of_each_group_and_level():
    rng = np.random.default_rng(0)
    correct, groups, levels = rng.random(200) < 0.6, rng.choice(list("abc"), 200), rng.choice([0, 4, 8], 200)
    weights = rng.random(200)
    found, hits, clips = counts_by_level(correct, groups, levels, weights)
    assert found.tolist() == [0, 4, 8]
    for row, group in enumerate("abc"):
        for column, level in enumerate((0, 4, 8)):
            own = (groups == group) & (levels == level)
            assert clips[row, column] == pytest.approx(weights[own].sum())
            assert hits[row, column] == pytest.approx(weights[own & correct].sum())


def test_draws_are_sums_over_groups_that_are_drawn_whole():
    hits, clips = np.array([[1.0, 0], [10, 0], [100, 0]]), np.array([[1.0, 1], [10, 0], [100, 0]])
    drawn, total = resample(hits, clips)
    # A draw without the only group that has the second level is left out: (2/3)^3 of them.
    assert len(drawn) / thresholds.N_RESAMPLES == pytest.approx(1 - 8 / 27, abs=0.05)
    assert set(total[:, 0]) <= {3, 12, 21, 102, 111, 201}
    np.testing.assert_array_equal(drawn[:, 0], total[:, 0])
    np.testing.assert_array_equal(resample(hits, clips)[0], drawn)


def test_a_percentile_interval_covers_an_infinite_quantity_and_knows_few_groups():
    drawn = np.arange(1000.0)
    low, high = percentile_interval(drawn, 10_000)
    assert (low, high) == pytest.approx((25, 975), abs=2)
    wide = percentile_interval(drawn, 5)
    assert wide[0] < low
    assert wide[1] > high
    assert percentile_interval(np.r_[drawn, np.full(1000, np.inf)], 100)[1] == np.inf
    assert percentile_interval(np.r_[drawn, np.nan], 10_000) == pytest.approx((25, 975), abs=2)
    assert np.isnan(percentile_interval(drawn, 1)).all()


@pytest.mark.parametrize("seed", range(5))
def test_the_slope_maximises_the_likelihood(seed):
    rng = np.random.default_rng(seed)
    levels, clips = np.array([0.1, 0.3, 0.6, 1.0]), rng.integers(20, 200, 4)
    hits = rng.binomial(clips, special.expit(rng.uniform(2, 6) * levels))

    def loss(slope):
        return -(
            hits * special.log_expit(slope * levels) + (clips - hits) * special.log_expit(-slope * levels)
        ).sum()

    best = optimize.minimize_scalar(loss, bounds=(0.01, 60), method="bounded", options={"xatol": 1e-10}).x
    assert logistic_threshold(levels, hits, clips) == pytest.approx(np.log(3) / best, rel=1e-5)


def test_a_logistic_threshold_in_closed_form():
    # With clips at one level, the accuracy there is fitted: k = logit(p) / level.
    wide = logistic_threshold([0.01, 0.5, 5], [0, 90, 0], [0, 100, 0])
    assert wide == pytest.approx(0.5 * np.log(3) / special.logit(0.9))
    assert logistic_threshold([1, 2], [99, 100], [100, 100]) == 0
    assert logistic_threshold([1, 2], [40, 40], [100, 100]) == np.inf
    both = logistic_threshold([1, 2], [[75, 90], [50, 50]], [100, 100])
    assert both.tolist() == [pytest.approx(1), np.inf]


def test_the_true_ratio_is_found_and_covered_as_often_as_stated():
    rng, truth = np.random.default_rng(1), 1.3
    ratios = np.array([1.05, 1.1, 1.2, 1.35, 1.6, 2])
    chance = special.expit(np.log(3) / np.log(truth) * np.log(ratios))
    covered, found = 0, []
    for _ in range(100):
        clips = np.full((20, 6), 10.0)
        shares = special.expit(special.logit(chance) + 0.5 * rng.standard_normal((20, 1)))
        hits = rng.binomial(10, shares).astype(float)
        found.append(np.exp(logistic_threshold(np.log(ratios), hits.sum(0), clips.sum(0))))
        low, high = percentile_interval(
            np.exp(logistic_threshold(np.log(ratios), *resample(hits, clips))), 20
        )
        covered += low <= truth <= high
    assert np.median(found) == pytest.approx(truth, abs=0.03)
    assert covered >= 90


def test_the_decreasing_fit_is_that_of_scipy():
    rng = np.random.default_rng(2)
    values, weights = rng.random((50, 7)), rng.uniform(0.5, 3, (50, 7))
    for fitted, own, sizes in zip(decreasing(values, weights), values, weights, strict=True):
        wanted = optimize.isotonic_regression(own, weights=sizes, increasing=False).x
        np.testing.assert_allclose(fitted, wanted, atol=1e-12)


def test_where_a_curve_crosses():
    accuracies = [[0.9, 0.8, 0.6], [0.9, 0.9, 0.9], [0.6, 0.5, 0.5], [0.7, 0.7, 0.6], [0.9, 0.7, 0.7]]
    found = crossing([0, 10, 20], accuracies, np.full(5, 0.7))
    assert found.tolist() == [pytest.approx(15), np.inf, -np.inf, 0, 10]


def test_half_lives_of_lines_and_plateaus():
    levels = np.array([0, 2, 4, 8])
    straight = 0.9 - 0.1 * levels
    assert half_life(levels, 100 * straight, np.full(4, 100), 0.1) == pytest.approx(4)
    assert half_life(levels, [90, 90, 90, 51], [100] * 4, 0.1) == np.inf
    assert np.isnan(half_life(levels, [10, 10, 10, 10], [100] * 4, 0.1))
    # An accuracy that recovers is pooled with what is before it.
    fitted = optimize.isotonic_regression([0.9, 0.2, 0.6, 0.1], increasing=False).x
    assert half_life(levels, [90, 20, 60, 10], [100] * 4, 0.1) == pytest.approx(
        np.interp(-0.5, -fitted, levels)
    )


def test_half_lives_of_an_exponential_decay_are_covered():
    rng, levels = np.random.default_rng(3), np.array([0, 5, 10, 20, 40])
    shares = 1 / 6 + 0.7 * 0.5 ** (levels / 10)
    covered = 0
    for _ in range(100):
        clips = np.full((20, 5), 12.0)
        hits = rng.binomial(12, shares, (20, 5)).astype(float)
        low, high = percentile_interval(half_life(levels, *resample(hits, clips), 1 / 6), 20)
        covered += low <= 10 <= high
    assert covered >= 90


def test_areas():
    levels = np.array([0, 1, 3])
    assert normalised_area(levels, [0.9, 0.9, 0.9], 0.5) == pytest.approx(1)
    assert normalised_area(levels, [0.9, 0.5, 0.5], 0.5) == pytest.approx(1 / 6)
    # Below chance it counts as a loss, too.
    assert normalised_area(levels, [0.9, 0.5, 0.3], 0.5) == pytest.approx((0.2 - 0.2) / 0.4 / 3)
    assert np.isnan(normalised_area(levels, [0.5, 0.5, 0.5], 0.5))


def test_reach_ends_before_the_first_failure():
    held = [[True] * 3, [True, False, True], [False, True, True]]
    assert reach([0, 4, 8], held).tolist() == [8, 0, -np.inf]
