"""A two-layer net on a coarse grid of motion."""

from __future__ import annotations

from typing import Any

from ..features.volume import MotionReader
from ..models import nn, zoo
from ..models.training import Training
from .net import NetAttempt

__all__ = ["Mlp"]


class Mlp(NetAttempt):
    """One hidden layer on how much each cell of a space-time grid changes, the grid centred on what moves.

    Raw pixels serve a fully connected net badly; the input is the lever (Ji et al. 2013).

    Parameters
    ----------
    epochs : int
        Passes over the training clips, one random volume of each.
    hidden : int
        Units of the hidden layer.
    frames : int
        Differences in a volume.
    rate : float
        Differences per second.
    grid : int
        Cells of a volume's height and width.
    dropout, label_smoothing, learning_rate, weight_decay, batch_size
        See `Training` and `zoo.mlp`.
    n_views : int
        Volumes of a clip whose predictions are averaged.
    random_state : int
        Seed of everything random.
    """

    family = "dense"

    def __init__(
        self,
        *,
        epochs: int = 150,
        hidden: int = 128,
        frames: int = 12,
        rate: float = 12.5,
        grid: int = 16,
        dropout: float = 0.3,
        label_smoothing: float = 0.1,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-1,
        batch_size: int = 32,
        n_views: int = 10,
        random_state: int = 0,
    ) -> None:
        self.epochs = epochs
        self.hidden = hidden
        self.frames = frames
        self.rate = rate
        self.grid = grid
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
            "hidden": [64, 128, 256],
            "learning_rate": [5e-4, 2e-3, 5e-3],
            "dropout": [0.1, 0.3, 0.5],
            "grid": [8, 12, 16],
        }

    def _reader(self) -> MotionReader:
        return MotionReader(self.frames, self.rate, self.grid)

    def _untrained(self, n_classes: int) -> nn.Module:
        sizes = (self.frames * self.grid**2, self.hidden, n_classes)
        return zoo.mlp(*sizes, dropout=self.dropout, rng=self.random_state)

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
        reader = self._reader()
        return (reader.grid * reader.cell,) * 2
