import re

import numpy as np
import pytest

from actionbench.baselines.rules.rules import Rules
from actionbench.features.quantities import QUANTITIES, quantities


def test_printed_rules_decide_as_the_attempt_does(figures):
    """Read the text as a person would, apply it by hand."""
    clips, labels, groups = figures
    attempt = Rules().fit(clips, labels, groups)
    lines = attempt.explain().splitlines()
    assert lines[-1].startswith("otherwise ")
    assert attempt.count()["rules"] == len(lines)
    known = {quantity.name: quantity.unit for quantity in QUANTITIES}
    for clip, predicted in zip(clips, attempt.predict(clips), strict=True):
        measure_clips = quantities(clip)
        for line in lines:
            tests = re.findall(r"(?:if|and) ([a-z ]+?) (>|<=) (\S+)(?: ([a-zA-Z/]+))?(?= and | then )", line)
            assert len(tests) <= 3
            assert all(unit == known[name] for name, _, _, unit in tests if unit)
            if all((measure_clips[name] > float(value)) == (sign == ">") for name, sign, value, _ in tests):
                break
        assert re.search(rf"(then|otherwise) {predicted} ", line)
        assert re.search(r"\(\d+ of \d+ training clips\)$", line)


def test_probabilities_are_smoothed_counts(figures):
    clips, labels, groups = figures
    attempt = Rules(softness=0.1, min_clips=1).fit(clips, labels, groups)
    found = attempt.predict_proba(clips)
    for row in found:
        assert any(
            np.allclose(row, (np.array(rule.counts) + 1) / (sum(rule.counts) + 3)) for rule in attempt.rules_
        )


@pytest.mark.parametrize("max_conditions", [0, 4, "two"])
def test_number_of_conditions_is_checked(figures, max_conditions):
    with pytest.raises(ValueError, match="max_conditions must be 1, 2 or 3"):
        Rules(max_conditions=max_conditions).fit(*figures)


def test_given_caution_is_kept(figures):
    attempt = Rules(softness=0.3, min_clips=2, max_conditions=1).fit(*figures)
    assert (attempt.softness_, attempt.min_clips_) == (0.3, 2)
    assert attempt.count()["parameters"] == len(attempt.rules_) - 1


def test_a_list_saved_by_an_older_version_is_read(figures):
    """Its thresholds have all their digits."""
    rules = [
        {"conditions": [[0, True, 0.12345678901234]], "label": 1, "counts": [1, 2]},
        {"conditions": [], "label": 0, "counts": [3, 0]},
    ]
    state = {"classes_": np.array(["a", "b"]), "rules_": rules, "softness_": 0.1, "min_clips_": 2}
    attempt = Rules()
    attempt.restore_state(state)
    assert attempt.explain().splitlines()[0] == (
        "if horizontal speed > 0.12345678901234 heights/s then b   (2 of 3 training clips)"
    )
    assert (attempt.softness_, attempt.min_clips_) == (0.1, 2)
    assert attempt.fitted_state()["rules_"] == rules
