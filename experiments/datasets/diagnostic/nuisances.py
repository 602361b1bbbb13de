"""Six actions under nuisances whose strength is given in units, and the same actions by people who were seen before."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ....errors import DataError, did_you_mean
from ..drawing.canvas import Limb, draw_polygons, front_limbs, greys, outlines, paint_wall, shrink, side_limbs
from ..drawing.people import (
    SIDEWAYS,
    Floats,
    Motion,
    between,
    make_motion,
    make_path,
    make_subject,
    place_joints,
    with_toes,
)
from ..figures import ACTIONS
from .film import Bytes, PersonFilm, add_noise, draw_person, film_plate, to_pixels
from .track import NOISE, Design, Row, Stage, Track, make_stage, motion_rng, noise_rng

# Frames that make a blurred one, and electrons to a grey level of a bright picture.
_SHUTTER_STEPS, _ELECTRONS = 8, 2.0


@dataclass(frozen=True)
class Nuisance:
    """What a level of a nuisance means, from the weakest to the strongest."""

    unit: str
    levels: tuple[float, ...]


#: The nuisances by their names.
NUISANCES: Mapping[str, Nuisance] = {
    "noise": Nuisance("standard deviation in grey levels", (5, 10, 20, 40, 80)),
    "shake": Nuisance("rms of the camera's shake in percent of the body's height", (0.25, 0.5, 1, 2, 4)),
    "zoom": Nuisance("change of scale within a clip in percent", (2, 5, 10, 20, 40)),
    "roll": Nuisance("amplitude of the camera's roll in degrees", (1, 2, 5, 10, 20)),
    "dark": Nuisance("share of the light, with photon noise", (0.5, 0.25, 0.125, 0.0625, 0.03125)),
    "flicker": Nuisance("change of exposure in percent, at 3 to 8 Hz", (5, 10, 20, 40, 80)),
    "compression": Nuisance("CRF of H.264", (23, 30, 37, 44, 51)),
    "lost frames": Nuisance("percent of frames that repeat the one before", (5, 10, 20, 35, 50)),
    "frame rate": Nuisance("frames per second", (12.5, 8, 5)),
    "resolution": Nuisance("divisor of height and width", (2, 4, 8, 16)),
    "occlusion": Nuisance("percent of the person behind a board", (10, 20, 35, 50, 60)),
    "passers-by": Nuisance("people who walk through the background", (1, 2, 4, 8)),
    "motion blur": Nuisance("shutter angle in degrees", (45, 90, 180, 270, 360)),
    "clutter": Nuisance("contrast and number of the things in the background", (1, 1.5, 2, 2.5, 3)),
}


class Actions(Track):
    """KTH's six actions before a wall."""

    classes = ACTIONS
    n_frames = 40
    size = (60, 80)

    def film(self, row: Row, design: Design) -> PersonFilm:
        """Draw a clip."""
        level = float(row.level or 0)
        # One seed for all classes and levels: they differ in the action and the strength of the nuisance alone.
        stage, rng = self._stage(row, design), motion_rng(self, row, design)
        motion = make_motion(row.label, stage.subject, rng)
        rate = self.rate(row)
        times = np.arange(round(self.n_frames * rate / self.fps)) / rate
        walk = Walk(stage, motion, self.size, self.n_frames / self.fps, place=between(rng, 0.3, 0.7))
        cameras = _cameras(row.condition, level, times, stage, self.size, rng)
        draw = Shoot(walk, cameras, self.size, others=self._passers_by(row, stage, rng))
        shutter = level / 360 / rate if row.condition == "motion blur" else 0.0
        frames = draw.exposed(times, shutter)
        points = draw.points(times)
        plate = film_plate(stage.wall, self.size, cameras[:1])
        film = PersonFilm(frames, points, shrink(plate, self.size)[0], walk.limbs, walk.girth, cameras)
        frames = _recorded(film, row.condition, level, rate, rng, noise_rng(self, row, design))
        return replace(film, frames=frames)

    def _stage(self, row: Row, design: Design) -> Stage:
        stage = make_stage(self, row, design)
        if row.condition != "clutter":
            return stage
        (rng,) = noise_rng(self, row, design).spawn(1)
        return replace(stage, wall=paint_wall(self.size, float(row.level or 0), rng))

    def _passers_by(self, row: Row, stage: Stage, rng: Generator) -> list[Walk]:
        walks = []
        for number in range(int(row.level or 0) if row.condition == "passers-by" else 0):
            subject = make_subject(number, rng)
            way = replace(stage, subject=subject, facing=int(rng.choice([-1, 1])))
            motion = make_motion("walking", subject, rng)
            place, scale = rng.random(), between(rng, 0.7, 0.95)
            walks.append(Walk(way, motion, self.size, self.n_frames / self.fps, place, scale))
        return walks

    def rate(self, row: Row) -> float:
        """Return frames per second of a clip."""
        return float(row.level or 0) if row.condition == "frame rate" else self.fps


