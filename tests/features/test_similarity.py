import numpy as np
import pytest
from scipy.spatial.distance import cdist

from actionbench.features.clip import Clip
from actionbench.features.similarity import SelfSimilarity, distances, periodicity


def swing(period=0.8, n_frames=75, every=1):
    """Draw somebody whose arm goes out and back once in a period, 25 frames per second."""
    body = np.random.default_rng(0).integers(120, 250, (60, 20))
    frames = np.full((n_frames, 120, 160), 60, np.uint8)
    for index, frame in enumerate(frames):
        reach = int(20 + 20 * np.sin(2 * np.pi * index / (25 * period)))
        frame[45:105, 60:80] = body
        frame[55:67, 80 : 80 + reach] = 230
    return Clip(frames[::every], 25.0 / every)


def wave(period, n_frames=100):
    """Return points that go round a circle once in a period of frames."""
    angles = 2 * np.pi * np.arange(n_frames) / period
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_distances_agree_with_scipy():
    rows = np.random.default_rng(1).normal(size=(30, 50)) + 100
    expected = cdist(rows, rows)
    found = distances(rows)
    np.testing.assert_allclose(found, expected / expected[expected > 0].mean(), atol=1e-6)
    assert found[~np.eye(30, dtype=bool)].mean() == pytest.approx(1)


@pytest.mark.parametrize("n_rows", [1, 5])
def test_no_difference_is_zero(n_rows):
    np.testing.assert_array_equal(distances(np.full((n_rows, 7), 3.3)), np.zeros((n_rows, n_rows)))


@pytest.mark.parametrize("period", [6, 11.5, 20, 31])
def test_period_of_a_circle_is_found(period):
    seconds, sharpness = periodicity(distances(wave(period)), 25.0, 2.0)
    assert seconds == pytest.approx(period / 25, rel=0.03)
    assert sharpness > 0.8


def test_noise_has_no_sharp_period():
    rows = np.random.default_rng(2).normal(size=(200, 3))
    assert periodicity(distances(rows), 25.0, 2.0)[1] < 0.2


def test_drift_hides_no_period():
    rows = wave(15) + np.linspace(0, 3, 100)[:, None]
    assert periodicity(distances(rows), 25.0, 2.0)[0] == pytest.approx(0.6, rel=0.05)


def test_longer_periods_are_not_looked_for():
    assert periodicity(distances(wave(15)), 25.0, 0.3)[0] <= 0.3
    # Two periods must be seen.
    assert periodicity(distances(wave(60)), 25.0, 9.0)[0] <= 2.0


@pytest.mark.parametrize("n_frames", [1, 2, 4])
def test_short_series_have_no_period(n_frames):
    assert periodicity(distances(wave(3, n_frames)), 25.0, 2.0) == (0.0, 0.0)


@pytest.mark.parametrize("of", ["flow", "picture"])
@pytest.mark.parametrize("period", [0.6, 0.8])
def test_period_of_an_arm_is_found(of, period):
    """In time, whatever the frame rate."""
    for every in (1, 2):
        seconds, sharpness = SelfSimilarity(of).extract(swing(period, every=every))["period"]
        assert min(abs(seconds / period - 1), abs(2 * seconds / period - 1)) < 0.06
        assert sharpness > 0.4


@pytest.mark.parametrize("of", ["flow", "picture"])
def test_matrix_is_symmetric_and_striped(of):
    found = SelfSimilarity(of, side=40).extract(swing(n_frames=80))
    matrix = found["matrix"]
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
    # A row of the matrix is two frames, a period is twenty.
    inner = matrix[5:35, 5:35]
    assert np.diagonal(inner, 10).mean() < 0.6 * np.diagonal(inner, 5).mean()


def test_lags_fall_where_the_period_is():
    found = SelfSimilarity("picture", side=51).extract(swing(0.8))["lags"]
    assert found[0] == 0
    assert found[20] < 0.3 * found[10]
    np.testing.assert_allclose(found[20], found[40], atol=0.1)


def test_mirror_changes_nothing():
    clip, features = swing(), SelfSimilarity("picture")
    found = features.extract(clip)
    mirrored = features.extract(Clip(clip.frames[:, :, ::-1], clip.fps))
    for name, array in found.items():
        np.testing.assert_allclose(features.mirror(array), mirrored[name], atol=0.05)


def test_long_clip_is_seen_in_its_middle(monkeypatch):
    """Its period does not need more memory."""
    monkeypatch.setattr("actionbench.features.similarity._MOST", 60)
    found = SelfSimilarity("picture").extract(swing(n_frames=150))
    assert found["period"][0] == pytest.approx(0.8, rel=0.06)
    assert found["matrix"].shape == (32, 32)


@pytest.mark.parametrize("of", ["flow", "picture"])
@pytest.mark.parametrize("shape", [(1, 40, 30), (2, 1, 1), (3, 2, 50), (30, 60, 80)])
def test_nothing_that_moves_gives_zeros(of, shape):
    found = SelfSimilarity(of).extract(Clip(np.full(shape, 9, np.uint8), 25.0))
    assert {name: array.shape for name, array in found.items()} == {
        "matrix": (32, 32),
        "lags": (32,),
        "period": (2,),
    }
    assert not any(array.any() for array in found.values())


@pytest.mark.parametrize("of", ["flow", "picture"])
@pytest.mark.parametrize("shape", [(2, 60, 80), (3, 60, 80), (5, 8, 9), (40, 3, 40)])
def test_flicker_in_short_and_small_clips_is_finite(of, shape):
    noise = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    noise[:, :, : shape[2] // 2] = 100
    assert all(np.isfinite(array).all() for array in SelfSimilarity(of).extract(Clip(noise, 25.0)).values())
