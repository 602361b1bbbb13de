"""What the scripts of this folder share: their options, the machine, and files of results."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from actionbench.experiments.store.provenance import collect


def parse(
    parser: argparse.ArgumentParser, markdown: Callable[[Any], str] | None = None
) -> argparse.Namespace:
    """Parse the command line, with ``--json`` and, where there are tables for a document, ``--markdown``.

    With ``--markdown`` the tables of a result are printed and the program ends: nothing is measured.
    """
    parser.add_argument("--json", type=Path, help="file to write as well")
    if markdown:
        parser.add_argument("--markdown", type=Path, help="file of --json whose tables are printed")
    options = parser.parse_args()
    if markdown and options.markdown:
        print(markdown(json.loads(options.markdown.read_text())), end="")
        sys.exit()
    return options


def machine(**others: Any) -> dict[str, Any]:
    """Return what a figure depends on besides the code that is measured."""
    facts = collect()
    return {
        "processor": facts["processor"],
        "actionbench": facts["actionbench"],
        "git": facts["git"] and facts["git"]["commit"],
        **others,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def in_words(machine: dict[str, Any]) -> str:
    """Return the machine of a result as text."""
    return ", ".join(f"{key} {value}" for key, value in machine.items())


def read(path: Path | None) -> dict[str, Any]:
    """Return the result that is in the file of ``--json``, if there is one."""
    return json.loads(path.read_text()) if path and path.exists() else {}


def write(path: Path | None, content: Any) -> None:
    """Write a result where ``--json`` asks for it."""
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1) + "\n")
