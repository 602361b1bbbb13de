from dataclasses import dataclass

import numpy as np
import pytest

from actionbench import Attempt, Explanation
from actionbench.experiments.datasets.splits import LeaveOneGroupOut
from actionbench.experiments.evaluation.cell import ContractError, reorder_columns, run_cell
from actionbench.features.cache import FeatureCache, compute, use_cache


class Fixed(Attempt):
    """Gives what it is told to."""

    family = "trivial"

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


def test_a_result_has_all_that_a_row_needs(toy):
    result = run(toy)
    np.testing.assert_allclose(result.probabilities, 1 / 3)
    assert result.probabilities.shape == (6, 3)
    assert result.fit_seconds >= 0 <= result.predict_seconds
    assert result.n_parameters == 7
    assert result.operations is None
    assert result.counts == {"parameters": 7, "rules": 3}
    assert type(result.counts["rules"]) is int
    assert result.artifacts["explain.txt"] == b"fixed"
    assert result.artifacts["weights.png"].startswith(b"\x89PNG")


def test_what_an_attempt_says_of_itself_is_kept(toy):
    class Pretrained(Fixed):
        pretrained = "cats"

        def warnings(self):
            return {"pretraining-overlap": f"{len(self.classes_)} of these were cats."}

    dataset = toy(labels=("a", "b", "c"))
    result = run_cell(Pretrained(), dataset, LeaveOneGroupOut().folds(dataset)[0])
    assert result.pretrained == "cats"
    assert result.warnings == {"pretraining-overlap": "3 of these were cats."}
    assert (run(toy).pretrained, run(toy).warnings) == ("", {})


def test_the_attempt_sees_the_training_side_only(toy):
    dataset = toy()
    attempt, fold = Fixed(), LeaveOneGroupOut().folds(dataset)[1]
    run_cell(attempt, dataset, fold)
    n_clips, labels, groups = attempt.seen_
    assert n_clips == len(labels) == len(groups) == 12
    assert fold.name not in groups


def test_warm_up_is_of_a_training_clip_and_test_clips_are_also_asked_about_one_at_a_time(toy):
    calls = []

    class Listening(Fixed):
        def predict_proba(self, clips):
            calls.append([float(clip.frames.mean()) for clip in clips])
            return super().predict_proba(clips)

    dataset = toy(repeats=40)
    fold = LeaveOneGroupOut().folds(dataset)[0]
    result = run_cell(Listening(), dataset, fold)
    warm_up, together, *alone = calls
    assert warm_up == [float(dataset.clips[int(fold.train[0])].frames.mean())]
    assert len(together) == len(fold.test) == 80
    assert alone == [[value] for value in together[:32]]
    assert result.latencies.shape == (32,)
    assert (result.latencies > 0).all()
    assert result.warm_up_seconds > 0
    assert result.warnings == {}


def test_costs_do_not_depend_on_what_was_computed_before(toy, tmp_path, spend):
    @dataclass(frozen=True)
    class Brightness:
        def extract(self, clip):
            spend(5.0, 4.0, 30.0)
            return {"brightness": np.array([clip.frames.mean()])}

    class Reading(Fixed):
        """Reads a feature three times to fit and twice to predict."""

        def read(self, clips):
            assert len(list(compute(Brightness(), clips))) == len(clips)
            spend(0.5, 0.25, 3.0)

        def fit(self, clips, labels, groups=None):
            for _ in range(3):
                self.read(clips)
            return super().fit(clips, labels, groups)

        def predict_proba(self, clips):
            for _ in range(2):
                self.read(clips)
            return super().predict_proba(clips)

    dataset = toy()
    fold = LeaveOneGroupOut().folds(dataset)[0]
    n_train, n_test = len(fold.train), len(fold.test)
    cache, paid = FeatureCache(tmp_path, 2**30, lambda _: ""), []
    for used in (None, cache, cache):
        with use_cache(used):
            found = run_cell(Reading(), dataset, fold)
        paid.append(found.fit_seconds)
        assert found.fit_seconds + found.fit_saved_seconds == pytest.approx(5 * n_train + 1.5)
        assert found.predict_seconds + found.predict_saved_seconds == pytest.approx(5 * n_test + 1)
        assert found.warm_up_seconds == pytest.approx(6)
        assert found.latencies == pytest.approx(6000)
        assert found.fit_cpu_seconds == pytest.approx(4 * n_train + 0.75)
        assert found.predict_cpu_seconds == pytest.approx(4 * n_test + 0.5)
        assert found.fit_joules == pytest.approx(30 * n_train + 9)
        assert found.predict_joules == pytest.approx(30 * n_test + 6)
    assert paid == pytest.approx([5 * n_train + 1.5, 5 * n_train + 1.5, 1.5])


def test_an_attempt_that_looks_at_the_other_test_clips_is_named(toy):
    class Peeking(Fixed):
        def predict_proba(self, clips):
            share = min(1.0, len(clips) / 10)
            return np.tile([share, 1 - share], (len(clips), 1))

    dataset = toy()
    result = run_cell(Peeking(), dataset, LeaveOneGroupOut().folds(dataset)[0])
    assert list(result.warnings) == ["batch-dependent"]
    assert "change by up to 0.3 with the clips" in result.warnings["batch-dependent"]


def test_the_size_is_that_of_what_was_fitted(toy):
    class Heavy(Fixed):
        def fit(self, clips, labels, groups=None):
            self.weights_ = [np.zeros((1000, 100)), {"bias": np.zeros(50, np.float32)}]
            return super().fit(clips, labels, groups)

    dataset = toy()
    fold = LeaveOneGroupOut().folds(dataset)[0]
    light, heavy = (run_cell(cls(), dataset, fold).size_bytes for cls in (Fixed, Heavy))
    assert heavy - light == pytest.approx(1000 * 100 * 8 + 50 * 4, abs=100)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": [0.5, 0.5]}, r"must return shape \(1, 3\) \(clips, classes_\), got \(1, 2\)"),
        ({"rows": [0.5, 0.5, 0.5]}, "sum to 1"),
        ({"rows": [1.5, -0.5, 0]}, "sum to 1"),
        ({"rows": [np.nan, 0.5, 0.5]}, "not finite"),
        ({"classes": ["a", "b", "z"]}, "classes_ holds 'z'"),
    ],
)
def test_what_breaks_the_contract_is_said(toy, options, message):
    with pytest.raises(ContractError, match=message):
        run(toy, **options)


def test_columns_are_brought_into_the_order_of_the_data_set():
    given = np.array([[0.1, 0.9], [0.8, 0.2]])
    np.testing.assert_array_equal(
        reorder_columns(given, np.array(["c", "a"]), ["a", "b", "c"]), [[0.9, 0, 0.1], [0.2, 0, 0.8]]
    )
