"""Several attempts that vote."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np

from ...errors import PluginError
from ...features.cache import kept
from .._training import encode
from ..base import Attempt, Clips, Explanation, check_is_fitted
from ..persistence import pack, unpack
from ..registry import attempts_in_use

__all__ = ["LateFusion"]


class LateFusion(Attempt):
    """Let several attempts, each fitted by itself, vote with their probabilities (Kittler et al., PAMI 1998).

    Parameters
    ----------
    members : str
        Names of attempts, as ``actionbench list attempts`` gives them, with `` + `` between; a run knows those of its
        plug-ins, too.
    rule : {"mean", "product"}
        Whether probabilities are averaged, or multiplied and brought to sum 1.
    random_state : int
        Seed of each member that takes one.

    Attributes
    ----------
    members_ : list of Attempt
        The fitted attempts.
    """

    family = "features"

    def __init__(
        self,
        *,
        members: str = "hog-svm + hof-svm",
        rule: Literal["mean", "product"] = "mean",
        random_state: int = 0,
    ) -> None:
        self.members = members
        self.rule = rule
        self.random_state = random_state

    def uses(self) -> list[type[Attempt]]:
        """Return the classes of the members, and those that these make in turn.

        Raises
        ------
        PluginError
            If a name is that of no attempt, or there is only one.
        """
        members = self._members()
        return [*members, *(used for member in members for used in member().uses())]

    def _members(self) -> list[type[Attempt]]:
        names = [name.strip() for name in self.members.split("+")]
        if len(names) < 2:
            raise PluginError(f"late-fusion: members must name two attempts or more, got {self.members!r}")
        return [attempts_in_use().get(name) for name in names]

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Fit each member.

        Raises
        ------
        ValueError
            If the rule is another word.
        """
        if self.rule not in ("mean", "product"):
            raise ValueError(f"rule must be mean or product, got {self.rule!r}")
        self.classes_, _ = encode(clips, labels)
        self.members_ = []
        with kept():
            for cls in self._members():
                member = cls()
                if "random_state" in member.get_params():
                    member.set_params(random_state=self.random_state)
                self.members_.append(member.fit(clips, labels, groups))
        return self

    def predict_proba(self, clips: Clips) -> np.ndarray:
        """Return the mean, or the product, of the members' probabilities."""
        check_is_fitted(self)
        with kept():
            votes = np.stack([member.predict_proba(clips) for member in self.members_])
        if self.rule == "mean":
            return votes.mean(axis=0)
        # One member that is certain shall not be deaf to the others.
        logs = np.log(np.maximum(votes, 1e-6)).sum(axis=0)
        powers = np.exp(logs - logs.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def search_space(self) -> dict[str, list[Any]]:
        """Return the values worth trying for each parameter."""
        return {"rule": ["mean", "product"]}

    def count(self) -> dict[str, int]:
        """Return the number of fitted numbers of all members."""
        check_is_fitted(self)
        return {"parameters": sum(member.count().get("parameters", 0) for member in self.members_)}

    def explain(self) -> Explanation:
        """Let each member explain itself."""
        check_is_fitted(self)
        said: list[str] = []
        figures: dict[str, Any] = {}
        for place, member in enumerate(self.members_, start=1):
            name, explanation = f"{place}-{type(member).__name__}", member.explain()
            said.append(f"{name}:\n{explanation}")
            figures |= {f"{name}-{key}": figure for key, figure in explanation.figures.items()}
        return Explanation("\n\n".join(said), figures)

    def fitted_state(self) -> dict[str, Any]:
        """Return what `save` writes."""
        return {"classes_": self.classes_, "members_": [pack(member) for member in self.members_]}

    def restore_state(self, state: dict[str, Any]) -> None:
        """Take back what `fitted_state` gave."""
        self.classes_ = state["classes_"]
        self.members_ = [unpack(Attempt, packed) for packed in state["members_"]]
