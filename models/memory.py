"""Arrays in memory that is used again: a fresh large array costs as much as a pass or two over it."""

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

_SMALLEST = 2**18
# How much larger than an array its memory may be, and how much more a pool may hold than its arrays ever had at once.
# With less, each step of the larger nets in zoo needs fresh memory.
_LOOSE, _ROOM = 2, 1.25


@cache
def _installed() -> int:
    """Return the bytes of memory that this machine has, or 0 where it does not say."""
    known = getattr(os, "sysconf_names", {})
    wanted = ("SC_PHYS_PAGES", "SC_PAGE_SIZE")
    return prod(max(os.sysconf(name), 0) for name in wanted) if all(name in known for name in wanted) else 0


def check_memory(shape: Sequence[int], dtype: DTypeLike) -> None:
    """Raise an error for an array that cannot be, before anything is made for it.

    Raises
    ------
    ValueError
        If it would take more memory than this machine has.
    """
    size, most = prod(shape) * np.dtype(dtype).itemsize, _installed() or 2**63 - 1
    if size > most:
        raise ValueError(
            f"an array of shape {tuple(shape)} takes {size / 2**30:.4g} GiB, and there are {most / 2**30:.4g}"
        )


class Pool:
    """Keeps the memory of arrays that are gone for new ones that are not much smaller.

    All that it holds is at most a quarter more than its arrays ever had at once.

    Attributes
    ----------
    live, kept : int
        Bytes of arrays that exist, and of memory that waits.

    Examples
    --------
    >>> pool = Pool()
    >>> array = pool.empty((1000, 1000), np.float32)
    >>> del array
    >>> pool.live, pool.kept
    (0, 4000000)
    """

    def __init__(self) -> None:
        self.live = self.kept = self._most = 0
        self._waiting: dict[int, NDArray[np.uint8]] = {}
        # Of one thread more than once: a collection of garbage may end loans at any line.
        self._lock = RLock()

    def empty(self, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array whose numbers are arbitrary, as `numpy.empty`.

        Raises
        ------
        ValueError
            If it would take more memory than this machine has.
        """
        dtype = np.dtype(dtype)
        size = prod(shape) * dtype.itemsize
        if size < _SMALLEST:
            return np.empty(shape, dtype)
        check_memory(shape, dtype)
        loan = _Loan(self, self._take(size))
        return np.asarray(loan)[:size].view(dtype).reshape(shape)

    def _take(self, size: int) -> NDArray[np.uint8]:
        with self._lock:
            fitting = [memory for memory in self._latest() if size <= memory.nbytes <= _LOOSE * size]
            memory = min(fitting, key=_size, default=None)
            self.live += size if memory is None else memory.nbytes
            self._most = max(self._most, self.live)
            if memory is not None:
                return self._remove(memory)
            self._make_room(size)
        return np.empty(size, np.uint8)

    def _latest(self) -> list[NDArray[np.uint8]]:
        """Return what waits, what was let go last first."""
        return list(self._waiting.values())[::-1]

    def _remove(self, memory: NDArray[np.uint8]) -> NDArray[np.uint8]:
        self.kept -= memory.nbytes
        return self._waiting.pop(id(memory))

    def _make_room(self, size: int) -> None:
        """Let go of as much as fresh memory takes too much: first of what that can stand in for."""
        waiting = sorted(self._latest(), key=_size)
        larger = sum(memory.nbytes < size for memory in waiting)
        for memory in waiting[:larger][::-1] + waiting[larger:]:
            if self.live + self.kept <= _ROOM * self._most:
                break
            self._remove(memory)

    def give(self, memory: NDArray[np.uint8]) -> None:
        """Take back what an array no longer needs."""
        with self._lock:
            self.live -= memory.nbytes
            self.kept += memory.nbytes
            self._waiting[id(memory)] = memory


class _Loan:
    """What an array from a pool and all its views hold; it ends with the last of them."""

    # No array itself: views of views would hold the memory then, and not the loan.
    def __init__(self, pool: Pool, memory: NDArray[np.uint8]) -> None:
        self.pool, self.memory, self.__array_interface__ = pool, memory, memory.__array_interface__

    def __del__(self) -> None:
        self.pool.give(self.memory)


def _size(memory: NDArray[np.uint8]) -> int:
    return memory.nbytes


_POOL = Pool()
empty = _POOL.empty
