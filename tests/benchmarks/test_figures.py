"""How fast the built-in data sets are drawn."""

from itertools import cycle

import pytest

from actionbench.experiments.datasets.diagnostic.dataset import TRACKS, Diagnostic
from actionbench.experiments.datasets.figures import Figures


def test_drawing(benchmark):
    figures = Figures()
    order = cycle(range(0, len(figures), 7))
    clip = benchmark(lambda: figures.load(next(order)))
    benchmark.extra_info["frames"] = len(clip)


@pytest.mark.parametrize("track", TRACKS)
def test_drawing_a_track(benchmark, track):
    """Draw all clips in their order, as twins share what is drawn once."""
    data = Diagnostic(track, train_subjects=4, test_subjects=4)
    n_frames = 0

    def draw():
        nonlocal n_frames
        n_frames = sum(len(data.load(index)) for index in range(len(data)))

    benchmark.pedantic(draw, rounds=3, warmup_rounds=1)
    benchmark.extra_info["frames"] = n_frames
    benchmark.extra_info["frames_per_second"] = round(n_frames / benchmark.stats.stats.median)


def test_table(benchmark):
    benchmark(lambda: Figures().read_table())


def test_fingerprints(benchmark):
    figures = Figures()
    benchmark(lambda: figures.clips.fingerprint)
