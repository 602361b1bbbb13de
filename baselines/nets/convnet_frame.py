"""A 2D ConvNet on single frames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ...literals import PositiveInt
from ._recipe import QUICK, RECIPES
from .net import ConvNet

if TYPE_CHECKING:
    from ...models import nn

__all__ = ["ConvNetFrame"]


@dataclass(kw_only=True, eq=False, repr=False)
class ConvNetFrame(ConvNet):
    """``tiny2d`` on single frames, averaged over frames, without any motion.

    The baseline that methods based on motion must beat (Karpathy et al., CVPR 2014). Other parameters and attributes
    are those of `ConvNet`.

    Parameters
    ----------
    widths : sequence of int
        Channels of each stage.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = ConvNetFrame(epochs=1, widths=(2, 2, 2, 2)).fit(clips[:6], labels[:6], groups[:6])
    >>> attempt.predict_proba(clips[6:]).shape
    (6, 3)
    """

    stacked = True
    recipes: ClassVar = {**RECIPES, "quick": replace(QUICK, epochs=120, n_views=10)}

    frames: PositiveInt | None = 1
    widths: tuple[int, ...] = (8, 16, 32, 64)

    def _untrained(self, n_classes: int) -> nn.Module:
        from ...models import zoo

        return zoo.tiny2d(
            n_classes, self._n_channels(), self.widths, self._settings().dropout, rng=self.random_state
        )
