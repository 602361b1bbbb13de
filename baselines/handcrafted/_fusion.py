"""What attempts that combine others have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from ...features.cache import temporary_cache
from .._training import encode, softmax
from ..base import Attempt, Clips, Explanation, check_is_fitted
from ..calibration import held_out_proba
from ..persistence import pack, unpack

__all__ = ["Fusion", "Rule", "fusion_weights", "pooled"]

Array = NDArray[np.float64]
Rule = Literal["mean", "product", "weighted"]

# How strongly weights are drawn to equal ones.
_PRIOR = 10.0


class Fusion(Attempt):
    """Combine the probabilities of several attempts, each fitted by itself (Kittler et al., PAMI 1998).

    A subclass defines the attempts, and has the parameters ``rule`` and ``random_state``.

    Attributes
    ----------
    members_ : list of Attempt
        The fitted attempts.
    weights_ : ndarray, shape (n_members,)
        What their probabilities are multiplied by or, unless ``rule`` is ``"mean"``, raised to: equal unless it is
        ``"weighted"``.
    """

    family = "features"
    rule: Rule
    random_state: int

    @abstractmethod
    def _make_members(self) -> Sequence[Attempt]:
        """Create the attempts to be fitted."""

    def _name(self, number: int, member: Attempt) -> str:
        """Name a member in explanations."""
        return f"{number}-{type(member).__name__}"

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Fit each member, and choose the weights on held-out groups of the training clips.

        Raises
        ------
        ValueError
            If the rule is unknown.
        """
        if self.rule not in get_args(Rule):
            raise ValueError(f"rule must be one of {', '.join(get_args(Rule))}, got {self.rule!r}")
        self.classes_, codes = encode(clips, labels)
        self.members_ = []
        self._held_out_proba: Array | None = None
        with temporary_cache():
            for member in self._make_members():
                if "random_state" in member.get_params():
                    member.set_params(random_state=self.random_state)
                self.members_.append(member.fit(clips, labels, groups))
            equal = 1.0 if self.rule == "product" else 1 / len(self.members_)
            self.weights_ = np.full(len(self.members_), equal)
            if self.rule == "weighted":
                votes = np.stack([held_out_proba(member, clips, labels, groups) for member in self.members_])
                held = np.isfinite(votes).all(axis=(0, 2))
                self.weights_ = fusion_weights(votes[:, held], codes[held])
                self._held_out_proba = self._fused(votes)
        return self

    def held_out_proba(self) -> Array | None:
        """Return probabilities of the clips of the last `fit` by members that learned from other groups.

        None unless weights were chosen.
        """
        return self._held_out_proba

    def predict_proba(self, clips: Clips) -> np.ndarray:
        """Return the mean, or the product, of the members' probabilities."""
        check_is_fitted(self)
        with temporary_cache():
            votes = np.stack([member.predict_proba(clips) for member in self.members_])
        return self._fused(votes)

    def _fused(self, votes: Array) -> Array:
        if self.rule == "mean":
            return np.asarray(np.tensordot(self.weights_, votes, axes=1))
        return pooled(votes, self.weights_)

    def warnings(self) -> dict[str, str]:
        """Return those of all members."""
        return {
            code: text for member in getattr(self, "members_", []) for code, text in member.warnings().items()
        }

    def count(self) -> dict[str, int]:
        """Return the number of fitted values of all members, and of their weights."""
        check_is_fitted(self)
        weights = len(self.weights_) if self.rule == "weighted" else 0
        members = sum(member.count().get("parameters", 0) for member in self.members_)
        return {"parameters": members + weights}

    @property
    def pretrained(self) -> str:
        """What the members were trained on."""
        members = getattr(self, "members_", None) or self._make_members()
        return "; ".join(dict.fromkeys(filter(None, (member.pretrained for member in members))))

    def explain(self) -> Explanation:
        """Return the weights, and the explanations of all members."""
        check_is_fitted(self)
        names = [self._name(number, member) for number, member in enumerate(self.members_, start=1)]
        texts: list[str] = []
        figures: dict[str, Any] = {}
        if self.rule == "weighted":
            shares = (f"{name} {weight:.2f}" for name, weight in zip(names, self.weights_, strict=True))
            texts.append(f"weights: {', '.join(shares)}")
        for name, member in zip(names, self.members_, strict=True):
            explanation = member.explain()
            texts.append(f"{name}:\n{explanation}")
            figures |= {f"{name}-{key}": figure for key, figure in explanation.figures.items()}
        return Explanation("\n\n".join(texts), figures)

    def fitted_state(self) -> dict[str, Any]:
        """Return what `save` writes."""
        members = [pack(member) for member in self.members_]
        return {"classes_": self.classes_, "weights_": self.weights_, "members_": members}

    def restore_state(self, state: dict[str, Any]) -> None:
        """Restore the result of `fitted_state`."""
        self.classes_, self.weights_ = state["classes_"], state["weights_"]
        self.members_ = [unpack(Attempt, packed) for packed in state["members_"]]


def pooled(votes: Array, weights: Array) -> Array:
    """Return the products of probabilities raised to weights, of sum 1 over the classes.

    Parameters
    ----------
    votes : ndarray, shape (n_members, n_clips, n_classes)
        Probabilities; raised to 1e-6 at least, so that a member that is certain does not overrule all others.
    weights : ndarray, shape (n_members,)
        The exponents.

    Examples
    --------
    >>> pooled(np.array([[[0.8, 0.2]], [[0.5, 0.5]]]), np.array([1.0, 1.0]))
    array([[0.8, 0.2]])
    """
    return softmax(np.tensordot(weights, np.log(np.maximum(votes, 1e-6)), axes=1))


def fusion_weights(votes: Array, codes: NDArray[np.intp]) -> Array:
    """Return the weights of the logarithmic opinion pool of least log loss (Genest and Zidek 1986; Heskes 1998).

    Weights are not negative, and few clips move them little from equal ones: each has a Gaussian prior of mean 1 / M
    and variance 1 / 20.

    Parameters
    ----------
    votes : ndarray, shape (n_members, n_clips, n_classes)
        Probabilities of clips that the members did not learn from.
    codes : ndarray of int, shape (n_clips,)
        Their classes.

    Returns
    -------
    ndarray of float64, shape (n_members,)
        Exponents for `pooled`; 1 / M where there is no clip.

    Examples
    --------
    >>> right, wrong = [[0.9, 0.1], [0.1, 0.9]], [[0.1, 0.9], [0.9, 0.1]]
    >>> fusion_weights(np.array([right, wrong]), np.array([0, 1])).round(1)
    array([0.6, 0.4])
    """
    from scipy.optimize import minimize

    logs, equal = np.log(np.maximum(votes, 1e-6)), 1 / len(votes)
    chosen = logs[:, np.arange(len(codes)), codes]

    def loss(weights: Array) -> tuple[float, Array]:
        fused = pooled(votes, weights)
        away = weights - equal
        slopes = (fused * logs).sum(axis=(1, 2)) - chosen.sum(axis=1) + 2 * _PRIOR * away
        right = np.maximum(fused[np.arange(len(codes)), codes], 1e-300)
        return float(-np.log(right).sum() + _PRIOR * (away**2).sum()), slopes

    start = np.full(len(votes), equal)
    if not len(codes):
        return start
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(votes))
    return np.asarray(found.x)
