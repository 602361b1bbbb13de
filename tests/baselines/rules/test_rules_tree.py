import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeClassifier

from actionbench.baselines.rules._rule_list import first_firing, make_rules
from actionbench.baselines.rules.rules_tree import RulesTree, _grow_tree


def decided(bodies, table):
    rules = make_rules(bodies, table, np.zeros(len(table), int), 4)
    return np.array([rule.label for rule in rules])[first_firing(rules, table)]


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 3))
def test_the_list_decides_as_the_tree_does(seed, depth, least):
    rng = np.random.default_rng(seed)
    table, codes = rng.normal(size=(60, 4)), rng.integers(0, 4, 60)
    tree = DecisionTreeClassifier(max_depth=depth, min_samples_leaf=least, random_state=0).fit(table, codes)
    bodies = _grow_tree(table, codes, depth, least)
    assert max(len(conditions) for conditions, _ in bodies) <= 3
    assert bodies[-1][0] == ()
    agree = decided(bodies, table) == tree.predict(table)
    # Only a split that would have made a rule of four tests is left out, so most clips are decided alike.
    assert agree.all() if depth < 4 else agree.mean() > 0.7


def test_the_shorter_side_comes_first_and_is_not_tested_again():
    table = np.array([[0.0], [0.1], [1.0], [1.1], [2.0], [2.1]])
    bodies = _grow_tree(table, np.array([0, 0, 1, 1, 2, 2]), 3, 1)
    assert len(bodies) == 3
    assert [len(conditions) for conditions, _ in bodies] == [1, 1, 0]


def test_leaves_that_agree_are_one_rule():
    rng = np.random.default_rng(0)
    table = rng.uniform(size=(200, 3))
    codes = (table[:, 0] > 0.5).astype(int)
    assert len(_grow_tree(table, codes, 4, 1)) == 2


def test_the_size_is_bound(figures):
    attempt = RulesTree(max_depth=1, min_clips=4).fit(*figures)
    assert (attempt.max_depth_, attempt.min_clips_) == (1, 4)
    assert attempt.count()["rules"] == 2
    attempt = RulesTree().fit(*figures)
    assert attempt.max_depth_ in (2, 3, 4)
    assert attempt.count()["rules"] <= 2**attempt.max_depth_


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_depth": 5}, "max_depth must be 1, 2, 3 or 4, got 5"),
        ({"max_depth": 0}, "max_depth must be 1, 2, 3 or 4, got 0"),
        ({"min_clips": 0}, "min_clips must be a positive integer, got 0"),
        ({"min_clips": 0.1}, "min_clips must be a positive integer, got 0.1"),
    ],
)
def test_parameters_are_checked(figures, options, says):
    with pytest.raises(ValueError, match=says):
        RulesTree(**options).fit(*figures)
