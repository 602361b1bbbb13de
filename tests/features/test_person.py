import numpy as np
import pytest

from actionbench.features.clip import Clip
from actionbench.features.motion import observe
from actionbench.features.person import chunks, crop_along, person_length, person_size, stabilised_scene


def scene(pan=0.0, n_frames=20):
    """Draw a rectangle of 50 x 20 pixels that goes right, seen by a camera that pans right."""
    rng = np.random.default_rng(0)
    large = np.kron(rng.integers(40, 120, (15, 40)), np.ones((8, 8)))
    body = rng.integers(150, 250, (50, 20))
    frames = []
    for index in range(n_frames):
        view = large.copy()
        view[40:90, 40 + 3 * index : 60 + 3 * index] = body
        left = round(pan * index)
        frames.append(view[:, left : left + 160])
    return Clip(np.array(frames, np.uint8), 25.0)


def test_size_is_that_of_what_moves():
    height, width = person_size(observe(scene()))
    assert abs(height - 50) < 8
    # The body covers 20 pixels and, at 3 pixels a frame, 6 that it left and 6 that it will take.
    assert abs(width - 32) < 8
    assert person_size(observe(scene()), 0.5) == pytest.approx((2 * height, 2 * width))


def test_length_is_the_height_unless_that_is_flat():
    tall = observe(scene())
    assert person_length(tall) == tall.track.body_height
    flat = observe(Clip(np.swapaxes(scene().frames, 1, 2), 25.0))
    height, width = person_size(flat)
    assert person_length(flat) == max(height, width / 2)


def test_pictures_go_with_their_centres():
    planes = np.random.default_rng(1).random((6, 30, 40)).astype(np.float32)
    centres = np.array([[10.0 + i, 12.0 + 2 * i] for i in range(6)])
    found = crop_along(planes, centres, (8, 6), (8, 6))
    for plane, (down, right), picture in zip(planes, centres.astype(int), found, strict=True):
        np.testing.assert_array_equal(picture, plane[down - 4 : down + 4, right - 3 : right + 3])


def test_pictures_are_averages_of_what_they_stand_for():
    planes = np.random.default_rng(2).random((2, 16, 16, 2)).astype(np.float32)
    found = crop_along(planes, np.full((2, 2), 8.0), (16, 16), (4, 4))
    expected = planes.reshape(2, 4, 4, 4, 4, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_border_goes_on_beyond_the_frame():
    found = crop_along(np.full((1, 4, 4), 7.0), np.array([[0.0, 9.0]]), (6, 6), (6, 6))
    np.testing.assert_array_equal(found, np.full((1, 6, 6), 7))


def test_camera_that_rests_leaves_a_crop():
    clip = scene()
    motion = observe(clip)
    view = stabilised_scene(motion, 5, 15, margin=12)
    top, left = (motion.track.boxes[5] - view.boxes[0])[:2].astype(int)
    rows, columns = slice(top, top + view.frames.shape[1]), slice(left, left + view.frames.shape[2])
    np.testing.assert_array_equal(view.frames, clip.frames[5:15, rows, columns])
    np.testing.assert_array_equal(view.mask, motion.track.mask[5:15, rows, columns])
    np.testing.assert_allclose(view.flow, motion.flow[5:15, rows, columns])


def test_scene_rests_where_the_camera_pans():
    motion = observe(scene(pan=2.0))
    assert np.abs(np.median(motion.shifts, axis=0) - (-2, 0)).max() < 0.1
    view = stabilised_scene(motion, 0, 20, margin=15)
    # Above the person the ground shows in the first and in the last frame.
    top = view.frames[:, 5:10, 60:75]
    assert np.abs(top[9] - top[5]).mean() < 4
    plain = motion.frames[:, 30:35, 60:75].astype(float)
    assert np.abs(plain[9] - plain[5]).mean() > 8
    np.testing.assert_allclose(np.diff(view.boxes[4:16, 1:4:2].mean(axis=1)), 3, atol=0.7)


def test_last_frame_has_the_flow_before_it():
    motion = observe(scene())
    view = stabilised_scene(motion, 10, 20, margin=0)
    np.testing.assert_array_equal(view.flow[-1], view.flow[-2])


@pytest.mark.parametrize("n_frames", [1, 9, 10, 11, 35])
def test_chunks_cover_each_frame_once(n_frames):
    covered = []
    for start, stop, first, last in chunks(n_frames, 10, 3):
        assert 0 <= start <= first < last <= stop <= n_frames
        assert first - start in (3, first)
        assert stop - last in (3, n_frames - last)
        covered += range(first, last)
    assert covered == list(range(n_frames))
