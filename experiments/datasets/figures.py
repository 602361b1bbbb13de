"""The built-in data set: drawn people who do the six actions of KTH."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from ...errors import DataError
from ...features.clip import Clip
from .base import Dataset

ACTIONS = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")

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

SUPERSAMPLING = 2
BACKGROUND_DETAIL = 4  # background pixels to a pixel of the clip
MARGIN = 0.3  # background kept beyond each edge of the frame, for the moving camera
SHIFT = 4  # fractional bits of a polygon's coordinates
GROUND = 0.93  # where the feet stand, in frame heights from the top
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
class Scene:
    """The nuisances of a clip; drawn without regard to its action, so that they tell nothing about it."""

    direction: int
    place: float
    scale: float
    zoom: float
    exposure: float
    flicker: float
    flicker_hz: float
    flicker_phase: float
    pan: float


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


class Figures(Dataset):
    """Drawn people who do KTH's six actions: boxing, handclapping, handwaving, jogging, running, walking.

    Articulated figures of fourteen joints in front of a cluttered background, seen by a slightly shaking
    camera. Walking, jogging and running overlap in speed and cadence. Subjects differ in build, clothes,
    tempo, amplitude and background; a subject's clips show each action under the same scenes, so that no
    nuisance tells the label. Every clip is drawn when it is loaded, from the seed and its own name alone.

    Parameters
    ----------
    subjects : int
        Number of people, each a group; at least 2.
    clips_per_subject : int
        Clips of each person and action.
    frames, height, width : int
        Size of each clip; frames of at least 16 by 16 pixels.
    fps : float
        Frames per second. Motion is defined in seconds: a lower rate shows larger steps.
    seed : int
        Another seed gives other people.
    clutter : float
        Contrast and number of things in the background, 0 (plain) to 3.
    jitter : float
        Standard deviation of the camera's shake from frame to frame, in pixels.
    zoom : float
        Largest relative change of scale within a clip, 0 to 0.5.
    light : float
        Largest relative change of exposure, between clips and within one, 0 to 0.9.
    noise : float
        Standard deviation of the sensor's noise, in grey levels, 0 to 100.
    distractors : int
        Number of other people who walk through the background.

    Raises
    ------
    DataError
        If a parameter has the wrong type or lies outside its range.

    Notes
    -----
    The actions are those of Schuldt, Laptev and Caputo, "Recognizing human actions: a local SVM approach",
    ICPR 2004. Cadences, speeds and angles are plausible for people, not measured on a data set.

    Examples
    --------
    >>> figures = Figures(subjects=2, clips_per_subject=1)
    >>> len(figures), figures.table["clip"][0], figures.load(0).frames.shape
    (12, 'person01/boxing_1', (48, 60, 80))
    """

    def __init__(
        self,
        *,
        subjects: int = 25,
        clips_per_subject: int = 4,
        frames: int = 48,
        height: int = 60,
        width: int = 80,
        fps: float = 25.0,
        seed: int = 0,
        clutter: float = 1.0,
        jitter: float = 0.2,
        zoom: float = 0.05,
        light: float = 0.1,
        noise: float = 3.0,
        distractors: int = 0,
    ) -> None:
        self.subjects = _whole("subjects", subjects, 2)
        self.clips_per_subject = _whole("clips_per_subject", clips_per_subject, 1)
        self.frames = _whole("frames", frames, 1)
        self.height = _whole("height", height, 16)
        self.width = _whole("width", width, 16)
        self.fps = _number("fps", fps, 1.0, 1000.0)
        self.seed = _whole("seed", seed, 0)
        self.clutter = _number("clutter", clutter, 0.0, 3.0)
        self.jitter = _number("jitter", jitter, 0.0, 20.0)
        self.zoom = _number("zoom", zoom, 0.0, 0.5)
        self.light = _number("light", light, 0.0, 0.9)
        self.noise = _number("noise", noise, 0.0, 100.0)
        self.distractors = _whole("distractors", distractors, 0)

    def files(self) -> list[Path]:
        """Return none: all is drawn."""
        return []

    def read_table(self) -> pd.DataFrame:
        """Return one row per clip.

        Returns
        -------
        DataFrame
            ``clip`` (``person07/boxing_2``), ``label``, ``group`` (``person07``), and what is true of the
            clip: ``direction`` (``left`` or ``right``, as the person faces in the middle of the clip),
            ``speed`` (body heights per second), ``cadence`` (cycles per second), ``scale`` (body height over
            frame height), ``zoom`` (relative change of scale over the clip), ``exposure`` (factor).
        """
        return pd.DataFrame([self._row(index) for index in range(self._count)])

    def load(self, index: int) -> Clip:
        """Draw the clip of row ``index``."""
        subject, scene, motion, clip = self.plan(index)
        rng = self._rng(3, subject.number, ACTIONS.index(motion.action), clip)
        camera = _camera(self, scene, rng)
        people = [*self._passers_by(subject.number, clip), (subject, scene, motion)]
        canvases = _film_background(self, _background(self, self._rng(4, subject.number)), camera, scene)
        for person in people:
            draw_polygons(canvases, _polygons(self, camera, *person), _greys(person[0], person[2]))
        return Clip(_develop(self, canvases, scene, rng), self.fps)

    def fingerprint(self, index: int) -> str:
        """Return a hash of all that determines clip ``index``, without drawing it."""
        subject, scene, motion, clip = self.plan(index)
        knobs = {name: value for name, value in vars(self).items() if name not in ("subjects", "table")}
        del knobs["clips_per_subject"]
        parts = [asdict(subject), asdict(scene), asdict(motion), clip, knobs, generator_source()]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def _count(self) -> int:
        return self.subjects * len(ACTIONS) * self.clips_per_subject

    def _row(self, index: int) -> dict[str, Any]:
        subject, scene, motion, clip = self.plan(index)
        group = _group(subject.number)
        return {
            "clip": f"{group}/{motion.action}_{clip + 1}",
            "label": motion.action,
            "group": group,
            "direction": "right" if scene.direction > 0 else "left",
            "speed": motion.speed,
            "cadence": motion.cadence,
            "scale": subject.stature * scene.scale,
            "zoom": scene.zoom,
            "exposure": scene.exposure,
        }

    def plan(self, index: int) -> tuple[Subject, Scene, Motion, int]:
        """Return who does what where in a clip, and which clip of the person and action it is."""
        if not 0 <= index < self._count:
            raise IndexError(f"data set figures has {self._count} clips, there is no clip {index}")
        rest, clip = divmod(index, self.clips_per_subject)
        number, action = divmod(rest, len(ACTIONS))
        subject = make_subject(number, self._rng(0, number))
        direction = 1 if (number + clip) % 2 else -1
        scene = _scene(self, direction, (0.9, 1.1), self._rng(1, number, clip))
        motion = make_motion(ACTIONS[action], subject, self._rng(2, number, action, clip))
        return subject, scene, motion, clip

    def _passers_by(self, number: int, clip: int) -> list[tuple[Subject, Scene, Motion]]:
        people = []
        for other in range(self.distractors):
            rng = self._rng(5, number, clip, other)
            subject = make_subject(other, rng)
            scene = _scene(self, int(rng.choice([-1, 1])), (0.6, 0.85), rng)
            people.append((subject, scene, make_motion("walking", subject, rng)))
        return people

    def _rng(self, *key: int) -> Generator:
        return default_rng([self.seed, *key])


def _whole(key: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise DataError(f"data set figures: {key} must be an integer of at least {least}, got {value!r}")
    return int(value)


def _number(key: str, value: object, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not low <= float(value) <= high:
        raise DataError(f"data set figures: {key} must be a number from {low:g} to {high:g}, got {value!r}")
    return float(value)


def _group(number: int) -> str:
    return f"person{number + 1:02d}"


@cache
def generator_source() -> list[str]:
    """Return what draws: a hash of this file, and the versions of the libraries under it."""
    source = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return [source, cv2.__version__, np.__version__]


def _between(rng: Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def _grey(rng: Generator, dark: float) -> int:
    """Draw the grey of clothes or skin, dark with this probability or bright: the walls lie between."""
    return int(rng.integers(10, 80)) if rng.random() < dark else int(rng.integers(190, 246))


def make_subject(number: int, rng: Generator) -> Subject:
    """Draw build, clothes and habits of a person at random."""
    return Subject(
        number=number,
        stature=_between(rng, 0.54, 0.68),
        girth=_between(rng, 0.85, 1.25),
        torso=_between(rng, 0.285, 0.315),
        upper_arm=_between(rng, 0.16, 0.18),
        forearm=_between(rng, 0.155, 0.175),
        leg=_between(rng, 0.24, 0.255),
        shirt=_grey(rng, 0.65),
        trousers=_grey(rng, 0.65),
        skin=_grey(rng, 0.35),
        tempo=_between(rng, 0.9, 1.1),
        amplitude=_between(rng, 0.85, 1.15),
        lean=_between(rng, -0.04, 0.06),
        left_handed=bool(rng.random() < 0.5),
    )


def _scene(figures: Figures, direction: int, scale: tuple[float, float], rng: Generator) -> Scene:
    return Scene(
        direction=direction,
        place=_between(rng, 0.3, 0.7),
        scale=_between(rng, *scale),
        zoom=_between(rng, -figures.zoom, figures.zoom),
        exposure=1.0 + _between(rng, -figures.light, figures.light),
        flicker=_between(rng, 0.0, figures.light),
        flicker_hz=_between(rng, 0.2, 1.0),
        flicker_phase=_between(rng, 0.0, 1.0),
        pan=_between(rng, -0.15, 0.15),
    )


def make_motion(action: str, subject: Subject, rng: Generator) -> Motion:
    """Draw how a person does an action at random."""
    effort, steps, phase, low, high, bend, lean = (float(value) for value in rng.random(7))
    gait = GAIT.get(action)
    return Motion(
        action=action,
        speed=subject.tempo * _mix(gait.speed, effort) if gait else 0.0,
        # Who moves fast steps fast, but not in lockstep.
        cadence=subject.tempo * _mix(CADENCE[action], (effort + steps) / 2),
        phase=phase,
        low=low,
        high=high,
        bend=bend,
        lean=subject.lean + (_mix(gait.lean, lean) if gait else 0.0),
        asymmetry=_between(rng, 0.75, 1.0),
    )


def _mix(ends: tuple[float, float], share: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * share


def place_joints(times: Floats, subject: Subject, motion: Motion) -> Floats:
    """Return joints in body heights, x forward (or to the right), y up from the ground: shape (T, 14, 2)."""
    turn = 2 * np.pi * (motion.cadence * times + motion.phase)
    if motion.action in GAIT:
        return _gait(turn, subject, motion)
    if motion.action == "boxing":
        return _boxing(turn, subject, motion)
    return _frontal(turn, subject, motion)


def _step(origin: Floats, length: float, angle: Floats | float) -> Floats:
    """Return the far end of a bone that hangs down at angle 0 and points forward at a right angle."""
    return origin + length * np.stack(np.broadcast_arrays(np.sin(angle), -np.cos(angle)), axis=-1)


def _trunk(joints: Floats, subject: Subject, lean: Floats | float, shoulder: float, hip: float) -> None:
    """Set head, neck, shoulders and hips from the pelvis that stands where the neck will be."""
    pelvis = joints[:, NECK].copy()
    joints[:, NECK] = _step(pelvis, -subject.torso, -np.asarray(lean))
    joints[:, HEAD] = _step(joints[:, NECK], -0.095, -np.asarray(lean) * 0.6)
    for side, sign in enumerate((1.0, -1.0)):
        joints[:, ARM[side]] = joints[:, NECK] + np.array([sign * shoulder, -0.03])
        joints[:, LEG[side]] = pelvis + np.array([sign * hip, 0.0])


def _gait(turn: Floats, subject: Subject, motion: Motion) -> Floats:
    gait = GAIT[motion.action]
    # The swing of the thighs that covers the ground at this speed and cadence without sliding feet.
    reach = motion.speed / (8 * subject.leg * motion.cadence * gait.flight)
    swing = np.arcsin(min(reach, 0.8))
    joints = np.zeros((len(turn), 14, 2))
    _trunk(joints, subject, motion.lean, 0.015, 0.01)
    for side in range(2):
        angle = turn + np.pi * side
        thigh = swing * np.sin(angle) + 0.3 * motion.lean
        lifted = np.maximum(0, np.cos(angle + 0.35)) ** 1.5
        knee = 0.06 + subject.amplitude * _mix(gait.knee, motion.bend) * lifted
        joints[:, LEG[side] + 1] = _step(joints[:, LEG[side]], subject.leg, thigh)
        joints[:, LEG[side] + 2] = _step(joints[:, LEG[side] + 1], subject.leg, thigh - knee)
        arm = motion.lean - subject.amplitude * (0.5 + 0.7 * swing) * swing * np.sin(angle)
        _bend_arm(joints, side, subject, arm, _mix(gait.elbow, motion.low) + 0.2 * np.sin(angle))
    feet = joints[:, [LEG[0] + 2, LEG[1] + 2], 1].min(axis=1)
    joints[..., 1] += (0.03 - feet + gait.bounce * np.sin(turn) ** 2)[:, None]
    return joints


def _bend_arm(joints: Floats, side: int, subject: Subject, angle: Floats, bend: Floats) -> None:
    joints[:, ARM[side] + 1] = _step(joints[:, ARM[side]], subject.upper_arm, angle)
    joints[:, ARM[side] + 2] = _step(joints[:, ARM[side] + 1], subject.forearm, angle + bend)


def _boxing(turn: Floats, subject: Subject, motion: Motion) -> Floats:
    joints = np.zeros((len(turn), 14, 2))
    joints[:, NECK, 1] = 2 * subject.leg + 0.02 + 0.008 * np.sin(2 * turn)
    _trunk(joints, subject, motion.lean + 0.06 * np.sin(turn) + 0.05, 0.02, 0.01)
    _stand(joints, subject, 0.1 + 0.06 * motion.low)
    reach = subject.amplitude * _mix((0.8, 0.95), motion.high) * (subject.upper_arm + subject.forearm)
    for side in range(2):
        strike = np.maximum(0, np.sin(turn + np.pi * side)) ** 1.5
        strong = (side == 0) != subject.left_handed
        guard = np.array([0.1, -0.02 + 0.05 * motion.bend])
        blow = np.array([min(reach, 0.31) * (1.0 if strong else motion.asymmetry), 0.03 * motion.bend])
        wrist = joints[:, ARM[side]] + guard + strike[:, None] * (blow - guard)
        _place_wrist(joints, side, subject, wrist)
    return joints


def _place_wrist(joints: Floats, side: int, subject: Subject, wrist: Floats) -> None:
    """Put the hand where it is wanted and the elbow below, by the law of cosines."""
    upper, fore = subject.upper_arm, subject.forearm
    offset = wrist - joints[:, ARM[side]]
    distance = np.clip(np.hypot(offset[:, 0], offset[:, 1]), abs(upper - fore) + 1e-3, upper + fore - 1e-3)
    inner = np.arccos(np.clip((upper**2 + distance**2 - fore**2) / (2 * upper * distance), -1, 1))
    angle = np.arctan2(offset[:, 0], -offset[:, 1]) - inner
    joints[:, ARM[side] + 1] = _step(joints[:, ARM[side]], upper, angle)
    joints[:, ARM[side] + 2] = wrist


def _stand(joints: Floats, subject: Subject, spread: float) -> None:
    for side, sign in enumerate((1.0, -1.0)):
        joints[:, LEG[side] + 2] = [sign * spread, 0.03]
        middle = (joints[:, LEG[side]] + joints[:, LEG[side] + 2]) / 2
        joints[:, LEG[side] + 1] = middle + np.array([0.01, 0.0])


def _frontal(turn: Floats, subject: Subject, motion: Motion) -> Floats:
    joints = np.zeros((len(turn), 14, 2))
    joints[:, NECK] = np.stack([0.006 * np.sin(turn / 2), np.full_like(turn, 2 * subject.leg + 0.03)], axis=1)
    _trunk(joints, subject, 0.3 * motion.lean, 0.105, 0.055)
    _stand(joints, subject, 0.06 + 0.05 * motion.low)
    move = _wave if motion.action == "handwaving" else _clap
    for side in range(2):
        strong = (side == 0) != subject.left_handed
        move(joints, side, turn, subject, motion, 1.0 if strong else motion.asymmetry)
    return joints


def _wave(joints: Floats, side: int, turn: Floats, subject: Subject, motion: Motion, share: float) -> None:
    """Swing an arm from beside the body to above the head."""
    sign = 1.0 - 2.0 * side
    low, high = _mix((0.3, 1.2), motion.low), _mix((2.2, 2.8), motion.high)
    sweep = subject.amplitude * share * (high - low) * (0.5 - 0.5 * np.cos(turn))
    bend = np.full_like(turn, 0.1 + 0.4 * motion.bend)
    _bend_arm(joints, side, subject, sign * np.minimum(low + sweep, 2.95), sign * bend)


def _clap(joints: Floats, side: int, turn: Floats, subject: Subject, motion: Motion, share: float) -> None:
    """Bring a hand to the middle of the chest and away again, the elbow foreshortened between."""
    sign = 1.0 - 2.0 * side
    opening = subject.amplitude * share * _mix((0.12, 0.3), motion.high) * (0.5 - 0.5 * np.cos(turn))
    height = joints[:, NECK, 1] - _mix((0.02, 0.14), motion.low) + 0.15 * opening
    joints[:, ARM[side] + 2] = np.stack([joints[:, NECK, 0] + sign * (0.012 + opening), height], axis=1)
    middle = (joints[:, ARM[side]] + joints[:, ARM[side] + 2]) / 2
    outward = np.array([sign * 0.06, -_mix((0.05, 0.11), motion.bend)])
    joints[:, ARM[side] + 1] = middle + outward


def _polygons(
    figures: Figures, camera: Camera, subject: Subject, scene: Scene, motion: Motion
) -> NDArray[np.int32]:
    """Return the outlines of all limbs on the canvas, back to front, shape (T, n_limbs, n_corners, 2)."""
    size = figures.height * subject.stature * scene.scale
    points = _points(figures, size, subject, scene, motion)
    limbs = _limbs(motion)
    radii = np.array([limb.radius for limb in limbs]) * subject.girth * size
    outline = _capsules(
        points[:, [limb.start for limb in limbs]], points[:, [limb.end for limb in limbs]], radii
    )
    seen = camera.see(outline) * SUPERSAMPLING - 0.5
    return np.round(seen * (1 << SHIFT)).astype(np.int32)


def _points(figures: Figures, size: float, subject: Subject, scene: Scene, motion: Motion) -> Floats:
    """Return joints and toes in pixels of the clip, before the camera moves: shape (T, 16, 2)."""
    times = np.arange(figures.frames) / figures.fps
    joints = place_joints(times, subject, motion)
    sideways = motion.action in SIDEWAYS
    tips = [[0.07, -0.012], [0.07, -0.012]] if sideways else [[0.02, -0.015], [-0.02, -0.015]]
    body = np.concatenate([joints, joints[:, [LEG[0] + 2, LEG[1] + 2]] + np.array(tips)], axis=1)
    centre, facing = make_path(times, figures.width / size, scene, motion)
    x = (centre[:, None] + facing[:, None] * body[..., 0]) * size
    y = GROUND * figures.height - body[..., 1] * size
    return np.stack([x, y], axis=-1)


def make_path(times: Floats, width: float, scene: Scene, motion: Motion) -> tuple[Floats, Floats]:
    """Return where the body is, in heights from the left edge, and which way it faces.

    Who leaves the frame turns out of sight and comes back, as in KTH, so that runners are seen too.
    """
    length = width + 2 * HIDDEN
    start = scene.place * width + HIDDEN
    way = np.mod(start + scene.direction * motion.speed * (times - times.mean()), 2 * length)
    outward = way < length
    centre = np.where(outward, way, 2 * length - way) - HIDDEN
    return centre, np.where(outward, scene.direction, -scene.direction).astype(np.float64)


def _capsules(start: Floats, end: Floats, radii: Floats) -> Floats:
    """Return round bars between two rows of points, shape (..., n_limbs, n_corners, 2)."""
    along = end - start
    angle = np.arctan2(along[..., 1], along[..., 0])[..., None]
    half = np.linspace(-np.pi / 2, np.pi / 2, 6)
    corners = []
    for centre, turn in ((end, half), (start, half + np.pi)):
        ray = np.stack([np.cos(angle + turn), np.sin(angle + turn)], axis=-1)
        corners.append(centre[..., None, :] + radii[:, None, None] * ray)
    return np.concatenate(corners, axis=-2)


@dataclass(frozen=True)
class Limb:
    """A round bar between two joints: its radius in heights, what covers it, and its shade."""

    start: int
    end: int
    radius: float
    cover: str
    shade: float


@cache
def _side_limbs() -> list[Limb]:
    far, near = ((ARM[side], LEG[side], TOE[side]) for side in (1, 0))
    return [
        *_arm(far[0], 0.8),
        *_leg(far[1], far[2], 0.8),
        *_head(),
        Limb(near[0], near[1], 0.062, "shirt", 1.0),
        *_leg(near[1], near[2], 1.0),
        *_arm(near[0], 0.9),
    ]


@cache
def _front_limbs() -> list[Limb]:
    legs = [limb for side in (0, 1) for limb in _leg(LEG[side], TOE[side], 1.0)]
    trunk = [Limb(ARM[side], LEG[end], 0.05, "shirt", 1.0) for side in (0, 1) for end in (0, 1)]
    arms = [limb for side in (0, 1) for limb in _arm(ARM[side], 0.9)]
    return [*legs, *_head(), *trunk, *arms]


def _limbs(motion: Motion) -> list[Limb]:
    return _side_limbs() if motion.action in SIDEWAYS else _front_limbs()


def _arm(shoulder: int, shade: float) -> list[Limb]:
    upper = Limb(shoulder, shoulder + 1, 0.026, "shirt", shade)
    return [upper, Limb(shoulder + 1, shoulder + 2, 0.021, "skin", shade)]


def _leg(hip: int, toe: int, shade: float) -> list[Limb]:
    thigh, shank = (
        Limb(hip, hip + 1, 0.04, "trousers", shade),
        Limb(hip + 1, hip + 2, 0.028, "trousers", shade),
    )
    return [thigh, shank, Limb(hip + 2, toe, 0.018, "trousers", 0.7 * shade)]


def _head() -> list[Limb]:
    return [Limb(NECK, HEAD, 0.026, "skin", 0.9), Limb(HEAD, HEAD, 0.06, "skin", 1.0)]


def _greys(subject: Subject, motion: Motion) -> list[int]:
    return [round(getattr(subject, limb.cover) * limb.shade) for limb in _limbs(motion)]


@dataclass(frozen=True)
class Camera:
    """The view at each frame: scale about the middle of the frame, then a shift, in pixels of the clip."""

    middle: Floats
    scale: Floats
    shift: Floats

    def see(self, points: Floats) -> Floats:
        """Move points, shape (T, ..., 2), to where the camera sees them."""
        over = (slice(None), *[None] * (points.ndim - 1))
        shift = self.shift.reshape(len(self.shift), *[1] * (points.ndim - 2), 2)
        return self.middle + (points - self.middle) * self.scale[over] + shift


def _camera(figures: Figures, scene: Scene, rng: Generator) -> Camera:
    scale = 1.0 + scene.zoom * np.linspace(-0.5, 0.5, figures.frames)
    shift = figures.jitter * rng.standard_normal((figures.frames, 2))
    return Camera(np.array([figures.width / 2, figures.height / 2]), scale, shift)


def _background(figures: Figures, rng: Generator) -> NDArray[np.uint8]:
    """Paint a wall, a floor and the things before them, larger and finer than the frame."""
    height, width = (
        round(size * BACKGROUND_DETAIL * (1 + 2 * MARGIN)) for size in (figures.height, figures.width)
    )
    wall, floor = rng.integers(105, 175, size=2)
    skirting = round(height * (MARGIN + rng.uniform(0.7, 0.85)) / (1 + 2 * MARGIN))
    image = np.empty((height, width), np.float64)
    image[:skirting], image[skirting:] = wall, floor
    image += rng.uniform(-15, 15) * np.linspace(-1, 1, width)
    coarse = rng.normal(0, 3 * figures.clutter, (height // 6 + 1, width // 6 + 1))
    image += coarse.repeat(6, axis=0).repeat(6, axis=1)[:height, :width]
    painted = np.clip(np.round(image), 0, 255).astype(np.uint8)
    for _ in range(round(14 * figures.clutter)):
        _clutter(painted, figures, rng)
    return painted


def _clutter(image: NDArray[np.uint8], figures: Figures, rng: Generator) -> None:
    """Paint one thing: a four-cornered board or a disc, a little darker or brighter than what is there."""
    height, width = image.shape
    x, y = int(rng.integers(width)), int(rng.integers(height))
    contrast = min(figures.clutter, 2.0) * rng.uniform(-35, 35)
    grey = float(np.clip(round(float(image[y, x]) + contrast), 60, 210))
    size = rng.uniform(0.03, 0.16, size=2) * height
    if rng.random() < 0.3:
        cv2.circle(image, (x, y), max(1, round(size[0] / 2)), grey, -1, cv2.LINE_8)
        return
    tilt = rng.normal(0, 0.15)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size / [2, 1]
    turned = corners @ np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    cv2.fillConvexPoly(image, np.round(turned + np.array([x, y])).astype(np.int32), grey, cv2.LINE_8)


def _film_background(
    figures: Figures, background: NDArray[np.uint8], camera: Camera, scene: Scene
) -> NDArray[np.uint8]:
    """Return what the camera sees of the background, shape (T, height, width) on the supersampled canvas."""
    width, height = (
        _seen(camera, axis, size, pan, background.shape[1 - axis])
        for axis, size, pan in ((0, figures.width, scene.pan), (1, figures.height, 0.0))
    )
    canvases = np.empty((figures.frames, height.shape[1], width.shape[1]), np.uint8)
    for canvas, rows, columns in zip(canvases, height, width, strict=True):
        canvas[:] = background[rows].take(columns, axis=1)
    return canvases


def _seen(camera: Camera, axis: int, size: int, pan: float, limit: int) -> NDArray[np.intp]:
    """Return which row or column of the background stands behind each one of the canvas, at each frame."""
    middle, shift = camera.middle[axis], camera.shift[:, axis, None]
    canvas = (np.arange(SUPERSAMPLING * size) + 0.5) / SUPERSAMPLING
    place = middle + (canvas - shift - middle) / camera.scale[:, None] + (MARGIN + pan) * size
    return np.clip((place * BACKGROUND_DETAIL).astype(np.intp), 0, limit - 1)


def draw_polygons(canvases: NDArray[np.uint8], polygons: NDArray[np.int32], greys: list[int]) -> None:
    """Fill the polygons of each frame, the last on top."""
    for canvas, frame in zip(canvases, polygons, strict=True):
        for polygon, grey in zip(frame, greys, strict=True):
            cv2.fillConvexPoly(canvas, polygon, grey, cv2.LINE_8, SHIFT)


def _develop(
    figures: Figures, canvases: NDArray[np.uint8], scene: Scene, rng: Generator
) -> NDArray[np.uint8]:
    """Bring the canvases to the size of the clip, under its light and with its noise."""
    size = (figures.width, figures.height)
    small = np.stack([cv2.resize(canvas, size, interpolation=cv2.INTER_AREA) for canvas in canvases])
    times = np.arange(figures.frames) / figures.fps
    flicker = scene.flicker * np.sin(2 * np.pi * (scene.flicker_hz * times + scene.flicker_phase))
    gain = (scene.exposure * (1 + flicker)).astype(np.float32)
    light = small * gain[:, None, None]
    if figures.noise:
        light += np.float32(figures.noise) * rng.standard_normal(light.shape, dtype=np.float32)
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)
