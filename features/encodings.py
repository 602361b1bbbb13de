"""Encodings of many local descriptors of a clip as one vector: bags of words, Fisher vectors, VLAD.

An encoding is learned from a random sample of the training clips' descriptors, drawn from a stream: only the sample is
in memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.decomposition import PCA

__all__ = ["Fisher", "Vlad", "Words", "power_normalised", "sample_rows"]

Array = NDArray[np.float64]
#: Descriptors are float32, and encodings are learned and applied in single precision, in half of the time.
Rows = NDArray[np.floating]

# Smallest variance of a mixture's components, relative to the mean variance: smaller ones describe single points.
_MIN_VARIANCE = 1e-4
# Fitting a mixture ends after so many steps, or when one gains less than this in mean log-likelihood.
_MAX_STEPS, _MIN_GAIN = 50, 1e-2
# Smallest density of a component relative to the largest, as a logarithm.
_MIN_LOG = -40.0


def sample_rows(arrays: Iterable[Rows], n: int, rng: np.random.Generator) -> Rows:
    """Draw rows from a stream of arrays with equal probability (reservoir sampling: Vitter 1985).

    Parameters
    ----------
    arrays : iterable of ndarray, shape (m, D)
        Any number of rows each.
    n : int
        Largest number of rows drawn.
    rng : numpy.random.Generator
        Random generator.

    Returns
    -------
    ndarray, shape (min(n, rows in all), D)
        In the order, and of the type, of the stream; of shape (0, 0) if there is no array.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> sample_rows((np.full((5, 2), value) for value in range(3)), 4, rng).shape
    (4, 2)
    """
    kept: Rows | None = None
    # The rows with the n smallest random keys are a uniform sample.
    keys, positions, seen = np.full(n, np.inf), np.zeros(n, np.intp), 0
    for array in arrays:
        if kept is None:
            kept = np.empty((n, array.shape[1]), array.dtype)
        new = rng.random(len(array))
        both = np.concatenate([keys, new])
        chosen = np.argpartition(both, n - 1)[:n] if n else np.empty(0, np.intp)
        come = chosen[chosen >= n]
        come = come[np.isfinite(both[come])] - n
        gone = np.setdiff1d(np.arange(n), chosen, assume_unique=True)[: len(come)]
        kept[gone], keys[gone], positions[gone] = array[come], new[come], seen + come
        seen += len(array)
    if kept is None:
        return np.empty((0, 0))
    drawn = np.flatnonzero(np.isfinite(keys))
    return kept[drawn[np.argsort(positions[drawn])]]


def power_normalised(vectors: Array) -> Array:
    """Take signed square roots, then scale each row to length 1 (Perronnin et al., ECCV 2010); zeros stay.

    Parameters
    ----------
    vectors : ndarray, shape (..., D)

    Examples
    --------
    >>> power_normalised(np.array([[9.0, -16.0], [0.0, 0.0]]))
    array([[ 0.6, -0.8],
           [ 0. ,  0. ]])
    """
    rooted = np.sign(vectors) * np.sqrt(np.abs(vectors))
    length = np.linalg.norm(rooted, axis=-1, keepdims=True)
    return rooted / np.where(length > 0, length, 1.0)


@dataclass(frozen=True, eq=False)
class Words:
    """A codebook: a clip is the histogram of its descriptors' nearest words (Csurka et al. 2004).

    Attributes
    ----------
    centres : ndarray, shape (K, D)
        The words.

    Examples
    --------
    >>> words = Words.learn(np.array([[0.0], [0.1], [5.0], [5.1]]), n_words=2, random_state=0)
    >>> sorted(words.encode(np.array([[0.0], [0.2], [4.0], [0.1]])).tolist())
    [0.25, 0.75]
    """

    centres: Rows

    @classmethod
    def learn(cls, sample: Rows, n_words: int, random_state: int) -> Words:
        """Cluster a sample (n, D) by k-means, into at most as many words as it has distinct rows."""
        return cls(_centres(sample, n_words, random_state))

    @property
    def size(self) -> int:
        """Length of a vector."""
        return len(self.centres)

    def encode(self, descriptors: Rows) -> Array:
        """Return the share of each word, shape (K,); zeros for no descriptor."""
        counts = np.bincount(_nearest(descriptors, self.centres), minlength=len(self.centres))
        return counts / max(len(descriptors), 1)


@dataclass(frozen=True, eq=False)
class Fisher:
    """Fisher vectors: the gradient of a Gaussian mixture's log-likelihood on a clip's descriptors.

    Sanchez et al., IJCV 2013. Descriptors are reduced to half of their length by principal components first. The vector
    is power-normalised.

    Attributes
    ----------
    offset, basis : ndarray, shape (D,) and (d, D)
        Mean of the descriptors, and their principal components.
    weights, means, variances : ndarray, shape (K,), (K, d) and (K, d)
        The mixture, its covariances diagonal.

    Examples
    --------
    >>> sample = np.random.default_rng(0).normal(size=(100, 4))
    >>> fisher = Fisher.learn(sample, 2, random_state=0)
    >>> fisher.size, fisher.encode(sample).shape
    (8, (8,))
    """

    offset: Rows
    basis: Rows
    weights: Rows
    means: Rows
    variances: Rows

    @classmethod
    def learn(cls, sample: Rows, n_components: int, random_state: int) -> Fisher:
        """Learn from a sample (n, D), with at most as many components as a tenth of its rows."""
        sample = _with_two_rows(sample)
        length = min(-(-sample.shape[1] // 2), len(sample))
        # Centred first, as squares far from 0 lose the digits of the differences.
        middle = sample.mean(axis=0, dtype=np.float64)
        centred = (sample - middle).astype(sample.dtype)
        components = PCA(length, svd_solver="covariance_eigh").fit(centred)
        n_components = max(min(n_components, len(sample) // 10), 1)
        mixture = _mixture(components.transform(centred), n_components, random_state)
        return cls(middle + components.mean_, components.components_, *mixture)

    @property
    def size(self) -> int:
        """Length of a vector."""
        return 2 * self.means.size

    def encode(self, descriptors: Rows) -> Array:
        """Return the mean gradient of the log-likelihood, shape (2 K d,); zeros for no descriptor.

        With respect to means, then to standard deviations, each in units of its own Fisher information.
        """
        if not len(descriptors):
            return np.zeros(self.size)
        x = np.subtract(descriptors, self.offset).astype(self.basis.dtype) @ self.basis.T
        deviations = np.sqrt(self.variances)
        shares, _ = _posteriors(x, self.weights, self.means, self.variances)
        # Sums of the descriptors and of their squares, each counted as far as it belongs to a component.
        mass, first, second = shares.sum(axis=0), shares.T @ x, shares.T @ (x * x)
        mass = mass[:, np.newaxis]
        along = (first - mass * self.means) / deviations
        spread = (second - 2 * first * self.means + mass * self.means**2) / self.variances - mass
        root = len(x) * np.sqrt(self.weights)[:, np.newaxis]
        gradient = np.concatenate([(along / root).ravel(), (spread / (root * np.sqrt(2))).ravel()])
        return power_normalised(gradient.astype(np.float64))


@dataclass(frozen=True, eq=False)
class Vlad:
    """VLAD: the sum of the differences between descriptors and their nearest words (Jegou et al., CVPR 2010).

    The sum of each word is scaled to length 1 (Arandjelovic and Zisserman, CVPR 2013), then the whole vector is
    power-normalised.

    Attributes
    ----------
    centres : ndarray, shape (K, D)
        The words.

    Examples
    --------
    >>> sample = np.random.default_rng(0).normal(size=(100, 4))
    >>> vlad = Vlad.learn(sample, 3, random_state=0)
    >>> vlad.size, vlad.encode(sample).shape
    (12, (12,))
    """

    centres: Rows

    @classmethod
    def learn(cls, sample: Rows, n_words: int, random_state: int) -> Vlad:
        """Cluster a sample (n, D) by k-means, into at most as many words as it has distinct rows."""
        return cls(_centres(sample, n_words, random_state))

    @property
    def size(self) -> int:
        """Length of a vector."""
        return self.centres.size

    def encode(self, descriptors: Rows) -> Array:
        """Return the vector, shape (K D,); zeros for no descriptor."""
        x = np.asarray(descriptors, np.float64)
        nearest, sums = _nearest(x, self.centres), np.zeros_like(self.centres)
        np.add.at(sums, nearest, x - self.centres[nearest] if len(x) else x.reshape(0, sums.shape[1]))
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        return power_normalised((sums / np.where(length > 0, length, 1.0)).ravel())


def _with_two_rows(sample: Rows) -> Rows:
    """Extend a sample to at least two distinct rows, which clustering needs even where nothing moves."""
    more = np.tile([[1.0], [0.0]], sample.shape[1]).astype(sample.dtype)
    return np.concatenate([sample, more[: max(2 - len(sample), 0)]])


def _centres(sample: Rows, n_words: int, random_state: int) -> Rows:
    sample = _with_two_rows(sample)
    n_words = min(n_words, _n_distinct(sample))
    first = _first_centres(sample, n_words, random_state)
    return np.asarray(KMeans(n_words, init=first, n_init=1, max_iter=15).fit(sample).cluster_centers_)


def _mixture(x: Rows, n_components: int, random_state: int) -> tuple[Rows, Rows, Rows]:
    """Fit a mixture of Gaussians with diagonal covariances by expectation and maximisation (Dempster et al. 1977).

    Like scikit-learn's ``GaussianMixture``, which is slow in single precision, as it computes with denormal values.

    Returns
    -------
    weights, means, variances : ndarray, shape (K,), (K, d) and (K, d)
    """
    min_variance = _MIN_VARIANCE * max(float(x.var(axis=0).mean()), 1e-12)
    squares, before = x * x, -np.inf
    nearest = _nearest(x, _first_centres(x, n_components, random_state))
    shares = np.eye(n_components, dtype=x.dtype)[nearest]
    for _ in range(_MAX_STEPS):
        mass = np.maximum(shares.sum(axis=0), 1e-6)[:, np.newaxis]
        means = shares.T @ x / mass
        variances = np.maximum(shares.T @ squares / mass - means * means, 0) + x.dtype.type(min_variance)
        weights = mass[:, 0] / mass.sum()
        shares, likelihood = _posteriors(x, weights, means, variances)
        if likelihood - before < _MIN_GAIN:
            break
        before = likelihood
    return weights, means, variances


def _posteriors(x: Rows, weights: Rows, means: Rows, variances: Rows) -> tuple[Rows, float]:
    """Return each component's share of each row (n, K), and the mean log-likelihood."""
    precisions = 1 / variances
    distances = x * x @ precisions.T - 2 * x @ (means * precisions).T + (means**2 * precisions).sum(axis=1)
    logs = np.log(weights) - 0.5 * (distances + np.log(2 * np.pi * variances).sum(axis=1))
    highest = logs.max(axis=1, keepdims=True)
    # Denormal values would be many times slower.
    shares = np.exp(np.maximum(logs - highest, _MIN_LOG))
    total = shares.sum(axis=1, keepdims=True)
    return shares / total, float((np.log(total) + highest).mean(dtype=np.float64))


def _first_centres(sample: Rows, n: int, random_state: int) -> Rows:
    """Choose rows to begin with, more likely those far from the others (k-means++: Arthur and Vassilvitskii 2007)."""
    # A subsample gives initial centres as good as those of all rows.
    few = sample[:: max(len(sample) // max(5 * n, 1000), 1)]
    few = few if _n_distinct(few) >= n else sample
    centres, _ = kmeans_plusplus(few.astype(np.float64), n, random_state=random_state)
    return np.asarray(centres, sample.dtype)


def _n_distinct(rows: Rows) -> int:
    # Adding 0 turns -0 into 0.
    return len({row.tobytes() for row in rows + 0})


def _nearest(descriptors: Rows, centres: Rows) -> NDArray[np.intp]:
    """Return the index of the nearest centre of each row; of equally near ones the first."""
    if not len(descriptors):
        return np.empty(0, np.intp)
    # Single precision suffices, in half of the time, once the rows are centred.
    middle = np.mean(centres, axis=0, dtype=np.float64)
    x, words = (np.subtract(rows, middle).astype(np.float32) for rows in (descriptors, centres))
    return np.argmin((words * words).sum(axis=1) - 2 * x @ words.T, axis=1)
