import cv2
import numpy as np
import pytest

from actionbench.features.clip import Clip
from actionbench.features.flow import optical_flow, working_frames


def texture(rng, height, width, deviation):
    smooth = cv2.GaussianBlur(rng.normal(size=(height, width)).astype(np.float32), (0, 0), 2.0)
    return smooth / smooth.std() * deviation


def moved_square(shift, seed=0, height=120, width=160):
    """Return two frames in which a textured square goes right over a textured ground, and where it is."""
    rng = np.random.default_rng(seed)
    ground, square = 110 + texture(rng, height, width, 30), 140 + texture(rng, 60, 40, 40)
    frames, inside = [], None
    for left in (50, 50 + shift):
        matrix = np.array([[1, 0, left], [0, 1, 30]], np.float32)
        cover = cv2.warpAffine(np.ones_like(square), matrix, (width, height))
        drawn = cv2.warpAffine(square, matrix, (width, height)) + ground * (1 - cover)
        frames.append(np.clip(drawn, 0, 255).astype(np.uint8))
        inside = cover > 0.99 if inside is None else inside
    return np.stack(frames), inside


@pytest.mark.parametrize("method", ["dis", "farneback"])
@pytest.mark.parametrize(("shift", "error"), [(1, 0.25), (3, 0.5), (5, 0.7)])
def test_known_shifts_are_found(method, shift, error):
    errors = []
    for seed in range(3):
        frames, inside = moved_square(shift, seed)
        flow = optical_flow(frames, method)[0][inside]
        errors.append(np.hypot(flow[:, 0] - shift, flow[:, 1]).mean())
    assert np.mean(errors) < error


def test_full_resolution_is_finer():
    frames, inside = moved_square(3)
    flow = optical_flow(frames, finest=0)[0][inside]
    assert np.hypot(flow[:, 0] - 3, flow[:, 1]).mean() < 0.15


def test_reduced_flow_keeps_its_unit_and_averages():
    frames, _ = moved_square(3)
    flow, small = optical_flow(frames), optical_flow(frames, reduce=7)
    assert small.shape == (1, 18, 23, 2)
    np.testing.assert_allclose(small[0, 3, 4], flow[0, 21:28, 28:35].mean(axis=(0, 1)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["dis", "farneback"])
@pytest.mark.parametrize("shape", [(1, 20, 30), (3, 1, 1), (2, 5, 90), (2, 33, 17)])
def test_any_size_and_length(method, shape):
    flow = optical_flow(np.full(shape, 128, np.uint8), method)
    assert flow.shape == (shape[0] - 1, *shape[1:], 2)
    assert flow.dtype == np.float32
    np.testing.assert_allclose(flow, 0, atol=1e-3)


@pytest.mark.parametrize(
    ("frames", "options", "message"),
    [
        (np.zeros((2, 9, 9), np.float32), {}, "uint8"),
        (np.zeros((2, 9, 9, 3), np.uint8), {}, "uint8 frames"),
        (np.zeros((2, 9, 9), np.uint8), {"method": "tvl1"}, "unknown flow method 'tvl1'"),
        (np.zeros((2, 9, 9), np.uint8), {"reduce": 0}, "reduce"),
    ],
)
def test_wrong_use_is_refused(frames, options, message):
    with pytest.raises(ValueError, match=message):
        optical_flow(frames, **options)


def test_threads_change_nothing_and_are_restored():
    frames, _ = moved_square(3)
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        one = optical_flow(frames)
        cv2.setNumThreads(2)
        np.testing.assert_array_equal(optical_flow(frames), one)
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)


def test_working_frames_adapt_to_size_and_rate():
    frames, fps = working_frames(Clip(np.zeros((60, 480, 640, 3), np.uint8), 60.0))
    assert frames.shape == (30, 120, 160)
    assert fps == 30
    frames, fps = working_frames(Clip(np.zeros((5, 30, 40), np.uint8), 12.5))
    assert frames.shape == (5, 60, 80)
    assert fps == 12.5


def test_frames_of_the_working_size_are_left_alone():
    clip = Clip(np.random.default_rng(0).integers(0, 256, (3, 120, 160)).astype(np.uint8), 25.0)
    frames, _ = working_frames(clip)
    np.testing.assert_array_equal(frames, clip.frames)
