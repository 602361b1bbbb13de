"""Volumes of video for nets: a fixed number of small frames, or fields of flow, at a fixed rate."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from ..literals import Aspect, Input, View
from .cache import Arrays
from .clip import Clip
from .flow import frame_stride, single_thread
from .motion import Motion, observe
from .person import crop_along, person_size

__all__ = ["CHANNELS", "SmallVideo", "VolumeReader"]

Volume = NDArray[np.float32]

#: Channels of each input.
CHANNELS: dict[Input, int] = {"grey": 1, "colour": 3, "gradients": 5, "flow": 2}

# Flow faster than this, in heights of the person per second, is an error.
_MAX_SPEED = 10.0
# What is added to the person's box on each side, as a share of its size.
_MARGIN = 0.1
# A frame that is longer than this, in units of its shorter side, is squeezed to it.
_MAX_ASPECT = 3.0
# Largest ratio of the sides of a random crop.
_MAX_STRETCH = 1.2


@dataclass(frozen=True)
class SmallVideo:
    """Frames or flow of a clip at a small size, with at most about 30 frames per second.

    Parameters
    ----------
    input : {"grey", "colour", "gradients", "flow"}
        Grey frames, colour frames, grey frames and flow, or flow.
    view : {"frame", "person"}
        Whether the whole frame is resized, or a square that follows the person.
    side : int
        Pixels of the shorter side.
    aspect : {"kept", "squeezed"}
        Whether a whole frame keeps its aspect, up to 3 to 1, or becomes a square. That of a person is a square.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> SmallVideo(side=16).extract(examples()[0][0])["frames"].shape
    (18, 16, 22, 1)
    """

    input: Input = "grey"
    view: View = "frame"
    side: int = 72
    aspect: Aspect = "kept"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("input", self.input, get_args(Input)),
            ("view", self.view, get_args(View)),
            ("aspect", self.aspect, get_args(Aspect)),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")

    def extract(self, clip: Clip) -> dict[str, NDArray[Any]]:
        """Resize a clip.

        Returns
        -------
        dict
            ``"frames"`` (T, H, W, 1 or 3) of uint8 unless the input is flow; ``"flow"`` (T, H, W, 2) of
            float16 if the input includes it, stabilised, right and down in heights of the person per second; ``"fps"``.
        """
        needs_motion = self.view == "person" or self.input in ("gradients", "flow")
        motion = observe(clip) if needs_motion else None
        stride = frame_stride(clip.fps)
        small: dict[str, NDArray[Any]] = {"fps": np.array(clip.fps / stride)}
        if self.input != "flow":
            frames = Clip(clip.frames[::stride], clip.fps / stride)
            planes = _coloured(frames.frames) if self.input == "colour" else frames.grey()[..., np.newaxis]
            small["frames"] = np.rint(self._resized(planes, motion)).astype(np.uint8)
        if motion is not None and self.input in ("gradients", "flow"):
            height = motion.track.body_height
            fields = motion.flow * np.float32(motion.fps / height)
            # The last frame has no flow to a next one; that of the frame before is repeated.
            fields = (
                np.concatenate([fields, fields[-1:]]) if len(fields) else np.zeros((1, *_shape(motion), 2))
            )
            small["flow"] = self._resized(fields.clip(-_MAX_SPEED, _MAX_SPEED), motion).astype(np.float16)
        return small

    def _resized(self, planes: NDArray[Any], motion: Motion | None) -> NDArray[np.float32]:
        if motion is None or self.view == "frame":
            height, width = self._frame_size(planes.shape[1:3])
            with single_thread():
                small = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA) for plane in planes]
            return np.stack(small).reshape(len(planes), height, width, planes.shape[-1]).astype(np.float32)
        # The flow may have been computed at another size.
        scale = np.array(planes.shape[1:3]) / _shape(motion)
        extent = max(person_size(motion, _MARGIN))
        centres = motion.track.centres[: len(planes)] * scale
        return crop_along(planes, centres, (extent * scale[0], extent * scale[1]), (self.side, self.side))

    def _frame_size(self, shape: tuple[int, ...]) -> tuple[int, int]:
        longest = _MAX_ASPECT if self.aspect == "kept" else 1.0
        height, width = (round(self.side * min(length / min(shape), longest)) for length in shape)
        return height, width


def _shape(motion: Motion) -> tuple[int, int]:
    return motion.frames.shape[1], motion.frames.shape[2]


def _coloured(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return frames if frames.ndim == 4 else np.repeat(frames[..., np.newaxis], 3, axis=-1)


class Crop(NamedTuple):
    """A rectangle of a frame, in pixels."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class VolumeReader:
    """Cut volumes of one size out of clips of any size, length and rate.

    Parameters
    ----------
    frames : int
        Frames of a volume.
    rate : float
        Frames per second of a volume; 12.5 is every second frame of 25 per second. A clip that is too short is
        repeated.
    size : int
        Pixels of the height and of the width.
    margin : int
        Pixels by which a random crop may move; clips are resized to ``size + margin`` pixels.
    brightness : float
        Largest random change of contrast and brightness of frames, as a share of the deviation.
    input, view, aspect
        See `SmallVideo`. A volume of gradients has five channels: the frame, its gradients right and down, and the
        flow (the hardwired layer of Ji et al. 2013).
    stacked : bool
        Whether the frames are channels of one picture, (H, W, T * C), for nets without a time axis.
    zoom : float
        If above 0, the side of a random crop is between ``(1 - zoom) * size`` and ``size + margin`` pixels, and the
        ratio of its sides at most 1.2; if 0, it is ``size`` pixels. The crop is resized to ``size`` pixels.
    mirrored_views : bool
        Whether inputs for prediction are mirrored too.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> reader = VolumeReader(frames=8, size=16, margin=2)
    >>> video = reader.small.extract(examples()[0][0])
    >>> reader.augment(video, np.random.default_rng(0)).shape, reader.test_views(video, 3).shape
    ((8, 16, 16, 1), (3, 8, 16, 16, 1))
    """

    frames: int = 16
    rate: float = 12.5
    size: int = 64
    margin: int = 8
    brightness: float = 0.1
    input: Input = "grey"
    view: View = "frame"
    stacked: bool = False
    aspect: Aspect = "kept"
    zoom: float = 0.0
    mirrored_views: bool = False

    def __post_init__(self) -> None:
        if not (self.frames >= 1 and self.rate > 0 and self.size >= 1):
            raise ValueError(
                f"a volume needs frames, a rate and a size above zero, got {self.frames}, {self.rate} and {self.size}"
            )
        if not 0 <= self.zoom < 1:
            raise ValueError(f"zoom must be a share in [0, 1), got {self.zoom}")

    @property
    def small(self) -> SmallVideo:
        """The feature that is computed once per clip and kept between epochs."""
        return SmallVideo(self.input, self.view, self.size + self.margin, self.aspect)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a volume."""
        channels = CHANNELS[self.input]
        if self.stacked:
            return self.size, self.size, self.frames * channels
        return self.frames, self.size, self.size, channels

    def augment(self, video: Arrays, rng: np.random.Generator) -> Volume:
        """Return a volume of `shape` for training: a random crop in time and space, mirrored half of the time."""
        start = int(rng.integers(self._last(video) + 1))
        crop = self._random_crop(self._planes(video).shape[1:3], rng)
        mirrored = rng.random() < 0.5
        contrast, shift = rng.uniform(-self.brightness, self.brightness, 2)
        return self._volume(video, start, crop, mirrored, 1 + contrast, shift)

    def test_views(self, video: Arrays, n: int) -> Volume:
        """Return volumes for prediction, shape (n_volumes, shape...).

        They are at evenly spaced times in the middle of the frame and, of a frame that is not a square, at both ends:
        at most ``n``, or those at one time if these are more.
        """
        crops = self._test_crops(self._planes(video).shape[1:3])
        mirrors = (False, True) if self.mirrored_views else (False,)
        n_times, last = n // (len(crops) * len(mirrors)), self._last(video)
        starts = np.unique(np.linspace(0, last, n_times).round().astype(int)) if n_times > 1 else [last // 2]
        views = product(starts, crops, mirrors)
        return np.stack([self._volume(video, int(start), crop, mirror) for start, crop, mirror in views])

    def _planes(self, video: Arrays) -> NDArray[Any]:
        return video["flow" if self.input == "flow" else "frames"]

    def _step(self, video: Arrays) -> float:
        return max(float(video["fps"]) / self.rate, 1.0)

    def _last(self, video: Arrays) -> int:
        """Return the last frame at which a volume can start."""
        return max(len(self._planes(video)) - int((self.frames - 1) * self._step(video)) - 1, 0)

    def _random_crop(self, shape: tuple[int, ...], rng: np.random.Generator) -> Crop:
        height = width = self.size
        if self.zoom:
            side = rng.uniform((1 - self.zoom) * self.size, self.size + self.margin)
            ratio = np.sqrt(rng.uniform(1 / _MAX_STRETCH, _MAX_STRETCH))
            height, width = (max(1, min(round(n), *shape)) for n in (side * ratio, side / ratio))
        top, left = rng.integers(np.subtract(shape, (height, width)) + 1)
        return Crop(int(top), int(left), height, width)

    def _test_crops(self, shape: tuple[int, ...]) -> list[Crop]:
        """Return a crop of the middle and, of a longer frame, of both ends."""
        middle, ends = np.subtract(shape, self.size) // 2, np.subtract(shape, self.size)
        places = [middle]
        if shape[0] != shape[1]:
            longer = np.equal(shape, max(shape))
            places += [np.where(longer, 0, middle), np.where(longer, ends, middle)]
        return [Crop(int(top), int(left), self.size, self.size) for top, left in places]

    def _volume(
        self,
        video: Arrays,
        start: int,
        crop: Crop,
        mirrored: bool = False,
        contrast: float = 1.0,
        shift: float = 0.0,
    ) -> Volume:
        indices = start + (np.arange(self.frames) * self._step(video)).astype(int)
        rows = slice(crop.top, crop.top + crop.height)
        columns = slice(crop.left, crop.left + crop.width)

        def cut(planes: NDArray[Any]) -> NDArray[np.float32]:
            part = planes[indices % len(planes), rows, columns].astype(np.float32)
            if part.shape[1:3] != (self.size, self.size):
                part = _resized(part, self.size)
            return part[:, :, ::-1] if mirrored else part

        parts = []
        if "frames" in video:
            frames = _normalised(cut(video["frames"])) * np.float32(contrast) + np.float32(shift)
            parts.append(frames)
            if self.input == "gradients":
                parts += [_gradient(frames, axis) for axis in (2, 1)]
        if "flow" in video:
            # In a mirror image flow to the right becomes flow to the left.
            parts.append(cut(video["flow"]) * np.array([-1 if mirrored else 1, 1], np.float32))
        volume = np.concatenate(parts, axis=-1)
        if self.stacked:
            volume = volume.transpose(1, 2, 0, 3)
        return np.ascontiguousarray(volume).reshape(self.shape)


def _resized(planes: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Resize planes (T, H, W, C) to squares."""
    with single_thread():
        resized = [cv2.resize(plane, (size, size), interpolation=cv2.INTER_LINEAR) for plane in planes]
    return np.stack(resized).reshape(len(planes), size, size, -1)


def _normalised(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Standardise frames to mean 0 and variance 1 over the volume; a constant becomes 0."""
    frames = frames - frames.mean()
    return frames / np.float32(max(float(frames.std()), 1.0))


def _gradient(frames: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Return central differences along an axis, 0 where it has one pixel."""
    if frames.shape[axis] < 2:
        return np.zeros_like(frames)
    return np.gradient(frames, axis=axis)
