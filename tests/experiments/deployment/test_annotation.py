import shutil
from dataclasses import replace

import av
import numpy as np
import pytest

from actionbench import ActionbenchError
from actionbench.experiments.deployment.annotation import annotate, colours
from actionbench.experiments.deployment.prediction import Prediction
from actionbench.features.video import read_video

GROUND = np.array([24, 24, 24])


def said(label, start, end, probability=0.75):
    return Prediction("x", start, end, {label: probability}, 1.0, 1.0)


@pytest.fixture
def video(write_video):
    """Two seconds of smooth colours."""
    rows, columns = np.mgrid[:240, :320] // 2
    frames = np.stack([np.stack([rows, columns, rows + t], axis=-1) for t in range(20)])
    return write_video("v.mkv", frames.astype(np.uint8), fps=10)


def annotated(video, folder, predictions, classes, **how):
    annotate(video, folder / "out.mp4", predictions, classes, **how)
    return read_video(folder / "out.mp4")


def test_the_picture_stays_and_a_band_comes_below(video, tmp_path):
    original = read_video(video)
    clip = annotated(video, tmp_path, [said("walk", 0, 2)], ["run", "walk"])
    assert (len(clip), clip.fps, clip.width) == (20, 10, 320)
    assert 300 <= clip.height <= 310
    assert np.abs(clip.frames[:, :240].astype(int) - original.frames).mean() < 4
    band = clip.frames[:, 241:]
    # Words are bright on a ground that is dark between them.
    assert np.abs(np.median(band[:, :12].reshape(-1, 3), axis=0) - GROUND).max() < 8
    assert (band[:, :18].max(axis=(1, 2, 3)) > 150).all()


def strongest(pixels):
    """Return the mean of the most colourful pixels of each frame."""
    pixels = pixels.reshape(len(pixels), -1, 3).astype(int)
    spread = pixels.max(axis=2) - pixels.min(axis=2)
    best = np.argsort(spread, axis=1)[:, -20:]
    return np.take_along_axis(pixels, best[..., None], axis=1).mean(axis=1)


def hue(colours):
    """Return the direction in which colours differ from grey."""
    apart = colours - colours.mean(axis=-1, keepdims=True)
    return apart / np.linalg.norm(apart, axis=-1, keepdims=True)


def test_words_change_with_time_and_have_the_colour_of_their_class(video, tmp_path):
    classes = ["jump", "run", "walk"]
    wanted = dict(zip(classes, colours(3), strict=True))
    # The middles are at 0.5 and 1.5 s: what is nearer counts.
    clip = annotated(video, tmp_path, [said("walk", 0, 1), said("jump", 1, 2)], classes)
    seen = strongest(clip.frames[:, 242:260, :160])
    # Thin letters lose strength, not hue.
    likeness = {name: hue(seen) @ hue(np.array(colour)) for name, colour in wanted.items()}
    for frames, label in ((slice(0, 10), "walk"), (slice(10, 20), "jump")):
        assert likeness[label][frames].min() > 0.9
        assert all(likeness[other][frames].max() < 0.5 for other in classes if other != label)


def test_what_is_none_of_the_classes_is_grey(video, tmp_path):
    none = replace(said("walk", 0, 2, 0.9), p_value=0.01, is_rejected=True)
    band = annotated(video, tmp_path, [none], ["run", "walk"]).frames[:, 242:].astype(int)
    # Words and chart are bright, and neither has a hue.
    assert band.max() > 150
    assert (band.max(axis=3) - band.min(axis=3)).max() < 30


def test_the_chart_shows_probabilities_over_time(video, tmp_path):
    clip = annotated(video, tmp_path, [said("walk", 0, 1, 1.0), said("walk", 1, 2, 0.25)], ["run", "walk"])
    chart = clip.frames[0, -42:].astype(int)
    colour = np.array(colours(2)[1])
    filled = (np.abs(chart - colour).max(axis=2) < 60).mean(axis=0)
    assert filled[40:140].mean() > 0.9
    assert 0.1 < filled[180:300].mean() < 0.4
    # The moment is a white line that goes from left to right.
    lines = [
        int(np.argmax(frame[-42:].min(axis=2).astype(int).sum(axis=0)[170:])) for frame in clip.frames[11:]
    ]
    assert lines == sorted(lines)
    assert lines[-1] > lines[0] + 80


@pytest.mark.parametrize("size", [(60, 80), (144, 180), (45, 61), (33, 480), (720, 1280), (1, 1)])
def test_any_size_gets_words_of_a_legible_size(size, write_video, tmp_path):
    path = write_video("odd.mkv", np.full((2, *size, 3), 200, np.uint8), fps=10)
    label = "a label of very, very, very many words"
    clip = annotated(path, tmp_path, [said(label, 0, 0.2)], [label])
    scale = -(-320 // size[1])
    assert clip.width - scale * size[1] in (0, 1)
    # Words, and a chart of three lines of them.
    assert clip.height - scale * size[0] >= 60
    band = clip.frames[0, scale * size[0] + 1 :].max(axis=2)
    rows = np.flatnonzero((band[: len(band) // 3] > 120).any(axis=1))
    assert rows[-1] - rows[0] >= 7
    # Even a label that is too long leaves its margin and the probability alone.
    words = band[rows[0] : rows[-1] + 1]
    assert words[:, :2].max() < 80
    assert words[:, -2:].max() < 80


def test_a_turned_video_is_annotated_upright(data_folder, tmp_path):
    path = data_folder / "codecs/decord/video_90.mov"
    original = read_video(path)
    clip = annotated(path, tmp_path, [said("type", 0, 0.1)], ["type"])
    assert clip.width == original.width < original.height
    part = clip.frames[:, : original.height].astype(int)
    assert np.abs(part - original.frames).mean() < 6


def test_a_video_that_breaks_is_annotated_up_to_there(data_folder, tmp_path):
    path = data_folder / "codecs/decord/corrupted.mp4"
    with pytest.raises(ActionbenchError, match="breaks after 28 frames"):
        annotated(path, tmp_path, [said("a", 0, 1)], ["a"])
    assert list(tmp_path.iterdir()) == []
    assert len(annotated(path, tmp_path, [said("a", 0, 1)], ["a"], on_error="truncate")) == 28


def test_refusals(video, tmp_path):
    for output, message in (
        ("out.avi", "its name must end with .mp4"),
        ("no/out.mp4", "the video cannot be written"),
    ):
        with pytest.raises(ActionbenchError, match=message):
            annotate(video, tmp_path / output, [said("a", 0, 2)], ["a"])
    same = tmp_path / "same.mp4"
    shutil.copy(video, same)
    before = same.read_bytes()
    with pytest.raises(ActionbenchError, match="is the video itself"):
        annotate(same, same, [said("a", 0, 2)], ["a"])
    assert same.read_bytes() == before


def test_it_is_h264_for_any_player(video, tmp_path):
    annotate(video, tmp_path / "out.mp4", [said("a", 0, 2)], ["a"])
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.height % 2 == stream.width % 2 == 0


def luminance(colour):
    share = np.array(colour) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("n", [1, 2, 3, 6, 10, 21, 101])
def test_colours_read_well_and_differ(n):
    found = colours(n)
    assert len(set(found)) == n
    # The contrast that WCAG asks for of text.
    assert min((luminance(colour) + 0.05) / (luminance(GROUND) + 0.05) for colour in found) > 4.5
