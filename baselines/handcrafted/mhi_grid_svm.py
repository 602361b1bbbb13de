"""Motion history and energy images, pixel by pixel, and a support vector machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...features.cache import compute
from ..base import Clips, Explanation
from ._svm import Mirror, VectorSvm, class_maps

__all__ = ["MhiGridSvm"]


class MhiGridSvm(VectorSvm):
    """Motion history and energy about the mover (Bobick and Davis, PAMI 2001), as pictures of few pixels.

    Parameters
    ----------
    C : float
        Inverse strength of the machine's regularisation.
    side : int
        Pixels of the pictures' sides.
    mirror : {"auto", True, False}
        Whether to learn from each clip's mirror image too. ``"auto"`` does unless held-out groups of the
        training clips say that left and right tell actions apart.
    random_state : int
        Seed of the machine's solver.
    """

    def __init__(
        self, *, C: float = 1.0, side: int = 24, mirror: Mirror = "auto", random_state: int = 0
    ) -> None:
        self.C = C
        self.side = side
        self.mirror = mirror
        self.random_state = random_state

    def _sizes(self) -> dict[str, int]:
        return {"history": self.side**2, "energy": self.side**2}

    def _vectors(self, clips: Clips) -> NDArray[np.float64]:
        from ...features.history import MotionHistory

        found = compute(MotionHistory(side=self.side), clips)
        return np.array([np.stack([each["history"], each["energy"]]).ravel() for each in found])

    def _mirrored(self, vectors: NDArray[np.float64], clips: Clips) -> NDArray[np.float64]:
        pictures = vectors.reshape(len(vectors), 2, self.side, self.side)
        return pictures[..., ::-1].reshape(vectors.shape)

    def explain(self) -> Explanation:
        """Describe whether the weights rely on history or energy, and picture where."""
        text = super().explain()
        pictures = self.machine_["weights"].reshape(len(self.classes_), 2, self.side, self.side)
        return Explanation(text, {"pixels": class_maps((pictures**2).sum(axis=1), self.classes_)})
