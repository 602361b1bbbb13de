"""Writing the skeleton of a plug-in."""

from __future__ import annotations

import importlib.util
import keyword
import re
from pathlib import Path
from string import Template

from ..baselines.registry import attempt_registry
from ..errors import PluginError

__all__ = ["write_attempt"]

_TEMPLATES = Path(__file__).parent / "attempt"
_KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def write_attempt(name: str, folder: str | Path | None = None) -> list[Path]:
    """Write a small package with one attempt that can be installed, tested and run.

    Parameters
    ----------
    name : str
        What the attempt is called in a matrix: lower-case words with dashes between.
    folder : path, optional
        Where to; by default a folder of that name in the working directory. It must be empty or not exist.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    PluginError
        If the name cannot be one or is taken, or the folder is not empty or cannot be written; then nothing is.
    """
    _check_name(name)
    package = name.replace("-", "_")
    values = {"name": name, "package": package, "cls": "".join(part.capitalize() for part in name.split("-"))}
    folder = Path(name if folder is None else folder)
    texts = {
        folder / _target(template, package): Template(template.read_text(encoding="utf-8")).substitute(values)
        for template in sorted(_TEMPLATES.rglob("*.in"))
    }
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise PluginError(f"{folder}: is there already; the folder must be empty or not exist")
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PluginError(f"{folder}: the package cannot be written there ({error.strerror})") from error
    return list(texts)


def _check_name(name: str) -> None:
    if not _KEBAB.fullmatch(name):
        raise PluginError(
            f"{name!r} cannot be the name of an attempt; it must be lower-case words with dashes between, as in "
            "'my-attempt'"
        )
    registry = attempt_registry()
    if name in registry.names():
        raise PluginError(
            f"the attempt {name!r} is there already, from {registry.origin(name)}; take another name"
        )
    package = name.replace("-", "_")
    if keyword.iskeyword(package) or keyword.issoftkeyword(package):
        raise PluginError(f"{name!r} is a word of Python, so that no package can have it; take another name")
    if importlib.util.find_spec(package) is not None:
        raise PluginError(
            f"{name!r} would hide the module {package!r} that is there already; take another name"
        )


def _target(template: Path, package: str) -> Path:
    """Return where in the package a template goes."""
    parts = template.relative_to(_TEMPLATES).with_suffix("").parts
    return Path(*(part.replace("package", package) for part in parts))
