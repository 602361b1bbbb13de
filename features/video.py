"""Decoding and writing video files with PyAV."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ActionbenchError, DecodeError
from .clip import Clip
from .vectors import MotionVectors, References, side_data

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

#: Frame rate assumed where neither the header nor the time stamps give one (a single image, for example).
FALLBACK_FPS = 25.0

# Flags of a stream (FFmpeg's AV_DISPOSITION_*).
_DEFAULT, _ATTACHED_PICTURE = 0x1, 0x400
# FFmpeg's AV_CODEC_FLAG2_EXPORT_MVS: decoders give the motion vectors of frames.
_EXPORT_VECTORS = 1 << 28
# Pixel formats whose first plane is 8-bit luma, and colour spaces of BT.601 (FFmpeg's AVCOL_SPC_*; 2 is unspecified).
_PLANAR = frozenset("gray nv12 nv21".split()) | {
    f"yuv{j}{n}p" for j in ("", "j") for n in (411, 420, 422, 440, 444)
}
_BT601 = frozenset((2, 5, 6))

#: Options of a data set in a matrix.
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
    fps: float | None = None,
) -> Clip:
    """Decode a video file.

    Frames are what the decoder yields, in order of presentation, turned and mirrored by the file's display matrix as
    FFmpeg does, and scaled to the size of the first if the size changes. Of several video streams the default one is
    taken, else the largest; cover pictures are none. Limited-range luma is expanded to 0-255. An alpha channel is
    dropped.

    A file is damaged if a packet or its end is missing, not if the frame count of an AVI header is wrong: that, a
    variable frame rate and a changing size are `Clip.warnings`, by the codes ``header-count``, ``variable-rate`` and
    ``size-changes``.

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
        What to do with a damaged file: refuse it, or keep the frames before the damage.
    fps : float, optional
        Frames per second before ``stride``; by default those of the header, or the mean by time stamps where the
        header is inconsistent.

    Returns
    -------
    Clip

    Raises
    ------
    DecodeError
        If the file is missing, is no video, has no frame, or is damaged (see ``on_error``). The message names it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_video(f"{folder}/clip.mp4", np.zeros((10, 48, 64, 3), np.uint8), fps=25.0)
    ...     clip = read_video(f"{folder}/clip.mp4", stride=2, color="grey")
    >>> clip.frames.shape, clip.fps
    ((5, 48, 64), 12.5)
    """
    with open_video(
        path, width=width, height=height, stride=stride, color=color, on_error=on_error, fps=fps
    ) as video:
        frames = list(video)
        vectors = video.vectors(0, len(frames))
        return Clip(np.stack(frames), video.fps, video.warnings, vectors=vectors)


class Video:
    """Frames of an open file, decoded one at a time; see `open_video`."""

    def __init__(
        self,
        path: Path,
        container: InputContainer,
        width: int | None,
        height: int | None,
        stride: int,
        color: Color,
        on_error: OnError,
        fps: float | None,
    ) -> None:
        self._path, self._container, self._stream = path, container, video_stream(container, path)
        self._size, self._stride, self._color, self._on_error = (width, height), stride, color, on_error
        self._rate = fps or frame_rate(self._stream, path)
        self._n_decoded, self._times = 0, list[float]()
        self._sizes: set[tuple[int, int]] = set()
        self._tape = Tape()

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self._rate / self._stride

    @property
    def seconds(self) -> float:
        """Duration by the header, 0 where that gives none."""
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        return _promised_seconds(self._container, self._stream)

    @property
    def warnings(self) -> dict[str, str]:
        """What is odd about the frames that were decoded so far, by code; see `read_video`."""
        found = {}
        if self._container.format.name == "avi" and self._stream.frames not in (0, self._n_decoded):
            found["header-count"] = (
                f"the header promises {self._stream.frames} frames, there are {self._n_decoded}"
            )
        # Time goes back where streams were joined.
        steps = np.array([step for step in np.diff(self._times) if step > 0])
        usual = np.median(steps) if len(steps) else 0
        if np.any(np.abs(steps - usual) > 0.5 * usual):
            found["variable-rate"] = (
                f"the intervals between frames differ, up to {steps.max() / usual:.3g} times the median; the frames "
                f"are used as evenly spaced, {self._rate:.4g} per second"
            )
        if len(self._sizes) > 1:
            found["size-changes"] = (
                f"frames have {len(self._sizes)} sizes; they are scaled to that of the first"
            )
        return found

    def vectors(self, first: int, stop: int) -> MotionVectors | None:
        """Return the motion vectors of some frames that were yielded, and forget those of frames before them."""
        return self._tape.vectors(first, stop)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        shape: tuple[int, ...] = ()
        for image in self._images():
            shape = shape or image.shape
            yield image if image.shape == shape else resized(image, shape[1], shape[0])
        if not shape:
            raise DecodeError(f"{self._path}: not one frame can be decoded")

    def _images(self) -> Iterator[NDArray[np.uint8]]:
        try:
            for frame, blocks in decoded(self._container, self._stream, self._path):
                self._tape.add(frame, blocks, self._n_decoded % self._stride == 0)
                if self._n_decoded % self._stride == 0:
                    yield converted(frame, self._path, *self._size, self._color)
                self._n_decoded += 1
                self._times.append(np.nan if frame.time is None else frame.time)
                self._sizes.add((frame.width, frame.height))
        except DamagedError as damage:
            if self._on_error == "error" or not self._n_decoded:
                raise DecodeError(
                    f"{self._path}: the video breaks after {self._n_decoded} frames ({damage}); "
                    + (
                        'use on_error = "truncate" to keep those'
                        if self._n_decoded
                        else "no frame can be read"
                    )
                ) from damage


@contextmanager
def open_video(
    path: str | Path,
    *,
    width: int | None = None,
    height: int | None = None,
    stride: int = 1,
    color: Color = "rgb",
    on_error: OnError = "error",
    fps: float | None = None,
) -> Iterator[Video]:
    """Open a video file whose frames are decoded lazily, in one pass; parameters are those of `read_video`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_video(f"{folder}/clip.mp4", np.zeros((10, 48, 64, 3), np.uint8), fps=25.0)
    ...     with open_video(f"{folder}/clip.mp4", width=32) as video:
    ...         shapes = [frame.shape for frame in video]
    >>> len(shapes), shapes[0]
    (10, (24, 32, 3))
    """
    path = Path(path)
    with open_container(path) as container:
        yield Video(path, container, width, height, stride, color, on_error, fps)


def write_video(path: str | Path, frames: Iterable[NDArray[np.uint8]], fps: float) -> None:
    """Write frames to an MP4 file as H.264.

    Parameters
    ----------
    path : path
        The file, created or replaced once all is written.
    frames : iterable of ndarray of uint8, shape (H, W, 3)
        Red, green, blue; one or more of one size. A last row or column is repeated where the size is odd, as H.264
        has half as many colours as pixels.
    fps : float
        Frames per second.

    Raises
    ------
    ActionbenchError
        If it cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_video(f"{folder}/clip.mp4", np.zeros((10, 48, 64, 3), np.uint8), fps=25.0)
    ...     print([path.name for path in Path(folder).iterdir()])
    ['clip.mp4']
    """
    import av

    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    remaining = iter(frames)
    first = next(remaining)
    rows, columns = first.shape[:2]
    try:
        # Absolute, for the reason given in `open_container`.
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


class Tape:
    """Motion vectors of consecutive frames of a stream, of which some are the frames of a clip."""

    def __init__(self) -> None:
        self._blocks, self._places, self._n_forgotten = list[NDArray[Any]](), list[int](), 0
        self._size, self._to_shares = (0, 0), np.empty((2, 3))
        self._any = False

    def add(self, frame: VideoFrame, blocks: NDArray[Any], is_kept: bool) -> None:
        """Add the next frame with its blocks, see `References.show`."""
        if not self._blocks:
            self._size, self._to_shares = (frame.height, frame.width), _to_shares(frame)
        if (frame.height, frame.width) != self._size:
            blocks = blocks[:0]
        self._any |= len(blocks) > 0
        if is_kept:
            self._places.append(len(self._blocks))
        self._blocks.append(blocks)

    def vectors(self, first: int, stop: int) -> MotionVectors | None:
        """Return the vectors of frames of the clip, None where there are none; forget those of frames before them."""
        first, stop = first - self._n_forgotten, stop - self._n_forgotten
        self._n_forgotten += first
        begin = self._places[first]
        self._blocks = self._blocks[begin:]
        self._places = [place - begin for place in self._places[first:]]
        if not self._any:
            return None
        places = np.array(self._places[: stop - first], np.intp)
        return MotionVectors(self._blocks[: places[-1] + 1], places, self._size, self._to_shares)


class DamagedError(Exception):
    """A part of the stream is missing."""


def open_container(path: Path) -> InputContainer:
    """Open a file, or say what is wrong with it."""
    import av

    if not os.path.isfile(path):
        raise DecodeError(f"{path}: there is no such file")
    if path.stat().st_size == 0:
        raise DecodeError(f"{path}: the file is empty")
    # PyAV before version 19 rejects a file whose title is not UTF-8 unless such letters are replaced.
    options: Any = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
    try:
        # Absolute, so that a name such as "-x.mp4" or "a:b.mp4" is never taken for an option or a protocol.
        return av.open(str(path.resolve()), "r", **options)
    except (av.error.FFmpegError, ValueError) as error:
        raise DecodeError(f"{path}: not a video that can be opened ({_reason(error)})") from error


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the default video stream, else the largest, as FFmpeg chooses."""
    streams = [stream for stream in container.streams.video if not stream.disposition & _ATTACHED_PICTURE]
    if not streams:
        covers = ", only a cover picture" if container.streams.video else ""
        raise DecodeError(f"{path}: there is no video stream in this file{covers}")
    usable = [stream for stream in streams if stream.codec_context is not None]
    if not usable:
        raise DecodeError(f"{path}: there is no decoder for the video stream in this file")
    stream = max(usable, key=lambda one: (one.disposition & _DEFAULT, one.width * one.height))
    stream.codec_context.thread_count = 1
    stream.codec_context.flags2 |= _EXPORT_VECTORS
    return stream


