"""A fully connected net on pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...literals import NonNegative, NonNegativeInt, Positive, PositiveInt
from .net import VideoNet

if TYPE_CHECKING:
    from ...models import nn

__all__ = ["MlpPixels"]


@dataclass(kw_only=True, eq=False, repr=False)
class MlpPixels(VideoNet):
    """Fully connected layers on the pixels of a volume of small grey frames.

    The weakest baseline among nets: without weight sharing it must learn each position and time separately, for which
    few clips do not suffice. Other parameters and attributes are those of `VideoNet`.

    Parameters
    ----------
    hidden : sequence of int
        Units of each hidden layer.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = MlpPixels(epochs=20).fit(clips[:6], labels[:6], groups[:6])
    >>> attempt.predict_proba(clips[6:]).shape
    (6, 3)
    """

    family = "dense"

    epochs: PositiveInt = 300
    frames: PositiveInt = 8
    size: PositiveInt = 16
    margin: NonNegativeInt = 2
    hidden: tuple[int, ...] = (128,)
    learning_rate: Positive = 2e-3
    weight_decay: NonNegative = 1e-1
    batch_size: PositiveInt = 32
    n_views: PositiveInt = 10

    def _untrained(self, n_classes: int) -> nn.Module:
        from ...models import zoo

        n_in = int(np.prod(self._reader().shape))
        return zoo.mlp(n_in, *self.hidden, n_classes, dropout=self._settings().dropout, rng=self.random_state)

    def search_space(self) -> dict[str, list[Any]]:
        """Return the candidate values of each parameter."""
        return {**super().search_space(), "hidden": [[64], [128], [256], [128, 128]]}
