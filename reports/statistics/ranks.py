"""Comparisons over several data sets, by ranks or scores.

Scores are a DataFrame with one row for each data set and one column for each attempt. The caller states whether higher
scores are better.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations, permutations
from math import lgamma, log

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from ...errors import ActionbenchError
from .corrections import holm, hommel, shaffer

Floats = NDArray[np.float64]

#: Treatments of missing scores, and how each is described.
POLICIES = {
    "raise": "no score is missing",
    "drop": "missing scores: {missing}; {rows} of {n} data sets left out",
    "last": "missing scores: {missing}, ranked last",
}
# Digits to which differences are rounded, so that rounding errors do not break ties.
_DIGITS = 12
# Largest number of orders of ranks for an exact Friedman test.
_MAX_ORDERS = 100_000
# Largest number of differences for which all signs are listed, also with ties.
_MAX_LISTED = 10


def complete_scores(
    scores: pd.DataFrame, missing: str = "raise", *, higher_is_better: bool = True
) -> tuple[pd.DataFrame, str]:
    """Return scores without missing values, and a description of their treatment.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        NaN where an attempt has no score.
    missing : {"raise", "drop", "last"}
        Treatment of missing scores. ``"raise"``: they are an error. ``"drop"``: data sets with missing scores are left
        out. ``"last"``: an attempt without a score is worse than all others; scores then have no differences.
    higher_is_better : bool
        Direction of the scores.

    Raises
    ------
    ActionbenchError
        If the scores have fewer than two data sets or two attempts, or if scores are missing and may not be.

    Examples
    --------
    >>> scores = pd.DataFrame({"a": [0.9, 0.8, 0.7], "b": [0.8, np.nan, 0.6]})
    >>> complete_scores(scores, "drop")[1]
    'missing scores: 1; 1 of 3 data sets left out'
    """
    if missing not in POLICIES:
        raise ActionbenchError(f"missing must be one of {', '.join(POLICIES)}; got {missing!r}")
    scores = _checked(scores)
    unknown = scores.isna()
    n_missing, rows = int(unknown.sum().sum()), int(unknown.any(axis=1).sum())
    if not n_missing:
        return scores, POLICIES["raise"]
    if missing == "raise":
        row, column = np.argwhere(unknown.to_numpy())[0]
        dataset, attempt = scores.index[row], scores.columns[column]
        raise ActionbenchError(
            f"attempt {attempt!r} has no score on {dataset!r} ({n_missing} scores are missing); run it, use "
            "skillings_mack, or set missing to 'drop' or 'last'"
        )
    note = POLICIES[missing].format(missing=n_missing, rows=rows, n=len(scores))
    if missing == "last":
        return scores.fillna(-np.inf if higher_is_better else np.inf), note
    return _checked(scores[~unknown.any(axis=1)]), note


def ranks(scores: pd.DataFrame, *, higher_is_better: bool = True) -> pd.DataFrame:
    """Return the rank of each attempt on each data set, 1 for the best, mean ranks for ties.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        Without missing scores.
    higher_is_better : bool
        Direction of the scores.

    Examples
    --------
    >>> ranks(pd.DataFrame({"a": [0.9, 0.8], "b": [0.7, 0.8], "c": [0.5, 0.9]}))
         a    b    c
    0  1.0  2.0  3.0
    1  2.5  2.5  1.0
    """
    scores, _ = _complete(scores)
    return scores.round(_DIGITS).rank(axis=1, ascending=not higher_is_better)


def friedman(scores: pd.DataFrame, *, higher_is_better: bool = True, ties: bool = True) -> pd.Series:
    """Test whether all attempts have the same ranks over several data sets.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        Without missing scores.
    higher_is_better : bool
        Direction of the scores; the test does not depend on it.
    ties : bool
        Whether to correct for ties. Without correction the statistic is too small if there are ties.

    Returns
    -------
    Series
        ``statistic`` (chi-squared) with ``df`` and ``p_value``; ``f_statistic`` with ``df`` and ``df_error`` degrees
        of freedom and ``f_p_value``, which is less conservative; ``exact_p_value``, by the distribution over all
        orders of the ranks on each data set, NaN if these are more than 100,000; ``kendall_w``, the agreement of the
        data sets from 0 to 1; ``n_datasets``, ``n_attempts``. With few data sets both approximate p-values are too
        small: that of F is 0 if three data sets agree, the exact one 1/36 with three attempts.

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
    from scipy import stats

    placed = ranks(scores, higher_is_better=higher_is_better).to_numpy()
    n, k = placed.shape
    spread = n * ((placed.mean(axis=0) - (k + 1) / 2) ** 2).sum()
    # The variance of ranks within a data set: k (k + 1) / 12 without ties.
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
    """Return the share of all orders of the ranks on each data set that agree as much, NaN if there are too many."""
    n, k = placed.shape
    if (n - 1) * lgamma(k + 1) > log(_MAX_ORDERS):
        return float("nan")
    # By symmetry in the attempts, the ranks on the first data set may be fixed.
    sums = placed[:1]
    for row in placed[1:]:
        orders = np.unique(list(permutations(row)), axis=0)
        sums = (sums[:, None] + orders).reshape(-1, k)
    spread = ((sums - n * (k + 1) / 2) ** 2).sum(axis=1)
    observed = ((placed.sum(axis=0) - n * (k + 1) / 2) ** 2).sum()
    return float(np.mean(spread >= observed - 1e-9))


