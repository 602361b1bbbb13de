"""Volumes of grey video for nets: a fixed number of small frames at a fixed rate."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .clip import Clip

Frames = NDArray[np.uint8]
Volume = NDArray[np.float32]


@dataclass(frozen=True)
class SmallVideo:
    """A clip made small: what stays in memory between the epochs.

    Attributes
    ----------
    frames : ndarray of uint8, shape (T, H, W)
    fps : float
        Frames per second.
    """

    frames: Frames
    fps: float


def _check(frames: int, rate: float, size: int) -> None:
    if not (frames >= 1 and rate > 0 and size >= 1):
        raise ValueError(
            f"a volume needs frames, a rate and a size above zero, got {frames}, {rate} and {size}"
        )


@dataclass(frozen=True)
class VolumeReader:
    """Cut volumes of one size out of clips of any size, length and rate.

    Parameters
    ----------
    frames : int
        Frames of a volume.
    rate : float
        Frames per second of a volume; 12.5 is every second frame of 25 per second. A clip that is too short is
        begun again at its end.
    size : int
        Pixels of the height and of the width.
    margin : int
        Pixels that a random crop may move; the whole frame is made ``size + margin`` high and wide, so that
        nobody is cut off.
    brightness : float
        Largest random change of contrast and brightness, as a share of the deviation.
    subtract_background : bool
        Whether each pixel's mean over the volume is taken away, which leaves what moves.
    """

    frames: int = 16
    rate: float = 12.5
    size: int = 64
    margin: int = 8
    brightness: float = 0.1
    subtract_background: bool = False

    def __post_init__(self) -> None:
        _check(self.frames, self.rate, self.size)

    def read(self, clip: Clip) -> SmallVideo:
        """Return the clip's frames in grey, ``size + margin`` pixels high and wide."""
        side = self.size + self.margin
        small = [cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA) for frame in clip.grey()]
        return SmallVideo(np.stack(small), clip.fps)

    def _span(self, video: SmallVideo) -> int:
        """Return how many frames of the video a volume reaches over."""
        return int((self.frames - 1) * self._step(video)) + 1

    def _step(self, video: SmallVideo) -> float:
        return max(video.fps / self.rate, 1.0)

    def _cut(self, video: SmallVideo, start: int, top: int, left: int) -> NDArray[np.float32]:
        places = start + (np.arange(self.frames) * self._step(video)).astype(int)
        rows, columns = slice(top, top + self.size), slice(left, left + self.size)
        return video.frames[places % len(video.frames), rows, columns].astype(np.float32)

    def _normalise(self, volume: NDArray[np.float32]) -> Volume:
        """Return mean 0 and variance 1 over the volume, which then has one channel; a constant stays 0."""
        volume = volume - volume.mean(axis=0 if self.subtract_background else None)
        deviation = float(volume.std())
        return (volume / np.float32(max(deviation, 1.0)))[..., np.newaxis]

    def draw(self, video: SmallVideo, rng: np.random.Generator) -> Volume:
        """Return a volume from a random time and place, mirrored half of the time, shape (T, H, W, 1)."""
        start = int(rng.integers(max(len(video.frames) - self._span(video), 0) + 1))
        top, left = (int(value) for value in rng.integers(self.margin + 1, size=2))
        volume = self._normalise(self._cut(video, start, top, left))
        if rng.random() < 0.5:
            volume = volume[:, :, ::-1]
        contrast, shift = rng.uniform(-self.brightness, self.brightness, 2)
        return (volume * np.float32(1 + contrast) + np.float32(shift)).astype(np.float32)

    def views(self, video: SmallVideo, n: int) -> Volume:
        """Return ``n`` volumes at evenly spaced times from the middle of the frame, shape (n, T, H, W, 1)."""
        last = max(len(video.frames) - self._span(video), 0)
        starts = np.unique(np.linspace(0, last, n).round().astype(int)) if n > 1 else [last // 2]
        middle = self.margin // 2
        return np.stack([self._normalise(self._cut(video, int(start), middle, middle)) for start in starts])


@dataclass(frozen=True)
class MotionReader:
    """Cut volumes of motion out of clips: how much each cell of a coarse grid changes, centred on what moves.

    The magnitude of the temporal difference stands in for the flow (the hardwired channels of Ji et al. 2013).

    Parameters
    ----------
    frames : int
        Differences in a volume.
    rate : float
        Differences per second.
    grid : int
        Cells of the height and of the width.
    cell : int
        Pixels of a cell; the frame's short side is made ``grid * cell`` pixels.
    margin : int
        Pixels that the centre is moved at random in training.
    """

    frames: int = 12
    rate: float = 12.5
    grid: int = 16
    cell: int = 4
    margin: int = 4

    def __post_init__(self) -> None:
        _check(self.frames, self.rate, self.grid)

    def read(self, clip: Clip) -> SmallVideo:
        """Return the differences between small grey frames ``1 / rate`` seconds apart, at the clip's own rate."""
        side = self.grid * self.cell
        scale = side / min(clip.height, clip.width)
        size = (max(round(clip.width * scale), side), max(round(clip.height * scale), side))
        small = [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in clip.grey()]
        step = min(max(round(clip.fps / self.rate), 1), len(small) - 1)
        changes = [cv2.absdiff(later, frame) for frame, later in zip(small, small[step:], strict=False)]
        return SmallVideo(np.stack(changes) if step else np.zeros((1, *small[0].shape), np.uint8), clip.fps)

    def _places(self, video: SmallVideo, share: float) -> NDArray[np.intp]:
        """Return the frames of the volume that starts at a share of the possible starts."""
        places = (np.arange(self.frames) * max(video.fps / self.rate, 1.0)).astype(np.intp)
        free = max(len(video.frames) - 1 - int(places[-1]), 0)
        return (places + round(share * free)) % len(video.frames)

    def _cut(self, video: SmallVideo, share: float, shift: tuple[int, int]) -> NDArray[np.float32]:
        """Return cells (T, grid, grid) around the centre of motion, moved by ``shift`` pixels."""
        part = video.frames[self._places(video, share)]
        energy = part.astype(np.float32).sum(axis=0) ** 2
        side, total = self.grid * self.cell, max(float(energy.sum()), 1.0)
        corner = []
        for axis in range(2):
            centre = float(energy.sum(axis=1 - axis) @ np.arange(energy.shape[axis])) / total
            corner.append(round(centre) + shift[axis])
        padded = np.pad(part, ((0, 0), (side, side), (side, side)))
        top, left = (
            min(max(at + side // 2, 0), n + side) for at, n in zip(corner, energy.shape, strict=True)
        )
        box = padded[:, top : top + side, left : left + side].astype(np.float32)
        return box.reshape(self.frames, self.grid, self.cell, self.grid, self.cell).mean(axis=(2, 4))

    @staticmethod
    def _normalise(volume: NDArray[np.float32]) -> Volume:
        root: Volume = np.sqrt(volume)
        root /= max(float(root.std()), 0.5)
        return root[..., np.newaxis]

    def draw(self, video: SmallVideo, rng: np.random.Generator) -> Volume:
        """Return a volume from a random time, moved and mirrored at random, shape (T, grid, grid, 1)."""
        down, right = (int(value) for value in rng.integers(-self.margin, self.margin + 1, size=2))
        volume = self._normalise(self._cut(video, float(rng.random()), (down, right)))
        return volume[:, :, ::-1] if rng.random() < 0.5 else volume

    def views(self, video: SmallVideo, n: int) -> Volume:
        """Return ``n`` volumes at evenly spaced times, shape (n, T, grid, grid, 1)."""
        shares = np.linspace(0, 1, n) if n > 1 else np.array([0.5])
        return np.stack([self._normalise(self._cut(video, float(share), (0, 0))) for share in shares])
