"""Simple classifiers on vectors, chosen on held-out groups of the training clips."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...literals import ProbeKind
from .._training import choose, inner_folds, softmax
from ..handcrafted._svm import sharpness

__all__ = ["Probe", "normalised", "probe_proba", "train_probe"]

Array = NDArray[np.float64]
Codes = NDArray[np.intp]
#: The arrays of a trained probe by name.
Probe = dict[str, Array]

# Inverse strengths of regularisation for vectors of a length of about 1, and numbers of neighbours; the first of equals
# is taken.
_STRENGTHS = (10.0, 1.0, 100.0, 1000.0, 0.1)
_NEIGHBOURS = (5, 1, 3, 9, 15)
# The temperature by which similarities of neighbours are weighted (Caron et al., ICCV 2021).
_TEMPERATURE = 0.07
_LARGEST_SHARPNESS = 1000.0


def normalised(vectors: Array) -> Array:
    """Return vectors of length 1; zeros stay."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def train_probe(
    kind: ProbeKind, vectors: Array, codes: Codes, n_classes: int, groups: NDArray[np.generic] | None
) -> Probe:
    """Train a probe on vectors of length 1.

    Parameters
    ----------
    kind : {"linear", "knn", "prototype"}
        Logistic regression, the nearest training clips, or the nearest mean of a class.
    vectors : ndarray, shape (n, n_values)
    codes : ndarray of int, shape (n,)
        The classes.
    n_classes : int
    groups : ndarray, shape (n,), optional
        The strength of the regularisation, the number of neighbours or the temperature are those that are best on
        held-out groups.
    """
    n = len(codes)
    if kind == "prototype":
        return _prototypes(vectors, codes, n_classes, groups)
    train: Callable[[float, Array, Codes, int], Probe] = _linear if kind == "linear" else _neighbours
    choices = _STRENGTHS if kind == "linear" else tuple(map(float, _NEIGHBOURS))

    def n_correct(choice: float, fitted: Codes, held: Codes) -> int:
        probe = train(choice, vectors[fitted], codes[fitted], n_classes)
        return int(np.sum(np.argmax(probe_proba(probe, vectors[held]), axis=1) == codes[held]))

    return train(choose(choices, n_correct, n, groups), vectors, codes, n_classes)


def probe_proba(probe: Probe, vectors: Array) -> Array:
    """Return class probabilities, shape (n, n_classes)."""
    if "weights" in probe:
        return softmax(
            (vectors - probe["means"]) / probe["scales"] @ probe["weights"].T + probe["intercepts"]
        )
    if "prototypes" in probe:
        return softmax(probe["sharpness"] * (vectors @ probe["prototypes"].T))
    n_classes, k = len(probe["votes"]), min(int(probe["k"]), len(probe["examples"]))
    similarities = vectors @ probe["examples"].T
    nearest = np.argsort(-similarities, axis=1, kind="stable")[:, :k]
    shares = softmax(np.take_along_axis(similarities, nearest, axis=1) / _TEMPERATURE)
    votes = np.einsum("nk,cnk->nc", shares, probe["votes"][:, nearest])
    return (k * votes + 1 / n_classes) / (k + 1)


def _linear(strength: float, vectors: Array, codes: Codes, n_classes: int) -> Probe:
    length, present = vectors.shape[1], np.unique(codes)
    means, scales = vectors.mean(axis=0), vectors.std(axis=0)
    # Constant values are set to 0, and vectors are scaled to a length of about 1.
    scales = np.where(scales > 1e-9, scales, np.inf) * np.sqrt(length)
    weights, intercepts = np.zeros((n_classes, length)), np.full(n_classes, -30.0)
    if len(present) < 2:
        intercepts[present] = 0.0
    else:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        with warnings.catch_warnings():
            # The weights of a thousand steps are as good as any.
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = LogisticRegression(C=strength, max_iter=1000).fit((vectors - means) / scales, codes)
        both = np.array([[-0.5], [0.5]]) if len(present) == 2 else 1.0
        weights[present], intercepts[present] = both * found.coef_, np.ravel(both * found.intercept_)
    return {"weights": weights, "intercepts": intercepts, "means": means, "scales": scales}


def _neighbours(k: float, vectors: Array, codes: Codes, n_classes: int) -> Probe:
    votes = (codes == np.arange(n_classes)[:, np.newaxis]).astype(np.float64)
    return {"examples": vectors, "votes": votes, "k": np.array(k)}


def _prototypes(vectors: Array, codes: Codes, n_classes: int, groups: NDArray[np.generic] | None) -> Probe:
    held_out = np.full((len(codes), n_classes), np.nan)
    for train, test in inner_folds(len(codes), groups, 3):
        if len(np.unique(codes[train])) == n_classes:
            held_out[test] = vectors[test] @ _class_means(vectors[train], codes[train], n_classes).T
    return {
        "prototypes": _class_means(vectors, codes, n_classes),
        "sharpness": np.array(sharpness(held_out, codes, _LARGEST_SHARPNESS)),
    }


def _class_means(vectors: Array, codes: Codes, n_classes: int) -> Array:
    return normalised(np.stack([vectors[codes == label].mean(axis=0) for label in range(n_classes)]))
