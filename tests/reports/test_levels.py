"""Whether tests keep their level and intervals cover, where the truth is known; the whole table is `make levels`."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

PATH = Path(__file__).parents[1] / "benchmarks/levels.py"


@pytest.fixture(scope="module")
def levels():
    spec = importlib.util.spec_from_file_location("levels", PATH)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules["levels"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["levels"]


def check(row):
    """Hold a row to its promise, with three standard errors to spare."""
    spare = 3 * np.sqrt(0.05 * 0.95 / row.n_studies)
    assert row.sign_flip <= 0.05 + spare
    assert row.holm <= 0.05 + spare
    assert abs(row.accuracy_covered - 0.95) <= 0.02 + spare
    assert abs(row.difference_covered - 0.95) <= 0.02 + spare
    if row.clips != "independent":
        assert row.mcnemar > 0.10
        assert row.wilson_covered < 0.90


@pytest.mark.parametrize("n_groups", [9, 25])
@pytest.mark.parametrize("clips", ["independent", "alike"])
def test_levels(levels, n_groups, clips):
    check(levels.simulated(clips, n_groups, 1400 // n_groups, n_flips=499))


@pytest.mark.slow
@pytest.mark.parametrize("n_groups", [9, 25])
@pytest.mark.parametrize("clips", ["independent", "alike", "much alike", "much alike, skewed"])
def test_levels_of_many_studies(levels, n_groups, clips):
    check(levels.simulated(clips, n_groups, 1000, n_flips=999))


@pytest.mark.parametrize("clips", ["alike", "much alike", "much alike, skewed", "skewed, the first even"])
def test_all_attempts_are_equally_good(levels, clips):
    drawn = levels.chances(clips, 40_000, np.random.default_rng(0))
    assert ((drawn >= 0) & (drawn <= 1)).all()
    np.testing.assert_allclose(drawn.mean(axis=1), levels.ACCURACY, atol=0.01)
    spread = np.full(levels.N_ATTEMPTS, levels.SCATTER[clips])
    if clips.endswith("first even"):
        spread[0] = 0
    np.testing.assert_allclose(drawn.std(axis=1), spread, atol=0.01)
