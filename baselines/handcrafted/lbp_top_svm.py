"""An SVM on local binary patterns in space and time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...features.cache import compute
from ...literals import Positive
from ..base import Clips
from ._svm import Mirror, VectorSvm

__all__ = ["LbpTopSvm"]


@dataclass(kw_only=True, eq=False, repr=False)
class LbpTopSvm(VectorSvm):
    """A chi-squared SVM on LBP-TOP (Zhao and Pietikainen, PAMI 2007) in blocks about the person.

    Parameters
    ----------
    C : float
        Inverse strength of the regularisation.
    mirror : {"auto", True, False}
        Whether mirror images are added to the training clips. ``"auto"`` adds them unless that lowers the accuracy on
        held-out groups, as where left and right distinguish actions.
    random_state : int
        Seed of the solver.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = LbpTopSvm().fit(clips, labels, groups)
    >>> attempt.score(clips, labels)
    1.0
    """

    C: Positive = 100.0
    mirror: Mirror = "auto"
    random_state: int = 0

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
