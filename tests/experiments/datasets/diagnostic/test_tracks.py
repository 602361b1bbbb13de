"""What the twins of each track share, and what is true of its clips."""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actionbench.errors import DataError
from actionbench.experiments.datasets.diagnostic.dataset import TRACKS, Diagnostic
from actionbench.experiments.datasets.diagnostic.film import film_plate
from actionbench.experiments.datasets.diagnostic.nuisances import encode
from actionbench.experiments.datasets.drawing.canvas import paint_wall
from actionbench.experiments.datasets.splits import Published

SMALL = {"train_subjects": 2, "test_subjects": 2, "pairs": 2}
IN_ANOTHER_ORDER = ("arrow", "one-way", "order", "tempo")


def twins(data):
    """Return the positions of clips that are equal up to their label."""
    found = {}
    for index, name in enumerate(data.table["clip"]):
        found.setdefault(name.rpartition("/")[0], []).append(index)
    return [pair for pair in found.values() if len(pair) > 1]


def find(data, condition, level=0.0, like=None):
    """Return the position of the first test clip of a condition and level, of the same person and label as another."""
    for index, row in enumerate(data.rows):
        same = like is None or replace(data.rows[like], condition=condition, level=level) == row
        if row.side == "test" and (row.condition, row.level) == (condition, level) and same:
            return index
    raise LookupError(condition)


@pytest.fixture(scope="module")
def sets():
    return {name: Diagnostic(name, **SMALL) for name in TRACKS}


@pytest.mark.parametrize("track", TRACKS)
def test_a_person_trains_or_tests_and_no_clip_is_there_twice(sets, track):
    data = sets[track]
    (fold,) = Published().folds(data)
    assert not np.intersect1d(data.groups[fold.train], data.groups[fold.test]).size
    assert len(fold.train) + len(fold.test) == len(data)
    assert data.table["clip"].is_unique
    # Every class is as often there as any other, on either side and at each level.
    columns = [column for column in ("level", "condition") if column in data.table]
    for side in (fold.train, fold.test):
        rows = data.table.iloc[side]
        counts = rows.groupby([*columns, "label"] if track != "context" else ["label"]).size()
        assert counts.groupby(level=columns).nunique().max() == 1 if columns and track != "context" else True
        assert rows["label"].value_counts().nunique() == 1


