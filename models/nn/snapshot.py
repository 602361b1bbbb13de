"""What was found of a net, such as the list of its parameters, for as long as the net stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from .parameter import Parameter

if TYPE_CHECKING:
    from .module import Module

_version_of = itemgetter("_version")


class Snapshot:
    """The versions of a net and of the modules and parameters inside at one time, and what was found of it since.

    Attributes
    ----------
    modules : list of Module
        Those inside the net, without itself: it would never be freed but by the garbage collector.
    is_training : bool
        Whether the net or any of these is in training mode.
    """

    def __init__(self, net: Module) -> None:
        self.modules: list[Module] = []
        self.is_training = False
        self._found: dict[str, Any] = {}
        self._version = net._version
        self._inside: list[dict[str, Any]] = []
        self._versions: list[object] = []
        for _, module in net.named_modules():
            # The version is read before all else: what another thread changes meanwhile makes the snapshot outdated.
            if module is not net:
                self.modules.append(module)
                self._add(module)
            self.is_training |= module.is_training
            for value in list(vars(module).values()):
                if isinstance(value, Parameter):
                    self._add(value)

    def _add(self, part: Module | Parameter) -> None:
        self._inside.append(vars(part))
        self._versions.append(part._version)

    def is_of(self, net: Module) -> bool:
        """Return whether no attribute of the net was set or deleted since."""
        # Their attributes as dicts, as a small net is asked at each forward.
        return net._version is self._version and list(map(_version_of, self._inside)) == self._versions

    def get(self, what: str, find: Callable[[], Any]) -> Any:
        """Return what ``find`` returned when it was first asked for."""
        if what not in self._found:
            self._found[what] = find()
        return self._found[what]
