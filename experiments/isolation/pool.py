"""Cells in processes of their own, so that one that fails, hangs or dies harms nothing but its own row."""

from __future__ import annotations

import atexit
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

from ...errors import ActionbenchError
from ...features.cache import TEMPORARY_PREFIX
from ...progress import Stages
from .fork_server import EXIT_NO_CHILDREN, ForkServer, ForkServerDied
from .worker import HEAD, MARK, STAGES_EVERY, STARTED, framed, read_stages

# How often running cells are looked at, in seconds; how long one may take to end when it is asked to; how much of
# what it prints is kept, and read at once, in bytes.
_TICK = 0.05
GRACE = 2.0
_LOG_TAIL = 8192
_PIECE = 1 << 18

#: How often a fork server may die one after the other while no task runs.
_MAX_DEATHS = 3

#: The module that every process finds imported.
WARM = f"{__package__.rpartition('.')[0]}.running.warm"


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
    call: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class ResourceLimits:
    """What one task may use; None where there is no limit.

    Parameters
    ----------
    seconds : float, optional
        Wall time. A task that takes longer is asked to end and, if it does not, killed.
    memory_bytes : int, optional
        Resident memory of the process with its children.
    output_bytes : int, optional
        What it prints, what it gives back, and what lies in its temporary folder, each by itself.
    threads : int
        Threads of the numerical libraries.
    """

    seconds: float | None = None
    memory_bytes: int | None = None
    output_bytes: int | None = None
    threads: int = 1


@dataclass(frozen=True)
class TaskResult:
    """How a task ended: with an outcome, or with a kind of failure and what is known of it."""

    outcome: Any = None
    kind: str | None = None
    error: str | None = None
    message: str | None = None
    traceback: str | None = None
    log: str | None = None
    tree_memory_bytes: int | None = None
    #: How often it was begun, and on which machine, where there are several.
    n_starts: int = 1
    machine: dict[str, Any] | None = None


def run_isolated(
    tasks: Iterable[Task],
    *,
    workers: int = 1,
    resource_limits: ResourceLimits = ResourceLimits(),
    preload: Iterable[str] = (),
    fork_server: ForkServer | None = None,
    stopping: Callable[[], bool] = lambda: False,
    progress: Callable[[Task, Stages], None] = lambda task, stages: None,
) -> Generator[tuple[Task, TaskResult], None, None]:
    """Run tasks, each in a process of its own, and yield them as they end.

    Parameters
    ----------
    tasks : iterable of Task
        Taken one by one, as a process becomes free.
    workers : int
        How many run at a time.
    resource_limits : ResourceLimits
        What each may use.
    preload : iterable of str
        Modules worth importing once, before the processes are forked.
    fork_server : ForkServer, optional
        What forks the processes; by default one that each thread starts once and keeps.
    stopping : callable
        Asked before each task is taken: once it returns true, those that run are the last.
    progress : callable
        Called with a task and no stages when its time begins, and then at most once a second with what it has told,
        see `actionbench.progress`.

    Yields
    ------
    (Task, TaskResult)
        In the order in which they end. The kind of a failure is ``"error"``, ``"crash"``, ``"timeout"``,
        ``"memory"`` or ``"output"``.
    """
    fork_server = fork_server or own_fork_server()
    try:
        folder = tempfile.mkdtemp(prefix=fork_server.prefix)
    except OSError as error:
        raise ActionbenchError(
            f"there is no folder for temporary files that can be written: {error}"
        ) from error
    runner = _Runner(
        iter(tasks), workers, resource_limits, [WARM, *preload], fork_server, Path(folder), stopping, progress
    )
    try:
        yield from runner.results()
    finally:
        runner.close()
        shutil.rmtree(folder, ignore_errors=True)


