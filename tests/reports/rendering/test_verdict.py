"""The verdict in sentences."""

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
    rows = comparison_table(made.store)
    return verdict([results[name] for name in rows["attempt"]], rows=rows)


def test_a_clear_winner_is_named(toy):
    found = said(toy.attempt("good", spoiled(1)).attempt("bad", spoiled(5)).attempt("worse", spoiled(7)))
    assert found.lead.startswith("good is the most accurate on toy: it gets 91.7 % of 96 clips right [")
    assert ", significantly more than any other. It takes " in found.lead
    assert found.trust == (
        "The data are 96 clips of 8 groups in 2 classes, leave-one-group-out. There is no warning on these data."
    )
    assert found.tested == (
        "Tested by joint sign flips over 8 groups at 5 %, all pairs as one family: all others are significantly less "
        "accurate than good."
    )
    assert found.power == ""
    assert str(found) == " ".join([found.lead, found.weakness, found.trust, found.tested])


def test_what_it_fails_at_is_the_class_with_the_lowest_share(bench):
    made = bench().dataset(list("abc") * 32, np.repeat(list("stuvwxyz"), 12))
    # A quarter of the clips of b is taken for c, an eighth for a; one of a for b.
    predicted = made.labels.copy()
    of_b = np.flatnonzero(made.labels == 1)
    predicted[of_b[:8]], predicted[of_b[8:12]], predicted[0] = 2, 0, 1
    found = said(made.attempt("good", predicted).attempt("bad", (made.labels + 1) % 3))
    assert found.weakness == (
        "good fails most often at b: 62 % of these clips are right, 25 % are taken for c."
    )
    perfect = bench().dataset(["a", "b"] * 4, list("wwxxyyzz"))
    assert said(perfect.attempt("sure", perfect.labels)).weakness == "sure makes no mistake on these clips."


def test_the_cheapest_of_those_that_share_the_first_place_is_named(toy):
    toy.factor = 3.0
    toy.attempt("dear", spoiled(1))
    toy.factor = 1.0
    toy.attempt("cheap", np.where(np.arange(96) % 12 == 3, 1 - TRUTH, TRUTH))
    toy.factor = 0.1
    found = said(toy.attempt("bad", spoiled(6)))
    assert " The cheapest of them is cheap: " in found.lead
    assert found.lead.endswith(" to fit.")
    assert found.weakness.startswith("cheap fails")
    results = gather(toy.store)
    assert "cheapest" not in str(verdict(results))


def test_ties_are_named(toy):
    other = np.where(np.arange(96) % 12 == 3, 1 - TRUTH, TRUTH)
    found = said(toy.attempt("good", spoiled(1)).attempt("other", other).attempt("bad", spoiled(6)))
    assert found.lead.startswith(
        "On toy, good and other share the first place: they get 91.7 % each of 96 clips right, and these data cannot "
        "tell which of them is better."
    )
    assert found.tested.endswith(": the difference of good to other is not significant.")


def test_equals_are_not_put_one_before_the_other(toy):
    found = said(toy.attempt("good", spoiled(1)).attempt("also", spoiled(1)).attempt("bad", spoiled(6)))
    assert "also and good share the first place: they get 91.7 % each of 96 clips right" in found.lead
    assert "the difference of also to good is not significant" in found.tested


def test_who_failed_is_passed_over(toy):
    found = said(toy.attempt("good", spoiled(1)).attempt("lucky", TRUTH, fail=range(6)))
    assert found.lead.startswith("good gets 91.7 % of 96 clips right [")
    assert found.trust.endswith("Excluded because not all of their cells finished: lucky.")


def test_a_leaky_split_is_no_verdict_without_a_warning(bench):
    made = bench().dataset(["a", "b"] * 4, list("wwxxyyzz"), warnings=[LEAKY_RANDOM])
    trust = said(made.attempt("good", [0, 1] * 4)).trust
    assert trust.endswith("1 warning on these data limits this conclusion.")


