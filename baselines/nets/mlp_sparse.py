"""A fully connected net that becomes sparse as it learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ._sparse_mlp import SparseMlp

if TYPE_CHECKING:
    from ...models import nn
    from ...models.training import Training

__all__ = ["MlpSparse"]


@dataclass(kw_only=True, eq=False, repr=False)
class MlpSparse(SparseMlp):
    """``mlp-flow`` trained with β-LASSO: small weights become zero and may come back (Neyshabur 2020).

    How many stay is found, not asked for; biases are spared. Other parameters and attributes are those of `MlpFlow`;
    there is no weight decay.

    Parameters
    ----------
    strength : float
        λ: how much the loss rises with the sum of the sizes of all weights.
    beta : float
        Weights smaller than ``beta * strength`` become zero after each step.
    momentum : float
        Of the descent; the paper has none and many more steps.
    """

    epochs: int = 300
    learning_rate: float = 0.03
    weight_decay: float = 0.0
    strength: float = 1e-4
    beta: float = 50.0
    momentum: float = 0.9

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
        """Return the values worth trying."""
        space = super().search_space()
        del space["weight_decay"]
        return {**space, "learning_rate": [0.01, 0.03, 0.1], "strength": [3e-5, 1e-4, 3e-4]}
