"""How long cells will take, and how much room, by what such cells took before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..store import Store
    from .cells import PlannedCell


class Estimate:
    """Time and disk of cells that are still to run.

    A cell is expected to take the mean of the stored cells of the same attempt on the same data set, else of the same
    attempt, else of its data set, else of all.

    Parameters
    ----------
    store : Store
        Where past costs are.
    cells : iterable of PlannedCell
        What is to run.
    workers : int
        How many run at a time.
    """

    def __init__(self, store: Store, cells: Iterable[PlannedCell], workers: int) -> None:
        self._workers = workers
        cells = list(cells)
        self._means = _means(store.past_costs()) if cells else {}
        self._expected = {cell.key: self._find(cell) for cell in cells if cell.skip is None}
        known = [seconds for seconds in self._expected.values() if seconds is not None]
        self._sum, self._n_known, self._n_left = sum(known), len(known), len(self._expected)
        n_cells, size = store.room()
        self._bytes_per_cell = size / n_cells if n_cells else None

    def _find(self, cell: PlannedCell) -> float | None:
        places = (cell.data.title, cell.title), ("", cell.title), (cell.data.title, ""), ("", "")
        return next((self._means[place] for place in places if place in self._means), None)

    def ended(self, cell: PlannedCell) -> None:
        """Take away a cell that has ended."""
        if cell.key in self._expected:
            seconds = self._expected.pop(cell.key)
            self._n_left -= 1
            if seconds is not None:
                self._sum -= seconds
                self._n_known -= 1

    def seconds_left(self) -> float | None:
        """Return the wall time that is left, None where nothing is known of any cell."""
        if not self._n_left:
            return 0.0
        if not self._n_known:
            return None
        return max(0.0, self._sum) / self._n_known * self._n_left / min(self._workers, self._n_left)

    def bytes_left(self) -> float | None:
        """Return what the store will grow by, None where nothing is known."""
        return None if self._bytes_per_cell is None else self._bytes_per_cell * self._n_left


def _means(costs: Iterable[tuple[str, str, int, float]]) -> dict[tuple[str, str], float]:
    sums: dict[tuple[str, str], list[float]] = {}
    for dataset, attempt, number, seconds in costs:
        for place in ((dataset, attempt), ("", attempt), (dataset, ""), ("", "")):
            total = sums.setdefault(place, [0.0, 0.0])
            total[0] += seconds
            total[1] += number
    return {place: seconds / number for place, (seconds, number) in sums.items()}
