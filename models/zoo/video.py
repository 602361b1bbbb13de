"""Small nets for volumes of video."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import nn


def tiny3d(
    n_classes: int,
    channels: int = 1,
    widths: Sequence[int] = (8, 16, 32, 64),
    dropout: float = 0.3,
    rng: np.random.Generator | int | None = None,
) -> nn.Sequential:
    """Return a 3D ConvNet: stages of 3x3x3 convolution, batch normalisation and pooling, then the mean and one layer.

    The rectifier stands behind the pooling, which gives the same numbers for less work. Made for 16 x 64 x 64
    pixels; any volume of 8 x 8 x 8 and more fits.

    Parameters
    ----------
    n_classes : int
        Scores at the output.
    channels : int
        Channels of the input.
    widths : sequence of int
        Channels of each stage.
    dropout : float
        Probability before the last layer.
    rng : numpy.random.Generator or int, optional
        Source of the initial values.

    Examples
    --------
    >>> tiny3d(10).count_parameters()
    73682
    """
    net = nn.Sequential()
    for place, width in enumerate(widths):
        net.add(nn.Conv3d(channels, width, 3, padding=1, bias=False)).add(nn.BatchNorm3d(width))
        if place < len(widths) - 1:
            net.add(nn.MaxPool3d(2))
        net.add(nn.ReLU())
        channels = width
    return net.add(nn.Mean((1, 2, 3))).add(nn.Dropout(dropout)).add(nn.Linear(channels, n_classes)).reset(rng)
