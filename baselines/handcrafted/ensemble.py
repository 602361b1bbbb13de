"""The fusion of the most accurate families."""

from __future__ import annotations

from dataclasses import dataclass

from ._fusion import Rule
from .late_fusion import LateFusion

__all__ = ["Ensemble"]


@dataclass(kw_only=True, eq=False, repr=False)
class Ensemble(LateFusion):
    """Trajectories, grids and a net on optical flow, with weights of held-out groups of the training clips.

    Parameters and attributes are those of `LateFusion`. The net is fitted four times.

    Examples
    --------
    >>> Ensemble().members
    'dense-trajectories + grids-svm + convnet-flow'
    """

    members: str = "dense-trajectories + grids-svm + convnet-flow"
    rule: Rule = "weighted"
