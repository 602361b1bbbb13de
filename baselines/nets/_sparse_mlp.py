"""What fully connected nets that lose most of their weights have in common."""

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

#: Distances along time, height and width in which locality is measured.
SCALES = {"space": (0.0, 1.0, 1.0), "time": (1.0, 0.0, 0.0)}


@dataclass(kw_only=True, eq=False, repr=False)
class SparseMlp(MlpFlow):
    """A fully connected net on flow about the mover, of whose weights most are zero in the end.

    Parameters and attributes are those of `MlpFlow`.
    """

    def _first_mask(self, net: nn.Module) -> NDArray[np.bool_]:
        """Return which inputs each unit of the first layer has."""
        from ...models import structure

        return next(iter(structure.connections(net).values()))

    def localities(self, net: nn.Module) -> dict[str, float]:
        """Return the mean of `structure.locality` over the first layer's units, beside what it would be without them.

        ``space`` and ``time`` are those of the net, ``shared space`` and ``shared time`` what comes from where all
        units look (`structure.shared_locality`), ``chance space`` and ``chance time`` those of masks with as many
        inputs of each unit at random; NaN where no unit has two inputs.
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
        """Return the counts of `NetAttempt.count`, but only parameters that are not zero.

        The operations are those that are done, zeros included.
        """
        from ...models import structure

        return {**super().count(), "parameters": structure.count_parameters(self.net())}

    def explain(self) -> Explanation:
        """Return what is left of the net and where it looks, with pictures of both."""
        from ...models import structure

        explanation, net = super().explain(), self.net()
        masks = list(structure.connections(net).values())
        left, total = (sum(count(mask) for mask in masks) for count in (np.count_nonzero, np.size))
        fan_in = masks[0].sum(axis=1)
        found = self.localities(net)
        text = (
            f"{explanation}\n{left:,} of {total:,} weights are left ({left / total:.1%}); "
            f"{structure.effective_density(masks):.1%} of all stand on a way from an input to a score. "
            f"{np.count_nonzero(fan_in)} of {len(fan_in)} units of the first layer look at anything, at "
            f"{_mean(fan_in[fan_in > 0]):.1f} of {masks[0].shape[1]:,} numbers each. Their inputs lie "
            f"{found['space']:.2f} times as far apart in space as by chance, {found['time']:.2f} times in time; drawn "
            f"by how many units look at each it would be {found['shared space']:.2f} and {found['shared time']:.2f}."
        )
        return Explanation(text, explanation.figures)

    def _pictures(self, net: nn.Module) -> dict[str, Figure]:
        from ...models import visualize

        return {
            **super()._pictures(net),
            "connectivity": visualize.connectivity(self._first_mask(net), self._reader().shape),
        }


def _mean(values: NDArray[np.floating]) -> float:
    """Return the mean of what is a number, NaN where nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
