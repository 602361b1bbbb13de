"""The ground's flow, against what a camera that is known does to a wall."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from actionbench.features.camera import (
    camera_motion,
    ground_flow,
    homography_flow,
    moves,
    projected,
    undo_ground_flow,
)
from actionbench.features.flow import optical_flow, working_frames
from actionbench.features.video import read_video


def texture(rng, height, width, deviation):
    smooth = cv2.GaussianBlur(rng.normal(size=(height, width)).astype(np.float32), (0, 0), 2.0)
    return smooth / smooth.std() * deviation


def film(matrices, noise=2.0, size=(100, 140)):
    """Film a wall by a camera that maps its first picture by these 3 x 3 matrices."""
    rng = np.random.default_rng(0)
    wall = np.kron(rng.integers(40, 210, (20, 24)), np.ones((10, 10)))
    wall = cv2.GaussianBlur(wall + rng.normal(0, 12, wall.shape), (0, 0), 1.0).astype(np.float32)
    middle = np.array([[1, 0, -50.0], [0, 1, -50.0], [0, 0, 1]])
    frames = [
        cv2.warpPerspective(wall, matrix @ middle, size[::-1]) + rng.normal(0, noise, size)
        for matrix in matrices
    ]
    return np.clip(frames, 0, 255).astype(np.uint8)


def true_flow(matrices, size=(100, 140)):
    y, x = np.indices(size)
    places = np.stack([x, y, np.ones(size)], axis=-1)
    flows = []
    for first, second in pairwise(matrices):
        moved = places @ (second @ np.linalg.inv(first)).T
        flows.append((moved / moved[..., 2:] - places)[..., :2])
    return np.array(flows)


def turned(scale, angle, shift=(0.0, 0.0), middle=(70.0, 50.0)):
    matrix = np.vstack([cv2.getRotationMatrix2D(middle, angle, scale), [0, 0, 1]])
    matrix[:2, 2] += shift
    return matrix


@pytest.mark.parametrize(("scale", "angle"), [(1.03, 0.0), (1.0, 2.0), (0.98, -1.0)])
def test_zoom_and_turn_are_found(scale, angle):
    matrices = [turned(scale**index, angle * index) for index in range(5)]
    frames = film(matrices)
    flow = optical_flow(frames)
    found, wanted = ground_flow(frames, flow), true_flow(matrices)
    assert np.abs(found - wanted).max() < 0.35
    shift = np.median(flow, axis=(1, 2), keepdims=True)
    assert np.abs(found - wanted).mean() < 0.2 * np.abs(shift - wanted).mean()


def test_a_pan_is_a_shift():
    """Also behind a large person, whose motion a homography could take part in."""
    matrices = [turned(1.0, 0.0, shift=(-2.5 * index, 1.0 * index)) for index in range(5)]
    frames = film(matrices)
    person = np.random.default_rng(1).integers(0, 256, (60, 40))
    for index, frame in enumerate(frames):
        frame[30:90, 30 + 3 * index : 70 + 3 * index] = person
    found = ground_flow(frames, optical_flow(frames))
    assert np.abs(found - true_flow(matrices)).mean() < 0.1


def test_a_camera_at_rest():
    frames = film([np.eye(3)] * 4)
    frames[:, 20:80, 30:60] = np.random.default_rng(2).integers(0, 256, (4, 60, 30))
    assert not ground_flow(frames, optical_flow(frames)).any()


def test_mover_before_plain_ground_is_no_camera():
    rng = np.random.default_rng(0)
    square = 140 + texture(rng, 60, 40, 40)
    frames = np.full((2, 120, 160), 80.0)
    for frame, left in zip(frames, (50, 53), strict=True):
        frame[30:90, left : left + 40] = square
    frames = np.clip(frames + rng.normal(0, 4, frames.shape), 0, 255).astype(np.uint8)
    assert (camera_motion(frames, optical_flow(frames)) == np.eye(3)).all()


@pytest.mark.parametrize("direction", [1, -1])
def test_who_enters_before_plain_ground_is_no_camera(direction):
    frames = np.full((6, 120, 160), 35, np.uint8)
    body = np.random.default_rng(0).integers(60, 125, (60, 24))
    for index, frame in enumerate(frames):
        frame[40:100, 4 * index : 4 * index + 24] = body
    frames = np.ascontiguousarray(frames[:, :, ::direction])
    assert (camera_motion(frames, optical_flow(frames)) == np.eye(3)).all()


@pytest.mark.parametrize("action", ["run", "walk", "skip", "bend"])
def test_the_camera_of_weizmann_rests(data_folder, action):
    """But for two frames of Lena, in most of whose frame nothing can be seen to move, by a quarter of a pixel."""
    for actor, n_frames in (("lena", 2), ("shahar", 0)):
        frames, _ = working_frames(read_video(data_folder / "weizmann" / action / f"{actor}_{action}.avi"))
        motion = camera_motion(frames, optical_flow(frames))
        assert moves(motion).sum() <= n_frames
        assert np.abs(motion - np.eye(3)).max() <= 0.25


def test_a_pan_over_sharp_edges_is_measured_to_a_tenth_of_a_pixel():
    ground = np.kron(np.random.default_rng(0).integers(40, 90, (15, 40)), np.ones((8, 8))).astype(np.uint8)
    frames = np.stack([ground[:, 20 + index : 180 + index] for index in range(20)])
    shifts = camera_motion(frames, optical_flow(frames))[:, :2, 2]
    assert np.abs(shifts - (-1, 0)).max() < 0.1


@pytest.mark.parametrize("angle", [0.0, 0.5])
@pytest.mark.parametrize("shift", [(2.0, -1.0), (0.6, 0.3)])
def test_a_homography_of_the_ground_is_found_behind_a_mover(shift, angle):
    """The camera shifts and turns; a square of a tenth of the frame goes its own way."""
    rng = np.random.default_rng(0)
    wide = 110 + texture(rng, 200, 240, 30)
    matrix = np.vstack([cv2.getRotationMatrix2D((80, 60), angle, 1.0), [0, 0, 1]])
    matrix[:2, 2] += shift
    crop = np.array([[1, 0, 40], [0, 1, 40], [0, 0, 1.0]])
    frames = np.empty((2, 120, 160), np.uint8)
    for frame, camera in zip(frames, (np.eye(3), matrix), strict=True):
        image = cv2.warpPerspective(
            wide, crop @ np.linalg.inv(camera), (160, 120), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        frame[...] = np.clip(image, 0, 255)
    square = np.clip(140 + texture(rng, 44, 44, 40), 0, 255)
    frames[0][30:74, 50:94], frames[1][30:74, 55:99] = square, square
    flow = optical_flow(frames)
    wanted = true_flow([np.eye(3), matrix], (120, 160))[0]
    errors = np.linalg.norm(ground_flow(frames, flow)[0] - wanted, axis=-1)
    assert errors.mean() < 0.15


@pytest.mark.parametrize("matrix", [turned(1.05, 2.0), turned(1.0, 0.0, (2.5, -1.0))])
def test_the_flow_of_a_homography_is_where_it_takes_pixels(matrix):
    wanted = true_flow([np.eye(3), matrix], (30, 40))[0]
    np.testing.assert_allclose(
        homography_flow(matrix, range(5, 20), range(10, 40)), wanted[5:20, 10:], atol=1e-5
    )
    points = np.array([[3.0, 4.0], [30.0, 20.0]])
    moved = cv2.perspectiveTransform(points[np.newaxis], matrix)[0]
    np.testing.assert_allclose(projected(matrix, points), moved)


def test_ground_without_texture_is_at_rest():
    plain = np.full((3, 40, 50), 90, np.uint8)
    assert (camera_motion(plain, np.ones((2, 40, 50, 2), np.float32)) == np.eye(3)).all()


@pytest.mark.parametrize("shape", [(1, 40, 30), (2, 1, 1), (3, 2, 50)])
def test_short_and_tiny_clips(shape):
    frames = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    flow = optical_flow(frames)
    assert ground_flow(frames, flow).shape == flow.shape


def test_undone_a_frame_is_the_one_before():
    matrices = [turned(1.0, 0.0), turned(1.04, 1.5)]
    first, second = film(matrices, noise=0).astype(np.float32)
    back = undo_ground_flow(second, true_flow(matrices)[0].astype(np.float32))
    inside = np.s_[10:-10, 10:-10]
    assert np.abs(back - first)[inside].mean() < 0.2 * np.abs(second - first)[inside].mean()
