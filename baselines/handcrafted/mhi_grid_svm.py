"""A linear SVM on the pixels of motion history and energy images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...features.cache import compute
from ...literals import Positive, PositiveInt
from ..base import Clips, Explanation
from ._svm import Mirror, VectorSvm, class_maps

__all__ = ["MhiGridSvm"]


@dataclass(kw_only=True, eq=False, repr=False)
class MhiGridSvm(VectorSvm):
    """A linear SVM on small motion history and energy images about the person (Bobick and Davis, PAMI 2001).

    Parameters
    ----------
    C : float
        Inverse strength of the regularisation.
    side : int
        Pixels of the pictures' sides.
    mirror : {"auto", True, False}
        Whether mirror images are added to the training clips. ``"auto"`` adds them unless that lowers the accuracy on
        held-out groups, as where left and right distinguish actions.
    random_state : int
        Seed of the solver.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = MhiGridSvm().fit(clips, labels, groups)
    >>> attempt.score(clips, labels)
    1.0
    """

    C: Positive = 1.0
    side: PositiveInt = 24
    mirror: Mirror = "auto"
    random_state: int = 0

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
        """Describe the shares of history and energy in the weights, and draw where these lie."""
        text = super().explain()
        pictures = self.classifier_["weights"].reshape(len(self.classes_), 2, self.side, self.side)
        return Explanation(text, {"pixels": class_maps((pictures**2).sum(axis=1), self.classes_)})
