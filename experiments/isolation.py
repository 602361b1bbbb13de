"""Cells in processes of their own, so that one that fails, hangs or dies harms nothing but its own row."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import ModuleType
from typing import Any

from .cell import Outcome

# How often running cells are looked at, in seconds, and how much of what they print is kept, in bytes.
_TICK = 0.1
_LOG_TAIL = 8192

# The first word of a process: its time counts from here, not from the loading of libraries before it.
_STARTED = "started"

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclass(frozen=True)
class Task:
    """A call to make in a process of its own.

    Parameters
    ----------
    key : str
        Whose it is.
    call : callable
        A function of a module, so that the other process finds it.
    arguments : tuple
        What it is called with; must be picklable.
    """

    key: str
    call: Callable[..., Outcome]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Ending:
    """How a task ended: with an outcome, or with a kind of failure and what is known of it."""

    outcome: Outcome | None = None
    kind: str | None = None
    error: str | None = None
    message: str | None = None
    traceback: str | None = None
    log: str | None = None
    peak_memory_bytes: int | None = None


def run_isolated(
    tasks: Iterable[Task],
    *,
    workers: int = 1,
    threads: int = 1,
    seconds: float | None = None,
    memory_bytes: int | None = None,
    preload: Iterable[str] = (),
) -> Iterator[tuple[Task, Ending]]:
    """Run tasks, each in a process of its own, and yield them as they end.

    Parameters
    ----------
    tasks : iterable of Task
        Taken one by one, as a process becomes free.
    workers : int
        How many run at a time.
    threads : int
        How many threads the numerical libraries of each may use.
    seconds, memory_bytes : optional
        Limits of each: wall time, and resident memory of the process with its children. A task that goes beyond
        one is killed.
    preload : iterable of str
        Modules worth importing once, before the processes are forked.

    Yields
    ------
    (Task, Ending)
        In the order in which they end. The kind of a failure is ``"error"``, ``"crash"``, ``"timeout"`` or
        ``"memory"``.
    """
    context = _context(preload)
    waiting = iter(tasks)
    running: list[_Process] = []
    with tempfile.TemporaryDirectory(prefix="actionbench-") as folder:
        try:
            while True:
                while len(running) < workers and (task := next(waiting, None)) is not None:
                    running.append(_Process(context, task, Path(folder), threads, seconds, memory_bytes))
                    running[-1].start()
                if not running:
                    return
                wait([process.receiver for process in running], timeout=_TICK)
                for process in list(running):
                    ending = process.poll()
                    if ending is not None:
                        running.remove(process)
                        yield process.task, ending
        finally:
            for process in running:
                process.kill()


class _Process:
    """A running task, seen from outside."""

    def __init__(
        self,
        context: Any,
        task: Task,
        folder: Path,
        threads: int,
        seconds: float | None,
        memory_bytes: int | None,
    ) -> None:
        self.task = task
        self._log = folder / f"{task.key}.log"
        self._seconds, self._memory_bytes, self._peak = seconds, memory_bytes, 0
        self.receiver, self._sender = context.Pipe(duplex=False)
        self._threads, self._started = threads, math.inf
        arguments = (task.call, task.arguments, self._sender, str(self._log), threads)
        self._process = context.Process(target=_inside, args=arguments, daemon=False)

    def start(self) -> None:
        """Let it run."""
        with _thread_variables(self._threads), _without_main(), _without_interrupt():
            self._process.start()
        self._sender.close()

    def poll(self) -> Ending | None:
        """Return how the task ended, None while it runs."""
        if self.receiver.poll():
            message = self._receive()
            if message != _STARTED:
                return self._end(message)
            self._started = time.monotonic()
        if self._seconds is not None and time.monotonic() - self._started > self._seconds:
            self.kill()
            return self._failure("timeout", f"took longer than the limit of {self._seconds:g} s")
        if self._memory_bytes is not None and self._resident() > self._memory_bytes:
            self.kill()
            limit = self._memory_bytes / 2**20
            return self._failure("memory", f"used more than the limit of {limit:.0f} MiB of memory")
        return None

    def _receive(self) -> object:
        try:
            return self.receiver.recv()
        except (EOFError, OSError):
            return None

    def _end(self, message: object) -> Ending:
        self._process.join()
        code = self._process.exitcode
        self.kill()
        if isinstance(message, Outcome):
            return Ending(outcome=message)
        if isinstance(message, dict):
            kind = "memory" if message["error"] == "MemoryError" else "error"
            return self._failure(kind, **message)
        how = (
            f"was killed by {signal.Signals(-code).name}"
            if code and code < 0
            else f"ended with exit code {code}"
        )
        return self._failure("crash", f"the process {how}")

    def _failure(self, kind: str, message: str, **more: Any) -> Ending:
        return Ending(
            kind=kind, message=message, log=self._tail(), peak_memory_bytes=self._peak or None, **more
        )

    def _resident(self) -> int:
        import psutil

        with suppress(psutil.Error):
            process = psutil.Process(self._process.pid)
            family = [process, *process.children(recursive=True)]
            now = 0
            for member in family:
                with suppress(psutil.Error):
                    now += member.memory_info().rss
            self._peak = max(self._peak, now)
            return now
        return 0

    def _tail(self) -> str:
        with suppress(OSError), self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - _LOG_TAIL))
            return file.read().decode(errors="replace")
        return ""

    def kill(self) -> None:
        """End the process and all that it started."""
        self.receiver.close()
        if self._process.pid is None:
            return
        # The group is the child's own as soon as it runs; before that there is only the child.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.is_alive():
            self._process.kill()
        self._process.join()


def _inside(
    call: Callable[..., Outcome], arguments: tuple[Any, ...], sender: Connection, log: str, threads: int
) -> None:
    """Make the call and send what comes of it; runs in the process of a task."""
    os.setpgid(0, 0)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        with open(log, "wb", buffering=0) as file:
            for stream in (1, 2):
                os.dup2(file.fileno(), stream)
    except FileNotFoundError:
        # The run was stopped, and its folder removed, while this process was being made.
        return
    sender.send(_STARTED)
    try:
        message: Outcome | dict[str, str] = _call_with_threads(call, arguments, threads)
    except BaseException as error:  # whatever it is, it belongs into the row of the cell
        message = {
            "error": type(error).__name__,
            "message": str(error) or type(error).__name__,
            "traceback": traceback.format_exc(),
        }
    sys.stdout.flush()
    sys.stderr.flush()
    sender.send(message)
    sender.close()


def _call_with_threads(call: Callable[..., Outcome], arguments: tuple[Any, ...], threads: int) -> Outcome:
    import cv2
    from threadpoolctl import threadpool_limits

    cv2.setNumThreads(threads)
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = str(threads)
    # A BLAS may split its sums by the number of threads; a limit must not change a result.
    with threadpool_limits(limits={"openmp": threads, "blas": 1}):
        return call(*arguments)


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.killpg(0, signal.SIGKILL)


def _context(preload: Iterable[str]) -> Any:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *preload])
    return context


@contextmanager
def _thread_variables(threads: int) -> Iterator[None]:
    """Set the variables that libraries read as they are loaded."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _without_interrupt() -> Iterator[None]:
    """Let an interrupt wait: a process that is half made would complain on its own."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _without_main() -> Iterator[None]:
    """Hide the main module, which a new process would otherwise run again: a script needs no guard this way."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
