"""Files that hold the state of a training: written whole or not at all, read without pickle."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray]


def write(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint; whatever happens meanwhile, the file is the old one or the new one.

    The file is of the format safetensors: the arrays, and all else as JSON beside them, with a checksum.

    Parameters
    ----------
    path : path
        The file; one with ``.tmp`` at its end is beside it for a moment.
    content : mapping of str
        Arrays, numbers, strings, None, and dicts, lists and tuples of such. Numbers and arrays come back with the
        same bits and types.

    Raises
    ------
    ValueError
        If something else is in it.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/state", {"epoch": 3, "x": np.zeros(2)})
    ...     content = read(f"{folder}/state")
    >>> content
    {'epoch': 3, 'x': array([0., 0.])}
    """
    from safetensors.numpy import save

    arrays = Arrays()
    text = json.dumps(_pack(dict(content), "", arrays))
    replace_file(Path(path), save(arrays, {"content": text, "sha256": _digest(text, arrays)}))


def replace_file(path: Path, data: bytes) -> None:
    """Write a file such that its name holds the old content or the new, whatever happens meanwhile."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


def read(path: str | Path) -> dict[str, Any]:
    """Read what `write` wrote.

    Raises
    ------
    ValueError
        If the file is none of `write`, or damaged.
    OSError
        If it cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            known = file.metadata()
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        if _digest(known["content"], arrays) != known["sha256"]:
            raise ValueError("the checksum differs")
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: is damaged or no checkpoint ({error}); remove it to begin anew") from error
    return _unpack(json.loads(known["content"]), arrays)


def _digest(text: str, arrays: Arrays) -> str:
    digest = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        digest.update(repr((name, array.dtype.str, array.shape)).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _pack(value: Any, place: str, arrays: Arrays) -> Any:
    """Return ``value`` for JSON, with its arrays moved to ``arrays`` under their paths."""
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biuf":
        arrays[place] = np.array(value, order="C")
        return {"array" if isinstance(value, np.ndarray) else "number": place}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _pack(entry, f"{place}/{key}", arrays) for key, entry in value.items()}}
    if isinstance(value, list | tuple):
        entries = [_pack(entry, f"{place}/{index}", arrays) for index, entry in enumerate(value)]
        return entries if isinstance(value, list) else {"tuple": entries}
    if value is None or isinstance(value, str | int | float):
        return value
    raise ValueError(
        f"a checkpoint holds numbers, strings and arrays, but {place[1:]} is a {type(value).__name__}"
    )


def _unpack(value: Any, arrays: Arrays) -> Any:
    if isinstance(value, list):
        return [_unpack(entry, arrays) for entry in value]
    if not isinstance(value, dict):
        return value
    ((kind, inside),) = value.items()
    if kind == "dict":
        return {key: _unpack(entry, arrays) for key, entry in inside.items()}
    if kind == "tuple":
        return tuple(_unpack(inside, arrays))
    return arrays[inside] if kind == "array" else arrays[inside][()]


def _sync(folder: Path) -> None:
    """Make the new name last a power cut too, where a folder can be opened."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
