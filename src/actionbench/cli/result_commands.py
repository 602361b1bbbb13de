"""The commands that show results and hand them on: show, report, compare, mlflow."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ActionbenchError
from .options import json_option, refuse_both, results_option
from .progress import show_progress
from .terminal import EXIT_INTERRUPTED, print_layout, print_rows, say

# Everything heavy is imported inside the command that needs it.
if TYPE_CHECKING:
    import pandas as pd

_FORMATS = ("terminal", "md", "csv", "tex", "json", "parquet")


@click.command()
@results_option
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
    store: str,
    form: str | None,
    output: str | None,
    predictions: bool,
    watch: bool,
    every: float,
) -> int:
    """Print the comparison table of a store or a bundle."""
    form = _format(form, output, predictions)
    if output and os.path.exists(output) and os.path.exists(store) and os.path.samefile(output, store):
        raise ActionbenchError(f"-o {output}: is what is shown; name another file")
    if watch:
        from .watching import watch as follow

        live = form == "terminal" and sys.stdout.isatty()
        try:
            follow(store, every, live=live)
        except KeyboardInterrupt:
            return EXIT_INTERRUPTED
        if live:
            return 0
    if form != "terminal" or not _show_cached(store):
        _show(store, form, output, predictions)
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
        raise ActionbenchError("--format parquet: it is not printed; -o FILE must name the file to write")
    return form


def _show_cached(path: str) -> bool:
    """Print the table where the store holds it since the last run; return whether it does."""
    from ..experiments.running import warm_cache
    from ..experiments.sharing.reading import is_bundle
    from ..experiments.store import Store

    if is_bundle(path):
        return False
    with Store.open(path, must_exist=True) as store:
        cached = store.cached_output()
    if cached is None or not warm_cache.unchanged(cached.file_stamps, data=False):
        return False
    printed = json.loads(cached.output)
    print_layout(printed["show"])
    _say_each(printed["unfinished"])
    return True


def _show(path: str, form: str, output: str | None, predictions: bool) -> None:
    from ..experiments.sharing.reading import open_results
    from ..reports.analysis import ladder, profile, tables
    from ..reports.analysis.results import compared, gather, unfinished
    from ..reports.rendering import exports

    with open_results(path) as opened:
        found = [] if predictions else gather(opened)
        table = exports.predictions(opened) if predictions else tables.score(compared(found))
        last = []
        if form == "terminal":
            last = [*ladder.layout(ladder.ladder(found)), *profile.layout(profile.profile(found))]
        sentences = unfinished(opened)
    if form == "terminal":
        print_layout([*tables.layout(table), *last])
    elif output is None:
        click.echo(_content(table, form, predictions), nl=False)
    else:
        Path(output).write_bytes(_content(table, form, predictions))
        click.echo(output)
    is_empty = table.empty and not last
    _say_each(["the store has no results yet; `actionbench run` makes some"] if is_empty else sentences)


def _content(table: pd.DataFrame, form: str, predictions: bool) -> bytes:
    from ..reports.analysis import tables
    from ..reports.rendering import exports

    if form == "parquet":
        return exports.parquet(table)
    if predictions:
        return table.to_csv(index=False, lineterminator="\n").encode()
    return tables.render(table, form).encode()


def _say_each(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        say(sentence)


@click.command()
@results_option
@click.option("-o", "--output", default="report", show_default=True, type=click.Path(file_okay=False))
@click.option(
    "--without-costs",
    is_flag=True,
    help="Leave out times, memory, machines and dates: the same predictions give the same bytes, whoever made them.",
)
def report(store: str, output: str, without_costs: bool) -> None:
    """Write the offline page, the tables and the figures of a store or a bundle into a folder."""
    from .. import api

    with show_progress(f"writing the report in {output}"):
        files = api.report(store, output, costs=not without_costs)
    for file in files:
        click.echo(file)
    if not any(file.suffix == ".parquet" for file in files):
        say('table.parquet needs pyarrow: pip install "actionbench[parquet]"')


@click.command()
@click.argument("old", type=click.Path(dir_okay=False))
@click.argument("new", type=click.Path(dir_okay=False))
@click.option(
    "--margin", type=click.FloatRange(0, 1), default=0.0, help="A loss of accuracy that does not matter."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(("terminal", "json", "github", "junit")),
    help="By default terminal; github is a comment in Markdown, junit XML of test cases.",
)
@json_option
def compare(old: str, new: str, margin: float, form: str | None, as_json: bool) -> int:
    """Compare two stores or bundles attempt by attempt.

    Exit code 0: nothing is worse; 1: something is; 3: nothing could be compared.
    """
    from .. import api

    refuse_both({"--json": as_json, f"--format {form}": form not in (None, "json")})
    table = api.compare(old, new, margin=margin)
    _print_comparison(table, "json" if as_json else form or "terminal")
    if (table["verdict"] == "worse").any():
        return 1
    return 3 if (table["verdict"] == "not comparable").all() else 0


def _print_comparison(table: pd.DataFrame, form: str) -> None:
    if form == "terminal":
        header = ["data set", "split", "attempt", "old %", "new %", "difference", "p", "verdict", "reason"]
        print_rows(header, [_compared(row) for row in table.to_dict("records")])
    elif form == "json":
        click.echo(table.to_json(orient="records", indent=1))
    else:
        from ..reports.rendering import integration

        click.echo((integration.github if form == "github" else integration.junit)(table), nl=False)


def _compared(row: dict[Any, Any]) -> tuple[str, ...]:
    """Return a row of the comparison in percent."""
    names = tuple(row[column] for column in ("dataset", "split", "attempt"))
    if row["verdict"] == "not comparable":
        return (*names, "", "", "", "", row["verdict"], row["reason"])
    old, new, *change = (
        100 * row[column]
        for column in ("accuracy_old", "accuracy_new", "difference", "difference_low", "difference_high")
    )
    is_same = row["verdict"] == "identical"
    difference = "0" if is_same else "{:+.1f} [{:+.1f}, {:+.1f}]".format(*change)
    return (
        *names,
        f"{old:.1f}",
        f"{new:.1f}",
        difference,
        f"{row['p_value']:.3g}",
        row["verdict"],
        row["reason"],
    )


@click.command()
@results_option
@click.option(
    "--uri",
    required=True,
    envvar="MLFLOW_TRACKING_URI",
    show_envvar=True,
    help="The tracking server, as http://HOST:PORT.",
)
@click.option("--experiment", default="actionbench", show_default=True, metavar="NAME")
def mlflow(store: str, uri: str, experiment: str) -> None:
    """Log each attempt of a store or a bundle as a run of MLflow, once."""
    # What is logged goes to the URI and nowhere else.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from .. import api

    logged = api.log_to_mlflow(store, uri, experiment)
    print_rows(["data set", "split", "attempt", "run", ""], list(logged.itertuples(index=False, name=None)))
