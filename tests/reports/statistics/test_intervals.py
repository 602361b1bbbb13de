"""Scores against scikit-learn and published numbers; intervals and tests against what they promise."""

import os
import subprocess
import sys
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score
from statsmodels.stats.multitest import multipletests

from actionbench.errors import ActionbenchError
from actionbench.reports.statistics import intervals
from actionbench.reports.statistics.corrections import holm, hommel, shaffer
from actionbench.reports.statistics.intervals import (
    accuracy,
    bootstrap_interval,
    group_sums,
    joint_sign_flips,
    macro_f1,
    paired_interval,
    ratio_interval,
    sign_flip_test,
    wilson_interval,
)

predictions = st.integers(1, 60).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 4), min_size=n, max_size=n) for _ in range(2)])
)


@given(predictions)
def test_scores_are_those_of_scikit_learn(pair):
    truth, predicted = map(np.array, pair)
    assert accuracy(truth == predicted) == pytest.approx(accuracy_score(truth, predicted))
    assert macro_f1(truth, predicted) == pytest.approx(f1_score(truth, predicted, average="macro"))
    np.testing.assert_array_equal(
        intervals.confusion_matrix(truth, predicted, 5), confusion_matrix(truth, predicted, labels=range(5))
    )


def test_f1_is_taken_for_each_seed_and_averaged():
    rng = np.random.default_rng(1)
    truth, predicted, seeds = rng.integers(4, size=90), rng.integers(4, size=90), np.repeat([3, 1, 7], 30)
    each = [f1_score(truth[seeds == seed], predicted[seeds == seed], average="macro") for seed in (1, 3, 7)]
    assert macro_f1(truth, predicted, seeds) == pytest.approx(np.mean(each))


@given(predictions, st.integers(0, 9))
def test_weighted_f1_is_that_of_scikit_learn(pair, seed):
    truth, predicted = map(np.array, pair)
    weights = np.random.default_rng(seed).uniform(0.1, 3, len(truth))
    wanted = f1_score(truth, predicted, average="macro", sample_weight=weights)
    assert macro_f1(truth, predicted, weights=weights) == pytest.approx(wanted)


REFUSED = {
    "accuracy": (lambda bad: accuracy([1, 0, bad]), "predictions", 2),
    "weights": (lambda bad: accuracy([1, 0], [bad, 1]), "weights", 0),
    "bootstrap_interval": (lambda bad: bootstrap_interval([bad, 1], [0, 1]), "predictions", 0),
    "paired_interval": (lambda bad: paired_interval([1, 0], [0, bad]), "shares", 1),
    "sign_flip_test": (lambda bad: sign_flip_test([0.1, bad]), "differences", 1),
    "joint_sign_flips": (lambda bad: joint_sign_flips([[1, 2], [bad, 1]]), "sums", r"\(1, 0\)"),
    "holm": (lambda bad: holm([0.1, bad, 0.2]), "p-values", 1),
    "shaffer": (lambda bad: shaffer([0.1, bad, 0.2]), "p-values", 1),
    "hommel": (lambda bad: hommel([0.1, bad, 0.2]), "p-values", 1),
}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_number_is_refused_with_its_place(name, bad):
    call, what, place = REFUSED[name]
    with pytest.raises(ActionbenchError, match=f"{what} must be finite; got {bad} at position {place}$"):
        call(bad)


@pytest.mark.parametrize("method", [holm, hommel, shaffer])
@pytest.mark.parametrize("bad", [-0.1, 1.5])
def test_p_values_lie_between_0_and_1(method, bad):
    with pytest.raises(ActionbenchError, match=f"between 0 and 1; got {bad} at position 1"):
        method([0.1, bad, 0.3])


def test_without_a_trial_every_share_is_possible():
    assert wilson_interval(0, 0) == (0, 1)
    for hits, total in ((-1, 3), (4, 3), (np.nan, 3), (1, np.inf)):
        with pytest.raises(ActionbenchError, match="hits must be 0 to the number of trials"):
            wilson_interval(hits, total)


