import cv2
import numpy as np
import pytest

from actionbench.features.flow import camera_shift, optical_flow
from actionbench.features.regions import main_track, motion_mask


def scene(n_frames=20, height=60, width=90, noise=2.0, seed=0, people=((20, 8, 25, 10, 3.0),)):
    """Draw textured rectangles (top, left, height, width, pixels per frame) that go right, with noise."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(60, 120, (height, width)).astype(float)
    frames = np.tile(ground, (n_frames, 1, 1))
    for top, left, tall, wide, speed in people:
        pattern = rng.integers(130, 250, (tall, wide))
        for index, frame in enumerate(frames):
            start = int(left + speed * index)
            start, end = min(start, width), min(start + wide, width)
            frame[top : top + tall, start:end] = pattern[:, : end - start]
    frames += rng.normal(0, noise, frames.shape)
    return np.clip(frames, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("noise", [0.0, 2.0, 10.0])
def test_box_follows_the_mover_whatever_the_noise(noise):
    track = main_track(scene(noise=noise), 25.0)
    assert track.found
    expected = 8 + 3 * np.arange(20) + 5
    assert np.abs(track.centres[:, 1] - expected)[3:-3].max() < 4
    assert np.abs(track.centres[:, 0] - 32.5).max() < 3
    assert abs(track.body_height - 25) < 6


def test_noise_alone_does_not_move():
    still = scene(noise=6.0, people=())
    assert motion_mask(still).mean() < 1e-3
    track = main_track(still, 25.0)
    assert not track.found
    np.testing.assert_array_equal(track.boxes, np.tile([0, 0, 60, 90], (20, 1)))


def test_camera_that_trembles_draws_no_lines():
    """Less than flow can tell: edges flicker, and the box still holds the person alone."""
    rng = np.random.default_rng(1)
    large = np.full((240, 360), 90.0)
    large[160:], large[:100, 250:290] = 118, 62
    frames = []
    for index, offset in enumerate(rng.integers(0, 2, 20)):
        view = large.copy()
        view[80:180, 40 + 10 * index : 80 + 10 * index] = 220
        frames.append(
            cv2.resize(view[offset : offset + 236, 0:356], (178, 118), interpolation=cv2.INTER_AREA)
        )
    track = main_track(np.array(frames).astype(np.uint8), 25.0)
    assert abs(track.body_height - 50) < 8
    assert np.median(track.boxes[:, 3] - track.boxes[:, 1]) < 45


def test_light_that_changes_everywhere_is_no_motion():
    frames = scene(noise=1.0, people=()).astype(float) + 8 * np.sin(np.arange(20))[:, None, None]
    assert not main_track(np.clip(frames, 0, 255).astype(np.uint8), 25.0).found


def test_smaller_second_mover_does_not_count():
    people = ((8, 8, 30, 12, 2.0), (52, 70, 4, 4, 0.6))
    track = main_track(scene(people=people), 25.0)
    assert track.boxes[:, 2].max() < 46


def test_camera_that_shakes_is_undone():
    rng = np.random.default_rng(3)
    steady = scene(n_frames=15, height=100, width=130, noise=0, people=((30, 20, 40, 20, 3.0),))
    shifts = rng.integers(0, 3, (15, 2))
    shaken = np.stack([f[y : y + 96, x : x + 126] for f, (y, x) in zip(steady, shifts, strict=True)])
    shifts = camera_shift(shaken, optical_flow(shaken))
    track = main_track(shaken, 25.0, shifts)
    assert track.mask.mean() < 0.2
    assert abs(track.body_height - 40) < 10


@pytest.mark.parametrize("shape", [(1, 40, 30), (2, 1, 1), (3, 2, 50)])
def test_short_and_tiny_clips_give_the_whole_frame(shape):
    track = main_track(np.full(shape, 9, np.uint8), 25.0)
    assert not track.found
    assert track.mask.shape == shape
    np.testing.assert_array_equal(track.boxes[0], [0, 0, *shape[1:]])


def test_boxes_stay_inside_the_frame():
    track = main_track(scene(n_frames=30), 25.0)
    top, left, bottom, right = track.boxes.T
    assert top.min() >= 0
    assert left.min() >= 0
    assert bottom.max() <= 60
    assert right.max() <= 90
    assert (bottom > top).all()
    assert (right > left).all()


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_shaking_camera_alone_shows_no_mover(noise):
    rng = np.random.default_rng(5)
    still = cv2.GaussianBlur(scene(n_frames=1, height=110, width=140, noise=0, people=())[0], (0, 0), 2)
    corners = rng.integers(0, 6, (12, 2))
    shaken = np.stack([still[y : y + 100, x : x + 130] for y, x in corners])
    shaken = np.clip(shaken + rng.normal(0, noise, shaken.shape), 0, 255).astype(np.uint8)
    shifts = camera_shift(shaken, optical_flow(shaken))
    np.testing.assert_allclose(shifts, -np.diff(corners[:, ::-1], axis=0), atol=0.3)
    assert main_track(shaken, 25.0, shifts).mask.mean() < 0.01
