"""A fully connected net on flow about the mover."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .mlp_pixels import MlpPixels

if TYPE_CHECKING:
    from ...features.volume import Input, View

__all__ = ["MlpFlow"]


@dataclass(kw_only=True, eq=False, repr=False)
class MlpFlow(MlpPixels):
    """Fully connected layers on the flow in a coarse grid that goes with the mover.

    Where somebody is has been taken out, and what moves is told from what does not: the input is the lever (Ji et al.
    2013). Parameters and attributes are those of `MlpPixels`.
    """

    input: Input = "flow"
    view: View = "person"
    epochs: int = 150
    frames: int = 12
