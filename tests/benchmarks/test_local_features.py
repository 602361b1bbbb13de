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
from actionbench.features.similarity import SelfSimilarity
from actionbench.features.texture import LbpTop

FEATURES = {
    "history": MotionHistory(),
    "texture": LbpTop(),
    "hog3d": Hog3d(),
    "interest points": InterestPoints(),
    "similarity of flow": SelfSimilarity("flow"),
    "similarity of pictures": SelfSimilarity("picture"),
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
@pytest.mark.parametrize("feature", FEATURES.values(), ids=FEATURES)
def test_description(benchmark, feature, motions):
    benchmark(lambda: [feature.describe(motion) for motion in motions])
    note_rate(benchmark, motions)
