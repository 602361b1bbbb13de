"""The list written by hand, with thresholds fitted to the training clips."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .._training import encode
from ..base import Clips
from ._rule_attempt import measure_clips
from ._rule_list import Body, Rule, first_firing, make_rules, thresholds_of
from .rules_hand import RulesHand, hand_bodies

__all__ = ["RulesFitted"]

# Thresholds tried for each condition; of two conditions all pairs are tried.
_MAX_CUTS = 48

# No round decreases the training accuracy; few are needed.
_MAX_ROUNDS = 20

Table = NDArray[np.float64]
Codes = NDArray[np.intp]


class RulesFitted(RulesHand):
    """Decide KTH's six actions by the rules of ``rules-hand``, with thresholds fitted to the training clips.

    Coordinate ascent on the training accuracy: the thresholds of one rule after the other are set to the values with
    which most of the clips that reach it are classified correctly; in a first round as if the rules below it were
    perfect, then given these rules, until none changes. A second search starts from the list written by hand, and the
    better result is kept. Among equals the thresholds nearest to those written by hand win; the training accuracy is
    never below that of the list written by hand.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = RulesFitted().fit(clips[:6], labels[:6], groups[:6])
    >>> attempt.score(clips[:6], labels[:6])
    1.0
    """

    fits_thresholds = True

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Measure the clips and search the thresholds.

        Raises
        ------
        ValueError
            If a label is none of KTH's actions.
        """
        self.classes_, codes = encode(clips, labels)
        hand, table = hand_bodies(self.classes_), measure_clips(clips)
        self.rules_ = make_rules(_fit_thresholds(hand, table, codes), table, codes, len(self.classes_))
        return self


def _fit_thresholds(hand: list[Body], table: Table, codes: Codes) -> list[Body]:
    """Return a list with thresholds that maximise the training accuracy."""
    starts = [hand, _move_thresholds(hand, hand, table, codes, perfect=True)]
    found = [_until_stable(start, hand, table, codes) for start in starts]
    return max(found, key=lambda bodies: _is_correct(bodies, table, codes).sum())


def _until_stable(bodies: list[Body], hand: list[Body], table: Table, codes: Codes) -> list[Body]:
    """Move the thresholds of each rule in turn until none changes."""
    for _ in range(_MAX_ROUNDS):
        before, bodies = bodies, _move_thresholds(bodies, hand, table, codes)
        if bodies == before:
            break
    return bodies


def _move_thresholds(
    bodies: list[Body], hand: list[Body], table: Table, codes: Codes, *, perfect: bool = False
) -> list[Body]:
    """Move the thresholds of each rule once, given the rules below it, or as if these were perfect.

    A rule that fires gains the clips of its class and loses those that the rules below it classify correctly.
    """
    bodies, left = list(bodies), np.ones(len(codes), bool)
    for place, (conditions, label) in enumerate(bodies[:-1]):
        if not left.any():
            break
        reached, truth = table[left], codes[left]
        below = truth != label if perfect else _is_correct(bodies[place + 1 :], reached, truth)
        gains = (truth == label).astype(float) - below
        bodies[place] = _best((conditions, label), hand[place], reached, gains)
        left &= ~Rule(*bodies[place], counts=()).fires(table)
    return bodies


def _is_correct(bodies: list[Body], table: Table, codes: Codes) -> NDArray[np.bool_]:
    """Return which clips a list classifies correctly."""
    predicted = np.array([label for _, label in bodies])
    return predicted[first_firing([Rule(*body, counts=()) for body in bodies], table)] == codes


def _best(body: Body, hand: Body, table: Table, gains: NDArray[np.float64]) -> Body:
    """Return a rule with the thresholds that maximise the gains of the clips for which it fires.

    Among equals, the thresholds nearest to those written by hand.
    """
    holds, distance, places = np.ones((len(table), 1), bool), np.zeros(1), []
    for condition, written in zip(body[0], hand[0], strict=True):
        values = table[:, condition.quantity]
        tried = [condition.threshold, written.threshold, *thresholds_of(values, _MAX_CUTS)]
        each = [replace(condition, threshold=float(threshold)) for threshold in tried]
        also = np.stack([one.holds(table) for one in each], axis=1)
        holds = (holds[:, :, None] & also[:, None]).reshape(len(table), -1)
        # In standard deviations, which makes the units comparable.
        moves = np.abs(np.array(tried) - written.threshold) / max(float(np.std(values)), 1e-9)
        distance = (distance[:, None] + moves).ravel()
        places.append(each)
    total = gains @ holds
    best = np.flatnonzero(total == total.max())
    chosen = np.unravel_index(best[np.argmin(distance[best])], [len(each) for each in places])
    return tuple(each[place] for each, place in zip(places, chosen, strict=True)), body[1]
