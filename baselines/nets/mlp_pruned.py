"""A fully connected net that is pruned."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, get_args

from ...literals import Criterion, PositiveInt, Share
from ._sparse_mlp import SparseMlp

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...models import nn
    from ...models.training import Training

__all__ = ["MlpPruned"]


@dataclass(kw_only=True, eq=False, repr=False)
class MlpPruned(SparseMlp):
    """``mlp-flow`` with a tenth of its weights: trained, pruned and trained again from its initial values, in rounds.

    Remaining weights are rewound to their initial values (Frankle and Carbin 2019). ``criterion = "random"`` is the
    control: the same number of weights, chosen at random. ``density = 1`` is the dense net. On images the remaining
    inputs of a unit are neighbouring pixels, as in a convolution (Pellegrini and Biroli 2021); `explain` reports this
    locality for video. Other parameters and attributes are those of `MlpFlow`.

    Parameters
    ----------
    density, rounds, criterion
        See `Pruning`.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = MlpPruned(epochs=5, rounds=1).fit(clips[:6], labels[:6], groups[:6])
    >>> attempt.predict_proba(clips[6:]).shape
    (6, 3)
    """

    density: Share = 0.1
    rounds: PositiveInt = 5
    criterion: Criterion = "magnitude"

    def _training(self, net: nn.Module) -> Training:
        from ...models.structure import Pruning

        how = super()._training(net)
        return Pruning(
            **{field.name: getattr(how, field.name) for field in fields(how)},
            density=self.density,
            rounds=self.rounds,
            criterion=self.criterion,
            measure=self.localities,
        )

    def search_space(self) -> dict[str, list[Any]]:
        """Return the candidate values of each parameter."""
        return {
            **super().search_space(),
            "density": [0.03, 0.1, 0.3],
            "criterion": list(get_args(Criterion)),
        }

    def _pictures(self, net: nn.Module) -> dict[str, Figure]:
        from ...models import visualize

        return {**super()._pictures(net), "locality": visualize.locality_curve(self.curve_, self.criterion)}
