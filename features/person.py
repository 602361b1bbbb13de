"""Crops of the person who moves: windows that follow the track, and frames stabilised against the camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .camera import camera_path
from .flow import single_thread
from .motion import Motion
from .regions import Track

__all__ = [
    "Scene",
    "append_place",
    "chunks",
    "crop_along",
    "mirror_place",
    "person_length",
    "person_size",
    "split_place",
    "stabilised_scene",
]


def person_size(motion: Motion, margin: float = 0.0) -> tuple[float, float]:
    """Return the height and the width, in pixels, of a box that holds the person in nearly every frame.

    Parameters
    ----------
    motion : Motion
        An observed clip.
    margin : float
        What is added on each side, as a share of the size.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> from actionbench.features.motion import observe
    >>> height, width = person_size(observe(examples()[0][2]))
    >>> 0 < height < 120
    True
    """
    boxes = motion.track.boxes
    width = float(max(1.0, np.percentile(boxes[:, 3] - boxes[:, 1], 90)))
    return motion.track.body_height * (1 + 2 * margin), width * (1 + 2 * margin)


def person_length(motion: Motion) -> float:
    """Return the person's height in pixels, or half the width if that is more: if only an arm moves, half its reach.

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> from actionbench.features.motion import observe
    >>> motion = observe(examples()[0][2])
    >>> person_length(motion) >= motion.track.body_height
    True
    """
    height, width = person_size(motion)
    return max(height, width / 2)


def crop_along(
    planes: NDArray, centres: NDArray[np.float64], extent: tuple[float, float], size: tuple[int, int]
) -> NDArray[np.float32]:
    """Cut a window of one size out of each plane, around a centre that moves.

    Parameters
    ----------
    planes : ndarray, shape (T, H, W) or (T, H, W, C)
        Frames, masks or flow; beyond the border the last pixel goes on.
    centres : ndarray of float64, shape (T, 2)
        Middle of each window, down and right, in pixels.
    extent : tuple of float
        Height and width of the window in pixels.
    size : tuple of int
        Rows and columns of the result, to which the window is averaged down or enlarged.

    Returns
    -------
    ndarray of float32, shape (T, rows, columns) or (T, rows, columns, C)

    Examples
    --------
    >>> planes = np.arange(48.0).reshape(1, 6, 8)
    >>> crop_along(planes, np.array([[3.0, 4.0]]), (2, 2), (2, 2))
    array([[[19., 20.],
            [27., 28.]]], dtype=float32)
    """
    height, width = (max(1, round(length)) for length in extent)
    interpolation = cv2.INTER_AREA if height >= size[0] and width >= size[1] else cv2.INTER_LINEAR
    out = np.empty((len(planes), *size, *planes.shape[3:]), np.float32)
    with single_thread():
        for plane, (down, right), target in zip(planes, centres, out, strict=True):
            window = _cut(plane, right - width / 2, down - height / 2, (width, height))
            resized = cv2.resize(window, size[::-1], interpolation=interpolation)
            target[...] = resized.reshape(target.shape)
    return out


def _cut(plane: NDArray, left: float, top: float, size: tuple[int, int]) -> NDArray[np.float32]:
    """Cut (width, height) pixels out of a plane, from a corner between pixels."""
    plane = np.ascontiguousarray(plane, np.float32)
    matrix = np.array([[1, 0, left], [0, 1, top]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(plane, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32
    )


@dataclass(frozen=True, eq=False)
class Scene:
    """The part of some frames where the person is, or people are, stabilised against the motion of the camera.

    Attributes
    ----------
    frames : ndarray of float32, shape (T, H, W)
        Grey frames.
    mask : ndarray of float32, shape (T, H, W)
        1 where the person moves, else 0.
    flow : ndarray of float32, shape (T, H, W, 2)
        Stabilised flow from each frame to the next; that of the last frame is the one before it.
    boxes : ndarray of float64, shape (T, 4)
        Top, left, bottom, right of the person in each frame.
    """

    frames: NDArray[np.float32]
    mask: NDArray[np.float32]
    flow: NDArray[np.float32]
    boxes: NDArray[np.float64]


def stabilised_scene(
    motion: Motion, start: int, stop: int, margin: float, track: Track | None = None
) -> Scene:
    """Undo the motion of the camera in some frames, and crop them to the surroundings of the person.

    Parameters
    ----------
    motion : Motion
        An observed clip of at least two frames.
    start, stop : int
        First frame, and the one after the last.
    margin : float
        Pixels kept around the person.
    track : Track, optional
        What takes the place of the person, such as ``motion.people``.

    Returns
    -------
    Scene

    Examples
    --------
    >>> from actionbench.features.examples import examples
    >>> from actionbench.features.motion import observe
    >>> scene = stabilised_scene(observe(examples()[0][2]), 2, 8, margin=10)
    >>> len(scene.frames), scene.frames.shape == scene.mask.shape
    (6, True)
    """
    track = motion.track if track is None else track
    down = camera_path(motion.shifts[start : stop - 1])[:, ::-1]
    boxes = track.boxes[start:stop] - np.tile(down, 2)
    shape = motion.frames.shape[1:]
    # The crop ends where no frame shows anything.
    low = np.floor(np.maximum(boxes[:, :2].min(axis=0) - margin, -down.max(axis=0)))
    high = np.ceil(np.minimum(boxes[:, 2:].max(axis=0) + margin, shape - down.min(axis=0)))
    height, width = (int(length) for length in np.maximum(high - low, 1))

    def cut(planes: NDArray) -> NDArray[np.float32]:
        corners = down + low
        return np.stack(
            [
                _cut(plane, left, top, (width, height))
                for plane, (top, left) in zip(planes, corners, strict=True)
            ]
        )

    between = np.minimum(np.arange(start, stop), len(motion.flow) - 1)
    with single_thread():
        frames, mask, flow = (
            cut(planes)
            for planes in (motion.frames[start:stop], track.mask[start:stop], motion.flow[between])
        )
    return Scene(frames, mask, flow, boxes - np.tile(low, 2))


def chunks(n_frames: int, length: int, reach: int) -> Iterator[tuple[int, int, int, int]]:
    """Divide a clip into chunks that are processed one after the other, so that long clips take no more memory.

    Parameters
    ----------
    n_frames : int
        Frames of the clip.
    length : int
        Frames of a chunk.
    reach : int
        Frames that are read beyond a chunk on each side.

    Yields
    ------
    start, stop, first, last : int
        Frames to read, and frames that the chunk is about, each with the end excluded.

    Examples
    --------
    >>> list(chunks(25, 10, 3))
    [(0, 13, 0, 10), (7, 23, 10, 20), (17, 25, 20, 25)]
    """
    for first in range(0, n_frames, length):
        last = min(first + length, n_frames)
        yield max(first - reach, 0), min(last + reach, n_frames), first, last


def append_place(rows: NDArray[np.float32], place: NDArray[np.float32], weight: float) -> NDArray[np.float32]:
    """Append to local descriptors where they are: the first three columns of ``place``, times a weight unless it is 0.

    Examples
    --------
    >>> append_place(np.ones((1, 2), np.float32), np.array([[0.5, 0.0, 1.0, 9.0]], np.float32), 0.5)
    array([[1.  , 1.  , 0.25, 0.  , 0.5 ]], dtype=float32)
    """
    return np.concatenate([rows, np.float32(weight) * place[:, :3]], axis=1) if weight else rows


def split_place(rows: NDArray[np.float32], weight: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Undo `append_place`: return descriptors and places; the latter are 0 where the weight is.

    Examples
    --------
    >>> rows = append_place(np.ones((1, 2), np.float32), np.full((1, 3), 0.25, np.float32), 0.5)
    >>> [part.tolist() for part in split_place(rows, 0.5)]
    [[[1.0, 1.0]], [[0.25, 0.25, 0.25]]]
    """
    if not weight:
        return rows, np.zeros((len(rows), 3), np.float32)
    return rows[:, :-3], rows[:, -3:] / np.float32(weight)


def mirror_place(place: NDArray[np.float32]) -> NDArray[np.float32]:
    """Exchange left and right of places from 0 to 1.

    Examples
    --------
    >>> mirror_place(np.array([[0.25, 0.5, 1.0]], np.float32))
    array([[0.75, 0.5 , 1.  ]], dtype=float32)
    """
    return np.concatenate([1 - place[:, :1], place[:, 1:]], axis=1)
