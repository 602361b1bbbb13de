"""The commands for data sets: data info, data preview, data prove, data import, data fetch."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ActionbenchError, did_you_mean
from ..progress import each, tell
from ..workflow import Experiment
from .options import DatasetRequest, dataset_options, json_option, workers_option
from .progress import show_progress, show_transfers
from .terminal import EXIT_FAILED, print_facts, print_rows, say

# Everything heavy is imported inside the command that needs it.
if TYPE_CHECKING:
    from ..experiments.datasets.importing import Guess


@click.group()
def data() -> None:
    """Look at a data set, fetch one, or find out how annotations can be one."""


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
    with show_progress(dataset.name):
        data = dataset.make()
        seen = look(
            {"": Looked(data, dataset.source(data))},
            workers=workers or default_workers(1),
            progress=lambda _, n_done: tell("clips", n_done, len(data)),
        )[""]
        if data.drops_unreadable:
            data = without(data, seen.reasons(data))
        else:
            seen.check()
        facts = describe(data, seen.in_order(), chosen)
    print_facts(dataset.name, facts, as_json)


@data.command()
@dataset_options(click.argument("dataset", metavar="NAME"))
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False), help="The PNG file to write.")
def preview(dataset: DatasetRequest, output: str) -> None:
    """Draw a contact sheet of the data set NAME."""
    from ..experiments.audit.preview import contact_sheet

    contact_sheet(dataset.make(), output)
    click.echo(output)


@data.command()
@click.argument("name", type=click.Choice(["diagnostic"]))
@click.option("--track", "tracks", multiple=True, metavar="TRACK", help="Only this track; may be repeated.")
@click.option(
    "--clips",
    type=click.IntRange(min=60),
    default=1600,
    show_default=True,
    help="Test clips for each probe, about; with fewer, what must fail may not be shown to do so.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the people.")
@workers_option
@json_option
def prove(
    name: str, tracks: tuple[str, ...], clips: int, seed: int, workers: int | None, as_json: bool
) -> int:
    """Prove that the classes of the data set NAME differ in what its tracks are for, and in nothing else.

    On each track some probes must fail: the upper limit of their accuracy is at most 3 points above chance. Others must
    pass. Exit code 1 if one does not.
    """
    from ..experiments.datasets.diagnostic.dataset import TRACKS
    from ..experiments.datasets.diagnostic.proofs import prove_all
    from ..experiments.running.runner import default_workers

    for track in tracks:
        if track not in TRACKS:
            raise ActionbenchError(f"--track {track}: there is no such track; {did_you_mean(track, TRACKS)}")
    found = []
    chosen = tracks or tuple(TRACKS)
    with show_progress(name):
        proofs = prove_all(chosen, workers=workers or default_workers(1), clips=clips, seed=seed)
        for proved in each("tracks", proofs, len(chosen)):
            found += proved
            say(f"{proved[0].track}: {sum(one.holds for one in proved)} of {len(proved)} hold")
    if as_json:
        click.echo(json.dumps([one.as_dict() for one in found], indent=1))
    else:
        print_rows(
            ["track", "probe", "demanded", "accuracy % [95 %]", "clips", ""], [one.as_row() for one in found]
        )
    return 0 if all(one.holds for one in found) else EXIT_FAILED


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


@data.command("import")
@click.argument("file", type=click.Path())
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="The matrix to write.")
@click.option(
    "--groups",
    metavar="VALUE",
    help='A column, a regular expression with (?P<group>...) for names of files, or "none"; otherwise it is asked for.',
)
@click.option(
    "--label", metavar="NAME", help="The column, tier of ELAN or attribute of CVAT with the labels."
)
@click.option("--unit", type=click.Choice(["seconds", "frames"]), help="What start and end are counted in.")
@click.option("--root", type=click.Path(), help="The folder that paths in the annotations are relative to.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@json_option
def import_(
    file: str,
    output: str | None,
    groups: str | None,
    label: str | None,
    unit: str | None,
    root: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Find out what FILE is, annotations or a folder of clips, and write a matrix that reads it.

    The format, the labels and the split are guessed, with reasons. The groups are yours to choose.
    """
    from ..experiments.datasets.importing import guess
    from ..experiments.planning.writing import matrix_text

    if output is not None:
        _check_output(output, force)
    found = guess(file, label=label, unit=unit, root=root)
    if groups is None and output is not None and found.takes_groups:
        groups = _ask_for_groups(file, found, as_json)
    chosen = found if groups is None else found.choose(groups)
    if as_json:
        click.echo(json.dumps(chosen.as_json(), indent=1))
    else:
        _print_guess(chosen, with_candidates=groups is None)
    if output is None:
        say("nothing is written without -o FILE")
        return
    path = Path(output)
    path.write_text(matrix_text(chosen, path.stem, path.parent), encoding="utf-8")
    try:
        Experiment(output).plan()
    except ActionbenchError as error:
        raise ActionbenchError(f"{output} is written, but cannot be run yet", *error.args) from error
    say(f"{output} is written; now: actionbench plan {output}; actionbench run {output}")


def _check_output(output: str, force: bool) -> None:
    if os.path.exists(output) and not force:
        raise ActionbenchError(f"{output}: exists already; --force replaces it, or give -o another name")
    if not Path(output).parent.is_dir():
        raise ActionbenchError(f"{output}: the folder {Path(output).parent} does not exist")


def _print_guess(found: Guess, with_candidates: bool) -> None:
    print_rows(["", "guessed"], list(found.reasons.items()))
    if with_candidates and found.candidates:
        rows = [(n, one.groups, one.reason) for n, one in enumerate(found.candidates, 1)]
        print_rows(["", "groups may be", "reason"], rows)


def _ask_for_groups(file: str, found: Guess, as_json: bool) -> str:
    """Return what the user chooses, who must be there to be asked."""
    if as_json or not sys.stdin.isatty():
        known = [f"'{one.groups}' ({one.reason})" for one in found.candidates if one.useful]
        values = " or ".join([*known, "'none'"])
        raise ActionbenchError(
            f"{file}: nothing is written; groups must be chosen by --groups VALUE, {values}"
        )
    _print_guess(found, with_candidates=True)

    def value(text: str) -> str:
        number = int(text) if text.isdecimal() and len(text) < 5 else 0
        groups = found.candidates[number - 1].groups if 0 < number <= len(found.candidates) else text
        try:
            found.choose(groups)
        except ActionbenchError as error:
            raise click.UsageError(str(error)) from error
        return groups

    question = "Groups: a number, a column, a regular expression, or none"
    return click.prompt(question, value_proc=value, err=True)
