"""Attributes that are checked when they are set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

_MISSING = object()


class Checked:
    """An object that checks what its attributes are set to, and is of another version after each change of them.

    What changes inside of an attribute, such as the values of an array, makes no version.
    """

    checks: ClassVar[Mapping[str, Callable[[str, Any], Any]]] = {}
    # An object rather than a count, of which two threads could make the same one twice.
    _version: object = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.checks:
            value = self.checks[name](name, value)
        before = vars(self).get(name, _MISSING)
        if before is not value and before is not _MISSING:
            self._check_replaced(name, before, value)
        super().__setattr__(name, value)
        if before is not value:
            self._changed()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._changed()

    def _changed(self) -> None:
        vars(self)["_version"] = object()

    def _check_replaced(self, name: str, before: Any, value: Any) -> None:
        """Refuse what must not replace an attribute."""