@pytest.mark.parametrize("track", IN_ANOTHER_ORDER)
def test_twins_show_the_same_frames_in_another_order(sets, track):
    data = sets[track]
    for one, other in twins(data)[::3]:
        first, second = data.load(one).frames, data.load(other).frames
        assert sorted(frame.tobytes() for frame in first) == sorted(frame.tobytes() for frame in second)
        if track != "one-way" and data.table.get("level", [None] * len(data))[one] not in (0.5, 1.0):
            assert not np.array_equal(first, second)
        np.testing.assert_array_equal(first[len(first) // 2], second[len(second) // 2])


@pytest.mark.parametrize("track", ["arrow", "order"])
def test_twins_start_and_end_in_the_same_frame(sets, track):
    data = sets[track]
    for one, other in twins(data)[::3]:
        first, second = data.load(one).frames, data.load(other).frames
        for frames in (first, second):
            np.testing.assert_array_equal(frames[[0, -1]], first[[0, 0]])


def test_an_arrow_is_the_reversal_of_the_other(sets):
    data = sets["arrow"]
    for one, other in twins(data):
        first, second = data.film(one).points, data.film(other).points
        np.testing.assert_allclose(first, second[::-1])
        np.testing.assert_allclose(first[0], first[-1], atol=1e-9)


@given(gap=st.integers(0, 36))
@settings(max_examples=10)
def test_limbs_rest_between_two_actions_as_long_as_the_level_says(gap):
    data = Diagnostic("order", levels=[gap], **SMALL)
    for index in (0, 5):
        points = data.film(index).points
        assert not np.ptp(points[[0, -1]], axis=0).any()
        moving = np.flatnonzero(np.abs(np.diff(points, axis=0)).max(axis=(1, 2)) > 1e-9)
        stills = np.diff(moving)
        # Between the last step of one action and the first of the other lie the still frames.
        assert stills.max() == (gap if gap else 1)
        arms = np.flatnonzero(np.abs(np.diff(points[:, [4, 7]], axis=0)).max(axis=(1, 2)) > 1e-9)
        assert (arms[0] == moving[0]) == (data.labels[index] == "arms-first")


def test_the_tempi_have_the_ratio_of_their_level(sets):
    data = sets["tempo"]
    for one, other in twins(data)[:14]:
        cycles = {}
        for index in (one, other):
            height = data.film(index).points[:, 4, 1]
            cycles[data.labels[index]] = np.abs(np.fft.rfft(height - height.mean())).argmax()
        assert cycles["fast"] / cycles["slow"] == pytest.approx(data.table["level"][one], abs=1e-3)


@pytest.mark.parametrize("track", ["motion-noise", "motion-dots"])
def test_the_mean_of_all_frames_is_one_grey_and_each_frame_is_noise(sets, track):
    data = sets[track]
    frames = data.load(0).frames.astype(float)
    assert set(np.unique(frames.mean(axis=0))) == {127.5}
    # A frame by itself has no spatial structure: neighbours are not correlated (bound of 4.5 standard errors).
    centred = frames - frames.mean(axis=(1, 2), keepdims=True)
    for first, second in ((centred[:, 1:], centred[:, :-1]), (centred[:, :, 1:], centred[:, :, :-1])):
        each = (first * second).mean(axis=(1, 2)) / centred.var(axis=(1, 2))
        assert np.abs(each).max() < 4.5 / np.sqrt(64 * 63)


def test_points_keep_their_value_by_the_share_of_their_level():
    data = Diagnostic("motion-noise", levels=[0.4], **SMALL)
    film = data.film(0)
    still = film.silhouettes[:20].any(axis=0)
    kept = (film.frames[:20] == film.frames[0])[:, ~still].all(axis=0).mean()
    assert kept == pytest.approx(0.4, abs=0.05)
    control = next(i for i, row in enumerate(data.rows) if row.level == 0)
    frames = data.load(control).frames[:20]
    assert (frames[1:] == frames[:-1]).mean() == pytest.approx(1 / 256, abs=0.002)


def test_both_classes_of_point_lights_hold_the_same_local_motions(sets):
    data = sets["point-lights"]
    for one, other in twins(data)[:8]:
        films = [data.film(index) for index in (one, other)]
        middle = data.track.n_frames // 2
        np.testing.assert_array_equal(films[0].frames[middle], films[1].frames[middle])
        paths = []
        for film in films:
            steps = np.abs(np.fft.rfft(film.points[..., 0] - film.points[..., 0].mean(axis=0), axis=0))
            paths.append(np.sort(np.round(steps, 6), axis=1))
        np.testing.assert_allclose(np.sort(paths[0].ravel()), np.sort(paths[1].ravel()), atol=1e-5)


def test_inverted_and_scrambled_lights_have_the_paths_of_intact_ones(sets):
    data = sets["point-lights"]
    rows = {row.condition: i for i, row in enumerate(data.rows) if row.side == "test" and row.level == 0}
    films = {condition: data.film(index) for condition, index in rows.items()}
    swing = {name: np.sort(np.ptp(film.points[..., 0], axis=0)) for name, film in films.items()}
    for name in ("inverted", "scrambled"):
        np.testing.assert_allclose(swing[name], swing["intact"], atol=1e-9)
    heights = {name: film.points[0, :, 1] for name, film in films.items()}
    np.testing.assert_allclose(np.ptp(heights["inverted"]), np.ptp(heights["intact"]))
    assert np.corrcoef(heights["inverted"], heights["intact"])[0, 1] == pytest.approx(-1)


def test_the_path_alone_tells_who_goes_to_and_fro(sets):
    data = sets["path"]
    for one, other in twins(data)[::4]:
        level = data.table["level"][one]
        films = [data.film(index) for index in (one, other)]
        middle = len(films[0].frames) // 2
        np.testing.assert_array_equal(films[0].frames[middle], films[1].frames[middle])
        own = [film.points - film.points[:, :1] for film in films]
        np.testing.assert_allclose(own[0], own[1], atol=1e-9)
        body = data.film(one).points
        height = np.ptp(body[:, :14, 1], axis=1).max()
        spot, moved = (np.ptp(film.points[:, 1, 0]) for film in films)
        assert moved - spot == pytest.approx(level * height, rel=0.2, abs=1.5)


@pytest.mark.parametrize(("rho", "aligned"), [(0.0, 0.5), (0.5, 0.75), (0.8, 0.9), (0.95, 0.975), (1.0, 1.0)])
def test_the_context_is_aligned_as_often_as_the_correlation_says(rho, aligned):
    data = Diagnostic("context", rho=rho, train_subjects=40, test_subjects=2, pairs=1)
    rows = [row for row in data.rows if row.side == "train"]
    style = np.array([data.track.style(row) for row in rows])
    label = np.array([row.label == "legs" for row in rows])
    assert np.mean([row.condition == "aligned" for row in rows]) == pytest.approx(aligned, abs=1 / 40)
    assert np.corrcoef(style, label)[0, 1] == pytest.approx(rho, abs=0.05)


def test_a_clip_has_the_same_person_before_each_context():
    for cue in ("background", "clothes"):
        data = Diagnostic("context", cue=cue, **SMALL)
        first = next(i for i, row in enumerate(data.rows) if row.side == "test")
        films = [data.film(first + offset) for offset in range(3)]
        assert [data.rows[first + i].condition for i in range(3)] == ["aligned", "neutral", "conflict"]
        for film in films[1:]:
            np.testing.assert_array_equal(film.points, films[0].points)
            same_plate = np.array_equal(film.plate, films[0].plate)
            assert same_plate == (cue == "clothes")
            assert not np.array_equal(film.frames, films[0].frames)


def test_the_clips_of_a_nuisance_are_the_same_moment(sets):
    data = sets["nuisance"]
    rows = [i for i, row in enumerate(data.rows) if row.side == "test" and (row.subject, row.pair) == (2, 0)]
    whole = next(i for i in rows if data.rows[i].condition == "none" and data.rows[i].label == "boxing")
    for index in rows:
        row = data.rows[index]
        if row.label == "boxing" and row.condition != "frame rate":
            seen = data.film(index)
            np.testing.assert_allclose(seen.still_points, data.film(whole).points, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "level"), [("noise", 20), ("dark", 0.25), ("lost frames", 35), ("frame rate", 8)]
)
def test_a_nuisance_is_as_strong_as_its_level(name, level):
    data = Diagnostic("nuisance", nuisances=[name], **SMALL)
    index = find(data, name, level)
    clip, whole = data.load(index), data.load(find(data, "none", like=index))
    frames = clip.frames.astype(float)
    if name == "noise":
        still = ~data.film(index).silhouettes.any(axis=0)
        assert frames[:, still].std(axis=0).mean() == pytest.approx(level, rel=0.05)
    elif name == "dark":
        assert frames.mean() == pytest.approx(level * whole.frames.mean(), rel=0.03)
    elif name == "lost frames":
        assert (np.abs(np.diff(frames, axis=0)).max(axis=(1, 2)) == 0).sum() == round(0.35 * len(clip))
    else:
        assert (clip.fps, len(clip)) == (8, 13)


@pytest.mark.parametrize(("name", "level"), [("shake", 2), ("occlusion", 35), ("roll", 10), ("zoom", 40)])
def test_a_camera_or_a_board_does_what_its_level_says(name, level):
    data = Diagnostic("nuisance", nuisances=[name], **SMALL)
    index = find(data, name, level)
    film = data.film(index)
    if name == "occlusion":
        clear = data.film(find(data, "none", like=index))
        hidden = np.abs(film.frames.astype(int) - clear.frames).mean(axis=(0, 1)) > 15
        share = film.silhouettes[:, :, hidden].sum() / film.silhouettes.sum()
        assert share == pytest.approx(0.35, abs=0.1)
    elif name == "shake":
        shift = film.cameras[:, :, 2]
        height = np.ptp(film.still_points[:, :14, 1], axis=1).max()
        np.testing.assert_allclose(shift.std(axis=0) / height, 0.02, rtol=0.2)
    else:
        scale = np.sqrt(np.linalg.det(film.cameras[:, :, :2]))
        angle = np.rad2deg(np.arctan2(film.cameras[:, 1, 0], film.cameras[:, 0, 0]))
        assert np.ptp(scale) == pytest.approx(0.4 if name == "zoom" else 0, abs=1e-9)
        assert np.abs(angle).max() <= (10 if name == "roll" else 0) + 1e-9


def test_clutter_fills_the_wall_and_leaves_the_person():
    data = Diagnostic("nuisance", nuisances=["clutter"], **SMALL)
    first = find(data, "clutter", 1)
    films = [data.film(find(data, "clutter", level, like=first)) for level in (1, 2, 3)]
    edges = [np.abs(np.diff(film.plate.astype(int))).mean() for film in films]
    assert edges == sorted(edges)
    assert edges[0] > np.abs(np.diff(data.film(find(data, "none", like=first)).plate.astype(int))).mean()
    twin = next(i for i, row in enumerate(data.rows) if row == replace(data.rows[first], label="walking"))
    assert np.array_equal(data.film(twin).plate, films[0].plate)


def test_steps_choose_levels():
    for steps, levels in ((0, {0, 1, 2}), (1, {0, 0.25, 0.5, 1, 2, 4, 8}), (2, {0, 0.25, 1, 4, 2, 8})):
        data = Diagnostic("nuisance", nuisances=["shake", "passers-by"], steps=steps, **SMALL)
        assert set(data.table["level"]) == levels


def test_compression_leaves_less_the_higher_its_rate_factor(sets):
    data = sets["nuisance"]
    whole = find(data, "none")
    clear = data.load(whole).frames.astype(float)
    errors = []
    for level in (23, 30, 37, 44, 51):
        frames = data.load(find(data, "compression", level, like=whole)).frames
        assert frames.shape == clear.shape
        errors.append(np.abs(frames - clear).mean())
    assert errors == sorted(errors)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs FFmpeg's program")
def test_the_codec_does_what_ffmpeg_does(tmp_path, sets):
    frames = sets["arrow"].load(0).frames
    size = f"{frames.shape[2]}x{frames.shape[1]}"
    raw = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", size, "-r", "25"]
    coded, out = tmp_path / "a.mkv", tmp_path / "a.raw"
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-y",
        *raw,
        "-i",
        "-",
        "-c:v",
        "libx264",
        "-crf",
        "37",
        "-pix_fmt",
        "yuv420p",
    ]
    subprocess.run([*command, "-preset", "medium", str(coded)], input=frames.tobytes(), check=True)
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", coded, "-f", "rawvideo", "-pix_fmt", "gray", out], check=True
    )
    theirs = np.frombuffer(out.read_bytes(), np.uint8).reshape(frames.shape).astype(float)
    ours = encode(frames, 37, 25)
    # Two versions of libx264 may encode differently, with about the same error.
    loss = [np.sqrt(((coded - frames.astype(float)) ** 2).mean()) for coded in (ours, theirs)]
    assert loss[0] == pytest.approx(loss[1], rel=0.15)


