"""Fully connected nets."""

from __future__ import annotations

from itertools import pairwise

from .. import nn
from ._parts import Seed


def mlp(*sizes: int, dropout: float = 0.0, batch_norm: bool = False, rng: Seed = None) -> nn.Sequential:
    """Return a net of fully connected layers with ReLU between them.

    Parameters
    ----------
    *sizes : int
        Numbers of the input, of each hidden layer, of the output.
    dropout : float
        Probability before each layer.
    batch_norm : bool
        Whether hidden layers are normalised.
    rng : numpy.random.Generator or int, optional
        Source of the initial values.

    Examples
    --------
    >>> mlp(1024, 2048, 10).count_parameters()  # a digit classifier of the Torch demos
    2119690
    """
    net = nn.Sequential(nn.Flatten())
    for index, (n_in, n_out) in enumerate(pairwise(sizes)):
        if dropout:
            net.add(nn.Dropout(dropout))
        net.add(nn.Linear(n_in, n_out))
        if index < len(sizes) - 2:
            if batch_norm:
                net.add(nn.BatchNorm1d(n_out))
            net.add(nn.ReLU())
    return net.reset(rng)
