"""Intervals of groups that scatter, against plain integration over a fine grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from actionbench.reports.statistics.hierarchical import (
    CORRELATION,
    SCATTER,
    beta_binomial_interval,
    random_effects_interval,
)

groups = st.lists(
    st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1, max_size=12
)


def quantiles(values, weights):
    below = np.cumsum(weights) / weights.sum()
    return np.interp([0.025, 0.975], below, values)


def by_integration(hits, clips):
    """Beta-binomial likelihoods of SciPy, Jeffreys' prior of the mean, on 600 x 400 points."""
    means = np.sin((np.arange(600) + 0.5) / 600 * np.pi / 2) ** 2
    correlations = stats.beta.ppf((np.arange(400) + 0.5) / 400, *CORRELATION)
    size = (1 - correlations) / correlations
    a, b = np.outer(means, size), np.outer(1 - means, size)
    logs = sum(stats.betabinom.logpmf(h, n, a, b) for h, n in zip(hits, clips, strict=True))
    return quantiles(means, np.exp(logs - logs.max()).sum(axis=1))


@pytest.mark.parametrize(
    ("hits", "clips"),
    [
        ([8, 9, 10], [10, 10, 10]),
        ([4, 9], [10, 10]),
        ([4, 3, 55], [4, 10, 60]),
        ([1, 0, 3, 2, 9], [5, 20, 20, 4, 30]),
        ([7, 6, 8, 5, 8, 7, 2, 8, 6], [8] * 9),
    ],
)
def test_accuracies_that_scatter(hits, clips):
    found = beta_binomial_interval(np.array(hits, float), np.array(clips, float))
    np.testing.assert_allclose(found, by_integration(hits, clips), atol=0.004)


def test_where_all_are_right_the_interval_ends_there():
    low, high = beta_binomial_interval(np.array([5.0, 9.0]), np.array([5.0, 9.0]))
    assert high == 1
    assert low < 0.9
    assert beta_binomial_interval(np.zeros(2), np.array([5.0, 9.0])) == pytest.approx((0, 1 - low), abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(groups)
def test_right_and_wrong_mirror_each_other(pairs):
    hits, clips = np.array(pairs, float).T
    low, high = beta_binomial_interval(hits, clips)
    turned = beta_binomial_interval(clips - hits, clips)
    assert turned == pytest.approx((1 - high, 1 - low), abs=1e-6)
    assert 0 <= low < high <= 1


def test_many_groups_leave_the_standard_error():
    rng = np.random.default_rng(0)
    clips = rng.integers(5, 30, 2000).astype(float)
    hits = rng.binomial(clips.astype(int), rng.beta(7, 3, 2000)).astype(float)
    low, high = beta_binomial_interval(hits, clips)
    # Of the mean of means, each about as exact as the other.
    error = np.std(hits / clips) / np.sqrt(2000)
    assert (high - low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.1)
    assert low < 0.7 + error
    assert high > 0.7 - error


def test_groups_that_agree_are_taken_for_more_than_those_that_do_not():
    clips = np.full(5, 20.0)
    agree, scatter = (
        beta_binomial_interval(np.array(hits, float), clips)
        for hits in ([14, 15, 13, 14, 14], [20, 6, 18, 9, 17])
    )
    assert np.ptp(agree) < 0.6 * np.ptp(scatter)


@pytest.mark.parametrize("seed", range(4))
def test_differences_that_scatter(seed):
    rng = np.random.default_rng(seed)
    clips = rng.integers(4, 40, 3 + 2 * seed)
    change = [rng.choice([-1, 0, 0, 1], n) for n in clips]
    changes, squares = (np.array([(own**power).sum() for own in change], float) for power in (1, 2))
    found = random_effects_interval(changes, squares, clips.astype(float))
    within = (sum(((own - own.mean()) ** 2).sum() for own in change) + 2) / (clips.sum() + 2)
    mean = np.linspace(-1, 1, 2001)[:, None]
    scatter = stats.halfnorm.ppf((np.arange(400) + 0.5) / 400, scale=SCATTER)
    logs = sum(stats.norm.logpdf(own.mean(), mean, np.sqrt(scatter**2 + within / len(own))) for own in change)
    weights = np.exp(logs - logs.max()).sum(axis=1)
    np.testing.assert_allclose(found, quantiles(mean[:, 0], weights), atol=0.006)
