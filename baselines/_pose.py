"""What attempts on poses share: where the joints come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..features.pose_track import NO_POSE, BodyTrack, EstimatedPose
from ..literals import BelowOne, NonNegative
from .base import Attempt
from .pretrained._overlap import overlap_warning

if TYPE_CHECKING:
    from ..features.pose_model import Description

__all__ = ["FROM_CLIP", "PoseInput", "PoseSource"]

#: The source of poses that come with the clips.
FROM_CLIP = "clip"


@dataclass(frozen=True)
class PoseSource:
    """Where poses come from.

    Parameters
    ----------
    pose : str
        ``"clip"`` or the file of a model.
    copies : Path, optional
        Where copies of its files are, see `Attempt.copies`.
    """

    pose: str
    copies: Path | None = None

    @property
    def model(self) -> Path | None:
        """The file of the model, where there is one."""
        if self.pose == FROM_CLIP:
            return None
        return Path(self.pose) if self.copies is None else self.copies / Path(self.pose).name

    def track(self, noise: float = 0.0, dropout: float = 0.0, seed: int = 0) -> BodyTrack:
        """Return the feature.

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
        return BodyTrack(self._estimated(), float(noise), float(dropout), seed)

    def _estimated(self) -> EstimatedPose | None:
        if self.model is None:
            return None
        from ..features.pose_model import model_digest

        return EstimatedPose(model_digest(self.model), self.model)

    def files(self) -> list[Path]:
        """Return the files of the model, none where there is no model."""
        if self.model is None:
            return []
        from ..features.pose_model import model_files

        return model_files(self.model)

    @property
    def pretrained(self) -> str:
        """What the model was trained on, as its TOML file says, else ``"yes"``; empty where there is no model."""
        return "" if self.model is None else self._description(self.model).pretrained_on or "yes"

    def warnings(self) -> dict[str, str]:
        """Return a warning where the model may have been trained on such clips."""
        return {} if self.model is None else overlap_warning(self.model, self._description(self.model))

    @staticmethod
    def _description(model: Path) -> Description:
        from ..features.pose_model import Description

        return Description.beside(model)

    def skip(self, dataset: Any) -> str | None:
        """Return that clips have no pose, where that is to be used; raise an error if a model cannot be used."""
        if self.model is None:
            return None if dataset.has_poses else NO_POSE
        from ..features.pose_model import load_model, model_digest

        load_model(self.model, model_digest(self.model))
        return None


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

    @property
    def _source(self) -> PoseSource:
        return PoseSource(self.pose, self.copies)

    def _track(self) -> BodyTrack:
        return self._source.track(self.joint_noise, self.joint_dropout, self.random_state)

    @property
    def pretrained(self) -> str:
        """What a model of poses was trained on."""
        return self._source.pretrained

    def warnings(self) -> dict[str, str]:
        """Return a warning where a model of poses may have been trained on such clips."""
        return super().warnings() | (self._source.warnings() if hasattr(self, "classes_") else {})

    def files(self) -> list[Path]:
        """Return the files of the model, where there is one."""
        return self._source.files()

    def needed_files(self) -> list[Path]:
        """Return the files of the model, which finds the poses of new clips."""
        return self.files()

    def skip(self, dataset: Any) -> str | None:
        """Return that clips have no pose, where that is to be used; raise an error if a model cannot be used."""
        return self._source.skip(dataset)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
