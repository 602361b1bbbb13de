"""Connection tables for `ConvMap2d`: pairs (channel of the input, channel of the output), as Torch's ``nn.tables``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.intp]


def full(n_in: int, n_out: int) -> Table:
    """Connect every channel with every other: an ordinary convolution, shape (n_in * n_out, 2)."""
    return np.argwhere(np.ones((n_in, n_out), bool))


def one_to_one(n: int) -> Table:
    """Connect each channel with its own, shape (n, 2)."""
    return np.repeat(np.arange(n)[:, np.newaxis], 2, axis=1)


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
    if not 1 <= n_each <= n_in:
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
