"""The drawn data set is deterministic, and no shortcut tells its labels."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from actionbench.errors import DataError
from actionbench.experiments.datasets import figures
from actionbench.experiments.datasets.drawing.people import (
    ARM,
    GAIT,
    HEAD,
    LEG,
    make_motion,
    make_path,
    make_subject,
    place_joints,
)
from actionbench.experiments.datasets.figures import ACTIONS, Figures

CALM = {"clutter": 0, "jitter": 0, "zoom": 0, "light": 0, "noise": 0}


@pytest.fixture(scope="module")
def people():
    return Figures(subjects=12, clips_per_subject=2, seed=5)


def test_the_table_names_every_clip_once():
    table = Figures(subjects=3, clips_per_subject=2).table
    assert len(table) == 3 * len(ACTIONS) * 2
    assert table["clip"].is_unique
    assert "person03/walking_2" in set(table["clip"])
    named = table["group"] + "/" + table["label"]
    assert (table["clip"].str.rsplit("_", n=1).str[0] == named).all()


def test_a_clip_has_the_size_that_was_asked_for():
    clip = Figures(subjects=2, frames=7, height=50, width=70, fps=12.5).load(3)
    assert clip.frames.shape == (7, 50, 70)
    assert clip.frames.dtype == np.uint8
    assert clip.fps == 12.5


def test_drawing_twice_and_in_another_order_gives_the_same_pixels():
    first, second = Figures(subjects=3, frames=6), Figures(subjects=3, frames=6)
    forward = [first.load(index).frames for index in range(0, len(first), 7)]
    backward = [second.load(index).frames for index in reversed(range(0, len(second), 7))][::-1]
    assert all(np.array_equal(one, other) for one, other in zip(forward, backward, strict=True))


def test_a_clip_does_not_depend_on_how_many_others_there_are():
    small, large = (
        Figures(subjects=count, clips_per_subject=clips, frames=5) for count, clips in ((2, 1), (4, 3))
    )
    name = "person02/jogging_1"
    places = [int(np.flatnonzero(data.table["clip"] == name)[0]) for data in (small, large)]
    assert np.array_equal(small.load(places[0]).frames, large.load(places[1]).frames)
    assert small.fingerprint(places[0]) == large.fingerprint(places[1])


def test_no_two_clips_are_alike(people):
    assert len(set(people.clips.fingerprints)) == len(people)
    assert len({people.load(index).fingerprint() for index in range(0, len(people), 8)}) == len(people) // 8


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"frames": 5},
        {"height": 48},
        {"width": 64},
        {"fps": 24.0},
        {"clutter": 0.5},
        {"jitter": 0.9},
        {"zoom": 0.2},
        {"light": 0.4},
        {"noise": 9.0},
        {"distractors": 1},
    ],
)
def test_every_knob_changes_picture_and_fingerprint(change):
    plain, changed = Figures(subjects=2, frames=4), Figures(**{"subjects": 2, "frames": 4, **change})
    assert not np.array_equal(plain.load(9).frames, changed.load(9).frames) or plain.fps != changed.fps
    assert plain.fingerprint(9) != changed.fingerprint(9)


def test_the_fingerprint_draws_nothing_and_knows_the_generator(monkeypatch):
    data = Figures(subjects=2)
    before = data.fingerprint(0)
    monkeypatch.setattr(figures, "draw_polygons", None)
    assert data.fingerprint(0) == before
    monkeypatch.setattr(figures, "generator_source", lambda: ["another source", "5.0", "2.0"])
    assert data.fingerprint(0) != before


@pytest.mark.parametrize(
    ("key", "value", "right"),
    [
        ("subjects", 1, "at least 2"),
        ("subjects", True, "must be an integer"),
        ("clips_per_subject", 0, "at least 1"),
        ("frames", 0, "at least 1"),
        ("frames", 12.0, "must be an integer"),
        ("height", 15, "at least 16"),
        ("width", "80", "must be an integer"),
        ("fps", 0, "from 1 to 1000"),
        ("seed", -1, "at least 0"),
        ("noise", float("nan"), "from 0 to 100"),
        ("zoom", 0.9, "from 0 to 0.5"),
        ("light", None, "a number"),
        ("distractors", -1, "at least 0"),
    ],
)
def test_a_wrong_argument_is_named_with_what_would_be_right(key, value, right):
    with pytest.raises(DataError) as caught:
        Figures(**{key: value})
    message = str(caught.value)
    assert key in message
    assert repr(value) in message
    assert right in message


def test_there_is_no_clip_beyond_the_last():
    with pytest.raises(IndexError):
        Figures(subjects=2, clips_per_subject=1).load(12)


@given(number=st.integers(0, 200), action=st.sampled_from(ACTIONS), seed=st.integers(0, 1000))
def test_the_bones_keep_their_length(number, action, seed):
    rng = np.random.default_rng(seed)
    subject = make_subject(number, rng)
    motion = make_motion(action, subject, rng)
    joints = place_joints(np.arange(50) / 25, subject, motion)
    if action != "handclapping":  # the elbows point at the camera
        for side in ARM:
            upper = np.linalg.norm(joints[:, side + 1] - joints[:, side], axis=1)
            fore = np.linalg.norm(joints[:, side + 2] - joints[:, side + 1], axis=1)
            np.testing.assert_allclose(upper, subject.upper_arm, rtol=1e-9)
            np.testing.assert_allclose(fore, subject.forearm, rtol=1e-2)
    if action in GAIT:
        for side in LEG:
            for bone in range(2):
                length = np.linalg.norm(joints[:, side + bone + 1] - joints[:, side + bone], axis=1)
                np.testing.assert_allclose(length, subject.leg, rtol=1e-9)
    assert joints[..., 1].min() > 0
    assert joints[:, HEAD, 1].max() < 1.15


def test_the_motion_repeats_with_the_cadence_and_covers_the_ground_at_the_speed():
    data = Figures(subjects=4)
    for index in range(0, len(data), 5):
        subject, scene, motion, _ = data.plan(index)
        start, again = place_joints(np.array([0.3, 0.3 + 1 / motion.cadence]), subject, motion)
        if motion.action in ("boxing", *GAIT):
            np.testing.assert_allclose(start, again, atol=1e-9)
        times = np.array([0.0, 1e-3])
        centre, facing = make_path(times - times.mean(), 2.0, scene.place, scene.direction, motion.speed)
        np.testing.assert_allclose(np.diff(centre)[0] / 1e-3, facing[0] * motion.speed, atol=1e-9)


def test_the_figure_stands_where_the_geometry_says():
    data = Figures(subjects=2, clips_per_subject=1, **CALM)
    subject, scene, motion, _ = data.plan(2)
    frames = data.load(2).frames.astype(float)
    moved = np.ptp(frames, axis=0) > 30
    size = data.height * subject.stature * scene.scale
    times = (np.arange(48) - 23.5) / 25
    path, _ = make_path(times, data.width / size, scene.place, scene.direction, motion.speed)
    centre = path.mean() * size
    columns = np.flatnonzero(moved.any(axis=0))
    assert abs(columns.mean() - centre) < 0.08 * data.width
    assert np.ptp(columns) < size


def test_labels_are_balanced_over_every_nuisance(people):
    table = people.table
    for _, clips in table.groupby(["group", table["clip"].str[-1]]):
        assert sorted(clips["label"]) == sorted(ACTIONS)
        assert (clips[["direction", "scale", "zoom", "exposure"]].nunique() == 1).all()
    counts = pd.crosstab(table["label"], [table["group"], table["direction"]])
    assert (counts.nunique() == 1).all()


def test_length_size_and_frame_rate_are_the_same_for_all(people):
    shapes = {
        (*people.load(index).frames.shape, people.load(index).fps) for index in range(0, len(people), 16)
    }
    assert len(shapes) == 1


def test_no_thresholds_on_the_true_speed_separate_the_gaits():
    table = Figures(subjects=40).table
    gaits = table[table["speed"] > 0]
    order = gaits["label"].to_numpy()[np.argsort(gaits["speed"])]
    walk, jog, run = (
        np.concatenate([[0], np.cumsum(order == name)]) for name in ("walking", "jogging", "running")
    )
    # Right when walking lies below the first threshold, jogging between, running above the second.
    right = (walk - jog)[:, None] + (jog - run)[None, :] + run[-1]
    best = np.triu(right).max() / len(order)
    assert 0.5 < best < 0.85


def test_a_gait_is_told_by_more_than_speed():
    table = Figures(subjects=40).table
    ranges = table[table["speed"] > 0].groupby("label")["speed"].agg(["min", "max"])
    assert ranges.loc["walking", "max"] > ranges.loc["jogging", "min"] + 0.2
    assert ranges.loc["jogging", "max"] > ranges.loc["running", "min"] + 0.4


def follow(frames):
    """Mean and spread of the picture's change in cells around where it changes, and how that travels."""
    change = np.abs(np.diff(frames.astype(np.float32), axis=0))
    change[change < 12] = 0
    energy = change.sum(axis=(1, 2)) + 1
    centre = (change.sum(axis=1) * np.arange(change.shape[2])).sum(axis=1) / energy
    padded = np.pad(change, ((0, 0), (0, 0), (20, 20)))
    around = np.stack([image[:, round(x) : round(x) + 40] for image, x in zip(padded, centre, strict=True)])
    maps = [around.mean(axis=0), around.std(axis=0)]
    cells = [np.sqrt(image.reshape(10, 6, 10, 4).mean(axis=(1, 3))).ravel() for image in maps]
    seen = energy > 0.2 * energy.max()
    return np.concatenate([*cells, [np.median(np.abs(np.diff(centre))), np.ptp(centre[seen])]])


