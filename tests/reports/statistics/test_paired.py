"""Two attempts on one data set, against published numbers, statsmodels and what the tests promise."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats import contingency_tables

from actionbench.errors import ActionbenchError
from actionbench.reports.statistics.hierarchical import random_effects_interval
from actionbench.reports.statistics.intervals import (
    group_sums,
    paired_interval,
    ratio_interval,
    sign_flip_test,
)
from actionbench.reports.statistics.paired import (
    corrected_t,
    difference_intervals,
    mcnemar,
    min_p_value,
    paired_test,
)


def clips_of(table):
    """Return right and wrong of two attempts with these counts: both right, only the first; only the second, none."""
    counts = np.ravel(table)
    return np.repeat([1, 1, 0, 0], counts), np.repeat([1, 0, 1, 0], counts)


def test_mcnemar_as_statsmodels_has_it():
    table = [[101, 121], [59, 33]]
    first, second = clips_of(table)
    exact = mcnemar(first, second)
    assert exact.p_value == pytest.approx(4.4344e-6, rel=1e-4)
    assert (exact.statistic, exact.only_first, exact.only_second) == (59, 121, 59)
    assert exact.p_value == pytest.approx(contingency_tables.mcnemar(table).pvalue)
    plain = mcnemar(first, second, exact=False)
    assert (round(plain.statistic, 4), plain.p_value) == (20.6722, pytest.approx(5.450e-6, rel=1e-3))
    assert round(mcnemar(first, second, exact=False, correction=False).statistic, 4) == 21.3556
    assert (exact.low, exact.high) == paired_interval(first, second)


def test_attempts_that_never_differ():
    same = mcnemar([1, 0, 1], [1, 0, 1], exact=False)
    assert (same.p_value, same.difference) == (1.0, 0.0)
    found = paired_test([1, 0, 1], [1, 0, 1], [1, 2, 3])
    assert (found.p_value, found.min_p_value) == (1.0, 1.0)


def test_mcnemar_wants_independent_clips():
    assert mcnemar([1, 0], [0, 0], ["a", "b"]).p_value == 1.0
    with pytest.raises(
        ActionbenchError, match="group b has 2 clips, which are not independent; use paired_test"
    ):
        mcnemar([1, 0, 1], [0, 0, 1], ["a", "b", "b"])
    with pytest.raises(ActionbenchError, match="correct or not"):
        mcnemar([0.5, 1], [1, 0])


def test_the_paired_test_is_its_parts():
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(9), rng.integers(4, 12, 9))
    first, second = rng.random((2, len(groups))) < np.array([[0.6], [0.8]])
    found = paired_test(first, second, groups)
    sums = [(second[groups == one].astype(int) - first[groups == one]).sum() for one in range(9)]
    assert found.p_value == sign_flip_test(sums)
    assert found.difference == pytest.approx(second.mean() - first.mean())
    low, high = paired_interval(first, second)
    assert found.low <= low < found.difference < high <= found.high
    assert found.min_p_value == 2 / 2 ** np.count_nonzero(sums)
    turned = paired_test(second, first, groups)
    assert turned.p_value == found.p_value
    np.testing.assert_allclose([-turned.high, -turned.low], [found.low, found.high], atol=0.01)
    assert paired_test(first, second, groups, margin=0.9).p_value == 1.0


def test_one_group_says_nothing():
    found = paired_test(np.zeros(30), np.ones(30), np.zeros(30))
    assert (found.low, found.high, found.p_value, found.min_p_value) == (-1, 1, 1, 1)


def test_least_p():
    assert [min_p_value(n) for n in (0, 1, 5, 6)] == [1, 1, 0.0625, 0.03125]
    assert min_p_value(6) == sign_flip_test(np.ones(6))


def test_the_corrected_t_test_as_in_baycomp():
    found = corrected_t([4, 2, 6], [5, 7, 3])
    assert (found.difference, round(found.variance, 4), found.df) == (1, 13.3333, 2)
    found = corrected_t([4, 2, 6, 4], [5, 7, 3, 5], n_runs=2)
    assert (found.difference, round(found.variance, 4), found.df) == (1, 13.3333, 3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("anneal", (5.07e-6, 0.017585, 0.982409)), ("cmc", (0.355045, 0.504069, 0.140886))],
)
def test_probabilities_of_naive_bayes_and_j48(name, expected):
    """Ten times ten folds of two UCI data sets, percent, differences up to 1 do not matter (``folds.json``)."""
    folds = json.loads((Path(__file__).parents[1] / "folds.json").read_text())[name]
    found = corrected_t(folds["nbc"], folds["j48"], n_runs=10, rope=1.0)
    np.testing.assert_allclose(found[["p_first", "p_rope", "p_second"]].astype(float), expected, atol=5e-7)


def test_probabilities_where_few_folds_differ():
    """On squash-unstored the two differ on 3 of 100 folds; without a region, one of them is better."""
    second = np.zeros(100)
    second[[14, 50, 75]] = 20, 6.25, 20
    found = corrected_t(np.zeros(100), second, n_runs=10)
    np.testing.assert_allclose([found.p_first, found.p_second], [0.322393, 0.677607], atol=5e-7)
    found = corrected_t(np.zeros(100), second, n_runs=10, rope=1.0)
    np.testing.assert_allclose(
        found[["p_first", "p_rope", "p_second"]].astype(float), [0.073415, 0.630493, 0.296091], atol=1e-6
    )


def test_p_and_interval_of_the_corrected_t_test_agree():
    rng = np.random.default_rng(1)
    first = rng.random(10)
    second = first + rng.normal(0.1, 0.1, 10)
    p_value = corrected_t(first, second).p_value
    found = corrected_t(first, second, level=1 - p_value)
    assert min(abs(found.low), abs(found.high)) < 1e-9
    # Without the correction it is the paired t-test, whose statistic is larger by this factor.
    plain = stats.ttest_rel(second, first).statistic
    assert found.statistic == pytest.approx(plain / np.sqrt(1 + 10 / 9))


def test_folds_that_all_agree():
    found = corrected_t([1, 2, 3], [2, 3, 4], rope=0.5)
    assert (found.p_value, found.p_second, found.low, found.high) == (0, 1, 1, 1)
    found = corrected_t([1, 2], [1, 2], rope=0.5)
    assert (found.p_value, found.p_rope, found.statistic) == (1, 1, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: paired_test([1, 0], [1], [1, 2]), r"shapes \(2,\) and \(1,\)"),
        (lambda: paired_test([], [], []), "same clips"),
        (lambda: paired_test([1, 0], [1, 1], [1]), "1 groups for 2 clips"),
        (lambda: paired_test([1], [1], [1], margin=-0.1), "margin must not be negative"),
        (lambda: corrected_t([1, 2, 3], [1, 2, 3], n_runs=2), "3 scores do not fall into 2 runs"),
        (lambda: corrected_t([1, 2], [1, 2], n_runs=0), "do not fall into 0 runs"),
        (lambda: corrected_t([1, 2], [1, 2], rope=-1), "must not be negative"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ActionbenchError, match=message):
        call()


def test_an_attempt_is_not_better_than_itself():
    scores = [0.7, 0.8, 0.9]
    found = corrected_t(scores, scores)
    assert (found.p_first, found.p_rope, found.p_second) == (0.5, 0, 0.5)
    found = corrected_t(scores, scores, rope=0.01)
    assert (found.p_first, found.p_rope, found.p_second) == (0, 1, 0)
    # All folds differ by what does not matter, and by more.
    for gain, wanted in ((0.25, (0, 1, 0)), (0.5, (0, 0, 1)), (-0.5, (1, 0, 0))):
        found = corrected_t([1.0, 2.0], [1 + gain, 2 + gain], rope=0.25)
        assert (found.p_first, found.p_rope, found.p_second) == wanted


@pytest.mark.parametrize(
    "call",
    [
        lambda: paired_test([1, np.nan], [1, 0], [0, 1]),
        lambda: mcnemar([1, np.nan], [1, 0]),
        lambda: corrected_t([1, np.nan], [1, 0]),
    ],
)
def test_answers_that_are_no_numbers_are_refused_with_their_place(call):
    with pytest.raises(ActionbenchError, match="must be finite; got nan at position 1"):
        call()


def test_intervals_of_several_attempts_are_those_of_each():
    rng = np.random.default_rng(0)
    groups = np.repeat(range(7), rng.integers(1, 9, 7))
    firsts, second = rng.integers(2, size=(5, len(groups))) / 1.0, rng.integers(3, size=len(groups)) / 2.0
    found = difference_intervals(firsts, second, groups)
    for own, first in zip(found, firsts, strict=True):
        change = second - first
        sums = group_sums(groups, change, change**2, np.ones(len(groups)))
        ends = (
            paired_interval(first, second),
            random_effects_interval(*sums),
            ratio_interval(sums[0], sums[2]),
        )
        assert own == pytest.approx((min(low for low, _ in ends), max(high for _, high in ends)), abs=1e-12)
