"""A small 3D ConvNet on grey frames."""

from __future__ import annotations

from typing import Any

from ..features.volume import VolumeReader
from ..models import nn, zoo
from ..models.training import Training
from .net import NetAttempt

__all__ = ["ConvNet"]


class ConvNet(NetAttempt):
    """``tiny3d``: four stages of 3x3x3 convolution (after Ji et al. 2013 and Tran et al. 2015), trained from scratch.

    Parameters
    ----------
    epochs : int
        Passes over the training clips, one random volume of each.
    frames : int
        Frames of a volume, at least 8.
    rate : float
        Frames per second of a volume.
    size, margin : int
        Pixels of a volume's height and width, at least 8, and how far a random crop may move.
    subtract_background : bool
        Whether each pixel's mean over the volume is taken away.
    widths : tuple of int
        Channels of each stage.
    dropout, label_smoothing, learning_rate, weight_decay, batch_size
        See `Training` and `zoo.tiny3d`.
    n_views : int
        Volumes of a clip whose predictions are averaged.
    random_state : int
        Seed of everything random.
    """

    family = "convnet"

    def __init__(
        self,
        *,
        epochs: int = 60,
        frames: int = 16,
        rate: float = 12.5,
        size: int = 64,
        margin: int = 8,
        subtract_background: bool = False,
        widths: tuple[int, ...] = (8, 16, 32, 64),
        dropout: float = 0.3,
        label_smoothing: float = 0.1,
        learning_rate: float = 5e-3,
        weight_decay: float = 1e-2,
        batch_size: int = 16,
        n_views: int = 5,
        random_state: int = 0,
    ) -> None:
        self.epochs = epochs
        self.frames = frames
        self.rate = rate
        self.size = size
        self.margin = margin
        self.subtract_background = subtract_background
        self.widths = widths
        self.dropout = dropout
        self.label_smoothing = label_smoothing
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.n_views = n_views
        self.random_state = random_state

    def search_space(self) -> dict[str, list[Any]]:
        """Return the values worth trying."""
        return {
            "learning_rate": [2e-3, 5e-3, 1e-2],
            "dropout": [0.1, 0.3, 0.5],
            "subtract_background": [False, True],
            "weight_decay": [1e-3, 1e-2, 1e-1],
        }

    def _reader(self) -> VolumeReader:
        return VolumeReader(
            self.frames, self.rate, self.size, self.margin, subtract_background=self.subtract_background
        )

    def _untrained(self, n_classes: int) -> nn.Module:
        return zoo.tiny3d(n_classes, 1, self.widths, self.dropout, rng=self.random_state)

    def _training(self) -> Training:
        return Training(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            label_smoothing=self.label_smoothing,
            random_state=self.random_state,
        )

    def _shape(self) -> tuple[int, int]:
        return (self.size + self.margin,) * 2
