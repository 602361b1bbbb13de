"""Rank intervals, ties and sets without significant differences, against all subsets and known truths."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionbench.errors import ActionbenchError
from actionbench.reports.statistics.rank_intervals import cliques, rank_intervals, rank_table, tie_groups
from actionbench.reports.statistics.ranks import nemenyi, ranks

PUBLISHED = json.loads((Path(__file__).parents[1] / "published.json").read_text())


def scores(name):
    return pd.DataFrame(PUBLISHED[name]["scores"], columns=PUBLISHED[name]["attempts"])


@pytest.mark.parametrize(
    ("alike", "expected"),
    [
        ([[1]], []),
        ([[1, 0], [0, 1]], []),
        ([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]], ["23"]),
        # 0 is like all others, of which 1 differs from the rest: no set joins what differs.
        ([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 1, 1], [1, 0, 1, 1]], ["01", "023"]),
        (np.ones((5, 5)), ["01234"]),
    ],
)
def test_cliques_of_known_graphs(alike, expected):
    names = [str(place) for place in range(len(alike))]
    assert cliques(pd.DataFrame(alike, names, names, dtype=float)) == [list(word) for word in expected]


@given(
    st.integers(1, 7).flatmap(lambda k: st.tuples(st.just(k), st.integers(0, 2 ** (k * (k - 1) // 2) - 1)))
)
def test_cliques_against_all_subsets(drawn):
    k, bits = drawn
    alike = np.eye(k, dtype=bool)
    for place, (i, j) in enumerate(combinations(range(k), 2)):
        alike[i, j] = alike[j, i] = bits >> place & 1
    sets = [
        set(one)
        for size in range(2, k + 1)
        for one in combinations(range(k), size)
        if alike[np.ix_(one, one)].all()
    ]
    largest = {frozenset(map(str, one)) for one in sets if not any(one < other for other in sets)}
    names = [str(place) for place in range(k)]
    found = cliques(pd.DataFrame(alike * 1.0, names, names))
    assert {frozenset(one) for one in found} == largest
    assert len(found) == len(largest)


def test_rank_intervals_hold_all_true_ranks():
    """Five attempts of which two are equal, on 20 data sets: in 95 % of draws all intervals are right at once."""
    rng, worth = np.random.default_rng(3), np.array([0.0, 0.3, 0.3, 0.6, 1.2])
    held = 0
    for _ in range(200):
        table = pd.DataFrame(rng.normal(size=(20, 5)) + worth, columns=list("abcde"))
        found = rank_intervals(-ranks(table).mean(), nemenyi(table)).loc[list("abcde")]
        best = 1 + (worth[None, :] > worth[:, None]).sum(axis=1)
        worst = 5 - (worth[None, :] < worth[:, None]).sum(axis=1)
        held += bool(((found["rank_low"] <= best) & (found["rank_high"] >= worst)).all())
    assert held / 200 >= 0.95


def test_tie_groups_and_intervals_of_known_ranks():
    table = rank_table(scores("garcia_herrera_2008"))
    assert table.index.tolist() == ["C4.5", "NaiveBayes", "CN2", "k-NN(k=1)", "Kernel"]
    assert table["rank_low"].tolist() == [1, 1, 1, 2, 4]
    assert table["rank_high"].tolist() == [3, 4, 4, 5, 5]
    assert table["tied"].tolist() == [2, 3, 3, 3, 1]
    assert table["group"].tolist() == [1, 1, 1, 2, 2]
    assert set(table["missing"]) == {"no score is missing"}
    same = pd.DataFrame(np.ones((3, 3)), list("abc"), list("abc"))
    assert tie_groups(pd.Series([1.0, 2.0, 3.0], list("abc")), same).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cliques(pd.DataFrame([[1, 0.2], [0.3, 1]])), "must be symmetric"),
        (
            lambda: rank_intervals(pd.Series([1.0, 2.0]), pd.DataFrame([[1.0]])),
            "one row and one column for each",
        ),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ActionbenchError, match=message):
        call()
