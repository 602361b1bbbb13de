"""A pool of memory for large arrays: fresh memory costs as much as a pass or two over it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from math import prod
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["Pool", "check_memory", "empty"]

_MIN_BYTES = 2**18
# How many times as large as an array its memory may be, and a pool as all its arrays ever were at once. With less, each
# step of the larger nets in zoo needs fresh memory.
_MAX_SLACK, _MAX_SURPLUS = 2, 1.25


@cache
def _installed() -> int:
    """Return the bytes of memory that this machine has, or 0 where it does not say."""
    known = getattr(os, "sysconf_names", {})
    wanted = ("SC_PHYS_PAGES", "SC_PAGE_SIZE")
    return prod(max(os.sysconf(name), 0) for name in wanted) if all(name in known for name in wanted) else 0


def check_memory(shape: Sequence[int], dtype: DTypeLike) -> None:
    """Refuse an array that is larger than the memory.

    Raises
    ------
    ValueError
        If it would take more memory than this machine has.
    """
    size, limit = prod(shape) * np.dtype(dtype).itemsize, _installed() or 2**63 - 1
    if size > limit:
        raise ValueError(
            f"an array of shape {tuple(shape)} takes {size / 2**30:.4g} GiB, and there are {limit / 2**30:.4g}"
        )


class Pool:
    """Memory that is leased to arrays, and kept after their end for others that are not much smaller.

    All of it is at most a quarter more than its arrays ever had at once.

    Attributes
    ----------
    live, kept : int
        Bytes leased, and bytes that are free.

    Examples
    --------
    >>> pool = Pool()
    >>> array = pool.empty((1000, 1000), np.float32)
    >>> del array
    >>> pool.live, pool.kept
    (0, 4000000)
    """

    def __init__(self) -> None:
        self.live = self.kept = self._max_live = 0
        self._free: dict[int, NDArray[np.uint8]] = {}
        # Reentrant, as `__del__` of a lease can run at any line, during garbage collection.
        self._lock = RLock()

    def empty(self, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array whose values are arbitrary, as `numpy.empty`.

        Raises
        ------
        ValueError
            If it would take more memory than this machine has.
        """
        dtype = np.dtype(dtype)
        size = prod(shape) * dtype.itemsize
        if size < _MIN_BYTES:
            return np.empty(shape, dtype)
        check_memory(shape, dtype)
        lease = _Lease(self, self._take(size))
        return np.asarray(lease)[:size].view(dtype).reshape(shape)

    def _take(self, size: int) -> NDArray[np.uint8]:
        with self._lock:
            fitting = [memory for memory in self._latest() if size <= memory.nbytes <= _MAX_SLACK * size]
            memory = min(fitting, key=_size, default=None)
            self.live += size if memory is None else memory.nbytes
            self._max_live = max(self._max_live, self.live)
            if memory is not None:
                return self._remove(memory)
            self._make_room(size)
        return np.empty(size, np.uint8)

    def _latest(self) -> list[NDArray[np.uint8]]:
        """Return what is free, the latest first."""
        return list(self._free.values())[::-1]

    def _remove(self, memory: NDArray[np.uint8]) -> NDArray[np.uint8]:
        self.kept -= memory.nbytes
        return self._free.pop(id(memory))

    def _make_room(self, size: int) -> None:
        """Drop free memory until fresh memory fits in: first what is smaller, which the fresh memory can replace."""
        free = sorted(self._latest(), key=_size)
        larger = sum(memory.nbytes < size for memory in free)
        for memory in free[:larger][::-1] + free[larger:]:
            if self.live + self.kept <= _MAX_SURPLUS * self._max_live:
                break
            self._remove(memory)

    def release(self, memory: NDArray[np.uint8]) -> None:
        """Take back what an array no longer needs."""
        with self._lock:
            self.live -= memory.nbytes
            self.kept += memory.nbytes
            self._free[id(memory)] = memory


class _Lease:
    """The base of an array from a pool and of all its views; when the last of them ends, so does the lease."""

    # Not an array itself: NumPy would make its memory the base of views of views, and the lease would end too early.
    def __init__(self, pool: Pool, memory: NDArray[np.uint8]) -> None:
        self.pool, self.memory, self.__array_interface__ = pool, memory, memory.__array_interface__

    def __del__(self) -> None:
        self.pool.release(self.memory)


def _size(memory: NDArray[np.uint8]) -> int:
    return memory.nbytes


_POOL = Pool()
empty = _POOL.empty
