"""A fully connected net on flow about the person."""

from __future__ import annotations

from dataclasses import dataclass

from ...literals import Input, PositiveInt, View
from .mlp_pixels import MlpPixels

__all__ = ["MlpFlow"]


@dataclass(kw_only=True, eq=False, repr=False)
class MlpFlow(MlpPixels):
    """Fully connected layers on the flow in a coarse grid that follows the person.

    This input is invariant to the position of the person and separates moving from static parts, as the hardwired layer
    of Ji et al. (2013). Parameters and attributes are those of `MlpPixels`.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = MlpFlow(epochs=20).fit(clips[:6], labels[:6], groups[:6])
    >>> attempt.predict_proba(clips[6:]).shape
    (6, 3)
    """

    input: Input = "flow"
    view: View = "person"
    epochs: PositiveInt = 150
    frames: PositiveInt = 12