def test_weights_count_each_clip_once():
    # The first clip under three seeds, the second under one.
    assert accuracy([1, 0, 0, 1], [1 / 3, 1 / 3, 1 / 3, 1]) == pytest.approx((1 / 3 + 1) / 2)


def test_nothing_predicted_is_not_a_number():
    assert np.isnan([accuracy([]), macro_f1([], []), *bootstrap_interval([], [])]).all()


@pytest.mark.parametrize(
    ("hits", "total", "published"),
    [
        (0, 25, (0, 0.133192)),
        (25, 25, (0.866808, 1)),
        (189, 216, (0.824242, 0.912653)),
        (83, 100, (0.744520, 0.891064)),
    ],
)
def test_wilson_as_published(hits, total, published):
    np.testing.assert_allclose(wilson_interval(hits, total), published, atol=5e-7)


@given(st.integers(1, 400), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_as_scipy(total, share, level):
    hits = round(share * total)
    expected = stats.binomtest(hits, total).proportion_ci(level, "wilson")
    np.testing.assert_allclose(wilson_interval(hits, total, level), (expected.low, expected.high), atol=1e-12)


@pytest.mark.parametrize("right", [0, 1])
def test_groups_that_agree_may_differ_a_little(right):
    correct, groups = np.full(90, right), np.repeat(np.arange(9), 10)
    low, high = bootstrap_interval(correct, groups)
    alone = wilson_interval(90 * right, 90)
    assert low <= alone[0]
    assert high >= alone[1]
    assert (low, high)[right] == right
    assert high - low < 2 * (alone[1] - alone[0])


def test_the_paired_interval_covers():
    rng = np.random.default_rng(8)
    held = 0
    for _ in range(2000):
        first = rng.random(60) < 0.7
        second = np.where(rng.random(60) < 0.6, first, rng.random(60) < 0.9)
        low, high = paired_interval(first, second)
        held += low <= 0.4 * (0.9 - 0.7) <= high
    assert 0.935 <= held / 2000 <= 0.975


def test_the_paired_interval_of_unrelated_proportions_is_that_of_two_samples():
    # Newcombe's hybrid score interval of 14/20 and 10/20, from its formula with Wilson's intervals by SciPy.
    first = np.repeat([1, 0], [10, 10])
    second = np.tile(np.repeat([1, 0], [7, 3]), 2)
    one, two = (stats.binomtest(int(x.sum()), 20).proportion_ci(method="wilson") for x in (first, second))
    expected = [
        0.2 - np.hypot(0.7 - two.low, one.high - 0.5),
        0.2 + np.hypot(two.high - 0.7, 0.5 - one.low),
    ]
    np.testing.assert_allclose(paired_interval(first, second), expected)


def test_an_interval_is_the_same_whichever_way_the_processor_multiplies():
    code = """
import numpy as np
from actionbench.reports.statistics.intervals import ratio_interval
rng = np.random.default_rng(0)
for _ in range(200):
    clips = rng.integers(1, 9, 15).astype(float)
    print(ratio_interval(rng.binomial(3 * clips.astype(int), 0.8) / 3, clips, n_resamples=1000))
"""
    # By what OpenBLAS knows for one processor and for another; other libraries take no notice.
    one, other = (
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"OPENBLAS_CORETYPE": kind},
            capture_output=True,
            check=True,
        ).stdout
        for kind in ("Prescott", "Haswell")
    )
    assert one == other
    assert one.count(b"(") == 200


def test_the_paired_interval_turns_round():
    rng = np.random.default_rng(0)
    first, second = rng.random(50), rng.random(50)
    low, high = paired_interval(first, second)
    np.testing.assert_allclose(paired_interval(second, first), (-high, -low))


@given(st.integers(0, 10_000), st.integers(1, 12))
def test_the_interval_holds_the_accuracy_and_wilsons(seed, n_groups):
    rng = np.random.default_rng(seed)
    groups = rng.integers(n_groups, size=80)
    correct = rng.random(80) < rng.random(n_groups)[groups]
    low, high = bootstrap_interval(correct, groups, n_resamples=500)
    least, most = wilson_interval(correct.sum(), 80)
    assert 0 <= low <= least <= correct.mean() <= most <= high <= 1


