"""The command line: each command is a thin coat over a function of the package."""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

import click

from .author_commands import check, new
from .bundle_commands import bundle, reproduce
from .errors import ActionbenchError
from .model_commands import export, fit, predict
from .result_commands import mlflow, show
from .terminal import (
    EXIT_BAD_INPUT,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    cache_option,
    duration,
    in_one_line,
    json_option,
    only_option,
    plainly,
    plugin_option,
    prepare_streams,
    print_layout,
    print_rows,
    refuse_both,
    say,
    set_option,
    show_progress,
    store_option,
)

# Everything heavy is imported inside the command that needs it.

# Commands that go on where they were interrupted.
_RESUMABLE = {"run", "reproduce"}
_RESUMED = "; what has finished is kept, and the same command goes on"


def main() -> NoReturn:
    """Run the command line and end with its exit code."""
    prepare_streams()
    try:
        code = cli.main(standalone_mode=False)
    except ActionbenchError as error:
        for sentence in error.args:
            say(f"actionbench: {plainly(sentence)}")
        code = EXIT_BAD_INPUT
    except OSError as error:
        say(f"actionbench: {error.filename or 'a file or stream'}: {error.strerror or error}")
        code = EXIT_BAD_INPUT
    except click.exceptions.Abort:
        say(f"actionbench: interrupted{_RESUMED if {*sys.argv[1:2]} & _RESUMABLE else ''}")
        code = EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    sys.exit(code if isinstance(code, int) else 0)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="actionbench", prog_name="actionbench")
def cli() -> None:
    """Honest comparison of ways to recognise actions in video."""


