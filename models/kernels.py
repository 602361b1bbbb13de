"""The hot kernels in the build that suits this processor."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from .._ext.processor import instruction_sets
from ..errors import ActionbenchError

__all__ = ["INSTRUCTION_SET", "convolution", "default_threads", "load", "normalisation", "pooling", "usable"]


def usable() -> list[str]:
    """Return the instruction sets that this processor has and the compiler knew, the best first."""
    package = __package__.rpartition(".")[0]
    return [name for name in instruction_sets() if find_spec(f"{package}._ext.convolution_{name}")]


def _choose() -> str:
    """Return the best instruction set, or the one that ``ACTIONBENCH_INSTRUCTION_SET`` names."""
    wanted = os.environ.get("ACTIONBENCH_INSTRUCTION_SET")
    if wanted and wanted not in usable():
        raise ActionbenchError(
            f"ACTIONBENCH_INSTRUCTION_SET is {wanted!r}; usable here: {', '.join(usable())}"
        )
    return wanted or usable()[0]


def load(kernel: str, instruction_set: str) -> ModuleType:
    """Return one build of a kernel."""
    return import_module(f".._ext.{kernel}_{instruction_set}", __package__)


def default_threads() -> int:
    """Return the number of threads: ``OMP_NUM_THREADS``, else the processors this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


INSTRUCTION_SET = _choose()
convolution = load("convolution", INSTRUCTION_SET)
normalisation = load("normalisation", INSTRUCTION_SET)
pooling = load("pooling", INSTRUCTION_SET)