def critical_difference(n_attempts: int, n_datasets: int, level: float = 0.05) -> float:
    """Return Nemenyi's critical difference of mean ranks.

    Parameters
    ----------
    n_attempts, n_datasets : int
        Numbers of attempts and of data sets.
    level : float
        Family-wise error rate.

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
    from scipy import stats

    if n_attempts < 2 or n_datasets < 1:
        raise ActionbenchError(
            f"a critical difference needs at least 2 attempts and 1 data set; got {n_attempts} and {n_datasets}"
        )
    range_ = stats.studentized_range.ppf(1 - level, n_attempts, np.inf)
    return float(range_ * np.sqrt(n_attempts * (n_attempts + 1) / (12 * n_datasets)))


def nemenyi(scores: pd.DataFrame, *, higher_is_better: bool = True) -> pd.DataFrame:
    """Return the p-values of Nemenyi's test for all pairs of attempts, adjusted for their number.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        Without missing scores.
    higher_is_better : bool
        Direction of the scores; the test does not depend on it.

    Returns
    -------
    DataFrame, shape (n_attempts, n_attempts)
        Symmetric, 1 on the diagonal.

    Notes
    -----
    A p-value is below a level exactly if the mean ranks differ by more than `critical_difference`.

    Examples
    --------
    >>> nemenyi(pd.DataFrame({"a": [3, 3, 3], "b": [2, 2, 1], "c": [1, 1, 2]})).round(3)
           a      b      c
    a  1.000  0.232  0.102
    b  0.232  1.000  0.912
    c  0.102  0.912  1.000
    """
    from scipy import stats

    placed = ranks(scores, higher_is_better=higher_is_better)
    n, k = placed.shape
    means = placed.mean().to_numpy()
    statistics = np.abs(means[:, None] - means) / np.sqrt(k * (k + 1) / (12 * n))
    p_values = np.minimum(stats.studentized_range.sf(statistics, k, np.inf), 1.0)
    np.fill_diagonal(p_values, 1.0)
    return pd.DataFrame(p_values, placed.columns, placed.columns)


def rank_pairs(scores: pd.DataFrame, *, higher_is_better: bool = True) -> pd.DataFrame:
    """Compare all pairs of attempts by their mean ranks.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        Without missing scores.
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
    pairwise comparisons", JMLR 9, 2008. The result for a pair also depends on the other attempts, unlike that of
    `wilcoxon_pairs`.

    Examples
    --------
    >>> found = rank_pairs(pd.DataFrame({"a": [3, 3, 3], "b": [2, 2, 1], "c": [1, 1, 2]}))
    >>> found[["first", "second", "p_value", "p_holm", "p_shaffer"]].round(3)
      first second  p_value  p_holm  p_shaffer
    0     a      b    0.102   0.205      0.124
    1     a      c    0.041   0.124      0.124
    2     b      c    0.683   0.683      0.683
    """
    placed = ranks(scores, higher_is_better=higher_is_better)
    n, k = placed.shape
    means = placed.mean()
    rows = [
        {"first": one, "second": other, "z": (means[one] - means[other]) / np.sqrt(k * (k + 1) / (6 * n))}
        for one, other in combinations(placed.columns, 2)
    ]
    table = pd.DataFrame(rows)
    return _adjusted(table.assign(p_value=2 * special.ndtr(-table["z"].abs())))


def wilcoxon_pairs(
    scores: pd.DataFrame, *, higher_is_better: bool = True, zeros: str = "wilcox", exact: bool = True
) -> pd.DataFrame:
    """Compare all pairs of attempts by Wilcoxon's signed-rank test over data sets.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        Without missing scores.
    higher_is_better : bool
        Direction of the scores.
    zeros : str
        Treatment of data sets without a difference: ``wilcox`` drops them, ``pratt`` ranks them and then drops them,
        ``zsplit`` divides their ranks between both signs.
    exact : bool
        Whether to use all signs for up to ten differences, and the exact distribution for up to 50 without zeros or
        ties; otherwise the normal approximation with a correction for ties.

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
        If scores are missing, or ``zeros`` is unknown.

    Notes
    -----
    Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1, 1945; Pratt, "Remarks on zeros
    and ties in the Wilcoxon signed rank procedures", JASA 54, 1959; rather than ranks over all attempts: Benavoli,
    Corani and Mangili, "Should we really use post-hoc tests based on mean-ranks?", JMLR 17, 2016; effect size:
    Kerby, "The simple difference formula", Comprehensive Psychology 3, 2014.

    Examples
    --------
    >>> scores = pd.DataFrame({"a": [0.9, 0.8, 0.9, 0.7, 0.8], "b": [0.7, 0.7, 0.6, 0.8, 0.3]})
    >>> wilcoxon_pairs(scores)[["first", "second", "wins", "losses", "p_value"]]
      first second  wins  losses  p_value
    0     a      b     4       1   0.1875
    """
    if zeros not in ("wilcox", "pratt", "zsplit"):
        raise ActionbenchError(f"zeros must be one of wilcox, pratt, zsplit; got {zeros!r}")
    scores, _ = _complete(scores)
    if not np.isfinite(scores.to_numpy()).all():
        raise ActionbenchError(
            "scores must be finite to be subtracted; leave data sets with an infinite one out, as missing='drop' does"
        )
    sign = 1 if higher_is_better else -1
    rows, columns = [], dict(zip(scores, scores.to_numpy().T, strict=True))
    for one, other in combinations(columns, 2):
        gains = (sign * (columns[one] - columns[other])).round(_DIGITS)
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
    exact_few = exact and np.count_nonzero(gains) <= _MAX_LISTED
    exact = exact and len(gains) <= 50 and bool((gains != 0).all())
    if zeros == "wilcox":
        gains = gains[gains != 0]
    n, n_zero = len(gains), int((gains == 0).sum())
    if n == n_zero:
        return 0.0, 0.0, 1.0
    placed = _midranks(np.abs(gains))
    up, down = float(placed[gains > 0].sum()), float(placed[gains < 0].sum())
    if exact_few:
        return up, down, _of_all_signs(placed[gains != 0], up - down)
    _, tied = np.unique(placed[gains != 0] if zeros == "pratt" else placed, return_counts=True)
    if exact and (tied == 1).all():
        from scipy import stats

        return up, down, float(stats.wilcoxon(gains, method="exact").pvalue)
    mean, variance = n * (n + 1) / 4, n * (n + 1) * (2 * n + 1) / 24
    if zeros == "pratt":
        mean -= n_zero * (n_zero + 1) / 4
        variance -= n_zero * (n_zero + 1) * (2 * n_zero + 1) / 24
    if zeros == "zsplit":
        half = placed[gains == 0].sum() / 2
        up, down = up + half, down + half
    variance -= (tied**3.0 - tied).sum() / 48
    return up, down, float(2 * special.ndtr(-abs(up - mean) / np.sqrt(variance)))


def _midranks(values: Floats) -> Floats:
    ordered = np.sort(values)
    return (np.searchsorted(ordered, values) + np.searchsorted(ordered, values, "right") + 1) / 2


def _of_all_signs(placed: Floats, balance: float) -> float:
    """Return the share of all sign patterns with a signed sum of ranks at least as far from 0."""
    return float((np.abs(_all_signs(len(placed)) @ placed) >= abs(balance) - 1e-9).mean())


@cache
def _all_signs(number: int) -> NDArray[np.intp]:
    return 1 - 2 * (np.arange(2**number)[:, None] >> np.arange(number) & 1)


def _adjusted(pairs: pd.DataFrame) -> pd.DataFrame:
    p_values = pairs["p_value"].to_numpy()
    return pairs.assign(p_holm=holm(p_values), p_shaffer=shaffer(p_values), p_hommel=hommel(p_values))


def comparison_matrix(scores: pd.DataFrame, *, higher_is_better: bool = True) -> pd.DataFrame:
    """Compare each attempt with each other one, independently of all others.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        Without missing scores.
    higher_is_better : bool
        Direction of the scores.

    Returns
    -------
    DataFrame
        One row for each attempt and each other one, with the index ``attempt`` and ``against``, best mean first:
        ``wins``, ``ties``, ``losses``, ``difference`` (of mean scores) and ``p_value`` of `wilcoxon_pairs`, not
        adjusted for the number of pairs.

    Notes
    -----
    Ismail-Fawaz et al., "An approach to multiple comparison benchmark evaluations that is stable under manipulation
    of the comparate set", arXiv:2305.11921, 2023.

    Examples
    --------
    >>> scores = pd.DataFrame({"a": [0.9, 0.8, 0.9, 0.7, 0.8], "b": [0.7, 0.7, 0.6, 0.8, 0.3]})
    >>> comparison_matrix(scores).loc[("a", "b")].round(3).to_dict()
    {'wins': 4.0, 'ties': 0.0, 'losses': 1.0, 'difference': 0.2, 'p_value': 0.188}
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
    """Test whether all attempts have the same ranks if some scores are missing.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        NaN where an attempt has no score. Data sets with a single score are ignored.
    higher_is_better : bool
        Direction of the scores; the test does not depend on it.

    Returns
    -------
    Series
        ``statistic`` (chi-squared), ``df``, ``p_value``, ``n_datasets`` with at least two scores, ``n_attempts``,
        ``n_missing``.

    Raises
    ------
    ActionbenchError
        If some attempts share no data set with the others, directly or indirectly.

    Notes
    -----
    Skillings and Mack, "On the use of a Friedman-type statistic in balanced and unbalanced block designs",
    Technometrics 23, 1981. Equal to Friedman's statistic (without correction for ties) if nothing is missing, and to
    Durbin's in balanced incomplete designs. Valid if scores are missing at random.

    Examples
    --------
    >>> scores = pd.DataFrame({"a": [3, 3, 3, 2], "b": [2, 2, 1, 1], "c": [1, 1, 2, np.nan]})
    >>> skillings_mack(scores)[["statistic", "p_value", "n_missing"]].round(3).to_dict()
    {'statistic': 5.623, 'p_value': 0.06, 'n_missing': 1.0}
    """
    from scipy import stats

    scores = _checked(scores)
    there = scores.notna().to_numpy()
    used = there.sum(axis=1) > 1
    sizes, there = there[used].sum(axis=1), there[used].astype(np.float64)
    placed = scores[used].round(_DIGITS).rank(axis=1, ascending=not higher_is_better).to_numpy()
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
            "n_datasets": int(used.sum()),
            "n_attempts": scores.shape[1],
            "n_missing": int(scores.isna().sum().sum()),
        }
    )


def _complete(scores: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    return complete_scores(scores, "raise")


def _checked(scores: pd.DataFrame) -> pd.DataFrame:
    if scores.shape[0] < 2 or scores.shape[1] < 2:
        raise ActionbenchError(
            "scores need a row for each of at least 2 data sets and a column for each of at least 2 attempts; got "
            f"{scores.shape[0]} rows and {scores.shape[1]} columns"
        )
    if not scores.columns.is_unique:
        twice = scores.columns[scores.columns.duplicated()][0]
        raise ActionbenchError(f"attempt {twice!r} has more than one column of scores; it must have one")
    try:
        return scores.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ActionbenchError(f"scores must be numbers, or NaN where missing ({error})") from error
