"""The verdict as a sentence."""

import re
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionbench.experiments.datasets.splits import LEAKY_RANDOM
from actionbench.reports.analysis.pairs import pairs, rank_attempts
from actionbench.reports.analysis.power import detectable_difference, group_changes, required_groups
from actionbench.reports.analysis.results import Result, gather
from actionbench.reports.analysis.tables import comparison_table
from actionbench.reports.rendering.verdict import required_studies, verdict

TRUTH = np.array([0, 1] * 48)
GROUPS = np.repeat(list("abcdefgh"), 12)


def spoiled(count):
    """Predictions with so many mistakes in every group."""
    return np.where(np.arange(96) % 12 < count, 1 - TRUTH, TRUTH)


@pytest.fixture
def toy(bench):
    return bench().dataset(["a", "b"] * 48, GROUPS)


def said(made):
    results = {result.attempt: result for result in gather(made.store)}
    return verdict([results[name] for name in comparison_table(made.store)["attempt"]])


def test_a_clear_winner_is_named(toy):
    text = said(toy.attempt("good", spoiled(1)).attempt("bad", spoiled(5)).attempt("worse", spoiled(7)))
    assert text.startswith(
        "On toy (leave-one-group-out), good has the highest accuracy: 91.7 % of 96 clips ["
    )
    assert text.endswith(
        "; all others are significantly less accurate (joint sign flips over 8 groups at 5 %)."
    )


def test_ties_are_named(toy):
    other = np.where(np.arange(96) % 12 == 3, 1 - TRUTH, TRUTH)
    text = said(toy.attempt("good", spoiled(1)).attempt("other", other).attempt("bad", spoiled(6)))
    assert "; the difference to other is not significant (joint sign flips over 8 groups at 5 %)" in text


def test_equals_are_not_put_one_before_the_other(toy):
    text = said(toy.attempt("good", spoiled(1)).attempt("also", spoiled(1)).attempt("bad", spoiled(6)))
    assert "also has the highest accuracy, with others: 91.7 % of 96 clips [" in text
    assert "; the difference to good is not significant" in text


def test_who_failed_is_passed_over(toy):
    text = said(toy.attempt("good", spoiled(1)).attempt("lucky", TRUTH, fail=range(6)))
    assert "good has the highest accuracy" in text
    assert "Excluded because not all of their cells finished: lucky." in text


def test_a_leaky_split_is_no_verdict_without_a_warning(bench):
    made = bench().dataset(["a", "b"] * 4, list("wwxxyyzz"), warnings=[LEAKY_RANDOM])
    assert said(made.attempt("good", [0, 1] * 4)).endswith(
        "The warnings on this data set limit this conclusion."
    )


def test_few_groups_are_said_to_be_few(bench):
    made = bench().dataset(["a", "b"] * 4, list("xxxxyyyy"))
    text = said(made.attempt("good", [0, 1] * 4).attempt("bad", [1, 0] * 4))
    assert "the difference to any other attempt is not significant" in text
    assert "With so few groups no difference can be significant" in text


def test_alone_or_failed(bench, toy):
    assert "no other attempt to compare" in said(toy.attempt("good", TRUTH))
    failed = bench().dataset(["a", "b"], ["x", "y"]).attempt("bad", [0, 0], fail=[0, 1])
    assert said(failed) == "On toy (leave-one-group-out) no attempt has finished a fold."


def test_what_could_have_been_seen_is_said(bench):
    """Two attempts that err as often, in other groups; the planner of a single pair says about the same."""
    made = bench().dataset(["a", "b"] * 40, np.repeat([f"{n:02}" for n in range(16)], 5))
    one = np.where(np.arange(80) % 10 == 0, 1 - made.labels, made.labels)
    other = np.where(np.arange(80) % 8 == 5, 1 - made.labels, made.labels)
    made.attempt("one", one).attempt("other", other)
    points = re.search(
        r"A true difference of (\d+) points would be significant in 80 % of studies", said(made)
    )
    results = {result.attempt: result for result in gather(made.store)}
    least = detectable_difference(*group_changes(results["other"], results["one"]), n_simulations=400)
    assert int(points[1]) == pytest.approx(100 * least, abs=2)


