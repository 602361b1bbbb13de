"""Shape and motion: HOG, HOF and MBH and a linear support vector machine."""

from __future__ import annotations

from ._grid_svm import GridSvm

__all__ = ["HogHofMbhSvm"]


class HogHofMbhSvm(GridSvm):
    """Shape, motion and motion boundaries about the mover, and a support vector machine.

    The descriptors of the dense trajectories (Wang and Schmid, ICCV 2013) on a grid that goes with the
    mover. Parameters and attributes are those of `GridSvm`.
    """

    channels = ("hog", "hof", "mbh")
