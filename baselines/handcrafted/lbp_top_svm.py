"""Local binary patterns of space and time and a support vector machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...features.cache import compute
from ..base import Clips
from ._svm import Mirror, VectorSvm

__all__ = ["LbpTopSvm"]


class LbpTopSvm(VectorSvm):
    """LBP-TOP (Zhao and Pietikainen, PAMI 2007) in blocks about the mover, and machines with a chi-squared kernel.

    Parameters
    ----------
    C : float
        Inverse strength of the machine's regularisation.
    mirror : {"auto", True, False}
        Whether to learn from each clip's mirror image too. ``"auto"`` does unless held-out groups of the
        training clips say that left and right tell actions apart.
    random_state : int
        Seed of the machine's solver.
    """

    def __init__(self, *, C: float = 100.0, mirror: Mirror = "auto", random_state: int = 0) -> None:
        self.C = C
        self.mirror = mirror
        self.random_state = random_state

    def _vectors(self, clips: Clips) -> NDArray[np.float64]:
        from ...features.texture import LbpTop

        return np.array([found["histogram"] for found in compute(LbpTop(), clips)])

    def _mirrored(self, vectors: NDArray[np.float64], clips: Clips) -> NDArray[np.float64]:
        from ...features.texture import LbpTop

        return LbpTop().mirror(vectors)

    def _sizes(self) -> dict[str, int]:
        from ...features.texture import BINS, LbpTop

        feature = LbpTop()
        return {"patterns": feature.times * feature.rows * feature.columns * 3 * BINS}

    def _is_linear(self) -> bool:
        return False
