import gc
import shutil
from pathlib import Path

import av
import numpy as np
import psutil
import pytest

from actionbench.errors import ActionbenchError, DecodeError
from actionbench.features.video import open_video, read_video, write_video

# Frames by decoding, size (width, height) and frame rate of each real file, as ffprobe -count_frames tells of the
# stream that ffmpeg chooses.
CODECS = {
    "decord/flipping_a_pancake.mkv": (310, (426, 240), 30),
    "decord/unordered.mov": (4, None, 32),
    "decord/video_0.mov": (3, (568, 320), 30),
    "decord/video_180.mov": (3, (568, 320), 30),
    "decord/video_270.mov": (3, (320, 568), 30),
    "decord/video_90.mov": (3, (320, 568), 30),
    "kth/person01_boxing_d1_uncomp.avi": (360, (160, 120), 25),
    "moviepy/-video-with-dash-.mp4": (5, None, 1),
    "moviepy/big_buck_bunny_432_433.webm": (24, None, 24),
    "moviepy/bitmap.mp4": (5, None, 1),
    "moviepy/chaplin.mp4": (241, None, 25),
    "moviepy/no_duration.webm": (74, None, 15000 / 1001),
    "moviepy/pigs_in_a_polka.gif": (30, None, 10),
    "moviepy/smpte-2997.mp4": (251, None, 25),
    "moviepy/transparent.webm": (150, None, 30),
    "moviepy/video_with_failing_audio.mp4": (280, None, 25),
    "torchcodec/av1_video.mkv": (125, None, 25),
    "torchcodec/bt709_full_range.mp4": (30, None, 30),
    "torchcodec/h264_10bits.mp4": (30, None, 30),
    "torchcodec/h265_10bits.mp4": (30, None, 30),
    "torchcodec/h265_video.mp4": (10, None, 10),
    "torchcodec/nasa_13013.mp4": (390, (480, 270), 30000 / 1001),
}
# Of 1920 x 1080 pixels.
LARGE = {"moviepy/smpte-2997.mp4"}
BROKEN = {"decord/corrupted.mp4", "moviepy/zero_bytes_result.webm"}


def noise(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(5, 12, 16), (5, 12, 16, 3), (1, 7, 9)])
def test_what_was_written_without_loss_is_read_exactly(write_video, shape):
    frames = noise(shape)
    clip = read_video(write_video("a.mkv", frames, fps=30), color="grey" if frames.ndim == 3 else "rgb")
    np.testing.assert_array_equal(clip.frames, frames)
    assert clip.fps == 30


def test_grey_of_a_colour_file_is_luma(write_video):
    frames = noise((3, 12, 16, 3))
    path = write_video("a.mkv", frames)
    # swscale's luma of RGB is rounded differently from ours, by a level or two.
    difference = read_video(path, color="grey").frames.astype(int) - read_video(path).grey()
    assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("color", ["rgb", "grey"])
def test_frames_are_freed_at_once_and_start_no_threads(write_video, color):
    """No search for garbage is needed to free them: of 1080 lines, 200 frames have half a gigabyte."""
    frames = noise((8, 48, 64, 3))
    path = write_video("a.mkv", frames)
    read_video(path, color=color)
    gc.collect()
    gc.disable()
    try:
        # Other tests may have left some.
        held, threads = _n_held(), psutil.Process().num_threads()
        with open_video(path, color=color) as video:
            counts = [(_n_held() - held, psutil.Process().num_threads() - threads) for _ in video]
        # One that is read, one as it is converted, and an empty one for the next.
        assert max(more for more, _ in counts) <= 3
        assert max(more for _, more in counts) <= 0
        assert _n_held() - held <= 1
    finally:
        gc.enable()


def _n_held():
    """Return how many decoded frames there are."""
    return sum(type(one) is av.VideoFrame for one in gc.get_objects())


def test_stride_keeps_every_nth_frame_and_divides_the_rate(write_video):
    frames = noise((7, 8, 8))
    clip = read_video(write_video("a.mkv", frames, fps=24), stride=3, color="grey")
    np.testing.assert_array_equal(clip.frames, frames[::3])
    assert clip.fps == 8


