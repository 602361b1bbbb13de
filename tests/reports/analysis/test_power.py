"""How many groups are enough: against textbook power and against studies really made."""

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from actionbench.errors import ActionbenchError
from actionbench.reports.analysis.power import (
    design_difference,
    detectable_difference,
    detectable_lead,
    group_changes,
    power,
    power_table,
    required_groups,
    required_study,
)
from actionbench.reports.analysis.results import gather
from actionbench.reports.statistics.intervals import joint_sign_flips, sign_flip_test


def normal_groups(effect, n=4000):
    """Return changes and clips of so many groups of ten clips, whose differences scatter by 0.2."""
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, n)
    values = (values - values.mean()) / values.std()
    return 10 * (effect + 0.2 * values), np.full(n, 10.0)


@pytest.mark.parametrize("n_groups", [9, 25, 110])
def test_power_on_normal_differences_is_that_of_the_t_test(n_groups):
    """The sign-flip test gives little away where the t-test is right."""
    effect = 0.45 / np.sqrt(n_groups)
    expected = TTestPower().power(effect / 0.2, n_groups, 0.05)
    assert power(*normal_groups(effect), n_groups=n_groups) == pytest.approx(expected, abs=0.05)
    assert power(*normal_groups(0.5), n_groups=n_groups, effect=effect) == pytest.approx(expected, abs=0.05)


def test_level_where_nothing_differs():
    changes, clips = normal_groups(0.0)
    for n_groups in (12, 150):
        found = power(changes, clips, n_groups=n_groups, n_simulations=4000)
        assert found == pytest.approx(0.05, abs=0.012)


def test_groups_needed_are_those_of_the_t_test():
    changes, clips = normal_groups(0.1)
    expected = TTestPower().solve_power(0.5, power=0.8, alpha=0.05)
    assert required_groups(changes, clips) == pytest.approx(expected, rel=0.12)
    assert required_groups(changes, clips, effect=0.0, max_groups=50) == np.inf


def test_what_power_promises_studies_keep():
    """Studies really made, with groups that the planner has not seen, find the difference as often."""
    rng = np.random.default_rng(4)

    def study(n):
        clips = rng.integers(5, 20, n)
        lift = rng.beta(6, 4, n)
        return rng.binomial(clips, lift) - rng.binomial(clips, 0.45), clips.astype(float)

    promised = np.mean([power(*study(40), n_groups=14, n_simulations=200) for _ in range(20)])
    found = np.mean([sign_flip_test(study(14)[0]) <= 0.05 for _ in range(300)])
    assert promised == pytest.approx(found, abs=0.12)


def test_more_seeds_help_only_where_seeds_scatter():
    rng = np.random.default_rng(1)
    clips = np.full(12, 10.0)
    noisy = 1.2 + rng.normal(0, 3, size=(12, 8))
    steady = np.repeat(0.6 + rng.normal(0, 1, size=(12, 1)), 8, axis=1)
    more = power(noisy, clips, n_seeds=12), power(noisy, clips, n_seeds=1)
    assert more[0] > more[1] + 0.2
    assert power(steady, clips, n_seeds=12) == pytest.approx(power(steady, clips, n_seeds=1), abs=0.06)


def test_few_groups_cannot_show_anything():
    changes, clips = np.full(5, 10.0), np.full(5, 10.0)
    assert power(changes, clips) == 0.0
    assert detectable_difference(changes, clips) == np.inf
    assert power(changes, clips, n_groups=6) == 1.0
    assert power(changes, clips, n_groups=6, n_comparisons=2) == 0.0
    assert required_groups(changes, clips) == 6


def test_the_least_difference_is_found_that_often():
    changes, clips = normal_groups(0.0, 12)
    least = detectable_difference(changes, clips)
    assert power(changes, clips, effect=least) >= 0.8 > power(changes, clips, effect=least - 0.01)


def test_a_table_of_plans():
    found = power_table(*normal_groups(0.15), n_groups=[6, 20], n_simulations=300)
    assert found["n_groups"].tolist() == [6, 20]
    assert found["power"].is_monotonic_increasing
    assert ((found["power_low"] <= found["power"]) & (found["power"] <= found["power_high"])).all()


def test_stored_results(usual):
    results = {result.attempt: result for result in gather(usual.end())}
    rules, best = results["rules"], results["hog-svm"]
    changes, clips = group_changes(rules, best)
    assert changes.shape == (6, 2)
    assert clips.tolist() == [12] * 6
    for place, group in enumerate("abcdef"):
        for column, seed in enumerate((0, 1)):
            right = [r.correct[(r.groups == group) & (r.seeds == seed)].sum() for r in (rules, best)]
            assert changes[place, column] == right[1] - right[0]
    found = required_study(rules, best)
    assert (found["n_groups"], found["n_seeds"]) == (6, 2)
    assert 0 <= found["power"] <= 1
    assert 0 < found["detectable_difference"] < 1


