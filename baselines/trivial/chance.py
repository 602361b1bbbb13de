"""A trivial baseline: guessing."""

from __future__ import annotations

from typing import Self

import numpy as np

from .._training import encode
from ..base import Attempt, Clips, Explanation, check_is_fitted

__all__ = ["Chance"]


class Chance(Attempt):
    """Guess: nearly even probabilities, one class a hair ahead at random.

    The guess is drawn from the seed and the clip's content, so that it does not depend on which clips stand
    beside it, and no two folds guess alike.

    Parameters
    ----------
    random_state : int
        Seed of the guesses.
    """

    family = "trivial"

    def __init__(self, *, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Note which classes there are."""
        self.classes_, _ = encode(clips, labels)
        return self

    def predict_proba(self, clips: Clips) -> np.ndarray:
        """Return nearly even probabilities."""
        check_is_fitted(self)
        probabilities = np.ones((len(clips), len(self.classes_)))
        for row, fingerprint in zip(probabilities, clips.fingerprints, strict=True):
            content = [*fingerprint.encode()]
            guess = np.random.default_rng([self.random_state, *content]).integers(len(row))
            row[guess] += 0.01
        return probabilities / probabilities.sum(axis=1, keepdims=True)

    def explain(self) -> Explanation:
        """Say that it guesses."""
        check_is_fitted(self)
        return Explanation(f"guesses one of {len(self.classes_)} classes")

    def count(self) -> dict[str, int]:
        """Return that nothing is fitted."""
        return {"parameters": 0, "operations": 0}
