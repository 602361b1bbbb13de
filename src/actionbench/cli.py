"""The command line: each command is a thin coat over a function of the package."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click

from . import DEFAULT_STORE
from .author_commands import check, new
from .errors import ActionbenchError
from .model_commands import export, fit, predict
from .terminal import (
    cache_option,
    console,
    in_one_line,
    json_option,
    plugin_option,
    print_rows,
    say,
    set_option,
)

# Everything heavy is imported inside the command that needs it.
if TYPE_CHECKING:
    import pandas as pd

    from .experiments.runner import PlannedCell, Progress, RunSummary

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command line and end with its exit code."""
    try:
        code = cli.main(standalone_mode=False)
    except ActionbenchError as error:
        say(f"actionbench: {error}")
        code = EXIT_BAD_INPUT
    except click.exceptions.Abort:
        say("actionbench: interrupted; a run keeps what has finished, and the same command goes on")
        code = EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    sys.exit(code if isinstance(code, int) else 0)


def _store_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--store",
        type=click.Path(dir_okay=False),
        default=DEFAULT_STORE,
        show_default=True,
        help="The file that results are kept in.",
    )(command)


def _only_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--only",
        multiple=True,
        metavar="KEY=VALUE,...",
        help="Only some cells, as in attempt=rules,fold=0; keys: attempt, dataset, family, fold, seed, split.",
    )(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="actionbench", prog_name="actionbench")
def cli() -> None:
    """Honest comparison of ways to recognise actions in video."""


@cli.command()
@click.argument("matrix", default="quick")
@_store_option
@set_option("matrix")
@_only_option
@plugin_option
@click.option("-j", "--workers", type=click.IntRange(min=1), help="Cells at a time; by default one per core.")
@click.option(
    "--retry",
    multiple=True,
    type=click.Choice(["failed", "error", "crash", "timeout", "memory"]),
    help="Run stored failures again, all or those of one kind; may be repeated.",
)
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
    retry: tuple[str, ...],
    cache: str | None,
    quiet: bool,
    verbose: bool,
    as_json: bool,
) -> int:
    """Run what MATRIX asks for and the store does not hold yet, then print the table.

    MATRIX is a TOML file or the name of a built-in matrix; without it, the quick one on the built-in data set.
    """
    from .api import table_of
    from .experiments.matrix import read_matrix
    from .experiments.runner import plan_cells, run_cells
    from .experiments.store import Store

    checked = read_matrix(matrix, changes)
    cells = plan_cells(checked, plugins=plugins, only=only)
    with Store.open(store) as opened:
        with _progress(len(cells), quiet) as progress:
            summary = run_cells(
                checked,
                cells,
                opened,
                workers=workers,
                plugins=plugins,
                retry=retry,
                cache=cache,
                progress=progress,
            )
        _print_table(table_of(opened, cells), "json" if as_json else "terminal")
        if not quiet:
            say(_in_words(summary, store))
        if summary.n_failed:
            _say_failures(opened.cells(), cells, verbose)
    return EXIT_FAILED if summary.n_failed else 0


@contextmanager
def _progress(total: int, quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """Show progress on standard error: a bar on a terminal, a line per cell elsewhere."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.progress import (
            Progress as Bar,
        )

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("running", total=total)
            yield lambda now: bar.update(task, completed=now.done, description=_which(now.cell))
    else:
        width = len(str(total))
        yield lambda now: say(f"[{now.done:{width}}/{total}] {now.status:7} {_which(now.cell)}")


def _which(cell: PlannedCell) -> str:
    return f"{cell.data.title} {cell.title} {cell.data.folds[cell.fold].name} seed {cell.seed}"


def _in_words(summary: RunSummary, store: str) -> str:
    skipped = f", {summary.n_skipped} skipped" if summary.n_skipped else ""
    return (
        f"{summary.n_cells} cells: {summary.n_stored} were stored, {summary.n_run} run now, "
        f"{summary.n_failed} failed{skipped}; results in {store}"
    )


def _say_failures(stored: pd.DataFrame, cells: list[PlannedCell], verbose: bool) -> None:
    rows = stored[(stored["status"] == "failed") & stored["key"].isin([cell.key for cell in cells])]
    for row in rows.to_dict("records"):
        what = f"{row['error']}: {row['message']}" if row["error"] else row["message"]
        where = " ".join(str(row[column]) for column in ("dataset", "attempt", "fold_name"))
        say(f"failed ({row['kind']}): {where} seed {row['seed']}: {what}")
        if verbose and row["traceback"]:
            say(row["traceback"])


def _print_table(table: pd.DataFrame, form: str) -> None:
    from .reports import tables

    if form == "terminal":
        console().print(tables.terminal(table))
    else:
        click.echo(tables.render(table, form), nl=False)


@cli.command()
@click.argument("matrix", default="quick")
@_store_option
@set_option("matrix")
@_only_option
@plugin_option
@json_option
def plan(
    matrix: str,
    store: str,
    changes: tuple[str, ...],
    only: tuple[str, ...],
    plugins: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show the cells of MATRIX and which of them are stored, without running any."""
    from . import api

    cells = api.plan(matrix, store=store, changes=changes, only=only, plugins=plugins)
    if as_json:
        click.echo(cells.to_json(orient="records", indent=1))
        return
    counts = cells.groupby(["dataset", "split", "attempt", "status"], sort=False).size().reset_index()
    print_rows(
        ["data set", "split", "attempt", "status", "cells"], list(counts.itertuples(index=False, name=None))
    )
    waiting = int((cells["status"] == "to run").sum())
    say(f"{len(cells)} cells, {waiting} to run")


@cli.command()
@click.argument("path", metavar="[STORE]", required=False, type=click.Path(dir_okay=False))
@_store_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["terminal", "md", "csv", "tex", "json"]),
    default="terminal",
    show_default=True,
)
def show(path: str | None, store: str, form: str) -> None:
    """Print the comparison table of a store."""
    from . import api

    table = api.table(path or store)
    _print_table(table, form)
    if table.empty:
        say("the store has no results yet; `actionbench run` makes some")


@cli.command()
@click.argument("path", metavar="[STORE]", required=False, type=click.Path(dir_okay=False))
@_store_option
@click.option("-o", "--output", default="report", show_default=True, type=click.Path(file_okay=False))
def report(path: str | None, store: str, output: str) -> None:
    """Write the offline page and the tables of a store into a folder."""
    from . import api

    for file in api.report(path or store, output):
        click.echo(file)


@cli.command()
@click.argument("old", type=click.Path(dir_okay=False))
@click.argument("new", type=click.Path(dir_okay=False))
@click.option(
    "--margin", type=click.FloatRange(0, 1), default=0.0, help="A loss of accuracy that does not matter."
)
@json_option
def compare(old: str, new: str, margin: float, as_json: bool) -> int:
    """Compare two stores attempt by attempt.

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
    from .experiments.datasets.preview import describe

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
    from .experiments.datasets.preview import contact_sheet

    contact_sheet(_dataset(name, root, changes, plugins), output)
    click.echo(output)


def _dataset(name: str, root: str | None, changes: tuple[str, ...], plugins: tuple[str, ...]) -> Any:
    from .experiments.datasets.registry import dataset_registry, make_dataset
    from .experiments.matrix import parse_change

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
    """Say what actionbench runs on: versions, processor, threads, data folders."""
    from . import listing

    facts = listing.diagnosis()
    if as_json:
        click.echo(json.dumps(facts, indent=1))
    else:
        print_rows(["", "actionbench"], [(key, in_one_line(value)) for key, value in facts.items()])


for command in (fit, predict, export, new, check):
    cli.add_command(command)