def test_the_interval_is_scipys_bca_at_the_expanded_level():
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(12), rng.integers(3, 20, size=12))
    correct = rng.random(len(groups)) < rng.beta(2, 1, size=12)[groups]
    sums = group_sums(groups, correct, np.ones(len(groups)))
    tail = stats.norm.cdf(-np.sqrt(12 / 11) * stats.t.ppf(0.975, 11))
    expected = stats.bootstrap(
        sums,
        lambda right, clips, axis: right.sum(axis) / clips.sum(axis),
        paired=True,
        vectorized=True,
        n_resamples=100_000,
        confidence_level=1 - 2 * tail,
        method="BCa",
        rng=rng,
    ).confidence_interval
    found = ratio_interval(*sums, n_resamples=100_000)
    np.testing.assert_allclose(found, expected, atol=0.006)


def test_resampling_is_that_of_whole_groups():
    """Groups of one size, as many good as bad ones: nothing to correct, the expanded percentiles are left."""
    right, clips = np.repeat([2.0, 8.0], 6), np.full(12, 10.0)
    rng = np.random.default_rng(0)
    ratios = [right[rng.integers(12, size=12)].mean() / 10 for _ in range(20_000)]
    tail = stats.norm.cdf(-np.sqrt(12 / 11) * stats.t.ppf(0.975, 11))
    expected = np.quantile(ratios, [tail, 1 - tail])
    np.testing.assert_allclose(ratio_interval(right, clips, n_resamples=20_000), expected, atol=0.01)


def test_where_the_correction_breaks_down_percentiles_are_left():
    # Without the second group nothing would be left to divide by.
    low, high = ratio_interval(np.array([0.0, 3.0, 0.0]), np.array([0.0, 4.0, 0.0]) + 1e-300)
    assert 0 <= low <= high <= 1


def test_seeds_do_not_count_as_clips():
    correct, groups = np.arange(40) % 4 > 0, np.repeat(np.arange(10), 4)
    once = bootstrap_interval(correct, groups)
    thrice = bootstrap_interval(np.tile(correct, 3), np.tile(groups, 3), np.full(120, 1 / 3))
    np.testing.assert_allclose(once, thrice, atol=1e-9)


def test_the_same_seed_gives_the_same_interval_in_any_order():
    rng = np.random.default_rng(0)
    correct, groups = rng.random(100) < 0.7, rng.integers(9, size=100)
    order = rng.permutation(100)
    assert bootstrap_interval(correct, groups) == bootstrap_interval(correct[order], groups[order])
    assert bootstrap_interval(correct, groups) != bootstrap_interval(correct, groups, random_state=1)


def test_an_interval_is_the_same_whatever_was_asked_before(monkeypatch):
    rng = np.random.default_rng(0)
    asked = [(rng.random(60) < 0.7, rng.integers(n_groups, size=60)) for n_groups in (2, 3, 5, 8, 13, 21)]
    found = [bootstrap_interval(*one) for one in asked]
    assert [bootstrap_interval(*one) for one in reversed(asked)] == found[::-1]
    # Draws that are too many to be kept.
    monkeypatch.setattr(intervals, "_CHUNK", 1000)
    assert [bootstrap_interval(*one) for one in asked] == found


def test_many_single_clips_need_little_memory(monkeypatch):
    correct = np.random.default_rng(0).random(20_000) < 0.9
    found = bootstrap_interval(correct, np.arange(20_000))
    np.testing.assert_allclose(found, wilson_interval(correct.sum(), 20_000), atol=1e-3)
    monkeypatch.setattr(intervals, "_CHUNK", 10)
    np.testing.assert_allclose(
        bootstrap_interval(correct, np.arange(20_000), n_resamples=500), found, atol=2e-3
    )


