"""The fusion of the most accurate families."""

from __future__ import annotations

from dataclasses import dataclass

from ._fusion import Rule
from .late_fusion import LateFusion

__all__ = ["Ensemble"]


@dataclass(kw_only=True, eq=False, repr=False)
class Ensemble(LateFusion):
    """Trajectories, grids, interest points and a net on flow, with weights of held-out groups of the training clips.

    Parameters and attributes are those of `LateFusion`. The net is fitted four times.

    Examples
    --------
    >>> Ensemble().members
    'dense-trajectories + grids-svm + stip-bow + convnet-s3d'
    """

    members: str = "dense-trajectories + grids-svm + stip-bow + convnet-s3d"
    rule: Rule = "weighted"
