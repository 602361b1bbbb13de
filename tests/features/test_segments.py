"""Pieces of videos against the same frames of a full decode."""

import os
from fractions import Fraction

import av
import numpy as np
import pytest

from actionbench.errors import DecodeError
from actionbench.features import segments
from actionbench.features.segments import read_segment
from actionbench.features.video import read_video

N_FRAMES = 100
RNG = np.random.default_rng(0)
# Something moves, so that frames need each other.
SCENE = np.cumsum(RNG.integers(-9, 10, (N_FRAMES, 48, 64, 3)), axis=0).astype(np.uint8)

KINDS = {
    "intra.avi": ("mjpeg", {}),
    "b-frames.mp4": ("libx264", {"bf": "3", "g": "30", "preset": "veryfast"}),
    "open-gop.mkv": ("libx264", {"bf": "3", "x264-params": "open-gop=1:keyint=24:scenecut=0"}),
    "intra-refresh.mp4": ("libx264", {"x264-params": "intra-refresh=1:keyint=24"}),
    "one-key-frame.mkv": ("libx264", {"g": "1000", "x264-params": "scenecut=0"}),
    "hevc.mp4": ("libx265", {"x265-params": "keyint=24:bframes=3:log-level=none"}),
    "vp9.webm": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "g": "20"}),
    "mpeg4.avi": ("mpeg4", {"g": "12"}),
    "packed.avi": ("mpeg4", {"bf": "2", "g": "12"}),
    "mpeg2.ts": ("mpeg2video", {"bf": "2", "g": "12"}),
    "uneven.mkv": ("libx264", {"bf": "2", "g": "25"}),
    "late.mp4": ("libx264", {"bf": "2", "g": "25"}),
}


@pytest.fixture(scope="module", params=KINDS)
def video(request, tmp_path_factory):
    """Return a file, its frames, and the seconds of each after the first."""
    codec, options = KINDS[request.param]
    path = tmp_path_factory.mktemp("segments") / request.param
    steps = np.where(np.arange(N_FRAMES) % 7 == 3, 90, 40) if "uneven" in path.name else np.full(N_FRAMES, 40)
    times = np.concatenate([[0], np.cumsum(steps)[:-1]])
    if path.name.startswith("late"):
        times += 3000
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if "uneven" in path.name:
            stream.codec_context.time_base = Fraction(1, 1000)
        for image, time in zip(SCENE, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.time_base = stream.codec_context.time_base or Fraction(1, 25)
            frame.pts = round(time / 1000 / frame.time_base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    whole = read_video(path, color="grey")
    assert len(whole) == N_FRAMES
    return path, whole.frames, (times - times[0]) / 1000


def test_pieces_are_those_of_a_full_decode(video):
    path, frames, seconds = video
    rng = np.random.default_rng(1)
    for _ in range(25):
        first, last = sorted(rng.choice(N_FRAMES + 1, 2, replace=False).tolist())
        piece = read_segment(path, first, last, unit="frames", color="grey")
        np.testing.assert_array_equal(piece.frames, frames[first:last])
        start, end = sorted(rng.uniform(0, seconds[-1], 2))
        inside = (seconds >= start - 0.0005) & (seconds < end - 0.0005)
        if inside.any():
            piece = read_segment(path, start, end, color="grey", stride=2)
            np.testing.assert_array_equal(piece.frames, frames[inside][::2])
    np.testing.assert_array_equal(read_segment(path, 0, color="grey").frames, frames)


def test_pieces_side_by_side_are_decoded_once(video, monkeypatch):
    path, frames, _ = video
    n_decoded = 0

    class Counting:
        def __init__(self, container):
            self._container = container

        def __getattr__(self, name):
            return getattr(self._container, name)

        def demux(self, stream):
            nonlocal n_decoded
            for packet in self._container.demux(stream):
                n_decoded += packet.size > 0
                yield packet

    reader = segments._Reader(path)
    reader._container = Counting(reader._container)
    monkeypatch.setattr(segments, "_reader", lambda path: reader)
    pieces = [read_segment(path, at, at + 10, unit="frames", color="grey") for at in range(0, N_FRAMES, 10)]
    np.testing.assert_array_equal(np.concatenate([piece.frames for piece in pieces]), frames)
    # Of these, neither time stamps nor seeking are exact, so that pieces are counted from the first frame on.
    if path.name not in ("packed.avi", "mpeg2.ts"):
        assert n_decoded == N_FRAMES


def test_limits_include_the_start_and_not_the_end(video):
    path, frames, seconds = video
    piece = read_segment(path, seconds[10], seconds[20], color="grey")
    np.testing.assert_array_equal(piece.frames, frames[10:20])


def test_what_is_behind_the_end_is_refused(video):
    path, _, _ = video
    with pytest.raises(
        DecodeError, match=rf"{path.name}: there is no frame from 300 to 310 frames; the video has"
    ):
        read_segment(path, 300, 310, unit="frames")
    assert len(read_segment(path, 90, 310, unit="frames")) == 10


def test_a_child_process_does_not_move_the_place_of_its_parent(write_video):
    path = write_video("a.mkv", SCENE, codec="libx264")
    expected = read_video(path, color="grey").frames
    read_segment(path, 0, 30, unit="frames")
    child = os.fork()
    if not child:
        read_segment(path, 60, 90, unit="frames")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    piece = read_segment(path, 30, 60, unit="frames", color="grey")
    np.testing.assert_array_equal(piece.frames, expected[30:60])


def test_a_file_that_changes_is_opened_anew(write_video):
    first, second = np.zeros((9, 48, 64), np.uint8), np.full((9, 48, 64), 200, np.uint8)
    assert read_segment(write_video("a.mkv", first), 0, 3, unit="frames").frames.max() == 0
    assert read_segment(write_video("a.mkv", second), 3, 6, unit="frames").frames.min() == 200


def test_frames_of_another_size_are_scaled_to_the_first_of_the_video(write_video, tmp_path):
    path = tmp_path / "joined.ts"
    parts = [
        write_video(f"{rows}.ts", np.full((12, rows, 64, 3), 4 * rows, np.uint8), codec="mpeg2video")
        for rows in (32, 48)
    ]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    whole = read_video(path, color="grey").frames
    assert whole.shape[1:] == (32, 64)
    for first, last in ((2, 8), (8, 16), (14, 20)):
        piece = read_segment(path, first, last, unit="frames", color="grey")
        np.testing.assert_array_equal(piece.frames, whole[first:last])


def test_damage_counts_where_it_is(write_video, tmp_path):
    content = bytearray(write_video("a.avi", SCENE, codec="mpeg4").read_bytes())
    cut = tmp_path / "cut.avi"
    cut.write_bytes(content[: int(len(content) * 0.6)])
    whole = read_video(cut, on_error="truncate", color="grey").frames
    np.testing.assert_array_equal(read_segment(cut, 0, 20, unit="frames", color="grey").frames, whole[:20])
    with pytest.raises(DecodeError, match=r"cut\.avi: (the video breaks|there is no frame)"):
        read_segment(cut, 50, 99, unit="frames")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DecodeError, match=r"gone\.mp4: there is no such file"):
        read_segment(tmp_path / "gone.mp4", 0, 1)