class _Runner:
    """Keeps processes running, and starts a new fork server where one has died."""

    def __init__(
        self,
        tasks: Iterator[Task],
        workers: int,
        resource_limits: ResourceLimits,
        preload: list[str],
        fork_server: ForkServer,
        folder: Path,
        stopping: Callable[[], bool],
        progress: Callable[[Task, Stages], None],
    ) -> None:
        self._progress = progress
        self._tasks, self._workers, self._resource_limits = tasks, workers, resource_limits
        self._preload, self._workspaces, self._stopping = preload, _Workspaces(folder), stopping
        self._fork_server = fork_server
        self._fork_server.preload(preload)
        self._running: dict[int, _Process] = {}
        #: Tasks that ran when a fork server died, one of which may have killed it: they run again, one at a time.
        self._suspects: deque[Task] = deque()
        self._suspect: int | None = None
        self._kernel_kills = _kernel_kills()
        self._n_deaths = 0

    def results(self) -> Iterator[tuple[Task, TaskResult]]:
        while True:
            try:
                self._fill()
                if not self._running:
                    return
                self._look()
                self._fork_server.resume_if_stopped()
                ended = self._fork_server.ended()
            except ForkServerDied:
                yield from self._recover()
                continue
            for pid, code in ended:
                process = self._running.pop(pid)
                kills, self._kernel_kills = self._kernel_kills, _kernel_kills()
                yield process.task, process.end(code, by_kernel=self._kernel_kills > kills)

    def _fill(self) -> None:
        while self._has_room() and not self._stopping():
            suspected = bool(self._suspects)
            task = self._suspects.popleft() if suspected else next(self._tasks, None)
            if task is None:
                return
            try:
                process = _Process(self._fork_server, task, self._resource_limits, self._workspaces)
            except ForkServerDied:
                self._suspects.append(task)
                raise
            except OSError as error:
                raise ActionbenchError(f"no process can be started for a cell: {error}") from error
            self._running[process.pid] = process
            self._n_deaths = 0
            if suspected:
                self._suspect = process.pid

    def _has_room(self) -> bool:
        alone = bool(self._suspects) or self._suspect in self._running
        return len(self._running) < (1 if alone else self._workers)

    def _look(self) -> None:
        """Wait for something to happen, and read what processes send."""
        # It is used once, and what it registers takes no system call.
        with selectors.PollSelector() as selector:
            selector.register(self._fork_server, selectors.EVENT_READ)
            for process in self._running.values():
                for stream in process.open_streams():
                    selector.register(stream, selectors.EVENT_READ, process)
            for key, _ in selector.select(_TICK):
                if key.data is not None:
                    key.data.hear(key.fileobj)
        for process in self._running.values():
            process.watch()
            if (stages := process.news()) is not None:
                self._progress(process.task, stages)

    def _recover(self) -> Iterator[tuple[Task, TaskResult]]:
        """Begin again after the fork server has died, with all that ran in it."""
        processes, self._running = list(self._running.values()), {}
        self._n_deaths += not processes
        if self._n_deaths == _MAX_DEATHS:
            raise ActionbenchError(
                "no process can be started for a cell: the process that starts them ends each time; "
                "there must be memory and processes left"
            )
        self._fork_server.revive(self._preload)
        if len(processes) == 1:
            yield (
                processes[0].task,
                processes[0].end(None, why="the process and the one that had started it were killed"),
            )
            return
        for process in processes:
            process.abandon()
            self._suspects.append(process.task)

    def close(self) -> None:
        for process in self._running.values():
            process.abandon()
        if self._running:
            # Whatever has just begun to end is gone before anything else begins.
            self._fork_server.revive()


