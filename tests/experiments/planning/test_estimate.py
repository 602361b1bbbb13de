from types import SimpleNamespace

import pytest

from actionbench.experiments.planning.estimate import Estimate


def cell(key, attempt="a", dataset="d", skip=None):
    return SimpleNamespace(key=key, title=attempt, data=SimpleNamespace(title=dataset), skip=skip)


class Past:
    def __init__(self, *costs, room=(0, 0)):
        self.costs, self._room = costs, room

    def past_costs(self):
        return self.costs

    def room(self):
        return self._room


PAST = Past(("d", "a", 2, 8.0), ("d", "b", 1, 1.0), ("e", "a", 1, 10.0), room=(4, 400))


@pytest.mark.parametrize(
    ("attempt", "dataset", "expected"),
    # The same attempt on the same data set, the attempt, the data set, all.
    [("a", "d", 4.0), ("a", "new", 6.0), ("new", "d", 3.0), ("new", "new", 19 / 4)],
)
def test_the_closest_past_counts(attempt, dataset, expected):
    assert Estimate(PAST, [cell("x", attempt, dataset)], 1).seconds_left() == pytest.approx(expected)


def test_cells_that_end_or_are_skipped_take_no_more_time_and_workers_share_it():
    cells = [cell("x"), cell("y"), cell("z", "b"), cell("s", skip="no")]
    estimate = Estimate(PAST, cells, workers=2)
    assert estimate.seconds_left() == pytest.approx((4 + 4 + 1) / 2)
    assert estimate.bytes_left() == pytest.approx(300)
    estimate.ended(cells[0])
    estimate.ended(cells[0])
    assert estimate.seconds_left() == pytest.approx((4 + 1) / 2)
    for one in cells:
        estimate.ended(one)
    assert estimate.seconds_left() == 0


def test_nothing_is_said_where_nothing_is_known():
    estimate = Estimate(Past(), [cell("x")], 1)
    assert (estimate.seconds_left(), estimate.bytes_left()) == (None, None)
