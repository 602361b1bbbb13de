"""Which is connected with which: tables for `ConvMap2d`, as Torch's ``nn.tables``, and edges for `Graph`.

A table has pairs (channel of the input, channel of the output).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .arguments import integer

Table = NDArray[np.intp]


def full(n_in: int, n_out: int) -> Table:
    """Connect every channel with every other: an ordinary convolution, shape (n_in * n_out, 2).

    Examples
    --------
    >>> full(2, 1).tolist()
    [[0, 0], [1, 0]]
    """
    return np.argwhere(np.ones((integer("n_in", n_in), integer("n_out", n_out)), bool))


def one_to_one(n: int) -> Table:
    """Connect each channel with its own, shape (n, 2).

    Examples
    --------
    >>> one_to_one(2).tolist()
    [[0, 0], [1, 1]]
    """
    return np.repeat(np.arange(integer("n", n))[:, np.newaxis], 2, axis=1)


def random(n_in: int, n_out: int, n_each: int, rng: np.random.Generator | int | None = None) -> Table:
    """Connect each channel of the output with ``n_each`` different ones of the input, shape (n_out * n_each, 2).

    Each channel of the input is used as often as any other, give or take one.

    Raises
    ------
    ValueError
        If there are not that many channels.

    Examples
    --------
    >>> random(4, 2, 2, rng=0).shape
    (4, 2)
    """
    integer("n_out", n_out)
    if not 1 <= integer("n_each", n_each) <= integer("n_in", n_in):
        raise ValueError(f"each channel can have 1 to {n_in} connections, got {n_each}")
    generator = np.random.default_rng(rng)
    used = np.zeros(n_in, int)
    pairs = []
    for channel in range(n_out):
        # The least used first, in random order among equals.
        chosen = np.lexsort((generator.random(n_in), used))[:n_each]
        used[chosen] += 1
        pairs += [(source, channel) for source in np.sort(chosen)]
    return np.array(pairs, np.intp)


def small_world(
    n: int, n_neighbours: int, p: float, rng: np.random.Generator | int | None = None
) -> list[tuple[int, int]]:
    """Return edges of a random graph after Watts and Strogatz (1998), each from the lower node to the higher.

    Nodes form a ring, each connected with its nearest; then, round after round, each edge to the right is led to
    a random other node with probability ``p``. Made a graph without cycles as by Xie et al. (2019).

    Parameters
    ----------
    n : int
        Nodes.
    n_neighbours : int
        Neighbours of each node before edges are moved: an even number below ``n``.
    p : float
        From 0, the ring, to 1.
    rng : numpy.random.Generator or int, optional
        Source of chance.

    Returns
    -------
    list of (int, int)
        ``n * n_neighbours / 2`` edges, sorted.

    Raises
    ------
    ValueError
        If an argument makes no sense.

    Examples
    --------
    >>> small_world(5, 2, 0.0)
    [(0, 1), (0, 4), (1, 2), (2, 3), (3, 4)]
    """
    if not (
        2 <= integer("n_neighbours", n_neighbours) < integer("n", n) and n_neighbours % 2 == 0 and 0 <= p <= 1
    ):
        raise ValueError(
            f"a small world needs an even number of neighbours from 2 to below its nodes, and p from 0 to 1, got "
            f"{n_neighbours}, {n} nodes and {p}"
        )
    generator = np.random.default_rng(rng)
    rings = [(node, step) for step in range(1, n_neighbours // 2 + 1) for node in range(n)]
    edges = {frozenset((node, (node + step) % n)) for node, step in rings}
    for node, step in rings:
        free = [other for other in range(n) if other != node and frozenset((node, other)) not in edges]
        if generator.random() < p and free:
            edges.remove(frozenset((node, (node + step) % n)))
            edges.add(frozenset((node, free[generator.integers(len(free))])))
    return sorted((min(edge), max(edge)) for edge in edges)
