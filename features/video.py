"""Decoding video files with PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DecodeError
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
    path = Path(path)
    frames: list[NDArray[np.uint8]] = []
    times: list[float] = []
    with _open(path) as container:
        stream = _video_stream(container, path)
        rate = stream.average_rate or stream.guessed_rate
        try:
            for index, frame in enumerate(_decode(container, stream)):
                times.append(frame.time if frame.time is not None else float("nan"))
                if index % stride == 0:
                    frames.append(_to_array(frame, width, height, color))
        except _Broken as broken:
            if on_error == "error" or not frames:
                raise DecodeError(
                    f"{path}: the video breaks after {len(times)} frames ({broken}); "
                    + ('use on_error = "truncate" to keep those' if frames else "no frame can be read")
                ) from broken
    if not frames:
        raise DecodeError(f"{path}: not one frame can be decoded")
    if len({frame.shape for frame in frames}) > 1:
        raise DecodeError(
            f"{path}: the frame size changes half-way; give width and height to bring them to one size"
        )
    return Clip(np.stack(frames), fps=_frame_rate(rate, times) / stride)


class _Broken(Exception):
    """The stream ends before its end."""


def _open(path: Path) -> InputContainer:
    import av

    if not path.is_file():
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


def _frame_rate(rate: Fraction | None, times: list[float]) -> float:
    if rate:
        return float(rate)
    span = times[-1] - times[0]
    return (len(times) - 1) / span if span > 0 else FALLBACK_FPS


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).lower()
