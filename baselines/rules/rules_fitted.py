"""The list written by hand, with thresholds fitted to the training clips."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .._training import encode
from ..base import Clips
from ._rule_attempt import RuleAttempt, measured
from ._rule_list import Body, Rule, counted, cuts, fired
from .rules_hand import hand_bodies, why_not

__all__ = ["RulesFitted"]

# Of two conditions all pairs are tried.
_MOST_CUTS = 48

# Each round is at least as right as the one before; few are needed.
_MOST_ROUNDS = 20

Table = NDArray[np.float64]
Codes = NDArray[np.intp]


class RulesFitted(RuleAttempt):
    """Decide KTH's six actions by the rules of ``rules-hand``, with thresholds fitted to the training clips.

    One rule after the other takes those thresholds, all of a rule at once, with which most of the clips that reach
    it are decided correctly; once as if the rules below could tell all that is left, then given these rules, until
    none moves. The same search begins at the list written by hand, and the better of both is kept. Among equals
    the thresholds nearest to those written by hand win; in training the list is right at least as often as that one.
    """

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Measure the clips and search the thresholds.

        Raises
        ------
        ValueError
            If a label is none of KTH's actions.
        """
        self.classes_, codes = encode(clips, labels)
        hand, table = hand_bodies(self.classes_), measured(clips)
        self.rules_ = counted(_fitted(hand, table, codes), table, codes, len(self.classes_))
        return self

    def skip(self, dataset: Any) -> str | None:
        """Return why the data set's classes are not those of the list, None where they are."""
        return why_not(dataset.classes)


def _fitted(hand: list[Body], table: Table, codes: Codes) -> list[Body]:
    """Return a list with the thresholds moved to where most clips are decided correctly."""
    starts = [hand, _moved(hand, hand, table, codes, perfect=True)]
    found = [_settled(start, hand, table, codes) for start in starts]
    return max(found, key=lambda bodies: _decided(bodies, table, codes).sum())


def _settled(bodies: list[Body], hand: list[Body], table: Table, codes: Codes) -> list[Body]:
    """Move the thresholds of each rule in turn until none moves."""
    for _ in range(_MOST_ROUNDS):
        before, bodies = bodies, _moved(bodies, hand, table, codes)
        if bodies == before:
            break
    return bodies


def _moved(
    bodies: list[Body], hand: list[Body], table: Table, codes: Codes, *, perfect: bool = False
) -> list[Body]:
    """Move the thresholds of each rule once, given the rules below it, or as if these were always right if they can.

    A rule that fires wins the clips of its class and loses those that the rules below it decide correctly.
    """
    bodies, left = list(bodies), np.ones(len(codes), bool)
    for place, (conditions, label) in enumerate(bodies[:-1]):
        if not left.any():
            break
        reached, truth = table[left], codes[left]
        below = truth != label if perfect else _decided(bodies[place + 1 :], reached, truth)
        gains = (truth == label).astype(float) - below
        bodies[place] = _best((conditions, label), hand[place], reached, gains)
        left &= ~Rule(*bodies[place], counts=()).fires(table)
    return bodies


def _decided(bodies: list[Body], table: Table, codes: Codes) -> NDArray[np.bool_]:
    """Return which clips a list decides correctly."""
    given = np.array([label for _, label in bodies])
    return given[fired([Rule(*body, counts=()) for body in bodies], table)] == codes


def _best(body: Body, hand: Body, table: Table, gains: NDArray[np.float64]) -> Body:
    """Return a rule with the thresholds for which the clips where it fires gain most.

    Among equals, those nearest to the thresholds written by hand.
    """
    holds, distance, places = np.ones((len(table), 1), bool), np.zeros(1), []
    for condition, written in zip(body[0], hand[0], strict=True):
        values = table[:, condition.quantity]
        tried = [condition.threshold, written.threshold, *cuts(values, _MOST_CUTS)]
        each = [replace(condition, threshold=float(threshold)) for threshold in tried]
        also = np.stack([one.holds(table) for one in each], axis=1)
        holds = (holds[:, :, None] & also[:, None]).reshape(len(table), -1)
        # In standard deviations, or no unit could be compared with another.
        moves = np.abs(np.array(tried) - written.threshold) / max(float(np.std(values)), 1e-9)
        distance = (distance[:, None] + moves).ravel()
        places.append(each)
    total = gains @ holds
    best = np.flatnonzero(total == total.max())
    chosen = np.unravel_index(best[np.argmin(distance[best])], [len(each) for each in places])
    return tuple(each[place] for each, place in zip(places, chosen, strict=True)), body[1]
