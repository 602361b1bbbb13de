"""Several data sets: which attempts differ in rank or score.

Scores come as a DataFrame with one row for each data set and one column for each attempt. Whether higher scores are
better is said by the caller, never guessed.
"""

from __future__ import annotations

from itertools import combinations, permutations
from math import lgamma, log

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from ...errors import ActionbenchError
from .corrections import holm, hommel, shaffer

Floats = NDArray[np.float64]

#: What may be done with data sets on which not all attempts have a score, and what a table says of it.
POLICIES = {
    "refuse": "all have scores",
    "drop": "{holes} without a score: {rows} of {n} data sets left out",
    "last": "{holes} without a score, each ranked last",
}
# Differences are rounded to so many digits: ties on paper must not be broken by the last bit.
_DIGITS = 12
# Of so many orders of ranks all are listed; of more, distributions of many data sets are close.
_MOST_ORDERS = 100_000
# Of so many differences all signs are tried, ties or not; of more, the normal distribution is close.
_FEW = 10


def without_holes(
    scores: pd.DataFrame, policy: str = "refuse", *, higher_is_better: bool = True
) -> tuple[pd.DataFrame, str]:
    """Return scores on which all attempts can be ranked, and a sentence that says what was done for it.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        NaN where an attempt has no score.
    policy : str
        ``refuse``: holes are an error. ``drop``: data sets with holes are left out. ``last``: an attempt without
        a score is worse than all that have one; no differences between scores can then be taken.
    higher_is_better : bool
        Direction of the scores.

    Raises
    ------
    ActionbenchError
        If the scores are no table of at least two data sets and two attempts, or have holes that the policy
        does not allow.
    """
    if policy not in POLICIES:
        raise ActionbenchError(
            f"policy {policy!r} for missing scores is unknown; it is one of {', '.join(POLICIES)}"
        )
    scores = _checked(scores)
    missing = scores.isna()
    holes, rows = int(missing.sum().sum()), int(missing.any(axis=1).sum())
    if not holes:
        return scores, POLICIES["refuse"]
    if policy == "refuse":
        row, column = np.argwhere(missing.to_numpy())[0]
        dataset, attempt = scores.index[row], scores.columns[column]
        raise ActionbenchError(
            f"attempt {attempt!r} has no score on {dataset!r} ({holes} are missing in all); run it, use "
            "skillings_mack, or choose a policy: 'drop' or 'last'"
        )
    said = POLICIES[policy].format(holes=holes, rows=rows, n=len(scores))
    if policy == "last":
        return scores.fillna(-np.inf if higher_is_better else np.inf), said
    return _checked(scores[~missing.any(axis=1)]), said


def ranks(scores: pd.DataFrame, *, higher_is_better: bool = True) -> pd.DataFrame:
    """Return the rank of each attempt on each data set, 1 for the best, the mean of their ranks for ties.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        Without holes.
    higher_is_better : bool
        Direction of the scores.
    """
    scores, _ = _complete(scores)
    return scores.round(_DIGITS).rank(axis=1, ascending=not higher_is_better)


def friedman(scores: pd.DataFrame, *, higher_is_better: bool = True, ties: bool = True) -> pd.Series:
    """Test whether all attempts rank alike over several data sets.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        Without holes.
    higher_is_better : bool
        Direction of the scores; the test does not depend on it.
    ties : bool
        Correct for ties. Without, the statistic is the textbook's, too small where there are ties.

    Returns
    -------
    Series
        ``statistic`` (chi-squared) with ``df`` and ``p_value``; ``f_statistic`` with ``df`` and ``df_error`` degrees
        of freedom and ``f_p_value``, which is less conservative; ``exact_p_value``, the share of all orders of the
        ranks on each data set that agree as much, NaN where these are more than 100,000; ``kendall_w``, the agreement
        of the data sets from 0 to 1; ``n_datasets``, ``n_attempts``. On few data sets both approximations are too
        small: F's is 0 where three data sets agree, though one in 36 does so by chance with three attempts.

    Notes
    -----
    Friedman, "The use of ranks to avoid the assumption of normality implicit in the analysis of variance", JASA 32,
    1937; ties: Conover, "Practical Nonparametric Statistics", 1999, section 5.8; F: Iman and Davenport,
    "Approximations of the critical region of the Friedman statistic", Communications in Statistics A9, 1980;
    W: Kendall and Babington Smith, "The problem of m rankings", 1939.

    Examples
    --------
    >>> friedman(pd.DataFrame({"a": [3, 3, 3], "b": [2, 2, 1], "c": [1, 1, 2]})).statistic.round(3)
    np.float64(4.667)
    """
    placed = ranks(scores, higher_is_better=higher_is_better).to_numpy()
    n, k = placed.shape
    spread = n * ((placed.mean(axis=0) - (k + 1) / 2) ** 2).sum()
    # The variance of ranks within a data set: k (k + 1) / 12 where none are tied.
    variance = ((placed - (k + 1) / 2) ** 2).sum() / (n * (k - 1)) if ties else k * (k + 1) / 12
    statistic = spread / variance if variance > 0 else 0.0
    rest = n * (k - 1) - statistic
    f_statistic = (n - 1) * statistic / rest if rest > 1e-12 else np.inf
    df, df_error = k - 1, (k - 1) * (n - 1)
    return pd.Series(
        {
            "statistic": statistic,
            "df": df,
            "p_value": stats.chi2.sf(statistic, df),
            "f_statistic": f_statistic,
            "df_error": df_error,
            "f_p_value": stats.f.sf(f_statistic, df, df_error),
            "exact_p_value": _share_of_orders(placed),
            "kendall_w": statistic / (n * (k - 1)),
            "n_datasets": n,
            "n_attempts": k,
        }
    )


