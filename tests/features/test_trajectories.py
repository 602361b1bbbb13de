from functools import cache

import cv2
import numpy as np
import pytest

from actionbench._ext.histograms import add_blocks, integral_tiles
from actionbench._ext.tracks import track_points
from actionbench.features import trajectories
from actionbench.features.camera import projected
from actionbench.features.clip import Clip
from actionbench.features.histograms import frame_grid, hof, hog, mbh
from actionbench.features.trajectories import DenseTrajectories, _stretched, _valid
from actionbench.features.video import read_video

SIZES = {"trajectory": 30, "hog": 96, "hof": 108, "mbh": 192}


def ground(height=150, width=200, seed=0):
    noise = np.random.default_rng(seed).standard_normal((height, width)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return 120 + 35 * smooth / smooth.std()


def frames_of(path, moving=True, camera=(0.0, 0.0), n=24, seed=0):
    """A textured square that goes along a path over a textured ground, before a camera that goes its own way."""
    back, square = ground(seed=seed), ground(40, 40, seed + 1) + 30
    frames = np.empty((n, 120, 160), np.uint8)
    for index, frame in enumerate(frames):
        shift = np.array([[1, 0, -20 - camera[0] * index], [0, 1, -15 - camera[1] * index]], np.float32)
        image = cv2.warpAffine(back, shift, (160, 120), borderMode=cv2.BORDER_REFLECT)
        if moving:
            at = np.array(path(index)) - np.array(camera) * index
            place = np.array([[1, 0, at[0]], [0, 1, at[1]]], np.float32)
            cover = cv2.warpAffine(np.ones_like(square), place, (160, 120))
            image = cv2.warpAffine(square, place, (160, 120)) + image * (1 - cover)
        frame[...] = np.clip(image, 0, 255)
    return frames


def right(index):
    return 20 + 2.5 * index, 40


def extract(frames, fps=25.0, **options):
    return DenseTrajectories(**{"height": 120} | options).extract(Clip(frames, fps))


@cache
def of_right(flow="dis", mirrored=False):
    """Return what is found of the square that goes right, or of its mirror image."""
    frames = frames_of(right)
    return extract(frames[:, :, ::-1] if mirrored else frames, flow=flow)


@pytest.fixture(params=["dis", "farneback"])
def going_right(request):
    return of_right(request.param)


def test_arrays_have_the_sizes_that_are_promised(going_right):
    assert DenseTrajectories().sizes() == SIZES
    n = len(going_right["place"])
    assert n > 100
    assert {name: array.shape for name, array in going_right.items()} == {
        **{name: (n, size) for name, size in SIZES.items()},
        "place": (n, 5),
    }
    assert all(array.dtype == np.float32 for array in going_right.values())
    assert all(np.isfinite(array).all() for array in going_right.values())


def test_a_constant_motion_gives_straight_trajectories(going_right):
    steps = going_right["trajectory"].reshape(-1, 15, 2)
    np.testing.assert_allclose(np.linalg.norm(steps, axis=2).sum(axis=1), 1, rtol=1e-4)
    median = np.median(steps, axis=0)
    np.testing.assert_allclose(median, np.tile([1 / 15, 0], (15, 1)), atol=0.01)


def test_places_are_where_the_mover_is(going_right):
    x, y, time, scale, speed = going_right["place"].T
    wanted = (20 + 2.5 * 23 * time + 20) / 160
    assert np.median(np.abs(x - wanted)) < 20 / 160
    assert np.median(y) == pytest.approx(0.5, abs=0.06)
    assert set(scale) <= set((2 ** (-np.arange(6) / 2)).astype(np.float32))
    # Flow fades about a person, and points there are tracked as well.
    assert 0.6 < np.median(speed) / (2.5 * 25 / 120) < 1.05


def test_sizes_do_not_change_what_is_found():
    """Thrice as large, the same within what interpolation does."""
    frames = frames_of(right)
    large = np.stack([cv2.resize(frame, (480, 360), interpolation=cv2.INTER_CUBIC) for frame in frames])
    one, other = (extract(clip, height=90, scales=3) for clip in (frames, large))
    assert len(other["place"]) == pytest.approx(len(one["place"]), rel=0.15)
    for name in SIZES:
        a, b = (found[name].mean(axis=0) for found in (one, other))
        assert np.linalg.norm(a - b) < 0.1 * np.linalg.norm(a)


def test_nothing_moves_nothing_is_found():
    found = extract(frames_of(right, moving=False))
    assert {name: array.shape for name, array in found.items()} == {
        **{name: (0, size) for name, size in SIZES.items()},
        "place": (0, 5),
    }


def test_the_ground_before_a_moving_camera_is_left_out():
    still = extract(frames_of(right, moving=False, camera=(1.7, 0.8)))
    both = extract(frames_of(right, camera=(1.7, 0.8)))
    assert len(still["place"]) < 0.05 * len(both["place"])
    # What is left moves as it does before a camera at rest.
    steps = np.median(both["trajectory"].reshape(-1, 15, 2), axis=0)
    np.testing.assert_allclose(steps, np.tile([1 / 15, 0], (15, 1)), atol=0.015)


def test_a_mirrored_clip_has_mirrored_trajectories():
    one, other = of_right(), of_right(mirrored=True)
    assert len(other["place"]) == pytest.approx(len(one["place"]), rel=0.1)
    steps = [np.median(found["trajectory"].reshape(-1, 15, 2), axis=0) for found in (one, other)]
    np.testing.assert_allclose(steps[1] * [-1, 1], steps[0], atol=0.01)


@pytest.mark.parametrize("channel", SIZES)
def test_mirrored_descriptors_are_those_of_the_mirrored_clip(channel):
    feature = DenseTrajectories()
    # The flow of the mirrored clip is the mirrored flow; that of dense inverse search is nearly so.
    one, other = (of_right("farneback", mirrored)[channel] for mirrored in (False, True))
    twice = feature.mirror(channel, feature.mirror(channel, one))
    np.testing.assert_array_equal(twice, one)
    plain, mirrored, wanted = (rows.mean(axis=0) for rows in (one, feature.mirror(channel, one), other))
    assert np.linalg.norm(mirrored - wanted) < 0.35 * np.linalg.norm(plain - wanted)


@pytest.mark.parametrize(
    ("n", "height", "width"),
    [(1, 60, 80), (2, 60, 80), (9, 64, 64), (24, 31, 17), (16, 480, 640), (3, 1, 1)],
)
def test_any_clip_gives_an_answer(n, height, width):
    frames = np.stack(
        [cv2.resize(frame, (width, height)) for frame in frames_of(right, n=n)], axis=0
    ).reshape(n, height, width)
    found = extract(frames)
    for name, size in SIZES.items():
        assert found[name].shape == (len(found["place"]), size)
        assert np.isfinite(found[name]).all()
    if n == 9:
        assert len(found["place"])


def test_whom_the_camera_follows_is_not_still():
    followed, rests = extract(frames_of(right, camera=(2.5, 0.0))), of_right()
    assert len(followed["place"]) > 0.7 * len(rests["place"])
    assert np.median(followed["place"][:, 4]) == pytest.approx(np.median(rests["place"][:, 4]), rel=0.1)


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        ([[1.5, 0]] * 15, True),
        ([[0.3, 0]] * 15, False),  # hardly anywhere
        ([[0.0, 13.0]] * 15, False),  # too far
        ([[0.1, 0]] * 14 + [[21, 0]], False),  # one jump is most of the way
        ([[12.0, 0], [-12.0, 0]] * 7 + [[21, 0]], True),  # the jump is one of many
    ],
)
def test_what_is_no_trajectory_is_left_out(steps, kept):
    assert _valid(np.array([steps], float))[0] == kept


