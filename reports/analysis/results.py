"""Results of each attempt, read from a store for scoring."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...experiments.store.schema import EXTERNAL, NO_PROBABILITIES

#: Code of the warning that times cannot be compared.
MIXED_MACHINES = "mixed-machines"
#: Name of the data set whose tracks are measured instead of ranked.
DIAGNOSTIC = "diagnostic"


class Reader(Protocol):
    """The read interface of a store, on which all reports rest."""

    def datasets(self) -> pd.DataFrame:
        """Return one row per data set and split."""

    def clips(self, dataset_id: int, *, conditions: bool = False) -> pd.DataFrame:
        """Return clip, label and group at each position, and optionally the conditions of each clip."""

    def thumbnails(self, dataset_id: int) -> dict[int, bytes]:
        """Return the thumbnails of clips that there are, as WebP, by position."""

    def cells(self) -> pd.DataFrame:
        """Return one row per cell, of any status, by data set, split, attempt, seed and fold."""

    def cell_columns(self) -> dict[str, NDArray[Any]]:
        """Return the columns of `cells` as arrays."""

    def predictions_of(
        self, dataset_id: int, attempt: str, keys: Iterable[str]
    ) -> tuple[NDArray[np.intp], NDArray[np.int32], NDArray[np.float64]]:
        """Return counts, positions and class probabilities of finished cells of an attempt, one after the other."""

    def machines(self) -> dict[int, dict[str, Any]]:
        """Return machines with their set-ups, by number."""

    def with_artifacts(self) -> set[str]:
        """Return the keys of the cells that have artifacts."""

    def artifacts(self, key: str) -> dict[str, bytes]:
        """Return the artifacts of a cell, by name."""

    def runs(self) -> pd.DataFrame:
        """Return one row per run."""


@dataclass(frozen=True, eq=False)
class Result:
    """All predictions of one attempt on one data set under one split.

    The arrays have one entry per prediction; a clip has one under each seed.

    Attributes
    ----------
    columns : dict of ndarray
        The columns of `cells`, which are cheaper to access.
    positions : ndarray of int, shape (n,)
        Position of the clip in the data set.
    seeds : ndarray of int, shape (n,)
        Seed of the prediction.
    truth, predicted : ndarray of int, shape (n,)
        Indices into ``classes``.
    confidence : ndarray of float, shape (n,)
        Probability of the predicted class.
    groups : ndarray, shape (n,)
        Group of the clip.
    clips : DataFrame
        ``clip``, ``label``, ``group`` and conditions of each clip of the data set, by position; shared by all its
        results.
    base : str
        Name of the attempt with all training groups.
    n_train_groups : float
        Largest number of training groups in any fold; NaN if unknown.
    n_expected : int
        Clips predicted by any attempt on this data set under this split.
    n_expected_predictions : int
        Sum over clips of the largest number of predictions of any attempt, one for each seed.
    machines : tuple of dict
        Machines, each with its set-up, of its finished cells.
    silenced : frozenset of str
        Codes of warnings that the matrix of the last run suppresses.
    entry : dict
        The data set in the matrix of the last run that has it; empty if it is listed more than once there.
    is_in_last_run : bool
        Whether the matrix of the last run has it.
    """

    dataset: str
    split: str
    attempt: str
    family: str
    fingerprint: str
    classes: list[str]
    dataset_warnings: list[str]
    columns: dict[str, NDArray[Any]]
    positions: NDArray[np.intp]
    seeds: NDArray[np.intp]
    truth: NDArray[np.intp]
    predicted: NDArray[np.intp]
    confidence: NDArray[np.float64]
    groups: NDArray[np.str_]
    base: str
    clips: pd.DataFrame = field(default_factory=pd.DataFrame)
    n_train_groups: float = np.nan
    n_expected: int = 0
    n_expected_predictions: int = 0
    machines: tuple[dict[str, Any], ...] = ()
    silenced: frozenset[str] = frozenset()
    entry: dict[str, Any] = field(default_factory=dict)
    is_in_last_run: bool = False

    @property
    def name(self) -> tuple[str, str, str]:
        """Data set, split and attempt."""
        return self.dataset, self.split, self.attempt

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each prediction is correct, shape (n,)."""
        return self.truth == self.predicted

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """One over the number of predictions of the same clip, shape (n,): each clip counts once."""
        return 1.0 / np.bincount(self.positions)[self.positions]

    @property
    def origin(self) -> str:
        """``"external"`` where the predictions were imported, else ``"run"``."""
        return EXTERNAL if (self.columns["code"] == EXTERNAL).all() else "run"

    @cached_property
    def has_probabilities(self) -> bool:
        """Whether predictions say how sure they are; imported ones may not."""
        return not any(NO_PROBABILITIES in warnings for warnings in self.column("warnings"))

    @cached_property
    def complete(self) -> bool:
        """Whether every cell finished, with as many clips and seeds as any other attempt."""
        return (
            self.count("done") == self.n_cells
            and self.n_clips >= self.n_expected
            and len(self.positions) >= self.n_expected_predictions
        )

    @cached_property
    def n_clips(self) -> int:
        """Number of clips predicted."""
        return int(np.count_nonzero(np.bincount(self.positions)))

    @cached_property
    def n_cells(self) -> int:
        """Number of its cells, of any status."""
        return len(self.columns["key"])

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Its cells, of any status."""
        return pd.DataFrame(
            {name: pd.Series(column, dtype=column.dtype) for name, column in self.columns.items()}
        )

    @cached_property
    def done(self) -> pd.DataFrame:
        """The cells that finished."""
        return self.cells[self._is("done")]

    @cached_property
    def failed(self) -> pd.DataFrame:
        """The cells that failed."""
        return self.cells[self._is("failed")]

    @cached_property
    def skipped(self) -> pd.DataFrame:
        """The cells that the attempt skipped."""
        return self.cells[self._is("skipped")]

    def without_warning(self, code: str) -> Result:
        """Return the result without the data set's warnings of a code."""
        left = [text for text in self.dataset_warnings if not text.endswith(f"[{code}]")]
        return replace(self, dataset_warnings=left)

    def column(self, name: str) -> NDArray[Any]:
        """Return a column of the cells that finished."""
        own = self.columns[name]
        return own if self.count("done") == self.n_cells else own[self._is("done")]

    def _is(self, status: str) -> NDArray[np.bool_]:
        return np.asarray(self.columns["status"] == status)

    def count(self, status: str) -> int:
        """Return the number of cells of a status."""
        return self._counts[status]

    @cached_property
    def _counts(self) -> Counter[str]:
        return Counter(self.columns["status"].tolist())


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
    columns, machines, runs = store.cell_columns(), store.machines(), store.runs()
    # An import says nothing of what else is compared.
    own = [facts.get("origin") != EXTERNAL for facts in runs["provenance"]]
    ordered = runs[own] if any(own) else runs
    matrices = _distinct([*ordered["matrix"].iloc[::-1], *runs["matrix"].iloc[::-1]])
    matrix = matrices[0] if matrices else {}
    silenced = frozenset(matrix.get("silence", []))
    results = []
    for row in store.datasets().sort_values(["dataset", "split"]).to_dict("records"):
        clips = store.clips(row["id"], conditions=True)
        dataset = {str(name): value for name, value in row.items()}
        truth = pd.Index(dataset["classes"]).get_indexer(clips["label"].to_list())
        groups = clips["group"].to_numpy(dtype=str)
        found = [
            _result(store, dataset, truth, groups, own, machines) for own in _attempts(columns, row["id"])
        ]
        # The largest number by any attempt: if each has other folds, none is complete.
        n_predictions = np.zeros(len(clips), np.intp)
        for result in found:
            n_predictions = np.maximum(n_predictions, np.bincount(result.positions, minlength=len(clips)))
        texts = list(dataset["warnings"])
        differing = differences(facts for result in found for facts in result.machines)
        if differing and MIXED_MACHINES not in silenced:
            texts.append(
                "Times were measured on different set-ups and must not be compared: "
                f"{'; '.join(differing)}. [{MIXED_MACHINES}]"
            )
        entries = [_entry(one, row["dataset"], row["split"]) for one in matrices]
        results += [
            replace(
                result,
                clips=clips,
                n_expected=int(np.count_nonzero(n_predictions)),
                n_expected_predictions=int(n_predictions.sum()),
                dataset_warnings=texts,
                silenced=silenced,
                entry=next(filter(None, entries), {}),
                is_in_last_run=bool(entries and entries[0]),
            )
            for result in found
        ]
    return results