@cli.command()
@click.argument("matrix", default="quick")
@store_option
@set_option("matrix")
@only_option
@plugin_option
@click.option("-j", "--workers", type=click.IntRange(min=1), help="Cells at a time; by default one per core.")
@click.option(
    "--on",
    metavar="WHERE",
    help="Other machines: dask (a cluster of this one), tcp://HOST:PORT (a scheduler that is there), slurm.",
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
@click.option("-v", "--verbose", is_flag=True, help="The trace-back of each cell that fails.")
@json_option
def run(
    matrix: str,
    store: str,
    changes: tuple[str, ...],
    only: tuple[str, ...],
    plugins: tuple[str, ...],
    workers: int | None,
    on: str | None,
    retry: tuple[str, ...],
    fresh: bool,
    cache: str | None,
    quiet: bool,
    verbose: bool,
    as_json: bool,
) -> int:
    """Run what MATRIX asks for and the store does not hold yet, then print the table.

    MATRIX is a TOML file or the name of a built-in matrix; without it, the quick one on the built-in data set.
    """
    refuse_both({"-q": quiet, "-v": verbose})
    refuse_both({"--fresh": fresh, "--retry": retry})
    from .experiments.running import warm_cache

    asked = warm_cache.question(matrix, changes, only, plugins)
    known = None if fresh or retry or as_json else _known(store, asked)
    if known is None:
        known = _run(
            matrix,
            store,
            changes,
            only,
            plugins,
            quiet,
            asked,
            workers=workers,
            on=on,
            retry=retry,
            fresh=fresh,
            cache=cache,
        )
    if as_json:
        from . import api
        from .reports.analysis import tables

        click.echo(tables.render(api.rows_of(api.table(store), known["rows"]), "json"), nl=False)
    else:
        print_layout(known["run"])
    if not quiet:
        say(f"{known['summary']}; results in {store}")
    for sentence, trace in known["failures"]:
        say(sentence)
        if verbose and trace:
            say(trace)
    if known["stopped"]:
        raise click.exceptions.Abort
    return EXIT_FAILED if known["failures"] else 0


def _known(store: str, asked: str) -> dict[str, Any] | None:
    """Return the answer of the last run, if it was the same question and nothing has changed."""
    from .experiments.running import warm_cache
    from .experiments.store import Store

    if not os.path.isfile(store):
        return None
    with Store.open(store) as opened:
        question, witnesses, answer = opened.last_run()
    if question != asked or not witnesses or not answer or not warm_cache.unchanged(witnesses):
        return None
    return json.loads(answer)


def _collect_rarely() -> None:
    """Look for garbage less often: next to nothing of what modules, plans and results consist of is ever any."""
    gc.set_threshold(100_000)


def _run(
    matrix: str,
    store: str,
    changes: tuple[str, ...],
    only: tuple[str, ...],
    plugins: tuple[str, ...],
    quiet: bool,
    asked: str,
    **options: Any,
) -> dict[str, Any]:
    """Run a matrix and return what is to be said, which the store keeps for the next time."""
    from .experiments.isolation.fork_server import ForkServer
    from .experiments.isolation.pool import WARM

    _collect_rarely()
    # It imports what cells need while the same is imported here to plan them.
    fork_server = ForkServer([WARM])
    try:
        from . import api
        from .experiments.planning.cells import plan_cells
        from .experiments.planning.matrix import read_matrix
        from .experiments.running.runner import run_cells
        from .experiments.store import Store

        begun = time.time_ns()
        checked = read_matrix(matrix, changes)
        cells = plan_cells(checked, plugins=plugins, only=only)
        with Store.open(store) as opened:
            with show_progress(len(cells), quiet) as progress:
                summary = run_cells(
                    checked,
                    cells,
                    opened,
                    plugins=plugins,
                    fork_server=fork_server,
                    progress=progress,
                    **options,
                )
            return api.answer(opened, checked, cells, summary, asked, plugins, begun, fork_server)
    finally:
        fork_server.close()


@cli.command()
@click.argument("matrix", default="quick")
@store_option
@set_option("matrix")
@only_option
@plugin_option
@click.option(
    "-j", "--workers", type=click.IntRange(min=1), help="Cells at a time, for the time that is left."
)
@click.option(
    "--why",
    metavar="CELL",
    help="Explain why a cell is to run, what has changed since its like was stored: a key, or KEY=VALUE,... as for "
    "--only.",
)
@json_option
def plan(
    matrix: str,
    store: str,
    changes: tuple[str, ...],
    only: tuple[str, ...],
    plugins: tuple[str, ...],
    workers: int | None,
    why: str | None,
    as_json: bool,
) -> None:
    """Show the cells of MATRIX and which of them are stored, without running any."""
    _collect_rarely()
    from . import api

    if why is not None:
        said = api.why(why, matrix, store=store, changes=changes, only=only, plugins=plugins)
        click.echo(json.dumps(said, indent=1) if as_json else _reasons(said))
        return
    cells = api.plan(matrix, store=store, changes=changes, only=only, plugins=plugins, workers=workers)
    if as_json:
        click.echo(cells.to_json(orient="records", indent=1))
        return
    counts = cells.groupby(["dataset", "split", "attempt", "status"], sort=False).size().reset_index()
    print_rows(
        ["data set", "split", "attempt", "status", "cells"], list(counts.itertuples(index=False, name=None))
    )
    waiting = int((cells["status"] == "to run").sum())
    seconds, size = cells.attrs["seconds"], cells.attrs["bytes"]
    left = "" if seconds is None or not waiting else f", about {duration(seconds)}"
    room = "" if size is None or not waiting else f" and {size / 2**20:.2g} MiB of disk"
    say(f"{len(cells)} cells, {waiting} to run{left}{room}")


def _reasons(said: dict[str, list[str]]) -> str:
    return "\n".join("\n  ".join([cell, *found]) for cell, found in said.items())


@cli.command()
@click.argument("path", metavar="[STORE]", required=False, type=click.Path(dir_okay=False))
@store_option
@click.option("-o", "--output", default="report", show_default=True, type=click.Path(file_okay=False))
@click.option(
    "--without-costs",
    is_flag=True,
    help="Leave out times, memory, machines and dates: the same predictions give the same bytes, whoever made them.",
)
def report(path: str | None, store: str, output: str, without_costs: bool) -> None:
    """Write the offline page, the tables and the figures of a store or a bundle into a folder."""
    from . import api

    files = api.report(path or store, output, costs=not without_costs)
    for file in files:
        click.echo(file)
    if not any(file.suffix == ".parquet" for file in files):
        say('table.parquet needs pyarrow: pip install "actionbench[parquet]"')


@cli.command()
@click.argument("old", type=click.Path(dir_okay=False))
@click.argument("new", type=click.Path(dir_okay=False))
@click.option(
    "--margin", type=click.FloatRange(0, 1), default=0.0, help="A loss of accuracy that does not matter."
)
@json_option
def compare(old: str, new: str, margin: float, as_json: bool) -> int:
    """Compare two stores or bundles attempt by attempt.

    Exit code 0: nothing is worse; 1: something is; 3: nothing could be compared.
    """
    from . import api

    table = api.compare(old, new, margin=margin)
    if as_json:
        click.echo(table.to_json(orient="records", indent=1))
    else:
        header = ["data set", "split", "attempt", "old %", "new %", "difference", "p", "verdict", "reason"]
        print_rows(header, [_compared(row) for row in table.to_dict("records")])
    if (table["verdict"] == "worse").any():
        return 1
    return 3 if (table["verdict"] == "not comparable").all() else 0


def _compared(row: dict[Any, Any]) -> tuple[str, ...]:
    """Return a row of the comparison in percent."""
    names = tuple(row[column] for column in ("dataset", "split", "attempt"))
    if row["verdict"] == "not comparable":
        return (*names, "", "", "", "", row["verdict"], row["reason"])
    old, new, *change = (
        100 * row[column]
        for column in ("accuracy_old", "accuracy_new", "difference", "difference_low", "difference_high")
    )
    difference = "{:+.1f} [{:+.1f}, {:+.1f}]".format(*change)
    return (
        *names,
        f"{old:.1f}",
        f"{new:.1f}",
        difference,
        f"{row['p_value']:.3g}",
        row["verdict"],
        row["reason"],
    )


@cli.command("list")
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


@cli.group()
def data() -> None:
    """Look at a data set."""


def _dataset_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        plugin_option,
        set_option("data set, such as groups or height"),
        click.option("--root", type=click.Path(), help="The folder of the clips."),
        click.argument("name"),
    ):
        command = option(command)
    return command


