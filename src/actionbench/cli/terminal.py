"""What the commands print: messages, values and tables."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

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


def escape(message: object) -> str:
    """Return a message in one line, whatever letters are in the names that it holds."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in str(message)
    )


def _in_one_line(value: Any) -> str:
    """Return a value of JSON as words."""
    if value is None:
        return "not known"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_in_one_line(item)}" for key, item in value.items())
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


def print_facts(title: str, facts: dict[str, Any], as_json: bool) -> None:
    """Print facts as JSON, or else a row each."""
    if as_json:
        click.echo(json.dumps(facts, indent=1))
    else:
        print_rows(["", title], [(key, _in_one_line(value)) for key, value in facts.items()])


def print_layout(parts: list[dict[str, Any]]) -> None:
    """Print what `reports.analysis.tables.layout` returns."""
    from ..reports.rendering.terminal import Tables

    console().print(Tables(parts))


def duration(seconds: float) -> str:
    """Return seconds in words: ``40 s``, ``12 min``, ``3 h 20 min``.

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
