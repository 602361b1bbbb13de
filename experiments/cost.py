"""What a cell costs."""

from __future__ import annotations

import resource
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_POWERCAP = Path("/sys/class/powercap")


class Stopwatch:
    """Wall and CPU seconds of a block, the CPU seconds of this process and its ended children, and its energy.

    Attributes
    ----------
    seconds, cpu_seconds : float
        Set when the block ends.
    joules : float or None
        What the processor has used, with all that ran on it meanwhile; None where that cannot be read.
    """

    seconds = float("nan")
    cpu_seconds = float("nan")
    joules: float | None = None

    def __enter__(self) -> Self:
        self._energy = EnergyMeter()
        self._cpu = _cpu_seconds()
        self._wall = time.perf_counter()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.seconds = time.perf_counter() - self._wall
        self.cpu_seconds = _cpu_seconds() - self._cpu
        self.joules = self._energy.joules()


class EnergyMeter:
    """Energy since it was made, by the processor's own counters (RAPL, Linux), of all its packages.

    Parameters
    ----------
    folder : Path
        Where the kernel shows the counters.

    Notes
    -----
    Counters run over; one that does so twice between two readings goes unseen, which takes a minute or more.
    """

    def __init__(self, folder: Path = _POWERCAP) -> None:
        self._zones = sorted(folder.glob("intel-rapl:[0-9]")) if folder.is_dir() else []
        self._start = self._read()

    def joules(self) -> float | None:
        """Return the energy so far, None where it cannot be read."""
        now = self._read()
        if not now or len(now) != len(self._start):
            return None
        return (
            sum((end - start) % size for (start, size), (end, _) in zip(self._start, now, strict=True)) / 1e6
        )

    def _read(self) -> list[tuple[int, int]]:
        """Return counter and size of each package in microjoules."""
        with suppress(OSError, ValueError):
            return [
                (
                    int((zone / "energy_uj").read_text()),
                    int((zone / "max_energy_range_uj").read_text()) + 1,
                )
                for zone in self._zones
            ]
        return []


def peak_memory_bytes() -> int:
    """Return the largest resident set that this process has had, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
