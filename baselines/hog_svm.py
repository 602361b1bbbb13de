"""Shape: histograms of oriented gradients and a linear support vector machine."""

from __future__ import annotations

from ._svm import DescriptorSvm

__all__ = ["HogSvm"]


class HogSvm(DescriptorSvm):
    """Shape alone: brightness gradients where something moves, and a support vector machine.

    Histograms of oriented gradients: Dalal and Triggs, CVPR 2005. Parameters and attributes
    are those of `DescriptorSvm`.
    """

    channels = ("hog",)
    # The flow only tells how the camera moved.
    finest = 2
