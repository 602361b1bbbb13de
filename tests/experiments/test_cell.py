import numpy as np
import pytest

from actionbench import Attempt, Explanation
from actionbench.experiments.cell import ContractError, run_cell, spread
from actionbench.experiments.splits import LeaveOneGroupOut


class Fixed(Attempt):
    """Gives what it is told to."""

    family = "floor"

    def __init__(self, *, rows=None, classes=None, words="fixed"):
        self.rows, self.classes, self.words = rows, classes, words

    def fit(self, clips, labels, groups=None):
        self.seen_ = (len(clips), labels, groups)
        self.classes_ = np.unique(labels) if self.classes is None else np.array(self.classes)
        return self

    def predict_proba(self, clips):
        row = np.full(len(self.classes_), 1 / len(self.classes_)) if self.rows is None else self.rows
        return np.tile(row, (len(clips), 1))

    def explain(self):
        from matplotlib.figure import Figure

        return Explanation(self.words, {"weights": Figure()})

    def count(self):
        return {"parameters": 7, "rules": np.int64(3)}


def run(toy, **options):
    dataset = toy(labels=("a", "b", "c"))
    return run_cell(Fixed(**options), dataset, LeaveOneGroupOut().folds(dataset)[0], explain=True)


def test_an_outcome_has_all_that_a_row_needs(toy):
    outcome = run(toy)
    np.testing.assert_allclose(outcome.probabilities, 1 / 3)
    assert outcome.probabilities.shape == (6, 3)
    assert outcome.fit_seconds >= 0 <= outcome.predict_seconds
    assert outcome.n_parameters == 7
    assert outcome.operations is None
    assert outcome.counts == {"parameters": 7, "rules": 3}
    assert type(outcome.counts["rules"]) is int
    assert outcome.artifacts["explain.txt"] == b"fixed"
    assert outcome.artifacts["weights.png"].startswith(b"\x89PNG")


def test_the_attempt_sees_the_training_side_only(toy):
    dataset = toy()
    attempt, fold = Fixed(), LeaveOneGroupOut().folds(dataset)[1]
    run_cell(attempt, dataset, fold)
    n_clips, labels, groups = attempt.seen_
    assert n_clips == len(labels) == len(groups) == 12
    assert fold.name not in groups


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"rows": [0.5, 0.5]}, r"must return shape \(6, 3\) \(clips, classes_\), got \(6, 2\)"),
        ({"rows": [0.5, 0.5, 0.5]}, "sum to 1"),
        ({"rows": [1.5, -0.5, 0]}, "sum to 1"),
        ({"rows": [np.nan, 0.5, 0.5]}, "not finite"),
        ({"classes": ["a", "b", "z"]}, "classes_ holds 'z'"),
    ],
)
def test_what_breaks_the_contract_is_said(toy, options, says):
    with pytest.raises(ContractError, match=says):
        run(toy, **options)


def test_columns_are_brought_into_the_order_of_the_data_set():
    given = np.array([[0.1, 0.9], [0.8, 0.2]])
    np.testing.assert_array_equal(
        spread(given, np.array(["c", "a"]), ["a", "b", "c"]), [[0.9, 0, 0.1], [0.2, 0, 0.8]]
    )
