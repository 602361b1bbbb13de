"""Bayesian comparison of two attempts over several data sets, with a region of practical equivalence (ROPE)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ...errors import ActionbenchError
from .intervals import finite

# Digits to which means of differences are rounded, so that rounding errors do not decide on which side they fall.
_DIGITS = 12


def signed_rank_rope(
    first: ArrayLike,
    second: ArrayLike,
    rope: float = 0.0,
    *,
    prior: float = 0.5,
    n_samples: int = 50_000,
    random_state: int = 0,
) -> pd.Series:
    """Return the probabilities that one attempt is better, that both are equivalent, and that the other is better.

    Parameters
    ----------
    first, second : array_like, shape (n_datasets,)
        Scores of two attempts, higher is better.
    rope : float
        Region of practical equivalence: differences up to this size are irrelevant, in the scores' unit. With 0 the
        probability of equivalence is 0.
    prior : float
        Weight of a pseudo-observation without a difference.
    n_samples : int
        Number of draws from the posterior.
    random_state : int
        Seed of the draws.

    Returns
    -------
    Series
        ``first``, ``rope``, ``second``: probabilities, sum 1.

    Raises
    ------
    ActionbenchError
        If the arrays differ in length, a score is missing or infinite, or the region is negative.

    Notes
    -----
    Bayesian signed-rank test with a Dirichlet process: Benavoli et al., "A Bayesian Wilcoxon signed-rank test based
    on the Dirichlet process", ICML 2014, and "Time for a change: a tutorial for comparing multiple classifiers
    through Bayesian analysis", JMLR 18, 2017. Each draw gives weights to the data sets, and thus to the means of all
    pairs of differences, which lie below, within or above the region; the probabilities are the shares of draws in
    which each of the three has the largest weight.

    Examples
    --------
    >>> signed_rank_rope([0.7, 0.8, 0.6], [0.9, 0.81, 0.8], rope=0.02).round(1).to_dict()
    {'first': 0.0, 'rope': 0.1, 'second': 0.9}
    """
    gains = _pairwise(first, second)
    if rope < 0:
        raise ActionbenchError(f"a region of practical equivalence must not be negative; got {rope}")
    values = np.concatenate([[0.0], gains])
    means = np.round(values[:, None] + values, _DIGITS) / 2
    inside = np.abs(means) <= rope if rope > 0 else np.zeros_like(means, bool)
    left = (means < -rope) + 0.5 * ((means == 0) & ~inside)
    rng = np.random.default_rng(random_state)
    # Normalised independent gamma variates have a Dirichlet distribution.
    weights = rng.standard_gamma(np.r_[prior, np.ones(len(gains))], size=(n_samples, len(values)))
    weights /= weights.sum(axis=1, keepdims=True)
    share = [((weights @ side) * weights).sum(axis=1) for side in (left, inside.astype(float))]
    return _shares_of_draws(np.stack([share[0], share[1], 1 - share[0] - share[1]], axis=1), rope)


def sign_rope(
    first: ArrayLike,
    second: ArrayLike,
    rope: float = 0.0,
    *,
    prior: float = 1.0,
    n_samples: int = 50_000,
    random_state: int = 0,
) -> pd.Series:
    """Return the probabilities of `signed_rank_rope` by the signs of the differences only.

    Parameters
    ----------
    first, second, rope, prior, n_samples, random_state
        See `signed_rank_rope`; the prior lies within the region.

    Notes
    -----
    Bayesian sign test: Benavoli et al., JMLR 18, 2017, section 4.2.

    Examples
    --------
    >>> sign_rope([0.7, 0.8, 0.6], [0.9, 0.81, 0.8], rope=0.02).round(1).to_dict()
    {'first': 0.0, 'rope': 0.5, 'second': 0.5}
    """
    gains = np.round(_pairwise(first, second), _DIGITS)
    if rope < 0:
        raise ActionbenchError(f"a region of practical equivalence must not be negative; got {rope}")
    counts = np.array([(gains < -rope).sum(), (np.abs(gains) <= rope).sum() + prior, (gains > rope).sum()])
    rng = np.random.default_rng(random_state)
    return _shares_of_draws(rng.standard_gamma(counts + 1e-4, size=(n_samples, 3)), rope)


def _shares_of_draws(weights: NDArray[np.float64], rope: float) -> pd.Series:
    """Return the share of draws in which each outcome has the largest weight; ties are divided."""
    if rope == 0:
        weights[:, 1] = -1
    largest = weights >= weights.max(axis=1, keepdims=True) - 1e-9 * np.abs(weights).max(
        axis=1, keepdims=True
    )
    shares = (largest / largest.sum(axis=1, keepdims=True)).mean(axis=0)
    return pd.Series(shares, ["first", "rope", "second"])


def _pairwise(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    one, other = (finite("scores (leave out data sets without one)", side) for side in (first, second))
    if one.ndim != 1 or one.shape != other.shape or not len(one):
        raise ActionbenchError(
            f"two attempts are compared by one score each on the same data sets; got shapes {one.shape} and "
            f"{other.shape}"
        )
    return other - one
