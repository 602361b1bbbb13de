"""A list of rules written by hand for KTH's six actions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Self

import numpy as np

from .._training import encode
from ..base import Clips
from ._rule_attempt import RuleAttempt, measure_clips
from ._rule_list import Body, make_rules
from ._rule_text import parse

__all__ = ["RulesHand", "action_of", "hand_bodies", "unsupported_reason"]

# Thresholds from physiology for somebody 1.7 m tall, none from any clip:
# - From 2.06 m/s on people prefer running to walking (Hreljac, Medicine and Science in Sports and Exercise 1993),
#   which is 1.2 heights/s. Running at less than 10 km/h, 1.6 heights/s, is by convention jogging.
# - The slowest walk is about 0.5 m/s, 0.3 heights/s. A sweep below half a height is a shift of weight.
# - The speed of a gait is that of passing: a person who turns round has a net horizontal speed of about 0.
# - Arms that wave swing about the shoulder by some 60 degrees up and down from level: the hands then go more up
#   and down than to the sides. Hands that clap or punch go to and fro.
# - Clapping hands mirror each other, a punch is one arm's: halfway from a chance likeness of 0.5 to a mirror's 1.
_LIST = """
if passing speed > 1.6 heights/s and horizontal sweep > 0.5 heights then running
if passing speed > 1.2 heights/s and horizontal sweep > 0.5 heights then jogging
if passing speed > 0.3 heights/s and horizontal sweep > 0.5 heights then walking
if vertical motion > 0.5 then handwaving
if symmetry > 0.75 then handclapping
otherwise boxing
"""

_SPELLINGS = {
    "boxing": "box",
    "handclapping": "clap clapping handclap",
    "handwaving": "wave waving handwave",
    "jogging": "jog",
    "running": "run",
    "walking": "walk",
}
_ACTIONS = {word: action for action, words in _SPELLINGS.items() for word in (action, *words.split())}


def action_of(label: str) -> str | None:
    """Return the action of KTH that a label means, None if there is none.

    Examples
    --------
    >>> action_of("Hand-waving"), action_of("walk"), action_of("bend")
    ('handwaving', 'walking', None)
    """
    return _ACTIONS.get(re.sub(r"[\W_]", "", label).lower())


def unsupported_reason(labels: Iterable[str]) -> str | None:
    """Return why the list cannot distinguish some labels, None if it can."""
    seen: dict[str, str] = {}
    for label in map(str, labels):
        action = action_of(label)
        if action is None:
            return f"the list is written for KTH's {', '.join(_SPELLINGS)}; it has no rule for {label!r}"
        if action in seen:
            return f"the list cannot distinguish {seen[action]!r} from {label!r}: both mean {action}"
        seen[action] = label
    return None


def hand_bodies(classes: Iterable[str]) -> list[Body]:
    """Return conditions and labels of the list, only of actions that are among the classes.

    Raises
    ------
    ValueError
        If a class is none of KTH's actions, or two are the same.
    """
    classes = list(classes)
    if reason := unsupported_reason(classes):
        raise ValueError(reason)
    index = {action_of(label): place for place, label in enumerate(classes)}
    kept = [rule for rule in parse(_LIST, "the list") if rule.label in index]
    bodies: list[Body] = [(rule.conditions, index[rule.label]) for rule in kept]
    # The last rule, whichever it is, must cover all remaining clips.
    return [*bodies[:-1], ((), bodies[-1][1])]


class RulesHand(RuleAttempt):
    """Decide KTH's six actions by six rules with thresholds from physiology.

    Only the probabilities are fitted, see `RuleAttempt`. Labels may be spelt as in ``walk``, ``Walking`` or
    ``hand-clapping``; data sets with any other class are skipped.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> print(RulesHand().fit(clips, labels, groups).explain())
    if passing speed > 0.3 heights/s and horizontal sweep > 0.5 heights then walking   (4 of 8 training clips)
    if vertical motion > 0.5 then handwaving   (4 of 4 training clips)
    otherwise boxing   (0 of 0 training clips)
    """

    fits_thresholds = False

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Count for which training clips each rule fires.

        Raises
        ------
        ValueError
            If a label is none of KTH's actions.
        """
        self.classes_, codes = encode(clips, labels)
        self.rules_ = make_rules(hand_bodies(self.classes_), measure_clips(clips), codes, len(self.classes_))
        return self

    def skip(self, dataset: Any) -> str | None:
        """Return why the list does not fit the data set's classes, None if it does."""
        return unsupported_reason(dataset.classes)
