"""Registries of attempts and data sets: from entry points, and from files named with ``--plugin``."""

from __future__ import annotations

import inspect
import re
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from ..errors import PluginError, did_you_mean
from .base import Attempt
from .plugins import described, installed_entry_points, load_plugin

__all__ = ["Registry", "RegistryEntry", "attempt_registry", "current_attempts", "use_attempts"]

T = TypeVar("T")


@dataclass(frozen=True)
class RegistryEntry:
    """A name in a registry, with functions that return its origin and its class."""

    name: str
    origin: Callable[[], str]
    load: Callable[[], Any]


class Registry(Generic[T]):
    """The attempts, or the data sets, that can be named in a matrix.

    Parameters
    ----------
    what : str
        What is registered, for messages: ``"attempt"``.
    group : str
        The entry-point group.
    base : type
        The class that all of them derive from.
    plugins : iterable of path, optional
        Python files in which further ones are defined.
    required : tuple of str
        Class attributes that must be strings.

    Raises
    ------
    PluginError
        If a plug-in file is missing, cannot be run, or uses a name that exists already.
    """

    def __init__(
        self,
        what: str,
        group: str,
        base: type[T],
        plugins: Iterable[str | Path] = (),
        required: tuple[str, ...] = (),
    ) -> None:
        self.what = what
        self._base = base
        self._required = required
        self._entries = ChainMap[str, RegistryEntry]({}, _installed(group))
        for path in plugins:
            for name, found_class in _classes_of(load_plugin(Path(path)), base):
                if name in self._entries:
                    raise PluginError(
                        f"{path}: the {what} {name!r} exists already, from {self.origin(name)}; "
                        "give the class another `name`"
                    )
                self._entries[name] = RegistryEntry(name, partial(str, path), partial(_identity, found_class))

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self._entries)

    def origin(self, name: str) -> str:
        """Return where a name comes from: a distribution with its version, or a file."""
        return self._entries[name].origin()

    def get(self, name: str) -> type[T]:
        """Return the class of a name.

        Raises
        ------
        PluginError
            If there is none, or if it cannot be loaded; the message says why.
        """
        if name not in self._entries:
            raise PluginError(f"there is no {self.what} {name!r}; {did_you_mean(name, self._entries)}")
        entry = self._entries[name]
        try:
            loaded = entry.load()
        except Exception as error:  # a plug-in may fail in any way
            raise PluginError(
                f"the {self.what} {name!r} from {entry.origin()} cannot be loaded: {described(error)}"
            ) from error
        if not (inspect.isclass(loaded) and issubclass(loaded, self._base)):
            raise PluginError(
                f"the {self.what} {name!r} from {entry.origin()} must be a class derived from {self._base.__name__}"
            )
        for attribute in self._required:
            if not isinstance(getattr(loaded, attribute, None), str):
                raise PluginError(
                    f"the {self.what} {name!r} from {entry.origin()} must have a class attribute {attribute!r}, a str"
                )
        return loaded


def attempt_registry(plugins: Iterable[str | Path] = ()) -> Registry[Attempt]:
    """Return the attempts that can be named in a matrix."""
    return Registry("attempt", "actionbench.attempts", Attempt, plugins, required=("family",))


_CURRENT: ContextVar[Registry[Attempt] | None] = ContextVar("current attempts", default=None)


@contextmanager
def use_attempts(attempts: Registry[Attempt]) -> Iterator[None]:
    """Use a registry for attempts that create others by name, inside of a ``with`` block."""
    token = _CURRENT.set(attempts)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current_attempts() -> Registry[Attempt]:
    """Return the registry of `use_attempts`; outside of it, that of installed packages."""
    found = _CURRENT.get()
    return attempt_registry() if found is None else found


def _identity(found_class: type[T]) -> type[T]:
    return found_class


def _classes_of(module: ModuleType, base: type[T]) -> list[tuple[str, type[T]]]:
    """Return the (name, class) pairs of the concrete subclasses that a module defines."""
    return [
        (getattr(member, "name", None) or _kebab(member.__name__), member)
        for member in vars(module).values()
        if inspect.isclass(member)
        and issubclass(member, base)
        and member.__module__ == module.__name__
        and not inspect.isabstract(member)
        and not member.__name__.startswith("_")
    ]


def _kebab(name: str) -> str:
    """Return ``my-attempt`` for ``MyAttempt`` and ``my-svm`` for ``MySVM``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


@cache
def _installed(group: str) -> dict[str, RegistryEntry]:
    entries: dict[str, RegistryEntry] = {}
    for point in installed_entry_points(group):
        entries.setdefault(point.name, RegistryEntry(point.name, partial(_origin, point), point.load))
    return entries


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value
