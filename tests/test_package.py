"""The house itself: what is exported, what imports what, whether the examples in the docstrings hold."""

import ast
import doctest
import importlib
import pkgutil
import re
import sys
from functools import cache
from pathlib import Path

import pytest

import actionbench
from actionbench.baselines.registry import attempt_registry
from actionbench.features.cache import FeatureCache, use_cache
from actionbench.models import kernels

ROOT = Path(actionbench.__file__).parent
# All but the command line, which runs when it is imported by this name.
MODULES = {module.name for module in pkgutil.walk_packages(actionbench.__path__, "actionbench.")} - {
    "actionbench.__main__"
}
SOURCES = sorted(path for path in ROOT.rglob("*.py"))

# What each room may import from; "" is the face.
FLOORS = {
    "_ext": set(),
    "features": {"_ext", "errors", "progress", "literals"},
    "models": {"_ext", "errors", "progress", "literals", "features"},
    "baselines": {"_ext", "errors", "progress", "literals", "features", "models"},
    "experiments": {"_ext", "errors", "progress", "literals", "features", "models", "baselines"},
    "reports": {"errors", "progress", "experiments"},
}


def test_all_names_are_there():
    assert actionbench.__all__ == sorted(actionbench.__all__)
    for name in actionbench.__all__:
        assert getattr(actionbench, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = actionbench.nothing


def test_the_version_is_that_of_the_distribution():
    assert actionbench.__version__.count(".") == 2


@cache
def nodes(path):
    """Return all that a source file says, as Python reads it."""
    return list(ast.walk(ast.parse(path.read_text())))


def imports(path):
    """Return the rooms of the package that a module imports from."""
    package = path.relative_to(ROOT).parent.parts
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            target = (*base, *(node.module or "").split("."))
            yield from [target[0]] if target[0] else [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "actionbench":
            raise AssertionError(f"{path}: imports inside the package are relative")


@pytest.mark.parametrize("room", FLOORS)
def test_a_room_imports_only_from_floors_below(room):
    for path in (ROOT / room).rglob("*.py"):
        wrong = set(imports(path)) - FLOORS[room] - {room}
        assert not wrong, f"{path.relative_to(ROOT)} imports from {wrong}"


def test_reports_know_the_store_only():
    for path in (ROOT / "reports").rglob("*.py"):
        for node in nodes(path):
            if isinstance(node, ast.ImportFrom) and node.level and "experiments" in (node.module or ""):
                assert node.module.startswith("experiments.store."), path


# The wings of a room from the ground up: each imports from itself and from those before it.
WINGS = {
    "baselines": ["trivial", "rules", "handcrafted", "nets", "pretrained"],
    "experiments": [
        *("datasets", "audit", "evaluation", "store", "planning", "isolation", "running", "sharing"),
        "deployment",
    ],
    "reports": ["statistics", "analysis", "rendering"],
}


@pytest.mark.parametrize("room", WINGS)
def test_a_wing_imports_only_from_wings_below(room):
    wings = WINGS[room]
    folders = {path.name for path in (ROOT / room).iterdir() if any(path.glob("*.py"))}
    assert folders == set(wings)
    for path in (ROOT / room).glob("*/*.py"):
        own = path.parent.name
        for target in modules(path):
            if target[:1] == (room,) and len(target) > 1 and target[1] in wings:
                assert wings.index(target[1]) <= wings.index(own), f"{path} imports from {'.'.join(target)}"


def modules(path):
    """Yield the modules or packages of the package that a module imports from, as parts of their names."""
    package = path.relative_to(ROOT).parent.parts
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            target = (*base, *(node.module.split(".") if node.module else ()))
            yield from ((*target, alias.name) for alias in node.names)


def lacking(name):
    """Return whether a module holds kernels for an instruction set that this processor has not."""
    kernel = re.fullmatch(r"actionbench\._ext\.[a-z]+_(\w+)_float(32|64)", name)
    return bool(kernel) and kernel[1] not in kernels.usable()


def test_every_module_can_be_imported_where_its_instructions_are():
    wrong = {}
    for name in sorted(MODULES):
        try:
            importlib.import_module(name)
        except Exception as error:  # a module may fail in any way
            if not (lacking(name) and type(error) is ImportError):
                wrong[name] = error
        else:
            if lacking(name):
                wrong[name] = "is imported, though the processor lacks its instruction set"
    assert wrong == {}


def test_examples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    names = [name for name in sorted(MODULES) if not lacking(name)]
    # Many examples compute the same features.
    with use_cache(FeatureCache(tmp_path, 2**30, lambda _: "")):
        found = {name: doctest.testmod(importlib.import_module(name), optionflags=flags) for name in names}
    assert [name for name, results in found.items() if results.failed] == []
    # A doctest that finds no example holds nothing.
    assert sum(results.attempted for results in found.values()) > 100


def test_every_attempt_has_an_example():
    attempts = attempt_registry()
    assert [name for name in attempts.names() if ">>> " not in (attempts.get(name).__doc__ or "")] == []


def test_no_room_was_imported_under_a_name_of_its_own():
    assert not set(FLOORS) & set(sys.modules)


def test_nothing_is_unpickled_and_no_text_is_run():
    wrong = []
    for path in SOURCES:
        for node in nodes(path):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
                bad = {"pickle", "joblib", "shelve", "marshal"} & set(names)
                # It admits arrays of numbers alone; `test_pose_files` tries what does more.
                bad -= {"pickle"} if path.name == "pose_files.py" else set()
                # Processes are what it is used for, not files.
                bad -= {"joblib"} if names == ["Parallel", "delayed", "joblib"] else set()
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                bad = {"eval", "exec"} & {node.func.id}
            else:
                continue
            wrong += [f"{path.relative_to(ROOT)}, line {node.lineno}: {name}" for name in sorted(bad)]
    assert wrong == []
