"""A fully connected net on the descriptors of the feature attempts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from ...features.cache import Arrays
from ...literals import NonNegative, Positive, PositiveInt
from ..base import Explanation
from ..handcrafted._svm import parse_channels, weight_shares
from ..handcrafted.hog_hof_mbh_svm import HogHofMbhSvm
from .net import NetAttempt, Reader

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...features.descriptors import GridDescriptor
    from ...models import nn

__all__ = ["MlpFeatures"]


@dataclass(kw_only=True, eq=False, repr=False)
class MlpFeatures(NetAttempt):
    """Fully connected layers on HOG, HOF and MBH about the person, the vector of ``hog-hof-mbh-svm``.

    A comparison with that attempt separates the effect of the classifier from that of the features. Other parameters
    and attributes are those of `NetAttempt`.

    Parameters
    ----------
    channels : str
        Descriptors to use, separated by ``+``.
    hidden : sequence of int
        Units of each hidden layer.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = MlpFeatures(epochs=20).fit(clips[:6], labels[:6], groups[:6])
    >>> attempt.predict_proba(clips[6:]).shape
    (6, 3)
    """

    family = "dense"

    channels: str = "hog+hof+mbh"
    epochs: PositiveInt = 150
    hidden: tuple[int, ...] = (128,)
    learning_rate: Positive = 2e-3
    weight_decay: NonNegative = 1e-1
    batch_size: PositiveInt = 32

    def _descriptor(self) -> GridDescriptor:
        from ...features.descriptors import GridDescriptor

        return GridDescriptor(parse_channels(self.channels, HogHofMbhSvm.known_channels))

    def _reader(self) -> Reader:
        return _DescriptorReader(self._descriptor())

    def _untrained(self, n_classes: int) -> nn.Module:
        from ...models import zoo

        n_in = self._reader().shape[0]
        return zoo.mlp(n_in, *self.hidden, n_classes, dropout=self._settings().dropout, rng=self.random_state)

    def explain(self) -> Explanation:
        """Describe the net, and the share of each descriptor in the weights of the first layer."""
        from ...models import nn

        explanation = super().explain()
        weights = cast(nn.Linear, self.net().find_modules(nn.Linear)[0]).weight.value
        power = np.linalg.norm(weights, axis=0, keepdims=True)
        line = weight_shares(power, self._descriptor().sizes(), np.array(["first layer"]))
        return Explanation("\n".join([explanation, *line]), explanation.figures)

    def _pictures(self, net: nn.Module) -> dict[str, Figure]:
        """Return no figure, as weights on histograms are no patches."""
        return {}

    def search_space(self) -> dict[str, list[Any]]:
        """Return the candidate values of each parameter."""
        return {
            "learning_rate": [5e-4, 2e-3, 5e-3],
            "dropout": [0.1, 0.3, 0.5],
            "hidden": [[64], [128], [256], [128, 128]],
            "weight_decay": [1e-2, 1e-1, 1.0],
        }


@dataclass(frozen=True)
class _DescriptorReader:
    """Returns the descriptor of a clip; for training, half of the time that of its mirror image."""

    small: GridDescriptor

    @property
    def shape(self) -> tuple[int, ...]:
        return (sum(self.small.sizes().values()),)

    def augment(self, video: Arrays, rng: np.random.Generator) -> NDArray[np.float32]:
        rows = video["descriptor"][np.newaxis]
        return _scaled(self.small.mirror(rows) if rng.random() < 0.5 else rows)[0]

    def test_views(self, video: Arrays, n: int) -> NDArray[np.float32]:
        return _scaled(video["descriptor"][np.newaxis])


def _scaled(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    """Scale each row to a mean square of 1, as the initialisation of layers assumes."""
    size = np.sqrt(np.mean(rows**2, axis=1, keepdims=True))
    return (rows / np.maximum(size, 1e-9)).astype(np.float32)
