"""A fully connected net that becomes sparse as it learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...literals import BelowOne, NonNegative, Positive, PositiveInt
from ._sparse_mlp import SparseMlp

if TYPE_CHECKING:
    from ...models import nn
    from ...models.training import Training

__all__ = ["MlpSparse"]


@dataclass(kw_only=True, eq=False, repr=False)
class MlpSparse(SparseMlp):
    """``mlp-flow`` trained with β-LASSO: small weights are set to zero and may become nonzero again (Neyshabur 2020).

    The number of nonzero weights follows from the training; biases are not penalised. Other parameters and attributes
    are those of `MlpFlow`; there is no weight decay.

    Parameters
    ----------
    strength : float
        λ: weight of the L1 norm of all weights in the loss.
    beta : float
        Weights smaller than ``beta * strength`` are set to zero after each step.
    momentum : float
        Momentum of gradient descent; the paper uses none and many more steps.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = MlpSparse(epochs=5).fit(clips[:6], labels[:6], groups[:6])
    >>> attempt.predict_proba(clips[6:]).shape
    (6, 3)
    """

    epochs: PositiveInt = 300
    learning_rate: Positive = 0.03
    weight_decay: NonNegative = 0.0
    strength: NonNegative = 1e-4
    beta: Positive = 50.0
    momentum: BelowOne = 0.9

    def _training(self, net: nn.Module) -> Training:
        from ...models import optim, structure

        strengths = {path: np.full(w.shape, self.strength) for path, w in structure.weights(net).items()}
        options: Mapping[str, Any] = {
            "lambda": structure.flat(net, strengths, 0.0),
            "beta": self.beta,
            "momentum": self.momentum,
        }
        how: dict[str, Any] = {
            "method": optim.beta_lasso,
            "options": options,
            "schedule": optim.cosine,
            "weight_decay": 0.0,
        }
        return replace(super()._training(net), **how)

    def search_space(self) -> dict[str, list[Any]]:
        """Return the candidate values of each parameter."""
        space = super().search_space()
        del space["weight_decay"]
        return {**space, "learning_rate": [0.01, 0.03, 0.1], "strength": [3e-5, 1e-4, 3e-4]}