def test_people_who_were_seen_do_other_clips_in_training():
    data = Diagnostic("identity", seen=True, train_subjects=4, test_subjects=2, pairs=1)
    train = data.table[[row.side == "train" for row in data.rows]]
    assert set(train["group"]) == {"person005", "person006"}
    assert len(train) == 4 * 6
    assert len(set(data.clips.fingerprints)) == len(data)
    assert "of 12 clips that are tested 12 are of a group" in Published().warning(data)


def test_clones_look_alike_and_others_do_not():
    heights = {}
    for clones in (False, True):
        data = Diagnostic("identity", clones=clones, train_subjects=3, test_subjects=3)
        lengths = [
            np.linalg.norm(film.points[0, 5] - film.points[0, 2]) for film in map(data.film, range(0, 36, 6))
        ]
        girths = [
            data.film(index).girth / np.ptp(data.film(index).points[0, :, 1]) for index in range(0, 36, 6)
        ]
        heights[clones] = np.ptp(girths) / np.mean(girths), lengths
    assert heights[True][0] < heights[False][0] / 3


@pytest.mark.parametrize("track", [track for track in TRACKS if track not in ("motion-noise", "motion-dots")])
def test_the_true_flow_carries_a_frame_to_the_next(sets, track):
    data = sets[track]
    index = next(i for i, row in enumerate(data.rows) if row.condition not in ("scrambled",))
    film = data.film(index)
    flow, frames = film.flow, film.frames.astype(float)
    inside = film.silhouettes
    assert flow.shape == (len(frames) - 1, *frames.shape[1:], 2)
    rows, columns = np.indices(frames.shape[1:])
    carried, still = [], []
    for time in range(0, len(flow), 2):
        moving = inside[time] & (np.hypot(*flow[time].T).T > 1)
        y = np.rint(rows + flow[time, ..., 1]).astype(int).clip(0, frames.shape[1] - 1)
        x = np.rint(columns + flow[time, ..., 0]).astype(int).clip(0, frames.shape[2] - 1)
        carried.append(np.abs(frames[time + 1][y, x] - frames[time])[moving])
        still.append(np.abs(frames[time + 1] - frames[time])[moving])
    carried, still = np.concatenate(carried), np.concatenate(still)
    assert len(carried) > 50
    # The median leaves out what appears or is hidden at edges.
    assert np.median(carried) < 8
    assert carried.mean() < 0.75 * still.mean()


