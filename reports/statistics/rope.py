"""Several data sets: how probable it is that one of two attempts is better by more than what matters."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ...errors import ActionbenchError
from .intervals import finite

# Means of differences are rounded to so many digits, so that the last bit does not decide on which side they fall.
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
    """Return how probable it is that one attempt is better, that both are alike, that the other is.

    Parameters
    ----------
    first, second : array_like, shape (n_datasets,)
        Scores of two attempts, higher is better.
    rope : float
        Region of practical equivalence: differences up to this size do not matter, in the scores' unit. With 0 none
        is alike.
    prior : float
        Weight of one data set more, without a difference.
    n_samples : int
        Number of draws.
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
    through Bayesian analysis", JMLR 18, 2017. Each draw weighs the data sets; the means of all pairs of differences
    then fall to one side, within the region or to the other; the probability is the share of draws that give a
    side the most weight.
    """
    gains = _pairwise(first, second)
    if rope < 0:
        raise ActionbenchError(f"a region of practical equivalence must not be negative; got {rope}")
    values = np.concatenate([[0.0], gains])
    means = np.round(values[:, None] + values, _DIGITS) / 2
    inside = np.abs(means) <= rope if rope > 0 else np.zeros_like(means, bool)
    left = (means < -rope) + 0.5 * ((means == 0) & ~inside)
    rng = np.random.default_rng(random_state)
    # In proportion to independent gamma variates, weights are Dirichlet.
    weights = rng.standard_gamma(np.r_[prior, np.ones(len(gains))], size=(n_samples, len(values)))
    weights /= weights.sum(axis=1, keepdims=True)
    share = [((weights @ side) * weights).sum(axis=1) for side in (left, inside.astype(float))]
    return _won(np.stack([share[0], share[1], 1 - share[0] - share[1]], axis=1), rope)


def sign_rope(
    first: ArrayLike,
    second: ArrayLike,
    rope: float = 0.0,
    *,
    prior: float = 1.0,
    n_samples: int = 50_000,
    random_state: int = 0,
) -> pd.Series:
    """Return what `signed_rank_rope` returns, from the signs of the differences alone.

    Parameters
    ----------
    first, second, rope, prior, n_samples, random_state
        See `signed_rank_rope`; the prior lies within the region.

    Notes
    -----
    Bayesian sign test: Benavoli et al., JMLR 18, 2017, section 4.2.
    """
    gains = np.round(_pairwise(first, second), _DIGITS)
    if rope < 0:
        raise ActionbenchError(f"a region of practical equivalence must not be negative; got {rope}")
    counts = np.array([(gains < -rope).sum(), (np.abs(gains) <= rope).sum() + prior, (gains > rope).sum()])
    rng = np.random.default_rng(random_state)
    return _won(rng.standard_gamma(counts + 1e-4, size=(n_samples, 3)), rope)


def _won(sides: NDArray[np.float64], rope: float) -> pd.Series:
    """Return how often each side has the most weight; sides with the same weight share a draw."""
    if rope == 0:
        sides[:, 1] = -1
    most = sides >= sides.max(axis=1, keepdims=True) - 1e-9 * np.abs(sides).max(axis=1, keepdims=True)
    won = (most / most.sum(axis=1, keepdims=True)).mean(axis=0)
    return pd.Series(won, ["first", "rope", "second"])


def _pairwise(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    one, other = (finite("scores (leave out data sets without one)", side) for side in (first, second))
    if one.ndim != 1 or one.shape != other.shape or not len(one):
        raise ActionbenchError(
            f"two attempts are compared by one score each on the same data sets; got shapes {one.shape} and "
            f"{other.shape}"
        )
    return other - one
