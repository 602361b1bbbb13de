"""A net as text: its modules, one per line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .parameter import Parameter
from .values import Value

if TYPE_CHECKING:
    from .module import Module


def tree(module: Module, input: Value | None = None) -> str:
    """Return what `Module.tree` returns."""
    shapes: dict[int, list[str]] = {}
    for inside, _, output in [] if input is None else module.trace(input):
        shapes.setdefault(id(inside), []).append(_shape_text(output))
    return "\n".join(_lines(module, "", "", shapes))


def _lines(module: Module, name: str, indent: str, shapes: dict[int, list[str]]) -> list[str]:
    own = [(key, value) for key, value in vars(module).items() if isinstance(value, Parameter)]
    count = module.count_parameters()
    details = [
        "-> " + ", ".join(shapes[id(module)]) if id(module) in shapes else "",
        ", ".join(f"{key} {tuple(value.value.shape)}" for key, value in own),
        f"{count:,} parameters" if count else "",
    ]
    line = f"{indent}{name and name + ': '}{module.call()}"
    lines = ["  ".join([line, *(detail for detail in details if detail)])]
    for key, child in module.children():
        lines += _lines(child, key, indent + "  ", shapes)
    return lines


def _shape_text(value: Value) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_shape_text, value))}]"
    return str(np.shape(value))
