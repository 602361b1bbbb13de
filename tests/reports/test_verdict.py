"""The verdict in words."""

import re

import numpy as np
import pytest

from actionbench.experiments.splits import LeakyRandom
from actionbench.reports.enough import group_changes, least_difference
from actionbench.reports.results import gather
from actionbench.reports.tables import comparison_table
from actionbench.reports.verdict import verdict

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
    assert text.startswith("On toy (leave-one-group-out), good is right most often: 91.7 % of 96 clips [")
    assert "all others are worse" in text


def test_ties_are_named(toy):
    other = np.where(np.arange(96) % 12 == 3, 1 - TRUTH, TRUTH)
    text = said(toy.attempt("good", spoiled(1)).attempt("other", other).attempt("bad", spoiled(6)))
    assert "but other cannot be told apart from it" in text


def test_who_failed_is_passed_over(toy):
    text = said(toy.attempt("good", spoiled(1)).attempt("lucky", TRUTH, fail=range(6)))
    assert "good is right most often" in text
    assert "Passed over because not all of their cells finished: lucky." in text


def test_a_leaky_split_is_no_verdict_without_a_warning(bench):
    made = bench().dataset(["a", "b"] * 4, list("wwxxyyzz"), warnings=[LeakyRandom.warning])
    assert said(made.attempt("good", [0, 1] * 4)).endswith("Mind the warning on how it was tested.")


def test_few_groups_are_said_to_be_few(bench):
    made = bench().dataset(["a", "b"] * 4, list("xxxxyyyy"))
    text = said(made.attempt("good", [0, 1] * 4).attempt("bad", [1, 0] * 4))
    assert "no other attempt can be told apart" in text
    assert "So few groups could not have shown any difference" in text


def test_alone_or_failed(bench, toy):
    assert "no other to compare" in said(toy.attempt("good", TRUTH))
    failed = bench().dataset(["a", "b"], ["x", "y"]).attempt("bad", [0, 0], fail=[0, 1])
    assert said(failed) == "On toy (leave-one-group-out) no attempt has finished a fold."


def test_what_could_have_been_seen_is_said(bench):
    """Two attempts that err as often, in other groups; the planner is asked for the same number."""
    made = bench().dataset(["a", "b"] * 40, np.repeat([f"{n:02}" for n in range(16)], 5))
    one = np.where(np.arange(80) % 10 == 0, 1 - made.labels, made.labels)
    other = np.where(np.arange(80) % 8 == 5, 1 - made.labels, made.labels)
    made.attempt("one", one).attempt("other", other)
    words = said(made)
    points = re.search(r"A true difference of (\d+) points would be found four times in five", words)
    results = {result.attempt: result for result in gather(made.store)}
    least = least_difference(*group_changes(results["other"], results["one"]), n_simulations=400)
    assert int(points[1]) == round(100 * least)


def test_rivals_without_a_clip_in_common_are_not_asked_what_could_be_seen(bench):
    made = bench().dataset(["a", "b"] * 8, np.repeat(list("stuvwxyz"), 2))
    made.attempt("one", made.labels, fail=(0, 1, 2, 3)).attempt("other", made.labels, fail=(4, 5, 6, 7))
    assert "found four times in five" not in said(made)
