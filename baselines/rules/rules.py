"""An ordered list of rules on named quantities."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .._training import encode, pick
from ..base import Clips
from ._rule_attempt import RuleAttempt, measured
from ._rule_list import Rule, learn, n_right

__all__ = ["Rules"]


# More than this nobody reads.
_RULES_PER_CLASS = 5


class Rules(RuleAttempt):
    """Decide by the first of a few readable rules that holds.

    A rule is a conjunction of at most three conditions on quantities in body heights and seconds (`QUANTITIES`).
    The list, of at most five rules per class, is learned by separate-and-conquer; how cautious it is (the
    softness of thresholds and the fewest clips a rule may rest on) is chosen on held-out groups of the training
    clips. Probabilities are the Laplace-smoothed class counts of the training clips for which the rule fired.

    Parameters
    ----------
    max_conditions : int
        Most conditions of a rule, 1 to 3.
    softness : float, optional
        How far from its threshold a quantity must be to count fully, in standard deviations within the
        classes; chosen on held-out groups by default.
    least : int, optional
        Fewest training clips for which a rule must fire; chosen on held-out groups by default.

    Attributes
    ----------
    rules_ : list of Rule
        The list; the last rule has no condition.
    softness_, least_
        The values chosen.
    """

    chosen = ("softness_", "least_")

    def __init__(
        self, *, max_conditions: int = 3, softness: float | None = None, least: int | None = None
    ) -> None:
        self.max_conditions = max_conditions
        self.softness = softness
        self.least = least

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Measure the clips, choose how cautious to be on held-out groups, learn from all.

        Raises
        ------
        ValueError
            If ``max_conditions`` is not 1, 2 or 3.
        """
        if self.max_conditions not in (1, 2, 3):
            raise ValueError(f"max_conditions must be 1, 2 or 3, got {self.max_conditions!r}")
        self.classes_, codes = encode(clips, labels)
        table = measured(clips)
        self.softness_, self.least_ = self._choose(table, codes, groups)
        self.rules_ = self._learn(table, codes, self.softness_, self.least_)
        return self

    def _learn(
        self, table: NDArray[np.float64], codes: NDArray[np.intp], softness: float, least: int
    ) -> list[Rule]:
        return learn(
            table,
            codes,
            len(self.classes_),
            max_conditions=self.max_conditions,
            softness=softness,
            least=least,
            max_rules=_RULES_PER_CLASS * len(self.classes_),
        )

    def _choose(
        self, table: NDArray[np.float64], codes: NDArray[np.intp], groups: np.ndarray | None
    ) -> tuple[float, int]:
        def right(choice: tuple[float, int], train: NDArray[np.intp], held: NDArray[np.intp]) -> int:
            return n_right(self._learn(table[train], codes[train], *choice), table[held], codes[held])

        softnesses = [0.05, 0.1, 0.2, 0.4] if self.softness is None else [self.softness]
        leasts = [1, 2, 4] if self.least is None else [self.least]
        # One after the other: all pairs would cost twice as much.
        softness, _ = pick([(softness, leasts[0]) for softness in softnesses], right, len(codes), groups)
        return pick([(softness, least) for least in leasts], right, len(codes), groups)

    def search_space(self) -> dict[str, list[Any]]:
        """Return the values worth trying for each parameter."""
        return {"max_conditions": [1, 2, 3], "softness": [0.05, 0.1, 0.2, 0.4], "least": [1, 2, 4]}
