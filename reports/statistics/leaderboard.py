"""Common leaderboard measures of errors on several data sets, one row for each data set, one column for each attempt.

They have no intervals, unlike `rank_intervals.rank_table`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...errors import ActionbenchError
from .ranks import ranks


def leaderboard(errors: pd.DataFrame, baseline: str | None = None) -> pd.DataFrame:
    """Return the common leaderboard measures of each attempt, the best mean rank first.

    Parameters
    ----------
    errors : DataFrame, shape (n_datasets, n_attempts)
        Positive, lower is better, without missing values.
    baseline : str, optional
        Attempt for `baseline_advantage` and the denominator of `relative_error`; the best mean rank by default.

    Returns
    -------
    DataFrame
        ``mean_rank``; ``win_rate``, the mean share of other attempts with a larger error, ties counted half;
        ``reciprocal_rank``, the mean of 1 over the rank; the means of `improvability`, `rescaled_loss`,
        `relative_error` and `baseline_advantage`; ``elo``.

    Raises
    ------
    ActionbenchError
        If an error is not positive, or the baseline is not among the attempts.

    Examples
    --------
    >>> errors = pd.DataFrame({"A": [0.1, 0.1, 0.2], "B": [0.2, 0.3, 0.3], "C": [0.4, 0.5, 0.6]})
    >>> leaderboard(errors)[["mean_rank", "win_rate", "relative_error"]].round(3)
       mean_rank  win_rate  relative_error
    A        1.0       1.0           1.000
    B        2.0       0.5           2.167
    C        3.0       0.0           4.000
    """
    if not (errors.dropna() > 0).all(axis=None):
        raise ActionbenchError(
            "errors must be positive to be divided by; leave out data sets without any error"
        )
    placed = ranks(errors, higher_is_better=False)
    order = placed.mean().sort_values(kind="stable").index
    baseline = str(order[0]) if baseline is None else baseline
    if baseline not in errors.columns:
        raise ActionbenchError(
            f"baseline {baseline!r} is not among the attempts: {', '.join(map(str, errors.columns))}"
        )
    table = pd.DataFrame(
        {
            "mean_rank": placed.mean(),
            "win_rate": win_rates(errors).mean(axis=1),
            "reciprocal_rank": (1 / placed).mean(),
            "improvability": improvability(errors).mean(),
            "rescaled_loss": rescaled_loss(errors).mean(),
            "relative_error": relative_error(errors, baseline).mean(),
            "baseline_advantage": baseline_advantage(errors, baseline).mean(),
            "elo": elo(errors),
        }
    )
    return table.loc[order]


def win_rates(errors: pd.DataFrame) -> pd.DataFrame:
    """Return the share of data sets on which the row's attempt beats the column's, ties counted half, NaN with itself.

    Parameters
    ----------
    errors : DataFrame, shape (n_datasets, n_attempts)
        Lower is better.

    Examples
    --------
    >>> win_rates(pd.DataFrame({"A": [0.1, 0.1], "B": [0.2, 0.1]}))
          A     B
    A   NaN  0.75
    B  0.25   NaN
    """
    values = errors.round(12).to_numpy(dtype=np.float64)
    wins = (values[:, :, None] < values[:, None, :]) + 0.5 * (values[:, :, None] == values[:, None, :])
    share = wins.mean(axis=0)
    np.fill_diagonal(share, np.nan)
    return pd.DataFrame(share, errors.columns, errors.columns)


def improvability(errors: pd.DataFrame) -> pd.DataFrame:
    """Return the fraction by which each error exceeds that of the best attempt on the data set.

    Parameters
    ----------
    errors : DataFrame, shape (n_datasets, n_attempts)
        Positive, lower is better.

    Examples
    --------
    >>> improvability(pd.DataFrame({"A": [0.1, 0.2], "B": [0.2, 0.2]}))
         A    B
    0  0.0  0.5
    1  0.0  0.0
    """
    return 1 - errors.rdiv(errors.min(axis=1), axis=0)


def rescaled_loss(errors: pd.DataFrame) -> pd.DataFrame:
    """Rescale the errors on each data set so that the best is 0 and the worst 1; 0 if all are equal.

    Parameters
    ----------
    errors : DataFrame, shape (n_datasets, n_attempts)
        Lower is better.

    Examples
    --------
    >>> rescaled_loss(pd.DataFrame({"A": [0.1, 0.2], "B": [0.2, 0.2], "C": [0.3, 0.2]})).round(2)
         A    B    C
    0  0.0  0.5  1.0
    1  0.0  0.0  0.0
    """
    above = errors.sub(errors.min(axis=1), axis=0)
    return above.div(above.max(axis=1).replace(0, 1), axis=0)


def relative_error(errors: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Return the ratio of each error to that of the baseline.

    Parameters
    ----------
    errors : DataFrame, shape (n_datasets, n_attempts)
        Positive, lower is better.
    baseline : str
        Name of an attempt.

    Examples
    --------
    >>> relative_error(pd.DataFrame({"A": [0.1, 0.2], "B": [0.2, 0.2]}), "A")
         A    B
    0  1.0  2.0
    1  1.0  1.0
    """
    return errors.div(errors[baseline], axis=0)


def baseline_advantage(errors: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Return the difference of each error to that of the baseline, relative to the larger of both, from -1 to 1.

    Parameters
    ----------
    errors : DataFrame, shape (n_datasets, n_attempts)
        Positive, lower is better.
    baseline : str
        Name of an attempt; positive values are better than it.

    Examples
    --------
    >>> baseline_advantage(pd.DataFrame({"A": [0.1, 0.2], "B": [0.2, 0.1]}), "A")
         A    B
    0 -0.0 -0.5
    1 -0.0  0.5
    """
    other = errors[baseline]
    larger = errors.apply(lambda own: np.maximum(own, other))
    return -errors.sub(other, axis=0) / larger


def elo(errors: pd.DataFrame, *, prior: float = 0.5) -> pd.Series:
    """Return Elo ratings with mean 1000, in which 400 points are odds of ten to one to win.

    Parameters
    ----------
    errors : DataFrame, shape (n_datasets, n_attempts)
        Lower is better; ties are half a win for both.
    prior : float
        Pseudo-wins of each attempt against each other, so that an attempt that always wins has a finite rating.

    Notes
    -----
    Bradley and Terry, "Rank analysis of incomplete block designs", Biometrika 39, 1952, by the iteration of Hunter, "MM
    algorithms for generalized Bradley-Terry models", Annals of Statistics 32, 2004: unlike ratings that are updated
    game by game, it does not depend on the order of the data sets.

    Examples
    --------
    >>> elo(pd.DataFrame({"A": [0.1, 0.1, 0.3], "B": [0.2, 0.3, 0.2]})).round(1)
    A    1044.4
    B     955.6
    dtype: float64
    """
    wins = win_rates(errors).fillna(0).to_numpy() * len(errors) + prior
    np.fill_diagonal(wins, 0)
    games, strength = wins + wins.T, np.ones(len(wins))
    for _ in range(10_000):
        before = strength
        strength = wins.sum(axis=1) / (games / (strength[:, None] + strength)).sum(axis=1)
        strength /= np.exp(np.log(strength).mean())
        if np.abs(np.log(strength / before)).max() < 1e-10:
            break
    return pd.Series(1000 + 400 * np.log10(strength), errors.columns)
