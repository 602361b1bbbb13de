"""An ordered list of rules on named quantities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ...literals import Positive, PositiveInt
from .._training import choose, encode
from ..base import Clips
from ._rule_attempt import RuleAttempt
from ._rule_list import Rule, learn, n_correct

__all__ = ["Rules"]


# Longer lists are hard to read.
_RULES_PER_CLASS = 5


@dataclass(kw_only=True, eq=False, repr=False)
class Rules(RuleAttempt):
    """Decide by the first of a few readable rules that holds.

    A rule is a conjunction of at most three conditions on quantities in body heights and seconds (`QUANTITIES`).
    The list, of at most five rules per class, is learned by separate-and-conquer; the softness of thresholds and the
    smallest number of clips of a rule are chosen on held-out groups of the training clips. Probabilities are the
    Laplace-smoothed class counts of the training clips for which the rule fired.

    Parameters
    ----------
    max_conditions : int
        Largest number of conditions of a rule, 1 to 3.
    softness : float, optional
        Distance from its threshold at which a condition counts fully, in standard deviations within the classes;
        chosen on held-out groups by default.
    min_clips : int, optional
        Smallest number of training clips for which a rule must fire; chosen on held-out groups by default.

    Attributes
    ----------
    rules_ : list of Rule
        The list; the last rule has no condition.
    softness_, min_clips_
        The values chosen.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = Rules(softness=0.1, min_clips=1).fit(clips, labels, groups)
    >>> print(attempt.explain())
    if horizontal speed > 0.967 heights/s then walking   (4 of 4 training clips)
    if horizontal sweep > 0.311 heights then boxing   (4 of 4 training clips)
    otherwise handwaving   (4 of 4 training clips)
    """

    tuned = ("softness_", "min_clips_")

    max_conditions: Literal[1, 2, 3] = 3
    softness: Positive | None = None
    min_clips: PositiveInt | None = None

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Measure the clips, choose softness and smallest rules on held-out groups, learn from all clips.

        Raises
        ------
        ValueError
            If ``max_conditions`` is not 1, 2 or 3.
        """
        if self.max_conditions not in (1, 2, 3):
            raise ValueError(f"max_conditions must be 1, 2 or 3, got {self.max_conditions!r}")
        self.classes_, codes = encode(clips, labels)
        table = self.measure(clips)
        self.softness_, self.min_clips_ = self._choose(table, codes, groups)
        self.rules_ = self._learn(table, codes, self.softness_, self.min_clips_)
        return self

    def _learn(
        self, table: NDArray[np.float64], codes: NDArray[np.intp], softness: float, min_clips: int
    ) -> list[Rule]:
        return learn(
            table,
            codes,
            len(self.classes_),
            max_conditions=self.max_conditions,
            softness=softness,
            min_clips=min_clips,
            max_rules=_RULES_PER_CLASS * len(self.classes_),
        )

    def _choose(
        self, table: NDArray[np.float64], codes: NDArray[np.intp], groups: np.ndarray | None
    ) -> tuple[float, int]:
        def score(choice: tuple[float, int], train: NDArray[np.intp], test: NDArray[np.intp]) -> int:
            return n_correct(self._learn(table[train], codes[train], *choice), table[test], codes[test])

        softnesses = [0.05, 0.1, 0.2, 0.4] if self.softness is None else [self.softness]
        sizes = [1, 2, 4] if self.min_clips is None else [self.min_clips]
        # One parameter after the other, as all pairs would cost twice as much.
        softness, _ = choose([(softness, sizes[0]) for softness in softnesses], score, len(codes), groups)
        return choose([(softness, size) for size in sizes], score, len(codes), groups)

    def search_space(self) -> dict[str, list[Any]]:
        """Return the candidate values of each parameter."""
        return {"max_conditions": [1, 2, 3], "softness": [0.05, 0.1, 0.2, 0.4], "min_clips": [1, 2, 4]}