@pytest.mark.parametrize("n_groups", [9, pytest.param(25, marks=pytest.mark.slow)])
def test_the_interval_covers(n_groups):
    """Groups of unequal size whose clips are alike: 95 % of intervals hold the true accuracy."""
    rng = np.random.default_rng(n_groups)
    held = 0
    for _ in range(1000):
        sizes = rng.integers(5, 16, size=n_groups)
        groups = np.repeat(np.arange(n_groups), sizes)
        correct = rng.random(len(groups)) < rng.beta(8, 2, size=n_groups)[groups]
        low, high = bootstrap_interval(correct, groups, n_resamples=999)
        held += low <= 0.8 <= high
    assert 0.92 <= held / 1000 <= 0.98


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_sign_flips_are_all_counted(differences):
    patterns = [abs(np.dot(signs, differences)) for signs in product([1, -1], repeat=len(differences))]
    assert sign_flip_test(differences) == np.mean(np.array(patterns) >= abs(sum(differences)))


def test_sign_flips_agree_with_scipy():
    differences = np.array([0.5, -0.25, 1.0, 0.75, 0.2, 0.3, -0.1, 0.9])
    found = stats.permutation_test(
        (differences, np.zeros(8)),
        lambda x, y: np.mean(x - y),
        permutation_type="samples",
        n_resamples=np.inf,
    )
    assert sign_flip_test(differences) == pytest.approx(found.pvalue)


def test_drawn_flips_agree_with_the_normal_limit_and_are_never_zero():
    rng = np.random.default_rng(0)
    differences = rng.normal(0.25, 1, size=60)
    limit = 2 * stats.norm.sf(abs(differences.sum()) / np.sqrt((differences**2).sum()))
    assert sign_flip_test(differences) == pytest.approx(limit, rel=0.1)
    assert sign_flip_test(np.ones(300)) == 1 / 100_000
    assert sign_flip_test([0, 0]) == sign_flip_test([]) == 1.0
    assert sign_flip_test(differences) == sign_flip_test(differences)


def stepwise(sums):
    """All sign patterns, one by one: each pair's share by itself, and the maximum over it and those less far apart."""
    changes = [np.subtract(other, one) for one, other in combinations(np.asarray(sums, float), 2)]
    roots = [np.sqrt(np.dot(change, change)) for change in changes]
    scale = [root + np.median(roots) or 1.0 for root in roots]
    far = lambda signs: [abs(np.dot(signs, c)) / one for c, one in zip(changes, scale, strict=True)]  # noqa: E731
    observed = np.array(far(np.ones(len(changes[0]))))
    flipped = np.array([far(signs) for signs in product([1, -1], repeat=len(changes[0]))])
    alone = (flipped >= observed - 1e-9).mean(axis=0)
    adjusted = [np.mean(flipped[:, observed <= one + 1e-9].max(axis=1) >= one - 1e-9) for one in observed]
    return alone, [max(np.array(adjusted)[observed >= one - 1e-9]) for one in observed]


TABLES = st.tuples(st.integers(2, 5), st.integers(1, 7)).flatmap(
    lambda shape: st.lists(
        st.lists(st.integers(0, 6), min_size=shape[1], max_size=shape[1]),
        min_size=shape[0],
        max_size=shape[0],
    )
)


@given(TABLES)
def test_joint_flips_are_all_counted(sums):
    alone, adjusted = joint_sign_flips(sums)
    expected = stepwise(sums)
    np.testing.assert_allclose(alone, expected[0])
    np.testing.assert_allclose(adjusted, expected[1])
    each = [sign_flip_test(np.subtract(other, one)) for one, other in combinations(sums, 2)]
    np.testing.assert_allclose(alone, each)
    assert (adjusted >= alone - 1e-12).all()
    assert (adjusted >= 2 / 2 ** len(sums[0])).all()
    assert (adjusted <= 1).all()


