"""The house itself: what is exported, what imports what, whether the examples in the docstrings hold."""

import ast
import doctest
import importlib
import pkgutil
import sys
from pathlib import Path

import pytest

import actionbench

ROOT = Path(actionbench.__file__).parent
MODULES = [module.name for module in pkgutil.walk_packages(actionbench.__path__, "actionbench.")]
SOURCES = sorted(path for path in ROOT.rglob("*.py"))

# What each room may import from; "" is the face.
FLOORS = {
    "_ext": set(),
    "features": {"_ext", "errors"},
    "models": {"_ext", "errors", "features"},
    "baselines": {"_ext", "errors", "features", "models"},
    "experiments": {"_ext", "errors", "features", "models", "baselines"},
    "reports": {"errors", "experiments"},
}


def test_all_names_are_there():
    assert actionbench.__all__ == sorted(actionbench.__all__)
    for name in actionbench.__all__:
        assert getattr(actionbench, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = actionbench.nothing


def test_the_version_is_that_of_the_distribution():
    assert actionbench.__version__.count(".") == 2


def imports(path):
    """Return the rooms of the package that a module imports from."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
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
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level and "experiments" in (node.module or ""):
                assert node.module == "experiments.store", path


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    if name != "actionbench.__main__":
        assert doctest.testmod(importlib.import_module(name), optionflags=flags).failed == 0


def test_no_room_was_imported_under_a_name_of_its_own():
    assert not set(FLOORS) & set(sys.modules)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_is_unpickled_and_no_text_is_run(path):
    forbidden = {"eval", "exec", "loads", "load"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
            assert not {"pickle", "joblib", "shelve", "marshal"} & set(names), path
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in forbidden - {"load", "loads"}, path
