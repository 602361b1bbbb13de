"""What work costs: wall and CPU time, energy and memory, with each feature counted once, computed or found."""

from __future__ import annotations

import ctypes
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Charges",
    "Cost",
    "EnergyMeter",
    "Stopwatch",
    "charging",
    "current_charges",
    "peak_memory_bytes",
]

_POWERCAP = Path("/sys/class/powercap")
# Written there, this lets the peak of the resident set begin anew (Linux).
_CLEAR_REFS, _CLEAR_PEAK = Path("/proc/self/clear_refs"), "5"


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
    return max(_MemoryMeter.largest, _peak_bytes())


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _resident_bytes() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


def _release_memory() -> None:
    """Give freed memory back to the system, so that what a process holds does not depend on what it has done before."""
    with suppress(AttributeError, OSError):  # a function of the GNU library
        ctypes.CDLL(None).malloc_trim(0)


class _MemoryMeter:
    """The memory that a block needs beyond what its process held before; blocks may lie in each other.

    Libraries that earlier blocks have loaded count as needed: another process that finds what a block has computed has
    not loaded them. Where the peak cannot begin anew, a block that stays below that of an earlier one seems to need
    nothing else.

    Attributes
    ----------
    bytes : int
        Set when the block ends.
    """

    bytes = 0
    #: The largest resident set before the peak began anew.
    largest = 0
    #: What all blocks so far have left behind.
    left = 0
    _open: list[_MemoryMeter] = []  # noqa: RUF012 (of this process)

    def __enter__(self) -> Self:
        self._note()
        try:
            _CLEAR_REFS.write_text(_CLEAR_PEAK)
            self._floor = 0
        except OSError:
            self._floor = _peak_bytes()
        self._before = self._peak = _resident_bytes()
        self._left_before, self._left_inside = self.left, 0
        self._open.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._note()
        self._open.remove(self)
        self.bytes = self._left_before + max(0, self._peak - self._before)
        _release_memory()
        grown = _resident_bytes() - self._before
        _MemoryMeter.left = max(0, self.left + grown - self._left_inside)
        for outer in self._open[-1:]:
            outer._left_inside += grown

    @classmethod
    def _note(cls) -> None:
        now = _peak_bytes()
        _MemoryMeter.largest = max(cls.largest, now)
        for meter in cls._open:
            if now > meter._floor:
                meter._peak = max(meter._peak, now)


class Cost(NamedTuple):
    """What a feature of a clip cost, without the features that it rests on.

    Attributes
    ----------
    seconds, cpu_seconds : float
        Wall and CPU time.
    joules : float
        Energy of the whole processor meanwhile, NaN where it is not known.
    memory_bytes : int
        Memory that was needed beyond what the process held before, with the libraries that it had loaded for features.
    """

    seconds: float
    cpu_seconds: float
    joules: float
    memory_bytes: int


def _clock() -> Callable[[], NDArray[np.float64]]:
    """Return what tells wall seconds, CPU seconds and joules, shape (3,)."""
    energy = EnergyMeter()

    def now() -> NDArray[np.float64]:
        joules = energy.joules()
        return np.array(
            [time.perf_counter(), time.process_time(), float("nan") if joules is None else joules]
        )

    return now


class Charges:
    """What the features of a block of work cost: each once, however often it is read, computed there or before.

    Parameters
    ----------
    clock : callable
        Returns wall seconds, CPU seconds and joules, shape (3,).

    Attributes
    ----------
    extra : ndarray of float64, shape (3,)
        What is to be added to the wall seconds, CPU seconds and joules that the block measures: the cost of the
        features that it found, less what keeping, finding and waiting for features took.
    memory_bytes : int
        What the process would have held if it had computed what it found.
    """

    def __init__(self, clock: Callable[[], NDArray[np.float64]]) -> None:
        self.extra = np.zeros(3)
        self.memory_bytes = 0
        self._clock = clock
        self._total, self._spent = np.zeros(3), np.zeros(3)
        self._counted: set[str] = set()
        self._measured: set[str] = set()
        self._open: list[dict[str, Cost]] = []

    @contextmanager
    def entry(self) -> Iterator[dict[str, Cost]]:
        """Charge the feature that is found or computed inside of a ``with`` block.

        Yields
        ------
        dict
            To be filled with the costs of the feature and of those that it rests on, by their keys; features that are
            charged inside are put there.
        """
        costs: dict[str, Cost] = {}
        begun, extra, total, spent = self._clock(), self.extra, self._total, self._spent
        self._open.append(costs)
        try:
            yield costs
        finally:
            self._open.pop()
            for outer in self._open[-1:]:
                outer.update(costs)
            new = costs.keys() - self._counted
            found = new - self._measured
            self._counted |= new
            if new:
                self._total = self._total + np.sum([costs[key][:3] for key in sorted(new)], axis=0)
            if found:
                needed = max(costs[key].memory_bytes for key in found)
                held = _resident_bytes() - _MemoryMeter.left
                self.memory_bytes = max(self.memory_bytes, held + needed)
            elapsed = self._clock() - begun
            self.extra = extra + self._total - total - elapsed
            self._spent = spent + elapsed

    @contextmanager
    def computing(self, costs: dict[str, Cost], key: str) -> Iterator[None]:
        """Measure what a feature costs that is computed inside of a ``with`` block, without those charged there."""
        begun, spent = self._clock(), self._spent
        with _MemoryMeter() as memory:
            yield
        own = self._clock() - begun - (self._spent - spent)
        seconds, cpu_seconds, joules = map(float, own)
        costs[key] = Cost(seconds, cpu_seconds, joules, memory.bytes)
        self._measured.add(key)


_CHARGES: ContextVar[Charges | None] = ContextVar("charges", default=None)


@contextmanager
def charging(clock: Callable[[], NDArray[np.float64]] | None = None) -> Iterator[Charges]:
    """Charge the features that are read inside of a ``with`` block, each once.

    Parameters
    ----------
    clock : callable, optional
        See `Charges`; by default that of the machine.
    """
    charges = Charges(clock or _clock())
    token = _CHARGES.set(charges)
    try:
        yield charges
    finally:
        _CHARGES.reset(token)


def current_charges() -> Charges | None:
    """Return the charges of the innermost block that charges, None outside of any."""
    return _CHARGES.get()
