"""What was found of a net, such as the list of its parameters, until anything of any net is set anew."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

_MISSING = object()

# A new object with each change: of integers two threads could make the same one twice.
_changes = object()
_holders: list[weakref.ref[Watched]] = []


def changes() -> object:
    """Return what is another object once an attribute of any module or parameter is set or deleted."""
    return _changes


def _changed() -> None:
    global _changes, _holders
    _changes = object()
    holders, _holders = _holders, []
    for holder in holders:
        watched = holder()
        if watched is not None:
            # It may be all that keeps a module alive that is no longer part of the net.
            watched._known = {}


if hasattr(os, "register_at_fork"):
    # A trace may wake threads that a child does not have.
    os.register_at_fork(after_in_child=_changed)


class Watched:
    """Checks what its attributes are set to, and remembers what was found until any is set anew."""

    checks: ClassVar[Mapping[str, Callable[[str, Any], Any]]] = {}
    _known: dict[str, tuple[object, Any]]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.checks:
            value = self.checks[name](name, value)
        before = vars(self).get(name, _MISSING)
        is_new = before is not value
        if is_new and before is not _MISSING:
            self._check_replaced(name, before, value)
        super().__setattr__(name, value)
        if is_new and name != "_known":
            _changed()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        _changed()

    def _check_replaced(self, name: str, before: Any, value: Any) -> None:
        """Refuse what must not replace an attribute."""

    def _found(self, what: str, find: Callable[[], Any]) -> Any:
        """Return what ``find`` found, until anything of any net is set anew."""
        now, (then, found) = _changes, self._known.get(what, (None, None))
        if now is not then:
            found = find()
            self._known[what] = now, found
            _holders.append(weakref.ref(self))
        return found
