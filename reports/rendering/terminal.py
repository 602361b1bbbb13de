"""The comparison table on a terminal; few imports, so that a cached table appears at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table

_GAP = "  "


class Tables:
    """The result of `tables.layout`, for ``rich.console.Console.print``.

    On a terminal that is too narrow for all columns the least important ones are left out.
    """

    # Columns in the order in which they are left out.
    EXPENDABLE = ("latency", "family", "memory", "params", "F1", "fit", "per clip", "failed")

    def __init__(self, parts: Sequence[Mapping[str, Any]]) -> None:
        self.parts = parts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        for number, part in enumerate(self.parts):
            if number:
                yield Text()
            yield Text.assemble(
                (_escaped(part["dataset"]), "bold"), f", {_escaped(part['split'])}: {part['extent']}"
            )
            yield from self._grid(part, options)
            yield from (Text(_escaped(size), style="dim") for size in part["sizes"])
            yield from (Text(f"! {_escaped(note)}", style="yellow") for note in part["notes"])

    def _grid(self, part: Mapping[str, Any], options: ConsoleOptions) -> RenderResult:
        from rich.cells import cell_len

        heads, rows = part["heads"], part["rows"]
        widths = [max(map(cell_len, column)) for column in zip(heads, *rows, strict=True)]
        # The line above the table states these of the most complete row.
        shown = [column for column, head in enumerate(heads) if head not in ("clips", "groups", "folds")]
        for head in self.EXPENDABLE:
            if _width(widths, shown) <= options.max_width:
                break
            shown = [column for column in shown if heads[column] != head]
        fits = _width(widths, shown) <= options.max_width
        plain = all(row[column].isprintable() for row in rows for column in shown)
        if fits and plain and not options.ascii_only:
            yield from _lines(part, shown, widths)
        else:
            yield _folding(part, shown)


def _escaped(text: str) -> str:
    """Escape control characters."""
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else letter.encode("unicode_escape").decode()
        for letter in text
    )


def _width(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[column] for column in shown) + len(_GAP) * (len(shown) - 1)


def _lines(part: Mapping[str, Any], shown: Sequence[int], widths: Sequence[int]) -> RenderResult:
    """Yield the lines of a table, many times as fast as `_folding`."""
    from rich.cells import cell_len
    from rich.segment import Segment
    from rich.style import Style

    for number, row in enumerate([part["heads"], *part["rows"]]):
        cells = []
        for column in shown:
            room = " " * (widths[column] - cell_len(row[column]))
            cells.append(room + row[column] if part["numeric"][column] else row[column] + room)
        yield Segment(_GAP.join(cells), None if number else Style(bold=True))
        yield Segment.line()
        if not number:
            yield Segment("─" * _width(widths, shown))
            yield Segment.line()


def _folding(part: Mapping[str, Any], shown: Sequence[int]) -> Table:
    """Return a table that can be narrower than its cells."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    for column in shown:
        numeric = part["numeric"][column]
        grid.add_column(
            part["heads"][column], justify="right" if numeric else "left", no_wrap=numeric, overflow="fold"
        )
    for row in part["rows"]:
        grid.add_row(*(Text(_escaped(row[column])) for column in shown))
    return grid
