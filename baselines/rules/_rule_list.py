"""Ordered lists of rules, learned by separate-and-conquer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MAX_CONDITIONS",
    "Body",
    "Condition",
    "Rule",
    "first_firing",
    "learn",
    "make_rules",
    "merge_conditions",
    "n_correct",
    "threshold_between",
    "thresholds_of",
]

# A rule with more conditions is hard to read.
MAX_CONDITIONS = 3

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Condition:
    """A quantity is above a threshold, or not.

    Attributes
    ----------
    quantity : int
        Its column.
    above : bool
        Whether it must be above.
    threshold : float
        What it is compared with.
    """

    quantity: int
    above: bool
    threshold: float

    def holds(self, table: Array) -> NDArray[np.bool_]:
        """Return for which rows of a table it holds, shape (n,)."""
        above = table[:, self.quantity] > self.threshold
        return above if self.above else ~above


@dataclass(frozen=True)
class Rule:
    """If all conditions hold, then the label; the last rule of a list has no condition.

    Attributes
    ----------
    conditions : tuple of Condition
        At most three.
    label : int
        Index of the class.
    counts : tuple of int
        Training clips of each class for which this rule was the first that fired.
    """

    conditions: tuple[Condition, ...]
    label: int
    counts: tuple[int, ...]

    def fires(self, table: Array) -> NDArray[np.bool_]:
        """Return for which rows of a table all conditions hold, shape (n,)."""
        return np.all(
            [np.ones(len(table), bool), *(condition.holds(table) for condition in self.conditions)], axis=0
        )


#: Conditions and label of a rule.
Body = tuple[tuple[Condition, ...], int]


def make_rules(bodies: list[Body], table: Array, labels: NDArray[np.intp], n_classes: int) -> list[Rule]:
    """Make rules from conditions and labels, with the counts of the clips for which each is the first that fires."""
    first = first_firing([Rule(*body, counts=()) for body in bodies], table)
    return [
        Rule(*body, counts=tuple(np.bincount(labels[first == index], minlength=n_classes).tolist()))
        for index, body in enumerate(bodies)
    ]


def first_firing(rules: list[Rule], table: Array) -> NDArray[np.intp]:
    """Return the index of the first rule that fires for each row, shape (n,)."""
    return np.argmax([rule.fires(table) for rule in rules], axis=0)


def n_correct(rules: list[Rule], table: Array, labels: NDArray[np.intp]) -> int:
    """Return the number of rows that a list classifies correctly."""
    predicted = np.array([rule.label for rule in rules])
    return int(np.sum(predicted[first_firing(rules, table)] == labels))


def learn(
    table: Array,
    labels: NDArray[np.intp],
    n_classes: int,
    *,
    max_conditions: int,
    softness: float,
    min_clips: int = 1,
    max_rules: int = 1000,
    beam: int = 3,
) -> list[Rule]:
    """Learn an ordered list by separate-and-conquer (CN2: Clark and Niblett 1989; Clark and Boswell 1991).

    The best conjunction is found by beam search, the clips for which it holds are set aside, and so on until one class
    is left. A clip near the threshold of a condition is covered partly (soft coverage), so that among thresholds that
    separate the training clips equally well the one in the wider gap wins. The resulting rules are crisp.

    Parameters
    ----------
    table : ndarray of float64, shape (n_clips, n_quantities)
        The quantities.
    labels : ndarray of int, shape (n_clips,)
        Index of each clip's class.
    n_classes : int
        Number of classes.
    max_conditions : int
        Largest number of conditions of a rule.
    softness : float
        Standard deviation of a threshold's softness, in within-class standard deviations of its quantity.
    min_clips : int
        Smallest number of training clips for which a rule must fire, against overfitting.
    max_rules : int
        Largest number of rules before the default.
    beam : int
        Conjunctions kept at each length.

    Returns
    -------
    list of Rule
        The last has no conditions and fires for all that is left.
    """
    candidates = _candidates(table, labels, softness)
    left = np.ones(len(table), bool)
    rules: list[Rule] = []
    while len(np.unique(labels[left])) > 1 and len(rules) < max_rules:
        conditions = _best(candidates, left, labels, n_classes, max_conditions, beam)
        fires = left & Rule(conditions, 0, ()).fires(table)
        # Where no rule divides the remaining clips, the default covers them.
        if fires.sum() < max(min_clips, 1) or fires.sum() == left.sum():
            break
        counts = np.bincount(labels[fires], minlength=n_classes)
        rules.append(Rule(conditions, int(np.argmax(counts)), tuple(counts.tolist())))
        left &= ~fires
    return [*rules, _default(labels, left, n_classes)]


def _default(labels: NDArray[np.intp], left: NDArray[np.bool_], n_classes: int) -> Rule:
    counts = np.bincount(labels[left], minlength=n_classes)
    return Rule((), int(np.argmax(counts)), tuple(counts.tolist()))


@dataclass(frozen=True, eq=False)
class _Candidates:
    """All candidate conditions, and the degree to which each holds for each clip."""

    conditions: list[Condition]
    membership: Array  # (n_clips, n_conditions), in [0, 1]


def _candidates(table: Array, labels: NDArray[np.intp], softness: float) -> _Candidates:
    from scipy.special import ndtr

    # The matrix of clips and conditions must fit into memory.
    max_thresholds = int(np.clip(1e7 / (2 * table.size), 8, 64))
    conditions: list[Condition] = []
    membership: list[Array] = []
    for quantity, values in enumerate(table.T):
        thresholds = thresholds_of(values, max_thresholds)
        if not len(thresholds):
            continue
        width = max(softness * _within(values, labels), 1e-9 * float(np.ptp(values)))
        above = ndtr((values - thresholds[:, None]) / width)
        for holds, side in ((above, True), (1 - above, False)):
            conditions += [Condition(quantity, side, float(threshold)) for threshold in thresholds]
            membership.append(holds)
    return _Candidates(conditions, np.concatenate([np.empty((0, len(table))), *membership]).T.copy())


def thresholds_of(values: Array, limit: int) -> Array:
    """Return thresholds between neighbouring values, at most ``limit`` evenly chosen ones."""
    distinct = np.unique(values)
    gaps = np.arange(len(distinct) - 1)
    if len(gaps) > limit:
        gaps = gaps[np.linspace(0, len(gaps) - 1, limit).round().astype(int)]
    return np.array([threshold_between(float(distinct[gap]), float(distinct[gap + 1])) for gap in gaps])


def threshold_between(low: float, high: float) -> float:
    """Return a threshold that separates two values, near their middle, with three digits or as few more as needed.

    The printed threshold is then exactly the one that is used.
    """
    for digits in range(3, 17):
        short = float(f"{low + (high - low) / 2:.{digits}g}")
        if low <= short < high:
            return short
    return low


def _within(values: Array, labels: NDArray[np.intp]) -> float:
    """Return the pooled standard deviation within the classes."""
    deviations = values.copy()
    for label in np.unique(labels):
        deviations[labels == label] -= values[labels == label].mean()
    return float(np.sqrt(np.mean(deviations**2)))


def _best(
    candidates: _Candidates,
    left: NDArray[np.bool_],
    labels: NDArray[np.intp],
    n_classes: int,
    max_conditions: int,
    beam: int,
) -> tuple[Condition, ...]:
    """Search the conjunction that best separates one class from the others among the remaining clips."""
    onehot = np.eye(n_classes)[labels[left]]
    membership = candidates.membership[left]
    prior = onehot.mean(axis=0)
    beams: list[tuple[float, tuple[int, ...], Array]] = [(-np.inf, (), np.ones(len(onehot)))]
    best = beams[0]
    for _ in range(max_conditions):
        longer = [
            (float(scores[index]), (*chosen, int(index)), covered * membership[:, index])
            for _, chosen, covered in beams
            for scores in [_scores((onehot * covered[:, None]).T @ membership, prior)]
            for index in np.argsort(-scores, kind="stable")[:beam]
        ]
        beams = sorted(longer, key=lambda entry: -entry[0])[:beam]
        # A further condition must improve the score.
        if not beams or beams[0][0] <= best[0] + 1e-3:
            break
        best = beams[0]
    return merge_conditions([candidates.conditions[index] for index in best[1]])


def merge_conditions(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """Keep the strictest of the conditions that test one quantity in one direction."""
    strictest: dict[tuple[int, bool], Condition] = {}
    for condition in conditions:
        key = (condition.quantity, condition.above)
        known = strictest.get(key, condition)
        stricter = (
            condition.threshold > known.threshold
            if condition.above
            else condition.threshold < known.threshold
        )
        strictest[key] = condition if stricter else known
    return tuple(strictest.values())


def _scores(counts: Array, prior: Array, strength: float = 2.0) -> Array:
    """Score conditions by the m-estimate of the purity of the class they favour (Cestnik 1990)."""
    purity = (counts + strength * prior[:, None]) / (counts.sum(axis=0) + strength)
    return purity.max(axis=0)
