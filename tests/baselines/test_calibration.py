"""Calibration against scikit-learn, and from held-out groups alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from actionbench.baselines.base import Attempt
from actionbench.baselines.calibration import Calibration, fit_calibration, held_out_proba
from actionbench.baselines.handcrafted.hof_svm import HofSvm

ACCOUNT: list[tuple[list[str], list[str]]] = []


class Noting(Attempt):
    """Knows the label of clips by their frames; notes what it learns from and is asked."""

    family = "trivial"

    def fit(self, clips, labels, groups=None):
        self.classes_ = np.unique(labels)
        self.learned_ = list(clips.fingerprints)
        return self

    def predict_proba(self, clips):
        ACCOUNT.append((self.learned_, list(clips.fingerprints)))
        return np.full((len(clips), len(self.classes_)), 1 / len(self.classes_))


def test_what_an_svm_offers_is_what_its_clones_predict_for_held_out_groups(figures):
    """An SVM offers what it found while it was fitted; the same follows from fitting on each part, by hand."""
    clips, labels, groups = figures
    member = HofSvm(mirror=False).fit(clips, labels, groups)
    offered = held_out_proba(member, clips, labels, groups)
    names = np.unique(groups)
    for group in names:
        # All clips of a group are held out together.
        assert np.isfinite(offered[groups == group]).all()
    assert np.mean(member.classes_[offered.argmax(axis=1)] == labels) > 0.8

    class Plain(HofSvm):
        def held_out_proba(self):
            return None

    again = held_out_proba(Plain(mirror=False).fit(clips, labels, groups), clips, labels, groups)
    np.testing.assert_array_equal(again.argmax(axis=1), offered.argmax(axis=1))


def test_an_attempt_that_offers_nothing_is_fitted_on_other_groups(figures):
    clips, labels, groups = figures
    ACCOUNT.clear()
    votes = held_out_proba(Noting().fit(clips, labels, groups), clips, labels, groups)
    assert np.isfinite(votes).all()
    group_of = dict(zip(clips.fingerprints, groups, strict=True))
    assert len(ACCOUNT) == 3
    for learned, asked in ACCOUNT:
        assert not {group_of[one] for one in learned} & {group_of[one] for one in asked}
    assert sorted(one for _, asked in ACCOUNT for one in asked) == sorted(clips.fingerprints)


def test_a_class_that_some_parts_lack_has_probability_0_there(figures):
    clips, labels, groups = figures
    labels = labels.astype("U10")
    labels[groups == "0"] = "rare"
    votes = held_out_proba(Noting().fit(clips, labels, groups), clips, labels, groups)
    rare = np.searchsorted(np.unique(labels), "rare")
    assert (votes[groups == "0", rare] == 0).all()
    np.testing.assert_allclose(votes.sum(axis=1), 1)


def drawn(seed, n_clips=300, n_classes=4, exponent=2.5):
    """Return probabilities, those that are too sure by an exponent, and classes drawn by the former."""
    rng = np.random.default_rng(seed)
    true = rng.dirichlet(np.full(n_classes, 0.7), n_clips)
    codes = np.array([rng.choice(n_classes, p=row) for row in true])
    sure = true**exponent
    return true, sure / sure.sum(axis=1, keepdims=True), codes


@given(seed=st.integers(0, 10**6), n_classes=st.integers(2, 6))
def test_no_other_exponent_has_less_log_loss(seed, n_classes):
    _, sure, codes = drawn(seed, 40, n_classes)
    found = Calibration.fit("temperature", sure, codes)

    # Each clip counts once more, a little, with every label.
    labels, weights = np.repeat(np.arange(n_classes), 40), np.full(40 * n_classes, 1 / (40 + n_classes))
    weights[codes * 40 + np.arange(40)] += 40 / (40 + n_classes)

    def loss(exponent):
        rows = np.tile(Calibration("temperature", exponent)(sure), (n_classes, 1))
        return log_loss(labels, rows, labels=range(n_classes), sample_weight=weights)

    for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 2):
        other = np.clip(found.exponent * factor, 1e-2, 1e2)
        assert loss(found.exponent) <= loss(other) + 1e-9


def test_of_two_classes_the_exponent_is_that_of_logistic_regression():
    _, sure, codes = drawn(3, 500, 2)
    logits = np.log(np.maximum(sure, 1e-6))
    one = np.tile(logits[:, 1] - logits[:, 0], 2)[:, None]
    labels, weights = np.repeat([0, 1], 500), np.full(1000, 1 / 502)
    weights[codes * 500 + np.arange(500)] += 500 / 502
    oracle = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10).fit(one, labels, weights)
    expected = oracle.coef_[0, 0]
    assert Calibration.fit("temperature", sure, codes).exponent == pytest.approx(expected, rel=1e-4)


def test_who_is_too_sure_by_a_known_exponent_is_set_right():
    true, sure, codes = drawn(5, 20_000)
    found = Calibration.fit("temperature", sure, codes)
    assert found.exponent == pytest.approx(1 / 2.5, rel=0.03)
    np.testing.assert_allclose(found(sure), true, atol=0.02)
    # The order of the classes stays.
    np.testing.assert_array_equal(found(sure).argmax(axis=1), sure.argmax(axis=1))


def test_isotonic_maps_are_those_of_scikit_learn_one_class_against_the_others():
    _, sure, codes = drawn(7)
    found = Calibration.fit("isotonic", sure, codes)
    expected = np.stack(
        [
            IsotonicRegression(out_of_bounds="clip")
            .fit(sure[:, label], codes == label)
            .predict(sure[:, label])
            for label in range(4)
        ],
        axis=1,
    )
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found(sure), expected, atol=1e-9)


def test_where_all_maps_give_0_nothing_is_known():
    maps = [([0.0, 1.0], [0.0, 0.0])] * 3
    np.testing.assert_allclose(Calibration("isotonic", maps=maps)(np.eye(3)), 1 / 3)


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_without_held_out_clips_nothing_changes(method):
    probabilities = np.array([[0.7, 0.3], [0.2, 0.8]])
    found = Calibration.fit(method, np.full((2, 2), np.nan), np.array([0, 1]))
    np.testing.assert_allclose(found(probabilities), probabilities)
    # Who is certain stays so, but for what a logarithm of 0 would make infinite.
    np.testing.assert_allclose(found(np.eye(2)), np.eye(2), atol=1e-5)


def test_an_attempt_is_calibrated_by_what_it_says_of_other_groups(figures):
    clips, labels, groups = figures
    attempt = HofSvm().fit(clips, labels, groups)
    codes = np.searchsorted(attempt.classes_, labels)
    expected = Calibration.fit("temperature", held_out_proba(attempt, clips, labels, groups), codes)
    assert fit_calibration("temperature", attempt, clips, labels, groups) == expected
    # All are right, so that the attempt may be surer than it was, but not certain of what 18 clips say.
    proba = expected(attempt.predict_proba(clips)).max(axis=1)
    assert proba.mean() == pytest.approx(19 / 21, abs=0.08)
    assert str(expected).startswith("Probabilities are raised to ")
