"""Motion: histograms of optical flow and a linear support vector machine."""

from __future__ import annotations

from ._grid_svm import GridSvm

__all__ = ["HofSvm"]


class HofSvm(GridSvm):
    """Motion alone: directions of the flow about the mover, and a support vector machine.

    Histograms of optical flow: Laptev et al., CVPR 2008. Parameters and attributes
    are those of `GridSvm`.
    """

    known_channels = ("hof",)
