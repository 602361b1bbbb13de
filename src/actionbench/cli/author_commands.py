"""The commands for authors of plug-ins: new, check."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..errors import ActionbenchError
from .options import json_option, plugin_option, set_option
from .terminal import say

# Everything heavy is imported inside the command that needs it.
if TYPE_CHECKING:
    from ..baselines.conformance import Report


@click.group()
def new() -> None:
    """Write the skeleton of a plug-in."""


@new.command("attempt")
@click.argument("name")
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="DIR",
    help="The folder to write; by default NAME in the working directory.",
)
def new_attempt(name: str, output: str | None) -> None:
    """Write a small package with the attempt NAME, its tests, and a matrix that runs it beside others."""
    from ..skeleton import write_attempt

    for file in write_attempt(name, output):
        click.echo(file)
    folder = output or name
    say(f"now: pip install -e {folder}; pytest {folder}; actionbench check {name}")


@click.command()
@click.argument("name")
@plugin_option
@set_option("attempt, as in params.epochs=2")
@click.option(
    "--skip",
    "skipped",
    multiple=True,
    metavar="CHECK=REASON",
    help="Leave a check out, with the reason; may be repeated.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="What fitting and predicting a dozen tiny clips may take.",
)
@click.option(
    "--memory",
    "mebibytes",
    type=click.FloatRange(min=0, min_open=True),
    default=2048.0,
    show_default=True,
    help="The memory of its process meanwhile, in MiB.",
)
@json_option
def check(
    name: str,
    plugins: tuple[str, ...],
    changes: tuple[str, ...],
    skipped: tuple[str, ...],
    seconds: float,
    mebibytes: float,
    as_json: bool,
) -> int:
    """Put the attempt NAME to the checks that every attempt must pass.

    Exit code 0: all pass, but for clips that it refuses in a sentence; 1: one fails.
    """
    from ..api import check as reports_of

    reports = reports_of(
        name,
        params=_params(changes),
        skip=_skipped(skipped),
        plugins=plugins,
        seconds=seconds,
        mebibytes=mebibytes,
    )
    kept = _print(reports, as_json)
    failed = sum(report.outcome == "failed" for report in kept)
    if not as_json:
        say(f"{name}: {len(kept)} checks, {failed} failed")
    return int(failed > 0)


def _print(reports: Iterable[Report], as_json: bool) -> list[Report]:
    """Print reports: lines as they come, or JSON at the end."""
    kept = []
    for report in reports:
        kept.append(report)
        if not as_json:
            reason = f": {report.reason}" if report.reason else ""
            click.echo(f"{report.outcome:7} {report.check:23} {report.seconds:6.2f} s{reason}")
    if as_json:
        rows = [{key: value for key, value in asdict(report).items() if key != "error"} for report in kept]
        click.echo(json.dumps(rows, indent=1))
    return kept


def _params(changes: tuple[str, ...]) -> dict[str, Any]:
    from ..experiments.planning.matrix import parse_change

    params = {}
    for change in changes:
        key, value = parse_change(change)
        part, dot, name = key.partition(".")
        if part != "params" or not dot or not name:
            raise ActionbenchError(f"--set {change}: must be params.KEY=VALUE, as in params.epochs=2")
        params[name] = value
    return params


def _skipped(words: tuple[str, ...]) -> dict[str, str]:
    skip = {}
    for word in words:
        name, equals, reason = word.partition("=")
        if not equals:
            raise ActionbenchError(f"--skip {word}: must be CHECK=REASON, as in one_frame='needs motion'")
        skip[name] = reason
    return skip