def test_shrinking_by_a_whole_factor_averages_blocks(write_video):
    frames = noise((2, 12, 16))
    clip = read_video(write_video("a.mkv", frames), width=8, height=6, color="grey")
    means = frames.reshape(2, 6, 2, 8, 2).mean(axis=(2, 4))
    assert np.abs(clip.frames - means).max() <= 0.5


@pytest.mark.parametrize(
    ("size", "expected"), [({"width": 8}, (6, 8)), ({"height": 24}, (24, 32)), ({"width": 1}, (1, 1))]
)
def test_one_side_keeps_the_aspect(write_video, size, expected):
    clip = read_video(write_video("a.mkv", noise((1, 12, 16))), color="grey", **size)
    assert clip.frames.shape[1:] == expected


def test_a_file_without_a_picture_is_refused(tmp_path):
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(DecodeError, match=r"sound\.wav: there is no video stream"):
        read_video(path)


@pytest.mark.parametrize(("content", "says"), [(b"", "empty"), (b"not a video at all" * 50, "not a video")])
def test_what_is_no_video_is_named(tmp_path, content, says):
    path = tmp_path / "odd.mp4"
    path.write_bytes(content)
    with pytest.raises(DecodeError, match=f"odd.mp4.*{says}"):
        read_video(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DecodeError, match=r"gone\.avi: there is no such file"):
        read_video(tmp_path / "gone.avi")


@pytest.mark.parametrize("name", ["a.avi", "a.mkv"])
def test_a_file_that_is_cut_off_is_an_error_or_usable_up_to_there(write_video, tmp_path, name):
    frames = noise((60, 48, 64))
    whole = write_video(name, frames, fps=10)
    cut = tmp_path / f"cut_{name}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(DecodeError, match=rf"cut_{name}: the video breaks after \d+ frames.*truncate"):
        read_video(cut)
    kept = read_video(cut, color="grey", on_error="truncate").frames
    assert 10 < len(kept) < 40
    np.testing.assert_array_equal(kept, frames[: len(kept)])


def test_names_that_look_like_options_or_addresses(write_video, tmp_path, monkeypatch):
    path = write_video("a.mkv", noise((2, 8, 8)))
    monkeypatch.chdir(tmp_path)
    for name in ("-y.mkv", "http:x.mkv", "it's a clip, ünï.mkv", "%d.mkv"):
        shutil.copy(path, name)
        assert len(read_video(name)) == 2


def test_a_title_that_is_not_utf8_does_no_harm(write_video, tmp_path):
    path = write_video("a.mp4", noise((3, 32, 32, 3)), codec="mpeg4")
    titled = tmp_path / "titled.mp4"
    with av.open(str(path)) as source, av.open(str(titled), "w") as target:
        target.metadata["title"] = "XYZZY"
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    content = titled.read_bytes()
    assert content.count(b"XYZZY") == 1
    titled.write_bytes(content.replace(b"XYZZY", b"caf\xe9\xff"))
    assert len(read_video(titled)) == 3


