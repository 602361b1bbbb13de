"""A forward that is written down as its calls to kernels and played again, without all that leads to them.

A small net spends as much time on the way to its kernels as inside them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import kernels

# Bytes of an input beyond which the way does not count, and the memory would.
_LARGEST = 2**20


class _Writing(threading.local):
    calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] | None = None


_writing = _Writing()


def run(function: Callable[..., Any], *args: Any) -> None:
    """Call what writes its result into one of the arguments; write it down if a forward is being written down."""
    function(*args)
    if _writing.calls is not None:
        _writing.calls.append((function, args))


def stop() -> None:
    """Say that numbers are made in another way than by `run`."""
    _writing.calls = None


class _Slot(NamedTuple):
    """Which argument of a call is a view of the input, and which view."""

    place: int
    shape: tuple[int, ...]
    offset: int
    strides: tuple[int, ...]


class Playback:
    """Plays forwards of one shape.

    A forward is written down when it comes a second time with the same ``state``, which is whatever must not have
    changed meanwhile; its arrays are kept for the next.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: Any = None
        self._calls: list[tuple[Callable[..., Any], tuple[Any, ...], list[_Slot]]] | None = None
        self._output: NDArray[Any] | None = None

    def forward(self, forward: Callable[[Any], Any], x: Any, state: Any, playable: Callable[[], bool]) -> Any:
        """Return ``forward(x)``.

        Parameters
        ----------
        forward : callable
            May be played if ``playable()``: if each number is made by functions that `run` calls with arrays.
        """
        if (
            type(x) is not np.ndarray
            or not 0 < x.nbytes <= _LARGEST
            or not x.flags.c_contiguous
            # Another thread may be using the arrays.
            or not self._lock.acquire(blocking=False)
        ):
            return forward(x)
        try:
            key = (state, x.shape, x.dtype, kernels.INSTRUCTION_SET, kernels.default_threads())
            if key != self._key:
                self._key, self._calls, self._output = key, None, None
                return forward(x)
            if self._calls is None:
                return self._write(forward, x, playable)
            if self._output is None:
                return forward(x)
            for function, args, slots in self._calls:
                function(*(_filled(args, slots, x) if slots else args))
            return self._output.copy()
        finally:
            self._lock.release()

    def _write(self, forward: Callable[[Any], Any], x: NDArray[Any], playable: Callable[[], bool]) -> Any:
        _writing.calls = []
        try:
            y = forward(x)
        finally:
            calls, _writing.calls = _writing.calls, None
        self._calls = [(function, args, _slots(args, x)) for function, args in calls or ()]
        if not playable() or not any(slots for _, _, slots in self._calls) or np.may_share_memory(x, y):
            self._calls = []
            return y
        self._output = y
        return y.copy()


def _slots(args: tuple[Any, ...], x: NDArray[Any]) -> list[_Slot]:
    slots = []
    for place, array in enumerate(args):
        if isinstance(array, np.ndarray) and array.size and np.may_share_memory(array, x):
            slots.append(_Slot(place, array.shape, array.ctypes.data - x.ctypes.data, array.strides))
    return slots


def _filled(args: tuple[Any, ...], slots: list[_Slot], x: NDArray[Any]) -> list[Any]:
    filled = list(args)
    for slot in slots:
        filled[slot.place] = np.ndarray(slot.shape, x.dtype, x, slot.offset, slot.strides)
    return filled
