"""A linear SVM on shape and motion: HOG, HOF and MBH."""

from __future__ import annotations

from dataclasses import dataclass

from ...literals import Channel
from ._grid_svm import GridSvm
from ._svm import parse_channels

__all__ = ["HogHofMbhSvm"]


@dataclass(kw_only=True, eq=False, repr=False)
class HogHofMbhSvm(GridSvm):
    """A linear SVM on shape, motion and motion boundaries about the person.

    The descriptors of the dense trajectories (Wang and Schmid, ICCV 2013) on a grid that follows the person, and
    histograms of motion gradients, HMG (Duta et al., MMM 2016). Other parameters and attributes are those of `GridSvm`.

    Parameters
    ----------
    channels : str
        Descriptors to use, of ``"hog"``, ``"hof"``, ``"mbh"`` and ``"hmg"``, separated by ``+``.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = HogHofMbhSvm().fit(clips, labels, groups)
    >>> attempt.score(clips, labels)
    1.0
    """

    known_channels = ("hog", "hof", "mbh", "hmg")

    channels: str = "hog+hof+mbh"

    def _channels(self) -> tuple[Channel, ...]:
        return parse_channels(self.channels, self.known_channels)
