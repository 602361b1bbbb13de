"""How fast a clip that has been observed is described, at 160 x 120 pixels on one thread.

Run with ``OMP_NUM_THREADS=1 python -m pytest tests/benchmarks/test_local_features.py --benchmark-only``;
``--benchmark-json`` writes frames per second as well.
"""

import pytest

from actionbench.experiments.datasets.figures import Figures
from actionbench.features.history import MotionHistory
from actionbench.features.hog3d import Hog3d
from actionbench.features.interest_points import InterestPoints
from actionbench.features.motion import observe
from actionbench.features.similarity import repetition
from actionbench.features.texture import LbpTop

FEATURES = {
    "history": MotionHistory().describe,
    "texture": LbpTop().describe,
    "hog3d": Hog3d().describe,
    "interest points": InterestPoints().describe,
    "repetition": repetition,
}


@pytest.fixture(scope="module")
def clips():
    """One of each action."""
    figures = Figures()
    return [figures.load(index) for index in range(0, len(figures), len(figures) // 6)]


@pytest.fixture(scope="module")
def motions(clips):
    return [observe(clip) for clip in clips]


def note_rate(benchmark, clips):
    if benchmark.stats:
        n_frames = sum(len(clip.frames) for clip in clips)
        benchmark.extra_info["frames/s"] = round(n_frames / benchmark.stats.stats.median)


def test_observation(benchmark, clips):
    """What all of them start from."""
    benchmark(lambda: [observe(clip) for clip in clips])
    note_rate(benchmark, clips)


@pytest.mark.benchmark(max_time=0.5)
@pytest.mark.parametrize("describe", FEATURES.values(), ids=FEATURES)
def test_description(benchmark, describe, motions):
    benchmark(lambda: [describe(motion) for motion in motions])
    note_rate(benchmark, motions)
