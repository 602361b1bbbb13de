from types import SimpleNamespace

import numpy as np
import pytest

from actionbench.baselines.base import Attempt
from actionbench.baselines.rules.rules_hand import RulesHand, action_of, hand_bodies
from actionbench.experiments.datasets.figures import ACTIONS
from actionbench.features.clip import Clips
from actionbench.features.quantities import QUANTITIES, quantities

NAMES = {"bounce": "boxing", "go": "Running", "wave": "hand-waving"}


@pytest.fixture
def kth(figures):
    """The figures under names of KTH's actions."""
    clips, labels, groups = figures
    return clips, np.array([NAMES[label] for label in labels]), groups


def by_hand(clip):
    """Decide as the printed list says."""
    found = quantities(clip)
    if found["horizontal sweep"] > 0.5:
        for action, speed in (("Running", 1.6), ("jogging", 1.2), ("walking", 0.3)):
            if action in NAMES.values() and found["passing speed"] > speed:
                return action
    return "hand-waving" if found["vertical motion"] > 0.5 else "boxing"


def test_the_list_decides_as_it_reads(kth):
    clips, labels, groups = kth
    attempt = RulesHand().fit(clips, labels, groups)
    np.testing.assert_array_equal(attempt.predict(clips), [by_hand(clip) for clip in clips])
    assert attempt.explain().splitlines()[-1].startswith("otherwise boxing ")


def test_labels_change_no_rule(kth):
    """Whatever the training labels are, the thresholds stay."""
    clips, labels, _ = kth
    first, second = (RulesHand().fit(clips, names) for names in (labels, labels[::-1]))
    assert [rule.conditions for rule in first.rules_] == [rule.conditions for rule in second.rules_]
    np.testing.assert_array_equal(first.predict(clips), second.predict(clips))


def test_six_rules_for_six_actions():
    bodies = hand_bodies(ACTIONS)
    assert sorted(label for _, label in bodies) == list(range(6))
    assert bodies[-1] == ((), 0)
    units = {QUANTITIES[c.quantity].unit for conditions, _ in bodies for c in conditions}
    assert units == {"heights/s", "heights", ""}


def test_the_last_action_that_is_there_gets_the_rest():
    assert hand_bodies(["clap", "run"])[-1] == ((), 0)
    assert hand_bodies(["walk"]) == [((), 0)]


@pytest.mark.parametrize(
    ("label", "action"),
    [
        ("Boxing", "boxing"),
        ("hand_clapping", "handclapping"),
        ("Hand Waving", "handwaving"),
        ("jog", "jogging"),
        ("running", "running"),
        ("WALK", "walking"),
        ("jump", None),
        ("", None),
    ],
)
def test_usual_spellings(label, action):
    assert action_of(label) == action


@pytest.mark.parametrize(
    ("classes", "says"),
    [
        (["walk", "bend"], "no rule for 'bend'"),
        (["run", "running"], "cannot distinguish 'run' from 'running'"),
    ],
)
def test_other_classes_are_skipped_with_a_reason(kth, classes, says):
    assert says in RulesHand().skip(SimpleNamespace(classes=classes))
    with pytest.raises(ValueError, match=says):
        RulesHand().fit(kth[0][:2], np.array(classes))
    assert RulesHand().skip(SimpleNamespace(classes=list(ACTIONS))) is None


def test_nothing_is_fitted_but_probabilities(kth):
    clips, labels, _ = kth
    attempt = RulesHand().fit(clips, labels)
    assert attempt.count()["parameters"] == 0
    assert attempt.count()["rules"] == 3
    found = attempt.predict_proba(clips)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert found.min() > 0
    assert attempt.predict_proba(Clips.of([])).shape == (0, 3)


def test_a_saved_list_predicts_the_same(kth, tmp_path):
    clips, labels, _ = kth
    attempt = RulesHand().fit(clips, labels)
    attempt.save(tmp_path)
    loaded = Attempt.load(tmp_path)
    assert loaded.explain() == attempt.explain()
    np.testing.assert_array_equal(loaded.predict_proba(clips[:3]), attempt.predict_proba(clips[:3]))


def test_odd_clips_survive(odd_clips):
    labels = np.array(["walk", "run", "walk", "run", "box", "box"])
    np.testing.assert_allclose(RulesHand().fit(odd_clips, labels).predict_proba(odd_clips).sum(axis=1), 1)
