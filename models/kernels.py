"""The hot kernels in the build that suits this processor."""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np

from .._ext.processor import instruction_sets
from ..errors import ActionbenchError

__all__ = ["INSTRUCTION_SET", "build", "default_threads", "of", "usable"]

_HOT = (
    "convolution",
    "matrices",
    "normalisation",
    "pooling",
    "recurrent",
    "sliding",
    "steps",
    "winograd",
)
_TYPES = {"f": "float32", "d": "float64"}


def usable() -> list[str]:
    """Return the instruction sets that this processor has and the compiler knew, the best first."""
    package = __package__.rpartition(".")[0]
    return [name for name in instruction_sets() if find_spec(f"{package}._ext.{_HOT[0]}_{name}_float32")]


def _choose() -> str:
    """Return the best instruction set, or the one that ``ACTIONBENCH_INSTRUCTION_SET`` names."""
    wanted = os.environ.get("ACTIONBENCH_INSTRUCTION_SET")
    if wanted and wanted not in usable():
        raise ActionbenchError(
            f"ACTIONBENCH_INSTRUCTION_SET is {wanted!r}; usable here: {', '.join(usable())}"
        )
    return wanted or usable()[0]


@cache
def build(instruction_set: str, char: str) -> SimpleNamespace:
    """Return the kernels of one build by name; ``char`` is that of the type, f or d."""
    modules = (import_module(f".._ext.{name}_{instruction_set}_{_TYPES[char]}", __package__) for name in _HOT)
    return SimpleNamespace(
        **{name: value for module in modules for name, value in vars(module).items() if name[0] != "_"}
    )


def of(dtype: np.dtype) -> SimpleNamespace:
    """Return the kernels for float32 or float64.

    Raises
    ------
    ValueError
        If there are none for the type.
    """
    if dtype.char not in _TYPES:
        raise ValueError(f"nets compute in float32 or float64, got {dtype}")
    return build(INSTRUCTION_SET, dtype.char)


def default_threads() -> int:
    """Return the number of threads: ``OMP_NUM_THREADS``, else the processors this process may use."""
    return _threads(os.environ.get("OMP_NUM_THREADS", ""))


@cache
def _threads(wish: str) -> int:
    wanted = wish.split(",")[0].strip()
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


INSTRUCTION_SET = _choose()
