"""What attempts on poses share: where the joints come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..features.pose_track import FROM_CLIP, NO_POSE, BodyTrack
from ..literals import BelowOne, NonNegative
from .base import Attempt

__all__ = ["PoseInput", "body_track", "model_files", "no_pose"]


@dataclass(kw_only=True, eq=False, repr=False)
class PoseInput(Attempt):
    """An attempt on the joints of the person who acts.

    Parameters
    ----------
    pose : str
        ``"clip"``: the pose of the clip, as its data set has it. Else the ONNX file of a model that finds it, with a
        TOML file of the same name beside it, see `features.pose_model`.
    joint_noise : float
        Standard deviation of normal noise on each coordinate, in body heights, in training and test: what a worse pose
        costs.
    joint_dropout : float
        Share of the joints that are taken away, each by itself.
    random_state : int
        Seed of noise and dropout, and of what else is random.
    """

    pose: str = FROM_CLIP
    joint_noise: NonNegative = 0.0
    joint_dropout: BelowOne = 0.0
    random_state: int = 0

    def _track(self) -> BodyTrack:
        return body_track(self.pose, self.joint_noise, self.joint_dropout, self.random_state)

    def files(self) -> list[Path]:
        """Return the files of the model, where there is one."""
        return model_files(self.pose)

    def skip(self, dataset: Any) -> str | None:
        """Return that clips have no pose, where that is to be used; raise an error if a model cannot be used."""
        return no_pose(self.pose, dataset)


def body_track(pose: str, noise: float = 0.0, dropout: float = 0.0, seed: int = 0) -> BodyTrack:
    """Return the feature for parameters of an attempt.

    Raises
    ------
    ValueError
        If noise or dropout is out of range.
    ActionbenchError
        If the model cannot be used.
    """
    if not (_is_number(noise) and noise >= 0):
        raise ValueError(f"joint_noise must be a number of body heights of at least 0, got {noise!r}")
    if not (_is_number(dropout) and 0 <= dropout < 1):
        raise ValueError(f"joint_dropout must be a share of at least 0 and below 1, got {dropout!r}")
    seed = seed if noise or dropout else 0
    if pose == FROM_CLIP:
        return BodyTrack(FROM_CLIP, "", float(noise), float(dropout), seed)
    from ..features.pose_model import model_digest

    return BodyTrack(str(pose), model_digest(pose), float(noise), float(dropout), seed)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def model_files(pose: str) -> list[Path]:
    """Return the files of a model and of its description, none where there is no model."""
    return [] if pose == FROM_CLIP else [Path(pose), Path(pose).with_suffix(".toml")]


def no_pose(pose: str, dataset: Any) -> str | None:
    """Return that a data set has no poses where they are to be used; raise an error if a model cannot be used."""
    if pose == FROM_CLIP:
        return None if dataset.has_poses else NO_POSE
    from ..features.pose_model import load_model, model_digest

    load_model(pose, model_digest(pose))
    return None
