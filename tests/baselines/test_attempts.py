"""What holds for every attempt of this family of files."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from actionbench.baselines.base import Attempt, Explanation
from actionbench.baselines.chance import Chance
from actionbench.baselines.dense_trajectories import DenseTrajectories
from actionbench.baselines.hof_svm import HofSvm
from actionbench.baselines.hog3d_bow import Hog3dBow
from actionbench.baselines.hog_hof_mbh_svm import HogHofMbhSvm
from actionbench.baselines.hog_svm import HogSvm
from actionbench.baselines.lbp_top_svm import LbpTopSvm
from actionbench.baselines.majority import Majority
from actionbench.baselines.mhi_grid_svm import MhiGridSvm
from actionbench.baselines.mhi_hu import MhiHu
from actionbench.baselines.rules import Rules
from actionbench.baselines.rules_tree import RulesTree
from actionbench.baselines.stip_bow import StipBow
from actionbench.features.clip import Clips

FLOOR = [Chance, Majority]
LOCAL = [DenseTrajectories, Hog3dBow, StipBow]
ALL = [*FLOOR, Rules, RulesTree, MhiHu, MhiGridSvm, LbpTopSvm, HogSvm, HofSvm, HogHofMbhSvm, *LOCAL]
every = pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)


@pytest.fixture(scope="module")
def fitted(figures):
    """Each attempt, fitted once."""
    clips, labels, groups = figures
    return {cls: cls().fit(clips, labels, groups) for cls in ALL}


def check(probabilities, attempt, clips):
    assert probabilities.shape == (len(clips), len(attempt.classes_))
    assert probabilities.dtype == np.float64
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


@every
def test_contract(cls, figures, fitted):
    clips, labels, groups = (part[:4] for part in figures)
    attempt = cls()
    assert vars(attempt) == attempt.get_params(), "the constructor only stores"
    assert attempt.fit(clips, labels, groups) is attempt
    attempt = fitted[cls]
    np.testing.assert_array_equal(attempt.classes_, ["bounce", "go", "wave"])
    check(attempt.predict_proba(clips), attempt, clips)
    assert isinstance(attempt.explain(), Explanation)
    assert "does not explain itself" not in attempt.explain()
    assert attempt.count()["parameters"] >= 0
    assert set(attempt.search_space()) <= set(attempt.get_params())
    assert attempt.predict_proba(clips[:0]).shape == (0, 3)


@every
def test_same_seed_same_result_whatever_stands_beside(cls, figures):
    clips, labels, groups = (part[:9] for part in figures)
    first, second = (clone(cls()).fit(clips, labels, groups) for _ in range(2))
    whole = first.predict_proba(clips[:4])
    np.testing.assert_array_equal(second.predict_proba(clips[:4]), whole)
    np.testing.assert_allclose(second.predict_proba(clips[[3, 2]]), whole[[3, 2]], atol=1e-12)


@every
@pytest.mark.parametrize("grouped", [True, False])
def test_odd_clips_survive(cls, odd_clips, grouped):
    labels = np.array(["a", "b", "a", "b", "c", "c"])
    groups = np.array(["p", "p", "q", "q", "p", "q"]) if grouped else None
    attempt = cls().fit(odd_clips, labels, groups)
    check(attempt.predict_proba(odd_clips), attempt, odd_clips)
    assert "does not explain itself" not in attempt.explain()


@every
@pytest.mark.parametrize(
    ("rows", "grouped"),
    [
        ([0, 1, 2], True),  # one clip of each class, of one person
        ([0, 1], False),  # two classes
        ([0, 0, 1, 1], False),  # identical clips
        ([0, 3], True),  # one class
        ([0, 3, 7, 11], True),  # classes that some inner fold does not see
        ([4], False),
    ],
)
def test_few_clips_survive(cls, figures, rows, grouped):
    clips, labels, groups = (part[np.array(rows)] for part in figures)
    attempt = cls().fit(clips, labels, groups if grouped else None)
    others = figures[0][[0, 5]]
    check(attempt.predict_proba(others), attempt, others)
    assert set(attempt.predict(others)) <= set(labels)


@every
def test_same_clip_under_two_labels_survives(cls, figures):
    clips = figures[0][[0, 0, 0, 0]]
    attempt = cls().fit(clips, np.array(["a", "b", "a", "b"]), np.array(["p", "p", "q", "q"]))
    check(attempt.predict_proba(clips), attempt, clips)


@every
def test_wrong_use_is_refused(cls, figures):
    clips, labels, _ = figures
    with pytest.raises(ValueError, match="one label for each clip"):
        cls().fit(clips, labels[1:])
    with pytest.raises(ValueError, match="one label for each clip"):
        cls().fit(Clips.of([]), labels[:0])
    with pytest.raises(NotFittedError):
        cls().predict_proba(clips)


@pytest.mark.parametrize("cls", [Rules, RulesTree, HofSvm, HogHofMbhSvm], ids=lambda cls: cls.__name__)
def test_unseen_actors_are_recognised(cls, figures):
    clips, labels, groups = figures
    right = []
    for group in ("0", "3"):
        test = groups == group
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            attempt = cls().fit(clips[~test], labels[~test], groups[~test])
        right += list(attempt.predict(clips[test]) == labels[test])
    assert np.mean(right) > 0.8


@every
def test_saved_attempt_predicts_the_same(cls, figures, fitted, tmp_path):
    clips, attempt = figures[0][:3], fitted[cls]
    attempt.save(tmp_path / "deep" / "folder")
    for loader in (cls, Attempt):
        loaded = loader.load(tmp_path / "deep" / "folder")
        assert type(loaded) is cls
        assert loaded.get_params() == attempt.get_params()
        assert loaded.explain() == attempt.explain()
        np.testing.assert_array_equal(loaded.predict_proba(clips), attempt.predict_proba(clips))
