"""Nets for volumes of video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

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

    The rectifier comes after the pooling, which gives the same values for less work. Made for 16 x 64 x 64
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
    net = nn.Sequential(
        *_stages(channels, widths, (3, 3, 3), (2, 2, 2)), nn.Mean((1, 2, 3)), nn.Dropout(dropout)
    )
    return net.add(nn.Linear(widths[-1], n_classes)).reset(rng)


def _stages(
    channels: int, widths: Sequence[int], taps: tuple[int, int, int], pooling: tuple[int, int, int]
) -> Iterator[nn.Module]:
    """Yield stages of convolution, normalisation, pooling between them, and rectifier, for volumes."""
    padding = tuple(n // 2 for n in taps)
    for index, width in enumerate(widths):
        yield nn.Conv3d(channels, width, taps, padding=padding, bias=False)
        yield nn.BatchNorm3d(width)
        if index < len(widths) - 1:
            yield nn.MaxPool3d(pooling)
        yield nn.ReLU()
        channels = width


def s3d_small(
    n_classes: int,
    channels: int = 2,
    widths: Sequence[int] = (16, 32, 64, 128),
    dropout: float = 0.3,
    rng: Seed = None,
) -> nn.Sequential:
    """Return a 3D ConvNet whose convolutions are separable, 1x3x3 and then 3x1x1 (Xie et al. 2018, Tran et al. 2018).

    Each convolution is normalised. The first stage halves time, and space twice. Made for 32 x 64 x 64 pixels; any
    volume of 8 x 16 x 16 and more fits.

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
    >>> s3d_small(10).count_parameters()
    165098
    """
    net = nn.Sequential(*_separable3d(channels, widths[0], 5, 2), nn.MaxPool3d((1, 2, 2)))
    for index, (n, width) in enumerate(pairwise(widths)):
        if index:
            net.add(nn.MaxPool3d(2))
        for layer in _separable3d(n, width, 3, 1):
            net.add(layer)
    net.add(nn.Mean((1, 2, 3))).add(nn.Dropout(dropout))
    return net.add(nn.Linear(widths[-1], n_classes)).reset(rng)


def _separable3d(channels: int, width: int, taps: int, stride: int) -> Iterator[nn.Module]:
    """Yield a convolution in space and one in time, each with normalisation and rectifier."""
    half = taps // 2
    yield nn.Conv3d(channels, width, (1, taps, taps), (1, stride, stride), (0, half, half), bias=False)
    yield from (nn.BatchNorm3d(width), nn.ReLU())
    yield nn.Conv3d(width, width, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=False)
    yield from (nn.BatchNorm3d(width), nn.ReLU())


def frames_lstm(
    n_classes: int,
    channels: int = 1,
    widths: Sequence[int] = (8, 16, 32, 64),
    hidden: int = 64,
    dropout: float = 0.3,
    rng: Seed = None,
) -> nn.Sequential:
    """Return a ConvNet on each frame and an LSTM on what it gives, for volumes (N, T, H, W, C) (Donahue et al. 2015).

    Parameters
    ----------
    n_classes : int
        Scores at the output.
    channels : int
        Channels of the input.
    widths : sequence of int
        Channels of each stage.
    hidden : int
        Channels of the LSTM's state, whose last one is classified.
    dropout : float
        Probability before the last layer.
    rng : numpy.random.Generator or int, optional
        Source of the initial values.

    Examples
    --------
    >>> frames_lstm(10).count_parameters()
    58434
    """
    net = nn.Sequential(*_stages(channels, widths, (1, 3, 3), (1, 2, 2)), nn.Mean((2, 3)))
    net.add(nn.LSTM(widths[-1], hidden, last=True)).add(nn.Dropout(dropout))
    return net.add(nn.Linear(hidden, n_classes)).reset(rng)


def inception3d(
    n_classes: int, channels: int = 1, width: int = 8, dropout: float = 0.3, rng: Seed = None
) -> nn.Sequential:
    """Return a small net of three 3D inception modules (Szegedy et al. 2015; Carreira and Zisserman 2017).

    The branch of 5 x 5 x 5 taps is two of 3 x 3 x 3 (Szegedy et al. 2016); each convolution is normalised.

    Parameters
    ----------
    n_classes : int
        Scores at the output.
    channels : int
        Channels of the input.
    width : int
        Channels of each branch of the first module; the next ones have twice and four times as many.
    dropout : float
        Probability before the last layer.
    rng : numpy.random.Generator or int, optional
        Source of the initial values.

    Examples
    --------
    >>> inception3d(10).count_parameters()
    102610
    """
    net = nn.Sequential(*_convolution3d(channels, 2 * width, 3), nn.MaxPool3d(2))
    channels = 2 * width
    for index, n in enumerate((width, 2 * width, 4 * width)):
        if index:
            net.add(nn.MaxPool3d(2))
        net.add(
            nn.Concat(
                -1,
                nn.Sequential(*_convolution3d(channels, n, 1)),
                nn.Sequential(*_convolution3d(channels, n, 1), *_convolution3d(n, n, 3)),
                nn.Sequential(
                    *_convolution3d(channels, n // 2, 1),
                    *_convolution3d(n // 2, n, 3),
                    *_convolution3d(n, n, 3),
                ),
                nn.Sequential(nn.MaxPool3d(3, 1, 1), *_convolution3d(channels, n, 1)),
            )
        )
        channels = 4 * n
    return net.add(nn.Mean((1, 2, 3))).add(nn.Dropout(dropout)).add(nn.Linear(channels, n_classes)).reset(rng)


def _convolution3d(channels: int, width: int, taps: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    return nn.Conv3d(channels, width, taps, padding=taps // 2, bias=False), nn.BatchNorm3d(width), nn.ReLU()


def _c3d(
    stages: Sequence[Sequence[int]],
    hidden: int,
    n_classes: int,
    shape: Sequence[int],
    dropout: float,
    rng: Seed,
    channels: int,
) -> nn.Sequential:
    features, n_channels = nn.Sequential(), channels
    for index, widths in enumerate(stages):
        for width in widths:
            features.add(nn.Conv3d(n_channels, width, 3, padding=1)).add(nn.ReLU())
            n_channels = width
        # As in Caffe: windows stick out at the end, nothing is padded.
        features.add(nn.MaxPool3d(2 if index else (1, 2, 2), ceil_mode=True))
    head, n_in = nn.Sequential(nn.Flatten()), n_outputs(features, *shape, channels)
    for _ in range(2):
        head.add(nn.Linear(n_in, hidden)).add(nn.ReLU()).add(nn.Dropout(dropout))
        n_in = hidden
    return nn.Sequential(features, head.add(nn.Linear(hidden, n_classes))).reset(rng)


def c3d(
    n_classes: int = 101,
    shape: Sequence[int] = (16, 112, 112),
    dropout: float = 0.5,
    rng: Seed = None,
    channels: int = 3,
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
    channels : int
        Channels of the input.

    Examples
    --------
    >>> c3d(n_classes=101).get_parameters()[0].size
    17444965
    """
    return _c3d([[64], [128], [256], [256], [256]], 2048, n_classes, shape, dropout, rng, channels)


def c3d_full(
    n_classes: int = 101,
    shape: Sequence[int] = (16, 112, 112),
    dropout: float = 0.5,
    rng: Seed = None,
    channels: int = 3,
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
    channels : int
        Channels of the input.

    Examples
    --------
    >>> c3d_full(n_classes=101).get_parameters()[0].size
    78409573
    """
    stages = [[64], [128], [256, 256], [512, 512], [512, 512]]
    return _c3d(stages, 4096, n_classes, shape, dropout, rng, channels)
