"""A linear SVM on the Hu moments of motion history and energy images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...features.cache import compute
from ...literals import Positive
from ..base import Clips
from ._svm import VectorSvm

__all__ = ["MhiHu"]


@dataclass(kw_only=True, eq=False, repr=False)
class MhiHu(VectorSvm):
    """A linear SVM on the Hu moments of motion history and energy images (Bobick and Davis, PAMI 2001), on a log scale.

    Parameters
    ----------
    C : float
        Inverse strength of the regularisation.
    random_state : int
        Seed of the solver.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = MhiHu().fit(clips, labels, groups)
    >>> attempt.score(clips, labels)
    1.0
    """

    #: A mirror image only changes the sign of the last moment.
    mirror = False

    C: Positive = 10.0
    random_state: int = 0

    def _sizes(self) -> dict[str, int]:
        return {"history": 7, "energy": 7}

    def _vectors(self, clips: Clips) -> NDArray[np.float64]:
        from ...features.history import MotionHistory

        return np.array([found["moments"] for found in compute(MotionHistory(), clips)])
