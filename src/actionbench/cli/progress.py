"""The progress of a run, or of a download, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .terminal import duration, say

if TYPE_CHECKING:
    from rich.console import Group

    from ..experiments.planning.cells import PlannedCell
    from ..experiments.running.auditing import AuditProgress
    from ..experiments.running.runner import Progress


@contextmanager
def show_progress(total: int, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Show progress on standard error: a live view on a terminal, a line per cell elsewhere."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.live import Live

        view = View(total)
        with Live(
            console=Console(stderr=True), transient=True, get_renderable=view.render, refresh_per_second=4
        ):
            yield view.update
    else:
        from ..experiments.running.auditing import AuditProgress

        width = len(str(total))

        def report(now: Progress) -> None:
            if isinstance(now, AuditProgress):
                if now.n_done == 0:
                    say(_audited(now))
            elif now.status != "running":
                say(f"[{now.done:{width}}/{now.total}] {now.status:7} {_which(now.cell)}")

        yield report


@contextmanager
def show_transfers() -> Iterator[Callable[[str, int, int | None], None]]:
    """Show downloads on standard error: a bar each on a terminal, a line each elsewhere."""
    if not sys.stderr.isatty():
        known = set()

        def report(what: str, done: int, total: int | None) -> None:
            if what not in known:
                known.add(what)
                say(what)

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


@contextmanager
def show_look(name: str, n_clips: int) -> Iterator[Callable[[str, int, float | None], None]]:
    """Show on a terminal how many clips of a data set have been decoded."""
    if not sys.stderr.isatty():
        yield lambda key, n_done, seconds_left: None
        return
    from rich.console import Console

    with Console(stderr=True).status(name) as status:

        def update(key: str, n_done: int, seconds_left: float | None) -> None:
            status.update(_looked(name, n_clips, n_done, seconds_left))

        yield update


class View:
    """Cells done, running and failed, and the time that is left; before, the data sets that are audited."""

    def __init__(self, total: int) -> None:
        self._audited: dict[str, tuple[str, float]] = {}
        self._running: dict[str, tuple[str, float]] = {}
        self._done, self._failed, self._total = 0, 0, total
        self._left: float | None = None
        self._updated = time.monotonic()

    def update(self, now: Progress) -> None:
        """Take in what a run reports."""
        from ..experiments.running.auditing import AuditProgress

        if isinstance(now, AuditProgress):
            since = self._audited.pop(now.data.fingerprint, ("", time.monotonic()))[1]
            if not now.ended:
                self._audited[now.data.fingerprint] = _audited(now), since
            return
        if now.status == "running":
            self._running[now.cell.key] = _which(now.cell), time.monotonic()
        else:
            self._running.pop(now.cell.key, None)
        self._done, self._failed, self._total = now.done, now.failed, now.total
        self._left, self._updated = now.seconds_left, time.monotonic()

    def render(self) -> Group:
        """Return the lines to show."""
        from rich.console import Group
        from rich.text import Text

        now = time.monotonic()
        left = ""
        if self._left is not None:
            left = f", about {duration(max(0.0, self._left - (now - self._updated)))} left"
        failed = f", {self._failed} failed" if self._failed else ""
        head = Text(f"{self._done} of {self._total} cells done{failed}, {len(self._running)} running{left}")
        lines = [
            Text(f"  {duration(now - since):>7}  {which}", style="dim")
            for which, since in [*self._audited.values(), *self._running.values()]
        ]
        filled = round(60 * self._done / max(1, self._total))
        bar = Text.assemble(("━" * filled, "green"), ("━" * (60 - filled), "dim"))
        return Group(head, bar, *lines)


def _audited(now: AuditProgress) -> str:
    return _looked(f"auditing {now.data.title}", len(now.data.dataset), now.n_done, now.seconds_left)


def _looked(what: str, n_clips: int, n_done: int, seconds_left: float | None) -> str:
    done = f"{n_done} of " if n_done else ""
    left = f", about {duration(seconds_left)} left" if n_done and seconds_left is not None else ""
    return f"{what}: {done}{n_clips} clip{'s' * (n_clips != 1)}{left}"


def _which(cell: PlannedCell) -> str:
    return f"{cell.data.title} {cell.title} {cell.fold.name} seed {cell.seed}"
