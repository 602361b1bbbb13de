"""A 3D ConvNet with separable convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...literals import Input, View
from .net import ConvNet

if TYPE_CHECKING:
    from ...models import nn

__all__ = ["ConvNetS3d"]


@dataclass(kw_only=True, eq=False, repr=False)
class ConvNetS3d(ConvNet):
    """``s3d_small``: convolutions in space, then in time, on flow about the person, trained from scratch.

    After S3D (Xie et al., ECCV 2018) and R(2+1)D (Tran et al., CVPR 2018), with few channels. Other parameters and
    attributes are those of `ConvNet`.

    Parameters
    ----------
    widths : sequence of int
        Channels of each stage.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = ConvNetS3d(epochs=1, widths=(2, 2, 2, 2)).fit(clips[:6], labels[:6], groups[:6])
    >>> attempt.predict_proba(clips[6:]).shape
    (6, 3)
    """

    input: Input = "flow"
    view: View = "person"
    widths: tuple[int, ...] = (16, 32, 64, 128)

    def _untrained(self, n_classes: int) -> nn.Module:
        from ...models import zoo

        dropout = self._settings().dropout
        return zoo.s3d_small(n_classes, self._n_channels(), self.widths, dropout, rng=self.random_state)
