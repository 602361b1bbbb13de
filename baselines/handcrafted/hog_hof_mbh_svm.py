"""A linear SVM on shape and motion: HOG, HOF and MBH."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._grid_svm import Grid, GridSvm
from ._svm import Mirror, parse_channels

if TYPE_CHECKING:
    from ...features.descriptors import Channel

__all__ = ["HogHofMbhSvm"]


class HogHofMbhSvm(GridSvm):
    """A linear SVM on shape, motion and motion boundaries about the person.

    The descriptors of the dense trajectories (Wang and Schmid, ICCV 2013) on a grid that follows the person. Other
    parameters and attributes are those of `GridSvm`.

    Parameters
    ----------
    channels : str
        Descriptors to use, separated by ``+``.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = HogHofMbhSvm().fit(clips, labels, groups)
    >>> attempt.score(clips, labels)
    1.0
    """

    known_channels = ("hog", "hof", "mbh")

    def __init__(
        self,
        *,
        channels: str = "hog+hof+mbh",
        C: float = 1.0,
        grid: Grid = "person",
        cells: int = 4,
        times: int = 3,
        mirror: Mirror = "auto",
        random_state: int = 0,
    ) -> None:
        super().__init__(C=C, grid=grid, cells=cells, times=times, mirror=mirror, random_state=random_state)
        self.channels = channels

    def _channels(self) -> tuple[Channel, ...]:
        return parse_channels(self.channels, self.known_channels)
