"""Clips that are stored as a folder of images, or as an array."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DecodeError
from .clip import Clip
from .video import Color, resized

#: Endings taken for images, in lower case.
IMAGE_ENDINGS = frozenset(".bmp .jpeg .jpg .png .ppm .tif .tiff .webp".split())


def read_images(
    folder: str | Path,
    *,
    fps: float,
    start: int = 0,
    end: int | None = None,
    width: int | None = None,
    height: int | None = None,
    stride: int = 1,
    color: Color = "rgb",
) -> Clip:
    """Read the images of a folder as the frames of a clip, in the order of the numbers in their names.

    Parameters
    ----------
    folder : path
        The folder; files that are no images are left out.
    fps : float
        Frames per second before ``stride``.
    start, end : int
        The first frame, and the one after the last; by default all.
    width, height, stride, color
        As in `video.read_video`. Images of another size are scaled to that of the first.

    Returns
    -------
    Clip

    Raises
    ------
    DecodeError
        If there is no image in the folder or between the limits, or one cannot be read.
    """
    folder = Path(folder)
    paths = image_files(folder)[start:end]
    if not paths:
        raise DecodeError(f"{folder}: there is no image in this folder between frame {start} and its end")
    frames: list[NDArray[np.uint8]] = []
    for path in paths[::stride]:
        image = _read(path)
        size = (width, height) if not frames or width or height else frames[0].shape[1::-1]
        frames.append(resized(image, *size))
    return _clip(np.stack(frames), fps / stride, color)


def image_files(folder: Path) -> list[Path]:
    """Return the images in a folder, by the numbers in their names: 2 before 10."""
    paths = [
        path for path in folder.iterdir() if path.suffix.lower() in IMAGE_ENDINGS and path.name[0] != "."
    ]
    return sorted(
        paths,
        key=lambda path: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)],
    )


def read_array(
    path: str | Path,
    *,
    fps: float,
    start: int = 0,
    end: int | None = None,
    width: int | None = None,
    height: int | None = None,
    stride: int = 1,
    color: Color = "rgb",
) -> Clip:
    """Read a clip from a NumPy file with an array of uint8, shape (T, H, W) or (T, H, W, 3).

    Parameters are those of `read_images`.

    Raises
    ------
    DecodeError
        If it is no such file.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        clip = Clip(np.array(array[start:end:stride]), fps / stride)
    except (OSError, ValueError, IndexError, AttributeError) as error:
        raise DecodeError(
            f"{path}: not an array of frames, uint8 of shape (T, H, W) or (T, H, W, 3) ({error})"
        ) from error
    frames = clip.frames
    if width or height:
        frames = np.stack([resized(np.array(frame), width, height) for frame in frames])
    return _clip(frames, clip.fps, color)


def _read(path: Path) -> NDArray[np.uint8]:
    import cv2

    try:
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise DecodeError(f"{path}: cannot be read ({error.strerror})") from error
    image: Any = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    if image is None:
        raise DecodeError(f"{path}: not an image that can be read")
    return np.ascontiguousarray(image[..., ::-1])


def _clip(frames: NDArray[np.uint8], fps: float, color: Color) -> Clip:
    clip = Clip(frames, fps)
    if color == "grey":
        return Clip(clip.grey(), fps)
    return clip if frames.ndim == 4 else Clip(np.repeat(frames[..., None], 3, axis=-1), fps)
