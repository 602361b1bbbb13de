"""The progress of long commands on standard error: one view of what goes on, and one thread that writes it."""

from __future__ import annotations

import math
import os
import select
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self, TypeAlias

from ..progress import Stages, told_to
from .terminal import EXIT_INTERRUPTED, duration, escape, say

if TYPE_CHECKING:
    from rich.console import Group

    from ..experiments.planning.cells import PlannedCell
    from ..experiments.running.runner import Progress, Stopping

#: Returns seconds, and never fewer than before.
Clock: TypeAlias = Callable[[], float]

# How often the thread looks, after how long it says that an interrupt was heard where that has no effect yet, and the
# longest time without a line where there is no terminal, in seconds.
_TICK, _AT_ONCE, _SILENCE = 0.25, 0.25, 30.0
# Running cells that one line tells of, at most.
_MOST = 3


@contextmanager
def show_progress(title: str, quiet: bool = False) -> Iterator[Callable[[Progress], None]]:
    """Show on standard error what goes on in a ``with`` block, and answer interrupts.

    On a terminal there is a live view, elsewhere a line for each cell that ends and one at least every 30 s.

    Parameters
    ----------
    title : str
        What is done; with what the block tells, see `actionbench.progress`.
    quiet : bool
        Whether interrupts alone are answered.

    Yields
    ------
    callable
        Takes what a run reports.
    """
    view = View(title)
    if quiet or not sys.stderr.isatty():
        lines = Lines(view, quiet=quiet)
        with _Thread(lines.beat, lines.add), told_to(view.take):
            yield lines.update
        return
    from rich.console import Console
    from rich.live import Live

    screen = Live(
        console=Console(stderr=True),
        transient=True,
        get_renderable=view.render,
        auto_refresh=False,
        redirect_stdout=False,
    )
    with screen, _Thread(screen.refresh, view.note, screen.stop), told_to(view.take):
        yield view.update


@contextmanager
def show_transfers(clock: Clock = time.monotonic) -> Iterator[Callable[[str, int, int | None], None]]:
    """Show downloads on standard error: a bar each on a terminal, elsewhere a line each and one every 30 s."""
    if not sys.stderr.isatty():
        written: dict[str, float] = {}

        def report(what: str, done: int, total: int | None) -> None:
            if what not in written:
                say(what)
            elif clock() - written[what] >= _SILENCE:
                say(f"{what}: {done / 2**20:.0f}{f' of {total / 2**20:.0f}' if total else ''} MiB")
            else:
                return
            written[what] = clock()

        yield report
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.DownloadColumn(binary_units=True),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    tasks: dict[str, progress.TaskID] = {}
    with progress.Progress(*columns, console=Console(stderr=True)) as bars:

        def update(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what)
            bars.update(tasks[what], completed=done, total=total)

        yield update


