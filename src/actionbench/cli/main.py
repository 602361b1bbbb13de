"""The command ``actionbench``: its sub-commands, and how it ends."""

from __future__ import annotations

import atexit
import gc
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import click

from ..errors import ActionbenchError
from .author_commands import check, new
from .bundle_commands import bundle, reproduce
from .data_commands import data
from .import_command import import_
from .listing_commands import doctor, list_
from .model_commands import export, fit, predict, rules
from .result_commands import compare, mlflow, report, show
from .run_commands import plan, run
from .terminal import EXIT_BAD_INPUT, EXIT_INTERRUPTED, escape, prepare_streams, say

# Everything heavy is imported inside the command that needs it.

# Commands that go on where they were interrupted.
_RESUMABLE = ("run", "reproduce", "data fetch")
_RESUMED = "what has finished is kept, and the same command goes on"


def main() -> NoReturn:
    """Run the command line and end with its exit code."""
    prepare_streams()
    # What ends with the process need not be searched for garbage.
    atexit.register(gc.freeze)
    try:
        code = cli.main(standalone_mode=False)
    except ActionbenchError as error:
        for sentence in error.args:
            say(f"actionbench: {escape(sentence)}")
        code = EXIT_BAD_INPUT
    except OSError as error:
        say(f"actionbench: {error.filename or 'a file or stream'}: {error.strerror or error}")
        code = EXIT_BAD_INPUT
    except click.exceptions.Abort as abort:
        resumable = " ".join([*sys.argv[1:3], ""]).startswith(tuple(f"{words} " for words in _RESUMABLE))
        said = [*map(str, abort.args), *([_RESUMED] if resumable else [])]
        say("; ".join(["actionbench: interrupted", *said]))
        code = EXIT_INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    sys.exit(code if isinstance(code, int) else 0)


def _print_version(context: click.Context) -> None:
    from importlib.metadata import version

    commit = ""
    with suppress(OSError):
        commit = Path(__file__).parents[1].joinpath("commit.txt").read_text(encoding="ascii").strip()
    click.echo(f"actionbench, version {version('actionbench')}{commit and f', commit {commit}'}")
    context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda context, _, wanted: _print_version(context) if wanted else None,
    help="Show the version, with the commit that it was built from where that is known.",
)
def cli() -> None:
    """Honest comparison of ways to recognise actions in video."""


COMMANDS = (
    run, plan, show, report, compare, list_, data, doctor, fit, predict, export, rules, new, check, bundle,
    reproduce, import_, mlflow,
)  # fmt: skip
for command in COMMANDS:
    cli.add_command(command)
