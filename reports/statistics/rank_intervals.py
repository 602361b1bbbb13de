"""The order of attempts as far as it is known: places as intervals, ties, and who cannot be told apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import ActionbenchError
from .intervals import finite


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
        What becomes of missing scores, see `ranks.without_holes`.

    Returns
    -------
    DataFrame
        One row for each attempt, the best mean rank first: ``mean_rank``, ``rank_low`` and ``rank_high`` by
        Nemenyi's test, ``tied``, ``group``, ``mean_score`` over the data sets where it has one, ``n_datasets``
        ranked on, and ``holes``, a sentence that says what became of missing scores.
    """
    # Its distributions are slow to load, and places on one data set do without.
    from .ranks import nemenyi, ranks, without_holes

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


def rank_intervals(worth: pd.Series, p_values: pd.DataFrame, level: float = 0.05) -> pd.DataFrame:
    """Return which places each attempt may hold, given which pairs can be told apart.

    Parameters
    ----------
    worth : Series
        A number for each attempt, higher is better: an accuracy, or a mean rank with its sign turned.
    p_values : DataFrame, shape (n_attempts, n_attempts)
        Of each pair, symmetric, adjusted for their number: `ranks.nemenyi`, or `square` of a column of pairs.
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
        With ``first`` and ``second``, as from `ranks.wilcoxon_pairs` and `ranks.rank_pairs`.
    column : str
        Which p-values.
    """
    names = pd.Index(dict.fromkeys([*pairs["first"], *pairs["second"]]))
    first, second = names.get_indexer(pairs["first"]), names.get_indexer(pairs["second"])
    matrix = np.ones((len(names), len(names)))
    matrix[first, second] = matrix[second, first] = pairs[column]
    return pd.DataFrame(matrix, names, names)


def _apart(names: pd.Index, p_values: pd.DataFrame, level: float) -> NDArray[np.bool_]:
    """Return which pairs differ, in the order of names."""
    if set(names) != set(p_values.index) or set(names) != set(p_values.columns):
        raise ActionbenchError("p-values must have one row and one column for each attempt that is ranked")
    matrix = finite("p-values of pairs", p_values.loc[names, names])
    if not np.allclose(matrix, matrix.T):
        raise ActionbenchError(
            "p-values of pairs must be the same from both sides; the matrix is not symmetric"
        )
    return np.asarray((matrix <= level) & ~np.eye(len(names), dtype=bool))
