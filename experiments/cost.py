"""What a cell costs."""

from __future__ import annotations

import resource
import sys
import time
from types import TracebackType
from typing import Self


class Stopwatch:
    """Wall and CPU seconds of a block, the CPU seconds of this process and its ended children.

    Attributes
    ----------
    seconds, cpu_seconds : float
        Set when the block ends.
    """

    seconds = float("nan")
    cpu_seconds = float("nan")

    def __enter__(self) -> Self:
        self._cpu = _cpu_seconds()
        self._wall = time.perf_counter()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.seconds = time.perf_counter() - self._wall
        self.cpu_seconds = _cpu_seconds() - self._cpu


def peak_memory_bytes() -> int:
    """Return the largest resident set that this process has had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
