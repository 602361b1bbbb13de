"""Nets for photographs, with the layers and sizes of the files that Torch users built them from.

Each gives scores, to be trained with `nn.CrossEntropyLoss`.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import nn
from ._parts import Seed, classifier, n_outputs

# Channels, taps, stride and padding of a convolution, and the window and stride of a pooling behind it.
_ALEXNET = (
    (64, 11, 4, 2, (3, 2)),
    (192, 5, 1, 2, (3, 2)),
    (384, 3, 1, 1, None),
    (256, 3, 1, 1, None),
    (256, 3, 1, 1, (3, 2)),
)
_OVERFEAT = (
    (96, 11, 4, 0, (2, 2)),
    (256, 5, 1, 0, (2, 2)),
    (512, 3, 1, 1, None),
    (1024, 3, 1, 1, None),
    (1024, 3, 1, 1, (2, 2)),
)

# Channels of the branches: 1x1; 3x3 and its reduction; 5x5 and its reduction; behind the pooling.
_INCEPTION = {
    "3a": (192, 64, (96, 128), (16, 32), 32),
    "3b": (256, 128, (128, 192), (32, 96), 64),
    "4a": (480, 192, (96, 208), (16, 48), 64),
    "4b": (512, 160, (112, 224), (24, 64), 64),
    "4c": (512, 128, (128, 256), (24, 64), 64),
    "4d": (512, 112, (144, 288), (32, 64), 64),
    "4e": (528, 256, (160, 320), (32, 128), 128),
    "5a": (832, 256, (160, 320), (32, 128), 128),
    "5b": (832, 384, (192, 384), (48, 128), 128),
}


def _features(layers: tuple, batch_norm: bool = False) -> nn.Sequential:
    net, channels = nn.Sequential(), 3
    for width, taps, stride, padding, pooling in layers:
        net.add(nn.Conv2d(channels, width, taps, stride, padding))
        if batch_norm:
            net.add(nn.BatchNorm2d(width, 1e-3))
        net.add(nn.ReLU())
        if pooling:
            net.add(nn.MaxPool2d(*pooling))
        channels = width
    return net


def alexnet(
    n_classes: int = 1000, dropout: float = 0.5, batch_norm: bool = False, rng: Seed = None
) -> nn.Sequential:
    """Return AlexNet in one tower for images (N, 224, 224, 3), "one weird trick" (Krizhevsky 2014).

    The layers of ``alexnetowt.lua`` and, normalised, ``alexnetowtbn.lua`` of imagenet-multiGPU.torch.

    Parameters
    ----------
    n_classes : int
        Scores at the output.
    dropout : float
        Probability before each hidden fully connected layer.
    batch_norm : bool
        Whether convolutions and hidden layers are normalised.
    rng : numpy.random.Generator or int, optional
        Source of the initial values.

    Examples
    --------
    >>> alexnet().get_parameters()[0].size
    61100840
    """

    def transfer() -> nn.Module:
        return nn.Sequential(nn.BatchNorm1d(4096, 1e-3), nn.ReLU()) if batch_norm else nn.ReLU()

    features = _features(_ALEXNET, batch_norm)
    head = classifier(n_outputs(features, 224, 224, 3), (4096, 4096), n_classes, dropout, transfer)
    return nn.Sequential(features, head).reset(rng)


def overfeat(n_classes: int = 1000, dropout: float = 0.0, size: int = 231, rng: Seed = None) -> nn.Sequential:
    """Return the fast OverFeat for images (N, size, size, 3) (Sermanet et al. 2014).

    The layers of ``overfeat.lua`` of convnet-benchmarks, of 145,920,872 parameters; with ``size=224, dropout=0.5``
    those of imagenet-multiGPU.torch, of 111,317,864.

    Parameters
    ----------
    n_classes : int
        Scores at the output.
    dropout : float
        Probability before each hidden fully connected layer.
    size : int
        Height and width of the images.
    rng : numpy.random.Generator or int, optional
        Source of the initial values.
    """
    features = _features(_OVERFEAT)
    n_features = n_outputs(features, size, size, 3)
    head = classifier(n_features, (3072, 4096), n_classes, dropout, lambda: nn.Threshold(0, 1e-6))
    return nn.Sequential(features, head).reset(rng)


def tiny2d(
    n_classes: int,
    channels: int = 1,
    widths: Sequence[int] = (8, 16, 32, 64),
    dropout: float = 0.3,
    rng: Seed = None,
) -> nn.Sequential:
    """Return the 2D sister of `tiny3d`, for images (N, H, W, C) of 8 x 8 pixels and more.

    Parameters
    ----------
    n_classes : int
        Scores at the output.
    channels : int
        Channels of the input, such as those of some frames.
    widths : sequence of int
        Channels of each stage.
    dropout : float
        Probability before the last layer.
    rng : numpy.random.Generator or int, optional
        Source of the initial values.

    Examples
    --------
    >>> tiny2d(10).count_parameters()
    25154
    """
    net = nn.Sequential()
    for index, width in enumerate(widths):
        net.add(nn.Conv2d(channels, width, 3, padding=1, bias=False)).add(nn.BatchNorm2d(width))
        if index < len(widths) - 1:
            net.add(nn.MaxPool2d(2))
        net.add(nn.ReLU())
        channels = width
    return net.add(nn.Mean((1, 2))).add(nn.Dropout(dropout)).add(nn.Linear(channels, n_classes)).reset(rng)


def inception(
    n_classes: int = 1000, auxiliary: bool = False, dropout: float = 0.0, rng: Seed = None
) -> nn.Sequential:
    """Return GoogLeNet, Inception v1, for images (N, 224, 224, 3) (Szegedy et al. 2015).

    The layers of ``googlenet.lua`` of convnet-benchmarks, which has neither the paper's normalisation nor, without
    ``auxiliary``, its two heads half-way.

    Parameters
    ----------
    n_classes : int
        Scores at the output.
    auxiliary : bool
        Whether there are heads behind 4a and 4d; the output then is a list of three scores, the last layer's first,
        for a `nn.ParallelCriterion` of the weights 1, 0.3 and 0.3.
    dropout : float
        Probability before the last layer, 0.4 in the paper; before those of the heads it is 0.7 as there.
    rng : numpy.random.Generator or int, optional
        Source of the initial values.

    Examples
    --------
    >>> inception().get_parameters()[0].size
    6998552
    """
    start = nn.Sequential(
        *_convolution(3, 64, 7, 2, 3),
        nn.MaxPool2d(3, 2, 1),
        *_convolution(64, 64, 1),
        *_convolution(64, 192, 3, 1, 1),
        nn.MaxPool2d(3, 2, 1),
        *_blocks("3a", "3b"),
        nn.MaxPool2d(3, 2, 1),
        *_blocks("4a"),
    )
    middle = nn.Sequential(*_blocks("4b", "4c", "4d"))
    end = nn.Sequential(
        *_blocks("4e"), nn.MaxPool2d(3, 2, 1), *_blocks("5a", "5b"), nn.AvgPool2d(7, 1), nn.Flatten()
    )
    if dropout:
        end.add(nn.Dropout(dropout))
    end.add(nn.Linear(1024, n_classes))
    if not auxiliary:
        return nn.Sequential(start, middle, end).reset(rng)
    late = nn.Sequential(middle, nn.ConcatTable(end, _head(528, n_classes)))
    return nn.Sequential(start, nn.ConcatTable(late, _head(512, n_classes)), nn.FlattenTable()).reset(rng)


def _convolution(
    channels: int, width: int, taps: int, stride: int = 1, padding: int = 0
) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(channels, width, taps, stride, padding), nn.ReLU()


def _blocks(*names: str) -> list[nn.Module]:
    return [_block(*_INCEPTION[name]) for name in names]


def _block(channels: int, one: int, three: tuple[int, int], five: tuple[int, int], pooled: int) -> nn.Module:
    """Return the four branches of one inception module, joined along the channels."""
    return nn.Concat(
        -1,
        nn.Sequential(*_convolution(channels, one, 1)),
        nn.Sequential(*_convolution(channels, three[0], 1), *_convolution(*three, 3, 1, 1)),
        nn.Sequential(*_convolution(channels, five[0], 1), *_convolution(*five, 5, 1, 2)),
        nn.Sequential(nn.MaxPool2d(3, 1, 1), *_convolution(channels, pooled, 1)),
    )


def _head(channels: int, n_classes: int) -> nn.Module:
    """Return an auxiliary classifier on 14 x 14 pixels, section 5 of the paper."""
    return nn.Sequential(
        nn.AvgPool2d(5, 3),
        *_convolution(channels, 128, 1),
        nn.Flatten(),
        nn.Linear(2048, 1024),
        nn.ReLU(),
        nn.Dropout(0.7),
        nn.Linear(1024, n_classes),
    )
