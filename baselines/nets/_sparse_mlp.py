"""Base class of sparse fully connected nets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..base import Explanation
from .mlp_flow import MlpFlow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...models import nn

#: Units of distance along time, height and width for the measures of locality.
SCALES = {"space": (0.0, 1.0, 1.0), "time": (1.0, 0.0, 0.0)}


@dataclass(kw_only=True, eq=False, repr=False)
class SparseMlp(MlpFlow):
    """A fully connected net on flow about the person, most of whose weights become zero in training.

    Parameters and attributes are those of `MlpFlow`.
    """

    def _first_mask(self, net: nn.Module) -> NDArray[np.bool_]:
        """Return which inputs each unit of the first layer has."""
        from ...models import structure

        return next(iter(structure.connections(net).values()))

    def localities(self, net: nn.Module) -> dict[str, float]:
        """Return the mean of `structure.locality` over the first layer's units, with two references.

        ``space`` and ``time`` are those of the net, ``shared space`` and ``shared time`` those explained by the inputs
        that all units have in common (`structure.shared_locality`), ``chance space`` and ``chance time`` those of
        random masks with as many inputs of each unit; NaN where no unit has two inputs.
        """
        from ...models import structure

        mask, shape = self._first_mask(net), self._reader().shape
        drawn = np.random.default_rng(self.random_state).permuted(mask, axis=1)
        found = {}
        for name, scale in SCALES.items():
            found[name] = _mean(structure.locality(mask, shape, scale))
            found[f"shared {name}"] = structure.shared_locality(mask, shape, scale)
            found[f"chance {name}"] = _mean(structure.locality(drawn, shape, scale))
        return found

    def count(self) -> dict[str, int]:
        """Return the counts of `NetAttempt.count`, with nonzero parameters only.

        The operations include those with zero weights.
        """
        from ...models import structure

        return {**super().count(), "parameters": structure.count_parameters(self.net())}

    def explain(self) -> Explanation:
        """Describe the remaining weights and the locality of the first layer, with figures of both."""
        from ...models import structure

        explanation, net = super().explain(), self.net()
        masks = list(structure.connections(net).values())
        left, total = (sum(count(mask) for mask in masks) for count in (np.count_nonzero, np.size))
        fan_in = masks[0].sum(axis=1)
        found = self.localities(net)
        text = (
            f"{explanation}\n{left:,} of {total:,} weights are nonzero ({left / total:.1%}); "
            f"{structure.effective_density(masks):.1%} of all lie on a path from an input to an output. "
            f"{np.count_nonzero(fan_in)} of {len(fan_in)} units of the first layer have inputs, "
            f"{_mean(fan_in[fan_in > 0]):.1f} of {masks[0].shape[1]:,} on average. Their inputs are "
            f"{found['space']:.2f} times as far apart in space as random inputs, {found['time']:.2f} times in time; of "
            f"inputs drawn by how many units share them it would be {found['shared space']:.2f} and "
            f"{found['shared time']:.2f}."
        )
        return Explanation(text, explanation.figures)

    def _pictures(self, net: nn.Module) -> dict[str, Figure]:
        from ...models import visualize

        return {
            **super()._pictures(net),
            "connectivity": visualize.connectivity(self._first_mask(net), self._reader().shape),
        }


def _mean(values: NDArray[np.floating]) -> float:
    """Return the mean of the finite values, NaN if there is none."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
