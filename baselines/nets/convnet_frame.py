"""A 2D ConvNet on single frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from .net import VideoNet

if TYPE_CHECKING:
    from ...models import nn

__all__ = ["ConvNetFrame"]


@dataclass(kw_only=True, eq=False, repr=False)
class ConvNetFrame(VideoNet):
    """``tiny2d`` on one frame at a time, averaged over frames: what pictures without motion say.

    Whoever claims to use motion must beat it (Karpathy et al., CVPR 2014). Other parameters and attributes are those of
    `VideoNet`.

    Parameters
    ----------
    widths : sequence of int
        Channels of each stage.
    """

    stacked = True
    # One frame has no order.
    controls: ClassVar[tuple[str, ...]] = ("random",)

    frames: int = 1
    epochs: int = 120
    n_views: int = 10
    widths: tuple[int, ...] = (8, 16, 32, 64)

    def _untrained(self, n_classes: int) -> nn.Module:
        from ...models import zoo

        return zoo.tiny2d(n_classes, self._n_channels(), self.widths, self.dropout, rng=self.random_state)
