"""What the commands share: options, messages and tables."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from . import DEFAULT_STORE
from .errors import ActionbenchError

if TYPE_CHECKING:
    from rich.console import Console, Group

    from .experiments.planning.cells import PlannedCell
    from .experiments.running.runner import AuditProgress, Progress


EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


def prepare_streams() -> None:
    """Let nothing that is printed fail: letters that an encoding lacks are escaped, closed streams lead nowhere."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Else the next file that is opened, a store perhaps, would be where a library prints.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 (as long as the program runs)
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(message: str) -> None:
    """Print a message to standard error."""
    click.echo(message, err=True)


def plainly(said: object) -> str:
    """Return what an error says in one line, whatever letters are in the names that it holds."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in str(said)
    )


def plugin_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--plugin``."""
    return click.option(
        "--plugin",
        "plugins",
        multiple=True,
        type=click.Path(),
        metavar="FILE",
        help="A Python file with attempts or data sets of your own; may be repeated.",
    )(command)


def set_option(what: str) -> Callable[..., Any]:
    """Return ``--set`` for the keys of something."""
    return click.option(
        "--set",
        "changes",
        multiple=True,
        metavar="KEY=VALUE",
        help=f"Change a key of the {what}; may be repeated.",
    )


#: Adds ``--store``.
store_option = click.option(
    "--store",
    type=click.Path(dir_okay=False),
    default=DEFAULT_STORE,
    show_default=True,
    help="The file that results are kept in.",
)

#: Adds ``--cache``.
cache_option = click.option(
    "--cache",
    metavar="DIR",
    help="Folder of features computed once for all cells; by default ACTIONBENCH_CACHE, else one of the user's. "
    "'none' keeps none.",
)

#: Adds ``--only``.
only_option = click.option(
    "--only",
    multiple=True,
    metavar="KEY=VALUE,...",
    help='Only some cells, as in attempt=rules,fold=0 or attempt="a, b"; keys: attempt, dataset, family, fold, '
    "seed, split, train_groups.",
)

#: Adds ``--json``.
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")


def refuse_both(flags: Mapping[str, object]) -> None:
    """Raise ActionbenchError where two flags are given that contradict each other."""
    given = [name for name, value in flags.items() if value]
    if len(given) > 1:
        raise ActionbenchError(f"{given[0]} contradicts {given[1]}; give one of them")


def in_one_line(value: Any) -> str:
    """Return a value of JSON as words."""
    if value is None:
        return "not known"
    if isinstance(value, dict):
        return ", ".join(f"{key} {in_one_line(item)}" for key, item in value.items())
    if isinstance(value, list):
        return "; ".join(map(str, value)) or "none"
    return f"{value:,.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def console() -> Console:
    """Return standard output, wide enough for a table where it is no terminal."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 120)


def print_rows(header: list[str], rows: list[tuple[Any, ...]]) -> None:
    """Print a table."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_header=any(header))
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if value is None else str(value)) for value in row))
    console().print(table)


def print_layout(parts: list[dict[str, Any]]) -> None:
    """Print what `reports.tables.layout` returns."""
    from .reports.rendering.terminal import Tables

    console().print(Tables(parts))


def duration(seconds: float) -> str:
    """Write seconds as people say them: ``40 s``, ``12 min``, ``3 h 20 min``.

    Examples
    --------
    >>> duration(7.2), duration(725), duration(12_000), duration(200_000)
    ('7 s', '12 min', '3 h 20 min', '2 d 7 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


@contextmanager
def show_progress(total: int, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Show progress on standard error: a live view on a terminal, a line per cell elsewhere."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.live import Live

        view = _View(total)
        with Live(
            console=Console(stderr=True), transient=True, get_renderable=view.render, refresh_per_second=4
        ):
            yield view.hear
    else:
        from .experiments.running.runner import AuditProgress

        width = len(str(total))

        def tell(now: Progress) -> None:
            if isinstance(now, AuditProgress):
                if not now.ended:
                    say(_looking(now))
            elif now.status != "running":
                say(f"[{now.done:{width}}/{now.total}] {now.status:7} {_which(now.cell)}")

        yield tell


class _View:
    """Cells done, running and failed, and the time that is left; before, the data sets that are looked at."""

    def __init__(self, total: int) -> None:
        self._looking: dict[str, tuple[str, float]] = {}
        self._running: dict[str, tuple[str, float]] = {}
        self._done, self._failed, self._total = 0, 0, total
        self._left: float | None = None
        self._heard = time.monotonic()

    def hear(self, now: Progress) -> None:
        from .experiments.running.runner import AuditProgress

        if isinstance(now, AuditProgress):
            self._looking.pop(now.data.fingerprint, None)
            if not now.ended:
                self._looking[now.data.fingerprint] = _looking(now), time.monotonic()
            return
        if now.status == "running":
            self._running[now.cell.key] = _which(now.cell), time.monotonic()
        else:
            self._running.pop(now.cell.key, None)
        self._done, self._failed, self._total = now.done, now.failed, now.total
        self._left, self._heard = now.seconds_left, time.monotonic()

    def render(self) -> Group:
        from rich.console import Group
        from rich.text import Text

        now = time.monotonic()
        left = ""
        if self._left is not None:
            left = f", about {duration(max(0.0, self._left - (now - self._heard)))} left"
        failed = f", {self._failed} failed" if self._failed else ""
        head = Text(f"{self._done} of {self._total} cells done{failed}, {len(self._running)} running{left}")
        lines = [
            Text(f"  {duration(now - since):>7}  {which}", style="dim")
            for which, since in [*self._looking.values(), *self._running.values()]
        ]
        filled = round(60 * self._done / max(1, self._total))
        bar = Text.assemble(("━" * filled, "green"), ("━" * (60 - filled), "dim"))
        return Group(head, bar, *lines)


def _looking(now: AuditProgress) -> str:
    count = len(now.data.dataset)
    return f"looking at {now.data.title}: {count} clip{'s' * (count != 1)}"


def _which(cell: PlannedCell) -> str:
    return f"{cell.data.title} {cell.title} {cell.sides.name} seed {cell.seed}"
