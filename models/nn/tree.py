"""Modules inside modules, each under its path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self, TypeGuard, cast

from .checked import Checked
from .snapshot import Snapshot

if TYPE_CHECKING:
    from .module import Module


class Tree(Checked):
    """What has modules inside: those among its attributes."""

    _snapshots: list[Snapshot]

    def children(self) -> list[tuple[str, Module]]:
        """Return the modules inside, by name."""
        return [(name, value) for name, value in vars(self).items() if is_module(value)]

    def _paths(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield this module and all inside under each of their paths, parents first."""
        yield prefix, cast("Module", self)
        for name, child in self.children():
            yield from child._paths(f"{prefix}.{name}" if prefix else name)

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """Yield this module and all inside, parents first; each once, with its first path."""
        seen: set[int] = set()
        for path, module in self._paths():
            if id(module) not in seen:
                seen.add(id(module))
                yield path, module

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call ``function`` with this module and each inside, parents first."""
        for module in (cast("Module", self), *self._snapshot().modules):
            function(module)
        return self

    def find_modules(self, kind: type[Module]) -> list[Module]:
        """Return all modules of a class or of one derived from it."""
        return [module for _, module in self.named_modules() if isinstance(module, kind)]

    def _snapshot(self) -> Snapshot:
        """Return a snapshot of the net as it is now."""
        net = cast("Module", self)
        for snapshot in self._snapshots:
            if snapshot.is_of(net):
                return snapshot
        snapshot = Snapshot(net)
        self._snapshots[:] = [snapshot]
        return snapshot

    def _changed(self) -> None:
        super()._changed()
        # It may be all that keeps a module alive that was replaced.
        vars(self).get("_snapshots", []).clear()


def is_module(value: Any) -> TypeGuard[Module]:
    """Return whether a value is a module."""
    return isinstance(value, Tree)
