"""An ordered list of rules on named quantities."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ..features.quantities import QUANTITIES, quantities
from ._rule_list import Condition, Rule, fired, learn
from ._training import encode, inner_folds
from .base import Attempt, Clips, Explanation

__all__ = ["Rules"]


# More than this nobody reads.
_RULES_PER_CLASS = 5


class Rules(Attempt):
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

    family = "rules"

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
        table = _table(clips)
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
        softnesses = [0.05, 0.1, 0.2, 0.4] if self.softness is None else [self.softness]
        leasts = [1, 2, 4] if self.least is None else [self.least]
        # One after the other: all pairs would cost twice as much.
        softness, _ = self._pick([(softness, leasts[0]) for softness in softnesses], table, codes, groups)
        return self._pick([(softness, least) for least in leasts], table, codes, groups)

    def _pick(
        self,
        choices: list[tuple[float, int]],
        table: NDArray[np.float64],
        codes: NDArray[np.intp],
        groups: np.ndarray | None,
    ) -> tuple[float, int]:
        """Return the first choice that is right most often on held-out groups."""
        if len(choices) == 1:
            return choices[0]
        right = np.zeros(len(choices))
        for train, held in inner_folds(len(codes), groups, 5):
            for index, choice in enumerate(choices):
                rules = self._learn(table[train], codes[train], *choice)
                labels = np.array([rule.label for rule in rules])
                right[index] += np.sum(labels[fired(rules, table[held])] == codes[held])
        return choices[int(np.argmax(right))]

    def predict_proba(self, clips: Clips) -> np.ndarray:
        """Return the smoothed class counts of the first rule that fires for each clip."""
        check_is_fitted(self)
        counts = np.array([rule.counts for rule in self.rules_]) + 1.0
        return (counts / counts.sum(axis=1, keepdims=True))[fired(self.rules_, _table(clips))]

    def search_space(self) -> dict[str, list[Any]]:
        """Return the values worth trying for each parameter."""
        return {"max_conditions": [1, 2, 3], "softness": [0.05, 0.1, 0.2, 0.4], "least": [1, 2, 4]}

    def count(self) -> dict[str, int]:
        """Return the number of conditions, rules and quantities used."""
        check_is_fitted(self)
        conditions = [condition for rule in self.rules_ for condition in rule.conditions]
        return {
            "parameters": len(conditions),
            "rules": len(self.rules_),
            "quantities": len({condition.quantity for condition in conditions}),
        }

    def explain(self) -> Explanation:
        """Print the rules in their order."""
        check_is_fitted(self)
        lines = [_sentence(rule, str(self.classes_[rule.label])) for rule in self.rules_]
        return Explanation("\n".join(lines))

    def fitted_state(self) -> dict[str, Any]:
        """Return what `save` writes: plain numbers and arrays."""
        rules = [
            {
                "conditions": [
                    [condition.quantity, condition.above, condition.threshold]
                    for condition in rule.conditions
                ],
                "label": rule.label,
                "counts": list(rule.counts),
            }
            for rule in self.rules_
        ]
        chosen = {"softness_": self.softness_, "least_": self.least_}
        return {"classes_": self.classes_, "rules_": rules, **chosen}

    def restore_state(self, state: dict[str, Any]) -> None:
        """Take back what `fitted_state` gave."""
        self.classes_ = state["classes_"]
        self.softness_, self.least_ = state["softness_"], state["least_"]
        self.rules_ = [
            Rule(
                tuple(Condition(*condition) for condition in rule["conditions"]),
                rule["label"],
                tuple(rule["counts"]),
            )
            for rule in state["rules_"]
        ]


def _table(clips: Clips) -> NDArray[np.float64]:
    """Measure each clip, shape (n_clips, n_quantities)."""
    rows = [list(quantities(clip).values()) for clip in clips]
    return np.array(rows).reshape(len(rows), len(QUANTITIES))


def _sentence(rule: Rule, label: str) -> str:
    conditions = " and ".join(_phrase(condition) for condition in rule.conditions)
    head = f"if {conditions} then {label}" if rule.conditions else f"otherwise {label}"
    return f"{head}   ({rule.counts[rule.label]} of {sum(rule.counts)} training clips)"


def _phrase(condition: Condition) -> str:
    quantity = QUANTITIES[condition.quantity]
    unit = f" {quantity.unit}" if quantity.unit else ""
    return f"{quantity.name} {'>' if condition.above else '<='} {condition.threshold:.3g}{unit}"
