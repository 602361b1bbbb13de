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
from sklearn.mixture import GaussianMixture

__all__ = ["Fisher", "Vlad", "Words", "power_normalised", "sample_rows"]

Array = NDArray[np.float64]

# Variances of a mixture's components: below this they describe single points.
_LEAST_VARIANCE = 1e-4


def sample_rows(arrays: Iterable[NDArray[np.floating]], n: int, rng: np.random.Generator) -> Array:
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
    ndarray of float64, shape (min(n, rows in all), D)
        In the order of the stream; of shape (0, 0) where there is no array.
    """
    kept: Array | None = None
    # The n smallest of random keys, one per row, are a uniform draw.
    keys, places, seen = np.full(n, np.inf), np.zeros(n, np.intp), 0
    for array in arrays:
        if kept is None:
            kept = np.empty((n, array.shape[1]))
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

    centres: Array

    @classmethod
    def learn(cls, sample: Array, n_words: int, random_state: int) -> Words:
        """Cluster a sample (n, D) by k-means; there are no more words than distinct rows."""
        return cls(_centres(sample, n_words, random_state))

    @property
    def size(self) -> int:
        """Length of a vector."""
        return len(self.centres)

    def encode(self, descriptors: NDArray[np.floating]) -> Array:
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

    offset: Array
    basis: Array
    weights: Array
    means: Array
    variances: Array

    @classmethod
    def learn(cls, sample: Array, n_components: int, random_state: int) -> Fisher:
        """Learn from a sample (n, D); there are no more components than a tenth of its rows."""
        sample = _two_at_least(sample)
        length = min(-(-sample.shape[1] // 2), len(sample))
        components = PCA(length, svd_solver="covariance_eigh").fit(sample)
        reduced = components.transform(sample)
        mixture = GaussianMixture(
            max(min(n_components, len(sample) // 10), 1),
            covariance_type="diag",
            reg_covar=_LEAST_VARIANCE * max(float(reduced.var(axis=0).mean()), 1e-12),
            max_iter=50,
            tol=1e-2,
            init_params="k-means++",
            random_state=random_state,
        )
        mixture.fit(reduced)
        fitted = (mixture.weights_, mixture.means_, mixture.covariances_)
        return cls(components.mean_, components.components_, *fitted)

    @property
    def size(self) -> int:
        """Length of a vector."""
        return 2 * self.means.size

    def encode(self, descriptors: NDArray[np.floating]) -> Array:
        """Return the mean gradient of the log-likelihood, shape (2 K d,); zeros for no descriptor.

        With respect to means, then to standard deviations, each in units of its own Fisher information.
        """
        if not len(descriptors):
            return np.zeros(self.size)
        x = (np.asarray(descriptors, np.float64) - self.offset) @ self.basis.T
        deviations = np.sqrt(self.variances)
        shares = self._shares(x)
        # Sums of the descriptors and of their squares, each counted as far as it belongs to a component.
        mass, first, second = shares.sum(axis=0), shares.T @ x, shares.T @ (x * x)
        mass = mass[:, np.newaxis]
        along = (first - mass * self.means) / deviations
        spread = (second - 2 * first * self.means + mass * self.means**2) / self.variances - mass
        root = len(x) * np.sqrt(self.weights)[:, np.newaxis]
        gradient = np.concatenate([(along / root).ravel(), (spread / (root * np.sqrt(2))).ravel()])
        return power_normalised(gradient)

    def _shares(self, x: Array) -> Array:
        """Return the posterior of each component, shape (n, K)."""
        precisions = 1 / self.variances
        distances = (
            x * x @ precisions.T
            - 2 * x @ (self.means * precisions).T
            + (self.means**2 * precisions).sum(axis=1)
        )
        logs = np.log(self.weights) - 0.5 * (distances + np.log(self.variances).sum(axis=1))
        shares = np.exp(logs - logs.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)


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

    centres: Array

    @classmethod
    def learn(cls, sample: Array, n_words: int, random_state: int) -> Vlad:
        """Cluster a sample (n, D) by k-means; there are no more words than distinct rows."""
        return cls(_centres(sample, n_words, random_state))

    @property
    def size(self) -> int:
        """Length of a vector."""
        return self.centres.size

    def encode(self, descriptors: NDArray[np.floating]) -> Array:
        """Return the vector, shape (K D,); zeros for no descriptor."""
        x = np.asarray(descriptors, np.float64)
        nearest, sums = _nearest(x, self.centres), np.zeros_like(self.centres)
        np.add.at(sums, nearest, x - self.centres[nearest] if len(x) else x.reshape(0, sums.shape[1]))
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        return power_normalised((sums / np.where(length > 0, length, 1.0)).ravel())


def _two_at_least(sample: Array) -> Array:
    """Fill up a sample with two rows that differ: where hardly anything moved there is nothing to learn from."""
    more = np.tile([[1.0], [0.0]], sample.shape[1])
    return np.concatenate([sample, more[: max(2 - len(sample), 0)]])


def _centres(sample: Array, n_words: int, random_state: int) -> Array:
    sample = _two_at_least(sample)
    n_distinct = len(np.unique(sample, axis=0))
    n_words = min(n_words, n_distinct)
    # Some rows for each word tell where to begin as well as all do.
    few = sample[:: max(len(sample) // max(10 * n_words, 1000), 1)]
    few = few if len(np.unique(few, axis=0)) >= n_words else sample
    first, _ = kmeans_plusplus(few, n_words, random_state=random_state)
    means = KMeans(n_words, init=first, n_init=1, max_iter=15).fit(sample)
    return np.asarray(means.cluster_centers_, np.float64)


def _nearest(descriptors: NDArray[np.floating], centres: Array) -> NDArray[np.intp]:
    """Return the index of the nearest centre of each row; of equally near ones the first."""
    if not len(descriptors):
        return np.empty(0, np.intp)
    # Single precision tells apart what counts, in half of the time.
    x, words = np.asarray(descriptors, np.float32), centres.astype(np.float32)
    return np.argmin((words * words).sum(axis=1) - 2 * x @ words.T, axis=1)
