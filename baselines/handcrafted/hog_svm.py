"""A linear SVM on histograms of oriented gradients."""

from __future__ import annotations

from ._grid_svm import GridSvm

__all__ = ["HogSvm"]


class HogSvm(GridSvm):
    """A linear SVM on shape alone: histograms of oriented gradients near moving pixels (Dalal and Triggs, CVPR 2005).

    Parameters and attributes are those of `GridSvm`.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = HogSvm().fit(clips, labels, groups)
    >>> attempt.score(clips, labels)
    1.0
    """

    known_channels = ("hog",)
    # The flow is used for the motion of the camera only.
    finest = 2
