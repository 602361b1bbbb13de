"""Clips with something taken away: what a method still recognises of them shows what it uses.

Each probe is a function of one clip, independent of all others, so that features of its clips can be kept. From a clip
in which nothing moves, `person_blanked` and `person_only` take nothing away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .clip import Clip
from .pose import Pose

__all__ = ["PROBES", "VERSION", "Probe"]

#: Counts the changes of what a probe does, so that features of older ones are not used.
VERSION = 1

#: A function that returns a clip without something.
Probe = Callable[[Clip], Clip]

# Every so many frames are kept, and the share of a box's height and width that is added on each side of the person.
_STEP, _MARGIN = 4, 0.1


def frozen(clip: Clip) -> Clip:
    """Return the middle frame, repeated: no motion.

    Examples
    --------
    >>> clip = Clip(np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((4, 4), np.uint8), fps=25)
    >>> frozen(clip).frames[:, 0, 0].tolist(), mean_frame(clip).frames[:, 0, 0].tolist()
    ([2, 2, 2, 2, 2], [2, 2, 2, 2, 2])
    """
    return _taken(clip, np.full(len(clip), len(clip) // 2))


def mean_frame(clip: Clip) -> Clip:
    """Return the mean of all frames, repeated: no motion, but its traces."""
    mean = np.rint(clip.frames.mean(axis=0, dtype=np.float64)).astype(np.uint8)
    pose = None if clip.pose is None else _mean_pose(clip.pose)
    return _with(clip, np.repeat(mean[None], len(clip), axis=0), pose)


def shuffled(clip: Clip) -> Clip:
    """Return the frames in an order by chance, the same for each clip of this content: no order."""
    seed = int(replace(clip, pose=None, vectors=None).fingerprint()[:16], 16)
    return _taken(clip, np.random.default_rng(seed).permutation(len(clip)))


def backwards(clip: Clip) -> Clip:
    """Return the frames from the last to the first: the other direction of time."""
    return _taken(clip, slice(None, None, -1))


def first_third(clip: Clip) -> Clip:
    """Return the first third of the frames, at least one."""
    return _taken(clip, slice(_third(clip)))


def last_third(clip: Clip) -> Clip:
    """Return the last third of the frames, at least one."""
    return _taken(clip, slice(len(clip) - _third(clip), None))


def every_fourth(clip: Clip) -> Clip:
    """Return every fourth frame, at a fourth of the rate: the same seconds, less of their course."""
    return clip.take(slice(None, None, _STEP))


def person_blanked(clip: Clip) -> Clip:
    """Return the clip with the rectangle that holds the moving person in all frames in one colour: the scene.

    The place and the size of the rectangle are left, and tell who walks from who stays; of a pose nothing is left.
    """
    boxes = _boxes(clip)
    if boxes is None:
        return clip
    top, left = boxes[:, :2].min(axis=0)
    bottom, right = boxes[:, 2:].max(axis=0)
    frames = clip.frames.copy()
    frames[:, top:bottom, left:right] = _colour(clip)
    return _with(clip, frames, None if clip.pose is None else Pose.nobody(len(clip)))


def person_only(clip: Clip) -> Clip:
    """Return the clip in one colour but for a box about the moving person in each frame: no scene."""
    boxes = _boxes(clip)
    if boxes is None:
        return clip
    frames = np.empty_like(clip.frames)
    frames[:] = _colour(clip)
    for shown, frame, (top, left, bottom, right) in zip(frames, clip.frames, boxes, strict=True):
        shown[top:bottom, left:right] = frame[top:bottom, left:right]
    return _with(clip, frames, clip.pose)


def _third(clip: Clip) -> int:
    return -(-len(clip) // 3)


def _taken(clip: Clip, frames: slice | NDArray[np.intp]) -> Clip:
    taken = clip.take(frames)
    return replace(taken, frames=np.ascontiguousarray(taken.frames))


def _with(clip: Clip, frames: NDArray[np.uint8], pose: Pose | None) -> Clip:
    # What the codec knows of the frames does not hold for others.
    return replace(clip, frames=frames, pose=pose, vectors=None)


def _mean_pose(pose: Pose) -> Pose:
    """Return the mean of the joints of each place over the frames in which they are seen, repeated."""
    seen = pose.scores > 0
    count = seen.sum(axis=0, keepdims=True)
    joints = (
        np.where(seen[..., None], pose.joints, 0).sum(axis=0, keepdims=True) / np.maximum(count, 1)[..., None]
    )
    scores = pose.scores.sum(axis=0, keepdims=True) / np.maximum(count, 1)
    return Pose(joints, scores, pose.names)[np.zeros(len(pose), int)]


def _colour(clip: Clip) -> NDArray[np.uint8]:
    """Return the median of each channel."""
    return np.median(clip.frames, axis=(0, 1, 2)).astype(np.uint8)


def _boxes(clip: Clip) -> NDArray[np.intp] | None:
    """Return top, left, bottom, right of the moving person in each frame, with a margin; None where nothing moves."""
    from .motion import observe

    motion = observe(clip)
    if not motion.track.found:
        return None
    scale = np.array([clip.height, clip.width] * 2) / np.array(motion.frames.shape[1:] * 2)
    # Of clips with a high rate not every frame is looked at.
    step = round(clip.fps / motion.fps)
    boxes = motion.track.boxes[np.minimum(np.arange(len(clip)) // step, len(motion.frames) - 1)] * scale
    margin = _MARGIN * (boxes[:, 2:] - boxes[:, :2])
    low = np.floor(np.maximum(boxes[:, :2] - margin, 0))
    high = np.ceil(np.minimum(boxes[:, 2:] + margin, [clip.height, clip.width]))
    return np.hstack([low, high]).astype(np.intp)


#: The probes by their names, from the most to the least that is taken away.
PROBES: Mapping[str, Probe] = {
    "frozen": frozen,
    "mean-frame": mean_frame,
    "shuffled": shuffled,
    "reversed": backwards,
    "first-third": first_third,
    "last-third": last_third,
    "every-fourth": every_fourth,
    "person-blanked": person_blanked,
    "person-only": person_only,
}
