"""SVMs on histograms over a grid of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, get_args

import numpy as np
from numpy.typing import NDArray

from ...features.cache import compute
from ...literals import Channel, Flow, Positive, PositiveInt, Region
from ..base import Clips, Explanation, check_is_fitted
from ._svm import Mirror, VectorSvm, class_maps, weight_shares

if TYPE_CHECKING:
    from ...features.descriptors import GridDescriptor

__all__ = ["GridSvm"]

Array = NDArray[np.float64]


@dataclass(kw_only=True, eq=False, repr=False)
class GridSvm(VectorSvm):
    """A linear one-vs-rest SVM on histograms over a grid of cells.

    Parameters
    ----------
    C : float
        Inverse strength of the regularisation; the descriptors are scaled, so that it does not
        depend on their length.
    grid : {"person", "people", "frame"}
        Whether the cells follow the box of the person who moves most, follow that of everybody who moves, or cover the
        frame.
    cells : int
        Rows, and columns, of cells.
    times : int
        Cells of the time.
    flow : {"dis", "farneback", "codec"}
        What motion is taken from: dense inverse search, polynomial expansion, or the motion vectors of the video's
        codec (H.264, MPEG-1, 2 and 4). Clips without such vectors have dense inverse search.
    mirror : {"auto", True, False}
        Whether mirror images are added to the training clips. ``"auto"`` adds them unless that lowers the accuracy on
        held-out groups, as where left and right distinguish actions.
    random_state : int
        Seed of the solver.
    """

    #: What is histogrammed, or can be.
    known_channels: ClassVar[tuple[Channel, ...]]
    #: Finest scale of the flow; coarse where only the motion of the camera is taken from it.
    finest: ClassVar[int] = 1

    C: Positive = 1.0
    grid: Region = "person"
    cells: PositiveInt = 4
    times: PositiveInt = 3
    flow: Flow = "dis"
    mirror: Mirror = "auto"
    random_state: int = 0

    def _channels(self) -> tuple[Channel, ...]:
        return self.known_channels

    def _descriptor(self) -> GridDescriptor:
        from ...features.descriptors import GridDescriptor

        return GridDescriptor(
            self._channels(), self.cells, self.times, finest=self.finest, region=self.grid, flow=self.flow
        )

    def _prepare(self, clips: Clips) -> None:
        if self.grid not in get_args(Region):
            raise ValueError(f"grid must be one of {', '.join(get_args(Region))}, got {self.grid!r}")
        if self.flow not in get_args(Flow):
            raise ValueError(f"flow must be one of {', '.join(get_args(Flow))}, got {self.flow!r}")

    def _sizes(self) -> dict[str, int]:
        return self._descriptor().sizes()

    def _vectors(self, clips: Clips) -> Array:
        found = list(compute(self._descriptor(), clips))
        if self.flow == "codec":
            self._note_vectors(clips, [bool(one["lacks_vectors"]) for one in found])
        return np.array([one["descriptor"] for one in found])

    def _mirrored(self, vectors: Array, clips: Clips) -> Array:
        return self._descriptor().mirror(vectors)

    def search_space(self) -> dict[str, list[Any]]:
        """Return the candidate values of each parameter."""
        return {
            "C": [0.01, 0.1, 1.0, 10.0, 100.0],
            "cells": [3, 4, 6],
            "grid": list(get_args(Region)),
            "times": [1, 2, 3],
        }

    def explain(self) -> Explanation:
        """Describe the share of each channel in the weights, and draw the cells of each class."""
        check_is_fitted(self)
        lines = [
            f"{self.cells} x {self.cells} cells of the {self.grid} x {self.times} intervals of time",
            *weight_shares(self.classifier_["weights"], self._sizes(), self.classes_),
        ]
        return Explanation("\n".join(lines), {"cells": class_maps(self._maps(), self.classes_)})

    def _maps(self) -> Array:
        """Return the squared weights of each class in each cell, shape (n_classes, cells, cells)."""
        maps, start = np.zeros((len(self.classes_), self.cells, self.cells)), 0
        for channel, size in self._sizes().items():
            weights = self.classifier_["weights"][:, start : start + size]
            parts = np.split(weights, 2, axis=1) if channel == "mbh" else [weights]
            for part in parts:
                shaped = part.reshape(len(maps), self.times, self.cells, self.cells, -1)
                maps += (shaped**2).sum(axis=(1, 4))
            start += size
        return maps
