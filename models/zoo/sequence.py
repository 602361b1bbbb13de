"""Recurrent nets for sequences of features."""

from __future__ import annotations

from .. import nn
from ._parts import Seed


def lstm_classifier(
    input_size: int,
    hidden_size: int,
    n_classes: int,
    num_layers: int = 1,
    dropout: float = 0.0,
    bidirectional: bool = False,
    peepholes: bool = False,
    rng: Seed = None,
) -> nn.Sequential:
    """Return an LSTM whose last state is classified, for sequences (N, L, input_size).

    The input may also be a list of that and the length of each sequence (N,).

    Parameters
    ----------
    input_size, hidden_size, n_classes : int
        Channels of the input and of the state, scores at the output.
    num_layers, bidirectional, peepholes
        See `nn.LSTM`.
    dropout : float
        Probability between layers and before the last one.
    rng : numpy.random.Generator or int, optional
        Source of the initial values.

    Examples
    --------
    >>> [layer.count_parameters() for layer in lstm_classifier(512, 256, 10).modules]
    [788480, 2570]
    """
    lstm = nn.LSTM(
        input_size,
        hidden_size,
        num_layers,
        dropout=dropout,
        bidirectional=bidirectional,
        peepholes=peepholes,
        last=True,
    )
    net = nn.Sequential(lstm)
    if dropout:
        net.add(nn.Dropout(dropout))
    return net.add(nn.Linear(hidden_size * (2 if bidirectional else 1), n_classes)).reset(rng)