def test_few_groups_are_said_to_be_few(bench):
    made = bench().dataset(["a", "b"] * 4, list("xxxxyyyy"))
    found = said(made.attempt("good", [0, 1] * 4).attempt("bad", [1, 0] * 4))
    assert "good and bad share the first place: they get 0.0 to 100.0 % of 8 clips right" in found.lead
    assert "the difference of good to any other attempt is not significant" in found.tested
    assert found.power == "With so few groups no difference can be significant."


def test_alone_or_failed(bench, toy):
    assert "no other attempt to compare" in said(toy.attempt("good", TRUTH)).lead
    failed = bench().dataset(["a", "b"], ["x", "y"]).attempt("bad", [0, 0], fail=[0, 1])
    assert str(said(failed)) == "No attempt has finished a fold on toy."


def test_what_could_have_been_seen_is_said(bench):
    """Two attempts that err as often, in other groups; the planner of a single pair says about the same."""
    made = bench().dataset(["a", "b"] * 40, np.repeat([f"{n:02}" for n in range(16)], 5))
    one = np.where(np.arange(80) % 10 == 0, 1 - made.labels, made.labels)
    other = np.where(np.arange(80) % 8 == 5, 1 - made.labels, made.labels)
    made.attempt("one", one).attempt("other", other)
    points = re.fullmatch(
        r"A true difference of (\d+) points between one and other would be significant in 80 % of studies\.",
        said(made).power,
    )
    results = {result.attempt: result for result in gather(made.store)}
    least = detectable_difference(*group_changes(results["other"], results["one"]), n_simulations=400)
    assert int(points[1]) == pytest.approx(100 * least, abs=2)


def test_where_none_has_finished_none_is_compared(bench):
    made = bench().dataset(["a", "b"] * 8, np.repeat(list("stuvwxyz"), 2))
    made.attempt("one", made.labels, fail=(0, 1, 2, 3)).attempt("other", 1 - made.labels, fail=(4, 5, 6, 7))
    lead = said(made).lead
    assert lead.startswith("No attempt has finished all of its cells on toy, so that none is compared.")
    assert lead.endswith("one gets 100.0 % of 8 clips right.")


def test_of_many_some_are_named(bench):
    made = bench().dataset(["a", "b"] * 4, list("xxxxyyyy"))
    made.attempt("a", made.labels)
    for name in "bcdefghij":
        made.attempt(name, 1 - made.labels)
    assert said(made).lead.startswith(
        "On toy, 10 of 10 attempts share the first place: they get 0.0 to 100.0 % of 8 clips right, a the most, and "
        "these data cannot tell which of them is better."
    )
    made = bench().dataset(["a", "b"] * 48, GROUPS)
    for name in "abcdefghi":
        made.attempt(name, spoiled(1))
    found = said(made.attempt("last", spoiled(8)))
    assert (
        "On toy, 9 of 10 attempts share the first place: they get 91.7 % each of 96 clips right, and"
        in found.lead
    )
    assert "the difference of a to b, c, d, e, f and 3 others is not significant" in found.tested


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
        found = verdict(results)
    ranks = rank_attempts(results)
    best, *others = ranks.index
    if "any other attempt is not" in found.tested:
        tied = set(others)
    else:
        named = re.search(rf"the difference of {best} to (.*) is not significant", found.tested)
        tied = set(re.findall(r"attempt-\d", named[1])) if named else set()
    assert f"{best} is the most accurate" in found.lead or tied
    assert ("share the first place" in found.lead) == bool(tied)
    assert ("less accurate" in found.tested) == (ranks.loc[best, "rank_high"] == 1) == (not tied)
    assert len(tied) == ranks.loc[best, "tied"]
    if 0 < len(tied) < 3:
        assert set(re.findall(r"attempt-\d", found.lead)) == {best, *tied}
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