def frame_rate(stream: VideoStream, path: Path) -> float:
    """Return the rate of the header if its mean and its nominal rate agree, else the mean rate by time stamps."""
    mean, nominal = stream.average_rate, stream.guessed_rate
    if mean and mean == nominal:
        return float(mean)
    with open_container(path) as container:
        packets = container.demux(container.streams[stream.index])
        times = sorted(
            float(packet.pts * packet.time_base)
            for packet in packets
            if packet.pts is not None and packet.time_base is not None
        )
    if len(times) > 1 and times[-1] > times[0]:
        return (len(times) - 1) / (times[-1] - times[0])
    return float(mean or FALLBACK_FPS)


def decoded(
    container: InputContainer, stream: VideoStream, path: Path
) -> Iterator[tuple[VideoFrame, NDArray[Any]]]:
    """Yield the frames with their blocks, see `References.show`.

    Raises
    ------
    DamagedError
        Where the data do not reach the end of the stream.
    """
    import av

    # Where transport streams are joined, a packet counts as corrupt though its frame is not.
    joins = container.format.name == "mpegts"
    references, n_packets, end = References(stream), 0, 0.0
    try:
        for packet in container.demux(stream):
            if packet.is_corrupt and not joins:
                raise DamagedError("a packet is cut off")
            n_packets += packet.size > 0
            if packet.pts is not None and packet.time_base is not None:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            references.send(packet)
            for frame in packet.decode():
                if frame.is_corrupt:
                    raise DamagedError("a frame is damaged")
                yield frame, references.show(frame)
    except (av.error.FFmpegError, ValueError) as error:
        raise DamagedError(_reason(error)) from error
    is_whole = _is_whole(path)
    if is_whole is False or (is_whole is None and n_packets < stream.frames):
        raise DamagedError(f"the file is cut off; its header promises {stream.frames or 'more'} frames")
    promised = _promised_seconds(container, stream)
    if is_whole is None and promised - end > max(1.0, 0.1 * promised):
        raise DamagedError(f"the header promises {promised:.1f} s, there are {end:.1f} s")


