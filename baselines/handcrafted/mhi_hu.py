"""Moments of motion history and energy images, and a support vector machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...features.cache import compute
from ..base import Clips
from ._svm import VectorSvm

__all__ = ["MhiHu"]


class MhiHu(VectorSvm):
    """Seven moments of Hu each of the motion history and energy images (Bobick and Davis, PAMI 2001), on a log scale.

    Parameters
    ----------
    C : float
        Inverse strength of the machine's regularisation.
    random_state : int
        Seed of the machine's solver.
    """

    #: A mirror image changes one sign only, that of the last moment, whose size alone is taken.
    mirror = False

    def __init__(self, *, C: float = 10.0, random_state: int = 0) -> None:
        self.C = C
        self.random_state = random_state

    def _sizes(self) -> dict[str, int]:
        return {"history": 7, "energy": 7}

    def _vectors(self, clips: Clips) -> NDArray[np.float64]:
        from ...features.history import MotionHistory

        return np.array([found["moments"] for found in compute(MotionHistory(), clips)])
