"""Histograms over a grid of cells, and a support vector machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ...features.cache import compute
from ..base import Clips, Explanation, check_is_fitted
from ._svm import Mirror, VectorSvm, class_maps, shares

if TYPE_CHECKING:
    from ...features.descriptors import Channel, GridDescriptor

__all__ = ["Grid", "GridSvm"]

Grid = Literal["person", "frame"]
Array = NDArray[np.float64]


class GridSvm(VectorSvm):
    """Histograms over a grid of cells, and a linear one-against-rest support vector machine.

    Parameters
    ----------
    C : float
        Inverse strength of the machine's regularisation; the descriptors are scaled, so that it does not
        depend on their length.
    grid : {"person", "frame"}
        Whether the cells go with the mover's box, or cover the frame.
    cells : int
        Rows, and columns, of cells.
    times : int
        Cells of the time.
    mirror : {"auto", True, False}
        Whether to learn from each clip's mirror image too. ``"auto"`` does unless held-out groups of the
        training clips say that left and right tell actions apart.
    random_state : int
        Seed of the machine's solver.
    """

    #: What is histogrammed, or can be.
    known_channels: ClassVar[tuple[Channel, ...]]
    #: Finest scale of the flow; coarse where only the motion of the camera is taken from it.
    finest: ClassVar[int] = 1

    def __init__(
        self,
        *,
        C: float = 1.0,
        grid: Grid = "person",
        cells: int = 4,
        times: int = 3,
        mirror: Mirror = "auto",
        random_state: int = 0,
    ) -> None:
        self.C = C
        self.grid = grid
        self.cells = cells
        self.times = times
        self.mirror = mirror
        self.random_state = random_state

    def _channels(self) -> tuple[Channel, ...]:
        return self.known_channels

    def _descriptor(self) -> GridDescriptor:
        from ...features.descriptors import GridDescriptor

        centred = self.grid == "person"
        return GridDescriptor(self._channels(), self.cells, self.times, finest=self.finest, centred=centred)

    def _prepare(self, clips: Clips) -> None:
        if self.grid not in ("person", "frame"):
            raise ValueError(f"grid must be person or frame, got {self.grid!r}")

    def _sizes(self) -> dict[str, int]:
        return self._descriptor().sizes()

    def _vectors(self, clips: Clips) -> Array:
        return np.array([found["descriptor"] for found in compute(self._descriptor(), clips)])

    def _mirrored(self, vectors: Array, clips: Clips) -> Array:
        return self._descriptor().mirror(vectors)

    def search_space(self) -> dict[str, list[Any]]:
        """Return the values worth trying for each parameter."""
        return {
            "C": [0.01, 0.1, 1.0, 10.0, 100.0],
            "cells": [3, 4, 6],
            "grid": ["person", "frame"],
            "times": [1, 2, 3],
        }

    def explain(self) -> Explanation:
        """Describe which channels and cells the weights rely on, and picture the cells of each class."""
        check_is_fitted(self)
        lines = [
            f"{self.cells} x {self.cells} cells of the {'mover' if self.grid == 'person' else 'frame'} x "
            f"{self.times} parts of the time",
            *shares(self.machine_["weights"], self._sizes(), self.classes_),
        ]
        return Explanation("\n".join(lines), {"cells": class_maps(self._maps(), self.classes_)})

    def _maps(self) -> Array:
        """Return the squared weights of each class in each cell, shape (n_classes, cells, cells)."""
        maps, start = np.zeros((len(self.classes_), self.cells, self.cells)), 0
        for channel, size in self._sizes().items():
            weights = self.machine_["weights"][:, start : start + size]
            parts = np.split(weights, 2, axis=1) if channel == "mbh" else [weights]
            for part in parts:
                shaped = part.reshape(len(maps), self.times, self.cells, self.cells, -1)
                maps += (shaped**2).sum(axis=(1, 4))
            start += size
        return maps
