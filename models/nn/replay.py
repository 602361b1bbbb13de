"""A forward is traced as its calls of kernels, and replayed for the next input without the Python around them.

A small net spends as much time on the way to its kernels as inside them.

Replay is sound because the origin of every value is known. A traced call may read views of the input, which become
those of the next input, parameters and buffers, what an earlier call wrote, and what follows from shapes alone; the
output must be what calls wrote. Anything else that a forward reads, such as an array that was converted on the way,
belongs to one input only: then nothing is replayed. Neither is a forward in which NumPy writes into the input or into
what a call wrote: during a trace these are read-only but for the calls.

A class that declares itself ``replayable`` promises the rest: no size or option of a call, and no branch of its code,
depends on the values of an array.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import kernels, memory

# Bytes of an input; for larger ones there is little to gain, and the arrays of the trace take memory.
_MAX_BYTES = 2**20


class _Active(threading.local):
    trace: _Trace | None = None


_active = _Active()


def run(
    function: Callable[..., Any],
    *args: Any,
    writes: tuple[NDArray[Any], ...],
    changes: tuple[NDArray[Any], ...] = (),
    fixed: tuple[NDArray[Any], ...] = (),
) -> None:
    """Call a function that writes its results into some of its arguments, and add the call to a trace if there is one.

    Parameters
    ----------
    function : callable
        Whose result depends on its arguments alone.
    *args
        Arrays that are not among the following are read.
    writes, changes, fixed : tuple of ndarray
        The arguments that are overwritten, those that are read and changed, and those that follow from shapes alone.
    """
    if _active.trace is None:
        function(*args)
    else:
        _active.trace.add(function, args, writes, changes, fixed)


def empty(shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array whose values are arbitrary, of the pool's memory unless a trace will keep it."""
    return memory.empty(shape, dtype) if _active.trace is None else np.empty(shape, dtype)


class _Call(NamedTuple):
    """A call, and the positions of those arguments that are views of the input, with functions that view another."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    views: list[tuple[int, Callable[[NDArray[Any]], NDArray[Any]]]]

    def args_for(self, x: NDArray[Any]) -> list[Any]:
        """Return the arguments with views of another input."""
        args = list(self.args)
        for position, view in self.views:
            args[position] = view(x)
        return args


class _Trace:
    """The calls of one forward, as long as the origin of all that they read is known.

    Parameters
    ----------
    x : ndarray
        The input, which owns its memory.
    sources : iterable of ndarray
        Other arrays that may be read, with the values that they have at the time of the replay.
    """

    def __init__(self, x: NDArray[Any], sources: Iterable[NDArray[Any]]) -> None:
        self.calls: list[_Call] = []
        self._is_known = True
        self._input = x
        self._sources = {id(root): root for root in map(_root, (x, *sources))}
        self._written: dict[int, tuple[NDArray[Any], NDArray[np.bool_]]] = {}

    def add(self, function: Callable[..., Any], args: Any, writes: Any, changes: Any, fixed: Any) -> None:
        """Make a call and keep it; what it wrote is read-only until `unlock`."""
        known = {id(array) for array in (*writes, *fixed)}
        read = [array for array in _arrays(args) if id(array) not in known]
        changed = [array for array in (*writes, *changes) if array.size]
        self._is_known &= all(map(self._knows, read)) and not any(map(self._is_source, changed))
        for array in changed if self._is_known else ():
            root = _root(array)
            # With the array itself, whose identity nothing else can take meanwhile.
            _, bytes_of_root = self._written.setdefault(id(root), (root, np.zeros(root.nbytes, bool)))
            _bytes(array, bytes_of_root)[...] = True
        self._set_writeable(args, True)
        function(*args)
        self._set_writeable(args, False)
        self.calls.append(_Call(function, args, self._views(args)))

    def _views(self, args: Any) -> list[tuple[int, Callable[[NDArray[Any]], NDArray[Any]]]]:
        views = []
        for position, arg in enumerate(args):
            if isinstance(arg, np.ndarray) and _root(arg) is self._input:
                views.append((position, _view(arg)))
            elif any(_root(array) is self._input for array in _arrays([arg])):
                # In a list, which no kernel needs.
                self._is_known = False
        return views

    def unlock(self) -> None:
        """Make writeable what the calls write."""
        for call in self.calls:
            self._set_writeable(call.args, True)

    def _set_writeable(self, args: Any, flag: bool) -> None:
        for array in _arrays(args):
            root = _root(array)
            if id(root) in self._written:
                root.flags.writeable = flag
                array.flags.writeable = flag

    def makes(self, output: Any) -> bool:
        """Return whether the calls write all values of an array."""
        traced = self._is_known and type(output) is np.ndarray and output.size > 0
        return traced and not self._is_source(output) and self._knows(output)

    def _is_source(self, array: NDArray[Any]) -> bool:
        return id(_root(array)) in self._sources

    def _knows(self, array: NDArray[Any]) -> bool:
        if not array.size or self._is_source(array):
            return True
        _, bytes_of_root = self._written.get(id(_root(array)), (None, None))
        return bytes_of_root is not None and bool(_bytes(array, bytes_of_root).all())


def _bytes(array: NDArray[Any], bytes_of_root: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the part of ``bytes_of_root`` that is an array's: whether a call wrote each byte."""
    shape, strides = (*array.shape, array.itemsize), (*array.strides, 1)
    return np.ndarray(shape, bool, bytes_of_root, array.ctypes.data - _root(array).ctypes.data, strides)


