"""What runs in the process of a task: receive it, do it, and send what comes of it."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing.reduction import ForkingPickler
from typing import Any, BinaryIO

from ...progress import Stages, told_to

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

# The first word of a process: its time counts from here.
STARTED = b"started"

# What each word begins with, so that anything else in the channel is known for what it is, and with its length.
MARK = b"\xffactionbench"
LENGTH = 8
HEAD = len(MARK) + LENGTH

# How far a task is lies in a file of its workspace, of so many bytes and written so often, in seconds: nothing that a
# task does to it can make anyone wait, or fill any memory.
STAGES_SIZE, STAGES_EVERY = 1024, 1.0
_MAX_STAGES, _MAX_NAME = 4, 40


def run_task(talk: socket.socket) -> None:
    """Receive a task, do it and send what comes of it; runs in the process of the task."""
    with talk.makefile("rb") as file:
        sys.path[:], working_directory, environment, resource_limits, folder, trace_file, stages_file = (
            ForkingPickler.loads(unframed(file))
        )
        os.chdir(working_directory)
        _set_environment({**environment, **_thread_variables(resource_limits.threads), "TMPDIR": folder})
        tempfile.tempdir = folder
        word = unframed(file)
    # What was printed before a crash is the last that is known.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    # A process that is ended from outside writes there where it was.
    with open(trace_file, "w") as trace:
        faulthandler.enable(trace)
        faulthandler.register(signal.SIGTERM, trace, chain=True)
        talk.sendall(framed(STARTED))
        try:
            call, arguments = ForkingPickler.loads(word)
            with _threads(resource_limits.threads), told_to(_StagesFile(stages_file)):
                message = bytes(ForkingPickler.dumps((call(*arguments),)))
        except BaseException as error:  # whatever it is, it belongs into the row of the cell
            failure = {
                "error": type(error).__name__,
                "message": _message_of(error),
                "traceback": traceback.format_exc(),
            }
            message = bytes(ForkingPickler.dumps(failure))
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        talk.sendall(framed(message))


def _set_environment(wanted: dict[str, str]) -> None:
    """Make the environment like another; most of it is so already, and each change writes to memory."""
    now = dict(os.environ)
    for name in now.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update({name: value for name, value in wanted.items() if now.get(name) != value})


def _message_of(error: BaseException) -> str:
    try:
        return str(error) or type(error).__name__
    except Exception:  # a class of a plug-in may even fail at this
        return type(error).__name__


class _StagesFile:
    """Writes how far a task is, now and then."""

    def __init__(self, path: str) -> None:
        self._path, self._due = path, time.monotonic() + STAGES_EVERY

    def __call__(self, stages: Stages) -> None:
        if (now := time.monotonic()) < self._due:
            return
        self._due = now + STAGES_EVERY
        content = json.dumps([(what[:_MAX_NAME], done, total) for what, done, total in stages[:_MAX_STAGES]])
        with suppress(OSError):
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.write(file, content.encode().ljust(STAGES_SIZE))
            finally:
                os.close(file)


def read_stages(path: str) -> Stages | None:
    """Return how far a task says that it is; None where it says nothing, or nothing that makes sense."""
    # Whatever a task has put there is opened without waiting.
    with suppress(OSError, ValueError, RecursionError):
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            found = json.loads(os.read(file, STAGES_SIZE))
        finally:
            os.close(file)
        if isinstance(found, list) and all(map(_is_stage, found)):
            return [(what, done, total) for what, done, total in found[:_MAX_STAGES]]
    return None


def _is_stage(found: Any) -> bool:
    if not isinstance(found, list) or len(found) != 3:
        return False
    what, done, total = found
    numbers = type(done) in (int, float) and type(total) is int
    return isinstance(what, str) and len(what) <= _MAX_NAME and numbers and 0 <= done <= total < 2**53


@cache
def thread_pools() -> Any:
    """Return the libraries whose threads are limited, found once."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _thread_variables(number: int) -> dict[str, str]:
    # A BLAS may split its sums by the number of threads; a limit must not change a result.
    return {**dict.fromkeys(THREAD_VARIABLES, "1"), "OMP_NUM_THREADS": str(number)}


@contextmanager
def _threads(number: int) -> Iterator[None]:
    if number == 1:
        # So it was in the process that this one was forked from.
        yield
        return
    import cv2

    cv2.setNumThreads(number)
    # What is loaded later reads the environment.
    with thread_pools().limit(limits={"openmp": number, "blas": 1}):
        yield


def framed(word: bytes) -> bytes:
    """Return a word as it goes through the channel."""
    return MARK + len(word).to_bytes(LENGTH, "big") + word


def unframed(file: BinaryIO) -> bytes:
    """Read the next word of a channel."""
    return file.read(int.from_bytes(file.read(HEAD)[len(MARK) :], "big"))
