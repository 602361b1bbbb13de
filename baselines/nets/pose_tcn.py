"""A net of convolutions in time on joints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...literals import Positive, PositiveInt
from .._pose import PoseInput
from ..base import Explanation
from .net import NetAttempt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...features.pose_vectors import PoseReader
    from ...models import nn

__all__ = ["PoseTcn"]


@dataclass(kw_only=True, eq=False, repr=False)
class PoseTcn(PoseInput, NetAttempt):
    """Convolutions in time on the distances of joints and on two speeds of their motion.

    After DD-Net (Yang, Sakti, Wu and Nakamura, "Make skeleton-based action recognition model smaller, faster and
    better", ACM MM Asia 2019), in the training of the other nets here. Other parameters and attributes are those of
    `PoseInput` and `NetAttempt`.

    Parameters
    ----------
    frames : int
        Frames of a sequence.
    rate : float
        Frames per second of a sequence.
    width : int
        Channels of each of the three embeddings; the last stage has eight times as many.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = PoseTcn(epochs=2, width=4).fit(clips[:6], labels[:6], groups[:6])
    >>> attempt.predict_proba(clips[6:]).shape
    (6, 3)
    """

    family = "convnet"

    epochs: PositiveInt = 80
    frames: PositiveInt = 32
    rate: Positive = 25.0
    width: PositiveInt = 16

    def _reader(self) -> PoseReader:
        from ...features.pose_vectors import PoseReader

        return PoseReader(self._track(), self.frames, self.rate)

    def _untrained(self, n_classes: int) -> nn.Module:
        from ...models import zoo

        channels, dropout = self._reader().channels, self._settings().dropout
        return zoo.pose_tcn(n_classes, channels, self.width, dropout, rng=self.random_state)

    def _pictures(self, net: nn.Module) -> dict[str, Figure]:
        """Return no figure, as weights on distances are no patches."""
        return {}

    def explain(self) -> Explanation:
        """Describe the net, its input and its training."""
        text = (
            "Input of a frame: the distances of all pairs of 14 joints, their motion to the next frame and to the "
            "second next, in body heights and seconds."
        )
        explanation = super().explain()
        return Explanation(f"{explanation}\n{text}", explanation.figures)

    def search_space(self) -> dict[str, list[Any]]:
        """Return the candidate values of each parameter."""
        return {
            "learning_rate": [2e-3, 5e-3, 1e-2],
            "dropout": [0.1, 0.3, 0.5],
            "width": [8, 16, 32],
            "weight_decay": [1e-3, 1e-2, 1e-1],
        }
