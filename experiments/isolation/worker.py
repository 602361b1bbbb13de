"""What runs in the process of a task: receive it, do it, and send what comes of it."""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing.reduction import ForkingPickler
from typing import Any, BinaryIO

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

# The first word of a process: its time counts from here.
STARTED = b"started"

# What each word begins with, so that anything else in the channel is known for what it is, and with its length.
MARK = b"\xffactionbench"
LENGTH = 8
HEAD = len(MARK) + LENGTH


def run_task(talk: socket.socket) -> None:
    """Receive a task, do it and send what comes of it; runs in the process of the task."""
    with talk.makefile("rb") as file:
        sys.path[:], working_directory, environment, resource_limits, folder, trace_file = (
            ForkingPickler.loads(unframed(file))
        )
        os.chdir(working_directory)
        os.environ.clear()
        os.environ.update(environment)
        word = unframed(file)
    os.environ["TMPDIR"] = tempfile.tempdir = folder
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
            with _threads(resource_limits.threads):
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


def _message_of(error: BaseException) -> str:
    try:
        return str(error) or type(error).__name__
    except Exception:  # a class of a plug-in may even fail at this
        return type(error).__name__


@cache
def thread_pools() -> Any:
    """Return the libraries whose threads are limited, found once."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def _threads(number: int) -> Iterator[None]:
    import cv2

    cv2.setNumThreads(number)
    # A BLAS may split its sums by the number of threads; a limit must not change a result. One that is loaded later
    # reads the environment.
    os.environ.update({**dict.fromkeys(THREAD_VARIABLES, "1"), "OMP_NUM_THREADS": str(number)})
    if number == 1:
        # So it was in the process that this one was forked from.
        yield
        return
    with thread_pools().limit(limits={"openmp": number, "blas": 1}):
        yield


def framed(word: bytes) -> bytes:
    """Return a word as it goes through the channel."""
    return MARK + len(word).to_bytes(LENGTH, "big") + word


def unframed(file: BinaryIO) -> bytes:
    """Read the next word of a channel."""
    return file.read(int.from_bytes(file.read(HEAD)[len(MARK) :], "big"))
