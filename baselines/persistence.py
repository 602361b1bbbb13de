"""Writing a fitted attempt to a folder and reading it back, without pickle."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..errors import ActionbenchError
from .base import check_is_fitted
from .registry import PLUGINS, declared

if TYPE_CHECKING:
    from .base import Attempt

__all__ = ["load", "pack", "save", "state_bytes", "unpack"]

A = TypeVar("A", bound="Attempt")

_DESCRIPTION = "attempt.json"
_STATE = "fitted.skops"
_FORMAT = 1


def save(attempt: Attempt, folder: Path) -> None:
    """Write a fitted attempt to a folder.

    ``attempt.json`` names the class and its parameters, ``fitted.skops`` holds the fitted attributes. An
    attempt whose fitted attributes are more than numbers, arrays and containers of them gives
    ``fitted_state()``, a dict of such, and takes it back by ``restore_state(state)``.

    Parameters
    ----------
    attempt : Attempt
        The fitted attempt.
    folder : Path
        Where to; made where it does not exist.

    Raises
    ------
    ActionbenchError
        If a parameter cannot be written as JSON, or the folder cannot be written.
    sklearn.exceptions.NotFittedError
        If the attempt is not fitted.
    """
    # Takes a second to import, and is needed here and to read only.
    import skops.io

    check_is_fitted(attempt)
    description = {"format": _FORMAT, "class": _name(type(attempt)), "params": attempt.get_params(deep=False)}
    try:
        text = json.dumps(description, indent=2, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ActionbenchError(
            f"{type(attempt).__name__} cannot be saved: its parameters must be JSON values ({error})"
        ) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        skops.io.dump(_state(attempt), folder / _STATE)
        (folder / _DESCRIPTION).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ActionbenchError(f"{folder}: the attempt cannot be saved there ({error.strerror})") from error


def load(cls: type[A], folder: Path) -> A:
    """Read a fitted attempt from a folder.

    Parameters
    ----------
    cls : type
        The attempt's class, or one it derives from: ``Attempt`` reads any that is installed or imported.
    folder : Path
        What `save` wrote.

    Returns
    -------
    Attempt
        Predicts what the saved one did.

    Raises
    ------
    ActionbenchError
        If the folder does not hold a saved attempt of this class, or is damaged.
    """
    description = _read_description(folder)
    try:
        found = _find(cls, description["class"])
    except ActionbenchError as error:
        raise ActionbenchError(f"{folder}: {error}") from error
    try:
        attempt = found(**description["params"])
    except TypeError as error:
        raise ActionbenchError(
            f"{folder / _DESCRIPTION}: the parameters are not those of {found.__name__} ({error})"
        ) from error
    _restore(attempt, folder)
    return attempt


def pack(attempt: Attempt) -> dict[str, Any]:
    """Return a fitted attempt as plain values, for the ``fitted_state()`` of one that it is part of."""
    params = attempt.get_params(deep=False)
    return {"class": _name(type(attempt)), "params": params, "state": _state(attempt)}


def unpack(cls: type[A], packed: dict[str, Any]) -> A:
    """Take back what `pack` gave, an attempt of a class or of one that derives from it."""
    attempt = _find(cls, packed["class"])(**packed["params"])
    _take(attempt, packed["state"])
    return attempt


def state_bytes(attempt: Attempt) -> int:
    """Return the bytes of all numbers and texts that a fitted attempt consists of, without how they are packed."""
    return _bytes(_state(attempt), set())


def _bytes(value: Any, seen: set[int]) -> int:
    if isinstance(value, str | bytes):
        return len(value)
    if value is None or isinstance(value, bool | int | float | complex):
        return 8
    if id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, np.ndarray | np.generic) and value.dtype != object:
        return int(value.nbytes)
    if isinstance(value, dict):
        return sum(_bytes(part, seen) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return sum(_bytes(part, seen) for part in list(value))
    return _bytes(getattr(value, "__dict__", {}), seen)


def _name(cls: type) -> str:
    module = cls.__module__
    if module.startswith(PLUGINS):
        # The name of the file alone: the folder of a plug-in may be another where the attempt is read back.
        module = PLUGINS + Path(inspect.getfile(cls)).stem
    return f"{module}:{cls.__qualname__}"


def _state(attempt: Attempt) -> dict[str, Any]:
    if hasattr(attempt, "fitted_state"):
        return attempt.fitted_state()
    return {name: value for name, value in vars(attempt).items() if _is_fitted(name)}


def _is_fitted(name: Any) -> bool:
    return isinstance(name, str) and name.endswith("_") and not name.startswith("_")


def _read_description(folder: Path) -> dict[str, Any]:
    path = folder / _DESCRIPTION
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ActionbenchError(f"{path}: cannot be read, so {folder} holds no saved attempt") from error
    except ValueError as error:
        raise ActionbenchError(f"{path}: is damaged, it is no longer JSON") from error
    types = {"format": int, "class": str, "params": dict}
    known = isinstance(description, dict) and all(
        isinstance(description.get(key), kind) for key, kind in types.items()
    )
    if not known or description["format"] != _FORMAT:
        raise ActionbenchError(f"{path}: does not describe a saved attempt of format {_FORMAT}")
    return description


def _find(cls: type[A], name: str) -> type[A]:
    """Return the class of that name, of those that are imported or declared by an installed package."""
    for entry in declared("actionbench.attempts"):
        # Only what a package declares is ever imported, whatever the file says.
        if entry.value == name:
            entry.load()
    for known in _descendants(cls):
        if _name(known) == name:
            return known
    if name.startswith(PLUGINS):
        file = name.removeprefix(PLUGINS).partition(":")[0]
        raise ActionbenchError(f"holds an attempt of the plug-in {file}.py; name that file with --plugin")
    raise ActionbenchError(f"holds an attempt of class {name}, which is not a known {cls.__name__}")


def _descendants(cls: type[A]) -> Iterator[type[A]]:
    yield cls
    for child in cls.__subclasses__():
        yield from _descendants(child)


def _restore(attempt: Attempt, folder: Path) -> None:
    import skops.io

    path = folder / _STATE
    try:
        # Nothing beyond what skops itself trusts: numbers, arrays, containers, scikit-learn's estimators.
        _take(attempt, skops.io.load(path, trusted=[]))
    except Exception as error:
        # A damaged archive fails in many ways; each of them means the same to the reader.
        raise ActionbenchError(
            f"{path}: the fitted attempt cannot be read back ({type(error).__name__}: {error})"
        ) from error


def _take(attempt: Attempt, state: dict[str, Any]) -> None:
    if hasattr(attempt, "restore_state"):
        attempt.restore_state(state)
        return
    for name in filter(_is_fitted, state):
        setattr(attempt, name, state[name])
    check_is_fitted(attempt)
