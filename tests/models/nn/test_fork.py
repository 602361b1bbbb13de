"""A child of fork computes, whatever threads have done in its parent."""

import subprocess
import sys

import pytest

CODE = """
import os, sys
import numpy as np
from actionbench.models import nn
x = np.random.default_rng(0).standard_normal((4, 32, 32, 16)).astype(np.float32)
net, small = nn.Conv2d(16, 16, 3, rng=0), nn.Sequential(nn.Linear(500, 500, rng=0)).evaluate()
row = x.ravel()[:50_000].reshape(100, 500)
if {before}:
    before = net.forward(x), [small.forward(row) for _ in range(4)][-1]
pid = os.fork()
if not pid:
    after = net.forward(x), [small.forward(row) for _ in range(4)][-1]
    grandchild = os.fork()
    net.forward(x)
    if not grandchild:
        os._exit(0)
    right = os.waitpid(grandchild, 0)[1] == 0
    if {before}:
        right &= all(map(np.array_equal, before, after))
    os._exit(0 if right else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(sys.modules["os"], "fork"), reason="there is no fork here")
@pytest.mark.parametrize("before", [True, False])
def test_a_child_computes_the_same(before, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    # A child that waits for threads that are not there never ends: far beyond what any machine takes.
    subprocess.run([sys.executable, "-c", CODE.format(before=before)], check=True, timeout=300)
