"""A small 3D net of inception modules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...literals import PositiveInt
from .net import ConvNet

if TYPE_CHECKING:
    from ...models import nn

__all__ = ["InceptionSmall"]


@dataclass(kw_only=True, eq=False, repr=False)
class InceptionSmall(ConvNet):
    """``inception3d``: three inception modules in space and time (Szegedy et al. 2015, Carreira and Zisserman 2017).

    Other parameters and attributes are those of `ConvNet`.

    Parameters
    ----------
    width : int
        Channels of each branch of the first module.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = InceptionSmall(epochs=1, width=2).fit(clips[:6], labels[:6], groups[:6])
    >>> attempt.predict_proba(clips[6:]).shape
    (6, 3)
    """

    width: PositiveInt = 8

    def _untrained(self, n_classes: int) -> nn.Module:
        from ...models import zoo

        return zoo.inception3d(
            n_classes, self._n_channels(), self.width, self._settings().dropout, rng=self.random_state
        )
