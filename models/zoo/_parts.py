"""What several nets are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .. import nn

Seed = np.random.Generator | int | None


def n_outputs(net: nn.Module, *shape: int) -> int:
    """Return how many values a net makes of one sample of that shape."""
    with net.evaluating():
        y = net.forward(np.zeros((0, *shape), np.float32))
    return int(np.prod(y.shape[1:]))


def classifier(
    n_in: int, hidden: Sequence[int], n_classes: int, dropout: float, transfer: Callable[[], nn.Module]
) -> nn.Sequential:
    """Return fully connected layers, the hidden ones behind dropout and before a transfer function."""
    net = nn.Sequential(nn.Flatten())
    for width in hidden:
        if dropout:
            net.add(nn.Dropout(dropout))
        net.add(nn.Linear(n_in, width)).add(transfer())
        n_in = width
    return net.add(nn.Linear(n_in, n_classes))
