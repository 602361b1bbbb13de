"""The commands that look at a data set: data info, data preview."""

from __future__ import annotations

import click

from .options import DatasetRequest, dataset_options, json_option
from .terminal import print_facts

# Everything heavy is imported inside the command that needs it.


@click.group()
def data() -> None:
    """Look at a data set."""


@data.command()
@dataset_options(click.argument("dataset", metavar="NAME"))
@json_option
def info(dataset: DatasetRequest, as_json: bool) -> None:
    """Decode the data set NAME and show what is in it."""
    from ..experiments.audit.preview import describe

    print_facts(dataset.name, describe(dataset.make()), as_json)


@data.command()
@dataset_options(click.argument("dataset", metavar="NAME"))
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False), help="The PNG file to write.")
def preview(dataset: DatasetRequest, output: str) -> None:
    """Draw a contact sheet of the data set NAME."""
    from ..experiments.audit.preview import contact_sheet

    contact_sheet(dataset.make(), output)
    click.echo(output)