def test_the_rules_are_the_same_at_half_of_the_frame_rate():
    """Steps of twice the length, half as many: pixels per 1/25 s decide, not per frame."""
    for speed, kept in ((1.2, True), (0.9, False)):
        assert _valid(np.array([[[2 * speed, 0]] * 7]), rate=0.5, share=7 / 7.5)[0] == kept
    steps = np.array([[[0.2, 0]] * 6 + [[39.0, 0]]])
    assert _valid(steps, rate=0.5, share=7 / 7.5)[0]  # 19.5 pixels per 1/25 s are no jump


@pytest.mark.parametrize("skip", [1, 2])
def test_what_is_found_does_not_depend_on_the_frame_rate(skip):
    found = extract(frames_of(right, n=48)[::skip], fps=25 / skip)
    steps = np.median(found["trajectory"].reshape(-1, 15, 2), axis=0)
    np.testing.assert_allclose(steps, np.tile([1 / 15, 0], (15, 1)), atol=0.015)
    assert 0.6 < np.median(found["place"][:, 4]) / (2.5 * 25 / 120) < 1.05
    assert len(found["place"]) > 300 / skip


def test_trajectories_of_a_short_clip_begin_in_its_first_third():
    found, whole = extract(frames_of(right, n=16)), of_right()
    # Of 15 fields of flow a trajectory takes 10; its time is that of its middle.
    begin = found["place"][:, 2] * 15 - 5
    assert set(np.round(begin).astype(int)) <= set(range(6))
    assert len(np.unique(begin)) >= 3
    # In 24 frames they may begin in 9.
    assert len(found["place"]) / len(whole["place"]) == pytest.approx(6 / 9, rel=0.4)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"seconds": 0.0}, "seconds must be above 0, got 0.0"),
        ({"cells": 0}, "cells must be 1 or more, got 0"),
        ({"height": 31}, "height must be 32 or more, got 31"),
    ],
)
def test_parameters_out_of_range(options, says):
    with pytest.raises(ValueError, match=says):
        DenseTrajectories(**options)