def test_an_attempt_with_one_seed_stands_beside_every_seed(bench):
    made = bench().dataset(["box", "run"] * 6, np.repeat(list("abc"), 4))
    made.attempt("fixed", made.labels)
    for seed in (0, 1):
        made.attempt("net", made.labels if seed else 1 - made.labels, seed)
    for seed in (5, 6, 7):
        made.attempt("odd", 1 - made.labels, seed)
    results = {result.attempt: result for result in gather(made.end())}
    assert group_changes(results["fixed"], results["net"])[0].tolist() == [[-4, 0]] * 3
    assert group_changes(results["net"], results["odd"])[0].tolist() == [[-2]] * 3


def test_results_without_a_clip_in_common(bench):
    made = bench().dataset(["box", "run"] * 2, list("aabb"))
    made.attempt("one", made.labels, fail=(0,)).attempt("other", made.labels, fail=(1,))
    one, other = gather(made.end())
    with pytest.raises(ActionbenchError, match="no clip was predicted by both one and other"):
        group_changes(one, other)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: power(np.ones(3), np.ones(2)), r"shapes \(3, 1\) and \(2,\)"),
        (lambda: power(np.ones(3), np.zeros(3)), "a positive number"),
        (lambda: power(np.ones(1), np.ones(1)), "at least 2 groups are needed"),
        (lambda: power(np.ones(3), np.ones(3), n_groups=0), "at least 1 group and 1 seed; got 0 and 1"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ActionbenchError, match=message):
        call()


def test_the_lead_over_one_other_is_the_least_difference():
    rng = np.random.default_rng(0)
    clips = rng.integers(8, 16, size=16)
    sums = np.stack([rng.binomial(clips, 0.7), rng.binomial(clips, 0.6)])
    alone = detectable_difference(sums[0] - sums[1], clips, n_simulations=400)
    assert detectable_lead(sums, clips) == pytest.approx(alone, abs=0.02)


def test_a_lead_is_harder_to_see_among_many_and_not_at_all_in_five_groups():
    rng = np.random.default_rng(1)
    clips = np.full(12, 10)
    sums = rng.binomial(clips, 0.6, size=(6, 12))
    assert detectable_lead(sums[:2], clips) < detectable_lead(sums, clips) < 1
    assert detectable_lead(sums[:, :5], clips[:5]) == np.inf


def test_so_large_a_lead_is_seen_in_so_many_studies():
    """Studies drawn with the lead that is said to be enough, from people of whom the first ones are a sample."""
    rng = np.random.default_rng(2)
    clips = np.full(12, 20)

    def study(lead):
        return rng.binomial(clips, np.array([0.6 + lead, 0.6, 0.6, 0.6])[:, None], size=(4, 12))

    lead = np.mean([detectable_lead(study(0), clips, n_simulations=60) for _ in range(8)])
    seen = [joint_sign_flips(study(lead), 499)[1][0] <= 0.05 for _ in range(300)]
    assert 0.65 < np.mean(seen) < 0.92


def designed(bench, n_attempts, n_groups, n_clips=12, seed=0):
    """Return results of attempts that are all right for six of ten clips of two classes."""
    rng = np.random.default_rng(seed)
    made = bench().dataset(["box", "run"] * (n_groups * n_clips // 2), np.repeat(range(n_groups), n_clips))
    for number in range(n_attempts):
        right = rng.random(len(made.labels)) < 0.6
        made.attempt(f"a{number:02}", np.where(right, made.labels, 1 - made.labels))
    return gather(made.end())


def test_a_design_finds_its_difference_four_times_in_five(bench):
    """Studies really made, of people whom the design has not seen, where one attempt leads by what is said."""
    said = np.mean([design_difference(designed(bench, 4, 18, 6, seed)) for seed in range(8)])
    rng = np.random.default_rng(7)
    shares = np.array([0.6 + said / 2, 0.6 - said / 2, 0.6, 0.6])[:, None]
    studies = (rng.binomial(6, shares, size=(4, 18)) for _ in range(400))
    assert 0.7 < np.mean([joint_sign_flips(one, 499)[1][0] <= 0.05 for one in studies]) < 0.9


def test_a_design_of_more_groups_finds_less(bench):
    assert design_difference(designed(bench, 3, 24)) < design_difference(designed(bench, 3, 8)) < 1


@pytest.mark.parametrize(
    ("n_attempts", "n_groups", "said"), [(1, 8, np.nan), (17, 8, np.nan), (2, 5, np.inf)]
)
def test_designs_of_which_nothing_can_be_said(bench, n_attempts, n_groups, said):
    np.testing.assert_equal(design_difference(designed(bench, n_attempts, n_groups, 2)), said)
