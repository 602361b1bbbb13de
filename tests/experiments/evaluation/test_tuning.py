from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from actionbench import Attempt
from actionbench.errors import SplitError
from actionbench.experiments.evaluation.tuning import Budget, tune
from actionbench.features.cache import FeatureCache, compute, use_cache


class Threshold(Attempt):
    """Bright clips are light; one threshold is right, some fail."""

    family = "trivial"
    seen: ClassVar[list] = []

    def __init__(self, *, threshold=0):
        self.threshold = threshold

    def fit(self, clips, labels, groups=None):
        self.seen.append((self.threshold, sorted(set(groups.tolist()))))
        if self.threshold < 0:
            raise ValueError("below zero")
        self.classes_ = np.unique(labels)
        return self

    def predict_proba(self, clips):
        light = np.array([clip.frames.mean() > self.threshold for clip in clips], float)
        return np.stack([1 - light, light], axis=1)


@pytest.fixture
def search(toy):
    dataset = toy()
    Threshold.seen = []

    def run(values, trials=None, seconds=None, folds=3, where=slice(None)):
        return tune(
            lambda point: Threshold(**point),
            {"threshold": values} if values else {},
            dataset.clips[where],
            dataset.labels[where],
            dataset.groups[where],
            Budget(trials, seconds, folds),
            seed=0,
        )

    return run


def test_the_right_parameter_is_found(search):
    found = search([-5.0, 10, 100, 250], trials=5)
    assert (found.params, found.score) == ({"threshold": 100}, 1.0)
    assert found.trials[0]["params"] == {}
    assert len(found.trials) == 5
    assert found.seconds == pytest.approx(sum(trial["seconds"] for trial in found.trials))


def test_every_attempt_gets_the_same_number_of_trials_and_small_spaces_are_tried_whole(search):
    assert len(search(list(range(50)), trials=7).trials) == 7
    assert len(search([1, 2], trials=7).trials) == 3
    assert len(search([], trials=7).trials) == 1


def test_no_group_stands_on_both_sides_of_an_inner_fold(search):
    search([100], trials=2)
    trained = [groups for _, groups in Threshold.seen]
    assert all(0 < len(groups) < 4 for groups in trained)


def test_the_same_seed_tries_the_same_points(search):
    first, second = (search(list(range(200)), trials=5) for _ in range(2))
    assert [trial["params"] for trial in first.trials] == [trial["params"] for trial in second.trials]


def test_a_point_that_fails_is_a_bad_point(search):
    found = search([-1, 100], trials=3)
    assert found.params == {"threshold": 100}
    (failed,) = [trial for trial in found.trials if trial["params"] == {"threshold": -1}]
    assert (failed["score"], failed["error"]) == (None, "ValueError: below zero")


def test_a_search_scores_what_a_table_scores(search, monkeypatch):
    """By probabilities, whatever an attempt's own labels are."""
    monkeypatch.setattr(Threshold, "predict", lambda attempt, clips: np.repeat("dark", len(clips)))
    assert search([100], trials=2).score == 1


def test_time_ends_a_search_after_one_trial_at_least(search):
    assert len(search(list(range(50)), seconds=1e-9).trials) == 1


def test_a_budget_of_time_buys_the_same_whether_features_are_there_or_not(
    search, spend, tmp_path, monkeypatch
):
    @dataclass(frozen=True)
    class Brightness:
        def extract(self, clip):
            spend(5.0, 0.0, 0.0)
            return {"brightness": np.array([clip.frames.mean()])}

    def fit(attempt, clips, labels, groups=None):
        assert len(list(compute(Brightness(), clips))) == len(clips)
        spend(1.0, 0.0, 0.0)
        return plain(attempt, clips, labels, groups)

    plain = Threshold.fit
    monkeypatch.setattr(Threshold, "fit", fit)
    cache = FeatureCache(tmp_path, 2**30, lambda _: "")
    for used in (None, cache, cache):
        with use_cache(used):
            found = search(list(range(50)), seconds=100)
        # All 16 clips, and three folds in each of seven trials.
        assert len(found.trials) == 7
        assert [trial["seconds"] for trial in found.trials] == pytest.approx([83.0] + 6 * [3.0])
        assert found.seconds == pytest.approx(101.0)


def test_one_group_cannot_be_divided(search):
    with pytest.raises(SplitError, match="tune: the training side has 1 group; there must be two or more"):
        search([1], trials=2, where=slice(0, 2))


def test_groups_of_one_class_each_cannot_be_divided(toy):
    dataset = toy()
    where = ((dataset.groups == "ann") & (dataset.labels == "dark")) | (
        (dataset.groups == "bob") & (dataset.labels == "light")
    )
    parts = dataset.clips[where], dataset.labels[where], dataset.groups[where]
    with pytest.raises(SplitError, match="tune: whichever groups .* one class only; two classes must"):
        tune(lambda point: Threshold(**point), {}, *parts, Budget(1, None, 2), seed=0)