def _share_of_orders(placed: Floats) -> float:
    """Return how many of all orders of the ranks on each data set agree as much as they do, NaN where too many."""
    n, k = placed.shape
    if (n - 1) * lgamma(k + 1) > log(_MOST_ORDERS):
        return float("nan")
    # To name the attempts anew changes nothing, so that the ranks on the first data set may stay.
    sums = placed[:1]
    for row in placed[1:]:
        orders = np.unique(list(permutations(row)), axis=0)
        sums = (sums[:, None] + orders).reshape(-1, k)
    spread = ((sums - n * (k + 1) / 2) ** 2).sum(axis=1)
    observed = ((placed.sum(axis=0) - n * (k + 1) / 2) ** 2).sum()
    return float(np.mean(spread >= observed - 1e-9))


def critical_difference(n_attempts: int, n_datasets: int, level: float = 0.05) -> float:
    """Return by how much the mean ranks of two attempts must differ to be told apart.

    Parameters
    ----------
    n_attempts, n_datasets : int
        How many are compared, and on how many data sets.
    level : float
        Chance of any false difference.

    Notes
    -----
    Nemenyi, "Distribution-free multiple comparisons", 1963, as in Demšar, "Statistical comparisons of classifiers
    over multiple data sets", JMLR 7, 2006. The critical value is the Studentised range's for exactly this number
    of attempts, over the square root of 2.

    Examples
    --------
    >>> round(critical_difference(4, 14), 2), round(critical_difference(4, 14, level=0.10), 2)
    (1.25, 1.12)
    """
    if n_attempts < 2 or n_datasets < 1:
        raise ActionbenchError(
            f"a critical difference needs at least 2 attempts and 1 data set; got {n_attempts} and {n_datasets}"
        )
    range_ = stats.studentized_range.ppf(1 - level, n_attempts, np.inf)
    return float(range_ * np.sqrt(n_attempts * (n_attempts + 1) / (12 * n_datasets)))


def nemenyi(scores: pd.DataFrame, *, higher_is_better: bool = True) -> pd.DataFrame:
    """Return p-values of all pairs of attempts, adjusted for their number.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        Without holes.
    higher_is_better : bool
        Direction of the scores; the test does not depend on it.

    Returns
    -------
    DataFrame, shape (n_attempts, n_attempts)
        Symmetric, 1 on the diagonal.

    Notes
    -----
    See `critical_difference`: a pair is below a level exactly where its mean ranks are further apart than that.
    """
    placed = ranks(scores, higher_is_better=higher_is_better)
    n, k = placed.shape
    means = placed.mean().to_numpy()
    apart = np.abs(means[:, None] - means) / np.sqrt(k * (k + 1) / (12 * n))
    p_values = np.minimum(stats.studentized_range.sf(apart, k, np.inf), 1.0)
    np.fill_diagonal(p_values, 1.0)
    return pd.DataFrame(p_values, placed.columns, placed.columns)


def rank_pairs(scores: pd.DataFrame, *, higher_is_better: bool = True) -> pd.DataFrame:
    """Compare all pairs of attempts by their mean ranks.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        Without holes.
    higher_is_better : bool
        Direction of the scores.

    Returns
    -------
    DataFrame
        One row for each pair: ``first``, ``second``, ``z`` (above 0 where the first ranks worse), ``p_value`` by
        the normal approximation, and ``p_holm``, ``p_shaffer``, ``p_hommel``, adjusted for the number of pairs.

    Notes
    -----
    García and Herrera, "An extension on statistical comparisons of classifiers over multiple data sets for all
    pairwise comparisons", JMLR 9, 2008. The outcome for a pair depends on the other attempts too: see
    `wilcoxon_pairs` for one that does not.
    """
    placed = ranks(scores, higher_is_better=higher_is_better)
    n, k = placed.shape
    means = placed.mean()
    rows = [
        {"first": one, "second": other, "z": (means[one] - means[other]) / np.sqrt(k * (k + 1) / (6 * n))}
        for one, other in combinations(placed.columns, 2)
    ]
    table = pd.DataFrame(rows)
    return _adjusted(table.assign(p_value=2 * stats.norm.sf(table["z"].abs())))