@pytest.mark.parametrize("track", ["motion-noise", "motion-dots"])
def test_the_true_flow_of_noise_is_exact(sets, track):
    film = sets[track].film(0)
    rows, columns = np.indices(film.frames.shape[1:])
    same = []
    for time in range(19):
        y = (rows + film.flow[time, ..., 1].astype(int)).clip(0, 63)
        x = (columns + film.flow[time, ..., 0].astype(int)).clip(0, 63)
        owner = film.owners[time] == film.owners[time + 1][y, x]
        same.append((film.frames[time + 1][y, x] == film.frames[time])[owner].mean())
    assert min(same) == 1 if track == "motion-noise" else min(same) > 0.7


def test_the_plate_is_what_lies_behind_the_person(sets):
    for track in ("arrow", "path", "context", "nuisance"):
        film = sets[track].film(0)
        behind = ~film.silhouettes.any(axis=0)
        behind[1:-1, 1:-1] &= behind[:-2, 1:-1] & behind[2:, 1:-1] & behind[1:-1, :-2] & behind[1:-1, 2:]
        difference = film.frames.mean(axis=0)[behind] - film.plate[behind]
        assert np.abs(difference).mean() < 2


def test_a_camera_that_stands_still_films_what_a_moving_one_would():
    wall = paint_wall((32, 40), 1.0, np.random.default_rng(0))
    still = film_plate(wall, (32, 40))
    shifted = film_plate(wall, (32, 40), np.array([[[1.0, 0, 3], [0, 1.0, 0]]]))
    np.testing.assert_array_equal(shifted[0][:, 6:], still[0][:, :-6])


