"""A trivial baseline: the most frequent class."""

from __future__ import annotations

from typing import Self

import numpy as np

from .._training import encode
from ..base import Attempt, Clips, Explanation, check_is_fitted

__all__ = ["Majority"]


class Majority(Attempt):
    """Predict the frequencies of the classes in training for every clip, so that the most frequent class wins.

    Among equally frequent classes the first in the order of ``classes_`` wins.

    Attributes
    ----------
    frequencies_ : ndarray of float64, shape (n_classes,)
        Share of the training clips in each class.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> print(Majority().fit(clips, labels, groups).explain())
    always boxing (33% of the training clips)
    """

    family = "trivial"

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Count the labels."""
        self.classes_, codes = encode(clips, labels)
        self.frequencies_ = np.bincount(codes) / len(codes)
        return self

    def predict_proba(self, clips: Clips) -> np.ndarray:
        """Return the training frequencies for each clip."""
        check_is_fitted(self)
        return np.tile(self.frequencies_, (len(clips), 1))

    def explain(self) -> Explanation:
        """Name the most frequent class."""
        check_is_fitted(self)
        best = int(np.argmax(self.frequencies_))
        return Explanation(
            f"always {self.classes_[best]} ({self.frequencies_[best]:.0%} of the training clips)"
        )

    def count(self) -> dict[str, int]:
        """Return the number of frequencies."""
        check_is_fitted(self)
        return {"parameters": len(self.frequencies_), "operations": 0}
