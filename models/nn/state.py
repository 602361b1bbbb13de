"""Parameters and buffers of a net: read, written, shared, and seen as one flat vector."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike

from . import functional
from .parameter import Parameter
from .tree import Tree
from .values import Array

if TYPE_CHECKING:
    pass


class State(Tree):
    """What has parameters and buffers: its own and those of the modules inside."""

    buffer_names: ClassVar[tuple[str, ...]] = ()
    _is_loaded: bool

    def own_state(self) -> dict[str, Parameter | Array]:
        """Return the parameters and buffers of this module itself, by name."""
        own: dict[str, Parameter | Array] = {
            name: value for name, value in vars(self).items() if isinstance(value, Parameter)
        }
        return own | {name: getattr(self, name) for name in self.buffer_names}

    def is_learnt(self) -> bool:
        """Return whether there is any parameter here or inside."""
        return bool(self.parameters())

    def parameters(self) -> dict[str, Parameter]:
        """Return the parameters by path; one that is shared is under its first path."""
        return self._snapshot().get("parameters", self._find_parameters).copy()

    def _find_parameters(self) -> dict[str, Parameter]:
        found: dict[int, tuple[str, Parameter]] = {}
        for path, module in self.named_modules():
            for name, value in module.own_state().items():
                if isinstance(value, Parameter):
                    found.setdefault(id(value), (_join(path, name), value))
        return dict(found.values())

    def buffers(self) -> dict[str, Array]:
        """Return the arrays of the state that are not learnt, by path."""
        found: dict[int, tuple[str, Array]] = {}
        for path, module in self.named_modules():
            for name in module.buffer_names:
                buffer = getattr(module, name)
                found.setdefault(id(buffer), (_join(path, name), buffer))
        return dict(found.values())

    def state_dict(self) -> dict[str, Array]:
        """Return copies of all parameters and buffers, by path."""
        state = {name: parameter.value.copy() for name, parameter in self.parameters().items()}
        return state | {name: buffer.copy() for name, buffer in self.buffers().items()}

    def load_state_dict(self, state: Mapping[str, Array]) -> Self:
        """Write a state into the parameters and buffers in place, so that flat vectors stay valid.

        Raises
        ------
        ValueError
            If a name is missing, unknown, or its array has another shape.
        """
        own = {name: parameter.value for name, parameter in self.parameters().items()} | self.buffers()
        if set(own) != set(state):
            raise ValueError(
                f"the state does not fit: {', '.join(sorted(set(own) ^ set(state)))} on one side only"
            )
        for name, value in own.items():
            if value.shape != np.shape(state[name]):
                raise ValueError(f"{name} must have the shape {value.shape}, got {np.shape(state[name])}")
        for name, value in own.items():
            value[...] = state[name]
        self._is_loaded = True
        return self

    def is_loaded(self) -> bool:
        """Return whether anything here has values that `load_state_dict` wrote and `reset` has not drawn anew since."""
        return any(module._is_loaded for _, module in self.named_modules())

    def get_parameters(self) -> tuple[Array, Array]:
        """Return one flat vector of all parameters and one of their gradients.

        Every parameter is a view of them from then on. Calling again, also on a part of the net, returns the
        same memory; the vectors of a part taken earlier are no longer those of the net.
        """
        parameters = list(self.parameters().values())
        return _flatten(parameters, "value"), _flatten(parameters, "_grad")

    def zero_grad_parameters(self) -> None:
        """Set all gradients to zero."""
        for _, grad in self._snapshot().get("vectors", self._vectors):
            functional.clear(grad)

    def update_parameters(self, lr: float) -> None:
        """Go one step of ``lr`` down the gradient."""
        for value, grad in self._snapshot().get("vectors", self._vectors):
            functional.descend(value, grad, lr)

    def _vectors(self) -> list[tuple[Array, Array]]:
        """Return the values and gradients of all parameters; where they are flat, in one vector each."""
        pairs = [(parameter.value, parameter.grad) for parameter in self.parameters().values()]
        values, grads = _common([value for value, _ in pairs]), _common([grad for _, grad in pairs])
        return pairs if values is None or grads is None else [(values, grads)]

    def share(self, other: Tree, *names: str) -> Self:
        """Hold the very parameters and buffers of another net of the same structure.

        Parameters
        ----------
        other : Module
            Whose parameters and buffers are taken, each by the module at the same path.
        *names : str
            Which of them, such as ``"weight"``; all by default.

        Raises
        ------
        ValueError
            If the structures or shapes differ, or nothing has one of the names.

        Examples
        --------
        >>> from actionbench.models import nn
        >>> left, right = nn.Linear(3, 2), nn.Linear(3, 2)
        >>> left.share(right, "weight").weight is right.weight
        True
        """
        mine, theirs = list(self._paths()), list(other._paths())
        if [(path, type(module)) for path, module in mine] != [
            (path, type(module)) for path, module in theirs
        ]:
            raise ValueError("only nets of one structure can share parameters")
        taken = []
        for (path, module), (_, source) in zip(mine, theirs, strict=True):
            own = module.own_state()
            for name, value in source.own_state().items():
                if not names or name in names:
                    if _shape(own.get(name)) != _shape(value):
                        raise ValueError(f"{_join(path, name)} has another shape in the other net")
                    taken.append((module, name, value))
        if unknown := set(names) - {name for _, name, _ in taken}:
            raise ValueError(f"nothing in {type(self).__name__} is named {', '.join(sorted(unknown))}")
        for module, name, value in taken:
            setattr(module, name, value)
        return self

    def clone(self, *names: str) -> Self:
        """Return a deep copy without remembered calls; what is shared inside stays shared.

        With ``names`` the copy shares those parameters and buffers with the original, see `share`.
        """
        twin = copy.deepcopy(self)
        return twin.share(self, *names) if names else twin

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_calls": [], "_steps": None, "_snapshots": []}

    def astype(self, dtype: DTypeLike) -> Self:
        """Convert parameters and buffers; flat vectors taken before are stale after it."""
        for parameter in self.parameters().values():
            parameter.astype(dtype)
        converted = {id(buffer): buffer.astype(dtype) for buffer in self.buffers().values()}
        for _, module in self.named_modules():
            for name in module.buffer_names:
                setattr(module, name, converted[id(getattr(module, name))])
        return self

    def count_parameters(self) -> int:
        """Return how many values are learnt."""
        return sum(parameter.value.size for parameter in self.parameters().values())


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _shape(value: Parameter | Array | None) -> tuple[int, ...] | None:
    return value.value.shape if isinstance(value, Parameter) else getattr(value, "shape", None)


def _flatten(parameters: list[Parameter], name: str) -> Array:
    """Make the arrays of that name views of one vector, and return it.

    That is the memory that already holds them one behind the other, or new memory; then each array is let go before
    the next is copied, and what is not there yet is left as the system gives it, which takes none.
    """
    flat = _common([getattr(parameter, name) for parameter in parameters])
    if flat is not None:
        return flat
    dtypes = [parameter.value.dtype for parameter in parameters] or [np.dtype(np.float32)]
    flat, start = np.zeros(sum(parameter.value.size for parameter in parameters), np.result_type(*dtypes)), 0
    for parameter in parameters:
        array, shape, stop = getattr(parameter, name), parameter.value.shape, start + parameter.value.size
        if array is not None:
            flat[start:stop] = array.ravel()
        setattr(parameter, name, flat[start:stop].reshape(shape))
        start = stop
    return flat


def _common(arrays: list[Any]) -> Array | None:
    """Return the memory that holds arrays one behind the other, if there is such."""
    base = getattr(arrays[0], "base", None) if arrays else None
    if not isinstance(base, np.ndarray) or base.ndim != 1:
        return None
    first = end = (_address(arrays[0]) - _address(base)) // base.itemsize
    for array in arrays:
        if array is None or array.base is not base or _address(array) != _address(base) + end * base.itemsize:
            return None
        end += array.size
    return base[first:end]


def _address(array: Array) -> int:
    return array.__array_interface__["data"][0]