class View:
    """What goes on: the work itself, or cells done, running and failed, before them the data sets that are audited."""

    def __init__(self, title: str, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._own = _Work(title, clock)
        self._running: dict[str, _Work] = {}
        self._done, self._failed, self._total = 0, 0, 0
        self._left: float | None = None
        self._updated = clock()
        self._note = ""

    def take(self, stages: Stages) -> None:
        """Take in what is told in this process."""
        self._own.take(stages)

    def note(self, sentence: str) -> None:
        """Show a sentence from now on."""
        self._note = sentence

    def update(self, now: Progress) -> None:
        """Take in what a run reports."""
        from ..experiments.running.auditing import AuditProgress
        from ..experiments.running.runner import CellStages, Stopping

        if isinstance(now, Stopping):
            self.note(_in_words(now))
        elif isinstance(now, AuditProgress):
            key, total = now.data.fingerprint, len(now.data.dataset)
            work = self._running.setdefault(key, _Work(f"auditing {now.data.title}", self._clock))
            work.take([("clips", now.n_done, total)])
            if now.n_done == total:
                del self._running[key]
        elif isinstance(now, CellStages):
            self._running[now.cell.key].take(now.stages)
        else:
            if now.status == "running":
                self._running[now.cell.key] = _Work(_which(now.cell), self._clock)
            else:
                self._running.pop(now.cell.key, None)
            self._done, self._failed, self._total = now.done, now.failed, now.total
            self._left, self._updated = now.seconds_left, self._clock()

    def line(self) -> str:
        """Return what goes on in one line."""
        running = list(self._running.values())
        more = [f"and {len(running) - _MOST} more"] if len(running) > _MOST else []
        return "; ".join([self._head(), *(f"{work}, {work.age()}" for work in running[:_MOST]), *more])

    def render(self) -> Group:
        """Return the lines to show on a terminal."""
        from rich.console import Group
        from rich.text import Text

        lines = [Text(self._head())]
        if self._total:
            filled = round(60 * self._done / self._total)
            lines.append(Text.assemble(("━" * filled, "green"), ("━" * (60 - filled), "dim")))
        lines += [Text(f"  {work.age():>7}  {work}", style="dim") for work in list(self._running.values())]
        return Group(*lines, *([Text(self._note, style="bold")] if self._note else []))

    def _head(self) -> str:
        if not self._total:
            return f"{self._own}, {self._own.age()}"
        left = ""
        if self._left is not None:
            left = _left(", {}", self._left - (self._clock() - self._updated))
        failed = f", {self._failed} failed" if self._failed else ""
        told = f", {words}" if (words := self._own.in_words()) else ""
        return f"{self._done} of {self._total} cells done{failed}, {len(self._running)} running{left}{told}"


class Lines:
    """The same where there is no terminal: lines that wait for the thread that writes them."""

    def __init__(
        self,
        view: View,
        *,
        quiet: bool = False,
        write: Callable[[str], None] = say,
        clock: Clock = time.monotonic,
    ) -> None:
        self._view, self._quiet, self._write, self._clock = view, quiet, write, clock
        self._waiting, self._written = deque[str](), clock()

    def add(self, line: str) -> None:
        """Let a line be written; may be called wherever an interrupt comes."""
        self._waiting.append(line)

    def update(self, now: Progress) -> None:
        """Take in what a run reports."""
        from ..experiments.running.runner import Stopping

        self._view.update(now)
        if (isinstance(now, Stopping) or not self._quiet) and (line := _line(now)):
            self.add(line)

    def beat(self) -> None:
        """Write what waits, or how far all is where nothing was written for long."""
        if not self._waiting and not self._quiet and self._clock() - self._written >= _SILENCE - 2 * _TICK:
            self.add(self._view.line())
        while self._waiting:
            self._write(self._waiting.popleft())
            self._written = self._clock()


class _Work:
    """A piece of work: since when it goes on, and how far it is."""

    def __init__(self, title: str, clock: Clock) -> None:
        self._title, self._clock, self._since = title, clock, clock()
        #: When each stage was first told of, how much was done then, and how much at last.
        self._known: dict[tuple[str, int], tuple[float, float, float]] = {}
        self._stages: Stages = []
        self._told = self._since

    def take(self, stages: Stages) -> None:
        now, known = self._clock(), {}
        for what, done, total in stages:
            begun, first, last = self._known.get((what, total), (now, done, done))
            known[what, total] = (now, done, done) if done < last else (begun, first, done)
        self._known, self._stages, self._told = known, stages, now

    def age(self) -> str:
        return duration(self._clock() - self._since)

    def in_words(self) -> str:
        """Return how far the stages are, with the time that is left of each where that is known."""
        words, known, told = [], self._known, self._told
        for what, done, total in self._stages:
            begun, first, _ = known.get((what, total), (told, done, done))
            left = ""
            if done > first:
                pace = (told - begun) / (done - first)
                left = _left(" ({})", pace * (total - done) - (self._clock() - told))
            words.append(f"{math.floor(done)} of {total} {escape(what)}{left}")
        return ", ".join(words)

    def __str__(self) -> str:
        words = self.in_words()
        return f"{self._title}: {words}" if words else self._title


class _Thread:
    """The thread that writes, which also hears interrupts that the main thread cannot answer yet.

    Code that was compiled does not notice an interrupt: only when it comes to its end does Python raise it.
    """

    def __init__(
        self,
        beat: Callable[[], None],
        answer: Callable[[str], None],
        restore: Callable[[], None] = lambda: None,
    ) -> None:
        self._beat, self._answer, self._restore = beat, answer, restore
        self._interrupts, self._heard = 0, 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._in_main_thread = threading.current_thread() is threading.main_thread()
        if self._in_main_thread:
            self._before = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._in_main_thread:
            signal.set_wakeup_fd(self._before)
        os.close(self._wake)
        self._thread.join()
        os.close(self._woken)
        self._write()

    def _run(self) -> None:
        while True:
            if select.select([self._woken], [], [], _TICK)[0]:
                numbers = os.read(self._woken, 4096)
                if not numbers:
                    return
                # Another handler answers for itself.
                n_interrupts = numbers.count(signal.SIGINT)
                if n_interrupts and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                    self._interrupts, self._heard = self._interrupts + n_interrupts, time.monotonic()
            self._answer_interrupt()
            self._write()

    def _write(self) -> None:
        # Nobody may be there to read it.
        with suppress(OSError, ValueError):
            self._beat()

    def _answer_interrupt(self) -> None:
        if not self._interrupts or time.monotonic() - self._heard < _AT_ONCE:
            return
        if self._interrupts > 1:
            self._restore()
            say("actionbench: interrupted; ended at once")
            os._exit(EXIT_INTERRUPTED)
        self._answer(
            "interrupted: waiting for the step that runs, which has no limit of time; "
            "a second Ctrl-C ends it at once"
        )
        self._heard = math.inf


def _line(now: Progress) -> str | None:
    """Return the line that says what a run reports, None where it needs none."""
    from ..experiments.running.auditing import AuditProgress
    from ..experiments.running.runner import CellStages, Stopping

    if isinstance(now, Stopping):
        return _in_words(now)
    if isinstance(now, AuditProgress):
        n_clips = len(now.data.dataset)
        return f"auditing {now.data.title}: {n_clips} clip{'s' * (n_clips != 1)}" if not now.n_done else None
    if isinstance(now, CellStages) or now.status == "running":
        return None
    return f"[{now.done:{len(str(now.total))}}/{now.total}] {now.status:7} {_which(now.cell)}"


def _in_words(now: Stopping) -> str:
    n_cells = len(now.cells)
    if not n_cells:
        return "interrupted: no cell runs, and none begins"
    limit = "as long as they take, as there is no limits.time"
    if now.seconds is not None:
        limit = f"at most {_at_most(now.seconds)}"
    more = [f"{n_cells - _MOST} more"] if n_cells > _MOST else []
    cells = "; ".join([*map(_which, now.cells[:_MOST]), *more])
    cell = "cell that runs" if n_cells == 1 else "cells that run"
    return f"interrupted: waiting for {n_cells} {cell}, {limit}; a second Ctrl-C ends them at once: {cells}"


def _left(words: str, seconds: float) -> str:
    """Put the time that is left into words; an estimate that has passed was too low and says nothing."""
    return words.format(f"about {duration(seconds)} left") if seconds > 0 else ""


def _at_most(seconds: float) -> str:
    """Return seconds in words, rounded up as far as `duration` rounds."""
    step = 1 if seconds < 89 else 60 if seconds < 172_800 else 3600
    return duration(math.ceil(seconds / step) * step)


def _which(cell: PlannedCell) -> str:
    return f"{cell.data.title} {cell.title} {cell.fold.name} seed {cell.seed}"