class Nuisances(Actions):
    """People do the six actions in a clear picture in training; in the test also under nuisances.

    ``condition`` is the nuisance, or ``none``, and ``level`` its strength in a unit of its own, see `NUISANCES`. A clip
    is the same person at the same moment under all of them.

    After Schiappa et al., "A large-scale robustness analysis of video action recognition models", CVPR 2023.
    """

    name, number = "nuisance", 9

    def __init__(self, nuisances: Sequence[str] | None = None, steps: int = 1) -> None:
        super().__init__()
        for name in nuisances or ():
            if name not in NUISANCES:
                raise DataError(
                    f"track nuisance: there is no nuisance {name!r}; {did_you_mean(str(name), NUISANCES)}"
                )
        if type(steps) is not int or steps not in (0, 1, 2):
            raise DataError(
                "track nuisance: steps must be 1 (all levels), 2 (every other one) or 0 (the middle one), "
                f"got {steps!r}"
            )
        self.nuisances, self.steps = list(NUISANCES if nuisances is None else nuisances), steps

    def rows(self, design: Design) -> Iterator[Row]:
        """Yield the clips."""
        for row in super().rows(design):
            yield replace(row, condition="none", level=0.0)
            for name in self.nuisances if row.side == "test" else ():
                levels = NUISANCES[name].levels
                # Of several levels the strongest is always there.
                middle = (levels[(len(levels) - 1) // 2],)
                for level in levels[:: -self.steps] if self.steps else middle:
                    yield replace(row, condition=name, level=level)


class Identity(Actions):
    """The six actions by people who were not seen in training, or (``seen``) in other clips of the same people.

    How much more accurate an attempt is on those whom it has seen is what a table gains that leaks subjects.
    """

    name, number = "identity", 10

    def __init__(self, *, seen: bool = False) -> None:
        super().__init__()
        self.seen = seen

    def rows(self, design: Design) -> Iterator[Row]:
        """Yield the clips: where people are to have been seen, those who test do further clips for training."""
        for row in super().rows(design):
            if row.side == "train" and self.seen:
                again, person = divmod(row.subject, design.test_subjects)
                yield replace(
                    row, subject=design.train_subjects + person, pair=row.pair + design.pairs * (1 + again)
                )
            else:
                yield row


@dataclass(frozen=True, eq=False)
class Walk:
    """A person who does an action: where the joints are at any time."""

    stage: Stage
    motion: Motion
    size: tuple[int, int]
    seconds: float
    place: float
    scale: float = 1.0

    @property
    def limbs(self) -> Sequence[Limb]:
        """The limbs, as they are seen."""
        return side_limbs() if self.motion.action in SIDEWAYS else front_limbs()

    @property
    def height(self) -> float:
        """Pixels to a body height."""
        return self.scale * self.stage.height

    @property
    def girth(self) -> float:
        """Pixels to one of a limb's radius."""
        return self.scale * self.stage.girth

    def points(self, times: Floats) -> Floats:
        """Return joints and tips of the feet, before the camera moves, shape (T, 16, 2)."""
        joints = place_joints(times, self.stage.subject, self.motion)
        times, width = times - self.seconds / 2, self.size[1] / self.height
        x, facing = make_path(times, width, self.place, self.stage.facing, self.motion.speed)
        feet = np.stack([x * self.height, np.full_like(x, self.stage.foot[1])], axis=1)
        body = with_toes(joints, sideways=self.motion.action in SIDEWAYS)
        return to_pixels(body, feet, self.height, facing)


@dataclass(frozen=True, eq=False)
class Shoot:
    """A camera before a wall, a person and others behind."""

    walk: Walk
    cameras: Floats
    size: tuple[int, int]
    others: Sequence[Walk] = ()

    def points(self, times: Floats) -> Floats:
        """Return the person's points as the camera sees them."""
        return see(self.walk.points(times), self.cameras)

    def exposed(self, times: Floats, shutter: float) -> Bytes:
        """Return frames during each of which the shutter is open for some seconds."""
        if not shutter:
            return self._frames(times)
        moments = (np.arange(_SHUTTER_STEPS) + 0.5) / _SHUTTER_STEPS - 0.5
        light = sum(self._frames(times + shutter * moment).astype(np.float32) for moment in moments)
        return np.rint(np.asarray(light) / _SHUTTER_STEPS).astype(np.uint8)

    def _frames(self, times: Floats) -> Bytes:
        plates = film_plate(self.walk.stage.wall, self.size, self.cameras)
        for other in self.others:
            points = see(other.points(times), self.cameras)
            draw_polygons(
                plates, outlines(points, other.limbs, other.girth), greys(other.stage.subject, other.limbs)
            )
        shades = greys(self.walk.stage.subject, self.walk.limbs)
        return draw_person(plates, self.points(times), self.walk.limbs, self.walk.girth, shades)


def see(points: Floats, cameras: Floats) -> Floats:
    """Return where cameras, shape (T, 2, 3), see points, shape (T, n, 2)."""
    return points @ cameras[:, :, :2].transpose(0, 2, 1) + cameras[:, None, :, 2]


def _cameras(
    name: str | None, level: float, times: Floats, stage: Stage, size: tuple[int, int], rng: Generator
) -> Floats:
    """Return what the camera does at each time, shape (T, 2, 3)."""
    shift, scale, angle = np.zeros((len(times), 2)), np.ones(len(times)), np.zeros(len(times))
    if name == "shake":
        shift = level / 100 * stage.height * _shake(times, rng)
    if name == "zoom":
        scale = 1 + float(rng.choice([-1, 1])) * level / 100 * np.linspace(-0.5, 0.5, len(times))
    if name == "roll":
        angle = np.deg2rad(level) * np.sin(2 * np.pi * (between(rng, 0.4, 0.8) * times + rng.random()))
    middle = np.array([size[1] / 2, size[0] / 2])
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1).reshape(-1, 2, 2)
    turn = scale[:, None, None] * turn
    return np.concatenate([turn, (middle + shift - turn @ middle)[:, :, None]], axis=2)


def _shake(times: Floats, rng: Generator) -> Floats:
    """Return a shake of unit rms along each axis: waves of 1 to 8 Hz and a random walk, shape (T, 2)."""
    waves = np.sin(2 * np.pi * (rng.uniform(1, 8, (6, 1, 2)) * times[:, None] + rng.random((6, 1, 2)))).sum(
        axis=0
    )
    walk = rng.standard_normal((len(times), 2)).cumsum(axis=0) / np.sqrt(len(times))
    shake = waves / np.sqrt(3) + walk - (waves / np.sqrt(3) + walk).mean(axis=0)
    moved: Floats = shake / np.sqrt((shake**2).mean(axis=0))
    return moved


def _recorded(
    film: PersonFilm, name: str | None, level: float, rate: float, rng: Generator, noise: Generator
) -> Bytes:
    """Return what a sensor with noise, a codec or a disk makes of frames."""
    frames = film.frames
    if name == "dark":
        frames = np.clip(noise.poisson(frames * level * _ELECTRONS) / _ELECTRONS, 0, 255).astype(np.uint8)
    if name == "flicker":
        frames = _flickered(frames, level / 100, rate, rng)
    if name == "occlusion":
        frames = _occluded(film, level / 100, rng)
    if name == "resolution":
        frames = _coarse(frames, level)
    frames = add_noise(frames, max(NOISE, level) if name == "noise" else NOISE, noise)
    if name == "lost frames":
        frames = frames[_held(len(frames), level / 100, rng)]
    return encode(frames, int(level), rate) if name == "compression" else frames


def _flickered(frames: Bytes, share: float, rate: float, rng: Generator) -> Bytes:
    times = np.arange(len(frames)) / rate
    gain = 1 + share * np.sin(2 * np.pi * (between(rng, 3, 8) * times + rng.random()))
    return np.clip(np.rint(frames * gain[:, None, None]), 0, 255).astype(np.uint8)


def _occluded(film: PersonFilm, share: float, rng: Generator) -> Bytes:
    """Put a board before the columns that hold this share of the person over all frames."""
    held = film.silhouettes.sum(axis=(0, 1)).cumsum()
    low = rng.uniform(0, 1 - share)
    first, last = np.searchsorted(held, np.array([low, low + share]) * held[-1])
    frames = film.frames.copy()
    frames[:, :, first : last + 1] = rng.integers(60, 200)
    return frames


def _coarse(frames: Bytes, divisor: float) -> Bytes:
    height, width = frames.shape[1:]
    small = (max(1, round(width / divisor)), max(1, round(height / divisor)))
    return np.stack(
        [
            cv2.resize(cv2.resize(frame, small, interpolation=cv2.INTER_AREA), (width, height))
            for frame in frames
        ]
    )


def _held(length: int, share: float, rng: Generator) -> NDArray[np.intp]:
    """Return which frame is shown at each time when a share of them, never the first, is lost."""
    shown = np.arange(length)
    shown[1 + rng.permutation(length - 1)[: round(share * length)]] = 0
    return np.maximum.accumulate(shown)


def encode(frames: Bytes, crf: int, rate: float) -> Bytes:
    """Return frames after H.264 at a constant rate factor, as libx264 and FFmpeg's decoder make them."""
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as output:
        stream = output.add_stream("libx264", rate=round(rate))
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        stream.options = {"crf": str(crf), "preset": "medium", "threads": "1"}
        for frame in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")):
                output.mux(packet)
        output.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer, "r") as source:
        shown = [frame.to_ndarray(format="gray", threads=1) for frame in source.decode(video=0)]
    return np.stack(shown)
