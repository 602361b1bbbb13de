"""Motion: histograms of optical flow and a linear support vector machine."""

from __future__ import annotations

from ._svm import DescriptorSvm

__all__ = ["HofSvm"]


class HofSvm(DescriptorSvm):
    """Motion alone: directions of the flow about the mover, and a support vector machine.

    Histograms of optical flow: Laptev et al., CVPR 2008. Parameters and attributes
    are those of `DescriptorSvm`.
    """

    channels = ("hof",)
