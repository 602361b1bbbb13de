"""What a store says of each attempt, gathered for scoring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

#: The code of the warning that times cannot be compared.
MIXED = "mixed-machines"


class Reader(Protocol):
    """The reading side of a store: all that reports know of experiments."""

    def datasets(self) -> pd.DataFrame:
        """Return one row per data set and split."""

    def clips(self, dataset_id: int, *, conditions: bool = False) -> pd.DataFrame:
        """Return clip, label and group at each position, and what else was known of each clip."""

    def strips(self, dataset_id: int) -> dict[int, bytes]:
        """Return the film strips of clips that there are, as WebP, by position."""

    def cells(self) -> pd.DataFrame:
        """Return one row per cell, of any status."""

    def predictions(self, key: str) -> tuple[NDArray[np.integer], NDArray[np.float64]]:
        """Return positions and class probabilities of a finished cell."""

    def predictions_of(
        self, dataset_id: int, attempt: str
    ) -> dict[str, tuple[NDArray[np.int32], NDArray[np.float64]]]:
        """Return predictions of all finished cells of an attempt on a data set, by key."""

    def machines(self) -> dict[int, dict[str, Any]]:
        """Return machines with their set-ups, by number."""

    def artifacts(self, key: str) -> dict[str, bytes]:
        """Return what a cell left behind, by name."""

    def runs(self) -> pd.DataFrame:
        """Return one row per run."""


@dataclass(frozen=True, eq=False)
class Result:
    """All predictions of one attempt on one data set under one split.

    The arrays have one entry per prediction; a clip has one under each seed.

    Attributes
    ----------
    cells : DataFrame
        Its cells, of any status.
    positions : ndarray of int, shape (n,)
        Position of the clip in the data set.
    seeds : ndarray of int, shape (n,)
        Seed under which it was predicted.
    truth, predicted : ndarray of int, shape (n,)
        Indices into ``classes``.
    groups : ndarray, shape (n,)
        Group of the clip.
    clips : DataFrame
        ``clip``, ``label``, ``group`` and conditions of each clip of the data set, by position; one object for all its
        results.
    base : str
        Name of the attempt when it learns from all groups of a fold.
    n_train_groups : float
        Most groups that it learned from in any fold; NaN in stores of before they were counted.
    n_expected : int
        Clips predicted by the attempt that has come furthest on this data set under this split.
    machines : tuple of dict
        Machines, each with its set-up, that its finished cells ran on.
    silenced : frozenset of str
        Codes of warnings that the matrix of the last run does not want to hear.
    entry : dict
        The data set in the matrix of the last run; empty where it is not there, or more than once.
    """

    dataset: str
    split: str
    attempt: str
    family: str
    fingerprint: str
    classes: list[str]
    dataset_warnings: list[str]
    cells: pd.DataFrame
    positions: NDArray[np.intp]
    seeds: NDArray[np.intp]
    truth: NDArray[np.intp]
    predicted: NDArray[np.intp]
    groups: NDArray[np.str_]
    clips: pd.DataFrame
    base: str
    n_train_groups: float = np.nan
    n_expected: int = 0
    machines: tuple[dict[str, Any], ...] = ()
    silenced: frozenset[str] = frozenset()
    entry: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> tuple[str, str, str]:
        """Data set, split and attempt."""
        return self.dataset, self.split, self.attempt

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each prediction is right, shape (n,)."""
        return self.truth == self.predicted

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """One over the number of predictions of the same clip, shape (n,): each clip counts once."""
        _, inverse, counts = np.unique(self.positions, return_inverse=True, return_counts=True)
        return 1.0 / counts[inverse]

    @cached_property
    def complete(self) -> bool:
        """Whether every cell finished, and none is still to come that another attempt has finished."""
        return self.count("done") == len(self.cells) and self.n_clips >= self.n_expected

    @cached_property
    def n_clips(self) -> int:
        """Number of clips predicted."""
        return len(np.unique(self.positions))

    @cached_property
    def done(self) -> pd.DataFrame:
        """The cells that finished."""
        return self._with("done")

    @cached_property
    def failed(self) -> pd.DataFrame:
        """The cells that failed."""
        return self._with("failed")

    @cached_property
    def skipped(self) -> pd.DataFrame:
        """The cells that were skipped for a reason of the attempt's own."""
        return self._with("skipped")

    def _with(self, status: str) -> pd.DataFrame:
        # Most often all, which needs no copy of a wide table.
        if self.count(status) == len(self.cells):
            return self.cells
        return self.cells[(self.cells["status"] == status).to_numpy()]

    def count(self, status: str) -> int:
        """Return the number of cells of a status."""
        return self._counts[status]

    @cached_property
    def _counts(self) -> Counter[str]:
        return Counter(self.cells["status"])


