"""Linear SVMs on shape and motion in several grids, fused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, get_args

from ...literals import Flow, Positive, Region
from ..base import Attempt
from ._fusion import Fusion, Rule
from ._svm import Mirror, parse_channels
from .hog_hof_mbh_svm import HogHofMbhSvm

__all__ = ["GridsSvm"]


@dataclass(kw_only=True, eq=False, repr=False)
class GridsSvm(Fusion):
    """Linear SVMs on shape, motion and motion boundaries in several grids, fused late.

    Each grid is a `HogHofMbhSvm`: about the person who moves most, about everybody who moves, and over the frame, each
    at several scales (as in the spatial pyramid of Lazebnik et al., CVPR 2006). Attributes are those of `Fusion`.

    Parameters
    ----------
    grids : str
        What the grids cover, of ``"person"``, ``"people"`` and ``"frame"``, separated by ``+``.
    scales : str
        Scales of each grid, separated by ``+``: ``"4x3"`` has 4 x 4 cells and 3 intervals of time.
    channels : str
        Descriptors to use, separated by ``+``.
    flow : {"dis", "farneback", "codec"}
        What motion is taken from, see `GridSvm`.
    rule : {"mean", "product", "weighted"}
        How the probabilities are combined, see `LateFusion`.
    C : float
        Inverse strength of the regularisation.
    mirror : {"auto", True, False}
        Whether mirror images are added to the training clips, see `GridSvm`.
    random_state : int
        Seed of the solver.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = GridsSvm(scales="2x1").fit(clips, labels, groups)
    >>> attempt.score(clips, labels), len(attempt.weights_)
    (1.0, 3)
    """

    grids: str = "person+people+frame"
    scales: str = "4x3+6x1"
    channels: str = "hog+hof+mbh"
    flow: Flow = "dis"
    rule: Rule = "weighted"
    C: Positive = 1.0
    mirror: Mirror = "auto"
    random_state: int = 0

    def _make_members(self) -> list[Attempt]:
        return [
            HogHofMbhSvm(
                grid=grid,
                cells=cells,
                times=times,
                channels=self.channels,
                flow=self.flow,
                C=self.C,
                mirror=self.mirror,
            )
            for grid in parse_channels(self.grids, get_args(Region), "grids")
            for cells, times in _parse_scales(self.scales)
        ]

    def _name(self, number: int, member: Attempt) -> str:
        params = member.get_params()
        return f"{params['grid']}-{params['cells']}x{params['times']}"

    def search_space(self) -> dict[str, list[Any]]:
        """Return the candidate values of each parameter."""
        return {"C": [0.01, 0.1, 1.0, 10.0, 100.0], "scales": ["4x3", "4x3+6x1", "2x3+4x3+6x1"]}


def _parse_scales(scales: str) -> list[tuple[int, int]]:
    """Return cells along a side and intervals of time of each scale.

    Raises
    ------
    ValueError
        If the text names no scales.
    """
    parts = scales.split("+") if isinstance(scales, str) else [""]
    found = [re.fullmatch(r"\s*([1-9]\d*)x([1-9]\d*)\s*", part) for part in parts]
    if not all(found):
        raise ValueError(
            f"scales must be numbers of cells and of intervals of time such as 4x3, with + between, got {scales!r}"
        )
    return [(int(match[1]), int(match[2])) for match in found if match]
