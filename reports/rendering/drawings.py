"""Pictures of a report that are drawn when they are wanted: one by one, or all together on several processors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from ...progress import each
from .canvas import Svg

_Item = TypeVar("_Item")
_Outcome = TypeVar("_Outcome")


@dataclass
class Drawing:
    """A picture and what it is made of.

    Parameters
    ----------
    draw : callable
        Returns the picture; a function of a module, so that other processes find it.
    arguments : tuple
        What it is called with.
    caption : str
        What is written below, if anything.
    """

    draw: Callable[..., Svg]
    arguments: tuple[Any, ...]
    caption: str = ""

    @cached_property
    def svg(self) -> Svg:
        """The picture."""
        picture = self.draw(*self.arguments)
        return picture.captioned(self.caption) if self.caption else picture

    @cached_property
    def png(self) -> bytes:
        """The same as pixels, see `Svg.png`."""
        return self.svg.png()


def draw_all(drawings: Iterable[Drawing], n_jobs: int) -> None:
    """Draw pictures, each as SVG and PNG from one figure.

    Parameters
    ----------
    drawings : iterable of Drawing
        They have their pictures afterwards.
    n_jobs : int
        Number of processes, -1 for one per processor.
    """
    wanted = list(drawings)
    for drawing, (svg, png) in zip(wanted, in_parallel(_drawn, wanted, n_jobs, "figures"), strict=True):
        drawing.svg, drawing.png = svg, png


def _drawn(drawing: Drawing) -> tuple[Svg, bytes]:
    return drawing.svg, drawing.png


def in_parallel(
    function: Callable[[_Item], _Outcome], items: Sequence[_Item], n_jobs: int, what: str
) -> list[_Outcome]:
    """Return what a function of a module makes of each item, in their order; ``what`` they are is told as progress."""
    if n_jobs != 1 and len(items) > 1:
        from joblib import Parallel, delayed

        # By default large arrays would be read-only files in the other process.
        parallel = Parallel(n_jobs, max_nbytes=None, return_as="generator")
        # Where memory is short the other processes are killed.
        with suppress(BrokenProcessPool):
            return list(each(what, parallel(delayed(function)(item) for item in items), len(items)))
    return list(each(what, map(function, items), len(items)))
