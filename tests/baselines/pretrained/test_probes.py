"""Probes and poolings, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from actionbench.baselines.pretrained._probes import normalised, probe_proba, train_probe
from actionbench.baselines.pretrained._vectors import parse_pooling, pool
from actionbench.errors import ActionbenchError


@pytest.fixture(scope="module", params=[2, 4])
def blobs(request):
    """Vectors of length 1 around a centre for each class, in groups."""
    rng = np.random.default_rng(0)
    codes = np.tile(np.arange(request.param), 15)
    centres = rng.normal(size=(request.param, 12))
    vectors = normalised(centres[codes] + rng.normal(scale=0.8, size=(len(codes), 12)))
    return vectors, codes, np.arange(len(codes)) // (3 * request.param), request.param


def test_the_linear_probe_is_logistic_regression(blobs):
    vectors, codes, groups, n_classes = blobs
    found = probe_proba(train_probe("linear", vectors, codes, n_classes, groups), vectors)
    scaled = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0) / np.sqrt(vectors.shape[1])
    strengths = (0.1, 1.0, 10.0, 100.0, 1000.0)
    likes = [
        LogisticRegression(C=C, max_iter=1000).fit(scaled, codes).predict_proba(scaled) for C in strengths
    ]
    # It is one of those to choose from.
    assert min(np.abs(found - like).max() for like in likes) < 1e-3


def test_prototypes_are_the_nearest_means(blobs):
    vectors, codes, groups, n_classes = blobs
    found = probe_proba(train_probe("prototype", vectors, codes, n_classes, groups), vectors)
    means = normalised(np.stack([vectors[codes == label].mean(axis=0) for label in range(n_classes)]))
    # On the sphere the nearest by distance is the nearest by angle.
    expected = KNeighborsClassifier(1).fit(means, np.arange(n_classes)).predict(vectors)
    np.testing.assert_array_equal(found.argmax(axis=1), expected)


def test_neighbours_are_the_nearest_by_angle(blobs):
    vectors, codes, groups, n_classes = blobs
    half = len(codes) // 2
    probe = train_probe("knn", vectors[:half], codes[:half], n_classes, groups[:half])
    k = int(probe["k"])
    found = probe_proba(probe, vectors[half:])
    like = KNeighborsClassifier(
        k, metric="cosine", weights=lambda distances: np.exp(-np.asarray(distances) / 0.07)
    ).fit(vectors[:half], codes[:half])
    expected = (k * like.predict_proba(vectors[half:]) + 1 / n_classes) / (k + 1)
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("kind", ["linear", "knn", "prototype"])
def test_a_probe_of_few_or_equal_clips_is_one(kind):
    vectors = normalised(np.ones((3, 4)))
    for codes in ([0, 0, 0], [0, 1, 1], [0, 1, 2]):
        proba = probe_proba(train_probe(kind, vectors, np.array(codes), max(codes) + 1, None), vectors)
        assert proba.shape == (3, max(codes) + 1)
        np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert normalised(np.zeros((1, 2))).tolist() == [[0, 0]]


def test_poolings_by_hand():
    vectors = np.array([[1.0, 0], [2, 0], [4, 1], [4, 1], [0, 5], [0, 5]])
    assert pool(vectors, ["mean"]).tolist() == [11 / 6, 2]
    np.testing.assert_allclose(pool(vectors, ["std"]), vectors.std(axis=0))
    assert pool(vectors, ["delta"]).tolist() == [(1 + 2 + 0 + 4 + 0) / 5, 1]
    assert pool(vectors, ["thirds", "delta"]).tolist() == [1.5, 0, 4, 1, 0, 5, 1.4, 1]
    assert pool(vectors[:1], ["thirds", "delta"]).tolist() == [1, 0] * 3 + [0, 0]
    assert pool(vectors[:2], ["thirds"])[[0, 2, 4]].tolist() == [1, 1.5, 2]


def test_thirds_use_every_vector_once():
    for n in range(3, 20):
        thirds = pool(np.eye(n), ["thirds"]).reshape(3, n)
        assert (np.count_nonzero(thirds, axis=0) == 1).all()
        assert np.ptp(np.count_nonzero(thirds, axis=1)) <= 1


def test_a_pooling_that_there_is_not_is_refused():
    assert parse_pooling("mean+thirds") == ("mean", "thirds")
    for text in ("max", "mean+", "mean+mean", ""):
        with pytest.raises(ActionbenchError, match=r"pool must be some of mean, std, delta, thirds with \+ "):
            parse_pooling(text)
