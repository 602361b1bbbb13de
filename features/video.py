"""Decoding and writing video files with PyAV."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ActionbenchError, DecodeError
from .clip import Clip

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

#: Frame rate assumed where neither the header nor the time stamps tell one (a single image, say).
FALLBACK_FPS = 25.0

#: What a data set gives for a video, in the words of a matrix.
Color = Literal["grey", "rgb"]
OnError = Literal["error", "truncate"]


def read_video(
    path: str | Path,
    *,
    width: int | None = None,
    height: int | None = None,
    stride: int = 1,
    color: Color = "rgb",
    on_error: OnError = "error",
) -> Clip:
    """Decode a video file.

    Frames are what the decoder yields, in order of presentation, turned upright by the file's rotation tag; the
    count in the header is not believed. Limited-range luma is expanded to 0-255. An alpha channel is dropped.

    Parameters
    ----------
    path : path
        The file.
    width, height : int, optional
        Size of the frames in pixels; where one is given the other follows the aspect ratio. Shrinking averages
        areas, enlarging interpolates.
    stride : int
        Keep every ``stride``-th frame, the first one included. The frame rate is divided by it.
    color : {"rgb", "grey"}
        Frames of shape (T, H, W, 3) or (T, H, W).
    on_error : {"error", "truncate"}
        What to do with a file that breaks half-way: refuse it, or keep what comes before the break.

    Returns
    -------
    Clip

    Raises
    ------
    DecodeError
        If the file is missing, is no video, has no frame, or breaks (see ``on_error``). The message names it.
    """
    how = {"width": width, "height": height, "stride": stride, "color": color, "on_error": on_error}
    with open_video(path, **how) as video:  # type: ignore[arg-type]
        frames = list(video)
        return Clip(np.stack(frames), fps=video.fps)


class Video:
    """The frames of an open file, decoded one at a time; see `open_video`."""

    def __init__(
        self,
        path: Path,
        container: InputContainer,
        width: int | None,
        height: int | None,
        stride: int,
        color: Color,
        on_error: OnError,
    ) -> None:
        self._path, self._container, self._stream = path, container, _video_stream(container, path)
        self._size, self._stride, self._color, self._on_error = (width, height), stride, color, on_error
        self._rate = self._stream.average_rate or self._stream.guessed_rate
        self._n_decoded, self._span = 0, (float("nan"), float("nan"))

    @property
    def fps(self) -> float:
        """Frames per second: by the header, else by the time stamps of what was decoded so far."""
        if self._rate:
            return float(self._rate) / self._stride
        seconds = self._span[1] - self._span[0]
        return ((self._n_decoded - 1) / seconds if seconds > 0 else FALLBACK_FPS) / self._stride

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        shape: tuple[int, ...] | None = None
        for image in self._images():
            if image.shape != (shape := shape or image.shape):
                raise DecodeError(
                    f"{self._path}: the frame size changes half-way; give width and height to bring them to one size"
                )
            yield image
        if shape is None:
            raise DecodeError(f"{self._path}: not one frame can be decoded")

    def _images(self) -> Iterator[NDArray[np.uint8]]:
        try:
            for frame in _decode(self._container, self._stream):
                time = float("nan") if frame.time is None else frame.time
                self._span = (self._span[0] if self._n_decoded else time, time)
                self._n_decoded += 1
                if (self._n_decoded - 1) % self._stride == 0:
                    yield self._convert(frame)
        except _Broken as broken:
            if self._on_error == "error" or not self._n_decoded:
                raise DecodeError(
                    f"{self._path}: the video breaks after {self._n_decoded} frames ({broken}); "
                    + (
                        'use on_error = "truncate" to keep those'
                        if self._n_decoded
                        else "no frame can be read"
                    )
                ) from broken

    def _convert(self, frame: VideoFrame) -> NDArray[np.uint8]:
        import av
        import cv2

        try:
            return _to_array(frame, *self._size, self._color)
        except (av.error.FFmpegError, cv2.error, ValueError, MemoryError) as error:
            raise DecodeError(
                f"{self._path}: a frame of {frame.width} x {frame.height} pixels cannot be brought to what was "
                f"asked for ({' '.join(_reason(error).split())})"
            ) from error


@contextmanager
def open_video(
    path: str | Path,
    *,
    width: int | None = None,
    height: int | None = None,
    stride: int = 1,
    color: Color = "rgb",
    on_error: OnError = "error",
) -> Iterator[Video]:
    """Open a video file whose frames are decoded as they are asked for, once; else like `read_video`."""
    path = Path(path)
    with _open(path) as container:
        yield Video(path, container, width, height, stride, color, on_error)


def write_video(path: str | Path, frames: Iterable[NDArray[np.uint8]], fps: float) -> None:
    """Write frames to an MP4 file as H.264.

    Parameters
    ----------
    path : path
        The file. It appears, or is replaced, when all is written.
    frames : iterable of ndarray of uint8, shape (H, W, 3)
        Red, green, blue; one or more of one size. A last row or column is repeated where the size is odd, as H.264
        has half as many colours as pixels.
    fps : float
        Frames per second.

    Raises
    ------
    ActionbenchError
        If it cannot be written.
    """
    import av

    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    remaining = iter(frames)
    first = next(remaining)
    rows, columns = first.shape[:2]
    try:
        # Absolute, for the reason given in `_open`.
        with av.open(str(part.absolute()), "w", format="mp4") as container:
            stream = container.add_stream("h264", rate=Fraction(fps).limit_denominator(1001))
            stream.height, stream.width = rows + rows % 2, columns + columns % 2
            stream.pix_fmt = "yuv420p"
            stream.options = {"crf": "18"}
            for image in chain([first], remaining):
                even = np.pad(image, ((0, rows % 2), (0, columns % 2), (0, 0)), mode="edge")
                container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
            container.mux(stream.encode())
        part.replace(path)
    except (OSError, av.error.FFmpegError, av.codec.codec.UnknownCodecError) as error:
        raise ActionbenchError(f"{path}: the video cannot be written ({_reason(error)})") from error
    finally:
        part.unlink(missing_ok=True)


class _Broken(Exception):
    """The stream ends before its end."""


def _open(path: Path) -> InputContainer:
    import av

    if not os.path.isfile(path):
        raise DecodeError(f"{path}: there is no such file")
    if path.stat().st_size == 0:
        raise DecodeError(f"{path}: the file is empty")
    # Before 19, PyAV refuses a file for a title that is not UTF-8 unless it is told to replace such letters.
    options: Any = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
    try:
        # Absolute, so that a name such as "-x.mp4" or "a:b.mp4" is never taken for an option or a protocol.
        return av.open(str(path.resolve()), "r", **options)
    except (av.error.FFmpegError, ValueError) as error:
        raise DecodeError(f"{path}: not a video that can be opened ({_reason(error)})") from error


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    if not container.streams.video:
        raise DecodeError(f"{path}: there is no video stream in this file")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise DecodeError(f"{path}: there is no decoder for the video stream in this file")
    stream.codec_context.thread_count = 1
    return stream


def _decode(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Yield the frames; raise _Broken where the data do not reach the end that the file promises."""
    import av

    n_packets, end = 0, 0.0
    try:
        for packet in container.demux(stream):
            if packet.is_corrupt:
                raise _Broken("a packet is cut off")
            n_packets += packet.size > 0
            if packet.pts is not None and packet.time_base is not None:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            for frame in packet.decode():
                if frame.is_corrupt:
                    raise _Broken("a frame is damaged")
                yield frame
    except (av.error.FFmpegError, ValueError) as error:
        raise _Broken(_reason(error)) from error
    if n_packets < stream.frames:
        raise _Broken(f"the header promises {stream.frames}")
    promised = _promised_seconds(container, stream)
    if promised - end > max(1.0, 0.1 * promised):
        raise _Broken(f"the header promises {promised:.1f} s, there are {end:.1f} s")


def _promised_seconds(container: InputContainer, stream: VideoStream) -> float:
    """Return the duration of the video stream by its header, 0 where it gives none."""
    tag = stream.metadata.get("DURATION", "")
    try:
        hours, minutes, seconds = tag.split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except ValueError:
        pass
    if len(container.streams) == 1 and container.duration is not None:
        return container.duration / 1e6
    return 0.0


def _to_array(frame: VideoFrame, width: int | None, height: int | None, color: Color) -> NDArray[np.uint8]:
    image = np.asarray(frame.to_ndarray(format="gray" if color == "grey" else "rgb24"), np.uint8)
    image = np.rot90(image, frame.rotation // 90)
    if width is None and height is None:
        return np.ascontiguousarray(image)
    return _resize(image, width, height)


def _resize(image: NDArray[np.uint8], width: int | None, height: int | None) -> NDArray[np.uint8]:
    import cv2

    rows, columns = image.shape[:2]
    if width is None:
        width = max(1, round(columns * (height or rows) / rows))
    if height is None:
        height = max(1, round(rows * width / columns))
    shrinks = width < columns or height < rows
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(
        cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=method), np.uint8
    )


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).lower()
