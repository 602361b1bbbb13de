"""The list written by hand, with thresholds fitted to the training clips."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ._rule_attempt import RuleAttempt, measured
from ._rule_list import Body, Condition, Rule, counted, cuts, n_right
from ._training import encode, pick
from .base import Clips
from .rules_hand import hand_bodies, why_not

__all__ = ["RulesFitted"]

_ROUNDS = [0, 1, 2, 4]
_MOST_CUTS = 64


class RulesFitted(RuleAttempt):
    """Decide KTH's six actions by the rules of ``rules-hand``, with thresholds fitted to the training clips.

    One threshold after the other moves to where most training clips are decided rightly, and stays where no
    other place is better than its own (coordinate search). How many rounds it takes is chosen on held-out groups:
    none leaves the list as it was written. Conditions that are the same in the list stay the same.

    Parameters
    ----------
    rounds : int, optional
        How often each threshold may move, 0 or more; chosen on held-out groups by default.

    Attributes
    ----------
    rounds_ : int
        The number chosen.
    """

    chosen = ("rounds_",)

    def __init__(self, *, rounds: int | None = None) -> None:
        self.rounds = rounds

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Measure the clips, choose the number of rounds on held-out groups, search with all.

        Raises
        ------
        ValueError
            If a label is none of KTH's actions, or ``rounds`` is no whole number from 0.
        """
        if self.rounds is not None and (not isinstance(self.rounds, int) or self.rounds < 0):
            raise ValueError(f"rounds must be a whole number from 0, got {self.rounds!r}")
        self.classes_, codes = encode(clips, labels)
        bodies, table = hand_bodies(self.classes_), measured(clips)

        def right(rounds: int, train: NDArray[np.intp], held: NDArray[np.intp]) -> int:
            found = _searched(bodies, table[train], codes[train], rounds)
            return _n_right(found, table[held], codes[held])

        self.rounds_ = pick(_ROUNDS if self.rounds is None else [self.rounds], right, len(codes), groups)
        found = _searched(bodies, table, codes, self.rounds_)
        self.rules_ = counted(found, table, codes, len(self.classes_))
        return self

    def count(self) -> dict[str, int]:
        """Return the number of rules, conditions and quantities, and of the thresholds fitted."""
        counts = super().count()
        thresholds = {condition for rule in self.rules_ for condition in rule.conditions}
        return counts | {"parameters": len(thresholds) if self.rounds_ else 0}

    def search_space(self) -> dict[str, list[Any]]:
        """Return the values worth trying for each parameter."""
        return {"rounds": _ROUNDS}

    def skip(self, dataset: Any) -> str | None:
        """Return why the data set's classes are not those of the list, None where they are."""
        return why_not(dataset.classes)


def _searched(
    bodies: list[Body], table: NDArray[np.float64], codes: NDArray[np.intp], rounds: int
) -> list[Body]:
    """Move the thresholds of a list, one at a time, to where it is right most often."""
    written = list(dict.fromkeys(condition for conditions, _ in bodies for condition in conditions))
    current = {condition: condition for condition in written}
    for _ in range(rounds):
        before = dict(current)
        for condition in written:
            places = cuts(table[:, condition.quantity], _MOST_CUTS)
            moved = [current | {condition: replace(condition, threshold=float(place))} for place in places]
            right = np.array([_n_right(_with(bodies, choice), table, codes) for choice in moved])
            if len(right) and right.max() > _n_right(_with(bodies, current), table, codes):
                current = moved[_middle_of_longest(right == right.max())]
        if current == before:
            break
    return _with(bodies, current)


def _with(bodies: list[Body], moved: dict[Condition, Condition]) -> list[Body]:
    return [(tuple(moved[condition] for condition in conditions), label) for conditions, label in bodies]


def _n_right(bodies: list[Body], table: NDArray[np.float64], codes: NDArray[np.intp]) -> int:
    return n_right([Rule(*body, counts=()) for body in bodies], table, codes)


def _middle_of_longest(best: NDArray[np.bool_]) -> int:
    """Return the middle of the longest run: there a threshold is least at the mercy of single clips."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], best.astype(int), [0]])))
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts))
    return int(starts[longest] + ends[longest] - 1) // 2
