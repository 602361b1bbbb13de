import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionbench.baselines.rules._rule_list import (
    Condition,
    Rule,
    first_firing,
    learn,
    merge_conditions,
    threshold_between,
)


def table(n_per_class, seed):
    """Three classes told apart by two of five quantities: 0 where x < 0; of the rest 1 where y > 1; else 2."""
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.uniform(-3, -0.5, n_per_class), rng.uniform(0.5, 3, 2 * n_per_class)])
    y = np.concatenate(
        [rng.uniform(-3, 4, n_per_class), *[rng.uniform(a, a + 2, n_per_class) for a in (2, -2)]]
    )
    noise = rng.normal(size=(3 * n_per_class, 3))
    return np.column_stack([noise, x, y]), np.repeat([0, 1, 2], n_per_class)


@pytest.mark.parametrize("softness", [0.0, 0.1])
def test_known_structure_is_found(softness):
    train, labels = table(30, 0)
    rules = learn(train, labels, 3, max_conditions=3, softness=softness)
    assert {condition.quantity for rule in rules for condition in rule.conditions} <= {3, 4}
    assert len(rules) == 3
    test, truth = table(500, 1)
    predicted = np.array([rule.label for rule in rules])[first_firing(rules, test)]
    assert np.mean(predicted == truth) > 0.99


def test_conjunctions_are_found():
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (400, 2))
    labels = ((points > 0.2).all(axis=1)).astype(int)
    rules = learn(points, labels, 2, max_conditions=2, softness=0.02)
    test = rng.uniform(-1, 1, (1000, 2))
    predicted = np.array([rule.label for rule in rules])[first_firing(rules, test)]
    assert np.mean(predicted == (test > 0.2).all(axis=1)) > 0.95


def test_the_wider_gap_wins():
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1], 20)
    narrow = rng.uniform(0, 1, 40) + labels * 1.01
    wide = rng.uniform(0, 1, 40) + labels * 3
    rules = learn(np.column_stack([narrow, wide]), labels, 2, max_conditions=1, softness=0.5)
    assert rules[0].conditions[0].quantity == 1
    assert 1.2 < rules[0].conditions[0].threshold < 2.9


def test_counts_are_of_the_clips_for_which_a_rule_was_first():
    train, labels = table(20, 3)
    labels = np.where(np.random.default_rng(4).random(60) < 0.1, 1, labels)
    rules = learn(train, labels, 3, max_conditions=3, softness=0.1)
    first = first_firing(rules, train)
    for index, rule in enumerate(rules):
        np.testing.assert_array_equal(rule.counts, np.bincount(labels[first == index], minlength=3))
        assert rule.counts[rule.label] == max(rule.counts)
        assert len(rule.conditions) <= 3
    assert rules[-1].conditions == ()


def test_least_bounds_every_rule_but_the_default():
    rng = np.random.default_rng(5)
    train, labels = rng.normal(size=(80, 4)), rng.integers(0, 3, 80)
    free, bound = (learn(train, labels, 3, max_conditions=3, softness=0.1, min_clips=n) for n in (1, 6))
    assert all(sum(rule.counts) >= 6 for rule in bound[:-1])
    assert len(bound) < len(free)


def test_no_rule_says_the_same_twice():
    rng = np.random.default_rng(6)
    train, labels = rng.normal(size=(80, 3)), rng.integers(0, 3, 80)
    for rule in learn(train, labels, 3, max_conditions=3, softness=0.4):
        sides = [(condition.quantity, condition.above) for condition in rule.conditions]
        assert len(set(sides)) == len(sides)


def test_number_of_rules_is_bounded():
    rng = np.random.default_rng(5)
    train, labels = rng.normal(size=(80, 4)), rng.integers(0, 3, 80)
    assert len(learn(train, labels, 3, max_conditions=3, softness=0.1, max_rules=4)) == 5


def test_one_class_or_identical_rows_leave_the_default():
    assert learn(np.zeros((3, 2)), np.array([1, 1, 1]), 2, max_conditions=3, softness=0.1) == [
        Rule((), 1, (0, 3))
    ]
    rules = learn(np.zeros((3, 2)), np.array([0, 1, 1]), 2, max_conditions=3, softness=0.1)
    assert rules == [Rule((), 1, (1, 2))]


def test_first_rule_that_holds_decides():
    rules = [Rule((Condition(0, True, 1.0), Condition(1, False, 0.0)), 0, (1, 0)), Rule((), 1, (0, 1))]
    np.testing.assert_array_equal(
        first_firing(rules, np.array([[2.0, 0.0], [2.0, 0.1], [1.0, -1.0]])), [0, 1, 1]
    )


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_a_threshold_tells_its_neighbours_apart(a, b):
    if a != b:
        threshold = threshold_between(min(a, b), max(a, b))
        assert (min(a, b) > threshold, max(a, b) > threshold) == (False, True)


@pytest.mark.parametrize(
    ("low", "high", "threshold"),
    [
        (1.0, 2.0, 1.5),
        (0.123401, 0.123409, 0.123405),
        (1000.4, 3000.0, 2000.0),
        (0.3, np.nextafter(0.3, 1), 0.3),
    ],
)
def test_a_threshold_has_few_digits(low, high, threshold):
    assert threshold_between(low, high) == threshold


def test_the_strictest_of_like_conditions_stays():
    conditions = [Condition(0, True, 1.0), Condition(0, True, 2.0), Condition(0, False, 5.0)]
    assert merge_conditions(conditions) == (Condition(0, True, 2.0), Condition(0, False, 5.0))
    assert merge_conditions([Condition(0, False, 5.0), Condition(0, False, 4.0)]) == (
        Condition(0, False, 4.0),
    )
