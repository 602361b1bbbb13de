"""Files as cameras, browsers and copies of data sets have them, each against FFmpeg's programs or what was written."""

import math
import shutil
import struct
import subprocess
from fractions import Fraction

import av
import numpy as np
import pytest

from actionbench.errors import DecodeError
from actionbench.features.video import _luma, open_video, read_video

ONE = 1 << 16


def ramp(n_frames, rows=48, columns=64):
    """Return frames of one grey level each, four levels apart."""
    return np.broadcast_to(np.arange(n_frames, dtype=np.uint8)[:, None, None] * 4, (n_frames, rows, columns))


def levels(clip):
    """Return which frames of `ramp` a clip shows."""
    return np.rint(np.median(clip.grey(), axis=(1, 2)) / 4).astype(int).tolist()


def as_ffmpeg_shows(path, pixels="rgb24"):
    """Return the first frame by FFmpeg's program, flat."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs the program ffmpeg")
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", path, "-frames:v", "1"]
    command += ["-f", "rawvideo", "-pix_fmt", pixels, "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.uint8)


def with_matrix(path, target, a, b, c, d):
    """Write an MP4 file whose track has another display matrix."""
    content = bytearray(path.read_bytes())
    header = content.find(b"tkhd") + 4
    place = header + 4 + (32 if content[header] == 1 else 20) + 16
    struct.pack_into(">9i", content, place, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    target.write_bytes(content)
    return target


@pytest.fixture
def corner(write_video):
    """An MP4 file with a picture that no turn and no mirror leaves as it is."""
    frames = np.zeros((2, 48, 64, 3), np.uint8)
    frames[:, :16, :32, 0], frames[:, 32:, 48:, 1] = 255, 200
    return write_video("corner.mp4", frames, codec="mpeg4")


MIRRORS = {
    "left and right": ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    "top and bottom": ((1, 0, 0, -1), lambda image: image[::-1]),
    "main diagonal": ((0, 1, 1, 0), lambda image: image.swapaxes(0, 1)),
    "other diagonal": ((0, -1, -1, 0), lambda image: image[::-1, ::-1].swapaxes(0, 1)),
}


@pytest.mark.parametrize("name", MIRRORS)
@pytest.mark.parametrize("color", ["rgb", "grey"])
def test_mirrors_of_a_display_matrix(corner, tmp_path, name, color):
    parts, mirrored = MIRRORS[name]
    path = with_matrix(corner, tmp_path / "mirrored.mp4", *(part * ONE for part in parts))
    seen = read_video(path, color=color).frames
    np.testing.assert_array_equal(seen[0], mirrored(read_video(corner, color=color).frames[0]))
    pixels = {"rgb": "rgb24", "grey": "gray"}[color]
    np.testing.assert_array_equal(seen[0].ravel(), as_ffmpeg_shows(path, pixels))


@pytest.mark.parametrize("degrees", [1, -1, 30, 89, 91, 179, -179, 269.99, 89.99])
def test_odd_angles_are_turned_as_by_ffmpeg(corner, tmp_path, degrees):
    cos, sin = (round(part(math.radians(degrees)) * ONE) for part in (math.cos, math.sin))
    path = with_matrix(corner, tmp_path / "turned.mp4", cos, sin, -sin, cos)
    np.testing.assert_array_equal(read_video(path).frames[0].ravel(), as_ffmpeg_shows(path))


def test_a_matrix_of_zeros_turns_nothing(corner, tmp_path):
    path = with_matrix(corner, tmp_path / "zero.mp4", 0, 0, 0, 0)
    np.testing.assert_array_equal(read_video(path).frames, read_video(corner).frames)


def test_a_header_of_avi_that_promises_more_frames_than_there_are(write_video, tmp_path):
    content = bytearray(write_video("a.avi", ramp(40), fps=25).read_bytes())
    for tag, offset in ((b"avih", 24), (b"strh", 40)):
        struct.pack_into("<I", content, content.find(tag) + offset, 48)
    path = tmp_path / "promised.avi"
    path.write_bytes(content)
    clip = read_video(path, color="grey")
    assert (levels(clip), clip.fps) == (list(range(40)), 25)
    assert clip.warnings == {"header-count": "the header promises 48 frames, there are 40"}
    path.write_bytes(content[: content.find(b"idx1") - 30])
    with pytest.raises(DecodeError, match=r"promised\.avi: the video breaks after \d+ frames .*truncate"):
        read_video(path)


def test_an_avi_file_whose_recording_was_not_ended_is_damaged(write_video, tmp_path):
    content = bytearray(write_video("a.avi", ramp(40)).read_bytes())
    struct.pack_into("<I", content, 4, 0)
    path = tmp_path / "crashed.avi"
    path.write_bytes(content)
    with pytest.raises(
        DecodeError, match=r"crashed\.avi: the video breaks after 40 frames \(the file is cut off"
    ):
        read_video(path)


def test_empty_chunks_of_avi_are_dropped_frames(write_video, tmp_path):
    data = write_video("a.avi", np.repeat(ramp(30)[..., None], 3, -1), codec="mjpeg").read_bytes()
    start = data.find(b"movi") + 4
    place, out, index = start, b"", b""
    for number in range(30):
        name, size = struct.unpack_from("<4sI", data, place)
        body = b"" if number in (9, 19) else data[place + 8 : place + 8 + size]
        index += struct.pack("<4sIII", name, 16, len(out) + 4, len(body))
        out += struct.pack("<4sI", name, len(body)) + body + b"\0" * (len(body) % 2)
        place += 8 + size + size % 2
    content = bytearray(data[:start] + out + struct.pack("<4sI", b"idx1", len(index)) + index)
    struct.pack_into("<I", content, start - 8, len(out) + 4)
    struct.pack_into("<I", content, 4, len(content) - 8)
    path = tmp_path / "dropped.avi"
    path.write_bytes(content)
    clip = read_video(path, color="grey")
    assert levels(clip) == [number for number in range(30) if number not in (9, 19)]
    assert clip.fps == 25
    assert clip.warnings.keys() == {"header-count", "variable-rate"}


def timed(path, times, n_streams=1):
    """Write one frame of `ramp` at each time in milliseconds, into a file that names no frame rate."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1000)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for time, image in zip(times, ramp(len(times)), strict=True):
            frame = av.VideoFrame.from_ndarray(np.repeat(image[..., None], 3, -1), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_the_frame_rate_is_that_of_time_stamps_where_the_header_has_none(tmp_path):
    even = read_video(timed(tmp_path / "even.mkv", range(0, 30 * 40, 40)))
    assert (len(even), even.fps, even.warnings) == (30, pytest.approx(25), {})
    jittered = timed(tmp_path / "uneven.mkv", [0, *(100 + round(number * 1000 / 30) for number in range(29))])
    uneven = read_video(jittered)
    assert (len(uneven), uneven.fps) == (30, pytest.approx(29 / (100 + 28 * 1000 / 30) * 1000, rel=1e-3))
    assert uneven.warnings.keys() == {"variable-rate"}
    with open_video(jittered, stride=2) as video:
        # Known before a frame is decoded, as windows of a long video need it.
        assert video.fps == pytest.approx(uneven.fps / 2)


def test_a_rate_that_is_given_replaces_that_of_the_file(write_video):
    clip = read_video(write_video("a.mkv", ramp(4), fps=10), fps=25, stride=5)
    assert (clip.fps, clip.warnings) == (5, {})


def joined(folder, name, *parts):
    """Write streams of several files into one; a part is a file and the flags of its stream."""
    path = folder / name
    sources = [(av.open(str(source)), flags) for source, flags in parts]
    with av.open(str(path), "w") as target:
        streams = []
        for source, flags in sources:
            stream = target.add_stream_from_template(source.streams.video[0])
            stream.disposition = flags
            streams.append(stream)
        for (source, _), stream in zip(sources, streams, strict=True):
            for packet in source.demux(source.streams.video[0]):
                if packet.size:
                    packet.stream = stream
                    target.mux(packet)
            source.close()
    return path


DEFAULT, PICTURE = av.stream.Disposition.default, av.stream.Disposition.attached_pic


def test_the_default_stream_is_read_else_the_largest(write_video, tmp_path):
    small = write_video("small.mkv", ramp(6, 24, 32))
    large = write_video("large.mkv", ramp(4))
    none = av.stream.Disposition(0)
    first = joined(tmp_path, "first.mkv", (small, DEFAULT), (large, none))
    assert read_video(first).frames.shape[:3] == (6, 24, 32)
    neither = joined(tmp_path, "neither.mkv", (small, none), (large, none))
    both = joined(tmp_path, "both.mkv", (small, DEFAULT), (large, DEFAULT))
    for path in (neither, both):
        assert read_video(path).frames.shape[:3] == (4, 48, 64)


def test_a_cover_picture_is_no_video(write_video, tmp_path):
    frames = np.zeros((1, 48, 64, 3), np.uint8)
    cover = write_video("cover.mp4", frames, codec="mjpeg")
    film = write_video("film.mp4", np.zeros((5, 24, 32, 3), np.uint8), codec="mpeg4")
    with_film = joined(tmp_path, "with_film.mp4", (cover, PICTURE), (film, DEFAULT))
    assert read_video(with_film).frames.shape[:3] == (5, 24, 32)
    alone = joined(tmp_path, "song.mp4", (cover, PICTURE))
    with pytest.raises(DecodeError, match=r"song\.mp4: there is no video stream in this file, only a cover"):
        read_video(alone)


def test_transport_streams_that_are_joined_are_read_to_the_end(write_video, tmp_path):
    part = write_video("a.ts", np.repeat(ramp(20)[..., None], 3, -1), codec="mpeg2video").read_bytes()
    path = tmp_path / "joined.ts"
    path.write_bytes(part + part)
    clip = read_video(path)
    assert (levels(clip), clip.fps, clip.warnings) == ([*range(20), *range(20)], 25, {})


@pytest.mark.parametrize("colorspace", [2, 5, 6, 1, 9])
@pytest.mark.parametrize("color_range", [0, 1, 2])
@pytest.mark.parametrize(
    "pixels", ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "nv12", "gray", "yuv420p10le"]
)
def test_luma_is_what_ffmpeg_converts_to(pixels, color_range, colorspace):
    frame = av.VideoFrame(70, 34, pixels)
    rng = np.random.default_rng(0)
    for plane in frame.planes:
        # Of ten bits, the upper byte of a value stays below four.
        content = rng.integers(0, 256, plane.buffer_size, dtype=np.uint8)
        if pixels.endswith("10le"):
            content[1::2] %= 4
        plane.update(content.tobytes())
    frame.color_range, frame.colorspace = color_range, colorspace
    np.testing.assert_array_equal(_luma(frame), frame.to_ndarray(format="gray"))
