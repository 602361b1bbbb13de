"""The cached output of the last run, as long as nothing has changed that it depends on.

To plan a matrix, data sets are read, attempts loaded and hashed with all that they import. Where none of the files
behind them has changed since the last run, neither has the plan. Only the standard library is needed to find out.

What this saves grows with the store: a run with nothing to do otherwise reads every
cell for its table. Of 100,000 cells that takes 11.5 s of a processor instead of 0.2 s, and `show` 7.6 s instead of
0.2 s (the store of ``make bench-harness``); of the quick matrix a run takes 4 s instead of 0.15 s.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parents[2]
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def request_hash(
    matrix: str | Path | Mapping[str, Any],
    changes: Iterable[str],
    only: Iterable[str],
    plugins: Iterable[str | Path],
) -> str:
    """Return a hash of what is requested: matrix, changes, conditions, plug-ins, environment, installed packages."""
    path = None if isinstance(matrix, Mapping) else Path(matrix)
    if path is None:
        content = json.dumps(matrix, default=str)
    elif path.is_file():
        content = f"{path.absolute()}\n{path.read_bytes()!r}"
    else:
        # A built-in one is in the package, whose files have stamps.
        content = f"{matrix}\n{Path.cwd()}"
    changes = list(changes)
    names = {name for name in os.environ if name.startswith("ACTIONBENCH_")}
    names.update(_VARIABLE.findall(content), *(_VARIABLE.findall(change) for change in changes))
    parts = (
        content,
        changes,
        list(only),
        [str(Path(plugin).absolute()) for plugin in plugins],
        {name: os.environ.get(name) for name in sorted(names)},
        [sys.version, sys.executable, sys.path, list(map(_installed, sys.path))],
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _installed(folder: str) -> list[str]:
    """Return which versions of which packages a folder of the import path holds."""
    with suppress(OSError):
        return sorted(
            name for name in os.listdir(folder or ".") if name.endswith((".dist-info", ".egg-info"))
        )
    return []


def file_stamps(files: Iterable[Path]) -> str:
    """Return size, inode and times of the last change of some files, and of all files of actionbench, as JSON.

    A program may set the time of a change of the content; that of the inode it may not.
    """
    own = (
        os.path.join(folder, name)
        for folder, folders, names in os.walk(_PACKAGE)
        if "__pycache__" not in folder
        for name in names
    )
    return json.dumps({path: _stamp(path) for path in sorted({*own, *(str(Path(file)) for file in files)})})


def unchanged(stamps: str, *, data: bool = True) -> bool:
    """Return whether files are as they were, from `file_stamps`, and no file of actionbench is new.

    Without ``data`` only those of actionbench count: they decide how results are shown.
    """
    before = json.loads(stamps)
    if not data:
        before = {path: stamp for path, stamp in before.items() if Path(path).is_relative_to(_PACKAGE)}
    return before == json.loads(file_stamps(map(Path, before)))


def _stamp(path: str) -> list[int] | None:
    with suppress(OSError):
        found = os.stat(path)
        return [found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns]
    return None