class _Workspaces:
    """Workspaces of tasks; one that a task has left as it was is used again.

    To make and remove a folder takes some file systems as long as a short task.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._free = folder, list[_Workspace]()

    def acquire(self) -> _Workspace:
        """Return one that is as new."""
        if self._free:
            return self._free.pop()
        # Made here, where a full disk is no failure of the task.
        return _Workspace(Path(tempfile.mkdtemp(dir=self._folder)))

    def release(self, workspace: _Workspace, *, reuse: bool) -> None:
        """Take one back; only that of a task of which no process is left may be used again."""
        if reuse and workspace.is_as_new():
            self._free.append(workspace)
        else:
            shutil.rmtree(workspace.path, ignore_errors=True)


class _Workspace:
    """A folder for temporary files of a task, and files for its traces and for how far it is."""

    def __init__(self, path: Path) -> None:
        self.path, self.temporary, self.trace = path, path / "tmp", path / "trace"
        # Made by a task that takes long.
        self.stages = path / "stages"
        self.temporary.mkdir(mode=0o700)
        self.trace.touch()
        self._new = self._look()

    def is_as_new(self) -> bool:
        """Return whether nothing was left there, and nothing changed."""
        with suppress(OSError):
            return self._look() == self._new
        return False

    def _look(self) -> list[Any]:
        kinds = [path.lstat() for path in (self.path, self.temporary, self.trace)]
        within = [sorted(os.listdir(path)) for path in (self.path, self.temporary)]
        return [*((kind.st_ino, kind.st_mode, kind.st_uid) for kind in kinds), within, kinds[-1].st_size]


_OWN = threading.local()


def own_fork_server() -> ForkServer:
    """Return the fork server of this thread, started once."""
    if not hasattr(_OWN, "fork_server"):
        _OWN.fork_server = ForkServer()
        atexit.register(_OWN.fork_server.close)
    return _OWN.fork_server


class _Process:
    """A running task, seen from outside."""

    def __init__(
        self, fork_server: ForkServer, task: Task, resource_limits: ResourceLimits, workspaces: _Workspaces
    ) -> None:
        self.task, self._fork_server, self._resource_limits = task, fork_server, resource_limits
        self._workspaces, self._workspace = workspaces, workspaces.acquire()
        self._talk, theirs = socket.socketpair()
        self._output: int | None
        self._output, output = os.pipe()
        try:
            self.pid = fork_server.fork(theirs, output)
        except ForkServerDied:
            self.abandon()
            raise
        finally:
            theirs.close()
            os.close(output)
        self._talk.setblocking(False)
        os.set_blocking(self._output, False)
        # The fork server may have been started elsewhere and before. The path comes first: the call is found on it.
        files = (self._workspace.temporary, self._workspace.trace, self._workspace.stages)
        place = (sys.path, os.getcwd(), dict(os.environ), resource_limits, *map(str, files))
        call = bytes(ForkingPickler.dumps((task.call, task.arguments)))
        self._unsent = memoryview(framed(bytes(ForkingPickler.dumps(place))) + framed(call))
        self._heard, self._listening = bytearray(), True
        self._log, self._printed = bytearray(), 0
        self._started: float | None = None
        self._looked = self._asked = self._read = time.monotonic()
        self._stages: Stages | None = None
        self._peak = 0
        self._outcome: Any = None
        #: Why it is being ended: kind and message.
        self._verdict: tuple[str, str] | None = None
        self._send()

    def open_streams(self) -> list[Any]:
        """Return what may be read."""
        return [*([self._talk] if self._listening else []), *([] if self._output is None else [self._output])]

    def hear(self, stream: Any) -> None:
        """Read what can be read."""
        if stream is self._talk:
            self._hear_words()
        else:
            self._hear_output()

    def _hear_words(self) -> None:
        limit = self._resource_limits.output_bytes
        try:
            more = self._talk.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        self._listening = bool(more)
        self._heard += more
        while len(self._heard) >= HEAD and self._listening:
            if not self._heard.startswith(MARK):
                self._end_as("crash", "wrote into the channel that its result comes through")
                self._listening = False
                return
            length = int.from_bytes(self._heard[len(MARK) : HEAD], "big")
            if limit is not None and length > limit:
                self._end_as(
                    "output", f"gave back {_mib(length)} MiB, more than the limit of {_mib(limit)} MiB"
                )
                self._listening = False
                return
            if len(self._heard) < HEAD + length:
                return
            word = bytes(self._heard[HEAD : HEAD + length])
            del self._heard[: HEAD + length]
            if word == STARTED:
                self._started = time.monotonic()
            else:
                # Only the task writes to this channel; what it sends may still be no message.
                with suppress(Exception):
                    self._outcome = check_message(ForkingPickler.loads(word))

    def _hear_output(self) -> None:
        assert self._output is not None
        try:
            more = os.read(self._output, _PIECE)
        except BlockingIOError:
            return
        if not more:
            os.close(self._output)
            self._output = None
            return
        self._printed += len(more)
        self._log += more
        del self._log[:-_LOG_TAIL]
        self._compare_output(self._printed, "printed")

    def watch(self) -> None:
        """Send the rest of the task, and end what goes beyond a limit."""
        self._send()
        now = time.monotonic()
        if self._verdict is not None:
            if self._verdict[0] == "timeout" and now - self._asked > GRACE:
                self._fork_server.kill(self.pid)
            return
        limit = self._resource_limits.seconds
        if limit is not None and self._started is not None and now - self._started > limit:
            self._verdict = "timeout", f"took longer than the limit of {limit:g} s"
            self._asked = now
            self._fork_server.terminate(self.pid)
            return
        if now - self._looked >= _TICK:
            self._looked = now
            self._compare_memory(tree_bytes(self.pid))
            self._compare_output(_size(self._workspace.path), "keeps temporary files of")

    def news(self) -> Stages | None:
        """Return how far the task is, where that has changed since last asked: none when its time begins."""
        known, now = self._stages, time.monotonic()
        if known is None and self._started is not None:
            self._stages = []
        elif known is not None and now - self._read >= STAGES_EVERY:
            self._read = now
            found = read_stages(str(self._workspace.stages))
            self._stages = known if found is None else found
        return None if self._stages == known else self._stages

    def _compare_memory(self, now: int) -> None:
        self._peak = max(self._peak, now)
        limit = self._resource_limits.memory_bytes
        if limit is not None and now > limit:
            self._end_as("memory", f"used more than the limit of {limit / 2**20:.0f} MiB of memory")

    def _compare_output(self, size: int, what: str) -> None:
        limit = self._resource_limits.output_bytes
        if limit is not None and size > limit:
            self._end_as("output", f"{what} more than the limit of {_mib(limit)} MiB")

    def _end_as(self, kind: str, message: str) -> None:
        if self._verdict is None:
            self._verdict = kind, message
            self._fork_server.kill(self.pid)

    def _send(self) -> None:
        while self._unsent:
            try:
                self._unsent = self._unsent[self._talk.send(self._unsent) :]
            except BlockingIOError:
                return
            except OSError:
                self._unsent = memoryview(b"")

    def end(self, code: int | None, *, by_kernel: bool = False, why: str | None = None) -> TaskResult:
        """Return how the task has ended, the process being gone."""
        while self._listening and self._wait_for(self._talk):
            self._hear_words()
        while self._output is not None and self._wait_for(self._output):
            self._hear_output()
        try:
            return self._result(code, by_kernel, why)
        finally:
            self.abandon(reuse=code == EXIT_NO_CHILDREN)

    def _wait_for(self, stream: Any) -> bool:
        with selectors.PollSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            return bool(selector.select(0))

    def _result(self, code: int | None, by_kernel: bool, why: str | None) -> TaskResult:
        if self._verdict is not None:
            return self._failure(*self._verdict)
        if isinstance(self._outcome, dict):
            kind = "memory" if self._outcome["error"] == "MemoryError" else "error"
            return self._failure(kind, **self._outcome)
        if self._outcome is not None:
            return TaskResult(outcome=self._outcome[0], tree_memory_bytes=self._peak or None)
        if code == -signal.SIGKILL and by_kernel:
            return self._failure("memory", "was killed by the kernel, which had no memory left")
        if why is None:
            why = (
                f"the process was killed by {signal.Signals(-code).name}"
                if code is not None and code < 0
                else "the process ended without a result"
                if code == EXIT_NO_CHILDREN
                else f"the process ended with exit code {code}"
            )
        return self._failure("crash", why)

    def _failure(self, kind: str, message: str, **more: Any) -> TaskResult:
        known: dict[str, Any] = {"traceback": _read(self._workspace.trace), **more}
        known = {name: text and _writable(text) for name, text in known.items()}
        return TaskResult(
            kind=kind,
            message=_writable(message),
            log=self._log.decode(errors="replace"),
            tree_memory_bytes=self._peak or None,
            **known,
        )

    def abandon(self, *, reuse: bool = False) -> None:
        """Forget the process; its workspace may be used again if none is left of it."""
        self._talk.close()
        if self._output is not None:
            os.close(self._output)
            self._output = None
        self._workspaces.release(self._workspace, reuse=reuse)


def check_message(message: Any) -> Any:
    """Return what a task gave back, or how it failed; raise ValueError where it is neither."""
    if isinstance(message, tuple) and len(message) == 1:
        return message
    if isinstance(message, dict) and message.keys() == {"error", "message", "traceback"}:
        return message
    raise ValueError("neither an outcome nor a failure")


def _writable(text: str) -> str:
    """Return a text that UTF-8 can express: the bytes of a file's name may be none of its."""
    return text.encode(errors="backslashreplace").decode()


