"""Drawn films of two people, with what is true of them: an oracle of who moves where."""

from dataclasses import dataclass

import numpy as np

from actionbench.experiments.datasets.drawing.canvas import (
    SUPERSAMPLING,
    Camera,
    draw_polygons,
    film_wall,
    front_limbs,
    greys,
    outlines,
    paint_wall,
    shrink,
    side_limbs,
)
from actionbench.experiments.datasets.drawing.people import (
    SIDEWAYS,
    make_motion,
    make_subject,
    place_joints,
    with_toes,
)


@dataclass(frozen=True)
class Role:
    """What one of the pair does: an action from a place (share of the width) to another, or ``still``.

    The feet stand at ``ground``, a share of the height.
    """

    action: str
    start: float
    stop: float
    still: bool = False
    ground: float = 0.93
    facing: int | None = None


def draw_pair(
    roles, *, frames=40, size=(120, 200), fps=25.0, seed=0, noise=2.0, clutter=1.0, shake=0.0, pan=0.0
):
    """Draw people who act side by side.

    Returns
    -------
    frames : ndarray of uint8, shape (T, H, W)
    silhouettes : ndarray of bool, shape (n_people, T, H, W)
        Each person by itself, the hidden parts included.
    """
    rng = np.random.default_rng([9, seed])
    height, width = size
    times = np.arange(frames) / fps
    shift = shake * rng.standard_normal((frames, 2)) + np.outer(np.linspace(-0.5, 0.5, frames), [pan, 0.0])
    camera = Camera(np.array([width / 2, height / 2]), np.ones(frames), shift)
    canvases = film_wall(paint_wall(size, clutter, rng), camera, size, 0.0)
    silhouettes = []
    for role in roles:
        subject = make_subject(0, rng)
        motion = make_motion(role.action, subject, rng)
        tall = height * subject.stature
        moments = np.zeros(frames) if role.still else times
        sideways = role.action in SIDEWAYS
        body = with_toes(place_joints(moments, subject, motion), sideways)
        across = width * (role.start + (role.stop - role.start) * times / times[-1])
        facing = role.facing or (1 if role.stop >= role.start else -1)
        points = np.stack(
            [across[:, None] + facing * body[..., 0] * tall, role.ground * height - body[..., 1] * tall],
            axis=-1,
        )
        limbs = side_limbs() if sideways else front_limbs()
        polygons = outlines(points, limbs, subject.girth * tall, camera)
        draw_polygons(canvases, polygons, greys(subject, limbs))
        alone = np.zeros((frames, SUPERSAMPLING * height, SUPERSAMPLING * width), np.uint8)
        draw_polygons(alone, polygons, [255] * len(limbs))
        silhouettes.append(shrink(alone, size) >= 128)
    seen = shrink(canvases, size) + noise * rng.standard_normal((frames, *size))
    return np.clip(np.rint(seen), 0, 255).astype(np.uint8), np.stack(silhouettes)


def boxes_of(silhouettes):
    """Return top, left, bottom, right of each frame of masks (T, H, W), shape (T, 4)."""
    boxes = []
    for mask in silhouettes:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        boxes.append([rows[0], columns[0], rows[-1] + 1, columns[-1] + 1])
    return np.array(boxes, float)


def changing(silhouettes, window=5):
    """Return the exact boxes of what changes within some frames, shape (T, 4)."""
    changed = silhouettes[1:] ^ silhouettes[:-1]
    changed = np.concatenate([changed[:1], changed[1:] | changed[:-1], changed[-1:]])
    return boxes_of(
        [changed[max(0, index - window) : index + window + 1].any(axis=0) for index in range(len(changed))]
    )


def about_all(boxes):
    return np.concatenate([np.min(boxes, axis=0)[:, :2], np.max(boxes, axis=0)[:, 2:]], axis=1)


def areas(boxes):
    return np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)


def common(one, other):
    return np.concatenate(
        [np.maximum(one[:, :2], other[:, :2]), np.minimum(one[:, 2:], other[:, 2:])], axis=1
    )


def overlaps(one, other):
    """Intersection over union of boxes, shape (T,)."""
    both = areas(common(one, other))
    return both / (areas(one) + areas(other) - both)


def shares(one, other):
    """Share of each box that lies within another one, shape (T,)."""
    return areas(common(one, other)) / areas(one)
