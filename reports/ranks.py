"""Several data sets: which attempts differ in rank, and what may be said of their order.

Scores come as a DataFrame with one row for each data set and one column for each attempt. Whether higher scores are
better is said by the caller, never guessed.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ..errors import ActionbenchError
from .statistics import holm

Floats = NDArray[np.float64]

#: What may be done with data sets on which not all attempts have a score, and what a table says of it.
POLICIES = {
    "refuse": "all have scores",
    "drop": "{holes} without a score: {rows} of {n} data sets left out",
    "last": "{holes} without a score, each ranked last",
}
# Differences are rounded to so many digits: ties on paper must not be broken by the last bit.
_DIGITS = 12


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
        of freedom and ``f_p_value``, which is less conservative; ``kendall_w``, the agreement of the data sets
        from 0 to 1; ``n_datasets``, ``n_attempts``.

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
            "kendall_w": statistic / (n * (k - 1)),
            "n_datasets": n,
            "n_attempts": k,
        }
    )


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
        Take p from the exact distribution where there are at most 50 differences, none of them zero and no ties
        among them, else from the normal one with a correction for ties.

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
    exact = exact and len(gains) <= 50 and bool((gains != 0).all())
    if zeros == "wilcox":
        gains = gains[gains != 0]
    n, n_zero = len(gains), int((gains == 0).sum())
    if n == n_zero:
        return 0.0, 0.0, 1.0
    placed = stats.rankdata(np.abs(gains))
    up, down = float(placed[gains > 0].sum()), float(placed[gains < 0].sum())
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


def _adjusted(pairs: pd.DataFrame) -> pd.DataFrame:
    p_values = pairs["p_value"].to_numpy()
    return pairs.assign(p_holm=holm(p_values), p_shaffer=shaffer(p_values), p_hommel=hommel(p_values))


def shaffer(p_values: ArrayLike) -> Floats:
    """Return p-values of all pairs of attempts, adjusted by how many pairs can be equal at once.

    Parameters
    ----------
    p_values : array_like, shape (k (k - 1) / 2,)
        One for each pair of k attempts.

    Raises
    ------
    ActionbenchError
        If there are not as many as pairs of some number of attempts.

    Notes
    -----
    Shaffer, "Modified sequentially rejective multiple test procedures", JASA 81, 1986, the static procedure: once
    some pairs are found to differ, only so many others can still be equal. Never less powerful than Holm's.

    Examples
    --------
    >>> shaffer([0.01, 0.04, 0.03])
    array([0.03, 0.04, 0.03])
    """
    p_values = np.asarray(p_values, np.float64)
    n = len(p_values)
    k = round((1 + np.sqrt(1 + 8 * n)) / 2)
    if k * (k - 1) // 2 != n or not n:
        raise ActionbenchError(
            f"Shaffer's procedure needs a p-value for each pair of attempts: 1, 3, 6, 10, ...; got {n}"
        )
    allowed = np.array(sorted(_true_at_once(k)))
    # The i-th smallest is reached when i pairs differ: no more than n - i can be equal then.
    left = np.arange(n, 0, -1)
    factors = allowed[np.searchsorted(allowed, left, side="right") - 1]
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * np.maximum(factors, 1)), 1.0)
    return adjusted


def _true_at_once(k: int) -> set[int]:
    """Return the numbers of pairs that are equal when k attempts fall into classes of equals."""
    counts: list[set[int]] = [{0}]
    for size in range(1, k + 1):
        counts.append({j * (j - 1) // 2 + rest for j in range(1, size + 1) for rest in counts[size - j]})
    return counts[k]


def hommel(p_values: ArrayLike) -> Floats:
    """Return p-values adjusted for their number, where they are independent or positively dependent.

    Parameters
    ----------
    p_values : array_like, shape (n,)
        One for each comparison.

    Notes
    -----
    Hommel, "A stagewise rejective multiple test procedure based on a modified Bonferroni test", Biometrika 75,
    1988, by statsmodels.

    Examples
    --------
    >>> hommel([0.01, 0.04, 0.03])
    array([0.03, 0.04, 0.04])
    """
    from statsmodels.stats.multitest import multipletests

    p_values = np.asarray(p_values, np.float64)
    return np.asarray(multipletests(p_values, method="hommel")[1], np.float64) if len(p_values) else p_values


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
    order = scores.mean().sort_values(ascending=not higher_is_better, kind="stable").index
    both = both.rename(columns={"first": "attempt", "second": "against"}).set_index(["attempt", "against"])
    wanted = pd.MultiIndex.from_tuples(
        [(one, other) for one in order for other in order if one != other], names=["attempt", "against"]
    )
    return both.reindex(wanted)[["wins", "ties", "losses", "difference", "p_value"]]


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
        If the arrays differ in length, or the region is negative.

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
    sides = np.stack([share[0], share[1], 1 - share[0] - share[1]], axis=1)
    if rope == 0:
        sides[:, 1] = -1
    won = np.bincount(sides.argmax(axis=1), minlength=3) / n_samples
    return pd.Series(won, ["first", "rope", "second"])


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
    drawn = rng.standard_gamma(counts + 1e-4, size=(n_samples, 3))
    if rope == 0:
        drawn[:, 1] = -1
    return pd.Series(np.bincount(drawn.argmax(axis=1), minlength=3) / n_samples, ["first", "rope", "second"])


def _pairwise(first: ArrayLike, second: ArrayLike) -> Floats:
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.ndim != 1 or one.shape != other.shape or not len(one):
        raise ActionbenchError(
            f"two attempts are compared by one score each on the same data sets; got shapes {one.shape} and "
            f"{other.shape}"
        )
    return other - one


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


def rank_intervals(worth: pd.Series, p_values: pd.DataFrame, level: float = 0.05) -> pd.DataFrame:
    """Return which places each attempt may hold, given which pairs can be told apart.

    Parameters
    ----------
    worth : Series
        A number for each attempt, higher is better: an accuracy, or a mean rank with its sign turned.
    p_values : DataFrame, shape (n_attempts, n_attempts)
        Of each pair, symmetric, adjusted for their number: `nemenyi`, or `square` of a column of pairs.
    level : float
        A pair differs where its p-value is not above it.

    Returns
    -------
    DataFrame
        Index as ``worth``, the best first. ``rank_low`` is one more than the number of attempts that are better for
        certain, ``rank_high`` the number of all less those that are worse for certain; ``tied`` the number of
        others that cannot be told apart.

    Notes
    -----
    With pairwise tests that hold together, all intervals hold together: Mogstad, Romano, Shaikh and Wilhelm,
    "Inference for ranks with applications to mobility across neighbourhoods and academic achievement across
    countries", Review of Economic Studies 91, 2024, section 3.

    Examples
    --------
    >>> p = pd.DataFrame([[1, 0.2, 0.01], [0.2, 1, 0.3], [0.01, 0.3, 1]], list("abc"), list("abc"))
    >>> rank_intervals(pd.Series([0.9, 0.8, 0.7], list("abc")), p)
       rank_low  rank_high  tied
    a         1          2     1
    b         1          3     2
    c         2          3     1
    """
    worth = worth.sort_values(ascending=False, kind="stable")
    apart = _apart(worth.index, p_values, level)
    value = worth.to_numpy(dtype=np.float64)
    better = (apart & (value[None, :] > value[:, None])).sum(axis=1)
    worse = (apart & (value[None, :] < value[:, None])).sum(axis=1)
    return pd.DataFrame(
        {
            "rank_low": 1 + better,
            "rank_high": len(worth) - worse,
            "tied": len(worth) - 1 - apart.sum(axis=1),
        },
        index=worth.index,
    )


def tie_groups(worth: pd.Series, p_values: pd.DataFrame, level: float = 0.05) -> pd.Series:
    """Return a group for each attempt: 1 for the best and all that cannot be told apart from it, and so on.

    Parameters
    ----------
    worth, p_values, level
        See `rank_intervals`.

    Returns
    -------
    Series of int
        Index as ``worth``, the best first. Within the rest, the best again leads the next group. Who is in another
        group is worse than the leader, and not always than everybody in it: `cliques` says who is alike.

    Examples
    --------
    >>> p = pd.DataFrame([[1, 0.2, 0.01], [0.2, 1, 0.3], [0.01, 0.3, 1]], list("abc"), list("abc"))
    >>> tie_groups(pd.Series([0.9, 0.8, 0.7], list("abc")), p).to_dict()
    {'a': 1, 'b': 1, 'c': 2}
    """
    worth = worth.sort_values(ascending=False, kind="stable")
    apart = _apart(worth.index, p_values, level)
    groups = np.zeros(len(worth), int)
    while (groups == 0).any():
        leader = int(np.argmin(groups != 0))
        groups[(groups == 0) & ~apart[leader]] = groups.max() + 1
    return pd.Series(groups, worth.index, name="group")


def cliques(p_values: pd.DataFrame, level: float = 0.05) -> list[list[str]]:
    """Return the largest sets of attempts in which no two can be told apart.

    Parameters
    ----------
    p_values : DataFrame, shape (n_attempts, n_attempts)
        Of each pair, symmetric, rows in the order in which members are to be named.
    level : float
        A pair differs where its p-value is not above it.

    Returns
    -------
    list of list of str
        Sets of at least two, none within another, in the order of their first members. Members need not be
        neighbours in rank: where the middle one of three differs from the outer two, which do not differ, the two
        are a set without it. A set never joins what differs.

    Notes
    -----
    Bron and Kerbosch, "Algorithm 457: finding all cliques of an undirected graph", CACM 16, 1973.

    Examples
    --------
    >>> p = pd.DataFrame([[1, 0.2, 0.01], [0.2, 1, 0.3], [0.01, 0.3, 1]], list("abc"), list("abc"))
    >>> cliques(p)
    [['a', 'b'], ['b', 'c']]
    """
    alike = ~_apart(p_values.index, p_values, level)
    np.fill_diagonal(alike, False)
    neighbours = [set(np.flatnonzero(row).tolist()) for row in alike]
    found: list[list[int]] = []

    def grow(clique: set[int], candidates: set[int], seen: set[int]) -> None:
        if not candidates and not seen:
            found.append(sorted(clique))
            return
        pivot = max(candidates | seen, key=lambda node: len(neighbours[node] & candidates))
        for node in sorted(candidates - neighbours[pivot]):
            grow(clique | {node}, candidates & neighbours[node], seen & neighbours[node])
            candidates, seen = candidates - {node}, seen | {node}

    grow(set(), set(range(len(alike))), set())
    return [[str(p_values.index[place]) for place in one] for one in sorted(found) if len(one) > 1]


def square(pairs: pd.DataFrame, column: str = "p_holm") -> pd.DataFrame:
    """Return a column of a table of pairs as a symmetric matrix, 1 on the diagonal.

    Parameters
    ----------
    pairs : DataFrame
        With ``first`` and ``second``, as from `wilcoxon_pairs` and `rank_pairs`.
    column : str
        Which p-values.
    """
    names = list(dict.fromkeys([*pairs["first"], *pairs["second"]]))
    matrix = pd.DataFrame(1.0, names, names)
    for one, other, p_value in pairs[["first", "second", column]].itertuples(index=False):
        matrix.loc[one, other] = matrix.loc[other, one] = p_value
    return matrix


def rank_table(
    scores: pd.DataFrame, *, higher_is_better: bool = True, level: float = 0.05, holes: str = "refuse"
) -> pd.DataFrame:
    """Return the places of attempts over several data sets, as far as they are known.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        NaN where an attempt has no score.
    higher_is_better : bool
        Direction of the scores.
    level : float
        Chance of any false difference.
    holes : str
        What becomes of missing scores, see `without_holes`.

    Returns
    -------
    DataFrame
        One row for each attempt, the best mean rank first: ``mean_rank``, ``rank_low`` and ``rank_high`` by
        Nemenyi's test, ``tied``, ``group``, ``mean_score`` over the data sets where it has one, ``n_datasets``
        ranked on, and ``holes``, a sentence that says what became of missing scores.
    """
    whole, said = without_holes(scores, holes, higher_is_better=higher_is_better)
    means = ranks(whole, higher_is_better=higher_is_better).mean()
    p_values = nemenyi(whole, higher_is_better=higher_is_better)
    table = rank_intervals(-means, p_values, level)
    table.insert(0, "mean_rank", means[table.index])
    return table.assign(
        group=tie_groups(-means, p_values, level),
        mean_score=scores.mean(),
        n_datasets=len(whole),
        holes=said,
    )


def _apart(names: pd.Index, p_values: pd.DataFrame, level: float) -> NDArray[np.bool_]:
    """Return which pairs differ, in the order of names."""
    if set(names) != set(p_values.index) or set(names) != set(p_values.columns):
        raise ActionbenchError("p-values must have one row and one column for each attempt that is ranked")
    matrix = p_values.loc[names, names].to_numpy(dtype=np.float64)
    if not np.allclose(matrix, matrix.T, equal_nan=True):
        raise ActionbenchError(
            "p-values of pairs must be the same from both sides; the matrix is not symmetric"
        )
    return np.asarray((matrix <= level) & ~np.eye(len(names), dtype=bool))


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
