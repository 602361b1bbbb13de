import weakref
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionbench import ActionbenchError
from actionbench.experiments.deployment.model import fit_model, model_matrix
from actionbench.experiments.deployment.prediction import (
    Windows,
    _sliding,
    can_explain,
    predict_video,
    warm_up,
)
from actionbench.features.clip import Clip, Clips
from actionbench.features.video import read_video
from actionbench.progress import told_to

RATE = 10


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Training clips of 1 second: dark or light squares that move, on a grey ground."""
    import av

    root = tmp_path_factory.mktemp("clips")
    for label, level in (("dark", 20), ("light", 240)):
        (root / label).mkdir()
        for number in range(4):
            with av.open(str(root / label / f"p{number % 2}_{number}.mkv"), "w") as container:
                stream = container.add_stream("ffv1", rate=RATE)
                stream.height, stream.width, stream.pix_fmt = 24, 32, "gray"
                for image in square(level, 10, number):
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray")))
                container.mux(stream.encode())
    return root


def square(level, n_frames, start=0):
    frames = np.full((n_frames, 24, 32), 120, np.uint8)
    for number, frame in enumerate(frames):
        left = (start + 2 * number) % 24
        frame[6:18, left : left + 8] = level
    return frames


@pytest.fixture(scope="module")
def model(clips, tmp_path_factory):
    dataset = {"name": "folder", "root": str(clips), "groups": "(?P<group>p.)_", "height": 20}
    return fit_model(model_matrix("hog-svm", dataset), tmp_path_factory.mktemp("models") / "model")


def test_a_clip_is_seen_as_it_was_in_training(model, clips):
    path = clips / "light" / "p0_0.mkv"
    (found,) = predict_video(model, path)
    clip = read_video(path, color="grey", height=20)
    row = model.attempt.predict_proba(Clips.of([clip]))[0]
    assert found.probabilities == dict(zip(model.classes, row.tolist(), strict=True))
    assert list(found.probabilities.values()) == sorted(row.tolist(), reverse=True)
    assert (found.clip, found.start, found.end) == (str(path), 0, 1)
    assert found.label == model.classes[row.argmax()]
    assert found.probability == row.max()
    assert found.decode_ms > 0
    assert found.predict_ms > 0


def test_a_window_is_predicted_as_the_clip_that_it_is(model, write_video):
    frames = np.concatenate([square(20, 30), square(240, 25)])
    path = write_video("long.mkv", frames, fps=RATE)
    found = predict_video(model, path, Windows(1.2, 0.5))
    small = read_video(path, color="grey", height=20)
    starts = [*range(0, 44, 5), 43]
    assert [(one.start, one.end) for one in found] == [(start / 10, (start + 12) / 10) for start in starts]
    for one, start in zip(found, starts, strict=True):
        clip = Clip(small.frames[start : start + 12], RATE)
        row = model.attempt.predict_proba(Clips.of([clip]))[0]
        assert one.probabilities == dict(zip(model.classes, row.tolist(), strict=True))


def test_only_a_video_much_longer_than_the_training_clips_is_cut(model, write_video):
    assert model.header.data.seconds == (1, 1, 1)
    just = write_video("just.mkv", square(20, 30), fps=RATE)
    assert [(one.start, one.end) for one in predict_video(model, just)] == [(0, 3)]
    beyond = write_video("beyond.mkv", square(20, 31), fps=RATE)
    ends = [(one.start, one.end) for one in predict_video(model, beyond)]
    assert ends == [(0, 1), (0.5, 1.5), (1, 2), (1.5, 2.5), (2, 3), (2.1, 3.1)]


def test_a_video_as_long_as_the_longest_training_clip_is_whole(clips, tmp_path, write_video):
    write_video("dark/p9_9.mkv", square(20, 60), fps=RATE, folder=tmp_path / "clips")
    for label in ("dark", "light"):
        for number in range(2):
            write_video(f"{label}/p{number}_0.mkv", square(20, 10), fps=RATE, folder=tmp_path / "clips")
    dataset = {"name": "folder", "root": str(tmp_path / "clips"), "groups": "none"}
    uneven = fit_model(model_matrix("majority", dataset), tmp_path / "model")
    assert len(predict_video(uneven, tmp_path / "clips/dark/p9_9.mkv")) == 1
    assert len(predict_video(uneven, write_video("more.mkv", square(20, 61), fps=RATE))) > 1


def test_stride_and_rate_of_the_training_count(clips, tmp_path, write_video):
    dataset = {"name": "folder", "root": str(clips), "groups": "none", "stride": 2}
    model = fit_model(model_matrix("majority", dataset), tmp_path / "model")
    found = predict_video(model, write_video("a.mkv", square(20, 50), fps=20), Windows(1, 1))
    assert [(one.start, one.end) for one in found] == [(0, 1), (1, 2), (1.5, 2.5)]


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.avi"])
def test_it_tells_how_much_of_a_video_is_predicted(model, write_video, name):
    told = []
    with told_to(told.append):
        predict_video(model, write_video(name, square(20, 40), fps=RATE), Windows(1, 1))
    assert told == [*([("seconds of video", second, 4)] for second in (1, 2, 3)), [], []]


@given(st.integers(1, 60), st.floats(1, 30), st.floats(0.05, 5), st.floats(0.05, 1))
def test_windows_cover_a_video_in_order(n_frames, fps, seconds, share):
    images = [np.full((1, 1), number, np.uint8) for number in range(n_frames)]
    pieces = list(_sliding(iter(images), fps, Windows(seconds, share * seconds)))
    size, step = max(1, round(seconds * fps)), max(1, round(share * seconds * fps))
    starts = [start for start, _ in pieces]
    assert starts == sorted(set(starts))
    assert {len(clip) for _, clip in pieces} == {min(size, n_frames)}
    for start, clip in pieces:
        assert clip.frames[:, 0, 0].tolist() == list(range(start, start + len(clip)))
    assert starts[:-1] == [step * number for number in range(len(starts) - 1)]
    assert starts[-1] == max(n_frames - size, 0) or (starts[-1] % step == 0 and starts[-1] + size == n_frames)
    assert all(later - start <= step for start, later in pairwise(starts))


def test_no_more_than_a_window_is_held():
    class Image(np.ndarray):
        """An array that can be watched."""

    held, most = [], []

    def images():
        for _ in range(20):
            image = np.zeros((2, 2), np.uint8).view(Image)
            held.append(weakref.ref(image))
            most.append(sum(ref() is not None for ref in held))
            yield image

    assert len(list(_sliding(images(), 1.0, Windows(5, 2)))) == 9
    assert max(most) <= 7


@pytest.mark.parametrize(("seconds", "step"), [(1, 2), (0, 0), (1, -1), (float("nan"), 1), (float("inf"), 1)])
def test_windows_that_are_none(seconds, step):
    with pytest.raises(
        ActionbenchError, match="the step must be above zero and at most as long as the window"
    ):
        Windows(seconds, step)


def test_windows_are_as_long_as_training_clips(model):
    assert Windows.of(model) == Windows(1, 0.5)
    assert Windows.of(model, 4) == Windows(4, 2)
    assert Windows.of(model, step=0.1) == Windows(1, 0.1)


def test_a_broken_file_is_named(model, tmp_path):
    (tmp_path / "odd.mp4").write_bytes(b"no video")
    with pytest.raises(ActionbenchError, match="odd.mp4: not a video"):
        predict_video(model, tmp_path / "odd.mp4")
    with pytest.raises(ActionbenchError, match="odd.mp4: not a video"):
        warm_up(model, tmp_path / "odd.mp4")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0.5, 0.7]], "must return rows of probabilities that sum to 1"),
        ([[1.0]], "must return shape"),
        (None, "its predict_proba.. failed with KeyError: 'ouch'"),
    ],
)
def test_an_attempt_that_fails_is_named_with_the_clip(model, clips, monkeypatch, rows, message):
    def predict_proba(clips):
        if rows is None:
            raise KeyError("ouch")
        return np.array(rows)

    monkeypatch.setattr(model.attempt, "predict_proba", predict_proba, raising=False)
    with pytest.raises(ActionbenchError, match=f"p0_0.mkv: .*{message}"):
        predict_video(model, clips / "dark" / "p0_0.mkv")


def test_rules_say_why_and_others_do_not(model, clips, tmp_path):
    path = clips / "dark" / "p0_0.mkv"
    assert not can_explain(model)
    with pytest.raises(ActionbenchError, match="'hog-svm' cannot explain what it predicts for a clip"):
        predict_video(model, path, explain=True)
    dataset = {"name": "folder", "root": str(clips), "groups": "none"}
    rules = fit_model(model_matrix("rules", dataset), tmp_path / "model")
    (found,) = predict_video(rules, path, explain=True)
    assert found.explanation.startswith(f"# this clip: {found.label}, by rule ")
    assert predict_video(rules, path)[0].explanation is None
