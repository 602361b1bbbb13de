"""The built-in data set: drawn people who do the six actions of KTH."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from ...features.clip import Clip
from ...features.pose import Pose, together
from .base import Dataset
from .drawing.canvas import (
    Camera,
    Limb,
    draw_polygons,
    drawing_source,
    film_wall,
    front_limbs,
    greys,
    outlines,
    paint_wall,
    shrink,
    side_limbs,
)
from .drawing.people import (
    SIDEWAYS,
    Floats,
    Motion,
    Subject,
    between,
    make_motion,
    make_path,
    make_subject,
    place_joints,
    true_pose,
    with_toes,
)
from .options import check_integer, check_number

ACTIONS = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")

_NAME = "data set figures"

GROUND = 0.93  # where the feet stand, in frame heights from the top


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


class Figures(Dataset):
    """Drawn people who do KTH's six actions: boxing, handclapping, handwaving, jogging, running, walking.

    Articulated figures of fourteen joints in front of a cluttered background, seen by a slightly shaking
    camera. Walking, jogging and running overlap in speed and cadence. Subjects differ in build, clothes,
    tempo, amplitude and background; a subject's clips show each action under the same scenes, so that no
    nuisance tells the label. Every clip is drawn when it is loaded, from the seed and its own name alone, and has the
    exact pose of all people.

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
        self.subjects = check_integer(_NAME, "subjects", subjects, 2)
        self.clips_per_subject = check_integer(_NAME, "clips_per_subject", clips_per_subject, 1)
        self.frames = check_integer(_NAME, "frames", frames, 1)
        self.height = check_integer(_NAME, "height", height, 16)
        self.width = check_integer(_NAME, "width", width, 16)
        self.fps = check_number(_NAME, "fps", fps, 1.0, 1000.0)
        self.seed = check_integer(_NAME, "seed", seed, 0)
        self.clutter = check_number(_NAME, "clutter", clutter, 0.0, 3.0)
        self.jitter = check_number(_NAME, "jitter", jitter, 0.0, 20.0)
        self.zoom = check_number(_NAME, "zoom", zoom, 0.0, 0.5)
        self.light = check_number(_NAME, "light", light, 0.0, 0.9)
        self.noise = check_number(_NAME, "noise", noise, 0.0, 100.0)
        self.distractors = check_integer(_NAME, "distractors", distractors, 0)

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
        wall = paint_wall((self.height, self.width), self.clutter, self._rng(4, subject.number))
        canvases = film_wall(wall, camera, (self.height, self.width), scene.pan)
        for person in people:
            draw_polygons(canvases, _polygons(self, camera, *person), greys(person[0], _limbs(person[2])))
        pose = together([_pose(self, camera, *person) for person in people])
        return Clip(_develop(self, canvases, scene, rng), self.fps, pose=pose)

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


def _group(number: int) -> str:
    return f"person{number + 1:02d}"


@cache
def generator_source() -> list[str]:
    """Return what draws: a hash of this file, and what draws people."""
    return [hashlib.sha256(Path(__file__).read_bytes()).hexdigest(), *drawing_source()]


def _scene(figures: Figures, direction: int, scale: tuple[float, float], rng: Generator) -> Scene:
    return Scene(
        direction=direction,
        place=between(rng, 0.3, 0.7),
        scale=between(rng, *scale),
        zoom=between(rng, -figures.zoom, figures.zoom),
        exposure=1.0 + between(rng, -figures.light, figures.light),
        flicker=between(rng, 0.0, figures.light),
        flicker_hz=between(rng, 0.2, 1.0),
        flicker_phase=between(rng, 0.0, 1.0),
        pan=between(rng, -0.15, 0.15),
    )


def _limbs(motion: Motion) -> list[Limb]:
    return side_limbs() if motion.action in SIDEWAYS else front_limbs()


def _polygons(
    figures: Figures, camera: Camera, subject: Subject, scene: Scene, motion: Motion
) -> NDArray[np.int32]:
    size = figures.height * subject.stature * scene.scale
    points = _points(figures, size, subject, scene, motion)
    return outlines(points, _limbs(motion), subject.girth * size, camera)


def _points(figures: Figures, size: float, subject: Subject, scene: Scene, motion: Motion) -> Floats:
    """Return joints and toes in pixels of the clip, before the camera moves: shape (T, 16, 2)."""
    times = np.arange(figures.frames) / figures.fps
    joints = place_joints(times, subject, motion)
    sideways = motion.action in SIDEWAYS
    body = with_toes(joints, sideways)
    centre, facing = make_path(
        times - times.mean(), figures.width / size, scene.place, scene.direction, motion.speed
    )
    x = (centre[:, None] + facing[:, None] * body[..., 0]) * size
    y = GROUND * figures.height - body[..., 1] * size
    return np.stack([x, y], axis=-1)


def _pose(figures: Figures, camera: Camera, subject: Subject, scene: Scene, motion: Motion) -> Pose:
    size = figures.height * subject.stature * scene.scale
    points = _points(figures, size, subject, scene, motion)
    return true_pose(camera.see(points), motion.action in SIDEWAYS)


def _camera(figures: Figures, scene: Scene, rng: Generator) -> Camera:
    scale = 1.0 + scene.zoom * np.linspace(-0.5, 0.5, figures.frames)
    shift = figures.jitter * rng.standard_normal((figures.frames, 2))
    return Camera(np.array([figures.width / 2, figures.height / 2]), scale, shift)


def _develop(
    figures: Figures, canvases: NDArray[np.uint8], scene: Scene, rng: Generator
) -> NDArray[np.uint8]:
    """Bring the canvases to the size of the clip, under its light and with its noise."""
    small = shrink(canvases, (figures.height, figures.width))
    times = np.arange(figures.frames) / figures.fps
    flicker = scene.flicker * np.sin(2 * np.pi * (scene.flicker_hz * times + scene.flicker_phase))
    gain = (scene.exposure * (1 + flicker)).astype(np.float32)
    light = small * gain[:, None, None]
    if figures.noise:
        light += np.float32(figures.noise) * rng.standard_normal(light.shape, dtype=np.float32)
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)
