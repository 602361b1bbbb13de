import os
import subprocess
import sys

import pytest

from actionbench.models import kernels

SHOW = """
import numpy as np
from actionbench.models import kernels
print(kernels.INSTRUCTION_SET, kernels.of(np.dtype("float32")).convolve.__module__)
"""


def run(**environment):
    command = [sys.executable, "-c", SHOW]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_an_instruction_set_can_be_forced():
    result = run(ACTIONBENCH_INSTRUCTION_SET="generic")
    assert result.stdout.split() == ["generic", "actionbench._ext.convolution_generic_float32"]


def test_an_unknown_instruction_set_is_named():
    result = run(ACTIONBENCH_INSTRUCTION_SET="mmx")
    assert "ACTIONBENCH_INSTRUCTION_SET is 'mmx'; usable here:" in result.stderr


@pytest.mark.parametrize(("value", "threads"), [("3", 3), ("2,4", 2)])
def test_threads_follow_the_environment(monkeypatch, value, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert kernels.default_threads() == threads


def test_threads_without_a_wish(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert 1 <= kernels.default_threads() <= os.cpu_count()