def _root(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array whose memory an array is a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _view(array: NDArray[Any]) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return a function that views another array as this one views its root."""
    shape, dtype, strides = array.shape, array.dtype, array.strides
    offset = array.ctypes.data - _root(array).ctypes.data
    return lambda x: np.ndarray(shape, dtype, x, offset, strides)


def _arrays(args: Iterable[Any]) -> Iterator[NDArray[Any]]:
    for arg in args:
        if isinstance(arg, np.ndarray):
            yield arg
        elif isinstance(arg, list):
            yield from _arrays(arg)


class Replay:
    """Replays the forwards of a net for inputs of one shape and type.

    The second forward in a row is traced; the trace and its arrays serve the following ones. It serves one state of a
    net, see `snapshot`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: Any = None
        self._calls: list[_Call] | None = None
        self._output: NDArray[Any] | None = None

    def forward(
        self,
        forward: Callable[[Any], Any],
        x: Any,
        sources: Callable[[], list[NDArray[Any]] | None],
    ) -> Any:
        """Return ``forward(x)``.

        Parameters
        ----------
        forward : callable
        x : ndarray or list of ndarray
            Only forwards of contiguous arrays are replayed.
        sources : callable
            Returns the arrays that the forward may read besides ``x``; None if it cannot be replayed, as it depends
            on the values of an array, on chance or on an earlier forward.
        """
        if (
            type(x) is not np.ndarray
            or not 0 < x.nbytes <= _MAX_BYTES
            # NumPy sums in the order of memory: another layout may be rounded differently.
            or not (x.flags.c_contiguous and x.flags.aligned)
            # Another thread may be using the arrays.
            or not self._lock.acquire(blocking=False)
        ):
            return forward(x)
        try:
            # In a forked child a call must not wake threads that it does not have.
            key = (x.shape, x.dtype, kernels.INSTRUCTION_SET, kernels.default_threads(), os.getpid())
            if key != self._key:
                self._key, self._calls, self._output = key, None, None
                return forward(x)
            if self._calls is None:
                return self._trace(forward, x, sources())
            if self._output is None:
                return forward(x)
            for call in self._calls:
                call.function(*(call.args_for(x) if call.views else call.args))
            return self._output.copy()
        finally:
            self._lock.release()

    def _trace(
        self, forward: Callable[[Any], Any], x: NDArray[Any], sources: list[NDArray[Any]] | None
    ) -> Any:
        if sources is None:
            self._calls = []
            return forward(x)
        own = x.copy()
        given = own.view()
        given.flags.writeable = False
        self._calls = []
        before, _active.trace = _active.trace, (trace := _Trace(own, sources))
        try:
            y = forward(given)
        except ValueError:
            # The input is wrong, or something writes into what is read-only now; the plain forward tells.
            y = None
        finally:
            _active.trace = before
            trace.unlock()
        if not trace.makes(y):
            return forward(x)
        self._calls, self._output = trace.calls, y
        return y.copy()
