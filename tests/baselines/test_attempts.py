"""What holds for attempts without a net beyond what the conformance suite asks of all."""

import warnings

import numpy as np
import pytest

from actionbench.baselines.handcrafted.dense_trajectories import DenseTrajectories
from actionbench.baselines.handcrafted.hof_svm import HofSvm
from actionbench.baselines.handcrafted.hog3d_bow import Hog3dBow
from actionbench.baselines.handcrafted.hog_hof_mbh_svm import HogHofMbhSvm
from actionbench.baselines.handcrafted.hog_svm import HogSvm
from actionbench.baselines.handcrafted.lbp_top_svm import LbpTopSvm
from actionbench.baselines.handcrafted.mhi_grid_svm import MhiGridSvm
from actionbench.baselines.handcrafted.mhi_hu import MhiHu
from actionbench.baselines.handcrafted.stip_bow import StipBow
from actionbench.baselines.rules.rules import Rules
from actionbench.baselines.rules.rules_tree import RulesTree
from actionbench.baselines.trivial.chance import Chance
from actionbench.baselines.trivial.majority import Majority
from actionbench.features.clip import Clips

FLOOR = [Chance, Majority]
LOCAL = [DenseTrajectories, Hog3dBow, StipBow]
ALL = [*FLOOR, Rules, RulesTree, MhiHu, MhiGridSvm, LbpTopSvm, HogSvm, HofSvm, HogHofMbhSvm, *LOCAL]
every = pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
# Of each base class one; conformance asks the like of all.
ONE_EACH = {Chance, Rules, RulesTree, MhiHu, HogSvm, StipBow}
mostly_slow = pytest.mark.parametrize(
    "cls",
    [pytest.param(cls, marks=() if cls in ONE_EACH else pytest.mark.slow, id=cls.__name__) for cls in ALL],
)


def check(probabilities, attempt, clips):
    assert probabilities.shape == (len(clips), len(attempt.classes_))
    assert probabilities.dtype == np.float64
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


@mostly_slow
@pytest.mark.parametrize(
    ("rows", "grouped"),
    [
        ([0, 1, 2], True),  # all of one person
        ([0, 1], False),  # two classes
        ([0, 0, 1, 1], False),  # identical clips
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
def test_wrong_use_is_refused(cls, figures):
    clips, labels, _ = figures
    with pytest.raises(ValueError, match="one label for each clip"):
        cls().fit(clips, labels[1:])
    with pytest.raises(ValueError, match="one label for each clip"):
        cls().fit(Clips.of([]), labels[:0])


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
