"""Nets for sequences of features: recurrent, and of convolutions in time."""

from __future__ import annotations

from collections.abc import Sequence

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


def pose_tcn(
    n_classes: int, channels: Sequence[int], width: int = 16, dropout: float = 0.0, rng: Seed = None
) -> nn.Sequential:
    """Return convolutions in time on three parts of a sequence (N, L, C), after DD-Net (Yang et al. 2019).

    Each part is embedded by itself: distances and slow motion are pooled to half of the rate, of fast motion every
    second frame is taken. Three stages on all of them follow, the first two before a pooling, then the largest value
    over time.

    Parameters
    ----------
    n_classes : int
        Scores at the output.
    channels : sequence of int
        Channels of distances, of slow and of fast motion.
    width : int
        Channels of each embedding; the stages have 2, 4 and 8 times as many.
    dropout : float
        Probability before the last layer.
    rng : numpy.random.Generator or int, optional
        Source of the initial values.

    Examples
    --------
    >>> pose_tcn(6, (91, 28, 28)).count_parameters()
    111974
    """
    starts = [sum(channels[:part]) for part in range(len(channels))]
    embeddings = [
        _embedding(start, size, width, every_second=part == len(channels) - 1)
        for part, (start, size) in enumerate(zip(starts, channels, strict=True))
    ]
    net, n_in = nn.Sequential(nn.Concat(2, *embeddings)), width * len(channels)
    for stage, n_out in enumerate((2 * width, 4 * width, 8 * width)):
        for size in (n_in, n_out):
            _convolve(net, size, n_out, 3)
        if stage < 2:
            net.add(nn.MaxPool1d(2, ceil_mode=True))
        n_in = n_out
    net.add(nn.AdaptiveMaxPool1d(1)).add(nn.Flatten())
    if dropout:
        net.add(nn.Dropout(dropout))
    return net.add(nn.Linear(n_in, n_classes)).reset(rng)


def _embedding(start: int, size: int, width: int, *, every_second: bool) -> nn.Sequential:
    net = nn.Sequential(nn.Narrow(2, start, size))
    _convolve(net, size, 2 * width, 1, 2 if every_second else 1)
    _convolve(net, 2 * width, width, 3)
    _convolve(net, width, width, 1)
    return net if every_second else net.add(nn.MaxPool1d(2, ceil_mode=True))


def _convolve(net: nn.Sequential, n_in: int, n_out: int, taps: int, stride: int = 1) -> None:
    net.add(nn.Conv1d(n_in, n_out, taps, stride, padding=taps // 2, bias=False))
    net.add(nn.BatchNorm1d(n_out)).add(nn.LeakyReLU(0.2))
