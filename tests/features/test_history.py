import cv2
import numpy as np
import pytest

from actionbench.features.clip import Clip
from actionbench.features.history import MotionHistory, hu_moments, motion_energy, motion_history


def raising_arm(n_frames=25, fps=25.0, height=120, scale=1.0, left=60):
    """Draw somebody whose right arm swings up, about a textured trunk that trembles."""
    rng = np.random.default_rng(0)
    frames = np.full((n_frames, height, 160), 60, np.uint8)
    body = rng.integers(140, 250, (int(60 * scale), int(16 * scale)), dtype=np.uint8)
    for index, frame in enumerate(frames):
        top, start = int(40 * scale), left + index // 2 % 2
        frame[top : top + len(body), start : start + body.shape[1]] = body
        angle = np.pi / 2 * (1 - 1.6 * index / (n_frames - 1))
        shoulder = np.array([start + 16 * scale, top + 10 * scale])
        hand = shoulder + 30 * scale * np.array([np.cos(angle), np.sin(angle)])
        ends = [tuple(int(v) for v in np.rint(point)) for point in (shoulder, hand)]
        cv2.line(frame, *ends, 230, max(1, round(5 * scale)))
    return Clip(frames, fps)


def blob():
    """Return a lopsided picture in the middle of much room."""
    picture = np.zeros((96, 96), np.float32)
    picture[36:60, 40:56] = 1
    picture[30:36, 40:44] = 0.5
    picture[50:60, 56:70] = 0.75
    return picture


def test_bar_that_moves_leaves_a_ramp():
    """One column moves in each frame, from left to right."""
    mask = np.repeat(np.eye(8, dtype=bool)[:, None], 5, axis=1)
    np.testing.assert_allclose(motion_history(mask), np.tile(np.arange(1, 9) / 8, (5, 1)))
    np.testing.assert_array_equal(motion_energy(mask), np.ones((5, 8)))


def test_history_agrees_with_the_recursion():
    """What moves is set to the duration; all else falls by one (Bobick and Davis, equation 5)."""
    mask = np.random.default_rng(0).random((12, 7, 9)) < 0.1
    expected = np.zeros((7, 9))
    for frame in mask:
        expected = np.where(frame, 12, np.maximum(expected - 1, 0))
    np.testing.assert_allclose(motion_history(mask), expected / 12)


@pytest.mark.parametrize(
    ("picture", "tolerance"),
    [
        (np.roll(blob(), (17, -23), (0, 1)), 1e-3),
        (np.rot90(blob()), 1e-3),
        (np.kron(blob(), np.ones((3, 3))), 0.05),
    ],
    ids=["moved", "turned", "larger"],
)
def test_moments_hardly_see_place_rotation_and_size(picture, tolerance):
    np.testing.assert_allclose(hu_moments(picture), hu_moments(blob()), atol=tolerance)


def test_only_the_last_moment_sees_a_mirror():
    found, mirrored = hu_moments(blob()), hu_moments(blob()[:, ::-1])
    np.testing.assert_allclose(mirrored[:6], found[:6], atol=1e-3)
    assert abs(found[6]) > 1
    np.testing.assert_allclose(mirrored[6], -found[6], atol=1e-3)


def test_first_moment_of_a_square_is_known():
    """The normalised second moments of a square of side s are 1/12 each, to within a pixel."""
    square = np.zeros((80, 80))
    square[20:60, 20:60] = 1
    np.testing.assert_allclose(10 ** hu_moments(square)[0] * 1e-10, 1 / 6, rtol=1e-2)


def test_arm_that_rises_is_newest_at_the_top():
    found = MotionHistory().extract(raising_arm())
    rows, columns = np.nonzero(found["history"] * (np.arange(64) > 40))
    values = found["history"][rows, columns]
    assert np.corrcoef(rows, values)[0, 1] < -0.8
    np.testing.assert_array_equal(found["energy"], found["history"] > 0)


def test_frame_rate_and_place_hardly_matter():
    expected = MotionHistory().extract(raising_arm())
    for other in (raising_arm(13, 13.0), raising_arm(left=30)):
        found = MotionHistory().extract(other)
        assert np.mean(found["energy"] == expected["energy"]) > 0.9
        assert np.abs(found["moments"] - expected["moments"])[[0, 1, 7, 8]].max() < 0.3


def test_mirrored_arrays_are_those_of_the_mirrored_clip():
    clip, features = raising_arm(), MotionHistory()
    plain = features.extract(clip)
    other = features.extract(Clip(clip.frames[:, :, ::-1], clip.fps))
    for name in ("history", "energy"):
        mirrored = features.mirror(plain[name][None])[0]
        assert np.abs(mirrored - other[name]).mean() < 0.05
        assert np.abs(plain[name] - other[name]).mean() > 0.1
    mirrored = features.mirror(plain["moments"][None])[0]
    np.testing.assert_array_equal(mirrored[[6, 13]], -plain["moments"][[6, 13]])
    np.testing.assert_allclose(mirrored[[0, 7]], other["moments"][[0, 7]], atol=0.1)
