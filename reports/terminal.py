"""The comparison table on a terminal; light, so that a table that is known already appears at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table


class Tables:
    """What `tables.layout` returns, for ``rich.console.Console.print``.

    Nothing is left out at 100 columns; a narrower terminal loses whole columns, the least important first.
    """

    # What is left out first, where there is no room.
    EXPENDABLE = ("family", "MiB", "params", "F1", "fit s", "ms/clip", "failed")

    def __init__(self, parts: Sequence[Mapping[str, Any]]) -> None:
        self.parts = parts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        for number, part in enumerate(self.parts):
            if number:
                yield Text()
            yield Text.assemble((part["dataset"], "bold"), f", {part['split']}: {part['extent']}")
            yield self._fitting(part, console, options)
            yield from (Text(size, style="dim") for size in part["sizes"])
            yield from (Text(f"! {note}", style="yellow") for note in part["notes"])

    def _fitting(self, part: Mapping[str, Any], console: Console, options: ConsoleOptions) -> Table:
        from rich.measure import Measurement

        # The line above the table says these of all rows at once.
        left_out = {"clips", "groups", "folds"}
        for head in self.EXPENDABLE:
            grid = _grid(part, left_out)
            if Measurement.get(console, options.update(max_width=500), grid).maximum <= options.max_width:
                return grid
            left_out.add(head)
        return _grid(part, left_out)


def _grid(part: Mapping[str, Any], left_out: set[str]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    shown = [number for number, head in enumerate(part["heads"]) if head not in left_out]
    for column in shown:
        number = part["numbers"][column]
        grid.add_column(
            part["heads"][column], justify="right" if number else "left", no_wrap=number, overflow="fold"
        )
    for row in part["rows"]:
        grid.add_row(*(Text(row[column]) for column in shown))
    return grid
