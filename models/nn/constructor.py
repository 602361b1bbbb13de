"""What a module's constructor was given, so that the module can be printed, saved and made again."""

from __future__ import annotations

import inspect
from abc import ABCMeta
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self

import numpy as np

from .arguments import plain
from .tree import Tree, is_module

_MISSING = object()
# Arguments that only make initial values.
_INITIAL = ("rng", "dtype")


class Fixed:
    """An argument of a constructor that cannot change afterwards, as parameters have their shape by it.

    Parameters
    ----------
    of : callable
        Returns it from a module.
    """

    def __init__(self, of: Callable[[Any], Any]) -> None:
        self._of = of

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, module: Any, kind: type | None = None) -> Any:
        return self if module is None else self._of(module)

    def __set__(self, module: Any, value: Any) -> None:
        raise AttributeError(f"{self._name} of a {type(module).__name__} cannot be changed; make a new one")


class Kept(NamedTuple):
    """An argument whose attribute is another object, and what that was after the constructor."""

    given: Any
    attribute: Any


class Kind(ABCMeta):
    """Makes modules, and keeps those arguments of the constructor that are not attributes of the module."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Return a module."""
        # Files and the printed tree hold no NumPy scalars.
        args, kwargs = plain(args), {name: plain(value) for name, value in kwargs.items()}
        module = super().__call__(*args, **kwargs)
        given = inspect.signature(cls.__init__).bind(module, *args, **kwargs)  # type: ignore[misc]
        given.apply_defaults()
        module._given = {}
        for name, value in list(given.arguments.items())[1:]:
            if name not in _INITIAL and is_module(value):
                module._given[name] = _place_of(module, value)
            elif name not in _INITIAL and not _is_same(getattr(module, name, _MISSING), value):
                module._given[name] = Kept(value, getattr(module, name, _MISSING))
        return module


def _place_of(module: Tree, child: Tree) -> str:
    """Return the path of a module that a constructor was given: another may replace it there."""
    return next((path for path, inside in module._paths() if inside is child), "")


def _is_same(value: Any, other: Any) -> bool:
    if value is other:
        return True
    if type(value) is not type(other):
        return False
    if isinstance(value, list | tuple):
        return len(value) == len(other) and all(map(_is_same, value, other))
    return np.array_equal(value, other) if isinstance(value, np.ndarray) else bool(value == other)


class Constructed(Tree, metaclass=Kind):
    """What can be printed, saved and made again, as it knows what its constructor was given."""

    _given: dict[str, Kept | str]

    def call(self) -> str:
        """Return the call that makes this module, the modules inside excepted."""
        parameters = inspect.signature(type(self).__init__).parameters
        words = [
            _argument_text(name, value, parameters[name])
            for name, value in self.arguments().items()
            if not is_module(value) and name != "modules"
        ]
        return f"{type(self).__name__}({', '.join(words)})"

    def arguments(self) -> dict[str, Any]:
        """Return what a constructor must be given to make this module as it is now.

        Defaults and what only makes initial values are left out. An argument is the attribute of its name; where the
        constructor made something else of it, what it was given, until that attribute is set anew.
        """
        parameters = list(inspect.signature(type(self).__init__).parameters.values())[1:]
        found = {each.name: self._argument(each) for each in parameters if each.name not in _INITIAL}
        defaults = {each.name: each.default for each in parameters}
        return {name: value for name, value in found.items() if not _is_same(value, defaults[name])}

    def _argument(self, parameter: inspect.Parameter) -> Any:
        kept, value = self._given.get(parameter.name), getattr(self, parameter.name, _MISSING)
        if isinstance(kept, str):
            return dict(self._paths()).get(kept, _MISSING)
        if isinstance(parameter.default, bool) and not isinstance(value, bool) and value is not _MISSING:
            return value is not None
        if kept is not None and (value is _MISSING or _is_same(value, kept.attribute)):
            return kept.given
        return parameter.default if value is _MISSING else value

    @classmethod
    def make(cls, arguments: Mapping[str, Any]) -> Self:
        """Call the constructor with what `arguments` returned."""
        positional: list[Any] = []
        named = dict(arguments)
        for name, parameter in list(inspect.signature(cls.__init__).parameters.items())[1:]:
            if parameter.kind is parameter.VAR_POSITIONAL:
                positional += named.pop(name, ())
            elif parameter.default is parameter.empty and name in named:
                positional.append(named.pop(name))
        return cls(*positional, **named)


def _argument_text(name: str, value: Any, parameter: inspect.Parameter) -> str:
    """Return an argument as it is written in a call."""
    if parameter.kind is parameter.VAR_POSITIONAL:
        return ", ".join(map(repr, value))
    text = repr(value.tolist() if isinstance(value, np.ndarray) else value)
    return text if parameter.default is parameter.empty else f"{name}={text}"
