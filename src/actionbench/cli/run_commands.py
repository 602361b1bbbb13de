"""The commands that run a matrix: run, plan."""

from __future__ import annotations

import gc
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from .options import cache_option, experiment_options, json_option, refuse_both, workers_option
from .progress import show_progress
from .terminal import EXIT_FAILED, duration, print_layout, print_rows, say

# Everything heavy is imported inside the command that needs it.
if TYPE_CHECKING:
    from ..workflow import Experiment


@click.command()
@experiment_options
@workers_option
@click.option(
    "--on",
    metavar="WHERE",
    help="Other machines: dask (a cluster of this one), tcp://HOST:PORT (a running scheduler), slurm.",
)
@click.option(
    "--retry",
    multiple=True,
    type=click.Choice(["failed", "error", "crash", "timeout", "memory", "output", "skipped"]),
    help="Run stored failures again, all or those of one kind; may be repeated.",
)
@click.option("--fresh", is_flag=True, help="Run all again, stored or not.")
@cache_option
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("-v", "--verbose", is_flag=True, help="The traceback of each cell that fails.")
@json_option
def run(experiment: Experiment, quiet: bool, verbose: bool, as_json: bool, **options: Any) -> int:
    """Run what MATRIX asks for and the store does not hold yet, then print the table.

    MATRIX is a TOML file or the name of a built-in matrix; without it, the quick one on the built-in data set.
    """
    refuse_both({"-q": quiet, "-v": verbose})
    refuse_both({"--fresh": options["fresh"], "--retry": options["retry"]})
    known = None if options["fresh"] or options["retry"] or as_json else experiment.cached_output()
    printed = known or _run(experiment, quiet, as_json, options)
    if not as_json:
        print_layout(printed["run"])
    if not quiet:
        say(f"{printed['summary']}; results in {experiment.store}")
    for sentence, trace in printed["failures"]:
        say(sentence)
        if verbose and trace:
            say(trace)
    if printed["stopped"]:
        raise click.exceptions.Abort
    return EXIT_FAILED if printed["failures"] else 0


def _run(experiment: Experiment, quiet: bool, as_json: bool, options: dict[str, Any]) -> dict[str, Any]:
    """Run an experiment and return what to print; its table is printed here where that is JSON."""
    from ..experiments.isolation import fork_server
    from ..experiments.isolation.pool import WARM

    _collect_rarely()
    # It imports what cells need while the same is imported here to plan them.
    with closing(fork_server.ForkServer([WARM])) as forks, show_progress("planning", quiet) as progress:
        output = experiment.run(progress=progress, fork_server=forks, **options)
    if as_json:
        from ..reports.analysis.tables import render

        click.echo(render(output.table, "json"), nl=False)
    return output.printed


def _collect_rarely() -> None:
    """Look for garbage less often: next to nothing of what modules, plans and results consist of is ever any."""
    gc.set_threshold(100_000)


@click.command()
@experiment_options
@workers_option
@click.option(
    "--why",
    metavar="CELL",
    help="Explain why a cell is to run, and what has changed since its predecessor was stored: a key, or "
    "KEY=VALUE,... as for --only.",
)
@json_option
def plan(experiment: Experiment, workers: int | None, why: str | None, as_json: bool) -> None:
    """Show the cells of MATRIX and which of them are stored, without running any."""
    _collect_rarely()
    if why is not None:
        with show_progress("planning"):
            found = experiment.why(why)
        click.echo(json.dumps(found, indent=1) if as_json else _reasons(found))
        return
    with show_progress("planning"):
        cells = experiment.plan_table(workers)
    if as_json:
        click.echo(cells.to_json(orient="records", indent=1))
        return
    counts = cells.groupby(["dataset", "split", "attempt", "status"], sort=False).size().reset_index()
    print_rows(
        ["data set", "split", "attempt", "status", "cells"], list(counts.itertuples(index=False, name=None))
    )
    for name, sentence in cells.attrs["published"].items():
        say(f"{name}: {sentence}")
    waiting = int((cells["status"] == "to run").sum())
    seconds, size = cells.attrs["seconds"], cells.attrs["bytes"]
    left = "" if seconds is None or not waiting else f", about {duration(seconds)}"
    disk = "" if size is None or not waiting else f" and {size / 2**20:.2g} MiB of disk"
    say(f"{len(cells)} cells, {waiting} to run{left}{disk}")


def _reasons(found: dict[str, list[str]]) -> str:
    return "\n".join("\n  ".join([cell, *reasons]) for cell, reasons in found.items())
