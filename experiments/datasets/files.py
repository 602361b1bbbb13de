"""Data sets made of video files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from ...errors import DataError
from ...features.clip import Clip
from ...features.video import Color, OnError, read_video
from .base import Dataset, is_utf8
from .digests import file_digest
from .pose_files import ClipPose, match_poses, pose_paths, read_poses

#: Endings taken for video files, in lower case.
VIDEO_ENDINGS = frozenset(
    ".3gp .asf .avi .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv".split()
)

# What the decoder does with a damaged file, by what the data set does.
_DECODING: Mapping[str, OnError] = {"stop": "error", "drop": "error", "truncate": "truncate"}


class VideoFiles(Dataset):
    """A data set whose clips are the video files below a folder, named by their path below it.

    Parameters
    ----------
    root : path
        The folder.
    width, height : int, optional
        Size of the decoded frames in pixels; where one is given the other follows the aspect ratio.
    stride : int
        Keep every ``stride``-th frame.
    color : {"grey", "rgb"}
        What the frames hold.
    on_error : {"stop", "drop", "truncate"}
        Whether a file that cannot be decoded ends a run before it begins, leaves the data set, which every table then
        says, or is used up to the damage.
    fps : float, optional
        Frames per second of all files, before ``stride``; by default what each file says.
    frames : int, optional
        Keep this many frames in the middle of longer clips, after ``stride``; by default all.
    poses : path, optional
        A file or folder with the poses of people in all frames of each clip, before ``stride``, in pixels of the video,
        see `pose_files`.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        width: int | None = None,
        height: int | None = None,
        stride: int = 1,
        color: Color = "grey",
        on_error: str = "stop",
        fps: float | None = None,
        frames: int | None = None,
        poses: str | Path | None = None,
    ) -> None:
        if not isinstance(root, str | Path):
            raise DataError(f"root: must be the folder that holds the clips, got {root!r}")
        self.root = Path(root)
        self.decoding = {
            "width": check_count("width", width, optional=True),
            "height": check_count("height", height, optional=True),
            "stride": check_count("stride", stride),
            "color": check_choice("color", color, get_args(Color)),
            "on_error": _DECODING[check_choice("on_error", on_error, tuple(_DECODING))],
        }
        self.drops_unreadable = on_error == "drop"
        # Not part of the decoding, which new videos share.
        self.fps, self.frames = check_rate("fps", fps), check_count("frames", frames, optional=True)
        if not os.path.isdir(self.root):
            raise DataError(f"root: {self.root} is not a folder; it must be the folder that holds the clips")
        if not isinstance(poses, str | Path | None):
            raise DataError(f"poses: must be a file or folder with poses, got {poses!r}")
        self.poses = None if poses is None else Path(poses)
        if self.poses is not None and not self.poses.exists():
            raise DataError(f"poses: there is no file or folder {self.poses}")

    @cached_property
    def _paths(self) -> list[Path]:
        return [self.root / clip for clip in self.table["clip"]]

    def path(self, index: int) -> Path:
        """Return the file of row ``index``."""
        return self._paths[index]

    def files(self) -> list[Path]:
        """Return all that lies below the folder, and the folder."""
        return [self.root, *sorted(self.root.rglob("*")), *self._pose_paths()]

    def _pose_paths(self) -> list[Path]:
        return [] if self.poses is None else pose_paths(self.poses)

    @property
    def has_poses(self) -> bool:
        """Whether clips come with the pose of people."""
        return self.poses is not None

    @cached_property
    def _clip_poses(self) -> list[ClipPose] | None:
        """The pose of each clip, as the file has it."""
        if self.poses is None:
            return None
        poses, clips = read_poses(self.poses), self.table["clip"].tolist()
        return [poses[name] for name in match_poses(poses, clips, VIDEO_ENDINGS, self.poses)]

    def load(self, index: int) -> Clip:
        """Decode the file of row ``index``."""
        return self.middle(self.posed(index, self.decoded(index, **self.decoding)))

    def decoded(self, index: int, **how: Any) -> Clip:
        """Return the frames of row ``index``."""
        return read_video(self.path(index), fps=self.fps, **how)

    def posed(self, index: int, clip: Clip) -> Clip:
        """Return a decoded clip with its pose, in pixels of its frames."""
        if self._clip_poses is None:
            return clip
        one, stride, clip_name = self._clip_poses[index], self.decoding["stride"], self.clip_name(index)
        pose = one.pose[::stride]
        if len(pose) > len(clip) and self.decoding["on_error"] == "truncate":
            pose = pose[: len(clip)]
        if len(pose) != len(clip):
            raise DataError(
                f"{self.poses}: the pose of {clip_name!r} has {len(one.pose)} frames, but its video "
                f"{len(clip) if stride == 1 else f'{len(clip)} after a stride of {stride}'}; both must have as many"
            )
        size = one.size
        if size is None:
            whole = clip
            if self.decoding["width"] or self.decoding["height"]:
                whole = self.decoded(index, **{**self.decoding, "width": None, "height": None})
            size = whole.width, whole.height
        scale = clip.width / size[0], clip.height / size[1]
        return replace(clip, pose=pose.moved(scale=scale))

    def middle(self, clip: Clip) -> Clip:
        """Return the frames of a decoded clip that are kept."""
        start = max(0, len(clip) - (self.frames or len(clip))) // 2
        return clip.take(slice(start, start + (self.frames or len(clip))))

    def fingerprint(self, index: int) -> str:
        """Return a hash of the file's content and of how it is decoded."""
        how = repr((sorted(self.decoding.items()), self.fps, self.frames))
        return file_digest(self.path(index), how + self.pose_digest(index))

    def pose_digest(self, index: int) -> str:
        """Return a hash of the pose of row ``index``; empty where clips have none."""
        if self._clip_poses is None:
            return ""
        one = self._clip_poses[index]
        return f"{one.pose.fingerprint()} {one.size}"


def video_files(folder: Path) -> list[Path]:
    """Return the video files directly or deeper in a folder, sorted; hidden ones are left out.

    Raises
    ------
    DataError
        If the path of one is not UTF-8.
    """
    found = []
    for inside, _, names in os.walk(folder):
        videos = [name for name in names if _ending(name) in VIDEO_ENDINGS and not name.startswith(".")]
        found += [path for path in (Path(inside, name) for name in videos) if path.is_file()]
    for path in found:
        if not is_utf8(str(path)):
            raise DataError(f"{str(path)!r}: the path is not UTF-8; rename it")
    return sorted(found)


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def check_count(key: str, value: object, *, optional: bool = False, least: int = 1) -> int | None:
    """Return an integer of at least ``least``, or raise DataError that names the key."""
    if value is None and optional:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise DataError(f"{key}: must be an integer of at least {least}, got {value!r}")
    return value


def check_rate(key: str, value: object) -> float | None:
    """Return a number of frames per second, or raise DataError that names the key."""
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 10_000:
        raise DataError(f"{key}: must be a number of frames per second, above 0, got {value!r}")
    return float(value)


def check_choice(key: str, value: object, choices: tuple[str, ...]) -> str:
    """Return one of the allowed words, or raise DataError that names the key."""
    if value not in choices:
        raise DataError(f"{key}: must be {' or '.join(map(repr, choices))}, got {value!r}")
    return str(value)
