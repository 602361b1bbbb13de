"""What can go wrong by the user's doing, one class per kind; the command line ends each with exit code 2."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class ActionbenchError(Exception):
    """Bad input or wrong use: one sentence that names the thing, what is wrong and what would be right."""


class MatrixError(ActionbenchError):
    """A matrix file that cannot be run as it is written."""


class DataError(ActionbenchError):
    """A data set that is not what it claims to be: a missing folder, an empty class, a damaged list."""


class DecodeError(DataError):
    """A video file that cannot be decoded, or not to its end."""


class SplitError(ActionbenchError):
    """A split that cannot be made, or one that puts a group on both sides."""


class PluginError(ActionbenchError):
    """An attempt or a data set that is unknown or cannot be loaded."""


class ModelError(ActionbenchError):
    """A folder that cannot be used as a model, or not written as one."""


class StoreError(ActionbenchError):
    """A store that cannot be opened, or was written by another version."""


class BundleError(ActionbenchError):
    """A bundle that is damaged, foreign, or cannot be written or run again."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Say which names exist and which was probably meant, for the end of an error sentence."""
    known = sorted(known)
    close = get_close_matches(word, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known are: {', '.join(known)}"
