"""Nets on disk: the arrays as safetensors, and the structure as JSON; no code, no pickle."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ActionbenchError
from . import nn
from .checkpoint import replace_file

__all__ = ["load", "save"]

_STRUCTURE = "net.json"
_STATE = "net.safetensors"
_FORMAT = 1


def save(net: nn.Module, folder: str | Path) -> None:
    """Write a net to a folder.

    ``net.safetensors`` holds parameters and buffers by their paths, ``net.json`` each module's class and the arguments
    of its constructor, and which parameters are shared. Nothing else of a net lasts: no gradients, no remembered
    calls, no source of chance.

    Parameters
    ----------
    net : Module
        The net.
    folder : path
        Where to; made where it does not exist.

    Raises
    ------
    ActionbenchError
        If an argument is more than numbers, strings, arrays, modules and lists of them, or it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(nn.Linear(3, 2), folder)
    ...     net = load(folder)
    >>> net
    Linear(3, 2)  weight (2, 3), bias (2,)  8 parameters
    """
    from safetensors.numpy import save as packed

    folder = Path(folder)
    description = {"format": _FORMAT, "net": _describe(net, []), "shared": _shared(net)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / _STATE, packed(net.state_dict()))
        replace_file(folder / _STRUCTURE, (json.dumps(description, indent=2) + "\n").encode())
    except OSError as error:
        raise ActionbenchError(f"{folder}: the net cannot be saved there ({error.strerror})") from error


def load(folder: str | Path) -> nn.Module:
    """Read what `save` wrote: a net in evaluation mode that gives what the saved one did.

    Modules are those of `nn`, and those of classes derived from `nn.Module` that are already imported.

    Parameters
    ----------
    folder : path
        What `save` wrote.

    Returns
    -------
    Module

    Raises
    ------
    ActionbenchError
        If the folder does not hold a net, is damaged, or a class is not known.
    """
    folder = Path(folder)
    description, state = _read(folder)
    try:
        net = _build(description["net"], [])
        _share(net, description["shared"])
        _convert(net, state)
        return net.load_state_dict(state).evaluate()
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ActionbenchError(f"{folder}: the net cannot be built from its files ({error})") from error


def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _describe(module: nn.Module, seen: list[nn.Module]) -> dict[str, Any]:
    """Return class and arguments; a module that was described before is named by its number."""
    for number, other in enumerate(seen):
        if other is module:
            return {"same": number}
    seen.append(module)
    arguments = {name: _plain(value, module, seen) for name, value in module.arguments().items()}
    attributes = {name: value for name, value in vars(module).items() if _is_option(name, value)}
    return {"class": _name(type(module)), "arguments": arguments, "attributes": attributes}


def _is_option(name: str, value: Any) -> bool:
    """Return whether an attribute is a number or a word; with those of a constructor they make a module what it is."""
    return name[0] != "_" and name != "is_training" and isinstance(value, bool | int | float | str)


def _plain(value: Any, module: nn.Module, seen: list[nn.Module]) -> Any:
    if isinstance(value, nn.Module):
        return _describe(value, seen)
    if isinstance(value, nn.Parameter):
        return _plain(value.value, module, seen)
    if isinstance(value, list):
        return {"list": [_plain(entry, module, seen) for entry in value]}
    if isinstance(value, tuple):
        return [_plain(entry, module, seen) for entry in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist(), module, seen)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ActionbenchError(
        f"{type(module).__name__} cannot be saved: its arguments must be numbers, strings, arrays or modules, "
        f"got {type(value).__name__}"
    )


def _build(description: Mapping[str, Any], built: list[nn.Module]) -> nn.Module:
    if "same" in description:
        return built[description["same"]]
    index = len(built)
    built.append(nn.Identity())
    kind = _find(description["class"])
    arguments = {name: _value(value, built) for name, value in description["arguments"].items()}
    module = built[index] = kind.make(arguments)
    for name, value in description.get("attributes", {}).items():
        if getattr(module, name) != value:
            setattr(module, name, value)
    return module


def _value(value: Any, built: list[nn.Module]) -> Any:
    if isinstance(value, dict):
        return [_value(entry, built) for entry in value["list"]] if "list" in value else _build(value, built)
    return tuple(_value(entry, built) for entry in value) if isinstance(value, list) else value


def _find(name: str) -> type[nn.Module]:
    for kind in _kinds(nn.Module):
        if _name(kind) == name:
            return kind
    raise ValueError(f"no class {name} is known; import it first")


def _kinds(kind: type[nn.Module]) -> Iterator[type[nn.Module]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _kinds(child)


def _shared(net: nn.Module) -> dict[str, str]:
    """Return the path under which each shared parameter or buffer of another module is kept."""
    first: dict[int, str] = {}
    shared = {}
    for path, module in net.named_modules():
        for name, value in module.own_state().items():
            index = f"{path}.{name}".lstrip(".")
            if first.setdefault(id(value), index) != index:
                shared[index] = first[id(value)]
    return shared


def _share(net: nn.Module, shared: Mapping[str, str]) -> None:
    modules = dict(net.named_modules())
    for index, source in shared.items():
        (path, _, name), (other, _, its) = index.rpartition("."), source.rpartition(".")
        setattr(modules[path], name, modules[other].own_state()[its])


def _convert(net: nn.Module, state: Mapping[str, nn.values.Array]) -> None:
    """Give each parameter and buffer the type that it was saved with."""
    for path, module in net.named_modules():
        for name, value in module.own_state().items():
            saved = state.get(f"{path}.{name}".lstrip("."))
            if saved is not None and isinstance(value, nn.Parameter):
                value.astype(saved.dtype)
            elif saved is not None:
                setattr(module, name, value.astype(saved.dtype))


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, nn.values.Array]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        description = json.loads((folder / _STRUCTURE).read_text(encoding="utf-8"))
        state = load_file(folder / _STATE)
    except OSError as error:
        raise ActionbenchError(f"{folder}: holds no net that can be read ({error})") from error
    except (ValueError, SafetensorError) as error:
        raise ActionbenchError(f"{folder}: the files of the net are damaged ({error})") from error
    if not isinstance(description, dict) or description.get("format") != _FORMAT:
        raise ActionbenchError(f"{folder / _STRUCTURE}: does not describe a net of format {_FORMAT}")
    return description, state
