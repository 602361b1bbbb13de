"""From many descriptors of a clip to one vector: bags of words, Fisher vectors, VLAD.

What an encoding needs to know is learned from a sample of the training clips' descriptors, which streams by: only the
sample is ever in memory.
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
#: Descriptors are float32: an encoding of them is learned and looked up in single precision, in half of the time.
Rows = NDArray[np.floating]

# Variances of a mixture's components: below this they describe single points.
_LEAST_VARIANCE = 1e-4
# When a mixture is fitted: so many steps, or one that gains less in mean log-likelihood.
_MOST_STEPS, _LEAST_GAIN = 50, 1e-2
# Below this share of the largest, as a logarithm, a component's density counts for nothing.
_LEAST_LOG = -40.0


def sample_rows(arrays: Iterable[Rows], n: int, rng: np.random.Generator) -> Rows:
    """Draw rows from a stream of arrays, each with the same chance (reservoir sampling: Vitter 1985).

    Parameters
    ----------
    arrays : iterable of ndarray, shape (m, D)
        Any number of rows each.
    n : int
        Most rows drawn.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    ndarray, shape (min(n, rows in all), D)
        In the order of the stream and of its type; of shape (0, 0) where there is no array.
    """
    kept: Rows | None = None
    # The n smallest of random keys, one per row, are a uniform draw.
    keys, places, seen = np.full(n, np.inf), np.zeros(n, np.intp), 0
    for array in arrays:
        if kept is None:
            kept = np.empty((n, array.shape[1]), array.dtype)
        new = rng.random(len(array))
        both = np.concatenate([keys, new])
        chosen = np.argpartition(both, n - 1)[:n] if n else np.empty(0, np.intp)
        come = chosen[chosen >= n]
        come = come[np.isfinite(both[come])] - n
        gone = np.setdiff1d(np.arange(n), chosen, assume_unique=True)[: len(come)]
        kept[gone], keys[gone], places[gone] = array[come], new[come], seen + come
        seen += len(array)
    if kept is None:
        return np.empty((0, 0))
    drawn = np.flatnonzero(np.isfinite(keys))
    return kept[drawn[np.argsort(places[drawn])]]


def power_normalised(vectors: Array) -> Array:
    """Take signed square roots, then make each row of length 1 (Perronnin et al., ECCV 2010); zeros stay.

    Parameters
    ----------
    vectors : ndarray, shape (..., D)
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
    """

    centres: Rows

    @classmethod
    def learn(cls, sample: Rows, n_words: int, random_state: int) -> Words:
        """Cluster a sample (n, D) by k-means; there are no more words than distinct rows."""
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
    """A Gaussian mixture: a clip is how its descriptors would change it (Sanchez et al., IJCV 2013).

    Descriptors are reduced to half of their length by principal components first. The vector is power-normalised.

    Attributes
    ----------
    offset, basis : ndarray, shape (D,) and (d, D)
        What is subtracted, and the principal components.
    weights, means, variances : ndarray, shape (K,), (K, d) and (K, d)
        The mixture, its covariances diagonal.
    """

    offset: Rows
    basis: Rows
    weights: Rows
    means: Rows
    variances: Rows

    @classmethod
    def learn(cls, sample: Rows, n_components: int, random_state: int) -> Fisher:
        """Learn from a sample (n, D); there are no more components than a tenth of its rows."""
        sample = _two_at_least(sample)
        length = min(-(-sample.shape[1] // 2), len(sample))
        # Far from 0 squares leave no digits to the differences.
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
    """A small codebook: a clip is the sum of what its descriptors differ from their words by (Jegou et al., CVPR 2010).

    The sum at each word is made of length 1 by itself (Arandjelovic and Zisserman, CVPR 2013), then the whole is
    power-normalised.

    Attributes
    ----------
    centres : ndarray, shape (K, D)
        The words.
    """

    centres: Rows

    @classmethod
    def learn(cls, sample: Rows, n_words: int, random_state: int) -> Vlad:
        """Cluster a sample (n, D) by k-means; there are no more words than distinct rows."""
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


def _two_at_least(sample: Rows) -> Rows:
    """Fill up a sample with two rows that differ: where hardly anything moved there is nothing to learn from."""
    more = np.tile([[1.0], [0.0]], sample.shape[1]).astype(sample.dtype)
    return np.concatenate([sample, more[: max(2 - len(sample), 0)]])


def _centres(sample: Rows, n_words: int, random_state: int) -> Rows:
    sample = _two_at_least(sample)
    n_words = min(n_words, _n_distinct(sample))
    first = _first_centres(sample, n_words, random_state)
    return np.asarray(KMeans(n_words, init=first, n_init=1, max_iter=15).fit(sample).cluster_centers_)


def _mixture(x: Rows, n_components: int, random_state: int) -> tuple[Rows, Rows, Rows]:
    """Fit a mixture of Gaussians with diagonal covariances by expectation and maximisation (Dempster et al. 1977).

    As scikit-learn's, which is slow in single precision: it computes with numbers too small for its exponent.

    Returns
    -------
    weights, means, variances : ndarray, shape (K,), (K, d) and (K, d)
    """
    least = _LEAST_VARIANCE * max(float(x.var(axis=0).mean()), 1e-12)
    squares, before = x * x, -np.inf
    nearest = _nearest(x, _first_centres(x, n_components, random_state))
    shares = np.eye(n_components, dtype=x.dtype)[nearest]
    for _ in range(_MOST_STEPS):
        mass = np.maximum(shares.sum(axis=0), 1e-6)[:, np.newaxis]
        means = shares.T @ x / mass
        variances = np.maximum(shares.T @ squares / mass - means * means, 0) + x.dtype.type(least)
        weights = mass[:, 0] / mass.sum()
        shares, likelihood = _posteriors(x, weights, means, variances)
        if likelihood - before < _LEAST_GAIN:
            break
        before = likelihood
    return weights, means, variances


def _posteriors(x: Rows, weights: Rows, means: Rows, variances: Rows) -> tuple[Rows, float]:
    """Return each component's share of each row (n, K), and the mean log-likelihood."""
    precisions = 1 / variances
    distances = x * x @ precisions.T - 2 * x @ (means * precisions).T + (means**2 * precisions).sum(axis=1)
    logs = np.log(weights) - 0.5 * (distances + np.log(2 * np.pi * variances).sum(axis=1))
    highest = logs.max(axis=1, keepdims=True)
    # Numbers too small for single precision's exponent would be many times slower.
    shares = np.exp(np.maximum(logs - highest, _LEAST_LOG))
    total = shares.sum(axis=1, keepdims=True)
    return shares / total, float((np.log(total) + highest).mean(dtype=np.float64))


def _first_centres(sample: Rows, n: int, random_state: int) -> Rows:
    """Choose rows to begin with, more likely those far from the others (k-means++: Arthur and Vassilvitskii 2007)."""
    # Some rows for each centre tell where to begin as well as all do.
    few = sample[:: max(len(sample) // max(5 * n, 1000), 1)]
    few = few if _n_distinct(few) >= n else sample
    centres, _ = kmeans_plusplus(few.astype(np.float64), n, random_state=random_state)
    return np.asarray(centres, sample.dtype)


def _n_distinct(rows: Rows) -> int:
    # By adding nothing -0 becomes 0.
    return len({row.tobytes() for row in rows + 0})


def _nearest(descriptors: Rows, centres: Rows) -> NDArray[np.intp]:
    """Return the index of the nearest centre of each row; of equally near ones the first."""
    if not len(descriptors):
        return np.empty(0, np.intp)
    # Single precision tells apart what counts, in half of the time, as long as squares are not far from 0.
    middle = np.mean(centres, axis=0, dtype=np.float64)
    x, words = (np.subtract(rows, middle).astype(np.float32) for rows in (descriptors, centres))
    return np.argmin((words * words).sum(axis=1) - 2 * x @ words.T, axis=1)
