"""What holds for attempts without a net beyond what the conformance suite asks of all."""

import warnings

import numpy as np
import pytest

from actionbench.baselines.registry import attempt_registry
from actionbench.features.clip import Clips

# Of each base class one is tested always; conformance tests the like of all.
OFTEN = "chance rules rules-tree mhi-hu hog-svm stip-bow".split()
SELDOM = (
    "majority mhi-grid-svm lbp-top-svm hof-svm hog-hof-mbh-svm grids-svm dense-trajectories hog3d-bow".split()
)
every = pytest.mark.parametrize("name", OFTEN + SELDOM)
mostly_slow = pytest.mark.parametrize(
    "name", OFTEN + [pytest.param(name, marks=pytest.mark.slow) for name in SELDOM]
)


def make(name):
    return attempt_registry().get(name)()


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
def test_few_clips_survive(name, figures, rows, grouped):
    clips, labels, groups = (part[np.array(rows)] for part in figures)
    attempt = make(name).fit(clips, labels, groups if grouped else None)
    others = figures[0][[0, 5]]
    check(attempt.predict_proba(others), attempt, others)
    assert set(attempt.predict(others)) <= set(labels)


@every
def test_wrong_use_is_refused(name, figures):
    clips, labels, _ = figures
    with pytest.raises(ValueError, match="one label for each clip"):
        make(name).fit(clips, labels[1:])
    with pytest.raises(ValueError, match="one label for each clip"):
        make(name).fit(Clips.of([]), labels[:0])


@pytest.mark.parametrize("name", ["rules", "rules-tree", "hof-svm", "hog-hof-mbh-svm"])
def test_unseen_actors_are_recognised(name, figures):
    clips, labels, groups = figures
    right = []
    for group in ("0", "3"):
        test = groups == group
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            attempt = make(name).fit(clips[~test], labels[~test], groups[~test])
        right += list(attempt.predict(clips[test]) == labels[test])
    assert np.mean(right) > 0.8