def without_probes(results: list[Result]) -> list[Result]:
    """Return the results on clips that lack nothing, see `ladder.ladder` for the others."""
    return [result for result in results if not result.entry.get("probe")]


def diagnostics(results: list[Result]) -> list[Result]:
    """Return the results on tracks of the data set ``diagnostic``, of which `profile.profile` is made."""
    return [result for result in without_probes(results) if result.entry.get("name") == DIAGNOSTIC]


def compared(results: list[Result]) -> list[Result]:
    """Return the results that attempts are ranked by: on clips that lack nothing, and of no diagnostic track."""
    return [result for result in without_probes(results) if result.entry.get("name") != DIAGNOSTIC]


def by_data(results: list[Result]) -> dict[tuple[str, str], list[Result]]:
    """Return results by data set and split, in their order."""
    found: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        found.setdefault((result.dataset, result.split), []).append(result)
    return found


def unfinished(store: Reader) -> list[str]:
    """Return a sentence on each run that did not finish, unless a later one of the same matrix did."""
    runs = store.runs().to_dict("records")
    ended = [isinstance(run["finished"], str) for run in runs]
    return [
        f"Run {run['id']} ({run['name']}) has not finished."
        for number, run in enumerate(runs)
        if not any(
            end and later["matrix"] == run["matrix"]
            for end, later in zip(ended[number:], runs[number:], strict=True)
        )
    ]


