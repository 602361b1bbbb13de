"""A shallow decision tree on named quantities, printed as an ordered list of rules."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from .._training import encode, pick
from ..base import Clips
from ._rule_attempt import RuleAttempt, measured
from ._rule_list import MOST_CONDITIONS, Body, Condition, between, counted, merged, n_right

if TYPE_CHECKING:
    from sklearn.tree import DecisionTreeClassifier

__all__ = ["RulesTree"]

_DEPTHS = [2, 3, 4]
_LEASTS = [1, 2, 4]


class RulesTree(RuleAttempt):
    """Decide by a decision tree of at most four levels (CART: Breiman et al. 1984), as a list of rules.

    At each split the side with fewer leaves comes first in the list, so that the other side need not repeat the
    test: the list reaches it only where the test failed. Tests of one quantity on one side become one. A split
    below which a rule would need more than three tests is left out, and so is one whose leaves all agree. Depth
    and the fewest clips of a leaf are chosen on held-out groups of the training clips.

    Parameters
    ----------
    max_depth : int, optional
        Most levels, 1 to 4; chosen on held-out groups by default.
    least : int, optional
        Fewest training clips of a leaf, 1 or more; chosen on held-out groups by default.

    Attributes
    ----------
    max_depth_, least_
        The values chosen.
    """

    chosen = ("max_depth_", "least_")

    def __init__(self, *, max_depth: int | None = None, least: int | None = None) -> None:
        self.max_depth = max_depth
        self.least = least

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Measure the clips, choose how large the tree may be on held-out groups, grow it on all.

        Raises
        ------
        ValueError
            If ``max_depth`` is not 1 to 4, or ``least`` no whole number from 1.
        """
        if self.max_depth not in (None, 1, 2, 3, 4):
            raise ValueError(f"max_depth must be 1, 2, 3 or 4, got {self.max_depth!r}")
        if self.least is not None and (not isinstance(self.least, int) or self.least < 1):
            raise ValueError(f"least must be a whole number from 1, got {self.least!r}")
        self.classes_, codes = encode(clips, labels)
        table, n_classes = measured(clips), len(self.classes_)

        def right(choice: tuple[int, int], train: NDArray[np.intp], held: NDArray[np.intp]) -> int:
            bodies = _grown(table[train], codes[train], *choice)
            rules = counted(bodies, table[train], codes[train], n_classes)
            return n_right(rules, table[held], codes[held])

        depths = _DEPTHS if self.max_depth is None else [self.max_depth]
        leasts = _LEASTS if self.least is None else [self.least]
        choices = list(product(depths, leasts))
        self.max_depth_, self.least_ = pick(choices, right, len(codes), groups)
        bodies = _grown(table, codes, self.max_depth_, self.least_)
        self.rules_ = counted(bodies, table, codes, n_classes)
        return self

    def search_space(self) -> dict[str, list[Any]]:
        """Return the values worth trying for each parameter."""
        return {"max_depth": _DEPTHS, "least": _LEASTS}


def _grown(table: NDArray[np.float64], codes: NDArray[np.intp], depth: int, least: int) -> list[Body]:
    from sklearn.tree import DecisionTreeClassifier

    # The seed only orders splits that are equally good.
    model = DecisionTreeClassifier(max_depth=depth, min_samples_leaf=least, random_state=0).fit(table, codes)
    return list(_listed(_Tree(model, table), 0, ()))


class _Tree:
    """A fitted tree, node by node; node 0 is the root."""

    def __init__(self, model: DecisionTreeClassifier, table: NDArray[np.float64]) -> None:
        self._tree, self._classes, self._table = model.tree_, model.classes_, table

    def children(self, node: int) -> list[int]:
        """Return the nodes below, none below a leaf or where all leaves agree."""
        sides = self._sides(node)
        return sides if len({self.label(leaf) for leaf in self.leaves(node)}) > 1 else []

    def _sides(self, node: int) -> list[int]:
        left, right = int(self._tree.children_left[node]), int(self._tree.children_right[node])
        return [left, right] if left != right else []

    def leaves(self, node: int) -> list[int]:
        """Return the leaves at and below a node."""
        return [leaf for side in self._sides(node) for leaf in self.leaves(side)] or [node]

    def label(self, node: int) -> int:
        """Return the class that most training clips of a node have."""
        return int(self._classes[np.argmax(self._tree.value[node])])

    def condition(self, node: int, side: int) -> Condition:
        """Return the condition for going to the left, 0, or to the right, 1."""
        quantity = int(self._tree.feature[node])
        values, threshold = self._table[:, quantity], self._tree.threshold[node]
        low, high = values[values <= threshold].max(), values[values > threshold].min()
        return Condition(quantity, side == 1, between(float(low), float(high)))


def _listed(tree: _Tree, node: int, conditions: tuple[Condition, ...]) -> Iterator[Body]:
    """Yield the rules at and below a node, given what is to be tested of those who get there."""
    children = tree.children(node)
    if children:
        first = int(len(tree.leaves(children[0])) > len(tree.leaves(children[1])))
        longer = merged([*conditions, tree.condition(node, first)])
        if len(longer) <= MOST_CONDITIONS:
            yield from _listed(tree, children[first], longer)
            yield from _listed(tree, children[1 - first], conditions)
            return
    yield conditions, tree.label(node)
