"""Costs of a block of work: wall and CPU time, energy and memory, with each feature counted once, cached or not."""

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
    "Cost",
    "EnergyMeter",
    "FeatureCosts",
    "Stopwatch",
    "current_costs",
    "peak_memory_bytes",
]

_POWERCAP = Path("/sys/class/powercap")
# Writing this resets the peak of the resident set (Linux).
_CLEAR_REFS, _CLEAR_PEAK = Path("/proc/self/clear_refs"), "5"


class Stopwatch:
    """Wall and CPU seconds of a block, the CPU seconds of this process and its ended children, and its energy.

    Attributes
    ----------
    seconds, cpu_seconds : float
        Set when the block ends.
    joules : float or None
        Energy of the whole processor meanwhile; None where it cannot be read.

    Examples
    --------
    >>> with Stopwatch() as watch:
    ...     time.sleep(0.01)
    >>> watch.seconds > 0.009
    True
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
    """Energy used since the meter was created, by the processor's counters (RAPL, Linux), of all its packages.

    Parameters
    ----------
    folder : Path
        Where the kernel shows the counters.

    Notes
    -----
    Counters wrap around. A counter that wraps twice between two readings, which takes a minute or more, is misread.
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
    """Return the largest resident set that this process has had, in bytes.

    Examples
    --------
    >>> peak_memory_bytes() > 2**20
    True
    """
    return max(_MemoryMeter.earlier_peak, _peak_bytes())


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
    """Return freed memory to the system, so that what a process holds does not depend on its past."""
    with suppress(AttributeError, OSError):  # a function of the GNU library
        ctypes.CDLL(None).malloc_trim(0)


class _MemoryMeter:
    """The memory that a block needs beyond what its process held before; blocks may be nested.

    Libraries loaded by earlier blocks count as needed, since a process that finds the result in the cache has not
    loaded them. Where the peak cannot be reset, a block that stays below an earlier peak appears to need nothing else.

    Attributes
    ----------
    bytes : int
        Set when the block ends.
    """

    bytes = 0
    #: Largest resident set before the last reset of the peak.
    earlier_peak = 0
    #: Bytes that all blocks so far have retained.
    retained = 0
    _open: list[_MemoryMeter] = []  # noqa: RUF012 (of this process)

    def __enter__(self) -> Self:
        self._update_peaks()
        try:
            _CLEAR_REFS.write_text(_CLEAR_PEAK)
            self._peak_before = 0
        except OSError:
            self._peak_before = _peak_bytes()
        self._before = self._peak = _resident_bytes()
        self._retained_before, self._retained_inside = self.retained, 0
        self._open.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._update_peaks()
        self._open.remove(self)
        self.bytes = self._retained_before + max(0, self._peak - self._before)
        _release_memory()
        grown = _resident_bytes() - self._before
        _MemoryMeter.retained = max(0, self.retained + grown - self._retained_inside)
        for outer in self._open[-1:]:
            outer._retained_inside += grown

    @classmethod
    def _update_peaks(cls) -> None:
        now = _peak_bytes()
        _MemoryMeter.earlier_peak = max(cls.earlier_peak, now)
        for meter in cls._open:
            if now > meter._peak_before:
                meter._peak = max(meter._peak, now)


class Cost(NamedTuple):
    """Cost of a feature of a clip, without the features that it is computed from.

    Attributes
    ----------
    seconds, cpu_seconds : float
        Wall and CPU time.
    joules : float
        Energy of the whole processor meanwhile, NaN where it is not known.
    memory_bytes : int
        Memory needed beyond what the process held before, libraries loaded for features included.
    """

    seconds: float
    cpu_seconds: float
    joules: float
    memory_bytes: int


def _clock() -> Callable[[], NDArray[np.float64]]:
    """Return a function that returns wall seconds, CPU seconds and joules, shape (3,)."""
    energy = EnergyMeter()

    def now() -> NDArray[np.float64]:
        joules = energy.joules()
        return np.array(
            [time.perf_counter(), time.process_time(), float("nan") if joules is None else joules]
        )

    return now