@data.command()
@_dataset_options
@json_option
def info(
    name: str, root: str | None, changes: tuple[str, ...], plugins: tuple[str, ...], as_json: bool
) -> None:
    """Decode the data set NAME and say what is in it."""
    from .experiments.audit.preview import describe

    facts = describe(_dataset(name, root, changes, plugins))
    if as_json:
        click.echo(json.dumps(facts, indent=1))
    else:
        print_rows(["", name], [(key, in_one_line(value)) for key, value in facts.items()])


@data.command()
@_dataset_options
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False), help="The PNG file to write.")
def preview(
    name: str, root: str | None, changes: tuple[str, ...], plugins: tuple[str, ...], output: str
) -> None:
    """Draw a contact sheet of the data set NAME."""
    from .experiments.audit.preview import contact_sheet

    contact_sheet(_dataset(name, root, changes, plugins), output)
    click.echo(output)


def _dataset(name: str, root: str | None, changes: tuple[str, ...], plugins: tuple[str, ...]) -> Any:
    from .experiments.datasets.registry import dataset_registry, make_dataset
    from .experiments.planning.matrix import parse_change

    options = dict(parse_change(change) for change in changes)
    if root is not None:
        options["root"] = root
    return make_dataset(dataset_registry(plugins).get(name), name, options)


@cli.command()
@click.argument("name")
@click.option("--dataset", required=True, metavar="NAME", help="The data set to fit it on.")
@click.option("--root", type=click.Path(), help="The folder of the clips.")
@set_option("data set, such as groups or height")
@plugin_option
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False), help="The text file to write."
)
def rules(
    name: str, dataset: str, root: str | None, changes: tuple[str, ...], plugins: tuple[str, ...], output: str
) -> None:
    """Fit the attempt NAME on a whole data set and write its list of rules.

    Edit the file and run it as the attempt rules-file.
    """
    from . import api

    clips = _dataset(dataset, root, changes, plugins)
    click.echo(api.export_rules(name, clips, output, plugins=plugins))
    say(f"fitted on all {len(clips)} clips: on the same people the list will look better than it is")


@cli.command()
@json_option
def doctor(as_json: bool) -> None:
    """Describe what actionbench runs on: versions, processor, threads, data folders."""
    from . import listing

    facts = listing.diagnosis()
    if as_json:
        click.echo(json.dumps(facts, indent=1))
    else:
        print_rows(["", "actionbench"], [(key, in_one_line(value)) for key, value in facts.items()])


for command in (show, mlflow, fit, predict, export, new, check, bundle, reproduce):
    cli.add_command(command)
