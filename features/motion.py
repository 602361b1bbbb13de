"""What every hand-made description of a clip starts from: workable frames, their flow, the mover."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .clip import Clip
from .flow import Method, camera_shift, optical_flow, stabilise, working_frames
from .regions import Track, main_track

__all__ = ["Motion", "observe"]


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
        Stabilised flow, in pixels per frame.
    track : Track
        The main moving region.
    """

    frames: NDArray[np.uint8]
    fps: float
    flow: NDArray[np.float32]
    track: Track


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
    frames, fps = working_frames(clip, side)
    flow = optical_flow(frames, method, finest=finest)
    shifts = camera_shift(frames, flow)
    return Motion(frames, fps, stabilise(flow, shifts), main_track(frames, fps, shifts))