class FeatureCosts:
    """Full cost of the features that a block of work uses, each counted once, whether computed there or cached.

    Parameters
    ----------
    clock : callable
        Returns wall seconds, CPU seconds and joules, shape (3,).

    Attributes
    ----------
    correction : ndarray of float64, shape (3,)
        What to add to the wall seconds, CPU seconds and joules measured with the cache to get those without it: the
        cost of computing the cached features, less the time spent on reading, writing and waiting for them.
    memory_bytes : int
        What the process would have held had it computed the cached features.
    """

    def __init__(self, clock: Callable[[], NDArray[np.float64]]) -> None:
        self.correction = np.zeros(3)
        self.memory_bytes = 0
        self._clock = clock
        # Full cost of all features counted so far, and the actual cost of getting them.
        self._full, self._actual = np.zeros(3), np.zeros(3)
        self._counted: set[str] = set()
        self._measured: set[str] = set()
        self._open: list[dict[str, Cost]] = []

    @contextmanager
    def reading(self) -> Iterator[dict[str, Cost]]:
        """Count the feature that is read from the cache or computed inside of a ``with`` block.

        Yields
        ------
        dict
            To be filled with the costs of the feature and of those that it is computed from, by key; features counted
            in nested blocks are added.
        """
        costs: dict[str, Cost] = {}
        begun, correction, full, actual = self._clock(), self.correction, self._full, self._actual
        self._open.append(costs)
        try:
            yield costs
        finally:
            self._open.pop()
            for outer in self._open[-1:]:
                outer.update(costs)
            new = costs.keys() - self._counted
            cached = new - self._measured
            self._counted |= new
            if new:
                self._full = self._full + np.sum([costs[key][:3] for key in sorted(new)], axis=0)
            if cached:
                needed = max(costs[key].memory_bytes for key in cached)
                held = _resident_bytes() - _MemoryMeter.retained
                self.memory_bytes = max(self.memory_bytes, held + needed)
            elapsed = self._clock() - begun
            self.correction = correction + self._full - full - elapsed
            self._actual = actual + elapsed

    @contextmanager
    def measuring(self, costs: dict[str, Cost], key: str) -> Iterator[None]:
        """Measure the cost of a feature computed inside of a ``with`` block, without those counted in nested blocks."""
        begun, actual = self._clock(), self._actual
        with _MemoryMeter() as memory:
            yield
        own = self._clock() - begun - (self._actual - actual)
        seconds, cpu_seconds, joules = map(float, own)
        costs[key] = Cost(seconds, cpu_seconds, joules, memory.bytes)
        self._measured.add(key)


_CURRENT: ContextVar[FeatureCosts | None] = ContextVar("current feature costs", default=None)


@contextmanager
def track_costs(clock: Callable[[], NDArray[np.float64]] | None = None) -> Iterator[FeatureCosts]:
    """Count the costs of the features that are used inside of a ``with`` block, each once.

    Parameters
    ----------
    clock : callable, optional
        See `FeatureCosts`; by default that of the machine.

    Examples
    --------
    >>> from actionbench.features.cache import compute_one, temporary_cache
    >>> from actionbench.features.examples import examples
    >>> from actionbench.features.history import MotionHistory
    >>> with temporary_cache(), track_costs() as costs:
    ...     found = compute_one(MotionHistory(), examples()[0][0])
    >>> costs.correction.shape
    (3,)
    """
    costs = FeatureCosts(clock or _clock())
    token = _CURRENT.set(costs)
    try:
        yield costs
    finally:
        _CURRENT.reset(token)


def current_costs() -> FeatureCosts | None:
    """Return the costs tracked by the innermost `track_costs` block, None outside of any."""
    return _CURRENT.get()
