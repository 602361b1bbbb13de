"""What can go wrong by the user's doing, one class per kind; the command line ends each with exit code 2."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from types import TracebackType
from typing import Any


class ActionbenchError(Exception):
    """Bad input or wrong use: one sentence that names the thing, what is wrong and what would be right.

    Several arguments are several faults, each with its own sentence.

    Examples
    --------
    >>> import actionbench
    >>> try:
    ...     actionbench.plan("gone.toml")
    ... except actionbench.ActionbenchError as error:
    ...     print(error)
    gone.toml: there is no such matrix; it must be a TOML file or one of the built-in ablation, ...
    """

    def __str__(self) -> str:
        return "\n".join(map(str, self.args))


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


class Faults:
    """Collects the errors of several ``with`` blocks, so that all of them are raised at once.

    Examples
    --------
    >>> faults = Faults()
    >>> for name in ("a", "b"):
    ...     with faults:
    ...         raise MatrixError(f"{name} is missing")
    >>> faults.check()
    Traceback (most recent call last):
    ...
    actionbench.errors.MatrixError: a is missing
    b is missing
    """

    def __init__(self) -> None:
        self._errors: list[ActionbenchError] = []

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, ActionbenchError):
            self.add(error)
            return True
        return False

    def add(self, error: ActionbenchError) -> None:
        """Collect an error that nobody has raised."""
        self._errors.append(error)

    def check(self) -> None:
        """Raise what was collected as one error of the first kind, each sentence once."""
        if self._errors:
            first = self._errors[0]
            raise type(first)(
                *dict.fromkeys(sentence for error in self._errors for sentence in error.args)
            ) from first


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Describe which names exist and which was probably meant, for the end of an error sentence."""
    known = sorted(known)
    close = get_close_matches(word, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known are: {', '.join(known)}"


def describe_fault(
    fault: Mapping[str, Any],
    keys: Iterable[int | str],
    known: Callable[[], Iterable[str]],
    shown: Callable[[Any], str] = repr,
) -> str:
    """Describe what pydantic found wrong with a value in a file.

    Parameters
    ----------
    fault : mapping
        One of ``ValidationError.errors()``.
    keys : iterable of int or str
        Where in the file it is.
    known : callable
        Returns the keys that there may be, for one that there is not.
    shown : callable
        Returns a value as text.

    Examples
    --------
    >>> describe_fault({"type": "extra_forbidden"}, ["limits", "thread"], lambda: ["threads"])
    "unknown key 'thread' in limits; did you mean 'threads'? known are: threads"
    """
    where = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")
    if fault["type"] == "extra_forbidden":
        parent, _, key = where.rpartition(".")
        return f"unknown key {key!r}{f' in {parent}' if parent else ''}; {did_you_mean(key, known())}"
    if fault["type"] == "missing":
        return f"the key {where!r} is missing"
    message = fault["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    value = "" if fault["type"] == "value_error" else f", got {shown(fault['input'])}"
    return f"{where}: {message}{value}" if where else f"{message}{value}"
