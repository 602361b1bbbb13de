import json
from pathlib import Path

import pytest

from actionbench import ActionbenchError, api
from actionbench.baselines.conformance import CHECKS

MINE = '''
import numpy as np
from actionbench import Attempt
from sklearn.utils.validation import check_is_fitted


class Mine(Attempt):
    """Nothing but the number of classes."""

    family = "mine"

    def __init__(self, *, factor=1.0):
        self.factor = factor

    def fit(self, clips, labels, groups=None):
        self.classes_ = np.unique(labels)
        return self

    def predict_proba(self, clips):
        check_is_fitted(self)
        return np.full((len(clips), len(self.classes_)), self.factor / len(self.classes_))
'''


@pytest.fixture
def plugin(monkeypatch, tmp_path):
    """The plug-in above; a saved attempt knows its file by name, so that each test has another."""
    monkeypatch.chdir(tmp_path)
    path = Path(f"{tmp_path.name}.py")
    path.write_text(MINE)
    return path.name


@pytest.fixture
def call(call, plugin):
    """Call the command line; PLUGIN stands for the file."""
    return lambda *words: call(*(word.replace("PLUGIN", plugin) for word in words))


def test_new_says_what_it_wrote_and_what_comes_next(call):
    code, out, err = call("new", "attempt", "first-try", "-o", "somewhere")
    assert code == 0
    assert len(out.splitlines()) == 5
    assert all(Path(line).is_file() for line in out.splitlines())
    assert err == "now: pip install -e somewhere; pytest somewhere; actionbench check first-try\n"
    code, out, err = call("new", "attempt", "First")
    assert (code, out) == (2, "")
    assert "'First' cannot be the name of an attempt" in err


def test_check_prints_a_line_for_each(call):
    code, out, err = call("check", "mine", "--plugin", "PLUGIN")
    assert code == 0
    assert [line.split()[1] for line in out.splitlines()] == list(CHECKS)
    assert err == f"mine: {len(CHECKS)} checks, 0 failed\n"


def test_check_fails_where_a_promise_is_broken(call):
    words = ("check", "mine", "--plugin", "PLUGIN", "--set", "params.factor=2.0")
    code, out, _ = call(
        *words, "--json", "--skip", "cost=another day", "--skip", "same_in_another_process=too"
    )
    reports = {report["check"]: report for report in json.loads(out)}
    assert code == 1
    assert reports["probabilities"]["outcome"] == "failed"
    assert "sum to 1" in reports["probabilities"]["reason"]
    assert (reports["cost"]["outcome"], reports["cost"]["reason"]) == ("skipped", "another day")
    assert set(reports["cost"]) == {"check", "outcome", "reason", "seconds"}


def test_bounds_of_cost_are_options(call):
    others = [f"--skip={name}=another day" for name in CHECKS if name != "cost"]
    code, out, _ = call("check", "mine", "--plugin", "PLUGIN", "--memory", "1", *others)
    assert code == 1
    assert "MiB, more than 1" in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("no-such",), "there is no attempt 'no-such'"),
        (
            ("mine", "--plugin", "PLUGIN", "--set", "params.fact=2"),
            "unknown parameter 'fact'; did you mean 'factor'",
        ),
        (("mine", "--plugin", "PLUGIN", "--set", "factor=2"), "--set factor=2: must be params.KEY=VALUE"),
        (("mine", "--plugin", "PLUGIN", "--skip", "cost"), "--skip cost: must be CHECK=REASON"),
        (
            ("mine", "--plugin", "PLUGIN", "--skip", "costs=x"),
            "there is no check 'costs'; did you mean 'cost'",
        ),
        (("mine", "--plugin", "nowhere.py"), "there is no such plug-in"),
    ],
)
def test_wrong_use_of_check(call, words, sentence):
    code, out, err = call("check", *words)
    assert (code, out) == (2, "")
    assert sentence in err


def test_the_same_in_python(plugin):
    reports = api.check(
        "mine", plugins=[plugin], skip=dict.fromkeys(("cost", "same_in_another_process"), "no")
    )
    assert {report.outcome for report in reports} == {"passed", "skipped"}
    with pytest.raises(ActionbenchError, match="there is no attempt"):
        list(api.check("no-such"))
