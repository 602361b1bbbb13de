"""Collect what Sphinx reads: the documents, the executed lectures, and pages made of commands, attempts and modules.

    python site/pages.py FOLDER

The documents keep their places, so that the links between them hold. The addresses of other sites are printed: Sphinx
checks those of this one alone. `make site` calls it.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import GenericAlias, ModuleType
from typing import Any

import click
import jupytext
import nbformat
import numpy as np
from nbconvert import MarkdownExporter
from sphinx.pycode import ModuleAnalyzer

import actionbench
from actionbench.baselines.registry import attempt_registry
from actionbench.cli.main import cli
from actionbench.reports.rendering.heatmaps import confusion_figure

ROOT = Path(__file__).parents[1]
#: What a module's page is listed under, by the folder.
TOPICS = {
    "": "The package",
    "baselines": "Attempts",
    "features": "Features",
    "models": "Nets",
    "experiments": "Experiments",
    "reports": "Reports",
}
FAMILIES = {
    "trivial": "Trivial baselines",
    "rules": "Rules",
    "features": "Hand-engineered features",
    "dense": "Fully connected nets",
    "convnet": "ConvNets",
    "pretrained": "Pretrained nets",
}


def main(folder: Path) -> None:
    """Write all pages into a folder."""
    pages = {**dict(documents()), **dict(commands()), **dict(api()), "gallery.md": gallery()}
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for script in sorted(ROOT.glob("docs/*.py")):
        write_lecture(script, folder / "docs")
    linked = {
        (address, name)
        for name, text in pages.items()
        for address in re.findall(r"\((https?://[^)]+)\)", text)
    }
    print(*(f"{address} in {name}" for address, name in sorted(linked)), sep="\n")


def documents() -> Iterator[tuple[str, str]]:
    """Yield the documents, and the pages that hold them together."""
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        yield path.relative_to(ROOT).as_posix(), relinked(path.read_text(encoding="utf-8"))
    for name in ("index", "documents", "lectures", "project"):
        yield f"{name}.md", "\n".join(begun(name))


def begun(name: str) -> list[str]:
    """Return the lines of a page of the site alone, or those that it begins with."""
    return (ROOT / f"site/{name}.md").read_text(encoding="utf-8").splitlines()


def relinked(text: str) -> str:
    """Let links to a lecture's script and to the README lead to their pages."""
    return re.sub(r"\]\((\S*)_hour\.py\)", r"](\1_hour.md)", text).replace("](../README.md", "](../index.md")


def write_lecture(script: Path, folder: Path) -> None:
    """Write a lecture and its pictures: as `make docs` has executed it, or without output."""
    executed = ROOT / f"build/docs/{script.stem}.ipynb"
    notebook = nbformat.read(executed, as_version=4) if executed.is_file() else jupytext.read(script)
    pictures = f"{script.stem}_pictures"
    text, resources = MarkdownExporter().from_notebook_node(
        notebook, {"unique_key": script.stem, "output_files_dir": pictures}
    )
    (folder / pictures).mkdir(parents=True, exist_ok=True)
    (folder / f"{script.stem}.md").write_text(relinked(text), encoding="utf-8")
    for name, content in resources["outputs"].items():
        (folder / name).write_bytes(content)


def commands() -> Iterator[tuple[str, str]]:
    """Yield a page for each command, and one that lists them."""
    rows, names = [], []
    for words, command in leaves(cli, ()):
        name = "-".join(words)
        names.append(name)
        rows.append(f"| [{' '.join(words)}]({name}.md) | {command.get_short_help_str(200)} |")
        yield f"commands/{name}.md", command_page(words, command)
    lines = [*begun("commands"), "", "| command | what it does |", "|---|---|", *rows]
    lines += ["", "```{toctree}", ":hidden:", "", *names, "```", ""]
    yield "commands/index.md", "\n".join(lines)


