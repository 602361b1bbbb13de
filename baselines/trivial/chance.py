"""A trivial baseline: random guesses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from .._training import encode
from ..base import Attempt, Clips, Explanation, check_is_fitted

__all__ = ["Chance"]


@dataclass(kw_only=True, eq=False, repr=False)
class Chance(Attempt):
    """Guess at random: nearly uniform probabilities, that of one random class slightly higher.

    The guess is drawn from the seed and the clip's content, so that it does not depend on the other clips in the call,
    and differs between folds.

    Parameters
    ----------
    random_state : int
        Seed of the guesses.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = Chance(random_state=0).fit(clips, labels, groups)
    >>> attempt.predict_proba(clips[:1]).round(2)
    array([[0.33, 0.33, 0.34]])
    >>> print(attempt.explain())
    guesses one of 3 classes
    """

    family = "trivial"

    random_state: int = 0

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Store the classes."""
        self.classes_, _ = encode(clips, labels)
        return self

    def predict_proba(self, clips: Clips) -> np.ndarray:
        """Return nearly uniform probabilities."""
        check_is_fitted(self)
        probabilities = np.ones((len(clips), len(self.classes_)))
        for row, fingerprint in zip(probabilities, clips.fingerprints, strict=True):
            content = [*fingerprint.encode()]
            guess = np.random.default_rng([self.random_state, *content]).integers(len(row))
            row[guess] += 0.01
        return probabilities / probabilities.sum(axis=1, keepdims=True)

    def explain(self) -> Explanation:
        """Describe the guesses."""
        check_is_fitted(self)
        return Explanation(f"guesses one of {len(self.classes_)} classes")

    def count(self) -> dict[str, int]:
        """Return 0 parameters and operations."""
        return {"parameters": 0, "operations": 0}
