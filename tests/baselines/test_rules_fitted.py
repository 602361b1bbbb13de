from types import SimpleNamespace

import numpy as np
import pytest

from actionbench.baselines.base import Attempt
from actionbench.baselines.rules_fitted import RulesFitted, _middle_of_longest, _searched
from actionbench.baselines.rules_hand import RulesHand, hand_bodies
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


def test_thresholds_move_to_where_people_differ():
    table, codes = people(10, 0)
    hand = hand_bodies(ACTIONS)
    assert np.mean(decided(hand, table) == codes) == pytest.approx(0.6)
    fitted = _searched(hand, table, codes, 3)
    test, truth = people(50, 1)
    np.testing.assert_array_equal(decided(fitted, test), truth)
    speeds = [conditions[0].threshold for conditions, _ in fitted[:2]]
    assert speeds == pytest.approx([1.05, 0.65], abs=0.2)


def test_the_structure_stays():
    table, codes = people(10, 0)
    hand = hand_bodies(ACTIONS)
    fitted = _searched(hand, table, codes, 3)
    shape = [[[(c.quantity, c.above) for c in conditions], label] for conditions, label in fitted]
    assert shape == [[[(c.quantity, c.above) for c in conditions], label] for conditions, label in hand]
    # The condition that three rules share is still one.
    assert len({conditions[1] for conditions, _ in fitted[:3]}) == 1


def test_a_threshold_that_is_good_enough_stays():
    table, codes = people(10, 0, walk=0.7, jog=1.4, run=2.0)
    hand = hand_bodies(ACTIONS)
    assert _searched(hand, table, codes, 3) == hand
    assert _searched(hand, table[:0], codes[:0], 3) == hand


@pytest.mark.parametrize(
    ("best", "middle"), [([1, 0, 0], 0), ([0, 1, 1, 1], 2), ([1, 0, 1, 1, 1, 0, 1], 3), ([1, 1, 0, 1, 1], 0)]
)
def test_the_middle_of_the_longest_run(best, middle):
    assert _middle_of_longest(np.array(best, bool)) == middle


@pytest.fixture
def kth(figures):
    """The figures under names of KTH's actions."""
    clips, labels, groups = figures
    names = {"bounce": "boxing", "go": "running", "wave": "handwaving"}
    return clips, np.array([names[label] for label in labels]), groups


def test_no_rounds_are_the_list_written_by_hand(kth):
    clips = kth[0]
    fitted, hand = RulesFitted(rounds=0).fit(*kth), RulesHand().fit(*kth)
    np.testing.assert_array_equal(fitted.predict_proba(clips), hand.predict_proba(clips))
    assert fitted.count()["parameters"] == 0


def test_without_a_second_group_nothing_is_fitted(kth):
    clips, labels, groups = (part[:3] for part in kth)
    assert RulesFitted().fit(clips, labels, groups).rounds_ == 0


def test_no_training_clip_is_lost_by_fitting(kth):
    clips, labels, _ = kth
    fitted, hand = (attempt.fit(*kth).predict(clips) for attempt in (RulesFitted(rounds=2), RulesHand()))
    assert np.mean(fitted == labels) >= np.mean(hand == labels)


def test_a_saved_list_is_the_same(kth, tmp_path):
    attempt = RulesFitted().fit(*kth)
    attempt.save(tmp_path)
    loaded = Attempt.load(tmp_path)
    assert (loaded.explain(), loaded.rounds_) == (attempt.explain(), attempt.rounds_)


@pytest.mark.parametrize("rounds", [-1, 1.5, "two"])
def test_the_number_of_rounds_is_checked(kth, rounds):
    with pytest.raises(ValueError, match="rounds must be a whole number from 0, got"):
        RulesFitted(rounds=rounds).fit(*kth)


def test_other_classes_are_skipped_with_a_reason(figures):
    assert "no rule for 'bend'" in RulesFitted().skip(SimpleNamespace(classes=["bend"]))
    with pytest.raises(ValueError, match="no rule for 'bounce'"):
        RulesFitted().fit(*figures)