def wilcoxon_pairs(
    scores: pd.DataFrame, *, higher_is_better: bool = True, zeros: str = "wilcox", exact: bool = True
) -> pd.DataFrame:
    """Compare all pairs of attempts by Wilcoxon's signed-rank test over data sets.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        Without holes.
    higher_is_better : bool
        Direction of the scores.
    zeros : str
        What becomes of data sets without a difference: ``wilcox`` leaves them out, ``pratt`` ranks them and then
        leaves them out, ``zsplit`` gives half of their ranks to each side.
    exact : bool
        Take p from all signs that up to ten differences may have, and of up to 50 from the exact distribution where
        none of them is zero and none tied, else from the normal one with a correction for ties.

    Returns
    -------
    DataFrame
        One row for each pair: ``first``, ``second``; ``wins``, ``ties``, ``losses`` of the first; ``difference``
        and ``median_difference`` of the first minus the second in the scores' unit; ``statistic``, the smaller
        sum of ranks; ``rank_biserial``, the effect size from -1 (the first is worse on every data set) to 1;
        ``p_value``, and ``p_holm``, ``p_shaffer``, ``p_hommel``, adjusted for the number of pairs.

    Raises
    ------
    ActionbenchError
        If the scores have holes, or ``zeros`` is unknown.

    Notes
    -----
    Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1, 1945; Pratt, "Remarks on zeros
    and ties in the Wilcoxon signed rank procedures", JASA 54, 1959; why not ranks over all attempts: Benavoli,
    Corani and Mangili, "Should we really use post-hoc tests based on mean-ranks?", JMLR 17, 2016; effect size:
    Kerby, "The simple difference formula", Comprehensive Psychology 3, 2014.
    """
    if zeros not in ("wilcox", "pratt", "zsplit"):
        raise ActionbenchError(f"zeros {zeros!r} is unknown; it is one of wilcox, pratt, zsplit")
    scores, _ = _complete(scores)
    if not np.isfinite(scores.to_numpy()).all():
        raise ActionbenchError(
            "differences cannot be taken where a score is infinite; leave such data sets out, as policy 'drop' does"
        )
    sign = 1 if higher_is_better else -1
    rows = []
    for one, other in combinations(scores.columns, 2):
        gains = (sign * (scores[one] - scores[other])).round(_DIGITS).to_numpy()
        up, down, p_value = _signed_rank(gains, zeros, exact)
        rows.append(
            {
                "first": one,
                "second": other,
                "wins": int((gains > 0).sum()),
                "ties": int((gains == 0).sum()),
                "losses": int((gains < 0).sum()),
                "difference": sign * gains.mean(),
                "median_difference": sign * np.median(gains),
                "statistic": min(up, down),
                "rank_biserial": (up - down) / (up + down) if up + down else 0.0,
                "p_value": p_value,
            }
        )
    return _adjusted(pd.DataFrame(rows))


def _signed_rank(gains: Floats, zeros: str, exact: bool) -> tuple[float, float, float]:
    """Return the sums of ranks of gains and losses, and the two-sided p-value."""
    exact_few = exact and np.count_nonzero(gains) <= _FEW
    exact = exact and len(gains) <= 50 and bool((gains != 0).all())
    if zeros == "wilcox":
        gains = gains[gains != 0]
    n, n_zero = len(gains), int((gains == 0).sum())
    if n == n_zero:
        return 0.0, 0.0, 1.0
    placed = stats.rankdata(np.abs(gains))
    up, down = float(placed[gains > 0].sum()), float(placed[gains < 0].sum())
    if exact_few:
        return up, down, _of_all_signs(placed[gains != 0], up - down)
    _, tied = np.unique(placed[gains != 0] if zeros == "pratt" else placed, return_counts=True)
    if exact and (tied == 1).all():
        return up, down, float(stats.wilcoxon(gains, method="exact").pvalue)
    mean, variance = n * (n + 1) / 4, n * (n + 1) * (2 * n + 1) / 24
    if zeros == "pratt":
        mean -= n_zero * (n_zero + 1) / 4
        variance -= n_zero * (n_zero + 1) * (2 * n_zero + 1) / 24
    if zeros == "zsplit":
        half = placed[gains == 0].sum() / 2
        up, down = up + half, down + half
    variance -= (tied**3.0 - tied).sum() / 48
    return up, down, float(2 * stats.norm.sf(abs(up - mean) / np.sqrt(variance)))