def _distinct(matrices: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return matrices in their order, each once."""
    return list({json.dumps(matrix, sort_keys=True): matrix for matrix in matrices}.values())


def _entry(matrix: dict[str, Any], dataset: str, split: str) -> dict[str, Any]:
    """Return the entry of a matrix for a data set and split, if there is exactly one."""
    found = [
        entry
        for entry in matrix.get("datasets", [])
        if (entry["title"] or entry["name"]) == dataset and split.startswith(entry["split"]["name"])
    ]
    return found[0] if len(found) == 1 else {}


def _attempts(columns: dict[str, NDArray[Any]], dataset_id: int) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the columns of each attempt on a data set."""
    own = np.flatnonzero(columns["dataset_id"] == dataset_id)
    names = columns["attempt"][own]
    bounds = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1), len(own)]
    for start, stop in pairwise(bounds):
        rows = slice(own[start], own[stop - 1] + 1)
        yield {name: column[rows] for name, column in columns.items()}


def _result(
    store: Reader,
    dataset: dict[str, Any],
    truth: NDArray[np.intp],
    groups: NDArray[np.str_],
    columns: dict[str, NDArray[Any]],
    machines: dict[int, dict[str, Any]],
) -> Result:
    attempt, done = str(columns["attempt"][0]), columns["status"] == "done"
    positions, seeds, predicted, confidence = _predictions(
        store, dataset["id"], attempt, columns["key"][done], columns["seed"][done]
    )
    used = columns["machine_id"][done]
    return Result(
        dataset=dataset["dataset"],
        split=dataset["split"],
        attempt=attempt,
        family=str(columns["family"][0]),
        fingerprint=dataset["fingerprint"],
        classes=list(dataset["classes"]),
        dataset_warnings=list(dataset["warnings"]),
        columns=columns,
        positions=positions,
        seeds=seeds,
        truth=truth[positions],
        predicted=predicted,
        confidence=confidence,
        groups=groups[positions],
        base=str(columns["base"][0]),
        n_train_groups=float(np.fmax.reduce(columns["n_train_groups"])),
        machines=tuple(
            machines[int(number)] for number in np.unique(used[~np.isnan(used)]) if int(number) in machines
        ),
    )


def differences(machines: Iterable[dict[str, Any]]) -> list[str]:
    """Describe the differences between machines and their set-ups: ``threads 1, 2``."""
    machines = list(machines)
    names = dict.fromkeys(name for facts in machines for name in facts)
    values = {name: sorted({str(facts.get(name, "not known")) for facts in machines}) for name in names}
    return [f"{name} {', '.join(found)}" for name, found in values.items() if len(found) > 1]


def _predictions(
    store: Reader, dataset_id: int, attempt: str, keys: NDArray[Any], seeds: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Return position, seed, class and probability of each prediction of the finished cells."""
    if not len(keys):
        empty = np.empty(0, np.intp)
        return empty, empty, empty, np.empty(0)
    counts, positions, probabilities = store.predictions_of(dataset_id, attempt, keys)
    predicted = np.argmax(probabilities, axis=1)
    confidence = probabilities[np.arange(len(predicted)), predicted]
    return positions.astype(np.intp), np.repeat(seeds, counts), predicted, confidence
