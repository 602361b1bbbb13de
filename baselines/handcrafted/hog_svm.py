"""Shape: histograms of oriented gradients and a linear support vector machine."""

from __future__ import annotations

from ._grid_svm import GridSvm

__all__ = ["HogSvm"]


class HogSvm(GridSvm):
    """Shape alone: brightness gradients where something moves, and a support vector machine.

    Histograms of oriented gradients: Dalal and Triggs, CVPR 2005. Parameters and attributes
    are those of `GridSvm`.
    """

    known_channels = ("hog",)
    # The flow only tells how the camera moved.
    finest = 2