def tree_bytes(pid: int) -> int:
    """Return the memory of a process with its descendants, in bytes; 0 where it is gone.

    Of several processes a page that they share is divided among those that share it (Linux); elsewhere it counts for
    each.
    """
    import psutil

    resident, divided = [0], 0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        members = [process, *(process.children(recursive=True) if _may_have_children(pid) else [])]
        for member in members:
            with suppress(psutil.Error):
                memory = member.memory_full_info() if len(members) > 1 else member.memory_info()
                resident.append(memory.rss)
                divided += getattr(memory, "pss", memory.rss)
    # A page that others share as well is divided among them too: no process takes less than it holds.
    return max(divided, *resident)


def _may_have_children(pid: int) -> bool:
    """Return False where the kernel lists no child of a process, which takes less time than to look at all processes.

    A child that ends meanwhile may hide the next one in such a list, but the first is never missing.
    """
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        return any(Path(f"/proc/{pid}/task/{thread}/children").read_bytes() for thread in threads)
    except OSError:
        return True


def _mib(size: int) -> str:
    return f"{size / 2**20:.3g}"


def _read(path: Path) -> str | None:
    with suppress(OSError):
        return path.read_text(errors="replace") or None
    return None


def _size(folder: Path) -> int:
    """Return the bytes of the files below a folder, but those of features that are kept for a piece of work."""
    total, waiting = 0, [str(folder)]
    while waiting:
        # Whatever goes while it is looked at takes no room.
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        if not entry.name.startswith(TEMPORARY_PREFIX):
                            waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
    return total


def _kernel_kills() -> int:
    """Return how many processes the kernel has killed for want of memory, since it was started."""
    with suppress(OSError):
        _, found, rest = Path("/proc/vmstat").read_bytes().partition(b"\noom_kill ")
        if found:
            return int(rest.split(maxsplit=1)[0])
    return 0