def _is_whole(path: Path) -> bool | None:
    """Return whether a file is as long as its outermost parts say; None where its format does not say so.

    Sources: the RIFF lists of AVI with the OpenDML extension 1.02, and the elements of EBML (RFC 8794).
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF" and head[8:] == b"AVI ":
            end = 0
            while head[:4] == b"RIFF" and end < size:
                end += 8 + int.from_bytes(head[4:8], "little")
                end += end % 2
                file.seek(end)
                head = file.read(12)
            return 12 < end <= size + 1
        if head[:4] == b"\x1a\x45\xdf\xa3":
            file.seek(4)
            file.seek(_ebml_size(file) or 0, os.SEEK_CUR)
            file.seek(4, os.SEEK_CUR)
            length = _ebml_size(file)
            return None if length is None else file.tell() + length <= size
    return None


def _ebml_size(file: BinaryIO) -> int | None:
    """Read the size of an element; None where it is unknown, as in a stream that was recorded live."""
    first = file.read(1)[0]
    n_more = 8 - first.bit_length()
    value = int.from_bytes(bytes([first]) + file.read(n_more), "big") & ((1 << 7 * (n_more + 1)) - 1)
    return None if value == (1 << 7 * (n_more + 1)) - 1 else value


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


def converted(
    frame: VideoFrame, path: Path, width: int | None, height: int | None, color: Color
) -> NDArray[np.uint8]:
    """Return a frame as an array of the size and colour that are asked for."""
    import av
    import cv2

    try:
        return _to_array(frame, width, height, color)
    except (av.error.FFmpegError, cv2.error, ValueError, MemoryError) as error:
        raise DecodeError(
            f"{path}: a frame of {frame.width} x {frame.height} pixels cannot be converted to the requested "
            f"size and colour ({' '.join(_reason(error).split())})"
        ) from error


def _to_array(frame: VideoFrame, width: int | None, height: int | None, color: Color) -> NDArray[np.uint8]:
    matrix = _display_matrix(frame)
    theta = _angle(matrix)
    if theta not in (0, 1, 90, 180, 270):
        frame = _rotated(frame, theta)
    image = _luma(frame) if color == "grey" else _array(frame, "rgb24")
    image = _upright(image, theta, matrix)
    return resized(image, width, height)


def _to_shares(frame: VideoFrame) -> NDArray[np.float64]:
    """Return where points (x, y, 1) of a decoded frame are in the upright one, in shares of its width and height."""
    matrix = _display_matrix(frame)
    theta = _angle(matrix)
    # Pixels 0 1 / 2 3 of a picture of that size, seen from its middle.
    corners = np.arange(4, dtype=np.uint8).reshape(2, 2)
    seen = _upright(corners, theta, matrix)
    steps = np.array([divmod(int(value), 2)[::-1] for value in (seen[0, 0], seen[0, 1], seen[1, 0])], float)
    turn = np.array([steps[1] - steps[0], steps[2] - steps[0]])
    if theta not in (0, 1, 90, 180, 270):
        angle = math.radians(theta)
        turn = turn @ [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    size = np.array([frame.width, frame.height])
    upright = size[::-1] if theta in (90, 270) else size
    linear = turn / upright[:, np.newaxis]
    return np.column_stack([linear, 0.5 - linear @ (size / 2)])


def _display_matrix(frame: VideoFrame) -> tuple[int, ...]:
    data = side_data(frame, "DISPLAYMATRIX")
    return (1, 0, 0, 0, 1, 0, 0, 0, 1) if data is None else struct.unpack("=9i", bytes(data))


def _angle(matrix: tuple[int, ...]) -> int:
    """Return by how many degrees to turn a picture to the right, a whole number from 0 to 359."""
    a, b, _, c, d = matrix[:5]
    across, down = math.hypot(a, c), math.hypot(b, d)
    if not across or not down:
        return 0
    return round(math.degrees(math.atan2(b / down, a / across))) % 360


def _upright(image: NDArray[np.uint8], theta: int, matrix: tuple[int, ...]) -> NDArray[np.uint8]:
    """Turn and mirror a picture as FFmpeg's programs do by a display matrix of this angle."""
    a, _, _, c, d = matrix[:5]
    if theta == 90:
        return image.swapaxes(0, 1) if c > 0 else np.rot90(image, -1)
    if theta == 270:
        return np.rot90(image, -1)[::-1] if c < 0 else np.rot90(image)
    if theta == 180:
        image = image[:, ::-1] if a < 0 else image
        return image[::-1] if d < 0 else image
    return image[::-1] if theta == 0 and d < 0 else image


