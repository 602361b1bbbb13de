"""Pieces of long videos, decoded without all that is before them."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DecodeError
from .clip import Clip
from .vectors import References
from .video import (
    Color,
    DamagedError,
    OnError,
    Tape,
    converted,
    decoded,
    frame_rate,
    open_container,
    resized,
    video_stream,
)

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

#: What the limits of a segment are counted in.
Unit = Literal["seconds", "frames"]

# Time stamps of Matroska are whole milliseconds.
_TOLERANCE = 0.5e-3


def read_segment(
    path: str | Path,
    start: float,
    end: float | None = None,
    *,
    unit: Unit = "seconds",
    width: int | None = None,
    height: int | None = None,
    stride: int = 1,
    color: Color = "rgb",
    on_error: OnError = "error",
    fps: float | None = None,
) -> Clip:
    """Decode a piece of a video file: exactly the frames that `read_video` gives for it.

    The decoder seeks to the last key frame before the piece. The file stays open until another one is read, so that
    pieces that follow each other are decoded without repetition.

    Parameters
    ----------
    path : path
        The file.
    start, end : float
        The limits, counted from the first frame, which is frame 0 at 0 seconds. A frame belongs to the piece if it is
        at ``start`` or later and before ``end``; by default to the end of the video.
    unit : {"seconds", "frames"}
        What the limits are counted in.
    width, height, stride, color, on_error, fps
        As in `read_video`; ``stride`` counts from the first frame of the piece. Damage behind the piece is no error.

    Returns
    -------
    Clip

    Raises
    ------
    DecodeError
        If the piece cannot be decoded, or there is no frame in it.
    """
    limits = _Limits(start, math.inf if end is None else end, unit)
    reader = _reader(Path(path))

    def image(frame: VideoFrame) -> NDArray[np.uint8]:
        return converted(frame, reader.path, width, height, color)

    def images(frames: Iterator[Located]) -> tuple[dict[int, NDArray[np.uint8]], Tape | None]:
        found, tape = {}, None
        for index, (number, frame, blocks) in enumerate(frames):
            tape = tape or Tape()
            tape.add(frame, blocks, index % stride == 0)
            if index % stride == 0:
                found[number] = reader.scaled(frame, image)
        return found, tape

    found, tape = dict[int, NDArray[np.uint8]](), None
    if (wanted := reader.numbers(limits)) is not None:
        found, tape = images(reader.sought(wanted))
    # The time stamps of the packets may not be those of the frames.
    if wanted is None or list(found) != list(wanted[::stride]):
        found, tape = images(reader.counted(limits, on_error))
    if tape is None:
        raise DecodeError(
            f"{path}: there is no frame from {start:g} to {limits.end:g} {unit}; the video has {reader.length}"
        )
    frames = np.stack(list(found.values()))
    return Clip(frames, (fps or reader.fps) / stride, vectors=tape.vectors(0, len(frames)))


class Located(NamedTuple):
    """A frame, its number, and the blocks that it was predicted from, see `References.show`."""

    number: int
    frame: VideoFrame
    blocks: NDArray[Any]


class _Limits(NamedTuple):
    start: float
    end: float
    unit: Unit

    def hold(self, number: int, seconds: float) -> bool:
        """Return whether a frame is inside, by its number and its time after the first frame."""
        place = number if self.unit == "frames" else seconds + _TOLERANCE
        return self.start <= place < self.end

    def inside(self, seconds: NDArray[np.float64]) -> range:
        """Return the numbers of the frames that are inside, by the times of all frames after the first."""
        places = np.arange(len(seconds)) if self.unit == "frames" else seconds + _TOLERANCE
        first, stop = np.searchsorted(places, (self.start, self.end)).tolist()
        return range(first, stop)


class _Reader:
    """An open file and the frame that its decoder is at."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._container = open_container(path)
        self._stream = video_stream(self._container, path)
        self.fps = frame_rate(self._stream, path)
        self._stamps, self._keys = _time_stamps(path, self._stream.index)
        self._frames: Iterator[tuple[VideoFrame, NDArray[Any]]] = iter(())
        self._next = -1

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    @property
    def length(self) -> str:
        """How long the video is, for a message."""
        n_frames = len(self._stamps)
        return f"{n_frames} frames, {n_frames / self.fps:.4g} seconds" if n_frames else "fewer"

    def numbers(self, limits: _Limits) -> range | None:
        """Return the numbers of the frames in a piece; None where they are not known without decoding."""
        if not len(self._stamps):
            return None
        return limits.inside((self._stamps - self._stamps[0]) * float(self._stream.time_base or 0))

    def scaled(
        self, frame: VideoFrame, image: Callable[[VideoFrame], NDArray[np.uint8]]
    ) -> NDArray[np.uint8]:
        """Return the image of a frame, scaled to that of the first frame of the video where its size is another."""
        found = image(frame)
        if (frame.width, frame.height) == (self._stream.width, self._stream.height):
            return found
        with open_container(self.path) as container:
            first = image(next(container.decode(video_stream(container, self.path))))
        return found if found.shape == first.shape else resized(found, first.shape[1], first.shape[0])

    def sought(self, wanted: range) -> Iterator[Located]:
        """Yield frames with their numbers and blocks; ends early where something is not as the time stamps say."""
        import av

        if not wanted:
            return
        key = int(self._keys[np.searchsorted(self._keys, wanted[0], "right") - 1])
        if not key <= self._next <= wanted[0]:
            self._container.seek(int(self._stamps[key]), stream=self._stream)
            self._frames = References(self._stream).frames(self._container, self._stream)
            self._next = key
        try:
            for frame, blocks in self._frames:
                number = int(np.searchsorted(self._stamps, frame.pts)) if frame.pts is not None else -1
                # Frames before the key frame in order of presentation may need what was skipped.
                if 0 <= number < self._next:
                    continue
                if number != self._next or self._stamps[number] != frame.pts or frame.is_corrupt:
                    self._next = -1
                    return
                self._next += 1
                if number >= wanted[0]:
                    yield Located(number, frame, blocks)
                if number == wanted[-1]:
                    return
        except (av.error.FFmpegError, ValueError):
            self._next = -1

    def counted(self, limits: _Limits, on_error: OnError) -> Iterator[Located]:
        """Yield the frames of a piece with their numbers and blocks, having decoded all frames before it."""
        first = 0.0
        with open_container(self.path) as container:
            stream = video_stream(container, self.path)
            try:
                for number, (frame, blocks) in enumerate(decoded(container, stream, self.path)):
                    time = number / self.fps if frame.time is None else frame.time
                    first = time if number == 0 else first
                    if limits.hold(number, time - first):
                        yield Located(number, frame, blocks)
                    elif limits.unit == "frames" and number >= limits.end:
                        return
            except DamagedError as damage:
                if on_error == "error":
                    raise DecodeError(
                        f"{self.path}: the video breaks within or before this piece ({damage})"
                    ) from damage


