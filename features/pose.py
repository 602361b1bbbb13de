"""Poses: where named joints of people are in each frame, and the course of the person who acts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "JOINTS",
    "SKELETONS",
    "Pose",
    "body_height",
    "follow_person",
    "joint_errors",
    "skeleton_of",
    "together",
]

Floats = NDArray[np.floating[Any]]

#: The joints to which all skeletons are mapped.
JOINTS = (
    "head",
    "neck",
    *(f"{side} {joint}" for side in ("left", "right") for joint in ("shoulder", "elbow", "wrist")),
    *(f"{side} {joint}" for side in ("left", "right") for joint in ("hip", "knee", "ankle")),
)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.replace("_", " ") for word in text.split())


#: Names of the joints of usual skeletons, in their order.
SKELETONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "common-14": JOINTS,
        "drawn-16": (*JOINTS, "left toe", "right toe"),
        "lights-13": tuple(joint for joint in JOINTS if joint != "neck"),
        "coco-17": _words(
            "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow "
            "left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"
        ),
        "openpose-18": _words(
            "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip "
            "right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear"
        ),
        "openpose-25": _words(
            "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist middle_of_hips "
            "right_hip right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear "
            "left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel"
        ),
        "ntu-25": _words(
            "base_of_spine middle_of_spine neck head left_shoulder left_elbow left_wrist left_hand right_shoulder "
            "right_elbow right_wrist right_hand left_hip left_knee left_ankle left_foot right_hip right_knee "
            "right_ankle right_foot top_of_spine left_hand_tip left_thumb right_hand_tip right_thumb"
        ),
        "mediapipe-33": _words(
            "nose left_inner_eye left_eye left_outer_eye right_inner_eye right_eye right_outer_eye left_ear "
            "right_ear left_mouth right_mouth left_shoulder right_shoulder left_elbow right_elbow left_wrist "
            "right_wrist left_pinky right_pinky left_index right_index left_thumb right_thumb left_hip right_hip "
            "left_knee right_knee left_ankle right_ankle left_heel right_heel left_toe right_toe"
        ),
    }
)

# What stands for a common joint where a skeleton or a frame has none of that name: the first one of which all are
# seen, or the middle of two.
_INSTEAD: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "head": (("nose",), ("left ear", "right ear"), ("left eye", "right eye")),
    "neck": (("left shoulder", "right shoulder"),),
}

# A joint with a lower score counts as missing.
_LEAST_SCORE = 0.1

# How far the middle of a person's joints moves from frame to frame at most, in sizes of the person.
_REACH = 1.0

# Who has this share of the tallest person's height counts as equally tall.
_NEARLY = 0.9

# Parts of the body that tell its height: the length of each in body heights, and its weight.
_PARTS: Mapping[tuple[str, str], tuple[float, float]] = {
    ("head", "neck"): (0.095, 1.0),
    ("neck", "hips"): (0.3, 1.0),
    **{(f"{side} hip", f"{side} knee"): (0.245, 0.5) for side in ("left", "right")},
    **{(f"{side} knee", f"{side} ankle"): (0.245, 0.5) for side in ("left", "right")},
}

# Somebody who stands upright and is seen from the front, in body heights, down from the head and right from the middle.
_STANDING = np.array(
    [
        [0.0, -0.425],
        [0.0, -0.33],
        *([sign * x, y] for sign in (1, -1) for x, y in ((0.1, -0.3), (0.12, -0.13), (0.13, 0.03))),
        *([sign * x, y] for sign in (1, -1) for x, y in ((0.055, -0.03), (0.06, 0.215), (0.07, 0.46))),
    ]
)


@dataclass(frozen=True, eq=False)
class Pose:
    """Where the joints of people are in each frame of a clip.

    Parameters
    ----------
    joints : array_like, shape (T, people, n, 2 or 3)
        Right and down in pixels from the upper left corner of the frame; with a depth, in one unit of any kind. Which
        person has which place in a frame has no meaning.
    scores : array_like, shape (T, people, n)
        How sure each joint is, 0 to 1; 0 where it is missing, which also is a joint that is not finite.
    names : sequence of str
        What each joint is called, see `SKELETONS`.

    Raises
    ------
    ValueError
        If shapes or names do not fit, or a score is not in 0 to 1.

    Examples
    --------
    >>> pose = Pose(np.zeros((3, 1, 14, 2)), np.ones((3, 1, 14)), JOINTS)
    >>> len(pose), len(pose[::2]), pose.n_people
    (3, 2, 1)
    """

    joints: Floats
    scores: Floats
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        joints, scores = np.array(self.joints, np.float32), np.array(self.scores, np.float32)
        names = tuple(self.names)
        if joints.ndim != 4 or joints.shape[3] not in (2, 3) or joints.shape[2] != len(names) or not names:
            raise ValueError(
                f"joints must be (T, people, {len(names)}, 2 or 3) for {len(names)} names, got {joints.shape}"
            )
        if scores.shape != joints.shape[:3]:
            raise ValueError(f"there must be a score for each joint, {joints.shape[:3]}, got {scores.shape}")
        if len(set(names)) < len(names):
            raise ValueError("each joint must have a name of its own")
        scores = np.where(np.isfinite(joints).all(axis=-1) & ~np.isnan(scores), scores, 0)
        if scores.size and not (scores.min() >= 0 and scores.max() <= 1):
            raise ValueError(f"scores must be 0 to 1, got {scores.min():g} to {scores.max():g}")
        joints[scores == 0] = np.nan
        for name, value in (("joints", joints), ("scores", scores)):
            value.flags.writeable = False
            object.__setattr__(self, name, value)
        object.__setattr__(self, "names", names)

    @classmethod
    def of_one(cls, joints: ArrayLike, names: Sequence[str]) -> Pose:
        """Return the exact pose of one person, from joints of shape (T, n, 2 or 3)."""
        joints = np.asarray(joints, np.float32)[:, None]
        return cls(joints, np.ones(joints.shape[:3], np.float32), tuple(names))

    @classmethod
    def nobody(cls, n_frames: int) -> Pose:
        """Return that there is nobody."""
        return cls(np.empty((n_frames, 0, len(JOINTS), 2)), np.empty((n_frames, 0, len(JOINTS))), JOINTS)

    def __len__(self) -> int:
        return len(self.joints)

    def __getitem__(self, frames: slice | NDArray[Any]) -> Pose:
        """Return the pose of some frames, in the order in which they are named."""
        return Pose(self.joints[frames], self.scores[frames], self.names)

    @property
    def n_people(self) -> int:
        """The largest number of people in a frame."""
        return self.joints.shape[1]

    def fingerprint(self) -> str:
        """Return a hash of the content."""
        digest = hashlib.sha256(repr((self.joints.shape, self.names)).encode())
        digest.update(self.joints.tobytes() + self.scores.tobytes())
        return digest.hexdigest()

    def moved(self, offset: ArrayLike = (0, 0), scale: ArrayLike = (1, 1)) -> Pose:
        """Return the pose in a frame that was cut at ``offset`` and then resized by ``scale``, each right and down.

        Joints with a depth are in a unit of their own, and stay.
        """
        if self.joints.shape[3] == 3:
            return self
        moved = (self.joints - np.asarray(offset, np.float32)) * np.asarray(scale, np.float32)
        return Pose(moved, self.scores, self.names)

    def mirrored(self, width: float) -> Pose:
        """Return the pose in the mirror image of a frame of this width: left joints become right ones."""
        joints = self.joints.copy()
        joints[..., 0] = (width if joints.shape[3] == 2 else 0) - joints[..., 0]
        order = [
            self.names.index(other) if other in self.names else place for place, other in _others(self.names)
        ]
        return Pose(joints[:, :, order], self.scores[:, :, order], self.names)

    def common(self) -> Pose:
        """Return the pose with the joints of `JOINTS`; where a skeleton has none, it is missing."""
        shape = (*self.joints.shape[:2], len(JOINTS))
        joints, scores = (
            np.full((*shape, self.joints.shape[3]), np.nan, np.float32),
            np.zeros(shape, np.float32),
        )
        place = {name: index for index, name in enumerate(self.names)}
        for index, name in enumerate(JOINTS):
            for parts in ((name,), *_INSTEAD.get(name, ())):
                if not set(parts) <= set(place):
                    continue
                columns = [place[part] for part in parts]
                found = self.scores[:, :, columns].min(axis=2)
                fills = (scores[:, :, index] == 0) & (found > 0)
                joints[fills, index] = self.joints[:, :, columns].mean(axis=2)[fills]
                scores[fills, index] = found[fills]
        return Pose(joints, scores, JOINTS)


def together(poses: Sequence[Pose]) -> Pose:
    """Return the people of several poses with the same frames and joints as one pose."""
    joints, scores = (
        np.concatenate([getattr(pose, part) for pose in poses], axis=1) for part in ("joints", "scores")
    )
    return Pose(joints, scores, poses[0].names)


def skeleton_of(joints: object) -> tuple[str, ...]:
    """Return names of joints from the name of a skeleton, or from a list of names in which ``_`` stands for a blank.

    Raises
    ------
    ValueError
        If there is no such skeleton, or none of the names is one of a joint that is used.
    """
    if isinstance(joints, str) and joints in SKELETONS:
        return SKELETONS[joints]
    if not isinstance(joints, list | tuple) or not all(isinstance(name, str) for name in joints):
        raise ValueError(f"must be a list of names or one of {', '.join(SKELETONS)}, got {_short(joints)}")
    names = tuple(" ".join(name.lower().replace("_", " ").split()) for name in joints)
    known = {name for names in SKELETONS.values() for name in names}
    if len(set(names)) < len(names) or len(known & set(names)) < 2:
        raise ValueError(
            f"must have different names, two or more of them among {', '.join(JOINTS)}, got {_short(joints)}"
        )
    return names


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _others(names: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the place of each joint, and the name of that on the other side."""
    for place, name in enumerate(names):
        side, _, joint = name.partition(" ")
        yield place, f"{ {'left': 'right', 'right': 'left'}.get(side, side) } {joint}".strip()


