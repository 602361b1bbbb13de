"""A clip, and a lazy sequence of clips."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Protocol, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..progress import each
from .pose import Pose
from .vectors import MotionVectors


@dataclass(frozen=True, eq=False)
class Clip:
    """A piece of video.

    Parameters
    ----------
    frames : ndarray of uint8, shape (T, H, W) or (T, H, W, C)
        Grey frames, or frames with C = 3 channels in the order red, green, blue. Kept as a read-only view.
    fps : float
        Frames per second.
    warnings : mapping of str to str
        What is odd about the file that it was decoded from, by a code; see `features.video.read_video`.
    name : str
        What it is called in its data set, or the path of its file; no part of the content, so that features must not
        depend on it.
    pose : Pose, optional
        Where the joints of people are in each frame, if that is known.
    vectors : MotionVectors, optional
        Motion vectors of the codec that it was decoded from; None for frames that are not those of a file.

    Raises
    ------
    ValueError
        If the frames have another type or shape, if there is none, if ``fps`` is not positive, or if the pose has
        another number of frames.

    Examples
    --------
    >>> clip = Clip(np.zeros((50, 120, 160), np.uint8), fps=25.0)
    >>> len(clip), clip.seconds
    (50, 2.0)
    """

    frames: NDArray[np.uint8]
    fps: float
    warnings: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    pose: Pose | None = None
    vectors: MotionVectors | None = None

    def __post_init__(self) -> None:
        frames = np.asarray(self.frames)
        if frames.dtype != np.uint8:
            raise ValueError(f"the frames of a clip must be uint8, got {frames.dtype}")
        if frames.ndim not in (3, 4) or (frames.ndim == 4 and frames.shape[3] != 3):
            raise ValueError(f"the frames of a clip must be (T, H, W) or (T, H, W, 3), got {frames.shape}")
        if 0 in frames.shape:
            raise ValueError(f"a clip must have at least one frame of one pixel, got {frames.shape}")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise ValueError(f"the frame rate of a clip must be positive, got {self.fps}")
        if self.pose is not None and len(self.pose) != len(frames):
            raise ValueError(
                f"the pose of a clip must have as many frames, {len(frames)}, got {len(self.pose)}"
            )
        frames = frames.view()
        frames.flags.writeable = False
        object.__setattr__(self, "frames", frames)
        object.__setattr__(self, "fps", float(self.fps))

    def __len__(self) -> int:
        return len(self.frames)

    def take(self, frames: slice | NDArray[np.intp]) -> Clip:
        """Return some of the frames, with their pose; the frame rate is divided by the step of a slice.

        Vectors are those of a slice in the order of time; there are none of frames in another order.

        Examples
        --------
        >>> clip = Clip(np.zeros((50, 120, 160), np.uint8), fps=25.0).take(slice(10, None, 5))
        >>> len(clip), clip.fps
        (8, 5.0)
        """
        step, vectors = 1, None
        if isinstance(frames, slice):
            step = frames.step or 1
            vectors = self.vectors.take(frames) if self.vectors is not None and step > 0 else None
        return replace(
            self,
            frames=self.frames[frames],
            fps=self.fps / abs(step),
            pose=None if self.pose is None else self.pose[frames],
            vectors=vectors,
        )

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.frames.shape[1]

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self.frames.shape[2]

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return len(self) / self.fps

    def grey(self) -> NDArray[np.uint8]:
        """Return the frames as luma (ITU-R BT.601), shape (T, H, W)."""
        if self.frames.ndim == 3:
            return self.frames
        # Integer arithmetic with rounding: the same on every machine.
        red, green, blue = (self.frames[..., channel].astype(np.uint32) for channel in range(3))
        return ((299 * red + 587 * green + 114 * blue + 500) // 1000).astype(np.uint8)

    def fingerprint(self) -> str:
        """Return a hash of the content: frames, shape and frame rate, pose and vectors where there are some."""
        digest = hashlib.sha256(repr((self.frames.shape, self.fps)).encode())
        digest.update(self.frames.tobytes())
        if self.pose is not None:
            digest.update(self.pose.fingerprint().encode())
        if self.vectors is not None:
            digest.update(self.vectors.digest())
        return digest.hexdigest()


class LazyClip(Clip):
    """A clip that is decoded once anything but its fingerprint is wanted.

    Parameters
    ----------
    fingerprint : str
        What its source says that it is, see `ClipSource.fingerprint`.
    load : callable
        Returns it, decoded.

    Examples
    --------
    >>> clip = LazyClip("one", lambda: Clip(np.zeros((50, 120, 160), np.uint8), fps=25.0))
    >>> clip.fingerprint(), len(clip)
    ('one', 50)
    """

    def __init__(self, fingerprint: str, load: Callable[[], Clip]) -> None:
        vars(self).update(_fingerprint=fingerprint, _load=load)

    def fingerprint(self) -> str:
        """Return what its source says that it is."""
        return str(vars(self)["_fingerprint"])

    @cached_property
    def _clip(self) -> Clip:
        clip: Clip = vars(self)["_load"]()
        return clip

    # `dataclasses.replace` makes another clip, which has frames.
    __class__ = property(lambda _: Clip)


def _of_clip(name: str) -> property:
    return property(lambda lazy: getattr(lazy._clip, name))


for _field in fields(Clip):
    setattr(LazyClip, _field.name, _of_clip(_field.name))


class ClipSource(Protocol):
    """The source of a `Clips`: a data set, or a list in memory."""

    def __len__(self) -> int: ...

    def load(self, index: int) -> Clip:
        """Return clip ``index``, decoded."""

    def clip_name(self, index: int) -> str:
        """Return what clip ``index`` is called."""

    def fingerprint(self, index: int) -> str:
        """Return a hash that changes whenever the content of clip ``index`` does."""


class _Listed:
    """Clips held in memory."""

    def __init__(self, clips: Iterable[Clip]) -> None:
        self._clips = list(clips)

    def __len__(self) -> int:
        return len(self._clips)

    def load(self, index: int) -> Clip:
        return self._clips[index]

    def clip_name(self, index: int) -> str:
        return self._clips[index].name

    def fingerprint(self, index: int) -> str:
        return self._clips[index].fingerprint()


class Clips(Sequence[Clip]):
    """A lazy, read-only sequence of clips.

    A clip is decoded each time it is accessed, so that a data set may be larger than memory.

    Parameters
    ----------
    source : ClipSource
        Where the clips come from.
    indices : array_like of int, optional
        Clips of the source, in order; all of them by default.

    Examples
    --------
    >>> clips = Clips.of([Clip(np.full((2, 4, 4), value, np.uint8), 25.0) for value in range(5)])
    >>> len(clips), int(clips[3].frames.max()), len(clips[1:3]), len(clips[[4, 0]])
    (5, 3, 2, 2)
    """

    def __init__(self, source: ClipSource, indices: ArrayLike | None = None) -> None:
        self._source = source
        # Shared with all slices, as hashing a file takes as long as reading it.
        self._hashes: dict[int, str] = {}
        if indices is None:
            indices = np.arange(len(source))
        self._indices: NDArray[np.intp] = np.asarray(indices, dtype=np.intp)

    @classmethod
    def of(cls, clips: Iterable[Clip]) -> Clips:
        """Create the sequence from clips in memory."""
        return cls(_Listed(clips))

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> Clip: ...

    @overload
    def __getitem__(self, index: slice | Sequence[int] | NDArray[np.generic]) -> Clips: ...

    def __getitem__(self, index: int | slice | Sequence[int] | NDArray[np.generic]) -> Clip | Clips:
        if isinstance(index, int | np.integer):
            place = int(self._indices[index])
            return replace(self._source.load(place), name=self._source.clip_name(place))
        if not isinstance(index, slice):
            index = np.asarray(index)
            index = index if index.dtype == bool else index.astype(np.intp)
        part = Clips(self._source, self._indices[index])
        part._hashes = self._hashes
        return part

    @property
    def names(self) -> list[str]:
        """What each clip is called, in order; see `Clip.name`."""
        return [self._source.clip_name(index) for index in self._indices.tolist()]

    @property
    def fingerprints(self) -> list[str]:
        """One hash per clip, in order, each computed once."""
        lacking = [index for index in dict.fromkeys(self._indices.tolist()) if index not in self._hashes]
        for index in each("files", lacking, len(lacking)):
            self._hashes[index] = self._source.fingerprint(index)
        return [self._hashes[index] for index in self._indices.tolist()]

    @property
    def fingerprint(self) -> str:
        """A hash of the whole sequence."""
        return hashlib.sha256("\n".join(self.fingerprints).encode()).hexdigest()
