"""Where a result comes from: the code that can change it, and the machine and packages that made it."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import Distribution, PackageNotFoundError, distributions, version
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parents[2]


def code_fingerprint(*classes: type) -> str:
    """Return a hash of all code that can change what some classes do, see `code_parts`."""
    return hashlib.sha256(json.dumps(code_parts(*classes)).encode()).hexdigest()


def code_parts(*classes: type) -> dict[str, str]:
    """Return a hash or version of each piece of code that can change what some classes do, by its name.

    It covers the files that define them, every project module, every module of their own package and every helper
    beside a plug-in that these import, directly or not, the compiled kernels and their instruction set where any is
    used, the interpreter's minor version and the versions of all other distributions imported on the way. Imports
    for type checkers only do not count.
    """
    return dict(_parts(_files_of(classes)))


def files_read(*classes: type) -> list[Path]:
    """Return the files whose content is in the fingerprint of some classes."""
    return sorted(_reached(_files_of(classes))[0])


def modules_read(*classes: type) -> list[str]:
    """Return the names of the modules of actionbench whose code is in the fingerprint of some classes."""
    return [_dotted(path) for path in files_read(*classes) if is_own(path) and path.suffix == ".py"]


def files_imported(path: Path) -> list[Path]:
    """Return a plug-in file with the files of the project and the helpers that it imports, directly or not."""
    return sorted(_reached((str(path.resolve()),))[0])


def place_of(path: Path) -> tuple[Path, str]:
    """Return the folder from which a file is imported, and its name below that."""
    return _root(path), _short(path)


def is_own(path: Path) -> bool:
    """Return whether a file is one of actionbench."""
    return path.is_relative_to(_PACKAGE)


def versions_imported(*classes: type) -> dict[str, str]:
    """Return the version of each distribution that the code of some classes imports, directly or not."""
    return {name: version_of(name) for name in sorted(_reached(_files_of(classes))[1])}


def forget(*, packages: bool = False) -> None:
    """Read files anew that may have changed since they were read, and what is known of installed packages."""
    of_packages = (_is_editable, owner_of, _owners, version_of) if packages else ()
    for cached in (_reached, _needed, _parts, _hashed, *of_packages):
        cached.cache_clear()


def _files_of(classes: Iterable[type]) -> tuple[str, ...]:
    return tuple(sorted({sys.modules[cls.__module__].__file__ or "" for cls in classes}))


@cache
def _reached(roots: tuple[str, ...]) -> tuple[set[Path], set[str]]:
    """Return the project and helper files, and the distributions, that some files import, directly or not."""
    files: set[Path] = set()
    libraries: set[str] = set()
    waiting = [Path(root).resolve() for root in roots]
    while waiting:
        path = waiting.pop()
        if path in files:
            continue
        files.add(path)
        if path.suffix == ".py":
            found, named = _needed(path)
            waiting += found
            libraries |= named
    return files, libraries


@cache
def _needed(path: Path) -> tuple[set[Path], set[str]]:
    """Return the project and helper files, and the distributions, that a file itself imports."""
    located = [locate(name, path) for name in imported_names(path)]
    files = {file for found, _ in located for file in found}
    return files, {library for _, library in located if library}


@cache
def _parts(roots: tuple[str, ...]) -> Mapping[str, str]:
    parts = {"python": f"{sys.version_info[0]}.{sys.version_info[1]}"}
    files, libraries = _reached(roots)
    if any(path.parent.name == "_ext" for path in files):
        from ...models.kernels import INSTRUCTION_SET

        parts["instruction set"] = INSTRUCTION_SET
    for name, digest in sorted(map(_hashed, files)):
        # Two helpers beside two plug-ins may have the same name.
        parts[name] = f"{parts[name]} {digest}" if name in parts else digest
    return parts | {f"{name} (version)": version_of(name) for name in sorted(libraries)}


@cache
def _hashed(path: Path) -> tuple[str, str]:
    """Return what a file is called, and the hash of its content."""
    return _short(path), hashlib.sha256(path.read_bytes()).hexdigest()


def _short(path: Path) -> str:
    root = _PACKAGE if path.is_relative_to(_PACKAGE) else _root(path)
    return path.relative_to(root).as_posix()


def _root(path: Path) -> Path:
    """Return the folder from which the modules of a file's package have their names; of a single file its own."""
    folder = path.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def imported_names(path: Path) -> list[str]:
    """Return the absolute dotted names that a file imports, those that may be modules or names in them."""
    package = _dotted(path).rpartition(".")[0] if path.name != "__init__.py" else _dotted(path)
    names: list[str] = []
    source = path.read_bytes()
    tree = ast.parse(source)
    if b"import_module" in source or b"__import__" in source:
        names += _called(tree, package)
    for node in statements(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return list(dict.fromkeys(names))


def _called(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield the names of modules that are imported by a call with a name that is written there."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
            continue
        function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        name = node.args[0].value
        if function in ("import_module", "__import__") and isinstance(name, str):
            with suppress(ImportError, ValueError):
                yield resolve_name(name, package)


# What holds statements. Expressions, most of a tree, hold none.
_BLOCKS = ("body", "handlers", "cases", "orelse", "finalbody")


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Walk the statements of a tree, those of functions and classes too, leaving out what only a type checker runs."""
    yield node
    checked = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
    for block in ("orelse",) if checked else _BLOCKS:
        children = getattr(node, block, ())
        # The body of a lambda or a conditional expression is an expression, not a list.
        for child in children if isinstance(children, list) else ():
            yield from statements(child)


def _dotted(path: Path) -> str:
    """Return the module name of a file of the project or of a plug-in."""
    inside = path.is_relative_to(_PACKAGE)
    parts = path.relative_to(_PACKAGE if inside else _root(path)).with_suffix("").parts
    return ".".join([*(["actionbench"] if inside else []), *(part for part in parts if part != "__init__")])


def locate(name: str, importer: Path) -> tuple[list[Path], str | None]:
    """Return the project or helper files behind an imported name, or the distribution that it comes from."""
    top, _, rest = name.partition(".")
    if top == "actionbench":
        return _modules(_PACKAGE, rest), None
    if top in sys.stdlib_module_names or not top:
        return [], None
    root = _root(importer)
    if root != importer.parent and (root / top).is_dir() and importer.is_relative_to(root / top):
        return _modules(root, name), None
    if not importer.is_relative_to(_PACKAGE):
        helper = importer.parent / f"{top}.py"
        package = importer.parent / top
        if helper.is_file():
            return [helper], None
        if package.is_dir() and any(package.rglob("*.py")):
            return sorted(package.rglob("*.py")), None
    owner = owner_of(top)
    if owner and not _is_editable(owner):
        return [], owner
    return _sources(top), owner


def _sources(top: str) -> list[Path]:
    """Return the Python files of a module or package that lies on the import path, in all its folders."""
    spec = find_spec(top) if top.isidentifier() else None
    if spec is None:
        return []
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    files = {file.resolve() for folder in folders for file in folder.rglob("*.py")}
    if spec.origin and Path(spec.origin).is_file():
        files.add(Path(spec.origin).resolve())
    return sorted(files)


@cache
def _is_editable(distribution: str) -> bool:
    """Return whether a distribution is installed as a link to its sources, whose version does not change with them."""
    with suppress(PackageNotFoundError):
        facts = json.loads(Distribution.from_name(distribution).read_text("direct_url.json") or "{}")
        return bool(facts.get("dir_info", {}).get("editable"))
    return False


def _modules(root: Path, dotted: str) -> list[Path]:
    """Return the module behind a name below a folder, with the ``__init__`` of each folder on the way."""
    files = []
    place = root
    for part in filter(None, dotted.split(".")):
        files += [place / "__init__.py"] if place != root else []
        place = place / part
    if place.with_suffix(".py").is_file():
        files.append(place.with_suffix(".py"))
    if (place / "__init__.py").is_file() and place != root:
        files.append(place / "__init__.py")
    if root == _PACKAGE and dotted.split(".")[0] == "_ext":
        files += [
            path for path in (_PACKAGE / "_ext").iterdir() if path.name.endswith(tuple(EXTENSION_SUFFIXES))
        ]
    return [path for path in files if path.is_file()]


@cache
def owner_of(top: str) -> str | None:
    """Return the distribution that a top-level name comes from, the first of several."""
    return min((one.name for one in _owners().get(top, ())), default=None)


# The first part of the path of each Python file in a list of installed files.
_TOPS = re.compile(r"^([^/,\n]+)(?:/[^,\n]*)?\.py,", re.MULTILINE)


@cache
def _owners() -> dict[str, list[Distribution]]:
    """Return `importlib.metadata.packages_distributions` with names still to be read, in a small part of the time."""
    found: dict[str, list[Distribution]] = {}
    for one in distributions():
        tops = (one.read_text("top_level.txt") or "").split() or _TOPS.findall(one.read_text("RECORD") or "")
        for top in set(tops):
            found.setdefault(top, []).append(one)
    return found


@cache
def version_of(distribution: str) -> str:
    """Return the version of an installed distribution."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"


#: What times depend on beside the machine: the libraries that do most of the work.
_WORKERS_OF_TIME = ("av", "numpy", "opencv-python-headless", "scikit-learn", "scipy")


def machine(**more: Any) -> dict[str, Any]:
    """Return what times depend on: machine, processor, instruction set, libraries.

    Parameters
    ----------
    **more
        Put in as they are, such as the number of threads.
    """
    from ...models.kernels import INSTRUCTION_SET

    return {
        "machine": platform.node(),
        "processor": _processor(),
        "instruction set": INSTRUCTION_SET,
        "python": platform.python_version(),
        **{name: version_of(name) for name in _WORKERS_OF_TIME},
        **more,
    }


def collect(**more: Any) -> dict[str, Any]:
    """Return what should be known of a run: code, packages, machine, BLAS and others with threads of their own.

    Parameters
    ----------
    **more
        Put in as they are, such as the number of workers, or the `thread_pools` of the processes of cells.
    """
    import psutil

    from ...models.kernels import INSTRUCTION_SET

    if "thread_pools" not in more:
        # A library with threads of its own is seen only where it is loaded.
        import cv2  # noqa: F401
        import sklearn.base  # noqa: F401

        more["thread_pools"] = thread_pools()

    return {
        "actionbench": version("actionbench"),
        "git": _git(),
        "python": platform.python_version(),
        "packages": _packages(),
        "platform": platform.platform(),
        "machine": platform.node(),
        "processor": _processor(),
        "instruction_set": INSTRUCTION_SET,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        **more,
    }


def thread_pools() -> list[dict[str, Any]]:
    """Return what is known of the libraries with threads of their own that this process has loaded."""
    from threadpoolctl import threadpool_info

    known = ({key: value for key, value in pool.items() if key != "filepath"} for pool in threadpool_info())
    # In the order in which they happen to lie in memory they would differ from run to run.
    return sorted(known, key=json.dumps)


def _packages() -> dict[str, str]:
    """Return the version of each installed package; from the names of their folders, which is quick."""
    found: dict[str, str] = {}
    for folder in sys.path:
        for place in sorted(Path(folder or ".").glob("*.dist-info")):
            name, _, number = place.stem.rpartition("-")
            found.setdefault(name.replace("_", "-"), number)
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _git() -> dict[str, Any] | None:
    """Return commit and changed files of the repository that the working directory lies in, if it does."""
    try:
        commit, status = (
            subprocess.run(["git", *words], capture_output=True, text=True, timeout=10, check=True).stdout
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit.strip(), "dirty": bool(status.strip()), "status": status.splitlines()[:100]}


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
