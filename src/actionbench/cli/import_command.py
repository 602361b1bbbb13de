"""The command that takes in results from elsewhere: import."""

from __future__ import annotations

from typing import Any

import click

from ..errors import ActionbenchError
from .options import DatasetRequest, dataset_options, json_option, store_option
from .progress import show_progress
from .terminal import print_rows, say

# Options of one kind of results alone.
_OF_PREDICTIONS = ("attempt", "family", "clips", "classes", "force")
_OF_SCORES = ("output", "chance", "lower_is_better", "missing")


@click.command("import")
@click.argument("file", type=click.Path())
@dataset_options(
    click.option(
        "--dataset", default="", metavar="NAME", help="The data set of predictions, or a matrix that has it."
    ),
    "matrix, or of the data set, such as groups or split",
)
@store_option
@click.option("--attempt", metavar="NAME", help="The name in tables; by default that of FILE.")
@click.option("--family", metavar="WORD", help="The family in tables; by default external.")
@click.option(
    "--clips",
    type=click.Path(),
    metavar="LIST",
    help="A file with the clips of a dump or an array in its order, one in a line.",
)
@click.option("--classes", metavar="NAME,...", help="The classes of scores without names, in their order.")
@click.option("--force", is_flag=True, help="Replace predictions that were imported under the same name.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False),
    metavar="DIR",
    help="Where ranks of scores are written to.",
)
@click.option("--chance", type=float, metavar="SCORE", help="The score of chance on all data sets.")
@click.option("--lower-is-better", is_flag=True, help="Scores are errors.")
@click.option(
    "--missing",
    type=click.Choice(["drop", "last"]),
    help="Leave data sets with missing scores out, or rank what is missing last; by default they are an error.",
)
@json_option
def import_(
    file: str, dataset: DatasetRequest, store: str, quiet: bool, as_json: bool, **options: Any
) -> None:
    """Take in results of other programs.

    With --dataset, predictions in FILE become rows of the store, for show, report and compare: a table with a row for
    each clip, a dump of mmaction2, or an array. Each clip must be predicted once, in the fold that tests it.

    Without, scores in FILE are ranked over data sets: a table of data set, attempt and score, or a folder of MTEB's
    results.
    """
    foreign = _OF_SCORES if dataset.name else _OF_PREDICTIONS
    if given := [name for name in foreign if options[name]]:
        kind = "scores, without" if dataset.name else "predictions, with"
        raise ActionbenchError(f"--{given[0].replace('_', '-')}: is for {kind} --dataset")
    if dataset.name:
        _import_predictions(file, dataset, store, quiet, **{name: options[name] for name in _OF_PREDICTIONS})
    else:
        _import_scores(file, as_json, **{name: options[name] for name in _OF_SCORES})


def _import_predictions(
    file: str,
    dataset: DatasetRequest,
    store: str,
    quiet: bool,
    *,
    attempt: str | None,
    family: str | None,
    clips: str | None,
    classes: str | None,
    force: bool,
) -> None:
    from pathlib import Path

    from .. import workflow
    from ..experiments.sharing.prediction_files import read_predictions

    names = None if classes is None else [name.strip() for name in classes.split(",")]
    found = read_predictions(file, clips=clips, classes=names)
    with show_progress(f"importing {file}", quiet) as progress:
        done = workflow.import_predictions(
            found,
            file,
            dataset.entry() if dataset.root else dataset.name,
            attempt=attempt or Path(file).stem,
            family=family or "external",
            store=store,
            changes=dataset.changes,
            plugins=dataset.plugins,
            replace=force,
            progress=progress,
        )
    known = f", {done.n_known} were there already" if done.n_known else ""
    say(f"{store}: {done.n_new} cells of {', '.join(done.attempts)} imported{known}")


def _import_scores(
    file: str,
    as_json: bool,
    *,
    output: str | None,
    chance: float | None,
    lower_is_better: bool,
    missing: str | None,
) -> None:
    from .. import api
    from ..reports.rendering.scores import rank_rows

    ranks = api.import_scores(
        file,
        folder=output,
        chance=chance,
        higher_is_better=not lower_is_better,
        missing=missing or "raise",
    )
    if as_json:
        click.echo(ranks.to_json(orient="records", indent=1))
    else:
        print_rows(*rank_rows(ranks))
    for sentence in ranks.attrs["notes"]:
        say(sentence)
