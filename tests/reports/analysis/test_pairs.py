"""All pairs of attempts on one data set as one family of tests."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from actionbench.reports.analysis.comparison import paired_difference
from actionbench.reports.analysis.pairs import COLUMNS, pairs, rank_attempts, ranked
from actionbench.reports.analysis.results import gather
from actionbench.reports.statistics.corrections import holm
from actionbench.reports.statistics.rank_intervals import cliques, rank_intervals, square


@pytest.fixture
def made(bench):
    """Two good attempts that err on other groups, a bad one, one that is late, and one that learned from few groups."""
    made = bench().dataset(["box", "run"] * 40, np.repeat([f"{n:02}" for n in range(16)], 5))
    wrong = 1 - made.labels
    for seed in (0, 1):
        made.attempt("one", np.where(np.arange(80) % 10 == 0, wrong, made.labels), seed)
        made.attempt("other", np.where(np.arange(80) % 10 == 5, wrong, made.labels), seed)
    made.attempt("bad", np.where(np.arange(80) % 5 < 3, wrong, made.labels), seed=0)
    made.attempt("bad", np.where(np.arange(80) % 5 < 4, wrong, made.labels), seed=1)
    made.attempt("late", made.labels, fail=(3,))
    made.attempt("few", wrong, base="one", n_train_groups=2)
    return made


def test_who_is_compared_and_in_which_order(made):
    assert [result.attempt for result in ranked(gather(made.end()))] == ["one", "other", "bad"]


def test_each_pair_says_what_the_two_alone_say(made):
    results = gather(made.end())
    table = pairs(results)
    assert list(table.columns) == COLUMNS
    assert table[["first", "second"]].apply(tuple, axis=1).tolist() == [
        ("other", "one"),
        ("bad", "one"),
        ("bad", "other"),
    ]
    by_name = {result.attempt: result for result in results}
    for row in table.itertuples():
        alone = paired_difference(by_name[row.first], by_name[row.second])
        assert row.difference == pytest.approx(alone.difference)
        assert (row.difference_low, row.difference_high) == pytest.approx((alone.low, alone.high))
        assert row.p_value == pytest.approx(alone.p_value)
        assert row.n_groups == alone.n_groups == 16
    np.testing.assert_allclose(table["p_holm"], holm(table["p_value"]))
    assert table["significant"].tolist() == [False, True, True]
    assert pairs(results, level=1e-9)["significant"].tolist() == [False] * 3


def test_intervals_may_be_left_out(made):
    results = gather(made.end())
    without = pairs(results, intervals=False)
    limits = ["difference_low", "difference_high"]
    assert without[limits].isna().all(axis=None)
    pd.testing.assert_frame_equal(without.drop(columns=limits), pairs(results).drop(columns=limits))


def test_places_follow_from_the_pairs(made):
    results = gather(made.end())
    places = rank_attempts(results)
    assert places.index.tolist() == ["one", "other", "bad"]
    assert places.loc["one", ["rank_low", "rank_high", "tied", "group"]].tolist() == [1, 2, 1, 1]
    assert places.loc["bad", ["rank_low", "rank_high", "tied", "group"]].tolist() == [3, 3, 0, 2]
    table = square(pairs(results, intervals=False), "p_adjusted")
    worth = pd.Series({result.attempt: result.correct.mean() for result in results})[table.index]
    expected = rank_intervals(worth, table).loc[places.index]
    pd.testing.assert_frame_equal(expected, places[["rank_low", "rank_high", "tied"]], check_names=False)
    assert cliques(table.loc[places.index, places.index]) == [["one", "other"]]


def test_nothing_depends_on_the_order_or_the_names_of_attempts(bench):
    rng = np.random.default_rng(1)
    made, named = (bench().dataset(["a", "b"] * 36, np.repeat(list("abcdefghi"), 8)) for _ in range(2))
    names = {"p": "z", "q": "y", "r": "x", "s": "w"}
    for name, share in zip(names, (0.1, 0.25, 0.3, 0.6), strict=True):
        predicted = np.where(rng.random(72) < share, 1 - made.labels, made.labels)
        made.attempt(name, predicted)
        named.attempt(names[name], predicted)
    results = gather(made.end())
    table, other = (pairs(part, intervals=False) for part in (results, gather(named.end())))
    pd.testing.assert_frame_equal(pairs(results[::-1], intervals=False), table)
    pd.testing.assert_frame_equal(table.replace({"first": names, "second": names}), other)


def test_nine_groups_tell_eight_attempts_apart_where_holm_cannot(bench):
    """The least p-value of nine groups is 2 / 512, and 28 pairs with Holm's correction ask for less."""
    made = bench().dataset(["a", "b"] * 36, np.repeat(list("abcdefghi"), 8))
    for wrong in range(8):
        made.attempt(f"{wrong}", np.where(np.arange(72) % 8 < wrong, 1 - made.labels, made.labels))
    table = pairs(gather(made.end()), intervals=False)
    assert len(table) == len(list(combinations(range(8), 2)))
    assert table["p_holm"].min() > 0.05
    assert (table["p_adjusted"] == 2 / 512).all()
    assert rank_attempts(gather(made.store))["rank_low"].tolist() == list(range(1, 9))


def test_one_attempt_has_nobody_to_be_compared_with(bench):
    made = bench().dataset(["box", "run"] * 4, np.repeat(list("ab"), 4))
    made.attempt("one", made.labels)
    results = gather(made.end())
    assert pairs(results).empty
    assert list(pairs([]).columns) == COLUMNS
    assert rank_attempts(results).empty
