"""The commands that show what there is: list, doctor."""

from __future__ import annotations

import json

import click

from .options import json_option, plugin_option
from .terminal import print_facts, print_rows

# Everything heavy is imported inside the command that needs it.


@click.command("list")
@click.argument("what", type=click.Choice(["attempts", "datasets", "splits", "matrices"]))
@plugin_option
@json_option
def list_(what: str, plugins: tuple[str, ...], as_json: bool) -> None:
    """Show what there is, with the reason where something cannot load."""
    from . import listing

    rows = listing.rows(what, plugins)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    else:
        print_rows(list(rows[0]), [tuple(row.values()) for row in rows])


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Describe what actionbench runs on: versions, processor, threads, data folders."""
    from . import listing

    print_facts("actionbench", listing.diagnosis(), as_json)
