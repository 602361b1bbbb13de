"""Late fusion of several attempts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from ...errors import PluginError
from ..base import Attempt
from ..registry import current_attempts
from ._fusion import Fusion, Rule

__all__ = ["LateFusion"]


@dataclass(kw_only=True, eq=False, repr=False)
class LateFusion(Fusion):
    """Combine the probabilities of attempts by their names (Kittler et al., PAMI 1998).

    Attributes are those of `Fusion`.

    Parameters
    ----------
    members : str
        Names of attempts, as listed by ``actionbench list attempts``, separated by ``+``; those of a run's plug-ins
        included.
    rule : {"mean", "product", "weighted"}
        Whether probabilities are averaged, multiplied, or raised to weights and multiplied. The weights are those of
        least log loss on held-out groups of the training clips, drawn to equal ones. For them, a member other than an
        SVM or a fusion is fitted three times more.
    random_state : int
        Seed of each member that takes one.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = LateFusion(members="hof-svm + chance", rule="weighted").fit(clips, labels, groups)
    >>> attempt.score(clips, labels), bool(attempt.weights_[0] > attempt.weights_[1])
    (1.0, True)
    """

    members: str = "hog-svm + hof-svm"
    rule: Rule = "mean"
    random_state: int = 0

    def uses(self) -> list[type[Attempt]]:
        """Return the classes of the members, and those that these use in turn.

        Raises
        ------
        PluginError
            If a name is unknown, or there is only one.
        """
        members = self._classes()
        return [*members, *(used for member in members for used in member().uses())]

    def _classes(self) -> list[type[Attempt]]:
        names = [name.strip() for name in self.members.split("+")]
        if len(names) < 2:
            raise PluginError(
                f"{type(self).__name__}: members must name two attempts or more, got {self.members!r}"
            )
        return [current_attempts().get(name) for name in names]

    def _make_members(self) -> list[Attempt]:
        return [cls() for cls in self._classes()]

    def search_space(self) -> dict[str, list[Any]]:
        """Return the candidate values of each parameter."""
        return {"rule": list(get_args(Rule))}
