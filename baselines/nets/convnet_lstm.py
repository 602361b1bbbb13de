"""A ConvNet on frames and an LSTM over time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ...literals import PositiveInt
from ._recipe import QUICK, RECIPES
from .net import ConvNet

if TYPE_CHECKING:
    from ...models import nn

__all__ = ["ConvNetLstm"]


@dataclass(kw_only=True, eq=False, repr=False)
class ConvNetLstm(ConvNet):
    """A 2D ConvNet on each frame and an LSTM on its outputs (Donahue et al., CVPR 2015; Baccouche et al. 2011).

    Other parameters and attributes are those of `ConvNet`.

    Parameters
    ----------
    widths : sequence of int
        Channels of each stage.
    hidden : int
        Channels of the LSTM's state.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = ConvNetLstm(epochs=1, widths=(2, 2, 2, 2), hidden=4).fit(clips[:6], labels[:6], groups[:6])
    >>> attempt.predict_proba(clips[6:]).shape
    (6, 3)
    """

    recipes: ClassVar = {**RECIPES, "quick": replace(QUICK, epochs=120)}

    widths: tuple[int, ...] = (8, 16, 32, 64)
    hidden: PositiveInt = 64

    def _untrained(self, n_classes: int) -> nn.Module:
        from ...models import zoo

        return zoo.frames_lstm(
            n_classes,
            self._n_channels(),
            self.widths,
            self.hidden,
            self._settings().dropout,
            rng=self.random_state,
        )
