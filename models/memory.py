"""Arrays in memory that is used again: a fresh large array costs as much as a pass or two over it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from math import prod
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["Pool", "empty"]

_SMALLEST = 2**18


class Pool:
    """Keeps the memory of arrays that are gone for new ones of about the same size.

    It keeps at most as many bytes as its arrays ever had at once, and lets go of what was not used for longest.

    Attributes
    ----------
    live, kept : int
        Bytes of arrays that exist, and of memory that waits.

    Examples
    --------
    >>> pool = Pool()
    >>> array = pool.empty((1000, 1000), np.float32)
    >>> del array
    >>> pool.live, pool.kept > 4_000_000
    (0, True)
    """

    def __init__(self) -> None:
        self.live = self.kept = self._most = 0
        self._waiting: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._by_size: dict[int, list[int]] = {}
        # Of one thread more than once: a collection of garbage may end loans at any line.
        self._lock = RLock()

    def empty(self, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array whose numbers are arbitrary, as `numpy.empty`."""
        dtype = np.dtype(dtype)
        size = prod(shape) * dtype.itemsize
        if size < _SMALLEST:
            return np.empty(shape, dtype)
        loan = _Loan(self, self._take(_rounded(size)))
        return np.asarray(loan)[:size].view(dtype).reshape(shape)

    def _take(self, size: int) -> NDArray[np.uint8]:
        with self._lock:
            self.live += size
            self._most = max(self._most, self.live)
            fitting = self._by_size.get(size)
            if fitting:
                self.kept -= size
                return self._waiting.pop(fitting.pop())
        return np.empty(size, np.uint8)

    def give(self, memory: NDArray[np.uint8]) -> None:
        """Take back what an array no longer needs."""
        with self._lock:
            self.live -= memory.nbytes
            self.kept += memory.nbytes
            self._waiting[id(memory)] = memory
            self._by_size.setdefault(memory.nbytes, []).append(id(memory))
            while self.kept > self._most:
                oldest, let_go = self._waiting.popitem(last=False)
                self._by_size[let_go.nbytes].remove(oldest)
                self.kept -= let_go.nbytes


class _Loan:
    """What an array from a pool and all its views hold; it ends with the last of them."""

    # No array itself: views of views would hold the memory then, and not the loan.
    def __init__(self, pool: Pool, memory: NDArray[np.uint8]) -> None:
        self.pool, self.memory, self.__array_interface__ = pool, memory, memory.__array_interface__

    def __del__(self) -> None:
        self.pool.give(self.memory)


def _rounded(size: int) -> int:
    """Round up to one of eight sizes between powers of two."""
    step = 1 << max(size.bit_length() - 4, 0)
    return -(-size // step) * step


_POOL = Pool()
empty = _POOL.empty