def look_once(frames):
    return frames[len(frames) // 2].reshape(20, 3, 20, 4).mean(axis=(1, 3)).ravel()


@pytest.fixture(scope="module")
def drawn(people):
    """Return the frames of all clips, which take longer to draw than to describe."""
    return [clip.frames for clip in people.clips]


def predictions(data, drawn, describe):
    features = np.array([describe(frames) for frames in drawn])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=2000))
    return cross_val_predict(model, features, data.labels, groups=data.groups, cv=GroupKFold(6))


@pytest.mark.slow
def test_motion_tells_each_action_and_one_frame_does_not(people, drawn):
    moving = predictions(people, drawn, follow)
    still = predictions(people, drawn, look_once)
    accuracy, single = (np.mean(found == people.labels) for found in (moving, still))
    assert accuracy > 0.5
    assert recall_score(people.labels, moving, average=None, labels=list(ACTIONS)).min() > 1.5 / 6
    assert single < accuracy - 0.2


@pytest.mark.slow
def test_the_background_tells_the_person_and_not_the_action(people, drawn):
    corners = predictions(people, drawn, lambda frames: frames[:, :15, :20].mean(axis=0).ravel()[::7])
    assert np.mean(corners == people.labels) < 1 / 6 + 0.1


def test_more_noise_more_difference_between_frames():
    quiet, loud = (Figures(subjects=2, **{**CALM, "noise": sigma}).load(0).frames for sigma in (0, 8))
    assert np.diff(quiet[:, :10].astype(float), axis=0).std() == 0
    spread = (loud[:, :10].astype(float) - quiet[:, :10]).std()
    np.testing.assert_allclose(spread, 8, rtol=0.02)


def test_distractors_walk_through():
    alone, crowded = (Figures(subjects=2, distractors=count, **CALM).load(0).frames for count in (0, 3))
    moving = [np.abs(np.diff(frames.astype(float), axis=0)).sum() for frames in (alone, crowded)]
    assert moving[1] > 1.5 * moving[0]
