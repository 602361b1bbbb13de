"""The text of a matrix for a data set that was recognised."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import DataError
from ..datasets.importing import Guess

#: The attempts of a matrix that is written.
ATTEMPTS = ("majority", "rules", "hog-hof-mbh-svm")


def matrix_text(guess: Guess, name: str, folder: str | Path) -> str:
    """Return a guess whose groups are chosen as the text of a matrix, with its reasons as comments.

    Parameters
    ----------
    guess : Guess
        What is to be written.
    name : str
        Name of the matrix.
    folder : path
        Where it will be; paths are relative to that.
    """
    if guess.split is None or (guess.takes_groups and "groups" not in guess.options):
        raise DataError("groups: they must be chosen before a matrix is written")
    entry = {"name": guess.reader, **guess.options}
    reasons = [_comment(f"{what}: {sentence}") for what, sentence in guess.reasons.items()]
    toml = partial(_toml, folder=Path(folder))
    lines = [
        "# The data set and why it is read so; whatever is wrong can be changed here.",
        f"name = {toml(name)}",
        "",
        "[[datasets]]",
        *reasons,
        *(f"{key} = {toml(value, key=key)}" for key, value in entry.items()),
        f"split = {toml(dict(guess.split)) if len(guess.split) > 1 else toml(guess.split['name'])}",
        "",
        "# What is compared; `actionbench list attempts` shows all. The first is what guessing achieves.",
        *(line for attempt in ATTEMPTS for line in ("[[attempts]]", f"name = {toml(attempt)}", "")),
        "# What a cell may use; without limits it may take all.",
        "# [limits]",
        '# profile = "laptop"',
    ]
    return "\n".join(lines) + "\n"


def _toml(value: Any, *, folder: Path, key: str = "") -> str:
    if isinstance(value, Path):
        relative = _relative(value, folder)
        # Only that of a data set and lists of a split are paths by their key.
        is_explicit = key == "classes" and not relative.startswith("../")
        return _toml_string(f"./{relative}" if is_explicit else relative)
    if isinstance(value, str):
        if value.startswith(("./", "../")):
            raise DataError(f"{value!r} would be taken for a path in a matrix; rename it")
        return _toml_string(value)
    if isinstance(value, Mapping):
        items = (f"{name} = {_toml(item, folder=folder, key=name)}" for name, item in value.items())
        return f"{{ {', '.join(items)} }}"
    if isinstance(value, list):
        return f"[{', '.join(_toml(item, folder=folder, key=key) for item in value)}]"
    return json.dumps(value)


def _relative(path: Path, folder: Path) -> str:
    """Return a path from a folder, right also where the folder is reached through a link."""
    real = Path(os.path.realpath(path.parent)) / path.name
    return Path(os.path.relpath(real, os.path.realpath(folder))).as_posix()


def _toml_string(text: str) -> str:
    if re.search(r"\$\{\w+\}", text):
        raise DataError(f"{text!r} would be taken for an environment variable in a matrix; rename it")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{text!r} is not UTF-8 and cannot be in a matrix; rename it") from error
    if ("\\" in text or '"' in text) and "'" not in text and text.isprintable():
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    letters = (one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
    return f"# {''.join(letters)}"
