import json
import os
import platform
import shutil
import subprocess
import sys

import pytest

from actionbench.models import kernels

SHOW = """
import sys
import numpy as np
from actionbench.models import kernels
kernels.of(np.dtype("float32"))
print(kernels.INSTRUCTION_SET, *sorted(name for name in sys.modules if "_ext.convolution_" in name))
"""

# Imports each extension module and prints what the processor has, then each module's name and how it refuses.
IMPORT_EACH = """
import importlib, json, pkgutil
from actionbench import _ext
from actionbench._ext.processor import instruction_sets

def refusal(name):
    try:
        importlib.import_module(f"actionbench._ext.{name}")
    except ImportError as error:
        return str(error)

names = [module.name for module in pkgutil.iter_modules(_ext.__path__)]
print(json.dumps([instruction_sets(), dict(zip(names, map(refusal, names)))]))
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


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("qemu-x86_64"), reason="qemu-user is not installed")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="emulates processors of x86-64")
@pytest.mark.parametrize(
    ("processor", "sets"),
    [("Nehalem", ["generic"]), ("Haswell", ["avx2", "generic"]), ("EPYC", ["avx2", "generic"])],
)
def test_a_processor_is_not_asked_for_instructions_that_it_lacks(processor, sets):
    command = ["qemu-x86_64", "-cpu", processor, sys.executable, "-c", IMPORT_EACH]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    found, refusals = json.loads(result.stdout)
    assert found == sets
    for name, refusal in refusals.items():
        lacks = next((one for one in {"avx2", "avx512"} - set(sets) if f"_{one}_" in name), None)
        wanted = f"{name} is compiled for {lacks}, which this processor lacks" if lacks else None
        assert refusal == wanted, name


@pytest.mark.parametrize(("value", "threads"), [("3", 3), ("2,4", 2)])
def test_threads_follow_the_environment(monkeypatch, value, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert kernels.default_threads() == threads


def test_threads_without_a_wish(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert 1 <= kernels.default_threads() <= os.cpu_count()
