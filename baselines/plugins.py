"""Entry points of installed packages, and plug-in files."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from ..errors import PluginError

__all__ = ["PLUGINS", "described", "installed_entry_points", "load_plugin"]

#: Prefix of the module names of plug-ins.
PLUGINS = "actionbench_plugins."


@cache
def installed_entry_points(group: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of a group in all installed packages, looked up once per process."""
    return tuple(entry_points(group=group))


def load_plugin(path: Path) -> ModuleType:
    """Import a plug-in file once per process, under a module name of its own.

    The folder of the file is appended to the import path, so that it may import helpers beside it.
    """
    path = path.resolve()
    # The hash distinguishes "a-b.py" from "a_b.py".
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
        raise PluginError(f"{path}: the plug-in cannot be loaded: {described(error)}") from error
    return module


def described(error: BaseException) -> str:
    """Return the type and the message of an error in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
