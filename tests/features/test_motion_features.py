"""What all features of motion have in common: clips in which nothing moves, and noise in small clips."""

import numpy as np
import pytest

from actionbench.features.clip import Clip
from actionbench.features.history import MotionHistory
from actionbench.features.hog3d import Hog3d
from actionbench.features.interest_points import InterestPoints
from actionbench.features.motion import observe
from actionbench.features.similarity import repetition
from actionbench.features.texture import LbpTop

# Each feature with the shapes of its arrays where nothing moves; all elements are 0.
FEATURES = [
    (Hog3d(), {"hog3d": (0, 960), "place": (0, 4)}),
    (InterestPoints(), {"hog": (0, 72), "hof": (0, 90), "place": (0, 4)}),
    (LbpTop(rows=2, columns=2, times=1), {"histogram": (4 * 177,)}),
    (MotionHistory(side=32), {"moments": (14,), "history": (32, 32), "energy": (32, 32)}),
]


def name(value):
    return type(value).__name__ if hasattr(value, "extract") else None


@pytest.mark.parametrize("shape", [(1, 40, 30), (2, 1, 1), (3, 2, 50), (30, 60, 80)])
@pytest.mark.parametrize(("feature", "shapes"), FEATURES, ids=name)
def test_nothing_that_moves_gives_no_rows_or_zeros(feature, shapes, shape):
    clip = Clip(np.full(shape, 9, np.uint8), 25.0)
    found = feature.extract(clip)
    assert {name: array.shape for name, array in found.items()} == shapes
    assert not any(array.any() for array in found.values())
    assert repetition(observe(clip)) == (0.0, 0.0)


@pytest.mark.parametrize("shape", [(2, 60, 80), (3, 60, 80), (5, 8, 9), (40, 3, 40), (60, 1, 30)])
@pytest.mark.parametrize("feature", [feature for feature, _ in FEATURES], ids=name)
def test_flicker_in_short_and_small_clips_is_finite(feature, shape):
    noise = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    noise[:, :, : shape[2] // 2] = 100
    clip = Clip(noise, 25.0)
    assert all(np.isfinite(array).all() for array in feature.extract(clip).values())
    assert np.isfinite(repetition(observe(clip))).all()