@given(TABLES, st.randoms(use_true_random=False), st.integers(1, 5))
def test_joint_flips_know_neither_order_nor_unit(sums, random, unit):
    sums = np.array(sums, float)
    k = len(sums)
    attempts, groups = random.sample(range(k), k), random.sample(range(sums.shape[1]), sums.shape[1])
    table = np.ones((2, k, k))
    for one, other, *found in zip(*np.triu_indices(k, 1), *joint_sign_flips(sums), strict=True):
        table[:, one, other] = table[:, other, one] = found
    moved = joint_sign_flips(sums[attempts][:, groups] / unit + 3)
    first, second = np.triu_indices(k, 1)
    np.testing.assert_allclose(moved, table[:, np.array(attempts)[first], np.array(attempts)[second]])


def test_drawn_joint_flips_are_close_to_all_and_never_zero():
    sums = np.random.default_rng(0).integers(0, 9, size=(5, 12)) + np.arange(5)[:, None]
    np.testing.assert_allclose(joint_sign_flips(sums, 2000), joint_sign_flips(sums), atol=0.04)
    assert (np.array(joint_sign_flips(np.outer([0, 1, 2], np.ones(300)), 999)) == 1 / 1000).all()
    np.testing.assert_array_equal(joint_sign_flips(sums, 2000), joint_sign_flips(sums, 2000))
    assert joint_sign_flips(np.ones((1, 4)))[1].size == 0


def test_the_sign_flip_test_keeps_its_level_where_mcnemar_does_not():
    """Nine people for whom one of two equally good attempts happens to suit: clips are not independent."""
    rng = np.random.default_rng(9)
    flips, clips = 0, 0
    for _ in range(400):
        suits = rng.normal(0, 0.25, size=9)
        wins, losses = (
            rng.binomial(12, np.clip(0.3 + suits, 0, 1)),
            rng.binomial(12, np.clip(0.3 - suits, 0, 1)),
        )
        flips += sign_flip_test(wins - losses) <= 0.05
        clips += stats.binomtest(wins.sum(), (wins + losses).sum()).pvalue <= 0.05
    assert flips / 400 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
    assert clips / 400 > 0.15


def test_holm_as_stepped_by_hand():
    # Holm's rule: compare the smallest with 0.05 / 4, the next with 0.05 / 3 and so on, until one is larger.
    p_values = np.array([0.01, 0.02, 0.03, 0.005])
    np.testing.assert_allclose(holm(p_values), [0.03, 0.04, 0.04, 0.02])
    np.testing.assert_allclose(holm([0.6, 0.7]), [1.0, 1.0])
    assert holm([]).shape == (0,)


def possible_sums(k):
    """Return the numbers of equal pairs of all partitions of k attempts, by listing labellings."""
    labels = np.array(np.meshgrid(*[range(k)] * k)).reshape(k, -1)
    return {int(n) for n in sum((labels[i] == labels[j]).astype(int) for i, j in combinations(range(k), 2))}


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_shaffer_against_its_definition(k):
    p_values = np.random.default_rng(k).random(k * (k - 1) // 2) ** 3
    allowed, order, worst, n = possible_sums(k), np.argsort(p_values), 0.0, len(p_values)
    for place, pair in enumerate(order):
        factor = max(m for m in allowed if m <= n - place)
        worst = max(worst, min(1.0, p_values[pair] * max(factor, 1)))
        assert shaffer(p_values)[pair] == pytest.approx(worst)
    assert (shaffer(p_values) <= holm(p_values) + 1e-12).all()


@given(st.lists(st.sampled_from([0.0, 0.01, 0.02, 0.5, 1.0]) | st.floats(0, 1), min_size=1, max_size=9))
def test_hommel_as_by_statsmodels(p_values):
    wanted = multipletests(p_values, method="hommel")[1]
    np.testing.assert_allclose(hommel(p_values), wanted, rtol=1e-12, atol=1e-300)


def test_no_comparisons_need_no_adjustment():
    assert hommel([]).shape == (0,)


def test_shaffer_wants_all_pairs():
    with pytest.raises(ActionbenchError, match="1, 3, 6, 10, ...; got 2"):
        shaffer([0.1, 0.2])
