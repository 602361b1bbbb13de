"""Figures that leaderboards show of errors on several data sets: one row for each data set, one column each attempt.

None of them says how sure it is; `rank_intervals.rank_table` does.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...errors import ActionbenchError
from .ranks import ranks


def leaderboard(errors: pd.DataFrame, baseline: str | None = None) -> pd.DataFrame:
    """Return the usual figures of each attempt, the best mean rank first.

    Parameters
    ----------
    errors : DataFrame, shape (n_datasets, n_attempts)
        Above 0, lower is better, without holes.
    baseline : str, optional
        Attempt for `baseline_advantage` and the denominator of `relative_error`; the best mean rank by default.

    Returns
    -------
    DataFrame
        ``mean_rank``; ``win_rate``, the mean share of others beaten, ties half; ``reciprocal_rank``, the mean of 1 over
        the rank; and the means of `improvability`, `rescaled_loss`, `relative_error` and `baseline_advantage`;
        ``elo``.

    Raises
    ------
    ActionbenchError
        If an error is not above 0, or the baseline is not among the attempts.

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
            "errors must be above 0 to be divided by; leave out data sets without any error"
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
    """Return the share of data sets on which the row's attempt beats the column's, ties half, NaN with itself."""
    values = errors.round(12).to_numpy(dtype=np.float64)
    wins = (values[:, :, None] < values[:, None, :]) + 0.5 * (values[:, :, None] == values[:, None, :])
    share = wins.mean(axis=0)
    np.fill_diagonal(share, np.nan)
    return pd.DataFrame(share, errors.columns, errors.columns)


def improvability(errors: pd.DataFrame) -> pd.DataFrame:
    """Return the share of each error that the best attempt on the data set does not make."""
    return 1 - errors.rdiv(errors.min(axis=1), axis=0)


def rescaled_loss(errors: pd.DataFrame) -> pd.DataFrame:
    """Return each error between that of the best, 0, and that of the worst attempt, 1; 0 where all are equal."""
    above = errors.sub(errors.min(axis=1), axis=0)
    return above.div(above.max(axis=1).replace(0, 1), axis=0)


def relative_error(errors: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Return each error over that of the baseline."""
    return errors.div(errors[baseline], axis=0)


def baseline_advantage(errors: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Return by which share of the larger error each attempt is better than the baseline, from -1 to 1."""
    other = errors[baseline]
    larger = errors.apply(lambda own: np.maximum(own, other))
    return -errors.sub(other, axis=0) / larger


def elo(errors: pd.DataFrame, *, prior: float = 0.5) -> pd.Series:
    """Return a rating of each attempt, 1000 in the mean, so that 400 points more are odds of ten to one to win.

    Parameters
    ----------
    errors : DataFrame, shape (n_datasets, n_attempts)
        Lower is better; ties are half a win for both.
    prior : float
        Wins of each attempt against each other that are added, so that who always wins has a finite rating.

    Notes
    -----
    Bradley and Terry, "Rank analysis of incomplete block designs", Biometrika 39, 1952, by the iteration of Hunter, "MM
    algorithms for generalized Bradley-Terry models", Annals of Statistics 32, 2004: unlike ratings that are updated
    game by game, it does not depend on the order of the data sets.
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
