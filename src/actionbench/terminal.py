"""What the commands share: options, messages and tables."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console


def say(message: str) -> None:
    """Print a message to standard error."""
    click.echo(message, err=True)


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


#: Adds ``--cache``.
cache_option = click.option(
    "--cache",
    metavar="DIR",
    help="Folder of features computed once for all cells; by default ACTIONBENCH_CACHE, else one of the user's. "
    "'none' keeps none.",
)

#: Adds ``--json``.
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")


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