def test_histograms_refuse_arrays_that_do_not_fit():
    image, flow, out = np.zeros((9, 12), np.float32), np.zeros((9, 12, 2), np.float32), np.zeros((4, 4, 33))
    integral_tiles(image, flow, 0.4, 4, out)
    with pytest.raises(ValueError, match=r"a flow \(H, W, 2\)"):
        integral_tiles(image, flow[:8], 0.4, 4, out)
    with pytest.raises(ValueError, match="tiles of 1 pixel or more"):
        integral_tiles(image, flow, 0.4, 0, out)
    with pytest.raises(ValueError, match="a row and a column more"):
        integral_tiles(image, flow, 0.4, 4, out[:3])
    corners, numbers, blocks = np.zeros((2, 2), np.intp), np.zeros(2, np.intp), np.zeros((2, 1, 4, 33))
    add_blocks(out, corners, 2, 2, 2, numbers, numbers, blocks)
    with pytest.raises(ValueError, match="33 values of each tile"):
        add_blocks(out, corners, 2, 2, 3, numbers, numbers, blocks)
    with pytest.raises(ValueError, match="a row and a time of each corner"):
        add_blocks(out, corners, 2, 2, 2, numbers[:1], numbers, blocks)
    for wrong in (
        (corners + 2, 2, 2, 2, numbers, numbers),
        (corners - 1, 2, 2, 2, numbers, numbers),
        (corners, 2, 2, 2, numbers + 2, numbers),
        (corners, 2, 2, 2, numbers, numbers + 1),
    ):
        with pytest.raises(ValueError, match="blocks inside of the tiles"):
            add_blocks(out, *wrong, blocks)


def tracking(n_fields=4, length=3, flow=None, n_active=0, **changed):
    """Return the arguments of `track_points` on fields of 20 x 25 pixels."""
    room = n_active + n_fields * 4 * 5
    flow = np.zeros((n_fields, 20, 25, 2), np.float32) if flow is None else flow
    arguments = {
        "flow": flow,
        "cameras": np.tile(np.eye(3), (n_fields, 1, 1)),
        "textured": np.ones((n_fields, 4, 5), np.uint8),
        "stride": 5,
        "renew": length,
        "first": 0,
        "n_starts": n_fields - length + 1,
        "points": np.zeros((room, length + 1, 2), np.float32),
        "steps": np.zeros((room, length, 2), np.float32),
        "starts": np.zeros(room, np.intp),  # too early for a first field of 3
        "n_active": n_active,
        "done_points": np.zeros((room, length + 1, 2), np.float32),
        "done_steps": np.zeros((room, length, 2), np.float32),
        "done_starts": np.zeros(room, np.intp),
        "taken": np.zeros((4, 5), np.uint8),
    }
    return arguments | changed


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"cameras": np.zeros((3, 3, 3))}, "a homography of each field"),
        ({"taken": np.zeros((4, 4), np.uint8)}, "one for what is taken"),
        ({"stride": 8}, "points of the grid inside"),
        ({"points": np.zeros((79, 4, 2), np.float32)}, "room for all points"),
        ({"steps": np.zeros((79, 3, 2), np.float32)}, "room for all steps"),
        ({"done_starts": np.zeros(79, np.intp)}, "room for all steps and starts"),
        ({"n_active": 1, "first": 3}, "less than a length before"),
    ],
)
def test_tracking_refuses_arrays_that_do_not_fit(changed, says):
    with pytest.raises(ValueError, match=says):
        track_points(*tracking(n_active=changed.pop("n_active", 0), **changed).values())


