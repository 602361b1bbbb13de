"""A process that has loaded what cells need, and forks one process for each of them.

It adopts what a cell leaves behind and ends it, and ends everything when the program that started it is gone. Its
parent is a supervisor, which does the rest where a cell has killed the fork server.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import secrets
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from .worker import THREAD_VARIABLES, run_task

# How long what a killed process has left behind may take to be gone, in seconds.
_TIMEOUT = 5.0

# How often to look whether something has stopped the fork server, in seconds, and how often in a row it may go on.
STOP_TICK = 1.0
_MAX_STOPS = 3

# The exit code of a cell that has run to its end and has no children left, so that nobody needs to look for any.
EXIT_NO_CHILDREN = 86

# From <linux/prctl.h>.
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36

# From <linux/mman.h>, and the size of a huge page.
_MADV_COLLAPSE, _HUGE = 25, 2 << 20

# Opened once: each process would otherwise make its classes anew.
_LIBC = ctypes.CDLL(None)

_SERVE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {module} import serve; "
    "serve(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])"
)


class ForkServerDied(Exception):
    """The fork server has ended by itself, and every process of it with it."""


class ForkServer:
    """The fork server, seen from the program that starts it.

    Parameters
    ----------
    preload : iterable of str
        Modules that are imported once, before processes are forked; one that cannot be imported is left out.

    Attributes
    ----------
    prefix : str
        What the names of temporary folders of the program begin with; the supervisor removes them if it is killed.

    Notes
    -----
    Not to be shared between threads.
    """

    def __init__(self, preload: Iterable[str] = ()) -> None:
        self.prefix = f"actionbench-{secrets.token_hex(4)}-"
        self._start()
        self.preload(preload)

    def _start(self) -> None:
        self._control, theirs = socket.socketpair()
        self._words, self._ended = b"", list[tuple[int, int]]()
        self._modules: set[str] = set()
        self._stopped, self._looked = 0, time.monotonic()
        command = [sys.executable, "-c", _SERVE.format(module=__name__), json.dumps(sys.path)]
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")}
        with theirs:
            # A session of its own: an interrupt of the terminal is for the program, which decides what ends.
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(os.getpid()), self.prefix],
                pass_fds=[theirs.fileno()],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        # The supervisor, and the fork server as soon as it sends its id.
        self._pids = [self._process.pid]

    def revive(self, preload: Iterable[str] = ()) -> None:
        """Begin again, with no process left."""
        self.close()
        self._start()
        self.preload(preload)

    def preload(self, modules: Iterable[str]) -> None:
        """Import further modules before the next process is forked."""
        names = sorted(set(modules) - self._modules)
        self._modules.update(names)
        if names:
            self._say(f"import {' '.join(names)}\n".encode())

    def fork(self, channel: socket.socket, output: int) -> int:
        """Start a process that runs `worker.run_task` and return its number.

        Parameters
        ----------
        channel : socket
            What the process is given to talk through.
        output : int
            File descriptor that becomes its standard output and standard error.
        """
        try:
            socket.send_fds(self._control, [b"fork\n"], [channel.fileno(), output])
        except OSError as error:
            raise ForkServerDied from error
        while True:
            word, *values = self._line()
            if word == "forked":
                return int(values[0])

    def terminate(self, pid: int) -> None:
        """Ask a process and its group to end."""
        self._say(f"terminate {pid}\n".encode())

    def kill(self, pid: int) -> None:
        """End a process and all that it started."""
        self._say(f"kill {pid}\n".encode())

    def ended(self) -> list[tuple[int, int]]:
        """Return the processes that have ended since last asked, with their exit codes, negative for a signal."""
        while not self._ended and self._has_words():
            self._line()
        ended, self._ended = self._ended, []
        return ended

    def fileno(self) -> int:
        """Return what to wait for: it can be read when a process has ended."""
        return self._control.fileno()

    def resume_if_stopped(self) -> None:
        """Let the fork server go on where a cell has stopped it; to be called often.

        Raises
        ------
        ForkServerDied
            If it has been stopped again and again, and was therefore ended.
        """
        if time.monotonic() - self._looked < STOP_TICK:
            return
        self._looked = time.monotonic()
        stopped = [pid for pid in self._pids if _is_stopped(pid)]
        self._stopped = self._stopped + 1 if stopped else 0
        enough = self._stopped > _MAX_STOPS
        for pid in stopped:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if enough else signal.SIGCONT)
        if enough:
            raise ForkServerDied

    def close(self) -> None:
        """End the fork server and all processes of it."""
        self._control.close()
        while True:
            try:
                self._process.wait(STOP_TICK)
                return
            except subprocess.TimeoutExpired:
                with suppress(ForkServerDied):
                    self.resume_if_stopped()

    def _has_words(self, seconds: float = 0) -> bool:
        if b"\n" in self._words:
            return True
        with selectors.PollSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            return bool(selector.select(seconds))

    def _line(self) -> list[str]:
        """Return the words of the fork server's next line, and note which processes have ended."""
        while not self._has_words(STOP_TICK):
            self.resume_if_stopped()
        while b"\n" not in self._words:
            more = b""
            with suppress(OSError):
                more = self._control.recv(4096)
            if not more:
                raise ForkServerDied
            self._words += more
        line, _, self._words = self._words.partition(b"\n")
        word, *values = line.decode().split()
        if word == "ended":
            self._ended.append((int(values[0]), int(values[1])))
        elif word == "serving":
            self._pids.append(int(values[0]))
        return [word, *values]

    def _say(self, words: bytes) -> None:
        # Whoever waits for a line gets the end of the file.
        with suppress(OSError):
            self._control.sendall(words)


