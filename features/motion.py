"""What every hand-made description of a clip starts from: workable frames, their flow, the mover."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cache import computed
from .clip import Clip
from .flow import Method, camera_shift, optical_flow, stabilise, working_frames
from .regions import Track, main_track

__all__ = ["Motion", "Observation", "OfMotion", "observe"]


@dataclass(frozen=True, eq=False)
class Motion:
    """A clip, observed.

    Attributes
    ----------
    frames : ndarray of uint8, shape (T, H, W)
        Grey frames of the working size.
    fps : float
        Their frame rate.
    flow : ndarray of float32, shape (T - 1, H, W, 2)
        Stabilised flow, in pixels per frame, as exact as half precision is.
    track : Track
        The main moving region.
    shifts : ndarray of float32, shape (T - 1, 2)
        What the camera adds to the flow, right and down, in pixels per frame.
    """

    frames: NDArray[np.uint8]
    fps: float
    flow: NDArray[np.float32]
    track: Track
    shifts: NDArray[np.float32]


@dataclass(frozen=True)
class Observation:
    """How a clip is observed, see `observe`."""

    side: int = 120
    method: Method = "dis"
    finest: int = 1

    def extract(self, clip: Clip) -> dict[str, NDArray[Any]]:
        """Return what a `Motion` is made of."""
        frames, fps = working_frames(clip, self.side)
        flow = optical_flow(frames, self.method, finest=self.finest)
        shifts = camera_shift(frames, flow)
        track = main_track(frames, fps, shifts)
        return {
            "frames": frames,
            "fps": np.array(fps),
            "flow": stabilise(flow, shifts).astype(np.float16),
            "mask": np.packbits(track.mask, axis=None),
            "boxes": track.boxes,
            "found": np.array(track.found),
            "shifts": shifts,
        }


def observe(clip: Clip, *, side: int = 120, method: Method = "dis", finest: int = 1) -> Motion:
    """Compute the flow of a clip and find its mover.

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
    """
    seen = computed(Observation(side, method, finest), clip)
    frames = seen["frames"]
    mask = np.unpackbits(seen["mask"], count=frames.size).reshape(frames.shape).astype(bool)
    track = Track(mask, seen["boxes"], bool(seen["found"]))
    return Motion(frames, float(seen["fps"]), seen["flow"].astype(np.float32), track, seen["shifts"])


class OfMotion(ABC):
    """A feature of a clip that has been observed with the usual parameters."""

    @abstractmethod
    def describe(self, motion: Motion) -> dict[str, Any]:
        """Return named arrays."""

    def extract(self, clip: Clip) -> dict[str, Any]:
        """Describe a clip, see `describe`."""
        return self.describe(observe(clip))