@pytest.mark.parametrize("renew", [1, 2, 5])
def test_tracks_are_those_of_a_plain_loop(renew):
    rng = np.random.default_rng(0)
    n_fields, length = 9, 5
    flow = rng.normal(0, 2, (n_fields, 20, 25, 2)).astype(np.float32)
    cameras = np.eye(3) + rng.normal(0, 1e-3, (n_fields, 3, 3)) * [[1, 1, 100], [1, 1, 100], [0.1, 0.1, 0]]
    textured = (rng.random((n_fields, 4, 5)) < 0.7).astype(np.uint8)
    arguments = tracking(n_fields, length, flow, cameras=cameras, textured=textured, renew=renew)
    n_done, n_active = track_points(*arguments.values())
    wanted, active = [], []
    for index in range(n_fields):
        if index < n_fields - length + 1:
            taken = {tuple((path[-1] // 5).astype(int)) for start, path, _ in active if index - start < renew}
            for row, column in zip(*np.nonzero(textured[index]), strict=True):
                if (column, row) not in taken:
                    active.append((index, [np.array([5.0 * column + 2, 5.0 * row + 2])], []))
        for _, path, steps in active:
            column, row = np.floor(path[-1] + 0.5).astype(int)
            path.append(path[-1] + flow[index, row, column])
            steps.append(path[-1] - projected(cameras[index], path[-2]))
        inside = [track for track in active if (track[1][-1] >= 0).all() and (track[1][-1] <= [24, 19]).all()]
        wanted += [track for track in inside if len(track[2]) == length]
        active = [track for track in inside if len(track[2]) < length]
    assert n_active == len(active)
    assert n_done == len(wanted) > 10
    np.testing.assert_array_equal(arguments["done_starts"][:n_done], [start for start, _, _ in wanted])
    np.testing.assert_allclose(arguments["done_points"][:n_done], [path for _, path, _ in wanted], atol=1e-4)
    np.testing.assert_allclose(arguments["done_steps"][:n_done], [steps for _, _, steps in wanted], atol=1e-4)


def test_what_goes_with_the_ground_is_left_out():
    assert not _valid(np.array([[[0.9, 0]] * 15]))[0]


def test_short_trajectories_are_stretched_along_their_way():
    steps = np.array([[[3.0, 0], [0, 3.0], [3.0, 0]]])
    stretched = _stretched(steps, 6)
    np.testing.assert_allclose(stretched[0], [[1.5, 0], [1.5, 0], [0, 1.5], [0, 1.5], [1.5, 0], [1.5, 0]])
    assert _stretched(np.zeros((0, 3, 2)), 15).shape == (0, 15, 2)


@pytest.mark.parametrize("cells", [1, 2, 3])
def test_blocks_are_histograms_of_their_cells(cells):
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (1, 37, 90), dtype=np.uint8)
    flow = rng.standard_normal((1, 37, 90, 2)).astype(np.float32)
    integral = np.empty((11, 24, 33))
    integral_tiles(frame[0].astype(np.float32), flow[0], 0.4, 4, integral)
    # The last block ends at the border, with a tile of one row.
    corners = np.array([[2, 3], [4, 0], [4, 15]])
    out = np.full((4, 2, cells**2, 33), 0.5)
    add_blocks(integral, corners, 6, 6, cells, np.array([0, 3, 1]), np.array([0, 0, 1]), out)
    for (row, time), (top, left) in zip([(0, 0), (3, 0), (1, 1)], corners, strict=True):
        box = np.array([[4 * top, 4 * left, min(4 * top + 24, 37), 4 * left + 24]])
        grid = frame_grid(box, (37, 90), (cells, cells))
        if box[0, 2] == 37:
            grid = (
                4 * (top + 6 * np.arange(cells + 1)[np.newaxis] // cells).clip(0, 37).astype(np.intc),
                grid[1],
            )
            grid[0][:, -1] = 37
        parts = [hog(frame, grid), hof(flow, grid), *mbh(flow, grid)]
        wanted = np.concatenate(parts, axis=-1).reshape(cells**2, 33)
        np.testing.assert_allclose(out[row, time], 0.5 + wanted, rtol=1e-5, atol=1e-5)
    assert (out[2] == 0.5).all()


@pytest.mark.slow
@pytest.mark.parametrize(("camera", "tolerance"), [("removed", 0.05), ("left", 0.01)])
def test_the_number_on_kth_is_near_that_of_the_reference(monkeypatch, data_folder, camera, tolerance):
    """The program of Wang and Schmid gives 2001 on this clip, and tests paths in the frame, not on the ground.

    In six of the 359 fields of flow the camera jerks; what moves with it is left out unless the camera is left in.
    """
    if camera == "left":
        monkeypatch.setattr(
            trajectories, "camera_motion", lambda frames, flow: np.tile(np.eye(3), (len(flow), 1, 1))
        )
    clip = read_video(data_folder / "codecs/kth/person01_boxing_d1_uncomp.avi")
    n = len(DenseTrajectories(height=120, flow="farneback").extract(clip)["place"])
    assert abs(n - 2001) <= tolerance * 2001


@pytest.mark.parametrize("piece", [1, 7])
def test_what_is_found_does_not_depend_on_how_much_is_worked_on_at_once(monkeypatch, piece):
    frames = frames_of(right, camera=(0.5, 0.2))
    whole = extract(frames)
    monkeypatch.setattr(trajectories, "_CHUNK", piece)
    pieces = extract(frames)
    for name, array in whole.items():
        np.testing.assert_array_equal(array, pieces[name])


def test_the_same_clip_gives_the_same_bits():
    other = extract(frames_of(right))
    for name, array in of_right().items():
        np.testing.assert_array_equal(array, other[name])
