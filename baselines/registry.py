"""Finding attempts and data sets: by entry point, or in a file named with ``--plugin``."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from ..errors import PluginError, did_you_mean
from .base import Attempt

__all__ = ["Found", "Registry", "attempt_registry", "attempts_in_use", "load_plugin", "naming"]

T = TypeVar("T")

#: What the module names of plug-ins begin with.
PLUGINS = "actionbench_plugins."


@dataclass(frozen=True)
class Found:
    """A name in a registry, where it comes from, and how to load it."""

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
        Class attributes that must be words.

    Raises
    ------
    PluginError
        If a plug-in file is missing, cannot be run, or takes a name that is taken.
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
        self._found: dict[str, Found] = {}
        for point in declared(group):
            self._found.setdefault(point.name, Found(point.name, partial(_origin, point), point.load))
        for path in plugins:
            for name, found_class in _classes_of(load_plugin(Path(path)), base):
                if name in self._found:
                    raise PluginError(
                        f"{path}: the {what} {name!r} is there already, from {self.origin(name)}; "
                        "give the class another `name`"
                    )
                self._found[name] = Found(name, partial(str, path), partial(_itself, found_class))

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self._found)

    def origin(self, name: str) -> str:
        """Return where a name comes from: a distribution with its version, or a file."""
        return self._found[name].origin()

    def get(self, name: str) -> type[T]:
        """Return the class of a name.

        Raises
        ------
        PluginError
            If there is none, or if it cannot be loaded; the message says why.
        """
        if name not in self._found:
            raise PluginError(f"there is no {self.what} {name!r}; {did_you_mean(name, self._found)}")
        found = self._found[name]
        try:
            loaded = found.load()
        except Exception as error:  # a plug-in may fail in any way
            raise PluginError(
                f"the {self.what} {name!r} from {found.origin()} cannot be loaded: {_why(error)}"
            ) from error
        if not (inspect.isclass(loaded) and issubclass(loaded, self._base)):
            raise PluginError(
                f"the {self.what} {name!r} from {found.origin()} must be a class derived from {self._base.__name__}"
            )
        for attribute in self._required:
            if not isinstance(getattr(loaded, attribute, None), str):
                raise PluginError(
                    f"the {self.what} {name!r} from {found.origin()} must have a class attribute {attribute!r}, a word"
                )
        return loaded


@cache
def declared(group: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of a group in all installed packages, looked up once in a process."""
    return tuple(entry_points(group=group))


def attempt_registry(plugins: Iterable[str | Path] = ()) -> Registry[Attempt]:
    """Return the attempts that can be named in a matrix."""
    return Registry("attempt", "actionbench.attempts", Attempt, plugins, required=("family",))


_IN_USE: ContextVar[Registry[Attempt] | None] = ContextVar("attempts in use", default=None)


@contextmanager
def naming(attempts: Registry[Attempt]) -> Iterator[None]:
    """Let an attempt that makes others by their names find those of a registry, inside of a ``with`` block."""
    token = _IN_USE.set(attempts)
    try:
        yield
    finally:
        _IN_USE.reset(token)


def attempts_in_use() -> Registry[Attempt]:
    """Return the registry of `naming`; outside of it, what installed packages declare."""
    found = _IN_USE.get()
    return attempt_registry() if found is None else found


def load_plugin(path: Path) -> ModuleType:
    """Run a plug-in file once per process, under a module name of its own.

    The folder of the file is put last on the import path, so that it may import helpers beside it.
    """
    path = path.resolve()
    # The hash tells "a-b.py" from "a_b.py".
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
    name = f"{PLUGINS}{re.sub(r'[^0-9A-Za-z]', '_', str(path))}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    if not os.path.isfile(path):
        raise PluginError(f"{path}: there is no such plug-in; it must be a Python file")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path}: a plug-in must be a Python file, with a name that ends in .py")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a plug-in may fail in any way
        del sys.modules[name]
        raise PluginError(f"{path}: the plug-in cannot be loaded: {_why(error)}") from error
    return module


def _itself(found_class: type[T]) -> type[T]:
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


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def _why(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