def _rotated(frame: VideoFrame, theta: int) -> VideoFrame:
    """Return a frame turned by any angle, black outside of the picture."""
    import av

    graph = av.filter.Graph()
    graph.threads = 1
    time_base = frame.time_base or Fraction(1, 25)
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=time_base
    )
    turn, sink = graph.add("rotate", f"{theta}*PI/180"), graph.add("buffersink")
    source.link_to(turn)
    turn.link_to(sink)
    graph.configure()
    source.push(frame)
    turned: Any = sink.pull()
    return turned


def _luma(frame: VideoFrame) -> NDArray[np.uint8]:
    """Return the luma of a frame with values from 0 to 255.

    It is ``frame.to_ndarray(format="gray")``, which of BT.601 maps each value of the luma plane by itself.
    """
    if frame.format.name not in _PLANAR or frame.colorspace not in _BT601:
        return _array(frame, "gray")
    import cv2

    plane: Any = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
    table = _luma_table(frame.format.name, frame.color_range, frame.colorspace)
    return np.asarray(cv2.LUT(np.ascontiguousarray(rows), table), np.uint8)


def _array(frame: VideoFrame, pixels: str) -> NDArray[np.uint8]:
    # Threads would be started for each frame, which takes many times as long as what they do.
    return np.asarray(frame.to_ndarray(format=pixels, threads=1), np.uint8)


@cache
def _luma_table(pixels: str, color_range: int, colorspace: int) -> NDArray[np.uint8]:
    """Return what FFmpeg converts each value of luma to, shape (256,)."""
    import av

    frame = av.VideoFrame(256, 16, pixels)
    plane: Any
    for number, plane in enumerate(frame.planes):
        values = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        values[:, :256] = 128 if number else np.arange(256)[: values.shape[1]]
    frame.color_range, frame.colorspace = color_range, colorspace
    return _array(frame, "gray")[0].copy()


def resized(image: NDArray[np.uint8], width: int | None, height: int | None) -> NDArray[np.uint8]:
    """Return an image of another size, shape (H, W) or (H, W, 3); a side that is None follows the aspect ratio."""
    if width is None and height is None:
        return np.ascontiguousarray(image)
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
