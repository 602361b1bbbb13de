"""A linear SVM on distances and velocities of joints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ...features.cache import compute
from ...literals import Positive
from .._pose import PoseInput
from ..base import Clips
from ._svm import Mirror, VectorSvm

if TYPE_CHECKING:
    from ...features.pose_vectors import PoseVector

__all__ = ["PoseSvm"]


@dataclass(kw_only=True, eq=False, repr=False)
class PoseSvm(PoseInput, VectorSvm):
    """A linear SVM on the distances of all pairs of joints and the velocity of each, over a pyramid in time.

    Lengths are in body heights. Other parameters are those of `PoseInput`.

    Parameters
    ----------
    C : float
        Inverse strength of the regularisation.
    mirror : {"auto", True, False}
        Whether mirror images are added to the training clips. ``"auto"`` adds them unless that lowers the accuracy on
        held-out groups, as where left and right distinguish actions.
    levels : int
        Levels of the pyramid: 1 is the whole clip, 3 also its halves and quarters.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = PoseSvm().fit(clips, labels, groups)
    >>> attempt.score(clips, labels)
    1.0
    """

    C: Positive = 1.0
    mirror: Mirror = "auto"
    levels: Literal[1, 2, 3, 4] = 3

    def _feature(self) -> PoseVector:
        from ...features.pose_vectors import PoseVector

        if self.levels not in (1, 2, 3, 4):
            raise ValueError(f"levels must be 1, 2, 3 or 4, got {self.levels!r}")
        return PoseVector(self._track(), self.levels)

    def _vectors(self, clips: Clips) -> NDArray[np.float64]:
        feature = self._feature()
        return np.array([found["vector"] for found in compute(feature, clips)])

    def _mirrored(self, vectors: NDArray[np.float64], clips: Clips) -> NDArray[np.float64]:
        return self._feature().mirror(vectors)

    def _sizes(self) -> dict[str, int]:
        return self._feature().sizes()
