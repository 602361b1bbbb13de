import re

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from actionbench.baselines.rules._rule_attempt import RuleAttempt
from actionbench.baselines.rules._rule_list import Condition, Rule
from actionbench.baselines.rules._rule_text import read
from actionbench.errors import ActionbenchError
from actionbench.features.quantities import QUANTITIES, quantities

SPEED, FILL, SYMMETRY = (
    [quantity.name for quantity in QUANTITIES].index(name)
    for name in ("horizontal speed", "fill", "symmetry")
)


class Given(RuleAttempt):
    """A list given as it is."""

    def __init__(self, *, rules=()):
        self.rules = rules

    def fit(self, clips, labels, groups=None):
        self.classes_, self.rules_ = np.unique(labels), list(self.rules)
        return self


@pytest.fixture
def given(figures):
    """Bouncers do not go, so the first rule is not theirs."""
    rules = [
        Rule((Condition(SPEED, True, 0.9), Condition(FILL, True, 0.0)), 1, (0, 6, 0)),
        Rule((Condition(FILL, True, 0.0), Condition(SPEED, False, 7.5)), 0, (1, 0, 4)),
        Rule((), 2, (0, 0, 0)),
    ]
    return Given(rules=rules).fit(*figures)


def test_the_list_decides_and_not_its_counts(given, figures):
    clips, labels, _ = figures
    still = clips[np.flatnonzero(labels != "go")]
    np.testing.assert_array_equal(given.predict(still), "bounce")
    # The label's one clip becomes five, more than the four against it; then each class gets one more.
    np.testing.assert_allclose(given.predict_proba(still[:1]), [[6 / 12, 1 / 12, 5 / 12]])
    going = clips[np.flatnonzero(labels == "go")]
    np.testing.assert_array_equal(given.predict(going), "go")
    np.testing.assert_allclose(given.predict_proba(going[:1]), [[1 / 9, 7 / 9, 1 / 9]])


def test_what_is_counted(given):
    assert given.count() == {"parameters": 4, "rules": 3, "conditions": 4, "quantities": 2}


def test_a_clip_is_explained_by_the_rule_that_fires(given, figures):
    clip = figures[0][0]
    speed, fill = (quantities(clip)[name] for name in ("horizontal speed", "fill"))
    lines = given.explain(clip).splitlines()
    assert "\n".join(lines[:4]) == given.explain() + "\n"
    assert lines[4] == "# this clip: bounce, by rule 2"
    found = re.fullmatch(
        r"# rule 1 \(go\) does not fire: horizontal speed is (\S+), not > 0.9 heights/s", lines[5]
    )
    assert float(found[1]) == pytest.approx(speed, rel=0.01)
    found = re.fullmatch(
        r"# rule 2 \(bounce\) fires: fill is (\S+), > 0; horizontal speed is (\S+), <= 7.5 heights/s",
        lines[6],
    )
    assert [float(found[1]), float(found[2])] == pytest.approx([fill, speed], rel=0.01)
    assert len(lines) == 7


def test_the_default_is_explained(figures):
    nowhere = Rule((Condition(SPEED, False, -1.0),), 0, (0, 0, 0))
    attempt = Given(rules=[nowhere, Rule((), 2, (1, 1, 1))]).fit(*figures)
    lines = attempt.explain(figures[0][0]).splitlines()
    assert lines[3] == "# this clip: wave, by rule 2"
    assert lines[4].startswith("# rule 1 (bounce) does not fire: horizontal speed is ")
    assert lines[5] == "# rule 2 (wave) fires: no other rule does"


def test_a_value_close_to_its_threshold_stands_on_its_side(figures):
    value = quantities(figures[0][0])["symmetry"]
    just = float(np.nextafter(value, 0))
    attempt = Given(rules=[Rule((Condition(SYMMETRY, True, just),), 0, (1, 0, 0)), Rule((), 1, (0, 1, 0))])
    lines = attempt.fit(*figures).explain(figures[0][0]).splitlines()
    shown = float(re.search(r"symmetry is (\S+), > ", lines[-1])[1])
    assert shown > just


def test_an_exported_list_is_read_back(given, figures, tmp_path):
    path = tmp_path / "rules.txt"
    given.export(path)
    assert [(rule.conditions, rule.label) for rule in read(path)] == [
        (rule.conditions, given.classes_[rule.label]) for rule in given.rules_
    ]
    path.write_text(given.explain(figures[0][0]))
    assert len(read(path)) == 3


def test_what_cannot_be_exported(given, tmp_path):
    with pytest.raises(
        ActionbenchError, match=r"rules\.txt: the list of rules cannot be written \(No such file"
    ):
        given.export(tmp_path / "nowhere" / "rules.txt")
    with pytest.raises(NotFittedError):
        Given().export(tmp_path / "rules.txt")