def test_frames_of_another_size_are_scaled_to_the_first(tmp_path, write_video):
    levels = np.full((3, 32, 32, 3), 60, np.uint8), np.full((3, 64, 64, 3), 180, np.uint8)
    joined = tmp_path / "joined.m4v"
    with open(joined, "wb") as file:
        for number, frames in enumerate(levels):
            with av.open(str(write_video(f"{number}.mp4", frames, codec="mpeg4"))) as container:
                stream = container.streams.video[0]
                file.write(stream.codec_context.extradata or b"")
                for packet in container.demux(stream):
                    file.write(bytes(packet))
    clip = read_video(joined)
    assert clip.frames.shape[1:] == (32, 32, 3)
    assert clip.frames[0].mean() < 80 < 160 < clip.frames[-1].mean()
    assert clip.warnings == {"size-changes": "frames have 2 sizes; they are scaled to that of the first"}
    assert read_video(joined, width=16, height=16).frames.shape[1:] == (16, 16, 3)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in sorted(CODECS)]
)
def test_real_files_decode_to_their_end(data_folder, name):
    n_frames, size, fps = CODECS[name]
    clip = read_video(data_folder / "codecs" / name)
    assert len(clip) == n_frames
    assert clip.fps == pytest.approx(fps)
    assert size is None or (clip.width, clip.height) == size
    # unordered.mov is white from end to end.
    assert clip.frames[:: max(1, n_frames // 5)].std() > 1 or clip.frames.min() == 255


def test_the_table_of_real_files_is_complete(data_folder):
    there = {
        path.relative_to(data_folder / "codecs").as_posix() for path in (data_folder / "codecs").glob("*/*")
    }
    assert there == set(CODECS) | BROKEN


def test_a_damaged_real_file(data_folder):
    path = data_folder / "codecs/decord/corrupted.mp4"
    with pytest.raises(DecodeError, match=r"corrupted\.mp4: the video breaks after 28 frames"):
        read_video(path)
    assert len(read_video(path, on_error="truncate")) == 28


def test_an_empty_real_file(data_folder):
    for on_error in ("error", "truncate"):
        with pytest.raises(DecodeError, match=r"zero_bytes_result\.webm: the file is empty"):
            read_video(data_folder / "codecs/moviepy/zero_bytes_result.webm", on_error=on_error)


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_rotation_tags_are_honoured(data_folder, angle):
    """The tag says by how much the stored picture is turned; upright, keyboards have their letters on top."""
    path = data_folder / f"codecs/decord/video_{angle}.mov"
    with av.open(str(path)) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="rgb24")
    # A tag of 90 asks for a turn to the right by 90 degrees.
    np.testing.assert_array_equal(read_video(path).frames[0], np.rot90(stored, -angle // 90))


@pytest.mark.parametrize("name", ["bt709_full_range.mp4", "h264_10bits.mp4", "h265_10bits.mp4"])
def test_grey_uses_the_whole_range(data_folder, name):
    path = data_folder / "codecs/torchcodec" / name
    assert np.abs(read_video(path, color="grey").frames.astype(int) - read_video(path).grey()).mean() < 2.5


def test_every_weizmann_clip_decodes(data_folder):
    paths: list[Path] = sorted((data_folder / "weizmann").glob("*/*.avi"))
    lengths = [len(read_video(path, color="grey")) for path in paths]
    assert (len(paths), min(lengths), max(lengths)) == (90, 36, 146)


def test_frames_come_one_at_a_time(write_video):
    frames = noise((40, 48, 64))
    path = write_video("a.mkv", frames, fps=30)
    with open_video(path, color="grey", stride=2) as video:
        assert video.fps == 15
        images = iter(video)
        np.testing.assert_array_equal(next(images), frames[0])
        np.testing.assert_array_equal(next(images), frames[2])
        assert video._n_decoded < 10
        np.testing.assert_array_equal(list(images), frames[4::2])


@pytest.mark.parametrize("shape", [(12, 32, 48, 3), (3, 31, 47, 3), (1, 1, 1, 3)])
def test_what_is_written_looks_the_same(tmp_path, shape):
    rows, columns = np.mgrid[: shape[1], : shape[2]]
    smooth = np.stack([np.stack([4 * rows, 4 * columns, 9 * t + 0 * rows], -1) for t in range(shape[0])])
    write_video(tmp_path / "a.mp4", smooth.astype(np.uint8), 12.5)
    clip = read_video(tmp_path / "a.mp4")
    assert (len(clip), clip.fps) == (shape[0], 12.5)
    assert clip.frames.shape[1:3] == tuple(size + size % 2 for size in shape[1:3])
    assert np.abs(clip.frames[:, : shape[1], : shape[2]].astype(int) - smooth).mean() < 6


def test_a_film_rate_is_kept(tmp_path):
    write_video(tmp_path / "a.mp4", np.zeros((5, 16, 16, 3), np.uint8), 30000 / 1001)
    assert read_video(tmp_path / "a.mp4").fps == pytest.approx(30000 / 1001, rel=1e-12)


def test_a_video_appears_whole_or_not_at_all(tmp_path):
    old = tmp_path / "a.mp4"
    old.write_bytes(b"old")

    def breaking():
        yield np.zeros((16, 16, 3), np.uint8)
        raise KeyError("ouch")

    with pytest.raises(KeyError):
        write_video(old, breaking(), 25)
    assert old.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    with pytest.raises(ActionbenchError, match=r"a\.mp4: the video cannot be written \(no such file"):
        write_video(tmp_path / "no" / "a.mp4", np.zeros((2, 16, 16, 3), np.uint8), 25)
