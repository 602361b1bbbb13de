"""What an attempt can do as an estimator, held against scikit-learn, from whose classes it is not derived."""

from typing import ClassVar

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted as sklearn_check

from actionbench.baselines.base import Attempt, check_is_fitted
from actionbench.errors import MatrixError
from actionbench.experiments.planning.cells import make_attempt
from actionbench.features.clip import Clip, Clips


class Sized(Attempt):
    """Says what the first label of the training was."""

    family = "trivial"
    _parameter_constraints: ClassVar = {"size": [int], "colour": [str]}

    def __init__(self, *, size=1, colour="grey", names=()):
        self.size = size
        self.colour = colour
        self.names = names

    def fit(self, clips, labels, groups=None):
        self.classes_ = np.unique(labels)
        return self

    def predict_proba(self, clips):
        return np.eye(len(self.classes_))[np.zeros(len(clips), int)]


class Theirs(ClassifierMixin, BaseEstimator):
    __init__ = Sized.__init__


class Bare(Sized):
    __init__ = object.__init__


@pytest.fixture
def clips():
    return Clips.of([Clip(np.full((2, 4, 4), value, np.uint8), 25.0) for value in range(4)])


def test_parameters_are_those_that_scikit_learn_finds():
    ours, theirs = Sized(size=3), Theirs(size=3)
    assert ours.get_params() == ours.get_params(deep=False) == theirs.get_params()
    assert list(ours.get_params()) == list(theirs.get_params())
    assert clone(ours.set_params(colour="red")).get_params() == theirs.set_params(colour="red").get_params()
    assert Bare().get_params() == {}


def test_only_what_is_not_as_by_default_is_printed():
    assert repr(Sized()) == repr(Theirs()).replace("Theirs", "Sized") == "Sized()"
    changed = {"size": 2, "names": ("a",)}
    assert repr(Sized(**changed)) == "Sized(names=('a',), size=2)"
    assert repr(Theirs(**changed)) == "Theirs(names=('a',), size=2)"


def test_unknown_and_unnamed_parameters_are_refused():
    with pytest.raises(ValueError, match=r"Sized\(\) has no parameter 'sise'; did you mean 'size'\?"):
        Sized().set_params(sise=2)

    class Any(Sized):
        def __init__(self, *sizes):
            self.sizes = sizes

    with pytest.raises(TypeError, match=r"Any.__init__ must name its parameters"):
        Any().get_params()


def test_declared_kinds_of_parameters_are_demanded_of_a_matrix():
    assert make_attempt(Sized, "sized", {"size": 3}, seed=0).size == 3
    with pytest.raises(
        MatrixError, match=r"attempt 'sized': The 'size' parameter of Sized must be an instance of"
    ):
        make_attempt(Sized, "sized", {"size": "large"}, seed=0)


def test_a_parameter_that_was_checked_is_not_looked_at_again():
    class Typed(Sized):
        def __init__(self, *, depth: int = 1):
            self.depth = depth

    with pytest.raises(MatrixError, match=r"attempt 'typed': params.depth: "):
        make_attempt(Typed, "typed", {"depth": "deep"}, seed=0)
    assert make_attempt(Typed, "typed", {"depth": "deep"}, seed=0, checked=["depth"]).depth == "deep"


def test_scikit_learn_takes_it_for_a_classifier():
    assert is_classifier(Sized())
    assert get_tags(Sized()) == get_tags(Theirs())


def test_it_is_fitted_when_scikit_learn_says_so(clips):
    attempt = Sized()
    for check in (check_is_fitted, sklearn_check):
        with pytest.raises(NotFittedError):
            check(attempt)
    attempt.fit(clips, np.array(list("abab")))
    for check in (check_is_fitted, sklearn_check):
        check(attempt)


def test_the_score_is_the_accuracy(clips):
    labels = np.array(list("abba"))
    attempt = Sized().fit(clips, labels)
    assert attempt.score(clips, labels) == accuracy_score(labels, attempt.predict(clips)) == 0.5
