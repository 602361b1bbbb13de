"""Places of labels beside points, so that no two of them overlap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

#: To the right and up.
Point = tuple[float, float]

# Distances of a label from its point, and the penalties, in the unit of a distance, for what lies below it.
_DISTANCES = (0.07, 0.16, 0.3, 0.5, 0.8)
_POINT_PENALTY, _LINE_PENALTY = 3.0, 0.25
# Directions from the point, to the right and up, the best first.
_WAYS = ((1, 1), (-1, 1), (1, -1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))


class Box(NamedTuple):
    """A rectangle, its sides upright and level."""

    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: Box) -> bool:
        """Return whether two rectangles share an area."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.bottom < other.top
            and other.bottom < self.top
        )

    def within(self, other: Box) -> bool:
        """Return whether this rectangle is inside another."""
        return (
            self.left >= other.left
            and self.bottom >= other.bottom
            and self.right <= other.right
            and self.top <= other.top
        )

    def around(self, margin: float) -> Box:
        """Return the rectangle with a margin on all sides."""
        return Box(self.left - margin, self.bottom - margin, self.right + margin, self.top + margin)


def place_labels(
    points: Sequence[Point],
    sizes: Sequence[Point],
    frame: Box,
    others: Sequence[Point] = (),
    lines: Sequence[Box] = (),
) -> list[Box | None]:
    """Find a place beside each point for its label.

    Labels are placed one after another, each where it hides least: no label overlaps another or the frame; other
    points and lines are avoided where there is room.

    Parameters
    ----------
    points : sequence of (x, y)
        In inches, the most important first.
    sizes : sequence of (width, height)
        Of their labels, in inches.
    frame : Box
        What labels must be inside of.
    others : sequence of (x, y)
        Points without a label.
    lines : sequence of Box
        Thin rectangles.

    Returns
    -------
    list of Box or None
        None where there is no room.

    Examples
    --------
    >>> frame = Box(0, 0, 4, 3)
    >>> first, second = place_labels([(1, 1), (1.1, 1)], [(1, 0.1), (1, 0.1)], frame)
    >>> first.overlaps(second), first.within(frame), second.within(frame)
    (False, True, True)
    """
    marks = [Box(x, y, x, y).around(0.055) for x, y in [*points, *others]]
    placed: list[Box | None] = []
    for point, size in zip(points, sizes, strict=True):
        taken = [(own, box) for own, box in zip(points, placed, strict=False) if box is not None]
        best, least = None, np.inf
        for distance, box in _candidates(point, size):
            if distance >= least:
                break
            if not box.within(frame):
                continue
            hidden = sum(box.overlaps(mark) for mark in marks)
            crossed = sum(box.overlaps(line) for line in lines)
            cost = distance + _POINT_PENALTY * hidden + _LINE_PENALTY * crossed
            # Last, as it takes longest.
            if cost < least and not any(_clash(point, box, *other) for other in taken):
                best, least = box, cost
        placed.append(best)
    return placed


def lead(point: Point, box: Box) -> Point:
    """Return where in a box the line from its point ends.

    Examples
    --------
    >>> lead((0, 0.5), Box(1, 0, 2, 1))
    (1.0, 0.5)
    """
    (x, y), (left, bottom, right, top) = point, box
    return float(min(max(x, left), right)), float(min(max(y, bottom), top))


def _clash(point: Point, box: Box, other_point: Point, other: Box) -> bool:
    """Return whether two labels overlap, or the line to one crosses the other."""
    return (
        box.around(0.015).overlaps(other) or _crosses(point, box, other) or _crosses(other_point, other, box)
    )


def _crosses(point: Point, box: Box, other: Box) -> bool:
    end = lead(point, box)
    if not Box(*map(min, point, end), *map(max, point, end)).overlaps(other):
        return False
    steps = np.linspace(point, end, 25)
    inside = (steps > (other.left, other.bottom)) & (steps < (other.right, other.top))
    return bool(inside.all(axis=1).any())


def _candidates(point: Point, size: Point) -> Iterator[tuple[float, Box]]:
    (x, y), (width, height) = point, size
    for distance in _DISTANCES:
        for number, (right, up) in enumerate(_WAYS):
            left = x + (distance if right > 0 else -distance - width if right < 0 else -width / 2)
            # Beside the point itself, a corner is nearer than its distance to the right and up.
            bottom = y + (0.7 * distance if up > 0 else -0.7 * distance - height if up < 0 else -height / 2)
            yield distance + 0.005 * number, Box(left, bottom, left + width, bottom + height)
