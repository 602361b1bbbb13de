"""Rank intervals, ties, and sets of attempts without significant differences."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import ActionbenchError
from .intervals import finite


def rank_table(
    scores: pd.DataFrame, *, higher_is_better: bool = True, level: float = 0.05, missing: str = "raise"
) -> pd.DataFrame:
    """Return the rank intervals of attempts over several data sets.

    Parameters
    ----------
    scores : DataFrame, shape (n_datasets, n_attempts)
        NaN where an attempt has no score.
    higher_is_better : bool
        Direction of the scores.
    level : float
        Family-wise error rate.
    missing : {"raise", "drop", "last"}
        Treatment of missing scores, see `ranks.complete_scores`.

    Returns
    -------
    DataFrame
        One row for each attempt, the best mean rank first: ``mean_rank``, ``rank_low`` and ``rank_high`` by
        Nemenyi's test, ``tied``, ``group``, ``mean_score`` over the data sets where it has one, ``n_datasets``
        ranked on, and ``missing``, a description of the treatment of missing scores.

    Examples
    --------
    >>> scores = {"a": [0.9, 0.8, 0.9, 0.9, 0.8], "b": [0.7, 0.7, 0.6, 0.8, 0.7], "c": [0.5, 0.6, 0.5, 0.6, 0.4]}
    >>> rank_table(pd.DataFrame(scores))[["mean_rank", "rank_low", "rank_high", "tied"]]
       mean_rank  rank_low  rank_high  tied
    a        1.0         1          2     1
    b        2.0         1          3     2
    c        3.0         2          3     1
    """
    # The import of its distributions is slow, and rank intervals on one data set do not need them.
    from .ranks import complete_scores, nemenyi, ranks

    whole, note = complete_scores(scores, missing, higher_is_better=higher_is_better)
    means = ranks(whole, higher_is_better=higher_is_better).mean()
    p_values = nemenyi(whole, higher_is_better=higher_is_better)
    table = rank_intervals(-means, p_values, level)
    table.insert(0, "mean_rank", means[table.index])
    return table.assign(
        group=tie_groups(-means, p_values, level),
        mean_score=scores.mean(),
        n_datasets=len(whole),
        missing=note,
    )


def rank_intervals(scores: pd.Series, p_values: pd.DataFrame, level: float = 0.05) -> pd.DataFrame:
    """Return the interval of ranks of each attempt, given the tests of all pairs.

    Parameters
    ----------
    scores : Series
        Score of each attempt, higher is better: an accuracy, or a negative mean rank.
    p_values : DataFrame, shape (n_attempts, n_attempts)
        Of each pair, symmetric, adjusted for their number: `ranks.nemenyi`, or `square` of a column of pairs.
    level : float
        A pair differs significantly if its p-value is at most the level.

    Returns
    -------
    DataFrame
        Index as ``scores``, the best first. ``rank_low`` is one more than the number of significantly better attempts,
        ``rank_high`` the number of all less the significantly worse ones; ``tied`` the number of others without
        significant difference.

    Notes
    -----
    If the family of pairwise tests controls its error rate, so does the family of all intervals: Mogstad, Romano,
    Shaikh and Wilhelm, "Inference for ranks with applications to mobility across neighbourhoods and academic
    achievement across countries", Review of Economic Studies 91, 2024, section 3.

    Examples
    --------
    >>> p = pd.DataFrame([[1, 0.2, 0.01], [0.2, 1, 0.3], [0.01, 0.3, 1]], list("abc"), list("abc"))
    >>> rank_intervals(pd.Series([0.9, 0.8, 0.7], list("abc")), p)
       rank_low  rank_high  tied
    a         1          2     1
    b         1          3     2
    c         2          3     1
    """
    scores = scores.sort_values(ascending=False, kind="stable")
    significant = _significant(scores.index, p_values, level)
    value = scores.to_numpy(dtype=np.float64)
    better = (significant & (value[None, :] > value[:, None])).sum(axis=1)
    worse = (significant & (value[None, :] < value[:, None])).sum(axis=1)
    return pd.DataFrame(
        {
            "rank_low": 1 + better,
            "rank_high": len(scores) - worse,
            "tied": len(scores) - 1 - significant.sum(axis=1),
        },
        index=scores.index,
    )


def tie_groups(scores: pd.Series, p_values: pd.DataFrame, level: float = 0.05) -> pd.Series:
    """Return a group for each attempt: 1 for the best and all that do not differ significantly from it, and so on.

    Parameters
    ----------
    scores, p_values, level
        See `rank_intervals`.

    Returns
    -------
    Series of int
        Index as ``scores``, the best first. The best of the remaining attempts leads the next group. Members of a later
        group differ significantly from the leader of a former one, but not always from all its members, see `cliques`.

    Examples
    --------
    >>> p = pd.DataFrame([[1, 0.2, 0.01], [0.2, 1, 0.3], [0.01, 0.3, 1]], list("abc"), list("abc"))
    >>> tie_groups(pd.Series([0.9, 0.8, 0.7], list("abc")), p).to_dict()
    {'a': 1, 'b': 1, 'c': 2}
    """
    scores = scores.sort_values(ascending=False, kind="stable")
    significant = _significant(scores.index, p_values, level)
    groups = np.zeros(len(scores), int)
    while (groups == 0).any():
        leader = int(np.argmin(groups != 0))
        groups[(groups == 0) & ~significant[leader]] = groups.max() + 1
    return pd.Series(groups, scores.index, name="group")


def cliques(p_values: pd.DataFrame, level: float = 0.05) -> list[list[str]]:
    """Return the maximal sets of attempts without a significant difference.

    Parameters
    ----------
    p_values : DataFrame, shape (n_attempts, n_attempts)
        Of each pair, symmetric, with rows in the order of the members.
    level : float
        A pair differs significantly if its p-value is at most the level.

    Returns
    -------
    list of list of str
        Sets of at least two, none a subset of another, in the order of their first members. Members need not be
        neighbours in rank: if the middle one of three differs from the outer two, which do not differ, the two are a
        set without it. No pair in a set differs significantly.

    Notes
    -----
    Bron and Kerbosch, "Algorithm 457: finding all cliques of an undirected graph", CACM 16, 1973.

    Examples
    --------
    >>> p = pd.DataFrame([[1, 0.2, 0.01], [0.2, 1, 0.3], [0.01, 0.3, 1]], list("abc"), list("abc"))
    >>> cliques(p)
    [['a', 'b'], ['b', 'c']]
    """
    tied = ~_significant(p_values.index, p_values, level)
    np.fill_diagonal(tied, False)
    neighbours = [set(np.flatnonzero(row).tolist()) for row in tied]
    found: list[list[int]] = []

    def grow(clique: set[int], candidates: set[int], seen: set[int]) -> None:
        if not candidates and not seen:
            found.append(sorted(clique))
            return
        pivot = max(candidates | seen, key=lambda node: len(neighbours[node] & candidates))
        for node in sorted(candidates - neighbours[pivot]):
            grow(clique | {node}, candidates & neighbours[node], seen & neighbours[node])
            candidates, seen = candidates - {node}, seen | {node}

    grow(set(), set(range(len(tied))), set())
    return [[str(p_values.index[place]) for place in one] for one in sorted(found) if len(one) > 1]


def square(pairs: pd.DataFrame, column: str = "p_holm") -> pd.DataFrame:
    """Return a column of a table of pairs as a symmetric matrix, 1 on the diagonal.

    Parameters
    ----------
    pairs : DataFrame
        With ``first`` and ``second``, as from `ranks.wilcoxon_pairs` and `ranks.rank_pairs`.
    column : str
        Column of the p-values.

    Examples
    --------
    >>> square(pd.DataFrame({"first": ["a", "a", "b"], "second": ["b", "c", "c"], "p_holm": [0.2, 0.01, 0.3]}))
          a    b     c
    a  1.00  0.2  0.01
    b  0.20  1.0  0.30
    c  0.01  0.3  1.00
    """
    names = pd.Index(dict.fromkeys([*pairs["first"], *pairs["second"]]))
    first, second = names.get_indexer(pairs["first"]), names.get_indexer(pairs["second"])
    matrix = np.ones((len(names), len(names)))
    matrix[first, second] = matrix[second, first] = pairs[column]
    return pd.DataFrame(matrix, names, names)


def _significant(names: pd.Index, p_values: pd.DataFrame, level: float) -> NDArray[np.bool_]:
    """Return which pairs differ significantly, in the order of names."""
    if set(names) != set(p_values.index) or set(names) != set(p_values.columns):
        raise ActionbenchError("p-values must have one row and one column for each attempt that is ranked")
    matrix = finite("p-values of pairs", p_values.loc[names, names])
    if not np.allclose(matrix, matrix.T):
        raise ActionbenchError(
            "the matrix of p-values must be symmetric; some differ from their transposed values"
        )
    return np.asarray((matrix <= level) & ~np.eye(len(names), dtype=bool))
