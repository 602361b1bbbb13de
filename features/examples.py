"""Small synthetic clips for examples and for the conformance checks: easy ones, and unusual ones."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .clip import Clip, Clips
from .pose import JOINTS, Pose

__all__ = ["ACTIONS", "Labelled", "blank", "colours", "examples", "mixed", "odd_sizes", "one_frame"]

#: Clips, labels and groups.
Labelled = tuple[Clips, NDArray[np.str_], NDArray[np.str_]]

#: Three of KTH's, for attempts that are written for these alone; not in the order of the alphabet.
ACTIONS = ("handwaving", "boxing", "walking")

_N_PEOPLE = 4

# Where joints are in the block that stands for a body, in its widths and heights from the upper left corner.
_BODY = np.array(
    [
        [0.5, 0.08],
        [0.5, 0.17],
        *([x, y] for x in (0.8, 0.2) for y in (0.2, 0.35, 0.5)),
        *([x, y] for x in (0.65, 0.35) for y in (0.48, 0.72, 0.96)),
    ]
)
_WRIST = JOINTS.index("left wrist")


@lru_cache(maxsize=1)
def examples() -> Labelled:
    """Return three actions of four people, one clip each, not sorted by label.

    Returns
    -------
    clips : Clips
        Twelve grey clips of 18 frames of 40 x 56 pixels, with a pose.
    labels : ndarray of str
        The action of each clip.
    groups : ndarray of str
        The person of each clip.
    """
    rows = [(action, person) for person in range(_N_PEOPLE) for action in ACTIONS]
    clips = Clips.of([_clip(*_act(action, person)) for action, person in rows])
    labels = np.array([action for action, _ in rows])
    groups = np.array([f"person {person}" for _, person in rows])
    for table in (labels, groups):
        table.setflags(write=False)
    return clips, labels, groups


def one_frame() -> Clips:
    """Return clips of one frame."""
    whole = (_clip(*_act(action, 0)) for action in ("handwaving", "walking"))
    return Clips.of([clip.take(slice(1)) for clip in whole])


def odd_sizes() -> Clips:
    """Return clips of a single pixel, of a line, narrow, wide, and with odd numbers of pixels; nobody is in them."""
    rng = np.random.default_rng(0)
    shapes = [(8, 1, 1), (8, 1, 40), (9, 37, 3), (7, 5, 61), (9, 33, 47)]
    return Clips.of([_clip(rng.integers(0, 256, shape)) for shape in shapes])


def mixed() -> Clips:
    """Return clips that differ in size, length and frame rate."""
    return Clips.of(
        [
            _clip(*_act("walking", 1, n_frames=24, shape=(48, 64)), fps=50.0),
            _clip(*_act("handwaving", 2, n_frames=9, shape=(36, 80)), fps=12.5),
            _clip(*_act("boxing", 3, n_frames=17, shape=(60, 44)), fps=30000 / 1001),
        ]
    )


def colours() -> Clips:
    """Return clips in colour beside a grey one."""
    grey, pose = _act("walking", 1)
    tinted = grey[..., np.newaxis] * np.array([1.0, 0.8, 0.5])
    return Clips.of([_clip(frames, pose) for frames in (tinted, np.stack([grey] * 3, axis=-1), grey)])


def blank() -> Clips:
    """Return clips that are black, white, or without motion, and whose pose is that nobody is there."""
    still = np.repeat(_act("walking", 1)[0][:1], 12, axis=0)
    return Clips.of([_clip(np.zeros((12, 40, 56))), _clip(np.full((12, 40, 56), 255.0)), _clip(still)])


def _clip(frames: NDArray[np.generic], pose: Pose | None = None, *, fps: float = 25.0) -> Clip:
    pixels = frames.astype(np.uint8)
    # A clip's frames are a read-only view; here the array behind it is read-only, too.
    pixels.setflags(write=False)
    return Clip(pixels, fps, pose=Pose.nobody(len(pixels)) if pose is None else pose)


def _act(
    action: str, person: int, n_frames: int = 18, shape: tuple[int, int] = (40, 56)
) -> tuple[NDArray[np.float64], Pose]:
    """Draw a person who walks through the frame, boxes or waves an arm; people differ in size and tempo.

    Returns
    -------
    frames : ndarray, shape (T, H, W)
        A block with a hand.
    pose : Pose
        The joints of somebody who would be covered by it.
    """
    rng = np.random.default_rng([17, person])
    height, width = shape
    tall, wide, tempo = height * 2 // 5 + person, width // 8 + person % 2, rng.uniform(0.9, 1.1)
    body, ground = rng.uniform(130, 250, (tall, wide)), rng.uniform(40, 70, shape)
    frames = np.repeat(ground[np.newaxis], n_frames, axis=0)
    joints = np.empty((n_frames, len(JOINTS), 2))
    for time, frame in enumerate(frames):
        swing = np.sin(0.5 * tempo * time)
        left = round(3 + 1.6 * tempo * time) if action == "walking" else width // 2 - wide
        top = height // 4
        joints[time] = [left, top] + _BODY * [wide, tall]
        frame[top : top + tall, left : left + wide] = body[:, : max(width - left, 0)]
        if action == "handwaving":
            hand = round(height * (0.3 + 0.2 * swing))
            frame[hand : hand + 4, left + wide : left + 3 * wide] = 235
            joints[time, _WRIST] = [left + 3 * wide, hand + 2]
        if action == "boxing":
            reach = round(wide * (1 + swing))
            frame[top + 4 : top + 8, left + wide : left + wide + reach] = 235
            joints[time, _WRIST] = [left + wide + reach, top + 6]
    noisy = frames + rng.normal(0, 1.5, frames.shape)
    return np.clip(noisy, 0, 255), Pose.of_one(joints, JOINTS)