def test_where_none_has_finished_none_is_compared(bench):
    made = bench().dataset(["a", "b"] * 8, np.repeat(list("stuvwxyz"), 2))
    made.attempt("one", made.labels, fail=(0, 1, 2, 3)).attempt("other", 1 - made.labels, fail=(4, 5, 6, 7))
    text = said(made)
    assert "one has the highest accuracy: 100.0 % of 8 clips" in text
    assert text.endswith("; as no attempt has finished all of its cells, none is compared with it.")


def test_of_many_some_are_named(bench):
    made = bench().dataset(["a", "b"] * 4, list("xxxxyyyy"))
    made.attempt("a", made.labels)
    for name in "bcdefghij":
        made.attempt(name, 1 - made.labels)
    assert "the difference to any other attempt is not significant" in said(made)
    made = bench().dataset(["a", "b"] * 48, GROUPS)
    for name in "abcdefghi":
        made.attempt(name, spoiled(1))
    text = said(made.attempt("last", spoiled(8)))
    assert "; the difference to b, c, d, e, f and 3 others is not significant" in text


def result(name, right, groups):
    """A result that has predicted each clip once."""
    right = np.asarray(right, bool)
    return Result(
        *("toy", "leave-one-group-out", name, "features", "f", ["no", "yes"], []),
        columns={"key": np.array(["a"]), "status": np.array(["done"])},
        positions=np.arange(len(right)),
        seeds=np.zeros(len(right), int),
        truth=np.ones(len(right), int),
        predicted=right.astype(int),
        confidence=np.ones(len(right)),
        groups=np.asarray(groups),
        base=name,
        n_expected=len(right),
    )


@given(st.integers(2, 5), st.integers(1, 9), st.integers(0, 10**6))
def test_it_never_contradicts_the_rank_intervals(n_attempts, n_groups, seed):
    rng = np.random.default_rng(seed)
    shares = rng.choice([0.1, 0.5, 0.9, 1.0], n_attempts)
    groups = np.repeat([f"{n:02}" for n in range(n_groups)], rng.integers(1, 6, n_groups))
    results = [
        result(f"attempt-{n}", rng.random(len(groups)) < share, groups) for n, share in enumerate(shares)
    ]
    with patch("actionbench.reports.rendering.verdict.lead_of_pair", return_value=0.5):
        text = verdict(results)
    ranks = rank_attempts(results)
    best, *others = ranks.index
    correct = sorted(one.correct.sum() for one in results)
    equals = "" if correct[-1] > correct[-2] else ", with others"
    assert f", {best} has the highest accuracy{equals}: " in text
    if "any other attempt is not" in text:
        tied = set(others)
    else:
        named = re.search(r"; the difference to ([^;]*) is not significant", text)
        tied = set(re.findall(r"attempt-\d", named[1])) if named else set()
    assert (text.count("less accurate") == 1) == (ranks.loc[best, "rank_high"] == 1) == (not tied)
    assert len(tied) == ranks.loc[best, "tied"]
    for other in others:
        assert other in tied or ranks.loc[other, "rank_low"] > 1


def test_what_would_settle_it_is_said_of_those_that_tie(bench):
    """The planner is asked for the same number; who is worse for certain, or as good, is not planned for."""
    made = bench().dataset(["a", "b"] * 40, np.repeat([f"{n:02}" for n in range(16)], 5))
    rng = np.random.default_rng(0)
    for name, wrong in (("best", 0.1), ("near", 0.2), ("bad", 0.9)):
        made.attempt(name, np.where(rng.random(80) < wrong, 1 - made.labels, made.labels))
    results = gather(made.store)
    found = pairs(results, intervals=False)
    by_name = {result.attempt: result for result in results}
    (sentence,) = required_studies(results, found)
    needed = required_groups(*group_changes(by_name["near"], by_name["best"]), n_simulations=400)
    assert sentence.startswith("best and near: if the true difference equals the observed one, ")
    assert f"about {needed:.0f} groups are required for a power of 80 %" in sentence
    assert required_studies(results, found[found["significant"]]) == []