def leaves(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield the commands that are no groups, with their words."""
    if not isinstance(command, click.Group):
        yield words, command
        return
    for name in command.commands:
        yield from leaves(command.commands[name], (*words, name))


def command_page(words: tuple[str, ...], command: click.Command) -> str:
    """Return the page of a command, in the words of its ``--help``."""
    context = click.Context(command, info_name=" ".join(("actionbench", *words)))
    usage = f"{context.command_path} {' '.join(command.collect_usage_pieces(context))}"
    options = [one for one in command.get_params(context) if isinstance(one, click.Option)]
    records = [record for one in options if (record := one.get_help_record(context))]
    said = [f"`{names}`\n: {plain(text)}\n" for names, text in records]
    text = "\n\n".join(paragraph(part) for part in (command.help or "").split("\n\n"))
    return "\n".join(
        [f"# {' '.join(words)}", "", f"```text\n{usage}\n```", "", text, "", "## Options", "", *said]
    )


def paragraph(text: str) -> str:
    """Return a paragraph of a help text; one that click is told to leave as it is, is an example."""
    if text.lstrip().startswith("\b"):
        return f"```text\n{text.replace(chr(8), '').strip(chr(10))}\n```"
    return plain(" ".join(text.split()))


def plain(text: str) -> str:
    """Return text of which nothing is markup."""
    return re.sub(r"([\\`*_{}\[\]<>#|$~])", r"\\\1", text)


def gallery() -> str:
    """Return the page of all attempts: what each is, and what it confuses on drawn people."""
    content = json.loads((ROOT / "docs/gallery.json").read_text(encoding="utf-8"))
    results = {row["attempt"]: row for row in content["rows"]}
    registry = attempt_registry()
    found: dict[str, list[str]] = {family: [] for family in FAMILIES}
    for name in registry.names():
        cls = registry.get(name)
        found[cls.family].append(card(name, cls, results.get(name), content["classes"]))
    lines = begun("gallery")
    for family, title in FAMILIES.items():
        lines += ["", f"## {title}", "", "::::{container} gallery", *found[family], "::::"]
    return "\n".join([*lines, ""])


def card(name: str, cls: type, result: dict[str, Any] | None, classes: list[str]) -> str:
    """Return an attempt in the gallery."""
    about = (cls.__doc__ or "").strip().partition("\n")[0]
    if result is None:
        figure, said = "", "No result here."
    else:
        svg = confusion_figure(np.array(result["confusions"]), classes)
        figure = f"```{{raw}} html\n{svg.inline(f'Confusion matrix of {name}')}\n```"
        accuracy, low, high = (100 * result[key] for key in ("accuracy", "accuracy_low", "accuracy_high"))
        said = f"**{accuracy:.1f} %** [{low:.1f}, {high:.1f}]"
    title = f"{{py:obj}}`{name} <{cls.__module__}.{cls.__qualname__}>`"
    return "\n".join([":::{container} attempt", title, "", about, "", said, "", figure, ":::"])


def api() -> Iterator[tuple[str, str]]:
    """Yield a page for each public module that says what is public in it, and one that lists them."""
    lines = begun("api")
    modules = list(public_modules())
    for folder, topic in TOPICS.items():
        own = [one for one in modules if folder_of(one) == folder]
        lines += ["", f"## {topic}", "", "| module | what it is |", "|---|---|"]
        lines += [f"| [{one.__name__}]({one.__name__}.md) | {summary(one)} |" for one in own]
        names = (f"{one.__name__.removeprefix(f'actionbench.{folder}.')} <{one.__name__}>" for one in own)
        lines += ["", "```{toctree}", ":hidden:", f":caption: {topic}", "", *names, "```"]
    yield "api/index.md", "\n".join([*lines, ""])
    for one in modules:
        yield f"api/{one.__name__}.md", module_page(one)


def public_modules() -> Iterator[ModuleType]:
    """Yield the modules with an ``__all__`` of which no part of the name is private."""
    found = pkgutil.walk_packages(actionbench.__path__, "actionbench.")
    for name in sorted({"actionbench", *(one.name for one in found)}):
        if "._" not in name:
            module = importlib.import_module(name)
            if hasattr(module, "__all__"):
                yield module


def folder_of(module: ModuleType) -> str:
    """Return the top-level folder of a module, "" for one of the face."""
    part = module.__name__.removeprefix("actionbench.").partition(".")[0]
    return part if part in TOPICS else ""


def summary(module: ModuleType) -> str:
    """Return the first line of a module's docstring."""
    return (module.__doc__ or "").partition("\n")[0].replace("``", "`")


def module_page(module: ModuleType) -> str:
    """Return the page of a module."""
    comments = ModuleAnalyzer.for_module(module.__name__).find_attr_docs()
    lines = [f"# {module.__name__}", "", "```{eval-rst}", f".. automodule:: {module.__name__}", ""]
    for name in module.__all__:
        lines += entry(module, name, comments.get(("", name), []))
    return "\n".join([*lines, "```", ""])


def entry(module: ModuleType, name: str, comment: list[str]) -> list[str]:
    """Return the directive that documents a public name; where a module only repeats it, another page does."""
    thing, path = getattr(module, name), f"{module.__name__}.{name}"
    if not (inspect.isroutine(thing) or inspect.isclass(thing)) or isinstance(thing, GenericAlias):
        # An alias of a type is a class for autodoc, which then looks for its signature.
        about = [f"   {line}" for line in comment]
        return [] if inspect.ismodule(thing) else [f".. py:data:: {path}", "", *about, ""]
    if thing.__module__ != module.__name__ and not hasattr(module, "__path__"):
        return []
    if inspect.isroutine(thing):
        return [f".. autofunction:: {path}", ""]
    kind = "autoexception" if issubclass(thing, BaseException) else "autoclass"
    return [f".. {kind}:: {path}", "   :members:", ""]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
