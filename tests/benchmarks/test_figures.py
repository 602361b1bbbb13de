"""How fast the built-in data set is drawn."""

from itertools import cycle

from actionbench.experiments.datasets.figures import Figures


def test_drawing(benchmark):
    figures = Figures()
    order = cycle(range(0, len(figures), 7))
    clip = benchmark(lambda: figures.load(next(order)))
    benchmark.extra_info["frames"] = len(clip)


def test_table(benchmark):
    benchmark(lambda: Figures().read_table())


def test_fingerprints(benchmark):
    figures = Figures()
    benchmark(lambda: figures.clips.fingerprint)
