"""Drawn people: their build, and how their joints move in KTH's six actions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ....features.pose import SKELETONS, Pose

Floats = NDArray[np.float64]

# Cycles per second.
CADENCE = {
    "boxing": (0.9, 1.5),
    "handclapping": (1.0, 2.2),
    "handwaving": (0.6, 1.2),
    "jogging": (1.15, 1.5),
    "running": (1.3, 1.75),
    "walking": (0.8, 1.15),
}
# The fourteen joints: head, neck, then shoulder, elbow, wrist and hip, knee, ankle of either side.
HEAD, NECK = 0, 1
ARM = (2, 5)
LEG = (8, 11)
TOE = (14, 15)

HIDDEN = 0.45  # how far out of sight people turn round, in body heights


@dataclass(frozen=True)
class Subject:
    """What stays the same in all clips of a person; lengths in body heights, angles in radians."""

    number: int
    stature: float
    girth: float
    torso: float
    upper_arm: float
    forearm: float
    leg: float
    shirt: int
    trousers: int
    skin: int
    tempo: float
    amplitude: float
    lean: float
    left_handed: bool


@dataclass(frozen=True)
class Motion:
    """How a person does an action in a clip; ``speed`` in heights and ``cadence`` in cycles per second."""

    action: str
    speed: float
    cadence: float
    phase: float
    low: float
    high: float
    bend: float
    lean: float
    asymmetry: float


@dataclass(frozen=True)
class Gait:
    """The ranges of a way of going: speed in heights per second, knee, elbow and lean in radians.

    ``flight`` is how much longer a step is than the legs span, ``bounce`` the rise in flight in heights.
    """

    speed: tuple[float, float]
    flight: float
    knee: tuple[float, float]
    elbow: tuple[float, float]
    lean: tuple[float, float]
    bounce: float


# The speeds overlap on purpose: a fast walker outpaces a slow jogger, and a fast jogger a slow runner.
GAIT = {
    "jogging": Gait((0.8, 2.0), 1.15, (0.8, 1.4), (1.0, 1.5), (0.0, 0.14), 0.02),
    "running": Gait((1.2, 2.7), 1.3, (1.2, 1.8), (1.15, 1.65), (0.06, 0.24), 0.035),
    "walking": Gait((0.5, 1.3), 1.0, (0.5, 0.8), (0.1, 0.5), (-0.02, 0.06), 0.0),
}
# Who does these is seen from the side, who does the others from the front.
SIDEWAYS = ("boxing", *GAIT)


def make_subject(number: int, rng: Generator) -> Subject:
    """Draw build, clothes and habits of a person at random."""
    return Subject(
        number=number,
        stature=between(rng, 0.54, 0.68),
        girth=between(rng, 0.85, 1.25),
        torso=between(rng, 0.285, 0.315),
        upper_arm=between(rng, 0.16, 0.18),
        forearm=between(rng, 0.155, 0.175),
        leg=between(rng, 0.24, 0.255),
        shirt=_grey(rng, 0.65),
        trousers=_grey(rng, 0.65),
        skin=_grey(rng, 0.35),
        tempo=between(rng, 0.9, 1.1),
        amplitude=between(rng, 0.85, 1.15),
        lean=between(rng, -0.04, 0.06),
        left_handed=bool(rng.random() < 0.5),
    )


def _grey(rng: Generator, dark: float) -> int:
    """Draw the grey of clothes or skin, dark with this probability or bright: the walls lie between."""
    return int(rng.integers(10, 80)) if rng.random() < dark else int(rng.integers(190, 246))


def make_motion(action: str, subject: Subject, rng: Generator) -> Motion:
    """Draw how a person does an action at random."""
    effort, steps, phase, low, high, bend, lean = (float(value) for value in rng.random(7))
    gait = GAIT.get(action)
    return Motion(
        action=action,
        speed=subject.tempo * mix(gait.speed, effort) if gait else 0.0,
        # Who moves fast steps fast, but not in lockstep.
        cadence=subject.tempo * mix(CADENCE[action], (effort + steps) / 2),
        phase=phase,
        low=low,
        high=high,
        bend=bend,
        lean=subject.lean + (mix(gait.lean, lean) if gait else 0.0),
        asymmetry=between(rng, 0.75, 1.0),
    )


def between(rng: Generator, low: float, high: float) -> float:
    """Draw a number from a range with uniform probability."""
    return float(rng.uniform(low, high))


def mix(ends: tuple[float, float], share: float) -> float:
    """Return the point of a range that lies at a share of it."""
    return ends[0] + (ends[1] - ends[0]) * share


def place_joints(times: Floats, subject: Subject, motion: Motion) -> Floats:
    """Return joints in body heights, x forward (or to the right), y up from the ground: shape (T, 14, 2)."""
    turn = 2 * np.pi * (motion.cadence * times + motion.phase)
    if motion.action in GAIT:
        return _gait(turn, subject, motion)
    if motion.action == "boxing":
        return _boxing(turn, subject, motion)
    return _frontal(turn, subject, motion)


def step(origin: Floats, length: float, angle: Floats | float) -> Floats:
    """Return the far end of a bone that hangs down at angle 0 and points forward at a right angle."""
    return origin + length * np.stack(np.broadcast_arrays(np.sin(angle), -np.cos(angle)), axis=-1)


def trunk(joints: Floats, subject: Subject, lean: Floats | float, shoulder: float, hip: float) -> None:
    """Set head, neck, shoulders and hips from the pelvis that stands where the neck will be."""
    pelvis = joints[:, NECK].copy()
    joints[:, NECK] = step(pelvis, -subject.torso, -np.asarray(lean))
    joints[:, HEAD] = step(joints[:, NECK], -0.095, -np.asarray(lean) * 0.6)
    for side, sign in enumerate((1.0, -1.0)):
        joints[:, ARM[side]] = joints[:, NECK] + np.array([sign * shoulder, -0.03])
        joints[:, LEG[side]] = pelvis + np.array([sign * hip, 0.0])


def _gait(turn: Floats, subject: Subject, motion: Motion) -> Floats:
    gait = GAIT[motion.action]
    # The swing of the thighs that covers the ground at this speed and cadence without sliding feet.
    reach = motion.speed / (8 * subject.leg * motion.cadence * gait.flight)
    swing = np.arcsin(min(reach, 0.8))
    joints = np.zeros((len(turn), 14, 2))
    trunk(joints, subject, motion.lean, 0.015, 0.01)
    for side in range(2):
        angle = turn + np.pi * side
        thigh = swing * np.sin(angle) + 0.3 * motion.lean
        lifted = np.maximum(0, np.cos(angle + 0.35)) ** 1.5
        knee = 0.06 + subject.amplitude * mix(gait.knee, motion.bend) * lifted
        joints[:, LEG[side] + 1] = step(joints[:, LEG[side]], subject.leg, thigh)
        joints[:, LEG[side] + 2] = step(joints[:, LEG[side] + 1], subject.leg, thigh - knee)
        arm = motion.lean - subject.amplitude * (0.5 + 0.7 * swing) * swing * np.sin(angle)
        bend_arm(joints, side, subject, arm, mix(gait.elbow, motion.low) + 0.2 * np.sin(angle))
    feet = joints[:, [LEG[0] + 2, LEG[1] + 2], 1].min(axis=1)
    joints[..., 1] += (0.03 - feet + gait.bounce * np.sin(turn) ** 2)[:, None]
    return joints


def bend_arm(joints: Floats, side: int, subject: Subject, angle: Floats, bend: Floats) -> None:
    """Set elbow and wrist of an arm from the angles of upper arm and elbow, shape (T,)."""
    joints[:, ARM[side] + 1] = step(joints[:, ARM[side]], subject.upper_arm, angle)
    joints[:, ARM[side] + 2] = step(joints[:, ARM[side] + 1], subject.forearm, angle + bend)


def _boxing(turn: Floats, subject: Subject, motion: Motion) -> Floats:
    joints = np.zeros((len(turn), 14, 2))
    joints[:, NECK, 1] = 2 * subject.leg + 0.02 + 0.008 * np.sin(2 * turn)
    trunk(joints, subject, motion.lean + 0.06 * np.sin(turn) + 0.05, 0.02, 0.01)
    stand(joints, subject, 0.1 + 0.06 * motion.low)
    reach = subject.amplitude * mix((0.8, 0.95), motion.high) * (subject.upper_arm + subject.forearm)
    for side in range(2):
        strike = np.maximum(0, np.sin(turn + np.pi * side)) ** 1.5
        strong = (side == 0) != subject.left_handed
        guard = np.array([0.1, -0.02 + 0.05 * motion.bend])
        blow = np.array([min(reach, 0.31) * (1.0 if strong else motion.asymmetry), 0.03 * motion.bend])
        wrist = joints[:, ARM[side]] + guard + strike[:, None] * (blow - guard)
        place_wrist(joints, side, subject, wrist)
    return joints


def place_wrist(joints: Floats, side: int, subject: Subject, wrist: Floats) -> None:
    """Put the hand where it is wanted and the elbow below, by the law of cosines."""
    upper, fore = subject.upper_arm, subject.forearm
    offset = wrist - joints[:, ARM[side]]
    distance = np.clip(np.hypot(offset[:, 0], offset[:, 1]), abs(upper - fore) + 1e-3, upper + fore - 1e-3)
    inner = np.arccos(np.clip((upper**2 + distance**2 - fore**2) / (2 * upper * distance), -1, 1))
    angle = np.arctan2(offset[:, 0], -offset[:, 1]) - inner
    joints[:, ARM[side] + 1] = step(joints[:, ARM[side]], upper, angle)
    joints[:, ARM[side] + 2] = wrist


def stand(joints: Floats, subject: Subject, spread: float) -> None:
    """Set knees and ankles of one who stands with feet this far out."""
    for side, sign in enumerate((1.0, -1.0)):
        joints[:, LEG[side] + 2] = [sign * spread, 0.03]
        middle = (joints[:, LEG[side]] + joints[:, LEG[side] + 2]) / 2
        joints[:, LEG[side] + 1] = middle + np.array([0.01, 0.0])


def _frontal(turn: Floats, subject: Subject, motion: Motion) -> Floats:
    joints = np.zeros((len(turn), 14, 2))
    joints[:, NECK] = np.stack([0.006 * np.sin(turn / 2), np.full_like(turn, 2 * subject.leg + 0.03)], axis=1)
    trunk(joints, subject, 0.3 * motion.lean, 0.105, 0.055)
    stand(joints, subject, 0.06 + 0.05 * motion.low)
    move = _wave if motion.action == "handwaving" else _clap
    for side in range(2):
        strong = (side == 0) != subject.left_handed
        move(joints, side, turn, subject, motion, 1.0 if strong else motion.asymmetry)
    return joints


def _wave(joints: Floats, side: int, turn: Floats, subject: Subject, motion: Motion, share: float) -> None:
    """Swing an arm from beside the body to above the head."""
    sign = 1.0 - 2.0 * side
    low, high = mix((0.3, 1.2), motion.low), mix((2.2, 2.8), motion.high)
    sweep = subject.amplitude * share * (high - low) * (0.5 - 0.5 * np.cos(turn))
    bend = np.full_like(turn, 0.1 + 0.4 * motion.bend)
    bend_arm(joints, side, subject, sign * np.minimum(low + sweep, 2.95), sign * bend)


def _clap(joints: Floats, side: int, turn: Floats, subject: Subject, motion: Motion, share: float) -> None:
    """Bring a hand to the middle of the chest and away again, the elbow foreshortened between."""
    sign = 1.0 - 2.0 * side
    opening = subject.amplitude * share * mix((0.12, 0.3), motion.high) * (0.5 - 0.5 * np.cos(turn))
    height = joints[:, NECK, 1] - mix((0.02, 0.14), motion.low) + 0.15 * opening
    joints[:, ARM[side] + 2] = np.stack([joints[:, NECK, 0] + sign * (0.012 + opening), height], axis=1)
    middle = (joints[:, ARM[side]] + joints[:, ARM[side] + 2]) / 2
    outward = np.array([sign * 0.06, -mix((0.05, 0.11), motion.bend)])
    joints[:, ARM[side] + 1] = middle + outward


def with_toes(joints: Floats, sideways: bool) -> Floats:
    """Return joints with the tips of the feet, shape (T, 16, 2)."""
    tips = [[0.07, -0.012], [0.07, -0.012]] if sideways else [[0.02, -0.015], [-0.02, -0.015]]
    return np.concatenate([joints, joints[:, [LEG[0] + 2, LEG[1] + 2]] + np.array(tips)], axis=1)


def true_pose(points: Floats, sideways: bool) -> Pose:
    """Return the pose of a drawn person, whose left is where it would be of a real one.

    Parameters
    ----------
    points : ndarray, shape (T, 16, 2)
        Joints and tips of the feet in pixels.
    sideways : bool
        Whether the person is seen from the side: the first of two limbs is then the near one, else the left one of
        somebody who faces right, or who is not mirrored.
    """
    first, second = (
        [*range(ARM[side], ARM[side] + 3), *range(LEG[side], LEG[side] + 3), TOE[side]] for side in (0, 1)
    )
    mirrored = points[:, ARM[0], 0] < points[:, ARM[1], 0]
    exchanged = np.flatnonzero(mirrored != sideways)
    named = points.copy()
    for one, other in ((first, second), (second, first)):
        named[np.ix_(exchanged, one)] = points[np.ix_(exchanged, other)]
    return Pose.of_one(named, SKELETONS["drawn-16"])


def make_path(
    times: Floats, width: float, place: float, direction: int, speed: float
) -> tuple[Floats, Floats]:
    """Return where the body is, in heights from the left edge, and which way it faces, each of shape (T,).

    Who leaves the frame turns out of sight and comes back, as in KTH, so that runners are seen too.

    Parameters
    ----------
    times : ndarray, shape (T,)
        Seconds from the moment at which the person is at ``place``, a share of the ``width`` of the frame in heights.
    """
    length = width + 2 * HIDDEN
    way = np.mod(place * width + HIDDEN + direction * speed * times, 2 * length)
    outward = way < length
    centre = np.where(outward, way, 2 * length - way) - HIDDEN
    return centre, np.where(outward, direction, -direction).astype(np.float64)
