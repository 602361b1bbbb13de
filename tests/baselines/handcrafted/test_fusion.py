"""Weights of fused attempts: against solvers of their own, and from training clips alone."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from actionbench.baselines.calibration import held_out_proba
from actionbench.baselines.handcrafted import _fusion
from actionbench.baselines.handcrafted._fusion import fusion_weights, pooled
from actionbench.baselines.handcrafted.ensemble import Ensemble
from actionbench.baselines.handcrafted.grids_svm import GridsSvm
from actionbench.baselines.handcrafted.late_fusion import LateFusion
from actionbench.features import motion
from actionbench.features.cache import use_cache


def random_votes(rng, n_members, n_clips, n_classes):
    codes = rng.integers(0, n_classes, n_clips)
    votes = rng.dirichlet(np.ones(n_classes), (n_members, n_clips))
    # Members know different things.
    for vote, skill in zip(votes, rng.uniform(0, 1, n_members), strict=True):
        vote[:] = (1 - skill) * vote + skill * np.eye(n_classes)[codes] * rng.random((n_clips, 1))
        vote /= vote.sum(axis=1, keepdims=True)
    return votes, codes


def loss(weights, votes, codes):
    """Log loss of products of probabilities, and what draws weights to equal ones; in plain loops."""
    total = 10 * np.sum((weights - 1 / len(weights)) ** 2)
    for clip, code in enumerate(codes):
        products = np.prod(
            [vote[clip] ** weight for vote, weight in zip(votes, weights, strict=True)], axis=0
        )
        total -= np.log(products[code] / products.sum())
    return total


@given(st.integers(2, 4), st.integers(1, 10), st.integers(2, 4), st.integers(0, 10**6))
def test_no_other_weights_have_less_loss(n_members, n_clips, n_classes, seed):
    votes, codes = random_votes(np.random.default_rng(seed), n_members, n_clips, n_classes)
    weights = fusion_weights(votes, codes)
    assert (weights >= 0).all()
    arguments = np.full(n_members, 1 / n_members), (np.maximum(votes, 1e-6), codes), "COBYLA"
    other = minimize(loss, *arguments, bounds=[(0, None)] * n_members, tol=1e-6)
    assert loss(weights, votes, codes) < other.fun + 1e-3


def test_weights_are_those_of_logistic_regression(monkeypatch):
    """Of two classes, on differences of log probabilities, if they are not drawn to equal ones."""
    monkeypatch.setattr(_fusion, "_PRIOR", 0.0)
    votes, codes = random_votes(np.random.default_rng(3), 3, 2_000, 2)
    votes = np.maximum(votes, 1e-6)
    oracle = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-8)
    oracle.fit(np.log(votes[..., 1] / votes[..., 0]).T, codes)
    np.testing.assert_allclose(fusion_weights(votes, codes), oracle.coef_[0], rtol=1e-3)


def test_without_held_out_clips_weights_are_equal(figures):
    assert fusion_weights(np.empty((4, 0, 3)), np.empty(0, int)).tolist() == [0.25] * 4
    clips, labels, _ = figures
    alone = LateFusion(rule="weighted").fit(clips[:6], labels[:6], np.repeat("one", 6))
    assert alone.weights_.tolist() == [0.5, 0.5]


def test_a_pool_does_not_overrule_for_one_who_is_certain():
    votes = np.array([[[1.0, 0.0]], [[0.2, 0.8]], [[0.0, 1.0]]])
    np.testing.assert_allclose(pooled(votes, np.array([0.5, 1.0, 0.5]))[0], [0.2, 0.8], atol=1e-6)


def test_test_clips_never_change_the_weights(figures):
    clips, labels, groups = figures
    train = np.isin(groups, ["0", "1", "2", "3"])
    fusion = LateFusion(rule="weighted").fit(clips[train], labels[train], groups[train])
    before = fusion.weights_.copy()
    fusion.predict_proba(clips[~train])
    np.testing.assert_array_equal(fusion.weights_, before)
    votes = np.stack([member.predict_proba(clips[~train]) for member in fusion.members_])
    products = np.prod(np.maximum(votes, 1e-6) ** before[:, None, None], axis=0)
    expected = products / products.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fusion.predict_proba(clips[~train]), expected)


def test_a_member_that_knows_nothing_changes_little(figures, tmp_path):
    fusion = LateFusion(members="hof-svm + chance", rule="weighted").fit(*figures)
    alone = fusion.members_[0].predict_proba(figures[0])
    np.testing.assert_array_equal(fusion.predict_proba(figures[0]).argmax(axis=1), alone.argmax(axis=1))
    assert re.match(r"weights: 1-HofSvm \d\.\d\d, 2-Chance \d\.\d\d\n", str(fusion.explain()))
    fusion.save(tmp_path / "model")
    again = LateFusion.load(tmp_path / "model")
    np.testing.assert_array_equal(again.weights_, fusion.weights_)
    assert again.count() == fusion.count() == {"parameters": fusion.members_[0].count()["parameters"] + 2}


def test_an_ensemble_is_a_weighted_fusion(figures):
    ensemble = Ensemble(members="hof-svm + mhi-hu").fit(*figures)
    same = LateFusion(members="hof-svm + mhi-hu", rule="weighted").fit(*figures)
    np.testing.assert_array_equal(ensemble.predict_proba(figures[0]), same.predict_proba(figures[0]))
    names = [cls.__name__ for cls in Ensemble().uses()]
    assert names == ["DenseTrajectories", "GridsSvm", "StipBow", "ConvNetS3d"]


def test_grids_are_fused(figures):
    attempt = GridsSvm(scales="2x1 + 4x2").fit(*figures)
    text = str(attempt.explain())
    assert text.startswith("weights: person-2x1 ")
    assert "frame-4x2:\n4 x 4 cells of the frame x 2 intervals of time" in text
    assert attempt.score(*figures[:2]) == 1
    assert [(one.grid, one.cells, one.times) for one in attempt.members_][1:3] == [
        ("person", 4, 2),
        ("people", 2, 1),
    ]
    # As a member it offers what it found.
    offered = held_out_proba(attempt, *figures)
    assert offered is attempt.held_out_proba()
    assert np.mean(attempt.classes_[offered.argmax(axis=1)] == figures[1]) > 0.8


@pytest.mark.slow
def test_flow_is_computed_once_for_all_grids(figures, monkeypatch):
    calls = []
    flow = motion.optical_flow
    monkeypatch.setattr(
        motion, "optical_flow", lambda *args, **options: calls.append(1) or flow(*args, **options)
    )
    with use_cache(None):
        GridsSvm(scales="2x1+4x1").fit(*figures)
    assert len(calls) == len(figures[0])


@pytest.mark.parametrize(
    ("params", "says"),
    [
        (
            {"grids": "person+box"},
            r"grids must be some of person, people, frame with \+ between, got 'person\+box'",
        ),
        ({"scales": "4"}, "scales must be numbers of cells and of intervals of time such as 4x3, .* got '4'"),
        ({"scales": "0x1"}, "such as 4x3"),
        ({"scales": 4}, "such as 4x3"),
        ({"channels": "sift"}, "channels must be some of hog, hof, mbh"),
        ({"rule": "max"}, "rule must be one of mean, product, weighted, got 'max'"),
    ],
)
def test_grids_that_are_none(figures, params, says):
    with pytest.raises(ValueError, match=says):
        GridsSvm(**params).fit(*figures)
