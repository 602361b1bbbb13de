"""The command that takes in results from elsewhere: import."""

from __future__ import annotations

from typing import Any

import click

from .options import DatasetRequest, dataset_options, store_option
from .progress import show_progress
from .terminal import say


@click.command("import")
@click.argument("file", type=click.Path())
@dataset_options(
    click.option(
        "--dataset",
        required=True,
        metavar="NAME",
        help="The data set of predictions, or a matrix that has it.",
    ),
    "matrix, or of the data set, such as groups or split",
)
@store_option
@click.option("--attempt", metavar="NAME", help="The name in tables; by default that of FILE.")
@click.option("--family", default="external", show_default=True, metavar="WORD", help="The family in tables.")
@click.option(
    "--clips",
    type=click.Path(),
    metavar="LIST",
    help="A file with the clips of a dump or an array in its order, one in a line.",
)
@click.option(
    "--classes",
    metavar="NAME,...",
    help="The classes of scores without names, in their order.",
)
@click.option("--force", is_flag=True, help="Replace predictions that were imported under the same name.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def import_(
    file: str,
    dataset: DatasetRequest,
    store: str,
    attempt: str | None,
    family: str,
    clips: str | None,
    classes: str | None,
    force: bool,
    quiet: bool,
) -> None:
    """Take in results of other programs.

    Predictions in FILE become rows of the store, for show, report and compare: a table with a row for each clip, a dump
    of mmaction2, or an array. Each clip must be predicted once, in the fold that tests it.
    """
    _import_predictions(
        file,
        dataset,
        quiet,
        clips=clips,
        classes=None if classes is None else [name.strip() for name in classes.split(",")],
        store=store,
        attempt=attempt,
        family=family,
        replace=force,
    )


def _import_predictions(
    file: str,
    dataset: DatasetRequest,
    quiet: bool,
    clips: str | None,
    classes: list[str] | None,
    **options: Any,
) -> None:
    from pathlib import Path

    from .. import workflow
    from ..experiments.sharing.prediction_files import read_predictions

    found = read_predictions(file, clips=clips, classes=classes)
    with show_progress(0, quiet) as progress:
        done = workflow.import_predictions(
            found,
            file,
            dataset.entry() if dataset.root else dataset.name,
            changes=dataset.changes,
            plugins=dataset.plugins,
            progress=progress,
            **{**options, "attempt": options["attempt"] or Path(file).stem},
        )
    known = f", {done.n_known} were there already" if done.n_known else ""
    say(f"{options['store']}: {done.n_new} cells of {', '.join(done.attempts)} imported{known}")
