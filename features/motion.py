"""The common start of all handcrafted features of a clip: resized frames, their flow, who moves in them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..literals import Flow
from .cache import compute_one
from .camera import ground_flow, mean_shifts
from .clip import Clip
from .flow import check_flow, codec_fields, optical_flow, working_frames
from .passing import person_track
from .regions import Track, join_tracks, main_tracks, near
from .vectors import VectorFields

__all__ = ["Motion", "MotionFeature", "Observation", "observe"]

# Seconds for which people who pause still belong to those who move.
_HOLD_SECONDS = 1.0


@dataclass(frozen=True, eq=False)
class Motion:
    """Frames, flow and tracks of a clip.

    Attributes
    ----------
    frames : ndarray of uint8, shape (T, H, W)
        Grey frames of the working size.
    fps : float
        Their frame rate.
    flow : ndarray of float32, shape (T - 1, H, W, 2)
        Flow against the ground, in pixels per frame, rounded to half precision.
    track : Track
        The main moving region: the person; where people pass each other, that of one, see `person_track`.
    people : Track
        All main moving regions together.
    shifts : ndarray of float32, shape (T - 1, 2)
        Mean contribution of the camera to the flow, right and down, in pixels per frame.
    lacks_vectors : bool
        Whether flow of the codec was asked for, but had to be computed from the frames.
    """

    frames: NDArray[np.uint8]
    fps: float
    flow: NDArray[np.float32]
    track: Track
    people: Track
    shifts: NDArray[np.float32]
    lacks_vectors: bool = False


@dataclass(frozen=True)
class Observation:
    """Parameters of `observe`, as a feature."""

    side: int = 120
    flow: Flow = "dis"
    finest: int = 1

    def __post_init__(self) -> None:
        check_flow(self.flow)

    def extract(self, clip: Clip) -> dict[str, NDArray[Any]]:
        """Return the arrays of a `Motion`."""
        frames, fps = working_frames(clip, self.side)
        against, ground, fields = self._flow(clip, frames)
        shifts = mean_shifts(ground)
        tracks = main_tracks(frames, fps, ground)
        person = person_track(tracks[0], against, shifts, fps)
        people = join_tracks(tracks, round(_HOLD_SECONDS * fps))
        if fields is not None:
            # Blocks are larger than limbs, and those without texture have any vector.
            against *= near(people.mask[:-1])[..., np.newaxis]
        return {
            "frames": frames,
            "fps": np.array(fps),
            "flow": against.astype(np.float16),
            "mask": np.packbits(person.mask, axis=None),
            "boxes": person.boxes,
            "people_mask": np.packbits(people.mask, axis=None),
            "people_boxes": people.boxes,
            "found": np.array(people.found),
            "shifts": shifts,
            "lacks_vectors": np.array(self.flow == "codec" and fields is None and len(frames) > 1),
        }

    def _flow(
        self, clip: Clip, frames: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], VectorFields | None]:
        """Return the flow against the ground, that of the ground, and the vectors that it is taken from."""
        fields = codec_fields(clip, self.flow)
        if fields is None:
            flow = optical_flow(frames, "dis" if self.flow == "codec" else self.flow, finest=self.finest)
            ground = ground_flow(frames, flow)
            return np.subtract(flow, ground, out=flow), ground, None
        flow = fields.flow(*frames.shape[1:])
        ground = np.zeros_like(flow)
        # To find how the camera moves takes longer than all the rest.
        for begin, end in _runs(~fields.rests()):
            ground[begin:end] = ground_flow(frames[begin : end + 1], flow[begin:end])
        # A field that is another's says nothing of what the camera does at its own time.
        return (flow - ground)[fields.source], ground, fields


def _runs(marked: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the first element and that after the last of each run of marked ones."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def observe(clip: Clip, *, side: int = 120, flow: Flow = "dis", finest: int = 1) -> Motion:
    """Compute the flow of a clip and find who moves in it.

    Parameters
    ----------
    clip : Clip
        The clip.
    side : int
        Shorter side of the working size in pixels, see `working_frames`.
    flow : {"dis", "farneback", "codec"}
        What computes the flow, see `optical_flow`, or the motion vectors of the video's codec. Where a clip has none
        it is ``"dis"``.
    finest : int
        See `optical_flow`.

    Returns
    -------
    Motion

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> motion = observe(examples()[0][0])
    >>> motion.frames.shape, motion.flow.shape, motion.track.found
    ((18, 80, 112), (17, 80, 112, 2), True)
    """
    arrays = compute_one(Observation(side, flow, finest), clip)
    frames = arrays["frames"]
    track, people = (
        Track(
            np.unpackbits(arrays[f"{who}mask"], count=frames.size).reshape(frames.shape).astype(bool),
            arrays[f"{who}boxes"],
            bool(arrays["found"]),
        )
        for who in ("", "people_")
    )
    return Motion(
        frames,
        float(arrays["fps"]),
        arrays["flow"].astype(np.float32),
        track,
        people,
        arrays["shifts"],
        bool(arrays["lacks_vectors"]),
    )


class MotionFeature(ABC):
    """A feature computed from the motion of a clip, observed with the default parameters."""

    @abstractmethod
    def describe(self, motion: Motion) -> dict[str, Any]:
        """Return named arrays."""

    def extract(self, clip: Clip) -> dict[str, Any]:
        """Describe a clip, see `describe`."""
        return self.describe(observe(clip))
