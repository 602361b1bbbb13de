"""Random nets against PyTorch, see ``fuzz.py``."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from actionbench.models import kernels, nn

torch = pytest.importorskip("torch", reason="PyTorch is a dependency of these tests only")

N_NETS = 500
#: Of the first net; those that follow count on.
SEED = int(os.environ.get("ACTIONBENCH_FUZZ_SEED", "1"))


@pytest.fixture(scope="module")
def fuzz():
    spec = importlib.util.spec_from_file_location("fuzz", Path(__file__).with_name("fuzz.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Random nets overflow, and the number of threads is drawn."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize("name", kernels.usable())
def test_some_random_nets(fuzz, name):
    check(fuzz, range(10_000_000, 10_000_040), name)


@pytest.mark.slow
@pytest.mark.parametrize("name", kernels.usable())
def test_random_nets(fuzz, name):
    check(fuzz, range(SEED, SEED + N_NETS), name)


def check(fuzz, seeds, name):
    texts = [text for seed in seeds if (text := fuzz.report(seed, name))]
    assert not texts, f"nets from seed {seeds[0]}: {len(texts)} of {len(seeds)} differ\n" + "\n".join(texts)


def test_the_fuzzer_finds_a_fault(fuzz, monkeypatch):
    """Of a tenth per mille, in the slope of one function."""
    slope = nn.Tanhshrink._slope
    monkeypatch.setattr(nn.Tanhshrink, "_slope", lambda self, x: slope(self, x) * 1.001)
    assert any("differs" in fuzz.report(seed) for seed in range(60))


def test_every_module_is_drawn(fuzz):
    drawn = {
        type(module).__name__
        for seed in range(900)
        for _, module in fuzz.Case(seed, np.float64).net.named_modules()
    }
    kinds = {
        kind.__name__ for kind in vars(nn).values() if isinstance(kind, type) and issubclass(kind, nn.Module)
    }
    assert kinds - drawn == {"Module", "Function", "Container"}
