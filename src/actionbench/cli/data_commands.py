"""The commands that look at a data set, or fetch one: data info, data preview, data fetch."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ..errors import ActionbenchError
from .options import DatasetRequest, dataset_options, json_option, workers_option
from .progress import show_look, show_transfers
from .terminal import EXIT_FAILED, print_facts, say

# Everything heavy is imported inside the command that needs it.


@click.group()
def data() -> None:
    """Look at a data set, or fetch one."""


@data.command()
@dataset_options(click.argument("dataset", metavar="NAME"))
@click.option(
    "--split",
    help="The split under which warnings are given, as in a matrix; by default leave-one-group-out, with many groups "
    "group-k-fold.",
)
@workers_option
@json_option
def info(dataset: DatasetRequest, split: str | None, workers: int | None, as_json: bool) -> None:
    """Decode the data set NAME and show what is in it, with the warnings that a run has."""
    from ..experiments.audit.preview import describe
    from ..experiments.datasets.left_out import without
    from ..experiments.planning.matrix import parse_split
    from ..experiments.running.looking import Looked, look
    from ..experiments.running.runner import default_workers

    chosen = None if split is None else parse_split(split)
    data = dataset.make()
    with show_look(dataset.name, len(data)) as progress:
        seen = look(
            {"": Looked(data, dataset.source(data))}, workers=workers or default_workers(1), progress=progress
        )[""]
    if data.drops_unreadable:
        data = without(data, seen.reasons(data))
    else:
        seen.check()
    print_facts(dataset.name, describe(data, seen.in_order(), chosen), as_json)


@data.command()
@dataset_options(click.argument("dataset", metavar="NAME"))
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False), help="The PNG file to write.")
def preview(dataset: DatasetRequest, output: str) -> None:
    """Draw a contact sheet of the data set NAME."""
    from ..experiments.audit.preview import contact_sheet

    contact_sheet(dataset.make(), output)
    click.echo(output)


@data.command()
@click.argument("name")
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder; by default NAME in ACTIONBENCH_DATA, where a matrix looks for it, else NAME.",
)
@click.option(
    "--mirror",
    "mirrors",
    multiple=True,
    metavar="URL",
    help="Another place, tried first: a folder with all files, or one file; may be repeated.",
)
@click.option(
    "--max-size",
    type=click.FloatRange(min=0, min_open=True),
    default=100,
    show_default=True,
    metavar="GIB",
    help="The most that may come out of an archive.",
)
@click.option("-y", "--yes", is_flag=True, help="Accept the terms without being asked.")
def fetch(name: str, output: Path | None, mirrors: tuple[str, ...], max_size: float, yes: bool) -> int:
    """Download the published data set NAME, check and unpack it.

    What is there already is not downloaded again, and after an interrupt the same command goes on.
    """
    from ..experiments.datasets.fetching import Fetcher
    from ..experiments.datasets.sources import find_source

    source = find_source(name)
    folder = output or Path(os.environ.get("ACTIONBENCH_DATA") or ".") / name
    fetcher = Fetcher(source, folder, mirrors=mirrors, max_bytes=int(max_size * 2**30), say=say)
    if fetcher.missing:
        sizes = [f" ({file.size / 1e6:,.1f} MB)" if file.size else "" for file in fetcher.missing]
        files = ", ".join(file.name + size for file, size in zip(fetcher.missing, sizes, strict=True))
        say(f"{source.title}, {source.home}\nterms: {source.terms}\nto {folder}: {files}")
        if not yes and not sys.stdin.isatty():
            raise ActionbenchError(f"{name}: its terms must be accepted; give --yes to accept them")
        if not yes and not click.confirm("Do you accept the terms?", err=True):
            say(f"{name}: is not downloaded, for its terms are not accepted")
            return EXIT_FAILED
        with show_transfers() as report:
            fetcher.run(report)
    click.echo(folder)
    return 0
