"""A shallow decision tree on named quantities, printed as an ordered list of rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ...literals import PositiveInt
from .._training import choose, encode
from ..base import Clips
from ._rule_attempt import RuleAttempt, measure_clips
from ._rule_list import (
    MAX_CONDITIONS,
    Body,
    Condition,
    make_rules,
    merge_conditions,
    n_correct,
    threshold_between,
)

if TYPE_CHECKING:
    from sklearn.tree import DecisionTreeClassifier

__all__ = ["RulesTree"]

_DEPTHS = [2, 3, 4]
_SIZES = [1, 2, 4]


@dataclass(kw_only=True, eq=False, repr=False)
class RulesTree(RuleAttempt):
    """Decide by a decision tree of at most four levels (CART: Breiman et al. 1984), as a list of rules.

    At each split the side with fewer leaves comes first in the list, so that the other side need not repeat the
    condition: the list reaches it only where the condition fails. Conditions on one quantity in one direction are
    merged. A split below which a rule would need more than three conditions is left out, and so is one whose leaves all
    agree. The depth and the smallest number of clips of a leaf are chosen on held-out groups of the training clips.

    Parameters
    ----------
    max_depth : int, optional
        Largest number of levels, 1 to 4; chosen on held-out groups by default.
    min_clips : int, optional
        Smallest number of training clips of a leaf, 1 or more; chosen on held-out groups by default.

    Attributes
    ----------
    max_depth_, min_clips_
        The values chosen.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> print(RulesTree(max_depth=2, min_clips=1).fit(clips, labels, groups).explain())
    if lower motion <= 0.298 then handwaving   (4 of 4 training clips)
    if motion speed <= 3.62 heights/s then walking   (4 of 4 training clips)
    otherwise boxing   (4 of 4 training clips)
    """

    tuned = ("max_depth_", "min_clips_")

    max_depth: Literal[1, 2, 3, 4] | None = None
    min_clips: PositiveInt | None = None

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Measure the clips, choose the size of the tree on held-out groups, grow it on all clips.

        Raises
        ------
        ValueError
            If ``max_depth`` is not 1 to 4, or ``min_clips`` no positive integer.
        """
        if self.max_depth not in (None, 1, 2, 3, 4):
            raise ValueError(f"max_depth must be 1, 2, 3 or 4, got {self.max_depth!r}")
        if self.min_clips is not None and (not isinstance(self.min_clips, int) or self.min_clips < 1):
            raise ValueError(f"min_clips must be a positive integer, got {self.min_clips!r}")
        self.classes_, codes = encode(clips, labels)
        table, n_classes = measure_clips(clips), len(self.classes_)

        def score(choice: tuple[int, int], train: NDArray[np.intp], test: NDArray[np.intp]) -> int:
            bodies = _grow_tree(table[train], codes[train], *choice)
            rules = make_rules(bodies, table[train], codes[train], n_classes)
            return n_correct(rules, table[test], codes[test])

        depths = _DEPTHS if self.max_depth is None else [self.max_depth]
        sizes = _SIZES if self.min_clips is None else [self.min_clips]
        choices = list(product(depths, sizes))
        self.max_depth_, self.min_clips_ = choose(choices, score, len(codes), groups)
        bodies = _grow_tree(table, codes, self.max_depth_, self.min_clips_)
        self.rules_ = make_rules(bodies, table, codes, n_classes)
        return self

    def search_space(self) -> dict[str, list[Any]]:
        """Return the candidate values of each parameter."""
        return {"max_depth": _DEPTHS, "min_clips": _SIZES}


def _grow_tree(table: NDArray[np.float64], codes: NDArray[np.intp], depth: int, min_clips: int) -> list[Body]:
    from sklearn.tree import DecisionTreeClassifier

    # The seed only orders splits that are equally good.
    model = DecisionTreeClassifier(max_depth=depth, min_samples_leaf=min_clips, random_state=0).fit(
        table, codes
    )
    return list(_rules_below(_Tree(model, table), 0, ()))


class _Tree:
    """A fitted tree, node by node; node 0 is the root."""

    def __init__(self, model: DecisionTreeClassifier, table: NDArray[np.float64]) -> None:
        self._tree, self._classes, self._table = model.tree_, model.classes_, table

    def children(self, node: int) -> list[int]:
        """Return the child nodes; none of a leaf, or where all leaves agree."""
        sides = self._sides(node)
        return sides if len({self.label(leaf) for leaf in self.leaves(node)}) > 1 else []

    def _sides(self, node: int) -> list[int]:
        left, right = int(self._tree.children_left[node]), int(self._tree.children_right[node])
        return [left, right] if left != right else []

    def leaves(self, node: int) -> list[int]:
        """Return the leaves at and below a node."""
        return [leaf for side in self._sides(node) for leaf in self.leaves(side)] or [node]

    def label(self, node: int) -> int:
        """Return the most frequent class of a node."""
        return int(self._classes[np.argmax(self._tree.value[node])])

    def condition(self, node: int, side: int) -> Condition:
        """Return the condition for the left child, 0, or the right one, 1."""
        quantity = int(self._tree.feature[node])
        values, threshold = self._table[:, quantity], self._tree.threshold[node]
        low, high = values[values <= threshold].max(), values[values > threshold].min()
        return Condition(quantity, side == 1, threshold_between(float(low), float(high)))


def _rules_below(tree: _Tree, node: int, conditions: tuple[Condition, ...]) -> Iterator[Body]:
    """Yield the rules at and below a node, given the conditions under which it is reached."""
    children = tree.children(node)
    if children:
        first = int(len(tree.leaves(children[0])) > len(tree.leaves(children[1])))
        longer = merge_conditions([*conditions, tree.condition(node, first)])
        if len(longer) <= MAX_CONDITIONS:
            yield from _rules_below(tree, children[first], longer)
            yield from _rules_below(tree, children[1 - first], conditions)
            return
    yield conditions, tree.label(node)