def _time_stamps(path: Path, stream: int) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Return when each frame is shown, in units of the stream, and which are key frames; empty if that is not known."""
    nothing = np.empty(0, np.int64), np.empty(0, np.intp)
    with open_container(path) as container:
        packets = [packet for packet in container.demux(container.streams[stream]) if packet.size]
        shown = [(packet.pts, packet.is_keyframe) for packet in packets if not packet.is_discard]
    if not shown or any(stamp is None for stamp, _ in shown) or len(set(shown)) < len(shown):
        return nothing
    stamps, is_key = (np.array(column) for column in zip(*sorted(shown), strict=True))
    return (stamps, np.flatnonzero(is_key)) if is_key[0] else nothing


_open = threading.local()


def _reader(path: Path) -> _Reader:
    """Return the reader of a file, the one that is open where it is of this file."""
    try:
        status = path.stat()
    except OSError as error:
        raise DecodeError(f"{path}: there is no such file") from error
    # A child of a process must not move the place in a file that its parent has open.
    key = os.getpid(), path.resolve(), status.st_size, status.st_mtime_ns, status.st_ino
    if getattr(_open, "key", None) != key:
        if hasattr(_open, "reader"):
            _open.reader.close()
            del _open.reader, _open.key
        _open.reader, _open.key = _Reader(path), key
    return _open.reader
