"""The commands that show results and hand them on: show, mlflow."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .errors import ActionbenchError
from .terminal import EXIT_INTERRUPTED, print_layout, print_rows, say, store_option

# Everything heavy is imported inside the command that needs it.
if TYPE_CHECKING:
    import pandas as pd

_FORMATS = ("terminal", "md", "csv", "tex", "json", "parquet")


@click.command()
@click.argument("path", metavar="[STORE]", required=False, type=click.Path(dir_okay=False))
@store_option
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), help="By default terminal, or what FILE ends in."
)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False), metavar="FILE", help="Write it there, print nothing."
)
@click.option("--predictions", is_flag=True, help="Each clip instead of the table: CSV or Parquet.")
@click.option("--watch", is_flag=True, help="Follow a run until it ends; it need not have begun.")
@click.option(
    "--every",
    type=click.FloatRange(min=0.05),
    default=1,
    show_default=True,
    metavar="SECONDS",
    help="How often --watch looks.",
)
def show(
    path: str | None,
    store: str,
    form: str | None,
    output: str | None,
    predictions: bool,
    watch: bool,
    every: float,
) -> int:
    """Print the comparison table of a store or a bundle."""
    where, form = path or store, _format(form, output, predictions)
    if output and os.path.exists(output) and os.path.exists(where) and os.path.samefile(output, where):
        raise ActionbenchError(f"-o {output}: is what is shown; name another file")
    if watch:
        from .watching import watch as follow

        live = form == "terminal" and sys.stdout.isatty()
        try:
            follow(where, every, live=live)
        except KeyboardInterrupt:
            return EXIT_INTERRUPTED
        if live:
            return 0
    if form != "terminal" or not _show_known(where):
        _show(where, form, output, predictions)
    return 0


def _format(form: str | None, output: str | None, predictions: bool) -> str:
    """Return in which format to show, where that can be done."""
    ending = os.path.splitext(output)[1].removeprefix(".").lower() if output else ""
    if form and ending in _FORMATS[1:] and form != ending:
        raise ActionbenchError(
            f"--format {form}: contradicts -o {output}, which ends in .{ending}; give one of them"
        )
    form = form or ending or ("csv" if predictions else "terminal")
    if output and form not in _FORMATS[1:]:
        raise ActionbenchError(
            f"-o {output}: must end in .{', .'.join(_FORMATS[1:])}, or --format name one of these"
        )
    if predictions and form not in ("csv", "parquet"):
        raise ActionbenchError(f"--predictions: there is no format {form} of them; it must be csv or parquet")
    if form == "parquet" and not output:
        raise ActionbenchError("--format parquet: it is not printed; -o FILE must say where it goes")
    return form


def _show_known(where: str) -> bool:
    """Print the table where it is known since the last run; say whether it is."""
    from .experiments.running import warm_cache
    from .experiments.sharing.reading import is_bundle
    from .experiments.store import Store

    if is_bundle(where):
        return False
    with Store.open(where, must_exist=True) as opened:
        _, witnesses, answer = opened.last_run()
    if not (witnesses and answer and warm_cache.unchanged(witnesses, data=False)):
        return False
    known = json.loads(answer)
    print_layout(known["show"])
    _say_each(known["unfinished"])
    return True


def _show(where: str, form: str, output: str | None, predictions: bool) -> None:
    from .experiments.sharing.reading import open_results
    from .reports.analysis import tables
    from .reports.analysis.results import unfinished
    from .reports.rendering import exports

    with open_results(where) as opened:
        table = exports.predictions(opened) if predictions else tables.comparison_table(opened)
        sentences = unfinished(opened)
    if form == "terminal":
        print_layout(tables.layout(table))
    elif output is None:
        click.echo(_content(table, form, predictions), nl=False)
    else:
        Path(output).write_bytes(_content(table, form, predictions))
        click.echo(output)
    _say_each(["the store has no results yet; `actionbench run` makes some"] if table.empty else sentences)


def _content(table: pd.DataFrame, form: str, predictions: bool) -> bytes:
    from .reports.analysis import tables
    from .reports.rendering import exports

    if form == "parquet":
        return exports.parquet(table)
    if predictions:
        return table.to_csv(index=False, lineterminator="\n").encode()
    return tables.render(table, form).encode()


def _say_each(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        say(sentence)


@click.command()
@click.argument("path", metavar="[STORE]", required=False, type=click.Path(dir_okay=False))
@store_option
@click.option(
    "--uri",
    required=True,
    envvar="MLFLOW_TRACKING_URI",
    show_envvar=True,
    help="The tracking server, as http://HOST:PORT.",
)
@click.option("--experiment", default="actionbench", show_default=True, metavar="NAME")
def mlflow(path: str | None, store: str, uri: str, experiment: str) -> None:
    """Log each attempt of a store or a bundle as a run of MLflow, once."""
    # What is logged goes to the URI and nowhere else.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from . import api

    logged = api.log_to_mlflow(path or store, uri, experiment)
    print_rows(["data set", "split", "attempt", "run", ""], list(logged.itertuples(index=False, name=None)))
