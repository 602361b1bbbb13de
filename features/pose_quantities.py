"""Named quantities of a pose, in degrees, body heights and seconds, that a rule can test and a person can read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .cache import compute_one
from .clip import Clip
from .pose import JOINTS
from .pose_track import CLIP_TRACK, BodyTrack
from .quantities import Quantity, dominant, smooth, spread, velocity

__all__ = ["POSE_QUANTITIES", "PoseQuantities", "joint_angle", "measure_pose"]

Series = NDArray[np.float64]

# The angles: which joints of a side they are between.
_ANGLES = {
    "elbow": ("shoulder", "elbow", "wrist"),
    "knee": ("hip", "knee", "ankle"),
    "shoulder": ("hip", "shoulder", "elbow"),
    "hip": ("shoulder", "hip", "knee"),
}
_SIDES = ("left", "right")

# Body heights; what varies less has no frequency.
_LEAST_SWING = 0.01

_STRAIGHT = {
    "elbow": "180 is a straight arm",
    "knee": "180 is a straight leg",
    "shoulder": "0 hangs down, 90 points outward or forward, 180 is up",
    "hip": "180 is upright, 90 sits",
}

#: The quantities; left and right are not told apart.
POSE_QUANTITIES: tuple[Quantity, ...] = (
    *(
        Quantity(f"{joint} angle", "degrees", f"{meaning}; median over time, mean of both sides")
        for joint, meaning in _STRAIGHT.items()
    ),
    *(
        Quantity(
            f"{joint} range",
            "degrees",
            "how much that varies on the side where it does more: 90th less 10th percentile",
        )
        for joint in _STRAIGHT
    ),
    *(
        Quantity(f"{joint} difference", "degrees", "how far left and right are apart, mean over time")
        for joint in _STRAIGHT
    ),
    Quantity("hand distance", "heights", "between the wrists, median over time"),
    Quantity("hand distance range", "heights", "how much that varies: 90th less 10th percentile"),
    Quantity("hand height", "heights", "of the higher wrist above the neck, median over time"),
    Quantity("hand height range", "heights", "how much that varies: 90th less 10th percentile"),
    Quantity(
        "hand reach", "heights", "of the farther wrist from the neck to the side, 90th percentile over time"
    ),
    Quantity("foot distance", "heights", "between the ankles, median over time"),
    Quantity("foot distance range", "heights", "how much that varies: 90th less 10th percentile"),
    Quantity("foot lift", "heights", "of an ankle above its lowest place, 90th percentile over time"),
    Quantity("hand speed", "heights/s", "of the faster wrist against the hips, median over time"),
    Quantity("foot speed", "heights/s", "of the faster ankle against the hips, median over time"),
    Quantity("hand rise speed", "heights/s", "how fast a wrist goes up at its fastest: 90th percentile"),
    Quantity("hand fall speed", "heights/s", "how fast a wrist goes down at its fastest: 90th percentile"),
    Quantity("hand frequency", "Hz", "how often the distance of the wrists comes round"),
    Quantity("foot frequency", "Hz", "how often the distance of the ankles comes round"),
    Quantity(
        "hands together", "", "correlation of the heights of both wrists: 1 is the same, -1 takes turns"
    ),
    Quantity("body speed", "heights/s", "how fast the hips get from one side to the other"),
    Quantity(
        "body passing speed",
        "heights/s",
        "how fast the hips get to either side at their fastest: 90th percentile",
    ),
    Quantity("body sweep", "heights", "how far apart the places of the hips are from side to side"),
    Quantity("body bounce", "heights", "how much the hips go up and down"),
    Quantity("trunk lean", "degrees", "how far the trunk is from upright, median over time"),
)


@dataclass(frozen=True)
class PoseQuantities:
    """The quantities of the pose of a clip as an array.

    Parameters
    ----------
    track : BodyTrack
        Where the joints come from.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> PoseQuantities().extract(examples()[0][0])["values"].shape == (len(POSE_QUANTITIES),)
    True
    """

    track: BodyTrack = CLIP_TRACK

    def extract(self, clip: Clip) -> dict[str, Series]:
        """Return one value for each of `POSE_QUANTITIES`, under ``"values"``."""
        track = compute_one(self.track, clip)
        found = measure_pose(track["joints"], float(track["fps"]))
        return {"values": np.array([found[quantity.name] for quantity in POSE_QUANTITIES])}


def measure_pose(joints: NDArray[np.floating], fps: float) -> dict[str, float]:
    """Measure the course of joints in body heights, shape (T, 14, 2 or 3), as `follow_person` returns it.

    Returns
    -------
    dict of str to float
        One finite value for each of `POSE_QUANTITIES`.
    """
    shape = joints.shape
    # What trembles from frame to frame is no motion.
    joints = smooth(joints.reshape(len(joints), -1).astype(np.float64), fps).reshape(shape)
    place = dict(zip(JOINTS, joints.transpose(1, 0, 2), strict=True))
    found = {**_angles(place), **_arms(place, fps), **_legs(place, fps), **_body(place, fps)}
    return {name: float(value) for name, value in found.items()}


def joint_angle(start: Series, middle: Series, end: Series) -> Series:
    """Return the angle at a joint between two bones in degrees, 180 where they are in line or one has no length.

    Examples
    --------
    >>> joint_angle(np.array([[0.0, 1.0]]), np.zeros((1, 2)), np.array([[1.0, 0.0]])).tolist()
    [90.0]
    """
    one, other = start - middle, end - middle
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    cosine = np.where(lengths > 1e-9, (one * other).sum(axis=-1) / np.maximum(lengths, 1e-9), -1.0)
    return np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))


def _angles(place: dict[str, Series]) -> dict[str, float]:
    found = {}
    for name, joints in _ANGLES.items():
        sides = [joint_angle(*(place[f"{side} {joint}"] for joint in joints)) for side in _SIDES]
        found[f"{name} angle"] = float(np.median(sides, axis=1).mean())
        found[f"{name} range"] = max(map(spread, sides))
        found[f"{name} difference"] = float(np.abs(sides[0] - sides[1]).mean())
    return found


def _arms(place: dict[str, Series], fps: float) -> dict[str, float]:
    wrists = [place[f"{side} wrist"] for side in _SIDES]
    apart = np.linalg.norm(wrists[0] - wrists[1], axis=-1)
    offsets = [wrist - place["neck"] for wrist in wrists]
    higher = np.max([-offset[:, 1] for offset in offsets], axis=0)
    rises = -np.concatenate([_velocity(wrist - _hips(place), fps)[:, 1] for wrist in wrists])
    return {
        "hand distance": float(np.median(apart)),
        "hand distance range": spread(apart),
        "hand height": float(np.median(higher)),
        "hand height range": spread(higher),
        "hand reach": float(np.percentile(np.max([np.abs(offset[:, 0]) for offset in offsets], axis=0), 90)),
        "hand speed": _speed(wrists, place, fps),
        "hand rise speed": max(float(np.percentile(rises, 90)), 0.0),
        "hand fall speed": max(float(np.percentile(-rises, 90)), 0.0),
        "hand frequency": _frequency(apart, fps),
        "hands together": _likeness(*(offset[:, 1] for offset in offsets)),
    }


def _legs(place: dict[str, Series], fps: float) -> dict[str, float]:
    ankles = [place[f"{side} ankle"] for side in _SIDES]
    apart = np.linalg.norm(ankles[0] - ankles[1], axis=-1)
    lifts = [np.max(ankle[:, 1]) - ankle[:, 1] for ankle in ankles]
    return {
        "foot distance": float(np.median(apart)),
        "foot distance range": spread(apart),
        "foot lift": max(float(np.percentile(lift, 90)) for lift in lifts),
        "foot speed": _speed(ankles, place, fps),
        "foot frequency": _frequency(apart, fps),
    }


def _body(place: dict[str, Series], fps: float) -> dict[str, float]:
    hips = _hips(place)
    seconds = np.arange(len(hips)) / fps
    trunk = place["neck"] - hips
    lean = np.rad2deg(np.arctan2(np.linalg.norm(np.delete(trunk, 1, axis=1), axis=1), -trunk[:, 1]))
    return {
        "body speed": abs(np.polyfit(seconds, hips[:, 0], 1)[0]) if len(hips) > 1 else 0.0,
        "body passing speed": float(np.percentile(np.abs(_velocity(hips, fps)[:, 0]), 90)),
        "body sweep": float(np.ptp(np.percentile(hips[:, 0], [5, 95]))),
        "body bounce": float(np.std(hips[:, 1])),
        "trunk lean": float(np.median(lean)),
    }


def _hips(place: dict[str, Series]) -> Series:
    return (place["left hip"] + place["right hip"]) / 2


def _velocity(places: Series, fps: float) -> Series:
    """Return velocities; of one frame, that it stands still."""
    return velocity(places, fps, seconds=0.0) if len(places) > 1 else np.zeros_like(places)


def _speed(ends: list[Series], place: dict[str, Series], fps: float) -> float:
    """Return the median speed of the faster of two ends against the hips."""
    speeds = [np.linalg.norm(_velocity(end - _hips(place), fps), axis=-1) for end in ends]
    return float(np.median(np.max(speeds, axis=0)))


def _frequency(values: Series, fps: float) -> float:
    """Return the frequency of a series in heights, 0 where it hardly varies."""
    return dominant(values, fps)[0] if spread(values) > _LEAST_SWING else 0.0


def _likeness(one: Series, other: Series) -> float:
    """Return the correlation of two series, 0 where one does not change."""
    deviations = float(np.std(one) * np.std(other))
    return (
        float(np.mean((one - one.mean()) * (other - other.mean()))) / deviations if deviations > 1e-9 else 0.0
    )
