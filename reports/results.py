"""What a store says of each attempt, gathered for scoring."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray


class Reader(Protocol):
    """The reading side of a store: all that reports know of experiments."""

    def datasets(self) -> pd.DataFrame:
        """Return one row per data set and split."""

    def clips(self, dataset_id: int) -> pd.DataFrame:
        """Return clip, label and group at each position."""

    def cells(self) -> pd.DataFrame:
        """Return one row per cell, of any status."""

    def predictions(self, key: str) -> tuple[NDArray[np.integer], NDArray[np.float64]]:
        """Return positions and class probabilities of a finished cell."""

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
    base : str
        Name of the attempt when it learns from all groups of a fold.
    n_train_groups : float
        Most groups that it learned from in any fold; NaN in stores of before they were counted.
    n_expected : int
        Clips predicted by the attempt that has come furthest on this data set under this split.
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
    base: str
    n_train_groups: float = np.nan
    n_expected: int = 0

    @property
    def name(self) -> tuple[str, str, str]:
        """Data set, split and attempt."""
        return self.dataset, self.split, self.attempt

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each prediction is right, shape (n,)."""
        return self.truth == self.predicted

    @property
    def weights(self) -> NDArray[np.float64]:
        """One over the number of predictions of the same clip, shape (n,): each clip counts once."""
        _, inverse, counts = np.unique(self.positions, return_inverse=True, return_counts=True)
        return 1.0 / counts[inverse]

    @property
    def complete(self) -> bool:
        """Whether every cell finished, and none is still to come that another attempt has finished."""
        return bool((self.cells["status"] == "done").all()) and self.n_clips >= self.n_expected

    @property
    def n_clips(self) -> int:
        """Number of clips predicted."""
        return len(np.unique(self.positions))

    @property
    def done(self) -> pd.DataFrame:
        """The cells that finished."""
        return self.cells[self.cells["status"] == "done"]

    @property
    def failed(self) -> pd.DataFrame:
        """The cells that failed."""
        return self.cells[self.cells["status"] == "failed"]

    @property
    def skipped(self) -> pd.DataFrame:
        """The cells that were skipped for a reason of the attempt's own."""
        return self.cells[self.cells["status"] == "skipped"]


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
    cells = store.cells()
    results = []
    for row in store.datasets().sort_values(["dataset", "split"]).to_dict("records"):
        clips = store.clips(row["id"])
        dataset = {str(name): value for name, value in row.items()}
        attempts = cells[cells["dataset_id"] == row["id"]].groupby("attempt", sort=True)
        found = [_result(store, dataset, clips, own) for _, own in attempts]
        most = max((result.n_clips for result in found), default=0)
        results += [replace(result, n_expected=most) for result in found]
    return results


def _result(store: Reader, dataset: dict[str, Any], clips: pd.DataFrame, cells: pd.DataFrame) -> Result:
    cells = cells.sort_values(["seed", "fold"], kind="stable").reset_index(drop=True)
    positions, seeds, predicted = _predictions(store, cells)
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
        base=str(cells["base"].iloc[0]),
        n_train_groups=float(cells["n_train_groups"].astype(float).max()),
    )


def _predictions(
    store: Reader, cells: pd.DataFrame
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    done = cells[cells["status"] == "done"]
    if done.empty:
        empty = np.empty(0, np.intp)
        return empty, empty, empty
    positions, probabilities = zip(*map(store.predictions, done["key"]), strict=True)
    seeds = np.repeat(done["seed"].to_numpy(dtype=np.intp), list(map(len, positions)))
    predicted = np.argmax(np.concatenate(probabilities), axis=1)
    return np.concatenate(positions).astype(np.intp), seeds, predicted
