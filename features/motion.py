"""The common start of all handcrafted features of a clip: resized frames, their flow, who moves in them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cache import compute_one
from .camera import ground_flow, mean_shifts
from .clip import Clip
from .flow import Method, optical_flow, working_frames
from .passing import person_track
from .regions import Track, join_tracks, main_tracks

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
    """

    frames: NDArray[np.uint8]
    fps: float
    flow: NDArray[np.float32]
    track: Track
    people: Track
    shifts: NDArray[np.float32]


@dataclass(frozen=True)
class Observation:
    """Parameters of `observe`, as a feature."""

    side: int = 120
    method: Method = "dis"
    finest: int = 1

    def extract(self, clip: Clip) -> dict[str, NDArray[Any]]:
        """Return the arrays of a `Motion`."""
        frames, fps = working_frames(clip, self.side)
        flow = optical_flow(frames, self.method, finest=self.finest)
        ground = ground_flow(frames, flow)
        against, shifts = flow - ground, mean_shifts(ground)
        tracks = main_tracks(frames, fps, ground)
        person = person_track(tracks[0], against, shifts, fps)
        people = join_tracks(tracks, round(_HOLD_SECONDS * fps))
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
        }


def observe(clip: Clip, *, side: int = 120, method: Method = "dis", finest: int = 1) -> Motion:
    """Compute the flow of a clip and find who moves in it.

    Parameters
    ----------
    clip : Clip
        The clip.
    side : int
        Shorter side of the working size in pixels, see `working_frames`.
    method, finest
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
    arrays = compute_one(Observation(side, method, finest), clip)
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
        frames, float(arrays["fps"]), arrays["flow"].astype(np.float32), track, people, arrays["shifts"]
    )


class MotionFeature(ABC):
    """A feature computed from the motion of a clip, observed with the default parameters."""

    @abstractmethod
    def describe(self, motion: Motion) -> dict[str, Any]:
        """Return named arrays."""

    def extract(self, clip: Clip) -> dict[str, Any]:
        """Describe a clip, see `describe`."""
        return self.describe(observe(clip))