#: The place of each common joint's counterpart on the other side.
MIRROR = np.array([JOINTS.index(name) for _, name in _others(JOINTS)])


@dataclass(eq=False)
class _Track:
    """One person over time."""

    last: Floats  # (n, D), each joint where it was last seen
    frames: list[int]
    people: list[int]

    def extent(self) -> float:
        return _extent(self.last)


def follow_person(pose: Pose) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the course of the person who acts: the tallest, of several that are nearly as tall the one who moves most.

    People are followed from frame to frame by the assignment with the smallest sum of distances. Joints that are
    missing are interpolated over time, and held at both ends. A joint that is never seen is where somebody who stands
    upright has it; where nobody is seen at all, such a one stands still at the origin, of height 1.

    Returns
    -------
    joints : ndarray of float32, shape (T, 14, 2 or 3)
        The joints of `JOINTS`, all finite.
    seen : ndarray of bool, shape (T, 14)
        Which were seen.

    Examples
    --------
    >>> joints, seen = follow_person(Pose.nobody(3))
    >>> joints.shape, bool(seen.any()), round(body_height(joints), 2)
    ((3, 14, 2), False, 1.0)
    """
    pose = pose.common()
    found = pose.scores >= _LEAST_SCORE
    joints = np.where(found[..., None], pose.joints, np.nan)
    course = np.full((len(pose), len(JOINTS), joints.shape[3]), np.nan, np.float32)
    if pose.n_people == 1:
        course = joints[:, 0]
    elif found.any():
        course = _choose([_tracked(joints, track) for track in _tracks(joints, found)])
    seen = np.asarray(np.isfinite(course).all(axis=-1))
    return _filled(course, seen), seen


def _tracks(joints: Floats, found: NDArray[np.bool_]) -> list[_Track]:
    """Follow all people through the frames."""
    tracks: list[_Track] = []
    for frame, (people, present) in enumerate(zip(joints, np.asarray(found.any(axis=2)), strict=True)):
        waiting = np.flatnonzero(present).tolist()
        for track, person in _assigned(tracks, people, waiting):
            here = people[person]
            track.last = np.where(np.isfinite(here), here, track.last)
            track.frames.append(frame)
            track.people.append(person)
            waiting.remove(person)
        tracks += [_Track(people[person].copy(), [frame], [person]) for person in waiting]
    return tracks


def _assigned(tracks: list[_Track], people: Floats, waiting: list[int]) -> list[tuple[_Track, int]]:
    """Return which person continues which track, as far as they are near enough."""
    from scipy.optimize import linear_sum_assignment

    if not tracks or not waiting:
        return []
    costs = np.array([[_distance(track.last, people[person]) for person in waiting] for track in tracks])
    limits = np.array(
        [
            [_REACH * max(track.extent(), _extent(people[person]), 1e-6) for person in waiting]
            for track in tracks
        ]
    )
    # A pair beyond the limit costs more than all that are within together.
    allowed = costs <= limits
    rows, columns = linear_sum_assignment(np.where(allowed, costs, 1e6 * (1 + limits.max())))
    return [
        (tracks[row], waiting[column])
        for row, column in zip(rows, columns, strict=True)
        if allowed[row, column]
    ]


def _distance(one: Floats, other: Floats) -> float:
    """Return the mean distance of the joints that both have, else that of their middles."""
    apart = np.linalg.norm(one - other, axis=-1)
    if np.isfinite(apart).any():
        return float(np.nanmean(apart))
    return float(np.linalg.norm(np.nanmean(one, axis=0) - np.nanmean(other, axis=0)))


def _extent(joints: Floats) -> float:
    """Return the longer side of the box about joints, 0 where there is none."""
    here = joints[np.isfinite(joints).all(axis=-1)]
    return float(np.ptp(here, axis=0).max()) if len(here) else 0.0


def _tracked(joints: Floats, track: _Track) -> Floats:
    course = np.full((len(joints), *joints.shape[2:]), np.nan, np.float32)
    course[track.frames] = joints[track.frames, track.people]
    return course


def _size(course: Floats) -> float:
    """Return the height of a body, in the share of frames in which it is seen."""
    return float(np.isfinite(course).any(axis=(1, 2)).mean()) * body_height(course)


def _activity(course: Floats) -> float:
    """Return how far joints move about the middle of the body."""
    body = course[np.isfinite(course).any(axis=(1, 2))]
    about = body - np.nanmean(body, axis=1, keepdims=True)
    known = np.maximum(np.isfinite(about).sum(axis=0), 1)
    means = np.nansum(about, axis=0) / known
    variances = np.nansum((about - means) ** 2, axis=0) / known
    return float(np.sqrt(variances.sum(axis=-1)).mean())


def _choose(courses: list[Floats]) -> Floats:
    sizes = np.array([_size(course) for course in courses])
    tall = [course for course, size in zip(courses, sizes, strict=True) if size >= _NEARLY * sizes.max()]
    return max(tall, key=_activity)


def _filled(course: Floats, seen: NDArray[np.bool_]) -> Floats:
    """Return the joints without gaps."""
    times = np.arange(len(course))
    filled = course.astype(np.float64)
    known = np.asarray(seen.any(axis=0))
    for joint in np.flatnonzero(known):
        rows = seen[:, joint]
        for axis in range(course.shape[2]):
            filled[:, joint, axis] = np.interp(times, times[rows], filled[rows, joint, axis])
    standing = np.zeros((len(JOINTS), course.shape[2]))
    standing[:, :2] = _STANDING
    if not known.any():
        filled[:] = standing
    elif not known.all():
        standing *= body_height(np.where(known[:, None], filled, np.nan))
        middles = (filled[:, known] - standing[known]).mean(axis=1, keepdims=True)
        filled[:, ~known] = middles + standing[~known]
    return filled.astype(np.float32)


def body_height(joints: NDArray[np.floating]) -> float:
    """Return the height of a body from the lengths of its parts, each the median over time.

    Joints that are not finite are left out. Without any part that is known, it is the extent of all joints, or 1.

    Parameters
    ----------
    joints : ndarray, shape (T, 14, 2 or 3)
        The joints of `JOINTS`.
    """
    place = {name: joints[:, index] for index, name in enumerate(JOINTS)}
    left, right = place["left hip"], place["right hip"]
    place["hips"] = (np.where(np.isfinite(left), left, right) + np.where(np.isfinite(right), right, left)) / 2
    measured = expected = 0.0
    for (start, end), (length, weight) in _PARTS.items():
        lengths = np.linalg.norm(place[start] - place[end], axis=-1)
        if np.isfinite(lengths).any():
            measured += weight * float(np.nanmedian(lengths))
            expected += weight * length
    if measured > 0:
        return measured / expected
    return max((_extent(frame) for frame in joints), default=0.0) or 1.0


def joint_errors(found: Pose, exact: Pose) -> NDArray[np.float64]:
    """Return how far the joints of the person who acts are from the exact ones, in body heights, shape (T, 14).

    Joints that are missing in ``found`` are where `follow_person` puts them; those that the exact pose lacks have NaN.
    """
    there, known = follow_person(exact)
    here, _ = follow_person(found)
    apart = np.linalg.norm(here[..., :2] - there[..., :2], axis=-1) / body_height(there)
    return np.where(known, apart, np.nan).astype(np.float64)
