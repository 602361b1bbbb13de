"""The common start of all handcrafted features of a clip: resized frames, their flow, the person's track."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cache import compute_one
from .clip import Clip
from .flow import Method, camera_shift, optical_flow, stabilise, working_frames
from .regions import Track, main_track

__all__ = ["Motion", "MotionFeature", "Observation", "observe"]


@dataclass(frozen=True, eq=False)
class Motion:
    """Frames, flow and track of a clip.

    Attributes
    ----------
    frames : ndarray of uint8, shape (T, H, W)
        Grey frames of the working size.
    fps : float
        Their frame rate.
    flow : ndarray of float32, shape (T - 1, H, W, 2)
        Stabilised flow, in pixels per frame, rounded to half precision.
    track : Track
        The main moving region.
    shifts : ndarray of float32, shape (T - 1, 2)
        Contribution of the camera to the flow, right and down, in pixels per frame.
    """

    frames: NDArray[np.uint8]
    fps: float
    flow: NDArray[np.float32]
    track: Track
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
    """Compute the flow of a clip and find its person.

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
    mask = np.unpackbits(arrays["mask"], count=frames.size).reshape(frames.shape).astype(bool)
    track = Track(mask, arrays["boxes"], bool(arrays["found"]))
    return Motion(frames, float(arrays["fps"]), arrays["flow"].astype(np.float32), track, arrays["shifts"])


class MotionFeature(ABC):
    """A feature computed from the motion of a clip, observed with the default parameters."""

    @abstractmethod
    def describe(self, motion: Motion) -> dict[str, Any]:
        """Return named arrays."""

    def extract(self, clip: Clip) -> dict[str, Any]:
        """Describe a clip, see `describe`."""
        return self.describe(observe(clip))
