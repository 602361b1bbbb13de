"""C3D from scratch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...literals import BelowOne, Input, NonNegativeInt, Positive, PositiveInt
from ._recipe import QUICK
from .net import ConvNet

if TYPE_CHECKING:
    from ...models import nn

__all__ = ["C3d"]


@dataclass(kw_only=True, eq=False, repr=False)
class C3d(ConvNet):
    """``c3d``: the net of Tran et al. (ICCV 2015), trained from scratch; its 17 million parameters take long to train.

    Parameters and attributes are those of `ConvNet`.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = C3d(epochs=1, frames=8, size=16, n_views=1).fit(clips[:2], labels[:2])
    >>> attempt.predict_proba(clips[2:4]).shape
    (2, 2)
    """

    input: Input = "colour"
    frames: PositiveInt | None = QUICK.frames
    rate: Positive | None = QUICK.rate
    size: PositiveInt = 112
    margin: NonNegativeInt = 16
    dropout: BelowOne | None = 0.5
    learning_rate: Positive | None = 3e-4

    def _untrained(self, n_classes: int) -> nn.Module:
        from ...models import zoo

        how = self._settings()
        shape = (how.frames, self.size, self.size)
        return zoo.c3d(n_classes, shape, how.dropout, self.random_state, self._n_channels())
