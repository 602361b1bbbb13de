"""A 2D ConvNet on stacked fields of flow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ...literals import Input, Positive, PositiveInt
from ._recipe import QUICK, RECIPES
from .convnet_frame import ConvNetFrame

__all__ = ["ConvNetFlow"]


@dataclass(kw_only=True, eq=False, repr=False)
class ConvNetFlow(ConvNetFrame):
    """``tiny2d`` on a stack of ten fields of flow (the temporal stream of Simonyan and Zisserman, NIPS 2014).

    Parameters and attributes are those of `ConvNetFrame`.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = ConvNetFlow(epochs=1, widths=(2, 2, 2)).fit(clips[:6], labels[:6], groups[:6])
    >>> attempt.predict_proba(clips[6:]).shape
    (6, 3)
    """

    recipes: ClassVar = {**RECIPES, "quick": replace(QUICK, epochs=200, n_views=10)}

    input: Input = "flow"
    frames: PositiveInt | None = 10
    rate: Positive | None = QUICK.rate
    widths: tuple[int, ...] = (16, 32, 64)
