"""Nets for volumes of video."""

from __future__ import annotations

from collections.abc import Sequence

from .. import nn
from ._parts import Seed, n_outputs


def tiny3d(
    n_classes: int,
    channels: int = 1,
    widths: Sequence[int] = (8, 16, 32, 64),
    dropout: float = 0.3,
    rng: Seed = None,
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


def _c3d(
    stages: Sequence[Sequence[int]],
    hidden: int,
    n_classes: int,
    shape: Sequence[int],
    dropout: float,
    rng: Seed,
) -> nn.Sequential:
    features, channels = nn.Sequential(), 3
    for place, widths in enumerate(stages):
        for width in widths:
            features.add(nn.Conv3d(channels, width, 3, padding=1)).add(nn.ReLU())
            channels = width
        # As in Caffe: windows stick out at the end, nothing is padded.
        features.add(nn.MaxPool3d(2 if place else (1, 2, 2), ceil_mode=True))
    head, n_in = nn.Sequential(nn.Flatten()), n_outputs(features, *shape, 3)
    for _ in range(2):
        head.add(nn.Linear(n_in, hidden)).add(nn.ReLU()).add(nn.Dropout(dropout))
        n_in = hidden
    return nn.Sequential(features, head.add(nn.Linear(hidden, n_classes))).reset(rng)


def c3d(
    n_classes: int = 101, shape: Sequence[int] = (16, 112, 112), dropout: float = 0.5, rng: Seed = None
) -> nn.Sequential:
    """Return the C3D that its authors trained from scratch, for volumes (N, 16, 112, 112, 3) (Tran et al. 2015).

    Five convolutions and three fully connected layers, as ``c3d_train_ucf101``. Its authors trained it with plain
    descent: rate 0.003, momentum 0.9, decay 0.005, batches of 30.

    Parameters
    ----------
    n_classes : int
        Scores at the output.
    shape : sequence of three int
        Frames, height and width of a volume.
    dropout : float
        Probability behind the hidden fully connected layers.
    rng : numpy.random.Generator or int, optional
        Source of the initial values.

    Examples
    --------
    >>> c3d(n_classes=101).get_parameters()[0].size
    17444965
    """
    return _c3d([[64], [128], [256], [256], [256]], 2048, n_classes, shape, dropout, rng)


def c3d_full(
    n_classes: int = 101, shape: Sequence[int] = (16, 112, 112), dropout: float = 0.5, rng: Seed = None
) -> nn.Sequential:
    """Return the C3D of eight convolutions, for volumes (N, 16, 112, 112, 3) (Tran et al. 2015).

    Parameters
    ----------
    n_classes : int
        Scores at the output; 487 for Sports-1M.
    shape : sequence of three int
        Frames, height and width of a volume.
    dropout : float
        Probability behind the hidden fully connected layers.
    rng : numpy.random.Generator or int, optional
        Source of the initial values.

    Examples
    --------
    >>> c3d_full(n_classes=101).get_parameters()[0].size
    78409573
    """
    stages = [[64], [128], [256, 256], [512, 512], [512, 512]]
    return _c3d(stages, 4096, n_classes, shape, dropout, rng)
