"""A 3D ConvNet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .net import ConvNet

if TYPE_CHECKING:
    from ...models import nn

__all__ = ["ConvNet3d"]


@dataclass(kw_only=True, eq=False, repr=False)
class ConvNet3d(ConvNet):
    """``tiny3d``: four stages of 3x3x3 convolution (after Ji et al. 2013 and Tran et al. 2015), trained from scratch.

    Other parameters and attributes are those of `ConvNet`.

    Parameters
    ----------
    widths : sequence of int
        Channels of each stage.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = ConvNet3d(epochs=1, widths=(2, 2, 2, 2)).fit(clips[:6], labels[:6], groups[:6])
    >>> attempt.predict_proba(clips[6:]).shape
    (6, 3)
    """

    widths: tuple[int, ...] = (8, 16, 32, 64)

    def _untrained(self, n_classes: int) -> nn.Module:
        from ...models import zoo

        return zoo.tiny3d(
            n_classes, self._n_channels(), self.widths, self._settings().dropout, rng=self.random_state
        )
