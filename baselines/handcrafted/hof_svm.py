"""A linear SVM on histograms of optical flow."""

from __future__ import annotations

from ._grid_svm import GridSvm

__all__ = ["HofSvm"]


class HofSvm(GridSvm):
    """A linear SVM on motion alone: histograms of optical flow about the person (Laptev et al., CVPR 2008).

    Parameters and attributes are those of `GridSvm`.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = HofSvm().fit(clips, labels, groups)
    >>> attempt.score(clips, labels)
    1.0
    """

    known_channels = ("hof",)