def serve(control_fd: int, program: int, prefix: str) -> NoReturn:
    """Fork processes as they are asked for, until nobody can ask any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    supervisor = os.getpid()
    if fork_server := os.fork():
        os.close(control_fd)
        _supervise(fork_server, program, prefix)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(1)
    wake, woken = os.pipe()
    for end in (wake, woken):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    with socket.socket(fileno=control_fd) as control, suppress(ConnectionError):
        _serve(control, wake, woken)
    _end_all(set())
    os._exit(0)


def _supervise(fork_server: int, program: int, prefix: str) -> NoReturn:
    """Wait until the fork server is gone, which a cell may have killed, and do what then nobody else does."""
    while os.wait()[0] != fork_server:
        pass
    with suppress(ChildProcessError):
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        _end_all(set())
    with suppress(OSError):
        if folders := list(Path(tempfile.gettempdir()).glob(f"{prefix}*")):
            # A program that is being killed lets go of the fork server a little before it is gone.
            time.sleep(0.05)
            if os.getppid() != program:
                for folder in folders:
                    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _serve(control: socket.socket, wake: int, woken: int) -> None:
    cells: set[int] = set()
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    selector.register(wake, selectors.EVENT_READ)
    words, handles = b"", list[int]()
    control.sendall(f"serving {os.getpid()}\n".encode())
    while True:
        for key, _ in selector.select():
            if key.fileobj is control:
                more, received, *_ = socket.recv_fds(control, 65536, 2)
                if not more:
                    return
                words, handles = words + more, handles + received
            else:
                with suppress(BlockingIOError):
                    os.read(wake, 4096)
        while b"\n" in words:
            line, _, words = words.partition(b"\n")
            command, *arguments = line.decode().split()
            if command == "import":
                _import(arguments)
            elif command == "fork":
                channel, output = handles
                handles = []
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    selector.close()
                    control.close()
                    for end in (wake, woken):
                        os.close(end)
                    _become(run_task, channel, output)
                os.close(channel)
                os.close(output)
                cells.add(pid)
                control.sendall(f"forked {pid}\n".encode())
            elif (pid := int(arguments[0])) in cells:
                if command == "kill":
                    _kill_tree(pid)
                else:
                    # Before the process leads a group there is no such group.
                    with suppress(ProcessLookupError, PermissionError):
                        os.killpg(pid, signal.SIGTERM)
        for pid, code in _reap():
            if pid in cells:
                cells.discard(pid)
                if code != EXIT_NO_CHILDREN:
                    _end_all(cells)
                control.sendall(f"ended {pid} {code}\n".encode())


def _become(inside: Callable[[socket.socket], None], channel: int, output: int) -> NoReturn:
    """Make the forked process one of its own and run it."""
    code = 1
    try:
        fork_server = os.getppid()
        os.setsid()
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != fork_server:
            os._exit(code)
        for number in (signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for stream in (1, 2):
            os.dup2(output, stream)
        os.close(output)
        with socket.socket(fileno=channel) as talk:
            inside(talk)
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        code = EXIT_NO_CHILDREN
    finally:
        # Threads that a cell has left running, and what libraries do at exit, could keep the process for ever.
        os._exit(code)


def _import(modules: Iterable[str]) -> None:
    for name in modules:
        # It fails again, and is then reported, in the cell that needs it.
        with suppress(Exception):
            importlib.import_module(name)
    # What is there now is never looked at by a collection, which would copy it into every process.
    gc.collect()
    gc.freeze()
    _use_huge_pages()


def _use_huge_pages() -> None:
    """Put the memory of this process into huge pages (Linux 6.1): one entry to copy instead of 512 as it forks."""
    with suppress(OSError):
        for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines():
            place, access, _, _, _, *name = line.split(maxsplit=5)
            if access == "rw-p" and name in ([], ["[heap]"]):
                start, end = (int(end, 16) for end in place.split("-"))
                start, end = -(-start // _HUGE) * _HUGE, end // _HUGE * _HUGE
                if start < end:
                    _LIBC.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _MADV_COLLAPSE)


def _reap() -> Iterator[tuple[int, int]]:
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            yield pid, os.waitstatus_to_exitcode(status)


def _kill_tree(pid: int) -> None:
    """Kill a process and its descendants; what slips through is adopted and found by `_end_all`."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    for member in (*_descendants(pid), pid):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(member, signal.SIGKILL)


def _end_all(spared: set[int]) -> None:
    """End all children but some: what ended cells have left behind."""
    deadline = time.monotonic() + _TIMEOUT
    while orphans := _children(os.getpid()) - spared:
        for pid in orphans:
            _kill_tree(pid)
        for pid in orphans:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        if time.monotonic() > deadline:
            return
        time.sleep(0.001)


def _is_stopped(pid: int) -> bool:
    import psutil

    with suppress(psutil.Error):
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    return False


def _children(pid: int) -> set[int]:
    import psutil

    with suppress(psutil.Error):
        return {child.pid for child in psutil.Process(pid).children()}
    return set()


def _descendants(pid: int) -> list[int]:
    found, waiting = list[int](), [pid]
    while waiting:
        children = _children(waiting.pop())
        found += children
        waiting += children
    return found


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        _LIBC.prctl(option, value, 0, 0, 0)
