"""The course of the joints of the person who acts, in body heights, from any source of poses."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ActionbenchError
from .cache import compute_one
from .clip import Clip
from .pose import JOINTS, Pose, body_height, follow_person

__all__ = ["CLIP_TRACK", "NO_POSE", "BodyTrack", "EstimatedPose", "disturbed"]

#: What is said where there is none.
NO_POSE = (
    "the clips have no pose: give the data set poses = (a file or folder with them), or the attempt "
    "pose = (the ONNX file of a model that finds them)"
)


@dataclass(frozen=True)
class EstimatedPose:
    """Poses that a model finds in the frames of a clip.

    Parameters
    ----------
    digest : str
        Hash of a model, see `features.pose_model.model_digest`.
    path : Path
        Where it lies, which is no part of the key.
    """

    digest: str
    path: Path = field(repr=False, compare=False)

    def extract(self, clip: Clip) -> dict[str, NDArray[Any]]:
        """Return ``"joints"`` and ``"scores"`` as a `Pose` has them, of the joints of `JOINTS`."""
        from .pose_model import load_model

        pose = load_model(self.path, self.digest).estimate(clip).common()
        return {"joints": pose.joints, "scores": pose.scores}


@dataclass(frozen=True)
class BodyTrack:
    """The joints of the person who acts, without gaps.

    Parameters
    ----------
    model : EstimatedPose, optional
        What finds the poses; by default they are those of the clips.
    noise : float
        Standard deviation of normal noise that is added to each coordinate, in body heights.
    dropout : float
        Share of the joints that are taken away, each by itself.
    seed : int
        Seed of both.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> track = BodyTrack().extract(examples()[0][0])
    >>> track["joints"].shape, bool(track["seen"].all())
    ((18, 14, 2), True)
    """

    model: EstimatedPose | None = None
    noise: float = 0.0
    dropout: float = 0.0
    seed: int = 0

    def extract(self, clip: Clip) -> dict[str, NDArray[Any]]:
        """Follow the person.

        Returns
        -------
        dict
            ``"joints"`` (T, 14, 2 or 3) of float32 in body heights; ``"seen"`` (T, 14), which are not interpolated;
            ``"fps"``.

        Raises
        ------
        ActionbenchError
            If the pose is to be that of the clip, which has none.
        """
        pose = disturbed(self._pose(clip), self.noise, self.dropout, self.seed)
        joints, seen = follow_person(pose)
        return {"joints": joints / np.float32(body_height(joints)), "seen": seen, "fps": np.array(clip.fps)}

    def _pose(self, clip: Clip) -> Pose:
        if self.model is not None:
            found = compute_one(self.model, clip)
            return Pose(found["joints"], found["scores"], JOINTS)
        if clip.pose is None:
            raise ActionbenchError(f"{clip.name or 'a clip'}: {NO_POSE}")
        return clip.pose


#: The joints of the clip as they are.
CLIP_TRACK = BodyTrack()


def disturbed(pose: Pose, noise: float, dropout: float, seed: int) -> Pose:
    """Return a pose with noise, in heights of the person who acts, and without a share of its joints.

    Examples
    --------
    >>> pose = Pose(np.zeros((50, 1, 14, 2)), np.ones((50, 1, 14)), JOINTS)
    >>> round(float((disturbed(pose, 0.0, 0.2, seed=0).scores == 0).mean()), 1)
    0.2
    """
    if not noise and not dropout:
        return pose
    rng = np.random.default_rng([seed, int(pose.fingerprint()[:16], 16)])
    scale = noise * body_height(follow_person(pose)[0])
    joints = pose.joints + scale * rng.standard_normal(pose.joints.shape)
    return Pose(joints, np.where(rng.random(pose.scores.shape) < dropout, 0, pose.scores), pose.names)
