"""Late fusion of several attempts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np

from ...errors import PluginError
from ...features.cache import temporary_cache
from .._training import encode
from ..base import Attempt, Clips, Explanation, check_is_fitted
from ..persistence import pack, unpack
from ..registry import current_attempts

__all__ = ["LateFusion"]


@dataclass(kw_only=True, eq=False, repr=False)
class LateFusion(Attempt):
    """Combine the probabilities of several attempts, each fitted by itself (Kittler et al., PAMI 1998).

    Parameters
    ----------
    members : str
        Names of attempts, as listed by ``actionbench list attempts``, separated by ``+``; those of a run's plug-ins
        included.
    rule : {"mean", "product"}
        Whether probabilities are averaged, or multiplied and normalised.
    random_state : int
        Seed of each member that takes one.

    Attributes
    ----------
    members_ : list of Attempt
        The fitted attempts.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = LateFusion(members="mhi-hu + chance").fit(clips, labels, groups)
    >>> attempt.score(clips, labels)
    1.0
    """

    family = "features"

    members: str = "hog-svm + hof-svm"
    rule: Literal["mean", "product"] = "mean"
    random_state: int = 0

    def uses(self) -> list[type[Attempt]]:
        """Return the classes of the members, and those that these use in turn.

        Raises
        ------
        PluginError
            If a name is unknown, or there is only one.
        """
        members = self._members()
        return [*members, *(used for member in members for used in member().uses())]

    def _members(self) -> list[type[Attempt]]:
        names = [name.strip() for name in self.members.split("+")]
        if len(names) < 2:
            raise PluginError(f"late-fusion: members must name two attempts or more, got {self.members!r}")
        return [current_attempts().get(name) for name in names]

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Fit each member.

        Raises
        ------
        ValueError
            If the rule is unknown.
        """
        if self.rule not in ("mean", "product"):
            raise ValueError(f"rule must be mean or product, got {self.rule!r}")
        self.classes_, _ = encode(clips, labels)
        self.members_ = []
        with temporary_cache():
            for cls in self._members():
                member = cls()
                if "random_state" in member.get_params():
                    member.set_params(random_state=self.random_state)
                self.members_.append(member.fit(clips, labels, groups))
        return self

    def predict_proba(self, clips: Clips) -> np.ndarray:
        """Return the mean, or the product, of the members' probabilities."""
        check_is_fitted(self)
        with temporary_cache():
            votes = np.stack([member.predict_proba(clips) for member in self.members_])
        if self.rule == "mean":
            return votes.mean(axis=0)
        # Clipped, so that a member that is certain does not overrule all others.
        logs = np.log(np.maximum(votes, 1e-6)).sum(axis=0)
        powers = np.exp(logs - logs.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def search_space(self) -> dict[str, list[Any]]:
        """Return the candidate values of each parameter."""
        return {"rule": ["mean", "product"]}

    def count(self) -> dict[str, int]:
        """Return the number of fitted values of all members."""
        check_is_fitted(self)
        return {"parameters": sum(member.count().get("parameters", 0) for member in self.members_)}

    def explain(self) -> Explanation:
        """Return the explanations of all members."""
        check_is_fitted(self)
        texts: list[str] = []
        figures: dict[str, Any] = {}
        for number, member in enumerate(self.members_, start=1):
            name, explanation = f"{number}-{type(member).__name__}", member.explain()
            texts.append(f"{name}:\n{explanation}")
            figures |= {f"{name}-{key}": figure for key, figure in explanation.figures.items()}
        return Explanation("\n\n".join(texts), figures)

    def fitted_state(self) -> dict[str, Any]:
        """Return what `save` writes."""
        return {"classes_": self.classes_, "members_": [pack(member) for member in self.members_]}

    def restore_state(self, state: dict[str, Any]) -> None:
        """Restore the result of `fitted_state`."""
        self.classes_ = state["classes_"]
        self.members_ = [unpack(Attempt, packed) for packed in state["members_"]]
