"""The commands for those who publish results and those who check them: bundle, reproduce."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .. import DEFAULT_STORE
from ..workflow import TOLERANCE
from .options import json_option, only_option, set_option, workers_option
from .progress import show_progress
from .terminal import print_rows, say

# Everything heavy is imported inside the command that needs it.
if TYPE_CHECKING:
    import pandas as pd


@click.command()
@click.argument(
    "store", metavar="[STORE]", required=False, default=DEFAULT_STORE, type=click.Path(dir_okay=False)
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="The zip file to write.",
)
@click.option("--run", type=click.IntRange(min=1), help="Number of the run; by default the last.")
def bundle(store: str, output: str, run: int | None) -> None:
    """Pack a run of STORE into one file: matrix, environment, plug-ins, lists that it names, all results.

    show, report and compare take it for a store, reproduce runs it again. The same store gives the same bytes. Clips
    are not packed.
    """
    from ..experiments.sharing.bundle import write_bundle
    from ..experiments.store import Store

    with Store.open(store, must_exist=True) as opened:
        written = write_bundle(opened, output, run=run)
    click.echo(written.path)
    counts = ", ".join(f"{count} {status}" for status, count in written.statuses.items())
    say(f"{sum(written.statuses.values())} cells: {counts}")
    if written.n_thumbnails:
        say(
            f"{written.n_thumbnails} thumbnails of clips are in it; a run with --set thumbnails=false removes them"
        )
    if not written.finished:
        say("the run has not finished; what is missing is not in the bundle")


@click.command()
@click.argument("path", metavar="BUNDLE", type=click.Path(dir_okay=False))
@click.option(
    "--store",
    type=click.Path(dir_okay=False),
    help="The file that new results are kept in; by default BUNDLE's name with .reproduced.sqlite.",
)
@set_option("matrix, as in datasets.NAME.root=DIR where clips are elsewhere")
@only_option
@workers_option
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=TOLERANCE,
    show_default=True,
    help="How far a probability may be from what it was.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("-v", "--verbose", is_flag=True, help="A row for each cell.")
@json_option
def reproduce(path: str, store: str | None, quiet: bool, verbose: bool, as_json: bool, **options: Any) -> int:
    """Run the cells of BUNDLE again and compare the predictions of each with what they were.

    BUNDLE's own plug-ins run, which is code of who made it. Exit code 0: all agree, exactly or within the tolerance;
    1: some differ, failed or are missing.
    """
    from .. import workflow
    from ..api import reproduction_store
    from ..experiments.sharing.bundle import Bundle
    from ..experiments.sharing.reproduction import AGREE

    where = store or reproduction_store(path)
    with Bundle.open(path) as opened, show_progress(f"reproducing {path}", quiet) as progress:
        if not opened.header.finished:
            say("the bundled run had not finished; only what it holds is run again")
        found = workflow.reproduce(opened, where, notify=say, progress=progress, **options)
    if as_json:
        click.echo(found.cells.to_json(orient="records", indent=1, double_precision=15))
    elif verbose:
        print_rows(
            list(map(str, found.cells)), list(found.cells.astype(object).itertuples(index=False, name=None))
        )
    else:
        print_rows(*_counts(found.cells))
    if found.stopped:
        raise click.exceptions.Abort
    agree = found.cells["verdict"].isin(AGREE)
    say(f"{len(agree)} cells: {int(agree.sum())} agree, {int((~agree).sum())} do not; results in {where}")
    return int(not agree.all())


def _counts(cells: pd.DataFrame) -> tuple[list[str], list[tuple[object, ...]]]:
    """Return header and rows of the table: per attempt how many cells have which verdict."""
    from ..experiments.sharing.reproduction import VERDICTS

    shown = [verdict for verdict in VERDICTS if verdict == "exact" or (cells["verdict"] == verdict).any()]
    rows: list[tuple[object, ...]] = []
    for names, group in cells.groupby(["dataset", "split", "attempt"], sort=False):
        counts = [int((group["verdict"] == verdict).sum()) for verdict in shown]
        largest = group["difference"].astype(float).max()
        rows.append((*names, len(group), *counts, f"{largest:.2g}" if largest == largest else ""))
    return ["data set", "split", "attempt", "cells", *shown, "largest difference"], rows