def _of_all_signs(placed: Floats, balance: float) -> float:
    """Return how often ranks with signs by chance are as far out of balance."""
    patterns = np.arange(2 ** len(placed))[:, None] >> np.arange(len(placed)) & 1
    return float((np.abs((1 - 2 * patterns) @ placed) >= abs(balance) - 1e-9).mean())


def _adjusted(pairs: pd.DataFrame) -> pd.DataFrame:
    p_values = pairs["p_value"].to_numpy()
    return pairs.assign(p_holm=holm(p_values), p_shaffer=shaffer(p_values), p_hommel=hommel(p_values))


def comparison_matrix(scores: pd.DataFrame, *, higher_is_better: bool = True) -> pd.DataFrame:
    """Return how each attempt fares against each other one; another attempt added changes none of it.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        Without holes.
    higher_is_better : bool
        Direction of the scores.

    Returns
    -------
    DataFrame
        One row for each attempt and each other one, the index ``attempt`` and ``against``, best mean first:
        ``wins``, ``ties``, ``losses``, ``difference`` (mean of scores) and ``p_value`` of `wilcoxon_pairs`, for one
        look at one pair: not adjusted.

    Notes
    -----
    Ismail-Fawaz et al., "An approach to multiple comparison benchmark evaluations that is stable under manipulation
    of the comparate set", arXiv:2305.11921, 2023.
    """
    pairs = wilcoxon_pairs(scores, higher_is_better=higher_is_better)
    turned = pairs.rename(columns={"first": "second", "second": "first", "wins": "losses", "losses": "wins"})
    both = pd.concat([pairs, turned.assign(difference=-turned["difference"])])
    order = scores.mean().round(_DIGITS).sort_values(ascending=not higher_is_better, kind="stable").index
    both = both.rename(columns={"first": "attempt", "second": "against"}).set_index(["attempt", "against"])
    wanted = pd.MultiIndex.from_tuples(
        [(one, other) for one in order for other in order if one != other], names=["attempt", "against"]
    )
    return both.reindex(wanted)[["wins", "ties", "losses", "difference", "p_value"]]


def skillings_mack(scores: pd.DataFrame, *, higher_is_better: bool = True) -> pd.Series:
    """Test whether all attempts rank alike where some have no score on some data sets.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        NaN where an attempt has no score. Data sets with a single score say nothing and are passed over.
    higher_is_better : bool
        Direction of the scores; the test does not depend on it.

    Returns
    -------
    Series
        ``statistic`` (chi-squared), ``df``, ``p_value``, ``n_datasets`` with at least two scores, ``n_attempts``,
        ``n_holes``.

    Raises
    ------
    ActionbenchError
        If some attempts share no data set with the others, not even by way of third ones.

    Notes
    -----
    Skillings and Mack, "On the use of a Friedman-type statistic in balanced and unbalanced block designs",
    Technometrics 23, 1981. Friedman's statistic (without correction for ties) where nothing is missing, Durbin's in
    balanced incomplete designs. It holds where scores are missing for reasons that have nothing to do with them.
    """
    scores = _checked(scores)
    there = scores.notna().to_numpy()
    told = there.sum(axis=1) > 1
    sizes, there = there[told].sum(axis=1), there[told].astype(np.float64)
    placed = scores[told].round(_DIGITS).rank(axis=1, ascending=not higher_is_better).to_numpy()
    middle = (sizes[:, None] + 1) / 2
    sums = (np.sqrt(12 / (sizes + 1))[:, None] * np.where(there, placed - middle, 0)).sum(axis=0)
    covariance = np.diag(sizes @ there) - there.T @ there
    df = int(np.linalg.matrix_rank(covariance))
    if df < scores.shape[1] - 1:
        raise ActionbenchError(
            "some attempts share no data set with the others, so that their ranks cannot be compared; run them on a "
            "data set that the others have"
        )
    statistic = float(sums @ np.linalg.pinv(covariance) @ sums)
    return pd.Series(
        {
            "statistic": statistic,
            "df": df,
            "p_value": stats.chi2.sf(statistic, df),
            "n_datasets": int(told.sum()),
            "n_attempts": scores.shape[1],
            "n_holes": int(scores.isna().sum().sum()),
        }
    )


def _complete(scores: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    return without_holes(scores, "refuse")


def _checked(scores: pd.DataFrame) -> pd.DataFrame:
    if scores.shape[0] < 2 or scores.shape[1] < 2:
        raise ActionbenchError(
            "scores need a row for each of at least 2 data sets and a column for each of at least 2 attempts; got "
            f"{scores.shape[0]} rows and {scores.shape[1]} columns"
        )
    if not scores.columns.is_unique:
        twice = scores.columns[scores.columns.duplicated()][0]
        raise ActionbenchError(f"attempt {twice!r} has more than one column of scores; give each one")
    try:
        return scores.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ActionbenchError(f"scores must be numbers, NaN where there is none ({error})") from error
