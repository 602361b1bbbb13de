from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from actionbench.baselines.base import Attempt
from actionbench.baselines.rules._rule_list import Condition
from actionbench.baselines.rules.rules_fitted import RulesFitted, _fit_thresholds
from actionbench.baselines.rules.rules_hand import RulesHand, hand_bodies
from actionbench.features.quantities import QUANTITIES

PLACE = {quantity.name: place for place, quantity in enumerate(QUANTITIES)}
ACTIONS = ["handclapping", "handwaving", "jogging", "running", "walking"]


def people(n_per_class, seed, walk=0.5, jog=0.8, run=1.3):
    """Quantities of people whose gaits are slower than the list assumes; the limits lie at 0.65 and 1.05."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(5), n_per_class)
    table = np.zeros((len(codes), len(QUANTITIES)))
    speed = np.array([0.1, 0.1, jog, run, walk])[codes]
    table[:, PLACE["passing speed"]] = speed + rng.uniform(-0.05, 0.05, len(codes))
    table[:, PLACE["horizontal sweep"]] = np.array([0.1, 0.1, 2.0, 2.0, 2.0])[codes]
    table[:, PLACE["vertical motion"]] = np.array([0.3, 0.7, 0.2, 0.2, 0.2])[codes]
    return table, codes


def decided(bodies, table):
    """Apply a list row by row, as it reads."""
    found = []
    for row in table:
        for conditions, label in bodies:
            if all((row[c.quantity] > c.threshold) == c.above for c in conditions):
                found.append(label)
                break
    return np.array(found)


def planted(hand, n_clips, seed):
    """Quantities at random, and labels by the list with every threshold elsewhere."""
    rng = np.random.default_rng(seed)
    table = rng.uniform(0, 1, (n_clips, len(QUANTITIES))) * 3
    moved = [
        (tuple(replace(c, threshold=c.threshold * factor) for c in conditions), label)
        for (conditions, label), factor in zip(hand, [1.4, 1.3, 2.5, 2.2, 1.9, 1.0], strict=True)
    ]
    return table, decided(moved, table)


def test_thresholds_move_to_where_people_differ():
    table, codes = people(10, 0)
    hand = hand_bodies(ACTIONS)
    assert np.mean(decided(hand, table) == codes) == pytest.approx(0.6)
    fitted = _fit_thresholds(hand, table, codes)
    test, truth = people(50, 1)
    np.testing.assert_array_equal(decided(fitted, test), truth)
    speeds = [conditions[0].threshold for conditions, _ in fitted[:2]]
    assert speeds == pytest.approx([1.05, 0.65], abs=0.2)


@pytest.mark.parametrize("seed", range(3))
def test_thresholds_that_are_all_off_at_once_are_found(seed):
    hand = hand_bodies(["boxing", *ACTIONS])
    table, codes = planted(hand, 45, seed)
    assert np.mean(decided(hand, table) == codes) < 0.75
    np.testing.assert_array_equal(decided(_fit_thresholds(hand, table, codes), table), codes)
    # Of more clips than there are cuts not all can be right.
    table, codes = planted(hand, 300, seed)
    fitted = _fit_thresholds(hand, table, codes)
    assert np.mean(decided(fitted, table) == codes) > 0.96
    test, truth = planted(hand, 2000, 100 + seed)
    assert np.mean(decided(fitted, test) == truth) > 0.94


@pytest.mark.parametrize("seed", range(5))
def test_one_rule_is_as_right_as_any_pair_of_thresholds(seed):
    rng = np.random.default_rng(seed)
    table, codes = rng.normal(size=(30, len(QUANTITIES))), rng.integers(0, 2, 30)
    hand = [((Condition(2, True, 0.1), Condition(5, False, -0.2)), 0), ((), 1)]
    most = max(
        np.sum(np.where((table[:, 2] > low) & (table[:, 5] <= high), 0, 1) == codes)
        for low in (0.1, *np.sort(table[:, 2])[:-1])
        for high in (-0.2, *np.sort(table[:, 5])[:-1])
    )
    assert np.sum(decided(_fit_thresholds(hand, table, codes), table) == codes) == most


@pytest.mark.parametrize("seed", range(10))
def test_no_training_clip_is_lost_whatever_the_labels(seed):
    rng = np.random.default_rng(seed)
    hand = hand_bodies(["boxing", *ACTIONS])
    table, codes = rng.exponential(0.7, (25, len(QUANTITIES))), rng.integers(0, 6, 25)
    fitted = _fit_thresholds(hand, table, codes)
    assert np.sum(decided(fitted, table) == codes) >= np.sum(decided(hand, table) == codes)


def test_the_structure_stays():
    table, codes = people(10, 0)
    hand = hand_bodies(ACTIONS)
    fitted = _fit_thresholds(hand, table, codes)
    shape = [[[(c.quantity, c.above) for c in conditions], label] for conditions, label in fitted]
    assert shape == [[[(c.quantity, c.above) for c in conditions], label] for conditions, label in hand]


def test_a_threshold_that_is_good_enough_stays():
    table, codes = people(10, 0, walk=0.7, jog=1.4, run=2.0)
    hand = hand_bodies(ACTIONS)
    assert _fit_thresholds(hand, table, codes) == hand
    assert _fit_thresholds(hand, table[:0], codes[:0]) == hand


def test_of_equal_thresholds_the_one_nearest_to_hand_wins():
    table, codes = people(10, 0, walk=0.5, jog=1.4, run=3.0)
    codes[-10:] = 2
    table[-10:, PLACE["passing speed"]] = 1.1
    (jogging,) = (
        conditions for conditions, label in _fit_thresholds(hand_bodies(ACTIONS), table, codes) if label == 2
    )
    # All joggers are faster than the middle between them and those who stand; written is 1.2.
    assert jogging[0].threshold == pytest.approx((1.1 + 0.15) / 2, abs=0.1)
    assert jogging[1].threshold == 0.5


@pytest.fixture
def kth(figures):
    """The figures under names of KTH's actions."""
    clips, labels, groups = figures
    names = {"bounce": "boxing", "go": "running", "wave": "handwaving"}
    return clips, np.array([names[label] for label in labels]), groups


def test_no_training_clip_is_lost_by_fitting(kth):
    clips, labels, _ = kth
    fitted, hand = (attempt.fit(*kth).predict(clips) for attempt in (RulesFitted(), RulesHand()))
    assert np.mean(fitted == labels) >= np.mean(hand == labels)


def test_the_same_clips_give_the_same_list(kth):
    assert RulesFitted().fit(*kth).rules_ == RulesFitted().fit(*kth).rules_


def test_each_threshold_counts_as_fitted(kth):
    counts = RulesFitted().fit(*kth).count()
    assert counts["parameters"] == counts["conditions"] == 3


def test_a_saved_list_is_the_same(kth, tmp_path):
    attempt = RulesFitted().fit(*kth)
    attempt.save(tmp_path)
    assert Attempt.load(tmp_path).explain() == attempt.explain()


def test_other_classes_are_skipped_with_a_reason(figures):
    assert "no rule for 'bend'" in RulesFitted().skip(SimpleNamespace(classes=["bend"]))
    with pytest.raises(ValueError, match="no rule for 'bounce'"):
        RulesFitted().fit(*figures)
