"""Labels beside points: none overlaps another, and each is near its point."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionbench.reports.rendering.labels import Box, lead, place_labels

FRAME = Box(0, 0, 4.75, 3.05)
SPOTS = st.tuples(st.floats(0, 4.75), st.floats(0, 3.05))


def area(one, other):
    """The area that two rectangles share, by their definition."""
    across = min(one.right, other.right) - max(one.left, other.left)
    up = min(one.top, other.top) - max(one.bottom, other.bottom)
    return max(across, 0) * max(up, 0)


@given(
    points=st.lists(st.tuples(SPOTS, st.floats(0.2, 2.5)), min_size=1, max_size=12),
    others=st.lists(SPOTS, max_size=20),
)
def test_no_label_overlaps_another_or_leaves_the_frame(points, others):
    spots, widths = zip(*points, strict=True)
    found = place_labels(spots, [(width, 0.125) for width in widths], FRAME, others)
    placed = [(spot, box) for spot, box in zip(spots, found, strict=True) if box is not None]
    for spot, box in placed:
        assert area(box, FRAME) == pytest.approx((box.right - box.left) * 0.125)
        assert np.hypot(*np.subtract(lead(spot, box), spot)) < 1.2
    assert not any(area(one, other) for (_, one), (_, other) in combinations(placed, 2))


def test_labels_of_points_at_one_place_stand_around_it():
    found = place_labels([(2.0, 1.5)] * 6, [(1.0, 0.12)] * 6, FRAME)
    assert None not in found
    assert not any(area(one, other) for one, other in combinations(found, 2))


def test_points_without_a_label_stay_visible_where_there_is_room():
    others = [(2.3, 1.62), (1.7, 1.62), (2.3, 1.38)]
    (box,) = place_labels([(2.0, 1.5)], [(0.8, 0.12)], FRAME, others)
    assert not any(area(box, Box(x - 0.05, y - 0.05, x + 0.05, y + 0.05)) for x, y in others)


def test_a_line_to_one_label_does_not_cross_another():
    points = [(2.0, 1.5), (2.02, 1.42), (1.98, 1.58)]
    found = place_labels(points, [(1.4, 0.12)] * 3, FRAME)
    for number, other in ((0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)):
        for x, y in np.linspace(points[number], lead(points[number], found[number]), 100):
            box = found[other]
            assert not (box.left + 0.02 < x < box.right - 0.02 and box.bottom + 0.02 < y < box.top - 0.02)


def test_there_is_no_place_for_what_is_wider_than_the_frame():
    assert place_labels([(1.0, 1.0)], [(5.0, 0.1)], FRAME) == [None]
