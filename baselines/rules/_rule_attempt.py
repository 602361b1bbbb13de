"""Base class of the attempts that decide by an ordered list of rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...errors import ActionbenchError
from ...features.cache import compute
from ..base import Attempt, Clip, Clips, Explanation, check_is_fitted
from ._rule_list import Condition, Rule, first_firing
from ._rule_text import label_text, number_text, phrase, write

if TYPE_CHECKING:
    from ...features.pose_track import BodyTrack
    from ...features.quantities import Quantity

__all__ = ["RuleAttempt", "measure_clips", "measure_poses"]


def measure_clips(clips: Clips) -> NDArray[np.float64]:
    """Measure each clip, shape (n_clips, n_quantities)."""
    from ...features.quantities import QUANTITIES, Quantities

    rows = [found["values"] for found in compute(Quantities(), clips)]
    return np.array(rows).reshape(len(rows), len(QUANTITIES))


def measure_poses(clips: Clips, track: BodyTrack) -> NDArray[np.float64]:
    """Measure the pose of each clip, shape (n_clips, n_quantities)."""
    from ...features.pose_quantities import POSE_QUANTITIES, PoseQuantities

    rows = [found["values"] for found in compute(PoseQuantities(track), clips)]
    return np.array(rows).reshape(len(rows), len(POSE_QUANTITIES))


class RuleAttempt(Attempt):
    """Decide by the first rule of a list that holds; ``fit`` makes the list.

    Probabilities are the Laplace-smoothed class counts of the training clips for which the rule fired. If another class
    has more training clips than the rule's label, the label is counted one clip more, so that the list decides.

    Attributes
    ----------
    rules_ : list of Rule
        The list; the last rule has no condition.
    """

    family = "rules"
    rules_: list[Rule]

    #: Whether thresholds are fitted to the training clips.
    fits_thresholds: ClassVar[bool] = True
    #: Fitted attributes besides ``classes_`` and ``rules_``.
    tuned: ClassVar[tuple[str, ...]] = ()

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The quantities that rules test."""
        from ...features.quantities import QUANTITIES

        return QUANTITIES

    def measure(self, clips: Clips) -> NDArray[np.float64]:
        """Measure each clip, shape (n_clips, n_quantities)."""
        return measure_clips(clips)

    def predict_proba(self, clips: Clips) -> np.ndarray:
        """Return the smoothed class counts of the first rule that fires for each clip."""
        check_is_fitted(self)
        rows = np.array([_smoothed(rule) for rule in self.rules_])
        return rows[first_firing(self.rules_, self.measure(clips))]

    def count(self) -> dict[str, int]:
        """Return the number of rules, of their conditions, and of the quantities that these test."""
        check_is_fitted(self)
        conditions = [condition for rule in self.rules_ for condition in rule.conditions]
        return {
            "parameters": len(conditions) * self.fits_thresholds,
            "rules": len(self.rules_),
            "conditions": len(conditions),
            "quantities": len({condition.quantity for condition in conditions}),
        }

    def explain(self, clip: Clip | None = None) -> Explanation:
        """Print the rules in order, and explain how they classify a clip.

        Parameters
        ----------
        clip : Clip, optional
            A clip: comments below the list state which rule fires, with which values, and why the rules above it do
            not.
        """
        check_is_fitted(self)
        text = write(self.rules_, self.classes_.tolist(), self.quantities)
        return Explanation(text if clip is None else f"{text}\n\n{self._explain_clip(clip)}")

    def _explain_clip(self, clip: Clip) -> str:
        table = self.measure(Clips.of([clip]))
        first = int(first_firing(self.rules_, table)[0])
        lines = [
            f"# this clip: {label_text(str(self.classes_[self.rules_[first].label]))}, by rule {first + 1}"
        ]
        for number, rule in enumerate(self.rules_[: first + 1], 1):
            fires = number == first + 1
            named = [c for c in rule.conditions if fires or not c.holds(table)[0]]
            why = (
                "; ".join(_comparison(condition, table, self.quantities) for condition in named)
                or "no other rule does"
            )
            label = label_text(str(self.classes_[rule.label]))
            lines.append(f"# rule {number} ({label}) {'fires' if fires else 'does not fire'}: {why}")
        return "\n".join(lines)

    def export(self, path: str | Path) -> None:
        """Write the list to a text file, which may be edited and run as the attempt ``rules-file``.

        Raises
        ------
        ActionbenchError
            If the file cannot be written.
        """
        path, names = Path(path), ", ".join(quantity.name for quantity in self.quantities)
        text = f"# The first rule that holds decides. Quantities: {names}.\n"
        text += self.explain() + "\n"
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ActionbenchError(
                f"{path}: the list of rules cannot be written ({error.strerror})"
            ) from error

    def fitted_state(self) -> dict[str, Any]:
        """Return what `save` writes: plain values and arrays."""
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
        return {
            "classes_": self.classes_,
            "rules_": rules,
            **{name: getattr(self, name) for name in self.tuned},
        }

    def restore_state(self, state: dict[str, Any]) -> None:
        """Restore the result of `fitted_state`."""
        for name in ("classes_", *self.tuned):
            setattr(self, name, state[name])
        self.rules_ = [
            Rule(
                tuple(Condition(*condition) for condition in rule["conditions"]),
                rule["label"],
                tuple(rule["counts"]),
            )
            for rule in state["rules_"]
        ]


def _smoothed(rule: Rule) -> NDArray[np.float64]:
    counts = np.array(rule.counts, float)
    if np.argmax(counts) != rule.label:
        counts[rule.label] = counts.max() + 1
    return (counts + 1) / (counts + 1).sum()


def _comparison(condition: Condition, table: NDArray[np.float64], quantities: tuple[Quantity, ...]) -> str:
    """Print the value of a quantity beside what it is compared with: ``fill is 0.4, not > 0.5``."""
    value = float(table[0, condition.quantity])
    short = float(f"{value:.3g}")
    # A value close to the threshold is printed in full, as rounding could move it to the other side.
    shown = short if (short > condition.threshold) == (value > condition.threshold) else value
    quantity = quantities[condition.quantity]
    verdict = "" if condition.holds(table)[0] else "not "
    relation = phrase(condition, quantities).removeprefix(quantity.name).strip()
    return f"{quantity.name} is {number_text(shown)}, {verdict}{relation}"
