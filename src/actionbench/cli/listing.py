"""What ``list`` and ``doctor`` show."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..baselines.registry import Registry, attempt_registry
from ..errors import PluginError

_LIBRARIES = ("av", "numpy", "opencv-python-headless", "pandas", "scikit-learn", "scipy")


def rows(what: str, plugins: Iterable[str | Path] = ()) -> list[dict[str, str]]:
    """Return what there is of attempts, data sets, splits or matrices, one dictionary each with the same keys."""
    if what == "attempts":
        return _registered(attempt_registry(plugins), ("family",))
    if what == "datasets":
        from ..experiments.datasets.registry import dataset_registry

        return _registered(dataset_registry(plugins), ())
    if what == "splits":
        from ..experiments.datasets.splits import SPLITS

        return [{"name": name, "about": _first_line(split)} for name, split in SPLITS.items()]
    from ..experiments.planning.matrix import builtin_matrices

    return [{"name": name, "cells of": _contents(name)} for name in builtin_matrices()]


def _registered(registry: Registry[Any], attributes: tuple[str, ...]) -> list[dict[str, str]]:
    found = []
    for name in registry.names():
        row = {"name": name, **dict.fromkeys(attributes, ""), "origin": registry.origin(name), "about": ""}
        try:
            cls = registry.get(name)
            row |= {attribute: getattr(cls, attribute) for attribute in attributes}
            row["about"] = _first_line(cls)
        except PluginError as error:
            cause = error.__cause__
            row["about"] = f"cannot load: {f'{type(cause).__name__}: {cause}' if cause else error}"
        found.append(row)
    return found


def _first_line(thing: type) -> str:
    return (thing.__doc__ or "").strip().partition("\n")[0]


def _contents(name: str) -> str:
    from ..experiments.planning.matrix import read_matrix

    try:
        matrix = read_matrix(name)
    except Exception as error:  # a folder or variable that is not there
        return f"cannot be read: {error}"
    datasets = ", ".join(f"{entry.name} {entry.split.label()}" for entry in matrix.datasets)
    return f"{datasets}; {', '.join(entry.name for entry in matrix.attempts)}"


def diagnosis() -> dict[str, Any]:
    """Return versions, machine, threads and data folders."""
    from ..experiments.store import provenance
    from ..models.kernels import usable

    facts = provenance.collect()
    home = os.environ.get("ACTIONBENCH_DATA")
    folders = (
        sorted(path.name for path in Path(home).iterdir() if path.is_dir())
        if home and Path(home).is_dir()
        else []
    )
    return {
        "actionbench": facts["actionbench"],
        "python": facts["python"],
        "libraries": {name: version(name) for name in _LIBRARIES},
        "platform": facts["platform"],
        "processor": facts["processor"],
        "instruction set": f"{facts['instruction_set']} (usable: {', '.join(usable())})",
        "cores": facts["cores"],
        "memory GiB": round(facts["memory_bytes"] / 2**30, 1),
        "thread pools": [
            f"{pool['internal_api']} {pool['version']}: {pool['num_threads']}"
            for pool in facts["thread_pools"]
        ],
        "ACTIONBENCH_DATA": home or "not set",
        "data folders": folders,
    }