def gather(store: Reader) -> list[Result]:
    """Read every attempt's predictions.

    Parameters
    ----------
    store : Reader
        An open store.

    Returns
    -------
    list of Result
        One for each data set, split and attempt that has cells, in this order.
    """
    # Sorted once for all attempts: a wide table is slow to sort.
    cells, machines, runs = store.cells(), store.machines(), store.runs()
    cells = cells.sort_values(["seed", "fold"], kind="stable")
    matrix = runs["matrix"].iloc[-1] if len(runs) else {}
    silenced = frozenset(matrix.get("silence", []))
    results = []
    for row in store.datasets().sort_values(["dataset", "split"]).to_dict("records"):
        clips = store.clips(row["id"], conditions=True)
        dataset = {str(name): value for name, value in row.items()}
        attempts = cells[cells["dataset_id"] == row["id"]].groupby("attempt", sort=True)
        found = [_result(store, dataset, clips, own, machines) for _, own in attempts]
        most = max((result.n_clips for result in found), default=0)
        said = list(dataset["warnings"])
        unlike = differences(facts for result in found for facts in result.machines)
        if unlike and MIXED not in silenced:
            said.append(
                f"Times come from set-ups that differ and must not be compared: {'; '.join(unlike)}. [{MIXED}]"
            )
        entry = _entry(matrix, row["dataset"], row["split"])
        results += [
            replace(result, n_expected=most, dataset_warnings=said, silenced=silenced, entry=entry)
            for result in found
        ]
    return results


def _entry(matrix: dict[str, Any], dataset: str, split: str) -> dict[str, Any]:
    """Return the entry of a matrix that a data set under a split is made from, if there is just one."""
    found = [
        entry
        for entry in matrix.get("datasets", [])
        if (entry["title"] or entry["name"]) == dataset and split.startswith(entry["split"]["name"])
    ]
    return found[0] if len(found) == 1 else {}


def _result(
    store: Reader,
    dataset: dict[str, Any],
    clips: pd.DataFrame,
    cells: pd.DataFrame,
    machines: dict[int, dict[str, Any]],
) -> Result:
    cells = cells.reset_index(drop=True)
    positions, seeds, predicted = _predictions(store, dataset["id"], cells)
    labels = pd.Index(dataset["classes"]).get_indexer(clips["label"].iloc[positions].to_list())
    return Result(
        dataset=dataset["dataset"],
        split=dataset["split"],
        attempt=str(cells["attempt"].iloc[0]),
        family=str(cells["family"].iloc[0]),
        fingerprint=dataset["fingerprint"],
        classes=list(dataset["classes"]),
        dataset_warnings=list(dataset["warnings"]),
        cells=cells,
        positions=positions,
        seeds=seeds,
        truth=labels,
        predicted=predicted,
        groups=clips["group"].to_numpy(dtype=str)[positions],
        clips=clips,
        base=str(cells["base"].iloc[0]),
        n_train_groups=float(cells["n_train_groups"].max()),
        machines=tuple(machines[int(number)] for number in sorted(_machines_of(cells)) if number in machines),
    )


def _machines_of(cells: pd.DataFrame) -> set[float]:
    return set(cells["machine_id"][(cells["status"] == "done").to_numpy()].dropna())


def differences(machines: Iterable[dict[str, Any]]) -> list[str]:
    """Return in what machines and their set-ups differ: ``threads 1, 2``."""
    machines = list(machines)
    names = dict.fromkeys(name for facts in machines for name in facts)
    values = {name: sorted({str(facts.get(name, "not known")) for facts in machines}) for name in names}
    return [f"{name} {', '.join(found)}" for name, found in values.items() if len(found) > 1]


def _predictions(
    store: Reader, dataset_id: int, cells: pd.DataFrame
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    done = cells[cells["status"] == "done"]
    if done.empty:
        empty = np.empty(0, np.intp)
        return empty, empty, empty
    known = store.predictions_of(dataset_id, str(done["attempt"].iloc[0]))
    positions, probabilities = zip(*(known[key] for key in done["key"]), strict=True)
    seeds = np.repeat(done["seed"].to_numpy(dtype=np.intp), list(map(len, positions)))
    predicted = np.argmax(np.concatenate(probabilities), axis=1)
    return np.concatenate(positions).astype(np.intp), seeds, predicted