def test_clips_are_the_same_whatever_else_is_in_the_data_set():
    small, large = (
        Diagnostic("arrow", train_subjects=2, test_subjects=number, pairs=pairs)
        for number, pairs in ((2, 1), (5, 3))
    )
    for index, row in enumerate(small.rows):
        other = next(i for i, one in enumerate(large.rows) if one == row)
        assert small.fingerprint(index) == large.fingerprint(other)
        np.testing.assert_array_equal(small.load(index).frames, large.load(other).frames)
    again = Diagnostic("arrow", seed=1, train_subjects=2, test_subjects=2)
    assert again.fingerprint(0) != small.fingerprint(0)
    assert not np.array_equal(again.load(0).frames, small.load(0).frames)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"track": "arow"}, "there is no track 'arow'; did you mean 'arrow'?"),
        ({"track": "arrow", "rho": 0.5}, "track arrow has no rho; it has levels"),
        ({"track": "one-way", "levels": [1]}, "track one-way has no levels; it has no options"),
        (
            {"track": "arrow", "levels": []},
            "track arrow: levels must be a list with one entry or more, got []",
        ),
        (
            {"track": "arrow", "levels": 0.2},
            "track arrow: levels must be a list with one entry or more, got 0.2",
        ),
        ({"track": "arrow", "levels": [2]}, "track arrow: levels must be numbers from 0.05 to 0.95, got 2"),
        (
            {"track": "order", "levels": [1.5]},
            "track order: levels must be integers from 0 to 36, got 1.5",
        ),
        (
            {"track": "order", "levels": [True]},
            "track order: levels must be integers from 0 to 36, got True",
        ),
        (
            {"track": "tempo", "levels": [3]},
            "track tempo: levels must be one of 1.05, 1.105, 1.222, 1.353, 1.625, 2, got 3",
        ),
        ({"track": "context", "rho": 2}, "track context: rho must be a number from 0 to 1, got 2"),
        (
            {"track": "context", "cue": "hat"},
            "track context: cue must be one of background, clothes, got 'hat'",
        ),
        (
            {"track": "nuisance", "nuisances": ["nois"]},
            "track nuisance: there is no nuisance 'nois'; did you mean",
        ),
        (
            {"track": "nuisance", "nuisances": []},
            "track nuisance: nuisances must be a list with one entry or more",
        ),
        (
            {"track": "nuisance", "steps": 3},
            "track nuisance: steps must be 1 (all levels), 2 (every other one) or 0 (the middle one), got 3",
        ),
        ({"track": "identity", "seen": 1}, "track identity: seen must be true or false, got 1"),
        ({"track": "identity", "clones": "no"}, "track identity: clones must be true or false, got 'no'"),
        ({"track": "arrow", "pairs": 0}, "pairs must be an integer of at least 1, got 0"),
        ({"track": "arrow", "test_subjects": 1}, "test_subjects must be an integer of at least 2, got 1"),
        ({"track": "arrow", "seed": -1}, "seed must be an integer of at least 0, got -1"),
    ],
)
def test_a_wrong_option_is_refused_in_one_sentence(options, sentence):
    with pytest.raises(DataError) as refusal:
        Diagnostic(**options)
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)
