"""An ordered list of rules on angles, distances and speeds of joints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .._pose import PoseInput
from ..base import Clips
from ._rule_attempt import measure_poses
from .rules import Rules

if TYPE_CHECKING:
    from ...features.quantities import Quantity

__all__ = ["PoseRules"]


@dataclass(kw_only=True, eq=False, repr=False)
class PoseRules(PoseInput, Rules):
    """Decide by the first of a few readable rules on a pose that holds.

    The list is learned as that of ``rules``, on angles at elbows, knees, shoulders and hips in degrees, and on
    distances and speeds of hands, feet and hips in body heights (`POSE_QUANTITIES`). It can be exported, edited, and
    run as ``rules-file`` with the parameter ``pose``. Other parameters and attributes are those of `PoseInput` and
    `Rules`.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> attempt = PoseRules(softness=0.1, min_clips=1).fit(clips, labels, groups)
    >>> print(attempt.explain())
    if elbow angle > 160 degrees then walking   (4 of 4 training clips)
    if elbow range > 24.5 degrees then handwaving   (4 of 4 training clips)
    otherwise boxing   (4 of 4 training clips)
    """

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The quantities that rules test."""
        from ...features.pose_quantities import POSE_QUANTITIES

        return POSE_QUANTITIES

    def measure(self, clips: Clips) -> NDArray[np.float64]:
        """Measure each clip, shape (n_clips, n_quantities)."""
        return measure_poses(clips, self._track())
